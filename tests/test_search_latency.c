/* test_search_latency.c -- times of layers as a cost of hawq-search.
 *
 * Claims: a latency is the constant of the network and the sum of its layers'
 * times, the constant the mean of what the measured networks took beside their
 * layers, with the weights of relative errors; a multiple is of the uniform
 * 8-bit network with its constant; it is said whether widths matter. What is
 * not known is measured, once, for the kernels, threads and batch size asked
 * for, and only for the widths that miss; fronts of two costs need nothing
 * else. What cannot be measured is refused by name. Of the programs that
 * measure nothing is claimed about how long anything takes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/store.h"
#include "src/cli/kit/latency.h"
#include "src/load/onnx.h"
#include "tests/deploying.h"
#include "tests/program.h"

#include <sys/utsname.h>

enum { LAYERS = 5, WIDTHS = 3 };
static const int      width[WIDTHS] = {8, 4, 2};
static const char    *name[LAYERS] = {"c1", "c2", "c3", "c4", "fc"};
static struct utsname host;
static char           hash[HAWQ_HASH_TEXT];

static void put_network(void) {
    hawq_graph *g = every_step();
    CHECK_OK(hawq_onnx_save("net.onnx", g, "test"));
    hawq_graph_free(g);
    if (!CHECK_OK(hawq_onnx_load("net.onnx", 1, &g))) return;
    hawq_graph_hash(g, hash);
    CHECK(g->n_layers == LAYERS);
    for (int l = 0; l < LAYERS; l++) CHECK(!strcmp(g->layer[l].name, name[l]));
    hawq_graph_free(g);
}

static int64_t begin(hawq_store *store, const char *program) {
    int64_t         run = 0;
    hawq_run_record record = {.program = program,
                              .version = "1",
                              .model_path = "net.onnx",
                              .model_hash = hash,
                              .loss = "cross-entropy",
                              .weight_range = "max",
                              .threads = 1,
                              .host = host.nodename};
    CHECK_OK(hawq_store_begin_run(store, &record, &run));
    return run;
}

/* Layer l at b bits costs (l + 1) / b^2 of loss. */
static void put_analysis(const char *db) {
    hawq_store             *store;
    hawq_layer_record       layer[LAYERS];
    hawq_sensitivity_record row[LAYERS * WIDTHS];
    int                     n = 0;
    if (!CHECK_OK(hawq_store_open(db, HAWQ_STORE_WRITE, &store))) return;
    int64_t run = begin(store, "hawq-analyze");
    for (int l = 0; l < LAYERS; l++) {
        layer[l] = (hawq_layer_record){name[l], "Conv", 100, 1000, 4, name[l]};
        for (int k = 0; k < WIDTHS; k++)
            row[n++] = (hawq_sensitivity_record){
                l, "trace", width[k], (l + 1.0) / (width[k] * width[k]),
                0, NULL,    0,        0};
    }
    CHECK_OK(hawq_store_put_layers(store, run, LAYERS, layer));
    CHECK_OK(hawq_store_put_sensitivity(store, run, n, row));
    CHECK_OK(hawq_store_finish_run(store, run));
    hawq_store_close(store);
}

/* Layer l at b bits takes (l + 1) (10 + slope b) us on these kernels, and each
 * of the three uniform networks 8 us more than its layers. */
static void put_times(const char *kernels, double slope) {
    static const char *const label[WIDTHS] = {"uniform8", "uniform4",
                                              "uniform2"};
    hawq_store              *store;
    hawq_layer_timing        t[LAYERS];
    int64_t                  id;
    if (!CHECK_OK(hawq_store_open("hawq.db", HAWQ_STORE_WRITE, &store))) return;
    int64_t run = begin(store, "hawq-bench");
    for (int k = 0; k < WIDTHS; k++) {
        hawq_benchmark_record b = {.label = label[k],
                                   .device = "cpu",
                                   .kernels = kernels,
                                   .batch_size = 1,
                                   .threads = 1,
                                   .repeats = 5,
                                   .latency_us = 8,
                                   .latency_spread_us = 0.25,
                                   .n_layers = LAYERS,
                                   .layer = t};
        for (int l = 0; l < LAYERS; l++) {
            t[l] = (hawq_layer_timing){name[l],
                                       width[k],
                                       8,
                                       kernels,
                                       (l + 1) * (10 + slope * width[k]),
                                       NULL};
            b.latency_us += t[l].latency_us;
        }
        CHECK_OK(hawq_store_put_benchmark(store, run, &b, &id));
    }
    CHECK_OK(hawq_store_finish_run(store, run));
    hawq_store_close(store);
}

