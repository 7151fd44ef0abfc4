/* import_tools.c -- lists of toolkits for phones and microcontrollers: AIMET,
 * ai-edge-quantizer, ESP-PPQ, RKNN. See import.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/import_forms.h"

#include <stdlib.h>
#include <string.h>

/* --- AIMET ---------------------------------------------------------------- */

/* "int4", "uint8": 2.0.0's types; 0 for others. */
static int type_bits(const char *type) {
    if (*type == 'u') type++;
    long bits = strncmp(type, "int", 3) ? 0 : strtol(type + 3, NULL, 10);
    return bits >= 1 && bits < HAWQ_FLOAT_BITS ? (int)bits : 0;
}

/* The bits of an entry of any version: HAWQ_FLOAT_BITS for floats, 0 where it
 * does not say. */
static int encoding_bits(const cJSON *entry) {
    if (cJSON_IsArray(entry)) entry = entry->child; /* 0.6.1: by channel */
    const cJSON *type = hawq_import_member(entry, "output_dtype");
    if (cJSON_IsString(type)) return type_bits(type->valuestring);
    const cJSON *bits = hawq_import_member(entry, "bw");
    if (!bits) bits = hawq_import_member(entry, "bitwidth");
    type = hawq_import_member(entry, "dtype");
    if (!hawq_import_is_width(bits)) return 0;
    bool floats =
        cJSON_IsString(type) && (!strcmp(type->valuestring, "FLOAT") ||
                                 !strcmp(type->valuestring, "float"));
    return floats ? HAWQ_FLOAT_BITS : bits->valueint;
}

/* What a tensor is of, a constant or what a layer reads, its name says. */
static hawq_status read_encodings(hawq_import_rules *r, const cJSON *list,
                                  bool activations) {
    const cJSON *entry;
    cJSON_ArrayForEach(entry, list) {
        const cJSON *name = hawq_import_member(entry, "name");
        const char  *tensor =
            cJSON_IsString(name) ? name->valuestring : entry->string;
        int bits = encoding_bits(entry);
        if (!tensor || !bits)
            return hawq_fail(HAWQ_EFORMAT,
                             "\"%s\": the entry of '%s' has no %s",
                             list->string ? list->string : "encodings",
                             tensor ? tensor : "?", tensor ? "bits" : "name");
        if (activations && bits == HAWQ_FLOAT_BITS) continue;
        HAWQ_TRY(
            hawq_import_add(r, (hawq_import_rule){.name = tensor,
                                                  .by = HAWQ_BY_TENSOR,
                                                  .weight_bits = bits,
                                                  .activation_bits = bits}));
    }
    return HAWQ_OK;
}

/* A constant that has no entry is not quantized there. */
hawq_status hawq_import_aimet(hawq_import_rules *r, const cJSON *root,
                              hawq_import *out) {
    (void)out;
    HAWQ_TRY(
        read_encodings(r, hawq_import_member(root, "param_encodings"), false));
    HAWQ_TRY(read_encodings(r, hawq_import_member(root, "activation_encodings"),
                            true));
    HAWQ_TRY(read_encodings(r, hawq_import_member(root, "encodings"), false));
    return hawq_import_add_rest(r, HAWQ_FLOAT_BITS);
}

/* --- LiteRT --------------------------------------------------------------- */

/* The rule's name, of a layer or a pattern; false: of operators that are no
 * layers'. */
static bool find_scope(const cJSON *entry, hawq_import_rule *rule) {
    static const char *const class[][2] = {
        {"*", NULL},
        {"CONV_2D", "Conv2d"},
        {"DEPTHWISE_CONV_2D", "Conv2d"},
        {"CONV_2D_TRANSPOSE", "ConvTranspose2d"},
        {"FULLY_CONNECTED", "Linear"},
        {"BATCH_MATMUL", "Linear"}};
    const size_t before = sizeof HAWQ_WHOLE_NAME_BEFORE - 1,
                 after = sizeof HAWQ_WHOLE_NAME_AFTER - 1;
    const char *operation = hawq_import_member(entry, "operation")->valuestring;
    char       *regex = hawq_import_member(entry, "regex")->valuestring;
    size_t      n = strlen(regex), row = 0;
    while (row < 6 && strcmp(class[row][0], operation)) row++;
    if (row == 6) return false;
    rule->name = regex;
    rule->by = HAWQ_BY_PATTERN;
    if (n > before + after && !strncmp(regex, HAWQ_WHOLE_NAME_BEFORE, before) &&
        !strcmp(regex + n - after, HAWQ_WHOLE_NAME_AFTER)) {
        regex[n - after] = '\0';
        rule->name = regex + before;
        rule->by = HAWQ_BY_NAME;
        hawq_import_unescape(regex + before);
    } else if (!strcmp(regex, ".*") && class[row][1]) {
        rule->name = class[row][1];
        rule->by = HAWQ_BY_CLASS;
    }
    return true;
}

static hawq_status read_recipe(hawq_import_rules *r, const cJSON *entry) {
    const cJSON *key = hawq_import_member(entry, "algorithm_key");
    const cJSON *config = hawq_import_member(entry, "op_config");
    const cJSON *w = hawq_import_member(
        hawq_import_member(config, "weight_tensor_config"), "num_bits");
    const cJSON *a = hawq_import_member(
        hawq_import_member(config, "activation_tensor_config"), "num_bits");
    bool floats =
        cJSON_IsString(key) && !strcmp(key->valuestring, "no_quantize");
    hawq_import_rule rule = {.weight_bits = HAWQ_FLOAT_BITS,
                             .activation_bits = HAWQ_FLOAT_BITS};
    if (!cJSON_IsString(hawq_import_member(entry, "regex")) ||
        !cJSON_IsString(hawq_import_member(entry, "operation")))
        return hawq_fail(HAWQ_EFORMAT,
                         "an entry of the recipe lacks \"regex\" or "
                         "\"operation\"");
    if (!floats &&
        (!hawq_import_is_width(w) || (a && !hawq_import_is_width(a))))
        return hawq_fail(HAWQ_EFORMAT,
                         "the recipe's entry '%s' has no \"num_bits\" of its "
                         "weights",
                         hawq_import_member(entry, "regex")->valuestring);
    if (!floats) rule.weight_bits = w->valueint;
    if (!floats) rule.activation_bits = a ? a->valueint : 0;
    return find_scope(entry, &rule) ? hawq_import_add(r, rule) : HAWQ_OK;
}

