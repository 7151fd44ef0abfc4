/* onnx_inputs.c -- see onnx_inputs.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/onnx_inputs.h"

#include <math.h>
#include <string.h>

/* --- what is known of an input ---------------------------------------------
 */

static const hawq_member *find(const hawq_member *list, size_t n,
                               const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0) return &list[i];
    return NULL;
}

/* Options must name inputs; members of the data may be there for others. */
static hawq_status check_names(const hawq_member *list, size_t n,
                               const char *option, const hawq_proto *model) {
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        for (size_t k = 0; k < model->n_inputs; k++)
            found |= strcmp(model->input[k].name, list[i].name) == 0;
        if (!found)
            return hawq_fail(HAWQ_EINVAL,
                             "%s %s: the network has no such input; its first "
                             "is '%s'",
                             option, list[i].name,
                             model->n_inputs ? model->input[0].name : "");
    }
    return HAWQ_OK;
}

/* The data's array for an input: of its name, or x for the only one without. */
static const hawq_member *member_of(const hawq_feeds       *f,
                                    const hawq_onnx_inputs *all, size_t k) {
    const hawq_member *own =
        find(f->member, f->n_members, all->input[k].declared->name);
    if (own || all->input[k].axis < 0) return own;
    for (size_t i = 0; i < all->n; i++) {
        const char *name = all->input[i].declared->name;
        if (i != k && !find(f->member, f->n_members, name) &&
            !find(f->value, f->n_values, name) && all->input[i].axis >= 0)
            return NULL;
    }
    return find(f->member, f->n_members, "x");
}

/* --- where the images are --------------------------------------------------
 */

static bool means_images(const char *symbol) {
    return symbol && (!strcmp(symbol, "N") || !strcmp(symbol, "batch") ||
                      !strcmp(symbol, "batch_size"));
}

static int axis_called(const hawq_proto_value *v, const char *symbol) {
    for (int i = 0; symbol && i < v->shape.rank; i++)
        if (v->symbol[i] && strcmp(v->symbol[i], symbol) == 0) return i;
    return -1;
}

static bool has_free(const hawq_proto_value *v) {
    for (int i = 0; i < v->shape.rank; i++)
        if (v->shape.dim[i] < 0) return true;
    return false;
}

static int only_axis(const hawq_shape *s, int64_t length) {
    int found = -1;
    for (int i = 0; i < s->rank; i++) {
        if (s->dim[i] != length) continue;
        if (found >= 0) return -1;
        found = i;
    }
    return found;
}

/* first: the first input, whose own axis is known unless v is that. */
static int find_axis(const hawq_proto_value *v, const hawq_onnx_input *first,
                     const hawq_member *given) {
    const hawq_shape *s = &v->shape;
    if (given && given->shape.rank == s->rank)
        return only_axis(&given->shape, HAWQ_IMAGES);
    for (int i = 0; i < s->rank; i++)
        if (means_images(v->symbol[i])) return i;
    if (v == first->declared) return s->rank ? 0 : -1;
    int same = first->axis < 0
                   ? -1
                   : axis_called(v, first->declared->symbol[first->axis]);
    if (same >= 0) return same;
    if (s->rank && s->dim[0] < 0) return 0;
    if (first->images > 0 && s->rank && s->dim[0] == first->images) return 0;
    if (first->images > 0) return only_axis(s, first->images);
    return only_axis(s, -1);
}

/* --- how large they are ----------------------------------------------------
 */

/* Size of dimension i as the data has it, or -1. */
static int64_t size_in_data(const hawq_onnx_input *in, const hawq_member *data,
                            int i) {
    if (!data) return -1;
    if (data->shape.rank == in->shape.rank) return data->shape.dim[i];
    if (data->shape.rank == in->shape.rank - 1 && in->axis >= 0)
        return data->shape.dim[i > in->axis ? i - 1 : i];
    return -1;
}

/* The same as given by --input-shape, with or without the images. */
static int64_t size_given(const hawq_onnx_input *in, const hawq_member *given,
                          int i) {
    return given ? size_in_data(in, given, i) : -1;
}

