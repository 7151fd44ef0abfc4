/* train.c -- gather a mini-batch, one gradient, one step.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/train/train.h"

#include "src/base/clock.h"
#include "src/base/rng.h"
#include "src/graph/score.h"
#include "src/train/stream.h"

#include <math.h>
#include <string.h>

typedef struct loop {
    hawq_graph               *graph;
    hawq_engine              *engine;
    const hawq_batch         *train, *test;
    const hawq_train_options *options;
    const hawq_train_report  *report;
    hawq_selection            at;
    hawq_sgd                  sgd;
    size_t    per_image, n_targets, n_labels; /* numbers per image */
    size_t    per_epoch, warm_up;             /* steps */
    uint32_t *order;                          /* train->n */
    real     *x, *targets;                    /* a mini-batch */
    int64_t  *labels;
    double   *gradient;
} loop;

static bool augments(const hawq_augment *a) {
    return a->flip || a->shift > 0;
}

/* Copies the images order[first .. first + n) into the loop's mini-batch. */
static hawq_batch gather(loop *l, uint64_t epoch, size_t first, size_t n) {
    const hawq_augment *augment = &l->options->augment;
    const int64_t      *image = l->graph->input->shape.dim + 1;
    for (size_t i = 0; i < n; i++) {
        uint64_t    from = l->order[first + i];
        const real *x = l->train->x + from * l->per_image;
        real       *y = l->x + i * l->per_image;
        if (augments(augment))
            hawq_augment_apply(
                augment,
                hawq_augment_draw(augment, l->options->seed, epoch, from),
                image, x, y);
        else
            memcpy(y, x, l->per_image * sizeof *y);
        if (l->labels)
            memcpy(l->labels + i * l->n_labels,
                   l->train->labels + from * l->n_labels,
                   l->n_labels * sizeof *l->labels);
        if (l->targets)
            memcpy(l->targets + i * l->n_targets,
                   l->train->targets + from * l->n_targets,
                   l->n_targets * sizeof *l->targets);
    }
    return (hawq_batch){n, l->x, l->labels, l->targets};
}

/* One pass over the training images. */
static hawq_status train_epoch(loop *l, hawq_train_epoch *e) {
    const hawq_train_options *o = l->options;
    size_t                    epoch = (size_t)e->epoch - 1;
    size_t                    steps = l->per_epoch * (size_t)o->epochs;
    size_t                    done = 0, n_correct = 0;
    double                    sum = 0;
    /* The order depends on the seed and the epoch alone, not on the order
     * before: a run that was stopped goes on as one that was not. */
    hawq_rng_shuffle(hawq_rng_key(o->seed, HAWQ_STREAM_ORDER, epoch, 0), 2,
                     l->train->n, l->order);
    for (size_t i = 0; i < l->per_epoch; i++) {
        size_t step = epoch * l->per_epoch + i, correct;
        size_t n = l->train->n - done;
        if (n > o->batch_size) n = o->batch_size;
        hawq_batch batch = gather(l, epoch, done, n);
        double     loss;
        hawq_engine_gradient(l->engine, &batch, &l->at, l->gradient, &loss,
                             &correct);
        if (!isfinite(loss))
            return hawq_fail(HAWQ_ENONFINITE,
                             "the loss is not finite in epoch %d: lower the "
                             "rate, or clip gradients to a smaller norm",
                             e->epoch);
        /* Likewise the rate: a function of the step. */
        e->rate = hawq_cosine_rate(o->rate, step, steps, l->warm_up);
        hawq_sgd_step(&l->sgd, e->rate, l->gradient);
        done += n;
        sum += loss * (double)n;
        n_correct += correct;
        if (l->report->step)
            l->report->step(l->report->self, step + 1, steps,
                            sum / (double)done);
    }
    e->loss = sum / (double)done;
    e->accuracy = hawq_score_accuracy(l->graph, l->train, n_correct);
    return HAWQ_OK;
}

static hawq_status run(loop *l) {
    const hawq_train_state *start = l->options->start;
    for (int epoch = start ? start->epoch + 1 : 1; epoch <= l->options->epochs;
         epoch++) {
        hawq_train_epoch e = {
            .epoch = epoch, .test_loss = NAN, .test_accuracy = NAN};
        double from = hawq_clock_now();
        HAWQ_TRY(train_epoch(l, &e));
        if (l->test) {
            size_t n_correct;
            hawq_engine_forward(l->engine, l->test, NULL, &e.test_loss,
                                &n_correct);
            e.test_accuracy = hawq_score_accuracy(l->graph, l->test, n_correct);
        }
        e.seconds = hawq_clock_now() - from;
        e.state = (hawq_train_state){epoch, hawq_selection_total(&l->at),
                                     l->sgd.velocity};
        if (l->report->epoch) HAWQ_TRY(l->report->epoch(l->report->self, &e));
    }
    return HAWQ_OK;
}

