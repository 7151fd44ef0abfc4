/* second_order.c -- see second_order.h.
 *
 * A block of rows (all rows, but for a convolution of groups) shares its H and
 * the factor of its inverse; the rows are independent given those, so they are
 * the tasks of the threads, each in a workspace of its worker's. Coupled rows
 * are not independent: there a block is the task.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/second_order.h"

#include "src/graph/mm.h"
#include "src/quant/rounding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEPS = 30, REFITS = 4 };
static const double DAMPING = 0.01;
enum { COUPLED_SWEEPS = 4 };

/* What the rows of a block share; all [cols][cols] but order. */
typedef struct block {
    double *h;      /* C + damping */
    real   *h_real; /* the same, for products */
    double *u;      /* factor of the inverse of h in GPTQ's order, or NULL */
    size_t *order;  /* inputs by falling h_jj */
    /* of coupled rows, all [rows of the block][..]: */
    double *g;       /* the damped curvature of their outputs */
    double *g_u;     /* factor of its inverse in the order below */
    size_t *g_order; /* rows by falling g_cc */
    double *aim;     /* [cols]: where each row aims now */
    double *d;       /* [cols]: the errors of each row */
} block;

typedef struct workspace {
    real    *d, *dh;    /* [HAWQ_CLIPS][cols]: errors of all clips, times h */
    double  *w, *g, *v; /* [cols] */
    uint8_t *code;      /* [cols] */
} workspace;

typedef struct job {
    const hawq_evidence *e;
    hawq_quantized      *out;
    hawq_effort          effort;
    bool                 scale_known;
    block               *block;     /* e->blocks of them */
    workspace           *workspace; /* one for each worker */
} job;

static bool is_apart(const hawq_row *row, size_t k) {
    return row->apart && row->apart[k];
}

/* --- the matrices of a block -------------------------------------------- */

/* Inputs that never vary cost nothing; a 1 on the diagonal keeps H regular and
 * rounds them to nearest. */
static void damp(size_t n, double *h, double damping) {
    double mean = 0;
    for (size_t j = 0; j < n; j++) mean += h[j * n + j] / (double)n;
    for (size_t j = 0; j < n; j++)
        h[j * n + j] += h[j * n + j] > 0 ? damping * mean : 1;
}

/* Insertion would be quadratic; pairs are sorted instead. */
typedef struct input {
    double h;
    size_t k;
} input;

static int by_falling_h(const void *a, const void *b) {
    const input *x = a, *y = b;
    if (x->h != y->h) return x->h < y->h ? 1 : -1;
    return (x->k > y->k) - (x->k < y->k);
}

static hawq_status put_in_order(size_t n, const double *h, hawq_arena *arena,
                                size_t **order) {
    input *in;
    HAWQ_TAKE(*order, arena, n);
    HAWQ_TAKE(in, arena, n);
    for (size_t k = 0; k < n; k++) in[k] = (input){h[k * n + k], k};
    qsort(in, n, sizeof *in, by_falling_h);
    for (size_t j = 0; j < n; j++) (*order)[j] = in[j].k;
    return HAWQ_OK;
}

/* U with H^-1 = U'U, H in GPTQ's order: with the order reversed, H = L L', and
 * the inverse of L, reversed again, is U. */
static hawq_status factor(size_t n, const double *h, const size_t *order,
                          hawq_arena *arena, double **out) {
    double *u;
    HAWQ_TAKE(u, arena, n * n);
    *out = u;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            u[i * n + j] = h[order[n - 1 - i] * n + order[n - 1 - j]];
    HAWQ_TRY(hawq_mm_invert_factor(n, u));
    for (size_t i = 0, k = n * n; i < k--; i++) { /* turned by 180 degrees */
        double swap = u[i];
        u[i] = u[k];
        u[k] = swap;
    }
    return HAWQ_OK;
}

/* The rows' own block of the curvature of all outputs. */
static hawq_status prepare_coupling(const job *j, size_t i, hawq_arena *arena) {
    size_t n = j->e->rows / j->e->blocks, cols = j->e->cols;
    block *b = &j->block[i];
    HAWQ_TAKE(b->g, arena, n * n);
    HAWQ_TAKE(b->aim, arena, n * cols);
    HAWQ_TAKE(b->d, arena, n * cols);
    for (size_t r = 0; r < n; r++)
        memcpy(b->g + r * n,
               j->e->output_curvature + (i * n + r) * j->e->rows + i * n,
               n * sizeof *b->g);
    memcpy(b->aim, j->e->target + i * n * cols, n * cols * sizeof *b->aim);
    damp(n, b->g, DAMPING);
    HAWQ_TRY(put_in_order(n, b->g, arena, &b->g_order));
    return factor(n, b->g, b->g_order, arena, &b->g_u);
}

