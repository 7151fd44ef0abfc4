/* search_export.c -- an allocation in the forms that other programs read:
 *
 *     ort                 ONNX Runtime, extra option TensorQuantOverrides:
 *                         {"TensorQuantOverrides": {tensor: [{"quant_type":
 *                         "QInt4", "symmetric": true, "axis": 0}]}}
 *     compressed-tensors  {"quant_method", "config_groups"}: a group for each
 *                         pair of widths, its layers as targets
 *     llama               llama.cpp, --tensor-type-file: ^name\.weight$=q4_0
 *     hawq                a bit_config: {"conv1": 4, "conv1.quant_act": 8}
 *     aimet, litert                  see search_export_tensors.c
 *     trtexec, openvino, modelopt, esp-ppq, rknn  see search_export_nodes.c
 *
 * A layer in float32 is, for ort, no tensor's override but a name in
 * "nodes_to_exclude", as quantize_static calls that argument; in "ignore" for
 * compressed-tensors; of type f32 for llama; of 32 bits for hawq, whose
 * modules then round to 2^31 levels.
 *
 * ort, aimet and llama name tensors of the file: a layer is there as the
 * initializer it was made of, before transposes and folding. Layers made of one
 * need one width, and it is written once.
 *
 * search/import.h reads all of them back.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/search/search_export.h"

#include <errno.h>
#include <string.h>

const hawq_priced *hawq_export_chosen(const hawq_export *t, int l) {
    const hawq_problem *p = t->s->problem;
    return hawq_problem_candidate(p, l,
                                  t->solution->choice[p->layer[l].in_group]);
}

const char *hawq_export_name(const hawq_export *t, int l) {
    return t->s->problem->layer[l].name;
}

/* The layer as the model has it; NULL with a problem file. */
const hawq_search_layer *hawq_export_layer(const hawq_export *t, int l) {
    for (int i = 0; i < t->s->n_layers; i++)
        if (!strcmp(t->s->layer[i].name, hawq_export_name(t, l)))
            return &t->s->layer[i];
    return NULL;
}

/* --- ONNX Runtime ----------------------------------------------------------
 */

static void put_override(hawq_json *w, const char *tensor, const char *type,
                         bool symmetric, int axis) {
    hawq_json_array(w, tensor);
    hawq_json_object(w, NULL);
    hawq_json_text(w, "quant_type", type);
    hawq_json_flag(w, "symmetric", symmetric);
    if (axis >= 0) hawq_json_integer(w, "axis", axis);
    hawq_json_end(w);
    hawq_json_end(w);
}

bool hawq_export_is_float(const hawq_export *t, int l) {
    return hawq_export_chosen(t, l)->weight_bits == HAWQ_FLOAT_BITS;
}

/* Of the layers that read one tensor as integers, the first with the most bits
 * speaks. */
bool hawq_export_speaks_for_input(const hawq_export *t, int l) {
    const char *input = hawq_export_layer(t, l)->input;
    int         bits = hawq_export_chosen(t, l)->activation_bits;
    for (int i = 0; i < t->s->problem->n_layers; i++) {
        const hawq_search_layer *other = hawq_export_layer(t, i);
        int theirs = hawq_export_chosen(t, i)->activation_bits;
        if (i == l || !other || hawq_export_is_float(t, i) ||
            strcmp(other->input, input))
            continue;
        if (theirs > bits || (theirs == bits && i < l)) return false;
    }
    return true;
}

/* Does a layer before l, of those quantized at all, come from the same constant
 * of the file? Then it has spoken for both. */
int hawq_export_earlier(const hawq_export *t, int l) {
    const hawq_search_layer *layer = hawq_export_layer(t, l);
    for (int i = 0; layer && i < l; i++) {
        const hawq_search_layer *other = hawq_export_layer(t, i);
        if (!hawq_export_is_float(t, i) && other &&
            !strcmp(other->weight, layer->weight))
            return i;
    }
    return -1;
}

