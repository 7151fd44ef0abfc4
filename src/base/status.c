/* status.c -- the thread's last failure.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };

static _Thread_local char        message[MESSAGE_BYTES];
static _Thread_local hawq_status last_code;

hawq_status hawq_fail(hawq_status code, const char *format, ...) {
    char    text[MESSAGE_BYTES]; /* arguments may point into `message` */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof text);
    last_code = code;
    return code;
}

hawq_status hawq_prefix(const char *format, ...) {
    char    text[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    int used = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (used >= 0 && used < MESSAGE_BYTES)
        snprintf(text + used, (size_t)(MESSAGE_BYTES - used), "%s", message);
    memcpy(message, text, sizeof text);
    return last_code;
}

const char *hawq_message(void) {
    return message;
}
