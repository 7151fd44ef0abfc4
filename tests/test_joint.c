/* test_joint.c -- whether losses add up, from outside: hawq-search --data.
 *
 * Claims: the allocation found is measured with all its layers quantized,
 * beside others below its budget; what is kept has the least divergence, is
 * within the budget, and is the database's newest; without data a note says
 * that nothing was measured; the numbers do not depend on the number of
 * threads.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/store.h"
#include "tests/shipped.h"

#define SEARCH "hawq-search net.onnx "
#define DATA "--data idx:img --scale 0.004 "

/* Numbers of the key in the array "measured", at most 8. */
static int measured(const char *key, double *out) {
    char        what[64];
    int         n = 0;
    const char *at = strstr(program_out, "\"measured\": [");
    const char *end = at ? strchr(at, ']') : NULL;
    snprintf(what, sizeof what, "\"%s\": ", key);
    while (end && n < 8 && (at = strstr(at, what)) && at < end) {
        at += strlen(what);
        out[n++] = strtod(at, NULL);
    }
    return n;
}

static void the_best_is_kept(void) {
    double kl[8], bytes[8], predicted[8];
    program_step(SEARCH DATA "--budget weight-size=0.3x --format json", 0);
    int n = measured("kl", kl);
    CHECK(n >= 3 && measured("weight_bytes", bytes) == n &&
          measured("predicted", predicted) == n);
    CHECK(number("check_images") == 64);
    CHECK(count(program_out, "\"kept\": \"yes\"") == 1);
    int best = 0;
    for (int i = 0; i < n; i++) {
        if (kl[i] < kl[best]) best = i;
        CHECK(kl[i] > 0);
        CHECK(bytes[i] <= bytes[0] && predicted[i] >= predicted[0]);
    }
    CHECK(number("objective") == predicted[best]);
    CHECK(number("weight_bytes") == bytes[best]);

    hawq_store            *store;
    hawq_arena             arena = {0};
    hawq_allocation_record row;
    if (!CHECK_OK(hawq_store_open("hawq.db", HAWQ_STORE_READ, &store))) return;
    CHECK_OK(hawq_store_load_allocation(store, n, &arena, &row));
    CHECK(row.kl == kl[best] && row.check_images == 64);
    CHECK(row.agreement > 0 && row.agreement <= 1);
    CHECK((double)row.weight_bytes == bytes[best]);
    hawq_store_close(store);
    hawq_arena_free(&arena);
}

static void threads_do_not_matter(void) {
    double one[8], three[8];
    program_step(SEARCH DATA "--budget weight-size=0.3x --format json "
                             "--threads 1",
                 0);
    int n = measured("kl", one);
    program_step(SEARCH DATA "--budget weight-size=0.3x --format json "
                             "--threads 3",
                 0);
    CHECK(measured("kl", three) == n);
    CHECK(!memcmp(one, three, (size_t)n * sizeof *one));
}

static void where_none_is_measured_a_note_says_so(void) {
    program_says(SEARCH "--budget weight-size=0.3x", 0,
                 "was not measured with all of them quantized: --data SPEC");
    program_step(SEARCH DATA "--budget weight-size=0.3x", 0);
    CHECK(!strstr(program_err, "was not measured"));
    CHECK(strstr(program_out, "all layers quantized together, on 64 images"));
    program_says(SEARCH DATA "--pareto weight-size", 2, "leave out --pareto");
    program_says(SEARCH "--budget weight-size=0.3x --data idx:none", 1,
                 "none-images");
}

static void a_score_is_measured(void) {
    double kl[8];
    program_step(SEARCH "--budget weight-size=0.3x --export out.json", 0);
    program_step(SEARCH DATA "--score out.json --format json", 0);
    CHECK(measured("kl", kl) == 1 && kl[0] > 0);
}

int main(void) {
    if (!program_open()) return 1;
    put_shipped_images(128);
    if (put_shipped_network() && program_built("hawq-analyze") &&
        program_built("hawq-search")) {
        program_step("hawq-analyze net.onnx " DATA "--images 32 --loss "
                     "self-distillation --quiet --candidates "
                     "w8,w6,w4:coordinate,k3,w2c:coordinate",
                     0);
        the_best_is_kept();
        threads_do_not_matter();
        where_none_is_measured_a_note_says_so();
        a_score_is_measured();
    }
    program_close();
    DONE();
}
