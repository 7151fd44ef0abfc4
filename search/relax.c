/* relax.c -- points and bounds of the relaxation; see relax.h. The shift is in
 * relax_shift.c.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/relax.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* --- building ------------------------------------------------------------ */

static hawq_status take(hawq_relax *r, const hawq_knapsack *k,
                        hawq_arena *arena) {
    size_t n = (size_t)k->first[k->n_groups];
    int   *group;
    if (n > HAWQ_RELAX_MOST)
        return hawq_fail(HAWQ_EINVAL,
                         "solver cross: %zu candidates in all groups, at most "
                         "%d are possible with interactions; offer fewer "
                         "widths or tie layers into groups",
                         n, HAWQ_RELAX_MOST);
    HAWQ_TAKE(group, arena, n);
    HAWQ_TAKE(r->q, arena, n * n);
    HAWQ_TAKE(r->linear, arena, n);
    for (int g = 0; g < k->n_groups; g++)
        if (k->first[g + 1] - k->first[g] > r->widest)
            r->widest = k->first[g + 1] - k->first[g];
    HAWQ_TAKE(r->shift, arena, n * (size_t)r->widest);
    for (int g = 0; g < k->n_groups; g++)
        for (int c = k->first[g]; c < k->first[g + 1]; c++) {
            group[c] = g;
            r->linear[c] = k->loss[c];
        }
    r->k = k;
    r->n = (int)n;
    r->group = group;
    return HAWQ_OK;
}

/* value(a, b) = mean + row(a) + column(b) + centred */
static void centre(hawq_relax *r, const hawq_pair *pair) {
    const int    *first = r->k->first;
    int           rows = first[pair->g + 1] - first[pair->g];
    int           wide = first[pair->h + 1] - first[pair->h];
    double        mean = 0;
    const double *v = pair->value;
    double       *row = r->linear + first[pair->g];
    double       *column = r->linear + first[pair->h];
    for (int i = 0; i < rows * wide; i++) mean += v[i] / (rows * wide);
    for (int a = 0; a < rows; a++)
        for (int b = 0; b < wide; b++) {
            double value = v[a * wide + b], across = 0, down = 0;
            for (int i = 0; i < wide; i++) across += v[a * wide + i] / wide;
            for (int i = 0; i < rows; i++) down += v[i * wide + b] / rows;
            /* Double centring: rows and columns of what is left sum to zero,
             * so that Q holds the interaction alone and is as small as it
             * can be. */
            int    c = first[pair->g] + a, d = first[pair->h] + b;
            double left = value - across - down + mean;
            r->q[c * r->n + d] = r->q[d * r->n + c] = left;
            if (b == 0) row[a] += across - mean;
            if (a == 0) column[b] += down - mean;
        }
    r->constant += mean;
}

static double spread(const double *value, int first, int last, int step) {
    double low = INFINITY, high = -INFINITY;
    for (int c = first; c < last; c++) {
        low = fmin(low, value[c * step]);
        high = fmax(high, value[c * step]);
    }
    return high - low;
}

static double largest(const double *value, int n) {
    double most = 0;
    for (int i = 0; i < n; i++) most = fmax(most, fabs(value[i]));
    return most;
}

/* Sizes of losses and costs: typical prices, and what rounding may do. */
static void scale(hawq_relax *r) {
    const hawq_knapsack *k = r->k;
    double               loss = 0, size = fabs(r->constant);
    for (int g = 0; g < k->n_groups; g++) {
        int n = k->first[g + 1] - k->first[g];
        loss += spread(r->linear, k->first[g], k->first[g + 1], 1);
        size += largest(r->linear + k->first[g], n) +
                largest(k->loss + k->first[g], n);
    }
    for (int i = 0; i < k->n_pairs; i++) {
        const hawq_pair *p = &k->pair[i];
        int              n = (k->first[p->g + 1] - k->first[p->g]) *
                (k->first[p->h + 1] - k->first[p->h]);
        loss += largest(p->value, n);
        size += 8 * largest(p->value, n);
    }
    for (int b = 0; b < k->n_budgets; b++) {
        double cost = 0;
        for (int g = 0; g < k->n_groups; g++)
            cost +=
                spread(k->cost + b, k->first[g], k->first[g + 1], k->n_budgets);
        /* A price in this unit turns the whole range of a cost into the
         * whole range of losses. */
        r->unit[b] = cost > 0 && !isinf(k->limit[b]) ? loss / cost : 0;
        if (r->unit[b] > 0) size += r->unit[b] * k->limit[b];
    }
    r->slack = 4 * (r->n + 16) * DBL_EPSILON * size;
}

