/* test_ops_f64.c -- the operators that compute, each in all its forms through
 * the identities of tests/op_harness.h, and their values against the formulas.
 * Those that move values are in test_move_ops_f64.c.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/mm.h"
#include "tests/op_harness.h"

static const op_case convolutions[] = {
    {"Conv", .in = {ACT(2, 3, 5, 6), WEIGHT(4, 3, 3, 3), WEIGHT(4)}},
    {"Conv", .in = {ACT(2, 3, 5, 6), WEIGHT(4, 3, 3, 3), FIXED(4)},
     .attr = {A_INTS("pads", 1, 1, 1, 1)}},
    {"Conv", .in = {ACT(1, 2, 7, 6), WEIGHT(3, 2, 3, 2)},
     .attr = {A_INTS("pads", 0, 1, 2, 0), A_INTS("strides", 2, 3)}},
    {"Conv", .in = {ACT(2, 4, 6, 6), WEIGHT(6, 2, 3, 3), WEIGHT(6)},
     .attr = {A_INT("group", 2), A_INTS("dilations", 2, 1),
              A_INTS("pads", 2, 1, 2, 1)}},
    {"Conv", .in = {ACT(2, 3, 5, 5), WEIGHT(3, 1, 3, 3), WEIGHT(3)},
     .attr = {A_INT("group", 3), A_INTS("pads", 1, 1, 1, 1)}},
    {"Conv", .in = {ACT(1, 3, 5, 5), WEIGHT(6, 1, 3, 3)},
     .attr = {A_INT("group", 3), A_INTS("strides", 2, 2),
              A_INTS("pads", 0, 0, 1, 1)}},
    {"Conv", .in = {ACT(2, 4, 3, 3), WEIGHT(5, 4, 1, 1), WEIGHT(5)}},
    {"Conv", .in = {ACT(2, 4, 5, 5), WEIGHT(2, 4, 1, 1)},
     .attr = {A_INTS("strides", 2, 2)}},
    {"Conv", .in = {ACT(2, 3, 9), WEIGHT(2, 3, 4), WEIGHT(2)},
     .attr = {A_INTS("pads", 2, 1), A_INTS("strides", 2)}},
    {"Conv", .in = {ACT(1, 1, 6, 5), WEIGHT(2, 1, 3, 3)},
     .attr = {A_STRING("auto_pad", "SAME_UPPER"), A_INTS("strides", 2, 2)}},
    {"Conv", .in = {ACT(1, 1, 6, 5), WEIGHT(2, 1, 4, 4)},
     .attr = {A_STRING("auto_pad", "SAME_LOWER")}},
    {"Conv", .in = {FIXED(1, 1, 4, 4), ACT(2, 1, 3, 3)}},
};

static const op_case products[] = {
    {"Gemm", .in = {ACT(3, 4), WEIGHT(4, 5), WEIGHT(5)}},
    {"Gemm", .in = {ACT(3, 4), WEIGHT(5, 4), WEIGHT(3, 1)},
     .attr = {A_INT("transB", 1), A_FLOAT("alpha", 0.5), A_FLOAT("beta", -2)}},
    {"Gemm", .in = {ACT(4, 3), WEIGHT(4, 5)}, .attr = {A_INT("transA", 1)}},
    {"Gemm", .in = {ACT(4, 3), WEIGHT(5, 4), WEIGHT(1)},
     .attr = {A_INT("transA", 1), A_INT("transB", 1)}},
    {"MatMul", .in = {ACT(3, 4), WEIGHT(4, 5)}},
    {"MatMul", .in = {ACT(2, 3, 4), WEIGHT(4, 5)}},
    {"MatMul", .in = {ACT(2, 3, 4), ACT(2, 4, 5)}},
    {"MatMul", .in = {ACT(2, 1, 3, 4), ACT(3, 4, 2)}},
    {"MatMul", .in = {ACT(3, 2), ACT(2, 2, 3)}},
    {"MatMul", .in = {ACT(4), ACT(4, 3)}},
    {"MatMul", .in = {ACT(2, 3, 4), ACT(4)}},
};

static const op_case elementwise[] = {
    {"BatchNormalization", .in = {ACT(2, 3, 2, 2), FIXED(3), FIXED(3), FIXED(3),
                                  FIXED_IN(0.5, 2, 3)}},
    {"BatchNormalization",
     .in = {ACT(4, 3), FIXED(3), FIXED(3), FIXED(3), FIXED_IN(0.5, 2, 3)},
     .attr = {A_FLOAT("epsilon", 0.1)}},
    {"Add", .in = {ACT(2, 3, 4), ACT(2, 3, 4)}},
    {"Add", .in = {ACT(2, 3, 4), WEIGHT(3, 1)}},
    {"Add", .in = {WEIGHT(1), ACT(2, 3)}},
    {"Sub", .in = {ACT(2, 3, 4), ACT(1, 4)}},
    {"Sub", .in = {WEIGHT(3, 1), ACT(3, 4)}},
    {"Mul", .in = {ACT(2, 3, 4), ACT(2, 3, 4)}},
    {"Mul", .in = {ACT(2, 3, 4), WEIGHT(3, 1)}},
    {"Div", .in = {ACT(2, 3), ACT_IN(0.5, 2, 2, 3)}},
    {"Div", .in = {ACT(1), ACT_IN(0.5, 2, 2, 3)}},
    {"Relu", .in = {ACT(3, 40)}},
    {"LeakyRelu", .in = {ACT(3, 40)}, .attr = {A_FLOAT("alpha", 0.2)}},
    {"Clip", .in = {ACT(3, 40), FIXED_SCALAR(-0.5), FIXED_SCALAR(0.25)}},
    {"Clip", .in = {ACT(3, 40), OMITTED, FIXED_SCALAR(0.25)}},
    {"Clip", .opset = 7, .in = {ACT(3, 40)},
     .attr = {A_FLOAT("min", -0.5), A_FLOAT("max", 0.25)}},
    {"Sigmoid", .in = {ACT_IN(-3, 3, 20)}},
    {"Tanh", .in = {ACT_IN(-2, 2, 20)}},
    {"Exp", .in = {ACT(20)}},
    {"Log", .in = {ACT_IN(0.5, 3, 20)}},
    {"Sqrt", .in = {ACT_IN(0.5, 3, 20)}},
    {"Neg", .in = {ACT(20)}},
    {"Abs", .in = {ACT(20)}},
};

#define EACH(list)                                                             \
    for (size_t i = 0; i < sizeof(list) / sizeof *(list); i++)                 \
    op_check(&(list)[i])

/* The convolution's defining sum, over every form above. */
static double conv_at(const op_run *r, int64_t n, int64_t o, int64_t y,
                      int64_t x) {
    const hawq_shape *in = &r->in[0]->shape, *w = &r->in[1]->shape;
    const hawq_attr  *pads = hawq_attr_find(r->node, "pads");
    const hawq_attr  *strides = hawq_attr_find(r->node, "strides");
    const hawq_attr  *dilations = hawq_attr_find(r->node, "dilations");
    int64_t group = hawq_attr_int(r->node, "group", 1), per = w->dim[1];
    int64_t first = o / (w->dim[0] / group) * per;
    double  sum = r->n_in > 2 ? (double)r->x[2][o] : 0;
    for (int64_t c = 0; c < per; c++)
        for (int64_t ky = 0; ky < w->dim[2]; ky++)
            for (int64_t kx = 0; kx < w->dim[3]; kx++) {
                int64_t iy = y * (strides ? strides->ints[0] : 1) +
                             ky * (dilations ? dilations->ints[0] : 1) -
                             (pads ? pads->ints[0] : 0);
                int64_t ix = x * (strides ? strides->ints[1] : 1) +
                             kx * (dilations ? dilations->ints[1] : 1) -
                             (pads ? pads->ints[1] : 0);
                if (iy < 0 || ix < 0 || iy >= in->dim[2] || ix >= in->dim[3])
                    continue;
                sum +=
                    (double)r->x[0][((n * in->dim[1] + first + c) * in->dim[2] +
                                     iy) *
                                        in->dim[3] +
                                    ix] *
                    (double)
                        r->x[1]
                            [((o * per + c) * w->dim[2] + ky) * w->dim[3] + kx];
            }
    return sum;
}

