/* shipped.h -- the shipped network and small images for it, in the current
 * folder, and what tests read of the JSON that programs print.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_SHIPPED_H
#define HAWQ_TESTS_SHIPPED_H
#include "tests/images.h"
#include "tests/program.h"

#include <math.h>

enum { SHIPPED_SIDE = 28, SHIPPED_LAYERS = 10, SHIPPED_MOST = 256 };

/* img: n images of ten classes, for --data idx:img. */
static inline void put_shipped_images(int n) {
    enum { SIDE = SHIPPED_SIDE };
    static unsigned char x[16 + SHIPPED_MOST * SIDE * SIDE];
    static unsigned char y[8 + SHIPPED_MOST];
    for (int i = 0; i < n; i++) {
        y[8 + i] = (unsigned char)(i % 10);
        for (int p = 0; p < SIDE * SIDE; p++)
            x[16 + i * SIDE * SIDE + p] = striped_pixel(i, p, SIDE, i % 10);
    }
    put_idx("img", n, SIDE, x, y);
}

/* net.onnx */
static inline bool put_shipped_network(void) {
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

/* How often `what` stands in the text. */
static inline int count(const char *text, const char *what) {
    int n = 0;
    for (; (text = strstr(text, what)); text += strlen(what)) n++;
    return n;
}

/* The number behind a key's first place in program_out; NaN without. */
static inline double number(const char *key) {
    char what[64];
    snprintf(what, sizeof what, "\"%s\": ", key);
    const char *at = strstr(program_out, what);
    return at ? strtod(at + strlen(what), NULL) : NAN;
}

#endif
