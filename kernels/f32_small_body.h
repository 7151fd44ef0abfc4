/* f32_small_body.h -- correlations of small images with many channels out:
 * these are the lanes. Part of f32_body.h.
 *
 * SOME positions of any rows and images by up to HALF vectors of channels stay
 * in registers; nothing is computed to be thrown away. Per (input channel, tap)
 * of a block: HALF loads of w, SOME broadcasts of x, SOME * HALF fused
 * multiply-adds.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */

enum { SOME = 12, HALF = WIDE / 2 };

static bool small(const hawq_f32_layout *l, size_t out) {
    return out % LANES == 0 && hawq_f32_small(&l->s);
}

/* w of `width` channels: [in][taps of the kernel][width] */
static void pack_lanes(const correlation *j, const float *w, size_t taps,
                       float *to, size_t width) {
    size_t in = j->w_in == taps ? 1 : j->in; /* or as if of one channel */
    size_t n = j->in / in * taps;
    for (size_t c = 0; c < in; c++, w += j->w_in, to += n * width)
        for (size_t o = 0; o < width; o += LANES)
            turn_in(w + o * j->w_out, j->w_out, n, LANES, to + o, width);
}

/* Positions x[0] to x[SOME - 1]; y [SOME][vectors] */
INLINE void small_block(const correlation *j, size_t taps, const float *w,
                        const float *const *x, float *y, const int vectors) {
    const size_t width = (size_t)vectors * LANES;
    vec          acc[SOME][HALF];
    for (int i = 0; i < SOME; i++)
        for (int v = 0; v < vectors; v++) acc[i][v] = (vec){0};
    for (size_t c = 0; c < j->in; c++, w += taps * width)
        for (size_t t = 0; t < j->taps; t++) {
            size_t       from = c * j->x_channel + j->from[t];
            const float *at = w + j->at[t] * width;
            vec          d[HALF];
            for (int v = 0; v < vectors; v++)
                d[v] = load(at + (size_t)v * LANES);
            for (int i = 0; i < SOME; i++) {
                vec factor = splat(x[i][from]);
                for (int v = 0; v < vectors; v++) acc[i][v] += factor * d[v];
            }
        }
    for (int i = 0; i < SOME; i++)
        for (int v = 0; v < vectors; v++)
            store(y + (size_t)i * width + (size_t)v * LANES, acc[i][v]);
}

/* y [images][rows][columns][vectors], and SOME positions more: those beyond the
 * last repeat it. */
INLINE void small_images(const correlation *j, size_t images, size_t taps,
                         const float *w, const float *x, float *y,
                         const int vectors) {
    size_t columns = j->to.columns, pixels = j->to.rows * columns;
    size_t all = images * pixels;
    for (size_t p = 0; p < all; p += SOME) {
        const float *at[SOME];
        for (size_t i = 0; i < SOME; i++) {
            size_t q = at_most(p + i, all - 1), in = q % pixels;
            at[i] = x + q / pixels * j->x_image + in / columns * j->pitch +
                    in % columns;
        }
        small_block(j, taps, w, at, y + p * (size_t)vectors * LANES, vectors);
    }
}

/* `width` channels, from `to` on; scratch: y, and an image of it turned back */
static void small_channels(const correlation *j, size_t images, size_t taps,
                           const float *w, const float *x, float *to,
                           size_t to_image, size_t width, float *scratch) {
    size_t pixels = j->to.rows * j->to.columns;
    float *turned = scratch + (images * pixels + SOME) * width;
    if (width == HALF * LANES)
        small_images(j, images, taps, w, x, scratch, HALF);
    else
        small_images(j, images, taps, w, x, scratch, 1);
    for (size_t m = 0; m < images; m++) {
        memset(turned, 0, pixels * width * sizeof *turned);
        for (size_t v = 0; v < width; v += LANES)
            turn_out(scratch + m * pixels * width + v, width, pixels, LANES,
                     turned + v * pixels);
        deliver(&j->to, width, turned, pixels, j->to.columns,
                to + m * to_image + j->offset);
    }
}

/* Forward, or all phases by data. */
static void correlate_small(const hawq_f32_layout *l, bool back, size_t images,
                            const float *w, const float *x, float *to,
                            size_t to_image, float *scratch) {
    const size_t taps = l->n_taps, wide = HALF * LANES;
    size_t       in = back ? l->s.out : l->s.in;
    size_t       out = back ? l->s.in : l->s.out;
    float       *packed = scratch, *rest = scratch + in * taps * wide;
    correlation  j;
    for (size_t o = 0, width; o < out; o += width) {
        bool ready = false;
        width = out - o < wide ? LANES : wide;
        for (size_t p = 0; p < (back ? l->n_phases : 1); p++) {
            if (!back) look_ahead(l, &j);
            if (back && !look_back(l, p, &j)) continue;
            if (!ready) pack_lanes(&j, w + o * j.w_out, taps, packed, width);
            ready = true;
            small_channels(&j, images, taps, packed, x, to + o * j.to.channel,
                           to_image, width, rest);
        }
    }
}