/* A file that names tensors can give a tensor one width. */
hawq_status hawq_export_check_tensor(const hawq_export *t, int l,
                                     const char *format) {
    const hawq_search_layer *layer = hawq_export_layer(t, l);
    if (layer && !layer->weight)
        return hawq_fail(HAWQ_EINVAL,
                         "--export-as %s: it names constants of the file; %s",
                         format, layer->unnamed);
    for (int i = 0; layer && i < l; i++) {
        const hawq_search_layer *other = hawq_export_layer(t, i);
        int                      a = hawq_export_chosen(t, i)->weight_bits,
            b = hawq_export_chosen(t, l)->weight_bits;
        if (!other || strcmp(other->weight, layer->weight)) continue;
        if (a == b &&
            (other->axis == layer->axis || hawq_export_is_float(t, l)))
            continue;
        if (hawq_export_is_float(t, i) || hawq_export_is_float(t, l))
            if (!strcmp(format, "ort")) continue; /* named by their nodes */
        return hawq_fail(
            HAWQ_EINVAL,
            "--export-as %s: layers '%s' (%d bits) and '%s' (%d) are both made "
            "of the file's '%s', which it can name once; tie them with "
            "--group '%s,%s', or use --export-as compressed-tensors or hawq",
            format, hawq_export_name(t, i), a, hawq_export_name(t, l), b,
            layer->weight, hawq_export_name(t, i), hawq_export_name(t, l));
    }
    return HAWQ_OK;
}

hawq_status hawq_export_check_model(const hawq_export *t, const char *format) {
    for (int l = 0; l < t->s->problem->n_layers; l++)
        if (!hawq_export_layer(t, l))
            return hawq_fail(HAWQ_EINVAL,
                             "--export-as %s needs a model: a problem file "
                             "does not have the names of its tensors and nodes",
                             format);
    return HAWQ_OK;
}

static hawq_status check_ort(const hawq_export *t) {
    HAWQ_TRY(hawq_export_check_model(t, "ort"));
    for (int l = 0; l < t->s->problem->n_layers; l++) {
        const hawq_priced *c = hawq_export_chosen(t, l);
        int                w = c->weight_bits, a = c->activation_bits;
        HAWQ_TRY(hawq_export_check_tensor(t, l, "ort"));
        if (!hawq_export_is_float(t, l) &&
            ((w != 4 && w != 8 && w != 16) || (a != 4 && a != 8 && a != 16)))
            return hawq_fail(HAWQ_EINVAL,
                             "--export-as ort: layer '%s' has w%da%d; ONNX "
                             "Runtime quantizes to 4, 8 or 16 bits",
                             hawq_export_name(t, l), w, a);
    }
    return HAWQ_OK;
}

static void put_excluded(hawq_export *t) {
    hawq_json_array(&t->json, "nodes_to_exclude");
    for (int l = 0; l < t->s->problem->n_layers; l++)
        for (int i = 0;
             hawq_export_is_float(t, l) && i < hawq_export_layer(t, l)->n_nodes;
             i++)
            hawq_json_text(&t->json, NULL, hawq_export_layer(t, l)->node[i]);
    hawq_json_end(&t->json);
}

static void put_ort(hawq_export *t) {
    char type[16];
    bool floats = false;
    hawq_json_object(&t->json, NULL);
    hawq_json_object(&t->json, "TensorQuantOverrides");
    for (int l = 0; l < t->s->problem->n_layers; l++) {
        const hawq_search_layer *layer = hawq_export_layer(t, l);
        floats |= hawq_export_is_float(t, l);
        if (hawq_export_is_float(t, l)) continue;
        snprintf(type, sizeof type, "QInt%d",
                 hawq_export_chosen(t, l)->weight_bits);
        if (hawq_export_earlier(t, l) < 0)
            put_override(&t->json, layer->weight, type, true, layer->axis);
        if (!hawq_export_speaks_for_input(t, l)) continue;
        snprintf(type, sizeof type, "QUInt%d",
                 hawq_export_chosen(t, l)->activation_bits);
        put_override(&t->json, layer->input, type, false, -1);
    }
    hawq_json_end(&t->json);
    if (floats) put_excluded(t);
    hawq_json_end(&t->json);
}

/* --- compressed-tensors ----------------------------------------------------
 */

static void put_arguments(hawq_json *w, const char *key, int bits,
                          bool weights) {
    hawq_json_object(w, key);
    hawq_json_integer(w, "num_bits", bits);
    hawq_json_text(w, "type", "int");
    hawq_json_flag(w, "symmetric", weights);
    hawq_json_text(w, "strategy", weights ? "channel" : "tensor");
    hawq_json_flag(w, "dynamic", false);
    hawq_json_end(w);
}

