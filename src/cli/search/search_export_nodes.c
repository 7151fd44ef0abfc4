/* search_export_nodes.c -- forms of runtimes that quantize to 8 bits and let a
 * user name the nodes that they leave in float:
 *
 *     trtexec   the options of TensorRT's program, for `trtexec --onnx=net.onnx
 *               $(cat FILE)`: --layerPrecisions=conv1:int8,fc:fp32
 *     openvino  OpenVINO's and NNCF's ignored scope, for
 *               nncf.IgnoredScope(**json.load(file)): {"names": [node]}
 *     modelopt  arguments of modelopt.onnx.quantization.quantize:
 *               {"quantize_mode": "int8", "nodes_to_exclude": [node]}; each is
 *               a regular expression there
 *     esp-ppq   its dispatching table: {"dispatchings": {node: 0}}, where 0 is
 *               TargetPlatform.FP32: setting.dispatching_table.append(*entry)
 *     rknn      the block of RKNN-Toolkit2's quantization.cfg (second step of
 *               its hybrid quantization) that gives tensors, by the name of
 *               what a node computes, another type:
 *               custom_quantize_layers: with lines "tensor": float16
 *
 * Other widths than 8 and float they cannot carry: such an allocation is
 * refused.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/search/search_export.h"

#include <string.h>

/* `divides`: characters that the form cannot have in a name. */
static hawq_status check_names(const hawq_search_layer *layer,
                               const char *format, const char *divides) {
    for (int i = 0; i < layer->n_nodes; i++) {
        const char *name = layer->node[i];
        if (!*name)
            return hawq_fail(HAWQ_EINVAL,
                             "--export-as %s: it names nodes, and the node of "
                             "layer '%s' has no name in the file",
                             format, layer->name);
        if (name[strcspn(name, divides)])
            return hawq_fail(HAWQ_EINVAL,
                             "--export-as %s: in the node's name '%s' the '%c' "
                             "would end it",
                             format, name, name[strcspn(name, divides)]);
    }
    return HAWQ_OK;
}

static hawq_status check(const hawq_export *e, const char *format,
                         const char *divides) {
    HAWQ_TRY(hawq_export_check_model(e, format));
    for (int l = 0; l < e->s->problem->n_layers; l++) {
        const hawq_priced       *c = hawq_export_chosen(e, l);
        const hawq_search_layer *layer = hawq_export_layer(e, l);
        if (!hawq_export_is_float(e, l) &&
            (c->weight_bits != 8 || c->activation_bits != 8))
            return hawq_fail(HAWQ_EINVAL,
                             "--export-as %s: layer '%s' has w%da%d; all it "
                             "can say is 8 bits or float: search with --bits "
                             "w8a8,float",
                             format, layer->name, c->weight_bits,
                             c->activation_bits);
        HAWQ_TRY(check_names(layer, format, divides));
    }
    return HAWQ_OK;
}

static void put_float_nodes(hawq_export *e, const char *key,
                            const char *special) {
    hawq_arena *arena = &e->s->cli->arena;
    hawq_json_array(&e->json, key);
    for (int l = 0; l < e->s->problem->n_layers; l++) {
        const hawq_search_layer *layer = hawq_export_layer(e, l);
        for (int i = 0; hawq_export_is_float(e, l) && i < layer->n_nodes; i++) {
            const char *text = "";
            for (const char *c = layer->node[i]; *c && text; c++)
                text = hawq_arena_format(
                    arena, strchr(special, *c) ? "%s\\%c" : "%s%c", text, *c);
            hawq_json_text(&e->json, NULL, text);
        }
    }
    hawq_json_end(&e->json);
}

/* --- TensorRT ----------------------------------------------------------- */

/* The shell divides the file at blanks and expands the rest. */
static hawq_status check_trtexec(const hawq_export *e) {
    return check(e, "trtexec", ",: \t\n'\"\\*?[");
}

