/* test_benchmark.c -- what --allocation names, and what is predicted of it.
 *
 * Claims: uniform names and files give every layer its bits; a file that is
 * not one, lacks a key or is no JSON is refused with a sentence that names it;
 * so is everything else. Bits that no search chose are
 * predicted by the sum of the stored sensitivities, and interactions, where
 * those are of the same bits and range, and by nothing elsewhere. The time of
 * a network is predicted from the others and from earlier runs, from its own
 * layers where those do not know them, and never from its own total. The graphs
 * that are measured end where the model does that the float network runs.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/bench/benchmark.h"

#include "src/load/onnx.h"
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
    } known[] = {{"uniform8", 8, 8},  {"uniform4", 4, 8},  {"uniform2", 2, 8},
                 {"w4a4", 4, 4},      {"w2a8", 2, 8},      {"w8a2", 8, 2},
                 {"w32a32", 32, 32},  {"uniform3", 3, 8},  {"w5", 5, 8},
                 {"w2ca4", 2, 4},     {"k3", 3, 8},        {"ta2", 2, 2},
                 {"w4g64", 4, 8},     {"w4+0.5%a4", 4, 4}, {"w1:mse", 1, 8},
                 {"nf4a8:mse", 4, 8}, {"f16", 16, 32},     {"float", 32, 32},
                 {"w4g32a32", 4, 32}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        hawq_contender c;
        if (!CHECK_OK(hawq_benchmark_allocation(b, known[i].name, &c)))
            continue;
        CHECK(!strcmp(c.label, known[i].name) && isnan(c.predicted));
        CHECK(c.n_choices == b->graph->n_layers);
        for (int l = 0; l < c.n_choices; l++) {
            CHECK(strcmp(c.choice[l].layer, b->graph->layer[l].name) == 0);
            CHECK(c.choice[l].weight_bits == known[i].weight_bits);
            int bits = known[i].activation_bits;
            if (bits < 8 && l == 0) bits = 8; /* it reads the picture */
            CHECK(c.choice[l].activation_bits == bits);
        }
    }
    hawq_contender c;
    CHECK_OK(hawq_benchmark_allocation(b, "float32", &c));
    CHECK(c.choice == NULL);
}

