/* opencl.cl -- the kernels of the OpenCL table: the formulas of ref.c and
 * arith.h; work items that follow one another compute channels that do. OpenCL
 * C 1.2.
 *
 * The text of device.h, which defines the arguments, is compiled in front.
 * mul_hi(a << pre, m) is the signed high word of arith.h: whoever builds a
 * layer proves that a << pre fits 32 bits. `>>` of a negative int is an
 * arithmetic shift in OpenCL C.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */

inline uchar requantize(hawq_device_requant q, global const uchar *arena,
                        int i, int acc) {
    int m = ((global const int *)(arena + q.multiplier))[i];
    int t = arena[q.shift + i];
    int h = mul_hi(acc << arena[q.pre + i], m);
    return (uchar)clamp(q.zero + ((h + (1 << (t - 1))) >> t), q.low, q.high);
}

/* Element e of a layer's weights, and the 16 from e on: a row of elements may
 * end before, but 16 can always be read (opencl.c). */
inline uint element(global const uchar *weights, int e, int bits) {
    return bits == 8   ? ((global const uint *)weights)[e]
           : bits == 4 ? ((global const ushort *)weights)[e]
                       : weights[e];
}

inline uint16 elements(global const uchar *weights, int e, int bits) {
    if (bits == 8) return vload16(0, (global const uint *)weights + e);
    if (bits == 4)
        return convert_uint16(vload16(0, (global const ushort *)weights + e));
    return convert_uint16(vload16(0, weights + e));
}

/* Value j of an element: up against the sign bit and down again. */
#define VALUE(v, j, bits) ((v << (32 - bits * (j + 1))) >> (32 - bits))

#define DOT4(v, x, bits)                                                       \
    (VALUE(v, 0, bits) * x.s0 + VALUE(v, 1, bits) * x.s1 +                     \
     VALUE(v, 2, bits) * x.s2 + VALUE(v, 3, bits) * x.s3)

/* n <= 4 bytes of p, then zeros, whose weights are zeros too */
inline int4 load4(global const uchar *p, int n) {
    if (n >= 4) return convert_int4(vload4(0, p));
    return (int4)(p[0], n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, 0);
}

/* Channel o of pixel p from its sum without the bias. */
inline void finish(hawq_device_conv v, global uchar *arena, int p, int o,
                   int acc) {
    int i = p * v.oc + o;
    acc += ((global const int *)(arena + v.requant.bias))[o];
    if (v.raw)
        ((global int *)(arena + v.y))[i] = acc;
    else
        arena[v.y + i] = requantize(v.requant, arena, o, acc);
}

/* The input pixel under a tap of output pixel p; 0 in the padding. */
inline global const uchar *pixel(hawq_device_conv v, global const uchar *arena,
                                 int p, int ky, int kx) {
    int iy = p / v.ow * v.stride_h - v.pad_top + ky * v.dilation_h;
    int ix = p % v.ow * v.stride_w - v.pad_left + kx * v.dilation_w;
    bool inside = iy >= 0 && iy < v.h && ix >= 0 && ix < v.w;
    return inside ? arena + v.x + (iy * v.w + ix) * v.c : 0;
}

/* A work item computes up to 16 channels of one group at one pixel. */
kernel void conv(const hawq_device_conv v, global uchar *arena,
                 global const uchar *weights) {
    int blocks = (v.group_oc + 15) / 16;
    int p = get_global_id(0) / (blocks * v.groups);
    if (p >= v.oh * v.ow) return;
    int   block = get_global_id(0) % (blocks * v.groups);
    int   group = block / blocks, from = block % blocks * 16;
    int   e = group * v.words * v.group_oc + from;
    int   sums[16];
    int4  padding = v.zero;
    int16 acc = 0;
    for (int ky = 0; ky < v.kh; ky++)
        for (int kx = 0; kx < v.kw; kx++) {
            global const uchar *x = pixel(v, arena, p, ky, kx);
            for (int c = 0; c < v.group_c; c += 4, e += v.group_oc) {
                int4  in = x ? load4(x + group * v.group_c + c, v.group_c - c)
                             : padding;
                int16 w = as_int16(elements(weights, e, v.bits));
                acc += DOT4(w, in, v.bits);
            }
        }
    vstore16(acc, 0, sums);
    for (int j = 0; j < min(16, v.group_oc - from); j++)
        finish(v, arena, p, group * v.group_oc + from + j, sums[j]);
}