hawq_status hawq_relax_build(const hawq_knapsack *k, hawq_arena *arena,
                             hawq_relax *out) {
    hawq_relax r = {0};
    HAWQ_TRY(take(&r, k, arena));
    for (int i = 0; i < k->n_pairs; i++) centre(&r, &k->pair[i]);
    scale(&r);
    *out = r;
    return HAWQ_OK;
}

/* --- what the budgets leave ---------------------------------------------- */

static double least_alive(const hawq_relax *r, const hawq_relax_node *node,
                          int g, int b) {
    double least = INFINITY;
    for (int c = r->k->first[g]; c < r->k->first[g + 1]; c++)
        if (node->alive[c])
            least = fmin(least, r->k->cost[c * r->k->n_budgets + b]);
    return least;
}

static bool restrict_to(const hawq_relax *r, hawq_relax_node *node, int b) {
    const hawq_knapsack *k = r->k;
    double sum = 0, most = k->limit[b] * (1 + (k->n_groups + 4) * DBL_EPSILON);
    /* With every other group at its cheapest, a candidate must still fit. */
    for (int g = 0; g < k->n_groups; g++) sum += least_alive(r, node, g, b);
    if (!(sum <= most)) return false;
    for (int g = 0; g < k->n_groups; g++) {
        double least = least_alive(r, node, g, b);
        for (int c = k->first[g]; c < k->first[g + 1]; c++)
            if (node->alive[c] &&
                sum + (k->cost[c * k->n_budgets + b] - least) > most)
                node->alive[c] = 0;
    }
    return true;
}

/* Each group of y onto its living candidates, in proportion. */
static void settle(const hawq_relax *r, const uint8_t *alive, double *y) {
    const int *first = r->k->first;
    for (int g = 0; g < r->k->n_groups; g++) {
        double sum = 0;
        int    n = 0;
        for (int c = first[g]; c < first[g + 1]; c++) {
            if (!alive[c]) y[c] = 0;
            sum += y[c];
            n += alive[c];
        }
        for (int c = first[g]; c < first[g + 1]; c++)
            if (alive[c]) y[c] = sum > 0 ? y[c] / sum : 1.0 / n;
    }
}

bool hawq_relax_restrict(const hawq_relax *r, hawq_relax_node *node) {
    for (int b = 0; b < r->k->n_budgets; b++)
        if (!isinf(r->k->limit[b]) && !restrict_to(r, node, b)) return false;
    settle(r, node->alive, node->y);
    settle(r, node->alive, node->mean);
    return true;
}

/* --- one point ----------------------------------------------------------- */

static double shift(const hawq_relax *r, int c, int d) {
    return r->shift[c * r->widest + (d - r->k->first[r->group[c]])];
}

/* field += step * (column c of Q + B); both are symmetric. */
static void add_column(const hawq_relax *r, int c, double step,
                       double *restrict field) {
    const double *restrict column = r->q + (size_t)c * (size_t)r->n;
    int first = r->k->first[r->group[c]], last = r->k->first[r->group[c] + 1];
    for (int i = 0; i < r->n; i++) field[i] += step * column[i];
    for (int d = first; d < last; d++) field[d] += step * shift(r, c, d);
}

static void open_field(const hawq_relax *r, const double *y, double *field) {
    memset(field, 0, (size_t)r->n * sizeof *field);
    for (int c = 0; c < r->n; c++)
        if (y[c] > 0) add_column(r, c, y[c], field);
}

/* G + u.cost of a candidate, see (3) */
static double priced(const hawq_relax *r, const hawq_relax_node *node,
                     const double *field, int c) {
    /* Gradient of f_B at y in coordinate c: the field is (Q + B) y. */
    double value = r->linear[c] + field[c] - shift(r, c, c) / 2;
    for (int b = 0; b < r->k->n_budgets; b++)
        value += node->price[b] * r->k->cost[c * r->k->n_budgets + b];
    return value;
}

static double least_priced(const hawq_relax *r, const hawq_relax_node *node,
                           const double *field, int g) {
    double least = INFINITY;
    for (int c = r->k->first[g]; c < r->k->first[g + 1]; c++)
        if (node->alive[c]) {
            double value = priced(r, node, field, c);
            if (value < least) least = value;
        }
    return least;
}

/* The bound of y and u. */
static double bound_at(const hawq_relax *r, const hawq_relax_node *node,
                       const double *field) {
    double sum = r->constant;
    for (int c = 0; c < r->n; c++)
        /* -1/2 y'(Q + B) y: a convex function lies above its tangent plane
         * at y, whose least value over the simplices is the sum of the least
         * gradients. */
        if (node->y[c] > 0) sum -= node->y[c] * field[c] / 2;
    for (int b = 0; b < r->k->n_budgets; b++)
        if (node->price[b] > 0) sum -= node->price[b] * r->k->limit[b];
    for (int g = 0; g < r->k->n_groups; g++)
        sum += least_priced(r, node, field, g);
    return sum - r->slack;
}

