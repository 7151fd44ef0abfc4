/* relax_shift.c -- the blocks B that make the relaxation convex.
 *
 * Around a point y, (2) of relax.h costs sum_g tr(B_g C_g) / 2, where C_g =
 * diag(y_g) - y_g y_g' is the covariance of a draw from y_g. With C_g = L L',
 * L of one column less than there are candidates, differences within the group
 * are L x; in these coordinates
 *
 *     A = L'QL,   find D diagonal:  min tr D,  A + D positive semidefinite (1)
 *
 * which is the dual of  max -<A, V'V>, |v_i| = 1, solved by coordinate ascent:
 * v_i <- -g / |g| with g = V A_i, and D_ii = |g| at the end (Wang, Chang &
 * Kolter 2018). What is missing to positive semidefiniteness is added until a
 * Cholesky factor exists; then B = (1/L)' D (1/L). The last candidate of a
 * group is eliminated: it gets zeros in B.
 *
 * y is the answer to B and B that to y; alone, the two run in circles, so that
 * y is a running mean over the answers so far.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/relax.h"

#include "src/base/rng.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { RANK = 8 };

static const double SPREAD = 0.06; /* of y over what is left: it will move */

/* A group with a choice left. */
typedef struct open_group {
    int     n;     /* candidates */
    int    *index; /* of them */
    int     at;    /* its first coordinate; it has n - 1 */
    double *basis; /* L without its last row: [(n - 1) * (n - 1)], lower */
} open_group;

hawq_status hawq_relax_take_work(const hawq_relax *r, hawq_arena *arena,
                                 hawq_relax_work *out) {
    size_t n = (size_t)r->n;
    HAWQ_TAKE(out->index, arena, n);
    HAWQ_TAKE(out->group, arena, (size_t)r->k->n_groups);
    HAWQ_TAKE(out->basis, arena, n * (size_t)r->widest);
    HAWQ_TAKE(out->half, arena, n * n);
    HAWQ_TAKE(out->matrix, arena, n * n);
    HAWQ_TAKE(out->factor, arena, n * n);
    HAWQ_TAKE(out->vectors, arena, n * RANK);
    HAWQ_TAKE(out->shift, arena, n);
    return HAWQ_OK;
}

/* --- coordinates --------------------------------------------------------- */

static open_group group_at(const hawq_relax *r, const hawq_relax_work *w,
                           const hawq_relax_node *node, int g) {
    int        first = r->k->first[g];
    open_group o = {.index = w->index + first,
                    .basis = w->basis + (size_t)first * (size_t)r->widest,
                    .at = w->group[g]};
    for (int c = first; c < r->k->first[g + 1]; c++)
        if (node->alive[c]) o.index[o.n++] = c;
    return o;
}

/* Cholesky factor of C without its last row and column. */
static void factor_group(const open_group *o, const double *y) {
    int n = o->n - 1;
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) {
            double a = (1 - SPREAD) * y[o->index[i]] + SPREAD / o->n;
            double b = (1 - SPREAD) * y[o->index[j]] + SPREAD / o->n;
            double sum = (i == j ? a : 0) - a * b;
            for (int l = 0; l < j; l++)
                sum -= o->basis[i * n + l] * o->basis[j * n + l];
            o->basis[i * n + j] =
                i == j ? sqrt(fmax(sum, DBL_MIN)) : sum / o->basis[j * n + j];
        }
}

/* out[at + j] = sum_i L_ij row[index_i * step] */
static void transform(const open_group *o, const double *row, size_t step,
                      double *out, size_t out_step) {
    int    n = o->n - 1;
    double last = row[(size_t)o->index[n] * step];
    for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int i = j; i < n; i++)
            sum +=
                o->basis[i * n + j] * (row[(size_t)o->index[i] * step] - last);
        out[(size_t)(o->at + j) * out_step] = sum;
    }
}

/* A, in rows of `dim`; returns dim. */
static int build_matrix(const hawq_relax *r, hawq_relax_work *w,
                        const hawq_relax_node *node) {
    int    dim = 0;
    size_t n = (size_t)r->n;
    for (int g = 0; g < r->k->n_groups; g++) {
        open_group o = group_at(r, w, node, g);
        w->group[g] = dim;
        dim += o.n - 1;
        factor_group(&o, node->mean);
    }
    for (int g = 0; g < r->k->n_groups; g++) {
        open_group o = group_at(r, w, node, g);
        for (int c = 0; c < r->n && o.n > 1; c++)
            if (node->alive[c])
                transform(&o, r->q + (size_t)c * n, 1,
                          w->half + (size_t)c * (size_t)dim, 1);
    }
    for (int g = 0; g < r->k->n_groups; g++) {
        open_group o = group_at(r, w, node, g);
        for (int j = 0; j < dim && o.n > 1; j++)
            transform(&o, w->half + j, (size_t)dim, w->matrix + j, (size_t)dim);
    }
    return dim;
}

