/* moments.c -- see moments.h.
 *
 * A worker unfolds a chunk's positions tile by tile into U (positions x cols)
 * and Z (positions x rows) and adds U'U and Z'U to sums of its own, which are
 * added to the totals when the chunk is committed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/moments.h"

#include "src/graph/convolve.h"
#include "src/graph/mm.h"

#include <string.h>

enum { TILE_REALS = 1 << 19, ENOUGH = 98304, LEAST_IMAGES = 96 };

/* Where a layer's rows of inputs lie. A product of matrices is a 1x1
 * convolution whose pixels are the rows, channels last. */
typedef struct source {
    const hawq_node       *node;
    const hawq_conv_shape *conv;      /* NULL: a product of matrices */
    const hawq_tensor     *residual;  /* the other operand, or NULL */
    size_t                 positions; /* per image */
} source;

/* One worker's sums for one layer, of the chunk at work. */
typedef struct sums {
    real *uu, *zu, *u, *z;
} sums;

typedef struct part {
    hawq_moments *out;
    source       *source; /* one for each node of the layer */
    int           n_sources;
    size_t        images;
    sums         *sums; /* one for each worker */
} part;

typedef struct job {
    const hawq_graph *graph;
    bool              refine;
    int               n;
    part             *part;
    real            **u, **z; /* per worker: a tile of U and Z */
    size_t            tile;   /* reals of each */
} job;

/* --- geometry ------------------------------------------------------------ */

static bool is_conv(const hawq_layer *l) {
    return strcmp(l->op, "Conv") == 0;
}

/* A Conv, or a Gemm or MatMul whose left operand has rows of inputs. */
static bool readable(const hawq_layer *l) {
    for (int i = 0; i < l->n_nodes; i++) {
        const hawq_node *n = l->node[i];
        if (n->in[1] != l->weight || n->in[0]->role == HAWQ_CONSTANT)
            return false;
        if (is_conv(l)) continue;
        if (strcmp(l->op, "Gemm") != 0 && strcmp(l->op, "MatMul") != 0)
            return false;
        if (hawq_attr_int(n, "transA", 0)) return false;
        if (l->weight->shape.rank != 2) return false;
    }
    return l->n_nodes > 0;
}

static void set_sizes(const hawq_layer *l, hawq_moments *out) {
    *out = (hawq_moments){.rows = l->channels, .blocks = 1};
    if (!readable(l)) return;
    out->cols = l->outer * l->inner;
    if (is_conv(l))
        out->blocks = ((const hawq_conv_shape *)l->node[0]->param)->groups;
}

static size_t positions_of(const hawq_graph *g, const hawq_layer *l,
                           const hawq_node *node) {
    return hawq_per_image(g, node->out[0]) / l->channels;
}

size_t hawq_moments_images(const hawq_graph *graph, int layer, size_t most) {
    const hawq_layer *l = &graph->layer[layer];
    size_t            positions = 0;
    for (int i = 0; i < l->n_nodes; i++)
        positions += positions_of(graph, l, l->node[i]);
    size_t images = positions ? (ENOUGH + positions - 1) / positions : most;
    if (images < LEAST_IMAGES) images = LEAST_IMAGES;
    return images < most ? images : most;
}

size_t hawq_moments_bytes(const hawq_graph *graph, int layer, int threads) {
    hawq_moments m;
    set_sizes(&graph->layer[layer], &m);
    size_t square = m.blocks * m.cols * m.cols, cross = m.rows * m.cols;
    return (square + cross) * (sizeof(double) + (size_t)threads * sizeof(real));
}

/* Number of the node in the graph's order. */
static int number_of(const hawq_graph *g, const hawq_node *node) {
    int i = 0;
    while (g->node[i] != node) i++;
    return i;
}

/* The other operand of an addition that is the only reader of the node's
 * output, if it has been computed by then. */
