/* check.h -- the whole test framework. A test is a main() that calls functions
 * full of CHECKs and ends with DONE(); its exit code is the verdict.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CHECK_H
#define HAWQ_CHECK_H
#include "src/base/status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_count, check_failed;

static inline int check_true(int ok, const char *file, int line,
                             const char *what) {
    check_count++;
    if (!ok) {
        check_failed++;
        printf("%s:%d: failed: %s\n", file, line, what);
    }
    return ok;
}

static inline int check_near(double got, double want, double tolerance,
                             const char *file, int line, const char *what) {
    int ok = fabs(got - want) <= tolerance; /* false for NaN */
    check_count++;
    if (!ok) {
        check_failed++;
        printf("%s:%d: failed: %s = %.17g, expected %.17g within %.3g\n", file,
               line, what, got, want, tolerance);
    }
    return ok;
}

#define CHECK(condition)                                                       \
    check_true(!!(condition), __FILE__, __LINE__, #condition)
#define CHECK_NEAR(got, want, tolerance)                                       \
    check_near((got), (want), (tolerance), __FILE__, __LINE__, #got)
/* the call succeeds; otherwise its message is printed */
#define CHECK_OK(call)                                                         \
    (check_true((call) == HAWQ_OK, __FILE__, __LINE__, #call)                  \
         ? 1                                                                   \
         : (printf("    %s\n", hawq_message()), 0))
/* the call fails with this code and its message contains this text */
#define CHECK_FAILS(call, code, text)                                          \
    (check_true((call) == (code) && strstr(hawq_message(), (text)), __FILE__,  \
                __LINE__, #call " fails with " text)                           \
         ? 1                                                                   \
         : (printf("    message: %s\n", hawq_message()), 0))

/* Folder of real networks and data, or NULL: then say so and skip. */
static inline const char *check_data(void) {
    const char *folder = getenv("HAWQ_TEST_DATA");
    char        probe[4096];
    if (folder) {
        snprintf(probe, sizeof probe, "%s/README.md", folder);
        FILE *f = fopen(probe, "rb");
        if (f) {
            fclose(f);
            return folder;
        }
    }
    printf("skipped: no reference networks and data (HAWQ_TEST_DATA)\n");
    return NULL;
}

#define DONE()                                                                 \
    do {                                                                       \
        printf("%d checks, %d failed\n", check_count, check_failed);           \
        return check_failed != 0;                                              \
    } while (0)

#endif
