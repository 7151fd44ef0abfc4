/* method_adaround.c -- AdaRound (Nagel et al. 2020) on the second moments of
 * the inputs: whether a weight goes to the level below or above it is learned.
 *
 * With the scale of least output error, a weight t lies between levels a <= b:
 *     q = a + (b - a) h,  h = clip(1.2 sigmoid(V) - 0.1, 0, 1)
 * and V, started where q = t, is moved by Adam along the gradient of
 *     d'Cd / norm + 50 sum (1 - |2h - 1|^beta),  d = q - t
 * where norm is d'Cd per input of the nearest codes, and beta falls from 20 to
 * 2 after a fifth of the steps, which drives every h to 0 or 1. (The factor of
 * 0.01 in the paper belongs to a loss that is not normalized and 10,000 steps;
 * with 500 steps and the norm, factors from 15 to 150 end alike, and less leave
 * many h undecided.) Rows are learned in packs of a fixed size, whose D C is
 * one product; no random numbers take part, so the result is the same bits for
 * any number of threads.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/mm.h"
#include "src/quant/rounding.h"
#include "src/quant/second_order.h"

#include <math.h>

enum { STEPS = 500, PACK = 16 };
static const double RATE = 0.01, REGULAR = 50, STRETCH = 1.2, BELOW = 0.1;

/* Room of one worker, all [PACK][cols]. */
typedef struct workspace {
    real   *d, *dh;
    double *v, *first, *second; /* V and Adam's two moments */
    double *h, *slope;          /* and dh/dV */
    double *low, *high;         /* a and b as real numbers */
} workspace;

typedef struct job {
    const hawq_evidence *e;
    hawq_quantized      *out;
    real                *moment; /* as `real`, of all blocks */
    workspace           *workspace;
    size_t               packs; /* of a block */
} job;

static double soft(double v, double *slope) {
    double s = 1 / (1 + exp(-v)), h = STRETCH * s - BELOW;
    *slope = h > 0 && h < 1 ? STRETCH * s * (1 - s) : 0;
    return h < 0 ? 0 : h > 1 ? 1 : h;
}

static bool is_apart(const hawq_row *row, size_t k) {
    return row->apart && row->apart[k];
}

/* The levels around each weight, and V where q = t. */
static void start_row(const hawq_row *row, double *v, double *low,
                      double *high) {
    for (size_t k = 0; k < row->cols; k++) {
        double t = row->target[k], q = hawq_row_value(row, k);
        int    code = row->code[k], last = row->n_levels - 1;
        double other = row->scale *
                       (row->multiplier ? row->multiplier[k / row->group] : 1);
        if (t > q && code < last)
            other *= row->level[code + 1];
        else if (t < q && code > 0)
            other *= row->level[code - 1];
        else
            other = q;
        low[k] = fmin(q, other);
        high[k] = fmax(q, other);
        double h = high[k] > low[k] ? (t - low[k]) / (high[k] - low[k]) : 0;
        double s = (fmin(fmax(h, 0.01), 0.99) + BELOW) / STRETCH;
        v[k] = log(s / (1 - s));
    }
}

/* d of one row for the V at hand. */
static void soft_errors(const hawq_row *row, const workspace *w, size_t at) {
    for (size_t k = 0; k < row->cols; k++) {
        double h = w->h[at + k] = soft(w->v[at + k], &w->slope[at + k]);
        double q = w->low[at + k] + (w->high[at + k] - w->low[at + k]) * h;
        w->d[at + k] = is_apart(row, k) ? 0 : (real)(q - row->target[k]);
    }
}

/* A step of Adam (Kingma and Ba 2015) on one row. */
static void move(const hawq_row *row, const workspace *w, size_t at, int step,
                 double norm) {
    double progress = (step - STEPS / 5.0) / (STEPS - STEPS / 5.0);
    double beta = 2 + 18 * (1 - progress);
    double first = 1 - pow(0.9, step + 1), second = 1 - pow(0.999, step + 1);
    for (size_t i = at; i < at + row->cols; i++) {
        double x = 2 * w->h[i] - 1;
        double g = 2 * (double)w->dh[i] * (w->high[i] - w->low[i]) / norm;
        if (progress >= 0 && x != 0)
            g -= REGULAR * 2 * beta * copysign(pow(fabs(x), beta - 1), x);
        g *= w->slope[i];
        w->first[i] = 0.9 * w->first[i] + 0.1 * g;
        w->second[i] = 0.999 * w->second[i] + 0.001 * g * g;
        w->v[i] -=
            RATE * (w->first[i] / first) / (sqrt(w->second[i] / second) + 1e-8);
    }
}

