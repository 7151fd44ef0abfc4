/* proto_write.c -- from plain structs to the bytes of an ONNX file.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/proto.h"

#include "onnx/onnx.pb-c.h"

#include <string.h>

typedef Onnx__AttributeProto attribute_proto;

/* The IR version in which this opset was released (ONNX, Versioning.md); 7 is
 * the first one of opset 13 and serves older opsets too. */
static int64_t ir_version(int opset) {
    return opset < 15   ? 7
           : opset < 19 ? 8
           : opset < 21 ? 9
           : opset < 23 ? 10
                        : opset - 12;
}

/* protobuf-c does not write to the strings of a message that it packs. */
static char *lend(const char *string) {
    return (char *)(uintptr_t)string;
}

/* TensorProto.DataType of integers, by hawq_number. */
static const int8_t integer_types[] = {
    [HAWQ_U8] = 2,  [HAWQ_I8] = 3,  [HAWQ_I16] = 5,
    [HAWQ_I32] = 6, [HAWQ_I64] = 7, [HAWQ_U4] = 21,
    [HAWQ_I4] = 22, [HAWQ_U2] = 25, [HAWQ_I2] = 26};

static hawq_status write_integers(const hawq_tensor *t, hawq_number number,
                                  hawq_arena *arena, Onnx__TensorProto *out) {
    out->data_type = integer_types[number];
    out->raw_data.len = hawq_numbers_size(number, t->n);
    HAWQ_TAKE(out->raw_data.data, arena, out->raw_data.len);
    hawq_numbers_write(number, t->ints, t->n, out->raw_data.data);
    return HAWQ_OK;
}

static hawq_status write_tensor(const hawq_tensor *t, hawq_number number,
                                hawq_arena *arena, Onnx__TensorProto *out) {
    onnx__tensor_proto__init(out);
    out->name = lend(t->name);
    out->n_dims = (size_t)t->shape.rank;
    HAWQ_TAKE(out->dims, arena, out->n_dims);
    memcpy(out->dims, t->shape.dim, out->n_dims * sizeof *out->dims);
    out->has_data_type = out->has_raw_data = 1;
    if (t->dtype == HAWQ_INT) return write_integers(t, number, arena, out);
    float *narrow;
    HAWQ_TAKE(narrow, arena, t->n);
    for (size_t i = 0; i < t->n; i++) narrow[i] = (float)t->data[i];
    out->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    out->raw_data.len = t->n * sizeof *narrow;
    out->raw_data.data = (uint8_t *)narrow;
    return HAWQ_OK;
}

static hawq_status write_floats(const hawq_attr *a, hawq_arena *arena,
                                attribute_proto *out) {
    out->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
    out->n_floats = a->n;
    HAWQ_TAKE(out->floats, arena, a->n);
    for (size_t i = 0; i < a->n; i++) out->floats[i] = (float)a->floats[i];
    return HAWQ_OK;
}

static hawq_status write_ints(const hawq_attr *a, hawq_arena *arena,
                              attribute_proto *out) {
    out->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
    out->n_ints = a->n;
    HAWQ_TAKE(out->ints, arena, a->n);
    for (size_t i = 0; i < a->n; i++) out->ints[i] = a->ints[i];
    return HAWQ_OK;
}

static hawq_status write_attribute(const hawq_attr *a, hawq_arena *arena,
                                   attribute_proto *out) {
    onnx__attribute_proto__init(out);
    out->name = lend(a->name);
    out->has_type = 1;
    switch (a->type) {
    case HAWQ_ATTR_INT:
        out->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        out->has_i = 1;
        out->i = a->i;
        return HAWQ_OK;
    case HAWQ_ATTR_FLOAT:
        out->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
        out->has_f = 1;
        out->f = (float)a->f;
        return HAWQ_OK;
    case HAWQ_ATTR_STRING:
        out->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
        out->has_s = 1;
        out->s.len = strlen(a->s);
        out->s.data = (uint8_t *)lend(a->s);
        return HAWQ_OK;
    case HAWQ_ATTR_INTS:
        return write_ints(a, arena, out);
    case HAWQ_ATTR_FLOATS:
        return write_floats(a, arena, out);
    case HAWQ_ATTR_TENSOR:
        out->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
        HAWQ_TAKE(out->t, arena, 1);
        return write_tensor(a->tensor, HAWQ_I64, arena, out->t);
    }
    return HAWQ_OK;
}

