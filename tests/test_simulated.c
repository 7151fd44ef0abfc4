/* test_simulated.c -- the float network, its weights replaced and its
 * activations rounded by the program's own maps, is the integer program.
 *
 * Claim: on a real network, for formats of every kind, that simulation gives
 * the program's classes, but for one image of noise at most, and lies much
 * nearer to its outputs than the float network does. How far apart the two
 * are is counted by the rows and classes of scores.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/onnx.h"
#include "src/quant/refine.h"
#include "src/quant/twin.h"
#include "tests/deploying.h"

/* --- a real network --------------------------------------------------------
 */

static void round_by(const void *self, real *x, size_t n) {
    hawq_affine_round(self, x, n);
}

typedef struct outputs {
    const hawq_tensor *of;
    float             *at;
} outputs;

static void keep(void *self, const hawq_chunk *chunk) {
    const outputs *o = self;
    memcpy(o->at + chunk->first * o->of->n, chunk->quantized->val[o->of->id],
           chunk->n * o->of->n * sizeof *o->at);
}

/* The float network with these weights, and activations on the program's
 * maps. */
static void simulate(const fixture *f, const hawq_program *p,
                     const hawq_quantized *q, float *out) {
    hawq_twin     *twin = NULL;
    hawq_rounding *rounding =
        calloc((size_t)f->graph->n_tensors, sizeof *rounding);
    outputs      o = {f->graph->output, out};
    hawq_visitor v = {.work = keep, .self = &o, .quantized_only = true};
    if (!CHECK_OK(hawq_twin_new(f->graph, f->threads, &twin))) return;
    for (int l = 0; l < f->graph->n_layers; l++)
        CHECK_OK(hawq_twin_put(twin, l, &q[l]));
    for (int i = 0; i < f->graph->n_tensors; i++)
        if (p->has_map[i]) rounding[i] = (hawq_rounding){round_by, &p->map[i]};
    hawq_twin_round(twin, rounding);
    hawq_twin_visit(twin, IMAGES, f->x, -1, &v);
    hawq_twin_free(twin);
    free(rounding);
}

static size_t largest(const float *y, size_t n) {
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        if (y[i] > y[at]) at = i;
    return at;
}

/* What is left are values that lie half-way between two of a map, which the
 * integers' rounding of biases and sums turns the other way: on images of
 * noise, which the network is not sure of, the next layers make more of them.
 */
static void simulation_agrees(void) {
    static const char *const tried[] = {"w8",      "w4c", "k3+0.5%",
                                        "w4g32a4", "t",   "f16"};
    char                     path[4096];
    const char              *source = getenv("HAWQ_SOURCE");
    hawq_graph              *g = NULL;
    fixture                  f;
    snprintf(path, sizeof path, "%s/tests/data/fashion_resnet8.onnx",
             source ? source : ".");
    if (!CHECK_OK(hawq_onnx_load(path, 1, &g))) return;
    hawq_graph_take_logits(g);
    fixture_open(&f, g);
    size_t n = IMAGES * f.n_out;
    float *floats = hawq_arena_take(&f.arena, n, sizeof *floats);
    memcpy(floats, f.float_output, n * sizeof *floats);
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        hawq_quantized *q;
        hawq_program   *p = NULL;
        size_t          same = 0;
        if (!CHECK_OK(lower_candidate(&f, tried[i], false, &q, &p))) continue;
        run(&f, p, NULL, f.output);
        memcpy(f.float_output, floats, n * sizeof *floats);
        double to_float = deviation(&f, f.output);
        simulate(&f, p, q, f.float_output);
        double simulated = deviation(&f, f.output);
        for (size_t k = 0; k < n; k += f.n_out)
            same += largest(f.output + k, f.n_out) ==
                    largest(f.float_output + k, f.n_out);
        printf("%s: %zu of %d classes, deviation %.4f, from float %.4f\n",
               tried[i], same, IMAGES, simulated, to_float);
        CHECK(same >= IMAGES - (strstr(tried[i], "a4") ? 2 : 1));
        CHECK(simulated < 0.15 && simulated <= 0.8 * to_float);
        hawq_program_free(p);
    }
    fixture_close(&f);
}

