/* status.h -- how every fallible function of the library reports failure.
 *
 * A function that can fail returns hawq_status. The only way to make a value
 * other than HAWQ_OK is hawq_fail, so a sentence for the user always exists:
 * hawq_message returns it. The message belongs to the calling thread.
 *
 *     HAWQ_TRY(hawq_graph_load(...));             passes a failure up unchanged
 *     return hawq_fail(HAWQ_EFORMAT, "%s: truncated", path);
 *     return hawq_prefix("net.onnx: ");           adds what only a caller knows
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_STATUS_H
#define HAWQ_STATUS_H

#define HAWQ_NODISCARD __attribute__((warn_unused_result))
#define HAWQ_PRINTF(f, a) __attribute__((format(printf, f, a)))

typedef enum hawq_status {
    HAWQ_OK = 0,
    HAWQ_EINVAL,       /* an argument or option is out of range */
    HAWQ_EIO,          /* a file cannot be opened, read or written */
    HAWQ_EFORMAT,      /* a file is not what its format promises */
    HAWQ_EUNSUPPORTED, /* valid, but outside what this library does */
    HAWQ_ENONFINITE,   /* NaN or infinity where a number is needed */
    HAWQ_ENOMEM,       /* out of memory */
    HAWQ_ESTATE        /* the database refuses: read-only, locked, too new */
} hawq_status;

/* Records the message (truncated at 1023 bytes) and returns `code`. */
hawq_status hawq_fail(hawq_status code, const char *format, ...)
    HAWQ_PRINTF(2, 3);

/* Puts text before the last message and returns the last code. */
hawq_status hawq_prefix(const char *format, ...) HAWQ_PRINTF(1, 2);

/* The last failure's sentence in this thread; "" if there was none. Valid
 * until the thread's next hawq_fail or hawq_prefix. */
const char *hawq_message(void);

#define HAWQ_TRY(call)                                                         \
    do {                                                                       \
        hawq_status try_ = (call);                                             \
        if (try_ != HAWQ_OK) return try_;                                      \
    } while (0)

#endif
