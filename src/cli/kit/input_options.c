/* input_options.c -- see input_options.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/input_options.h"

#include "src/load/dataset.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct {
    hawq_texts values, shapes, outputs;
    int        class_axis;
} o;

const hawq_option hawq_input_rows[] = {
    HAWQ_OPTION_TEXTS("input", 0, &o.values, "NAME=VALUE",
                      "an input that is the same for all images: a number, or "
                      "FILE.npy"),
    HAWQ_OPTION_TEXTS("input-shape", 0, &o.shapes, "NAME=SHAPE",
                      "sizes that the file leaves free, as x=3x224x224; N "
                      "where the images lie, as s=2xNx64 (default: "
                      "as the data has them)"),
    HAWQ_OPTION_INT("class-axis", 0, &o.class_axis, -HAWQ_MAX_RANK,
                    HAWQ_MAX_RANK, "AXIS",
                    "dimension of the output that its classes lie along "
                    "(default: as the shapes of output and labels tell)"),
    {0}};

#define OUTPUTS(name)                                                          \
    HAWQ_OPTION_TEXTS(name, 0, &o.outputs, "NAME",                             \
                      "an output, or any tensor, to read as the output; of "   \
                      "several all rows, or all numbers ("                     \
                      "default: the first output of floating point)")
const hawq_option hawq_output_rows[] = {OUTPUTS("output"), {0}};
const hawq_option hawq_network_output_rows[] = {OUTPUTS("network-output"), {0}};

int hawq_input_class_axis(void) {
    return o.class_axis;
}

/* "NAME=REST"; the name may hold '=' as little as the rest does. */
static hawq_status split(const char *option, const char *text,
                         hawq_arena *arena, const char **name,
                         const char **rest) {
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return hawq_fail(HAWQ_EINVAL, "--%s %s: expected NAME=%s", option, text,
                         strcmp(option, "input") ? "3x224x224" : "VALUE");
    *name = hawq_arena_string_n(arena, text, (size_t)(equals - text));
    *rest = equals + 1;
    return *name ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status read_shape(const char *text, const char *at,
                              hawq_shape *out) {
    int images = 0;
    *out = (hawq_shape){0};
    for (;; at++) {
        char *end = (char *)at + 1;
        long  value = HAWQ_IMAGES;
        errno = 0;
        if (*at == 'N')
            images++;
        else
            value = isdigit((unsigned char)*at) ? strtol(at, &end, 10) : 0;
        if (value == 0 || value > INT32_MAX || errno || images > 1 ||
            (*end && *end != 'x') || out->rank == HAWQ_MAX_RANK)
            return hawq_fail(HAWQ_EINVAL,
                             "--input-shape %s: expected sizes as in "
                             "NAME=3x224x224, N once where the images lie",
                             text);
        out->dim[out->rank++] = value;
        if (!*end) return HAWQ_OK;
        at = end;
    }
}

static hawq_status read_shapes(hawq_arena *arena, hawq_feeds *out) {
    hawq_member *shape;
    HAWQ_TAKE(shape, arena, (size_t)o.shapes.n);
    for (int i = 0; i < o.shapes.n; i++) {
        const char *text = o.shapes.item[i], *rest = "";
        HAWQ_TRY(split("input-shape", text, arena, &shape[i].name, &rest));
        HAWQ_TRY(read_shape(text, rest, &shape[i].shape));
    }
    out->shape = shape;
    out->n_shapes = (size_t)o.shapes.n;
    return HAWQ_OK;
}

static hawq_status read_values(hawq_arena *arena, hawq_feeds *out) {
    hawq_member *value;
    HAWQ_TAKE(value, arena, (size_t)o.values.n);
    for (int i = 0; i < o.values.n; i++) {
        const char *text = o.values.item[i], *rest = "";
        HAWQ_TRY(split("input", text, arena, &value[i].name, &rest));
        hawq_status status = hawq_dataset_value(rest, arena, &value[i].value);
        if (status != HAWQ_OK) return hawq_prefix("--input %s: ", text);
        value[i].shape = value[i].value->shape;
    }
    out->value = value;
    out->n_values = (size_t)o.values.n;
    return HAWQ_OK;
}

hawq_status hawq_input_feeds(const char *spec, hawq_arena *arena,
                             hawq_feeds *out) {
    hawq_feeds f = {0};
    HAWQ_TRY(read_shapes(arena, &f));
    HAWQ_TRY(read_values(arena, &f));
    f.n_outputs = (size_t)o.outputs.n;
    f.output = o.outputs.item;
    if (spec) HAWQ_TRY(hawq_dataset_list(spec, arena, &f.member, &f.n_members));
    *out = f;
    return HAWQ_OK;
}

const char *hawq_input_text(hawq_arena *arena) {
    const char *text = "";
    for (int i = 0; i < o.values.n && text; i++)
        text =
            hawq_arena_format(arena, "%s --input %s", text, o.values.item[i]);
    for (int i = 0; i < o.shapes.n && text; i++)
        text = hawq_arena_format(arena, "%s --input-shape %s", text,
                                 o.shapes.item[i]);
    for (int i = 0; i < o.outputs.n && text; i++)
        text =
            hawq_arena_format(arena, "%s --output %s", text, o.outputs.item[i]);
    if (o.class_axis && text)
        text =
            hawq_arena_format(arena, "%s --class-axis %d", text, o.class_axis);
    return text;
}
