/* train_checkpoint.h -- a training between two epochs, as a file.
 *
 * Order and augmentation of an epoch are functions of the seed and its number
 * (train.h), so what an uninterrupted run would go on with is: how many epochs
 * are done, the parameters, and the optimiser's velocity, all of them exact.
 * The file also says of which training it is, as lines "key value", and ends
 * with a checksum (FNV-1a, Fowler, Noll, Vo 1991); it is written beside its
 * place and renamed, so it is whole or not there. Numbers lie as in memory: it
 * is for the kind of machine that wrote it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TRAIN_CHECKPOINT_H
#define HAWQ_TRAIN_CHECKPOINT_H
#include "src/train/train.h"

/* The graph's parameters and `state`. EIO, ENOMEM; the sentence names the
 * file. */
HAWQ_NODISCARD hawq_status hawq_checkpoint_write(const char       *path,
                                                 const char       *identity,
                                                 const hawq_graph *graph,
                                                 const hawq_train_state *state);

/* Sets the graph's parameters; the velocity is the arena's. EIO: there is no
 * such file; EFORMAT: it is none or damaged; EINVAL: of another training, with
 * the first line that differs. The graph is untouched on failure. */
HAWQ_NODISCARD hawq_status hawq_checkpoint_read(const char       *path,
                                                const char       *identity,
                                                hawq_graph       *graph,
                                                hawq_arena       *arena,
                                                hawq_train_state *out);

#endif
