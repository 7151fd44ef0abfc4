/* rows.h -- lists of rows, read and judged in one place. For results/ only.
 *
 * A database can be changed by other programs, so a row is believed only when
 * its numbers are in their range: a layer that the run does not have, or an
 * infinite loss, must not reach those who index and sum with it.
 *
 *     hawq_reader r;
 *     HAWQ_TRY(hawq_reader_of_run(store, run, arena, &r));
 *     HAWQ_TRY(HAWQ_SQL_QUERY(store->db, "SELECT ...", &r.rows, ...));
 *     HAWQ_TRY(hawq_reader_load(&r, sizeof(item), read_item, &n, &array));
 *
 * where read_item fills one item from the columns of the present row by the
 * functions below; the first that fails ends the reading.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ROWS_H
#define HAWQ_ROWS_H
#include "results/handle.h"

typedef struct hawq_reader {
    hawq_store *store;
    hawq_arena *arena;
    int64_t     run;
    int         n_layers; /* of the run */
    bool        complete; /* the run is: nothing may be missing */
    hawq_rows   rows;
    int         n;      /* items read before this row */
    hawq_status status; /* of the present row */
} hawq_reader;

/* A table of no run in particular; or of one, with its number of layers.
 * EFORMAT: the layers are not numbered without gaps. */
hawq_reader                hawq_reader_of(hawq_store *store, hawq_arena *arena);
HAWQ_NODISCARD hawq_status hawq_reader_of_run(hawq_store *store, int64_t run,
                                              hawq_arena  *arena,
                                              hawq_reader *out);

/* All rows of r->rows, each as an item of `size` bytes, at most 256, that
 * `read` fills; into the arena. The status of a row, or of the query. */
typedef void               hawq_row_reader(hawq_reader *r, void *item);
HAWQ_NODISCARD hawq_status hawq_reader_load(hawq_reader *r, size_t size,
                                            hawq_row_reader *read, int *n,
                                            void *out);

/* Makes the present row's status EFORMAT: what is wrong with it. */
void hawq_reader_refuse(hawq_reader *r, const char *format, ...)
    HAWQ_PRINTF(2, 3);

/* A whole number in low ... high; one of the run's layers; bits, 1 ... 32; a
 * finite number, `what` of the layer (< 0: of none); the same or, where NULL is
 * allowed, NaN; text, copied. 0 or NULL and a status if it is none. */
int    hawq_reader_int(hawq_reader *r, int column, int64_t low, int64_t high,
                       const char *what);
int    hawq_reader_layer(hawq_reader *r, int column);
int    hawq_reader_bits(hawq_reader *r, int column);
double hawq_reader_real(hawq_reader *r, int column, int layer,
                        const char *what);
double hawq_reader_real_or_nan(hawq_reader *r, int column, int layer,
                               const char *what);
const char *hawq_reader_text(hawq_reader *r, int column);

#endif
