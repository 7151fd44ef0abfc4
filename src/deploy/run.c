/* run.c -- executes the steps of a program.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/deploy/run.h"

#include "kernels/timer.h"
#include "src/graph/mm.h"

#include <string.h>

struct hawq_runner {
    hawq_arena          arena;
    const hawq_program *program;
    const hawq_kernels *kernels;
    hawq_threads       *threads;
    void              **packed;    /* per step; NULL where it has no weights */
    uint8_t           **workspace; /* per worker */
    uint8_t           **scratch;   /* per worker */
    hawq_planes        *planes;    /* per worker: of the float nodes */
    float             **profiled;  /* per worker: outputs of a timed image */
    double            **step_ns;   /* per worker and step: of a timed pass */
    /* of the run in progress */
    const float *x;
    float       *outputs;
};

static bool has_weights(const hawq_step *s) {
    return s->kind == HAWQ_STEP_CONV || s->kind == HAWQ_STEP_CONV_S32;
}

/* Where a worker's float nodes find their tensors; the image is put in place
 * when it comes. */
static hawq_status bind_planes(hawq_runner *r, size_t worker) {
    const hawq_program *p = r->program;
    hawq_planes        *planes = &r->planes[worker];
    size_t              n = (size_t)p->graph->n_tensors;
    HAWQ_TAKE(planes->val, &r->arena, n);
    HAWQ_TAKE(planes->bar, &r->arena, n);
    HAWQ_TAKE(planes->scratch, &r->arena, p->scratch_reals);
    for (size_t i = 0; i < n; i++) {
        planes->val[i] = p->graph->tensor[i]->data;
        if (p->decoded[i]) planes->val[i] = p->decoded[i];
        if (p->float_at[i] < HAWQ_AT_IMAGE)
            planes->val[i] =
                (real *)(void *)(r->workspace[worker] + p->float_at[i]);
    }
    return HAWQ_OK;
}

static hawq_status bind(hawq_runner *r) {
    const hawq_program *p = r->program;
    size_t              scratch = 0, workers;
    workers = (size_t)hawq_threads_count(r->threads);
    if (p->n_floats) HAWQ_TRY(hawq_mm_open());
    HAWQ_TAKE(r->packed, &r->arena, (size_t)p->n_steps);
    for (int i = 0; i < p->n_steps; i++) {
        const hawq_weights *w = &p->step[i].u.weights;
        if (!has_weights(&p->step[i])) continue;
        size_t         n = r->kernels->conv_packed_bytes(&w->shape);
        unsigned char *packed;
        HAWQ_TAKE(packed, &r->arena, n);
        r->kernels->conv_pack(&w->shape, w->weights, packed);
        r->packed[i] = packed;
        size_t need = r->kernels->conv_scratch_bytes(&w->shape);
        if (need > scratch) scratch = need;
    }
    HAWQ_TAKE(r->profiled, &r->arena, workers);
    HAWQ_TAKE(r->step_ns, &r->arena, workers);
    HAWQ_TAKE(r->workspace, &r->arena, workers);
    HAWQ_TAKE(r->scratch, &r->arena, workers);
    HAWQ_TAKE(r->planes, &r->arena, workers);
    for (size_t i = 0; i < workers; i++) {
        HAWQ_TAKE(r->profiled[i], &r->arena, p->n_out);
        HAWQ_TAKE(r->step_ns[i], &r->arena, (size_t)p->n_steps);
        HAWQ_TAKE(r->workspace[i], &r->arena, p->workspace_bytes);
        HAWQ_TAKE(r->scratch[i], &r->arena, scratch);
        if (p->n_floats) HAWQ_TRY(bind_planes(r, i));
    }
    return HAWQ_OK;
}

hawq_status hawq_runner_new(const hawq_program *program,
                            const hawq_kernels *kernels, hawq_threads *threads,
                            hawq_runner **out) {
    hawq_arena   arena = {0};
    hawq_runner *r;
    HAWQ_TAKE(r, &arena, 1);
    *r = (hawq_runner){.arena = arena,
                       .program = program,
                       .kernels = kernels,
                       .threads = threads};
    hawq_status status = bind(r);
    if (status == HAWQ_OK)
        *out = r;
    else
        hawq_runner_free(r);
    return status;
}

void hawq_runner_free(hawq_runner *runner) {
    if (!runner) return;
    for (int i = 0; runner->packed && i < runner->program->n_steps; i++)
        if (runner->packed[i] && runner->kernels->conv_release)
            runner->kernels->conv_release(runner->packed[i]);
    hawq_arena arena = runner->arena; /* the runner lives in it */
    hawq_arena_free(&arena);
}

/* --- steps ------------------------------------------------------------- */

static void scale_accumulators(const hawq_boundary *b, const int32_t *acc,
                               float *y) {
    size_t pixels = b->n / b->channels, k = 0;
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < b->channels; c++) {
            y[c * pixels + i] = (float)acc[i * b->channels + c] * b->scale[k];
            if (++k == b->n_scales) k = 0;
        }
}

static void dequantize(const hawq_boundary *b, const uint8_t *q, float *y) {
    size_t pixels = b->n / b->channels;
    for (size_t c = 0; c < b->channels; c++)
        for (size_t p = 0; p < pixels; p++)
            y[c * pixels + p] =
                (float)(q[p * b->channels + c] - b->zero) * b->factor;
}

static void run_float(const hawq_program *p, const hawq_node *node,
                      const float *x, const hawq_planes *planes) {
    const hawq_graph *g = p->graph;
    for (int k = 0; k < g->n_inputs; k++) /* read only */
        planes->val[g->inputs[k].tensor->id] = (real *)x + g->inputs[k].start;
    node->op->forward(node, planes);
}

