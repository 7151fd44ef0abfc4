/* solve_bnb.c -- branch and bound over the states of the dominance program
 * (Morin & Marsten 1976), so that ties and duplicates cost nothing.
 *
 * Root: Lagrangian prices u maximise the bound L(u); the allocation they
 * suggest, repaired by exchanges, is the first incumbent. Then passes with a
 * rising threshold T on the loss:
 *   - a candidate that cannot be part of an allocation of loss <= T, by the
 *     root bound with it forced, is removed (most groups keep one);
 *   - the rest is enumerated in halves (core.h), in limited work; where that
 *     is not enough, as of many equal losses,
 *   - the dynamic program runs on it, dropping states bounded above T;
 *   - an allocation of loss <= T is the optimum, for all of them were kept;
 *     otherwise none exists, and T becomes the bound and rises.
 * When both stop short, a pass of limited width improves the incumbent, and the
 * next pass may store more, up to max_states.
 *
 * The answer depends on the clock only if the time limit is reached.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/core.h"
#include "search/frontier.h"
#include "search/lagrange.h"
#include "search/solve.h"
#include "search/solve_greedy.h"
#include "src/base/clock.h"

#include <math.h>
#include <string.h>

enum {
    FIRST_ROOM = 1 << 14, /* states a pass may store */
    ROOM_STEP = 8,
    CORE_STEPS = 4, /* of the core, per state of room */
    ROWS_MAX = 1 + 2 * 6,
    EASY = 1 << 14, /* steps of the core */
    MOST_BACK = 16
};

/* Of the threshold above the root, from pass to pass: work grows by some 4. */
static const double GROWTH = 1.25;

typedef struct search {
    const hawq_knapsack *k;
    double               price[ROWS_MAX * HAWQ_DIMENSIONS_MAX];
    int                  n_rows;
    double               reach[ROWS_MAX]; /* of a row's price from the best */
    double               root, worst; /* least and largest conceivable loss */
    bool                 found;
    double               upper, lower; /* loss of the incumbent x; bound */
    double               deadline;
    int                  n_back; /* steps back with this room */
    bool                 easy;   /* the last pass was little work */
    bool                 tied;   /* halves failed where the program did not */
    int                 *x;
} search;

/* A row with another price of b, at which L is about a quarter of the gap
 * below its maximum; L falls with the square of the reach, more or less. */
static void move_price(search *s, const hawq_knapsack *k, int b, double gap,
                       double top, double sign) {
    double *row = s->price + s->n_rows * k->n_budgets;
    double *reach = &s->reach[s->n_rows++];
    memcpy(row, s->price, (size_t)k->n_budgets * sizeof *row);
    if (!(*reach > 0)) *reach = 1e-3;
    for (int i = 0; i < 6; i++) {
        row[b] = s->price[b] * (1 + sign * *reach);
        double fall = top - hawq_lagrange_value(k, row, NULL);
        if (fall > gap / 6 && fall < gap / 3) break;
        double step = fall > 0 ? sqrt(gap / 4 / fall) : 8;
        *reach = fmin(*reach * fmin(fmax(step, 0.125), 8), 0.9);
    }
}

/* Prices around the best ones: the bound of a state whose share of a budget is
 * above or below average is sharper at other prices. */
static void spread_prices(search *s, const hawq_knapsack *k, double threshold) {
    double top = hawq_lagrange_value(k, s->price, NULL);
    s->n_rows = 1;
    for (int b = 0; b < k->n_budgets && s->n_rows + 2 <= ROWS_MAX; b++) {
        if (!(s->price[b] > 0)) continue;
        move_price(s, k, b, threshold - top, top, 1);
        move_price(s, k, b, threshold - top, top, -1);
    }
}

static double largest_loss(const hawq_knapsack *k) {
    double sum = 0;
    for (int g = k->n_groups - 1; g >= 0; g--) {
        double most = -INFINITY;
        for (int c = k->first[g]; c < k->first[g + 1]; c++)
            most = fmax(most, k->loss[c]);
        sum += most;
    }
    return sum;
}

