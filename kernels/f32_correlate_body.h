/* f32_correlate_body.h -- forward and by data: correlations with a list of
 * taps. Part of f32_body.h.
 *
 * Per (input channel, tap) of a block of OUT channels and 3 vectors: 3 loads of
 * x, OUT broadcasts of w, 3 * OUT fused multiply-adds.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */

enum { WIDEST = 8 }; /* vectors of a block of one channel */

/* y[m][o][q] = sum_{c, t} w[o * w_out + c * w_in + at[t]]
 *                         x[m][c][q + from[t]], q < run;
 * of those, rows `pitch` apart go to `offset` of each image and on. */
typedef struct correlation {
    size_t in, out, run, pitch, x_image, x_channel, w_out, w_in, taps, offset;
    size_t from[HAWQ_F32_TAPS], at[HAWQ_F32_TAPS];
    target to;
} correlation;

static void look_ahead(const hawq_f32_layout *l, correlation *j) {
    const hawq_f32_shape *s = &l->s;
    j->in = s->in;
    j->out = s->out;
    j->run = l->run;
    j->pitch = l->pitch;
    j->x_image = s->in * l->plane;
    j->x_channel = l->plane;
    j->w_out = s->in * l->n_taps;
    j->w_in = j->taps = l->n_taps;
    j->offset = 0;
    for (size_t t = 0; t < l->n_taps; t++) {
        j->from[t] = l->of[t] * l->phase + l->shift[t];
        j->at[t] = t;
    }
    j->to = (target){s->oh, s->ow, s->ow, s->oh * s->ow, 1};
}

/* The taps that read phase p, seen from there. False where none of it lies in
 * the image. */
static bool look_back(const hawq_f32_layout *l, size_t p, correlation *j) {
    const hawq_f32_shape *s = &l->s;
    const hawq_f32_phase *of = &l->phases[p];
    size_t                first = of->r0 * l->pitch + of->c0;
    if (of->r0 == of->r1 || of->c0 == of->c1) return false;
    j->in = s->out;
    j->out = s->in;
    j->run = (of->r1 - of->r0 - 1) * l->pitch + of->c1 - of->c0;
    j->run = (j->run + LANES - 1) / LANES * LANES;
    j->pitch = l->pitch;
    j->x_image = s->out * l->behind;
    j->x_channel = l->behind;
    j->w_out = l->n_taps;
    j->w_in = s->in * l->n_taps;
    j->offset = origin(s, of);
    j->taps = 0;
    for (size_t t = 0; t < l->n_taps; t++)
        if (l->of[t] == p) {
            j->from[j->taps] = l->lead + first - l->shift[t];
            j->at[j->taps++] = t;
        }
    j->to = (target){of->r1 - of->r0, of->c1 - of->c0, s->stride_h * s->w,
                     s->h * s->w, s->stride_w};
    return true;
}

/* The weights of a block in the order in which it reads them: [c][t][outs]. */
INLINE void pack(const correlation *j, const float *w, float *to,
                 const int outs) {
    for (size_t c = 0; c < j->in; c++, w += j->w_in)
        for (size_t t = 0; t < j->taps; t++, to += outs)
            for (int i = 0; i < outs; i++)
                to[i] = w[j->at[t] + (size_t)i * j->w_out];
}

/* Inlined with constants, so that the accumulators are registers. */
INLINE void block(const correlation *j, const float *w, const float *x,
                  float *y, const int outs, const int runs) {
    vec acc[OUT][WIDEST];
    for (int i = 0; i < outs; i++)
        for (int r = 0; r < runs; r++) acc[i][r] = (vec){0};
    for (size_t c = 0; c < j->in; c++, x += j->x_channel)
        for (size_t t = 0; t < j->taps; t++, w += outs) {
            const float *row = x + j->from[t];
            vec          v[WIDEST];
            for (int r = 0; r < runs; r++) v[r] = load(row + (size_t)r * LANES);
            for (int i = 0; i < outs; i++) {
                vec factor = splat(w[i]);
                for (int r = 0; r < runs; r++) acc[i][r] += factor * v[r];
            }
        }
    for (int i = 0; i < outs; i++)
        for (int r = 0; r < runs; r++)
            store(y + (size_t)i * j->run + (size_t)r * LANES, acc[i][r]);
}

/* Blocks of nearly equal width: two of 2 rather than 3 + 1. */
INLINE void channels(const correlation *j, const float *w, const float *x,
                     float *y, const int outs) {
    const size_t widest = VECTORS / outs < WIDEST ? VECTORS / outs : WIDEST;
    size_t       n;
    for (size_t left = j->run / LANES; left; left -= n) {
        size_t blocks = (left + widest - 1) / widest;
        n = (left + blocks - 1) / blocks;
        if (n == 1) block(j, w, x, y, outs, 1);
        if (n == 2) block(j, w, x, y, outs, 2);
        if (n == 3) block(j, w, x, y, outs, 3);
        if (n == 4 && widest >= 4) block(j, w, x, y, outs, 4);
        if (n == 5 && widest >= 5) block(j, w, x, y, outs, 5);
        if (n == 6 && widest >= 6) block(j, w, x, y, outs, 6);
        if (n == 7 && widest >= 7) block(j, w, x, y, outs, 7);
        if (n == 8 && widest >= 8) block(j, w, x, y, outs, 8);
        x += n * LANES;
        y += n * LANES;
    }
}

/* Blocks of `outs` channels, all images of each while its weights are near. */
INLINE size_t rows_of(const correlation *j, size_t images, const float *w,
                      const float *x, float *y, float *packed, size_t o,
                      const int outs) {
    for (; o + (size_t)outs <= j->out; o += (size_t)outs) {
        pack(j, w + o * j->w_out, packed, outs);
        for (size_t m = 0; m < images; m++)
            channels(j, packed, x + m * j->x_image,
                     y + (m * j->out + o) * j->run, outs);
    }
    return o;
}

/* scratch: y, and the weights of a block */
static void correlate(const correlation *j, size_t images, const float *w,
                      const float *x, float *to, size_t to_image,
                      float *scratch) {
    float *packed = scratch + images * j->out * j->run;
    size_t o = rows_of(j, images, w, x, scratch, packed, 0, OUT);
    if (OUT > 4) o = rows_of(j, images, w, x, scratch, packed, o, 4);
    o = rows_of(j, images, w, x, scratch, packed, o, 2);
    rows_of(j, images, w, x, scratch, packed, o, 1);
    for (size_t m = 0; m < images; m++)
        deliver(&j->to, j->out, scratch + m * j->out * j->run, j->run, j->pitch,
                to + m * to_image + j->offset);
}
