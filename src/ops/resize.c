/* resize.c -- Resize and Upsample: nearest, linear and cubic interpolation
 * (Keys 1981, with coefficient cubic_coeff_a). Each output position x of an
 * axis reads the input near x', which coordinate_transformation_mode defines:
 *     half_pixel          (x + 1/2) / s - 1/2
 *     pytorch_half_pixel  the same; 0 if the output has one position
 *     asymmetric          x / s                      (Upsample, Resize 10)
 *     align_corners       x (in - 1) / (out - 1)
 *     tf_half_pixel_for_nn         (x + 1/2) / s
 *     half_pixel_symmetric         half_pixel about the centre of the axis
 * with scale s. Positions outside are held to the edge. The whole is a sparse
 * matrix, worked out once: y = A x, and bx += A' by.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"

#include <math.h>
#include <string.h>

enum { MAX_TAPS = 4 };

/* Position o of an axis: sum over t of weight[o][t] * x[at[o][t]]. */
typedef struct axis {
    int64_t  in, out;
    double   scale;
    int      taps;
    int32_t *at;
    double  *weight;
} axis;

/* Output o of a plane: taps start[o] .. start[o + 1] - 1. */
typedef struct matrix {
    size_t   planes, n_in, n_out;
    int32_t *start, *tap;
    double  *weight;
} matrix;

/* --- one axis ------------------------------------------------------------ */

static bool source(const char *mode, const axis *a, int64_t o, double *x) {
    double at = (double)o, in = (double)a->in, out = (double)a->out;
    if (strcmp(mode, "half_pixel") == 0)
        *x = (at + 0.5) / a->scale - 0.5;
    else if (strcmp(mode, "pytorch_half_pixel") == 0)
        *x = a->out > 1 ? (at + 0.5) / a->scale - 0.5 : 0;
    else if (strcmp(mode, "asymmetric") == 0)
        *x = at / a->scale;
    else if (strcmp(mode, "align_corners") == 0)
        *x = a->out > 1 ? at * (in - 1) / (out - 1) : 0;
    else if (strcmp(mode, "tf_half_pixel_for_nn") == 0)
        *x = (at + 0.5) / a->scale;
    else if (strcmp(mode, "half_pixel_symmetric") == 0)
        *x = in / 2 * (1 - out / (a->scale * in)) + (at + 0.5) / a->scale - 0.5;
    else
        return false;
    return true;
}

static double nearest(const char *mode, double x) {
    if (strcmp(mode, "floor") == 0) return floor(x);
    if (strcmp(mode, "ceil") == 0) return ceil(x);
    if (strcmp(mode, "round_prefer_ceil") == 0) return floor(x + 0.5);
    return ceil(x - 0.5);
}

/* Weights of the four neighbours of a point a fraction t behind the second. */
static void cubic(double a, double t, double w[MAX_TAPS]) {
    for (int k = 0; k < MAX_TAPS; k++) {
        double d = fabs(t + 1 - k);
        w[k] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1
                      : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    }
}

/* The weights outside the axis become zero, the others add up to one. */
static void exclude(const axis *a, double first, double w[MAX_TAPS]) {
    double sum = 0;
    for (int k = 0; k < a->taps; k++) {
        if (first + k < 0 || first + k > (double)(a->in - 1)) w[k] = 0;
        sum += w[k];
    }
    for (int k = 0; k < a->taps; k++) w[k] /= sum;
}

static void set_taps(const hawq_node *node, axis *a, int64_t o, double x) {
    double w[MAX_TAPS] = {1, 0, 0, 0}, first = floor(x), t = x - first;
    if (a->taps == 1)
        first = nearest(
            hawq_attr_string(node, "nearest_mode",
                             node->opset < 11 ? "floor" : "round_prefer_floor"),
            x);
    if (a->taps == 2) w[0] = 1 - t, w[1] = t;
    if (a->taps == 4) {
        cubic(hawq_attr_float(node, "cubic_coeff_a", -0.75), t, w);
        first -= 1;
    }
    if (hawq_attr_int(node, "exclude_outside", 0)) exclude(a, first, w);
    for (int k = 0; k < a->taps; k++) {
        double at = fmin(fmax(first + k, 0), (double)(a->in - 1));
        a->at[o * a->taps + k] = (int32_t)at;
        a->weight[o * a->taps + k] = w[k];
    }
}

static hawq_status plan_axis(const hawq_node *node, hawq_arena *arena,
                             axis *a) {
    const char *mode = hawq_attr_string(node, "mode", "nearest");
    const char *where =
        hawq_attr_string(node, "coordinate_transformation_mode",
                         node->opset < 11 ? "asymmetric" : "half_pixel");
    bool same = a->in == a->out && a->scale == 1;
    a->taps = same || strcmp(mode, "nearest") == 0 ? 1
              : strcmp(mode, "linear") == 0        ? 2
              : strcmp(mode, "cubic") == 0         ? 4
                                                   : 0;
    if (!a->taps)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "mode '%s'; supported are nearest, linear and "
                              "cubic",
                              mode);
    HAWQ_TAKE(a->at, arena, (size_t)(a->out * a->taps));
    HAWQ_TAKE(a->weight, arena, (size_t)(a->out * a->taps));
    for (int64_t o = 0; o < a->out; o++) {
        double x;
        if (!source(where, a, o, &x))
            return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                                  "coordinate_transformation_mode '%s'", where);
        if (same) {
            a->at[o] = (int32_t)o;
            a->weight[o] = 1;
        } else {
            set_taps(node, a, o, x);
        }
    }
    return HAWQ_OK;
}

