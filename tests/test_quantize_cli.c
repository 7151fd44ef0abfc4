/* test_quantize_cli.c -- hawq-quantize from outside.
 *
 * Claims: refinement brings the outputs nearer to the float network's on images
 * it has not seen; the codes do not depend on the number of threads; hawq-bench
 * runs the very codes that were kept, with as many bytes, and so does the ONNX
 * file read back; of several allocations the nearest becomes the last; what
 * cannot be quantized is refused.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/check.h"
#include "tests/images.h"
#include "tests/program.h"

#include <math.h>

enum { SIDE = 28, IMAGES = 60 };
#define DATA "net.onnx --data idx:img --scale 0.004 --quiet "

static void put_data(void) {
    static unsigned char x[16 + IMAGES * SIDE * SIDE], y[8 + IMAGES];
    for (int i = 0; i < IMAGES; i++) {
        y[8 + i] = (unsigned char)(i % 10);
        for (int p = 0; p < SIDE * SIDE; p++)
            x[16 + i * SIDE * SIDE + p] = striped_pixel(i, p, SIDE, i % 10);
    }
    put_idx("img", IMAGES, SIDE, x, y);
}

static bool put_network(void) {
    static char text[1 << 20];
    char        name[4096];
    const char *source = getenv("HAWQ_SOURCE");
    snprintf(name, sizeof name, "%s/tests/data/fashion_resnet8.onnx",
             source ? source : ".");
    FILE *f = fopen(name, "rb");
    if (!CHECK(f != NULL)) return false;
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    put_bytes("net.onnx", text, n);
    return true;
}

static double number(const char *key) {
    char what[64];
    snprintf(what, sizeof what, "\"%s\": ", key);
    const char *at = strstr(program_out, what);
    return at ? strtod(at + strlen(what), NULL) : NAN;
}

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

/* Bytes of the file `name`, at most `most`. */
static size_t read_file(const char *name, char *text, size_t most) {
    FILE  *f = fopen(name, "rb");
    size_t n = f ? fread(text, 1, most, f) : 0;
    if (f) fclose(f);
    return n;
}

static void what_is_kept_runs(void) {
    static char one[1 << 16], two[1 << 16];
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
    size_t n = read_file("one.npy", one, sizeof one);
    CHECK(n > (size_t)IMAGES * 10 * sizeof(float));
    CHECK(read_file("two.npy", two, sizeof two) == n);
    CHECK(memcmp(one, two, n) == 0);
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
    if (program_built("hawq-quantize") && put_network()) {
        put_data();
        refinement_helps_and_ignores_threads();
        what_is_kept_runs();
        the_nearest_is_last();
        what_cannot_be_is_refused();
    }
    program_close();
    DONE();
}
