/* test_candidates.c -- from candidates by name to an allocation that says them,
 * on the shipped network: analysed, searched, exported and scored by the
 * programs.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/store.h"
#include "src/quant/quantized.h"
#include "tests/shipped.h"

enum { IMAGES = 128, LAYERS = SHIPPED_LAYERS };

#define ANALYZE                                                                \
    "hawq-analyze net.onnx --data idx:img --scale 0.004 --images 32 "          \
    "--seed 3 "
#define SEARCH "hawq-search net.onnx "

/* --- analysis ------------------------------------------------------------- */

static void keys_are_widths_or_names(void) {
    program_step(ANALYZE "--bits 8,4 --metric measured --format json --db b.db",
                 0);
    CHECK(count(program_out, "\"measured\": {") == 2 * LAYERS);
    CHECK(count(program_out, "\"8\": ") == 2 * LAYERS);
    CHECK(count(program_out, "\"4\": ") == 2 * LAYERS);
    program_step(ANALYZE "--bits 8,4 --range mse --metric measured --format "
                         "json --db b.db",
                 0);
    CHECK(strstr(program_out, "\"w4:mse\"") != NULL);
    CHECK(count(program_out, "\"4\": ") == 2 * LAYERS);
    program_step(ANALYZE "--candidates w8,w4:gptq,t,k3+1% --metric "
                         "measured,quadratic,cross --format json --quiet",
                 0);
    CHECK(count(program_out, "\"8\": ") >= 2 * 3 * LAYERS);
    CHECK(count(program_out, "\"w4:gptq\": ") >= 2 * 3 * LAYERS);
    CHECK(count(program_out, "\"k3+1%\": ") >= 2 * 3 * LAYERS);
}

static void what_cannot_be_is_refused(void) {
    program_says(ANALYZE "--bits 8 --candidates w4", 2, "give one of them");
    program_says(ANALYZE "--candidates w4,w4", 2, "'w4' is given twice");
    program_says(ANALYZE "--candidates w4:gptx", 2,
                 "--candidates: 'gptx' is not a method");
    program_says(ANALYZE "--candidates float", 2, "float needs no analysis");
    program_says(ANALYZE "--candidates w8,w4:gptq --metric trace -n 4 --db "
                         "t.db",
                 0, "rises while the loss falls");
    program_says(SEARCH "--db t.db --metric trace --budget weight-size=1x", 0,
                 "1 candidates of run 1 are left out");
    program_says(SEARCH "--db t.db --metric trace --budget weight-size=1x "
                        "--bits w4:gptq",
                 2, "has no sensitivities at w4:gptq");
}

/* The codes that were measured are in the database, and they are whole. */
static void codes_are_kept(void) {
    hawq_store            *store;
    hawq_arena             arena = {0};
    hawq_quantized_record *row;
    int                    n, coded = 0, better = 0;
    if (!CHECK_OK(hawq_store_open("hawq.db", HAWQ_STORE_READ, &store))) return;
    for (int l = 0; l < LAYERS; l++) {
        hawq_layer_record *layer;
        int                layers;
        CHECK_OK(hawq_store_load_layers(store, 1, &arena, &layers, &layer));
        CHECK_OK(hawq_store_load_quantized(store, 1, 0, l, &arena, &n, &row));
        CHECK(n == 4);
        for (int i = 0; i < n; i++) {
            hawq_quantized q;
            size_t         rows = (size_t)layer[l].channels;
            size_t         cols = (size_t)layer[l].params / rows;
            coded += row[i].codes != NULL;
            if (strcmp(row[i].candidate, "w4:gptq") != 0) continue;
            better += row[i].error_after < row[i].error_before;
            if (CHECK_OK(hawq_quantized_load(row[i].codes, row[i].n_codes, rows,
                                             cols, &arena, &q)))
                CHECK(hawq_quantized_bytes(&q) == row[i].bytes);
        }
    }
    CHECK(coded == LAYERS); /* of the one method that looks at data */
    CHECK(better >= LAYERS - 1);
    hawq_store_close(store);
    hawq_arena_free(&arena);
}

