/* f32_conv.c -- padding in and out, and the choice of a table.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/f32_conv.h"

#include <string.h>

#if defined(__x86_64__)
extern const hawq_f32_kernels        hawq_f32_avx512, hawq_f32_avx2;
static const hawq_f32_kernels *const all[] = {&hawq_f32_avx512, &hawq_f32_avx2,
                                              NULL};
#else
static const hawq_f32_kernels *const all[] = {NULL};
#endif

const hawq_f32_kernels *hawq_f32_select(void) {
    const hawq_f32_kernels *const *k = all;
    while (*k && !(*k)->usable()) k++;
    return *k;
}

void hawq_f32_pad(const hawq_f32_shape *s, const float *x, float *padded) {
    size_t pitch = hawq_f32_pitch(s), plane = hawq_f32_plane(s);
    /* rows beyond what the taps of the output reach are never read */
    size_t rows = s->oh + s->kh - 1 - s->pad_top;
    size_t width = pitch - s->pad_left < s->w ? pitch - s->pad_left : s->w;
    if (rows > s->h) rows = s->h;
    for (size_t c = 0; c < s->in; c++) {
        float *to = padded + c * plane;
        memset(to, 0, plane * sizeof *to);
        for (size_t y = 0; y < rows; y++)
            memcpy(to + (y + s->pad_top) * pitch + s->pad_left,
                   x + (c * s->h + y) * s->w, width * sizeof *to);
    }
}

void hawq_f32_spread(const hawq_f32_shape *s, const float *dy, float *run) {
    size_t pitch = hawq_f32_pitch(s), length = hawq_f32_run(s);
    for (size_t o = 0; o < s->out; o++) {
        float *to = run + o * length;
        memset(to, 0, length * sizeof *to);
        for (size_t y = 0; y < s->oh; y++)
            memcpy(to + y * pitch, dy + (o * s->oh + y) * s->ow,
                   s->ow * sizeof *to);
    }
}

void hawq_f32_collect(const hawq_f32_shape *s, const float *run, float *y) {
    size_t pitch = hawq_f32_pitch(s), length = hawq_f32_run(s);
    for (size_t o = 0; o < s->out; o++)
        for (size_t r = 0; r < s->oh; r++) {
            const float *from = run + o * length + r * pitch;
            float       *to = y + (o * s->oh + r) * s->ow;
            for (size_t i = 0; i < s->ow; i++) to[i] += from[i];
        }
}
