/* test_reference.c -- in float, this program agrees to 1e-4 with numbers that
 * an independent one computed in double; and its sampled traces, by probes and
 * image by image, agree with those of 1000 probes within their standard
 * errors.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/hvp.h"
#include "tests/reference.h"

/* A Student t of two means is beyond 4 in one of 10,000 cases; 20 layers. */
static void compare_traces(const reference *r, const hawq_estimate *e) {
    for (int l = 0; l < r->graph->n_layers; l++) {
        const cJSON *layer = cJSON_GetArrayItem(r->layers, l);
        double       want = number(layer, "trace");
        double       their = number(layer, "trace_stderr");
        double       error = hypot(e[l].stderr1, their);
        printf("%-16s trace %9.3f +- %7.3f, reference %9.3f +- %7.3f: %4.1f\n",
               text(layer, "name"), e[l].mean, e[l].stderr1, want, their,
               (e[l].mean - want) / error);
        CHECK_NEAR((e[l].mean - want) / error, 0, 4);
    }
}

enum { SAMPLES = 40, BATCH = 32, PILOT = 4, MAX_LAYERS = 64 };

/* 40 samples of 32 of the 128 images, one probe each or signs for each image.
 */
static void sample_traces(reference *r, hawq_engine *single) {
    static double  reading[SAMPLES * MAX_LAYERS];
    hawq_estimate  e[MAX_LAYERS];
    hawq_selection at;
    hawq_sampler   sampler;
    hawq_block    *block = NULL;
    hawq_batch     all = reference_batch(r);
    size_t         n = (size_t)r->graph->n_layers;
    CHECK_OK(hawq_select_weights(r->graph, -1, &r->arena, &at));
    CHECK_OK(hawq_sampler_init(&sampler, r->graph, &all, BATCH, 1, &r->arena));
    CHECK_OK(hawq_hvp_blocks(r->graph, &r->arena, &block));
    hawq_hvp h = {.engine = r->engine,
                  .curvature = HAWQ_HESSIAN,
                  .at = &at,
                  .sampler = &sampler,
                  .single = single};
    CHECK_OK(hawq_hvp_check(&h, 1u << 20, 1, &r->arena));
    CHECK(h.rest_vanishes);
    hawq_tracer t = {.A = hawq_hvp_linop(&h),
                     .probe = &hawq_probe_rademacher,
                     .seed = 1,
                     .n_blocks = r->graph->n_layers,
                     .block = block};
    CHECK_OK(hawq_tracer_init(&t, &r->arena));
    double *channel = hawq_arena_take(&r->arena, t.n_channels, 8);
    CHECK_OK(hawq_tracer_balance(&t, 1u << 20, PILOT));
    for (size_t k = 0; k < SAMPLES; k++)
        CHECK_OK(hawq_tracer_sample(&t, k, reading + k * n, channel));
    for (size_t l = 0; l < n; l++)
        e[l] = hawq_estimate_of(reading + l, n, SAMPLES);
    compare_traces(r, e);
}

static void check_traces(const char *folder) {
    reference    r = {.name = "resnet20_trace_n128"};
    hawq_graph  *graph = NULL;
    hawq_engine *single = NULL;
    if (reference_open(&r, folder, 1)) {
        sample_traces(&r, NULL);
        CHECK_OK(reference_load(&r, folder, 1, &graph));
        CHECK_OK(
            hawq_engine_new(graph, r.threads, 1, HAWQ_CROSS_ENTROPY, &single));
        sample_traces(&r, single);
    }
    hawq_engine_free(single);
    hawq_graph_free(graph);
    reference_close(&r);
}

int main(void) {
    const char *folder = check_data();
    if (!folder) return 77;
    check_reference(folder, "kws_n64", 1e-4);
    if (!reference_quick()) {
        check_reference(folder, "resnet8_n64", 1e-4);
        check_reference(folder, "resnet20_n32", 1e-4);
        /* torch in float itself: its differences of losses carry its rounding
         */
        check_reference(folder, "resnet20_trace_n128", 1e-4);
        check_traces(folder);
    }
    DONE();
}