static void put_trtexec(hawq_export *e) {
    const char *before = "--int8 --precisionConstraints=obey "
                         "--layerPrecisions=";
    for (int l = 0; l < e->s->problem->n_layers; l++) {
        const hawq_search_layer *layer = hawq_export_layer(e, l);
        for (int i = 0; i < layer->n_nodes; i++) {
            fprintf(e->json.file, "%s%s:%s", before, layer->node[i],
                    hawq_export_is_float(e, l) ? "fp32" : "int8");
            before = ",";
        }
    }
    fputc('\n', e->json.file);
}

const hawq_export_format hawq_export_trtexec = {"trtexec", check_trtexec,
                                                put_trtexec};

/* --- OpenVINO
 * ----------------------------------------------------------------- */

static hawq_status check_openvino(const hawq_export *e) {
    return check(e, "openvino", "");
}

static void put_openvino(hawq_export *e) {
    hawq_json_object(&e->json, NULL);
    put_float_nodes(e, "names", "");
    hawq_json_end(&e->json);
}

const hawq_export_format hawq_export_openvino = {"openvino", check_openvino,
                                                 put_openvino};

/* --- ModelOpt
 * ----------------------------------------------------------------- */

static hawq_status check_modelopt(const hawq_export *e) {
    return check(e, "modelopt", "");
}

static void put_modelopt(hawq_export *e) {
    hawq_json_object(&e->json, NULL);
    hawq_json_text(&e->json, "quantize_mode", "int8");
    put_float_nodes(e, "nodes_to_exclude", ".[]{}()*+?^$|\\");
    hawq_json_end(&e->json);
}

const hawq_export_format hawq_export_modelopt = {"modelopt", check_modelopt,
                                                 put_modelopt};

/* --- ESP-PPQ ------------------------------------------------------------- */

static hawq_status check_esp_ppq(const hawq_export *e) {
    return check(e, "esp-ppq", "");
}

static void put_esp_ppq(hawq_export *e) {
    hawq_json_object(&e->json, NULL);
    hawq_json_object(&e->json, "dispatchings");
    for (int l = 0; l < e->s->problem->n_layers; l++)
        for (int i = 0;
             hawq_export_is_float(e, l) && i < hawq_export_layer(e, l)->n_nodes;
             i++)
            hawq_json_integer(&e->json, hawq_export_layer(e, l)->node[i], 0);
    hawq_json_end(&e->json);
    hawq_json_end(&e->json);
}

const hawq_export_format hawq_export_esp_ppq = {"esp-ppq", check_esp_ppq,
                                                put_esp_ppq};

/* --- RKNN ---------------------------------------------------------------- */

static hawq_status check_rknn(const hawq_export *e) {
    HAWQ_TRY(check(e, "rknn", ""));
    for (int l = 0; l < e->s->problem->n_layers; l++) {
        const hawq_search_layer *layer = hawq_export_layer(e, l);
        for (int i = 0; i < layer->n_nodes; i++)
            if (layer->output[i][strcspn(layer->output[i], "\"\\\n")])
                return hawq_fail(HAWQ_EINVAL,
                                 "--export-as rknn: the tensor '%s' has a "
                                 "quote, a backslash or a line break in its "
                                 "name, which the list cannot have",
                                 layer->output[i]);
    }
    return HAWQ_OK;
}

static void put_rknn(hawq_export *e) {
    int n = 0;
    for (int l = 0; l < e->s->problem->n_layers; l++) {
        const hawq_search_layer *layer = hawq_export_layer(e, l);
        for (int i = 0; hawq_export_is_float(e, l) && i < layer->n_nodes; i++)
            fprintf(e->json.file, "%s    \"%s\": float16\n",
                    n++ ? "" : "custom_quantize_layers:\n", layer->output[i]);
    }
    if (!n) fprintf(e->json.file, "custom_quantize_layers: {}\n");
}

const hawq_export_format hawq_export_rknn = {"rknn", check_rknn, put_rknn};
