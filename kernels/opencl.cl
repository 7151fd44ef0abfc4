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

inline char16 levels(hawq_device_conv v) {
    return as_char16((int4)(v.level[0], v.level[1], v.level[2], v.level[3]));
}

/* Value j of 16 elements, looked up in the table if it is a code. */
inline int16 values(uint16 element, int j, int bits, char16 level) {
    uchar16 code = convert_uchar16(element >> (uint)(bits * j) &
                                   (uint)((1 << bits) - 1));
    return convert_int16(bits == 8 ? as_char16(code) : shuffle(level, code));
}

/* n <= 4 bytes of p, then zeros, whose weights may be anything */
inline int4 load4(global const uchar *p, int n) {
    if (n >= 4) return convert_int4(vload4(0, p));
    return (int4)(p[0], n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, 0);
}

/* the same of the padding */
inline int4 padding4(int zero, int n) {
    return (int4)(zero, n > 1 ? zero : 0, n > 2 ? zero : 0, n > 3 ? zero : 0);
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
    int    sums[16];
    int16  acc = 0;
    char16 level = levels(v);
    for (int ky = 0; ky < v.kh; ky++)
        for (int kx = 0; kx < v.kw; kx++) {
            global const uchar *x = pixel(v, arena, p, ky, kx);
            for (int c = 0; c < v.group_c; c += 4, e += v.group_oc) {
                int4   in = x ? load4(x + group * v.group_c + c, v.group_c - c)
                              : padding4(v.zero, v.group_c - c);
                uint16 w = elements(weights, e, v.bits);
                acc += values(w, 0, v.bits, level) * in.s0 +
                       values(w, 1, v.bits, level) * in.s1 +
                       values(w, 2, v.bits, level) * in.s2 +
                       values(w, 3, v.bits, level) * in.s3;
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
    int taps = v.kh * v.kw, acc = 0, mask = (1 << v.bits) - 1;
    for (int k = 0; k < taps; k += 4, e += v.group_oc) {
        uint w = element(weights, e, v.bits);
        for (int j = 0; j < min(4, taps - k); j++, w >>= v.bits) {
            global const uchar *x =
                pixel(v, arena, p, (k + j) / v.kw, (k + j) % v.kw);
            int  code = (int)w & mask;
            char four = (char)(v.level[code / 4] >> code % 4 * 8);
            acc += (v.bits == 8 ? (char)code : four) * (x ? x[group] : v.zero);
        }
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