static const hawq_tensor *residual_of(const hawq_graph *g,
                                      const hawq_node  *node) {
    const hawq_tensor *y = node->out[0];
    int                at = number_of(g, node);
    if (y->n_uses != 1) return NULL;
    for (int i = at + 1; i < g->n_nodes; i++) {
        const hawq_node *add = g->node[i];
        if (add->n_in != 2 || (add->in[0] != y && add->in[1] != y)) continue;
        const hawq_tensor *other = add->in[add->in[0] == y];
        if (!hawq_is(add, "Add") || !other || other->role == HAWQ_CONSTANT ||
            !hawq_shape_equal(&other->shape, &y->shape))
            return NULL;
        bool there = !other->producer || number_of(g, other->producer) < at;
        return there ? other : NULL;
    }
    return NULL;
}

/* --- a tile -------------------------------------------------------------- */

/* Row p of U for block b: pixel p of image i, inputs in the weight's order. */
static void unfold_pixel(const hawq_conv_shape *s, const real *x, size_t block,
                         size_t pixel, real *row) {
    size_t per = s->c / s->groups, oy = pixel / s->ow, ox = pixel % s->ow;
    for (size_t c = block * per; c < (block + 1) * per; c++)
        for (size_t ky = 0; ky < s->kh; ky++) {
            size_t iy = oy * s->stride_h + ky * s->dilation_h - s->pad_top;
            for (size_t kx = 0; kx < s->kw; kx++) {
                size_t ix = ox * s->stride_w + kx * s->dilation_w - s->pad_left;
                bool   inside = iy < s->h && ix < s->w; /* wraps below 0 */
                *row++ = inside ? x[(c * s->h + iy) * s->w + ix] : 0;
            }
        }
}

/* Position p of the chunk, block b: its row of U, and of Z if wanted. */
static void read_position(const job *j, const part *p, const source *s,
                          const hawq_chunk *chunk, size_t block, size_t at,
                          real *u, real *z) {
    const hawq_planes *in = j->refine ? chunk->quantized : chunk->floats;
    const hawq_tensor *tx = s->node->in[0], *ty = s->node->out[0];
    size_t             image = at / s->positions, pixel = at % s->positions;
    size_t cols = p->out->cols, rows = p->out->rows / p->out->blocks;
    if (s->conv)
        unfold_pixel(s->conv,
                     in->val[tx->id] +
                         image * s->conv->c * s->conv->h * s->conv->w,
                     block, pixel, u);
    else
        memcpy(u, in->val[tx->id] + at * cols, cols * sizeof *u);
    for (size_t r = 0; z && r < rows; r++) {
        size_t c = block * rows + r;
        size_t i = s->conv ? (image * p->out->rows + c) * s->positions + pixel
                           : at * p->out->rows + c;
        z[r] = chunk->floats->val[ty->id][i];
        if (s->residual)
            z[r] += chunk->floats->val[s->residual->id][i] -
                    chunk->quantized->val[s->residual->id][i];
    }
}

/* Adds n positions, unfolded in u and z, to the sums of a block. */
static void add_tile(const hawq_moments *m, const sums *s, size_t block,
                     size_t n, const real *u, const real *z) {
    size_t k = m->cols, rows = m->rows / m->blocks;
    hawq_mm(true, false, k, k, n, 1, u, k, u, k, 1, s->uu + block * k * k, k);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < k; j++) s->u[block * k + j] += u[i * k + j];
    if (!z) return;
    hawq_mm(true, false, rows, k, n, 1, z, rows, u, k, 1,
            s->zu + block * rows * k, k);
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < rows; r++)
            s->z[block * rows + r] += z[i * rows + r];
}

static void add_chunk(const job *j, const part *p, const source *s,
                      const hawq_chunk *chunk, size_t images) {
    const hawq_moments *m = p->out;
    size_t rows = m->rows / m->blocks, wide = m->cols > rows ? m->cols : rows;
    size_t tile = j->tile / wide, total = images * s->positions;
    real  *u = j->u[chunk->worker], *z = j->refine ? j->z[chunk->worker] : NULL;
    for (size_t b = 0; b < m->blocks; b++)
        for (size_t from = 0; from < total; from += tile) {
            size_t n = total - from < tile ? total - from : tile;
            for (size_t i = 0; i < n; i++)
                read_position(j, p, s, chunk, b, from + i, u + i * m->cols,
                              z ? z + i * rows : NULL);
            add_tile(m, &p->sums[chunk->worker], b, n, u, z);
        }
}

