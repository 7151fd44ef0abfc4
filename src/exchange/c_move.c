/* c_move.c -- finds the loops of an index map, innermost first.
 *
 * The elements that are moved form a sequence of pairs (place in y, place in
 * x). Its longest beginning with one difference is a run; if runs of that
 * length follow each other to the end, with that difference, the run is the
 * innermost loop, and the beginnings of all runs are a shorter sequence, to be
 * treated alike. A run may be longer than its loop by chance: so shorter ones
 * that divide the whole are tried as well.
 *
 * Where the parts of a concatenation alternate, every m-th piece of the
 * sequence that is contiguous is of the same part, and has loops of its own.
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

/* The loops of n >= 1 pairs, which are written over. */
static bool find_one(pair *v, size_t n, c_loops *out) {
    c_loops loops = {.to = v[0].to, .from = v[0].from, .count = {1, 1, 1, 1}};
    pair    step = {0};
    for (int k = C_LOOPS - 1; k >= 0 && n > 1; k--) {
        size_t run = loop_length(v, n, &step);
        if (run < 2) return false;
        loops.count[k] = (int32_t)run;
        loops.to_step[k] = step.to;
        loops.from_step[k] = step.from;
        n /= run;
        for (size_t i = 0; i < n; i++) v[i] = v[i * run];
    }
    *out = loops;
    return n == 1;
}

/* Numbers the contiguous pieces, whose pairs have the difference of the first
 * two; returns how many there are. */
static size_t number_pieces(const pair *v, size_t n, size_t *piece) {
    size_t pieces = 0;
    for (size_t i = 1; i < n; i++) {
        pieces += v[i].to - v[i - 1].to != v[1].to - v[0].to ||
                  v[i].from - v[i - 1].from != v[1].from - v[0].from;
        piece[i] = pieces;
    }
    return pieces + 1;
}

/* Loops for each of m interleaved parts. */
static bool find_parts(const pair *v, size_t n, const size_t *piece, int m,
                       pair *part, c_loops *out) {
    for (int k = 0; k < m; k++) {
        size_t size = 0;
        for (size_t i = 0; i < n; i++)
            if (piece[i] % (size_t)m == (size_t)k) part[size++] = v[i];
        if (!find_one(part, size, &out[k])) return false;
    }
    return true;
}

hawq_status hawq_c_loops_find(const hawq_gather *g, hawq_arena *arena,
                              c_loops out[C_MOVES], int *n) {
    pair   *v, *part;
    size_t *piece;
    HAWQ_TAKE(v, arena, g->n);
    HAWQ_TAKE(part, arena, g->n);
    HAWQ_TAKE(piece, arena, g->n);
    size_t pairs = list_pairs(g, v), pieces = number_pieces(v, pairs, piece);
    *n = 0;
    for (int m = 1; m <= C_MOVES && pairs; m++) {
        if (pieces % (size_t)m) continue;
        if (!find_parts(v, pairs, piece, m, part, out)) continue;
        *n = m;
        out[0].filled = pairs < g->n;
        return HAWQ_OK;
    }
    return HAWQ_OK;
}
