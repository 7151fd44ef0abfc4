/* lagrange.c -- see lagrange.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/lagrange.h"

#include <float.h>
#include <math.h>

enum { M = HAWQ_DIMENSIONS_MAX };

/* loss + u.cost of a candidate */
static double priced(const hawq_knapsack *k, int c, const double *price) {
    double sum = k->loss[c];
    for (int b = 0; b < k->n_budgets; b++)
        sum += price[b] * k->cost[c * k->n_budgets + b];
    return sum;
}

static int cheapest(const hawq_knapsack *k, int g, const double *price,
                    double *value) {
    int best = k->first[g];
    *value = priced(k, best, price);
    for (int c = best + 1; c < k->first[g + 1]; c++) {
        double v = priced(k, c, price);
        if (v < *value) {
            *value = v;
            best = c;
        }
    }
    return best;
}

/* L(u) and, where not NULL, its subgradient sum_g cost - limit. */
static double evaluate(const hawq_knapsack *k, const double *price,
                       double *slope) {
    double sum = 0, value;
    for (int b = 0; b < k->n_budgets; b++) {
        if (price[b] > 0) sum -= price[b] * k->limit[b];
        if (slope) slope[b] = isinf(k->limit[b]) ? -1 : -k->limit[b];
    }
    for (int g = 0; g < k->n_groups; g++) {
        int c = cheapest(k, g, price, &value);
        sum += value;
        for (int b = 0; slope && b < k->n_budgets; b++)
            if (!isinf(k->limit[b])) slope[b] += k->cost[c * k->n_budgets + b];
    }
    return sum;
}

double hawq_lagrange_value(const hawq_knapsack *k, const double *price,
                           int *x) {
    double value;
    for (int g = 0; x && g < k->n_groups; g++)
        x[g] = cheapest(k, g, price, &value);
    return evaluate(k, price, NULL);
}

/* --- the scale of losses (b = -1) and costs: sum of the groups' ranges ---- */

static double range_of(const hawq_knapsack *k, int b) {
    double sum = 0;
    for (int g = 0; g < k->n_groups; g++) {
        double low = INFINITY, high = -INFINITY;
        for (int c = k->first[g]; c < k->first[g + 1]; c++) {
            double v = b < 0 ? k->loss[c] : k->cost[c * k->n_budgets + b];
            low = fmin(low, v);
            high = fmax(high, v);
        }
        sum += high - low;
    }
    return sum;
}

/* --- one budget ---------------------------------------------------------- */

typedef struct point {
    double u, value, slope; /* L >= value and L' on one side is slope */
} point;

static point at(const hawq_knapsack *k, double *price, int b, double u) {
    double slope[M];
    price[b] = u;
    double value = evaluate(k, price, slope);
    return (point){u, value, slope[b]};
}

/* Maximises over price[b] alone, the others as they are. */
static double along(const hawq_knapsack *k, double *price, int b,
                    double scale) {
    point low = at(k, price, b, 0), high;
    if (low.slope <= 0 || scale <= 0) return low.value;
    double step = scale;
    for (int i = 0; (high = at(k, price, b, step)).slope > 0; i++) {
        if (i == 300) return high.value;
        low = high;
        step *= 4;
    }
    for (int i = 0; i < 200; i++) {
        /* Where the tangents of both ends cross. L is concave and piecewise
         * linear: either the crossing is its maximum or a new piece is
         * found. */
        double u =
            (high.value - low.value + low.slope * low.u - high.slope * high.u) /
            (low.slope - high.slope);
        if (!(u > low.u && u < high.u)) break;
        double crossing = low.value + low.slope * (u - low.u);
        point  mid = at(k, price, b, u);
        if (mid.slope > 0)
            low = mid;
        else
            high = mid;
        if (mid.value >= crossing) break; /* both lines meet the function */
    }
    const point *best = low.value > high.value ? &low : &high;
    price[b] = best->u;
    return best->value;
}

