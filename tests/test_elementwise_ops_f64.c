/* test_elementwise_ops_f64.c -- operators that work element by element. Claims:
 * each satisfies the identities of op_harness.h on both sides of its kinks;
 * at the kinks the derivative is the usual subgradient; integer constants
 * fold; bad forms are refused.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/op_harness.h"

static const op_case smooth[] = {
    {"Elu", .in = {ACT_IN(-3, 3, 40)}, .attr = {A_FLOAT("alpha", 0.7)}},
    {"Selu", .in = {ACT_IN(-3, 3, 40)}},
    {"Selu", .in = {ACT_IN(-3, 3, 40)},
     .attr = {A_FLOAT("alpha", 2), A_FLOAT("gamma", 3)}},
    {"Celu", .in = {ACT_IN(-3, 3, 40)}, .attr = {A_FLOAT("alpha", 0.7)}},
    {"ThresholdedRelu", .in = {ACT_IN(-3, 3, 40)},
     .attr = {A_FLOAT("alpha", 0.7)}},
    {"Softplus", .in = {ACT_IN(-9, 9, 40)}},
    {"Softsign", .in = {ACT_IN(-3, 3, 40)}},
    {"Mish", .in = {ACT_IN(-6, 6, 40)}},
    {"HardSigmoid", .in = {ACT_IN(-4, 4, 40)}},
    {"HardSigmoid", .in = {ACT_IN(-4, 4, 40)},
     .attr = {A_FLOAT("alpha", 0.5), A_FLOAT("beta", 0.6)}},
    {"HardSwish", .in = {ACT_IN(-5, 5, 40)}},
    {"Erf", .in = {ACT_IN(-2, 2, 40)}},
    {"Gelu", .opset = 20, .in = {ACT_IN(-4, 4, 40)}},
    {"Gelu", .opset = 20, .in = {ACT_IN(-4, 4, 40)},
     .attr = {A_STRING("approximate", "tanh")}},
    {"Reciprocal", .in = {ACT_IN(0.5, 2, 20)}},
    {"Reciprocal", .in = {ACT_IN(-2, -0.5, 20)}},
    {"Sin", .in = {ACT_IN(-3, 3, 20)}},
    {"Cos", .in = {ACT_IN(-3, 3, 20)}},
    {"Tan", .in = {ACT(20)}},
    {"Asin", .in = {ACT_IN(-0.8, 0.8, 20)}},
    {"Acos", .in = {ACT_IN(-0.8, 0.8, 20)}},
    {"Atan", .in = {ACT_IN(-3, 3, 20)}},
    {"Sinh", .in = {ACT(20)}},
    {"Cosh", .in = {ACT(20)}},
    {"Asinh", .in = {ACT_IN(-3, 3, 20)}},
    {"Acosh", .in = {ACT_IN(1.5, 3, 20)}},
    {"Atanh", .in = {ACT_IN(-0.8, 0.8, 20)}},
    {"Floor", .in = {ACT_IN(-3, 3, 20)}},
    {"Ceil", .in = {ACT_IN(-3, 3, 20)}},
    {"Round", .in = {ACT_IN(-3, 3, 20)}},
    {"Sign", .in = {ACT_IN(-3, 3, 20)}},
};

static const op_case several[] = {
    {"Pow", .in = {ACT_IN(0.5, 2, 2, 3), ACT_IN(-2, 2, 2, 3)}},
    {"Pow", .in = {ACT_IN(0.5, 2, 2, 3), ACT(3)}},
    {"Pow", .in = {ACT_IN(0.5, 2, 1), ACT(2, 3)}},
    {"Pow", .in = {ACT(2, 3), FIXED_SCALAR(2)}},
    {"Pow", .in = {ACT(2, 3), FIXED_SCALAR(3)}},
    {"Pow", .in = {ACT(2, 3), INT_SCALAR(3)}},
    {"Pow", .in = {ACT(3), INTS(1, 2, 0)}},
    {"Pow", .in = {ACT_IN(0.5, 2, 2, 3), FIXED_SCALAR(-0.5)}},
    {"Mod", .in = {ACT_IN(-5, 5, 2, 4), ACT_IN(1, 2, 4)},
     .attr = {A_INT("fmod", 1)}},
    {"PRelu", .in = {ACT(2, 3, 4), WEIGHT(3, 1)}},
    {"PRelu", .in = {ACT(20), WEIGHT(1)}},
    {"Sum", .in = {ACT(2, 3)}},
    {"Sum", .in = {ACT(2, 3), WEIGHT(3), ACT(2, 1)}},
    {"Mean", .in = {ACT(2, 3), ACT(2, 3), WEIGHT(1)}},
    {"Max", .in = {ACT(2, 3), WEIGHT(3), ACT(2, 1)}},
    {"Min", .in = {ACT(2, 3), WEIGHT(3), ACT(2, 1)}},
    {"Min", .in = {ACT(2, 3)}},
    {"Greater", .in = {ACT(2, 3), FIXED_SCALAR(0)}},
    {"LessOrEqual", .in = {ACT(2, 3), ACT(3)}},
    {"Not", .in = {ACT(2, 3)}},
    {"Where", .in = {ACT(2, 3), ACT(3), ACT(2, 1)}},
    {"Where", .in = {INTS(0, 1, 0), ACT(2, 1), WEIGHT(1)}},
};

/* --- where functions are not smooth ------------------------------------ */

