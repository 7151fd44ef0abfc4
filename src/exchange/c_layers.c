/* c_layers.c -- the constants of convolutions and fully-connected layers.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/c_emit.h"

#include <stdio.h>
#include <string.h>

const char *hawq_c_name(const char *noun, int i, char name[C_NAME]) {
    snprintf(name, C_NAME, "%s_%d", noun, i);
    return name;
}

/* --- requantization ---------------------------------------------------- */

static bool all_zero(const uint8_t *v, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (v[i]) return false;
    return true;
}

void hawq_c_emit_requant_arrays(c_emit *e, int i, size_t n,
                                const hawq_requant *q) {
    char name[C_NAME];
    e->used[PART_REQUANT] = e->used[PART_CLAMP] = true;
    hawq_text_s32(&e->constants, hawq_c_name("multiplier", i, name), n,
                  q->multiplier);
    if (!all_zero(q->pre, n))
        hawq_text_u8(&e->constants, hawq_c_name("pre", i, name), n, q->pre);
    hawq_text_u8(&e->constants, hawq_c_name("shift", i, name), n, q->shift);
}

void hawq_c_emit_requant(c_emit *e, int i, size_t n, const hawq_requant *q) {
    c_text *t = &e->constants;
    char    name[C_NAME];
    hawq_text_add(t, "{multiplier_%d, %s, shift_%d, %d, %d, %d}", i,
                  all_zero(q->pre, n) ? "0" : hawq_c_name("pre", i, name), i,
                  q->zero, q->low, q->high);
}

/* --- weights ------------------------------------------------------------- */

static bool is_convolution(const hawq_step *s) {
    return s->kind == HAWQ_STEP_CONV || s->kind == HAWQ_STEP_CONV_S32;
}

/* The first step with these weights in this order: another node may read the
 * layer as well. */
static int owner_of(const hawq_program *p, int i, size_t n) {
    const hawq_weights *w = &p->step[i].u.weights;
    for (int j = 0; j < i; j++) {
        const hawq_weights *v = &p->step[j].u.weights;
        if (is_convolution(&p->step[j]) &&
            p->step[j].layer == p->step[i].layer &&
            v->row_channels == w->row_channels &&
            memcmp(v->weights, w->weights, n) == 0)
            return j;
    }
    return i;
}

static void widen(size_t *most, size_t n) {
    if (n > *most) *most = n;
}

static void mark_parts(c_emit *e, const hawq_quantized *q, const c_weights *p) {
    e->used[PART_WEIGHTS] = true;
    e->used[p->bits == 8 ? PART_PLAIN : PART_CODED] = true;
    if (p->bits == 8) return;
    e->used[p->bits ? PART_BITS : PART_TRITS] = true;
    if (p->multiplier) e->used[PART_GROUPED] = true;
    widen(&e->row, q->cols);
}

hawq_status hawq_c_emit_pack(c_emit *e) {
    const hawq_program *p = e->program;
    HAWQ_TAKE(e->layer, e->arena, (size_t)p->n_steps);
    for (int i = 0; i < p->n_steps; i++) {
        const hawq_step *s = &p->step[i];
        if (s->kind == HAWQ_STEP_OUTLIERS)
            widen(&e->width, e->what->quantized[s->layer].cols);
        if (!is_convolution(s)) continue;
        const hawq_quantized *q = &e->what->quantized[s->layer];
        c_layer              *l = &e->layer[i];
        l->owner = owner_of(p, i, q->rows * q->cols);
        if (l->owner == i)
            HAWQ_TRY(
                hawq_c_weights_pack(&s->u.weights, q, e->arena, &l->packed));
        else
            l->packed = e->layer[l->owner].packed;
        mark_parts(e, q, &l->packed);
    }
    return HAWQ_OK;
}

