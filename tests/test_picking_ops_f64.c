/* test_picking_ops_f64.c -- operators that pick, replace or judge elements, and
 * LRN. Claims: each satisfies the identities of op_harness.h; values are those
 * of the definitions, of constants, too; bad forms are refused.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/op_harness.h"

static const op_case cases[] = {
    {"TopK", .in = {ACT(3, 7), INTS(4)}},
    {"TopK", .n_out = 2, .in = {ACT(2, 5, 3), INTS(2)},
     .attr = {A_INT("axis", 1), A_INT("largest", 0)}},
    {"TopK", .opset = 9, .n_out = 2, .in = {ACT(4, 2)},
     .attr = {A_INT("axis", 0), A_INT("k", 3)}},
    {"ScatterND", .in = {ACT(4, 3), INTS(2), ACT(3)}},
    {"LRN", .in = {ACT_IN(-2, 2, 2, 7, 3)},
     .attr = {A_INT("size", 5), A_FLOAT("alpha", 0.7), A_FLOAT("beta", 0.6),
              A_FLOAT("bias", 1.3)}},
    {"LRN", .in = {ACT_IN(-2, 2, 2, 4, 2, 2)},
     .attr = {A_INT("size", 4), A_FLOAT("alpha", 2)}},
    {"LRN", .in = {ACT_IN(-2, 2, 3, 2)},
     .attr = {A_INT("size", 9), A_FLOAT("alpha", 3)}},
    {"IsNaN", .in = {ACT(5)}},
    {"IsInf", .in = {ACT(5)}},
};

/* An index with the shape it is wanted in. */
static op_in index_of(hawq_shape shape, const int64_t *values) {
    return (op_in){.kind = OP_INTS, .shape = shape, .ints = values};
}

static op_in floats_of(hawq_shape shape, const double *values) {
    return (op_in){.kind = OP_FIXED, .shape = shape, .values = values};
}

static void scattering(void) {
    static const int64_t rows[] = {2, 0, 1, 2}, cells[] = {0, 1, 3, 2, 0, 1};
    op_case              replace = {
                     "ScatterElements",
                     .in = {ACT(3, 2), {0}, {.kind = OP_ACT, .shape = {2, {2, 2}}}}};
    replace.in[1] = index_of((hawq_shape){2, {2, 2}}, rows);
    op_check(&replace);
    op_case add = replace;
    add.attr[0] = (hawq_attr)A_STRING("reduction", "add");
    op_check(&add);
    op_case nd = {
        "ScatterND",
        .in = {ACT(4, 3, 2), {0}, {.kind = OP_ACT, .shape = {2, {3, 2}}}}};
    nd.in[1] = index_of((hawq_shape){2, {3, 2}}, cells);
    op_check(&nd); /* the first and the last go to one place */
    nd.attr[0] = (hawq_attr)A_STRING("reduction", "add");
    op_check(&nd);
}

static void scattered_values(void) {
    static const int64_t at[] = {1, 1, -1};
    op_case c = {"ScatterElements", .iota = true, .in = {ACT(4), {0}, ACT(3)}};
    c.in[1] = index_of((hawq_shape){1, {3}}, at);
    op_check_values(&c, SHAPE(4), VALUES(0, 201, 2, 202));
    c.in[0].kind = c.in[2].kind = OP_FIXED;
    op_check_values(&c, SHAPE(4), VALUES(0, 201, 2, 202));
    c.attr[0] = (hawq_attr)A_STRING("reduction", "add");
    op_check_values(&c, SHAPE(4), VALUES(0, 402, 2, 205));
    c.attr[0] = (hawq_attr){0};
    c.in[0] = (op_in)INTS(7, 7, 7, 7);
    c.in[2] = (op_in)INTS(1, 2, 3);
    op_check_values(&c, SHAPE(4), VALUES(7, 2, 7, 3));
    VALUE(SHAPE(3), VALUES(0, 1, 200), "Scatter", .opset = 9,
          .in = {ACT(3), INTS(2), ACT(1)});
    static const int64_t row[] = {1};
    op_case nd = {"ScatterND", .iota = true, .in = {ACT(2, 2), {0}, ACT(1, 2)}};
    nd.in[1] = index_of((hawq_shape){2, {1, 1}}, row);
    op_check_values(&nd, SHAPE(2, 2), VALUES(0, 1, 200, 201));
    FAILS(EUNSUPPORTED, "reduction 'mul'", "ScatterElements",
          .in = {ACT(4), INTS(1), ACT(1)},
          .attr = {A_STRING("reduction", "mul")});
    FAILS(EFORMAT, "out of range for length 4", "ScatterElements",
          .in = {ACT(4), INTS(4), ACT(1)});
    FAILS(EFORMAT, "have shape 2, expected 1", "ScatterElements",
          .in = {ACT(4), INTS(3), ACT(2)});
    FAILS(EFORMAT, "different types", "ScatterElements",
          .in = {ACT(4), INTS(3), INTS(2)});
    FAILS(EFORMAT, "does not fit", "ScatterND",
          .in = {ACT(4), INTS(1, 2), ACT(1)});
}

