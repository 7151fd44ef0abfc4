/* solve_ilp.c -- the knapsack as an integer linear program for COIN-OR CBC,
 * through its C interface (cbc.h); the only file that uses it.
 *
 *     minimise    sum_gc ((loss_gc - least_g) / range) y_gc             (1)
 *     subject to  sum_c y_gc = 1                          for every g   (2)
 *                 sum_gc (cost_gcb - least_gb) / room_b y_gc <= 1, all b (3)
 *                 y binary
 *
 * with room_b what is left of limit_b beyond the least costs. Candidates that
 * alone need more than the room are left out, so all coefficients are in
 * [0, 1] and CBC's tolerances mean a fraction of the losses' range. What CBC
 * calls a solution is checked with exact sums; one that only its tolerance lets
 * pass is repaired and not called optimal.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/cbc.h"
#include "search/lagrange.h"
#include "search/solve.h"
#include "search/solve_greedy.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

typedef struct model {
    const hawq_knapsack *k;
    const hawq_cbc      *api;
    double               room[HAWQ_DIMENSIONS_MAX];
    double               range;  /* of the losses of a group, the largest */
    double              *low;    /* [group] least loss of its columns */
    int                  n;      /* columns */
    int                 *column; /* -> candidate */
    int                 *group;  /* of a column */
} model;

static double least_cost(const hawq_knapsack *k, int g, int b) {
    double least = INFINITY;
    for (int c = k->first[g]; c < k->first[g + 1]; c++)
        least = fmin(least, k->cost[c * k->n_budgets + b]);
    return least;
}

/* Cost of a candidate above the least of its group, as a share of the room. */
static double share(const model *m, int g, int c, int b) {
    double above = m->k->cost[c * m->k->n_budgets + b] - least_cost(m->k, g, b);
    if (above <= 0) return 0;
    return m->room[b] > 0 ? above / m->room[b] : INFINITY;
}

static bool fits_alone(const model *m, int g, int c) {
    for (int b = 0; b < m->k->n_budgets; b++)
        if (share(m, g, c, b) > 1) return false;
    return true;
}

/* Columns, group by group. *empty: a group has none. */
static hawq_status choose_columns(model *m, hawq_arena *arena, bool *empty) {
    const hawq_knapsack *k = m->k;
    size_t               most = (size_t)k->first[k->n_groups];
    *empty = false;
    HAWQ_TAKE(m->column, arena, most);
    HAWQ_TAKE(m->group, arena, most);
    HAWQ_TAKE(m->low, arena, (size_t)k->n_groups);
    for (int b = 0; b < k->n_budgets; b++)
        m->room[b] = k->limit[b] - hawq_knapsack_least(k, b) +
                     k->n_groups * DBL_EPSILON * k->limit[b];
    for (int g = 0; g < k->n_groups; g++) {
        double high = -INFINITY;
        m->low[g] = INFINITY;
        for (int c = k->first[g]; c < k->first[g + 1]; c++) {
            if (!fits_alone(m, g, c)) continue;
            m->group[m->n] = g;
            m->column[m->n++] = c;
            m->low[g] = fmin(m->low[g], k->loss[c]);
            high = fmax(high, k->loss[c]);
        }
        *empty |= high < m->low[g];
        m->range = fmax(m->range, high - m->low[g]);
    }
    if (!(m->range > 0)) m->range = 1;
    return HAWQ_OK;
}

