/* norm.c -- the sweeps of norm.h, whose equations the comments number.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/norm.h"
#include "src/ops/ops.h"

#include <math.h>

enum { X, S, T };
enum { U = 1, R }; /* outputs */
enum { ROWS = 4 }; /* of m reals of scratch: h, s, ds, products by channel */

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
static const real *spread(const hawq_norm *n, const real *s, size_t group,
                          real *room) {
    if (!s || (n->run == 1 && n->channels == n->m)) return s;
    for (size_t i = 0; i < n->m; i++)
        room[i] = s[(group * n->m + i) / n->run % n->channels];
    return room;
}

/* bs[channel] += sum of v over the elements of the channel */
static void collect(const hawq_norm *n, const real *v, size_t group, real *bs) {
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

static double mean(const real *v, size_t m) {
    double sum = 0;
    for (size_t i = 0; i < m; i++) sum += (double)v[i];
    return sum / (double)m;
}

static double mean_product(const real *a, const real *b, size_t m) {
    double sum = 0;
    for (size_t i = 0; i < m; i++) sum += (double)a[i] * (double)b[i];
    return sum / (double)m;
}

/* h of a group; returns r and, if asked, u. */
static double standardize(const hawq_norm *n, const real *x, real *h,
                          double *u) {
    double mu = n->rms ? 0 : mean(x, n->m), var = 0;
    if (u) *u = mu;
    for (size_t i = 0; i < n->m; i++) {
        double c = (double)x[i] - mu;
        var += c * c;
    }
    double r = 1 / sqrt(var / (double)n->m + n->epsilon);
    for (size_t i = 0; i < n->m; i++) h[i] = (real)(((double)x[i] - mu) * r);
    return r;
}

/* Output i, or NULL: u and r are seldom asked for. */
static const hawq_tensor *output(const hawq_node *node, int i) {
    return i < node->n_out ? node->out[i] : NULL;
}

static const real *of_group(const hawq_norm *n, const real *plane, size_t g) {
    return plane ? plane + g * n->m : NULL;
}

void hawq_norm_forward(const hawq_node *node, const hawq_planes *p) {
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

static motion find_motion(const hawq_norm *n, const real *dx, const real *h) {
    motion v = {.dx = dx};
    if (!dx) return v;
    v.shift = n->rms ? 0 : mean(dx, n->m);
    double h_mean = n->rms ? 0 : mean(h, n->m); /* zero but for rounding */
    v.q = mean_product(h, dx, n->m) - h_mean * v.shift;
    return v;
}

/* dh_i, (2) */
static inline double dh(const motion *v, const real *h, double r, size_t i) {
    return v->dx ? r * ((double)v->dx[i] - v->shift - (double)h[i] * v->q) : 0;
}

static void lane_tangent(const hawq_node *node, const hawq_planes *p, int l,
                         size_t g, real *h, double r) {
    const hawq_norm *n = node->param;
    real            *dy = hawq_dot(p, l, node->out[0]);
    real            *du = hawq_dot(p, l, output(node, U));
    real            *dr = hawq_dot(p, l, output(node, R));
    motion v = find_motion(n, of_group(n, hawq_dot(p, l, node->in[X]), g), h);
    if (du) du[g] = (real)v.shift; /* (8) */
    if (dr) dr[g] = (real)(-r * r * v.q);
    if (!dy) return;
    dy += g * n->m;
    const real *s = spread(n, hawq_val(p, hawq_in(node, S)), g, h + n->m);
    for (size_t i = 0; i < n->m; i++) /* (3), its first term */
        dy[i] = (real)((s ? (double)s[i] : 1) * dh(&v, h, r, i));
    const real *ds = spread(n, hawq_dot(p, l, hawq_in(node, S)), g, h + n->m);
    const real *dt =
        spread(n, hawq_dot(p, l, hawq_in(node, T)), g, h + 2 * n->m);
    for (size_t i = 0; ds && i < n->m; i++) dy[i] += ds[i] * h[i];
    for (size_t i = 0; dt && i < n->m; i++) dy[i] += dt[i];
}

void hawq_norm_tangent(const hawq_node *node, const hawq_planes *p) {
    const hawq_norm *n = node->param;
    for (size_t g = 0; g < n->groups; g++) {
        const real *x = hawq_val(p, node->in[X]) + g * n->m;
        double      r = standardize(n, x, p->scratch, NULL);
        for (int l = 0; l < p->lanes; l++)
            lane_tangent(node, p, l, g, p->scratch, r);
    }
}

/* (4) of one group; also serves bdx from bdy alone. */
static void by_x(const hawq_norm *n, const real *s, const real *by,
                 const real *h, double r, real *bx) {
    double shift = 0, k = 0;
    for (size_t i = 0; i < n->m; i++) {
        double g = (s ? (double)s[i] : 1) * (double)by[i];
        shift += g;
        k += g * (double)h[i];
    }
    shift = n->rms ? 0 : shift / (double)n->m;
    k /= (double)n->m;
    for (size_t i = 0; i < n->m; i++)
        bx[i] += (real)(r * ((s ? (double)s[i] : 1) * (double)by[i] - shift -
                             (double)h[i] * k));
}

/* (5) */
static void by_scale(const hawq_norm *n, const real *by, const real *h,
                     size_t g, real *bs, real *bt, real *room) {
    for (size_t i = 0; bs && i < n->m; i++) room[i] = by[i] * h[i];
    if (bs) collect(n, room, g, bs);
    if (bt) collect(n, by, g, bt);
}

/* (9), and of (10) all but its last term */
static void by_statistics(const hawq_norm *n, const real *bu, const real *br,
                          size_t g, const real *h, double r, real *bx) {
    double shift = bu ? (double)bu[g] : 0, slope = br ? (double)br[g] : 0;
    for (size_t i = 0; i < n->m; i++)
        bx[i] += (real)((shift - r * r * (double)h[i] * slope) / (double)n->m);
}

void hawq_norm_adjoint(const hawq_node *node, const hawq_planes *p) {
    const hawq_norm *n = node->param;
    const real      *ybar = hawq_bar(p, node->out[0]);
    const real      *bu = hawq_bar(p, output(node, U));
    const real      *br = hawq_bar(p, output(node, R));
    real            *bx = hawq_bar(p, node->in[X]), *h = p->scratch;
    for (size_t g = 0; (ybar || bu || br) && g < n->groups; g++) {
        const real *by = of_group(n, ybar, g);
        double r = standardize(n, hawq_val(p, node->in[X]) + g * n->m, h, NULL);
        const real *s = spread(n, hawq_val(p, hawq_in(node, S)), g, h + n->m);
        if (bx && (bu || br)) by_statistics(n, bu, br, g, h, r, bx + g * n->m);
        if (bx && by) by_x(n, s, by, h, r, bx + g * n->m);
        if (by)
            by_scale(n, by, h, g, hawq_bar(p, hawq_in(node, S)),
                     hawq_bar(p, hawq_in(node, T)), h + 3 * n->m);
    }
}

/* (6) without its terms in bdy, which by_x has added. */
static void curve_x(const hawq_norm *n, const real *s, const real *ds,
                    const real *by, const motion *v, const real *h, double r,
                    real *bdx) {
    double g_mean = 0, dg_mean = 0, k = 0, dk = 0, m = (double)n->m;
    for (size_t i = 0; i < n->m; i++) {
        double w = (double)by[i], g = (s ? (double)s[i] : 1) * w;
        double dg = ds ? (double)ds[i] * w : 0;
        g_mean += g;
        dg_mean += dg;
        k += (double)h[i] * g;
        dk += dh(v, h, r, i) * g + (double)h[i] * dg;
    }
    g_mean = n->rms ? 0 : g_mean / m;
    dg_mean = n->rms ? 0 : dg_mean / m;
    k /= m;
    dk /= m;
    for (size_t i = 0; i < n->m; i++) {
        double w = (double)by[i], g = (s ? (double)s[i] : 1) * w;
        double dg = ds ? (double)ds[i] * w : 0, hi = (double)h[i];
        bdx[i] += (real)(r * (dg - dg_mean - dh(v, h, r, i) * k - hi * dk) -
                         r * r * v->q * (g - g_mean - hi * k));
    }
}

/* (10) */
static void curve_statistics(const hawq_node *node, const hawq_planes *p, int l,
                             size_t g, const motion *v, const real *h, double r,
                             real *bdx) {
    const hawq_norm *n = node->param;
    const real      *br = hawq_bar(p, output(node, R));
    const real      *bdu = hawq_bardot(p, l, output(node, U));
    const real      *bdr = hawq_bardot(p, l, output(node, R));
    double           dr = -r * r * v->q;
    if (bdu || bdr) by_statistics(n, bdu, bdr, g, h, r, bdx);
    for (size_t i = 0; br && v->dx && i < n->m; i++)
        bdx[i] -= (real)((2 * r * dr * (double)h[i] + r * r * dh(v, h, r, i)) *
                         (double)br[g] / (double)n->m);
}

static void lane_adjoint_tangent(const hawq_node *node, const hawq_planes *p,
                                 int l, size_t g, const real *h, double r) {
    const hawq_norm *n = node->param;
    const real      *by = of_group(n, hawq_bar(p, node->out[0]), g);
    const real      *bdy = of_group(n, hawq_bardot(p, l, node->out[0]), g);
    real            *bdx = hawq_bardot(p, l, node->in[X]);
    real            *bds = hawq_bardot(p, l, hawq_in(node, S));
    real            *bdt = hawq_bardot(p, l, hawq_in(node, T));
    real            *room = p->scratch + n->m;
    motion v = find_motion(n, of_group(n, hawq_dot(p, l, node->in[X]), g), h);
    const real *s = spread(n, hawq_val(p, hawq_in(node, S)), g, room);
    const real *ds =
        spread(n, hawq_dot(p, l, hawq_in(node, S)), g, room + n->m);
    if (bdx && (output(node, U) || output(node, R)))
        curve_statistics(node, p, l, g, &v, h, r, bdx + g * n->m);
    if (bdx && bdy) by_x(n, s, bdy, h, r, bdx + g * n->m);
    if (bdx && by && (v.dx || ds))
        curve_x(n, s, ds, by, &v, h, r, bdx + g * n->m);
    if (bdy) by_scale(n, bdy, h, g, bds, bdt, room + 2 * n->m);
    if (bds && by && v.dx) { /* (7), its second term */
        for (size_t i = 0; i < n->m; i++)
            room[2 * n->m + i] = (real)((double)by[i] * dh(&v, h, r, i));
        collect(n, room + 2 * n->m, g, bds);
    }
}

void hawq_norm_adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    const hawq_norm *n = node->param;
    for (size_t g = 0; g < n->groups; g++) {
        const real *x = hawq_val(p, node->in[X]) + g * n->m;
        double      r = standardize(n, x, p->scratch, NULL);
        for (int l = 0; l < p->lanes; l++)
            lane_adjoint_tangent(node, p, l, g, p->scratch, r);
    }
}
