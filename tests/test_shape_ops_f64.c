/* test_shape_ops_f64.c -- reductions that are not linear, transposed
 * convolution, interpolation, blocks, triangles, sums over labels. Claims: the
 * identities of op_harness.h in every form; hand-computed values; a transposed
 * convolution is the transpose of the convolution; integer constants fold; bad
 * forms are refused; without memory they fail and nothing else.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/mm.h"
#include "tests/op_harness.h"

static const op_case reductions[] = {
    {"ReduceL1", .in = {ACT(2, 3, 4)}, .attr = {A_INTS("axes", 1)}},
    {"ReduceL2", .in = {ACT(2, 3, 4)}, .attr = {A_INTS("axes", 0, 2)}},
    {"ReduceL2", .opset = 18, .in = {ACT(2, 3), INTS(-1)},
     .attr = {A_INT("keepdims", 0)}},
    {"ReduceSumSquare", .in = {ACT(2, 3, 4)}},
    {"ReduceLogSum", .in = {ACT_IN(0.5, 2, 2, 3, 4)},
     .attr = {A_INTS("axes", 1)}},
    {"ReduceLogSumExp", .in = {ACT_IN(-3, 3, 2, 3, 4)},
     .attr = {A_INTS("axes", -1)}},
    {"ReduceMin", .in = {ACT(2, 3, 4)}, .attr = {A_INTS("axes", 1)}},
    {"ReduceProd", .in = {ACT(2, 3, 4)}, .attr = {A_INTS("axes", 1)}},
    {"ReduceProd", .in = {ACT(2, 3)}},
};

static const op_case transposed[] = {
    {"ConvTranspose", .in = {ACT(2, 3, 4, 3), WEIGHT(3, 2, 3, 2), WEIGHT(2)}},
    {"ConvTranspose", .in = {ACT(1, 2, 3, 4), WEIGHT(2, 3, 2, 2)},
     .attr = {A_INTS("strides", 2, 2)}},
    {"ConvTranspose", .in = {ACT(1, 4, 3, 3), WEIGHT(4, 2, 3, 3), WEIGHT(4)},
     .attr = {A_INT("group", 2), A_INTS("strides", 2, 3),
              A_INTS("pads", 1, 0, 1, 2), A_INTS("output_padding", 1, 0)}},
    {"ConvTranspose", .in = {ACT(1, 3, 4, 4), WEIGHT(3, 1, 3, 3)},
     .attr = {A_INT("group", 3), A_INTS("dilations", 2, 1),
              A_INTS("pads", 1, 1, 1, 1)}},
    {"ConvTranspose", .in = {ACT(2, 3, 5), WEIGHT(3, 2, 4), WEIGHT(2)},
     .attr = {A_INTS("strides", 2), A_INTS("pads", 1, 1)}},
    {"ConvTranspose", .in = {ACT(1, 1, 3, 3), WEIGHT(1, 2, 3, 3)},
     .attr = {A_INTS("strides", 3, 2), A_INTS("output_shape", 10, 8)}},
    {"ConvTranspose", .in = {ACT(1, 1, 3, 3), WEIGHT(1, 2, 4, 4)},
     .attr = {A_INTS("strides", 2, 2), A_STRING("auto_pad", "SAME_UPPER")}},
    {"ConvTranspose", .in = {ACT(1, 1, 3, 3), WEIGHT(1, 2, 2, 2)},
     .attr = {A_INTS("strides", 3, 3), A_STRING("auto_pad", "SAME_LOWER")}},
    {"ConvTranspose", .in = {FIXED(1, 1, 3, 3), ACT(1, 2, 2, 2)}},
};

#define PAIRS(...)                                                             \
    {                                                                          \
        .kind = OP_INTS, .shape = OP_SHAPE(OP_COUNT_OF(__VA_ARGS__) / 2, 2),   \
        .ints = (const int64_t[]) {                                            \
            __VA_ARGS__                                                        \
        }                                                                      \
    }
#define LIST(...)                                                              \
    {                                                                          \
        .kind = OP_FIXED, .values = (const double[]){__VA_ARGS__},             \
        .shape = OP_SHAPE(OP_COUNT_OF(__VA_ARGS__))                            \
    }
#define RESIZE(mode_name, where)                                               \
    .attr = {A_STRING("mode", mode_name),                                      \
             A_STRING("coordinate_transformation_mode", where)}

static const op_case interpolations[] = {
    {"Resize", .in = {ACT(1, 2, 3, 3), OMITTED, LIST(1, 1, 2, 2)},
     RESIZE("nearest", "asymmetric")},
    {"Resize", .in = {ACT(1, 2, 3, 4), OMITTED, LIST(1, 1, 2, 1.5)},
     RESIZE("linear", "half_pixel")},
    {"Resize", .in = {ACT(1, 2, 5, 4), OMITTED, OMITTED, INTS(1, 2, 3, 7)},
     RESIZE("linear", "align_corners")},
    {"Resize", .in = {ACT(2, 1, 5), OMITTED, OMITTED, INTS(2, 1, 8)},
     RESIZE("linear", "pytorch_half_pixel")},
    {"Resize", .in = {ACT(1, 1, 4, 4), OMITTED, LIST(1, 1, 2, 2)},
     RESIZE("cubic", "half_pixel")},
    {"Resize", .opset = 18, .in = {ACT(1, 2, 3, 2), OMITTED, LIST(2)},
     .attr = {A_INTS("axes", 1), A_STRING("mode", "linear")}},
    {"Resize", .opset = 10, .in = {ACT(1, 1, 2, 3), LIST(1, 1, 2, 2)}},
    {"Upsample", .opset = 9, .in = {ACT(1, 1, 2, 3), LIST(1, 1, 2, 2)},
     .attr = {A_STRING("mode", "linear")}},
};

static const op_case moves[] = {
    {"DepthToSpace", .in = {ACT(2, 8, 2, 3)}, .attr = {A_INT("blocksize", 2)}},
    {"DepthToSpace", .in = {ACT(2, 8, 2, 3)},
     .attr = {A_INT("blocksize", 2), A_STRING("mode", "CRD")}},
    {"SpaceToDepth", .in = {ACT(2, 2, 4, 6)}, .attr = {A_INT("blocksize", 2)}},
    {"Tile", .in = {ACT(2, 3), INTS(2, 3)}},
    {"Trilu", .opset = 14, .in = {ACT(2, 3, 4)}},
    {"Trilu", .opset = 14, .in = {ACT(3, 3), INT_SCALAR(-1)},
     .attr = {A_INT("upper", 0)}},
    {"CumSum", .in = {ACT(2, 3, 2), INT_SCALAR(1)}},
    {"CumSum", .in = {ACT(2, 3), INT_SCALAR(-1)},
     .attr = {A_INT("exclusive", 1), A_INT("reverse", 1)}},
};

#define EQUATION(text) .attr = {A_STRING("equation", text)}
static const op_case einsums[] = {
    {"Einsum", .in = {ACT(2, 3, 4), ACT(2, 4, 5)}, EQUATION("bij,bjk->bik")},
    {"Einsum", .in = {ACT(2, 3, 4), WEIGHT(5, 4)}, EQUATION("bti,oi->bto")},
    {"Einsum", .in = {ACT(1, 2, 3, 4), ACT(1, 2, 5, 4)},
     EQUATION("bhid, bhjd -> bhij")},
    {"Einsum", .in = {ACT(2, 3, 4), ACT(2, 5, 3, 2)},
     EQUATION("bij,bkil->blkj")},
    {"Einsum", .in = {ACT(3, 2, 4), ACT(1, 4, 2)},
     EQUATION("...ij,...jk->...ki")},
    {"Einsum", .in = {ACT(3), ACT(4)}, EQUATION("i,j->ij")},
    {"Einsum", .in = {ACT(3), ACT(3)}, EQUATION("i,i")},
    {"Einsum", .in = {ACT(2, 3), ACT(4)}, EQUATION("ij,k->i")},
    {"Einsum", .in = {ACT(3, 3, 2)}, EQUATION("iij->ij")},
    {"Einsum", .in = {ACT(2, 3)}, EQUATION("ba")},
    {"Einsum", .in = {ACT(2, 3)}, EQUATION("ij->j")},
};

#define EACH(list)                                                             \
    for (size_t i = 0; i < sizeof(list) / sizeof *(list); i++)                 \
    op_check(&(list)[i])

/* --- values -------------------------------------------------------------- */