/* f, f' at the point x alone; f'' through the harness' own call. */
static void at_point(const char *op, double x, double f, double d) {
    op_case   c = {op, .opset = 20,
                   .in = {{.kind = OP_ACT, .shape = OP_SHAPE(1), .values = &x}}};
    op_run    r;
    op_planes q = {0};
    if (CHECK_OK(op_open(&r, &c))) {
        real one = 1, bar = 0, y;
        q.val[0] = &y;
        q.bar[0] = &one;
        q.in_bar[0] = &bar;
        op_call(&r, OP_FORWARD, 0, &q);
        op_call(&r, OP_ADJOINT, 0, &q);
        if (!CHECK_NEAR(y, f, 1e-12) || !CHECK_NEAR(bar, d, 1e-12))
            printf("    %s at %g\n", op, x);
    }
    op_close(&r);
}

static void kinks(void) {
    at_point("Relu", 0, 0, 0);
    at_point("Abs", 0, 0, 0);
    at_point("Sign", 0, 0, 0);
    at_point("Selu", 0, 0, 1.05070102214813232421875 * 1.67326319217681884766);
    at_point("ThresholdedRelu", 1, 0, 0);
    at_point("HardSigmoid", 2.5, 1, 0);
    at_point("HardSwish", -3, 0, 0);
    at_point("HardSwish", 3, 3, 1);
    at_point("Softsign", 0, 0, 1);
    /* no overflow far out */
    at_point("Softplus", 800, 800, 1);
    at_point("Softplus", -800, 0, 0);
    at_point("Mish", 800, 800, 1);
    at_point("Gelu", -40, 0, 0);
    at_point("Round", 2.5, 2, 0);
}

/* Of equal inputs the first counts; a polynomial has derivatives at zero. */
static void ties(void) {
    static const double zero[] = {0};
    op_case             c = {"Max", .in = {ACT(1), ACT(1)}};
    op_run              r;
    op_planes           q = {0};
    c.in[0].values = c.in[1].values = zero;
    if (CHECK_OK(op_open(&r, &c))) {
        real one = 1, bar[2] = {0, 0}, y;
        q.val[0] = &y;
        q.bar[0] = &one;
        q.in_bar[0] = &bar[0];
        q.in_bar[1] = &bar[1];
        op_call(&r, OP_FORWARD, 0, &q);
        op_call(&r, OP_ADJOINT, 0, &q);
        CHECK(bar[0] == 1 && bar[1] == 0);
    }
    op_close(&r);
    op_check(&(const op_case){
        "Pow", .in = {{.kind = OP_ACT, .shape = OP_SHAPE(1), .values = zero},
                      INTS(1, 2, 3)}});
}

/* A condition computed from the data is the numbers 0 and 1. */
static void conditions(void) {
    VALUE(SHAPE(3), VALUES(0, 0, 1), "Greater",
          .in = {ACT(3), FIXED_SCALAR(1)});
    VALUE(SHAPE(3), VALUES(1, 0, 0), "Not", .in = {ACT(3)});
    VALUE(SHAPE(3), VALUES(0, 1, 1), "And", .in = {ACT(3), ACT(3)});
    VALUE(SHAPE(3), VALUES(200, 101, 102), "Where",
          .in = {ACT(3), ACT(3), ACT(3)});
}

