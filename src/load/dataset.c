/* dataset.c -- from images as files hold them to what a network is fed.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/dataset.h"

#include "src/graph/score.h"
#include "src/load/images.h"

#include <math.h>
#include <stdlib.h>
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

/* Where the numbers of an image lie in a file, and what they become: `outer`
 * runs of `inner`. */
typedef struct source {
    const uint8_t     *bytes;
    hawq_number        type;
    size_t             outer, inner;
    size_t             run, image; /* bytes from one to the next */
    size_t             start;      /* in the row of the image */
    affine             affine;
    const hawq_tensor *whole; /* the input, if it holds integers; else NULL */
    int64_t            limit; /* of its slices, see hawq_graph_input_limit */
} source;

/* Integers are carried as reals. */
static hawq_status check_whole(const source *s, size_t image, double value,
                               bool exact) {
    const char *name = s->whole->name;
    if (!exact || fabs(value) > 0x1p24)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "image %zu has %.17g for input '%s', expected an "
                         "integer of at most 16777216 (it is carried as a "
                         "float)",
                         image, value, name);
    if (s->limit && (value >= (double)s->limit || value < -(double)s->limit))
        return hawq_fail(HAWQ_EINVAL,
                         "image %zu has %.17g for input '%s', expected 0 to "
                         "%lld",
                         image, value, name, (long long)(s->limit - 1));
    return HAWQ_OK;
}

/* One run of an image into its row. */
static hawq_status convert_run(const source *s, size_t image, size_t o,
                               int64_t *ints, real *x) {
    bool           whole = hawq_number_dtype(s->type) == HAWQ_INT;
    size_t         plane = s->outer * s->inner / s->affine.channels;
    const uint8_t *bytes = s->bytes + image * s->image + o * s->run;
    hawq_numbers_read(s->type, bytes, s->inner,
                      whole ? (void *)ints : (void *)x);
    for (size_t k = 0; k < s->inner; k++) {
        size_t c = (o * s->inner + k) / plane;
        double pixel = whole ? (double)ints[k] : (double)x[k];
        if (s->whole)
            HAWQ_TRY(
                check_whole(s, image, pixel, whole || pixel == trunc(pixel)));
        x[k] = (real)((pixel * s->affine.scale - s->affine.mean[c]) /
                      s->affine.std[c]);
        if (!isfinite(x[k]))
            return hawq_fail(HAWQ_ENONFINITE, "image %zu holds NaN or infinity",
                             image);
    }
    return HAWQ_OK;
}

static hawq_status convert(const source *s, size_t row, hawq_arena *scratch,
                           hawq_dataset *out) {
    int64_t *ints;
    HAWQ_TAKE(ints, scratch, s->inner);
    for (size_t i = 0; i < out->n; i++)
        for (size_t o = 0; o < s->outer; o++)
            HAWQ_TRY(convert_run(s, out->first + i, o, ints,
                                 out->x + i * row + s->start + o * s->inner));
    return HAWQ_OK;
}

/* Images lie along `axis` of an array of this shape. */
static void spread_images(const hawq_shape *shape, int axis, source *s) {
    size_t bytes = hawq_number_bytes(s->type);
    s->outer = (size_t)hawq_shape_count(shape, 0, axis);
    s->inner = (size_t)hawq_shape_count(shape, axis + 1, shape->rank);
    s->image = s->inner * bytes;
    s->run = s->image * (size_t)shape->dim[axis];
}

/* Dimensions of one say nothing. */
static hawq_status check_item(const hawq_input *in, const hawq_shape *item) {
    char       found[128], expected[128];
    hawq_shape image = in->tensor->shape;
    image.dim[in->axis] = 1;
    hawq_shape a = hawq_shape_squeeze(item, 0);
    hawq_shape b = hawq_shape_squeeze(&image, 0);
    if (hawq_shape_equal(&a, &b)) return HAWQ_OK;
    for (int i = in->axis; i + 1 < image.rank; i++)
        image.dim[i] = image.dim[i + 1];
    image.rank--;
    return hawq_fail(HAWQ_EINVAL,
                     "images have shape %s, the model's input %s%s%s%s%s",
                     hawq_shape_text(item, found), in->start ? "'" : "",
                     in->start ? in->tensor->name : "", in->start ? "' " : "",
                     "expects ", hawq_shape_text(&image, expected));
}