static bool same_widths(const hawq_priced *a, const hawq_priced *b) {
    return a->weight_bits == b->weight_bits &&
           a->activation_bits == b->activation_bits;
}

/* Is l the first layer with its widths? */
static bool starts_group(const hawq_export *t, int l) {
    for (int i = 0; i < l; i++)
        if (same_widths(hawq_export_chosen(t, i), hawq_export_chosen(t, l)))
            return false;
    return true;
}

static void put_compressed(hawq_export *t) {
    hawq_json *w = &t->json;
    int        n = t->s->problem->n_layers;
    char       name[32];
    hawq_json_object(w, NULL);
    hawq_json_text(w, "quant_method", "compressed-tensors");
    hawq_json_array(w, "ignore");
    for (int l = 0; l < n; l++)
        if (hawq_export_is_float(t, l))
            hawq_json_text(w, NULL, hawq_export_name(t, l));
    hawq_json_end(w);
    hawq_json_object(w, "config_groups");
    for (int l = 0, group = 0; l < n; l++) {
        if (hawq_export_is_float(t, l) || !starts_group(t, l)) continue;
        snprintf(name, sizeof name, "group_%d", group++);
        hawq_json_object(w, name);
        hawq_json_array(w, "targets");
        for (int i = l; i < n; i++)
            if (same_widths(hawq_export_chosen(t, i), hawq_export_chosen(t, l)))
                hawq_json_text(w, NULL, hawq_export_name(t, i));
        hawq_json_end(w);
        put_arguments(w, "weights", hawq_export_chosen(t, l)->weight_bits,
                      true);
        put_arguments(w, "input_activations",
                      hawq_export_chosen(t, l)->activation_bits, false);
        hawq_json_end(w);
    }
    hawq_json_end(w);
    hawq_json_end(w);
}

/* --- llama.cpp -------------------------------------------------------------
 */

/* The type of so many bits; NULL: there is none. */
static const char *ggml_type(int bits) {
    static const char *const type[17] = {
        [1] = "iq1_s", [2] = "q2_k", [3] = "q3_k", [4] = "q4_0",
        [5] = "q5_0",  [6] = "q6_k", [8] = "q8_0", [16] = "f16"};
    return bits == 32 ? "f32" : bits <= 16 ? type[bits] : NULL;
}

static hawq_status check_llama(const hawq_export *t) {
    for (int l = 0; l < t->s->problem->n_layers; l++) {
        HAWQ_TRY(hawq_export_check_tensor(t, l, "llama"));
        if (!ggml_type(hawq_export_chosen(t, l)->weight_bits))
            return hawq_fail(HAWQ_EINVAL,
                             "--export-as llama: layer '%s' has %d bits, for "
                             "which there is no type",
                             hawq_export_name(t, l),
                             hawq_export_chosen(t, l)->weight_bits);
    }
    return HAWQ_OK;
}

static void put_llama(hawq_export *t) {
    FILE *file = t->json.file;
    for (int l = 0; l < t->s->problem->n_layers; l++) {
        const hawq_search_layer *layer = hawq_export_layer(t, l);
        const char *name = layer ? layer->weight : hawq_export_name(t, l);
        if (hawq_export_earlier(t, l) >= 0) continue;
        fputc('^', file);
        for (; *name; name++) {
            if (strchr(".[]{}()*+?^$|\\", *name)) fputc('\\', file);
            fputc(*name, file);
        }
        fprintf(file, "%s$=%s\n", layer ? "" : "\\.weight",
                ggml_type(hawq_export_chosen(t, l)->weight_bits));
    }
}

/* --- HAWQ ------------------------------------------------------------------
 */

static void put_hawq(hawq_export *t) {
    hawq_json_object(&t->json, NULL);
    for (int l = 0; l < t->s->problem->n_layers; l++) {
        const char *input = hawq_arena_format(&t->s->cli->arena, "%s.quant_act",
                                              hawq_export_name(t, l));
        hawq_json_integer(&t->json, hawq_export_name(t, l),
                          hawq_export_chosen(t, l)->weight_bits);
        if (input)
            hawq_json_integer(&t->json, input,
                              hawq_export_chosen(t, l)->activation_bits);
    }
    hawq_json_end(&t->json);
}

/* --- the formats -----------------------------------------------------------
 */

