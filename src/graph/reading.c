/* reading.c -- the two sweeps at a layer whose curvature is read.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/reading.h"

#include "src/base/wide.h"
#include "src/graph/product.h"

#include <string.h>

bool hawq_can_read(const hawq_graph *g) {
    for (int i = 0; i < g->n_layers; i++)
        if (g->layer[i].n_nodes != 1 || g->layer[i].weight->n_uses != 1 ||
            g->layer[i].axis < 0)
            return false;
    return true;
}

size_t hawq_reading_channels(const hawq_graph *g) {
    size_t n = 0;
    for (int i = 0; i < g->n_layers; i++) n += g->layer[i].channels;
    return n;
}

/* Runs the operator with one plane of one tensor replaced. */
static void run_with(hawq_sweep_fn *sweep, const hawq_node *node,
                     const hawq_planes *p, real **plane, real *instead) {
    real *keep = *plane;
    *plane = instead;
    sweep(node, p);
    *plane = keep;
}

void hawq_read_tangent(const hawq_node *node, const hawq_planes *p,
                       real *kept) {
    real **dot = p->dot[0];
    int    x = hawq_product_input(node)->id, z = node->out[0]->id;
    int    w = hawq_product_weight(node)->id;
    size_t n = node->out[0]->n;
    real  *dx = dot[x], *dz = dot[z];
    dot[x] = NULL;
    run_with(node->op->tangent, node, p, &dot[z], kept);
    dot[x] = dx;
    if (!dx) {
        memcpy(dz, kept, n * sizeof *dz);
        return;
    }
    run_with(node->op->tangent, node, p, &dot[w], NULL);
    for (size_t i = 0; i < n; i++) dz[i] += kept[i];
}

/* sum of a b over one channel of one image */
HAWQ_WIDE static double channel_product(size_t n, const real *a,
                                        const real *b) {
    enum { PARTS = 16 };
    double part[PARTS] = {0}, sum = 0;
    size_t i = 0;
    for (; i + PARTS <= n; i += PARTS)
        for (int k = 0; k < PARTS; k++)
            part[k] += (double)a[i + k] * (double)b[i + k];
    for (; i < n; i++) sum += (double)a[i] * (double)b[i];
    for (int k = 0; k < PARTS; k++) sum += part[k];
    return sum;
}

/* sum[c] += a b, summed over the rows: the channels are adjacent */
HAWQ_WIDE static void add_rows(size_t rows, size_t channels, const real *a,
                               const real *b, double *sum) {
    for (size_t r = 0; r < rows; r++, a += channels, b += channels)
        for (size_t c = 0; c < channels; c++)
            sum[c] += (double)a[c] * (double)b[c];
}

void hawq_read_adjoint(const hawq_layer *layer, const hawq_planes *p,
                       const real *kept, double *reading) {
    const hawq_node  *node = layer->node[0];
    const hawq_shape *s = &node->out[0]->shape;
    real            **dot = p->dot[0];
    const real       *bdz = p->bardot[0][node->out[0]->id];
    int               w = layer->weight->id;
    size_t inner = (size_t)hawq_shape_count(s, layer->axis + 1, s->rank);
    size_t rows = node->out[0]->n / inner; /* images times channels */
    if (dot[w] && inner == 1)
        add_rows(rows / layer->channels, layer->channels, kept, bdz, reading);
    else if (dot[w])
        for (size_t r = 0; r < rows; r++)
            reading[r % layer->channels] +=
                channel_product(inner, kept + r * inner, bdz + r * inner);
    run_with(node->op->adjoint_tangent, node, p, &dot[w], NULL);
}

void hawq_add_squares(const hawq_layer *layer, const real *x, double *square) {
    for (size_t r = 0; r < layer->outer * layer->channels; r++) {
        const real *row = x + r * layer->inner;
        square[r % layer->channels] += channel_product(layer->inner, row, row);
    }
}
