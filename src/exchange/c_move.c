/* c_move.c -- finds the loops of an index map, innermost first.
 *
 * The elements that are moved form a sequence of pairs (place in y, place in
 * x). Its longest beginning with one difference is a run; if runs of that
 * length follow each other to the end, with that difference, the run is the
 * innermost loop, and the beginnings of all runs are a shorter sequence, to be
 * treated alike. A run may be longer than its loop by chance: so shorter ones
 * that divide the whole are tried as well.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/c_move.h"

typedef struct pair {
    int32_t to, from;
} pair;

/* Do all pieces of `run` pairs have the difference of the first? */
static bool is_loop(const pair *v, size_t n, size_t run, pair step) {
    for (size_t i = 0; i < n; i++)
        if (i % run && (v[i].to - v[i - 1].to != step.to ||
                        v[i].from - v[i - 1].from != step.from))
            return false;
    return true;
}

/* The largest length of a loop of difference *step; 1 if there is none. */
static size_t loop_length(const pair *v, size_t n, pair *step) {
    size_t run = 2;
    if (n < 2) return 1;
    *step = (pair){v[1].to - v[0].to, v[1].from - v[0].from};
    while (run < n && v[run].to - v[run - 1].to == step->to &&
           v[run].from - v[run - 1].from == step->from)
        run++;
    for (; run > 1; run--)
        if (n % run == 0 && is_loop(v, n, run, *step)) break;
    return run;
}

static size_t list_pairs(const hawq_gather *g, pair *v) {
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++)
        if (g->map[i] >= 0) v[n++] = (pair){(int32_t)i, g->map[i]};
    return n;
}

hawq_status hawq_c_loops_find(const hawq_gather *g, hawq_arena *arena,
                              c_loops *out, bool *found) {
    c_loops loops = {.count = {1, 1, 1, 1}};
    pair   *v, step = {0};
    HAWQ_TAKE(v, arena, g->n);
    size_t n = list_pairs(g, v);
    *found = false;
    if (!n) return HAWQ_OK;
    loops.filled = n < g->n;
    loops.to = v[0].to;
    loops.from = v[0].from;
    for (int k = C_LOOPS - 1; k >= 0 && n > 1; k--) {
        size_t run = loop_length(v, n, &step);
        if (run < 2) return HAWQ_OK;
        loops.count[k] = (int32_t)run;
        loops.to_step[k] = step.to;
        loops.from_step[k] = step.from;
        n /= run;
        for (size_t i = 0; i < n; i++) v[i] = v[i * run];
    }
    *found = n == 1;
    if (*found) *out = loops;
    return HAWQ_OK;
}