/* Beyond half an image, what it shows may be gone. */
static hawq_status check_shift(const hawq_graph *graph, int shift) {
    const int64_t *dim = graph->input->shape.dim;
    if (shift == 0) return HAWQ_OK;
    int64_t most = (dim[2] < dim[3] ? dim[2] : dim[3]) / 2;
    if (shift <= most) return HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL,
                     "shift %d: expected at most %lld, half of an image of "
                     "%lldx%lld",
                     shift, (long long)most, (long long)dim[2],
                     (long long)dim[3]);
}

static hawq_status check(const hawq_graph *graph, const hawq_batch *train,
                         const hawq_train_options *o) {
    if (train->n == 0)
        return hawq_fail(HAWQ_EINVAL, "there are no images to train on");
    if (o->epochs < 1)
        return hawq_fail(HAWQ_EINVAL, "%d epochs: expected at least 1",
                         o->epochs);
    if (o->batch_size < 1)
        return hawq_fail(HAWQ_EINVAL, "batch size 0: expected at least 1");
    if (!(o->rate > 0 && isfinite(o->rate)))
        return hawq_fail(HAWQ_EINVAL, "rate %g: expected more than 0", o->rate);
    if (!(o->warm_up >= 0 && o->warm_up <= o->epochs))
        return hawq_fail(HAWQ_EINVAL,
                         "warm-up of %g epochs: expected 0 to the %d epochs",
                         o->warm_up, o->epochs);
    if (o->augment.shift < 0)
        return hawq_fail(HAWQ_EINVAL, "shift %d: expected 0 or more",
                         o->augment.shift);
    if (augments(&o->augment) && graph->input->shape.rank != 4)
        return hawq_fail(HAWQ_EINVAL,
                         "flip and shift need images (channels, height, "
                         "width); the network's input has rank %d",
                         graph->input->shape.rank);
    return check_shift(graph, o->augment.shift);
}

static hawq_status take_up(loop *l, const hawq_train_state *start) {
    size_t n = hawq_selection_total(&l->at);
    if (!start) return HAWQ_OK;
    if (start->n != n || start->epoch < 0 || start->epoch > l->options->epochs)
        return hawq_fail(HAWQ_EINVAL,
                         "a start after epoch %d with %zu parameters: expected "
                         "0 to %d epochs and %zu parameters",
                         start->epoch, start->n, l->options->epochs, n);
    memcpy(l->sgd.velocity, start->velocity, n * sizeof *start->velocity);
    return HAWQ_OK;
}

/* Everything a run needs, taken from the arena once. */
static hawq_status prepare(loop *l, hawq_arena *arena) {
    const hawq_train_options *o = l->options;
    size_t                    n = o->batch_size;
    if (n > l->train->n) n = l->train->n;
    l->per_image = l->graph->n_row;
    l->n_targets = hawq_per_image(l->graph, l->graph->output);
    l->n_labels = hawq_score_rows(l->graph).rows;
    l->per_epoch = (l->train->n + o->batch_size - 1) / o->batch_size;
    l->warm_up = (size_t)(o->warm_up * (double)l->per_epoch);
    HAWQ_TRY(hawq_select_parameters(l->graph, arena, &l->at));
    HAWQ_TRY(hawq_sgd_init(&l->sgd, &o->sgd, &l->at, arena));
    HAWQ_TRY(take_up(l, o->start));
    HAWQ_TAKE(l->gradient, arena, hawq_selection_total(&l->at));
    HAWQ_TAKE(l->order, arena, l->train->n);
    HAWQ_TAKE(l->x, arena, n * l->per_image);
    if (l->train->labels) HAWQ_TAKE(l->labels, arena, n * l->n_labels);
    if (l->train->targets) HAWQ_TAKE(l->targets, arena, n * l->n_targets);
    return HAWQ_OK;
}

hawq_status hawq_train(hawq_graph *graph, hawq_threads *threads, hawq_loss loss,
                       const hawq_batch *train, const hawq_batch *test,
                       const hawq_train_options *options,
                       const hawq_train_report  *report) {
    static const hawq_train_report silent = {0};
    HAWQ_TRY(check(graph, train, options));
    loop        l = {.graph = graph,
                     .train = train,
                     .test = test,
                     .options = options,
                     .report = report ? report : &silent};
    hawq_arena  arena = {0};
    hawq_status s = prepare(&l, &arena);
    if (s == HAWQ_OK) s = hawq_engine_new(graph, threads, 1, loss, &l.engine);
    if (s == HAWQ_OK) s = run(&l);
    hawq_engine_free(l.engine);
    hawq_arena_free(&arena);
    return s;
}