/* --- the mixing method --------------------------------------------------- */

/* One step on v_i; returns |g|. */
static double turn(const hawq_relax_work *w, int dim, int i) {
    const double *row = w->matrix + (size_t)i * (size_t)dim;
    double        g[RANK] = {0}, size = 0;
    for (int j = 0; j < dim; j++)
        for (int l = 0; l < RANK; l++)
            g[l] += row[j] * w->vectors[j * RANK + l];
    for (int l = 0; l < RANK; l++) size += g[l] * g[l];
    size = sqrt(size);
    if (size > 0)
        for (int l = 0; l < RANK; l++) w->vectors[i * RANK + l] = -g[l] / size;
    return size;
}

/* Whether A + D + more has a Cholesky factor. */
static bool is_definite(const hawq_relax_work *w, int dim, double more) {
    for (int i = 0; i < dim; i++) {
        double       *row = w->factor + (size_t)i * (size_t)dim;
        const double *a = w->matrix + (size_t)i * (size_t)dim;
        double        pivot = a[i] + w->shift[i] + more;
        for (int j = 0; j < i; j++) {
            const double *other = w->factor + (size_t)j * (size_t)dim;
            double        sum = a[j];
            for (int l = 0; l < j; l++) sum -= row[l] * other[l];
            row[j] = sum * other[j];
            pivot -= row[j] * row[j];
        }
        if (!(pivot > 0)) return false;
        row[i] = 1 / sqrt(pivot); /* its inverse */
    }
    return true;
}

static void find_shift(hawq_relax_work *w, int dim, int sweeps) {
    double mean = 0;
    for (int i = 0; i < dim * RANK; i++)
        w->vectors[i] = hawq_rng_uniform(1, (uint64_t)i) - 0.5;
    for (int sweep = 0; sweep < sweeps; sweep++)
        for (int i = 0; i < dim; i++) w->shift[i] = turn(w, dim, i);
    for (int i = 0; i < dim; i++) mean += w->shift[i] / dim;
    double missing = mean / 256 + DBL_MIN;
    while (!is_definite(w, dim, missing)) missing *= 1.5;
    missing += 1e-11 * mean * dim; /* what rounding may hide */
    for (int i = 0; i < dim; i++) w->shift[i] += missing;
}

/* --- back to candidates -------------------------------------------------- */

/* Column j of the inverse of the lower triangular basis. */
static void invert_column(const open_group *o, int j, double *out) {
    int n = o->n - 1;
    for (int i = 0; i < n; i++) {
        double sum = i == j;
        for (int l = j; l < i; l++) sum -= o->basis[i * n + l] * out[l];
        out[i] = i < j ? 0 : sum / o->basis[i * n + i];
    }
}

/* B = (1/L)' D (1/L) */
static void put_block(hawq_relax *r, const hawq_relax_work *w,
                      const open_group *o, int first) {
    int     n = o->n - 1;
    double *inverse = w->half; /* [column * n + row] */
    for (int j = 0; j < n; j++) invert_column(o, j, inverse + j * n);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int l = 0; l < n; l++)
                sum += inverse[i * n + l] * w->shift[o->at + l] *
                       inverse[j * n + l];
            r->shift[o->index[i] * r->widest + (o->index[j] - first)] = sum;
        }
}

void hawq_relax_shift(hawq_relax *r, hawq_relax_work *w, int sweeps,
                      double weight, hawq_relax_node *node) {
    for (int c = 0; c < r->n; c++)
        node->mean[c] += weight * (node->y[c] - node->mean[c]);
    int dim = build_matrix(r, w, node);
    memset(r->shift, 0, (size_t)r->n * (size_t)r->widest * sizeof *r->shift);
    find_shift(w, dim, sweeps);
    for (int g = 0; g < r->k->n_groups; g++) {
        open_group o = group_at(r, w, node, g);
        if (o.n > 1) put_block(r, w, &o, r->k->first[g]);
    }
}
