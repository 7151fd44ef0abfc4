/* norm.c -- the sweeps of norm.h, whose equations the comments number.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/norm.h"
#include "src/base/wide.h"
#include "src/ops/ops.h"

#include <math.h>

enum { X, S, T };
enum { U = 1, R }; /* outputs */
/* Rows of m reals of scratch: h; s and t (or ds) spelled out; products; g, dg
 * and dh of norm.h. */
enum { H, SPREAD, SPREAD_TOO, PRODUCT, G, DG, DH, ROWS };

hawq_status hawq_norm_set(hawq_node *node, hawq_arena *arena,
                          const hawq_norm *norm) {
    hawq_norm *n;
    for (int i = S; i < node->n_in; i++) {
        if (!node->in[i]) continue;
        HAWQ_TRY(hawq_need_float(node, i));
        if (node->in[i]->n != norm->channels)
            return hawq_node_fail(
                node, HAWQ_EFORMAT, "'%s' has %zu elements, expected %zu",
                node->in[i]->name, node->in[i]->n, norm->channels);
    }
    HAWQ_TAKE(n, arena, 1);
    *n = *norm;
    node->param = n;
    node->scratch = ROWS * n->m;
    return hawq_set_out(node, 0, HAWQ_FLOAT, &node->in[X]->shape);
}

/* The values of s (or t) at the elements of a group: in place where the group
 * has one each, else spelled out in `room`. */
HAWQ_INLINE const real *spread(const hawq_norm *n, const real *s, size_t group,
                               real *room) {
    if (!s || (n->run == 1 && n->channels == n->m)) return s;
    for (size_t i = 0; i < n->m; i++)
        room[i] = s[(group * n->m + i) / n->run % n->channels];
    return room;
}

/* bs[channel] += sum of v over the elements of the channel */
HAWQ_INLINE void collect(const hawq_norm *n, const real *v, size_t group,
                         real *bs) {
    if (n->run == 1 && n->channels == n->m) {
        for (size_t i = 0; i < n->m; i++) bs[i] += v[i];
        return;
    }
    for (size_t i = 0; i < n->m;) {
        size_t at = group * n->m + i, left = n->run - at % n->run;
        double sum = 0;
        if (left > n->m - i) left = n->m - i;
        for (size_t k = i; k < i + left; k++) sum += (double)v[k];
        bs[at / n->run % n->channels] += (real)sum;
        i += left;
    }
}

/* Sums in parts, which run side by side, in a fixed order. */
enum { PARTS = 32 };

HAWQ_INLINE double sum_parts(const double part[PARTS]) {
    double sum = 0;
    for (size_t k = 0; k < PARTS; k++) sum += part[k];
    return sum;
}

HAWQ_INLINE double mean_product(const real *a, const real *b, size_t m) {
    double part[PARTS] = {0};
    size_t i = 0;
    for (; i + PARTS <= m; i += PARTS)
        for (size_t k = 0; k < PARTS; k++)
            part[k] += (double)a[i + k] * (double)b[i + k];
    for (; i < m; i++) part[i % PARTS] += (double)a[i] * (double)b[i];
    return sum_parts(part) / (double)m;
}

HAWQ_INLINE double mean(const real *v, size_t m) {
    double part[PARTS] = {0};
    size_t i = 0;
    for (; i + PARTS <= m; i += PARTS)
        for (size_t k = 0; k < PARTS; k++) part[k] += (double)v[i + k];
    for (; i < m; i++) part[i % PARTS] += (double)v[i];
    return sum_parts(part) / (double)m;
}

/* h of a group; returns r and, if asked, u. */
HAWQ_INLINE double standardize(const hawq_norm *n, const real *x, real *h,
                               double *u) {
    double mu = n->rms ? 0 : mean(x, n->m);
    if (u) *u = mu;
    for (size_t i = 0; i < n->m; i++) h[i] = (real)((double)x[i] - mu);
    double r = 1 / sqrt(mean_product(h, h, n->m) + n->epsilon);
    for (size_t i = 0; i < n->m; i++) h[i] = (real)((double)h[i] * r);
    return r;
}