static hawq_status prepare_block(const job *j, size_t i, hawq_arena *arena) {
    size_t n = j->e->cols;
    block *b = &j->block[i];
    HAWQ_TAKE(b->h, arena, n * n);
    HAWQ_TAKE(b->h_real, arena, n * n);
    memcpy(b->h, j->e->moment + i * n * n, n * n * sizeof *b->h);
    damp(n, b->h, DAMPING);
    for (size_t k = 0; k < n * n; k++) b->h_real[k] = (real)b->h[k];
    if (j->effort == HAWQ_SCALE_ONLY) return HAWQ_OK;
    HAWQ_TRY(put_in_order(n, b->h, arena, &b->order));
    HAWQ_TRY(factor(n, b->h, b->order, arena, &b->u));
    return j->effort == HAWQ_COUPLED ? prepare_coupling(j, i, arena) : HAWQ_OK;
}

/* --- the scale ---------------------------------------------------------- */

/* The errors of all clips at once: D H is one product, d'Hd then a dot. */
static void choose_scale(hawq_row *row, const block *b, workspace *w) {
    size_t n = row->cols;
    double max = hawq_row_scale_max(row), least = INFINITY, best = max;
    for (size_t i = 0; i < HAWQ_CLIPS; i++) {
        row->scale = max * (double)(HAWQ_CLIPS + 20 - i) / (HAWQ_CLIPS + 20);
        for (size_t k = 0; k < n; k++) {
            int    q = row->level[hawq_row_nearest(row, k, row->target[k])];
            double d = row->scale * q - row->target[k];
            w->d[i * n + k] = is_apart(row, k) ? 0 : (real)d;
        }
    }
    hawq_mm(false, false, HAWQ_CLIPS, n, n, 1, w->d, n, b->h_real, n, 0, w->dh,
            n);
    for (size_t i = 0; i < HAWQ_CLIPS; i++) {
        double error = 0;
        for (size_t k = 0; k < n; k++)
            error += (double)w->d[i * n + k] * (double)w->dh[i * n + k];
        if (error >= least) continue;
        least = error;
        best = max * (double)(HAWQ_CLIPS + 20 - i) / (HAWQ_CLIPS + 20);
    }
    row->scale = best;
}

/* --- GPTQ --------------------------------------------------------------- */

static void gptq(hawq_row *row, const block *b, workspace *w) {
    size_t n = row->cols;
    for (size_t j = 0; j < n; j++) w->w[j] = row->target[b->order[j]];
    for (size_t j = 0; j < n; j++) {
        size_t        k = b->order[j];
        const double *u = b->u + j * n;
        row->code[k] = hawq_row_nearest(row, k, is_apart(row, k) ? 0 : w->w[j]);
        double q = is_apart(row, k) ? row->target[k] : hawq_row_value(row, k);
        double e = (w->w[j] - q) / u[j];
        for (size_t i = j + 1; i < n; i++) w->w[i] -= e * u[i];
    }
}

/* --- descent ------------------------------------------------------------ */

/* g = H d over the inputs that are not apart. */
static void times_h(const block *b, size_t n, const double *d, double *g) {
    memset(g, 0, n * sizeof *g);
    for (size_t j = 0; j < n; j++) {
        const double *h = b->h + j * n;
        if (d[j] == 0) continue;
        for (size_t k = 0; k < n; k++) g[k] += d[j] * h[k];
    }
}

static void errors(const hawq_row *row, double *d) {
    for (size_t k = 0; k < row->cols; k++)
        d[k] = is_apart(row, k) ? 0 : hawq_row_value(row, k) - row->target[k];
}

/* One input after the other to the level nearest to the minimum along it, which
 * is the best level, the error being a parabola. */
