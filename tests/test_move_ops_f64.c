/* test_move_ops_f64.c -- operators that move, pool, reduce or fold. Claims: in
 * every ONNX form they yield hand-computed values; their four functions
 * satisfy the identities of op_harness.h; pools equal a direct evaluation of
 * their definition for all small geometries; integer constants fold; bad forms
 * are refused with a sentence that says what was found.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/op_harness.h"

#define SHAPE(...) &(const hawq_shape)OP_SHAPE(__VA_ARGS__)
#define SCALAR                                                                 \
    &(const hawq_shape) {                                                      \
        0                                                                      \
    }
#define VALUES(...)                                                            \
    (const double[]){__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}) / 8

#define NOTHING NULL, 0

/* op_check_values on a case written in place; float inputs count 0, 1, 2 ... */
#define VALUE(shape, values, ...)                                              \
    op_check_values(&(const op_case){__VA_ARGS__, .iota = true}, shape, values)
#define FAILS(code, text, ...)                                                 \
    op_check_fails(&(const op_case){__VA_ARGS__}, HAWQ_##code, text)
#define IDENTITIES(...) op_check(&(const op_case){__VA_ARGS__})

static void reshaping(void) {
    VALUE(SHAPE(3, 2), VALUES(0, 1, 2, 3, 4, 5), "Reshape",
          .in = {ACT(2, 3), INTS(-1, 2)});
    VALUE(SHAPE(2, 3, 1), VALUES(0, 1, 2, 3, 4, 5), "Reshape",
          .in = {ACT(2, 3), INTS(0, 0, -1)});
    VALUE(SHAPE(2, 0), NOTHING, "Reshape", .opset = 14,
          .in = {ACT(0, 3), INTS(2, 0)}, .attr = {A_INT("allowzero", 1)});
    VALUE(SHAPE(6, 1), VALUES(0, 1, 2, 3, 4, 5), "Flatten", .in = {ACT(2, 3)},
          .attr = {A_INT("axis", 2)});
    VALUE(SHAPE(2, 6), VALUES(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), "Flatten",
          .in = {ACT(2, 3, 2)}, .attr = {A_INT("axis", -2)});
    VALUE(SHAPE(2, 1), VALUES(0, 1), "Squeeze", .opset = 11,
          .in = {ACT(1, 2, 1)}, .attr = {A_INTS("axes", 0)});
    VALUE(SHAPE(1, 2), VALUES(0, 1), "Squeeze", .in = {ACT(1, 2, 1), INTS(-1)});
    VALUE(SHAPE(2), VALUES(0, 1), "Squeeze", .in = {ACT(1, 2, 1)});
    VALUE(SHAPE(1, 2, 1), VALUES(0, 1), "Unsqueeze", .opset = 11,
          .in = {ACT(2)}, .attr = {A_INTS("axes", 0, -1)});
    VALUE(SHAPE(1, 2, 1), VALUES(0, 1), "Unsqueeze",
          .in = {ACT(2), INTS(2, 0)});
    IDENTITIES("Reshape", .in = {ACT(2, 6), INTS(3, -1)});
    IDENTITIES("Flatten", .in = {ACT(2, 3, 2)});
    IDENTITIES("Squeeze", .in = {ACT(2, 1, 3), INTS(1)});
    IDENTITIES("Unsqueeze", .in = {ACT(2, 3), INTS(1)});
    IDENTITIES("Identity", .in = {ACT(2, 3)});
    IDENTITIES("Cast", .in = {ACT(2, 3)}, .attr = {A_INT("to", 10)});
    IDENTITIES("Dropout", .in = {ACT(2, 3)}, .attr = {A_FLOAT("ratio", 0.5)});
    IDENTITIES("Dropout", .in = {ACT(2, 3), FIXED_SCALAR(0.5), INT_SCALAR(0)});
    FAILS(EFORMAT, "input 2x3 cannot become", "Reshape",
          .in = {ACT(2, 3), INTS(4, -1)});
    FAILS(EFORMAT, "one -1", "Reshape", .in = {ACT(2, 3), INTS(-1, -1)});
    FAILS(EFORMAT, "one -1", "Reshape", .in = {ACT(2, 3), INTS(-2, 3)});
    FAILS(EUNSUPPORTED, "depends on the data", "Reshape",
          .in = {ACT(2, 3), ACT(2)});
    FAILS(EFORMAT, "integers", "Reshape", .in = {ACT(2, 3), FIXED(2)});
    FAILS(EFORMAT, "out of range", "Flatten", .in = {ACT(2, 3)},
          .attr = {A_INT("axis", 3)});
    FAILS(EFORMAT, "has length 2", "Squeeze", .in = {ACT(1, 2), INTS(1)});
    FAILS(EFORMAT, "given twice", "Unsqueeze", .in = {ACT(2), INTS(0, -3)});
    FAILS(EFORMAT, "missing", "Unsqueeze", .in = {ACT(2)});
    FAILS(EUNSUPPORTED, "training_mode", "Dropout",
          .in = {ACT(2, 3), FIXED_SCALAR(0.5), INT_SCALAR(1)});
    FAILS(EUNSUPPORTED, "cast to int64", "Cast", .in = {ACT(2, 3)},
          .attr = {A_INT("to", 7)});
}

/* The mask that older exporters name becomes a constant of ones. */
static void dropout_mask(void) {
    op_run r;
    if (CHECK_OK(op_open(
            &r, &(const op_case){"Dropout", .n_out = 2, .in = {ACT(2, 3)}}))) {
        CHECK(r.node && r.node->n_out == 1 && r.node->op->forward);
        CHECK(r.out[1]->role == HAWQ_CONSTANT && r.out[1]->n == 6);
        CHECK(r.out[1]->ints && r.out[1]->ints[5] == 1);
    }
    op_close(&r);
}

static void moving(void) {
    VALUE(SHAPE(3, 2), VALUES(0, 3, 1, 4, 2, 5), "Transpose",
          .in = {ACT(2, 3)});
    VALUE(SHAPE(2, 2, 3), VALUES(0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11),
          "Transpose", .in = {ACT(2, 3, 2)}, .attr = {A_INTS("perm", 0, 2, 1)});
    VALUE(SHAPE(2, 2), VALUES(3, 1, 9, 7), "Slice",
          .in = {ACT(2, 6), INTS(3), INTS(0), INTS(-1), INTS(-2)});
    VALUE(SHAPE(1, 2), VALUES(7, 8), "Slice", .opset = 9, .in = {ACT(2, 6)},
          .attr = {A_INTS("starts", 1, -5), A_INTS("ends", 99, -3)});
    VALUE(SHAPE(3), VALUES(2, 1, 0), "Slice",
          .in = {ACT(3), INTS(99), INTS(INT64_MIN), INTS(0), INTS(-1)});
    VALUE(SHAPE(3), VALUES(0, 1, 2), "Slice",
          .in = {ACT(3), INTS(INT64_MIN), INTS(INT64_MAX), INTS(0)});
    VALUE(SHAPE(1), VALUES(2), "Slice",
          .in = {ACT(3), INTS(-1), INTS(0), INTS(0), INTS(INT64_MIN)});
    VALUE(SHAPE(0), NOTHING, "Slice", .in = {ACT(3), INTS(2), INTS(1)});
    VALUE(SHAPE(2, 1, 2), VALUES(1, 0, 4, 3), "Gather",
          .in = {ACT(2, 3),
                 {.kind = OP_INTS,
                  .shape = OP_SHAPE(1, 2),
                  .ints = (const int64_t[]){1, -3}}},
          .attr = {A_INT("axis", 1)});
    VALUE(SHAPE(3), VALUES(3, 4, 5), "Gather",
          .in = {ACT(2, 3), INT_SCALAR(-1)});
    VALUE(SHAPE(2, 2, 3), VALUES(0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1), "Expand",
          .in = {ACT(2, 1), INTS(2, 1, 3)});
    VALUE(SHAPE(2, 2), VALUES(100, 201, 102, 203), "Where",
          .in = {{.kind = OP_INTS,
                  .shape = OP_SHAPE(2),
                  .ints = (const int64_t[]){1, 0}},
                 ACT(2, 2),
                 ACT(2, 2)});
    VALUE(SHAPE(2, 2), VALUES(100, 101, 200, 200), "Where",
          .in = {{.kind = OP_INTS,
                  .shape = OP_SHAPE(2, 1),
                  .ints = (const int64_t[]){1, 0}},
                 ACT(1, 2),
                 ACT(1)});
}

static void moving_identities(void) {
    IDENTITIES("Transpose", .in = {ACT(2, 3, 4)},
               .attr = {A_INTS("perm", 2, 0, 1)});
    IDENTITIES("Transpose", .in = {ACT(2, 3, 4)},
               .attr = {A_INTS("perm", 0, 2, 1)});
    IDENTITIES("Transpose", .in = {ACT(2, 3, 4, 2)},
               .attr = {A_INTS("perm", 1, 0, 2, 3)});
    IDENTITIES("Slice", .in = {ACT(2, 6, 2), INTS(5, 1), INTS(-7, 2),
                               INTS(1, 0), INTS(-2, 1)});
    IDENTITIES("Slice", .in = {ACT(2, 6, 5), INTS(1), INTS(4), INTS(-1)});
    IDENTITIES("Gather", .in = {ACT(2, 3, 2), INTS(2, 0, 2)},
               .attr = {A_INT("axis", 1)});
    IDENTITIES("Gather", .in = {ACT(4, 1), INT_SCALAR(2)});
    IDENTITIES("Expand", .in = {ACT(3, 1), INTS(2, 1, 4)});
    IDENTITIES("Where", .in = {INTS(1, 0, 1), ACT(2, 3), WEIGHT(3)});
    FAILS(EFORMAT, "given twice", "Transpose", .in = {ACT(2, 3)},
          .attr = {A_INTS("perm", 0, 0)});
    FAILS(EFORMAT, "perm has 1 axes", "Transpose", .in = {ACT(2, 3)},
          .attr = {A_INTS("perm", 0)});
    FAILS(EFORMAT, "a step is 0", "Slice",
          .in = {ACT(3), INTS(0), INTS(3), INTS(0), INTS(0)});
    FAILS(EFORMAT, "axis 1 is out of range", "Slice",
          .in = {ACT(3), INTS(0), INTS(3), INTS(1)});
    FAILS(EFORMAT, "2 starts, 1 ends", "Slice",
          .in = {ACT(3, 2), INTS(0, 0), INTS(3)});
    FAILS(EFORMAT, "index 3 is out of range for length 3", "Gather",
          .in = {ACT(3), INTS(3)});
    FAILS(EFORMAT, "do not broadcast", "Expand", .in = {ACT(3), INTS(2)});
    FAILS(EUNSUPPORTED, "65536x65536 has more than 2147483647", "Expand",
          .in = {ACT(1, 1), INTS(65536, 65536)});
    FAILS(EFORMAT, "different types", "Where",
          .in = {INTS(1), ACT(1), INTS(1)});
}

static void padding(void) {
    VALUE(SHAPE(6), VALUES(7, 7, 0, 1, 2, 7), "Pad",
          .in = {ACT(3), INTS(2, 1), FIXED_SCALAR(7)});
    VALUE(SHAPE(2, 5), VALUES(0, 0, 1, 2, 0, 0, 3, 4, 5, 0), "Pad",
          .in = {ACT(2, 3), INTS(1, 1), OMITTED, INTS(-1)}, .opset = 18);
    VALUE(SHAPE(6), VALUES(2.5, 2.5, 0, 1, 2, 2.5), "Pad", .opset = 10,
          .in = {ACT(3)},
          .attr = {A_INTS("pads", 2, 1), A_FLOAT("value", 2.5)});
    VALUE(SHAPE(7), VALUES(2, 1, 0, 1, 2, 1, 0), "Pad",
          .in = {ACT(3), INTS(2, 2)}, .attr = {A_STRING("mode", "reflect")});
    VALUE(SHAPE(7), VALUES(0, 0, 0, 1, 2, 2, 2), "Pad",
          .in = {ACT(3), INTS(2, 2)}, .attr = {A_STRING("mode", "edge")});
    VALUE(SHAPE(7), VALUES(1, 2, 0, 1, 2, 0, 1), "Pad", .opset = 19,
          .in = {ACT(3), INTS(2, 2)}, .attr = {A_STRING("mode", "wrap")});
    VALUE(SHAPE(3), VALUES(1, 2, 0), "Pad", .in = {ACT(3), INTS(-1, 1)});
    IDENTITIES("Pad",
               .in = {ACT(2, 2, 3), INTS(0, 1, 2, 0, 0, 1), FIXED_SCALAR(-3)});
    IDENTITIES("Pad", .in = {ACT(2, 2, 4), INTS(0, 1, 3, 0, 1, 2)},
               .attr = {A_STRING("mode", "reflect")});
    IDENTITIES("Pad", .in = {ACT(2, 4), INTS(0, 3, 0, -2)},
               .attr = {A_STRING("mode", "edge")});
    FAILS(EUNSUPPORTED, "mode 'mirror'", "Pad", .in = {ACT(3), INTS(0, 0)},
          .attr = {A_STRING("mode", "mirror")});
    FAILS(EFORMAT, "3 pads for 1 axes", "Pad", .in = {ACT(3), INTS(0, 0, 0)});
    FAILS(EFORMAT, "would have shape -1", "Pad", .in = {ACT(3), INTS(-2, -2)});
    FAILS(EUNSUPPORTED, "not a constant scalar", "Pad",
          .in = {ACT(3), INTS(1, 1), FIXED(2)});
}

static void concat_and_split(void) {
    VALUE(SHAPE(2, 5), VALUES(0, 1, 100, 101, 102, 2, 3, 103, 104, 105),
          "Concat", .in = {ACT(2, 2), ACT(2, 3)}, .attr = {A_INT("axis", -1)});
    VALUE(SHAPE(2, 1), VALUES(0, 3, 1, 2, 4, 5), "Split", .n_out = 2,
          .in = {ACT(2, 3), INTS(1, 2)}, .attr = {A_INT("axis", 1)});
    VALUE(SHAPE(2), VALUES(0, 1, 2, 3, 4, 5), "Split", .n_out = 3,
          .in = {ACT(6)});
    VALUE(SHAPE(2), VALUES(0, 1, 2, 3, 4), "Split", .n_out = 3, .opset = 18,
          .in = {ACT(5)}, .attr = {A_INT("num_outputs", 3)});
    VALUE(SHAPE(1), VALUES(0, 1, 2), "Split", .n_out = 2, .opset = 11,
          .in = {ACT(3)}, .attr = {A_INTS("split", 1, 2)});
    IDENTITIES("Concat", .in = {ACT(2, 2, 2), WEIGHT(2, 1, 2), ACT(2, 3, 2)},
               .attr = {A_INT("axis", 1)});
    IDENTITIES("Concat", .in = {ACT(2, 2), ACT(1, 2)},
               .attr = {A_INT("axis", 0)});
    IDENTITIES("Split", .n_out = 3, .in = {ACT(2, 6, 2), INTS(1, 3, 2)},
               .attr = {A_INT("axis", 1)});
    FAILS(EFORMAT, "'x1' of shape 3x2 does not fit 'x0' of shape 2x2", "Concat",
          .in = {ACT(2, 2), ACT(3, 2)}, .attr = {A_INT("axis", 1)});
    FAILS(EFORMAT, "not cut into these 2", "Split", .n_out = 2, .in = {ACT(3)});
    FAILS(EFORMAT, "not cut into these 2", "Split", .n_out = 2,
          .in = {ACT(3), INTS(4, -1)});
    FAILS(EFORMAT, "3 lengths for 2 outputs", "Split", .n_out = 2,
          .in = {ACT(3), INTS(1, 1, 1)});
}

static void folding(void) {
    VALUE(SHAPE(3), VALUES(2, 3, 4), "Shape", .in = {ACT(2, 3, 4)});
    VALUE(SHAPE(1), VALUES(3), "Shape", .opset = 15, .in = {ACT(2, 3, 4)},
          .attr = {A_INT("start", -2), A_INT("end", -1)});
    VALUE(SHAPE(2, 2), VALUES(0, 0, 0, 0), "ConstantOfShape",
          .in = {INTS(2, 2)});
    VALUE(SHAPE(3), VALUES(5, 3, 1), "Range",
          .in = {INT_SCALAR(5), INT_SCALAR(0), INT_SCALAR(-2)});
    VALUE(SHAPE(3), VALUES(1, 1.5, 2), "Range",
          .in = {FIXED_SCALAR(1), FIXED_SCALAR(2.25), FIXED_SCALAR(0.5)});
    VALUE(SHAPE(0), NOTHING, "Range",
          .in = {INT_SCALAR(5), INT_SCALAR(0), INT_SCALAR(2)});
    VALUE(SHAPE(3), VALUES(0, 1, 0), "Equal", .in = {INTS(4, -1, 2), INTS(-1)});
    VALUE(SHAPE(3), VALUES(1, 8, 1), "Where",
          .in = {INTS(0, 1, 0), INTS(7, 8, 9), INTS(1)});
    VALUE(SHAPE(1), VALUES(9), "Gather", .in = {INTS(7, 8, 9), INTS(2)});
    VALUE(SCALAR, VALUES(9), "Gather", .in = {INTS(7, 8, 9), INT_SCALAR(-1)});
    VALUE(SHAPE(1), VALUES(9), "Unsqueeze", .in = {INT_SCALAR(9), INTS(0)});
    VALUE(SCALAR, VALUES(9), "Squeeze", .in = {INTS(9)});
    VALUE(SHAPE(3), VALUES(1, 2, -1), "Concat", .in = {INTS(1, 2), INTS(-1)},
          .attr = {A_INT("axis", 0)});
    VALUE(SHAPE(1), VALUES(1, 2, 3), "Split", .in = {INTS(1, 2, 3)},
          .n_out = 3);
    VALUE(SHAPE(2), VALUES(3, 2), "Slice",
          .in = {INTS(1, 2, 3), INTS(2), INTS(0), INTS(0), INTS(-1)});
    VALUE(SHAPE(2, 1), VALUES(1, 2), "Reshape",
          .in = {INTS(1, 2), INTS(2, -1)});
    VALUE(SHAPE(2, 2), VALUES(1, 2, 1, 2), "Expand",
          .in = {INTS(1, 2), INTS(2, 1)});
    VALUE(SHAPE(4), VALUES(5, 1, 2, 5), "Pad",
          .in = {INTS(1, 2), INTS(1, 1), INT_SCALAR(5)});
    VALUE(SHAPE(1), VALUES(6), "ReduceSum", .in = {INTS(1, 2, 3)});
    VALUE(SCALAR, VALUES(3), "ReduceMax", .in = {INTS(1, 3, 2)},
          .attr = {A_INT("keepdims", 0)});
    VALUE(SHAPE(2), VALUES(1, 2), "Cast", .in = {INTS(1, 2)},
          .attr = {A_INT("to", 1)});
    VALUE(SHAPE(2), VALUES(1, 0), "Cast", .in = {INTS(-5, 0)},
          .attr = {A_INT("to", 9)});
    VALUE(SCALAR, VALUES(-2), "Cast", .in = {FIXED_SCALAR(-2.75)},
          .attr = {A_INT("to", 7)});
    VALUE(SHAPE(2), VALUES(3, 4), "Constant",
          .attr = {A_INTS("value_ints", 3, 4)});
    VALUE(SCALAR, VALUES(0.5), "Constant",
          .attr = {A_FLOAT("value_float", 0.5)});
    VALUE(SHAPE(3, 2), VALUES(0, 3, 1, 4, 2, 5), "Transpose",
          .in = {FIXED(2, 3)});
    VALUE(SHAPE(4), VALUES(0, 1, 100, 101), "Concat",
          .in = {FIXED(2), FIXED(2)}, .attr = {A_INT("axis", 0)});
}

static void folding_fails(void) {
    FAILS(EFORMAT, "does not fit into int8", "Cast", .in = {INTS(128)},
          .attr = {A_INT("to", 3)});
    FAILS(EFORMAT, "does not fit into int64", "Cast",
          .in = {FIXED_SCALAR(1e30)}, .attr = {A_INT("to", 7)});
    FAILS(EUNSUPPORTED, "to type 8", "Cast", .in = {ACT(2)},
          .attr = {A_INT("to", 8)});
    FAILS(EFORMAT, "in steps of 0", "Range",
          .in = {INT_SCALAR(0), INT_SCALAR(1), INT_SCALAR(0)});
    FAILS(EUNSUPPORTED, "not a constant scalar", "Range",
          .in = {INT_SCALAR(0), FIXED_SCALAR(1), INT_SCALAR(1)});
    FAILS(EUNSUPPORTED, "not an integer constant", "Equal",
          .in = {ACT(2), INTS(1)});
    FAILS(EUNSUPPORTED, "more than 67108864", "ConstantOfShape",
          .in = {INTS(32768, 32768)});
    FAILS(EFORMAT, "would have shape", "ConstantOfShape", .in = {INTS(-1)});
    FAILS(EFORMAT, "0 attributes", "Constant", .opset = 13);
    FAILS(EUNSUPPORTED, "holds text", "Constant",
          .attr = {A_STRING("value", "abc")});
}

/* --- pools against their definition ------------------------------------ */

/* One output of a 1 x 1 x h x w pool by definition: the maximum, or the mean
 * over what lies in the input (include: in the padded input). */
typedef struct pool {
    int  k[2], s[2], d[2], p[4]; /* kernel, stride, dilation, ONNX pads */
    int  n[2];
    bool ceil, include;
} pool;

static int positions(const pool *q, int a) {
    int span = (q->k[a] - 1) * q->d[a] + 1;
    int room = q->n[a] + q->p[a] + q->p[a + 2] - span, out = 0;
    /* a window counts if all of it (ceil: its first element, which must not
     * be in the right padding) has room */
    for (int o = 0;; o++, out++) {
        int  begin = o * q->s[a];
        bool whole = begin <= room;
        bool part = begin < room + q->s[a] && begin < q->n[a] + q->p[a];
        if (q->ceil ? !part : !whole) return out;
    }
}

static double pooled(const pool *q, const real *x, int i, int j, bool max) {
    double sum = 0, best = -INFINITY;
    int    count = 0;
    for (int a = 0; a < q->k[0]; a++)
        for (int b = 0; b < q->k[1]; b++) {
            int  y = i * q->s[0] - q->p[0] + a * q->d[0];
            int  z = j * q->s[1] - q->p[1] + b * q->d[1];
            bool in = y >= 0 && y < q->n[0] && z >= 0 && z < q->n[1];
            bool padded = y < q->n[0] + q->p[2] && z < q->n[1] + q->p[3];
            if (in) {
                sum += (double)x[y * q->n[1] + z];
                best = fmax(best, (double)x[y * q->n[1] + z]);
            }
            count += q->include ? padded : in;
        }
    return max ? best : sum / count;
}

static void compare_pool(const pool *q, bool max) {
    int64_t k[] = {q->k[0], q->k[1]}, s[] = {q->s[0], q->s[1]};
    int64_t d[] = {q->d[0], q->d[1]};
    int64_t p[] = {q->p[0], q->p[1], q->p[2], q->p[3]};
    op_case c = {
        max ? "MaxPool" : "AveragePool", .opset = 19,
        .in = {ACT(1, 1, q->n[0], q->n[1])},
        .attr = {
            {.name = "kernel_shape", .type = HAWQ_ATTR_INTS, .n = 2, .ints = k},
            {.name = "strides", .type = HAWQ_ATTR_INTS, .n = 2, .ints = s},
            {.name = "dilations", .type = HAWQ_ATTR_INTS, .n = 2, .ints = d},
            {.name = "pads", .type = HAWQ_ATTR_INTS, .n = 4, .ints = p},
            A_INT("ceil_mode", q->ceil)}};
    if (q->include) c.attr[5] = (hawq_attr)A_INT("count_include_pad", 1);
    op_run    r;
    op_planes planes = {0};
    if (CHECK_OK(op_open(&r, &c)) &&
        CHECK(r.out[0]->shape.dim[2] == positions(q, 0) &&
              r.out[0]->shape.dim[3] == positions(q, 1))) {
        op_new_out(&r, planes.val);
        op_call(&r, OP_FORWARD, 0, &planes);
        for (int i = 0; i < positions(q, 0); i++)
            for (int j = 0; j < positions(q, 1); j++)
                CHECK_NEAR((double)planes.val[0][i * positions(q, 1) + j],
                           pooled(q, r.x[0], i, j, max), 1e-12);
        op_free(planes.val, 1);
    }
    op_close(&r);
}

/* 3000 random geometries in which no window is empty. */
static void pools_by_definition(void) {
    uint64_t key = hawq_rng_key(3, 0, 0, 0), at = 0;
    for (int i = 0; i < 3000; i++) {
        pool q = {.ceil = hawq_rng_below(key, at++, 2)};
        q.include = hawq_rng_below(key, at++, 2);
        bool max = hawq_rng_below(key, at++, 2), usable = true;
        for (int a = 0; a < 2; a++) {
            q.k[a] = 1 + (int)hawq_rng_below(key, at++, 3);
            q.s[a] = 1 + (int)hawq_rng_below(key, at++, 3);
            q.d[a] = 1 + (int)hawq_rng_below(key, at++, 2);
            q.n[a] = 2 + (int)hawq_rng_below(key, at++, 6);
            q.p[a] = (int)hawq_rng_below(key, at++, (uint64_t)q.k[a]);
            q.p[a + 2] = (int)hawq_rng_below(key, at++, (uint64_t)q.k[a]);
            usable &= (q.k[a] - 1) * q.d[a] + 1 <= q.n[a] + q.p[a] + q.p[a + 2];
        }
        if (max) q.include = false;
        if (usable) compare_pool(&q, max);
    }
}

static void pools(void) {
    /* SAME: 5 -> 3 at stride 2 with a kernel of 2 needs one element of
     * padding, UPPER at the end, LOWER at the beginning */
    VALUE(SHAPE(1, 1, 3), VALUES(1, 3, 4), "MaxPool", .in = {ACT(1, 1, 5)},
          .attr = {A_INTS("kernel_shape", 2), A_INTS("strides", 2),
                   A_STRING("auto_pad", "SAME_UPPER")});
    VALUE(SHAPE(1, 1, 3), VALUES(0, 2, 4), "MaxPool", .in = {ACT(1, 1, 5)},
          .attr = {A_INTS("kernel_shape", 2), A_INTS("strides", 2),
                   A_STRING("auto_pad", "SAME_LOWER")});
    VALUE(SHAPE(1, 1, 3), VALUES(0.5, 2.5, 4), "AveragePool",
          .in = {ACT(1, 1, 5)},
          .attr = {A_INTS("kernel_shape", 2), A_INTS("strides", 2),
                   A_STRING("auto_pad", "SAME_UPPER")});
    VALUE(SHAPE(1, 1, 1), VALUES(8), "MaxPool", .in = {ACT(1, 1, 9)},
          .attr = {A_INTS("kernel_shape", 9), A_STRING("auto_pad", "VALID")});
    VALUE(SHAPE(1, 1, 1, 1, 1), VALUES(3.5), "AveragePool",
          .in = {ACT(1, 1, 2, 2, 2)},
          .attr = {A_INTS("kernel_shape", 2, 2, 2)});
    VALUE(SHAPE(1, 2, 1, 1), VALUES(1.5, 5.5), "GlobalAveragePool",
          .in = {ACT(1, 2, 2, 2)});
    VALUE(SHAPE(1, 2, 1), VALUES(2, 5), "GlobalMaxPool", .in = {ACT(1, 2, 3)});
    IDENTITIES("MaxPool", .in = {ACT(2, 2, 5, 6)},
               .attr = {A_INTS("kernel_shape", 3, 2), A_INTS("strides", 2, 1),
                        A_INTS("pads", 1, 0, 1, 1), A_INT("ceil_mode", 1),
                        A_INTS("dilations", 1, 2)});
    IDENTITIES("AveragePool", .in = {ACT(2, 2, 5, 6)},
               .attr = {A_INTS("kernel_shape", 3, 2), A_INTS("strides", 2, 1),
                        A_INTS("pads", 1, 0, 1, 1),
                        A_INT("count_include_pad", 1)});
    IDENTITIES("GlobalAveragePool", .in = {ACT(2, 3, 4, 2)});
    IDENTITIES("GlobalMaxPool", .in = {ACT(2, 3, 4, 2)});
    FAILS(EUNSUPPORTED, "in the padding altogether", "MaxPool",
          .in = {ACT(1, 1, 5)},
          .attr = {A_INTS("kernel_shape", 2), A_INTS("pads", 2, 0)});
    FAILS(EFORMAT, "'kernel_shape' is missing", "MaxPool",
          .in = {ACT(1, 1, 5)});
    FAILS(EFORMAT, "spans 6 elements of spatial axis 0, the padded input has 5",
          "AveragePool", .in = {ACT(1, 1, 5)},
          .attr = {A_INTS("kernel_shape", 6)});
    FAILS(EFORMAT, "exclude each other", "MaxPool", .in = {ACT(1, 1, 5)},
          .attr = {A_INTS("kernel_shape", 2), A_INTS("pads", 1, 0),
                   A_STRING("auto_pad", "VALID")});
    FAILS(EUNSUPPORTED, "'auto_pad' is 'SAME'", "MaxPool", .in = {ACT(1, 1, 5)},
          .attr = {A_INTS("kernel_shape", 2), A_STRING("auto_pad", "SAME")});
    FAILS(EFORMAT, "'strides' has 2 values, expected 1", "MaxPool",
          .in = {ACT(1, 1, 5)},
          .attr = {A_INTS("kernel_shape", 2), A_INTS("strides", 2, 2)});
    FAILS(EUNSUPPORTED, "holds 0; it must be at least 1", "MaxPool",
          .in = {ACT(1, 1, 5)},
          .attr = {A_INTS("kernel_shape", 2), A_INTS("strides", 0)});
    FAILS(EFORMAT, "the input has 2 axes", "GlobalAveragePool",
          .in = {ACT(1, 5)});
    FAILS(EUNSUPPORTED, "indices", "MaxPool", .n_out = 2, .in = {ACT(1, 1, 5)},
          .attr = {A_INTS("kernel_shape", 2)});
}

/* Where several elements are largest, the first one takes the derivative. */
static void first_maximum_wins(void) {
    static const double flat[3] = {1, 1, 1};
    op_case             c = {
                    "GlobalMaxPool",
                    .in = {{.kind = OP_ACT, .shape = OP_SHAPE(1, 1, 3), .values = flat}}};
    op_run    r;
    real      y[1], one[1] = {1}, bar[3] = {0};
    op_planes q = {.val = {y}, .bar = {one}, .in_bar = {bar}};
    if (CHECK_OK(op_open(&r, &c))) {
        op_call(&r, OP_FORWARD, 0, &q);
        op_call(&r, OP_ADJOINT, 0, &q);
        CHECK(bar[0] == 1 && bar[1] == 0 && bar[2] == 0);
    }
    op_close(&r);
}

static void reductions(void) {
    VALUE(SHAPE(2, 1), VALUES(1, 4), "ReduceMean", .in = {ACT(2, 3)},
          .attr = {A_INTS("axes", -1)});
    VALUE(SHAPE(3), VALUES(3, 5, 7), "ReduceSum", .in = {ACT(2, 3), INTS(0)},
          .attr = {A_INT("keepdims", 0)});
    VALUE(SHAPE(1, 3, 1), VALUES(7, 9, 11), "ReduceMax", .opset = 18,
          .in = {ACT(2, 3, 2), INTS(0, 2)});
    VALUE(SHAPE(1, 1), VALUES(15), "ReduceSum", .in = {ACT(2, 3)});
    VALUE(SHAPE(2, 2), VALUES(0, 1, 2, 3), "ReduceSum", .in = {ACT(2, 2)},
          .attr = {A_INT("noop_with_empty_axes", 1)});
    IDENTITIES("ReduceMean", .in = {ACT(2, 3, 2, 2)},
               .attr = {A_INTS("axes", 1, 3), A_INT("keepdims", 0)});
    IDENTITIES("ReduceMean", .opset = 18, .in = {ACT(2, 3, 2), INTS(-1)});
    IDENTITIES("ReduceSum", .in = {ACT(2, 3, 2), INTS(1)});
    IDENTITIES("ReduceMax", .in = {ACT(2, 3, 4)}, .attr = {A_INTS("axes", 1)});
    FAILS(EFORMAT, "axis 2 is out of range", "ReduceSum",
          .in = {ACT(2, 3), INTS(2)});
    FAILS(EUNSUPPORTED, "holds integers", "ReduceMean", .in = {INTS(1, 2)});
}

/* Wherever it stands in the window. */
static void maximum_keeps_nan(void) {
    for (int at = 0; at < 3; at++) {
        double values[3] = {1, 3, 2};
        values[at] = NAN;
        op_case   c = {"GlobalMaxPool", .in = {{.kind = OP_ACT,
                                                .shape = OP_SHAPE(1, 1, 3),
                                                .values = values}}};
        op_run    r;
        real      y[1];
        op_planes q = {.val = {y}};
        if (CHECK_OK(op_open(&r, &c))) {
            op_call(&r, OP_FORWARD, 0, &q);
            CHECK(isnan(y[0]));
        }
        op_close(&r);
    }
}

/* ops.def and the table agree; no name twice. */
static void table(void) {
    size_t n = 0;
    for (const hawq_op *op; (op = hawq_op_at(n)); n++)
        CHECK(hawq_op_find(op->name) == op && op->shape);
    CHECK(n > 20 && !hawq_op_find("NoSuchOperator"));
}

int main(void) {
    table();
    reshaping();
    dropout_mask();
    moving();
    moving_identities();
    padding();
    concat_and_split();
    folding();
    folding_fails();
    pools();
    pools_by_definition();
    first_maximum_wins();
    maximum_keeps_nan();
    reductions();
    DONE();
}
