/* search_answers.h -- what else a user wants to know of an allocation: how sure
 * it is, what each alternative would cost, what would be as good, and how far
 * the budgets are from possible.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SEARCH_ANSWERS_H
#define HAWQ_SEARCH_ANSWERS_H
#include "src/cli/search/search_command.h"

/* From a bootstrap (Efron 1979) of the stored samples: each resample draws as
 * many samples with replacement, estimates every loss anew, and is searched
 * again, exactly. A pure function of the samples and the seed. */
typedef struct hawq_confidence {
    int     n_resamples; /* 0: the metric has no samples, or none were wanted */
    int     n_samples;
    double *kept; /* [layer]: share of resamples in which the layer has
                     the same candidate */
    double whole; /* share in which all layers have */
    double regret_low, regret_median, regret_high; /* of this allocation: its
                           loss above the resample's optimum; the 2.5 %, 50 %
                           and 97.5 % quantiles */
} hawq_confidence;

HAWQ_NODISCARD hawq_status hawq_search_confidence(hawq_search         *s,
                                                  const hawq_solution *solution,
                                                  int              n_resamples,
                                                  hawq_confidence *out);

/* One candidate of a layer, and the best allocation that contains it. */
typedef struct hawq_alternative {
    const hawq_priced *candidate;
    bool               chosen;
    hawq_solution      best; /* choice NULL: not within the budgets */
    double regret;           /* its objective above the optimum; NAN without */
} hawq_alternative;

typedef struct hawq_explanation {
    int                     layer, n;
    const hawq_alternative *alternative;
} hawq_explanation;

/* EINVAL: no such layer. */
HAWQ_NODISCARD hawq_status hawq_search_explain(hawq_search         *s,
                                               const char          *layer,
                                               const hawq_solution *solution,
                                               hawq_explanation    *out);

/* Candidate of group g that gives all its layers these widths; allowed: one
 * that the pins leave. -1: none. */
int hawq_search_find_width(const hawq_problem *problem, int g, hawq_width w,
                           bool allowed);

/* The widths at which a uniform allocation is within the budgets and predicted
 * no worse than the solution; false if there are none. */
bool hawq_search_uniform(const hawq_search *s, const hawq_solution *solution,
                         hawq_width *out);

/* Names of the layers and tensors that get less than their most bits on the
 * strength of a loss that is within two standard errors of zero, "a, tensor b";
 * "" if none. */
HAWQ_NODISCARD hawq_status hawq_search_unresolved(const hawq_search   *s,
                                                  const hawq_solution *solution,
                                                  const char         **out);

/* All of it, for the reports. */
typedef struct hawq_answers {
    hawq_confidence  confidence;
    hawq_next_step  *next;        /* [budget of the solution, and one more] */
    hawq_explanation explanation; /* n = 0: not asked for */
    bool             has_uniform;
    hawq_width       uniform;
    const char      *unresolved;
} hawq_answers;

/* explain: a layer's name, or NULL. */
HAWQ_NODISCARD hawq_status hawq_search_answer(hawq_search         *s,
                                              const hawq_solution *solution,
                                              const char          *explain,
                                              int                  n_resamples,
                                              hawq_answers        *out);

/* On stdout, in the form of --format; notes on stderr. An infeasible solution
 * is an object in JSON and nothing in the other forms; TSV is the layers, or
 * the alternatives of the layer that is explained. */
HAWQ_NODISCARD hawq_status hawq_search_report(const hawq_search   *s,
                                              const hawq_solution *solution,
                                              const hawq_answers  *answers);

/* For budgets that conflict: one line a budget on what it must be raised to if
 * the others are kept. Prints notes. */
HAWQ_NODISCARD hawq_status hawq_search_nearest(const hawq_search *s);

/* Reports an infeasible solution, the nearest budgets, and fails with why.
 * no_front: for a front without points. */
HAWQ_NODISCARD hawq_status hawq_search_infeasible(hawq_search         *s,
                                                  const hawq_solution *found);
HAWQ_NODISCARD hawq_status hawq_search_no_front(hawq_search *s);

#endif