/* --- several: the ellipsoid {c + B v : |v| <= 1} ---------------------------
 */

/* B, not the matrix B B' of the textbooks: rounding makes that indefinite long
 * before the ellipsoid is small. */
typedef struct ellipsoid {
    int    m, budget[M]; /* coordinates -> budgets */
    double unit[M];      /* price = unit * coordinate */
    double c[M], b[M][M];
} ellipsoid;

/* g = B'h; returns |g|, how far h.(v - c) can go. */
static double across(const ellipsoid *e, const double *h, double *g) {
    double square = 0;
    for (int j = 0; j < e->m; j++) {
        g[j] = 0;
        for (int i = 0; i < e->m; i++) g[j] += e->b[i][j] * h[i];
        square += g[j] * g[j];
    }
    return sqrt(square);
}

/* Keeps the half {v : h.(v - c) <= -depth}. False: nothing is left of it. */
static bool cut(ellipsoid *e, const double *h, double depth) {
    double g[M], m = e->m, norm = across(e, h, g), a = depth / norm;
    if (!(norm > 0) || !(a < 1)) return false;
    /* The smallest ellipsoid around what a cut at depth a = depth / |B'h|
     * leaves. */
    double step = (1 + m * a) / (m + 1);
    double grow = sqrt(m * m * (1 - a * a) / (m * m - 1));
    double left = 1 - 2 * (1 + m * a) / ((m + 1) * (1 + a));
    double shrink = 1 - sqrt(fmax(left, 0));
    for (int i = 0; i < e->m; i++) {
        double along = 0; /* the component of B g / |g| */
        for (int j = 0; j < e->m; j++) along += e->b[i][j] * g[j] / norm;
        e->c[i] -= step * along;
        for (int j = 0; j < e->m; j++)
            e->b[i][j] = grow * (e->b[i][j] - shrink * along * g[j] / norm);
    }
    return true;
}

/* One cut through the centre. False when no price can be better than `best`
 * by more than rounding. */
static bool descend(const hawq_knapsack *k, ellipsoid *e, double tolerance,
                    double *best, double *price) {
    double h[M] = {0}, u[M] = {0}, slope[M], g[M];
    for (int i = 0; i < e->m; i++)
        if (e->c[i] < 0) {
            h[i] = -1;
            return cut(e, h, -e->c[i]);
        }
    for (int i = 0; i < e->m; i++) u[e->budget[i]] = e->unit[i] * e->c[i];
    double value = evaluate(k, u, slope);
    if (value > *best) {
        *best = value;
        for (int b = 0; b < k->n_budgets; b++) price[b] = u[b];
    }
    for (int i = 0; i < e->m; i++) h[i] = -slope[e->budget[i]] * e->unit[i];
    /* Within the ellipsoid L is at most value + |B'h|. */
    if (across(e, h, g) < *best - value + tolerance) return false;
    return cut(e, h, *best - value);
}

double hawq_lagrange_maximise(const hawq_knapsack *k, double *price) {
    double    loss_range = range_of(k, -1), most = 1;
    ellipsoid e = {0};
    for (int b = 0; b < k->n_budgets; b++) price[b] = 0;
    double best = evaluate(k, price, NULL);
    if (!(loss_range > 0)) return best;
    for (int b = 0; b < k->n_budgets; b++) {
        double range = range_of(k, b), alone[M] = {0};
        if (isinf(k->limit[b]) || !(range > 0)) continue;
        double value = along(k, alone, b, loss_range / range);
        if (value > best) {
            best = value;
            for (int i = 0; i < k->n_budgets; i++) price[i] = alone[i];
        }
        e.budget[e.m] = b;
        e.unit[e.m] = loss_range / range;
        /* The best common prices lie below those that each budget needs
         * alone, or not far above: the ellipsoid starts around their halves. */
        e.c[e.m] = alone[b] / e.unit[e.m] / 2;
        most = fmax(most, e.c[e.m++]);
    }
    if (e.m < 2) return best;
    for (int i = 0; i < e.m; i++) e.b[i][i] = 4 * most * sqrt(e.m);
    for (int i = 0; i < 300 * e.m; i++)
        if (!descend(k, &e, 1e-13 * loss_range, &best, price)) break;
    return best;
}

