/* allocation.h -- what --allocation may name, and the codes it stands for:
 *
 *     float32                   the network as it is
 *     uniform8 uniform4 ...     weights of so many bits, activations of 8
 *     w4 w3a8 k3 w2c ...        a candidate for every layer, aN behind its
 *                               format for activations of N bits
 *     w32a32                    every layer in float32 inside the program
 *     last                      the newest allocation of this model in the
 *                               database
 *     12                        the allocation of that id
 *     FILE.json                 "layers": [{"name", "weight_bits",
 *                               "activation_bits", "candidate"}], as
 *                               hawq-search writes it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ALLOCATION_H
#define HAWQ_ALLOCATION_H
#include "results/store.h"
#include "src/cli/kit/cli.h"
#include "src/quant/calibrate.h"
#include "src/quant/quantized.h"

/* How scales were moved between layers before: see rewriting.h. */
typedef struct hawq_rewriting {
    const char   *text;  /* "smooth:0.5"; NULL or "": they were not */
    int           seams; /* tensors between layers; 0 where not known */
    size_t        n;
    const double *factor;
} hawq_rewriting;

typedef struct hawq_allocation {
    const char        *label;    /* the name, or "allocation 12" */
    int64_t            id;       /* in the database, 0: it is not from there */
    int64_t            analysis; /* the run that was searched, 0: none */
    const hawq_choice *choice;   /* NULL: float32 */
    int                n_choices;
    hawq_range         weight_range;
    hawq_rewriting     rewriting;
    const char        *metric;    /* it was searched by, or NULL */
    double             predicted; /* loss rise by its search, or NaN */
} hawq_allocation;

/* The allocation of that name; store may be NULL (there is no database yet).
 * weight_range: hawq_range of candidates that name no method, -1: the
 * allocation's own. What is found lives in the arena. EINVAL with a sentence
 * for what is unknown. */
HAWQ_NODISCARD hawq_status
hawq_allocation_find(const hawq_cli *cli, hawq_store *store,
                     const hawq_graph *graph, const char *name,
                     int weight_range, hawq_arena *arena, hawq_allocation *out);

/* EINVAL names a layer of an allocation that is not in the database whose codes
 * depend on data: nobody has chosen them yet. */
HAWQ_NODISCARD hawq_status hawq_allocation_check(const hawq_allocation *a);

/* Its quantized weights, one for each layer of the graph: the very codes that
 * were refined for it or analysed, as the database keeps them; what depends on
 * the weights alone is made here. A layer whose codes depend on data and are
 * not stored is left empty (rows 0) and *missing set; with missing NULL that is
 * EINVAL. */
HAWQ_NODISCARD hawq_status
hawq_allocation_codes(hawq_store *store, const hawq_graph *graph,
                      const hawq_allocation *a, hawq_threads *threads,
                      hawq_arena *arena, bool *missing, hawq_quantized **out);

#endif
