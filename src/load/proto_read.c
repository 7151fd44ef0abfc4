/* proto_read.c -- from ONNX's protobuf messages to plain structs.
 *
 * The messages live in the arena, so names and attribute arrays are left where
 * protobuf-c put them; numbers are converted.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/proto.h"

#include "onnx/onnx.pb-c.h"
#include "src/load/external.h"
#include "src/load/numbers.h"
#include "src/load/order.h"
#include "src/load/qoperators.h"
#include "src/load/rewrite.h"
#include "src/load/scope.h"
#include "src/load/wire.h"

#include <math.h>
#include <string.h>

typedef Onnx__TensorProto    tensor_proto;
typedef Onnx__AttributeProto attribute_proto;

static hawq_status read_model(const char *path, hawq_arena *arena,
                              Onnx__ModelProto **model) {
    struct ProtobufCMessage *message = NULL;
    HAWQ_TRY(
        hawq_wire_read(path, &onnx__model_proto__descriptor, arena, &message));
    *model = (Onnx__ModelProto *)message;
    if (!(*model)->graph)
        return hawq_fail(HAWQ_EFORMAT, "is not an ONNX model: no graph in it");
    return HAWQ_OK;
}

/* --- tensors ----------------------------------------------------------- */

static const char *text(const char *string) {
    return string ? string : "";
}

/* TensorProto.DataType, by its number: name, and how we read it. */
static const struct data_type {
    const char *name;
    bool        known;
    hawq_number number;
} data_types[] = {
    [ONNX__TENSOR_PROTO__DATA_TYPE__UNDEFINED] = {.name = "undefined"},
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT] = {"float", true, HAWQ_F32},
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT8] = {"uint8", true, HAWQ_U8},
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT8] = {"int8", true, HAWQ_I8},
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT16] = {"uint16", true, HAWQ_U16},
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT16] = {"int16", true, HAWQ_I16},
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT32] = {"int32", true, HAWQ_I32},
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT64] = {"int64", true, HAWQ_I64},
    [ONNX__TENSOR_PROTO__DATA_TYPE__STRING] = {.name = "string"},
    [ONNX__TENSOR_PROTO__DATA_TYPE__BOOL] = {"bool", true, HAWQ_BOOL},
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16] = {"float16", true, HAWQ_F16},
    [ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE] = {"double", true, HAWQ_F64},
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT32] = {"uint32", true, HAWQ_U32},
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT64] = {.name = "uint64"},
    [ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX64] = {.name = "complex64"},
    [ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX128] = {.name = "complex128"},
    [ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16] = {"bfloat16", true, HAWQ_BF16},
    /* newer than the descriptions of the format that are about */
    [17] = {.name = "float8e4m3fn"},
    [18] = {.name = "float8e4m3fnuz"},
    [19] = {.name = "float8e5m2"},
    [20] = {.name = "float8e5m2fnuz"},
    [21] = {"uint4", true, HAWQ_U4},
    [22] = {"int4", true, HAWQ_I4},
    [23] = {.name = "float4e2m1"},
    [24] = {.name = "float8e8m0"},
    [25] = {"uint2", true, HAWQ_U2},
    [26] = {"int2", true, HAWQ_I2},
};

static struct data_type data_type(int number) {
    const int n = (int)(sizeof data_types / sizeof *data_types);
    return number >= 0 && number < n
               ? data_types[number]
               : (struct data_type){"newer than int2", false, 0};
}

/* Where the numbers are: raw bytes, or int32_data that holds narrower types
 * one per element, or an array of the type itself. */
typedef struct numbers {
    hawq_number type;
    const void *bytes;
    size_t      n;
} numbers;

/* Packed numbers travel as bytes, one in each of int32_data. */
static hawq_status narrow_bytes(const tensor_proto *t, hawq_arena *arena,
                                numbers *at) {
    uint8_t *bytes;
    HAWQ_TAKE(bytes, arena, t->n_int32_data);
    for (size_t i = 0; i < t->n_int32_data; i++)
        bytes[i] = (uint8_t)t->int32_data[i];
    at->bytes = bytes;
    at->n = t->n_int32_data;
    return HAWQ_OK;
}