/* Output i, or NULL: u and r are seldom asked for. */
static const hawq_tensor *output(const hawq_node *node, int i) {
    return i < node->n_out ? node->out[i] : NULL;
}

HAWQ_INLINE const real *of_group(const hawq_norm *n, const real *plane,
                                 size_t g) {
    return plane ? plane + g * n->m : NULL;
}

HAWQ_WIDE static void norm_forward(const hawq_node   *node,
                                   const hawq_planes *p) {
    const hawq_norm *n = node->param;
    real            *h = p->scratch, *means = hawq_val(p, output(node, U));
    real            *rs = hawq_val(p, output(node, R));
    for (size_t g = 0; g < n->groups; g++) {
        double u, r;
        real  *y = hawq_val(p, node->out[0]) + g * n->m;
        r = standardize(n, hawq_val(p, node->in[X]) + g * n->m, h, &u);
        if (means) means[g] = (real)u;
        if (rs) rs[g] = (real)r;
        const real *s = spread(n, hawq_val(p, hawq_in(node, S)), g, h + n->m);
        const real *t =
            spread(n, hawq_val(p, hawq_in(node, T)), g, h + 2 * n->m);
        for (size_t i = 0; i < n->m; i++) /* (1) */
            y[i] = (s ? s[i] * h[i] : h[i]) + (t ? t[i] : 0);
    }
}

/* What the tangent of a group is made of. */
typedef struct motion {
    const real *dx; /* NULL: does not move */
    double      shift, q;
} motion;

HAWQ_INLINE motion find_motion(const hawq_norm *n, const real *dx,
                               const real *h) {
    motion v = {.dx = dx};
    if (!dx) return v;
    v.shift = n->rms ? 0 : mean(dx, n->m);
    double h_mean = n->rms ? 0 : mean(h, n->m); /* zero but for rounding */
    v.q = mean_product(h, dx, n->m) - h_mean * v.shift;
    return v;
}

/* (2) */
HAWQ_INLINE void move_row(const motion *v, const real *h, double r, size_t m,
                          real *dh) {
    for (size_t i = 0; i < m; i++)
        dh[i] = v->dx ? (real)(r * ((double)v->dx[i] - v->shift -
                                    (double)h[i] * v->q))
                      : 0;
}

/* to = s v, s NULL: ones */
HAWQ_INLINE void scale_row(const real *s, const real *v, size_t m, real *to) {
    if (s)
        for (size_t i = 0; i < m; i++) to[i] = s[i] * v[i];
    else
        for (size_t i = 0; i < m; i++) to[i] = v[i];
}

HAWQ_INLINE const real *scale_of(const hawq_node *node, const hawq_planes *p,
                                 size_t g) {
    const hawq_norm *n = node->param;
    return spread(n, hawq_val(p, hawq_in(node, S)), g,
                  p->scratch + SPREAD * n->m);
}

HAWQ_INLINE void lane_tangent(const hawq_node *node, const hawq_planes *p,
                              int l, size_t g, double r) {
    const hawq_norm *n = node->param;
    real            *h = p->scratch, *dh = h + DH * n->m;
    real            *dy = hawq_dot(p, l, node->out[0]);
    real            *du = hawq_dot(p, l, output(node, U));
    real            *dr = hawq_dot(p, l, output(node, R));
    motion v = find_motion(n, of_group(n, hawq_dot(p, l, node->in[X]), g), h);
    if (du) du[g] = (real)v.shift; /* (8) */
    if (dr) dr[g] = (real)(-r * r * v.q);
    if (!dy) return;
    dy += g * n->m;
    move_row(&v, h, r, n->m, dh);
    scale_row(scale_of(node, p, g), dh, n->m, dy); /* (3) */
    const real *ds =
        spread(n, hawq_dot(p, l, hawq_in(node, S)), g, h + SPREAD * n->m);
    const real *dt =
        spread(n, hawq_dot(p, l, hawq_in(node, T)), g, h + SPREAD_TOO * n->m);
    for (size_t i = 0; ds && i < n->m; i++) dy[i] += ds[i] * h[i];
    for (size_t i = 0; dt && i < n->m; i++) dy[i] += dt[i];
}

