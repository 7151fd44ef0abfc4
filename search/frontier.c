/* frontier.c -- one stage per group: a merge of as many sorted lists as the
 * group has candidates, each state judged as it comes out.
 *
 * Lists ascend in (cost of budget 0, of 1, ..., loss, candidate). A state can
 * then only be dominated by an earlier one: for one budget by the last, for
 * two by a step of the staircase of (cost 1, loss) seen so far, for more by
 * any; there only the most recent are asked, which leaves some dominated
 * states in the list but is exact all the same. Rounding may put states of
 * equal cost in the wrong order; for one budget the later, better one replaces
 * the earlier, so the front stays free of dominated points.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/frontier.h"

#include "src/base/clock.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RECENT = 64 };

/* How the states of a group's list came about. parent NULL: state i is the
 * extension of state i by the only candidate. */
struct frontier_stage {
    uint32_t *parent;
    uint16_t *candidate;
};

typedef struct list {
    size_t    n, capacity;
    double   *loss, *cost;
    uint32_t *parent;
    uint16_t *candidate;
} list;

typedef struct head {  /* of one candidate's extensions */
    double        key; /* first component of the order; INFINITY at the end */
    size_t        at;  /* index in the list that is extended */
    double        loss;
    const double *cost;
} head;

typedef struct sweep {
    const hawq_knapsack *k;
    const hawq_prune    *prune;
    hawq_arena          *arena;
    list                 now, next;
    int                  m, group, n_heads;
    head                *head;
    double               cut[HAWQ_DIMENSIONS_MAX]; /* cost that can still fit */
    /* staircase: cost 1 ascending, loss descending */
    size_t  n_stairs, stairs_capacity;
    double *stair_cost, *stair_loss;
    double *bound; /* of the list, for the width */
    size_t  bound_capacity;
    double  dropped;
    size_t  room; /* states that may still be stored */
    double  deadline;
    size_t  n_merged; /* extensions so far */
    bool    stopped;
} sweep;

/* --- memory -------------------------------------------------------------- */

static hawq_status grow(sweep *s, list *l) {
    size_t capacity = l->capacity ? 2 * l->capacity : 256, m = (size_t)s->m;
    list   g = {.n = l->n, .capacity = capacity};
    HAWQ_TAKE(g.loss, s->arena, capacity);
    HAWQ_TAKE(g.cost, s->arena, capacity * m);
    HAWQ_TAKE(g.parent, s->arena, capacity);
    HAWQ_TAKE(g.candidate, s->arena, capacity);
    if (l->n) {
        memcpy(g.loss, l->loss, l->n * sizeof *g.loss);
        memcpy(g.cost, l->cost, l->n * m * sizeof *g.cost);
        memcpy(g.parent, l->parent, l->n * sizeof *g.parent);
        memcpy(g.candidate, l->candidate, l->n * sizeof *g.candidate);
    }
    *l = g;
    return HAWQ_OK;
}

static hawq_status grow_stairs(sweep *s) {
    double *cost, *loss;
    size_t  capacity = s->stairs_capacity ? 2 * s->stairs_capacity : 256;
    HAWQ_TAKE(cost, s->arena, capacity);
    HAWQ_TAKE(loss, s->arena, capacity);
    if (s->n_stairs) {
        memcpy(cost, s->stair_cost, s->n_stairs * sizeof *cost);
        memcpy(loss, s->stair_loss, s->n_stairs * sizeof *loss);
    }
    s->stair_cost = cost;
    s->stair_loss = loss;
    s->stairs_capacity = capacity;
    return HAWQ_OK;
}

/* --- judging a state ----------------------------------------------------- */