/* float16 and bfloat16 travel in the low halves of int32_data. */
static hawq_status narrow(const tensor_proto *t, hawq_arena *arena,
                          numbers *at) {
    uint16_t *half;
    HAWQ_TAKE(half, arena, t->n_int32_data);
    for (size_t i = 0; i < t->n_int32_data; i++)
        half[i] = (uint16_t)t->int32_data[i];
    at->bytes = half;
    at->n = t->n_int32_data;
    return HAWQ_OK;
}

static hawq_status locate(const tensor_proto *t, hawq_arena *arena,
                          numbers *at) {
    if (t->has_raw_data) {
        size_t size = hawq_number_bytes(at->type);
        at->bytes = t->raw_data.data;
        at->n = t->raw_data.len / size;
        if (t->raw_data.len % size)
            return hawq_fail(HAWQ_EFORMAT,
                             "holds %zu bytes, no multiple of %zu",
                             t->raw_data.len, size);
    } else if (at->type == HAWQ_F32) {
        *at = (numbers){HAWQ_F32, t->float_data, t->n_float_data};
    } else if (at->type == HAWQ_F64) {
        *at = (numbers){HAWQ_F64, t->double_data, t->n_double_data};
    } else if (at->type == HAWQ_I64) {
        *at = (numbers){HAWQ_I64, t->int64_data, t->n_int64_data};
    } else if (at->type == HAWQ_U32) {
        *at = (numbers){HAWQ_I64, t->uint64_data, t->n_uint64_data};
    } else if (hawq_number_dtype(at->type) == HAWQ_FLOAT) {
        return narrow(t, arena, at);
    } else {
        *at = (numbers){HAWQ_I32, t->int32_data, t->n_int32_data};
    }
    return HAWQ_OK;
}

/* Numbers of which several share a byte: n of them fill the bytes there. */
static hawq_status locate_packed(const tensor_proto *t, size_t n,
                                 hawq_arena *arena, numbers *at) {
    if (t->has_raw_data) {
        at->bytes = t->raw_data.data;
        at->n = t->raw_data.len;
    } else {
        HAWQ_TRY(narrow_bytes(t, arena, at));
    }
    if (at->n != hawq_numbers_size(at->type, n))
        return hawq_fail(HAWQ_EFORMAT,
                         "holds %zu bytes of packed numbers, expected %zu",
                         at->n, hawq_numbers_size(at->type, n));
    at->n = n;
    return HAWQ_OK;
}

static hawq_status external(const tensor_proto *t, const char *folder, size_t n,
                            hawq_arena *arena, numbers *at) {
    hawq_external where = {.folder = folder};
    for (size_t i = 0; i < t->n_external_data; i++) {
        const char *key = text(t->external_data[i]->key);
        const char *value = text(t->external_data[i]->value);
        if (strcmp(key, "location") == 0) where.location = value;
        if (strcmp(key, "offset") == 0) where.offset = value;
        if (strcmp(key, "length") == 0) where.length = value;
    }
    at->n = n;
    return hawq_external_read(&where, hawq_numbers_size(at->type, n), arena,
                              &at->bytes);
}

/* NaN never; infinity in a lone number only, which may bound a Clip. */
static hawq_status check_finite(const hawq_tensor *t) {
    for (size_t i = 0; i < t->n; i++)
        if (isnan(t->data[i]) || (t->n > 1 && isinf(t->data[i])))
            return hawq_fail(HAWQ_ENONFINITE, "has %s at element %zu",
                             isnan(t->data[i]) ? "NaN" : "infinity", i);
    return HAWQ_OK;
}

