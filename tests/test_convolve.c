/* test_convolve.c -- the float convolution kernels, and the three products of a
 * convolution through whatever provider fits.
 *
 * Claims: forward, by data and by weights equal their defining sums, taken in
 * double, within the rounding of float; for every table of kernels this
 * processor runs, chosen or not, sizes below, at and above a vector and a
 * register block, strides of 1 to 4, dilations, groups, depthwise, paddings on
 * one side only, kernels of 1 to 12; results are added to what is there;
 * several operands give what each gives alone; threads that compute one shape
 * at the same time get the same bits as one thread.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/f32_winograd.h"
#include "src/base/rng.h"
#include "src/base/threads.h"
#include "src/graph/convolve.h"
#include "src/graph/mm.h"
#include "tests/check.h"

enum { IMAGES = 3, OPERANDS = 2 };

static float *draw(uint64_t key, size_t n) {
    float *x = malloc((n ? n : 1) * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(2 * hawq_rng_uniform(key, i) - 1);
    return x;
}

/* Calls term(output, weight, input) for every product of the convolution. */
typedef struct sums {
    const float *w, *x, *by;
    double      *y, *bx, *bw;
} sums;

static void tap(const hawq_conv_shape *s, size_t m, size_t o, size_t c,
                size_t oy, size_t ox, const sums *t) {
    size_t per = s->c / s->groups, g = o / (s->o / s->groups);
    size_t out = ((m * s->o + o) * s->oh + oy) * s->ow + ox;
    for (size_t ky = 0; ky < s->kh; ky++)
        for (size_t kx = 0; kx < s->kw; kx++) {
            ptrdiff_t iy = (ptrdiff_t)(oy * s->stride_h + ky * s->dilation_h) -
                           (ptrdiff_t)s->pad_top;
            ptrdiff_t ix = (ptrdiff_t)(ox * s->stride_w + kx * s->dilation_w) -
                           (ptrdiff_t)s->pad_left;
            if (iy < 0 || ix < 0 || iy >= (ptrdiff_t)s->h ||
                ix >= (ptrdiff_t)s->w)
                continue;
            size_t w = ((o * per + c) * s->kh + ky) * s->kw + kx;
            size_t in = ((m * s->c + g * per + c) * s->h + (size_t)iy) * s->w +
                        (size_t)ix;
            t->y[out] += (double)t->w[w] * t->x[in];
            t->bx[in] += (double)t->w[w] * t->by[out];
            t->bw[w] += (double)t->by[out] * t->x[in];
        }
}

static void define(const hawq_conv_shape *s, const sums *t) {
    for (size_t m = 0; m < IMAGES; m++)
        for (size_t o = 0; o < s->o; o++)
            for (size_t c = 0; c < s->c / s->groups; c++)
                for (size_t oy = 0; oy < s->oh; oy++)
                    for (size_t ox = 0; ox < s->ow; ox++)
                        tap(s, m, o, c, oy, ox, t);
}

/* got started as `start`, and the sum was added. */
static void compare(const char *what, const hawq_conv_shape *s, size_t n,
                    const float *got, const float *start, const double *want,
                    double terms) {
    for (size_t i = 0; i < n; i++) {
        double expected = start[i] + want[i];
        if (fabs(got[i] - expected) > 3e-7 * (terms + 8)) {
            printf("%s: c %zu o %zu %zux%zu k %zux%zu pad %zu,%zu\n", what,
                   s->c, s->o, s->h, s->w, s->kh, s->kw, s->pad_top,
                   s->pad_left);
            CHECK_NEAR(got[i], expected, 3e-7 * (terms + 8));
            return;
        }
    }
    CHECK(true);
}

/* What pairs have in common: nothing, the weights, or what they multiply. */
typedef enum shared { NOTHING, WEIGHTS, INPUTS, CASES } shared;

/* One pair: its operands, what they are added to, and the sums. */
typedef struct pair {
    float *w, *x, *by, *y, *bx, *bw;
    sums   t;
} pair;

