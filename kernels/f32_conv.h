/* f32_conv.h -- float convolutions of stride 1, straight from the image.
 *
 * No unfolding: an image is copied once into rows of one common pitch with its
 * zero padding around (the flattened padded form), so that output position q
 * reads input positions q + ky * pitch + kx, and a whole image is one run of
 * vectors. The columns between the output's width and the pitch are computed
 * and thrown away.
 *
 *     correlate    y[o][q]       += sum_{i, tap} w(o, i, tap) x[i][q + tap]
 *     correlate_weights
 *                  dw[o][i][tap] += sum_q dy[o][q] x[i][q + tap]
 *
 * The forward product and the product by data are the same correlation with
 * other strides into the weights: by data reads them transposed and reversed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_F32_CONV_H
#define HAWQ_F32_CONV_H
#include <stdbool.h>
#include <stddef.h>

/* Geometry of one correlation: `in` channels of h x w become `out` channels of
 * oh x ow; oh = h + pad_top + pad_bottom - kh + 1, the same for ow. */
typedef struct hawq_f32_shape {
    size_t in, h, w, out, oh, ow, kh, kw, pad_top, pad_left;
} hawq_f32_shape;

/* w(o, i, t) = at[o * out_stride + i * in_stride + t * tap_step], t = ky * kw
 * + kx; a negative tap_step walks a reversed kernel (at: its last tap). */
typedef struct hawq_f32_weights {
    const float *at;
    size_t       out_stride, in_stride;
    ptrdiff_t    tap_step;
} hawq_f32_weights;

typedef struct hawq_f32_kernels {
    const char *name;
    bool (*usable)(void);
    /* y[out][Q] = correlation of the padded image x[in][plane]; Q and plane as
     * hawq_f32_pitch, hawq_f32_run and hawq_f32_plane give them */
    void (*correlate)(const hawq_f32_shape *s, const hawq_f32_weights *w,
                      const float *x, float *y);
    /* dw[out][in][kh][kw] += over `images` consecutive padded images */
    void (*correlate_weights)(const hawq_f32_shape *s, size_t images,
                              const float *dy, const float *x, float *dw);
    const struct hawq_f32_winograd_steps *winograd; /* f32_winograd.h */
} hawq_f32_kernels;

/* The best table this processor runs, or NULL: use something else. */
const hawq_f32_kernels *hawq_f32_select(void);

/* Row length of the padded form. */
static inline size_t hawq_f32_pitch(const hawq_f32_shape *s) {
    return s->ow + s->kw - 1;
}
/* Output positions of a run, rounded up to whole vectors of 16. */
static inline size_t hawq_f32_run(const hawq_f32_shape *s) {
    return (s->oh * hawq_f32_pitch(s) + 15) / 16 * 16;
}
/* Floats of one padded input channel, readable beyond every tap of a run. */
static inline size_t hawq_f32_plane(const hawq_f32_shape *s) {
    size_t taps = (s->kh - 1) * hawq_f32_pitch(s) + s->kw - 1;
    return (hawq_f32_run(s) + taps + 15) / 16 * 16;
}

/* x[in][h][w] into padded planes; every float of them is written. */
void hawq_f32_pad(const hawq_f32_shape *s, const float *x, float *padded);
/* dy[out][oh][ow] into runs with zeros in the columns thrown away. */
void hawq_f32_spread(const hawq_f32_shape *s, const float *dy, float *run);
/* y[out][oh][ow] += the run's valid columns. */
void hawq_f32_collect(const hawq_f32_shape *s, const float *run, float *y);

#endif
