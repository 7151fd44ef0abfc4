/* fuzz_problem.c -- any bytes as an allocation problem; what is one is solved
 * by the baselines and, in few states, exactly.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/problem_json.h"
#include "search/solve.h"
#include "tests/fuzz.h"

#include <math.h>

static void solve(const hawq_problem *p) {
    const hawq_solver *const solver[] = {&hawq_solver_greedy,
                                         &hawq_solver_monotone, NULL};
    hawq_solve_options       few = {.max_states = 1000, .time_limit_s = 0.2};
    for (int i = 0; i < 3; i++) {
        hawq_arena    arena = {0};
        hawq_solution solution;
        if (hawq_solve(p, solver[i], &few, &arena, &solution) == HAWQ_OK &&
            solution.choice && !(solution.objective > -HUGE_VAL))
            abort(); /* an answer without a loss */
        hawq_arena_free(&arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    hawq_problem *p;
    char         *text = malloc(n + 1);
    if (!text) return 0;
    memcpy(text, bytes, n);
    text[n] = '\0';
    if (hawq_problem_parse("fuzz.json", text, n, &p) == HAWQ_OK) {
        if (hawq_problem_finish(p) == HAWQ_OK) solve(p);
        hawq_problem_free(p);
    }
    free(text);
    return 0;
}
