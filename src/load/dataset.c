/* dataset.c -- from images as files hold them to what a network is fed.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/dataset.h"

#include "src/graph/score.h"
#include "src/load/images.h"

#include <math.h>
#include <string.h>

/* --- options ----------------------------------------------------------- */

/* (pixel * scale - mean[c]) / std[c] per channel */
typedef struct affine {
    size_t channels;
    double scale, mean[HAWQ_MAX_CHANNELS], std[HAWQ_MAX_CHANNELS];
} affine;

/* n given values to one per channel; none: `value` for all. */
static hawq_status spread(const char *name, int n, const double *given,
                          double value, affine *a, double *out) {
    if (n > 1 && (size_t)n != a->channels)
        return hawq_fail(HAWQ_EINVAL,
                         "--%s has %d values, expected 1 or %zu (the channels "
                         "of an image)",
                         name, n, a->channels);
    size_t stored = a->channels < HAWQ_MAX_CHANNELS ? a->channels : 1;
    for (size_t c = 0; c < stored; c++)
        out[c] = n == 0 ? value : given[n == 1 ? 0 : c];
    for (size_t c = 0; c < stored; c++)
        if (!isfinite(out[c]))
            return hawq_fail(HAWQ_EINVAL, "--%s: %g is no finite number", name,
                             out[c]);
    return HAWQ_OK;
}

static hawq_status read_affine(const hawq_dataset_options *o,
                               const hawq_shape *item, affine *a) {
    a->channels = item->rank == 3 ? (size_t)item->dim[0] : 1;
    a->scale = o->scale == 0 ? 1 : o->scale;
    if (o->n_mean <= 1 && o->n_std <= 1) a->channels = 1;
    HAWQ_TRY(spread("mean", o->n_mean, o->mean, 0, a, a->mean));
    HAWQ_TRY(spread("std", o->n_std, o->std, 1, a, a->std));
    if (!isfinite(a->scale))
        return hawq_fail(HAWQ_EINVAL, "--scale: %g is no finite number",
                         a->scale);
    for (size_t c = 0; c < a->channels; c++)
        if (!(a->std[c] > 0))
            return hawq_fail(HAWQ_EINVAL, "--std: %g, expected more than 0",
                             a->std[c]);
    return HAWQ_OK;
}

/* --- conversion -------------------------------------------------------- */

static hawq_status convert(const hawq_images *from, const affine *a,
                           hawq_arena *scratch, hawq_dataset *out) {
    size_t   n = (size_t)hawq_shape_count(&from->item, 0, from->item.rank);
    bool     whole = hawq_number_dtype(from->type) == HAWQ_INT;
    size_t   plane = n / a->channels;
    int64_t *ints;
    HAWQ_TAKE(ints, scratch, n);
    HAWQ_TAKE(out->x, &out->arena, out->n * n);
    for (size_t i = 0; i < out->n; i++) {
        real          *x = out->x + i * n;
        const uint8_t *bytes = from->bytes + (out->first + i) * from->stride;
        hawq_numbers_read(from->type, bytes, n,
                          whole ? (void *)ints : (void *)x);
        for (size_t k = 0; k < n; k++) {
            size_t c = k / plane;
            double pixel = whole ? (double)ints[k] : (double)x[k];
            x[k] = (real)((pixel * a->scale - a->mean[c]) / a->std[c]);
            if (!isfinite(x[k]))
                return hawq_fail(HAWQ_ENONFINITE,
                                 "image %zu holds NaN or infinity",
                                 out->first + i);
        }
    }
    return HAWQ_OK;
}

static hawq_status select_targets(const hawq_images *from, hawq_dataset *out) {
    size_t m = (size_t)hawq_shape_count(&from->y, 0, from->y.rank);
    out->y = from->y;
    if (from->labels) {
        HAWQ_TAKE(out->labels, &out->arena, out->n * m);
        memcpy(out->labels, from->labels + out->first * m,
               out->n * m * sizeof *out->labels);
        return HAWQ_OK;
    }
    if (!from->targets) return HAWQ_OK;
    HAWQ_TAKE(out->targets, &out->arena, out->n * m);
    memcpy(out->targets, from->targets + out->first * m,
           out->n * m * sizeof *out->targets);
    for (size_t i = 0; i < out->n * m; i++)
        if (!isfinite(out->targets[i]))
            return hawq_fail(HAWQ_ENONFINITE,
                             "the target of image %zu is NaN or infinite",
                             out->first + i / m);
    return HAWQ_OK;
}

