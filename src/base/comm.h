/* comm.h -- the processes that share a computation, as ranks of MPI where the
 * build has it (HAWQ_MPI); otherwise, and without mpirun, this one alone.
 *
 *     mpirun -np 8 hawq-analyze net.onnx --data test.npz --threads 1
 *
 * Work is divided such that results are a function of the problem alone: every
 * rank computes whole samples, and what they have computed is put together in
 * the order of the samples, never summed in the order of the ranks. (Ranks on
 * unlike processors round differently, as unlike machines do.)
 *
 * Legal call order: open; any of the others; close. All but rank and size are
 * collective: every rank calls them, in the same order. Only the thread that
 * opened may call. A failure of one rank must reach an `agree` that the others
 * come to as well, or they wait for ever.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_COMM_H
#define HAWQ_COMM_H
#include "src/base/status.h"

#include <stddef.h>

/* ESTATE if MPI does not allow for a program with threads. */
HAWQ_NODISCARD hawq_status hawq_comm_open(void);
void                       hawq_comm_close(void); /* also when open failed */

/* 0 and 1 before open. Rank 0 has the terminal and the files. */
int hawq_comm_rank(void);
int hawq_comm_size(void);

/* rows: `size` rows of n numbers, n < 2^31. Before, rank r has set row r;
 * after, rank 0 has all rows. */
void hawq_comm_gather(double *rows, size_t n);

/* Rank 0's numbers to all, n < 2^31. */
void hawq_comm_broadcast(double *values, size_t n);

/* If any rank failed, all return the failure of the lowest that did, with its
 * sentence; else HAWQ_OK. */
HAWQ_NODISCARD hawq_status hawq_comm_agree(hawq_status mine);

#endif