/* folder: where external files may be. */
static hawq_status read_tensor(const tensor_proto *t, const char *folder,
                               hawq_arena *arena, hawq_tensor *out) {
    numbers at;
    *out = (hawq_tensor){.name = text(t->name), .role = HAWQ_CONSTANT};
    HAWQ_TRY(hawq_shape_read(t->dims, t->n_dims, &out->shape, &out->n));
    struct data_type type = data_type(t->data_type);
    if (!type.known)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "holds elements of type %s, which is not supported",
                         type.name);
    at.type = type.number;
    out->dtype = hawq_number_dtype(at.type);
    if (t->segment)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "is stored in segments, which is not supported");
    if (t->has_data_location &&
        t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        HAWQ_TRY(external(t, folder, out->n, arena, &at));
    else if (hawq_number_bits(at.type) < 8)
        HAWQ_TRY(locate_packed(t, out->n, arena, &at));
    else
        HAWQ_TRY(locate(t, arena, &at));
    char shape[128];
    if (at.n != out->n)
        return hawq_fail(HAWQ_EFORMAT, "holds %zu numbers, expected %zu (%s)",
                         at.n, out->n, hawq_shape_text(&out->shape, shape));
    if (out->dtype == HAWQ_INT) {
        HAWQ_TAKE(out->ints, arena, out->n);
        hawq_numbers_read(at.type, at.bytes, at.n, out->ints);
        return HAWQ_OK;
    }
    HAWQ_TAKE(out->data, arena, out->n);
    hawq_numbers_read(at.type, at.bytes, at.n, out->data);
    return check_finite(out);
}

/* --- attributes and nodes ---------------------------------------------- */

/* The type as declared, or, before IR version 2, as the fields tell. */
static int attribute_type(const attribute_proto *a) {
    if (a->has_type && a->type) return (int)a->type;
    if (a->has_f) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
    if (a->has_i) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    if (a->has_s) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
    if (a->t) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
    if (a->n_floats) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
    if (a->n_ints) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
    return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED;
}

static hawq_status read_floats(const attribute_proto *a, hawq_arena *arena,
                               hawq_attr *out) {
    double *floats;
    HAWQ_TAKE(floats, arena, a->n_floats);
    for (size_t i = 0; i < a->n_floats; i++) floats[i] = (double)a->floats[i];
    out->type = HAWQ_ATTR_FLOATS;
    out->n = a->n_floats;
    out->floats = floats;
    return HAWQ_OK;
}

static hawq_status read_string(const attribute_proto *a, hawq_arena *arena,
                               hawq_attr *out) {
    out->type = HAWQ_ATTR_STRING;
    out->s = a->s.len
                 ? hawq_arena_string_n(arena, (const char *)a->s.data, a->s.len)
                 : "";
    return out->s ? HAWQ_OK : HAWQ_ENOMEM;
}

enum { MOST_NAMES = 16 };

/* A list of a few names, with a space between two. */
static hawq_status read_strings(const attribute_proto *a, hawq_arena *arena,
                                hawq_attr *out) {
    out->type = HAWQ_ATTR_STRING;
    out->s = "";
    for (size_t i = 0; out->s && i < a->n_strings; i++)
        out->s = hawq_arena_format(
            arena, "%s%s%.*s", out->s, i ? " " : "",
            (int)(a->strings[i].len < 64 ? a->strings[i].len : 64),
            a->strings[i].len ? (const char *)a->strings[i].data : "");
    return out->s ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status read_attribute(const attribute_proto *a, const char *folder,
                                  hawq_arena *arena, hawq_attr *out) {
    *out = (hawq_attr){.name = text(a->name)};
    if (a->ref_attr_name && a->ref_attr_name[0])
        return hawq_fail(HAWQ_EUNSUPPORTED, "refers to a function's attribute");
    switch (attribute_type(a)) {
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT:
        out->type = HAWQ_ATTR_FLOAT;
        out->f = (double)a->f;
        return HAWQ_OK;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:
        out->type = HAWQ_ATTR_INT;
        out->i = a->i;
        return HAWQ_OK;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING:
        return read_string(a, arena, out);
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS:
        if (a->n_strings > MOST_NAMES)
            return hawq_fail(HAWQ_EUNSUPPORTED, "is a list of %zu texts",
                             a->n_strings);
        return read_strings(a, arena, out);
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
        return read_floats(a, arena, out);
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
        out->type = HAWQ_ATTR_INTS;
        out->n = a->n_ints;
        out->ints = a->ints;
        return HAWQ_OK;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
        if (!a->t) return hawq_fail(HAWQ_EFORMAT, "has no tensor");
        out->type = HAWQ_ATTR_TENSOR;
        out->i = data_type(a->t->data_type).number;
        HAWQ_TAKE(out->tensor, arena, 1);
        return read_tensor(a->t, folder, arena, out->tensor);
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPHS:
        return hawq_fail(HAWQ_EUNSUPPORTED, "is a list of subgraphs");
    default:
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "has type %d; numbers, strings and tensors are "
                         "supported",
                         attribute_type(a));
    }
}

