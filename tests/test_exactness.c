/* test_exactness.c -- in float, what is read of every layer's curvature differs
 * from double by less than a ten-thousandth of its own standard deviation over
 * probes: Hessian and Gauss-Newton products, and the cheaper readings.
 *
 * The readings in double are those of test_exactness_f64, which runs before.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/exactness.h"

static const double tolerance = 1e-4; /* of the standard deviation */

/* The root of the mean square of float minus double, by the deviation. */
static double error(const exactness *want, const exactness *got, int kind,
                    int layer) {
    double mean = 0, variance = 0, squares = 0;
    for (int p = 0; p < PROBES; p++)
        mean += want->reading[kind][p][layer] / PROBES;
    for (int p = 0; p < PROBES; p++) {
        double x = want->reading[kind][p][layer];
        variance += pow(x - mean, 2) / (PROBES - 1);
        squares += pow(got->reading[kind][p][layer] - x, 2) / PROBES;
    }
    return sqrt(squares / variance);
}

static void compare(const char *network, const exactness *want,
                    const exactness *got) {
    for (int k = 0; k < KINDS; k++) {
        double worst = 0;
        int    where = 0;
        for (int l = 0; l < want->layers; l++) {
            double e = error(want, got, k, l);
            CHECK_NEAR(e, 0, tolerance);
            if (!(e <= worst)) worst = e, where = l;
        }
        printf("%s %-8s worst error %.1e of its deviation (%s)\n", network,
               exactness_kind[k], worst, want->name[where]);
    }
}

int main(void) {
    static exactness want, got;
    const char      *folder = check_data();
    char             path[4096];
    if (!folder) return 77;
    exactness_file(path);
    FILE *f = fopen(path, "rb");
    if (!f) {
        printf("skipped: %s is written by test_exactness_f64\n", path);
        return 77;
    }
    for (int n = 0; n < NETWORKS; n++) {
        if (!CHECK(fread(&want, sizeof want, 1, f) == 1)) break;
        memcpy(got.scale, want.scale, sizeof got.scale);
        if (!exact_compute(folder, exactness_network[n], false, &got)) break;
        compare(exactness_network[n], &want, &got);
    }
    fclose(f);
    DONE();
}
