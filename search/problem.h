/* problem.h -- the allocation problem: which candidate does each layer get?
 *
 * A layer has candidates, usually one per width. A candidate has a loss (the
 * predicted rise of the network's loss, any finite number) and one cost >= 0
 * for every kind of cost the problem names ("weight-size", "bops", ...).
 * Layers that are tied take the same candidate, or only candidates of the same
 * activation bits a: those that read one tensor, whose weights are their own.
 * With x_l the candidate of layer l,
 *
 *     minimise    sum_l loss(l, x_l) + sum_{l<m} q(l, x_l, m, x_m)      (1)
 *     subject to  sum_l cost_b(l, x_l) <= limit_b   for every budget b  (2)
 *                 x_l = x_m             for layers l, m that are tied    (3)
 *                 a(l, x_l) = a(m, x_m) for those tied in activations    (4)
 *
 * A group is what ties of either kind hold together; it has candidates of its
 * own, each of which stands for one candidate of every layer (combine.h).
 *
 * Interactions q are optional, of any sign, and 0 where none is given: what the
 * choices of two layers add to the losses of each alone, e.g. dW_l' H dW_m.
 *
 * Sums run over the layers in their order, in double. A sum may exceed its
 * limit by what rounding alone can add to it: 4 units in the last place, and
 * one more per layer unless all costs of the kind are whole numbers.
 *
 * Legal call order: new; add, tie and pin in any order, interact after its
 * layers; finish; then budget,
 * clear_budgets and any solver. After a failure only free is allowed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_PROBLEM_H
#define HAWQ_PROBLEM_H
#include "src/base/arena.h"
#include "src/base/record.h"
#include "src/base/status.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    HAWQ_BUDGETS_MAX = 15, /* at once */
    HAWQ_KINDS_MAX = 64    /* of cost */
};

typedef struct hawq_cost_kind {
    const char *name;
    double      unit; /* budgets and results are in this many of the candidates'
                         units: 1, or the number of parameters for mean bits,
                         whose candidates cost whole bits. > 0, finite */
    const char *unit_name; /* "bytes", for messages; NULL: plain numbers */
    double      uniform8;  /* the cost of the network at 8 bits everywhere, in
                              units of the kind; 0: that of the candidates */
} hawq_cost_kind;

/* What a layer may take, with its price: a loss and the costs. */
typedef struct hawq_priced {
    int           weight_bits, activation_bits; /* 1 ... 32 */
    double        loss;
    const double *cost; /* one per kind of cost */
    const char   *name; /* how weights are quantized, "w4:gptq": told apart by
                           it, and shown; NULL: by their bits alone */
} hawq_priced;

/* The width that the candidate asks of the layer's input tensor, which all that
 * read it share: a layer that computes in float reads what 8 bits leave. */
static inline int hawq_input_bits(const hawq_priced *c) {
    return c->activation_bits == HAWQ_FLOAT_BITS ? 8 : c->activation_bits;
}

typedef struct hawq_problem_layer {
    const char        *name;
    const char        *group;  /* layers with the same text are tied */
    int64_t            params; /* 0: unknown */
    int                n_candidates;
    const hawq_priced *candidate;
    /* since finish */
    int        in_group; /* index of its group */
    int        tied_to;  /* first layer with the same candidate; itself */
    const int *member;   /* group's candidate c is candidate[member[c]] */
    const int *order;    /* of its candidates, as a group of its own has them */
    const struct hawq_pin *pin; /* that holds for it, and for all that take the
                                   same candidate; NULL: any will do */
} hawq_problem_layer;

/* Layers that choose together. Candidates are in order of preference among
 * equals: more weight bits, then more activation bits, first. */
typedef struct hawq_problem_group {
    const char *name;   /* of its first layer's group */
    const char *reason; /* why its layers are tied; "" for a layer alone */
    bool weights_free; /* layers differ in tied_to: only activations are tied */
    int  n_layers;
    const int  *layer; /* indices, ascending */
    int         n_candidates;
    const bool *allowed; /* by the pins; one per candidate */
} hawq_problem_group;

typedef struct hawq_budget {
    int    kind;  /* index of the cost */
    double limit; /* in units of the kind */
} hawq_budget;

typedef struct hawq_pin {
    const char *layer;
    int         weight_bits;
    const char *name; /* of the candidate; NULL: any of these weight bits */
    int         rank; /* the higher wins */
} hawq_pin;

/* Does a pin of the layer leave it this candidate? */
bool hawq_pin_allows(const hawq_pin *pin, const hawq_priced *candidate);

enum { HAWQ_PIN_BY_NAME = INT_MAX }; /* rank of a pin that names its layer */

typedef struct hawq_tie {
    int                n;
    const char *const *layer;
    const char        *reason;
    bool               activations; /* only their bits */
} hawq_tie;

/* What two layers cost together: candidates by their place in `candidate`. */
typedef struct hawq_interaction {
    int    layer_i, candidate_a, layer_j, candidate_b; /* i < j */
    double value;
} hawq_interaction;