static hawq_status write_node(const hawq_node_spec *spec, hawq_arena *arena,
                              Onnx__NodeProto *out) {
    onnx__node_proto__init(out);
    out->name = lend(spec->name);
    out->op_type = lend(spec->op_type);
    out->n_input = (size_t)spec->n_in;
    out->n_output = (size_t)spec->n_out;
    out->n_attribute = (size_t)spec->n_attr;
    HAWQ_TAKE(out->input, arena, out->n_input);
    HAWQ_TAKE(out->output, arena, out->n_output);
    HAWQ_TAKE(out->attribute, arena, out->n_attribute);
    for (int i = 0; i < spec->n_in; i++) out->input[i] = lend(spec->in[i]);
    for (int i = 0; i < spec->n_out; i++) out->output[i] = lend(spec->out[i]);
    for (int i = 0; i < spec->n_attr; i++) {
        HAWQ_TAKE(out->attribute[i], arena, 1);
        HAWQ_TRY(write_attribute(&spec->attr[i], arena, out->attribute[i]));
    }
    return HAWQ_OK;
}

static hawq_status write_shape(const hawq_shape *shape, hawq_arena *arena,
                               Onnx__TensorShapeProto **out) {
    HAWQ_TAKE(*out, arena, 1);
    onnx__tensor_shape_proto__init(*out);
    (*out)->n_dim = (size_t)shape->rank;
    HAWQ_TAKE((*out)->dim, arena, (*out)->n_dim);
    for (int i = 0; i < shape->rank; i++) {
        Onnx__TensorShapeProto__Dimension *d;
        HAWQ_TAKE(d, arena, 1);
        onnx__tensor_shape_proto__dimension__init(d);
        (*out)->dim[i] = d;
        if (shape->dim[i] < 0) {
            d->value_case =
                ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            d->dim_param = lend("N");
        } else {
            d->value_case =
                ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            d->dim_value = shape->dim[i];
        }
    }
    return HAWQ_OK;
}

static hawq_status write_value(const hawq_proto_value *v, hawq_arena *arena,
                               Onnx__ValueInfoProto *out) {
    onnx__value_info_proto__init(out);
    out->name = lend(v->name);
    HAWQ_TAKE(out->type, arena, 1);
    onnx__type_proto__init(out->type);
    out->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    HAWQ_TAKE(out->type->tensor_type, arena, 1);
    Onnx__TypeProto__Tensor *tensor = out->type->tensor_type;
    onnx__type_proto__tensor__init(tensor);
    tensor->has_elem_type = 1;
    tensor->elem_type = v->is_whole ? ONNX__TENSOR_PROTO__DATA_TYPE__INT64
                                    : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    return write_shape(&v->shape, arena, &tensor->shape);
}

static hawq_status write_values(const hawq_proto_value *v, size_t n,
                                hawq_arena             *arena,
                                Onnx__ValueInfoProto ***out) {
    HAWQ_TAKE(*out, arena, n);
    for (size_t i = 0; i < n; i++) {
        HAWQ_TAKE((*out)[i], arena, 1);
        HAWQ_TRY(write_value(&v[i], arena, (*out)[i]));
    }
    return HAWQ_OK;
}

static hawq_status write_graph(const hawq_proto *model, hawq_arena *arena,
                               Onnx__GraphProto *out) {
    out->name = lend("graph");
    out->n_node = model->n_nodes;
    out->n_initializer = model->n_constants;
    out->n_input = model->n_inputs;
    out->n_output = model->n_outputs;
    HAWQ_TAKE(out->node, arena, out->n_node);
    for (size_t i = 0; i < out->n_node; i++) {
        HAWQ_TAKE(out->node[i], arena, 1);
        HAWQ_TRY(write_node(&model->node[i].spec, arena, out->node[i]));
    }
    HAWQ_TAKE(out->initializer, arena, out->n_initializer);
    for (size_t i = 0; i < out->n_initializer; i++) {
        HAWQ_TAKE(out->initializer[i], arena, 1);
        HAWQ_TRY(write_tensor(&model->constant[i],
                              model->number ? model->number[i] : HAWQ_I64,
                              arena, out->initializer[i]));
    }
    HAWQ_TRY(write_values(model->input, out->n_input, arena, &out->input));
    return write_values(model->output, out->n_output, arena, &out->output);
}