static hawq_status select_images(const hawq_images          *from,
                                 const hawq_dataset_options *o,
                                 hawq_arena *scratch, hawq_dataset *out) {
    affine a = {0};
    if (from->n == 0 || hawq_shape_count(&from->item, 0, from->item.rank) == 0)
        return hawq_fail(HAWQ_EFORMAT, "holds no image");
    if (o->skip >= from->n)
        return hawq_fail(HAWQ_EINVAL,
                         "--skip %zu leaves no image: %zu are there", o->skip,
                         from->n);
    HAWQ_TRY(read_affine(o, &from->item, &a));
    out->first = o->skip;
    out->n = from->n - o->skip;
    if (o->limit && o->limit < out->n) out->n = o->limit;
    out->item = from->item;
    HAWQ_TRY(convert(from, &a, scratch, out));
    return select_targets(from, out);
}

/* --- specifications ---------------------------------------------------- */

static const char supported[] =
    "supported are file.npz, idx:PREFIX and cifar:FILE.bin,...";

static hawq_status read_images(const char *spec, const hawq_dataset_options *o,
                               hawq_arena *arena, hawq_images *out) {
    size_t         n = strlen(spec);
    hawq_labelling want = o->labels;
    size_t         most =
        o->limit && o->skip < SIZE_MAX - o->limit ? o->skip + o->limit : 0;
    if (strncmp(spec, "idx:", 4) == 0)
        return hawq_idx_read(spec + 4, want, arena, out);
    if (strncmp(spec, "cifar:", 6) == 0)
        return hawq_cifar_read(spec + 6, arena, out);
    if (strncmp(spec, "dir:", 4) == 0)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "folders of images are not supported; %s", supported);
    if (n > 4 && strcmp(spec + n - 4, ".npz") == 0)
        return hawq_npz_read(spec, want, most, arena, out);
    return hawq_fail(HAWQ_EUNSUPPORTED, "is no kind of data that is read; %s",
                     supported);
}

hawq_status hawq_dataset_load(const char                 *spec,
                              const hawq_dataset_options *options,
                              hawq_dataset               *out) {
    hawq_dataset_options none = {0};
    hawq_dataset         set = {0};
    hawq_images          images = {0};
    hawq_arena           scratch = {0};
    if (!spec[0] || !strcmp(spec, "idx:") || !strcmp(spec, "cifar:"))
        return hawq_fail(HAWQ_EINVAL, "data '%s' name no file; %s", spec,
                         supported);
    if (!options) options = &none;
    hawq_status status = read_images(spec, options, &scratch, &images);
    if (status == HAWQ_OK)
        status = select_images(&images, options, &scratch, &set);
    hawq_arena_free(&scratch);
    if (status == HAWQ_OK) {
        *out = set;
        return status;
    }
    hawq_arena_free(&set.arena);
    return hawq_prefix("%s: ", spec);
}

void hawq_dataset_free(hawq_dataset *dataset) {
    if (!dataset) return;
    hawq_arena_free(&dataset->arena);
    *dataset = (hawq_dataset){0};
}

/* --- against a network ------------------------------------------------- */

static hawq_status check_shape(const hawq_dataset *d, const hawq_graph *g) {
    char       found[128], expected[128];
    hawq_shape image = {.rank = g->input->shape.rank - 1};
    for (int i = 0; i < image.rank; i++)
        image.dim[i] = g->input->shape.dim[i + 1];
    hawq_shape a = hawq_shape_squeeze(&d->item, 0);
    hawq_shape b = hawq_shape_squeeze(&image, 0);
    if (hawq_shape_equal(&a, &b)) return HAWQ_OK;
    return hawq_fail(
        HAWQ_EINVAL, "images have shape %s, the model's input expects %s",
        hawq_shape_text(&d->item, found), hawq_shape_text(&image, expected));
}

size_t hawq_dataset_answers(const hawq_dataset *d) {
    return (size_t)hawq_shape_count(&d->y, 0, d->y.rank);
}

static hawq_status check(const hawq_dataset *d, const hawq_graph *g) {
    if (d->n == 0) return hawq_fail(HAWQ_EINVAL, "holds no image");
    HAWQ_TRY(check_shape(d, g));
    if (g->fixed_batch && d->n < (size_t)g->batch)
        return hawq_fail(HAWQ_EINVAL,
                         "fewer images than a batch: found %zu, the model "
                         "fixes batches of %d",
                         d->n, g->batch);
    return HAWQ_OK;
}

hawq_status hawq_dataset_check(const hawq_dataset *dataset,
                               const hawq_graph *graph, const char *spec) {
    hawq_status status = check(dataset, graph);
    return status == HAWQ_OK ? status : hawq_prefix("%s: ", spec);
}

hawq_status hawq_dataset_check_loss(const hawq_dataset *d, const hawq_graph *g,
                                    hawq_loss loss, const char *spec) {
    const hawq_batch batch = {d->n, d->x, d->labels, d->targets};
    hawq_status status = hawq_score_check(g, loss, &batch, &d->y, d->first);
    return status == HAWQ_OK ? status : hawq_prefix("%s: ", spec);
}