static void integers(void) {
    VALUE(SHAPE(3), VALUES(-3, 0, 2), "Neg", .in = {INTS(3, 0, -2)});
    VALUE(SHAPE(3), VALUES(3, 0, 2), "Abs", .in = {INTS(3, 0, -2)});
    VALUE(SHAPE(3), VALUES(1, 0, -1), "Sign", .in = {INTS(3, 0, -2)});
    VALUE(SHAPE(4), VALUES(1, 2, -1, 0), "Mod",
          .in = {INTS(7, -7, 8, 5), INTS(3, 3, -3, 0)});
    VALUE(SHAPE(2), VALUES(1, -1), "Mod", .in = {INTS(7, -7), INTS(3, 3)},
          .attr = {A_INT("fmod", 1)});
    VALUE(SHAPE(3), VALUES(8, -27, 1), "Pow",
          .in = {INTS(2, -3, 7), INTS(3, 3, 0)});
    VALUE(SHAPE(2), VALUES(2, 3), "Pow", .in = {INTS(4, 9), FIXED_SCALAR(0.5)});
    VALUE(SHAPE(2), VALUES(9, 8), "Sum", .in = {INTS(4, 3), INTS(3), INTS(2)});
    VALUE(SHAPE(2), VALUES(4, 3), "Max", .in = {INTS(4, 2), INTS(3)});
    VALUE(SHAPE(2), VALUES(3, 2), "Min", .in = {INTS(4, 2), INTS(3)});
    VALUE(SHAPE(3), VALUES(0, 1, 0), "Equal", .in = {INTS(1, 2, 3), INTS(2)});
    VALUE(SHAPE(3), VALUES(0, 0, 1), "Greater", .in = {INTS(1, 2, 3), INTS(2)});
    VALUE(SHAPE(3), VALUES(1, 0, 0), "Less", .in = {INTS(1, 2, 3), INTS(2)});
    VALUE(SHAPE(3), VALUES(0, 1, 1), "GreaterOrEqual",
          .in = {INTS(1, 2, 3), INTS(2)});
    VALUE(SHAPE(3), VALUES(1, 1, 0), "LessOrEqual",
          .in = {INTS(1, 2, 3), INTS(2)});
    VALUE(SCALAR, VALUES(1), "Less",
          .in = {FIXED_SCALAR(0.25), FIXED_SCALAR(0.5)});
    VALUE(SCALAR, VALUES(0), "LessOrEqual",
          .in = {FIXED_SCALAR(NAN), FIXED_SCALAR(0.5)});
    VALUE(SHAPE(4), VALUES(0, 0, 0, 1), "And",
          .in = {INTS(0, 0, 1, 1), INTS(0, 1, 0, 2)});
    VALUE(SHAPE(4), VALUES(0, 1, 1, 1), "Or",
          .in = {INTS(0, 0, 1, 1), INTS(0, 1, 0, 2)});
    VALUE(SHAPE(4), VALUES(0, 1, 1, 0), "Xor",
          .in = {INTS(0, 0, 1, 1), INTS(0, 1, 0, 2)});
    VALUE(SHAPE(3), VALUES(1, 0, 0), "Not", .in = {INTS(0, 1, 5)});
}

static void refusals(void) {
    FAILS(EUNSUPPORTED, "approximate 'fast'", "Gelu", .opset = 20,
          .in = {ACT(2)}, .attr = {A_STRING("approximate", "fast")});
    FAILS(EFORMAT, "slope 3 does not broadcast to input 2x1", "PRelu",
          .in = {ACT(2, 1), WEIGHT(3)});
    FAILS(EFORMAT, "fmod = 1", "Mod", .in = {ACT(2), ACT(2)});
    FAILS(EFORMAT, "one operand is integer", "Mul", .in = {ACT(2), INTS(2)});
    FAILS(EFORMAT, "no 64-bit integer", "Pow", .in = {INTS(10), INTS(30)});
    FAILS(EFORMAT, "do not broadcast", "Max", .in = {ACT(2), ACT(3)});
    FAILS(EFORMAT, "different types", "Sum", .in = {ACT(2), INTS(3)});
    FAILS(EFORMAT, "truth values", "Not", .in = {FIXED(2)});
    FAILS(EUNSUPPORTED, "holds integers", "Mean", .in = {INTS(2)});
}

int main(void) {
    for (size_t i = 0; i < sizeof smooth / sizeof *smooth; i++)
        op_check(&smooth[i]);
    for (size_t i = 0; i < sizeof several / sizeof *several; i++)
        op_check(&several[i]);
    kinks();
    ties();
    conditions();
    integers();
    refusals();
    DONE();
}