/* The current message as a defect, unless memory ran out. */
static hawq_status note(hawq_status status, hawq_arena *arena,
                        const char **defect) {
    if (status == HAWQ_ENOMEM) return status;
    *defect = hawq_arena_string(arena, hawq_message());
    return *defect ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status read_body(const Onnx__ModelProto *model,
                             const attribute_proto *a, const char *folder,
                             hawq_arena *arena, hawq_proto_node *out);

static hawq_status read_attributes(const Onnx__ModelProto *model,
                                   const Onnx__NodeProto  *node,
                                   const char *folder, hawq_arena *arena,
                                   hawq_proto_node *out) {
    hawq_attr *attr;
    HAWQ_TAKE(attr, arena, node->n_attribute);
    HAWQ_TAKE(out->body, arena, node->n_attribute);
    out->spec.attr = attr;
    for (size_t i = 0; i < node->n_attribute; i++) {
        const attribute_proto *a = node->attribute[i];
        hawq_status            status;
        if (a->g)
            status = read_body(model, a, folder, arena, out);
        else
            status =
                read_attribute(a, folder, arena, &attr[out->spec.n_attr++]);
        if (status == HAWQ_OK || out->defect) continue;
        status = hawq_prefix("attribute '%s' ", text(a->name));
        HAWQ_TRY(note(status, arena, &out->defect));
    }
    if (!out->n_bodies || out->defect || hawq_is_rewritten(out->spec.op_type))
        return HAWQ_OK;
    return note(hawq_fail(HAWQ_EUNSUPPORTED, "attribute '%s' is a subgraph",
                          out->body[0].name),
                arena, &out->defect);
}

static bool is_function(const Onnx__ModelProto *model,
                        const Onnx__NodeProto  *node) {
    for (size_t i = 0; i < model->n_functions; i++)
        if (strcmp(text(model->functions[i]->name), text(node->op_type)) == 0 &&
            strcmp(text(model->functions[i]->domain), text(node->domain)) == 0)
            return true;
    return false;
}

static bool default_domain(const char *domain) {
    return !domain || !domain[0] || strcmp(domain, "ai.onnx") == 0;
}

/* The value of a node's metadata, which older descriptions of the format do not
 * know: then field 9 is there as bytes, its length first. "" if there is none.
 */
static hawq_status find_metadata(const Onnx__NodeProto *node, const char *key,
                                 hawq_arena *arena, const char **out) {
    const ProtobufCMessage *m = &node->base;
    *out = "";
    for (unsigned i = 0; i < m->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *f = &m->unknown_fields[i];
        ProtobufCMessage                   *entry = NULL;
        size_t                              skip = 0;
        if (f->tag != 9 || f->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            continue;
        while (skip < f->len && f->data[skip] > 127) skip++;
        if (skip >= f->len) continue;
        hawq_status status = hawq_wire_unpack(
            f->data + skip + 1, f->len - skip - 1,
            &onnx__string_string_entry_proto__descriptor, arena, &entry);
        if (status == HAWQ_ENOMEM) return status;
        if (status != HAWQ_OK) continue;
        const Onnx__StringStringEntryProto *e = (const void *)entry;
        if (strcmp(text(e->key), key) == 0) *out = text(e->value);
    }
    return HAWQ_OK;
}

static hawq_status find_scope(const Onnx__NodeProto *node, const char *name,
                              hawq_arena *arena, const char **out) {
    const char *list;
    HAWQ_TRY(find_metadata(node, "pkg.torch.onnx.name_scopes", arena, &list));
    HAWQ_TRY(hawq_scope_of_list(list, arena, out));
    return *out ? HAWQ_OK : hawq_scope_of_name(name, arena, out);
}

static hawq_status read_node(const Onnx__ModelProto *model,
                             const Onnx__NodeProto *node, size_t index,
                             const char *folder, hawq_arena *arena,
                             hawq_proto_node *out) {
    hawq_node_spec *spec = &out->spec;
    spec->op_type = text(node->op_type);
    spec->name = text(node->name);
    if (!spec->name[0])
        spec->name = hawq_arena_format(arena, "%s_%zu", spec->op_type, index);
    if (!spec->name) return HAWQ_ENOMEM;
    HAWQ_TRY(find_scope(node, spec->name, arena, &out->scope));
    spec->n_in = (int)node->n_input;
    spec->n_out = (int)node->n_output;
    spec->in = (const char *const *)node->input;
    spec->out = (const char *const *)node->output;
    if (is_function(model, node))
        return note(hawq_fail(HAWQ_EUNSUPPORTED,
                              "calls a function of the model; inline functions "
                              "before export"),
                    arena, &out->defect);
    if (!default_domain(node->domain) &&
        !hawq_is_qoperator(node->domain, node->op_type))
        return note(hawq_fail(HAWQ_EUNSUPPORTED,
                              "operators of domain '%s' are not supported",
                              node->domain),
                    arena, &out->defect);
    return read_attributes(model, node, folder, arena, out);
}

/* --- the graph --------------------------------------------------------- */

static hawq_status read_shape(const Onnx__TensorShapeProto *declared,
                              hawq_proto_value             *out) {
    hawq_shape *shape = &out->shape;
    if (declared->n_dim > HAWQ_MAX_RANK)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "has %zu dimensions, at most %d are supported",
                         declared->n_dim, HAWQ_MAX_RANK);
    shape->rank = (int)declared->n_dim;
    for (size_t i = 0; i < declared->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *d = declared->dim[i];
        bool                                     fixed = d->value_case ==
                     ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        /* exporters write -1 and 0 as well for a dimension left free */
        shape->dim[i] = fixed && d->dim_value > 0 ? d->dim_value : -1;
        if (!fixed && d->dim_param && d->dim_param[0])
            out->symbol[i] = d->dim_param;
    }
    return HAWQ_OK;
}

static hawq_status read_type(const Onnx__TypeProto *type,
                             hawq_proto_value      *out) {
    if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
        !type->tensor_type)
        return hawq_fail(HAWQ_EUNSUPPORTED, "is not declared as a tensor");
    const Onnx__TypeProto__Tensor *tensor = type->tensor_type;
    struct data_type               kind = data_type(tensor->elem_type);
    out->is_float = kind.known && hawq_number_dtype(kind.number) == HAWQ_FLOAT;
    out->is_whole = kind.known && !out->is_float;
    out->number = kind.number;
    if (!kind.known)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "is %s, expected floating point, integers or truth "
                         "values",
                         kind.name);
    if (!tensor->shape)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "has no declared shape; export with a fixed size of "
                         "the image");
    return read_shape(tensor->shape, out);
}