/* Images of the chunk that the layer still wants. */
static size_t wanted(const part *p, const hawq_chunk *chunk) {
    if (chunk->first >= p->images) return 0;
    size_t rest = p->images - chunk->first;
    return rest < chunk->n ? rest : chunk->n;
}

static void work(void *self, const hawq_chunk *chunk) {
    const job *j = self;
    for (int i = 0; i < j->n; i++) {
        const part *p = &j->part[i];
        size_t      images = wanted(p, chunk);
        for (int k = 0; images && p->out->cols && k < p->n_sources; k++)
            add_chunk(j, p, &p->source[k], chunk, images);
    }
}

/* --- totals -------------------------------------------------------------- */

/* Moves what a worker summed into the totals. */
static void move_sums(size_t n, real *from, double *to) {
    for (size_t i = 0; i < n; i++) {
        to[i] += (double)from[i];
        from[i] = 0;
    }
}

static void commit(void *self, const hawq_chunk *chunk) {
    const job *j = self;
    for (int i = 0; i < j->n; i++) {
        hawq_moments *m = j->part[i].out;
        const sums   *s = &j->part[i].sums[chunk->worker];
        size_t        images = wanted(&j->part[i], chunk);
        if (!images || !m->cols) continue;
        for (int k = 0; k < j->part[i].n_sources; k++)
            m->positions += (double)(images * j->part[i].source[k].positions);
        move_sums(m->blocks * m->cols * m->cols, s->uu, m->moment);
        move_sums(m->blocks * m->cols, s->u, m->mean);
        if (!j->refine) continue;
        move_sums(m->rows * m->cols, s->zu, m->cross);
        move_sums(m->rows, s->z, m->output_mean);
    }
}

/* Sums become means, and second moments those about the mean: E[uu'] - mm',
 * E[zu'] - zbar m'. Without a bias to take up what the error of the weights
 * does to the means, that error counts too: then both are about zero. */
static void centre(hawq_moments *m, bool has_bias) {
    size_t k = m->cols, rows = m->rows / m->blocks;
    double n = m->positions;
    for (size_t i = 0; i < m->blocks * k; i++)
        m->mean[i] = has_bias ? m->mean[i] / n : 0;
    for (size_t b = 0; b < m->blocks; b++)
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j < k; j++) {
                double *c = &m->moment[(b * k + i) * k + j];
                *c = *c / n - m->mean[b * k + i] * m->mean[b * k + j];
            }
    for (size_t r = 0; m->cross && r < m->rows; r++) {
        const double *mean = m->mean + r / rows * k;
        m->output_mean[r] = has_bias ? m->output_mean[r] / n : 0;
        for (size_t i = 0; i < k; i++)
            m->cross[r * k + i] =
                m->cross[r * k + i] / n - m->output_mean[r] * mean[i];
    }
}

/* --- set-up -------------------------------------------------------------- */

static hawq_status take_totals(hawq_moments *m, bool refine,
                               hawq_arena *arena) {
    HAWQ_TAKE(m->moment, arena, m->blocks * m->cols * m->cols);
    HAWQ_TAKE(m->mean, arena, m->blocks * m->cols);
    if (!refine) return HAWQ_OK;
    HAWQ_TAKE(m->cross, arena, m->rows * m->cols);
    HAWQ_TAKE(m->output_mean, arena, m->rows);
    return HAWQ_OK;
}

