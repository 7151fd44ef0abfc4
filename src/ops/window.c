/* window.c -- reading and checking the geometry of windows.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/window.h"
#include "src/ops/ops.h"

#include <string.h>

enum { LARGEST = 1 << 30 }; /* of any one number: sums stay far from 2^63 */

static int64_t ceil_div(int64_t a, int64_t b) { /* b > 0 */
    return a / b + (a % b > 0);
}

/* An attribute of exactly `count` integers in [least, LARGEST]; absent: the
 * entries keep their defaults. */
static hawq_status read_list(const hawq_node *node, const char *name,
                             size_t count, int64_t least, int64_t *into) {
    const int64_t *ints;
    size_t         n;
    HAWQ_TRY(hawq_read_ints(node, name, -1, &ints, &n));
    if (!ints) return HAWQ_OK;
    if (n != count)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "attribute '%s' has %zu values, expected %zu",
                              name, n, count);
    for (size_t i = 0; i < n; i++) {
        if (ints[i] < least || ints[i] > LARGEST)
            return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                                  "attribute '%s' holds %lld; %lld to %d are "
                                  "supported",
                                  name, (long long)ints[i], (long long)least,
                                  LARGEST);
        into[i] = ints[i];
    }
    return HAWQ_OK;
}

static hawq_status read_kernel(const hawq_node *node, const int64_t *kernel,
                               hawq_window *w) {
    int64_t given[HAWQ_MAX_WINDOW] = {0};
    HAWQ_TRY(read_list(node, "kernel_shape", (size_t)w->rank, 1, given));
    for (int a = 0; a < w->rank; a++) {
        w->kernel[a] = kernel ? kernel[a] : given[a];
        if (w->kernel[a] < 1)
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "attribute 'kernel_shape' is missing");
        if (given[a] && given[a] != w->kernel[a])
            return hawq_node_fail(
                node, HAWQ_EFORMAT,
                "attribute 'kernel_shape' says %lld on axis %d, the weights "
                "have %lld",
                (long long)given[a], a, (long long)w->kernel[a]);
    }
    return HAWQ_OK;
}

static void pad_same(hawq_window *w, int a, bool upper) {
    int64_t span = (w->kernel[a] - 1) * w->dilation[a] + 1;
    w->out[a] = ceil_div(w->in[a], w->stride[a]);
    /* What ceil(in / stride) windows reach beyond the input, split in
     * halves; the odd one goes to the end (SAME_UPPER) or the beginning. */
    int64_t total = (w->out[a] - 1) * w->stride[a] + span - w->in[a];
    if (total < 0) total = 0;
    w->pad_begin[a] = upper ? total / 2 : total - total / 2;
    w->pad_end[a] = total - w->pad_begin[a];
}

static hawq_status count_positions(const hawq_node *node, hawq_window *w, int a,
                                   bool ceil_mode) {
    int64_t span = (w->kernel[a] - 1) * w->dilation[a] + 1;
    int64_t room = w->in[a] + w->pad_begin[a] + w->pad_end[a] - span;
    if (room < 0)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "the window spans %lld elements of spatial axis "
                              "%d, the padded input has %lld",
                              (long long)span, a, (long long)(room + span));
    w->out[a] =
        (ceil_mode ? ceil_div(room, w->stride[a]) : room / w->stride[a]) + 1;
    /* A last window that would begin in the padding at the end is not
     * counted (as in PyTorch and, from opset 19 on, in ONNX). */
    if (ceil_mode &&
        (w->out[a] - 1) * w->stride[a] >= w->in[a] + w->pad_begin[a])
        w->out[a]--;
    return HAWQ_OK;
}

static hawq_status read_pads(const hawq_node *node, hawq_window *w) {
    const char *mode = hawq_attr_string(node, "auto_pad", "NOTSET");
    bool        ceil_mode = hawq_attr_int(node, "ceil_mode", 0) != 0;
    bool        upper = strcmp(mode, "SAME_UPPER") == 0;
    bool        same = upper || strcmp(mode, "SAME_LOWER") == 0;
    bool        none = strcmp(mode, "NOTSET") == 0 || mode[0] == '\0';
    int64_t     pads[2 * HAWQ_MAX_WINDOW] = {0};
    if (!same && !none && strcmp(mode, "VALID") != 0)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "attribute 'auto_pad' is '%s'; NOTSET, VALID, "
                              "SAME_UPPER and SAME_LOWER are supported",
                              mode);
    HAWQ_TRY(read_list(node, "pads", 2 * (size_t)w->rank, 0, pads));
    for (int a = 0; a < w->rank; a++) {
        w->pad_begin[a] = pads[a];
        w->pad_end[a] = pads[w->rank + a];
        if (!none && (w->pad_begin[a] || w->pad_end[a]))
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "'pads' and auto_pad '%s' exclude each other",
                                  mode);
        if (same)
            pad_same(w, a, upper);
        else
            HAWQ_TRY(count_positions(node, w, a, ceil_mode));
    }
    return HAWQ_OK;
}

hawq_status hawq_window_read(const hawq_node *node, int rank, const int64_t *in,
                             const int64_t *kernel, hawq_window *out) {
    hawq_window w = {.rank = rank};
    if (rank < 1 || rank > HAWQ_MAX_WINDOW)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "the input has %d spatial axes; 1 to %d are "
                              "supported",
                              rank, HAWQ_MAX_WINDOW);
    for (int a = 0; a < HAWQ_MAX_WINDOW; a++) {
        w.kernel[a] = w.stride[a] = w.dilation[a] = w.in[a] = w.out[a] = 1;
        if (a < rank) w.in[a] = in[a];
        if (w.in[a] < 1)
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "spatial axis %d of the input is empty", a);
    }
    HAWQ_TRY(read_list(node, "strides", (size_t)rank, 1, w.stride));
    HAWQ_TRY(read_list(node, "dilations", (size_t)rank, 1, w.dilation));
    HAWQ_TRY(read_kernel(node, kernel, &w));
    for (int a = 0; a < rank; a++)
        if ((w.kernel[a] - 1) > LARGEST / w.dilation[a])
            return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                                  "a window of %lld elements %lld apart is too "
                                  "large",
                                  (long long)w.kernel[a],
                                  (long long)w.dilation[a]);
    HAWQ_TRY(read_pads(node, &w));
    *out = w;
    return HAWQ_OK;
}

void hawq_window_range(const hawq_window *w, int axis, int64_t o,
                       int64_t *first, int64_t *last) {
    /* The taps k with 0 <= start + k step < in. */
    int64_t start = o * w->stride[axis] - w->pad_begin[axis];
    int64_t step = w->dilation[axis];
    int64_t end = ceil_div(w->in[axis] - start, step);
    *first = start < 0 ? ceil_div(-start, step) : 0;
    *last = end < w->kernel[axis] ? end : w->kernel[axis];
    if (*last < *first) *last = *first;
}