static void other_names_are_refused(hawq_benchmark *b) {
    static const char *const bad[] = {
        "uniform9", "uniform88", "w9", "w4a3", "w32",   "w32a8",
        "w4a44",    "best",      "",   "-1",   "f16a8", "w4:best"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hawq_contender c;
        CHECK_FAILS(hawq_benchmark_allocation(b, bad[i], &c), HAWQ_EINVAL,
                    "or a candidate such as w4a8");
    }
    hawq_contender c;
    CHECK_FAILS(hawq_benchmark_allocation(b, "w3a4:gptq", &c), HAWQ_EINVAL,
                "quantize first: hawq-quantize");
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

/* --- predictions --------------------------------------------------------- */

/* Layer l at b bits is predicted to cost (l + 1) / b, layers 0 and 1 at 4 bits
 * -0.125 together; 2 bits were not analysed. */
static void put_analysis(hawq_store *store, const hawq_graph *g,
                         const char *metric) {
    static const int        bits[] = {8, 4};
    hawq_sensitivity_record row[32];
    hawq_layer_record       layer[8] = {{0}};
    hawq_interaction_record both = {0, 4, 1, 4, -0.125, NULL, NULL};
    char                    hash[HAWQ_HASH_TEXT];
    int64_t                 run = 0;
    int                     n = 0;
    hawq_graph_hash(g, hash);
    hawq_run_record record = {.program = "hawq-analyze",
                              .version = "1",
                              .command = "",
                              .model_path = "net.onnx",
                              .model_hash = hash,
                              .data = "",
                              .loss = "mse",
                              .weight_range = "max",
                              .threads = 1,
                              .host = "",
                              .provider = "",
                              .sampling = ""};
    for (int l = 0; l < g->n_layers; l++) {
        layer[l] = (hawq_layer_record){g->layer[l].name, "Conv", 1, 1, 1,
                                       g->layer[l].name};
        for (int k = 0; k < 2; k++)
            row[n++] = (hawq_sensitivity_record){
                l, metric, bits[k], (l + 1.0) / bits[k], 0, NULL, 0, 0};
    }
    CHECK_OK(hawq_store_begin_run(store, &record, &run));
    CHECK_OK(hawq_store_put_layers(store, run, g->n_layers, layer));
    CHECK_OK(hawq_store_put_sensitivity(store, run, n, row));
    CHECK_OK(hawq_store_put_interactions(store, run, 1, &both));
    CHECK_OK(hawq_store_finish_run(store, run));
}

static void predictions(hawq_benchmark *b) {
    static const char *const name[] = {"float32",  "uniform8", "uniform4",
                                       "uniform2", "w4a4",     "uniform4",
                                       "w32a32",   "w4c"};
    enum { N = sizeof name / sizeof *name };
    hawq_contender c[N];
    char           path[] = "/tmp/hawq-test-XXXXXX.db";
    int            file = mkstemps(path, 3);
    if (!CHECK(file >= 0)) return;
    close(file);
    CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &b->store));
    for (int i = 0; i < N; i++) {
        b->weight_range = i == 5 ? HAWQ_RANGE_MSE : HAWQ_RANGE_MAX;
        CHECK_OK(hawq_benchmark_allocation(b, name[i], &c[i]));
    }
    b->contender = c;
    b->n = 5;
    CHECK_OK(hawq_benchmark_predict(b)); /* nothing is known yet */
    CHECK(isnan(c[2].predicted) && !b->predicted_by);
    put_analysis(b->store, b->graph, "trace");
    put_analysis(b->store, b->graph, "cross");
    for (int i = 0; i < N; i++) c[i].asked = i + 1;
    b->n = N;
    CHECK_OK(hawq_benchmark_predict(b));
    CHECK(c[1].predicted == 15 / 8.0 && c[2].predicted == 15 / 4.0);
    CHECK(isnan(c[0].predicted) && isnan(c[3].predicted));
    CHECK(isnan(c[4].predicted) && isnan(c[5].predicted));
    CHECK(c[6].predicted == 0);   /* weights in float32 are as they were */
    CHECK(isnan(c[7].predicted)); /* the analysis has w4 */
    CHECK(b->predicted_by && strcmp(b->predicted_by, "trace") == 0);
    CHECK(b->other_range && strcmp(b->other_range, "max") == 0); /* of c[5] */
    c[0].metric = "cross"; /* as if it were an allocation */
    CHECK_OK(hawq_benchmark_predict(b));
    CHECK(c[1].predicted == 15 / 8.0 && c[2].predicted == 15 / 4.0 - 0.125);
    b->n = 0; /* the contenders are not the benchmark's */
    hawq_store_close(b->store);
    b->store = NULL;
    unlink(path);
}

/* --- times --------------------------------------------------------------- */

/* A network that took 10 us for each layer at each bit, and `more` besides. */
static void time_network(hawq_benchmark *b, const char *allocation, double more,
                         hawq_layer_timing *t, hawq_program *program,
                         hawq_contender *c) {
    CHECK_OK(hawq_benchmark_allocation(b, allocation, c));
    *program = (hawq_program){.n_layers = c->n_choices,
                              .choice = (hawq_choice *)(uintptr_t)c->choice};
    c->program = program;
    c->record.n_layers = c->n_choices;
    c->record.layer = t;
    c->record.latency_us = more;
    for (int l = 0; l < c->n_choices; l++) {
        t[l] = (hawq_layer_timing){c->choice[l].layer,
                                   c->choice[l].weight_bits,
                                   c->choice[l].activation_bits,
                                   "",
                                   10 * c->choice[l].weight_bits,
                                   NULL};
        c->record.latency_us += t[l].latency_us;
    }
}

