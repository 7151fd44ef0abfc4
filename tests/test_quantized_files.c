/* test_quantized_files.c -- networks that other tools quantized.
 *
 * Claims: files of ONNX Runtime's tools (pairs, operators on integers, dynamic
 * ones; signed and unsigned; a scale for a tensor or for each channel; made by
 * tests/peers/make_quantized_fixtures.py) are read as the float network of
 * their weights: each of its four layers has its integers, what was rounded has
 * the file's map, and the integer program gives what ONNX Runtime gives, but
 * for a few units in the last place. So does a float16 network, whose Casts
 * stand behind their readers. What is cut is refused or read, never a fault.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/qdq.h"
#include "src/load/dataset.h"
#include "src/load/file.h"
#include "src/load/onnx.h"
#include "tests/deploying.h"

#include <stdlib.h>
#include <unistd.h>

/* A file, and what ONNX Runtime makes of inputs. */
typedef struct foreign {
    char         path[512];
    fixture      f;
    hawq_dataset data;
} foreign;

static bool open_foreign(foreign *o, const char *name) {
    hawq_graph *g = NULL;
    *o = (foreign){0};
    snprintf(o->path, sizeof o->path, "%s/tests/data/quantized/%s.npz",
             getenv("HAWQ_SOURCE"), name);
    if (!CHECK_OK(hawq_dataset_load(o->path, NULL, &o->data))) return false;
    snprintf(o->path, sizeof o->path, "%s/tests/data/quantized/%s.onnx",
             getenv("HAWQ_SOURCE"), name);
    if (!CHECK_OK(hawq_onnx_load(o->path, 1, &g))) return false;
    fixture_open(&o->f, g);
    for (size_t i = 0; i < IMAGES * o->f.n_in; i++)
        o->f.x[i] = (float)o->data.x[i];
    return CHECK(o->data.n == IMAGES && o->data.targets);
}

static void close_foreign(foreign *o) {
    fixture_close(&o->f);
    hawq_dataset_free(&o->data);
}

/* Largest and mean distance to ONNX Runtime's outputs, in 1/255 of their
 * range. */
static void distance(const foreign *o, const float *y, double *most,
                     double *mean) {
    size_t n = IMAGES * o->f.n_out;
    double low = INFINITY, high = -INFINITY;
    *most = *mean = 0;
    for (size_t i = 0; i < n; i++) {
        double t = (double)o->data.targets[i], d = fabs((double)y[i] - t);
        low = fmin(low, t);
        high = fmax(high, t);
        *most = fmax(*most, d);
        *mean += d / (double)n;
    }
    *most *= 255 / (high - low);
    *mean *= 255 / (high - low);
}

static void check_file(const char *name, int maps) {
    foreign       o;
    hawq_program *p = NULL;
    hawq_qdq      qdq;
    double        most, mean;
    if (!open_foreign(&o, name)) return;
    hawq_graph *g = o.f.graph;
    CHECK(hawq_qdq_is_quantized(g) && g->n_layers == 4);
    if (!CHECK_OK(hawq_qdq_restore(g, &o.f.arena, &qdq))) return;
    CHECK(qdq.n_layers == 4);
    if (!CHECK(qdq.n_maps >= maps && (maps || !qdq.n_maps)))
        printf("  %s: %d maps\n", name, qdq.n_maps);
    hawq_lower_options options = {.n_choices = g->n_layers,
                                  .choice = qdq.choice,
                                  .quantized = qdq.quantized,
                                  .map = qdq.map,
                                  .has_map = qdq.has_map};
    if (CHECK_OK(hawq_program_lower(g, &o.f.calibration, &options, &p))) {
        run(&o.f, p, "ref", o.f.output);
        distance(&o, o.f.output, &most, &mean);
        if (!CHECK(most <= 6 && mean <= 1))
            printf("  %s: %.2f units apart, mean %.2f\n", name, most, mean);
    }
    hawq_program_free(p);
    close_foreign(&o);
}

static void all_kinds_are_read(void) {
    check_file("qdq_u8s8", 8);
    check_file("qdq_s8s8_channels", 8);
    check_file("qdq_u8u8", 8);
    check_file("operators_u8s8_channels", 8);
    check_file("operators_u8u8", 8);
    check_file("dynamic_s8_channels", 0);
    check_file("dynamic_u8", 0);
}

/* Its outputs differ by what float16 rounds. */
static void half_networks_are_read(void) {
    foreign      o;
    hawq_engine *engine = NULL;
    double       most, mean;
    if (!open_foreign(&o, "half")) return;
    CHECK(!hawq_qdq_is_quantized(o.f.graph) && o.f.graph->n_layers == 4);
    hawq_batch batch = {IMAGES, o.f.x, NULL, NULL};
    CHECK_OK(hawq_engine_new(o.f.graph, o.f.threads, 1, HAWQ_CROSS_ENTROPY,
                             &engine));
    hawq_engine_forward(engine, &batch, o.f.output, NULL, NULL);
    distance(&o, o.f.output, &most, &mean);
    CHECK(most < 0.5);
    hawq_engine_free(engine);
    close_foreign(&o);
}

/* Every byte of a file of integer operators turned over, one at a time. */
static void faults_are_refused_or_read(void) {
    char     name[512], path[256];
    uint8_t *bytes = NULL;
    size_t   n = 0;
    snprintf(name, sizeof name, "%s/tests/data/quantized/%s.onnx",
             getenv("HAWQ_SOURCE"), "operators_u8u8");
    snprintf(path, sizeof path, "/tmp/hawq_files_%d.onnx", (int)getpid());
    FILE *file = fopen(name, "rb");
    if (!CHECK(file)) return;
    bytes = malloc(1 << 16);
    if (CHECK(bytes)) n = fread(bytes, 1, 1 << 16, file);
    fclose(file);
    CHECK(n > 1000);
    for (size_t i = 0; i < n; i += 11) {
        hawq_graph *g = NULL;
        bytes[i] ^= 0x05;
        CHECK_OK(hawq_file_write(path, bytes, n));
        if (hawq_onnx_load(path, 1, &g) == HAWQ_OK) hawq_graph_free(g);
        bytes[i] ^= 0x05;
    }
    remove(path);
    free(bytes);
}

int main(void) {
    all_kinds_are_read();
    half_networks_are_read();
    faults_are_refused_or_read();
    DONE();
}
