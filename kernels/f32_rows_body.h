/* f32_rows_body.h -- images into and out of the forms that the kernels want.
 * Part of f32_body.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */

INLINE size_t at_most(size_t n, size_t most) {
    return n < most ? n : most;
}

/* n < LANES elements, `step` of 1 or 2 apart */
INLINE vec load_apart(const float *x, size_t n, const size_t step) {
    if (step == 1) return load_some(x, n);
    size_t all = 2 * n - 1, head = at_most(all, LANES);
    return even(load_some(x, head), load_some(x + head, all - head));
}

/* to[r][i] = from[r][i * step] */
INLINE void gather(size_t rows, size_t columns, float *to, size_t to_pitch,
                   const float *from, size_t from_pitch, const size_t step) {
    for (size_t r = 0; r < rows; r++, to += to_pitch, from += from_pitch) {
        size_t i = 0;
        if (step == 1)
            for (; i + LANES <= columns; i += LANES)
                store(to + i, load(from + i));
        if (step == 2)
            for (; i + LANES < columns; i += LANES)
                store(to + i,
                      even(load(from + 2 * i), load(from + 2 * i + LANES)));
        if (step <= 2 && i < columns)
            store_some(to + i, load_apart(from + i * step, columns - i, step),
                       columns - i);
        for (; step > 2 && i < columns; i++) to[i] = from[i * step];
    }
}

/* y[r][i * step] += x[r][i], i < n <= LANES, r < rows <= AHEAD. What is read is
 * read before anything is stored: a load that overlaps a masked store of just
 * before waits for it. No branches: beyond `rows`, none of the first row. */
enum { AHEAD = 8 };
INLINE void add_rows(size_t rows, size_t n, float *y, size_t y_pitch,
                     const float *x, size_t x_pitch, const size_t step) {
    vec    v[AHEAD], u[AHEAD];
    size_t all = step * (n - 1) + 1, head = at_most(all, LANES);
    for (size_t r = 0; r < AHEAD; r++) {
        size_t row = r < rows ? r : 0;
        v[r] = load_some(x + row * x_pitch, n);
        if (step == 2) {
            u[r] = zip_high(v[r], (vec){0}) +
                   load_some(y + row * y_pitch + head, all - head);
            v[r] = zip_low(v[r], (vec){0});
        }
        v[r] += load_some(y + row * y_pitch, head);
    }
    for (size_t r = 0; r < AHEAD; r++) {
        size_t row = r < rows ? r : 0;
        store_some(y + row * y_pitch, v[r], r < rows ? head : 0);
        if (step == 2)
            store_some(y + row * y_pitch + head, u[r],
                       r < rows ? all - head : 0);
    }
}

/* y[r][i * step] += x[r][i] */
INLINE void scatter(size_t rows, size_t columns, float *y, size_t y_pitch,
                    const float *x, size_t x_pitch, const size_t step) {
    size_t wide = step <= 2 ? (columns - (step == 2)) / LANES * LANES : 0;
    for (size_t r = 0; r < rows; r++) {
        float       *to = y + r * y_pitch;
        const float *from = x + r * x_pitch;
        if (step > 2)
            for (size_t i = 0; i < columns; i++) to[i * step] += from[i];
        for (size_t i = 0; i < wide; i += LANES)
            if (step == 1)
                store(to + i, load(to + i) + load(from + i));
            else {
                vec v = load(from + i);
                store(to + 2 * i, load(to + 2 * i) + zip_low(v, (vec){0}));
                store(to + 2 * i + LANES,
                      load(to + 2 * i + LANES) + zip_high(v, (vec){0}));
            }
    }
    if (step <= 2 && wide < columns)
        for (size_t r = 0; r < rows; r += AHEAD)
            add_rows(at_most(rows - r, AHEAD), columns - wide,
                     y + r * y_pitch + wide * step, y_pitch,
                     x + r * x_pitch + wide, x_pitch, step);
}

/* Where a phase's first element inside the image lies there. */
static size_t origin(const hawq_f32_shape *s, const hawq_f32_phase *p) {
    return (p->r0 * s->stride_h + p->y - s->pad_top) * s->w +
           p->c0 * s->stride_w + p->x - s->pad_left;
}

static void pad_phase(const hawq_f32_layout *l, const hawq_f32_phase *p,
                      const float *x, float *to) {
    const hawq_f32_shape *s = &l->s;
    size_t                rows = p->r1 - p->r0, columns = p->c1 - p->c0;
    size_t                pitch = s->stride_h * s->w;
    if (!rows || !columns) return;
    x += origin(s, p);
    to += p->r0 * l->pitch + p->c0;
    if (s->stride_w == 1)
        gather(rows, columns, to, l->pitch, x, pitch, 1);
    else if (s->stride_w == 2)
        gather(rows, columns, to, l->pitch, x, pitch, 2);
    else
        gather(rows, columns, to, l->pitch, x, pitch, s->stride_w);
}

/* What lies outside the image stays zero from channel to channel. */
static void pad(const hawq_f32_layout *l, size_t images, const float *x,
                size_t x_image, float *planes) {
    const hawq_f32_shape *s = &l->s;
    for (size_t m = 0; m < images; m++)
        for (size_t c = 0; c < s->in; c++, planes += l->plane)
            for (size_t p = 0; p < l->n_phases; p++)
                pad_phase(l, &l->phases[p], x + m * x_image + c * s->h * s->w,
                          planes + p * l->phase);
}

/* y [out][oh][ow] into rows of the pitch, channels `stride` apart. */
static void spread(const hawq_f32_layout *l, const float *y, float *to,
                   size_t stride) {
    const hawq_f32_shape *s = &l->s;
    for (size_t o = 0; o < s->out; o++)
        gather(s->oh, s->ow, to + o * stride, l->pitch, y + o * s->oh * s->ow,
               s->ow, 1);
}

/* Where one image's results go: `to` is its first channel. */
typedef struct target {
    size_t rows, columns, pitch, channel, step;
} target;

/* from: [channels][channel], rows from_pitch apart */
static void deliver(const target *g, size_t channels, const float *from,
                    size_t channel, size_t from_pitch, float *to) {
    for (size_t c = 0; c < channels; c++, to += g->channel, from += channel)
        if (g->step == 1)
            scatter(g->rows, g->columns, to, g->pitch, from, from_pitch, 1);
        else if (g->step == 2)
            scatter(g->rows, g->columns, to, g->pitch, from, from_pitch, 2);
        else
            scatter(g->rows, g->columns, to, g->pitch, from, from_pitch,
                    g->step);
}
