/* onednn.c -- oneDNN (Intel), version 2, through its C interface.
 *
 * oneDNN computes in layouts of its own (blocks of 8 or 16 channels). A product
 * is therefore: bring the operands read into its layouts, compute into scratch,
 * and bring the result back, added to what is there.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/onednn.h"

#ifdef HAWQ_ONEDNN
#include <dlfcn.h>
#include <dnnl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if DNNL_VERSION_MAJOR != 2
#error "HAWQ_ONEDNN: this is written for version 2 of oneDNN"
#endif

enum { X, W, Y, OPERANDS };

typedef struct product {
    dnnl_primitive_t   run;
    dnnl_memory_desc_t inside[OPERANDS];  /* oneDNN's layouts */
    dnnl_primitive_t   reorder[OPERANDS]; /* NULL: read in place */
    dnnl_memory_desc_t work;              /* oneDNN's scratchpad */
    size_t             at[OPERANDS + 1];  /* in scratch; last: work */
    size_t             scratch;           /* reals */
} product;

struct hawq_onednn {
    hawq_conv_shape     shape;
    size_t              images;
    unsigned            wanted;            /* a bit for each product */
    dnnl_memory_desc_t  outside[OPERANDS]; /* dense NCHW and OIHW */
    product             product[HAWQ_ONEDNN_PRODUCTS];
    bool                usable;
    struct hawq_onednn *next;
};

static const int result[] = {Y, X, W};

static const int argument[][OPERANDS] = {
    {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
    {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
    {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST}};

static const dnnl_query_t query[][OPERANDS] = {
    {dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
    {dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md},
    {dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md}};

/* Of all below. What a plan needs of it does not change once there is one. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static dnnl_engine_t   engine;
static hawq_onednn    *plans;
/* A setting of the calling thread in the OpenMP that oneDNN brought along, if
 * it did; omp.h would ask for the compiler's own. */
static void (*set_threads)(int);

static bool ok(dnnl_status_t status) {
    return status == dnnl_success;
}

static void one_thread(void) {
    if (set_threads) set_threads(1);
}

static bool open_engine(void) {
    if (engine) return true;
    *(void **)&set_threads = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    return ok(dnnl_engine_create(&engine, dnnl_cpu, 0));
}

/* --- planning ------------------------------------------------------------ */

/* Padding behind, such that the output is as large as it is. */
static int64_t after(size_t in, size_t out, size_t k, size_t stride,
                     size_t dilation, size_t before) {
    return (int64_t)((out - 1) * stride + (k - 1) * dilation + 1) -
           (int64_t)(in + before);
}

static bool describe_operands(const hawq_conv_shape *s, size_t images,
                              dnnl_format_tag_t x, dnnl_format_tag_t w,
                              dnnl_memory_desc_t md[OPERANDS]) {
    int64_t     n = (int64_t)images, g = (int64_t)s->groups;
    int64_t     c = (int64_t)s->c, o = (int64_t)s->o;
    dnnl_dims_t dx = {n, c, (int64_t)s->h, (int64_t)s->w};
    dnnl_dims_t dy = {n, o, (int64_t)s->oh, (int64_t)s->ow};
    dnnl_dims_t dw = {g, o / g, c / g, (int64_t)s->kh, (int64_t)s->kw};
    bool        plain = g == 1; /* no dimension for the groups */
    return ok(dnnl_memory_desc_init_by_tag(&md[X], 4, dx, dnnl_f32, x)) &&
           ok(dnnl_memory_desc_init_by_tag(&md[Y], 4, dy, dnnl_f32, x)) &&
           ok(dnnl_memory_desc_init_by_tag(&md[W], plain ? 4 : 5, dw + plain,
                                           dnnl_f32, w));
}

static bool describe(const hawq_conv_shape *s, size_t images,
                     hawq_onednn_product p, dnnl_convolution_desc_t *out) {
    dnnl_memory_desc_t md[OPERANDS];
    dnnl_dims_t        stride = {(int64_t)s->stride_h, (int64_t)s->stride_w};
    dnnl_dims_t        left = {(int64_t)s->pad_top, (int64_t)s->pad_left};
    dnnl_dims_t gap = {(int64_t)s->dilation_h - 1, (int64_t)s->dilation_w - 1};
    dnnl_dims_t right = {
        after(s->h, s->oh, s->kh, s->stride_h, s->dilation_h, s->pad_top),
        after(s->w, s->ow, s->kw, s->stride_w, s->dilation_w, s->pad_left)};
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    if (!describe_operands(s, images, dnnl_format_tag_any, dnnl_format_tag_any,
                           md))
        return false;
    if (p == HAWQ_ONEDNN_FORWARD)
        return ok(dnnl_dilated_convolution_forward_desc_init(
            out, dnnl_forward_training, direct, &md[X], &md[W], NULL, &md[Y],
            stride, gap, left, right));
    if (p == HAWQ_ONEDNN_BY_DATA)
        return ok(dnnl_dilated_convolution_backward_data_desc_init(
            out, direct, &md[X], &md[W], &md[Y], stride, gap, left, right));
    return ok(dnnl_dilated_convolution_backward_weights_desc_init(
        out, direct, &md[X], &md[W], NULL, &md[Y], stride, gap, left, right));
}

/* From one layout to another; `sum`: added to what is there. One that wants a
 * scratchpad is refused: none between layouts of floats does. */
static bool make_reorder(const dnnl_memory_desc_t *from,
                         const dnnl_memory_desc_t *to, bool sum,
                         dnnl_primitive_t *out) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t       ops = NULL;
    dnnl_primitive_desc_t pd = NULL;
    bool                  made = ok(dnnl_primitive_attr_create(&attr)) &&
                ok(dnnl_primitive_attr_set_scratchpad_mode(
                    attr, dnnl_scratchpad_mode_user)) &&
                ok(dnnl_post_ops_create(&ops)) &&
                (!sum || ok(dnnl_post_ops_append_sum(ops, 1))) &&
                ok(dnnl_primitive_attr_set_post_ops(attr, ops)) &&
                ok(dnnl_reorder_primitive_desc_create(&pd, from, engine, to,
                                                      engine, attr)) &&
                !dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(
                    pd, dnnl_query_scratchpad_md, 0)) &&
                ok(dnnl_primitive_create(out, pd));
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (ops) dnnl_post_ops_destroy(ops);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return made;
}

/* Layouts, reorders and places in scratch, once the product is chosen. */
static bool lay_out(hawq_onednn *plan, hawq_onednn_product p,
                    const_dnnl_primitive_desc_t pd) {
    product *q = &plan->product[p];
    for (int i = 0; i <= OPERANDS; i++) {
        const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(
            pd, i < OPERANDS ? query[p][i] : dnnl_query_scratchpad_md, 0);
        bool out = i == result[p];
        q->at[i] = q->scratch;
        if (i == OPERANDS) {
            q->work = *md;
        } else {
            const dnnl_memory_desc_t *dense = &plan->outside[i];
            q->inside[i] = *md;
            if (!out && dnnl_memory_desc_equal(md, dense)) continue;
            if (!make_reorder(out ? md : dense, out ? dense : md, out,
                              &q->reorder[i]))
                return false;
        }
        q->scratch += (dnnl_memory_desc_get_size(md) + 63) / 64 * 16;
    }
    return true;
}

/* The reference implementations, there for what has no other, are slow. */
static bool is_reference(const_dnnl_primitive_desc_t pd) {
    const char *text = NULL;
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&text);
    return !text || !strncmp(text, "ref", 3);
}

