/* test_benchmark.c -- what --allocation names.
 *
 * Claims: uniform names and files give every layer its bits; a file that is
 * not one, lacks a key or is no JSON is refused with a sentence that names it;
 * so is everything else.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/benchmark.h"

#include "tests/deploying.h"

#include <unistd.h>

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    if (!CHECK(file != NULL)) return;
    CHECK(fputs(text, file) >= 0);
    CHECK(fclose(file) == 0);
}

static void uniform_names(hawq_benchmark *b) {
    static const struct {
        const char *name;
        int         weight_bits, activation_bits;
    } known[] = {{"uniform8", 8, 8}, {"uniform4", 4, 8}, {"uniform2", 2, 8},
                 {"w4a4", 4, 4},     {"w2a8", 2, 8},     {"w8a2", 8, 2}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        hawq_contender c;
        if (!CHECK_OK(hawq_benchmark_allocation(b, known[i].name, &c)))
            continue;
        CHECK(!strcmp(c.label, known[i].name) && isnan(c.predicted));
        CHECK(c.n_choices == b->graph->n_layers);
        for (int l = 0; l < c.n_choices; l++) {
            CHECK(strcmp(c.choice[l].layer, b->graph->layer[l].name) == 0);
            CHECK(c.choice[l].weight_bits == known[i].weight_bits);
            CHECK(c.choice[l].activation_bits == known[i].activation_bits);
        }
    }
    hawq_contender c;
    CHECK_OK(hawq_benchmark_allocation(b, "float32", &c));
    CHECK(c.choice == NULL);
}

static void other_names_are_refused(hawq_benchmark *b) {
    static const char *const bad[] = {"uniform3", "uniform88", "w4", "w4a3",
                                      "w4a44",    "best",      "",   "-1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hawq_contender c;
        CHECK_FAILS(hawq_benchmark_allocation(b, bad[i], &c), HAWQ_EINVAL,
                    "expected an id, last, uniform8");
    }
}

static void files(hawq_benchmark *b) {
    static const struct {
        const char *text, *want;
    } bad[] = {{"", "empty"},
               {"{\"layers\": [", "JSON"},
               {"[]", "\"layers\""},
               {"{\"layers\": [{\"weight_bits\": 4}]}", "\"name\""},
               {"{\"layers\": [{\"name\": \"c1\", \"weight_bits\": 4}]}",
                "\"activation_bits\" is missing"},
               {"{\"layers\": [{\"name\": \"c1\", \"weight_bits\": 4.5,"
                " \"activation_bits\": 8}]}",
                "not a whole number"}};
    hawq_contender c;
    char           path[] = "/tmp/hawq-test-XXXXXX.json";
    int            file = mkstemps(path, 5);
    if (!CHECK(file >= 0)) return;
    close(file);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file(path, bad[i].text);
        CHECK_FAILS(hawq_benchmark_allocation(b, path, &c), HAWQ_EFORMAT,
                    "hawq-test-");
        CHECK(strstr(hawq_message(), bad[i].want) != NULL);
    }
    write_file(path, "{\"state\": \"optimal\", \"layers\": [{\"name\": \"c1\","
                     " \"weight_bits\": 4, \"activation_bits\": 8}, {\"name\":"
                     " \"fc\", \"activation_bits\": 4, \"weight_bits\": 2}]}");
    if (CHECK_OK(hawq_benchmark_allocation(b, path, &c))) {
        CHECK(c.n_choices == 2 && strcmp(c.choice[1].layer, "fc") == 0);
        CHECK(c.choice[0].weight_bits == 4 && c.choice[1].weight_bits == 2);
        CHECK(c.choice[1].activation_bits == 4);
    }
    unlink(path);
    CHECK_FAILS(hawq_benchmark_allocation(b, path, &c), HAWQ_EIO, "hawq-test-");
}

int main(void) {
    hawq_benchmark b = {.graph = every_step()};
    uniform_names(&b);
    other_names_are_refused(&b);
    files(&b);
    hawq_benchmark_close(&b);
    DONE();
}
