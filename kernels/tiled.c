/* tiled.c -- see tiled.h. Geometry, packing and loops; no intrinsics.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/tiled.h"

#include "kernels/arith.h"

#include <string.h>

static size_t up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

/* Where tables list 8, 4, 2 bits. */
static int width_index(const hawq_conv *v) {
    return v->weight_bits == 8 ? 0 : v->weight_bits == 4 ? 1 : 2;
}

int hawq_tiled_largest(const hawq_conv *v) {
    if (v->weight_bits == 8) return v->largest ? v->largest : 128;
    int low = v->level[0], high = v->level[(1 << v->weight_bits) - 1];
    return -low > high ? -low : high;
}

static bool depthwise(const hawq_conv *v) {
    return v->groups > 1 && v->groups == v->c && v->oc == v->c;
}

/* A run is a kernel row, unless groups or dilation tear it apart. */
static bool whole_rows(const hawq_conv *v) {
    return v->groups == 1 && (v->dilation_w == 1 || v->kw == 1);
}

static int n_runs(const hawq_conv *v) {
    return whole_rows(v) ? v->kh : v->kh * v->kw;
}

static int run_values(const hawq_conv *v) {
    return whole_rows(v) ? v->kw * v->c : v->c / v->groups;
}

static int tile_oc(const hawq_tile_kind *kind) {
    return 2 * kind->lanes / kind->split;
}

static int step_values(const hawq_tile_kind *kind) {
    return kind->per * kind->split;
}

static size_t run_padded(const hawq_conv *v, const hawq_tile_kind *kind) {
    return up((size_t)run_values(v), (size_t)step_values(kind));
}

/* Weights of a panel, and bytes of a panel of n weights. */
static size_t panel_values(const hawq_conv *v, const hawq_tile_kind *kind) {
    return (size_t)tile_oc(kind) * (size_t)n_runs(v) * run_padded(v, kind);
}

static size_t panel_bytes(size_t n, int bits) {
    return up(hawq_packed_bytes(n, bits), 64);
}

/* Rows and columns of the image that any window touches, padding included. */
static int padded_h(const hawq_conv *v) {
    return (v->oh - 1) * v->stride_h + (v->kh - 1) * v->dilation_h + 1;
}

static int padded_w(const hawq_conv *v) {
    return (v->ow - 1) * v->stride_w + (v->kw - 1) * v->dilation_w + 1;
}

static int x_bytes(const hawq_tiled *isa, const hawq_conv *v) {
    return depthwise(v) ? 1 : isa->kind(v, v->oc)->x_bytes;
}

/* Channels of a depthwise tile, and the pixels that share it. */
static int depthwise_block(const hawq_tiled *isa) {
    return 4 * isa->depthwise_lanes;
}

static int depthwise_pixels(const hawq_tiled *isa, const hawq_conv *v) {
    int n = depthwise_block(isa) / v->c;
    return v->stride_w == 1 && n > 1 ? n : 1;
}

static size_t depthwise_values(const hawq_tiled *isa, const hawq_conv *v) {
    size_t quads = up((size_t)v->kh, (size_t)isa->depthwise_per);
    return (size_t)depthwise_block(isa) * quads * (size_t)v->kw;
}

/* Must the image be copied? Not if nothing is padded and nothing is read past
 * a window. */
static bool copied(const hawq_tiled *isa, const hawq_conv *v) {
    bool inside = v->pad_top == 0 && v->pad_left == 0 && padded_h(v) <= v->h &&
                  padded_w(v) <= v->w;
    if (!inside || x_bytes(isa, v) != 1) return true;
    if (depthwise(v)) return v->c % depthwise_block(isa) != 0;
    int group_oc = v->oc / v->groups;
    for (int at = 0; at < group_oc;) {
        const hawq_tile_kind *kind = isa->kind(v, group_oc - at);
        if (run_values(v) % step_values(kind)) return true;
        at += tile_oc(kind);
    }
    return false;
}

static size_t copy_bytes(const hawq_tiled *isa, const hawq_conv *v) {
    if (!copied(isa, v)) return 0;
    return up((size_t)padded_h(v) * (size_t)padded_w(v) * (size_t)v->c *
                      (size_t)x_bytes(isa, v) +
                  HAWQ_TILE_SLACK,
              64);
}