static const hawq_export_format ort = {"ort", check_ort, put_ort};
static const hawq_export_format compressed = {"compressed-tensors", NULL,
                                              put_compressed};
static const hawq_export_format llama = {"llama", check_llama, put_llama};
static const hawq_export_format hawq = {"hawq", NULL, put_hawq};

static const hawq_export_format *const formats[] = {&ort,
                                                    &compressed,
                                                    &llama,
                                                    &hawq,
                                                    &hawq_export_trtexec,
                                                    &hawq_export_openvino,
                                                    &hawq_export_modelopt,
                                                    &hawq_export_aimet,
                                                    &hawq_export_litert,
                                                    &hawq_export_esp_ppq,
                                                    &hawq_export_rknn};
enum { FORMATS = sizeof formats / sizeof *formats };

/* "ort, ..., rknn", for a message; "" if there is no memory. */
static const char *all_names(hawq_arena *arena) {
    const char *text = formats[0]->name;
    for (int i = 1; i < FORMATS && text; i++)
        text = hawq_arena_format(arena, "%s, %s", text, formats[i]->name);
    return text ? text : "";
}

static hawq_status find_format(hawq_search *s, const char *text,
                               const hawq_export_format **format,
                               const char               **path) {
    const char *name;
    HAWQ_TRY(hawq_parse_pair("--export-as", "FORMAT=FILE", text, &s->cli->arena,
                             &name, path));
    for (int i = 0; i < FORMATS; i++)
        if (!strcmp(formats[i]->name, name)) {
            *format = formats[i];
            return HAWQ_OK;
        }
    return hawq_fail(HAWQ_EINVAL, "--export-as: '%s' is not one of %s", name,
                     all_names(&s->cli->arena));
}

hawq_status hawq_search_check_export(hawq_search *s, const char *text,
                                     const char **path) {
    const hawq_export_format *format;
    return find_format(s, text, &format, path);
}

/* Those lists have bits; how codes decode and were chosen is in ours alone. */
static void note_names(const hawq_export *t, const char *format) {
    int n = 0;
    for (int l = 0; l < t->s->problem->n_layers; l++) {
        const hawq_priced *c = hawq_export_chosen(t, l);
        char               plain[16];
        snprintf(plain, sizeof plain, "w%d", c->weight_bits);
        n += !hawq_export_is_float(t, l) && c->name &&
             strcmp(c->name, plain) != 0;
    }
    if (n)
        hawq_cli_note(t->s->cli,
                      "--export-as %s: it has the bits of the layers; that %d "
                      "of them are in other formats, or their codes chosen by "
                      "a method, it cannot say (--export can)",
                      format, n);
}

/* compressed-tensors applies a group to Linear and Embedding modules alone, and
 * says nothing of others that its targets name. */
static void note_convolutions(const hawq_export *t) {
    hawq_listing names = {.arena = &t->s->cli->arena};
    for (int l = 0; l < t->s->problem->n_layers; l++) {
        const hawq_search_layer *layer = hawq_export_layer(t, l);
        if (layer && !strncmp(layer->op, "Conv", 4) &&
            !hawq_export_is_float(t, l))
            hawq_listing_add(&names, layer->name);
    }
    if (names.n)
        hawq_cli_note(t->s->cli,
                      "--export-as compressed-tensors: its library quantizes "
                      "fully connected layers only; it will leave as they are: "
                      "%s",
                      hawq_listing_text(&names));
}

hawq_status hawq_search_export(hawq_search *s, const hawq_solution *solution,
                               const char *text) {
    const hawq_export_format *format = NULL;
    const char               *path = NULL;
    hawq_export               t = {.s = s, .solution = solution};
    HAWQ_TRY(find_format(s, text, &format, &path));
    if (format->check) HAWQ_TRY(format->check(&t));
    t.json.file = fopen(path, "wb");
    if (!t.json.file)
        return hawq_fail(HAWQ_EIO, "%s: cannot be written: %s", path,
                         strerror(errno));
    format->put(&t);
    note_names(&t, format->name);
    if (format == &compressed) note_convolutions(&t);
    bool failed = ferror(t.json.file);
    if (fclose(t.json.file) || failed)
        return hawq_fail(HAWQ_EIO, "%s: cannot be written", path);
    return HAWQ_OK;
}
