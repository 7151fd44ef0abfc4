/* search_export_tensors.c -- forms of toolkits that give tensors and operators
 * their bits:
 *
 *     aimet    encodings of AIMET (version 1.0.0): param_encodings have the
 *              constants, activation_encodings the tensors that layers read,
 *              each by the name in the file with "bw", its bits. For
 *              load_encodings_to_sim(sim, FILE, strict=False,
 *              disable_missing_quantizers=False), and compute_encodings after
 *              it: scales are 1 here, to be found there. A layer in float is
 *              FLOAT of 16 bits, the only float that the form has.
 *     litert   a recipe of ai-edge-quantizer, [{"regex", "operation",
 *              "algorithm_key", "op_config"}]: all in 8 bits, then the layers
 *              that are not, by their names as regular expressions on what
 *              their operators compute; of several that match the last holds.
 *              Static ranges: weights of 4 or 8 bits, activations of 8.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/import.h"
#include "src/cli/search/search_export.h"

#include <math.h>
#include <string.h>

/* --- AIMET ---------------------------------------------------------------- */

static hawq_status check_aimet(const hawq_export *e) {
    HAWQ_TRY(hawq_export_check_model(e, "aimet"));
    for (int l = 0; l < e->s->problem->n_layers; l++)
        HAWQ_TRY(hawq_export_check_tensor(e, l, "aimet"));
    return HAWQ_OK;
}

static void repeat(hawq_json *w, const char *key, double value, int n) {
    hawq_json_array(w, key);
    for (int i = 0; i < n; i++) hawq_json_real(w, NULL, value);
    hawq_json_end(w);
}

/* channels: 0 for a tensor as a whole. Offsets count from the least code, so
 * that of a symmetric range is minus half of all. */
static void put_encoding(hawq_json *w, const char *tensor, int bits,
                         int channels) {
    bool symmetric = channels > 0;
    hawq_json_object(w, NULL);
    hawq_json_text(w, "name", tensor);
    hawq_json_text(w, "dtype", bits == HAWQ_FLOAT_BITS ? "FLOAT" : "INT");
    hawq_json_integer(w, "bw", bits == HAWQ_FLOAT_BITS ? 16 : bits);
    hawq_json_text(w, "enc_type",
                   symmetric && bits != HAWQ_FLOAT_BITS ? "PER_CHANNEL"
                                                        : "PER_TENSOR");
    if (bits != HAWQ_FLOAT_BITS) {
        hawq_json_flag(w, "is_sym", symmetric);
        repeat(w, "scale", 1, symmetric ? channels : 1);
        repeat(w, "offset", symmetric ? -ldexp(1, bits - 1) : 0,
               symmetric ? channels : 1);
    }
    hawq_json_end(w);
}

/* Is a layer before l made of the same constant? Float layers, too, are named
 * here by their tensor. */
static bool is_first_of_tensor(const hawq_export *e, int l) {
    for (int i = 0; i < l; i++)
        if (!strcmp(hawq_export_layer(e, i)->weight,
                    hawq_export_layer(e, l)->weight))
            return false;
    return true;
}

static void put_aimet(hawq_export *e) {
    hawq_json *w = &e->json;
    int        n = e->s->problem->n_layers;
    hawq_json_object(w, NULL);
    hawq_json_text(w, "version", "1.0.0");
    hawq_json_array(w, "activation_encodings");
    for (int l = 0; l < n; l++)
        if (!hawq_export_is_float(e, l) && hawq_export_speaks_for_input(e, l))
            put_encoding(w, hawq_export_layer(e, l)->input,
                         hawq_export_chosen(e, l)->activation_bits, 0);
    hawq_json_end(w);
    hawq_json_array(w, "param_encodings");
    for (int l = 0; l < n; l++)
        if (is_first_of_tensor(e, l))
            put_encoding(w, hawq_export_layer(e, l)->weight,
                         hawq_export_chosen(e, l)->weight_bits,
                         hawq_export_layer(e, l)->channels);
    hawq_json_end(w);
    hawq_json_end(w);
}

