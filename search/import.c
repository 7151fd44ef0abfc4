/* import.c -- see import.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/import.h"

#include "search/import_forms.h"
#include "search/import_list.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BITS = 32 };

const cJSON *hawq_import_member(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

bool hawq_import_is_width(const cJSON *item) {
    double value = cJSON_IsNumber(item) ? item->valuedouble : -1;
    return value == floor(value) && value >= 1 && value <= MOST_BITS;
}

/* --- our own form --------------------------------------------------------- */

static hawq_status read_choice(const cJSON *item, hawq_arena *arena, int index,
                               hawq_choice *out) {
    const cJSON *name = hawq_import_member(item, "name");
    const cJSON *weights = hawq_import_member(item, "weight_bits");
    const cJSON *inputs = hawq_import_member(item, "activation_bits");
    if (!cJSON_IsString(name))
        return hawq_fail(HAWQ_EFORMAT,
                         "layer %d: \"name\" is missing or not a text", index);
    if (!hawq_import_is_width(weights) || !hawq_import_is_width(inputs))
        return hawq_fail(HAWQ_EFORMAT,
                         "layer %d: \"%s\" is missing or not a whole number "
                         "in 1 ... 32",
                         index,
                         hawq_import_is_width(weights) ? "activation_bits"
                                                       : "weight_bits");
    const cJSON *candidate = hawq_import_member(item, "candidate");
    *out = (hawq_choice){.layer = hawq_arena_string(arena, name->valuestring),
                         .weight_bits = weights->valueint,
                         .activation_bits = inputs->valueint};
    if (cJSON_IsString(candidate))
        out->candidate = hawq_arena_string(arena, candidate->valuestring);
    if (cJSON_IsString(candidate) && !out->candidate) return HAWQ_ENOMEM;
    return out->layer ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status read_choices(const cJSON *root, hawq_arena *arena, int *n,
                                hawq_choice **out) {
    const cJSON *layers = hawq_import_member(root, "layers"), *item;
    hawq_choice *choice;
    int          count = 0;
    if (!cJSON_IsArray(layers))
        return hawq_fail(HAWQ_EFORMAT, "\"layers\" is missing or not a list");
    HAWQ_TAKE(choice, arena, (size_t)cJSON_GetArraySize(layers));
    cJSON_ArrayForEach(item, layers) {
        HAWQ_TRY(read_choice(item, arena, count, &choice[count]));
        count++;
    }
    *n = count;
    *out = choice;
    return HAWQ_OK;
}

hawq_status hawq_allocation_read(const char *path, hawq_arena *arena, int *n,
                                 hawq_choice **out) {
    cJSON *root = NULL;
    char  *text = NULL;
    size_t length = 0;
    HAWQ_TRY(hawq_text_read(path, arena, &text, &length));
    hawq_status status = hawq_json_parse(text, length, arena, &root);
    if (status == HAWQ_OK) status = read_choices(root, arena, n, out);
    cJSON_Delete(root);
    return status == HAWQ_OK ? HAWQ_OK : hawq_prefix("%s: ", path);
}

/* --- rules ---------------------------------------------------------------- */

hawq_status hawq_import_add(hawq_import_rules *r, hawq_import_rule rule) {
    hawq_import_rule *grown =
        hawq_arena_grow(r->arena, r->rule, (size_t)r->n, sizeof *grown);
    if (!grown) return HAWQ_ENOMEM;
    r->rule = grown;
    rule.name = hawq_arena_string(r->arena, rule.name);
    if (!rule.name) return HAWQ_ENOMEM;
    r->rule[r->n++] = rule;
    return HAWQ_OK;
}

hawq_status hawq_import_add_rest(hawq_import_rules *r, int bits) {
    hawq_import_rule rest = {
        .name = "", .by = HAWQ_BY_PATTERN, .weight_bits = bits};
    if (bits != HAWQ_FLOAT_BITS) rest.activation_bits = bits;
    return hawq_import_add(r, rest);
}

static hawq_status read_ours(hawq_import_rules *r, const cJSON *root,
                             hawq_import *out) {
    hawq_choice *choice;
    out->strict = true;
    int n;
    HAWQ_TRY(read_choices(root, r->arena, &n, &choice));
    for (int i = 0; i < n; i++)
        HAWQ_TRY(hawq_import_add(
            r,
            (hawq_import_rule){.name = choice[i].layer,
                               .weight_bits = choice[i].weight_bits,
                               .candidate = choice[i].candidate,
                               .activation_bits = choice[i].activation_bits}));
    return HAWQ_OK;
}

/* "stage1.unit1.quant_act" and "quant_input": HAWQ's names of activations. */
static bool is_activation(const char *key) {
    return strstr(key, "quant_act") || strstr(key, "quant_input") ||
           strstr(key, "quant_output");
}

static hawq_status read_map(hawq_import_rules *r, const cJSON *root,
                            hawq_import *out) {
    const cJSON *item;
    out->format = "bit_config";
    out->strict = true;
    cJSON_ArrayForEach(item, root) {
        hawq_import_rule rule = {.name = item->string,
                                 .activation = is_activation(item->string)};
        if (!hawq_import_is_width(item))
            return hawq_fail(HAWQ_EFORMAT,
                             "\"%s\" is not a width in 1 ... 32 bits",
                             item->string);
        if (rule.activation)
            rule.activation_bits = item->valueint;
        else
            rule.weight_bits = item->valueint;
        HAWQ_TRY(hawq_import_add(r, rule));
    }
    return HAWQ_OK;
}

/* "QInt4", "QUInt8", "QInt16"; 0 for anything else. */
static int quant_type_bits(const cJSON *type) {
    if (!cJSON_IsString(type)) return 0;
    const char *text = type->valuestring;
    if (*text == 'Q') text++;
    if (*text == 'U') text++;
    if (strncmp(text, "Int", 3)) return 0;
    long bits = strtol(text + 3, NULL, 10);
    return bits >= 1 && bits <= MOST_BITS ? (int)bits : 0;
}

/* What a target of compressed-tensors is: a pattern behind "re:", a class of
 * PyTorch, or a name. *name loses what only marks it. */
static hawq_import_by target_kind(const char **name) {
    if (!strncmp(*name, "re:", 3)) {
        *name += 3;
        return HAWQ_BY_PATTERN;
    }
    return hawq_import_is_class(*name) ? HAWQ_BY_CLASS : HAWQ_BY_NAME;
}

/* The layers of a list, by targets or by nodes, are in float. */
static hawq_status read_floats(hawq_import_rules *r, const cJSON *list,
                               bool nodes) {
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        if (!cJSON_IsString(item))
            return hawq_fail(HAWQ_EFORMAT, "\"%s\": an entry is no text",
                             list->string);
        hawq_import_rule rule = {.name = item->valuestring,
                                 .by = HAWQ_BY_NODE,
                                 .anchored = true,
                                 .ignored = true,
                                 .weight_bits = HAWQ_FLOAT_BITS,
                                 .activation_bits = HAWQ_FLOAT_BITS};
        if (!nodes) rule.by = target_kind(&rule.name);
        HAWQ_TRY(hawq_import_add(r, rule));
    }
    return HAWQ_OK;
}