static size_t expanded_bytes(const hawq_tiled *isa, const hawq_conv *v) {
    if (v->weight_bits == 8) return 0;
    size_t largest = 0, n;
    if (depthwise(v)) return up(depthwise_values(isa, v), 256);
    int group_oc = v->oc / v->groups;
    for (int at = 0; at < group_oc;) {
        const hawq_tile_kind *kind = isa->kind(v, group_oc - at);
        n = up(panel_values(v, kind), 256);
        largest = n > largest ? n : largest;
        at += tile_oc(kind);
    }
    return largest;
}

static size_t runs_bytes(const hawq_conv *v) {
    return depthwise(v) ? 0 : (size_t)n_runs(v) * sizeof(int32_t);
}

size_t hawq_tiled_scratch_bytes(const hawq_tiled *isa, const hawq_conv *v) {
    size_t columns = 0;
    if (depthwise(v))
        columns = (size_t)padded_w(v) * (size_t)depthwise_block(isa) *
                  up((size_t)v->kh, (size_t)isa->depthwise_per) * 4 /
                  (size_t)isa->depthwise_per;
    return copy_bytes(isa, v) + expanded_bytes(isa, v) + columns +
           runs_bytes(v);
}

size_t hawq_tiled_packed_bytes(const hawq_tiled *isa, const hawq_conv *v) {
    size_t sum = 0;
    if (depthwise(v)) {
        size_t blocks = up((size_t)v->c, (size_t)depthwise_block(isa)) /
                        (size_t)depthwise_block(isa);
        return blocks * panel_bytes(depthwise_values(isa, v), v->weight_bits);
    }
    int group_oc = v->oc / v->groups;
    for (int at = 0; at < group_oc;) {
        const hawq_tile_kind *kind = isa->kind(v, group_oc - at);
        sum += panel_bytes(panel_values(v, kind), v->weight_bits);
        at += tile_oc(kind);
    }
    return sum * (size_t)v->groups;
}

/* Is the weight 0 that pads runs no level, and set after the expansion? */
static bool clears(const hawq_conv *v, const hawq_tile_kind *kind) {
    if (v->weight_bits == 8 || run_values(v) % step_values(kind) == 0)
        return false;
    for (int i = 0; i < 1 << v->weight_bits; i++)
        if (v->level[i] == 0) return false;
    return true;
}

/* Stores code i of a panel, in the grouped order of tiled.h. */
static void panel_put(uint8_t *panel, size_t i, int bits, uint8_t code) {
    size_t per_byte = 8 / (size_t)bits, group = i / (64 * per_byte);
    size_t within = i % (64 * per_byte);
    hawq_pack(panel, (group * 64 + within % 64) * per_byte + within / 64, bits,
              code);
}

/* The panel of n output channels from oc0 on. */
static void pack_panel(const hawq_conv *v, const hawq_tile_kind *kind,
                       const uint8_t code[256], const int8_t *weights, int oc0,
                       int n, uint8_t *panel) {
    size_t run = (size_t)run_values(v), padded = run_padded(v, kind);
    size_t row = run * (size_t)n_runs(v), at = 0;
    size_t step = (size_t)step_values(kind);
    size_t steps = padded / step * (size_t)n_runs(v);
    for (size_t s = 0; s < steps; s++)
        for (int i = 0; i < 2 * kind->lanes; i++) {
            int    oc = i / kind->split;
            size_t k = s * step + (size_t)(i % kind->split * kind->per);
            for (int j = 0; j < kind->per; j++, k++, at++) {
                bool   pads = oc >= n || k % padded >= run;
                size_t from = (size_t)(oc0 + oc) * row + k / padded * run;
                int8_t w = pads ? 0 : weights[from + k % padded];
                panel_put(panel, at, v->weight_bits, code[(uint8_t)w]);
            }
        }
}

/* Sets to 0 what an expanded panel holds beyond the end of each run. The place
 * of a weight within its step, modulo the step's values, is that of its k. */
static void clear_padding(const hawq_conv *v, const hawq_tile_kind *kind,
                          int8_t *panel) {
    size_t step = (size_t)step_values(kind), of_step, of_run;
    of_step = (size_t)tile_oc(kind) * step;
    of_run = (size_t)tile_oc(kind) * run_padded(v, kind);
    for (int r = 0; r < n_runs(v); r++, panel += of_run)
        for (size_t i = of_run - of_step; i < of_run; i++)
            if (i % step >= (size_t)run_values(v) % step) panel[i] = 0;
}

/* Accumulator i of a depthwise tile belongs to this channel: the order that
 * interleaving bytes and then words within 128 bits leads to. */
static int depthwise_channel(const hawq_tiled *isa, int i) {
    int vector = i / isa->depthwise_lanes, lane = i % isa->depthwise_lanes;
    return lane / 4 * 16 + vector * 4 + lane % 4;
}

