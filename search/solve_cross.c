/* solve_cross.c -- branch and bound for the quadratic objective, over the
 * relaxation of relax.h.
 *
 * Start: the optimum of the losses alone, improved by changes of one and two
 * groups, again from random perturbations; and the root of the relaxation,
 * whose shift is chosen anew around each solution until the bound stalls.
 * Then the part of the problem with the smallest bound is taken; the group
 * furthest from a choice gets one candidate in each child; a child whose bound
 * reaches the best allocation is dropped, candidates that cannot be part of
 * anything better are removed. When memory for open parts runs out, parts are
 * finished one by one, depth first.
 *
 * The smallest bound of the open parts is the bound of the answer, at any time.
 * Bounds within `slack` of the incumbent count as reached: the optimum is
 * proven to some 1e-12 of the sizes of the problem's terms.
 *
 * The answer depends on the clock only if the time limit is reached.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/cross.h"

#include "search/swap.h"
#include "src/base/clock.h"

#include <math.h>
#include <string.h>

enum {
    ROOT_ROUNDS = 200,
    ROOT_SHIFTS = 12,
    ROOT_SWEEPS = 60,
    SWEEPS = 12,
    ROUNDS = 8,
    RESTARTS = 200,
    OPEN_BYTES = 1 << 28 /* of open parts */
};

static const double WEIGHT = 0.2; /* of a part's y in the mean of its path */

typedef struct search {
    const hawq_knapsack *k;
    hawq_relax           r;
    hawq_relax_work      work;
    hawq_arena           arena;
    double               deadline;
    bool                 first, found, stopped;
    double               upper;     /* of the incumbent */
    double               reference; /* what `first` has to beat */
    int                 *x, *trial;
    double              *price; /* of the root, for the answer; may be NULL */
    double              *field;
    /* open parts: a heap by bound, and a stack below its last element */
    hawq_relax_node **heap, **stack, **unused;
    size_t            n_heap, n_stack, n_unused, most, n_made;
    double            below; /* bound of the part that the stack stems from */
} search;

static bool time_is_up(search *s) {
    if (hawq_clock_passed(s->deadline)) s->stopped = true;
    if (s->first && s->upper < s->reference) s->stopped = true;
    return s->stopped;
}

static double cutoff(const search *s) {
    return s->found ? s->upper - s->r.slack : INFINITY;
}

/* --- allocations --------------------------------------------------------- */

static void adopt(search *s, const int *x) {
    if (!hawq_knapsack_fits(s->k, x)) return;
    double value = hawq_knapsack_sum(s->k, x, NULL);
    if (s->found && value >= s->upper) return;
    s->found = true;
    s->upper = value;
    memcpy(s->x, x, (size_t)s->k->n_groups * sizeof *x);
}

static void descend(search *s, int *x) {
    hawq_swap_descend(&s->r, x, s->field);
    adopt(s, x);
}

static void restart(search *s) {
    uint64_t draw = 0;
    for (int i = 0; i < RESTARTS && s->found && !time_is_up(s); i++) {
        memcpy(s->trial, s->x, (size_t)s->k->n_groups * sizeof *s->x);
        if (hawq_swap_perturb(&s->r, &draw, s->trial)) descend(s, s->trial);
    }
}

/* The candidates with most weight in y, if they are within the budgets. */
static void round_off(search *s, const hawq_relax_node *node) {
    for (int g = 0; g < s->k->n_groups; g++) {
        int best = -1;
        for (int c = s->k->first[g]; c < s->k->first[g + 1]; c++)
            if (node->alive[c] && (best < 0 || node->y[c] > node->y[best]))
                best = c;
        s->trial[g] = best;
    }
    adopt(s, s->trial);
}

/* --- open parts ---------------------------------------------------------- */

static hawq_status new_node(search *s, hawq_relax_node **out) {
    size_t           n = (size_t)s->r.n;
    hawq_relax_node *node;
    if (s->n_unused) {
        *out = s->unused[--s->n_unused];
        return HAWQ_OK;
    }
    HAWQ_TAKE(node, &s->arena, 1);
    HAWQ_TAKE(node->price, &s->arena, (size_t)s->k->n_budgets + 2 * n);
    HAWQ_TAKE(node->alive, &s->arena, n);
    node->y = node->price + s->k->n_budgets;
    node->mean = node->y + n;
    *out = node;
    return HAWQ_OK;
}