/* --- all axes ------------------------------------------------------------ */

/* Output o of a plane made of the axes [first, rank): appends its taps from
 * `tap` on and returns how many. */
static int32_t row_taps(const axis *a, int first, int rank, int64_t o,
                        int32_t *tap, double *weight) {
    int32_t n = 1;
    int64_t stride = 1;
    tap[0] = 0;
    weight[0] = 1;
    for (int k = rank; k-- > first; stride *= a[k].in) {
        const int32_t *at = a[k].at + o % a[k].out * a[k].taps;
        const double  *w = a[k].weight + o % a[k].out * a[k].taps;
        int32_t        so_far = n;
        /* from the last tap on, so that the first copy is overwritten last */
        for (int t = a[k].taps; t-- > 0;)
            for (int32_t i = 0; i < so_far; i++) {
                tap[t * so_far + i] = tap[i] + (int32_t)(at[t] * stride);
                weight[t * so_far + i] = weight[i] * w[t];
            }
        n *= a[k].taps;
        o /= a[k].out;
    }
    return n;
}

static hawq_status plan(hawq_node *node, hawq_arena *arena, axis *a, int rank) {
    matrix *m;
    int     first = 0;
    int64_t taps = 1;
    HAWQ_TAKE(m, arena, 1);
    *m = (matrix){1, 1, 1, NULL, NULL, NULL};
    for (; first < rank && a[first].in == a[first].out && a[first].scale == 1;
         first++)
        m->planes *= (size_t)a[first].in;
    for (int k = first; k < rank; k++) {
        HAWQ_TRY(plan_axis(node, arena, &a[k]));
        m->n_in *= (size_t)a[k].in;
        m->n_out *= (size_t)a[k].out;
        taps *= a[k].taps;
    }
    if ((int64_t)m->n_out > INT32_MAX / taps)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "more than 2^31 - 1 interpolated elements");
    HAWQ_TAKE(m->start, arena, m->n_out + 1);
    HAWQ_TAKE(m->tap, arena, m->n_out * (size_t)taps);
    HAWQ_TAKE(m->weight, arena, m->n_out * (size_t)taps);
    for (size_t o = 0; o < m->n_out; o++)
        m->start[o + 1] = m->start[o] + row_taps(a, first, rank, (int64_t)o,
                                                 m->tap + m->start[o],
                                                 m->weight + m->start[o]);
    node->param = m;
    return HAWQ_OK;
}

/* --- the forms of ONNX --------------------------------------------------- */

/* Axis k of the list that scales or sizes follow. */
static hawq_status read_axes(const hawq_node *node, int rank, int *order,
                             size_t *n) {
    const int64_t *axes;
    bool           used[HAWQ_MAX_RANK];
    HAWQ_TRY(hawq_read_ints(node, "axes", -1, &axes, n));
    HAWQ_TRY(hawq_read_axes(node, axes, *n, rank, used));
    if (!axes) *n = (size_t)rank;
    for (size_t k = 0; k < *n; k++)
        order[k] = axes ? hawq_axis(axes[k], rank) : (int)k;
    return HAWQ_OK;
}

static hawq_status set_axis(const hawq_node *node, axis *a, double scale,
                            double out) {
    if (!(scale > 0) || !(out >= 1 && out <= INT32_MAX))
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "an axis of length %lld would become %g long "
                              "(scale %g)",
                              (long long)a->in, out, scale);
    a->scale = scale;
    a->out = (int64_t)out;
    return HAWQ_OK;
}

static hawq_status by_scales(const hawq_node *node, axis *a, const int *order,
                             size_t n, const hawq_tensor *t,
                             const hawq_attr *attr) {
    if (t && (t->role != HAWQ_CONSTANT || !t->data))
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "scales '%s' are not constant numbers", t->name);
    if ((t ? t->n : attr->n) != n || (attr && attr->type != HAWQ_ATTR_FLOATS))
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "%zu scales for %zu axes of the input",
                              t ? t->n : attr->n, n);
    for (size_t k = 0; k < n; k++) {
        axis  *at = &a[order[k]];
        double s = t ? (double)t->data[k] : attr->floats[k];
        HAWQ_TRY(set_axis(node, at, s, floor((double)at->in * s)));
    }
    return HAWQ_OK;
}