static hawq_status find_sizes(const hawq_member *given, const hawq_member *data,
                              hawq_onnx_input *in) {
    const hawq_proto_value *v = in->declared;
    char                    text[128];
    if (given && given->shape.rank != in->shape.rank &&
        given->shape.rank != in->shape.rank - (in->axis >= 0))
        return hawq_fail(
            HAWQ_EINVAL, "--input-shape %s=%s: the input has %d dimensions%s",
            v->name, hawq_shape_text(&given->shape, text), in->shape.rank,
            in->axis >= 0 ? ", one of them the images" : "");
    for (int i = 0; i < in->shape.rank; i++) {
        int64_t *d = &in->shape.dim[i];
        if (i == in->axis) {
            in->images = *d > 0 ? (int)*d : 0;
            if (*d > HAWQ_MOST_IMAGES)
                return hawq_fail(HAWQ_EUNSUPPORTED,
                                 "input '%s' has a batch of %lld images, at "
                                 "most %d are supported",
                                 v->name, (long long)*d, HAWQ_MOST_IMAGES);
            *d = 1;
            continue;
        }
        int64_t wish = size_given(in, given, i);
        if (*d > 0 && wish > 0 && wish != *d)
            return hawq_fail(HAWQ_EINVAL,
                             "--input-shape %s: dimension %d is %lld in the "
                             "file, not %lld",
                             v->name, i, (long long)*d, (long long)wish);
        if (*d < 0) *d = wish;
        if (*d < 0) *d = size_in_data(in, data, i);
    }
    return HAWQ_OK;
}

/* A size that one input tells another of the same symbol. */
static int64_t size_of_symbol(const hawq_onnx_inputs *all, const char *symbol) {
    for (size_t k = 0; symbol && k < all->n; k++) {
        const hawq_onnx_input *in = &all->input[k];
        int                    i = axis_called(in->declared, symbol);
        if (i >= 0 && i != in->axis && in->shape.dim[i] > 0)
            return in->shape.dim[i];
    }
    return -1;
}

static hawq_status check_sizes(const hawq_onnx_inputs *all,
                               hawq_onnx_input        *in) {
    const hawq_proto_value *v = in->declared;
    for (int i = 0; i < in->shape.rank; i++) {
        int64_t *d = &in->shape.dim[i];
        if (*d < 0) *d = size_of_symbol(all, v->symbol[i]);
        if (*d >= 0) continue;
        return hawq_fail(
            HAWQ_EUNSUPPORTED,
            "dimension %d of input '%s' is free%s%s%s: give its size, as in "
            "--input-shape %s=%s, or data that has it",
            i, v->name, v->symbol[i] ? " (" : "",
            v->symbol[i] ? v->symbol[i] : "", v->symbol[i] ? ")" : "", v->name,
            in->shape.rank == 4   ? "3x224x224"
            : in->shape.rank == 2 ? "128"
                                  : "80x100");
    }
    return HAWQ_OK;
}

/* --- values ----------------------------------------------------------------
 */

/* The number as the input's type holds it; false: an integer input would lose
 * something. */
static bool convert(const hawq_tensor *from, size_t i, bool whole,
                    hawq_tensor *to, size_t at) {
    double x = from->data ? (double)from->data[i] : (double)from->ints[i];
    if (whole) {
        bool exact = !from->data || (fabs(x) < 0x1p62 && x == trunc(x));
        to->ints[at] = !from->data ? from->ints[i] : exact ? (int64_t)x : 0;
        return exact;
    }
    to->data[at] = (real)x;
    return true;
}

/* Of the input's own type and of the shape of one image; a single number fills
 * it. */
