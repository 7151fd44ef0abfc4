/* import.c -- see import.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/import.h"

#include "search/import_list.h"
#include "search/json.h"

#include <ctype.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BITS = 32 };

static const cJSON *member(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static bool is_width(const cJSON *item) {
    double value = cJSON_IsNumber(item) ? item->valuedouble : -1;
    return value == floor(value) && value >= 1 && value <= MOST_BITS;
}

static hawq_status parse(const char *path, hawq_arena *arena, cJSON **out) {
    char  *text = NULL;
    size_t n = 0;
    HAWQ_TRY(hawq_text_read(path, arena, &text, &n));
    *out = cJSON_ParseWithLength(text, n);
    return *out ? HAWQ_OK : hawq_fail(HAWQ_EFORMAT, "%s: not valid JSON", path);
}

/* --- our own form --------------------------------------------------------- */

static hawq_status read_choice(const cJSON *item, hawq_arena *arena, int index,
                               hawq_choice *out) {
    const cJSON *name = member(item, "name");
    const cJSON *weights = member(item, "weight_bits");
    const cJSON *inputs = member(item, "activation_bits");
    if (!cJSON_IsString(name))
        return hawq_fail(HAWQ_EFORMAT,
                         "layer %d: \"name\" is missing or not a text", index);
    if (!is_width(weights) || !is_width(inputs))
        return hawq_fail(HAWQ_EFORMAT,
                         "layer %d: \"%s\" is missing or not a whole number "
                         "in 1 ... 32",
                         index,
                         is_width(weights) ? "activation_bits" : "weight_bits");
    *out = (hawq_choice){.layer = hawq_arena_string(arena, name->valuestring),
                         .weight_bits = weights->valueint,
                         .activation_bits = inputs->valueint};
    return out->layer ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status read_choices(const cJSON *root, hawq_arena *arena, int *n,
                                hawq_choice **out) {
    const cJSON *layers = member(root, "layers"), *item;
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
    HAWQ_TRY(parse(path, arena, &root));
    hawq_status status = read_choices(root, arena, n, out);
    cJSON_Delete(root);
    return status == HAWQ_OK ? HAWQ_OK : hawq_prefix("%s: ", path);
}

/* --- rules ---------------------------------------------------------------- */

typedef struct rules {
    hawq_arena       *arena;
    int               n, capacity;
    hawq_import_rule *rule;
} rules;

static hawq_status add(rules *r, hawq_import_rule rule) {
    if (r->n == r->capacity) {
        hawq_import_rule *more;
        r->capacity = r->capacity ? 2 * r->capacity : 64;
        HAWQ_TAKE(more, r->arena, (size_t)r->capacity);
        if (r->n) memcpy(more, r->rule, (size_t)r->n * sizeof *more);
        r->rule = more;
    }
    rule.name = hawq_arena_string(r->arena, rule.name);
    if (!rule.name) return HAWQ_ENOMEM;
    r->rule[r->n++] = rule;
    return HAWQ_OK;
}

static hawq_status read_ours(rules *r, const cJSON *root) {
    hawq_choice *choice;
    int          n;
    HAWQ_TRY(read_choices(root, r->arena, &n, &choice));
    for (int i = 0; i < n; i++)
        HAWQ_TRY(add(r, (hawq_import_rule){.name = choice[i].layer,
                                           .weight_bits = choice[i].weight_bits,
                                           .activation_bits =
                                               choice[i].activation_bits}));
    return HAWQ_OK;
}

/* "stage1.unit1.quant_act" and "quant_input": HAWQ's names of activations. */
static bool is_activation(const char *key) {
    return strstr(key, "quant_act") || strstr(key, "quant_input") ||
           strstr(key, "quant_output");
}

static hawq_status read_map(rules *r, const cJSON *root) {
    const cJSON *item;
    cJSON_ArrayForEach(item, root) {
        hawq_import_rule rule = {.name = item->string,
                                 .activation = is_activation(item->string)};
        if (!is_width(item))
            return hawq_fail(HAWQ_EFORMAT,
                             "\"%s\" is not a width in 1 ... 32 bits",
                             item->string);
        if (rule.activation)
            rule.activation_bits = item->valueint;
        else
            rule.weight_bits = item->valueint;
        HAWQ_TRY(add(r, rule));
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
    int bits = (int)strtol(text + 3, NULL, 10);
    return bits >= 1 && bits <= MOST_BITS ? bits : 0;
}

/* The layers of a list, by names or patterns, or by nodes, are in float. */
static hawq_status read_floats(rules *r, const cJSON *list, bool nodes) {
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        if (!cJSON_IsString(item))
            return hawq_fail(HAWQ_EFORMAT, "\"%s\": an entry is no text",
                             list->string);
        const char *name = item->valuestring;
        bool        pattern = !nodes && !strncmp(name, "re:", 3);
        HAWQ_TRY(
            add(r, (hawq_import_rule){.name = pattern ? name + 3 : name,
                                      .pattern = pattern,
                                      .anchored = true,
                                      .node = nodes,
                                      .weight_bits = HAWQ_FLOAT_BITS,
                                      .activation_bits = HAWQ_FLOAT_BITS}));
    }
    return HAWQ_OK;
}

static hawq_status read_overrides(rules *r, const cJSON *root) {
    const cJSON *item;
    HAWQ_TRY(read_floats(r, member(root, "nodes_to_exclude"), true));
    cJSON_ArrayForEach(item, member(root, "TensorQuantOverrides")) {
        int bits = quant_type_bits(member(item->child, "quant_type"));
        if (!bits)
            return hawq_fail(HAWQ_EFORMAT,
                             "tensor '%s' has no \"quant_type\" of integers "
                             "(QInt8, QUInt4, ...)",
                             item->string);
        HAWQ_TRY(add(r, (hawq_import_rule){.name = item->string,
                                           .weight_bits = bits,
                                           .activation_bits = bits}));
    }
    return HAWQ_OK;
}

static int by_key(const void *a, const void *b) {
    const cJSON *x = *(const cJSON *const *)a, *y = *(const cJSON *const *)b;
    return strcmp(x->string, y->string);
}

static hawq_status read_group(rules *r, const cJSON *group) {
    const cJSON *target;
    const cJSON *weights = member(member(group, "weights"), "num_bits");
    const cJSON *inputs =
        member(member(group, "input_activations"), "num_bits");
    if (!is_width(weights) || (inputs && !is_width(inputs)))
        return hawq_fail(HAWQ_EFORMAT,
                         "group '%s': \"num_bits\" is missing or not a width",
                         group->string);
    cJSON_ArrayForEach(target, member(group, "targets")) {
        if (!cJSON_IsString(target))
            return hawq_fail(HAWQ_EFORMAT, "group '%s': a target is no text",
                             group->string);
        const char *name = target->valuestring;
        bool        pattern = !strncmp(name, "re:", 3);
        HAWQ_TRY(add(r, (hawq_import_rule){.name = pattern ? name + 3 : name,
                                           .pattern = pattern,
                                           .anchored = true,
                                           .weight_bits = weights->valueint,
                                           .activation_bits =
                                               inputs ? inputs->valueint : 0}));
    }
    return HAWQ_OK;
}

static hawq_status read_config_groups(rules *r, const cJSON *groups) {
    const cJSON **sorted, *item;
    size_t        n = 0;
    HAWQ_TAKE(sorted, r->arena, (size_t)cJSON_GetArraySize(groups));
    cJSON_ArrayForEach(item, groups) sorted[n++] = item;
    qsort(sorted, n, sizeof(const cJSON *), by_key);
    for (size_t i = 0; i < n; i++) HAWQ_TRY(read_group(r, sorted[i]));
    return HAWQ_OK;
}

static hawq_status read_tree(rules *r, const cJSON *root, hawq_import *out) {
    const cJSON *config = member(root, "quantization_config");
    const cJSON *groups = member(config ? config : root, "config_groups");
    if (!cJSON_IsObject(root))
        return hawq_fail(HAWQ_EFORMAT, "the file is not a JSON object");
    out->strict = true;
    if (cJSON_IsArray(member(root, "layers"))) {
        out->format = "layers";
        return read_ours(r, root);
    }
    if (cJSON_IsObject(member(root, "TensorQuantOverrides"))) {
        out->format = "TensorQuantOverrides";
        out->strict = false;
        return read_overrides(r, root);
    }
    if (cJSON_IsObject(groups)) {
        out->format = "compressed-tensors";
        out->strict = false;
        HAWQ_TRY(
            read_floats(r, member(config ? config : root, "ignore"), false));
        return read_config_groups(r, groups);
    }
    out->format = "bit_config";
    return read_map(r, root);
}

/* q8_0, iq4_nl, q2_k, tq1_0, f16: the digits behind the letters; 0: none. */
static int ggml_bits(const char *type) {
    while (*type && !isdigit((unsigned char)*type)) type++;
    long bits = strtol(type, NULL, 10);
    return bits >= 1 && bits <= MOST_BITS ? (int)bits : 0;
}

static hawq_status read_tensor_types(rules *r, char *text) {
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
        HAWQ_TRY(add(r, (hawq_import_rule){
                            .name = at, .pattern = true, .weight_bits = bits}));
    }
    return HAWQ_OK;
}

