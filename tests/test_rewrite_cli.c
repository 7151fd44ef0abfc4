/* test_rewrite_cli.c -- --rewrite and the method kron, from outside.
 *
 * Claims: an analysis, a search, a quantization and a benchmark of a rewritten
 * network go together: the benchmark runs the network that was quantized, and
 * needs no word on the command line for it; the database keeps the hash of the
 * file; what does not go together is refused. `kron` is a candidate of the
 * analysis and an allocation by name, the same for any number of threads.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/store.h"
#include "tests/shipped.h"

#define DATA "net.onnx --data idx:img --scale 0.004 "
#define SELF "--loss self-distillation --images 32 --quiet "

/* What is rewritten and rounded to 8 bits is the float network still: by the
 * float simulation that chose it, and by the integer program. */
static void the_benchmark_runs_what_was_quantized(const char *how) {
    char command[512];
    snprintf(command, sizeof command,
             "hawq-quantize " DATA "-a w8 --rewrite %s --format json --db q.db",
             how);
    program_step(command, 0);
    CHECK(number("kl_alone") < 1e-3 && number("agreement_alone") > 0.96);
    CHECK(strstr(program_err, "scales of "));
    program_step("hawq-bench " DATA "-a last --repeats 3 --format json --quiet "
                 "--db q.db",
                 0);
    CHECK(number("agreement") > 0.96);
    CHECK(strstr(program_out, "\"bit_exact\": true"));
    unlink("q.db");
}

/* run 1: as it is, run 2: rewritten. */
static void the_database_knows(void) {
    hawq_store     *store;
    hawq_arena      arena = {0};
    hawq_run_record plain, moved, found;
    program_step("hawq-analyze " DATA SELF "--candidates w8,w4,k3", 0);
    program_step("hawq-analyze " DATA SELF
                 "--candidates w8,w4,k3 --rewrite smooth:0.4",
                 0);
    program_step("hawq-search net.onnx --budget weight-size=0.5x --format json",
                 0);
    CHECK(strstr(program_out, "\"rewrite\": \"smooth:0.4\""));
    CHECK(strstr(program_err, "run 1 (rewrite none)"));
    if (!CHECK_OK(hawq_store_open("hawq.db", HAWQ_STORE_READ, &store))) return;
    CHECK_OK(hawq_store_load_run(store, 1, &arena, &plain));
    CHECK_OK(hawq_store_load_run(store, 2, &arena, &moved));
    CHECK_OK(hawq_store_load_run(store, 3, &arena, &found));
    CHECK(!strcmp(plain.model_hash, moved.model_hash));
    CHECK(!*plain.rewrite && !plain.n_rewrite_factors);
    CHECK(!strcmp(moved.rewrite, "smooth:0.4") && moved.n_rewrite_factors > 8);
    CHECK(found.n_rewrite_factors == moved.n_rewrite_factors &&
          !memcmp(found.rewrite_factors, moved.rewrite_factors,
                  moved.n_rewrite_factors * sizeof(double)));
    hawq_store_close(store);
    hawq_arena_free(&arena);
}

/* The allocation of the rewritten analysis, and one of the other. */
static void what_goes_together(void) {
    program_step("hawq-quantize " DATA "-a last --refine --format json", 0);
    double kl = number("kl_refined"), agreement = number("agreement_refined");
    CHECK(kl > 0 && kl < 0.1);
    program_step("hawq-bench " DATA "-a last --repeats 3 --format json --quiet",
                 0);
    CHECK(fabs(number("agreement") - agreement) < 0.1);
    program_step("hawq-search net.onnx --budget weight-size=0.5x --analysis 1 "
                 "--quiet",
                 0);
    program_says("hawq-quantize " DATA "-a last -a 1", 2,
                 "cannot be compared in one run");
    program_says("hawq-quantize " DATA "-a last --rewrite equalize", 2,
                 "of the network as it is; give hawq-analyze that --rewrite");
    program_says("hawq-bench " DATA "-a last -a 1 --repeats 3", 2,
                 "(the network as it is, smooth:0.4)");
    program_says("hawq-analyze " DATA SELF "--rewrite smoothly", 2,
                 "--rewrite: 'smoothly' is no rewrite");
}

/* Codes by the loss's own curvature, from the analysis as from the name. */
static void kron_is_a_candidate(void) {
    double kl[2];
    for (int i = 0; i < 2; i++) {
        program_step(i ? "hawq-quantize " DATA "-a w2c:kron --format json "
                         "--threads 3 --db k.db"
                       : "hawq-quantize " DATA "-a w2c:kron --format json "
                         "--threads 1 --db k.db",
                     0);
        kl[i] = number("kl_alone");
        CHECK(kl[i] > 0 && kl[i] < 1);
    }
    CHECK(kl[0] == kl[1]);
    program_step("hawq-analyze " DATA SELF
                 "--candidates w2c:kron,w2c --format json --db k.db",
                 0);
    CHECK(count(program_out, "\"w2c:kron\": ") >= SHIPPED_LAYERS);
    program_step("hawq-search net.onnx --bits w2c:kron --budget "
                 "weight-size=1x --format tsv --db k.db",
                 0);
    CHECK(count(program_out, "\tw2c:kron\n") == SHIPPED_LAYERS);
    program_step("hawq-bench " DATA "-a last --repeats 3 --format json --quiet "
                 "--db k.db",
                 0);
    CHECK(number("agreement") > 0.3);
}

int main(void) {
    if (!program_open()) return 1;
    put_shipped_images(64);
    if (put_shipped_network() && program_built("hawq-analyze") &&
        program_built("hawq-search") && program_built("hawq-quantize") &&
        program_built("hawq-bench")) {
        the_benchmark_runs_what_was_quantized("equalize");
        the_benchmark_runs_what_was_quantized("smooth:0.5");
        the_benchmark_runs_what_was_quantized("awq");
        the_database_knows();
        what_goes_together();
        kron_is_a_candidate();
    }
    program_close();
    DONE();
}