static void open_search(search *s) {
    hawq_lagrange_maximise(s->k, s->price);
    s->root = s->lower = hawq_lagrange_bound(s->k, s->price);
    s->worst = largest_loss(s->k);
    hawq_lagrange_value(s->k, s->price, s->x);
    s->found = hawq_greedy_exchange(s->k, s->x);
    s->upper = s->found ? hawq_knapsack_sum(s->k, s->x, NULL) : INFINITY;
}

/* --- one pass ------------------------------------------------------------ */

/* The knapsack of the candidates that may be in an allocation of loss <=
 * threshold; keep maps its candidates to those of the whole. *empty: a group
 * has none, so there is no such allocation. */
static hawq_status reduce(const search *s, double threshold, hawq_arena *arena,
                          hawq_knapsack *out, int **keep, bool *empty) {
    const hawq_knapsack *k = s->k;
    size_t               m = (size_t)k->n_budgets, n = 0;
    size_t               total = (size_t)k->first[k->n_groups];
    int                 *first;
    double              *loss, *cost, *forced;
    hawq_prune           prune;
    *out = *k;
    *empty = false;
    HAWQ_TAKE(forced, arena, total);
    HAWQ_TAKE(*keep, arena, total);
    HAWQ_TAKE(first, arena, (size_t)k->n_groups + 1);
    HAWQ_TAKE(loss, arena, total);
    HAWQ_TAKE(cost, arena, total * m);
    HAWQ_TRY(hawq_lagrange_rows(k, 1, s->price, threshold, arena, &prune));
    for (int g = 0; g < k->n_groups; g++) {
        hawq_lagrange_forced(k, &prune, g, forced);
        for (int c = k->first[g]; c < k->first[g + 1]; c++) {
            if (forced[c - k->first[g]] > threshold) continue;
            (*keep)[n] = c;
            loss[n] = k->loss[c];
            memcpy(cost + n * m, k->cost + (size_t)c * m, m * sizeof *cost);
            n++;
        }
        first[g + 1] = (int)n;
        *empty |= first[g + 1] == first[g];
    }
    out->first = first;
    out->loss = loss;
    out->cost = cost;
    return HAWQ_OK;
}

/* Takes an allocation of the reduced knapsack as incumbent if it is better. */
static void adopt(search *s, const int *keep, int *x) {
    for (int g = 0; g < s->k->n_groups; g++) x[g] = keep[x[g]];
    if (s->found && hawq_knapsack_compare(s->k, x, s->x) > 0) return;
    memcpy(s->x, x, (size_t)s->k->n_groups * sizeof *x);
    s->upper = hawq_knapsack_sum(s->k, x, NULL);
    s->found = true;
}

/* In halves; its own memory, for it may take much and fail. */
static hawq_status enumerate(search *s, const hawq_knapsack *k, const int *keep,
                             double threshold, size_t room, int *x,
                             bool *complete) {
    hawq_arena  arena = {0};
    hawq_core   core;
    hawq_status status =
        hawq_core_search(k, s->n_rows, s->price, threshold, CORE_STEPS * room,
                         s->deadline, &arena, x, &core);
    hawq_arena_free(&arena);
    HAWQ_TRY(status);
    if (core.found) adopt(s, keep, x);
    *complete = core.complete;
    s->easy = core.complete && core.steps < EASY;
    return HAWQ_OK;
}

static hawq_status sweep(search *s, const hawq_knapsack *k, const int *keep,
                         double threshold, size_t width, size_t room,
                         hawq_arena *arena, int *x, bool *complete) {
    hawq_prune    prune;
    hawq_frontier f;
    HAWQ_TRY(
        hawq_lagrange_rows(k, s->n_rows, s->price, threshold, arena, &prune));
    prune.width = width;
    HAWQ_TRY(hawq_frontier_sweep(k, &prune, room, s->deadline, arena, &f));
    *complete = !f.stopped && isinf(f.dropped);
    if (f.n) {
        hawq_frontier_choice(k, &f, hawq_frontier_best(k, &f), x);
        adopt(s, keep, x);
    }
    if (!f.stopped) s->lower = fmax(s->lower, fmin(f.dropped, threshold));
    return HAWQ_OK;
}

