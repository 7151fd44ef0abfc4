/* run.h -- an integer program bound to a table of kernels.
 *
 * Binding packs the weights as the table wants them and gives each worker its
 * own workspace; running allocates nothing and cannot fail. One image is one
 * task, so the outputs do not depend on the number of threads, and they are
 * the same bits for every table.
 *
 *     hawq_runner_new(program, kernels, threads, &runner);
 *     hawq_runner_run(runner, n, x, logits);
 *     hawq_runner_free(runner);
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_RUN_H
#define HAWQ_RUN_H
#include "src/base/threads.h"
#include "src/deploy/program.h"

typedef struct hawq_runner hawq_runner;

/* Program, kernels and threads are borrowed and must outlive the runner. */
HAWQ_NODISCARD hawq_status hawq_runner_new(const hawq_program *program,
                                           const hawq_kernels *kernels,
                                           hawq_threads       *threads,
                                           hawq_runner       **out);
void                       hawq_runner_free(hawq_runner *runner);

/* x: n * program->n_in floats in the network's own order (NCHW); outputs:
 * n * program->n_out floats. */
void hawq_runner_run(hawq_runner *runner, size_t n, const float *x,
                     float *outputs);

/* Times every step of a batch of n images x (n >= 1) on the runner's threads:
 * ns[i] is the median over `repeats` passes (>= 1) of step i's share of the
 * batch's wall time, in proportion to the time that all images spent in it. So
 * steps add up to the batch, threads that wait included. ns has
 * program->n_steps entries, `samples` repeats * n_steps (scratch). */
void hawq_runner_profile(hawq_runner *runner, size_t n, const float *x,
                         int repeats, double *samples, double *ns);

/* The kernel that step i runs on: conv_name of the table for a layer, "float32"
 * for a node in float, else the table's name. */
const char *hawq_runner_kernel(const hawq_runner *runner, int step);

#endif