const hawq_export_format hawq_export_aimet = {"aimet", check_aimet, put_aimet};

/* --- LiteRT --------------------------------------------------------------- */

static hawq_status check_litert(const hawq_export *e) {
    for (int l = 0; l < e->s->problem->n_layers; l++) {
        const hawq_priced       *c = hawq_export_chosen(e, l);
        const hawq_search_layer *layer = hawq_export_layer(e, l);
        int                      w = c->weight_bits, a = c->activation_bits;
        bool                     plain = layer && layer->groups == 1 &&
                     strcmp(layer->op, "ConvTranspose") != 0;
        if (hawq_export_is_float(e, l) || (w == 8 && a == 8)) continue;
        if (w != 4 || a != 8)
            return hawq_fail(HAWQ_EINVAL,
                             "--export-as litert: layer '%s' has w%da%d; with "
                             "static ranges LiteRT has w8a8, w4a8 and float",
                             hawq_export_name(e, l), w, a);
        if (layer && !plain)
            return hawq_fail(HAWQ_EINVAL,
                             "--export-as litert: layer '%s' has 4 bits; "
                             "LiteRT has them for fully connected layers and "
                             "plain convolutions, not for %s: --pin %s=8",
                             hawq_export_name(e, l),
                             layer->groups > 1 ? "grouped ones"
                                               : "transposed ones",
                             hawq_export_name(e, l));
    }
    return HAWQ_OK;
}

static void put_tensor_config(hawq_json *w, const char *key, int bits,
                              bool weights) {
    hawq_json_object(w, key);
    hawq_json_integer(w, "num_bits", bits);
    hawq_json_flag(w, "symmetric", weights);
    hawq_json_text(w, "granularity", weights ? "CHANNELWISE" : "TENSORWISE");
    hawq_json_text(w, "dtype", "INT");
    hawq_json_end(w);
}

static void put_recipe(hawq_json *w, const char *regex, int bits) {
    bool floats = bits == HAWQ_FLOAT_BITS;
    hawq_json_object(w, NULL);
    hawq_json_text(w, "regex", regex);
    hawq_json_text(w, "operation", "*");
    hawq_json_text(w, "algorithm_key",
                   floats ? "no_quantize" : "min_max_uniform_quantize");
    hawq_json_object(w, "op_config");
    if (!floats) {
        put_tensor_config(w, "activation_tensor_config", 8, false);
        put_tensor_config(w, "weight_tensor_config", bits, true);
    }
    hawq_json_text(w, "compute_precision", floats ? "FLOAT" : "INTEGER");
    hawq_json_flag(w, "explicit_dequantize", false);
    hawq_json_end(w);
    hawq_json_end(w);
}

/* The name as a whole: "conv1" is not in "layer1.conv1" nor in "conv10". */
static const char *whole(hawq_arena *arena, const char *name) {
    const char *text = HAWQ_WHOLE_NAME_BEFORE;
    for (; *name && text; name++)
        text = hawq_arena_format(
            arena, strchr(".[]{}()*+?^$|\\", *name) ? "%s\\%c" : "%s%c", text,
            *name);
    return text ? hawq_arena_format(arena, "%s" HAWQ_WHOLE_NAME_AFTER, text)
                : NULL;
}

static void put_litert(hawq_export *e) {
    hawq_json_array(&e->json, NULL);
    put_recipe(&e->json, ".*", 8);
    for (int l = 0; l < e->s->problem->n_layers; l++) {
        int         bits = hawq_export_chosen(e, l)->weight_bits;
        const char *regex =
            bits == 8 ? NULL : whole(&e->s->cli->arena, hawq_export_name(e, l));
        if (regex) put_recipe(&e->json, regex, bits);
    }
    hawq_json_end(&e->json);
}

const hawq_export_format hawq_export_litert = {"litert", check_litert,
                                               put_litert};