static bool descend(hawq_row *row, const block *b, double *g) {
    size_t n = row->cols;
    bool   changed = false;
    for (size_t k = 0; k < n; k++) {
        const double *h = b->h + k * n;
        if (is_apart(row, k)) continue;
        double  q = hawq_row_value(row, k);
        uint8_t code = hawq_row_nearest(row, k, q - g[k] / h[k]);
        if (code == row->code[k]) continue;
        row->code[k] = code;
        double step = hawq_row_value(row, k) - q;
        for (size_t i = 0; i < n; i++) g[i] += step * h[i];
        changed = true;
    }
    return changed;
}

static void descend_all(hawq_row *row, const block *b, workspace *w) {
    errors(row, w->v);
    times_h(b, row->cols, w->v, w->g);
    for (int i = 0; i < SWEEPS && descend(row, b, w->g); i++) {
    }
}

static double error_now(const hawq_row *row, const block *b, workspace *w) {
    double sum = 0;
    errors(row, w->v);
    times_h(b, row->cols, w->v, w->g);
    for (size_t k = 0; k < row->cols; k++) sum += w->v[k] * w->g[k];
    return sum;
}

/* A second start, from the nearest codes; the better end is kept, so that it is
 * never worse than these. */
static void descend_from_nearest(hawq_row *row, const block *b, workspace *w) {
    double before = error_now(row, b, w);
    memcpy(w->code, row->code, row->cols);
    hawq_row_round(row);
    descend_all(row, b, w);
    if (error_now(row, b, w) < before) return;
    memcpy(row->code, w->code, row->cols);
}

/* s = v'Ht / v'Hv over the integers v; unchanged where that is no scale. */
static void refit(hawq_row *row, const block *b, workspace *w) {
    double up = 0, down = 0;
    for (size_t k = 0; k < row->cols; k++)
        w->v[k] = is_apart(row, k) ? 0 : hawq_row_value(row, k) / row->scale;
    times_h(b, row->cols, w->v, w->g);
    for (size_t k = 0; k < row->cols; k++) {
        if (is_apart(row, k)) continue;
        up += w->g[k] * row->target[k];
        down += w->g[k] * w->v[k];
    }
    if (up > 0 && down > 0) row->scale = up / down;
}

/* d'Cd, without the damping: what an error of this row costs. */
static double exact_error(const job *j, const hawq_row *row, size_t c,
                          workspace *w) {
    size_t        n = row->cols, block = c / (j->e->rows / j->e->blocks);
    const double *moment = j->e->moment + block * n * n;
    double        sum = 0;
    errors(row, w->v);
    for (size_t i = 0; i < n; i++) {
        double product = 0;
        for (size_t k = 0; k < n; k++) product += moment[i * n + k] * w->v[k];
        sum += w->v[i] * product;
    }
    return sum;
}

/* What GPTQ passes on may find no weight left that could take it up. */
static void keep_the_better(const job *j, hawq_row *row, size_t c,
                            workspace *w) {
    double passed_on = exact_error(j, row, c, w);
    memcpy(w->code, row->code, row->cols);
    hawq_row_round(row);
    if (exact_error(j, row, c, w) < passed_on) return;
    memcpy(row->code, w->code, row->cols);
}

/* --- rows --------------------------------------------------------------- */

static void choose_codes(const job *j, const block *b, workspace *w,
                         hawq_row *row) {
    if (!j->scale_known) choose_scale(row, b, w);
    if (j->effort == HAWQ_SCALE_ONLY)
        hawq_row_round(row);
    else
        gptq(row, b, w);
    if (j->effort < HAWQ_DESCENT) return;
    descend_all(row, b, w);
    for (int i = 0; i < REFITS; i++) {
        refit(row, b, w);
        descend_all(row, b, w);
    }
    descend_from_nearest(row, b, w);
}

static void run_row(void *self, size_t c, int worker) {
    const job   *j = self;
    const block *b = &j->block[c / (j->e->rows / j->e->blocks)];
    hawq_row     row = hawq_row_of(j->e, j->out, c);
    choose_codes(j, b, &j->workspace[worker], &row);
    if (j->effort == HAWQ_GPTQ)
        keep_the_better(j, &row, c, &j->workspace[worker]);
    hawq_row_finish(&row, j->out, c);
}

/* --- coupled rows ------------------------------------------------------- */

/* GPTQ over rows: what row i of the order misses, the rows after it make good,
 * as far as the outputs of both cost the same loss. */
static void pass_on(const job *j, const block *b, size_t i, const double *d) {
    size_t        n = j->e->rows / j->e->blocks, cols = j->e->cols;
    const double *u = b->g_u + i * n;
    for (size_t r = i + 1; r < n; r++) {
        double *aim = b->aim + b->g_order[r] * cols;
        for (size_t k = 0; k < cols; k++) aim[k] += d[k] * u[r] / u[i];
    }
}

