/* opencl.cl -- the kernels of the OpenCL table: the formulas of ref.c and
 * arith.h, one output per work item, channels fastest. OpenCL C 1.2.
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

/* Element e of a layer's weights, sign-extended: four int8. A nibble with its
 * sign bit set is completed by 8 * 30 = 0xF0, a pair of bits by 2 * 126 = 0xFC;
 * no product carries into the next byte. */
inline char4 weights_of(global const uchar *weights, int e, int bits) {
    uint v;
    if (bits == 8) return as_char4(((global const uint *)weights)[e]);
    if (bits == 4) {
        v = ((global const ushort *)weights)[e];
        v = (v | v << 8) & 0x00FF00FFu;
        v = (v | v << 4) & 0x0F0F0F0Fu;
        return as_char4(v | (v & 0x08080808u) * 30u);
    }
    v = weights[e];
    v = (v | v << 12) & 0x000F000Fu;
    v = (v | v << 6) & 0x03030303u;
    return as_char4(v | (v & 0x02020202u) * 126u);
}

inline int dot4(char4 w, uchar4 x) {
    int4 p = convert_int4(w) * convert_int4(x);
    return p.x + p.y + p.z + p.w;
}

/* n <= 4 bytes of p, then zeros, whose weights are zeros too */
inline uchar4 load4(global const uchar *p, int n) {
    if (n >= 4) return vload4(0, p);
    return (uchar4)(p[0], n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, 0);
}

inline void finish(hawq_device_conv v, global uchar *arena, int i, int acc) {
    int o = i % v.oc;
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

kernel void conv(const hawq_device_conv v, global uchar *arena,
                 global const uchar *weights) {
    int i = get_global_id(0);
    if (i >= v.oh * v.ow * v.oc) return;
    int    group = i % v.oc / v.group_oc, from = group * v.group_c;
    int    e = group * v.words * v.group_oc + i % v.oc % v.group_oc;
    int    acc = 0;
    uchar4 padding = (uchar4)((uchar)v.zero);
    for (int ky = 0; ky < v.kh; ky++)
        for (int kx = 0; kx < v.kw; kx++) {
            global const uchar *x = pixel(v, arena, i / v.oc, ky, kx);
            for (int c = 0; c < v.group_c; c += 4, e += v.group_oc)
                acc += dot4(weights_of(weights, e, v.bits),
                            x ? load4(x + from + c, v.group_c - c) : padding);
        }
    finish(v, arena, i, acc);
}

/* One input channel per group: an element is four taps. */
kernel void conv_taps(const hawq_device_conv v, global uchar *arena,
                      global const uchar *weights) {
    int i = get_global_id(0);
    if (i >= v.oh * v.ow * v.oc) return;
    int group = i % v.oc / v.group_oc, taps = v.kh * v.kw, acc = 0;
    int e = group * v.words * v.group_oc + i % v.oc % v.group_oc;
    for (int k = 0; k < taps; k += 4, e += v.group_oc) {
        uchar of[4];
        for (int j = 0; j < 4; j++) {
            int                 tap = min(k + j, taps - 1);
            global const uchar *x =
                pixel(v, arena, i / v.oc, tap / v.kw, tap % v.kw);
            of[j] = x ? x[group] : (uchar)v.zero;
        }
        acc += dot4(weights_of(weights, e, v.bits),
                    (uchar4)(of[0], of[1], of[2], of[3]));
    }
    finish(v, arena, i, acc);
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
