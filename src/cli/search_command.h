/* search_command.h -- the parts of hawq-search: what to solve comes from
 * search_input.c, what is said about it from search_report.c, what is stored
 * from search_record.c.
 *
 *     hawq_search_load; hawq_search_constrain; then solve or front;
 *     hawq_search_report_x, hawq_search_store_x; hawq_search_close
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SEARCH_COMMAND_H
#define HAWQ_SEARCH_COMMAND_H
#include "results/store.h"
#include "search/pareto.h"
#include "search/solve.h"
#include "src/cli/cli.h"

typedef struct hawq_search {
    hawq_cli   *cli;
    hawq_texts  budgets, pins, groups; /* as on the command line */
    const char *problem_path;          /* --problem, or NULL: a model */
    const char *metric;
    const char *front_kind; /* --pareto, or NULL */

    hawq_problem *problem;
    hawq_store   *store;    /* NULL with a problem file */
    int64_t       analysis; /* run the sensitivities are of */
    const char   *loss;     /* name of its loss, unit of the objective */
    char          hash[17]; /* of the model */
} hawq_search;

/* What an allocation costs; NAN where the problem does not tell. */
typedef struct hawq_totals {
    double weight_bytes, bops, latency_us, mean_bits;
} hawq_totals;

/* The layers and candidates: from the problem file, or from the model and the
 * newest complete analysis of it in the database. */
HAWQ_NODISCARD hawq_status hawq_search_load(hawq_search *s);
/* Groups, pins and budgets of the command line; finishes the problem. */
HAWQ_NODISCARD hawq_status hawq_search_constrain(hawq_search *s);
void                       hawq_search_close(hawq_search *s);

void hawq_search_totals(const hawq_problem *problem, const int *choice,
                        hawq_totals *out);

/* On stdout, in the form of --format. An infeasible solution is an object in
 * JSON and nothing in the other forms. */
HAWQ_NODISCARD hawq_status hawq_search_report(const hawq_search   *s,
                                              const hawq_solution *solution);
HAWQ_NODISCARD hawq_status hawq_search_report_front(const hawq_search *s,
                                                    const hawq_pareto *front);

/* Into the database, where there is one: a run with the allocation or the
 * front; nothing is left of it on failure. */
HAWQ_NODISCARD hawq_status hawq_search_store(hawq_search         *s,
                                             const hawq_solution *solution);
HAWQ_NODISCARD hawq_status hawq_search_store_front(hawq_search       *s,
                                                   const hawq_pareto *front);

#endif