static void copy_node(const search *s, const hawq_relax_node *from,
                      hawq_relax_node *to) {
    size_t n = (size_t)s->r.n, m = (size_t)s->k->n_budgets;
    memcpy(to->price, from->price, (m + 2 * n) * sizeof *to->price);
    memcpy(to->alive, from->alive, n);
    to->bound = from->bound;
}

static void drop_node(search *s, hawq_relax_node *node) {
    s->unused[s->n_unused++] = node;
}

static void push_heap(search *s, hawq_relax_node *node) {
    size_t i = s->n_heap++;
    for (; i && s->heap[(i - 1) / 2]->bound > node->bound; i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = node;
}

static hawq_relax_node *pop_heap(search *s) {
    hawq_relax_node *top = s->heap[0], *last = s->heap[--s->n_heap];
    size_t           i = 0, child;
    while ((child = 2 * i + 1) < s->n_heap) {
        if (child + 1 < s->n_heap &&
            s->heap[child + 1]->bound < s->heap[child]->bound)
            child++;
        if (s->heap[child]->bound >= last->bound) break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    if (s->n_heap) s->heap[i] = last;
    return top;
}

static hawq_relax_node *pop(search *s) {
    if (s->n_stack) return s->stack[--s->n_stack];
    hawq_relax_node *node = pop_heap(s);
    s->below = node->bound;
    return node;
}

/* The stack has room for one path and the siblings along it. */
static hawq_status open_parts(search *s) {
    size_t size = (size_t)s->r.n * (2 * sizeof(double) + 1) + 256;
    size_t path = (size_t)s->r.n + 1;
    s->most = OPEN_BYTES / size;
    HAWQ_TAKE(s->heap, &s->arena, s->most + 1);
    HAWQ_TAKE(s->stack, &s->arena, path);
    HAWQ_TAKE(s->unused, &s->arena, s->most + path + 4);
    return HAWQ_OK;
}

static void push(search *s, hawq_relax_node *node) {
    if (s->n_heap < s->most && !s->n_stack)
        push_heap(s, node);
    else
        s->stack[s->n_stack++] = node;
}

/* --- branching ----------------------------------------------------------- */

/* A part with one candidate of group g; dropped if it has nothing better. */
static hawq_status open_child(search *s, const hawq_relax_node *parent, int g,
                              int candidate) {
    hawq_relax_node *child;
    HAWQ_TRY(new_node(s, &child));
    copy_node(s, parent, child);
    for (int c = s->k->first[g]; c < s->k->first[g + 1]; c++)
        child->alive[c] = c == candidate;
    if (!hawq_relax_restrict(&s->r, child) ||
        !hawq_relax_improve(&s->r, ROUNDS, cutoff(s), child, s->field)) {
        drop_node(s, child);
        return HAWQ_OK;
    }
    if (hawq_relax_branch(&s->r, child) >= 0) {
        push(s, child);
        return HAWQ_OK;
    }
    round_off(s, child); /* the only allocation of it */
    drop_node(s, child);
    return HAWQ_OK;
}

/* Children in order of falling weight in y last, so that a stack takes the
 * likeliest first. */
static hawq_status expand(search *s, hawq_relax_node *node) {
    int g = -1;
    hawq_relax_shift(&s->r, &s->work, SWEEPS, WEIGHT, node);
    if (hawq_relax_improve(&s->r, ROUNDS, cutoff(s), node, s->field)) {
        round_off(s, node);
        g = hawq_relax_branch(&s->r, node);
    }
    for (double last = -1; g >= 0;) {
        double next = INFINITY;
        for (int c = s->k->first[g]; c < s->k->first[g + 1]; c++)
            if (node->alive[c] && node->y[c] > last && node->y[c] < next)
                next = node->y[c];
        if (isinf(next)) break;
        for (int c = s->k->first[g]; c < s->k->first[g + 1]; c++)
            if (node->alive[c] && node->y[c] == next)
                HAWQ_TRY(open_child(s, node, g, c));
        last = next;
    }
    drop_node(s, node);
    return HAWQ_OK;
}

static double lower_bound(const search *s) {
    double lower = s->found ? s->upper : INFINITY;
    if (s->n_heap) lower = fmin(lower, s->heap[0]->bound);
    if (s->n_stack) lower = fmin(lower, s->below);
    return lower;
}

/* --- the search ---------------------------------------------------------- */

/* The root: shift and solve in turn. *open: something may be better. */
static void open_root(search *s, hawq_relax_node *root, bool *open) {
    memset(root->alive, 1, (size_t)s->r.n);
    root->bound = -INFINITY;
    *open = hawq_relax_restrict(&s->r, root);
    for (int i = 0; i < ROOT_SHIFTS && *open; i++) {
        if (i && time_is_up(s)) break;
        hawq_relax_shift(&s->r, &s->work, ROOT_SWEEPS, 1.0 / (1 + i), root);
        *open =
            hawq_relax_improve(&s->r, ROOT_ROUNDS, cutoff(s), root, s->field);
        if (*open) round_off(s, root);
    }
    for (int b = 0; s->price && b < s->k->n_budgets; b++)
        s->price[b] = root->price[b];
}

static hawq_status explore(search *s) {
    hawq_relax_node *root;
    bool             open;
    HAWQ_TRY(open_parts(s));
    HAWQ_TRY(new_node(s, &root));
    open_root(s, root, &open);
    if (open) {
        round_off(s, root);
        if (hawq_knapsack_fits(s->k, s->trial)) descend(s, s->trial);
        if (hawq_relax_branch(&s->r, root) >= 0) push_heap(s, root);
    }
    while ((s->n_heap || s->n_stack) && !time_is_up(s)) {

        hawq_relax_node *node = pop(s);
        if (node->bound >= cutoff(s))
            drop_node(s, node);
        else
            HAWQ_TRY(expand(s, node));
        if (!s->n_stack && s->n_heap && s->heap[0]->bound >= cutoff(s)) break;
    }
    return HAWQ_OK;
}

/* Without interactions: an allocation to start from, or the proof that there
 * is none. */
static hawq_status begin(search *s, const int *start, hawq_solver_answer *out) {
    hawq_knapsack            separable = *s->k;
    const hawq_solve_options few = {.max_states = 1 << 22};
    separable.n_pairs = 0;
    if (start) {
        adopt(s, start);
        s->reference = s->upper - s->r.slack;
        memcpy(s->trial, start, (size_t)s->k->n_groups * sizeof *start);
    } else {
        HAWQ_TRY(hawq_solver_bnb.solve(&separable, &few, &s->arena, out));
        if (out->state == HAWQ_FOUND_INFEASIBLE) return HAWQ_OK;
        memcpy(s->trial, out->x, (size_t)s->k->n_groups * sizeof *out->x);
    }
    if (hawq_knapsack_fits(s->k, s->trial)) descend(s, s->trial);
    restart(s);
    return HAWQ_OK;
}

static hawq_status run(search *s, const int *start, hawq_solver_answer *out) {
    HAWQ_TAKE(s->x, &s->arena, (size_t)s->k->n_groups);
    HAWQ_TAKE(s->trial, &s->arena, (size_t)s->k->n_groups);
    HAWQ_TRY(hawq_relax_build(s->k, &s->arena, &s->r));
    HAWQ_TAKE(s->field, &s->arena, (size_t)s->r.n);
    HAWQ_TRY(hawq_relax_take_work(&s->r, &s->arena, &s->work));
    out->state = HAWQ_FOUND_LIMIT;
    HAWQ_TRY(begin(s, start, out));
    if (out->state == HAWQ_FOUND_INFEASIBLE) return HAWQ_OK;
    HAWQ_TRY(explore(s));
    if (s->found) memcpy(out->x, s->x, (size_t)s->k->n_groups * sizeof *s->x);
    out->bound = lower_bound(s);
    if (out->bound >= cutoff(s))
        out->state = s->found ? HAWQ_FOUND_OPTIMAL : HAWQ_FOUND_INFEASIBLE;
    else
        out->state = s->found ? HAWQ_FOUND_FEASIBLE : HAWQ_FOUND_LIMIT;
    return HAWQ_OK;
}

hawq_status hawq_cross_search(const hawq_knapsack *k, double deadline,
                              const int *start, bool first,
                              hawq_solver_answer *out) {
    search      s = {.k = k, .deadline = deadline, .first = first};
    hawq_status status;
    s.upper = INFINITY;
    s.price = out->price;
    s.reference = -INFINITY;
    status = run(&s, start, out);
    hawq_arena_free(&s.arena);
    return status;
}

static hawq_status solve(const hawq_knapsack      *k,
                         const hawq_solve_options *options, hawq_arena *arena,
                         hawq_solver_answer *out) {
    if (!k->n_pairs) return hawq_solver_bnb.solve(k, options, arena, out);
    return hawq_cross_search(k, hawq_clock_deadline(options->time_limit_s, 1),
                             NULL, false, out);
}

const hawq_solver hawq_solver_cross = {"cross", true, solve};
