/* f32_conv.h -- float convolutions straight from the image: any stride and
 * dilation, one group of channels at a time.
 *
 * No unfolding. An image is copied once into planes with its zero padding
 * around. Output (oy, ox) reads row oy * stride + ky * dilation of the padded
 * image; with ky * dilation = stride * a + p that is row oy + a of those rows
 * that leave p when divided by the stride, the phase p. So a channel's plane
 * holds its phases one after another, all of one pitch, and output position
 * q = oy * pitch + ox reads tap t at q + shift(t) of phase(t): a strided
 * correlation is one of stride 1 over phases, and a whole image is one run of
 * vectors. The columns between the output's width and the pitch are computed
 * and thrown away.
 *
 *     forward      y[o][q]         += sum_{i, t} w(o, i, t) x[i][q + shift(t)]
 *     by data      x[i][q] of p    += sum_{o, t of p} w(o, i, t)
 *                                                     y[o][q - shift(t)]
 *     by weights   w(o, i, t)      += sum_q y[o][q] x[i][q + shift(t)]
 *
 * Order: hawq_f32_lay_out; zeros into all of the scratch; then any of a table's
 * functions, `pad` before those that read planes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_F32_CONV_H
#define HAWQ_F32_CONV_H
#include <stdbool.h>
#include <stddef.h>

enum { HAWQ_F32_TAPS = 128 }; /* more than a kernel of 11x11 has */

/* One group: `in` channels of h x w become `out` channels of oh x ow. Paddings
 * below and to the right follow from oh and ow. */
typedef struct hawq_f32_shape {
    size_t in, h, w, out, oh, ow, kh, kw;
    size_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
} hawq_f32_shape;

/* Padded rows = y modulo stride_h, columns = x modulo stride_w; of its own rows
 * and columns [r0, r1) x [c0, c1) lie in the image. */
typedef struct hawq_f32_phase {
    size_t y, x, r0, r1, c0, c1;
} hawq_f32_phase;

/* Sizes are in floats. */
typedef struct hawq_f32_layout {
    hawq_f32_shape s;
    size_t         pitch;  /* from row to row, of every phase and of y */
    size_t         run;    /* output positions, whole vectors */
    size_t         phase;  /* one phase of one channel */
    size_t         plane;  /* all phases of one channel */
    size_t         lead;   /* the largest shift */
    size_t         behind; /* one channel of y with `lead` zeros before it */
    size_t         n_taps, n_phases;
    size_t         shift[HAWQ_F32_TAPS], of[HAWQ_F32_TAPS]; /* of: its phase */
    hawq_f32_phase phases[HAWQ_F32_TAPS];
} hawq_f32_layout;

/* An image of few positions: runs of vectors waste much of them. */
static inline bool hawq_f32_small(const hawq_f32_shape *s) {
    return s->oh * s->ow <= 200;
}

/* Wants kh * kw <= HAWQ_F32_TAPS. */
void hawq_f32_lay_out(const hawq_f32_shape *s, hawq_f32_layout *l);

/* Floats of scratch beside the planes that each function wants. */
size_t hawq_f32_forward_scratch(const hawq_f32_layout *l, size_t images);
size_t hawq_f32_by_data_scratch(const hawq_f32_layout *l, size_t images);
size_t hawq_f32_by_weights_scratch(const hawq_f32_layout *l, size_t images);

/* Image m of x starts at x + m * x_image, of y at y + m * y_image; planes are
 * [images][in][plane]; w is [out][in][kh * kw]. Results are added. */
typedef struct hawq_f32_kernels {
    const char *name;
    bool (*usable)(void);
    void (*pad)(const hawq_f32_layout *l, size_t images, const float *x,
                size_t x_image, float *planes);
    void (*forward)(const hawq_f32_layout *l, size_t images, const float *w,
                    const float *planes, float *y, size_t y_image,
                    float *scratch);
    void (*by_data)(const hawq_f32_layout *l, size_t images, const float *w,
                    const float *y, size_t y_image, float *x, size_t x_image,
                    float *scratch);
    void (*by_weights)(const hawq_f32_layout *l, size_t images, const float *y,
                       size_t y_image, const float *planes, float *w,
                       float *scratch);
    const struct hawq_f32_winograd_steps *winograd; /* f32_winograd.h */
} hawq_f32_kernels;

/* All tables compiled in, best first; NULL-terminated. */
extern const hawq_f32_kernels *const hawq_f32_tables[];

/* The best table this processor runs. */
const hawq_f32_kernels *hawq_f32_select(void);

#endif