/* Given the errors D of the others, row c is best where its target is
 *     t_c - sum_{r != c} G_cr / G_cc d_r
 * Weights kept apart stay where they are. */
static void aim_again(const job *j, const block *b, size_t c, size_t first,
                      const uint8_t *apart) {
    size_t        n = j->e->rows / j->e->blocks, cols = j->e->cols;
    const double *g = b->g + c * n;
    double       *aim = b->aim + c * cols;
    memcpy(aim, j->e->target + (first + c) * cols, cols * sizeof *aim);
    for (size_t r = 0; r < n; r++) {
        const double *d = b->d + r * cols;
        if (r == c) continue;
        for (size_t k = 0; k < cols; k++)
            if (!apart || !apart[k]) aim[k] -= g[r] / g[c] * d[k];
    }
}

/* The errors of row c from its own target. */
static void keep_errors(const job *j, const block *b, const hawq_row *row,
                        size_t c, size_t first) {
    hawq_row own = *row;
    own.target = j->e->target + (first + c) * row->cols;
    errors(&own, b->d + c * row->cols);
}

static void run_coupled(void *self, size_t task, int worker) {
    const job   *j = self;
    const block *b = &j->block[task];
    workspace   *w = &j->workspace[worker];
    size_t       n = j->e->rows / j->e->blocks, first = task * n;
    for (size_t i = 0; i < n; i++) {
        size_t   c = b->g_order[i];
        hawq_row row = hawq_row_of(j->e, j->out, first + c);
        row.target = b->aim + c * row.cols;
        choose_codes(j, b, w, &row);
        errors(&row, w->v);
        pass_on(j, b, i, w->v);
        keep_errors(j, b, &row, c, first);
        hawq_row_finish(&row, j->out, first + c);
    }
    for (size_t i = 0; i < n * COUPLED_SWEEPS; i++) {
        size_t   c = b->g_order[i % n];
        hawq_row row = hawq_row_of(j->e, j->out, first + c);
        aim_again(j, b, c, first, row.apart);
        row.target = b->aim + c * row.cols;
        descend_all(&row, b, w);
        refit(&row, b, w);
        descend_all(&row, b, w);
        keep_errors(j, b, &row, c, first);
        hawq_row_finish(&row, j->out, first + c);
    }
}

static hawq_status take_workspaces(job *j, int workers, hawq_arena *arena) {
    size_t n = j->e->cols;
    HAWQ_TAKE(j->workspace, arena, (size_t)workers);
    for (int i = 0; i < workers; i++) {
        workspace *w = &j->workspace[i];
        HAWQ_TAKE(w->d, arena, HAWQ_CLIPS * n);
        HAWQ_TAKE(w->dh, arena, HAWQ_CLIPS * n);
        HAWQ_TAKE(w->w, arena, n);
        HAWQ_TAKE(w->g, arena, n);
        HAWQ_TAKE(w->v, arena, n);
        HAWQ_TAKE(w->code, arena, n);
    }
    return HAWQ_OK;
}

static hawq_status run(job *j, hawq_threads *threads, hawq_arena *arena) {
    HAWQ_TRY(hawq_mm_open());
    HAWQ_TRY(hawq_prepare_levels(j->e, j->out));
    HAWQ_TAKE(j->block, arena, j->e->blocks);
    for (size_t i = 0; i < j->e->blocks; i++)
        HAWQ_TRY(prepare_block(j, i, arena));
    HAWQ_TRY(take_workspaces(j, hawq_threads_count(threads), arena));
    if (j->effort == HAWQ_COUPLED)
        hawq_threads_run(threads, j->e->blocks, run_coupled, NULL, j);
    else
        hawq_threads_run(threads, j->e->rows, run_row, NULL, j);
    return HAWQ_OK;
}

hawq_status hawq_second_order(const hawq_evidence *evidence,
                              hawq_threads *threads, hawq_effort effort,
                              hawq_quantized *out) {
    hawq_arena arena = {0};
    job        j = {.e = evidence, .out = out, .effort = effort};
    j.scale_known = hawq_format_is_fitted(&out->format) || out->multiplier;
    hawq_status status = run(&j, threads, &arena);
    hawq_arena_free(&arena);
    return status;
}
