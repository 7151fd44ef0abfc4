/* calibrate.h -- the activation quantizer and the ranges it is given.
 *
 * An activation tensor has one affine map for b bits,
 *     x ~ scale (q - zero),  q in 0 .. 2^b - 1,
 * fixed before the network runs from what calibration images produced.
 * Calibration streams: per tensor it keeps the smallest and largest value and
 * a histogram whose bin width is a power of two that doubles when a value does
 * not fit (Q(x) of a value in the merged bin is the same), so memory does not
 * depend on the number of images and the result not on the chunks.
 *
 *     hawq_calibrate(engine, graph, &batch, &arena, &ranges);
 *     hawq_affine q = hawq_affine_find(ranges.tensor[id], 8, HAWQ_RANGE_MSE);
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CALIBRATE_H
#define HAWQ_CALIBRATE_H
#include "src/graph/sweep.h"
#include "src/quant/range.h"

enum { HAWQ_BINS = 4096 };

/* Bin i counts the values in [(i - 2048) width, (i - 2047) width). */
typedef struct hawq_histogram {
    double   min, max; /* over all values, and 0 */
    double   width;    /* a power of two */
    uint64_t count[HAWQ_BINS];
} hawq_histogram;

typedef struct hawq_calibration {
    size_t           images;
    hawq_histogram **tensor; /* by tensor id; NULL where there is none */
} hawq_calibration;

typedef struct hawq_affine {
    float   scale; /* > 0 */
    uint8_t zero;  /* 0 where no value is negative */
    uint8_t high;  /* 2^bits - 1 */
} hawq_affine;

/* An empty histogram, and n more values for it (all finite). */
void hawq_histogram_init(hawq_histogram *histogram);
void hawq_histogram_add(hawq_histogram *histogram, const real *x, size_t n);

/* Runs the batch through the engine (made with lanes >= 1) and fills a
 * histogram for the input and every float activation; none for one that holds
 * minus infinity (a mask), which can stay in float only. Memory comes from the
 * arena. EINVAL without images; ENONFINITE naming the tensor. */
HAWQ_NODISCARD hawq_status hawq_calibrate(hawq_engine      *engine,
                                          const hawq_graph *graph,
                                          const hawq_batch *batch,
                                          hawq_arena       *arena,
                                          hawq_calibration *out);

/* The map of the real interval [low, high], low <= 0 <= high, to b bits:
 * scale = (high - low) / (2^b - 1), zero = round(-low / scale); scale 1 if the
 * interval is empty. 0 is always represented exactly. */
hawq_affine hawq_affine_make(double low, double high, int bits);

/* The map for what was observed, bits in 2 .. 8.
 * max: the whole interval; percentile: all but 0.01 % of the values, half of
 * them at either end (all at the one end that is not zero); mse: the ends whose
 * squared error over the histogram is least, searched in steps of 1 % of the
 * observed ends.
 * Measured on the ResNet20 for CIFAR-10 (9173 of 10,000 right in float), ranges
 * from 512 training images: 8 bits, max 9160, mse 9172; 8-bit weights and 4-bit
 * activations on 1,000 images, max 821, percentile 837, mse 859. So mse is what
 * hawq-bench takes unless told otherwise. */
hawq_affine hawq_affine_find(const hawq_histogram *observed, int bits,
                             hawq_range method);

/* x[i] = what the program has in place of x[i]: scale (q - zero) with
 * q = clamp(round_half_even(x[i] / scale) + zero, 0, high), computed as the
 * kernels' `quantize` does. */
void hawq_affine_round(const hawq_affine *map, real *x, size_t n);

#endif
