/* f32_conv.c -- the layout of the phases, and the choice of a table.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/f32_conv.h"

extern const hawq_f32_kernels hawq_f32_portable;
#if defined(__x86_64__)
extern const hawq_f32_kernels hawq_f32_avx512, hawq_f32_avx2;
#endif

const hawq_f32_kernels *const hawq_f32_tables[] = {
#if defined(__x86_64__)
    &hawq_f32_avx512, &hawq_f32_avx2,
#endif
    &hawq_f32_portable, NULL};

enum { VECTOR = 16, BLOCK = 8 }; /* floats, channels of the widest table */

const hawq_f32_kernels *hawq_f32_select(void) {
    const hawq_f32_kernels *const *k = hawq_f32_tables;
    while (!(*k)->usable()) k++;
    return *k;
}

static size_t whole(size_t n) {
    return (n + VECTOR - 1) / VECTOR * VECTOR;
}

/* Those i < n with i * stride + at - pad in [0, size): [*first, *last). */
static void inside(size_t at, size_t stride, size_t pad, size_t size, size_t n,
                   size_t *first, size_t *last) {
    size_t lo = pad > at ? (pad - at + stride - 1) / stride : 0;
    size_t hi = size + pad > at ? (size + pad - at + stride - 1) / stride : 0;
    *last = hi < n ? hi : n;
    *first = lo < *last ? lo : *last;
}

static size_t find_phase(hawq_f32_layout *l, size_t y, size_t x, size_t rows) {
    const hawq_f32_shape *s = &l->s;
    size_t                i = 0;
    while (i < l->n_phases && (l->phases[i].y != y || l->phases[i].x != x)) i++;
    if (i < l->n_phases) return i;
    hawq_f32_phase *p = &l->phases[l->n_phases++];
    p->y = y;
    p->x = x;
    inside(y, s->stride_h, s->pad_top, s->h, rows, &p->r0, &p->r1);
    inside(x, s->stride_w, s->pad_left, s->w, l->pitch, &p->c0, &p->c1);
    return i;
}

void hawq_f32_lay_out(const hawq_f32_shape *s, hawq_f32_layout *l) {
    size_t below = (s->kh - 1) * s->dilation_h / s->stride_h;
    size_t right = (s->kw - 1) * s->dilation_w / s->stride_w;
    l->s = *s;
    l->n_taps = s->kh * s->kw;
    l->n_phases = 0;
    l->pitch = s->ow + right;
    l->lead = below * l->pitch + right;
    l->run = whole((s->oh - 1) * l->pitch + s->ow);
    l->phase = whole(l->run + l->lead);
    l->behind = whole(l->lead + (s->oh + below) * l->pitch + VECTOR);
    for (size_t t = 0; t < l->n_taps; t++) {
        size_t y = t / s->kw * s->dilation_h, x = t % s->kw * s->dilation_w;
        l->shift[t] = y / s->stride_h * l->pitch + x / s->stride_w;
        l->of[t] =
            find_phase(l, y % s->stride_h, x % s->stride_w, s->oh + below);
    }
    l->plane = l->n_phases * l->phase;
}

/* y in runs and the weights of a block; or, `width` channels innermost, the
 * weights, the positions and some more, and an image turned back. */
static size_t correlation_scratch(const hawq_f32_layout *l, size_t images,
                                  size_t in, size_t out, size_t run) {
    const size_t width = 2 * VECTOR;
    size_t       runs = images * out * run + BLOCK * in * l->n_taps;
    size_t       small = width * (in * l->n_taps + (images + 1) * run + VECTOR);
    return hawq_f32_small(&l->s) && small > runs ? small : runs;
}

size_t hawq_f32_forward_scratch(const hawq_f32_layout *l, size_t images) {
    return correlation_scratch(l, images, l->s.in, l->s.out, l->run);
}

/* The image behind zeros before that. */
size_t hawq_f32_by_data_scratch(const hawq_f32_layout *l, size_t images) {
    return images * l->s.out * l->behind +
           correlation_scratch(l, images, l->s.out, l->s.in, l->phase);
}

/* y with channels innermost and w likewise; or y in runs. */
size_t hawq_f32_by_weights_scratch(const hawq_f32_layout *l, size_t images) {
    const hawq_f32_shape *s = &l->s;
    const size_t          most = 4 * VECTOR;
    size_t                runs = images * s->out * l->run;
    size_t                width = whole(s->out) < most ? whole(s->out) : most;
    size_t lanes = width * (images * s->oh * s->ow + s->in * l->n_taps);
    return s->out < VECTOR && runs > lanes ? runs : lanes;
}