/* One input channel per group: an element is four taps. */
kernel void conv_taps(const hawq_device_conv v, global uchar *arena,
                      global const uchar *weights) {
    int i = get_global_id(0);
    if (i >= v.oh * v.ow * v.oc) return;
    int p = i / v.oc, o = i % v.oc, group = o / v.group_oc;
    int e = group * v.words * v.group_oc + o % v.group_oc;
    int taps = v.kh * v.kw, acc = 0;
    for (int k = 0; k < taps; k += 4, e += v.group_oc) {
        int of[4];
        for (int j = 0; j < 4; j++) {
            int                 tap = min(k + j, taps - 1);
            global const uchar *x =
                pixel(v, arena, p, tap / v.kw, tap % v.kw);
            of[j] = x ? x[group] : v.zero;
        }
        int  w = (int)element(weights, e, v.bits);
        int4 in = vload4(0, of);
        acc += DOT4(w, in, v.bits);
    }
    finish(v, arena, p, o, acc);
}

kernel void add(const hawq_device_add v, global uchar *arena) {
    int i = get_global_id(0);
    if (i >= v.n) return;
    int sum = (arena[v.a + i] - v.za) * v.ma + (arena[v.b + i] - v.zb) * v.mb;
    int half_unit = 1 << (v.shift - 1);
    arena[v.y + i] =
        (uchar)clamp(v.zero + ((sum + half_unit) >> v.shift), v.low, v.high);
}

/* The part of output i's window inside the input: rows s0 .. s1 - 1, columns
 * s2 .. s3 - 1. */
inline int4 window(hawq_device_pool v, int i) {
    int y = i / v.c / v.ow * v.stride_h - v.pad_top;
    int x = i / v.c % v.ow * v.stride_w - v.pad_left;
    return (int4)(max(y, 0), min(y + v.kh, v.h), max(x, 0),
                  min(x + v.kw, v.w));
}

kernel void max_pool(const hawq_device_pool v, global uchar *arena) {
    int i = get_global_id(0);
    if (i >= v.oh * v.ow * v.c) return;
    int4  in = window(v, i);
    uchar most = 0;
    for (int y = in.s0; y < in.s1; y++)
        for (int x = in.s2; x < in.s3; x++)
            most = max(most, arena[v.x + (y * v.w + x) * v.c + i % v.c]);
    arena[v.y + i] = most;
}

kernel void average_pool(const hawq_device_pool v, global uchar *arena) {
    int i = get_global_id(0);
    if (i >= v.oh * v.ow * v.c) return;
    int4 in = window(v, i);
    int  n = max(in.s1 - in.s0, 0) * max(in.s3 - in.s2, 0), sum = 0;
    if (v.count_pad) n = v.kh * v.kw;
    for (int y = in.s0; y < in.s1; y++)
        for (int x = in.s2; x < in.s3; x++)
            sum += arena[v.x + (y * v.w + x) * v.c + i % v.c] - v.zero_in;
    arena[v.y + i] =
        n ? requantize(v.requant, arena, n - 1, sum)
          : (uchar)clamp(v.requant.zero, v.requant.low, v.requant.high);
}

/* As in ref.c, NaN counts as -512. */
kernel void quantize(const hawq_device_quantize v, global uchar *arena) {
    int i = get_global_id(0);
    if (i >= v.n) return;
    float x = ((global const float *)(arena + v.x))[i] * v.inverse_scale;
    x = x > -512.0f ? x : -512.0f;
    x = x < 512.0f ? x : 512.0f;
    arena[v.y + i] = (uchar)clamp(convert_int_rte(x) + v.zero, v.low, v.high);
}

kernel void move(const hawq_device_move v, global uchar *arena) {
    int i = get_global_id(0);
    if (i >= v.n) return;
    int from = ((global const int *)(arena + v.map))[i];
    arena[v.y + i] =
        from < 0 ? (uchar)v.fill : arena[v.table + arena[v.x + from]];
}
