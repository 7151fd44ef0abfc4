/* test_activations.c -- weights and activations chosen jointly, from outside.
 *
 * Claims: activations below 8 bits are refused, with the command that helps,
 * until hawq-analyze has measured them; then the predicted loss of an
 * allocation is the sum of its layers' weights, of its interactions, and of
 * every tensor that layers read, once, at its width, where what is measured
 * below 0 counts as its upper limit and a narrower width as no less than a
 * wider one; the image is free to a layer in float, and so is a network all in
 * float; readers of one tensor have
 * one width of activations and their own of weights; what is exported, scored
 * or explained has the same loss, and hawq-bench predicts the same for it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/store.h"
#include "src/graph/graph.h"
#include "tests/images.h"
#include "tests/program.h"

enum { SIDE = 28, IMAGES = 20, CLASSES = 10, LAYERS = 10, TENSORS = 8 };

/* Runs in the database: an analysis without activations, a search that does
 * without them, and this. */
enum { ANALYSIS = 3 };

#define MODEL "net.onnx"
#define DATA " --data idx:img --scale 0.004 "
#define SEARCH "hawq-search " MODEL " --resamples 0 --format json "
#define JOINT SEARCH "--bits w8a8,w4a8,w2a8,w8a4,w4a4,w2a4 "

/* --- input ---------------------------------------------------------------- */

static void put_images(void) {
    static unsigned char x[16 + IMAGES * SIDE * SIDE], y[8 + IMAGES];
    for (int i = 0; i < IMAGES; i++) {
        y[8 + i] = (unsigned char)(i % CLASSES);
        for (int p = 0; p < SIDE * SIDE; p++)
            x[16 + i * SIDE * SIDE + p] =
                (unsigned char)((i * 31 + p * p * 17 + p * i * 5) % 97 +
                                (p / SIDE % 7 == i % 7 ? 150 : 0));
    }
    put_idx("img", IMAGES, SIDE, x, y);
}

static void put_model(void) {
    static char bytes[1 << 20];
    char        path[4096];
    snprintf(path, sizeof path, "%s/tests/data/fashion_resnet8.onnx",
             getenv("HAWQ_SOURCE"));
    FILE *f = fopen(path, "rb");
    if (!CHECK(f != NULL)) return;
    put_bytes(MODEL, bytes, fread(bytes, 1, sizeof bytes, f));
    fclose(f);
}

/* The number behind a JSON key, at its n-th place (from 0). */
static double number(const char *key, int n) {
    char        what[64];
    const char *at = program_out;
    snprintf(what, sizeof what, "\"%s\": ", key);
    for (at = strstr(at, what); at && n-- > 0;) at = strstr(at + 1, what);
    return at ? strtod(at + strlen(what), NULL) : NAN;
}

/* --- the sum, from the database ------------------------------------------- */

typedef struct sums {
    double                 loss, weight_bytes;
    hawq_allocation_record found;
    int                    n_tensors, mixed; /* groups of several weights */
} sums;

static double weights_loss(hawq_store *store, hawq_arena *arena,
                           const char *metric, const hawq_choice *choice) {
    hawq_sensitivity_record *row;
    hawq_interaction_record *pair;
    double                   sum = 0;
    int                      n, found = 0;
    CHECK_OK(
        hawq_store_load_sensitivity(store, ANALYSIS, metric, arena, &n, &row));
    for (int i = 0; i < n; i++) {
        if (choice[row[i].layer].weight_bits != row[i].bits) continue;
        sum += row[i].value;
        found++;
    }
    for (int l = 0; l < LAYERS; l++) found += choice[l].weight_bits == 32;
    CHECK(found == LAYERS);
    CHECK_OK(hawq_store_load_interactions(store, ANALYSIS, arena, &n, &pair));
    for (int i = 0; i < n && !strcmp(metric, "hybrid"); i++)
        if (choice[pair[i].layer_i].weight_bits == pair[i].bits_i &&
            choice[pair[i].layer_j].weight_bits == pair[i].bits_j)
            sum += pair[i].value;
    return sum;
}

/* Of the input: a layer in float32 reads what 8 bits leave. */
static int input_bits(const hawq_choice *c) {
    return c->activation_bits == 32 ? 8 : c->activation_bits;
}

/* The largest of the widths from `bits` up. */
static double used_rise(const hawq_activation_record *row, int bits) {
    double most = 0;
    for (int i = 0; i < row->n_rises; i++) {
        const hawq_rise *r = &row->rise[i];
        double u = r->value > 0 ? r->value : r->value + 1.96 * r->stderr1;
        if (r->bits >= bits) most = fmax(most, u);
    }
    return most;
}