/* --- descent on y, ascent on u ------------------------------------------- */

/* Moves weight of one group from the worst candidate that has some to the best
 * one; response[b] += how fast that move answers to a price. */
static void exchange(const hawq_relax *r, int g, hawq_relax_node *node,
                     double *field, double *response) {
    double least = INFINITY, most = -INFINITY;
    int    to = -1, from = -1, m = r->k->n_budgets;
    for (int c = r->k->first[g]; c < r->k->first[g + 1]; c++) {
        if (!node->alive[c]) continue;
        double value = priced(r, node, field, c);
        if (value < least) {
            least = value;
            to = c;
        }
        if (node->y[c] > 0 && value > most) {
            most = value;
            from = c;
        }
    }
    if (to == from || from < 0) return;
    double curve =
        shift(r, to, to) + shift(r, from, from) - 2 * shift(r, to, from);
    /* Along e_to - e_from the function falls by gain t - curve t^2 / 2: the
     * exact minimum, or all the weight there is. */
    double gain = most - least;
    double step = gain < curve * node->y[from] ? gain / curve : node->y[from];
    if (step > 0) {
        node->y[to] += step;
        node->y[from] = step < node->y[from] ? node->y[from] - step : 0;
        add_column(r, to, step, field);
        add_column(r, from, -step, field);
    }
    if (!(curve > 0) || node->y[from] == 0) return;
    for (int b = 0; b < m; b++) {
        double d = r->k->cost[to * m + b] - r->k->cost[from * m + b];
        response[b] += d * d / curve;
    }
}

/* Newton's step on each price, at most doubling it. */
static void reprice(const hawq_relax *r, hawq_relax_node *node,
                    const double *response) {
    int m = r->k->n_budgets;
    for (int b = 0; b < m; b++) {
        double excess = -r->k->limit[b];
        if (!(r->unit[b] > 0)) continue;
        for (int c = 0; c < r->n; c++)
            if (node->y[c] > 0) excess += node->y[c] * r->k->cost[c * m + b];
        double reach = node->price[b] / 2 + r->unit[b] / 64;
        double step = response[b] > 0 ? 0.7 * excess / response[b]
                                      : copysign(reach, excess);
        step = fmax(-reach, fmin(reach, step));
        node->price[b] = fmax(0, node->price[b] + step);
    }
}

/* Removes what the bound excludes. */
static bool reduce(const hawq_relax *r, double bound, double cutoff,
                   hawq_relax_node *node, const double *field) {
    for (int g = 0; g < r->k->n_groups; g++) {
        double least = least_priced(r, node, field, g);
        for (int c = r->k->first[g]; c < r->k->first[g + 1]; c++)
            if (node->alive[c] &&
                bound + (priced(r, node, field, c) - least) >= cutoff)
                node->alive[c] = 0;
    }
    return hawq_relax_restrict(r, node);
}

bool hawq_relax_improve(const hawq_relax *r, int rounds, double cutoff,
                        hawq_relax_node *node, double *field) {
    bool any = true;
    open_field(r, node->y, field);
    for (int i = 0; i < rounds && any; i++) {
        double response[HAWQ_DIMENSIONS_MAX] = {0};
        for (int g = 0; g < r->k->n_groups; g++)
            exchange(r, g, node, field, response);
        double bound = bound_at(r, node, field);
        node->bound = fmax(node->bound, bound);
        if (node->bound >= cutoff) return false;
        if (i == rounds - 1) any = reduce(r, bound, cutoff, node, field);
        reprice(r, node, response);
    }
    return any;
}

/* How far f_B is below f at y, by this group. */
static double below(const hawq_relax *r, const hawq_relax_node *node, int g) {
    double sum = 0;
    for (int c = r->k->first[g]; c < r->k->first[g + 1]; c++) {
        if (!(node->y[c] > 0)) continue;
        sum += node->y[c] * shift(r, c, c);
        for (int d = r->k->first[g]; d < r->k->first[g + 1]; d++)
            sum -= node->y[c] * node->y[d] * shift(r, c, d);
    }
    return sum;
}

int hawq_relax_branch(const hawq_relax *r, const hawq_relax_node *node) {
    int    best = -1;
    double most = -INFINITY;
    for (int g = 0; g < r->k->n_groups; g++) {
        int n = 0;
        for (int c = r->k->first[g]; c < r->k->first[g + 1]; c++)
            n += node->alive[c];
        if (n < 2) continue;
        double gap = below(r, node, g);
        if (gap <= most) continue;
        most = gap;
        best = g;
    }
    return best;
}