/* Channels c0 .. c0 + n - 1, of which c exist; the rest repeats them, since it
 * holds further pixels. panel[kx][quad of rows][vector][lane][row]. */
static void pack_depthwise(const hawq_tiled *isa, const hawq_conv *v,
                           const uint8_t code[256], const int8_t *weights,
                           int c0, int n, uint8_t *panel) {
    int    per = isa->depthwise_per;
    int    rows = (int)up((size_t)v->kh, (size_t)per);
    size_t at = 0;
    for (int kx = 0; kx < v->kw; kx++)
        for (int ky0 = 0; ky0 < rows; ky0 += per)
            for (int i = 0; i < depthwise_block(isa); i++)
                for (int ky = ky0; ky < ky0 + per; ky++, at++) {
                    int c = depthwise_channel(isa, i);
                    if (c >= n || ky >= v->kh) continue;
                    int from = ((c0 + c) % v->c * v->kh + ky) * v->kw + kx;
                    panel_put(panel, at, v->weight_bits,
                              code[(uint8_t)weights[from]]);
                }
}

/* Lanes in use from channel c0 on. */
static int depthwise_valid(const hawq_tiled *isa, const hawq_conv *v, int c0) {
    int block = depthwise_block(isa), pixels = depthwise_pixels(isa, v);
    int rest = pixels > 1 ? pixels * v->c : v->c - c0;
    return rest < block ? rest : block;
}

void hawq_tiled_pack(const hawq_tiled *isa, const hawq_conv *v,
                     const int8_t *weights, uint8_t *packed) {
    uint8_t code[256];
    hawq_level_codes(v->level, v->weight_bits, code);
    memset(packed, 0, hawq_tiled_packed_bytes(isa, v));
    if (depthwise(v)) {
        size_t size = panel_bytes(depthwise_values(isa, v), v->weight_bits);
        for (int c0 = 0; c0 < v->c; c0 += depthwise_block(isa), packed += size)
            pack_depthwise(isa, v, code, weights, c0,
                           depthwise_valid(isa, v, c0), packed);
        return;
    }
    int group_oc = v->oc / v->groups;
    for (int g = 0; g < v->groups; g++)
        for (int at = 0; at < group_oc;) {
            int                   rest = group_oc - at;
            const hawq_tile_kind *kind = isa->kind(v, rest);
            int n = rest < tile_oc(kind) ? rest : tile_oc(kind);
            pack_panel(v, kind, code, weights, g * group_oc + at, n, packed);
            packed += panel_bytes(panel_values(v, kind), v->weight_bits);
            at += n;
        }
}

/* n values of x, as bytes or widened to 16 bits. */
static void copy_values(const hawq_tiled *isa, const uint8_t *x, size_t n,
                        int bytes, uint8_t *to) {
    uint16_t *wide = (uint16_t *)(void *)to;
    if (bytes == 1)
        memcpy(to, x, n);
    else if (isa->widen)
        isa->widen(n, x, wide);
    else
        for (size_t i = 0; i < n; i++) wide[i] = x[i];
}

static void fill_values(uint8_t value, size_t n, int bytes, uint8_t *to) {
    if (bytes == 1) {
        memset(to, value, n);
        return;
    }
    uint16_t *wide = (uint16_t *)(void *)to;
    for (size_t i = 0; i < n; i++) wide[i] = value;
}

/* The image with its padding: (padded_h, padded_w, c). */
static void copy_padded(const hawq_tiled *isa, const hawq_conv *v,
                        const uint8_t *x, uint8_t *to) {
    int    bytes = x_bytes(isa, v), width = padded_w(v);
    size_t c = (size_t)v->c, size = c * (size_t)bytes;
    int    left = v->pad_left < width ? v->pad_left : width;
    int    inside = width - left < v->w ? width - left : v->w;
    int    right = width - left - inside;
    int    y = -v->pad_top, end = y + padded_h(v);
    size_t gap = 0; /* values of padding not yet written */
    for (; y < end; y++) {
        if (y < 0 || y >= v->h) {
            gap += (size_t)width * c;
            continue;
        }
        gap += (size_t)left * c;
        fill_values(v->zero, gap, bytes, to);
        to += gap * (size_t)bytes;
        copy_values(isa, x + (size_t)y * v->w * c, (size_t)inside * c, bytes,
                    to);
        to += (size_t)inside * size;
        gap = (size_t)right * c;
    }
    fill_values(v->zero, gap, bytes, to);
    memset(to + gap * (size_t)bytes, 0, HAWQ_TILE_SLACK);
}