static hawq_status read_overrides(hawq_import_rules *r, const cJSON *root,
                                  hawq_import *out) {
    const cJSON *item;
    (void)out;
    HAWQ_TRY(
        read_floats(r, hawq_import_member(root, "nodes_to_exclude"), true));
    cJSON_ArrayForEach(item, hawq_import_member(root, "TensorQuantOverrides")) {
        int bits =
            quant_type_bits(hawq_import_member(item->child, "quant_type"));
        if (!bits)
            return hawq_fail(HAWQ_EFORMAT,
                             "tensor '%s' has no \"quant_type\" of integers "
                             "(QInt8, QUInt4, ...)",
                             item->string);
        HAWQ_TRY(
            hawq_import_add(r, (hawq_import_rule){.name = item->string,
                                                  .by = HAWQ_BY_TENSOR,
                                                  .weight_bits = bits,
                                                  .activation_bits = bits}));
    }
    return HAWQ_OK;
}

static int by_key(const void *a, const void *b) {
    const cJSON *x = *(const cJSON *const *)a, *y = *(const cJSON *const *)b;
    return strcmp(x->string, y->string);
}

/* The targets of one kind. */
static hawq_status read_group(hawq_import_rules *r, const cJSON *group,
                              hawq_import_by by) {
    const cJSON *target;
    const cJSON *weights =
        hawq_import_member(hawq_import_member(group, "weights"), "num_bits");
    const cJSON *inputs = hawq_import_member(
        hawq_import_member(group, "input_activations"), "num_bits");
    if (!hawq_import_is_width(weights) ||
        (inputs && !hawq_import_is_width(inputs)))
        return hawq_fail(HAWQ_EFORMAT,
                         "group '%s': \"num_bits\" is missing or not a width",
                         group->string);
    cJSON_ArrayForEach(target, hawq_import_member(group, "targets")) {
        if (!cJSON_IsString(target))
            return hawq_fail(HAWQ_EFORMAT, "group '%s': a target is no text",
                             group->string);
        hawq_import_rule rule = {.name = target->valuestring,
                                 .by = by,
                                 .anchored = true,
                                 .weight_bits = weights->valueint,
                                 .activation_bits =
                                     inputs ? inputs->valueint : 0};
        if (target_kind(&rule.name) == by) HAWQ_TRY(hawq_import_add(r, rule));
    }
    return HAWQ_OK;
}

