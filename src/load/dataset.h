/* dataset.h -- labelled images, whole in memory, from one specification:
 *
 *     file.npz                 NumPy archive: x (floating or integer, C order,
 *                              first dimension = images) and y (labels of any
 *                              integer type, or float targets; the same first
 *                              dimension, then what the output has)
 *                              the array of another input bears its name
 *     idx:PREFIX               PREFIX-images-idx3-ubyte and
 *                              PREFIX-labels-idx1-ubyte, each plain or .gz
 *     cifar:FILE.bin[,FILE...] CIFAR-10 binary, 1 + 3072 bytes an image
 *     tokens:FILE              ids of 16 bits (of 32 in FILE.u32), cut into
 *                              windows as long as the network's input, the ids
 *                              that follow as labels; for a network only
 *
 * Values are (pixel * scale - mean[c]) / std[c], c the channel: the first
 * dimension of an image of three dimensions, else 0.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_DATASET_H
#define HAWQ_DATASET_H
#include "src/graph/sweep.h"
#include "src/load/feeds.h"

enum { HAWQ_MAX_CHANNELS = 8 }; /* means and deviations that can be given */

/* What is read of y, or of the file of labels. */
typedef enum hawq_labelling {
    HAWQ_LABELS_NEEDED,
    HAWQ_LABELS_OPTIONAL, /* data without will do */
    HAWQ_LABELS_IGNORED   /* not looked at */
} hawq_labelling;

/* {0} is a valid value: every field's zero means its default. */
typedef struct hawq_dataset_options {
    double scale;         /* 0 = 1 */
    int    n_mean, n_std; /* 0 = none; 1 = for every channel; else one
                             per channel */
    double         mean[HAWQ_MAX_CHANNELS], std[HAWQ_MAX_CHANNELS];
    size_t         skip, limit; /* images left out at the start; 0 = no limit */
    hawq_labelling labels;
    bool           ignores; /* the label `ignored` becomes HAWQ_IGNORED */
    int64_t        ignored;
    const hawq_graph *graph; /* what is fed: the members that bear the names of
                                its inputs are read, and checked against them;
                                NULL: x is */
} hawq_dataset_options;

typedef struct hawq_dataset {
    hawq_arena arena;    /* owns everything below */
    size_t     n;        /* images */
    size_t     first;    /* images of the data that were skipped before */
    hawq_shape item;     /* one image, without the batch dimension */
    real      *x;        /* n rows: of the numbers of item, or, if it was read
                            for a graph, of all its inputs (hawq_graph.n_row) */
    int        n_inputs; /* that x was read for */
    hawq_shape y;        /* of one image's labels or targets */
    int64_t   *labels;   /* n times y, or NULL if the data has float targets, or
                            neither (unless HAWQ_LABELS_NEEDED) */
    real *targets;       /* n times y, or NULL */
} hawq_dataset;

/* Reads the images [skip, skip + limit). options may be NULL. EIO for a
 * missing or unreadable file; EFORMAT for a malformed one (one sentence: what
 * was found, what was expected); EUNSUPPORTED for a kind of specification or
 * number that is not read; EINVAL for options that do not fit the data.
 * *out is filled only on success; hawq_dataset_free gives it back. */
HAWQ_NODISCARD hawq_status hawq_dataset_load(
    const char *spec, const hawq_dataset_options *options, hawq_dataset *out);
void hawq_dataset_free(hawq_dataset *dataset);

/* The arrays of the data by name, for hawq_onnx_load_fed; none where only a
 * network's one input can be fed. EIO, EFORMAT. */
HAWQ_NODISCARD hawq_status hawq_dataset_list(const char         *spec,
                                             hawq_arena         *arena,
                                             const hawq_member **out,
                                             size_t             *n);

/* "3.5" or FILE.npy as the value of an input. EINVAL, EIO, EFORMAT. */
HAWQ_NODISCARD hawq_status hawq_dataset_value(const char   *text,
                                              hawq_arena   *arena,
                                              hawq_tensor **out);

/* Numbers of labels or of targets that an image has; 1 without any. */
size_t hawq_dataset_answers(const hawq_dataset *dataset);

/* Whether the network can be run on the data: an image has the input's shape
 * (dimensions of size 1 apart), there is an image at all, and as many as a
 * batch if the file fixes it. EINVAL with what was found and expected; `spec`
 * names the data in the sentence. */
HAWQ_NODISCARD hawq_status hawq_dataset_check(const hawq_dataset *dataset,
                                              const hawq_graph   *graph,
                                              const char         *spec);

/* Whether the loss can be taken of the network's output on the data: what
 * hawq_score_check says. */
HAWQ_NODISCARD hawq_status hawq_dataset_check_loss(const hawq_dataset *dataset,
                                                   const hawq_graph   *graph,
                                                   hawq_loss           loss,
                                                   const char         *spec);

#endif