/* The parameters of n output channels from c on, from this lane on. */
static void set_lanes(hawq_tile *t, int lane, int n, int c,
                      const hawq_requant *q, const int32_t *bias) {
    memcpy(t->bias + lane, bias + c, (size_t)n * sizeof *bias);
    if (!q) return;
    memcpy(t->multiplier + lane, q->multiplier + c, (size_t)n * sizeof *bias);
    for (int i = 0; i < n; i++) t->pre[lane + i] = q->pre[c + i];
    for (int i = 0; i < n; i++) t->shift[lane + i] = q->shift[c + i];
    for (int i = 0; i < n; i++)
        t->half[lane + i] = (int32_t)1 << (t->shift[lane + i] - 1);
}

/* A tile without outputs: all lanes neutral. */
static void tile_init(hawq_tile *t, const hawq_conv *v, const hawq_requant *q) {
    memset(t, 0, sizeof *t);
    t->y_stride = (size_t)v->oc;
    t->raw = q == NULL;
    memcpy(t->level, v->level, sizeof t->level);
    if (q) {
        t->zero = q->zero;
        t->low = q->low;
        t->high = q->high;
    }
}

/* The kernel rows that meet the image in output row oy. The others see padding
 * only, and that adds nothing when its value is 0. */
static void live_rows(const hawq_conv *v, int oy, int *from, int *to) {
    int above = v->pad_top - oy * v->stride_h;
    int below = v->h - 1 + above;
    *from = 0;
    *to = v->kh;
    if (v->zero != 0) return;
    if (above > 0) *from = (above + v->dilation_h - 1) / v->dilation_h;
    if (below < (v->kh - 1) * v->dilation_h)
        *to = below < 0 ? 0 : below / v->dilation_h + 1;
    if (*from > *to) *from = *to;
}

/* All pixels of one panel. x is at the group's first channel. */
static void run_panel(const hawq_conv *v, const hawq_tile_kind *kind,
                      hawq_tile *t, const int8_t *panel, const uint8_t *x,
                      size_t row_bytes, uint8_t *y) {
    size_t step = (size_t)v->stride_w * (size_t)v->c * (size_t)kind->x_bytes;
    size_t row_step = (size_t)v->stride_h * row_bytes;
    size_t y_step = t->y_stride * (t->raw ? sizeof(int32_t) : 1);
    size_t panel_row = panel_values(v, kind) / (size_t)v->kh;
    bool   one_row = row_step == (size_t)v->ow * step;
    int    rows = one_row ? 1 : v->oh, n = one_row ? v->oh * v->ow : v->ow;
    int    tiles = (n + kind->pixels - 1) / kind->pixels;
    int    small = n / tiles, larger = n % tiles, taps = t->n_runs / v->kh;
    const int32_t *run_at = t->run_at;
    if (kind->prepare) kind->prepare(t, panel);
    for (int oy = 0; oy < rows; oy++, x += row_step) {
        const uint8_t *p = x;
        int            from = 0, to = v->kh;
        if (!one_row && !kind->prepare) live_rows(v, oy, &from, &to);
        t->run_at = run_at + from * taps;
        t->n_runs = (to - from) * taps;
        for (int i = 0; i < tiles; i++) {
            size_t m = (size_t)small + (i < larger);
            kind->functions[m - 1](t, panel + (size_t)from * panel_row, p,
                                   (ptrdiff_t)step, y);
            p += m * step;
            y += m * y_step;
        }
    }
    if (kind->flush) kind->flush(t);
}

/* Byte offsets of the runs of a window. */
static void list_runs(const hawq_conv *v, int bytes, size_t row_bytes,
                      int32_t *run_at) {
    int taps = whole_rows(v) ? 1 : v->kw;
    for (int ky = 0; ky < v->kh; ky++)
        for (int kx = 0; kx < taps; kx++)
            *run_at++ = (int32_t)((size_t)(ky * v->dilation_h) * row_bytes +
                                  (size_t)(kx * v->dilation_w * v->c * bytes));
}