static double tensors_loss(hawq_store *store, hawq_arena *arena,
                           const hawq_choice *choice, sums *out) {
    hawq_activation_record *row;
    double                  sum = 0;
    CHECK_OK(hawq_store_load_activations(store, ANALYSIS, arena,
                                         &out->n_tensors, &row));
    for (int t = 0; t < out->n_tensors; t++) {
        const hawq_choice *first = &choice[row[t].layer[0]];
        int                found = 0, mixed = 0;
        for (int i = 1; i < row[t].n_layers; i++) {
            const hawq_choice *other = &choice[row[t].layer[i]];
            CHECK(input_bits(other) == input_bits(first));
            mixed |= other->weight_bits != first->weight_bits;
        }
        for (int i = 0; i < row[t].n_rises; i++)
            found += row[t].rise[i].bits == input_bits(first);
        CHECK(found == 1);
        if (strcmp(row[t].tensor, "image") || first->activation_bits != 32)
            sum += used_rise(&row[t], input_bits(first));
        out->mixed += mixed;
    }
    return sum;
}

/* Of the newest allocation, by run ANALYSIS. */
static void add_up(const char *metric, sums *out) {
    hawq_store *store;
    hawq_arena  arena = {0};
    char        hash[HAWQ_HASH_TEXT];
    int64_t     id = 0;
    *out = (sums){.loss = NAN};
    if (!CHECK_OK(hawq_store_open("hawq.db", HAWQ_STORE_READ, &store))) return;
    hawq_run_record run;
    CHECK_OK(hawq_store_load_run(store, ANALYSIS, &arena, &run));
    snprintf(hash, sizeof hash, "%s", run.model_hash);
    CHECK_OK(hawq_store_find_allocation(store, hash, 0, &id));
    CHECK_OK(hawq_store_load_allocation(store, id, &arena, &out->found));
    const hawq_choice *choice = out->found.choice;
    CHECK(out->found.n_layers == LAYERS);
    out->loss = weights_loss(store, &arena, metric, choice) +
                tensors_loss(store, &arena, choice, out);
    CHECK(out->n_tensors == TENSORS);
    hawq_arena_free(&arena);
    hawq_store_close(store);
}

/* --- claims --------------------------------------------------------------- */

static void refused_until_measured(void) {
    program_says(JOINT "--metric trace --budget bops=0.5x", 1,
                 "no analysis with metric 'trace' has measured what 8,4-bit "
                 "activations cost, so the search would take them for free; "
                 "run hawq-analyze net.onnx --data idx:img --scale 0.004 "
                 "--range max --metric trace --activation-bits 8,4 first");
    program_step(JOINT "--metric trace --ignore-activation-loss --budget "
                       "bops=0.5x",
                 0);
    CHECK(strstr(program_err, "the predicted loss leaves out the error of "
                              "activations below 8 bits"));
    program_says("hawq-analyze " MODEL DATA "--activation-bits 8,3", 2,
                 "--activation-bits: 3; activations have 8, 4 or 2 bits");
}

static void refused_still(void) {
    program_says(JOINT "--metric sqnr --budget bops=0.5x", 2,
                 "cannot be added to 'sqnr'; choose a metric in units of the "
                 "loss");
    program_says(SEARCH "--bits w8a8,w4a2 --metric trace --budget bops=0.5x", 1,
                 "--activation-bits 8,2 first");
    program_says(JOINT "--metric trace --analysis 1 --budget bops=0.5x", 1,
                 "--activation-bits 8,4 first");
}

static void the_loss_is_the_sum(const char *metric, double budget, int *mixed) {
    char command[256];
    sums s;
    snprintf(command, sizeof command, JOINT "--metric %s --budget bops=%gx",
             metric, budget);
    if (!program_step(command, 0)) return;
    CHECK(number("analysis_run", 0) == ANALYSIS);
    add_up(metric, &s);
    CHECK_NEAR(number("objective", 0), s.loss, 1e-12);
    CHECK(number("used", 0) <= number("limit", 0));
    *mixed += s.mixed;
}

static void sums_and_groups(void) {
    static const double budget[] = {0.8, 0.5, 0.35, 0.25, 0.15};
    int                 mixed = 0;
    for (int i = 0; i < 5; i++) {
        the_loss_is_the_sum("measured", budget[i], &mixed);
        the_loss_is_the_sum("trace", budget[i], &mixed);
    }
    the_loss_is_the_sum("hybrid", 0.4, &mixed);
    CHECK(mixed > 0);
    CHECK(strstr(program_err,
                 "activations tied (all read the tensor 'layer2.0.relu.out'): "
                 "layer3.0.conv1, layer3.0.shortcut"));
    CHECK(strstr(program_err, "leaves out") == NULL);
}