static hawq_status read_values(Onnx__ValueInfoProto **value, size_t n,
                               hawq_arena *arena, hawq_proto_value **out) {
    HAWQ_TAKE(*out, arena, n);
    for (size_t i = 0; i < n; i++) {
        hawq_proto_value *v = &(*out)[i];
        v->name = text(value[i]->name);
        v->is_float = !value[i]->type;
        hawq_status status = read_type(value[i]->type, v);
        if (status != HAWQ_OK) HAWQ_TRY(note(status, arena, &v->defect));
    }
    return HAWQ_OK;
}

static hawq_status read_opset(const Onnx__ModelProto *model, int *opset) {
    int64_t found = 0;
    for (size_t i = 0; i < model->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *id = model->opset_import[i];
        if (default_domain(id->domain) && id->version > found)
            found = id->version;
    }
    if (!found)
        return hawq_fail(HAWQ_EFORMAT,
                         "does not say which opset it uses; re-export it");
    *opset = found > 1000 ? 1000 : (int)found;
    return HAWQ_OK;
}

static hawq_status read_constants(const Onnx__GraphProto *graph, bool values,
                                  const char *folder, hawq_arena *arena,
                                  hawq_proto *out) {
    out->n_constants = graph->n_initializer;
    HAWQ_TAKE(out->constant, arena, graph->n_initializer);
    HAWQ_TAKE(out->number, arena, graph->n_initializer);
    for (size_t i = 0; i < graph->n_initializer; i++) {
        const tensor_proto *t = graph->initializer[i];
        out->constant[i].name = text(t->name);
        out->number[i] = data_type(t->data_type).number;
        if (values &&
            read_tensor(t, folder, arena, &out->constant[i]) != HAWQ_OK)
            return hawq_prefix("initializer '%s': ", text(t->name));
    }
    return HAWQ_OK;
}