static hawq_status take_value(const hawq_tensor *given, hawq_arena *arena,
                              hawq_onnx_input *in) {
    char         found[128], expected[128];
    bool         whole = in->declared->is_whole;
    hawq_tensor *t;
    hawq_shape   a = hawq_shape_squeeze(&given->shape, 0);
    hawq_shape   b = hawq_shape_squeeze(&in->shape, 0);
    if (given->n != 1 && !hawq_shape_equal(&a, &b))
        return hawq_fail(
            HAWQ_EINVAL, "input '%s': the value has shape %s, expected %s",
            in->declared->name, hawq_shape_text(&given->shape, found),
            hawq_shape_text(&in->shape, expected));
    HAWQ_TAKE(t, arena, 1);
    *t = (hawq_tensor){.name = in->declared->name,
                       .role = HAWQ_CONSTANT,
                       .dtype = whole ? HAWQ_INT : HAWQ_FLOAT,
                       .shape = in->shape};
    HAWQ_TRY(hawq_tensor_count(t));
    if (whole)
        HAWQ_TAKE(t->ints, arena, t->n);
    else
        HAWQ_TAKE(t->data, arena, t->n);
    for (size_t i = 0; i < t->n; i++)
        if (!convert(given, given->n == 1 ? 0 : i, whole, t, i))
            return hawq_fail(HAWQ_EINVAL,
                             "input '%s' holds integers, its value does not",
                             in->declared->name);
    in->value = t;
    return HAWQ_OK;
}

/* Is the array the same for every image? `images`: what the first input's has;
 * 0: there is none. */
static bool is_shared(const hawq_onnx_input *in, const hawq_member *data,
                      int64_t images) {
    if (in->axis < 0 || data->shape.rank == in->shape.rank - 1) return true;
    return data->shape.rank == in->shape.rank &&
           data->shape.dim[in->axis] == 1 && images > 1;
}

static hawq_status find_value(const hawq_feeds *f, const hawq_member *data,
                              int64_t images, bool first, hawq_arena *arena,
                              hawq_onnx_input *in) {
    const char        *name = in->declared->name;
    const hawq_member *given = find(f->value, f->n_values, name);
    if (given) return take_value(given->value, arena, in);
    if (data && !first && is_shared(in, data, images)) {
        if (data->value) return take_value(data->value, arena, in);
        return hawq_fail(HAWQ_EINVAL,
                         "input '%s': the member of the data has no dimension "
                         "of images and is larger than 1 MiB; give it as "
                         "--input %s=FILE.npy",
                         name, name);
    }
    if (in->axis >= 0) return HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL,
                     "input '%s' has no dimension of images: give its value "
                     "for all of them, as --input %s=VALUE (or FILE.npy) or as "
                     "a member '%s' of the .npz data%s",
                     name, name, name,
                     in->shape.rank ? "; or say where the images lie, as in "
                                      "--input-shape NAME=2xNx128"
                                    : "");
}

static hawq_status add_constant(hawq_proto *model, const hawq_tensor *t,
                                hawq_number number, hawq_arena *arena) {
    size_t       n = model->n_constants;
    hawq_tensor *constant;
    hawq_number *numbers;
    HAWQ_TAKE(constant, arena, n + 1);
    HAWQ_TAKE(numbers, arena, n + 1);
    if (n) memcpy(constant, model->constant, n * sizeof *constant);
    if (n) memcpy(numbers, model->number, n * sizeof *numbers);
    constant[n] = *t;
    numbers[n] = number;
    model->constant = constant;
    model->number = numbers;
    model->n_constants++;
    return HAWQ_OK;
}

static bool is_constant(const hawq_proto *model, const char *name) {
    for (size_t i = 0; i < model->n_constants; i++)
        if (strcmp(model->constant[i].name, name) == 0) return true;
    return false;
}

hawq_status hawq_onnx_fix_inputs(hawq_proto *model, const hawq_feeds *f,
                                 hawq_arena *arena) {
    HAWQ_TRY(check_names(f->shape, f->n_shapes, "--input-shape", model));
    HAWQ_TRY(check_names(f->value, f->n_values, "--input", model));
    for (size_t k = 0; k < model->n_inputs; k++) {
        const hawq_proto_value *v = &model->input[k];
        hawq_onnx_input         in = {.declared = v, .shape = v->shape};
        const hawq_member      *value = find(f->value, f->n_values, v->name);
        if (!value && v->shape.rank == 0)
            value = find(f->member, f->n_members, v->name);
        if (!value || !value->value || v->defect || has_free(v) ||
            is_constant(model, v->name))
            continue;
        HAWQ_TRY(take_value(value->value, arena, &in));
        HAWQ_TRY(add_constant(model, in.value, v->number, arena));
    }
    return HAWQ_OK;
}