HAWQ_WIDE static void norm_tangent(const hawq_node   *node,
                                   const hawq_planes *p) {
    const hawq_norm *n = node->param;
    for (size_t g = 0; g < n->groups; g++) {
        const real *x = hawq_val(p, node->in[X]) + g * n->m;
        double      r = standardize(n, x, p->scratch, NULL);
        for (int l = 0; l < p->lanes; l++) lane_tangent(node, p, l, g, r);
    }
}

/* (4) of one group, g = s by in a row; also serves bdx from bdy alone. */
HAWQ_INLINE void by_x(const hawq_norm *n, const real *g, const real *h,
                      double r, real *bx) {
    double shift = n->rms ? 0 : mean(g, n->m), k = mean_product(h, g, n->m);
    for (size_t i = 0; i < n->m; i++)
        bx[i] += (real)(r * ((double)g[i] - shift - (double)h[i] * k));
}

/* (5) */
HAWQ_INLINE void by_scale(const hawq_norm *n, const real *by, const real *h,
                          size_t g, real *bs, real *bt, real *room) {
    for (size_t i = 0; bs && i < n->m; i++) room[i] = by[i] * h[i];
    if (bs) collect(n, room, g, bs);
    if (bt) collect(n, by, g, bt);
}

/* (9), and of (10) all but its last term */
HAWQ_INLINE void by_statistics(const hawq_norm *n, const real *bu,
                               const real *br, size_t g, const real *h,
                               double r, real *bx) {
    double shift = bu ? (double)bu[g] : 0, slope = br ? (double)br[g] : 0;
    for (size_t i = 0; i < n->m; i++)
        bx[i] += (real)((shift - r * r * (double)h[i] * slope) / (double)n->m);
}

HAWQ_WIDE static void norm_adjoint(const hawq_node   *node,
                                   const hawq_planes *p) {
    const hawq_norm *n = node->param;
    const real      *ybar = hawq_bar(p, node->out[0]);
    const real      *bu = hawq_bar(p, output(node, U));
    const real      *br = hawq_bar(p, output(node, R));
    real            *bx = hawq_bar(p, node->in[X]), *h = p->scratch;
    for (size_t g = 0; (ybar || bu || br) && g < n->groups; g++) {
        const real *x = hawq_val(p, node->in[X]) + g * n->m;
        const real *by = of_group(n, ybar, g);
        double      r = standardize(n, x, h, NULL);
        if (bx && (bu || br)) by_statistics(n, bu, br, g, h, r, bx + g * n->m);
        if (!by) continue;
        scale_row(scale_of(node, p, g), by, n->m, h + G * n->m);
        if (bx) by_x(n, h + G * n->m, h, r, bx + g * n->m);
        by_scale(n, by, h, g, hawq_bar(p, hawq_in(node, S)),
                 hawq_bar(p, hawq_in(node, T)), h + PRODUCT * n->m);
    }
}

/* (6) without its terms in bdy, which by_x has added; dg NULL: zero. */
HAWQ_INLINE void curve_x(const hawq_norm *n, const real *g, const real *dg,
                         const real *dh, const real *h, double r, double q,
                         real *bdx) {
    size_t m = n->m;
    double shift = n->rms ? 0 : mean(g, m), k = mean_product(h, g, m);
    double dshift = n->rms || !dg ? 0 : mean(dg, m);
    double dk = mean_product(dh, g, m) + (dg ? mean_product(h, dg, m) : 0);
    double rr = r * r * q;
    for (size_t i = 0; i < m; i++)
        bdx[i] -= (real)(r * (dshift + (double)dh[i] * k + (double)h[i] * dk) +
                         rr * ((double)g[i] - shift - (double)h[i] * k));
    for (size_t i = 0; dg && i < m; i++) bdx[i] += (real)(r * (double)dg[i]);
}

