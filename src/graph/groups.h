/* groups.h -- which layers must share an activation width.
 *
 * A quantized activation is one tensor with one width, so all layers that read
 * it form a group; so do the layers that read a Concat's inputs and its output
 * (one buffer). A residual Add ties nothing: it rescales its branches. Where
 * weight and activation widths are equal, these are the ties of HAWQ-V3 (Yao et
 * al. 2021, Fig. 2): a 1x1 shortcut with its block's first convolution.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_GROUPS_H
#define HAWQ_GROUPS_H
#include "src/graph/graph.h"

/* group[i] = the first layer that layer i shares a width with (i itself if it
 * is alone or the first). group has graph->n_layers entries. */
HAWQ_NODISCARD hawq_status hawq_graph_groups(hawq_graph *graph, int *group);

/* A tensor that layers read. Where only its moved or pooled values reach them,
 * it is still the tensor itself, as it was computed: that is where a program
 * rounds it, for everyone who reads it. */
typedef struct hawq_activation {
    const hawq_tensor *tensor;
    int                n_layers, *layer; /* ascending */
} hawq_activation;

/* All of them in the order of their first layers, in the graph's arena. */
HAWQ_NODISCARD hawq_status hawq_graph_activations(hawq_graph *graph, int *n,
                                                  hawq_activation **out);

/* Does any use of the layer read what the network is given, moved or pooled? */
bool hawq_layer_reads_input(const hawq_layer *layer);

#endif