static void round_row(hawq_row *row, const workspace *w, size_t at) {
    for (size_t k = 0; k < row->cols; k++) {
        double slope, h = soft(w->v[at + k], &slope);
        double q = h >= 0.5 ? w->high[at + k] : w->low[at + k];
        if (!is_apart(row, k)) row->code[k] = hawq_row_nearest(row, k, q);
    }
}

/* Rows first .. first + n - 1 of one block. */
static void learn(const job *j, const workspace *w, size_t block, size_t first,
                  size_t n) {
    size_t      cols = j->e->cols;
    const real *moment = j->moment + block * cols * cols;
    hawq_row    row[PACK];
    double      norm[PACK];
    for (size_t r = 0; r < n; r++) {
        row[r] = hawq_row_of(j->e, j->out, first + r);
        start_row(&row[r], w->v + r * cols, w->low + r * cols,
                  w->high + r * cols);
        norm[r] = hawq_row_error(&row[r]) / (double)cols;
        if (!(norm[r] > 0)) norm[r] = 1;
        for (size_t i = r * cols; i < (r + 1) * cols; i++)
            w->first[i] = w->second[i] = 0;
    }
    for (int step = 0; step < STEPS; step++) {
        for (size_t r = 0; r < n; r++) soft_errors(&row[r], w, r * cols);
        hawq_mm(false, false, n, cols, cols, 1, w->d, cols, moment, cols, 0,
                w->dh, cols);
        for (size_t r = 0; r < n; r++)
            move(&row[r], w, r * cols, step, norm[r]);
    }
    for (size_t r = 0; r < n; r++) round_row(&row[r], w, r * cols);
}

static void run_pack(void *self, size_t task, int worker) {
    const job *j = self;
    size_t     rows = j->e->rows / j->e->blocks, block = task / j->packs;
    size_t     from = task % j->packs * PACK;
    size_t     n = rows - from < PACK ? rows - from : PACK;
    learn(j, &j->workspace[worker], block, block * rows + from, n);
}

static hawq_status take_room(job *j, int workers, hawq_arena *arena) {
    size_t n = PACK * j->e->cols, m = j->e->blocks * j->e->cols * j->e->cols;
    HAWQ_TAKE(j->moment, arena, m);
    for (size_t i = 0; i < m; i++) j->moment[i] = (real)j->e->moment[i];
    HAWQ_TAKE(j->workspace, arena, (size_t)workers);
    for (int i = 0; i < workers; i++) {
        workspace *w = &j->workspace[i];
        HAWQ_TAKE(w->d, arena, n);
        HAWQ_TAKE(w->dh, arena, n);
        HAWQ_TAKE(w->v, arena, n);
        HAWQ_TAKE(w->h, arena, n);
        HAWQ_TAKE(w->slope, arena, n);
        HAWQ_TAKE(w->first, arena, n);
        HAWQ_TAKE(w->second, arena, n);
        HAWQ_TAKE(w->low, arena, n);
        HAWQ_TAKE(w->high, arena, n);
    }
    return HAWQ_OK;
}

/* The scales, and the codes to start from, are those of `moments`. */
static hawq_status run_adaround(const hawq_evidence *e, hawq_threads *threads,
                                hawq_quantized *out) {
    hawq_arena arena = {0};
    job        j = {.e = e, .out = out};
    j.packs = (e->rows / e->blocks + PACK - 1) / PACK;
    HAWQ_TRY(hawq_second_order(e, threads, HAWQ_SCALE_ONLY, out));
    hawq_status status = take_room(&j, hawq_threads_count(threads), &arena);
    if (status == HAWQ_OK)
        hawq_threads_run(threads, e->blocks * j.packs, run_pack, NULL, &j);
    hawq_arena_free(&arena);
    return status;
}

const hawq_method hawq_method_adaround = {
    .name = "adaround",
    .needs = HAWQ_NEEDS_INPUTS,
    .compensates = true,
    .run = run_adaround,
    .summary = "rounding up or down learned by gradient steps"};