typedef struct hawq_problem {
    hawq_arena            arena;
    int                   n_kinds;
    const hawq_cost_kind *kind;
    int                   n_layers;
    hawq_problem_layer   *layer;
    int                   n_groups; /* since finish */
    hawq_problem_group   *group;
    int                   n_budgets;
    hawq_budget          *budget;
    int                   n_pins, n_ties;
    hawq_pin             *pin;
    hawq_tie             *tie;
    int                   n_interactions;
    hawq_interaction     *interaction; /* since finish in order of (i, j) */
    /* private to problem.c */
    int                capacity_interactions;
    struct name_index *names;
} hawq_problem;

/* A problem with these kinds of cost, at most HAWQ_KINDS_MAX (names are copied,
 * distinct, not empty; EFORMAT otherwise). */
HAWQ_NODISCARD hawq_status hawq_problem_new(int                   n_kinds,
                                            const hawq_cost_kind *kind,
                                            hawq_problem        **out);
void hawq_problem_free(hawq_problem *problem); /* NULL: ok */

/* Appends a layer; everything is copied. `group` NULL: alone, unless another
 * layer's group is called by this layer's name. EFORMAT, ENONFINITE: the
 * sentence names the layer and the candidate. */
HAWQ_NODISCARD hawq_status hawq_problem_add(hawq_problem *problem,
                                            const char *name, const char *group,
                                            int64_t params, int n_candidates,
                                            const hawq_priced *candidate);

/* Adds to the losses of all candidates of a layer with these activation bits;
 * before finish. ENONFINITE names the layer. */
HAWQ_NODISCARD hawq_status hawq_problem_add_loss(hawq_problem *problem,
                                                 int layer, int activation_bits,
                                                 double value);

/* What every allocation costs, whatever its candidates: it joins the costs of
 * all candidates of the first layer, so that sums, limits and the uniform
 * network have it; before finish. Nothing if there is no such kind. */
HAWQ_NODISCARD hawq_status hawq_problem_add_fixed(hawq_problem *problem,
                                                  const char   *kind,
                                                  double        value);

/* Ties n >= 2 layers, and with them their groups. The layers are looked up by
 * finish, EINVAL if one is unknown. */
HAWQ_NODISCARD hawq_status hawq_problem_tie(hawq_problem *problem, int n,
                                            const char *const *layer,
                                            const char        *reason);

/* Ties their activation bits alone: tied are those of all layers that take the
 * same candidate with one of these. */
HAWQ_NODISCARD hawq_status hawq_problem_tie_activations(
    hawq_problem *problem, int n, const char *const *layer, const char *reason);

/* Only candidates with these weight bits remain for a layer, and for those that
 * take the same candidate. Of several pins of a layer the one of the highest
 * rank holds, the later among equals; of those of tied layers the highest, too,
 * and two of one rank that differ contradict each other. Checked by finish,
 * EINVAL: a contradiction, an unknown layer, or one without such a candidate.
 */
HAWQ_NODISCARD hawq_status hawq_problem_pin(hawq_problem *problem,
                                            const char *layer, int weight_bits,
                                            int rank);
/* The same with candidates of this name. */
HAWQ_NODISCARD hawq_status hawq_problem_pin_name(hawq_problem *problem,
                                                 const char   *layer,
                                                 const char *name, int rank);

/* Adds to the objective of every allocation in which layer i has its candidate
 * a and layer j its candidate b, counted from 0 in the order given to add.
 * Zero is as good as nothing. EFORMAT: no such layer or candidate, or i = j;
 * ENONFINITE. Twice the same pair, in either order: EFORMAT by finish, for a
 * symmetric matrix written out in full would count twice. */
HAWQ_NODISCARD hawq_status hawq_problem_interact(hawq_problem *problem, int i,
                                                 int a, int j, int b,
                                                 double value);

/* Forms the groups and checks what single layers cannot show. EFORMAT: no
 * layer, tied layers with different candidates, or an interaction twice;
 * ENONFINITE: sums that overflow; EINVAL: ties and pins, see above, or too many
 * combinations in a group. */
HAWQ_NODISCARD hawq_status hawq_problem_finish(hawq_problem *problem);

/* Adds a limit >= 0 on the sum of a cost. EINVAL: unknown kind, a second limit
 * for it, more than HAWQ_BUDGETS_MAX, or a limit that is negative or not
 * finite. */
HAWQ_NODISCARD hawq_status hawq_problem_budget(hawq_problem *problem,
                                               const char *kind, double limit);
void                       hawq_problem_clear_budgets(hawq_problem *problem);

/* "weight-size, bops", for messages; memory is the problem's. */
const char *hawq_problem_kinds_text(hawq_problem *problem);

/* Index, or -1. */
int hawq_problem_find_kind(const hawq_problem *problem, const char *name);
int hawq_problem_find_layer(const hawq_problem *problem, const char *name);

/* The candidate of a layer when its group takes candidate c. */
const hawq_priced *hawq_problem_candidate(const hawq_problem *problem,
                                          int layer, int c);

/* Sum of a cost over the layers, in units of the kind; choice[g] is the
 * candidate of group g. kind -1: the objective, losses and interactions. */
double hawq_problem_sum(const hawq_problem *problem, int kind,
                        const int *choice);

/* The cost of the uniform 8-bit network: the kind's uniform8 or, where that is
 * 0, the sum of the candidates with 8-bit weights (and 8-bit activations where
 * there is a choice). *found = false if a layer has no such candidate. */
double hawq_problem_uniform8(const hawq_problem *problem, int kind,
                             bool *found);

#endif