/* The last that matches holds there, the first here. */
hawq_status hawq_import_litert(hawq_import_rules *r, const cJSON *root,
                               hawq_import *out) {
    const cJSON **entry, *item;
    size_t        n = 0;
    out->has_classes = true;
    HAWQ_TAKE(entry, r->arena, (size_t)cJSON_GetArraySize(root));
    cJSON_ArrayForEach(item, root) entry[n++] = item;
    while (n) HAWQ_TRY(read_recipe(r, entry[--n]));
    return hawq_import_add_rest(r, HAWQ_FLOAT_BITS);
}

/* --- ESP-PPQ -------------------------------------------------------------- */

/* Bits of a TargetPlatform by its number; weights alone are in 8 bits on
 * W8A16. */
static const struct platform {
    int number, weight_bits, activation_bits;
} platforms[] = {{0, HAWQ_FLOAT_BITS, HAWQ_FLOAT_BITS}, /* FP32 */
                 {1, HAWQ_FLOAT_BITS, HAWQ_FLOAT_BITS}, /* FP16 */
                 {2, HAWQ_FLOAT_BITS, HAWQ_FLOAT_BITS}, /* BF16 */
                 {-2, 8, 8},                            /* UNSPECIFIED */
                 {4, 8, 8},                             /* INT8 */
                 {551, 8, 8}, /* ESPDL_INT8, _S3, _C */
                 {553, 8, 8},
                 {557, 8, 8},
                 {552, 16, 16}, /* ESPDL_INT16, _S3, _C, H_PRE */
                 {554, 16, 16},
                 {555, 16, 16},
                 {556, 16, 16},
                 {558, 16, 16},
                 {559, 16, 16},
                 {560, 8, 16}, /* ESPDL_W8A16, _S3, _C */
                 {561, 8, 16},
                 {562, 8, 16}};

static hawq_status read_dispatching(hawq_import_rules *r, const cJSON *item) {
    hawq_import_rule rule = {.name = item->string, .by = HAWQ_BY_NODE};
    if (cJSON_IsString(item)) return HAWQ_OK; /* the example of the class */
    for (size_t i = 0; i < sizeof platforms / sizeof *platforms; i++) {
        if (!cJSON_IsNumber(item) || platforms[i].number != item->valuedouble)
            continue;
        rule.weight_bits = platforms[i].weight_bits;
        rule.activation_bits = platforms[i].activation_bits;
        return hawq_import_add(r, rule);
    }
    return hawq_fail(HAWQ_EFORMAT,
                     "dispatchings: '%s' has no platform of floats or of "
                     "ESP-DL's integers (TargetPlatform's number)",
                     item->string);
}

/* By itself, or in a QuantizationSetting. */
hawq_status hawq_import_esp_ppq(hawq_import_rules *r, const cJSON *root,
                                hawq_import *out) {
    const cJSON *table = hawq_import_member(root, "dispatching_table"), *item;
    (void)out;
    cJSON_ArrayForEach(item,
                       hawq_import_member(table ? table : root, "dispatchings"))
        HAWQ_TRY(read_dispatching(r, item));
    return hawq_import_add_rest(r, 8);
}

/* --- RKNN ----------------------------------------------------------------- */

static int type_of_rknn(const char *type) {
    if (!strcmp(type, "float16") || !strcmp(type, "bfloat16") ||
        !strcmp(type, "float32"))
        return HAWQ_FLOAT_BITS;
    return !strcmp(type, "int8")    ? 8
           : !strcmp(type, "int16") ? 16
           : !strcmp(type, "int4")  ? 4
                                    : 0;
}

/* Takes blanks and quotes from both ends. */
static char *bare(char *text) {
    text += strspn(text, " \t\"'{");
    size_t n = strlen(text);
    while (n && strchr(" \t\r\"',}", text[n - 1])) text[--n] = '\0';
    return text;
}

static hawq_status read_custom(hawq_import_rules *r, char *line) {
    char *type = strrchr(line, ':'), *name = line;
    if (type) *type++ = '\0';
    int bits = type ? type_of_rknn(bare(type)) : 0;
    name = bare(name);
    if (!bits)
        return hawq_fail(HAWQ_EFORMAT,
                         "custom_quantize_layers: '%s' has none of the types "
                         "float16, int16 and int8",
                         name);
    return hawq_import_add(r, (hawq_import_rule){.name = name,
                                                 .by = HAWQ_BY_OUTPUT,
                                                 .weight_bits = bits,
                                                 .activation_bits = bits});
}

/* The block ends at a line that is not set in; "{ }" may be around it. */
hawq_status hawq_import_rknn(hawq_import_rules *r, char *text) {
    char *next = text + strcspn(text, "\n");
    if (*next) *next++ = '\0';
    for (text = next; strchr(" \t\r\n#", *text) && *text; text = next) {
        next = text + strcspn(text, "\n");
        if (*next) *next++ = '\0';
        char *line = bare(text);
        if (*line && *line != '#') HAWQ_TRY(read_custom(r, line));
    }
    return hawq_import_add_rest(r, 8);
}