/* *complete: no allocation of loss <= threshold is better than the incumbent.
 * Of limited width it is the program alone. */
static hawq_status pass(search *s, double threshold, size_t width, size_t room,
                        hawq_arena *arena, bool *complete) {
    hawq_knapsack k;
    int          *keep, *x;
    HAWQ_TAKE(x, arena, (size_t)s->k->n_groups);
    s->easy = true;
    HAWQ_TRY(reduce(s, threshold, arena, &k, &keep, complete));
    if (!*complete) spread_prices(s, &k, threshold);
    if (!*complete && width == SIZE_MAX && !s->tied)
        HAWQ_TRY(enumerate(s, &k, keep, threshold, room, x, complete));
    if (*complete) {
        s->lower = fmax(s->lower, threshold);
        return HAWQ_OK;
    }
    HAWQ_TRY(sweep(s, &k, keep, threshold, width, room, arena, x, complete));
    s->tied |= *complete;
    return HAWQ_OK;
}

/* The same with scratch memory of its own. */
static hawq_status run_pass(search *s, double threshold, size_t width,
                            size_t room, bool *complete) {
    hawq_arena  arena = {0};
    hawq_status status = pass(s, threshold, width, room, &arena, complete);
    hawq_arena_free(&arena);
    return status;
}

/* After a pass that was too much: a threshold between the last one that was
 * not and this, unless they are close. */
static bool step_back(search *s, double *step) {
    double low = s->lower - s->root;
    if (!(*step > GROWTH * GROWTH * low) || s->n_back++ >= MOST_BACK)
        return false;
    *step = low > 0 ? sqrt(*step * low) : *step / 16;
    return s->root + *step > s->root;
}

static void report(const search *s, bool proven, hawq_solver_answer *out) {
    if (proven)
        out->state = s->found ? HAWQ_FOUND_OPTIMAL : HAWQ_FOUND_INFEASIBLE;
    else
        out->state = s->found ? HAWQ_FOUND_FEASIBLE : HAWQ_FOUND_LIMIT;
    out->bound = s->lower;
}

static hawq_status solve(const hawq_knapsack      *k,
                         const hawq_solve_options *options, hawq_arena *arena,
                         hawq_solver_answer *out) {
    size_t most = options->max_states ? options->max_states : 40000000;
    size_t room = most < FIRST_ROOM ? most : FIRST_ROOM;
    search s = {.k = k,
                .x = out->x,
                .deadline = hawq_clock_deadline(options->time_limit_s, 1)};
    bool   complete;
    (void)arena;
    open_search(&s);
    double step = s.found ? (s.upper - s.root) / 64 : (s.worst - s.root) / 256;
    for (;;) {
        double top = s.found ? s.upper : s.worst;
        double threshold = s.root + step < top ? s.root + step : top;
        if (!(threshold > s.root)) threshold = top;
        HAWQ_TRY(run_pass(&s, threshold, SIZE_MAX, room, &complete));
        if (complete && (threshold == top || s.upper <= threshold)) break;
        if (complete) {
            step *= s.easy ? 2 : GROWTH;
            continue;
        }
        if (step_back(&s, &step) && !hawq_clock_passed(s.deadline)) continue;
        top = s.found ? s.upper : s.worst;
        HAWQ_TRY(run_pass(&s, top, 16 + room / 64 / (size_t)k->n_groups,
                          SIZE_MAX, &complete));
        if (complete || room == most || hawq_clock_passed(s.deadline)) break;
        room = room > most / ROOM_STEP ? most : room * ROOM_STEP;
        s.tied = false;
        s.n_back = 0;
    }
    report(&s, complete, out);
    return HAWQ_OK;
}

const hawq_solver hawq_solver_bnb = {"bnb", false, solve};