/* The number behind a JSON key, at its n-th place (from 0). */
static double number(const char *key, int n) {
    char        what[64];
    const char *at = program_out;
    snprintf(what, sizeof what, "\"%s\": ", key);
    for (at = strstr(at, what); at && n-- > 0;) at = strstr(at + 1, what);
    return at ? strtod(at + strlen(what), NULL) : NAN;
}

#define SEARCH "hawq-search net.onnx --resamples 0 --repeats 3 "

/* --- the model of latency.h ---------------------------------------------- */

static void constant_is_the_mean_of_what_is_left(void) {
    hawq_arena        arena = {0};
    hawq_layer_timing t[3] = {{"a", 8, 8, "", 5, NULL},
                              {"a", 8, 8, "", 6, NULL},
                              {"b", 4, 8, "", 2, NULL}};
    hawq_total_timing total[3] = {{10, 0.5, 7}, {12, 0.1, 8}, {8, 0.3, 6}};
    hawq_choice       choice[2] = {{"a", 8, 8, NULL}, {"b", 4, 8, NULL}};
    hawq_latency      l = {
             .n_timings = 3, .n_totals = 3, .timing = t, .total = total};
    CHECK_OK(hawq_latency_set_constant(&l, &arena));
    double w[3] = {1 / 100., 1 / 144., 1 / 64.}, rest[3] = {3, 4, 2};
    double all = w[0] + w[1] + w[2], squares = 0;
    double c = (w[0] * 3 + w[1] * 4 + w[2] * 2) / all;
    for (int i = 0; i < 3; i++) squares += pow(w[i] * (rest[i] - c), 2);
    CHECK_NEAR(l.constant.mean, c, 1e-14);
    CHECK_NEAR(l.constant.stderr1, sqrt(squares * 3 / 2) / all, 1e-14);
    CHECK(l.constant.n == 3 && l.spread_us == 0.3);
    CHECK(hawq_latency_layer(&l, "a", 8, 8) == 5); /* the first counts */
    CHECK(isnan(hawq_latency_layer(&l, "a", 4, 8)));
    CHECK(hawq_latency_layer(&l, "b", 4, 4) == 2); /* bytes all the same */
    CHECK(isnan(hawq_latency_layer(&l, "b", 4, 32)));
    CHECK_NEAR(hawq_latency_predict(&l, 2, choice), c + 7, 1e-14);
    choice[1].weight_bits = 8;
    CHECK(isnan(hawq_latency_predict(&l, 2, choice)));
    choice[1].weight_bits = 4;
    l.n_totals = 0;
    CHECK_OK(hawq_latency_set_constant(&l, &arena));
    CHECK(isnan(hawq_latency_predict(&l, 2, choice)));
    hawq_arena_free(&arena);
}

/* --- times that are known ------------------------------------------------ */

/* What the allocation on stdout takes on the planted kernels. */
static double time_of_layers(double slope) {
    double us = 8;
    for (int l = 0; l < LAYERS; l++)
        us += (l + 1) * (10 + slope * number("weight_bits", WIDTHS + l));
    return us;
}

static void latency_is_constant_and_layers(void) {
    put_times("planted", 1);
    program_step(SEARCH "--kernels planted --budget latency=0.8x --format json",
                 0);
    CHECK_NEAR(number("limit", 0), 0.8 * (8 + 15 * 18), 1e-9);
    CHECK_NEAR(number("latency_us", 0), time_of_layers(1), 1e-9);
    CHECK_NEAR(number("used", 0), number("latency_us", 0), 0);
    CHECK(number("used", 0) <= number("limit", 0));
    CHECK(number("spread", 0) == 0.25 && number("spread_us", 0) == 0.25);
    CHECK_NEAR(number("constant_us", 0), 8, 1e-12);
    CHECK_NEAR(number("constant_stderr_us", 0), 0, 1e-12);
    CHECK(number("totals", 0) == 3 && number("measured_now", 0) == 0);
    CHECK(number("threads", 0) == 1 && number("batch_size", 0) == 1);
    CHECK(strstr(program_out, "\"kernels\": \"planted\"") != NULL);
    CHECK(strstr(program_out, "\"device\": \"cpu\"") != NULL);
    for (int k = 0; k < WIDTHS; k++) /* behind latency_us of the whole */
        CHECK_NEAR(number("latency_us", k + 1), 8 + 15 * (10 + width[k]), 1e-9);
    CHECK(!strstr(program_err, "measured (") &&
          !strstr(program_err, "on the width") &&
          !strstr(program_err, "no faster"));
    program_step(SEARCH "--kernels planted --budget latency=1x --pin *=8 "
                        "--format json",
                 0);
    CHECK_NEAR(number("used", 0), number("limit", 0), 1e-9);
    program_says(SEARCH "--kernels planted --budget latency=0.8x", 0,
                 "+- 0.25 (spread of the rounds); planted kernels on cpu, 1 "
                 "thread, batches of 1\n");
    CHECK(strstr(program_out, "of it 8 us are a constant of the network, "
                              "standard error "));
    CHECK(strstr(program_out, " +- 0.25: ") != NULL);
    CHECK(!strstr(program_err, "latencies are of"));
    program_says(SEARCH "--kernels planted --pareto latency", 0,
                 "latencies are of planted kernels on cpu, 1 thread, batches "
                 "of 1; of each 8 us are a constant of the network; spread "
                 "0.25 us");
    program_says(SEARCH "--kernels planted --budget latency=100us", 3,
                 "latency can be 188");
}