static void convolution_is_its_sum(void) {
    for (size_t i = 0; i < 8; i++) { /* the 2-D cases with explicit padding */
        op_run    r;
        op_planes q = {0};
        if (CHECK_OK(op_open(&r, &convolutions[i]))) {
            const int64_t *d = r.out[0]->shape.dim;
            op_new_out(&r, q.val);
            op_call(&r, OP_FORWARD, 0, &q);
            for (size_t k = 0; k < r.out[0]->n; k++) {
                int64_t at = (int64_t)k, x = at % d[3], y = at / d[3] % d[2];
                int64_t o = at / (d[3] * d[2]) % d[1];
                CHECK_NEAR(q.val[0][k],
                           conv_at(&r, at / (d[3] * d[2] * d[1]), o, y, x),
                           1e-12);
            }
            op_free(q.val, r.n_out);
        }
        op_close(&r);
    }
}

static const op_case gemm_values = {"Gemm", .iota = true,
                                    .in = {ACT(2, 2), ACT(2, 2), ACT(2)}};
static const op_case relu_values = {
    "Relu", .in = {{.kind = OP_ACT,
                    .shape = OP_SHAPE(4),
                    .values = (const double[]){-2, 0, 0.5, 3}}}};
static const op_case clip_values = {
    "Clip", .in = {{.kind = OP_ACT,
                    .shape = OP_SHAPE(4),
                    .values = (const double[]){-2, 0, 5, 7}},
                   FIXED_SCALAR(0),
                   FIXED_SCALAR(6)}};