/* Names before patterns, those before classes, as the format has it. */
static hawq_status read_config_groups(hawq_import_rules *r,
                                      const cJSON       *groups) {
    static const hawq_import_by kinds[] = {HAWQ_BY_NAME, HAWQ_BY_PATTERN,
                                           HAWQ_BY_CLASS};
    const cJSON               **sorted, *item;
    size_t                      n = 0;
    HAWQ_TAKE(sorted, r->arena, (size_t)cJSON_GetArraySize(groups));
    cJSON_ArrayForEach(item, groups) sorted[n++] = item;
    qsort(sorted, n, sizeof(const cJSON *), by_key);
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < n; i++)
            HAWQ_TRY(read_group(r, sorted[i], kinds[k]));
    return HAWQ_OK;
}

/* [8, 4, 4, 8]: a layer each, in the model's order. */
static hawq_status read_widths(hawq_import_rules *r, const cJSON *root,
                               hawq_import *out) {
    const cJSON *item;
    out->format = "a list of widths";
    out->unnamed = true;
    cJSON_ArrayForEach(item, root) {
        if (!hawq_import_is_width(item))
            return hawq_fail(HAWQ_EFORMAT,
                             "entry %d is not a width in 1 ... 32 bits", r->n);
        HAWQ_TRY(hawq_import_add(
            r, (hawq_import_rule){.name = "", .weight_bits = item->valueint}));
    }
    return HAWQ_OK;
}

/* A pattern that stands for one name only: "conv\.1" for conv.1. In place. */
void hawq_import_unescape(char *pattern) {
    char *to = pattern;
    for (; *pattern; pattern++) {
        if (*pattern == '\\' && pattern[1]) pattern++;
        *to++ = *pattern;
    }
    *to = '\0';
}

/* The groups, in quantization_config or by themselves. */
static hawq_status read_compressed(hawq_import_rules *r, const cJSON *root,
                                   hawq_import *out) {
    const cJSON *config = hawq_import_member(root, "quantization_config");
    if (config) root = config;
    out->has_classes = true;
    HAWQ_TRY(read_floats(r, hawq_import_member(root, "ignore"), false));
    return read_config_groups(r, hawq_import_member(root, "config_groups"));
}