/* --- bounds that hold in spite of rounding -------------------------------- */

/* A sum of n terms is off by less than n units of rounding times the sum of
 * the terms' sizes; 8 more for products and the terms themselves, twice that
 * for a program's sum against which it is compared. */
static double rounding_of(const hawq_knapsack *k) {
    return (k->n_groups + 8) * DBL_EPSILON * 2;
}

/* Largest sum that negative losses can make. */
static double negative_part(const hawq_knapsack *k) {
    double sum = 0;
    for (int g = 0; g < k->n_groups; g++) {
        double least = 0;
        for (int c = k->first[g]; c < k->first[g + 1]; c++)
            least = fmin(least, k->loss[c]);
        sum -= least;
    }
    return sum;
}

double hawq_lagrange_bound(const hawq_knapsack *k, const double *price) {
    double size = negative_part(k), value;
    for (int b = 0; b < k->n_budgets; b++)
        if (price[b] > 0) size += price[b] * k->limit[b];
    for (int g = 0; g < k->n_groups; g++) {
        cheapest(k, g, price, &value);
        size += fabs(value);
    }
    return evaluate(k, price, NULL) - rounding_of(k) * size;
}

hawq_status hawq_lagrange_rows(const hawq_knapsack *k, int n_rows,
                               const double *price, double threshold,
                               hawq_arena *arena, hawq_prune *out) {
    size_t  row = (size_t)k->n_groups + 1;
    double *rest, *slack, *copy;
    double  rounding = rounding_of(k), negative = negative_part(k);
    HAWQ_TAKE(rest, arena, row * (size_t)n_rows);
    HAWQ_TAKE(slack, arena, row * (size_t)n_rows);
    HAWQ_TAKE(copy, arena, (size_t)n_rows * (size_t)k->n_budgets);
    for (int i = 0; i < n_rows * k->n_budgets; i++) copy[i] = price[i];
    for (int r = 0; r < n_rows; r++) {
        const double *u = price + r * k->n_budgets;
        double sum = 0, size = 2 * negative + fabs(threshold), paid = 0, value;
        for (int b = 0; b < k->n_budgets; b++)
            if (u[b] > 0) paid += u[b] * k->limit[b];
        for (int g = 0; g <= k->n_groups; g++) {
            rest[(size_t)r * row + (size_t)g] = sum - paid;
            slack[(size_t)r * row + (size_t)g] = rounding * (size + paid);
            if (g == k->n_groups) break;
            cheapest(k, g, u, &value);
            sum += value;
            size += fabs(value);
        }
    }
    *out = (hawq_prune){.n_rows = n_rows,
                        .multiplier = copy,
                        .rest = rest,
                        .slack = slack,
                        .rounding = rounding,
                        .threshold = threshold,
                        .width = SIZE_MAX};
    return HAWQ_OK;
}

void hawq_lagrange_forced(const hawq_knapsack *k, const hawq_prune *rows, int g,
                          double *bound) {
    size_t last = (size_t)k->n_groups;
    for (int c = k->first[g]; c < k->first[g + 1]; c++)
        bound[c - k->first[g]] = -INFINITY;
    for (int r = 0; r < rows->n_rows; r++) {
        const double *u = rows->multiplier + r * k->n_budgets;
        size_t        end = (size_t)r * (last + 1) + last;
        double        least;
        cheapest(k, g, u, &least);
        for (int c = k->first[g]; c < k->first[g + 1]; c++) {
            double value = priced(k, c, u);
            double sure = rows->rest[end] + (value - least) - rows->slack[end] -
                          rows->rounding * (fabs(value) + fabs(least));
            bound[c - k->first[g]] = fmax(bound[c - k->first[g]], sure);
        }
    }
}
