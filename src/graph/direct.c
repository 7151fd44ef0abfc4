/* direct.c -- a convolution cut into what one call of a float kernel does: one
 * group, and some images.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/direct.h"

#include "kernels/f32_conv.h"

#include <string.h>

/* Floats: the planes of some images that stay in the second cache, those that
 * stay in the first, and weights that come from far. */
enum {
    PLANES_FAR = 98304,
    PLANES_NEAR = 4096,
    WEIGHTS_WORTH = 200,
    WEIGHTS_FAR = 65536
};

typedef struct cut {
    hawq_f32_layout layout;
    size_t          some;   /* images at a time */
    size_t          planes; /* floats of their planes */
    size_t          in, out, x_image, y_image, weights;
} cut;

static const hawq_f32_kernels *kernels(void) {
    return sizeof(real) == sizeof(float) ? hawq_f32_select() : NULL;
}

bool hawq_direct_fits(const hawq_conv_shape *s) {
    return kernels() && s->kh * s->kw <= HAWQ_F32_TAPS;
}

const char *hawq_direct_name(void) {
    const hawq_f32_kernels *k = kernels();
    return k ? k->name : NULL;
}

static size_t at_most(size_t n, size_t most) {
    return n < most ? n : most;
}

/* Some images at a time: many weights are fetched once for all of them, and
 * small images make longer runs. */
static void cut_up(const hawq_conv_shape *s, size_t images, cut *c) {
    hawq_f32_shape group = {.in = s->c / s->groups,
                            .h = s->h,
                            .w = s->w,
                            .out = s->o / s->groups,
                            .oh = s->oh,
                            .ow = s->ow,
                            .kh = s->kh,
                            .kw = s->kw,
                            .stride_h = s->stride_h,
                            .stride_w = s->stride_w,
                            .dilation_h = s->dilation_h,
                            .dilation_w = s->dilation_w,
                            .pad_top = s->pad_top,
                            .pad_left = s->pad_left};
    hawq_f32_lay_out(&group, &c->layout);
    c->in = group.in * s->h * s->w;
    c->out = group.out * s->oh * s->ow;
    c->x_image = s->groups * c->in;
    c->y_image = s->groups * c->out;
    c->weights = group.out * group.in * s->kh * s->kw;
    size_t image = group.in * c->layout.plane;
    size_t most = PLANES_NEAR;
    if (c->weights > WEIGHTS_FAR) /* the fewer positions, the more they cost */
        most = PLANES_FAR * (1 + WEIGHTS_WORTH / (s->oh * s->ow));
    most /= image;
    c->some = at_most(most ? most : 1, images);
    c->planes = c->some * image;
}

size_t hawq_direct_scratch(const hawq_conv_shape *s, size_t images) {
    cut c;
    cut_up(s, images, &c);
    size_t forward = hawq_f32_forward_scratch(&c.layout, c.some);
    size_t data = hawq_f32_by_data_scratch(&c.layout, c.some);
    size_t weights = hawq_f32_by_weights_scratch(&c.layout, c.some);
    if (forward < weights) forward = weights;
    return c.planes + forward > data ? c.planes + forward : data;
}

/* The casts are identities wherever there are kernels: real is float. */
void hawq_direct_forward(const hawq_conv_shape *s, size_t images, int n,
                         const real *const *w, const real *x, real *const *y,
                         real *scratch) {
    const hawq_f32_kernels *k = kernels();
    const float *from = (const void *)x, *const *ws = (const void *)w;
    float       *planes = (void *)scratch, *const *to = (void *)y;
    cut          c;
    cut_up(s, images, &c);
    memset(planes, 0, c.planes * sizeof *planes);
    for (size_t m = 0, some; m < images; m += some) {
        some = at_most(c.some, images - m);
        for (size_t g = 0; g < s->groups; g++) {
            k->pad(&c.layout, some, from + m * c.x_image + g * c.in, c.x_image,
                   planes);
            for (int i = 0; i < n; i++)
                k->forward(&c.layout, some, ws[i] + g * c.weights, planes,
                           to[i] + m * c.y_image + g * c.out, c.y_image,
                           planes + c.planes);
        }
    }
}

void hawq_direct_by_data(const hawq_conv_shape *s, size_t images, int n,
                         const real *const *w, const real *const *by, real *bx,
                         real *scratch) {
    const hawq_f32_kernels *k = kernels();
    const float *const *ws = (const void *)w, *const *from = (const void *)by;
    float              *to = (void *)bx, *own = (void *)scratch;
    cut                 c;
    cut_up(s, images, &c);
    memset(own, 0, hawq_f32_by_data_scratch(&c.layout, c.some) * sizeof *own);
    for (size_t m = 0, some; m < images; m += some) {
        some = at_most(c.some, images - m);
        for (size_t g = 0; g < s->groups; g++)
            for (int i = 0; i < n; i++)
                k->by_data(&c.layout, some, ws[i] + g * c.weights,
                           from[i] + m * c.y_image + g * c.out, c.y_image,
                           to + m * c.x_image + g * c.in, c.x_image, own);
    }
}

void hawq_direct_by_weights(const hawq_conv_shape *s, size_t images, int n,
                            const real *const *by, const real *x,
                            real *const *bw, real *scratch) {
    const hawq_f32_kernels *k = kernels();
    const float *from = (const void *)x, *const *ys = (const void *)by;
    float       *planes = (void *)scratch, *const *to = (void *)bw;
    cut          c;
    cut_up(s, images, &c);
    memset(planes, 0,
           (c.planes + hawq_f32_by_weights_scratch(&c.layout, c.some)) *
               sizeof *planes);
    for (size_t m = 0, some; m < images; m += some) {
        some = at_most(c.some, images - m);
        for (size_t g = 0; g < s->groups; g++) {
            k->pad(&c.layout, some, from + m * c.x_image + g * c.in, c.x_image,
                   planes);
            for (int i = 0; i < n; i++)
                k->by_weights(&c.layout, some,
                              ys[i] + m * c.y_image + g * c.out, c.y_image,
                              planes, to[i] + g * c.weights, planes + c.planes);
        }
    }
}