/* The constant of two networks that took x and y beside their layers. */
static double rest(const hawq_contender *a, double x, const hawq_contender *b,
                   double y) {
    double w = pow(a->record.latency_us, -2), v = pow(b->record.latency_us, -2);
    return (w * x + v * y) / (w + v);
}

static void times(hawq_benchmark *b) {
    hawq_command      command = {.name = "test"};
    hawq_cli          cli = {.command = &command, .line = ""};
    hawq_contender    c[3];
    hawq_program      p[3];
    hawq_layer_timing t[3][8];
    char              path[] = "/tmp/hawq-test-XXXXXX.db";
    int               file = mkstemps(path, 3);
    if (!CHECK(file >= 0)) return;
    close(file);
    CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &b->store));
    b->cli = &cli;
    b->batch_size = 1;
    b->table = hawq_kernels_select("ref");
    time_network(b, "uniform8", 3, t[0], &p[0], &c[0]);
    time_network(b, "uniform4", 5, t[1], &p[1], &c[1]);
    time_network(b, "uniform8", 9, t[2], &p[2], &c[2]);
    double layers = 10 * 8 * b->graph->n_layers;
    b->contender = c;
    b->n = 1;
    CHECK_OK(hawq_benchmark_predict_times(b));
    CHECK(isnan(c[0].predicted_us));
    t[0][0].latency_us += 1; /* another's time comes before its own */
    b->n = 3;
    CHECK_OK(hawq_benchmark_predict_times(b));
    CHECK_NEAR(c[0].predicted_us, layers + rest(&c[1], 5, &c[2], 9), 1e-9);
    CHECK_NEAR(c[1].predicted_us, layers / 2 + rest(&c[0], 2, &c[2], 9), 1e-9);
    CHECK_NEAR(c[2].predicted_us, layers + 1 + rest(&c[0], 2, &c[1], 5), 1e-9);
    b->n = 0;
    hawq_store_close(b->store);
    b->store = NULL;
    hawq_arena_free(&cli.arena);
    unlink(path);
}

/* --- one network in several graphs --------------------------------------- */

/* Of two Softmax the last is taken off, in every graph. */
static void graphs_end_alike(void) {
    char           model[] = "/tmp/hawq-test-XXXXXX.onnx";
    char           db[] = "/tmp/hawq-test-XXXXXX.db";
    hawq_cli       cli = {.db = db, .threads = 1, .quiet = true};
    hawq_benchmark b = {.cli = &cli,
                        .model_path = model,
                        .calibration_limit = 4,
                        .device = "cpu",
                        .batch_size = 4,
                        .repeats = 1,
                        .verify = 1,
                        .times_only = true};
    hawq_graph    *g = open_graph(2, (int64_t[]){BATCH, 3});
    int            file[2] = {mkstemps(model, 5), mkstemps(db, 3)};
    if (!CHECK(file[0] >= 0 && file[1] >= 0)) return;
    close(file[0]);
    close(file[1]);
    weight(g, "fc.w", 1, 2, (int64_t[]){3, 4});
    node(g, "MatMul", "x fc.w", "z", "");
    node(g, "Softmax", "z", "p", "");
    node(g, "Softmax", "p", "q", "");
    CHECK_OK(hawq_graph_finish(g, "q"));
    CHECK_OK(hawq_onnx_save(model, g, "test"));
    hawq_graph_free(g);
    if (CHECK_OK(hawq_benchmark_prepare(&b))) {
        CHECK(b.small_graph != b.image_graph);
        CHECK(!strcmp(b.graph->output->name, "p"));
        CHECK(!strcmp(b.image_graph->output->name, "p"));
        CHECK(!strcmp(b.small_graph->output->name, "p"));
    }
    hawq_benchmark_close(&b);
    hawq_arena_free(&cli.arena);
    unlink(model);
    unlink(db);
}

int main(void) {
    hawq_benchmark b = {.graph = every_step()};
    uniform_names(&b);
    other_names_are_refused(&b);
    files(&b);
    predictions(&b);
    times(&b);
    hawq_benchmark_close(&b);
    graphs_end_alike();
    DONE();
}