/* Out and in again: a problem file, a map of bits, a pinned layer. */
static void the_same_loss_elsewhere(void) {
    char command[256];
    program_step(JOINT "--metric measured --budget bops=0.4x --export p.json "
                       "--explain layer3.0.shortcut",
                 0);
    double loss = number("objective", 0), used = number("bops", 0);
    double best[6];
    int    bits[6];
    for (int i = 0; i < 6; i++) { /* after those of the layers */
        bits[i] = (int)number("weight_bits", LAYERS + i);
        best[i] = number("best_loss", i);
    }
    program_step("hawq-search --problem p.json --format json", 0);
    CHECK_NEAR(number("objective", 0), loss, 1e-12);
    CHECK(number("used", 0) == used);
    program_step(SEARCH "--metric measured --score p.json", 0);
    CHECK_NEAR(number("objective", 0), loss, 1e-12);
    for (int width = 8; width >= 2; width /= 2) {
        double least = INFINITY;
        for (int i = 0; i < 6; i++)
            if (bits[i] == width) least = fmin(least, best[i]);
        snprintf(command, sizeof command,
                 JOINT "--metric measured --budget bops=0.4x --pin "
                       "layer3.0.shortcut=%d",
                 width);
        program_step(command, 0);
        CHECK_NEAR(number("objective", 0), least, 1e-12);
    }
}

/* Of two widths for one tensor the program takes the larger, and so does the
 * score, whichever reader has it. */
static void scored_at_the_largest_width(void) {
    static const char *const text[] = {
        "{\"layers\": [{\"name\": \"layer3.0.conv1\", \"weight_bits\": 8, "
        "\"activation_bits\": %d}, {\"name\": \"layer3.0.shortcut\", "
        "\"weight_bits\": 8, \"activation_bits\": %d}",
        ", {\"name\": \"%s\", \"weight_bits\": 8, \"activation_bits\": 8}"};
    static const char *const rest[] = {"conv1",          "layer1.0.conv1",
                                       "layer1.0.conv2", "layer2.0.conv1",
                                       "layer2.0.conv2", "layer2.0.shortcut",
                                       "layer3.0.conv2", "fc"};
    double                   loss[4];
    for (int k = 0; k < 4; k++) {
        char file[2048];
        int  n =
            snprintf(file, sizeof file, text[0], k & 1 ? 4 : 8, k & 2 ? 4 : 8);
        for (int i = 0; i < 8; i++)
            n += snprintf(file + n, sizeof file - (size_t)n, text[1], rest[i]);
        n += snprintf(file + n, sizeof file - (size_t)n, "]}");
        put_bytes("map.json", file, (size_t)n);
        program_step(SEARCH "--metric measured --score map.json", 0);
        loss[k] = number("objective", 0);
    }
    CHECK_NEAR(loss[1], loss[0], 1e-12);
    CHECK_NEAR(loss[2], loss[0], 1e-12);
    CHECK(fabs(loss[3] - loss[0]) > 1e-9);
}

/* Weights that follow the activations' width are tied as in HAWQ-V3; a layer
 * that is freed pays for the tensor itself. */
static void ties_by_hand(void) {
    program_step(SEARCH "--bits w8a8,w4a4 --metric measured --budget bops=0.5x",
                 0);
    sums s;
    add_up("measured", &s);
    CHECK(s.mixed == 0);
    CHECK_NEAR(number("objective", 0), s.loss, 1e-12);
    program_step(JOINT "--metric measured --budget bops=0.4x --group "
                       "layer3.0.conv1,layer3.0.shortcut,fc",
                 0);
    CHECK(strstr(program_err, "tied"));
    program_step(JOINT "--metric measured --budget bops=0.4x --ungroup "
                       "layer3.0.shortcut",
                 0);
    CHECK(!strstr(program_err, "layer3.0.conv1, layer3.0.shortcut"));
}

/* In float, the first reader of a tensor pays for it like any other, but for
 * the image. */
static void layers_in_float(void) {
    sums s;
    program_step(JOINT "--metric measured --budget bops=2x --pin "
                       "layer3.0.conv1=float",
                 0);
    CHECK(strstr(program_out, "\"weight_bits\": 32"));
    add_up("measured", &s);
    CHECK_NEAR(number("objective", 0), s.loss, 1e-12);
    program_step(JOINT "--metric measured --budget bops=2x --pin conv1=float",
                 0);
    CHECK(strstr(program_out, "\"weight_bits\": 32"));
    CHECK(!strstr(program_out, "tensor image")); /* 0 is not uncertain */
    CHECK(!strstr(program_err, "tensor image"));
    add_up("measured", &s);
    CHECK_NEAR(number("objective", 0), s.loss, 1e-12);
    program_step(SEARCH "--bits float --metric measured --budget bops=99x", 0);
    CHECK(number("objective", 0) == 0);
}

