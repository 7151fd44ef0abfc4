/* search_plot.c -- the front as a picture, with what else one might have done:
 * one candidate everywhere, and what the baselines find at the same costs.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/plot.h"
#include "src/cli/search/search_answers.h"
#include "src/cli/search/search_front.h"

#include <math.h>
#include <string.h>

/* --- uniform allocations ---------------------------------------------------
 */

hawq_status hawq_search_uniforms(const hawq_search *s, int *n,
                                 hawq_uniform_point **out) {
    const hawq_problem       *p = s->problem;
    const hawq_problem_layer *first = &p->layer[0];
    int kind = hawq_problem_find_kind(p, s->front_kind), *choice;
    *n = 0;
    HAWQ_TAKE(choice, &s->cli->arena, (size_t)p->n_groups);
    HAWQ_TAKE(*out, &s->cli->arena, (size_t)first->n_candidates);
    for (int c = 0; c < first->n_candidates; c++) {
        const hawq_priced *x = &first->candidate[first->order[c]];
        hawq_width         w = {x->weight_bits, x->activation_bits, x->name};
        bool               all = true;
        for (int g = 0; g < p->n_groups; g++)
            all &= (choice[g] = hawq_search_find_width(p, g, w, false)) >= 0;
        if (all)
            (*out)[(*n)++] =
                (hawq_uniform_point){w, hawq_problem_sum(p, kind, choice),
                                     hawq_problem_sum(p, -1, choice)};
    }
    return HAWQ_OK;
}

/* --- baselines -------------------------------------------------------------
 */

enum { LIMITS = 40 };

typedef struct curve {
    int    n;
    double x[LIMITS], y[LIMITS];
} curve;

/* What a solver finds when the budget is the cost of points on the front. */
static hawq_status run_baseline(const hawq_search *s, const hawq_pareto *front,
                                const hawq_solver *solver, curve *out) {
    hawq_problem p = *s->problem;
    int          kind = hawq_problem_find_kind(&p, s->front_kind), n = 0;
    hawq_arena   scratch = {0};
    hawq_status  status = HAWQ_OK;
    HAWQ_TAKE(p.budget, &s->cli->arena, (size_t)p.n_budgets + 1);
    for (int b = 0; b < p.n_budgets; b++)
        if (s->problem->budget[b].kind != kind)
            p.budget[1 + n++] = s->problem->budget[b];
    p.n_budgets = 1 + n;
    for (int i = 0; i < LIMITS && status == HAWQ_OK; i++) {
        hawq_solution found;
        int           at = (int)((int64_t)i * (front->n - 1) / (LIMITS - 1));
        p.budget[0] = (hawq_budget){kind, front->point[at].cost};
        status = hawq_solve(&p, solver, NULL, &scratch, &found);
        if (status != HAWQ_OK || !found.choice) continue;
        out->x[out->n] = hawq_problem_sum(&p, kind, found.choice);
        out->y[out->n++] = found.objective;
    }
    hawq_arena_free(&scratch);
    return status;
}

/* --- the picture -----------------------------------------------------------
 */

/* "weight-size (KiB)" and the unit the axis is in. */
static const char *axis_name(const hawq_search *s, double most, double *unit) {
    *unit = 1;
    if (s->problem_path) return s->front_kind;
    if (!strcmp(s->front_kind, "weight-size")) {
        *unit = most >= 4 * 1048576 ? 1048576 : 1024;
        return *unit > 1024 ? "size of the weights (MiB)"
                            : "size of the weights (KiB)";
    }
    if (!strcmp(s->front_kind, "bops")) {
        *unit = most >= 4e9 ? 1e9 : 1e6;
        return *unit > 1e6 ? "bit operations per image (10^9)"
                           : "bit operations per image (10^6)";
    }
    if (!strcmp(s->front_kind, "latency")) {
        *unit = most >= 4000 ? 1000 : 1;
        return *unit > 1 ? "latency (ms)" : "latency (us)";
    }
    return "mean bits per weight";
}