static hawq_status write_texts(const hawq_proto *model, hawq_arena *arena,
                               Onnx__ModelProto *out) {
    out->n_metadata_props = model->n_texts;
    HAWQ_TAKE(out->metadata_props, arena, model->n_texts);
    for (size_t i = 0; i < model->n_texts; i++) {
        Onnx__StringStringEntryProto *entry;
        HAWQ_TAKE(entry, arena, 1);
        onnx__string_string_entry_proto__init(entry);
        entry->key = lend(model->text[i].key);
        entry->value = lend(model->text[i].value);
        out->metadata_props[i] = entry;
    }
    return HAWQ_OK;
}

/* --- data beside the file ------------------------------------------------ */

/* Smaller constants stay: shapes and axes are wanted without the other file. */
enum { SMALLEST_APART = 1024, ALIGNED = 64 };

static hawq_status add_entry(Onnx__TensorProto *t, const char *key,
                             const char *value, hawq_arena *arena) {
    Onnx__StringStringEntryProto *entry;
    if (!value) return HAWQ_ENOMEM;
    HAWQ_TAKE(entry, arena, 1);
    onnx__string_string_entry_proto__init(entry);
    entry->key = lend(key);
    entry->value = lend(value);
    t->external_data[t->n_external_data++] = entry;
    return HAWQ_OK;
}

/* The tensor's bytes are `at` bytes into the other file. */
static hawq_status point_to(Onnx__TensorProto *t, const char *location,
                            size_t at, hawq_arena *arena) {
    HAWQ_TAKE(t->external_data, arena, 3);
    HAWQ_TRY(add_entry(t, "location", location, arena));
    HAWQ_TRY(
        add_entry(t, "offset", hawq_arena_format(arena, "%zu", at), arena));
    HAWQ_TRY(add_entry(
        t, "length", hawq_arena_format(arena, "%zu", t->raw_data.len), arena));
    t->has_data_location = 1;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    t->has_raw_data = 0;
    t->raw_data = (ProtobufCBinaryData){0};
    return HAWQ_OK;
}

static hawq_status move_apart(Onnx__GraphProto *graph, hawq_arena *arena,
                              hawq_proto_file *out) {
    size_t n = 0, at = 0;
    for (size_t i = 0; i < graph->n_initializer; i++)
        n += graph->initializer[i]->raw_data.len + ALIGNED;
    HAWQ_TAKE(out->data, arena, n);
    for (size_t i = 0; i < graph->n_initializer; i++) {
        Onnx__TensorProto *t = graph->initializer[i];
        size_t             length = t->raw_data.len;
        if (length < SMALLEST_APART) continue;
        at = (at + ALIGNED - 1) / ALIGNED * ALIGNED;
        memcpy(out->data + at, t->raw_data.data, length);
        HAWQ_TRY(point_to(t, out->location, at, arena));
        at += length;
    }
    out->n_data = at;
    return HAWQ_OK;
}

static hawq_status pack(const hawq_proto *model, hawq_arena *arena,
                        hawq_proto_file *file) {
    Onnx__OperatorSetIdProto  opset = ONNX__OPERATOR_SET_ID_PROTO__INIT;
    Onnx__OperatorSetIdProto *opsets[] = {&opset};
    Onnx__GraphProto          graph = ONNX__GRAPH_PROTO__INIT;
    Onnx__ModelProto          out = ONNX__MODEL_PROTO__INIT;
    opset.domain = lend("");
    opset.has_version = 1;
    opset.version = model->opset;
    out.has_ir_version = 1;
    out.ir_version = ir_version(model->opset);
    out.producer_name = lend(model->producer);
    out.n_opset_import = 1;
    out.opset_import = opsets;
    out.graph = &graph;
    HAWQ_TRY(write_graph(model, arena, &graph));
    HAWQ_TRY(write_texts(model, arena, &out));
    if (file->location) HAWQ_TRY(move_apart(&graph, arena, file));
    size_t size = onnx__model_proto__get_packed_size(&out);
    if (size > INT32_MAX)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "needs %zu bytes, an ONNX file has less than 2 GiB",
                         size);
    HAWQ_TAKE(file->bytes, arena, size);
    file->n = onnx__model_proto__pack(&out, file->bytes);
    return HAWQ_OK;
}

hawq_status hawq_proto_pack(const hawq_proto *model, hawq_arena *arena,
                            uint8_t **bytes, size_t *n) {
    hawq_proto_file file = {0};
    HAWQ_TRY(pack(model, arena, &file));
    *bytes = file.bytes;
    *n = file.n;
    return HAWQ_OK;
}

hawq_status hawq_proto_pack_apart(const hawq_proto *model, const char *location,
                                  hawq_arena *arena, hawq_proto_file *out) {
    *out = (hawq_proto_file){.location = location};
    return pack(model, arena, out);
}
