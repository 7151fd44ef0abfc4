/* data_options.c -- rows, and their values as dataset options.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/data_options.h"

#include "src/cli/kit/input_options.h"
#include "src/cli/kit/output.h"

#include <limits.h>
#include <stdlib.h>

static struct {
    const char *data;
    double      scale;
    hawq_reals  mean, std;
    int         skip, limit;
    const char *ignored;
} o;

const hawq_option hawq_data_rows[] = {
    HAWQ_OPTION_TEXT("data", 'd', &o.data, "SPEC",
                     "file.npz (x, or a member for each input; y), idx:PREFIX, "
                     "cifar:FILE.bin,... or tokens:FILE"),
    HAWQ_OPTION_REAL("scale", 0, &o.scale, 1e-30, 1e30, "S",
                     "images are (pixel*S - mean)/std (default 1)"),
    HAWQ_OPTION_REALS("mean", 0, &o.mean, "R,G,B",
                      "one mean, or one per channel (default 0)"),
    HAWQ_OPTION_REALS("std", 0, &o.std, "R,G,B",
                      "one deviation, or one per channel (default 1)"),
    HAWQ_OPTION_INT("skip", 0, &o.skip, 0, INT_MAX, "N",
                    "images to leave out at the start (default 0)"),
    HAWQ_OPTION_INT("limit", 0, &o.limit, 1, INT_MAX, "N",
                    "images to use at most (default: all)"),
    HAWQ_OPTION_TEXT("ignore-label", 0, &o.ignored, "N",
                     "a label that says nothing, as 255 where objects meet "
                     "(-100 always is one)"),
    {0}};

const char *hawq_data_spec(void) {
    return o.data;
}

static hawq_status copy(const char *what, const hawq_reals *from, int *n,
                        double *to) {
    if (from->n > HAWQ_MAX_CHANNELS)
        return hawq_fail(HAWQ_EINVAL, "%s: %d numbers, at most %d channels",
                         what, from->n, HAWQ_MAX_CHANNELS);
    *n = from->n;
    for (int i = 0; i < from->n; i++) to[i] = from->item[i];
    return HAWQ_OK;
}

static hawq_status read_ignored(hawq_dataset_options *options) {
    char *end;
    if (!o.ignored) return HAWQ_OK;
    options->ignored = strtoll(o.ignored, &end, 10);
    options->ignores = *o.ignored && !*end;
    if (options->ignores) return HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL, "--ignore-label %s: expected a whole number",
                     o.ignored);
}

/* `part` says what to read of the data; how to scale, the options say. */
static hawq_status load(const char *spec, const hawq_dataset_options *part,
                        const hawq_graph *graph, hawq_dataset *out) {
    hawq_dataset_options options = *part;
    hawq_dataset         data = {0};
    options.scale = o.scale;
    options.graph = graph;
    HAWQ_TRY(read_ignored(&options));
    HAWQ_TRY(copy("--mean", &o.mean, &options.n_mean, options.mean));
    HAWQ_TRY(copy("--std", &o.std, &options.n_std, options.std));
    HAWQ_TRY(hawq_dataset_load(spec, &options, &data));
    hawq_status status =
        graph ? hawq_dataset_check(&data, graph, spec) : HAWQ_OK;
    if (status == HAWQ_OK)
        *out = data;
    else
        hawq_dataset_free(&data);
    return status;
}

hawq_status hawq_data_load(const hawq_graph *graph, hawq_labelling want,
                           hawq_dataset *out) {
    const hawq_dataset_options part = {
        .skip = (size_t)o.skip, .limit = (size_t)o.limit, .labels = want};
    if (!o.data)
        return hawq_fail(HAWQ_EINVAL, "--data is missing: file.npz, idx:PREFIX "
                                      "or cifar:FILE.bin,...");
    return load(o.data, &part, graph, out);
}

hawq_status hawq_data_load_other(const char *spec, size_t limit,
                                 const hawq_graph *graph, hawq_labelling want,
                                 hawq_dataset *out) {
    const hawq_dataset_options part = {.limit = limit, .labels = want};
    return load(spec, &part, graph, out);
}

hawq_status hawq_data_batch(const hawq_cli *cli, size_t n, int given,
                            int normal, int *out) {
    if (given && (size_t)given > n)
        return hawq_fail(HAWQ_EINVAL,
                         "the data has %zu images, fewer than --batch-size %d; "
                         "give more images or a smaller batch",
                         n, given);
    *out = given ? given : normal;
    if ((size_t)*out <= n) return HAWQ_OK;
    *out = (int)n;
    hawq_cli_note(cli,
                  "the data has %zu image%s, fewer than the usual batch of %d: "
                  "--batch-size is %zu",
                  n, n == 1 ? "" : "s", normal, n);
    return HAWQ_OK;
}

size_t hawq_data_apart(size_t n, size_t most) {
    return n / 2 < most ? n / 2 : most;
}

static double of_channel(const hawq_reals *list, int channel, double none) {
    if (list->n == 0) return none;
    return list->item[channel < list->n ? channel : 0];
}

void hawq_data_black(int channels, real *value) {
    for (int c = 0; c < channels; c++)
        value[c] =
            (real)(-of_channel(&o.mean, c, 0) / of_channel(&o.std, c, 1));
}

static const char *add_reals(hawq_arena *arena, const char *text,
                             const char *name, const hawq_reals *list) {
    char number[32];
    for (int i = 0; i < list->n && text; i++)
        text = hawq_arena_format(arena, "%s%s%s%s", text, i ? "," : name,
                                 i ? "" : " ",
                                 hawq_number_text(list->item[i], number));
    return text;
}

const char *hawq_data_text(hawq_arena *arena) {
    const char *text = o.data ? o.data : "";
    hawq_reals  scale = {.n = o.scale != 0, .item = {o.scale}};
    hawq_reals  skip = {.n = o.skip != 0, .item = {o.skip}};
    hawq_reals  limit = {.n = o.limit != 0, .item = {o.limit}};
    text = add_reals(arena, text, " --scale", &scale);
    text = add_reals(arena, text, " --mean", &o.mean);
    text = add_reals(arena, text, " --std", &o.std);
    text = add_reals(arena, text, " --skip", &skip);
    text = add_reals(arena, text, " --limit", &limit);
    if (o.ignored && text)
        text =
            hawq_arena_format(arena, "%s --ignore-label %s", text, o.ignored);
    const char *inputs = hawq_input_text(arena);
    return text && inputs ? hawq_arena_format(arena, "%s%s", text, inputs)
                          : NULL;
}