/* Largest of the bounds, as computed; *sure is what it is at least. */
static double bound_of(const sweep *s, double loss, const double *cost,
                       double *sure) {
    const hawq_prune *p = s->prune;
    size_t            row_length = (size_t)s->k->n_groups + 1;
    double            best = -INFINITY;
    *sure = -INFINITY;
    for (int r = 0; r < p->n_rows; r++) {
        size_t at = (size_t)r * row_length + (size_t)s->group;
        double priced = 0;
        for (int b = 0; b < s->m; b++)
            priced += p->multiplier[r * s->m + b] * cost[b];
        double bound = loss + priced + p->rest[at];
        double error = p->rounding * (fabs(loss) + priced) + p->slack[at];
        if (bound > best) best = bound;
        if (bound - error > *sure) *sure = bound - error;
    }
    return best;
}

static bool hopeless(const sweep *s, double loss, const double *cost) {
    double sure;
    for (int b = 0; b < s->m; b++)
        if (cost[b] > s->cut[b]) return true;
    if (!s->prune) return false;
    bound_of(s, loss, cost, &sure);
    return sure > s->prune->threshold;
}

/* First step whose cost is >= c. */
static size_t stair_at(const sweep *s, double c) {
    size_t low = 0, high = s->n_stairs;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (s->stair_cost[mid] < c)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Two budgets: is (cost, loss) on or above the staircase? If not, it becomes a
 * step and the steps it covers go. */
static bool covered(sweep *s, double cost, double loss) {
    size_t at = stair_at(s, cost), end = at;
    if (at > 0 && s->stair_loss[at - 1] <= loss) return true;
    if (at < s->n_stairs && s->stair_cost[at] == cost &&
        s->stair_loss[at] <= loss)
        return true;
    while (end < s->n_stairs && s->stair_loss[end] >= loss) end++;
    size_t tail = s->n_stairs - end;
    memmove(s->stair_cost + at + 1, s->stair_cost + end, tail * sizeof(double));
    memmove(s->stair_loss + at + 1, s->stair_loss + end, tail * sizeof(double));
    s->stair_cost[at] = cost;
    s->stair_loss[at] = loss;
    s->n_stairs = at + 1 + tail;
    return false;
}

static bool dominated_by_recent(const sweep *s, double loss,
                                const double *cost) {
    size_t n = s->next.n, stop = n > RECENT ? n - RECENT : 0;
    for (size_t i = n; i-- > stop;) {
        bool all = s->next.loss[i] <= loss;
        for (int b = 0; b < s->m && all; b++)
            all = s->next.cost[i * (size_t)s->m + (size_t)b] <= cost[b];
        if (all) return true;
    }
    return false;
}

/* Whether the state belongs into the list; one budget may replace the last. */
static bool admit(sweep *s, double loss, const double *cost) {
    list *l = &s->next;
    if (s->m == 1) {
        if (!l->n) return true;
        if (loss >= l->loss[l->n - 1]) return false;
        if (cost[0] == l->cost[l->n - 1]) l->n--;
        return true;
    }
    if (s->m == 2) return !covered(s, cost[1], loss);
    return !dominated_by_recent(s, loss, cost);
}

/* --- the merge ----------------------------------------------------------- */

static double component(const sweep *s, const head *h, int i) {
    size_t at = h->at * (size_t)s->m + (size_t)i;
    return i < s->m ? s->now.cost[at] + h->cost[i]
                    : s->now.loss[h->at] + h->loss;
}

static bool comes_before(const sweep *s, const head *a, const head *b) {
    for (int i = 1; i <= s->m; i++) {
        double x = component(s, a, i), y = component(s, b, i);
        if (x != y) return x < y;
    }
    return false;
}

/* The head that comes first; the smaller candidate among equals. */
static head *first_head(sweep *s) {
    head *best = s->head;
    for (head *h = s->head + 1; h < s->head + s->n_heads; h++)
        if (h->key < best->key || (h->key == best->key && s->m > 1 &&
                                   !isinf(h->key) && comes_before(s, h, best)))
            best = h;
    return best;
}

static void set_key(const sweep *s, head *h) {
    h->key = h->at < s->now.n ? component(s, h, 0) : INFINITY;
    if (s->m > 0 && h->key > s->cut[0]) h->key = INFINITY; /* ascending */
}

static hawq_status append(sweep *s, const head *h, double loss,
                          const double *cost) {
    list  *l = &s->next;
    size_t m = (size_t)s->m;
    if (l->n == l->capacity) HAWQ_TRY(grow(s, l));
    l->loss[l->n] = loss;
    for (size_t b = 0; b < m; b++) l->cost[l->n * m + b] = cost[b];
    l->parent[l->n] = (uint32_t)h->at;
    l->candidate[l->n] = (uint16_t)(h - s->head);
    l->n++;
    return HAWQ_OK;
}

/* The clock is read now and then. */
static bool late(sweep *s) {
    return ++s->n_merged % 16384 == 0 && hawq_clock_passed(s->deadline);
}

static hawq_status merge(sweep *s) {
    double cost[HAWQ_DIMENSIONS_MAX];
    size_t m = (size_t)s->m;
    for (;;) {
        head *h = first_head(s);
        if (isinf(h->key)) return HAWQ_OK;
        double loss = s->now.loss[h->at] + h->loss;
        for (size_t b = 0; b < m; b++)
            cost[b] = s->now.cost[h->at * m + b] + h->cost[b];
        if (m == 2 && s->n_stairs == s->stairs_capacity)
            HAWQ_TRY(grow_stairs(s));
        if (!hopeless(s, loss, cost) && admit(s, loss, cost))
            HAWQ_TRY(append(s, h, loss, cost));
        s->stopped = s->next.n > s->room || late(s);
        if (s->stopped) return HAWQ_OK;
        h->at++;
        set_key(s, h);
    }
}

/* --- keeping the most promising ------------------------------------------ */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void move_state(list *l, size_t m, size_t to, size_t from) {
    l->loss[to] = l->loss[from];
    memmove(l->cost + to * m, l->cost + from * m, m * sizeof *l->cost);
    l->parent[to] = l->parent[from];
    l->candidate[to] = l->candidate[from];
}

static hawq_status keep_width(sweep *s) {
    list  *l = &s->next;
    size_t n = l->n, m = (size_t)s->m, kept = 0;
    double sure;
    if (!s->prune || n <= s->prune->width) return HAWQ_OK;
    if (s->bound_capacity < 2 * n) {
        HAWQ_TAKE(s->bound, s->arena, 4 * n);
        s->bound_capacity = 4 * n;
    }
    double *bound = s->bound, *sorted = s->bound + n;
    for (size_t i = 0; i < n; i++)
        bound[i] = bound_of(s, l->loss[i], l->cost + i * m, &sure);
    memcpy(sorted, bound, n * sizeof *bound);
    qsort(sorted, n, sizeof *sorted, ascending);
    double last = sorted[s->prune->width - 1];
    size_t equal = 0; /* how many of the last value still have room */
    while (equal < s->prune->width &&
           sorted[s->prune->width - 1 - equal] == last)
        equal++;
    for (size_t i = 0; i < n; i++) {
        if (bound[i] < last || (bound[i] == last && equal && equal--)) {
            move_state(l, m, kept++, i);
        } else {
            bound_of(s, l->loss[i], l->cost + i * m, &sure);
            s->dropped = fmin(s->dropped, sure);
        }
    }
    l->n = kept;
    return HAWQ_OK;
}

/* --- stages -------------------------------------------------------------- */

static void open_stage(sweep *s, int g) {
    const hawq_knapsack *k = s->k;
    size_t               row = (size_t)k->n_groups + 1;
    s->group = g;
    s->n_stairs = 0;
    s->next.n = 0;
    s->n_heads = k->first[g + 1] - k->first[g];
    for (int b = 0; b < s->m; b++) {
        double least = k->least[(size_t)b * row + (size_t)g];
        double cut = k->limit[b] - least;
        /* the true sum may round to the limit; at the end it is compared
           exactly */
        s->cut[b] = g ? cut + (k->n_groups + 4) * DBL_EPSILON * k->limit[b]
                      : k->limit[b];
        if (isinf(k->limit[b])) s->cut[b] = DBL_MAX;
    }
    for (int c = 0; c < s->n_heads; c++) {
        int index = k->first[g] + c;
        s->head[c] = (head){.loss = k->loss[index],
                            .cost = k->cost + (size_t)index * (size_t)s->m};
        set_key(s, &s->head[c]);
    }
}

static hawq_status close_stage(sweep *s, struct frontier_stage *stage) {
    const list *l = &s->next;
    if (s->n_heads > 1 || l->n != s->now.n) {
        HAWQ_TAKE(stage->parent, s->arena, l->n);
        HAWQ_TAKE(stage->candidate, s->arena, l->n);
        if (l->n) {
            memcpy(stage->parent, l->parent, l->n * sizeof *l->parent);
            memcpy(stage->candidate, l->candidate, l->n * sizeof *l->candidate);
        }
    }
    list swap = s->now;
    s->now = s->next;
    s->next = swap;
    return HAWQ_OK;
}

static hawq_status open_sweep(sweep *s) {
    int widest = 1;
    for (int g = 0; g < s->k->n_groups; g++) {
        int n = s->k->first[g + 1] - s->k->first[g];
        if (n > widest) widest = n;
    }
    HAWQ_TAKE(s->head, s->arena, (size_t)widest);
    HAWQ_TRY(grow(s, &s->now));
    s->now.n = 1; /* the empty allocation: no loss, no cost */
    return grow(s, &s->next);
}

hawq_status hawq_frontier_sweep(const hawq_knapsack *k, const hawq_prune *prune,
                                size_t max_states, double deadline,
                                hawq_arena *arena, hawq_frontier *out) {
    sweep s = {.k = k, .prune = prune, .arena = arena, .m = k->n_budgets};
    *out = (hawq_frontier){.dropped = INFINITY};
    s.dropped = INFINITY;
    s.room = max_states;
    s.deadline = deadline;
    HAWQ_TAKE(out->stage, arena, (size_t)k->n_groups);
    HAWQ_TRY(open_sweep(&s));
    for (int g = k->n_groups - 1; g >= 0; g--) {
        open_stage(&s, g);
        HAWQ_TRY(merge(&s));
        if (s.stopped) {
            out->stopped = true;
            return HAWQ_OK;
        }
        HAWQ_TRY(keep_width(&s));
        s.room -= s.next.n;
        HAWQ_TRY(close_stage(&s, &out->stage[g]));
    }
    out->n = s.now.n;
    out->loss = s.now.loss;
    out->cost = s.now.cost;
    out->dropped = s.dropped;
    return HAWQ_OK;
}

void hawq_frontier_choice(const hawq_knapsack *k, const hawq_frontier *f,
                          size_t i, int *x) {
    for (int g = 0; g < k->n_groups; g++) {
        const struct frontier_stage *stage = &f->stage[g];
        x[g] = k->first[g] + (stage->parent ? stage->candidate[i] : 0);
        if (stage->parent) i = stage->parent[i];
    }
}

size_t hawq_frontier_best(const hawq_knapsack *k, const hawq_frontier *f) {
    size_t best = 0, m = (size_t)k->n_budgets;
    for (size_t i = 1; i < f->n; i++) {
        int order = f->loss[i] < f->loss[best]   ? -1
                    : f->loss[i] > f->loss[best] ? 1
                                                 : 0;
        for (size_t b = 0; b < m && !order; b++) {
            double x = f->cost[i * m + b], y = f->cost[best * m + b];
            order = x < y ? -1 : x > y;
        }
        if (order < 0) best = i;
    }
    return best;
}