static void values(void) {
    VALUE(SHAPE(2, 1), VALUES(3, 12), "ReduceL1", .in = {ACT(2, 3)},
          .attr = {A_INTS("axes", 1)});
    VALUE(SHAPE(2), VALUES(2, sqrt(1 + 9)), "ReduceL2", .in = {ACT(2, 2)},
          .attr = {A_INTS("axes", 0), A_INT("keepdims", 0)});
    VALUE(SHAPE(1), VALUES(log(1 + exp(1) + exp(2))), "ReduceLogSumExp",
          .in = {ACT(3)});
    VALUE(SHAPE(1, 3), VALUES(0, 4, 10), "ReduceProd", .in = {ACT(2, 3)},
          .attr = {A_INTS("axes", 0)});
    VALUE(SHAPE(1), VALUES(-24), "ReduceProd", .in = {INTS(-2, 3, 4)});
    VALUE(SHAPE(1), VALUES(-2), "ReduceMin", .in = {INTS(5, -2, 4)});
    VALUE(SHAPE(1), VALUES(5), "ReduceMax", .in = {INTS(4, 5, -2)});
    VALUE(SHAPE(1), VALUES(7), "ReduceSum", .in = {INTS(5, -2, 4)});
    /* x 0 1, w 100 101 102: y = 0, 100, 101, 102 */
    VALUE(SHAPE(1, 1, 4), VALUES(0, 100, 101, 102), "ConvTranspose",
          .in = {ACT(1, 1, 2), ACT(1, 1, 3)});
    VALUE(SHAPE(1, 1, 6), VALUES(0, 0, 100, 101, 102, 0), "ConvTranspose",
          .in = {ACT(1, 1, 2), ACT(1, 1, 3)},
          .attr = {A_INTS("strides", 2), A_INTS("output_padding", 1)});
    VALUE(SHAPE(4), VALUES(0, 0, 1, 1), "Resize",
          .in = {ACT(2), OMITTED, LIST(2)});
    VALUE(SHAPE(4), VALUES(0, 0.25, 0.75, 1), "Resize",
          .in = {ACT(2), OMITTED, LIST(2)}, RESIZE("linear", "half_pixel"));
    VALUE(SHAPE(4), VALUES(0, 1 / 3., 2 / 3., 1), "Resize",
          .in = {ACT(2), OMITTED, LIST(2)}, RESIZE("linear", "align_corners"));
    VALUE(SHAPE(1, 1, 2, 2), VALUES(0, 1, 2, 3), "DepthToSpace",
          .in = {ACT(1, 4, 1, 1)}, .attr = {A_INT("blocksize", 2)});
    VALUE(SHAPE(1, 4, 1, 1), VALUES(0, 1, 2, 3), "SpaceToDepth",
          .in = {ACT(1, 1, 2, 2)}, .attr = {A_INT("blocksize", 2)});
    VALUE(SHAPE(6), VALUES(0, 1, 0, 1, 0, 1), "Tile", .in = {ACT(2), INTS(3)});
    VALUE(SHAPE(2, 2), VALUES(0, 0, 2, 3), "Trilu", .opset = 14,
          .in = {ACT(2, 2)}, .attr = {A_INT("upper", 0)});
    VALUE(SHAPE(3), VALUES(5, 12, 14), "CumSum",
          .in = {INTS(5, 7, 2), INT_SCALAR(0)});
    VALUE(SHAPE(2, 1), VALUES(2, 2), "ArgMax", .in = {FIXED(2, 3)},
          .attr = {A_INT("axis", 1)});
    VALUE(SCALAR, VALUES(1), "ArgMin", .in = {INTS(5, 2, 2)},
          .attr = {A_INT("keepdims", 0)});
    VALUE(SHAPE(1), VALUES(2), "ArgMin", .in = {INTS(5, 2, 2)},
          .attr = {A_INT("select_last_index", 1)});
    VALUE(SCALAR, VALUES(6), "Size", .in = {ACT(2, 3)});
    VALUE(SHAPE(2, 2), VALUES(3, 1, 0, 4), "GatherElements",
          .in = {ACT(2, 3),
                 {.kind = OP_INTS,
                  .shape = OP_SHAPE(2, 2),
                  .ints = (const int64_t[]){1, 0, 0, 1}}});
    IDENTITIES("GatherElements",
               .in = {ACT(2, 3),
                      {.kind = OP_INTS,
                       .shape = OP_SHAPE(2, 2),
                       .ints = (const int64_t[]){-1, 0, 0, 0}}},
               .attr = {A_INT("axis", 1)});
    VALUE(SHAPE(2), VALUES(3, 2), "GatherND",
          .in = {ACT(2, 3), PAIRS(1, 0, -2, 2)});
    VALUE(SHAPE(2, 2), VALUES(8, 9, 2, 3), "GatherND",
          .in = {ACT(2, 3, 2), PAIRS(1, 1, 0, 1)});
    VALUE(SHAPE(2), VALUES(1, 4), "GatherND",
          .in = {ACT(2, 2, 2),
                 {.kind = OP_INTS,
                  .shape = OP_SHAPE(2, 2),
                  .ints = (const int64_t[]){0, 1, 0, 0}}},
          .attr = {A_INT("batch_dims", 1)});
    IDENTITIES("GatherND", .in = {ACT(3, 2), PAIRS(2, 0, 1, 1)});
    FAILS(EFORMAT, "index 3 is out of range", "GatherND",
          .in = {ACT(3, 2), PAIRS(3, 0)});
    FAILS(EFORMAT, "an index of 2 positions", "GatherND",
          .in = {ACT(3), PAIRS(3, 0)});
    VALUE(SHAPE(2, 2), VALUES(102, 103, 506, 511), "Einsum",
          .in = {ACT(2, 2), ACT(2, 2)}, EQUATION("ij,jk->ik"));
}

