/* f32_winograd.c -- the order of the steps: what is kept, and for how many
 * tiles and channels at once.
 *
 * Two cases, by what the pairs share. One weight: the images of all pairs are
 * one long list. One input: V is made once for a band and met by every U.
 * (Anything else: pair by pair.)
 *
 *     for each band of tile rows
 *         V
 *         for each weight, for each group of output channels
 *             U (unless all are kept), M = U V, y += A^T M A
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/f32_winograd.h"

/* Floats. The U of all weights are kept where they fit into KEPT; else a group
 * of output channels fills at most GROUP. V and M of a band together take BAND,
 * but a band has no fewer than FEW tiles, each of which reads all of U. */
enum { KEPT = 1 << 20, GROUP = 300000, BAND = 1 << 17, FEW = 128 };

/* How one call is cut. */
typedef struct plan {
    hawq_f32_band band;  /* band.rows: of all bands but the last */
    size_t        rows;  /* tile rows of all images */
    size_t        group; /* output channels whose U is made at once */
    size_t        u;     /* floats of the U of a group */
    size_t        kept;  /* groups kept: those of all weights, or 1 */
} plan;

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

/* images: of all pairs that share a weight; weights: that share the images */
static plan make_plan(size_t lanes, const hawq_f32_shape *s, size_t images,
                      size_t weights) {
    plan   p = {.band = {.down = (s->oh + HAWQ_F32_TILE - 1) / HAWQ_F32_TILE,
                         .across = (s->ow + HAWQ_F32_TILE - 1) / HAWQ_F32_TILE}};
    size_t outs = round_up(s->out, lanes);
    p.group = GROUP / (HAWQ_F32_ELEMENTS * s->in) / lanes * lanes;
    if (p.group < lanes) p.group = lanes;
    if (p.group > outs) p.group = outs;
    p.u = HAWQ_F32_ELEMENTS * hawq_f32_slab(p.group * s->in, 1);
    p.kept = weights * ((outs + p.group - 1) / p.group);
    if (p.kept * p.u > KEPT) p.kept = 1;
    p.rows = images * p.band.down;
    size_t tiles = BAND / (HAWQ_F32_ELEMENTS * (s->in + p.group));
    if (tiles < FEW) tiles = FEW;
    p.band.rows = tiles / p.band.across;
    if (p.band.rows < 1) p.band.rows = 1;
    if (p.band.rows > p.rows) p.band.rows = p.rows;
    /* an odd number of lines spreads the channels over the sets of a cache */
    p.band.stride = round_up(p.band.rows * p.band.across, 16) | 16;
    return p;
}

/* The working memory of the steps images and collect. */
static size_t size_room(const hawq_f32_band *b) {
    return hawq_f32_tile_plane(b) + 2 * HAWQ_F32_SPAN * hawq_f32_quads(b);
}

bool hawq_f32_winograd_fits(const hawq_f32_kernels *k,
                            const hawq_f32_shape   *s) {
    return k && k->winograd && s->kh == 3 && s->kw == 3;
}

size_t hawq_f32_winograd_scratch(const hawq_f32_kernels *k,
                                 const hawq_f32_shape *s, size_t images,
                                 size_t n) {
    plan   p = make_plan(k->winograd->lanes, s, images * n, 1);
    size_t u = n * p.u * ((s->out + p.group - 1) / p.group);
    size_t v = hawq_f32_slab(s->in, p.band.stride);
    size_t m = hawq_f32_slab(p.group, p.band.stride);
    if (u > KEPT) u = KEPT > p.u ? KEPT : p.u;
    return u + HAWQ_F32_ELEMENTS * (v + m) + size_room(&p.band);
}

/* One pointer of x and y holds `each` images; y[i] belongs to weight i. */
static void run(const hawq_f32_winograd_steps *k, const hawq_f32_shape *s,
                const plan *p, size_t each, size_t weights,
                const hawq_f32_weights *w, const float *const *x,
                float *const *y, float *scratch) {
    hawq_f32_band b = p->band;
    float        *v = scratch + p->kept * p->u;
    float        *m = v + HAWQ_F32_ELEMENTS * hawq_f32_slab(s->in, b.stride);
    float *room = m + HAWQ_F32_ELEMENTS * hawq_f32_slab(p->group, b.stride);
    size_t all = weights * ((s->out + p->group - 1) / p->group);
    b.images = each;
    for (b.first = 0; b.first < p->rows; b.first += b.rows) {
        if (b.rows > p->rows - b.first) b.rows = p->rows - b.first;
        size_t group = 0;
        k->images(s, &b, x, room, v);
        for (size_t i = 0; i < weights; i++)
            for (size_t o = 0; o < s->out; o += p->group, group++) {
                size_t outs = s->out - o < p->group ? s->out - o : p->group;
                float *u = scratch + group % p->kept * p->u;
                if (b.first == 0 || p->kept < all)
                    k->weights(s, &w[i], o, outs, u);
                k->multiply(s, &b, outs, u, v, m);
                k->collect(s, &b, o, outs, m, room, y + i);
            }
    }
}

void hawq_f32_winograd(const hawq_f32_kernels *k, const hawq_f32_shape *s,
                       size_t images, size_t n, const hawq_f32_weights *w,
                       const float *const *x, float *const *y, float *scratch) {
    const hawq_f32_winograd_steps *steps = k->winograd;
    bool                           one_w = true, one_x = true;
    for (size_t i = 1; i < n; i++) {
        one_w = one_w && w[i].at == w[0].at;
        one_x = one_x && x[i] == x[0];
    }
    size_t weights = one_x && !one_w ? n : 1, step = one_w || one_x ? n : 1;
    plan   p = make_plan(steps->lanes, s, one_w ? n * images : images, weights);
    for (size_t i = 0; i < n; i += step)
        run(steps, s, &p, images, weights, w + i, x + i, y + i, scratch);
}