/* --- how far apart -------------------------------------------------------- */

typedef struct both {
    const hawq_tensor *of;
    size_t             n; /* numbers an image */
    float             *floats, *quantized;
} both;

static void keep_both(void *self, const hawq_chunk *chunk) {
    const both *b = self;
    size_t at = chunk->first * b->n, bytes = chunk->n * b->n * sizeof(float);
    memcpy(b->floats + at, chunk->floats->val[b->of->id], bytes);
    memcpy(b->quantized + at, chunk->quantized->val[b->of->id], bytes);
}

/* A convolution, global averages (an N x C x 1 x 1 output) and perhaps what
 * else is to stand at the end. */
static hawq_graph *averages(const char *last, const char *inputs) {
    hawq_graph *g = open_image(2, 4, 4);
    weight(g, "w.weight", 1, 4, (int64_t[]){3, 2, 3, 3});
    weight(g, "size", 1, 4, (int64_t[]){1, 3, 1, 1});
    node(g, "Conv", "x w.weight", "c", "");
    if (last) node(g, last, inputs, "y", "");
    if (!last) node(g, "GlobalAveragePool", "c", "y", "");
    CHECK_OK(hawq_graph_finish(g, "y"));
    return g;
}

static double kl_of(const float *z, const float *q, size_t n) {
    double sum_z = 0, sum_q = 0, kl = 0;
    for (size_t i = 0; i < n; i++) sum_z += exp((double)z[i]);
    for (size_t i = 0; i < n; i++) sum_q += exp((double)q[i]);
    for (size_t i = 0; i < n; i++) {
        double p = exp((double)z[i]) / sum_z;
        kl += p * log(p / (exp((double)q[i]) / sum_q));
    }
    return kl;
}

/* Classes are those that scores count, not the output's last axis; maps have
 * none, and differ by their squares. */
static void divergence_is_by_rows(bool classes) {
    hawq_graph  *g = classes ? averages(NULL, NULL) : averages("Mul", "c size");
    hawq_choice *choice;
    hawq_quantized *q;
    hawq_twin      *twin = NULL;
    hawq_divergence d;
    fixture         f;
    double          kl = 0, squares = 0;
    size_t          same = 0;
    fixture_open(&f, g);
    both         b = {g->output, f.n_out, f.float_output, f.output};
    hawq_visitor v = {.commit = keep_both, .self = &b};
    CHECK_OK(hawq_choice_everywhere(g, "2", &f.arena, &choice));
    CHECK_OK(
        hawq_quantize_choices(g, g->n_layers, choice, f.threads, &f.arena, &q));
    if (!CHECK_OK(hawq_twin_new(g, f.threads, &twin))) return;
    CHECK_OK(hawq_twin_put(twin, 0, &q[0]));
    hawq_twin_visit(twin, IMAGES, f.x, -1, &v);
    hawq_twin_diverge(twin, g, IMAGES, f.x, &d);
    for (size_t i = 0; i < IMAGES * f.n_out; i += f.n_out) {
        kl += kl_of(b.floats + i, b.quantized + i, f.n_out) / IMAGES;
        same +=
            largest(b.floats + i, f.n_out) == largest(b.quantized + i, f.n_out);
    }
    for (size_t i = 0; i < IMAGES * f.n_out; i++)
        squares += pow((double)b.floats[i] - (double)b.quantized[i], 2) /
                   (double)(IMAGES * f.n_out);
    CHECK(d.rows == IMAGES && squares > 0);
    CHECK_NEAR(d.kl, classes ? kl : squares, 1e-9);
    if (classes) CHECK_NEAR(d.agreement, (double)same / IMAGES, 1e-12);
    if (!classes) CHECK(isnan(d.agreement));
    hawq_twin_free(twin);
    fixture_close(&f);
}

int main(void) {
    divergence_is_by_rows(true);
    divergence_is_by_rows(false);
    simulation_agrees();
    DONE();
}
