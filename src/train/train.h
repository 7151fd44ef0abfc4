/* train.h -- the training loop: epochs of shuffled, augmented mini-batches.
 *
 * The outcome is a pure function of network, data, options and seed: order and
 * augmentation are drawn by (seed, epoch, image), gradients are summed in chunk
 * order (sweep.h) and the optimiser is sequential. The number of threads
 * changes nothing, nor does an interruption between two epochs: a training that
 * goes on from its state there ends with the same bits.
 *
 * The weights of the last epoch are the result. Choosing the epoch that was
 * best on the test images would make the accuracy on them too good.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TRAIN_H
#define HAWQ_TRAIN_H
#include "src/graph/sweep.h"
#include "src/train/augment.h"
#include "src/train/sgd.h"

/* Where a training stands between two epochs; its weights and biases are the
 * graph's. */
typedef struct hawq_train_state {
    int     epoch;    /* how many are done */
    size_t  n;        /* parameters */
    double *velocity; /* [n]: of the optimiser */
} hawq_train_state;

typedef struct hawq_train_options {
    int    epochs;     /* >= 1 */
    size_t batch_size; /* images per step; the last may have fewer */
    double rate;       /* the peak; > 0 */
    double warm_up;    /* epochs of rising rate; 0 <= warm_up <= epochs */
    hawq_sgd_options        sgd;
    hawq_augment            augment;
    uint64_t                seed;
    const hawq_train_state *start; /* to go on from; NULL: from the beginning */
} hawq_train_options;

typedef struct hawq_train_epoch {
    int    epoch;     /* 1 to epochs */
    double rate;      /* of its last step */
    double loss;      /* mean over the epoch's steps, while it moves */
    double accuracy;  /* of the same images, in [0, 1]; NaN without labels */
    double test_loss; /* after the epoch; NaN without test images */
    double test_accuracy;   /* likewise */
    double seconds;         /* wall clock, test included */
    hawq_train_state state; /* after it; borrowed */
} hawq_train_epoch;

/* Both callbacks may be NULL. A failure of `epoch` ends the training. */
typedef struct hawq_train_report {
    void *self;
    /* after every step; steps in all, and the mean loss of the epoch so far */
    void (*step)(void *self, size_t done, size_t steps, double loss);
    hawq_status (*epoch)(void *self, const hawq_train_epoch *epoch);
} hawq_train_report;

/* Trains the weights and biases of `graph` in place, with the loss `loss`.
 * test may be NULL. Augmentation needs an input of rank 4, and shifts of at
 * most half its height and width. EINVAL for options
 * out of range; ENONFINITE when the loss is no longer a number (names the
 * epoch), ENOMEM. Labels and targets must have been checked (hawq_score_check).
 */
HAWQ_NODISCARD hawq_status hawq_train(hawq_graph *graph, hawq_threads *threads,
                                      hawq_loss loss, const hawq_batch *train,
                                      const hawq_batch         *test,
                                      const hawq_train_options *options,
                                      const hawq_train_report  *report);

#endif