/* <conv(y), x> = <y, conv_transpose(x)> with the same weights and geometry. */
static void transpose_of_the_convolution(void) {
    op_case   c = {"ConvTranspose", .in = {ACT(2, 4, 3, 3), WEIGHT(4, 3, 3, 2)},
                   .attr = {A_INTS("strides", 2, 1), A_INTS("pads", 1, 0, 0, 1)}};
    op_case   d = {"Conv", .in = {ACT(2, 3, 6, 3), WEIGHT(4, 3, 3, 2)},
                   .attr = {A_INTS("strides", 2, 1), A_INTS("pads", 1, 0, 0, 1)}};
    op_run    up, down;
    op_planes q = {0}, r = {0};
    double    left = 0, right = 0;
    if (CHECK_OK(op_open(&up, &c)) && CHECK_OK(op_open(&down, &d))) {
        memcpy(down.x[1], up.x[1], up.in[1]->n * sizeof(real));
        op_new_out(&up, q.val);
        op_new_out(&down, r.val);
        op_call(&up, OP_FORWARD, 0, &q);
        op_call(&down, OP_FORWARD, 0, &r);
        CHECK(hawq_shape_equal(&up.out[0]->shape, &down.in[0]->shape));
        CHECK(hawq_shape_equal(&down.out[0]->shape, &up.in[0]->shape));
        left = op_dot(down.x[0], q.val[0], down.in[0]->n);
        right = op_dot(up.x[0], r.val[0], up.in[0]->n);
        CHECK_NEAR(left, right, 1e-12);
        op_free(q.val, 1);
        op_free(r.val, 1);
    }
    op_close(&up);
    op_close(&down);
}

