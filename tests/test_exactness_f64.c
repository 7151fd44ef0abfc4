/* test_exactness_f64.c -- the readings that test_exactness compares its own
 * with, in double. Claims of its own: every layer's readings are finite and
 * vary with the probe.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/exactness.h"

static double deviation(const exactness *e, int kind, int layer) {
    double mean = 0, squares = 0;
    for (int p = 0; p < PROBES; p++)
        mean += e->reading[kind][p][layer] / PROBES;
    for (int p = 0; p < PROBES; p++)
        squares += pow(e->reading[kind][p][layer] - mean, 2);
    return sqrt(squares / (PROBES - 1));
}

int main(void) {
    static exactness e;
    const char      *folder = check_data();
    char             path[4096];
    if (!folder) return 77;
    exactness_file(path);
    remove(path);
    FILE *f = fopen(path, "wb");
    for (int n = 0; f && n < NETWORKS; n++) {
        memset(&e, 0, sizeof e);
        if (!exact_compute(folder, exactness_network[n], true, &e)) break;
        for (int k = 0; k < KINDS; k++)
            for (int l = 0; l < e.layers; l++)
                CHECK(isfinite(deviation(&e, k, l)) && deviation(&e, k, l) > 0);
        CHECK(fwrite(&e, sizeof e, 1, f) == 1);
    }
    CHECK(f && fclose(f) == 0);
    if (check_failed) remove(path);
    DONE();
}