/* (10) */
HAWQ_INLINE void curve_statistics(const hawq_node *node, const hawq_planes *p,
                                  int l, size_t g, double q, const real *dh,
                                  double r, real *bdx) {
    const hawq_norm *n = node->param;
    const real      *h = p->scratch, *br = hawq_bar(p, output(node, R));
    const real      *bdu = hawq_bardot(p, l, output(node, U));
    const real      *bdr = hawq_bardot(p, l, output(node, R));
    double           dr = -r * r * q;
    if (bdu || bdr) by_statistics(n, bdu, bdr, g, h, r, bdx);
    for (size_t i = 0; br && i < n->m; i++)
        bdx[i] -= (real)((2 * r * dr * (double)h[i] + r * r * (double)dh[i]) *
                         (double)br[g] / (double)n->m);
}

HAWQ_INLINE void lane_adjoint_tangent(const hawq_node   *node,
                                      const hawq_planes *p, int l, size_t g,
                                      double r) {
    const hawq_norm *n = node->param;
    size_t           m = n->m;
    const real      *by = of_group(n, hawq_bar(p, node->out[0]), g);
    const real      *bdy = of_group(n, hawq_bardot(p, l, node->out[0]), g);
    real            *bdx = hawq_bardot(p, l, node->in[X]);
    real            *bds = hawq_bardot(p, l, hawq_in(node, S));
    real            *bdt = hawq_bardot(p, l, hawq_in(node, T));
    real            *h = p->scratch, *dh = h + DH * m, *row = h + G * m;
    motion v = find_motion(n, of_group(n, hawq_dot(p, l, node->in[X]), g), h);
    const real *s = scale_of(node, p, g);
    const real *ds =
        spread(n, hawq_dot(p, l, hawq_in(node, S)), g, h + SPREAD_TOO * m);
    move_row(&v, h, r, m, dh);
    if (bdx) bdx += g * m;
    if (bdx && (output(node, U) || output(node, R)))
        curve_statistics(node, p, l, g, v.q, dh, r, bdx);
    if (bdx && bdy) {
        scale_row(s, bdy, m, row);
        by_x(n, row, h, r, bdx);
    }
    if (bdx && by && (v.dx || ds)) {
        scale_row(s, by, m, row);
        if (ds) scale_row(ds, by, m, h + DG * m);
        curve_x(n, row, ds ? h + DG * m : NULL, dh, h, r, v.q, bdx);
    }
    if (bdy) by_scale(n, bdy, h, g, bds, bdt, h + PRODUCT * m);
    if (bds && by && v.dx) { /* (7), its second term */
        scale_row(by, dh, m, h + PRODUCT * m);
        collect(n, h + PRODUCT * m, g, bds);
    }
}

HAWQ_WIDE static void norm_adjoint_tangent(const hawq_node   *node,
                                           const hawq_planes *p) {
    const hawq_norm *n = node->param;
    for (size_t g = 0; g < n->groups; g++) {
        const real *x = hawq_val(p, node->in[X]) + g * n->m;
        double      r = standardize(n, x, p->scratch, NULL);
        for (int l = 0; l < p->lanes; l++)
            lane_adjoint_tangent(node, p, l, g, r);
    }
}

/* For other files, from which a HAWQ_WIDE function hides (wide.h). */
void hawq_norm_forward(const hawq_node *node, const hawq_planes *p) {
    norm_forward(node, p);
}

void hawq_norm_tangent(const hawq_node *node, const hawq_planes *p) {
    norm_tangent(node, p);
}

void hawq_norm_adjoint(const hawq_node *node, const hawq_planes *p) {
    norm_adjoint(node, p);
}

void hawq_norm_adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    norm_adjoint_tangent(node, p);
}
