/* units.h -- numbers that a user types with a unit.
 *
 * A size, a time or a count is never a bare number: "weight-size=100" could be
 * bytes, kilobytes or a percentage, so it is refused with the units named.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_UNITS_H
#define HAWQ_UNITS_H
#include "src/base/arena.h"
#include "src/base/status.h"

#include <stdint.h>

enum {
    HAWQ_UNIT_BYTES = 1,    /* B KB MB GB KiB MiB GiB -> bytes */
    HAWQ_UNIT_TIME = 2,     /* us ms s -> microseconds */
    HAWQ_UNIT_COUNT = 4,    /* K M G T -> one */
    HAWQ_UNIT_MULTIPLE = 8, /* x -> multiple of the uniform 8-bit network */
    HAWQ_UNIT_BITS = 16,    /* bit bits -> bits */
    HAWQ_UNIT_NONE = 32     /* a bare number is accepted */
};

typedef struct hawq_quantity {
    double   value; /* in the base unit above */
    unsigned unit;  /* the one HAWQ_UNIT_x it was given in; 0: not given */
} hawq_quantity;

/* Reads a finite number >= 0 with one of the `allowed` units (no blank needed
 * between). EINVAL otherwise; the sentence starts with `what` ("--limit",
 * "budget weight-size") and names the units that are allowed. */
HAWQ_NODISCARD hawq_status hawq_parse_quantity(const char    *what,
                                               const char    *text,
                                               unsigned       allowed,
                                               hawq_quantity *out);

/* A whole text as a number: EINVAL with `what` unless it is one, finite and
 * in [low, high]. */
HAWQ_NODISCARD hawq_status hawq_parse_real(const char *what, const char *text,
                                           double low, double high,
                                           double *out);
HAWQ_NODISCARD hawq_status hawq_parse_int(const char *what, const char *text,
                                          int64_t low, int64_t high,
                                          int64_t *out);

/* "KEY=VALUE" at the last '=' (layer names may contain one). EINVAL with
 * `what` and `form` ("LAYER=BITS") unless both sides are there. */
HAWQ_NODISCARD hawq_status hawq_parse_pair(const char *what, const char *form,
                                           const char *text, hawq_arena *arena,
                                           const char **key,
                                           const char **value);

/* Bytes as a person reads them ("96.4 KiB"), into the arena; "" if no
 * memory. */
const char *hawq_bytes_text(hawq_arena *arena, double bytes);

#endif