/* Rows 0 ... n_groups-1 are (2), the rest (3); column by column. */
static hawq_status load(const model *m, hawq_arena *arena, Cbc_Model *cbc) {
    const hawq_knapsack *k = m->k;
    size_t  n = (size_t)m->n, rows = (size_t)(k->n_groups + k->n_budgets);
    size_t  at = 0;
    int    *start, *row;
    double *value, *low, *high, *cost, *row_low, *row_high;
    HAWQ_TAKE(start, arena, n + 1);
    HAWQ_TAKE(row, arena, n * (size_t)(1 + k->n_budgets));
    HAWQ_TAKE(value, arena, n * (size_t)(1 + k->n_budgets));
    HAWQ_TAKE(low, arena, n);
    HAWQ_TAKE(high, arena, n);
    HAWQ_TAKE(cost, arena, n);
    HAWQ_TAKE(row_low, arena, rows);
    HAWQ_TAKE(row_high, arena, rows);
    for (int i = 0; i < m->n; i++) {
        int g = m->group[i], c = m->column[i];
        cost[i] = (k->loss[c] - m->low[g]) / m->range;
        high[i] = 1;
        row[at] = g;
        value[at++] = 1;
        for (int b = 0; b < k->n_budgets; b++) {
            double part = share(m, g, c, b);
            if (part == 0) continue;
            row[at] = k->n_groups + b;
            value[at++] = part;
        }
        start[i + 1] = (int)at;
    }
    for (size_t r = 0; r < rows; r++) {
        row_low[r] = r < (size_t)k->n_groups ? 1 : -DBL_MAX;
        row_high[r] = 1;
    }
    m->api->loadProblem(cbc, m->n, (int)rows, start, row, value, low, high,
                        cost, row_low, row_high);
    for (int i = 0; i < m->n; i++) m->api->setInteger(cbc, i);
    return HAWQ_OK;
}

static void set_parameters(const hawq_cbc *api, Cbc_Model *cbc,
                           double seconds) {
    static const char *const pair[][2] = {
        {"logLevel", "0"},           {"slogLevel", "0"},
        {"ratioGap", "0"},           {"allowableGap", "0"},
        {"increment", "1e-10"},      {"integerTolerance", "1e-9"},
        {"primalTolerance", "1e-9"}, {"dualTolerance", "1e-9"}};
    api->setMaximumSeconds(cbc, seconds > 0 ? seconds : 60);
    api->setLogLevel(cbc, 0); /* it writes to stdout otherwise */
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        api->setParameter(cbc, pair[i][0], pair[i][1]);
}

/* The column nearest to one in every group. */
static void read_solution(const model *m, const double *y, int *x) {
    double best = 0;
    for (int i = 0; i < m->n; i++) {
        bool new_group = i == 0 || m->group[i] != m->group[i - 1];
        if (!new_group && y[i] <= best) continue;
        best = y[i];
        x[m->group[i]] = m->column[i];
    }
}

static void run(const model *m, double seconds, Cbc_Model *cbc,
                hawq_solver_answer *out) {
    set_parameters(m->api, cbc, seconds);
    m->api->solve(cbc);
    const double *y = m->api->bestSolution(cbc);
    if (!y) {
        out->state = m->api->isProvenInfeasible(cbc) ? HAWQ_FOUND_INFEASIBLE
                                                     : HAWQ_FOUND_LIMIT;
        return;
    }
    read_solution(m, y, out->x);
    bool proven =
        m->api->isProvenOptimal(cbc) && hawq_knapsack_fits(m->k, out->x);
    bool found = hawq_greedy_exchange(m->k, out->x);
    out->state = proven  ? HAWQ_FOUND_OPTIMAL
                 : found ? HAWQ_FOUND_FEASIBLE
                         : HAWQ_FOUND_LIMIT;
}

static hawq_status solve(const hawq_knapsack      *k,
                         const hawq_solve_options *options, hawq_arena *arena,
                         hawq_solver_answer *out) {
    model  m = {.k = k};
    double price[HAWQ_DIMENSIONS_MAX];
    bool   empty;
    hawq_lagrange_maximise(k, price);
    out->bound = hawq_lagrange_bound(k, price);
    out->state = HAWQ_FOUND_INFEASIBLE;
    HAWQ_TRY(choose_columns(&m, arena, &empty));
    if (empty) return HAWQ_OK;
    HAWQ_TRY(hawq_cbc_open(&m.api));
    Cbc_Model *cbc = m.api->newModel();
    if (!cbc) return hawq_fail(HAWQ_ENOMEM, "out of memory: CBC");
    hawq_status status = load(&m, arena, cbc);
    if (status == HAWQ_OK) run(&m, options->time_limit_s, cbc, out);
    m.api->deleteModel(cbc);
    return status;
}

const hawq_solver hawq_solver_ilp = {"ilp", false, solve};