/* Products with one and with two zeros among the factors. */
static void products_with_zeros(void) {
    static const double x[] = {0, 2, 3, 0, 0, 5};
    op_case             c = {"ReduceProd",
                             .in = {{.kind = OP_ACT, .shape = OP_SHAPE(2, 3)}},
                             .attr = {A_INTS("axes", 1)}};
    c.in[0].values = x;
    op_check(&c);
}

static void refusals(void) {
    FAILS(EUNSUPPORTED, "input has shape 1x2x3x3x3", "ConvTranspose",
          .in = {ACT(1, 2, 3, 3, 3), WEIGHT(2, 1, 1, 1, 1)});
    FAILS(EFORMAT, "weight 3x1x2x2 does not fit", "ConvTranspose",
          .in = {ACT(1, 2, 3, 3), WEIGHT(3, 1, 2, 2)});
    FAILS(EFORMAT, "bias has 3 elements, expected 1", "ConvTranspose",
          .in = {ACT(1, 2, 3, 3), WEIGHT(2, 1, 2, 2), WEIGHT(3)});
    FAILS(EUNSUPPORTED, "give length -1", "ConvTranspose",
          .in = {ACT(1, 1, 2), WEIGHT(1, 1, 2)},
          .attr = {A_INTS("pads", 2, 2)});
    FAILS(EFORMAT, "beyond 2^31", "ConvTranspose",
          .in = {ACT(1, 1, 2), WEIGHT(1, 1, 2)},
          .attr = {A_INTS("output_padding", INT64_MAX)});
    FAILS(EFORMAT, "neither scales nor sizes", "Resize", .in = {ACT(2)});
    FAILS(EUNSUPPORTED, "antialias", "Resize", .opset = 18,
          .in = {ACT(2), OMITTED, LIST(2)}, .attr = {A_INT("antialias", 1)});
    FAILS(EUNSUPPORTED, "mode 'spline'", "Resize",
          .in = {ACT(2), OMITTED, LIST(2)}, RESIZE("spline", "half_pixel"));
    FAILS(EUNSUPPORTED, "coordinate_transformation_mode 'tf", "Resize",
          .in = {ACT(2), OMITTED, LIST(2)},
          RESIZE("linear", "tf_crop_and_resize"));
    FAILS(EFORMAT, "would become 0 long", "Resize",
          .in = {ACT(2), OMITTED, LIST(0.1)});
    FAILS(EFORMAT, "2 scales for 1 axes", "Resize",
          .in = {ACT(2), OMITTED, LIST(1, 2)});
    FAILS(EFORMAT, "not part of operator set 13", "Upsample",
          .in = {ACT(2), LIST(2)});
    FAILS(EFORMAT, "blocks of 2", "DepthToSpace", .in = {ACT(1, 3, 2, 2)},
          .attr = {A_INT("blocksize", 2)});
    FAILS(EFORMAT, "2 repetitions", "Tile", .in = {ACT(2), INTS(1, 1)});
    FAILS(EFORMAT, "index 3 is out of range", "GatherElements",
          .in = {ACT(3), INTS(3)});
    FAILS(EUNSUPPORTED, "equation 'ij,jk,kl->il'", "Einsum",
          .in = {ACT(2, 3), ACT(3, 2)}, EQUATION("ij,jk,kl->il"));
    FAILS(EUNSUPPORTED, "equation 'ij,jk->iz'", "Einsum",
          .in = {ACT(2, 3), ACT(3, 2)}, EQUATION("ij,jk->iz"));
    FAILS(EUNSUPPORTED, "equation 'ij,jk->ik'", "Einsum",
          .in = {ACT(2, 3), ACT(2, 2)}, EQUATION("ij,jk->ik"));
    FAILS(EUNSUPPORTED, "computes integers", "ArgMax", .in = {ACT(2, 3)});
}