static void open_pair(const hawq_conv_shape *s, shared what, uint64_t i,
                      const size_t n[3], pair *p) {
    uint64_t w = what == WEIGHTS ? 0 : i, x = what == INPUTS ? 0 : i;
    *p = (pair){.w = draw(10 + w, n[0]),
                .x = draw(20 + x, n[1]),
                .by = draw(30 + x, n[2]),
                .bw = draw(6, n[0]),
                .bx = draw(5, n[1]),
                .y = draw(4, n[2])};
    p->t = (sums){p->w,
                  p->x,
                  p->by,
                  calloc(n[2] + 1, sizeof(double)),
                  calloc(n[1] + 1, sizeof(double)),
                  calloc(n[0] + 1, sizeof(double))};
    define(s, &p->t);
}

static void close_pair(pair *p) {
    void *all[] = {p->w,  p->x,   p->by,   p->y,   p->bx,
                   p->bw, p->t.y, p->t.bx, p->t.bw};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void check_case(hawq_conv_shape *s, shared what) {
    size_t       n[3] = {s->o * (s->c / s->groups) * s->kh * s->kw,
                         IMAGES * s->c * s->h * s->w, IMAGES * s->o * s->oh * s->ow};
    pair         p[OPERANDS];
    float       *y0 = draw(4, n[2]), *bx0 = draw(5, n[1]), *bw0 = draw(6, n[0]);
    float       *scratch = draw(7, hawq_conv_scratch(s, IMAGES));
    const float *w[OPERANDS], *x[OPERANDS], *by[OPERANDS];
    float       *y[OPERANDS], *bx[OPERANDS], *bw[OPERANDS];
    for (int i = 0; i < OPERANDS; i++) {
        open_pair(s, what, (uint64_t)i, n, &p[i]);
        w[i] = p[what == WEIGHTS ? 0 : i].w;
        x[i] = p[what == INPUTS ? 0 : i].x;
        by[i] = p[what == INPUTS ? 0 : i].by;
        y[i] = p[i].y;
        bx[i] = p[i].bx;
        bw[i] = p[i].bw;
    }
    hawq_conv_forward(s, IMAGES, OPERANDS, w, x, y, scratch);
    hawq_conv_by_data(s, IMAGES, OPERANDS, w, by, bx, scratch);
    if (what == INPUTS)
        hawq_conv_by_weights(s, IMAGES, OPERANDS, by, x[0], bw, scratch);
    double k = (double)(s->kh * s->kw), pixels = (double)(s->oh * s->ow);
    for (int i = 0; i < OPERANDS; i++) {
        compare("forward", s, n[2], y[i], y0, p[i].t.y, k * (double)s->c);
        compare("by data", s, n[1], bx[i], bx0, p[i].t.bx, k * (double)s->o);
        if (what == INPUTS)
            compare("by weights", s, n[0], bw[i], bw0, p[i].t.bw,
                    IMAGES * pixels);
        close_pair(&p[i]);
    }
    free(y0);
    free(bx0);
    free(bw0);
    free(scratch);
}

static void check_shape(hawq_conv_shape *s) {
    for (int what = 0; what < CASES; what++) check_case(s, (shared)what);
}

static hawq_conv_shape shape(size_t c, size_t o, size_t h, size_t w, size_t kh,
                             size_t kw, size_t top, size_t bottom, size_t left,
                             size_t right) {
    return (hawq_conv_shape){.c = c,
                             .h = h,
                             .w = w,
                             .o = o,
                             .oh = h + top + bottom - kh + 1,
                             .ow = w + left + right - kw + 1,
                             .kh = kh,
                             .kw = kw,
                             .stride_h = 1,
                             .stride_w = 1,
                             .dilation_h = 1,
                             .dilation_w = 1,
                             .pad_top = top,
                             .pad_left = left,
                             .groups = 1};
}

/* Shapes outside the float kernels: strided, dilated, grouped, depthwise, with
 * whole and with broken blocks of channels. */
static void other_providers(void) {
    static const struct {
        size_t c, o, k, stride, dilation, groups;
    } row[] = {
        {4, 6, 3, 2, 1, 1},   {4, 6, 3, 2, 1, 2},    {6, 6, 3, 1, 1, 6},
        {6, 12, 3, 1, 1, 6},  {5, 9, 1, 1, 1, 1},    {16, 32, 3, 2, 1, 1},
        {32, 16, 1, 2, 1, 1}, {32, 32, 3, 1, 2, 1},  {32, 32, 3, 1, 1, 2},
        {64, 32, 3, 2, 1, 2}, {16, 16, 3, 1, 1, 16}, {21, 21, 3, 2, 1, 21},
        {8, 8, 5, 2, 2, 1},   {1, 17, 4, 2, 1, 1}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        for (size_t pad = 0; pad < row[i].k; pad++) {
            size_t          reach = (row[i].k - 1) * row[i].dilation;
            hawq_conv_shape s =
                shape(row[i].c, row[i].o, 9, 10, 1, 1, 0, 0, 0, 0);
            s.kh = s.kw = row[i].k;
            s.stride_h = s.stride_w = row[i].stride;
            s.dilation_h = s.dilation_w = row[i].dilation;
            s.groups = row[i].groups;
            s.pad_top = pad;
            s.oh = (s.h + 2 * pad - reach - 1) / s.stride_h + 1;
            s.ow = (s.w - reach - 1) / s.stride_w + 1;
            check_shape(&s);
        }
}

/* Task t computes all three products in workspaces of its own. */
enum { TASKS = 8, SMALL = 16 * 16 * 9 };
typedef struct crowd {
    hawq_conv_shape shape;
    const float    *x, *w, *by;
    float          *scratch[TASKS], *y[TASKS], *bx[TASKS], bw[TASKS][SMALL];
    size_t          nx, ny;
} crowd;

static void one_of_crowd(void *self, size_t t, int worker) {
    crowd *c = self;
    float *bw = c->bw[t];
    (void)worker;
    hawq_conv_forward(&c->shape, IMAGES, 1, &c->w, &c->x, &c->y[t],
                      c->scratch[t]);
    hawq_conv_by_data(&c->shape, IMAGES, 1, &c->w, &c->by, &c->bx[t],
                      c->scratch[t]);
    hawq_conv_by_weights(&c->shape, IMAGES, 1, &c->by, c->x, &bw,
                         c->scratch[t]);
}

static void one_but_first(void *self, size_t t, int worker) {
    one_of_crowd(self, t + 1, worker);
}

static void same_bits_in_threads(size_t stride) {
    static crowd  c;
    hawq_threads *threads;
    c = (crowd){.shape = shape(16, 16, 11, 11, 3, 3, 1, 1, 1, 1)};
    c.shape.stride_h = c.shape.stride_w = stride;
    c.shape.oh = c.shape.ow = 10 / stride + 1;
    size_t scratch = hawq_conv_scratch(&c.shape, IMAGES);
    c.nx = (size_t)IMAGES * 16 * 11 * 11;
    c.ny = (size_t)IMAGES * 16 * c.shape.oh * c.shape.ow;
    float *x = draw(1, c.nx), *w = draw(2, SMALL), *by = draw(3, c.ny);
    c.x = x;
    c.w = w;
    c.by = by;
    for (int t = 0; t < TASKS; t++) {
        c.scratch[t] = draw(4, scratch);
        c.y[t] = draw(5, c.ny);
        c.bx[t] = draw(6, c.nx);
    }
    one_of_crowd(&c, 0, 0);
    if (!CHECK_OK(hawq_threads_new(4, &threads))) return;
    hawq_threads_run(threads, TASKS - 1, one_but_first, NULL, &c);
    hawq_threads_free(threads);
    for (int t = 1; t < TASKS; t++) {
        CHECK(!memcmp(c.y[t], c.y[0], c.ny * sizeof *c.y[0]));
        CHECK(!memcmp(c.bx[t], c.bx[0], c.nx * sizeof *c.bx[0]));
        CHECK(!memcmp(c.bw[t], c.bw[0], sizeof c.bw[0]));
    }
    for (int t = 0; t < TASKS; t++) {
        free(c.scratch[t]);
        free(c.y[t]);
        free(c.bx[t]);
    }
    free(x);
    free(w);
    free(by);
}

static void providers(void) {
    static const size_t channels[] = {1, 3, 4, 7, 8, 9, 17};
    for (size_t i = 0; i < 7; i++)
        for (size_t o = 0; o < 7; o++) {
            hawq_conv_shape s =
                shape(channels[i], channels[o], 7, 5 + i, 3, 3, 1, 1, 1, 1);
            check_shape(&s);
        }
    for (size_t w = 1; w < 50; w += 3) { /* around whole vectors */
        hawq_conv_shape s = shape(2, 9, 3, w, 3, 3, 1, 1, 1, 1);
        check_shape(&s);
    }
    for (size_t k = 1; k <= 5; k++)
        for (size_t top = 0; top < k; top++)
            for (size_t right = 0; right < k; right++) {
                hawq_conv_shape s = shape(3, 8, 6, 7, k, 6 - k, top, 0, 0,
                                          right < 6 - k ? right : 0);
                check_shape(&s);
            }
}

/* The same forward product by minimal filtering, added to y. Its rounding stays
 * within the plain sum's bound where convolve.c takes it: many channels. */
static void check_winograd(const hawq_f32_kernels *k, const hawq_f32_shape *f,
                           const hawq_conv_shape *s, const pair *p,
                           const float *y0, size_t n) {
    const hawq_f32_weights w = {p->w, f->in * 9, 9, 1};
    const float           *x = p->x;
    float                 *y = draw(4, n), *room;
    room = draw(7, hawq_f32_winograd_scratch(k, f, IMAGES, 1));
    hawq_f32_winograd(k, f, IMAGES, 1, &w, &x, &y, room);
    compare(k->name, s, n, y, y0, p->t.y, (double)(9 * f->in));
    free(y);
    free(room);
}

/* One table of kernels, chosen or not, on one group. */
static void check_table(const hawq_f32_kernels *k, const hawq_conv_shape *s) {
    static hawq_f32_layout l;
    size_t                 taps = s->kh * s->kw, pixels = s->oh * s->ow;
    size_t                 x = s->c * s->h * s->w, y = s->o * pixels;
    size_t                 n[3] = {s->o * s->c * taps, IMAGES * x, IMAGES * y};
    pair                   p;
    float *y0 = draw(4, n[2]), *bx0 = draw(5, n[1]), *bw0 = draw(6, n[0]);
    open_pair(s, NOTHING, 0, n, &p);
    const hawq_f32_shape f = {
        s->c,          s->h,          s->w,       s->o,        s->oh,
        s->ow,         s->kh,         s->kw,      s->stride_h, s->stride_w,
        s->dilation_h, s->dilation_w, s->pad_top, s->pad_left};
    hawq_f32_lay_out(&f, &l);
    float *planes = calloc(IMAGES * s->c * l.plane, sizeof *planes);
    float *room[] = {
        calloc(hawq_f32_forward_scratch(&l, IMAGES), sizeof *bw0),
        calloc(hawq_f32_by_data_scratch(&l, IMAGES), sizeof *bw0),
        calloc(hawq_f32_by_weights_scratch(&l, IMAGES), sizeof *bw0)};
    k->pad(&l, IMAGES, p.x, x, planes);
    k->forward(&l, IMAGES, p.w, planes, p.y, y, room[0]);
    k->by_data(&l, IMAGES, p.w, p.by, y, p.bx, x, room[1]);
    k->by_weights(&l, IMAGES, p.by, y, planes, p.bw, room[2]);
    compare(k->name, s, n[2], p.y, y0, p.t.y, (double)(taps * s->c));
    compare(k->name, s, n[1], p.bx, bx0, p.t.bx, (double)(taps * s->o));
    compare(k->name, s, n[0], p.bw, bw0, p.t.bw, (double)(IMAGES * pixels));
    if (s->c >= 16 && s->stride_h == 1 && s->dilation_h == 1 &&
        hawq_f32_winograd_fits(k, &f))
        check_winograd(k, &f, s, &p, y0, n[2]);
    close_pair(&p);
    void *all[] = {y0, bx0, bw0, planes, room[0], room[1], room[2]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* A square kernel with paddings of `top` and `left`, nothing on the other
 * sides. */
static hawq_conv_shape strided(size_t c, size_t o, size_t h, size_t w, size_t k,
                               size_t stride, size_t dilation, size_t top,
                               size_t left) {
    hawq_conv_shape s = shape(c, o, h, w, 1, 1, 0, 0, 0, 0);
    size_t          reach = (k - 1) * dilation + 1;
    s.kh = s.kw = k;
    s.stride_h = s.stride_w = stride;
    s.dilation_h = s.dilation_w = dilation;
    s.pad_top = top;
    s.pad_left = left;
    s.oh = (h + top - reach) / stride + 1;
    s.ow = (w + left - reach) / stride + 1;
    return s;
}

static void check_tables(const hawq_conv_shape *s) {
    for (const hawq_f32_kernels *const *k = hawq_f32_tables; *k; k++)
        if ((*k)->usable()) check_table(*k, s);
}

static void tables_alone(void) {
    static const size_t outs[] = {1, 2, 5, 8, 15, 16, 17, 33, 64, 81};
    for (size_t i = 0; i < sizeof outs / sizeof *outs; i++)
        for (size_t stride = 1; stride <= 3; stride++) {
            hawq_conv_shape s =
                strided(1 + i % 4, outs[i], 9, 13, 3, stride, 1, 1, 1);
            check_tables(&s);
            s = strided(3, outs[i], 14, 12, 4, stride, 2, i % 3, 3 - i % 3);
            check_tables(&s);
            s = strided(outs[i], 16, 5 + i, 9, 3, stride, 1, 1, 1);
            check_tables(&s);
        }
    for (size_t w = 1; w < 80; w++) { /* around whole vectors */
        hawq_conv_shape s = strided(2, 3, 19, w + 2, 3, 2, 1, w % 3, 0);
        check_tables(&s);
        s = strided(1, 17, 11, w + 2, 3, 1 + w % 2, 1, 1, w % 2);
        check_tables(&s);
    }
}

/* Depthwise: one and several filters a channel, all of the image reached or
 * only a part of it, padding beyond the kernel's reach. */
static void depthwise(void) {
    for (size_t k = 1; k <= 7; k += 2)
        for (size_t stride = 1; stride <= 3; stride++)
            for (size_t size = 7; size < 40; size += 5)
                for (size_t o = 6; o <= 12; o += 6) {
                    hawq_conv_shape s = strided(6, o, size, size + 4, k, stride,
                                                1, size % (k + 1), k / 2);
                    s.groups = 6;
                    check_shape(&s);
                    s.oh = s.ow = 1;
                    check_shape(&s);
                }
}

/* More taps than the kernels take, and a few less. */
static void many_taps(void) {
    for (size_t k = 10; k <= 12; k++) {
        hawq_conv_shape s = strided(2, 18, 23, 31, k, 4, 1, 2, 2);
        check_shape(&s);
    }
}

int main(void) {
    if (!CHECK_OK(hawq_mm_open())) DONE();
    printf("%s\n", hawq_conv_provider());
    providers();
    other_providers();
    depthwise();
    many_taps();
    tables_alone();
    same_bits_in_threads(1);
    same_bits_in_threads(2);
    DONE();
}
