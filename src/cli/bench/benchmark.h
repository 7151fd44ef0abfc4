/* benchmark.h -- what hawq-bench does between its options and its report:
 * lowers allocations to integer programs, checks them bit for bit against the
 * reference kernels, compares outputs on all images with labels, targets and
 * the float network's, and times everything in one interleaved run.
 *
 * Timing. A round runs one batch through the float network and through every
 * program, one after the other; rounds are repeated. So a change of the clock
 * or another load on the machine meets all alike. A latency is the median over
 * the rounds, its spread the distance of the quartiles, and a speed-up the
 * median of the rounds' ratios. Layers are timed apart, in the same batches on
 * the same threads: a layer's time is its share of a batch's, so layers add up
 * to the network but for what lies between them.
 *
 * Legal order: zero the struct; set the first part; hawq_benchmark_prepare (all
 * that bad input can make fail); hawq_benchmark_measure; read the results;
 * hawq_benchmark_store; hawq_benchmark_close in any case.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_BENCHMARK_H
#define HAWQ_BENCHMARK_H
#include "results/store.h"
#include "src/cli/kit/cli.h"
#include "src/cli/kit/latency.h"
#include "src/cli/kit/rewriting.h"
#include "src/deploy/run.h"
#include "src/exchange/qdq.h"
#include "src/load/dataset.h"

/* A node that runs in float32 inside an integer program. */
typedef struct hawq_float_timing {
    const hawq_floating *what;
    double               latency_us;
} hawq_float_timing;

/* One network to be measured: an allocation, or the float network. */
typedef struct hawq_contender {
    hawq_allocation allocation; /* where the next ones come from */
    const char     *label;
    int asked; /* its row in the report, from 1; 0: a baseline only */
    const hawq_choice *choice; /* as asked for; NULL: float32 */
    int                n_choices;
    const hawq_qdq    *own; /* what the model's file has; NULL: to be made */
    hawq_range         weight_range;
    const char        *metric;    /* an allocation was searched by, or NULL */
    double             predicted; /* loss rise, by its search or an analysis, or
                                     NaN */
    double predicted_us;          /* its time, or NaN; see predict_times */
    double mean_bits;             /* of the weights */
    double output_mse;            /* of outputs and the float network's, mean
                                     square difference; NaN without data */
    hawq_program         *program;
    hawq_runner          *runner;
    double               *sample;       /* ns per batch, one for each round */
    hawq_float_timing    *float_node;   /* program->n_floats of them */
    int64_t               benchmark_id; /* once stored */
    hawq_benchmark_record record;
} hawq_contender;

typedef struct hawq_benchmark {
    hawq_cli   *cli; /* set these; all borrowed */
    const char *model_path;
    hawq_texts  allocations; /* ID, last, uniform8, k3a4, float32, ... */
    const char *outputs;     /* where the first row's go (.npy), or NULL */
    const char *calibrate;   /* data specification, or NULL: the data itself */
    int         calibration_limit;
    const char *device;  /* "cpu", "cuda", "opencl" */
    const char *kernels; /* NULL: the best usable table of the device */
    int         batch_size, repeats, verify;
    int  weight_range; /* hawq_range; -1: each allocation's own, else max */
    int  activation_range;
    bool times_only; /* no data: random images, no accuracy, no loss */

    /* results */
    bool has_answers;     /* the data has labels or targets, so `loss` is ... */
    hawq_loss       loss; /* ... cross-entropy of labels, mse of targets */
    int             n;    /* the float network, uniform8, and what was asked */
    int             n_asked;
    hawq_contender *contender;
    hawq_graph     *graph;
    hawq_graph     *image_graph; /* of one image: what is lowered */
    size_t          calibration_images;
    const char     *calibration_text; /* a specification, or "--data" */
    size_t          verified;         /* images compared with `ref` */
    const char     *predicted_by;     /* metric of hawq_benchmark_predict, if it
                                         predicted anything */

    const char
        *other_range;        /* of the weights, in an analysis that for that
                                reason did not predict what was asked; or NULL */
    const char  *other_loss; /* likewise of an analysis in another unit */
    hawq_latency latency;    /* what the database now holds of times */

    /* private */
    hawq_arena          arena;
    hawq_store         *store;
    const hawq_kernels *table;
    hawq_graph         *small_graph; /* for batches of the timing; may be
                                        image_graph */
    hawq_dataset     data, other;    /* other: of --calibrate */
    hawq_threads    *threads, *timing_threads;
    hawq_engine     *engine;       /* of small_graph */
    float           *float_output; /* of all images */
    float           *output;
    hawq_rewriting   rewriting; /* of all graphs */
    hawq_calibration calibration;
} hawq_benchmark;

/* Loads model and data, resolves the allocations, runs and calibrates on the
 * float network, and lowers. EINVAL for options that do not fit. */
HAWQ_NODISCARD hawq_status hawq_benchmark_prepare(hawq_benchmark *b);

/* Writes b->output, one row an image. EIO. */
HAWQ_NODISCARD hawq_status hawq_benchmark_write_outputs(hawq_benchmark *b);

/* Fills every contender's record. */
HAWQ_NODISCARD hawq_status hawq_benchmark_measure(hawq_benchmark *b);

/* Puts what was asked for into the database as one complete run, or nothing. */
HAWQ_NODISCARD hawq_status hawq_benchmark_store(hawq_benchmark *b);

void hawq_benchmark_close(hawq_benchmark *b);

/* The rounds, and the layers of one contender, as described above. In
 * benchmark_time.c. */
HAWQ_NODISCARD hawq_status hawq_benchmark_time_rounds(hawq_benchmark *b);
HAWQ_NODISCARD hawq_status hawq_benchmark_time_layers(hawq_benchmark *b,
                                                      hawq_contender *c);

/* The contender that was asked for as number `row`, 1 .. n_asked. */
const hawq_contender *hawq_benchmark_row(const hawq_benchmark *b, int row);

/* The bits that a --allocation names, resolved into `out`'s label, choice,
 * metric, predicted and record.allocation. In benchmark_allocation.c. */
HAWQ_NODISCARD hawq_status hawq_benchmark_allocation(hawq_benchmark *b,
                                                     const char     *name,
                                                     hawq_contender *out);

/* Fills `predicted` of what no search made from the newest analysis by the
 * metric of the newest allocation asked for, or by trace; what that does not
 * know stays NaN. In benchmark_predict.c. */
HAWQ_NODISCARD hawq_status hawq_benchmark_predict(hawq_benchmark *b);

/* After the measurement: predicted_us of every network whose layers were timed,
 * from all totals but its own in this run; NaN where there is none. And after
 * the storing: `latency`, from all times. In benchmark_predict.c. */
HAWQ_NODISCARD hawq_status hawq_benchmark_predict_times(hawq_benchmark *b);
HAWQ_NODISCARD hawq_status hawq_benchmark_fit_times(hawq_benchmark *b);

#endif