static hawq_status read_list(rules *r, const char *text, hawq_import *out) {
    hawq_import_mean *mean;
    int               n;
    HAWQ_TRY(hawq_import_list(text, r->arena, &n, &mean));
    out->format = "mean bits";
    out->strict = true;
    for (int i = 0; i < n; i++) {
        int bits = hawq_import_round(mean[i].bits);
        if (!(mean[i].bits >= 1 && mean[i].bits <= MOST_BITS))
            return hawq_fail(HAWQ_EFORMAT,
                             "layer '%s': %.10g is not in 1 ... 32 bits",
                             mean[i].name, mean[i].bits);
        HAWQ_TRY(add(
            r, (hawq_import_rule){.name = mean[i].name, .weight_bits = bits}));
        out->n_rounded += mean[i].bits != bits;
        out->mean_given += mean[i].bits / n;
        out->mean_taken += (double)bits / n;
    }
    return HAWQ_OK;
}

hawq_status hawq_import_read(const char *path, hawq_arena *arena,
                             hawq_import *out) {
    rules       r = {.arena = arena};
    char       *text = NULL;
    size_t      n = 0;
    hawq_import import = {.format = "tensor types"};
    hawq_status status;
    HAWQ_TRY(hawq_text_read(path, arena, &text, &n));
    if (text[strspn(text, " \t\r\n")] == '{') {
        cJSON *root = cJSON_ParseWithLength(text, n);
        status = root ? read_tree(&r, root, &import)
                      : hawq_fail(HAWQ_EFORMAT, "not valid JSON");
        cJSON_Delete(root);
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

/* --- from rules to layers ------------------------------------------------- */

static bool same(const char *a, const char *b) {
    return a && b && *b && !strcmp(a, b);
}

static hawq_status matches_pattern(const hawq_import_rule  *rule,
                                   const hawq_import_layer *layer, bool *out) {
    const char *text[] = {layer->name, layer->weight};
    regex_t     regex;
    regmatch_t  at;
    *out = false;
    if (regcomp(&regex, rule->name, REG_EXTENDED))
        return hawq_fail(HAWQ_EFORMAT, "'%s' is not a regular expression",
                         rule->name);
    for (int i = 0; i < 2; i++)
        if (text[i] && !regexec(&regex, text[i], 1, &at, 0))
            *out |= !rule->anchored || at.rm_so == 0;
    regfree(&regex);
    return HAWQ_OK;
}

/* HAWQ wraps a module under its own name with "quant_" before it, and calls a
 * convolution with its normalization convbn. */
static bool same_wrapped(const char *key, const char *name) {
    while (*key) {
        if (!strncmp(key, "quant_", 6)) key += 6;
        if (!strncmp(key, "convbn", 6) && !strncmp(name, "conv", 4) &&
            strncmp(name, "convbn", 6)) {
            key += 6;
            name += 4;
        }
        if (*key != *name) return false;
        if (*key) key++, name++;
    }
    return !*name;
}

/* "conv1.quant_act": the input of conv1. */
static bool names_input(const hawq_import_rule *rule, const char *name) {
    size_t n = strlen(name);
    return rule->activation && !strncmp(rule->name, name, n) &&
           !strcmp(rule->name + n, ".quant_act");
}

static hawq_status apply_rule(const hawq_import_rule  *rule,
                              const hawq_import_layer *layer, hawq_choice *out,
                              bool *used) {
    bool weight = !rule->activation && (same(rule->name, layer->name) ||
                                        same(rule->name, layer->weight) ||
                                        same_wrapped(rule->name, layer->name));
    if (rule->node) weight = same(rule->name, layer->node);
    bool input = same(rule->name, layer->input) ||
                 names_input(rule, layer->name) ||
                 (weight && !same(rule->name, layer->weight));
    if (rule->node) input = weight;
    if (rule->pattern) {
        HAWQ_TRY(matches_pattern(rule, layer, &weight));
        input = weight;
    }
    if (weight && !out->weight_bits) out->weight_bits = rule->weight_bits;
    if (input && !out->activation_bits)
        out->activation_bits = rule->activation_bits;
    *used |= weight || input;
    return HAWQ_OK;
}

/* A map whose names are all foreign: its weights in order. */
static bool take_in_order(const hawq_import *import, int n, hawq_choice *out) {
    int weights = 0;
    for (int i = 0; i < import->n; i++) weights += !import->rule[i].activation;
    if (!import->strict || weights != n) return false;
    for (int i = 0, l = 0; i < import->n; i++)
        if (!import->rule[i].activation)
            out[l++].weight_bits = import->rule[i].weight_bits;
    return true;
}

static hawq_status complete(const hawq_import *import, int n, int fallback,
                            hawq_choice *out) {
    for (int l = 0; l < n; l++) {
        if (!out[l].weight_bits)
            return hawq_fail(HAWQ_EFORMAT,
                             "no bits for layer '%s' (read as %s, %d entries)",
                             out[l].layer, import->format, import->n);
        if (!out[l].activation_bits) out[l].activation_bits = fallback;
        if (out[l].weight_bits == HAWQ_FLOAT_BITS)
            out[l].activation_bits = HAWQ_FLOAT_BITS;
    }
    return HAWQ_OK;
}

hawq_status hawq_import_apply(const hawq_import *import, int n,
                              const hawq_import_layer *layer,
                              int activation_default, hawq_arena *arena,
                              hawq_choice *out, bool *by_order) {
    bool *used, any = false;
    HAWQ_TAKE(used, arena, (size_t)import->n);
    *by_order = false;
    for (int l = 0; l < n; l++) {
        out[l] = (hawq_choice){.layer = layer[l].name};
        for (int i = 0; i < import->n; i++)
            HAWQ_TRY(
                apply_rule(&import->rule[i], &layer[l], &out[l], &used[i]));
    }
    for (int i = 0; i < import->n; i++) any |= used[i];
    if (!any) *by_order = take_in_order(import, n, out);
    for (int i = 0; i < import->n && import->strict && !*by_order; i++)
        if (!used[i] && !import->rule[i].activation)
            return hawq_fail(HAWQ_EFORMAT, "'%s' is no layer of the model",
                             import->rule[i].name);
    return complete(import, n, activation_default, out);
}