static hawq_status describe(const hawq_graph *g, int k, source *s) {
    const hawq_input *in = &g->inputs[k];
    s->start = in->start;
    if (!in->tensor->whole) return HAWQ_OK;
    s->whole = in->tensor;
    s->limit = hawq_graph_input_limit(g, k);
    return HAWQ_OK;
}

/* The first input: what the options of scale, mean and deviation are for. */
static hawq_status convert_first(const hawq_images          *from,
                                 const hawq_dataset_options *o, size_t row,
                                 hawq_arena *scratch, hawq_dataset *out) {
    const hawq_graph *g = o->graph;
    source            s = {.bytes = from->bytes,
                           .type = from->type,
                           .outer = 1,
                           .inner =
                               (size_t)hawq_shape_count(&from->item, 0, from->item.rank),
                           .image = from->stride};
    HAWQ_TRY(read_affine(o, &from->item, &s.affine));
    if (!g) return convert(&s, row, scratch, out);
    HAWQ_TRY(check_item(&g->inputs[0], &from->item));
    HAWQ_TRY(describe(g, 0, &s));
    if (s.whole && (o->n_mean || o->n_std || (o->scale != 0 && o->scale != 1)))
        return hawq_fail(HAWQ_EINVAL,
                         "--scale, --mean and --std are for images; input "
                         "'%s' holds integers",
                         s.whole->name);
    if (g->inputs[0].axis > 0) { /* of the array, not of the image */
        hawq_shape all = from->item;
        for (int i = all.rank++; i > g->inputs[0].axis; i--)
            all.dim[i] = all.dim[i - 1];
        all.dim[g->inputs[0].axis] = (int64_t)from->n;
        spread_images(&all, g->inputs[0].axis, &s);
    }
    return convert(&s, row, scratch, out);
}

static hawq_status convert_more(const hawq_images *from, const hawq_graph *g,
                                hawq_arena *scratch, hawq_dataset *out) {
    for (size_t k = 1; k <= from->n_more; k++) {
        const hawq_array *a = &from->more[k - 1];
        const hawq_input *in = &g->inputs[k];
        hawq_shape        item = a->shape;
        source            s = {
                       .bytes = a->bytes, .type = a->type, .affine = {1, 1, {0}, {1}}};
        item.dim[in->axis] = 1;
        HAWQ_TRY(check_item(in, &item));
        HAWQ_TRY(describe(g, (int)k, &s));
        spread_images(&a->shape, in->axis, &s);
        HAWQ_TRY(convert(&s, g->n_row, scratch, out));
    }
    return HAWQ_OK;
}