/* --- all of them ------------------------------------------------------------
 */

static hawq_status list_needed(const hawq_proto *m, const hawq_names *needed,
                               hawq_arena *arena, hawq_onnx_inputs *out) {
    hawq_names constants = {0};
    for (size_t i = 0; i < m->n_constants; i++)
        HAWQ_TRY(hawq_names_add(&constants, arena, m->constant[i].name));
    HAWQ_TAKE(out->input, arena, m->n_inputs);
    out->n = 0;
    for (size_t i = 0; i < m->n_inputs; i++) {
        const hawq_proto_value *v = &m->input[i];
        if (hawq_names_has(&constants, v->name) ||
            !hawq_names_has(needed, v->name))
            continue;
        if (v->defect)
            return hawq_fail(HAWQ_EUNSUPPORTED, "input '%s' %s", v->name,
                             v->defect);
        out->input[out->n++] =
            (hawq_onnx_input){.declared = v, .shape = v->shape, .axis = -1};
    }
    return HAWQ_OK;
}

static int64_t images_of(const hawq_onnx_input *in, const hawq_member *data) {
    bool whole = data && in->axis >= 0 && data->shape.rank == in->shape.rank;
    return whole ? data->shape.dim[in->axis] : 0;
}

hawq_status hawq_onnx_find_inputs(const hawq_proto *model,
                                  const hawq_names *needed, const hawq_feeds *f,
                                  hawq_arena *arena, hawq_onnx_inputs *out) {
    HAWQ_TRY(list_needed(model, needed, arena, out));
    for (size_t k = 0; k < out->n; k++) {
        hawq_onnx_input   *in = &out->input[k];
        const hawq_member *given =
            find(f->shape, f->n_shapes, in->declared->name);
        in->axis = find_axis(in->declared, &out->input[0], given);
        if (k == 0 && in->axis >= 0 && in->shape.dim[in->axis] > 0)
            in->images = (int)in->shape.dim[in->axis];
    }
    for (size_t k = 0; k < out->n; k++) {
        hawq_onnx_input *in = &out->input[k];
        HAWQ_TRY(find_sizes(find(f->shape, f->n_shapes, in->declared->name),
                            member_of(f, out, k), in));
        if (in->images && !out->images) out->images = in->images;
    }
    int64_t images =
        out->n ? images_of(&out->input[0], member_of(f, out, 0)) : 0;
    for (size_t k = 0; k < out->n; k++) {
        hawq_onnx_input *in = &out->input[k];
        HAWQ_TRY(check_sizes(out, in));
        HAWQ_TRY(
            find_value(f, member_of(f, out, k), images, k == 0, arena, in));
    }
    return HAWQ_OK;
}

hawq_status hawq_onnx_add_inputs(const hawq_onnx_inputs *all, int batch,
                                 hawq_graph *g) {
    int images = all->images ? all->images : batch;
    g->fixed_batch = all->images > 0;
    for (size_t k = 0; k < all->n; k++) {
        const hawq_onnx_input *in = &all->input[k];
        const char            *name = in->declared->name;
        hawq_shape             shape = in->shape;
        const hawq_tensor     *t = in->value;
        if (t) {
            HAWQ_TRY(hawq_graph_fix_input(
                g, name, t->dtype, &shape, in->axis, images,
                t->dtype == HAWQ_INT ? (const void *)t->ints
                                     : (const void *)t->data));
            continue;
        }
        shape.dim[in->axis] = images;
        HAWQ_TRY(hawq_graph_add_input(g, name, &shape, in->axis,
                                      in->declared->is_whole));
    }
    if (g->input) return HAWQ_OK;
    return hawq_fail(HAWQ_EFORMAT,
                     "the output does not depend on any input that takes "
                     "images");
}
