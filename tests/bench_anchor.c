/* bench_anchor.c -- oneDNN's convolution through its C interface, version 2;
 * without the library, nothing.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/bench_anchor.h"

#ifdef HAWQ_ANCHOR
#include "kernels/timer.h"

#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct anchor {
    dnnl_engine_t    engine;
    dnnl_stream_t    stream;
    dnnl_primitive_t primitive;
    dnnl_memory_t    memory[4];
    dnnl_exec_arg_t  args[4];
} anchor;

const char *bench_anchor_name(void) {
    static char           name[64];
    const dnnl_version_t *v = dnnl_version();
    snprintf(name, sizeof name, "oneDNN %d.%d.%d", v->major, v->minor,
             v->patch);
    return name;
}

/* A scale per output channel, then ReLU. */
static dnnl_primitive_attr_t attributes(int oc) {
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t       ops;
    float                *scales = malloc((size_t)oc * sizeof *scales);
    for (int i = 0; i < oc; i++) scales[i] = 0.003f;
    dnnl_primitive_attr_create(&attr);
    dnnl_primitive_attr_set_output_scales(attr, oc, 1 << 1, scales);
    dnnl_post_ops_create(&ops);
    dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0);
    dnnl_primitive_attr_set_post_ops(attr, ops);
    dnnl_post_ops_destroy(ops);
    free(scales);
    return attr;
}

static int after(int in, int out, int k, int stride, int before) {
    return (out - 1) * stride + k - in - before;
}

/* Writes every byte: untouched pages would all be one page in the cache. */
static void fill(dnnl_memory_t memory) {
    const dnnl_memory_desc_t *desc;
    void                     *bytes;
    dnnl_memory_get_memory_desc(memory, &desc);
    dnnl_memory_get_data_handle(memory, &bytes);
    memset(bytes, 1, dnnl_memory_desc_get_size(desc));
}

/* All layouts left to oneDNN. */
static dnnl_convolution_desc_t description(const hawq_conv *v) {
    int64_t     g = v->groups, grouped = g > 1;
    dnnl_dims_t x = {1, v->c, v->h, v->w}, y = {1, v->oc, v->oh, v->ow};
    dnnl_dims_t b = {v->oc}, stride = {v->stride_h, v->stride_w};
    dnnl_dims_t w = {g, v->oc / g, v->c / g, v->kh, v->kw};
    dnnl_dims_t gap = {v->dilation_h - 1, v->dilation_w - 1};
    dnnl_dims_t left = {v->pad_top, v->pad_left};
    dnnl_dims_t right = {after(v->h, v->oh, v->kh, v->stride_h, v->pad_top),
                         after(v->w, v->ow, v->kw, v->stride_w, v->pad_left)};
    dnnl_memory_desc_t mx, mw, mb, my;
    dnnl_memory_desc_init_by_tag(&mx, 4, x, dnnl_u8, dnnl_format_tag_any);
    dnnl_memory_desc_init_by_tag(&mw, grouped ? 5 : 4, grouped ? w : w + 1,
                                 dnnl_s8, dnnl_format_tag_any);
    dnnl_memory_desc_init_by_tag(&mb, 1, b, dnnl_s32, dnnl_a);
    dnnl_memory_desc_init_by_tag(&my, 4, y, dnnl_u8, dnnl_format_tag_any);
    dnnl_convolution_desc_t desc;
    dnnl_dilated_convolution_forward_desc_init(
        &desc, dnnl_forward_inference, dnnl_convolution_direct, &mx, &mw, &mb,
        &my, stride, gap, left, right);
    return desc;
}

void *bench_anchor_new(const hawq_conv *v) {
    static const struct {
        dnnl_query_t query;
        int          arg;
    } part[4] = {{dnnl_query_src_md, DNNL_ARG_SRC},
                 {dnnl_query_weights_md, DNNL_ARG_WEIGHTS},
                 {dnnl_query_weights_md, DNNL_ARG_BIAS},
                 {dnnl_query_dst_md, DNNL_ARG_DST}};
    anchor                 *a = calloc(1, sizeof *a);
    dnnl_convolution_desc_t desc = description(v);
    dnnl_primitive_attr_t   attr = attributes(v->oc);
    dnnl_primitive_desc_t   pd;
    omp_set_num_threads(1);
    dnnl_engine_create(&a->engine, dnnl_cpu, 0);
    dnnl_stream_create(&a->stream, a->engine, dnnl_stream_default_flags);
    if (dnnl_primitive_desc_create(&pd, &desc, attr, a->engine, NULL) !=
        dnnl_success) {
        dnnl_primitive_attr_destroy(attr);
        dnnl_stream_destroy(a->stream);
        dnnl_engine_destroy(a->engine);
        free(a);
        return NULL;
    }
    dnnl_primitive_create(&a->primitive, pd);
    for (int i = 0; i < 4; i++) {
        dnnl_memory_create(
            &a->memory[i],
            dnnl_primitive_desc_query_md(pd, part[i].query, i == 2), a->engine,
            DNNL_MEMORY_ALLOCATE);
        fill(a->memory[i]);
        a->args[i] = (dnnl_exec_arg_t){part[i].arg, a->memory[i]};
    }
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_attr_destroy(attr);
    return a;
}

double bench_anchor_ns(void *context, size_t calls) {
    anchor *a = context;
    dnnl_primitive_execute(a->primitive, a->stream, 4, a->args);
    uint64_t start = hawq_timer_now();
    for (size_t i = 0; i < calls; i++)
        dnnl_primitive_execute(a->primitive, a->stream, 4, a->args);
    dnnl_stream_wait(a->stream);
    return (double)(hawq_timer_now() - start) / (double)calls;
}

void bench_anchor_free(void *context) {
    anchor *a = context;
    if (!a) return;
    for (int i = 0; i < 4; i++) dnnl_memory_destroy(a->memory[i]);
    dnnl_primitive_destroy(a->primitive);
    dnnl_stream_destroy(a->stream);
    dnnl_engine_destroy(a->engine);
    free(a);
}

#else

const char *bench_anchor_name(void) {
    return "";
}

void *bench_anchor_new(const hawq_conv *conv) {
    (void)conv;
    return NULL;
}

double bench_anchor_ns(void *anchor, size_t calls) {
    (void)anchor;
    (void)calls;
    return 0;
}

void bench_anchor_free(void *anchor) {
    (void)anchor;
}
#endif
