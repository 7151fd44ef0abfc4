/* test_move_ops_f64.c -- operators that move values or make constants. Claims:
 * in every ONNX form they yield hand-computed values; their four functions
 * satisfy the identities of op_harness.h; integer constants fold; bad forms are
 * refused with a sentence that says what was found; without memory they fail
 * and nothing else.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/op_harness.h"

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
    FAILS(EFORMAT, "one operand is integer", "Equal", .in = {ACT(2), INTS(1)});
    FAILS(EUNSUPPORTED, "more than 67108864", "ConstantOfShape",
          .in = {INTS(32768, 32768)});
    FAILS(EFORMAT, "would have shape", "ConstantOfShape", .in = {INTS(-1)});
    FAILS(EFORMAT, "0 attributes", "Constant", .opset = 13);
    FAILS(EUNSUPPORTED, "holds text", "Constant",
          .attr = {A_STRING("value", "abc")});
}

/* ops.def and the table agree; no name twice. */
static void table(void) {
    size_t n = 0;
    for (const hawq_op *op; (op = hawq_op_at(n)); n++)
        CHECK(hawq_op_find(op->name) == op && op->shape);
    CHECK(n > 20 && !hawq_op_find("NoSuchOperator"));
}

static void out_of_memory(void) {
    const op_case cases[] = {
        {"Transpose", .in = {ACT(40, 50, 60)}},
        {"Pad", .in = {ACT(40, 50, 60), INTS(1, 1, 1, 1, 1, 1)}},
        {"Gather", .in = {ACT(400, 60), INTS(1, 2)},
         .attr = {A_INT("axis", 1)}},
        {"Where", .in = {INTS(1), ACT(40, 500), ACT(40, 1)}},
        {"Expand", .in = {FIXED(40, 1), INTS(40, 500)}},
        {"ConstantOfShape", .in = {INTS(40, 500)}},
        {"MaxPool", .in = {ACT(1, 1, 100, 100)},
         .attr = {A_INTS("kernel_shape", 3, 3)}},
        {"ReduceMean", .in = {ACT(100, 100)}, .attr = {A_INTS("axes", 0)}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        op_check_starved(&cases[i]);
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
    out_of_memory();
    DONE();
}
