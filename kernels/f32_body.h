/* f32_body.h -- the float convolution kernels, written once for a vector width.
 * Included by one file per instruction set, which defines vec, LANES, the sum
 * of a vector's elements, and the register block: OUT output channels times up
 * to three vectors of positions, and ROWS output channels times up to three
 * taps for the weights.
 *
 * Per (input channel, tap) of the first kernel: 3 loads of x, OUT broadcasts of
 * w, 3 * OUT fused multiply-adds.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/f32_conv.h"

#include <string.h>

typedef float vec_unaligned
    __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

static inline vec load(const float *x) {
    return *(const vec_unaligned *)x;
}
static inline void store(float *y, vec v) {
    *(vec_unaligned *)y = v;
}
/* `outs` <= OUT channels and `runs` <= 3 vectors from position q on; inlined
 * with constants, so that the accumulators are registers. */
static inline __attribute__((always_inline)) void
block(const hawq_f32_shape *s, const hawq_f32_weights *w, size_t o, size_t q,
      const float *x, float *y, const int outs, const int runs) {
    size_t pitch = hawq_f32_pitch(s), plane = hawq_f32_plane(s);
    size_t length = hawq_f32_run(s);
    vec    acc[OUT][3];
    for (int i = 0; i < outs; i++)
        for (int r = 0; r < runs; r++) acc[i][r] = (vec){0};
    for (size_t c = 0; c < s->in; c++) {
        const float *at = w->at + o * w->out_stride + c * w->in_stride;
        const float *row = x + c * plane + q;
        for (size_t ky = 0; ky < s->kh; ky++, row += pitch)
            for (size_t kx = 0; kx < s->kw; kx++, at += w->tap_step) {
                vec v[3];
                for (int r = 0; r < runs; r++)
                    v[r] = load(row + kx + (size_t)r * LANES);
                for (int i = 0; i < outs; i++) {
                    vec factor = (vec){0} + at[(size_t)i * w->out_stride];
                    for (int r = 0; r < runs; r++) acc[i][r] += factor * v[r];
                }
            }
    }
    for (int i = 0; i < outs; i++)
        for (int r = 0; r < runs; r++)
            store(y + (o + (size_t)i) * length + q + (size_t)r * LANES,
                  acc[i][r]);
}

/* `runs` of 3, and at the end two of 2 rather than 3 + 1. */
static inline __attribute__((always_inline)) void
channels(const hawq_f32_shape *s, const hawq_f32_weights *w, size_t o,
         const float *x, float *y, const int outs) {
    size_t left = hawq_f32_run(s) / LANES, q = 0;
    for (; left > 4 || left == 3; left -= 3, q += 3 * LANES)
        block(s, w, o, q, x, y, outs, 3);
    for (; left >= 2; left -= 2, q += 2 * LANES)
        block(s, w, o, q, x, y, outs, 2);
    if (left) block(s, w, o, q, x, y, outs, 1);
}

static void correlate(const hawq_f32_shape *s, const hawq_f32_weights *w,
                      const float *x, float *y) {
    size_t o = 0;
    for (; o + OUT <= s->out; o += OUT) channels(s, w, o, x, y, OUT);
    for (; o < s->out; o++) channels(s, w, o, x, y, 1);
}

/* dw of `rows` output channels, one input channel, one kernel row, `taps`
 * taps from kx on. */
static inline __attribute__((always_inline)) void
weight_block(const hawq_f32_shape *s, size_t images, const float *dy,
             const float *x, size_t o, size_t c, size_t tap, size_t offset,
             float *dw, const int rows, const int taps) {
    size_t length = hawq_f32_run(s), plane = hawq_f32_plane(s);
    vec    acc[ROWS][3];
    for (int i = 0; i < rows; i++)
        for (int t = 0; t < taps; t++) acc[i][t] = (vec){0};
    for (size_t n = 0; n < images; n++) {
        const float *from = x + (n * s->in + c) * plane + offset;
        const float *by = dy + (n * s->out + o) * length;
        for (size_t q = 0; q < length; q += LANES) {
            vec v[3];
            for (int t = 0; t < taps; t++) v[t] = load(from + q + t);
            for (int i = 0; i < rows; i++) {
                vec d = load(by + (size_t)i * length + q);
                for (int t = 0; t < taps; t++) acc[i][t] += d * v[t];
            }
        }
    }
    size_t k = s->kh * s->kw;
    for (int i = 0; i < rows; i++)
        for (int t = 0; t < taps; t++)
            dw[((o + (size_t)i) * s->in + c) * k + tap + (size_t)t] +=
                sum(acc[i][t]);
}

static void weight_row(const hawq_f32_shape *s, size_t images, const float *dy,
                       const float *x, size_t o, size_t c, size_t ky, size_t kx,
                       float *dw) {
    size_t tap = ky * s->kw + kx, offset = ky * hawq_f32_pitch(s) + kx;
    size_t left = s->kw - kx;
    bool   whole = o + ROWS <= s->out;
    if (whole && left >= 3)
        weight_block(s, images, dy, x, o, c, tap, offset, dw, ROWS, 3);
    else if (whole && left == 2)
        weight_block(s, images, dy, x, o, c, tap, offset, dw, ROWS, 2);
    else if (whole)
        weight_block(s, images, dy, x, o, c, tap, offset, dw, ROWS, 1);
    else
        for (size_t i = o; i < s->out; i++)
            for (size_t t = 0; t < 3 && t < left; t++)
                weight_block(s, images, dy, x, i, c, tap + t, offset + t, dw, 1,
                             1);
}

static void correlate_weights(const hawq_f32_shape *s, size_t images,
                              const float *dy, const float *x, float *dw) {
    for (size_t o = 0; o < s->out; o += ROWS)
        for (size_t c = 0; c < s->in; c++)
            for (size_t ky = 0; ky < s->kh; ky++)
                for (size_t kx = 0; kx < s->kw; kx += 3)
                    weight_row(s, images, dy, x, o, c, ky, kx, dw);
}