/* Bits that no search chose: those of a search with the image read by a layer
 * in float, from its file; and all in float. */
static void floats_benchmarked(void) {
    if (!program_built("hawq-bench")) return;
    program_step(JOINT "--metric measured --budget bops=2x --pin conv1=float",
                 0);
    double loss = number("objective", 0);
    put_bytes("map.json", program_out, strlen(program_out));
    program_step("hawq-bench " MODEL DATA "--allocation last --allocation "
                 "map.json --allocation w32a32 --repeats 3 --format json",
                 0);
    CHECK_NEAR(number("predicted_loss", 0), loss, 1e-12);
    CHECK_NEAR(number("predicted_loss", 1), loss, 1e-12);
    CHECK(number("predicted_loss", 2) == 0);
}

static void benchmarked(void) {
    if (!program_built("hawq-bench")) return;
    program_step(SEARCH "--bits w4a4 --metric measured --budget bops=1x", 0);
    double loss = number("objective", 0);
    program_step("hawq-bench " MODEL DATA "--allocation last --allocation w4a4 "
                 "--repeats 3 --verify 8 --format json",
                 0);
    CHECK(strstr(program_out, "\"activation_bits\": 4"));
    CHECK(strstr(program_out, "\"bit_exact\": true"));
    CHECK_NEAR(number("predicted_loss", 0), loss, 1e-12);
    CHECK(number("predicted_loss", 1) < loss); /* its picture has 8 bits */
}

/* Weights are quantized and activations are not: one layer at 2 bits among
 * float ones has the analysis' loss and the codes' bytes. */
static void weights_alone(void) {
    program_step(SEARCH "--weight-only --metric measured --bits 2,float "
                        "--budget weight-size=9x --pin *=float --pin conv1=2",
                 0);
    double loss = number("objective", 0), bytes = number("weight_bytes", 0);
    CHECK(strstr(program_out, "\"activation_bits\": 32"));
    CHECK(!strstr(program_out, "\"activation_bits\": 8"));
    if (!program_built("hawq-bench")) return;
    program_step("hawq-bench " MODEL DATA "--allocation last --repeats 3 "
                 "--format json",
                 0);
    CHECK(strstr(program_out, "\"bit_exact\": true"));
    CHECK(!strstr(program_out, "\"activation_bits\": 8"));
    CHECK_NEAR(number("predicted_loss", 0), loss, 1e-12);
    CHECK(number("weight_bytes", 0) == bytes);
    CHECK(number("output_mse", 0) > 0);
}

/* A reader of csv or tsv gets one table, and is told where the other one is. */
static void one_table_for_programs(const char *analyse, const char *format,
                                   char between) {
    char   command[512];
    size_t lines = 0, columns = 0;
    snprintf(command, sizeof command,
             "%s --activation-bits 4,8 --db other.db --format %s", analyse,
             format);
    if (!program_step(command, 0)) return;
    for (const char *at = program_out; *at; lines++) {
        size_t length = strcspn(at, "\n"), found = 0;
        for (size_t i = 0; i < length; i++) found += at[i] == between;
        if (lines == 0) columns = found;
        CHECK(found == columns);
        at += length + 1;
    }
    CHECK(lines == 1 + LAYERS);
    CHECK(strstr(program_err, "view activation_sensitivity") != NULL);
}

int main(void) {
    if (!program_open()) return 1;
    put_model();
    put_images();
    const char               *analyse =
        "hawq-analyze " MODEL DATA
        "--bits 8,4,2 --metric trace,measured,sqnr,hybrid -n 4 "
        "--batch-size 8 --images 20 --loss self-distillation --quiet --format "
        "json";
    char again[256];
    snprintf(again, sizeof again, "%s --activation-bits 4,8", analyse);
    if (program_built("hawq-analyze") && program_built("hawq-search") &&
        program_step(analyse, 0)) {
        CHECK(!strstr(program_out, "\"activations\""));
        refused_until_measured();
        if (program_step(again, 0)) {
            CHECK(strstr(program_out, "\"tensor\": \"image\""));
            refused_still();
            sums_and_groups();
            the_same_loss_elsewhere();
            scored_at_the_largest_width();
            ties_by_hand();
            layers_in_float();
            benchmarked();
            floats_benchmarked();
            weights_alone();
        }
        analyse = "hawq-analyze " MODEL DATA "--bits 8,4,2 -m sqnr --images 20";
        one_table_for_programs(analyse, "csv", ',');
        one_table_for_programs(analyse, "tsv", '\t');
        snprintf(again, sizeof again, "%s --activation-bits 4,8", analyse);
        program_says(again, 0, "with only this tensor rounded");
    }
    program_close();
    DONE();
}