/* --- search --------------------------------------------------------------- */

static void allocations_say_candidates(void) {
    program_step(SEARCH "--budget weight-size=0.4x --format json", 0);
    CHECK(count(program_out, "\"candidate\": \"") >= LAYERS);
    CHECK(number("weight_bytes") < 0.4 * 78000);
    program_step(SEARCH "--budget weight-size=0.4x --format tsv", 0);
    CHECK(count(program_out, "\tcandidate\n") == 1);
    program_step(SEARCH "--budget weight-size=9x --bits t --format tsv", 0);
    CHECK(count(program_out, "\tt\n") == LAYERS);
    program_step(SEARCH "--budget weight-size=9x --bits 4 --format tsv", 0);
    CHECK(count(program_out, "\tw4:gptq\n") == LAYERS);
    program_step(SEARCH "--budget weight-size=9x --bits w4 --format tsv", 0);
    CHECK(count(program_out, "\tw4:gptq\n") == LAYERS);
    program_step(SEARCH "--budget weight-size=9x --bits w3a8 --format tsv", 0);
    CHECK(count(program_out, "\tk3+1%\n") == LAYERS);
    program_says(SEARCH "--budget weight-size=9x --bits w5", 2,
                 "no sensitivities at w5, only at w8, w4:gptq, k3+1%, t");
    program_step(SEARCH "--budget mean-bits=1.6bits --format json", 0);
    CHECK(count(program_out, "\"candidate\": \"t\"") >= LAYERS);
}

static void pins_and_explanations(void) {
    program_step(SEARCH "--budget weight-size=0.4x --pin conv1=k3+1% --pin "
                        "fc=8 --format tsv",
                 0);
    const char *conv1 = strstr(program_out, "conv1\t");
    const char *fc = strstr(program_out, "\nfc\t");
    CHECK(conv1 && fc);
    if (conv1) CHECK(!strncmp(strchr(conv1, '\n') - 5, "k3+1%", 5));
    if (fc) CHECK(!strncmp(strchr(fc + 1, '\n') - 2, "w8", 2));
    program_says(SEARCH "--budget weight-size=0.4x --pin conv1=w2c", 2,
                 "pin conv1=w2c: the layer has no such candidate");
    program_step(SEARCH "--budget weight-size=0.4x --explain fc --format tsv",
                 0);
    CHECK(count(program_out, "\n") == 5);
    CHECK(strstr(program_out, "\tw4:gptq\n") != NULL);
}

/* What is exported comes back as the same allocation of the same loss. */
static void exports_and_scores(void) {
    program_step(SEARCH "--budget weight-size=0.4x --export out.json --format "
                        "json",
                 0);
    double loss = number("objective"), bytes = number("weight_bytes");
    int    names = count(program_out, "\"candidate\": \"w4:gptq\"");
    program_step(SEARCH "--score out.json --format json", 0);
    CHECK(number("objective") == loss && number("weight_bytes") == bytes);
    CHECK(count(program_out, "\"candidate\": \"w4:gptq\"") == names);
    program_step("hawq-search --problem out.json --format json", 0);
    CHECK(fabs(number("objective") - loss) <= 1e-12 * fabs(loss) + 1e-15);
    program_step(SEARCH "--pareto weight-size --format json", 0);
    CHECK(strstr(program_out, "\"candidates\": [") != NULL);
    program_step(SEARCH "--metric cross --budget weight-size=0.4x --format "
                        "json",
                 0);
    CHECK(strstr(program_out, "\"state\": \"optimal\"") != NULL);
}

int main(void) {
    if (!program_open()) return 1;
    put_shipped_images(IMAGES);
    if (put_shipped_network() && program_built("hawq-analyze") &&
        program_built("hawq-search")) {
        keys_are_widths_or_names();
        what_cannot_be_is_refused();
        codes_are_kept();
        allocations_say_candidates();
        pins_and_explanations();
        exports_and_scores();
    }
    program_close();
    DONE();
}