static void weight_arrays(c_emit *e, int i, const hawq_quantized *q,
                          const c_weights *p) {
    c_text *t = &e->constants;
    char    name[C_NAME];
    hawq_c_name("weights", i, name);
    if (p->bits == 8) {
        hawq_text_s8(t, name, q->rows * q->cols, p->plain);
        return;
    }
    hawq_text_u8(t, name, p->n_codes, p->codes);
    hawq_text_s8(t, hawq_c_name("level", i, name),
                 p->n_levels * (p->own_levels ? q->rows : 1), p->level);
    if (p->multiplier)
        hawq_text_u8(t, hawq_c_name("group", i, name), q->rows * p->n_groups,
                     p->multiplier);
}

static void heading(c_emit *e, const hawq_step *s) {
    c_text *t = &e->constants;
    hawq_text_add(t, "\n/* ");
    hawq_text_name(t, s->name);
    hawq_text_add(t, ": ");
    hawq_text_name(t, e->program->choice[s->layer].candidate);
    hawq_text_add(t, " */\n");
}

/* --- convolutions ------------------------------------------------------ */

void hawq_c_emit_extents(c_emit *e, int n, const int *extent) {
    for (int i = 0; i < n; i++)
        if (extent[i] > e->largest) e->largest = extent[i];
}

static void geometry(c_emit *e, const hawq_conv *v) {
    hawq_c_emit_extents(e, 15,
                        (int[]){v->h, v->w, v->c, v->oh, v->ow, v->oc, v->kh,
                                v->kw, v->stride_h, v->stride_w, v->dilation_h,
                                v->dilation_w, v->pad_top, v->pad_left,
                                v->groups});
    hawq_text_add(&e->constants,
                  "    .h = %d, .w = %d, .c = %d, .oh = %d, .ow = %d, "
                  ".oc = %d,\n    .kh = %d, .kw = %d, .stride_h = %d, "
                  ".stride_w = %d,\n    .dilation_h = %d, .dilation_w = %d, "
                  ".pad_top = %d, .pad_left = %d,\n    .groups = %d, "
                  ".zero = %d,\n",
                  v->h, v->w, v->c, v->oh, v->ow, v->oc, v->kh, v->kw,
                  v->stride_h, v->stride_w, v->dilation_h, v->dilation_w,
                  v->pad_top, v->pad_left, v->groups, v->zero);
}

/* Fields that this network's code does not have must not be named. */
static void weight_fields(c_emit *e, const hawq_weights *w, const c_layer *l) {
    const c_weights *p = &l->packed;
    c_text          *t = &e->constants;
    hawq_text_add(t, "    .weights = weights_%d,\n", l->owner);
    if (p->bits < 8)
        hawq_text_add(t,
                      "    .bits = %d, .level = level_%d, .own_levels = %zu,\n",
                      p->bits, l->owner, p->own_levels);
    else if (e->used[PART_CODED])
        hawq_text_add(t, "    .bits = 8,\n");
    if (p->multiplier)
        hawq_text_add(t,
                      "    .multiplier = group_%d, .group = %zu, "
                      ".n_groups = %zu, .row_channels = %zu,\n",
                      l->owner, p->group, p->n_groups, w->row_channels);
}

hawq_status hawq_c_emit_convolution(c_emit *e, int i) {
    const hawq_step    *s = &e->program->step[i];
    const hawq_weights *w = &s->u.weights;
    const c_layer      *l = &e->layer[i];
    c_text             *t = &e->constants;
    size_t              n = (size_t)w->shape.oc;
    bool                requantizes = s->kind == HAWQ_STEP_CONV;
    char                name[C_NAME];
    heading(e, s);
    if (l->owner == i)
        weight_arrays(e, i, &e->what->quantized[s->layer], &l->packed);
    hawq_text_s32(t, hawq_c_name("bias", i, name), n, w->requant.bias);
    if (requantizes) hawq_c_emit_requant_arrays(e, i, n, &w->requant);
    hawq_text_add(t, "static const struct convolution conv_%d = {\n", i);
    geometry(e, &w->shape);
    weight_fields(e, w, l);
    hawq_text_add(t, "    .bias = bias_%d", i);
    if (requantizes) {
        hawq_text_add(t, ",\n    .requant = ");
        hawq_c_emit_requant(e, i, n, &w->requant);
    }
    hawq_text_add(t, "};\n");
    return t->status;
}