static hawq_status fill_front(const hawq_search *s, const hawq_pareto *front,
                              hawq_series *out) {
    double *x, *y;
    HAWQ_TAKE(x, &s->cli->arena, (size_t)front->n);
    HAWQ_TAKE(y, &s->cli->arena, (size_t)front->n);
    for (int i = 0; i < front->n; i++) {
        x[i] = front->point[i].cost;
        y[i] = front->point[i].objective;
    }
    *out = (hawq_series){
        "best there is", "#1f5fa8", HAWQ_STEPS, front->n, x, y, NULL};
    return HAWQ_OK;
}

static hawq_status fill_uniforms(const hawq_search *s, hawq_series *out) {
    hawq_uniform_point *point;
    double             *x, *y;
    const char        **label;
    int                 n;
    HAWQ_TRY(hawq_search_uniforms(s, &n, &point));
    HAWQ_TAKE(x, &s->cli->arena, (size_t)n);
    HAWQ_TAKE(y, &s->cli->arena, (size_t)n);
    HAWQ_TAKE(label, &s->cli->arena, (size_t)n);
    for (int i = 0; i < n; i++) {
        x[i] = point[i].cost;
        y[i] = point[i].objective;
        const hawq_width *w = &point[i].width;
        bool floats = w->weight_bits == HAWQ_FLOAT_BITS || !w->candidate;
        label[i] = floats
                       ? hawq_arena_format(&s->cli->arena, "w%da%d",
                                           w->weight_bits, w->activation_bits)
                       : hawq_search_short_name(s, w->candidate);
        if (label[i] && !floats && w->activation_bits != 8)
            label[i] = hawq_arena_format(&s->cli->arena, "%s a%d", label[i],
                                         w->activation_bits);
        if (!label[i]) return HAWQ_ENOMEM;
    }
    *out = (hawq_series){
        "one candidate everywhere", "#c0392b", HAWQ_MARKERS, n, x, y, label};
    return HAWQ_OK;
}

static hawq_status fill_baseline(const hawq_search *s, const hawq_pareto *front,
                                 const char *solver, const char *name,
                                 const char *colour, hawq_series *out) {
    curve             *c;
    const hawq_solver *found = hawq_solver_find(solver);
    HAWQ_TAKE(c, &s->cli->arena, 1);
    if (found && (found->quadratic || !s->problem->n_interactions))
        HAWQ_TRY(run_baseline(s, front, found, c));
    *out = (hawq_series){name, colour, HAWQ_DOTS, c->n, c->x, c->y, NULL};
    return HAWQ_OK;
}

/* Two decades and more, and nothing that has no logarithm. */
static bool wants_log(int n, const hawq_series *series) {
    double low = INFINITY, high = 0;
    for (int s = 0; s < n; s++)
        for (int i = 0; i < series[s].n; i++) {
            low = fmin(low, series[s].y[i]);
            high = fmax(high, series[s].y[i]);
        }
    return low > 0 && high > 100 * low;
}

hawq_status hawq_search_plot(const hawq_search *s, const hawq_pareto *front,
                             const char *path) {
    hawq_series series[4];
    HAWQ_TRY(fill_front(s, front, &series[0]));
    HAWQ_TRY(fill_uniforms(s, &series[1]));
    HAWQ_TRY(fill_baseline(s, front, "greedy", "greedy exchange", "#2e8b57",
                           &series[2]));
    HAWQ_TRY(fill_baseline(s, front, "monotone", "monotone in sensitivity",
                           "#b9770e", &series[3]));
    const char *what = s->problem_path ? s->problem_path : s->cli->arg[0];
    const char *slash = strrchr(what, '/');
    const char *title =
        hawq_arena_format(&s->cli->arena, "%s: predicted loss against %s",
                          slash ? slash + 1 : what, s->front_kind);
    const char *y_name =
        *s->metric
            ? hawq_arena_format(&s->cli->arena, "predicted loss rise (%s, %s)",
                                s->loss, s->metric)
            : "loss";
    if (!title || !y_name) return HAWQ_ENOMEM;
    hawq_plot plot = {.title = title,
                      .y_name = y_name,
                      .log_y = wants_log(4, series),
                      .n_series = 4,
                      .series = series};
    plot.x_name = axis_name(s, front->point[front->n - 1].cost, &plot.x_unit);
    return hawq_plot_write(path, &plot);
}