static const op_case divide_values = {"Div",
                                      .in = {INTS(7, -7, 9), INTS(2, 2, 3)}};

static void values(void) {
    hawq_shape square = {2, {2, 2}}, four = {1, {4}}, three = {1, {3}};
    /* (0 1; 2 3) (100 101; 102 103) + (200 201) */
    op_check_values(&gemm_values, &square, (double[]){302, 304, 706, 712}, 4);
    op_check_values(&relu_values, &four, (double[]){0, 0, 0.5, 3}, 4);
    op_check_values(&clip_values, &four, (double[]){0, 0, 5, 6}, 4);
    op_check_values(&divide_values, &three, (double[]){3, -3, 3}, 3);
}

static void refusals(void) {
    static const op_case rank = {"Conv", .in = {ACT(2, 3), WEIGHT(2, 3)}};
    static const op_case channels = {
        "Conv", .in = {ACT(1, 3, 4, 4), WEIGHT(2, 4, 3, 3)}};
    static const op_case attribute = {"Relu", .in = {ACT(3)},
                                      .attr = {A_INT("slope", 1)}};
    static const op_case shapes = {"Gemm", .in = {ACT(2, 3), ACT(4, 5)}};
    static const op_case matmul = {"MatMul", .in = {ACT(2, 3), ACT(4, 5)}};
    static const op_case lead = {"MatMul", .in = {ACT(2, 3, 4), ACT(3, 4, 5)}};
    static const op_case training = {
        "BatchNormalization",
        .in = {ACT(2, 3), FIXED(3), FIXED(3), FIXED(3), FIXED(3)},
        .attr = {A_INT("training_mode", 1)}};
    op_check_fails(&rank, HAWQ_EUNSUPPORTED, "input has shape 2x3");
    op_check_fails(&channels, HAWQ_EFORMAT, "weight 2x4x3x3 does not fit");
    op_check_fails(&attribute, HAWQ_EUNSUPPORTED, "attribute 'slope'");
    op_check_fails(&shapes, HAWQ_EFORMAT, "shapes 2x3 and 4x5");
    op_check_fails(&matmul, HAWQ_EFORMAT, "shapes 2x3 and 4x5");
    op_check_fails(&lead, HAWQ_EFORMAT, "leading axes 2 and 3");
    op_check_fails(&training, HAWQ_EUNSUPPORTED, "evaluation mode");
}

int main(void) {
    if (!CHECK_OK(hawq_mm_open())) DONE();
    EACH(convolutions);
    EACH(products);
    EACH(elementwise);
    convolution_is_its_sum();
    values();
    refusals();
    DONE();
}