static void run_step(const hawq_runner *r, int i, int worker, const float *x,
                     float *y) {
    const hawq_kernels        *k = r->kernels;
    const hawq_step           *s = &r->program->step[i];
    const hawq_boundary       *b = &s->u.boundary;
    const hawq_weights        *w = &s->u.weights;
    const hawq_gather         *g = &s->u.gather;
    const hawq_requantization *q = &s->u.requantization;
    uint8_t                   *base = r->workspace[worker];
    uint8_t                   *in = base + s->in, *out = base + s->out;
    void                      *scratch = r->scratch[worker];
    switch (s->kind) {
    case HAWQ_STEP_QUANTIZE:
        k->quantize(b->n,
                    b->outside ? x + b->first : (const float *)(const void *)in,
                    b->factor, b->zero, 0, b->high, out);
        break;
    case HAWQ_STEP_CONV:
        k->conv(&w->shape, r->packed[i], &w->requant, in, out, scratch);
        break;
    case HAWQ_STEP_CONV_S32:
        k->conv_s32(&w->shape, r->packed[i], w->requant.bias, in,
                    (int32_t *)(void *)out, scratch);
        break;
    case HAWQ_STEP_OUTLIERS:
        k->conv_outliers(&w->shape, &w->outliers, in, (int32_t *)(void *)out);
        break;
    case HAWQ_STEP_REQUANTIZE:
        k->requantize(q->pixels, q->channels, &q->requant,
                      (const int32_t *)(const void *)in, out);
        break;
    case HAWQ_STEP_ADD:
        k->add(&s->u.add, in, base + s->in2, out);
        break;
    case HAWQ_STEP_MAX_POOL:
        k->max_pool(&s->u.pool, in, out);
        break;
    case HAWQ_STEP_AVERAGE_POOL:
        k->average_pool(&s->u.pool, in, out);
        break;
    case HAWQ_STEP_MOVE:
        k->move(g->n, g->map, g->fill, g->table, in, out);
        break;
    case HAWQ_STEP_SCALE:
        scale_accumulators(b, (const int32_t *)(const void *)in,
                           b->outside ? y : (float *)(void *)out);
        break;
    case HAWQ_STEP_DEQUANTIZE:
        dequantize(b, in, b->outside ? y : (float *)(void *)out);
        break;
    case HAWQ_STEP_FLOAT:
        run_float(r->program, s->u.floating.node, x, &r->planes[worker]);
        break;
    case HAWQ_STEP_OUTPUT:
        memcpy(y, in, b->n * sizeof *y);
        break;
    }
}

static void run_image(void *self, size_t task, int worker) {
    const hawq_runner  *r = self;
    const hawq_program *p = r->program;
    for (int i = 0; i < p->n_steps; i++)
        run_step(r, i, worker, r->x + task * p->n_in,
                 r->outputs + task * p->n_out);
}

void hawq_runner_run(hawq_runner *runner, size_t n, const float *x,
                     float *outputs) {
    runner->x = x;
    runner->outputs = outputs;
    hawq_threads_run(runner->threads, n, run_image, NULL, runner);
}

/* --- reports ----------------------------------------------------------- */

static void profile_image(void *self, size_t task, int worker) {
    const hawq_runner  *r = self;
    const hawq_program *p = r->program;
    const float        *x = r->x + task * p->n_in;
    uint64_t            from = hawq_timer_now();
    for (int i = 0; i < p->n_steps; i++) {
        run_step(r, i, worker, x, r->profiled[worker]);
        uint64_t to = hawq_timer_now();
        r->step_ns[worker][i] += (double)(to - from);
        from = to;
    }
}

/* Moves the workers' times of step i to the first one's; returns their sum. */
static double collect(const hawq_runner *r, int i) {
    for (int k = 1; k < hawq_threads_count(r->threads); k++) {
        r->step_ns[0][i] += r->step_ns[k][i];
        r->step_ns[k][i] = 0;
    }
    return r->step_ns[0][i];
}

/* One pass: sample[i * stride] is step i's share of its wall time. */
static void profile_pass(hawq_runner *r, size_t n, double *sample,
                         size_t stride) {
    const hawq_program *p = r->program;
    double              sum = 0;
    uint64_t            from = hawq_timer_now();
    hawq_threads_run(r->threads, n, profile_image, NULL, r);
    double wall = (double)(hawq_timer_now() - from);
    for (int i = 0; i < p->n_steps; i++) sum += collect(r, i);
    for (int i = 0; i < p->n_steps; i++) {
        sample[(size_t)i * stride] =
            sum > 0 ? r->step_ns[0][i] / sum * wall : 0;
        r->step_ns[0][i] = 0;
    }
}

void hawq_runner_profile(hawq_runner *runner, size_t n, const float *x,
                         int repeats, double *samples, double *ns) {
    size_t stride = (size_t)repeats;
    runner->x = x;
    profile_pass(runner, n, samples, stride); /* warms up; overwritten */
    for (size_t k = 0; k < stride; k++)
        profile_pass(runner, n, samples + k, stride);
    for (int i = 0; i < runner->program->n_steps; i++)
        ns[i] = hawq_timing_of(samples + (size_t)i * stride, repeats).median_ns;
}

const char *hawq_runner_kernel(const hawq_runner *runner, int step) {
    const hawq_step *s = &runner->program->step[step];
    if (s->kind == HAWQ_STEP_FLOAT) return "float32";
    return has_weights(s) ? runner->kernels->conv_name(&s->u.weights.shape)
                          : runner->kernels->name;
}