static void top_values(void) {
    static const double x[] = {3, 1, 3, -2, 5};
    op_case             c = {"TopK", .n_out = 2, .in = {{0}, INTS(3)}};
    c.in[0] = floats_of((hawq_shape){2, {1, 5}}, x);
    op_check_values(&c, SHAPE(1, 3), VALUES(5, 3, 3, 4, 0, 2));
    c.in[0].kind = OP_ACT;
    op_check_values(&c, SHAPE(1, 3), VALUES(5, 3, 3, 4, 0, 2));
    c.attr[0] = (hawq_attr)A_INT("largest", 0);
    op_check_values(&c, SHAPE(1, 3), VALUES(-2, 1, 3, 3, 1, 0));
    VALUE(SHAPE(2), VALUES(9, 4, 1, 0), "TopK", .n_out = 2,
          .in = {INTS(4, 9, 4), INTS(2)});
    FAILS(EFORMAT, "k is 4", "TopK", .in = {ACT(3), INTS(4)});
    FAILS(EFORMAT, "axis 1", "TopK", .in = {ACT(3), INTS(1)},
          .attr = {A_INT("axis", 1)});
}

/* x = 1 2 3 of three channels, windows of 2: each and the next. */
static void normalized(void) {
    static const double x[] = {1, 2, 3};
    op_case c = {"LRN", .attr = {A_INT("size", 2), A_FLOAT("alpha", 2),
                                 A_FLOAT("beta", 1), A_FLOAT("bias", 1)}};
    c.in[0] = floats_of((hawq_shape){2, {1, 3}}, x);
    op_check_values(&c, SHAPE(1, 3), VALUES(1. / 6, 2. / 14, 3. / 10));
    FAILS(EFORMAT, "size is 0", "LRN", .in = {ACT(1, 3)});
    FAILS(EUNSUPPORTED, "bias is 0", "LRN", .in = {ACT(1, 3)},
          .attr = {A_INT("size", 1), A_FLOAT("bias", 0)});
}

static void judged(void) {
    static const double x[] = {0, INFINITY, -INFINITY, 1};
    op_case             c = {.op = "IsInf"};
    for (int kind = OP_ACT; kind <= OP_FIXED; kind++) {
        c.in[0] = floats_of((hawq_shape){1, {4}}, x);
        c.in[0].kind = kind;
        c.attr[0] = c.attr[1] = (hawq_attr){0};
        op_check_values(&c, SHAPE(4), VALUES(0, 1, 1, 0));
        c.attr[0] = (hawq_attr)A_INT("detect_negative", 0);
        op_check_values(&c, SHAPE(4), VALUES(0, 1, 0, 0));
        c.attr[1] = (hawq_attr)A_INT("detect_positive", 0);
        op_check_values(&c, SHAPE(4), VALUES(0, 0, 0, 0));
        c.attr[0] = (hawq_attr)A_INT("detect_positive", 0);
        c.attr[1] = (hawq_attr){0};
        op_check_values(&c, SHAPE(4), VALUES(0, 0, 1, 0));
    }
    static const double nan[] = {0, NAN, -INFINITY};
    op_case             n = {.op = "IsNaN"};
    n.in[0] = floats_of((hawq_shape){1, {3}}, nan);
    op_check_values(&n, SHAPE(3), VALUES(0, 1, 0));
    n.in[0].kind = OP_ACT;
    op_check_values(&n, SHAPE(3), VALUES(0, 1, 0));
    VALUE(SHAPE(2), VALUES(0, 0), "IsNaN", .in = {INTS(1, 2)});
}

int main(void) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        op_check(&cases[i]);
    scattering();
    scattered_values();
    top_values();
    normalized();
    judged();
    DONE();
}
