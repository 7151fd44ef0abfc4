/* test_quantize_cli.c -- hawq-quantize from outside.
 *
 * Claims: refinement brings the outputs nearer to the float network's on images
 * it has not seen; the codes do not depend on the number of threads; hawq-bench
 * runs the very codes that were kept, with as many bytes, and so does the ONNX
 * file read back; of several allocations the nearest becomes the last; what
 * cannot be quantized is refused.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/shipped.h"

enum { IMAGES = 60 };
#define DATA "net.onnx --data idx:img --scale 0.004 --quiet "

/* --- claims --------------------------------------------------------------- */

static void refinement_helps_and_ignores_threads(void) {
    double kl[2];
    for (int i = 0; i < 2; i++) {
        program_step(i ? "hawq-quantize " DATA "-a w2c --refine --format json "
                         "--threads 3 --db b.db"
                       : "hawq-quantize " DATA "-a w2c --refine --format json "
                         "--threads 1 --db a.db",
                     0);
        kl[i] = number("kl_refined");
        CHECK(kl[i] > 0 && kl[i] < 0.5 * number("kl_alone"));
    }
    CHECK(kl[0] == kl[1]);
}

static void what_is_kept_runs(void) {
    program_step("hawq-quantize " DATA "-a w3 --refine --format json --output "
                 "q.onnx --db c.db",
                 0);
    double bytes = number("weight_bytes");
    CHECK(bytes > 29000 && bytes < 31500);
    program_step("hawq-bench " DATA
                 "--calibration-limit 30 -a last --repeats 3 "
                 "--format json --outputs one.npy --db c.db",
                 0);
    CHECK(number("weight_bytes") == bytes);
    CHECK(strstr(program_out, "\"bit_exact\": true") != NULL);
    program_step("hawq-bench q.onnx --data idx:img --scale 0.004 --quiet "
                 "--repeats 3 --format json --outputs two.npy --db d.db",
                 0);
    CHECK(same_outputs("one.npy", "two.npy", (size_t)IMAGES * 10));
}

/* Mean bits are those that are stored, of search and benchmark alike; no
 * analysis, yet a time for every format that was measured. */
static void bits_are_those_stored(void) {
    program_step("hawq-bench " DATA "-a t --repeats 3 --format json --db g.db",
                 0);
    CHECK(fabs(number("mean_bits") - 1.6) < 1e-9);
    program_step("hawq-bench " DATA "-a t --repeats 3 --format json --db g.db",
                 0);
    CHECK(number("predicted_latency_us") > 0);
}

static void the_nearest_is_last(void) {
    program_step("hawq-quantize " DATA "-a w2c -a w8 -a t --format json --db "
                 "e.db",
                 0);
    double best = number("best");
    CHECK(best == 3); /* numbered behind the others */
    program_step("hawq-bench " DATA "-a last --repeats 3 --format json --db "
                 "e.db",
                 0);
    CHECK(number("weight_bytes") > 75000); /* w8 */
}

static void what_cannot_be_is_refused(void) {
    program_says("hawq-quantize " DATA "-a float32 --db f.db", 2,
                 "has nothing to quantize");
    program_says("hawq-quantize " DATA "-a w4 --emit-name kws --db f.db", 2,
                 "--emit-name is of the files of --emit-c");
    program_says("hawq-quantize " DATA "-a w4 --emit-c c --emit-name k-w "
                 "--db f.db",
                 2, "'k-w' is no name for C source");
    program_step("hawq-quantize " DATA "-a w4 --emit-c c --emit-name kws "
                 "--db g.db",
                 0);
    CHECK(access("c/kws_check.c", F_OK) == 0 && access("c/net.c", F_OK) != 0);
    CHECK(system("rm -r c") == 0);
    program_says("hawq-quantize " DATA "-a last --db f.db", 2,
                 "holds no such allocation");
    program_says("hawq-quantize " DATA "-a w4 --limit 1 --db f.db", 2,
                 "at least 2 are needed");
    program_says("hawq-quantize " DATA "-a w4:best --db f.db", 2,
                 "not a method");
    program_says("hawq-bench " DATA "-a w4:coordinate --db f.db", 2,
                 "quantize first: hawq-quantize");
}

int main(void) {
    if (!CHECK(program_open())) DONE();
    if (program_built("hawq-quantize") && put_shipped_network()) {
        put_shipped_images(IMAGES);
        refinement_helps_and_ignores_threads();
        what_is_kept_runs();
        the_nearest_is_last();
        bits_are_those_stored();
        what_cannot_be_is_refused();
    }
    program_close();
    DONE();
}