static void out_of_memory(void) {
    const op_case cases[] = {
        {"Resize", .in = {ACT(1, 1, 100, 100), OMITTED, LIST(1, 1, 2, 2)},
         .attr = {A_STRING("mode", "linear")}},
        {"Einsum", .in = {ACT(100, 50), ACT(50, 100)}, EQUATION("ij,jk->ik")},
        {"Tile", .in = {FIXED(300, 30), INTS(2, 3)}},
        {"Trilu", .opset = 14, .in = {ACT(100, 100)}},
        {"CumSum", .in = {FIXED(100, 100), INT_SCALAR(0)}},
        {"ReduceProd", .in = {FIXED(100, 100)}, .attr = {A_INTS("axes", 0)}},
        {"Max", .in = {FIXED(100, 100), FIXED(100)}},
        {"Less", .in = {FIXED(100, 100), FIXED(100)}},
        {"ArgMax", .in = {FIXED(100, 100)}},
        {"Softmax", .in = {FIXED(100, 100)}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        op_check_starved(&cases[i]);
}

int main(void) {
    if (!CHECK_OK(hawq_mm_open())) DONE();
    EACH(reductions);
    EACH(transposed);
    EACH(interpolations);
    EACH(moves);
    EACH(einsums);
    values();
    transpose_of_the_convolution();
    products_with_zeros();
    refusals();
    out_of_memory();
    DONE();
}
