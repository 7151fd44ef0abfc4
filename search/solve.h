/* solve.h -- solvers of the allocation problem and what they find.
 *
 * hawq_solve checks every answer against the problem, so a solver that is
 * wrong about feasibility cannot pass it on. "Did it run" is the status, "what
 * was found" is solution.state.
 *
 *     dp      exact: dominance dynamic program (Nemhauser & Ullmann 1969)
 *     bnb     exact: what Lagrangian bounds leave is enumerated in halves
 *             (core.h), or by the same program (Morin & Marsten 1976); the
 *             default
 *     ilp     COIN-OR CBC, to its tolerance of about 1e-9 of the losses' range
 *     cross   with interactions, the only one but brute: branch and bound over
 *             a convex relaxation (solve_cross.c); optimal to some 1e-12 of
 *             the sizes of its terms. Without interactions it is bnb
 *     greedy  baseline: steepest loss-per-cost exchange; never optimal by proof
 *     monotone  baseline: bits follow the order of sensitivity (Dong et al.
 *             2020, HAWQ-V2), the best such allocation (solve_monotone.c)
 *     brute   every allocation: the oracle of the tests
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SOLVE_H
#define HAWQ_SOLVE_H
#include "search/knapsack.h"

typedef enum hawq_found {
    HAWQ_FOUND_OPTIMAL,  /* an allocation, and the proof that none is better */
    HAWQ_FOUND_FEASIBLE, /* an allocation within the budgets, no proof */
    HAWQ_FOUND_INFEASIBLE, /* the proof that there is no allocation */
    HAWQ_FOUND_LIMIT       /* gave up before either */
} hawq_found;

/* "optimal", "feasible", "infeasible", "limit" */
const char *hawq_found_text(hawq_found state);

typedef struct hawq_solve_options {
    size_t max_states;   /* partial allocations a solver may store (12 bytes or
                            so each); 0: 40 million */
    double time_limit_s; /* seconds until a solver answers with what it has, its
                            bound and gap; 0: 60. greedy and monotone need no
                            limit */
} hawq_solve_options;

/* What a solver hands to hawq_solve. */
typedef struct hawq_solver_answer {
    hawq_found state;
    int       *x;     /* n_groups candidates; valid if optimal or feasible */
    double     bound; /* no allocation has a smaller loss; -INFINITY: unknown */
    double    *price; /* n_budgets multipliers, units of the candidates */
} hawq_solver_answer;

typedef struct hawq_solver {
    const char *name;
    bool        quadratic; /* knows interactions */
    /* out->x has room for n_groups; out->price holds the best multipliers of
       the problem without interactions and may be replaced; scratch memory is
       the arena's. */
    hawq_status (*solve)(const hawq_knapsack      *k,
                         const hawq_solve_options *options, hawq_arena *arena,
                         hawq_solver_answer *out);
} hawq_solver;

extern const hawq_solver hawq_solver_dp, hawq_solver_bnb, hawq_solver_ilp,
    hawq_solver_cross, hawq_solver_greedy, hawq_solver_monotone,
    hawq_solver_brute;

/* All solvers, NULL at the end; and the one of a name, or NULL. */
extern const hawq_solver *const hawq_solvers[];
const hawq_solver              *hawq_solver_find(const char *name);
/* cross with interactions, else bnb. */
const hawq_solver *hawq_solver_default(const hawq_problem *problem);

/* One budget of the answer; all in units of its kind of cost. */
typedef struct hawq_budget_use {
    const char *kind;
    const char *unit_name; /* " bytes", or "" */
    double      limit;
    double      used;  /* plain sum over the layers; NAN without allocation */
    double      least; /* smallest value any allocation reaches, pins obeyed,
                          other budgets ignored */
    bool impossible;   /* least > limit */
    bool binding; /* without this budget, all others kept, the optimum is lower:
                     every such optimum exceeds the limit. Also set when it
                     could not be decided. */
    double price; /* Lagrange multiplier: about how much the objective falls per
                     unit of the budget; 0 where it has no effect */
} hawq_budget_use;

typedef struct hawq_solution {
    hawq_found         state;
    const hawq_solver *solver;
    double             objective; /* plain sum of losses over the layers */
    double folded; /* the same from the last group to the first: what solvers
                      compare, equal for all exact solvers to the last bit */
    double                 bound;  /* <= objective; equal if optimal */
    double                 gap;    /* (objective - bound) / largest |.| */
    const int             *choice; /* candidate per group, or NULL */
    int                    n_budgets;
    const hawq_budget_use *budget;
} hawq_solution;

/* Solves a finished problem; memory is the arena's. solver NULL: the default.
 * EINVAL: the problem is too large for the solver (brute, cross), or it has
 * interactions and the solver is for problems without; ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_solve(const hawq_problem       *problem,
                                      const hawq_solver        *solver,
                                      const hawq_solve_options *options,
                                      hawq_arena *arena, hawq_solution *out);

/* The discrete counterpart of a price: the smallest limit of one budget, all
 * others kept, at which the optimum is lower. */
typedef struct hawq_next_step {
    bool exists;      /* false: no limit of this budget lowers the optimum */
    bool known;       /* false: could not be decided; the rest is unset */
    bool exact;       /* false: a smaller limit may do, and the optimum at this
                         one be lower; only with interactions, out of time */
    double limit;     /* in units of the kind, above the present one */
    double objective; /* the optimum at that limit */
} hawq_next_step;

/* The next step of the solution's budget b: two exact searches, the first for
 * the cheapest allocation that is better, so the solution must be optimal (not
 * known otherwise). With interactions some more, in a tenth of the time limit
 * all together. Memory is its own. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_solve_next(const hawq_problem       *problem,
                                           const hawq_solve_options *options,
                                           const hawq_solution *solution, int b,
                                           hawq_next_step *out);

/* One sentence on why an infeasible problem is: which budget is impossible
 * and the smallest value it can take, or that budgets conflict. */
const char *hawq_infeasible_text(const hawq_solution *solution,
                                 hawq_arena          *arena);

#endif