/* Lists of nodes in float, and nothing else: all others have 8 bits. */
static hawq_status read_scope(hawq_import_rules *r, const cJSON *root,
                              hawq_import *out) {
    (void)out;
    HAWQ_TRY(read_floats(r, hawq_import_member(root, "names"), true));
    return hawq_import_add_rest(r, 8);
}

static hawq_status read_excluded(hawq_import_rules *r, const cJSON *root,
                                 hawq_import *out) {
    const cJSON *list = hawq_import_member(root, "nodes_to_exclude"), *item;
    (void)out;
    cJSON_ArrayForEach(item, list) {
        if (cJSON_IsString(item)) hawq_import_unescape(item->valuestring);
    }
    HAWQ_TRY(read_floats(r, list, true));
    return hawq_import_add_rest(r, 8);
}

/* --- which form it is ----------------------------------------------------- */

/* An object is of the first form whose key it has, as an object or a list. */
typedef struct form {
    const char *key, *format;
    hawq_status (*read)(hawq_import_rules *r, const cJSON *root,
                        hawq_import *out);
} form;

static const form forms[] = {
    {"layers", "layers", read_ours},
    {"TensorQuantOverrides", "TensorQuantOverrides", read_overrides},
    {"quantization_config", "compressed-tensors", read_compressed},
    {"config_groups", "compressed-tensors", read_compressed},
    {"names", "ignored scope", read_scope},
    {"nodes_to_exclude", "nodes_to_exclude", read_excluded},
    {"param_encodings", "AIMET encodings", hawq_import_aimet},
    {"encodings", "AIMET encodings", hawq_import_aimet},
    {"dispatchings", "dispatching table", hawq_import_esp_ppq},
    {"dispatching_table", "dispatching table", hawq_import_esp_ppq}};

static hawq_status read_tree(hawq_import_rules *r, const cJSON *root,
                             hawq_import *out) {
    if (cJSON_IsArray(root) && cJSON_IsObject(root->child)) {
        out->format = "recipe";
        return hawq_import_litert(r, root, out);
    }
    if (cJSON_IsArray(root)) return read_widths(r, root, out);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const cJSON *value = hawq_import_member(root, forms[i].key);
        if (!cJSON_IsArray(value) && !cJSON_IsObject(value)) continue;
        out->format = forms[i].format;
        return forms[i].read(r, root, out);
    }
    return read_map(r, root, out);
}

/* --- texts ---------------------------------------------------------------- */

/* q8_0, iq4_nl, q2_k, tq1_0, f16: the digits behind the letters; 0: none. */
static int ggml_bits(const char *type) {
    while (*type && !isdigit((unsigned char)*type)) type++;
    long bits = strtol(type, NULL, 10);
    return bits >= 1 && bits <= MOST_BITS ? (int)bits : 0;
}

static const char precisions[] = "--layerPrecisions=";
static const char custom_layers[] = "custom_quantize_layers:";

static int trtexec_bits(const char *precision) {
    if (!strcmp(precision, "int8")) return 8;
    return !strcmp(precision, "fp32") || !strcmp(precision, "fp16")
               ? HAWQ_FLOAT_BITS
               : 0;
}

/* "node:int8,node:fp32"; the last colon divides. */
static hawq_status read_precisions(hawq_import_rules *r, char *text) {
    char *rest = NULL;
    text[strcspn(text, " \t\r\n")] = '\0';
    for (char *at = strtok_r(text, ",", &rest); at;
         at = strtok_r(NULL, ",", &rest)) {
        char *type = strrchr(at, ':');
        int   bits = type && type > at ? trtexec_bits(type + 1) : 0;
        if (!bits)
            return hawq_fail(HAWQ_EFORMAT,
                             "%s: '%s' is not a node with :int8, :fp16 or "
                             ":fp32",
                             precisions, at);
        *type = '\0';
        HAWQ_TRY(
            hawq_import_add(r, (hawq_import_rule){.name = at,
                                                  .by = HAWQ_BY_NODE,
                                                  .weight_bits = bits,
                                                  .activation_bits = bits}));
    }
    return HAWQ_OK;
}