static void run_tiles(const hawq_tiled *isa, const hawq_conv *v,
                      const uint8_t *packed, const hawq_requant *q,
                      const int32_t *bias, const uint8_t *x, size_t row_bytes,
                      uint8_t *y, int8_t *expanded, int32_t *run_at) {
    hawq_tile t;
    int       group_oc = v->oc / v->groups, group_c = v->c / v->groups;
    int       bytes = x_bytes(isa, v);
    list_runs(v, bytes, row_bytes, run_at);
    tile_init(&t, v, q);
    for (int oc = 0; oc < v->oc; oc += t.n_oc) {
        int                   rest = group_oc - oc % group_oc;
        const hawq_tile_kind *kind = isa->kind(v, rest);
        size_t                n = panel_values(v, kind);
        size_t                size = panel_bytes(n, v->weight_bits);
        t.run_at = run_at;
        t.n_runs = n_runs(v);
        t.run_bytes = (int)run_padded(v, kind) * bytes;
        t.n_oc = rest < tile_oc(kind) ? rest : tile_oc(kind);
        set_lanes(&t, 0, t.n_oc, oc, q, bias);
        const uint8_t      *xg = x + oc / group_oc * group_c * bytes;
        uint8_t            *yg = y + (size_t)oc * (q ? 1 : sizeof(int32_t));
        const int8_t       *panel = (const int8_t *)packed;
        hawq_tile_function *single = kind->single[width_index(v)];
        if (v->oh * v->ow == 1 && single && !clears(v, kind)) {
            single(&t, panel, xg, 0, yg);
        } else {
            if (v->weight_bits < 8) {
                isa->expand(v->weight_bits, v->level, size, packed, expanded);
                if (clears(v, kind)) clear_padding(v, kind, expanded);
                panel = expanded;
            }
            run_panel(v, kind, &t, panel, xg, row_bytes, yg);
        }
        packed += size;
    }
}

static void run_depthwise(const hawq_tiled *isa, const hawq_conv *v,
                          const uint8_t *packed, const hawq_requant *q,
                          const int32_t *bias, const uint8_t *x,
                          size_t row_bytes, uint8_t *y, int8_t *expanded,
                          void *columns) {
    hawq_tile t;
    int       block = depthwise_block(isa);
    size_t    value = q ? 1 : sizeof(int32_t);
    size_t    size = panel_bytes(depthwise_values(isa, v), v->weight_bits);
    hawq_depthwise_row row = {.row_bytes = (size_t)v->dilation_h * row_bytes,
                              .c = v->c,
                              .width = padded_w(v),
                              .kh = v->kh,
                              .kw = v->kw,
                              .step_w = v->dilation_w,
                              .stride_w = v->stride_w,
                              .ow = v->ow,
                              .pixels = depthwise_pixels(isa, v)};
    tile_init(&t, v, q);
    for (int c0 = 0; c0 < v->c; c0 += block, packed += size) {
        const int8_t *panel = (const int8_t *)packed;
        if (v->weight_bits < 8) {
            isa->expand(v->weight_bits, v->level, size, packed, expanded);
            panel = expanded;
        }
        t.n_oc = depthwise_valid(isa, v, c0);
        for (int i = 0; i < block; i++) {
            int c = depthwise_channel(isa, i);
            if (c < t.n_oc) set_lanes(&t, i, 1, (c0 + c) % v->c, q, bias);
        }
        for (int oy = 0; oy < v->oh; oy++) {
            size_t at = (size_t)oy * (size_t)v->ow * (size_t)v->oc;
            row.x = x + (size_t)(oy * v->stride_h) * row_bytes + c0;
            isa->depthwise(&t, panel, &row, y + (at + (size_t)c0) * value,
                           columns);
        }
    }
}

void hawq_tiled_conv(const hawq_tiled *isa, const hawq_conv *v,
                     const uint8_t *packed, const hawq_requant *requant,
                     const int32_t *bias, const uint8_t *x, void *y,
                     uint8_t *scratch) {
    size_t  pitch = (size_t)v->w;
    int8_t *expanded = (int8_t *)scratch + copy_bytes(isa, v);
    void   *after = expanded + expanded_bytes(isa, v);
    if (copied(isa, v)) {
        copy_padded(isa, v, x, scratch);
        x = scratch;
        pitch = (size_t)padded_w(v);
    }
    size_t row_bytes = pitch * (size_t)v->c * (size_t)x_bytes(isa, v);
    if (depthwise(v))
        run_depthwise(isa, v, packed, requant, bias, x, row_bytes, y, expanded,
                      after);
    else
        run_tiles(isa, v, packed, requant, bias, x, row_bytes, y, expanded,
                  (int32_t *)after);
}

const char *hawq_tiled_name(const hawq_tiled *isa, const hawq_conv *v) {
    if (depthwise(v)) return isa->depthwise_names[width_index(v)];
    return isa->kind(v, v->oc / v->groups)->names[width_index(v)];
}
