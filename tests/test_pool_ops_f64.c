/* test_pool_ops_f64.c -- pools and reductions. Claims: they yield hand-computed
 * values in every ONNX form; pools equal a direct evaluation of their
 * definition on random small geometries; their four functions satisfy the
 * identities of op_harness.h; bad forms are refused with a sentence that says
 * what was found.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/op_harness.h"

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
    FAILS(EUNSUPPORTED, "holds 0; 1 to 1073741824 are supported", "MaxPool",
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

int main(void) {
    pools();
    pools_by_definition();
    first_maximum_wins();
    maximum_keeps_nan();
    reductions();
    DONE();
}