static void widths_that_do_not_matter_are_told(void) {
    put_times("level", 0);
    program_says(SEARCH "--kernels level --budget latency=1x", 0,
                 "latency does not depend on the width here: uniform networks "
                 "take w8a8 158, w4a8 158, w2a8 158 us, spread 0.25");
    put_times("slow", -1);
    program_says(SEARCH "--kernels slow --pareto latency", 0,
                 "fewer bits are no faster than 8 here: uniform networks take "
                 "w8a8 38, w4a8 98, w2a8 128 us");
}

/* --- times that are measured --------------------------------------------- */

static void unknown_times_are_measured_once(void) {
    double first;
    program_says(SEARCH "--budget latency=2x --format json", 0,
                 "15 layer times were not known and have been measured");
    CHECK(number("measured_now", 0) == 15 && number("totals", 0) == 3);
    first = number("latency_us", 0);
    CHECK(first > 0 && first <= number("limit", 0));
    program_step(SEARCH "--budget latency=2x --format json", 0);
    CHECK(number("measured_now", 0) == 0 && number("latency_us", 0) == first);
    CHECK(!strstr(program_err, "measured ("));
    /* activations of fewer bits need no times of their own */
    program_step(SEARCH "--bits w8a8,w4a4 --ignore-activation-loss --budget "
                        "latency=9x --format json",
                 0);
    CHECK(number("measured_now", 0) == 0 && number("totals", 0) == 3);
    program_step(SEARCH "--kernels ref --budget latency=2x --format json", 0);
    CHECK(number("measured_now", 0) == 15);
    CHECK(strstr(program_out, "\"kernels\": \"ref\"") != NULL);
    program_step(SEARCH "--batch-size 3 --threads 2 --budget latency=2x "
                        "--format json",
                 0);
    CHECK(number("measured_now", 0) == 15 && number("batch_size", 0) == 3);
    CHECK(number("threads", 0) == 2);
}

/* A multiple needs 8 bits, which are no candidate here. */
static void eight_bits_are_always_known(void) {
    put_analysis("four.db");
    program_step(SEARCH "--db four.db --bits w4a8 --budget latency=9x --format "
                        "json",
                 0);
    CHECK(number("measured_now", 0) == 10);
    CHECK_NEAR(number("limit", 0), 9 * number("latency_us", 1), 1e-9);
}

static void fronts_need_nothing_else(void) {
    put_analysis("fresh.db");
    program_says(SEARCH "--db fresh.db --pareto weight-size,latency --format "
                        "json",
                 0, "\"surface\": [");
    CHECK(number("measured_now", 0) == 15);
    program_step(SEARCH "--db fresh.db --pareto latency --format json", 0);
    CHECK(number("measured_now", 0) == 0);
}

static void what_cannot_be_measured_is_refused(void) {
    program_says(SEARCH "--kernels nobodys --budget latency=1x", 2,
                 "measuring latency: --kernels nobodys: unknown, not built");
    program_says(SEARCH "--bits w9a8 --budget latency=1x", 2, "9");
    program_says(SEARCH "--bits w3a8 --budget latency=1x", 2,
                 "no sensitivities at w3");
}

int main(void) {
    constant_is_the_mean_of_what_is_left();
    if (!program_open() || uname(&host)) return 1;
    put_network();
    put_analysis("hawq.db");
    if (program_built("hawq-search")) {
        latency_is_constant_and_layers();
        widths_that_do_not_matter_are_told();
        unknown_times_are_measured_once();
        eight_bits_are_always_known();
        fronts_need_nothing_else();
        what_cannot_be_measured_is_refused();
    }
    program_close();
    DONE();
}
