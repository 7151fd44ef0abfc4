/* rewrite.h -- scales moved between neighbouring layers before they are
 * quantized: the float network's output stays as it is, but for rounding.
 *
 * A seam is a tensor whose channel j is made by row j of one layer (or by
 * element j of a normalization's scale and shift), through functions with
 * f(sx) = s f(x) at most, and read by other layers only. There the maker can be
 * divided by any s_j > 0 and the readers' inputs j multiplied by it.
 *
 *     equalize      s_j = sqrt(r_j / c_j), r_j the largest weight of the
 * maker's row, c_j of the readers' column, in turns until nothing moves (Nagel
 * et al. 2019, "Data-free quantization") smooth:ALPHA  s_j = a_j^ALPHA / c_j^(1
 * - ALPHA), a_j the largest activation (Xiao et al. 2023, "SmoothQuant") awq
 * s_j = a_j^ALPHA, a_j the mean activation, of 20 ALPHA the one whose readers'
 * outputs have the least error once they are quantized (Lin et al. 2024, "AWQ")
 *
 * A seam needs layers that are used once, with weights and biases that nothing
 * else reads; it is passed over where that is not so.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_REWRITE_H
#define HAWQ_REWRITE_H
#include "src/quant/quantize.h"

typedef enum hawq_rewrite_kind {
    HAWQ_EQUALIZE,
    HAWQ_SMOOTH,
    HAWQ_AWQ
} hawq_rewrite_kind;

typedef struct hawq_rewrite {
    hawq_rewrite_kind kind;
    double            alpha; /* of HAWQ_SMOOTH */
} hawq_rewrite;

/* "equalize", "smooth" (0.5), "smooth:0.7" with 0 to 1, "awq". EINVAL with a
 * sentence that lists them. */
HAWQ_NODISCARD hawq_status hawq_rewrite_read(const char   *text,
                                             hawq_rewrite *out);
/* "equalize, smooth:ALPHA, awq", for help and messages. */
const char *hawq_rewrite_names(void);

/* Whether it looks at images. */
bool hawq_rewrite_needs_data(const hawq_rewrite *rewrite);

/* The factors of all channels of all seams, one seam after the other in the
 * order of the nodes: all that applying a rewrite to another copy of the
 * network takes. */
typedef struct hawq_rewrite_factors {
    int           seams; /* how many there are */
    size_t        n;
    const double *factor; /* > 0 */
} hawq_rewrite_factors;

/* Finds the factors, in the arena; the graph is changed meanwhile (no engine
 * may be running on it) and then as it was. n images, x holding input-per-image
 * numbers for each (0, NULL where none are needed). candidate: what awq judges
 * by, or its format by the next best method; may be NULL for the others. The
 * same bits for any number of threads. ENOMEM; EINVAL without the images that
 * are needed. */
HAWQ_NODISCARD hawq_status hawq_rewrite_find(
    const hawq_rewrite *rewrite, hawq_graph *graph, hawq_threads *threads,
    const hawq_candidate *candidate, size_t n, const real *x, hawq_arena *arena,
    hawq_rewrite_factors *out);

/* Divides makers and multiplies readers, in place; no engine may be running on
 * the graph, whose hash stays that of the network as it was. The same bits for
 * every copy of a network. EFORMAT: the factors are not of this network's
 * seams. ENOMEM. */
HAWQ_NODISCARD hawq_status
hawq_rewrite_apply(const hawq_rewrite *rewrite, hawq_graph *graph,
                   const hawq_rewrite_factors *factors);

/* Both. *seams: how many there are. */
HAWQ_NODISCARD hawq_status hawq_rewrite_run(
    const hawq_rewrite *rewrite, hawq_graph *graph, hawq_threads *threads,
    const hawq_candidate *candidate, size_t n, const real *x, int *seams);

#endif
