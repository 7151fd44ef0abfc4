/* f32_weights_body.h -- by weights: the sums over positions. Part of
 * f32_body.h.
 *
 * Many output channels: they are the lanes. y is transposed to channels
 * innermost, a block of LONG taps x WIDE vectors of channels stays in
 * registers while a block of positions passes, and w is summed transposed:
 * no column is wasted and no vector is summed across. Per position: WIDE loads
 * of y, LONG broadcasts of x, LONG * WIDE fused multiply-adds.
 *
 * Few (depthwise: one): positions are the lanes, y lies in runs with zeros in
 * the columns thrown away, and each weight is the sum across one vector.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */

enum {
    LONG = VECTORS / WIDE, /* taps of the widest block of lanes */
    PIXELS = 128,          /* of y in one block; near 32 KiB */
    ACROSS = 9             /* taps of a block of positions */
};

/* Positions of y that one block passes. */
typedef struct window {
    const hawq_f32_layout *l;
    size_t                 m0, m1, r0, r1; /* images and rows */
    const float           *x, *y;          /* planes; channels innermost */
} window;

/* w[k + t][v] += sum over the window, t < taps, v < vectors */
INLINE void lanes_block(const window *b, size_t k, float *w, const int taps,
                        const int vectors) {
    const hawq_f32_layout *l = b->l;
    const size_t           width = (size_t)vectors * LANES;
    const float           *x[VECTORS];
    vec                    acc[VECTORS];
    for (int t = 0; t < taps; t++) {
        size_t tap = (k + (size_t)t) % l->n_taps,
               c = (k + (size_t)t) / l->n_taps;
        x[t] = b->x + c * l->plane + l->of[tap] * l->phase + l->shift[tap];
        for (int v = 0; v < vectors; v++)
            acc[t * vectors + v] =
                load(w + (k + (size_t)t) * width + (size_t)v * LANES);
    }
    for (size_t m = b->m0; m < b->m1; m++)
        for (size_t r = b->r0; r < b->r1; r++) {
            size_t       at = m * l->s.in * l->plane + r * l->pitch;
            const float *y = b->y + (m * l->s.oh + r) * l->s.ow * width;
            for (size_t i = at; i < at + l->s.ow; i++, y += width) {
                vec d[WIDE];
                for (int v = 0; v < vectors; v++)
                    d[v] = load(y + (size_t)v * LANES);
                for (int t = 0; t < taps; t++) {
                    vec factor = splat(x[t][i]);
                    for (int v = 0; v < vectors; v++)
                        acc[t * vectors + v] += factor * d[v];
                }
            }
        }
    for (int t = 0; t < taps; t++)
        for (int v = 0; v < vectors; v++)
            store(w + (k + (size_t)t) * width + (size_t)v * LANES,
                  acc[t * vectors + v]);
}

INLINE void all_taps(const window *b, float *w, const int taps,
                     const int vectors) {
    size_t n = b->l->s.in * b->l->n_taps, k = 0;
    for (; k + (size_t)taps <= n; k += (size_t)taps)
        lanes_block(b, k, w, taps, vectors);
    for (; k + 3 <= n; k += 3) lanes_block(b, k, w, 3, vectors);
    for (; k < n; k++) lanes_block(b, k, w, 1, vectors);
}

/* All images, block by block of near PIXELS positions. */
INLINE void all_windows(const hawq_f32_layout *l, size_t images,
                        const float *planes, const float *y, float *w,
                        const int taps, const int vectors) {
    size_t pixels = l->s.oh * l->s.ow;
    size_t rows = pixels <= PIXELS ? l->s.oh : PIXELS / l->s.ow;
    size_t some = pixels <= PIXELS ? PIXELS / pixels : 1;
    window b = {.l = l, .x = planes, .y = y};
    if (rows == 0) rows = 1;
    for (b.m0 = 0; b.m0 < images; b.m0 = b.m1)
        for (b.r0 = 0; b.r0 < l->s.oh; b.r0 = b.r1) {
            b.m1 = b.m0 + some < images ? b.m0 + some : images;
            b.r1 = b.r0 + rows < l->s.oh ? b.r0 + rows : l->s.oh;
            all_taps(&b, w, taps, vectors);
        }
}

static void by_lanes(const hawq_f32_layout *l, size_t images, const float *y,
                     size_t y_image, const float *planes, float *w,
                     float *scratch) {
    const hawq_f32_shape *s = &l->s;
    size_t                pixels = s->oh * s->ow, k = s->in * l->n_taps, width;
    for (size_t o = 0; o < s->out; o += width) {
        size_t left = s->out - o;
        width = left >= WIDE * LANES       ? WIDE * LANES
                : left >= WIDE / 2 * LANES ? WIDE / 2 * LANES
                                           : LANES;
        float *turned = scratch + images * pixels * width;
        memset(turned, 0, k * width * sizeof *turned);
        for (size_t m = 0; m < images; m++)
            for (size_t v = 0; v < width && v < left; v += LANES)
                turn_in(y + m * y_image + (o + v) * pixels, pixels, pixels,
                        at_most(left - v, LANES),
                        scratch + m * pixels * width + v, width);
        if (width == WIDE * LANES)
            all_windows(l, images, planes, scratch, turned, LONG, WIDE);
        else if (width == WIDE / 2 * LANES)
            all_windows(l, images, planes, scratch, turned, 12, WIDE / 2);
        else
            all_windows(l, images, planes, scratch, turned, 12, 1);
        for (size_t v = 0; v < width && v < left; v += LANES)
            turn_out(turned + v, width, k, at_most(left - v, LANES),
                     w + (o + v) * k);
    }
}

/* --- positions in the lanes --------------------------------------------- */

/* w of one pair of channels, `taps` taps from `tap` on. */
INLINE void across_block(const hawq_f32_layout *l, size_t images,
                         const float *y, const float *x, size_t tap, float *w,
                         const int taps) {
    const float *from[ACROSS];
    vec          acc[ACROSS];
    for (int t = 0; t < taps; t++) {
        acc[t] = (vec){0};
        from[t] =
            x + l->of[tap + (size_t)t] * l->phase + l->shift[tap + (size_t)t];
    }
    for (size_t m = 0; m < images; m++) {
        size_t at = m * l->s.in * l->plane;
        for (size_t q = 0; q < l->run; q += LANES) {
            vec d = load(y + m * l->s.out * l->run + q);
            for (int t = 0; t < taps; t++) acc[t] += d * load(from[t] + at + q);
        }
    }
    for (int t = 0; t < taps; t++) w[tap + (size_t)t] += sum(acc[t]);
}

static void across(const hawq_f32_layout *l, size_t images, const float *y,
                   const float *x, float *w) {
    size_t t = 0;
    for (; t + ACROSS <= l->n_taps; t += ACROSS)
        across_block(l, images, y, x, t, w, ACROSS);
    for (; t + 4 <= l->n_taps; t += 4) across_block(l, images, y, x, t, w, 4);
    for (; t < l->n_taps; t++) across_block(l, images, y, x, t, w, 1);
}

static void by_positions(const hawq_f32_layout *l, size_t images,
                         const float *y, size_t y_image, const float *planes,
                         float *w, float *scratch) {
    const hawq_f32_shape *s = &l->s;
    for (size_t m = 0; m < images; m++)
        spread(l, y + m * y_image, scratch + m * s->out * l->run, l->run);
    for (size_t o = 0; o < s->out; o++)
        for (size_t c = 0; c < s->in; c++)
            across(l, images, scratch + o * l->run, planes + c * l->plane,
                   w + (o * s->in + c) * l->n_taps);
}