static hawq_status select_targets(const hawq_images          *from,
                                  const hawq_dataset_options *o,
                                  hawq_dataset               *out) {
    size_t m = (size_t)hawq_shape_count(&from->y, 0, from->y.rank);
    out->y = from->y;
    if (from->labels) {
        HAWQ_TAKE(out->labels, &out->arena, out->n * m);
        memcpy(out->labels, from->labels + out->first * m,
               out->n * m * sizeof *out->labels);
        for (size_t i = 0; o->ignores && i < out->n * m; i++)
            if (out->labels[i] == o->ignored) out->labels[i] = HAWQ_IGNORED;
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
    const hawq_graph *g = o->graph;
    if (from->n == 0 || hawq_shape_count(&from->item, 0, from->item.rank) == 0)
        return hawq_fail(HAWQ_EFORMAT, "holds no image");
    if (o->skip >= from->n)
        return hawq_fail(HAWQ_EINVAL,
                         "--skip %zu leaves no image: %zu are there", o->skip,
                         from->n);
    out->first = o->skip;
    out->n = from->n - o->skip;
    if (o->limit && o->limit < out->n) out->n = o->limit;
    out->item = from->item;
    size_t row =
        g ? g->n_row : (size_t)hawq_shape_count(&out->item, 0, out->item.rank);
    HAWQ_TAKE(out->x, &out->arena, out->n * row);
    out->n_inputs = g ? g->n_inputs : 1;
    HAWQ_TRY(convert_first(from, o, row, scratch, out));
    if (g) HAWQ_TRY(convert_more(from, g, scratch, out));
    return select_targets(from, o, out);
}

/* --- specifications ---------------------------------------------------- */

static const char supported[] =
    "supported are file.npz, idx:PREFIX, cifar:FILE.bin,... and tokens:FILE";

static hawq_status read_images(const char *spec, const hawq_dataset_options *o,
                               hawq_arena *arena, hawq_images *out) {
    size_t         n = strlen(spec);
    hawq_labelling want = o->labels;
    size_t         most =
        o->limit && o->skip < SIZE_MAX - o->limit ? o->skip + o->limit : 0;
    bool npz = n > 4 && strcmp(spec + n - 4, ".npz") == 0;
    if (!npz && o->graph && o->graph->n_inputs > 1)
        return hawq_fail(HAWQ_EINVAL,
                         "feeds one input, and the network has %d: '%s', "
                         "'%s', ...; expected file.npz with a member for each",
                         o->graph->n_inputs, o->graph->inputs[0].tensor->name,
                         o->graph->inputs[1].tensor->name);
    if (strncmp(spec, "idx:", 4) == 0)
        return hawq_idx_read(spec + 4, want, arena, out);
    if (strncmp(spec, "cifar:", 6) == 0)
        return hawq_cifar_read(spec + 6, arena, out);
    if (strncmp(spec, "tokens:", 7) == 0) {
        if (!o->graph || !o->graph->input->whole)
            return hawq_fail(HAWQ_EINVAL,
                             "feeds networks whose input is integers; this one "
                             "%s",
                             o->graph ? "takes floating point"
                                      : "has not been given");
        return hawq_tokens_read(spec + 7, o->graph->n_row, most, arena, out);
    }
    if (strncmp(spec, "dir:", 4) == 0)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "folders of images are not supported; %s", supported);
    if (npz) return hawq_npz_read(spec, want, most, o->graph, arena, out);
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
    if (!spec[0] || !strcmp(spec, "idx:") || !strcmp(spec, "cifar:") ||
        !strcmp(spec, "tokens:"))
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

hawq_status hawq_dataset_list(const char *spec, hawq_arena *arena,
                              const hawq_member **out, size_t *n) {
    size_t length = strlen(spec);
    *out = NULL;
    *n = 0;
    if (length <= 4 || strcmp(spec + length - 4, ".npz") != 0) return HAWQ_OK;
    hawq_status status = hawq_npz_list(spec, arena, out, n);
    return status == HAWQ_OK ? status : hawq_prefix("%s: ", spec);
}

hawq_status hawq_dataset_value(const char *text, hawq_arena *arena,
                               hawq_tensor **out) {
    hawq_member m = {.name = text};
    hawq_array  a = {0};
    size_t      length = strlen(text);
    char       *end;
    double      number = strtod(text, &end);
    if (length > 4 && strcmp(text + length - 4, ".npy") == 0) {
        hawq_status status = hawq_npy_read(text, arena, &a);
        if (status != HAWQ_OK) return hawq_prefix("%s: ", text);
    } else if (length == 0 || *end || !isfinite(number)) {
        return hawq_fail(HAWQ_EINVAL,
                         "'%s' is neither a number nor a file .npy", text);
    } else {
        a = (hawq_array){
            .type = HAWQ_F64, .n = 1, .bytes = (const uint8_t *)&number};
    }
    HAWQ_TRY(hawq_array_value(&a, arena, &m));
    *out = m.value;
    return HAWQ_OK;
}

void hawq_dataset_free(hawq_dataset *dataset) {
    if (!dataset) return;
    hawq_arena_free(&dataset->arena);
    *dataset = (hawq_dataset){0};
}

/* --- against a network ------------------------------------------------- */

static hawq_status check_shape(const hawq_dataset *d, const hawq_graph *g) {
    if (d->n_inputs == g->n_inputs)
        return g->n_inputs == 1 ? check_item(&g->inputs[0], &d->item) : HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL,
                     "was read for %d input%s, the model has %d: '%s', '%s', "
                     "...",
                     d->n_inputs, d->n_inputs == 1 ? "" : "s", g->n_inputs,
                     g->inputs[0].tensor->name,
                     g->inputs[g->n_inputs - 1].tensor->name);
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