/* Forward is described in any case: the others ask for it. */
static bool make_product(hawq_onednn *plan, hawq_onednn_product p,
                         const_dnnl_primitive_desc_t forward,
                         const_dnnl_primitive_attr_t attr,
                         dnnl_primitive_desc_t      *pd) {
    dnnl_convolution_desc_t desc;
    bool                    wanted = plan->wanted >> p & 1;
    if (!wanted && p != HAWQ_ONEDNN_FORWARD) return true;
    return describe(&plan->shape, plan->images, p, &desc) &&
           ok(dnnl_primitive_desc_create(pd, &desc, attr, engine, forward)) &&
           (!wanted || (!is_reference(*pd) && lay_out(plan, p, *pd) &&
                        ok(dnnl_primitive_create(&plan->product[p].run, *pd))));
}

static bool make_products(hawq_onednn *plan) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd[HAWQ_ONEDNN_PRODUCTS] = {NULL};
    bool                  grouped = plan->shape.groups > 1;
    one_thread();
    bool made =
        describe_operands(&plan->shape, plan->images, dnnl_nchw,
                          grouped ? dnnl_goihw : dnnl_oihw, plan->outside) &&
        ok(dnnl_primitive_attr_create(&attr)) &&
        ok(dnnl_primitive_attr_set_scratchpad_mode(attr,
                                                   dnnl_scratchpad_mode_user));
    for (int p = 0; p < HAWQ_ONEDNN_PRODUCTS && made; p++)
        made = make_product(plan, (hawq_onednn_product)p, pd[0], attr, &pd[p]);
    for (int p = 0; p < HAWQ_ONEDNN_PRODUCTS; p++)
        if (pd[p]) dnnl_primitive_desc_destroy(pd[p]);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return made;
}

static bool is_for(const hawq_onednn *plan, const hawq_conv_shape *s,
                   size_t images, unsigned wanted) {
    hawq_conv_shape a = plan->shape, b = *s;
    a.plan = b.plan = NULL;
    return plan->images == images && plan->wanted == wanted &&
           !memcmp(&a, &b, sizeof a);
}