static hawq_status take_sums(const hawq_moments *m, bool refine,
                             hawq_arena *arena, sums *s) {
    HAWQ_TAKE(s->uu, arena, m->blocks * m->cols * m->cols);
    HAWQ_TAKE(s->u, arena, m->blocks * m->cols);
    if (!refine) return HAWQ_OK;
    HAWQ_TAKE(s->zu, arena, m->rows * m->cols);
    HAWQ_TAKE(s->z, arena, m->rows);
    return HAWQ_OK;
}

static hawq_status plan_part(const job *j, int layer, size_t most, int workers,
                             hawq_arena *arena, part *p) {
    const hawq_layer *l = &j->graph->layer[layer];
    set_sizes(l, p->out);
    p->images = hawq_moments_images(j->graph, layer, most);
    p->n_sources = l->n_nodes;
    HAWQ_TAKE(p->source, arena, (size_t)l->n_nodes);
    HAWQ_TAKE(p->sums, arena, (size_t)workers);
    for (int i = 0; i < l->n_nodes; i++)
        p->source[i] = (source){
            .node = l->node[i],
            .conv = is_conv(l) ? l->node[i]->param : NULL,
            .residual = j->refine ? residual_of(j->graph, l->node[i]) : NULL,
            .positions = positions_of(j->graph, l, l->node[i])};
    for (int w = 0; w < workers; w++)
        HAWQ_TRY(take_sums(p->out, j->refine, arena, &p->sums[w]));
    return HAWQ_OK;
}

static hawq_status take_tiles(job *j, int workers, hawq_arena *arena) {
    j->tile = TILE_REALS;
    for (int i = 0; i < j->n; i++) {
        if (j->part[i].out->cols > j->tile) j->tile = j->part[i].out->cols;
        if (j->part[i].out->rows > j->tile) j->tile = j->part[i].out->rows;
    }
    HAWQ_TAKE(j->u, arena, (size_t)workers);
    HAWQ_TAKE(j->z, arena, (size_t)workers);
    for (int w = 0; w < workers; w++) {
        HAWQ_TAKE(j->u[w], arena, j->tile);
        if (j->refine) HAWQ_TAKE(j->z[w], arena, j->tile);
    }
    return HAWQ_OK;
}

/* The last node that any of the layers is made of. */
static int last_node(const job *j) {
    int last = 0;
    for (int i = 0; i < j->n; i++)
        for (int k = 0; k < j->part[i].n_sources; k++) {
            int at = number_of(j->graph, j->part[i].source[k].node);
            if (at > last) last = at;
        }
    return last;
}

static hawq_status collect(job *j, hawq_twin *twin, hawq_threads *threads,
                           int first, size_t most, const real *x,
                           hawq_arena *arena, hawq_arena *scratch,
                           hawq_moments *out) {
    int    workers = hawq_threads_count(threads);
    size_t images = 0;
    HAWQ_TAKE(j->part, scratch, (size_t)j->n);
    for (int i = 0; i < j->n; i++) {
        part *p = &j->part[i];
        p->out = &out[i];
        HAWQ_TRY(plan_part(j, first + i, most, workers, scratch, p));
        HAWQ_TRY(take_totals(p->out, j->refine, arena));
        if (p->images > images) images = p->images;
    }
    HAWQ_TRY(take_tiles(j, workers, scratch));
    hawq_visitor visitor = {
        .work = work, .commit = commit, .self = j, .floats_only = !j->refine};
    hawq_twin_visit(twin, images, x, last_node(j), &visitor);
    for (int i = 0; i < j->n; i++)
        if (out[i].positions > 0)
            centre(&out[i], j->graph->layer[first + i].bias != NULL);
    return HAWQ_OK;
}

hawq_status hawq_moments_collect(hawq_twin *twin, const hawq_graph *graph,
                                 hawq_threads *threads, int first, int n,
                                 size_t most, const real *x, bool refine,
                                 hawq_arena *arena, hawq_moments *out) {
    hawq_arena  scratch = {0};
    job         j = {.graph = graph, .refine = refine, .n = n};
    hawq_status status =
        collect(&j, twin, threads, first, most, x, arena, &scratch, out);
    hawq_arena_free(&scratch);
    return status;
}