static hawq_status by_sizes(const hawq_node *node, axis *a, const int *order,
                            size_t n, const int64_t *sizes, size_t n_sizes) {
    const char *policy =
        hawq_attr_string(node, "keep_aspect_ratio_policy", "stretch");
    bool   larger = strcmp(policy, "not_smaller") == 0;
    double common = larger ? 0 : INFINITY;
    if (n_sizes != n)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "%zu sizes for %zu axes of the input", n_sizes,
                              n);
    for (size_t k = 0; k < n; k++) {
        double s = (double)sizes[k] / (double)a[order[k]].in;
        common = larger ? fmax(common, s) : fmin(common, s);
    }
    for (size_t k = 0; k < n; k++) {
        axis  *at = &a[order[k]];
        double in = (double)at->in, size = (double)sizes[k];
        if (strcmp(policy, "stretch") == 0)
            HAWQ_TRY(set_axis(node, at, size / in, size));
        else
            HAWQ_TRY(set_axis(node, at, common, floor(common * in + 0.5)));
    }
    return HAWQ_OK;
}

static hawq_status resize(hawq_node *node, hawq_arena *arena, int scales_input,
                          int sizes_input) {
    axis              a[HAWQ_MAX_RANK];
    int               order[HAWQ_MAX_RANK];
    size_t            n, n_sizes;
    const int64_t    *sizes;
    const hawq_shape *s = &node->in[0]->shape;
    hawq_shape        out = *s;
    HAWQ_TRY(hawq_need_float(node, 0));
    if (node->in[0]->n == 0)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED, "the input is empty");
    if (hawq_attr_int(node, "antialias", 0))
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "antialias is not supported");
    for (int k = 0; k < s->rank; k++)
        a[k] = (axis){.in = s->dim[k], .out = s->dim[k], .scale = 1};
    HAWQ_TRY(read_axes(node, s->rank, order, &n));
    HAWQ_TRY(hawq_read_ints(node, NULL, sizes_input, &sizes, &n_sizes));
    const hawq_tensor *scales = hawq_in(node, scales_input);
    const hawq_attr   *attr = hawq_attr_find(node, "scales");
    if (scales && scales->n == 0 && n_sizes) scales = NULL; /* left empty */
    if (sizes && n_sizes && !scales)
        HAWQ_TRY(by_sizes(node, a, order, n, sizes, n_sizes));
    else if (scales || attr)
        HAWQ_TRY(by_scales(node, a, order, n, scales, attr));
    else
        return hawq_node_fail(node, HAWQ_EFORMAT, "neither scales nor sizes");
    for (int k = 0; k < s->rank; k++) out.dim[k] = a[k].out;
    HAWQ_TRY(hawq_set_out(node, 0, HAWQ_FLOAT, &out));
    return plan(node, arena, a, s->rank);
}

static hawq_status resize_shape(hawq_node *node, hawq_arena *arena) {
    return node->opset < 11 ? resize(node, arena, 1, -1)
                            : resize(node, arena, 2, 3);
}

/* Upsample is Resize as it was in operator set 10. */
static hawq_status upsample_shape(hawq_node *node, hawq_arena *arena) {
    if (node->opset > 9)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "is not part of operator set %d", node->opset);
    return resize(node, arena, 1, -1);
}

static void forward(const hawq_node *node, const hawq_planes *p) {
    const matrix *m = node->param;
    const real   *x = hawq_val(p, node->in[0]);
    real         *y = hawq_val(p, node->out[0]);
    if (!y) return;
    if (!x) {
        memset(y, 0, node->out[0]->n * sizeof *y);
        return;
    }
    for (size_t q = 0; q < m->planes; q++, x += m->n_in, y += m->n_out)
        for (size_t o = 0; o < m->n_out; o++) {
            double sum = 0;
            for (int32_t i = m->start[o]; i < m->start[o + 1]; i++)
                sum += m->weight[i] * (double)x[m->tap[i]];
            y[o] = (real)sum;
        }
}

static void adjoint(const hawq_node *node, const hawq_planes *p) {
    const matrix *m = node->param;
    const real   *by = hawq_bar(p, node->out[0]);
    real         *bx = hawq_bar(p, node->in[0]);
    if (!by || !bx) return;
    for (size_t q = 0; q < m->planes; q++, bx += m->n_in, by += m->n_out)
        for (size_t o = 0; o < m->n_out; o++)
            for (int32_t i = m->start[o]; i < m->start[o + 1]; i++)
                bx[m->tap[i]] += (real)(m->weight[i] * (double)by[o]);
}

const hawq_op hawq_op_resize = {
    .name = "Resize",
    .attributes = "antialias axes coordinate_transformation_mode cubic_coeff_a "
                  "exclude_outside extrapolation_value "
                  "keep_aspect_ratio_policy mode nearest_mode",
    .min_in = 1,
    .max_in = 4,
    .shape = resize_shape,
    .forward = forward,
    .adjoint = adjoint};
const hawq_op hawq_op_upsample = {.name = "Upsample",
                                  .attributes = "mode scales",
                                  .min_in = 1,
                                  .max_in = 2,
                                  .shape = upsample_shape,
                                  .forward = forward,
                                  .adjoint = adjoint};