/* A plan that could not be made stays in the list, so that all agree. */
const hawq_onednn *hawq_onednn_plan(const hawq_conv_shape *s, size_t images,
                                    unsigned wanted) {
    pthread_mutex_lock(&lock);
    hawq_onednn *plan = plans;
    while (plan && !is_for(plan, s, images, wanted)) plan = plan->next;
    if (!plan && open_engine() && (plan = calloc(1, sizeof *plan))) {
        plan->shape = *s;
        plan->images = images;
        plan->wanted = wanted;
        plan->usable = make_products(plan);
        plan->next = plans;
        plans = plan;
    }
    pthread_mutex_unlock(&lock);
    return plan && plan->usable ? plan : NULL;
}

size_t hawq_onednn_scratch(const hawq_onednn *plan) {
    size_t most = 0;
    for (int p = 0; p < HAWQ_ONEDNN_PRODUCTS; p++)
        if (plan->product[p].scratch > most) most = plan->product[p].scratch;
    return most;
}

const char *hawq_onednn_name(void) {
    static _Thread_local char text[32];
    const dnnl_version_t     *v = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d", v->major, v->minor,
             v->patch);
    return text;
}

/* --- running ------------------------------------------------------------- */

/* Handles of one call. An operand that is read in place has one, not two. */
typedef struct handles {
    dnnl_stream_t stream;
    dnnl_memory_t outside[OPERANDS], inside[OPERANDS], work;
} handles;

static bool take_handles(const hawq_onednn *plan, const product *q,
                         real *scratch, handles *h) {
    bool made =
        ok(dnnl_stream_create(&h->stream, engine, dnnl_stream_in_order)) &&
        ok(dnnl_memory_create(&h->work, &q->work, engine,
                              scratch + q->at[OPERANDS]));
    for (int i = 0; i < OPERANDS && made; i++)
        made = ok(dnnl_memory_create(&h->outside[i], &plan->outside[i], engine,
                                     DNNL_MEMORY_NONE)) &&
               (!q->reorder[i] ||
                ok(dnnl_memory_create(&h->inside[i], &q->inside[i], engine,
                                      scratch + q->at[i])));
    return made;
}

static void give_handles(handles *h) {
    for (int i = 0; i < OPERANDS; i++) {
        if (h->outside[i]) dnnl_memory_destroy(h->outside[i]);
        if (h->inside[i]) dnnl_memory_destroy(h->inside[i]);
    }
    if (h->work) dnnl_memory_destroy(h->work);
    if (h->stream) dnnl_stream_destroy(h->stream);
}

static bool reorder(const product *q, const handles *h, int i, bool out) {
    dnnl_exec_arg_t args[] = {
        {DNNL_ARG_FROM, out ? h->inside[i] : h->outside[i]},
        {DNNL_ARG_TO, out ? h->outside[i] : h->inside[i]}};
    return !q->reorder[i] ||
           ok(dnnl_primitive_execute(q->reorder[i], h->stream, 2, args));
}

/* The result is touched by the last step only. */
static bool run_pair(hawq_onednn_product p, const product *q, const handles *h,
                     real *const at[OPERANDS], bool same_x) {
    dnnl_exec_arg_t args[OPERANDS + 1] = {{DNNL_ARG_SCRATCHPAD, h->work}};
    for (int i = 0; i < OPERANDS; i++) {
        args[1 + i] = (dnnl_exec_arg_t){
            argument[p][i], q->reorder[i] ? h->inside[i] : h->outside[i]};
        if (i == X && same_x) continue;
        if (!ok(dnnl_memory_set_data_handle(h->outside[i], at[i])) ||
            (i != result[p] && !reorder(q, h, i, false)))
            return false;
    }
    return ok(dnnl_primitive_execute(q->run, h->stream, OPERANDS + 1, args)) &&
           reorder(q, h, result[p], true);
}

int hawq_onednn_run(const hawq_onednn *plan, hawq_onednn_product p,
                    size_t images, int n, real *const *w, real *x,
                    real *const *y, real *scratch) {
    const product *q = &plan->product[p];
    handles        h = {0};
    int            done = 0;
    if (!q->run || images != plan->images) return 0;
    one_thread();
    if (take_handles(plan, q, scratch, &h))
        while (
            done < n &&
            run_pair(p, q, &h, (real *const[]){x, w[done], y[done]}, done > 0))
            done++;
    give_handles(&h);
    return done;
}

#else

const hawq_onednn *hawq_onednn_plan(const hawq_conv_shape *s, size_t images,
                                    unsigned wanted) {
    (void)s;
    (void)images;
    (void)wanted;
    return NULL;
}

size_t hawq_onednn_scratch(const hawq_onednn *plan) {
    (void)plan;
    return 0;
}

const char *hawq_onednn_name(void) {
    return NULL;
}

int hawq_onednn_run(const hawq_onednn *plan, hawq_onednn_product product,
                    size_t images, int n, real *const *w, real *x,
                    real *const *y, real *scratch) {
    (void)plan;
    (void)product;
    (void)images;
    (void)n;
    (void)w;
    (void)x;
    (void)y;
    (void)scratch;
    return 0;
}

#endif
