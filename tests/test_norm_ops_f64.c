/* test_norm_ops_f64.c -- Softmax, LogSoftmax and the normalizations. Claims:
 * every form satisfies the identities of op_harness.h, with respect to the
 * input, the scale and the bias; values are those of the formulas; nothing
 * overflows far out.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/op_harness.h"

static const op_case softmaxes[] = {
    {"Softmax", .in = {ACT(3, 5)}},
    {"Softmax", .in = {ACT(2, 3, 4)}, .attr = {A_INT("axis", 1)}},
    {"Softmax", .in = {ACT_IN(-9, 9, 2, 3, 4)}, .attr = {A_INT("axis", 0)}},
    {"Softmax", .opset = 11, .in = {ACT(2, 3, 2)}},
    {"Softmax", .opset = 11, .in = {ACT(2, 3)}, .attr = {A_INT("axis", 2)}},
    {"LogSoftmax", .in = {ACT(3, 5)}},
    {"LogSoftmax", .in = {ACT_IN(-9, 9, 2, 3, 4)}, .attr = {A_INT("axis", 1)}},
    {"LogSoftmax", .opset = 11, .in = {ACT(2, 3, 2)}},
};

static const op_case norms[] = {
    {"LayerNormalization", .opset = 17, .in = {ACT(3, 5), WEIGHT(5)}},
    {"LayerNormalization", .opset = 17,
     .in = {ACT(2, 3, 4), WEIGHT(4), WEIGHT(4)},
     .attr = {A_FLOAT("epsilon", 0.1)}},
    {"LayerNormalization", .opset = 17,
     .in = {ACT(2, 3, 4), FIXED(3, 4), FIXED(3, 4)},
     .attr = {A_INT("axis", 1)}},
    {"LayerNormalization", .opset = 17, .n_out = 3,
     .in = {ACT(2, 3, 4), WEIGHT(4), WEIGHT(4)}},
    {"LayerNormalization", .opset = 17, .n_out = 2,
     .in = {ACT(2, 4), WEIGHT(4)}},
    {"RMSNormalization", .opset = 22, .in = {ACT(3, 5), WEIGHT(5)}},
    {"RMSNormalization", .opset = 22, .in = {ACT(2, 3, 4), WEIGHT(3, 4)},
     .attr = {A_INT("axis", -2), A_FLOAT("epsilon", 0.1)}},
    {"GroupNormalization", .opset = 18,
     .in = {ACT(2, 6, 2, 2), WEIGHT(3), WEIGHT(3)},
     .attr = {A_INT("num_groups", 3)}},
    {"GroupNormalization", .opset = 21,
     .in = {ACT(2, 6, 2, 2), WEIGHT(6), WEIGHT(6)},
     .attr = {A_INT("num_groups", 3), A_FLOAT("epsilon", 0.1)}},
    {"GroupNormalization", .opset = 21,
     .in = {ACT(2, 4, 3), WEIGHT(4), WEIGHT(4)},
     .attr = {A_INT("num_groups", 1)}},
    {"InstanceNormalization", .in = {ACT(2, 3, 2, 2), WEIGHT(3), WEIGHT(3)}},
    {"InstanceNormalization", .in = {ACT(2, 3, 4), WEIGHT(3), WEIGHT(3)},
     .attr = {A_FLOAT("epsilon", 0.1)}},
};

/* --- values -------------------------------------------------------------- */

static void values(void) {
    const double e = exp(1), s = 1 + e;
    VALUE(SHAPE(2, 2), VALUES(1 / s, e / s, 1 / s, e / s), "Softmax",
          .in = {ACT(2, 2)});
    VALUE(SHAPE(1, 2), VALUES(-log(s), 1 - log(s)), "LogSoftmax",
          .in = {ACT(1, 2)});
    /* a group 0 1 2 3: mean 1.5, variance 1.25, mean square 3.5 */
    const double r = 1 / sqrt(1.25), q = 1 / sqrt(3.5);
    VALUE(SHAPE(1, 4),
          VALUES(200 - 150 * r, 201 - 50.5 * r, 202 + 51 * r, 203 + 154.5 * r),
          "LayerNormalization", .opset = 17, .in = {ACT(1, 4), ACT(4), ACT(4)},
          .attr = {A_FLOAT("epsilon", 0)});
    VALUE(SHAPE(1, 4), VALUES(0, 101 * q, 204 * q, 309 * q), "RMSNormalization",
          .opset = 22, .in = {ACT(1, 4), ACT(4)},
          .attr = {A_FLOAT("epsilon", 0)});
    VALUE(SHAPE(1, 2, 2), VALUES(200 - 100, 200 + 100, 201 - 101, 201 + 101),
          "InstanceNormalization", .in = {ACT(1, 2, 2), ACT(2), ACT(2)},
          .attr = {A_FLOAT("epsilon", 0)});
    VALUE(SHAPE(1, 2, 2),
          VALUES(200 - 150 * r, 200 - 50 * r, 201 + 50.5 * r, 201 + 151.5 * r),
          "GroupNormalization", .opset = 21,
          .in = {ACT(1, 2, 2), ACT(2), ACT(2)},
          .attr = {A_FLOAT("epsilon", 0), A_INT("num_groups", 1)});
}

static void far_out(void) {
    static const double x[] = {-2000, 1000, 1000, 0};
    op_case             c = {"Softmax", .in = {ACT(4)}};
    c.in[0].values = x;
    op_check_values(&c, SHAPE(4), VALUES(0, 0.5, 0.5, 0));
    c.op = "LogSoftmax";
    op_check_values(&c, SHAPE(4),
                    VALUES(-3000 - log(2), -log(2), -log(2), -1000 - log(2)));
}

static void refusals(void) {
    FAILS(EFORMAT, "axis 2 is out of range", "Softmax", .in = {ACT(2, 3)},
          .attr = {A_INT("axis", 2)});
    FAILS(EFORMAT, "'x1' has 3 elements, expected 4", "LayerNormalization",
          .opset = 17, .in = {ACT(2, 4), WEIGHT(3)});
    FAILS(EFORMAT, "input 2x4x3 is not cut into 3 groups", "GroupNormalization",
          .opset = 21, .in = {ACT(2, 4, 3), WEIGHT(4), WEIGHT(4)},
          .attr = {A_INT("num_groups", 3)});
    FAILS(EUNSUPPORTED, "the input is empty", "InstanceNormalization",
          .in = {ACT(0, 2, 3), WEIGHT(2), WEIGHT(2)});
}

int main(void) {
    for (size_t i = 0; i < sizeof softmaxes / sizeof *softmaxes; i++)
        op_check(&softmaxes[i]);
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++)
        op_check(&norms[i]);
    values();
    far_out();
    refusals();
    DONE();
}