static const char *sparse_name(const Onnx__SparseTensorProto *t) {
    return t->values ? text(t->values->name) : "";
}

static hawq_status read_texts(const Onnx__ModelProto *model, hawq_arena *arena,
                              hawq_proto *out) {
    out->n_texts = model->n_metadata_props;
    HAWQ_TAKE(out->text, arena, out->n_texts);
    for (size_t i = 0; i < out->n_texts; i++)
        out->text[i] = (hawq_text){text(model->metadata_props[i]->key),
                                   text(model->metadata_props[i]->value)};
    return HAWQ_OK;
}

static hawq_status read_graph(const Onnx__ModelProto *model,
                              const Onnx__GraphProto *graph, bool numbers_too,
                              const char *folder, hawq_arena *arena,
                              hawq_proto *out) {
    out->n_inputs = graph->n_input;
    out->n_outputs = graph->n_output;
    HAWQ_TRY(read_values(graph->input, graph->n_input, arena, &out->input));
    HAWQ_TRY(read_values(graph->output, graph->n_output, arena, &out->output));
    if (numbers_too && graph->n_sparse_initializer)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "initializer '%s' is sparse; export dense weights",
                         sparse_name(graph->sparse_initializer[0]));
    HAWQ_TRY(read_constants(graph, numbers_too, folder, arena, out));
    out->n_nodes = graph->n_node;
    HAWQ_TAKE(out->node, arena, graph->n_node);
    for (size_t i = 0; i < graph->n_node; i++)
        HAWQ_TRY(
            read_node(model, graph->node[i], i, folder, arena, &out->node[i]));
    return HAWQ_OK;
}

static hawq_status read_body(const Onnx__ModelProto *model,
                             const attribute_proto *a, const char *folder,
                             hawq_arena *arena, hawq_proto_node *out) {
    hawq_proto_body *body = &out->body[out->n_bodies++];
    body->name = text(a->name);
    return read_graph(model, a->g, true, folder, arena, &body->graph);
}

hawq_status hawq_proto_read(const char *path, bool numbers, hawq_arena *arena,
                            hawq_proto *out) {
    Onnx__ModelProto *model = NULL;
    const char       *slash = strrchr(path, '/');
    const char       *folder =
        slash ? hawq_arena_string_n(arena, path, (size_t)(slash - path) + 1)
                    : "";
    if (!folder) return HAWQ_ENOMEM;
    *out = (hawq_proto){0};
    HAWQ_TRY(read_model(path, arena, &model));
    out->producer = text(model->producer_name);
    HAWQ_TRY(read_opset(model, &out->opset));
    HAWQ_TRY(read_texts(model, arena, out));
    HAWQ_TRY(read_graph(model, model->graph, numbers, folder, arena, out));
    return hawq_proto_sort(out, arena);
}
