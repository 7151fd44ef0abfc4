/* test_search_tables.c -- the exact solvers on tables of real networks.
 *
 * Claims: they find the optimum of the shipped table that another program
 * enumerated, and the nine allocations of ResNet18 that were published.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/problem_json.h"
#include "search/solve.h"
#include "tests/check.h"

#include <cjson/cJSON.h>

static const hawq_solver *const exact[] = {&hawq_solver_dp, &hawq_solver_bnb,
                                           &hawq_solver_ilp};

/* The optimum of the shipped fixture, enumerated with another program. */
static void seven_layers(void) {
    static const int bits[7] = {4, 4, 4, 4, 2, 4, 8};
    char             path[4096];
    const char      *source = getenv("HAWQ_SOURCE");
    hawq_problem    *p;
    hawq_arena       arena = {0};
    hawq_solution    s;
    snprintf(path, sizeof path, "%s/tests/data/search/seven_layers.json",
             source ? source : ".");
    if (!CHECK_OK(hawq_problem_read(path, &p))) return;
    CHECK_OK(hawq_problem_finish(p));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(hawq_solve(p, exact[i], NULL, &arena, &s));
        CHECK(s.state == HAWQ_FOUND_OPTIMAL);
        CHECK_NEAR(s.objective, 5.120544434, 1e-12);
        CHECK_NEAR(s.budget[0].used, 8024, 0);
        CHECK_NEAR(s.budget[1].used, 51.669, 1e-12);
        CHECK(!s.budget[0].binding && s.budget[1].binding);
        for (int l = 0; s.choice && l < 7; l++)
            CHECK(hawq_problem_candidate(p, l, s.choice[p->layer[l].in_group])
                      ->weight_bits == bits[l]);
    }
    hawq_arena_free(&arena);
    hawq_problem_free(p);
}

static cJSON *read_json(const char *path) {
    static char text[1 << 16];
    FILE       *file = fopen(path, "rb");
    size_t      n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) fclose(file);
    text[n] = '\0';
    return cJSON_Parse(text);
}

static void published_case(hawq_problem *p, const cJSON *c) {
    double want = cJSON_GetObjectItem(c, "objective")->valuedouble;
    double used = cJSON_GetObjectItem(c, "used")->valuedouble;
    hawq_problem_clear_budgets(p);
    CHECK_OK(hawq_problem_budget(p,
                                 cJSON_GetObjectItem(c, "budget")->valuestring,
                                 cJSON_GetObjectItem(c, "limit")->valuedouble));
    for (int i = 0; i < 3; i++) {
        hawq_arena    arena = {0};
        hawq_solution s;
        const cJSON  *bits = cJSON_GetObjectItem(c, "bits")->child;
        CHECK_OK(hawq_solve(p, exact[i], NULL, &arena, &s));
        CHECK(s.state == HAWQ_FOUND_OPTIMAL && s.budget[0].binding);
        CHECK_NEAR(s.objective, want, 1e-9);
        CHECK_NEAR(s.budget[0].used, used, 1e-9 * used);
        for (int l = 0; s.choice && l < p->n_layers; l++, bits = bits->next)
            CHECK(hawq_problem_candidate(p, l, s.choice[p->layer[l].in_group])
                      ->weight_bits == bits->valueint);
        hawq_arena_free(&arena);
    }
}

/* The nine budgets of ResNet18 published with HAWQ-V3 (Yao et al. 2021). */
static void published(void) {
    const char   *data = check_data();
    char          path[4096];
    hawq_problem *p;
    const cJSON  *c;
    int           n = 0;
    if (!data) return;
    snprintf(path, sizeof path, "%s/hawq/resnet18_problem.json", data);
    if (!CHECK_OK(hawq_problem_read(path, &p))) return;
    CHECK_OK(hawq_problem_finish(p));
    CHECK(p->n_layers == 19 && p->n_groups == 16);
    snprintf(path, sizeof path, "%s/hawq/resnet18_cases.json", data);
    cJSON *cases = read_json(path);
    cJSON_ArrayForEach(c, cJSON_GetObjectItem(cases, "cases")) {
        published_case(p, c);
        n++;
    }
    CHECK(n == 9);
    cJSON_Delete(cases);
    hawq_problem_free(p);
}

int main(void) {
    seven_layers();
    published();
    DONE();
}