static hawq_status read_tensor_types(hawq_import_rules *r, char *text) {
    char *rest = NULL;
    for (char *at = strtok_r(text, " \t\r\n", &rest); at;
         at = strtok_r(NULL, " \t\r\n", &rest)) {
        char *type = strrchr(at, '=');
        int   bits = type && type > at ? ggml_bits(type + 1) : 0;
        if (!bits)
            return hawq_fail(HAWQ_EFORMAT,
                             "'%s' is neither JSON nor pattern=type as in "
                             "conv1=q8_0, nor a layer's name and its bits",
                             at);
        *type = '\0';
        HAWQ_TRY(hawq_import_add(r, (hawq_import_rule){.name = at,
                                                       .by = HAWQ_BY_PATTERN,
                                                       .weight_bits = bits}));
    }
    return HAWQ_OK;
}

static hawq_status read_list(hawq_import_rules *r, const char *text,
                             hawq_import *out) {
    hawq_import_mean *mean;
    int               n;
    HAWQ_TRY(hawq_import_list(text, r->arena, &n, &mean));
    out->format = "mean bits";
    out->strict = true;
    for (int i = 0; i < n; i++) {
        if (!(mean[i].bits >= 1 && mean[i].bits <= MOST_BITS))
            return hawq_fail(HAWQ_EFORMAT,
                             "layer '%s': %.10g is not in 1 ... 32 bits",
                             mean[i].name, mean[i].bits);
        int bits = hawq_import_round(mean[i].bits);
        HAWQ_TRY(hawq_import_add(
            r, (hawq_import_rule){.name = mean[i].name, .weight_bits = bits}));
        out->n_rounded += mean[i].bits != bits;
        out->mean_given += mean[i].bits / n;
        out->mean_taken += (double)bits / n;
    }
    return HAWQ_OK;
}

hawq_status hawq_import_read(const char *path, hawq_arena *arena,
                             hawq_import *out) {
    hawq_import_rules r = {.arena = arena};
    char             *text = NULL;
    size_t            n = 0;
    hawq_import       import = {.format = "tensor types"};
    hawq_status       status;
    HAWQ_TRY(hawq_text_read(path, arena, &text, &n));
    cJSON *root = NULL;
    char   first = text[strspn(text, " \t\r\n")];
    status = first == '{' || first == '['
                 ? hawq_json_parse(text, n, arena, &root)
                 : HAWQ_OK;
    if (first == '[' && !root) status = HAWQ_OK; /* a pattern's bracket */
    if (root) {
        status = read_tree(&r, root, &import);
        cJSON_Delete(root);
    } else if (status != HAWQ_OK) {
        return hawq_prefix("%s: ", path);
    } else if (strstr(text, precisions)) {
        import.format = "layerPrecisions";
        status = read_precisions(&r, strstr(text, precisions) +
                                         sizeof precisions - 1);
    } else if (strstr(text, custom_layers)) {
        import.format = "custom_quantize_layers";
        status = hawq_import_rknn(&r, strstr(text, custom_layers) +
                                          sizeof custom_layers - 1);
    } else if (hawq_import_is_list(text)) {
        status = read_list(&r, text, &import);
    } else {
        status = read_tensor_types(&r, text);
    }
    if (status == HAWQ_OK && !r.n)
        status = hawq_fail(HAWQ_EFORMAT, "the file gives no layer its bits");
    if (status != HAWQ_OK) return hawq_prefix("%s: ", path);
    import.n = r.n;
    import.rule = r.rule;
    *out = import;
    return HAWQ_OK;
}
