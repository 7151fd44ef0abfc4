/* cuda.cu -- the table "cuda": device_body.h on the first CUDA device.
 *
 * Built with -DHAWQ_CUDA=ON only, for sm_61 or later (dp4a). Convolution is an
 * implicit matrix product, output pixels times output channels, of 4-wide dot
 * products of unsigned by signed bytes: a block of 256 threads computes 64 x 64
 * outputs, a thread 4 x 4, over 8 words (32 products) at a time. Weights travel
 * at their width in bits and become levels in registers on their way to shared
 * memory. Where a group has one input channel, a thread computes one output
 * from words of four taps. Formulas: ref.c and arith.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern "C" {
#include "kernels/arith.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/tables.h"
}

#include <cuda_runtime.h>

/* --- arithmetic ----------------------------------------------------------- */

/* The compiler's __dp4a takes both operands signed or both unsigned; the
 * instruction takes either. */
__device__ static int dot4(uint32_t x, uint32_t w, int sum) {
    int y;
    asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(y) : "r"(x), "r"(w), "r"(sum));
    return y;
}

__device__ static int clamped(int v, int low, int high) {
    return min(max(v, low), high);
}

struct multiplier {
    int m, pre, shift;
};

__device__ static multiplier multiplier_of(const hawq_device_requant &q,
                                           const uint8_t *arena, int i) {
    return {((const int *)(arena + q.multiplier))[i], arena[q.pre + i],
            arena[q.shift + i]};
}

/* The product's signed high word, then one rounding, half toward +infinity. */
__device__ static uint8_t requantize(int acc, multiplier f,
                                     const hawq_device_requant &q) {
    int h = __mulhi(acc << f.pre, f.m);
    int r = (h + (1 << (f.shift - 1))) >> f.shift;
    return (uint8_t)clamped(q.zero + r, q.low, q.high);
}

/* Element e of a layer's weights as four int8. Four codes of 4 bits are the
 * selector of a byte permutation: their lowest three bits choose among the
 * levels 0 .. 7 and among 8 .. 15, then the fourth chooses between the two.
 * Codes of 2 bits are spread to 4 and choose among the first four levels. */
template <int bits>
__device__ static uint32_t weights_of(const hawq_device_conv &v,
                                      const uint8_t *weights, int e) {
    if (bits == 8) return ((const uint32_t *)weights)[e];
    if (bits == 4) {
        uint32_t code = ((const uint16_t *)weights)[e];
        uint32_t three = code & 0x7777u;
        uint32_t low = __byte_perm(v.level[0], v.level[1], three);
        uint32_t high = __byte_perm(v.level[2], v.level[3], three);
        return __byte_perm(low, high, 0x3210u + ((code & 0x8888u) >> 1));
    }
    uint32_t code = weights[e];
    code = (code | code << 4) & 0x0F0Fu;
    code = (code | code << 2) & 0x3333u;
    return __byte_perm(v.level[0], 0, code);
}

/* Output i = pixel * oc + o from its sum without the bias. */
__device__ static void finish(const hawq_device_conv &v, uint8_t *arena, int i,
                              int o, int acc) {
    acc += ((const int *)(arena + v.requant.bias))[o];
    if (v.raw)
        ((int *)(arena + v.y))[i] = acc;
    else
        arena[v.y + i] =
            requantize(acc, multiplier_of(v.requant, arena, o), v.requant);
}

__device__ static int item() {
    return (int)(blockIdx.x * blockDim.x + threadIdx.x);
}

/* --- convolution ---------------------------------------------------------- */

enum {
    THREADS = 256,
    TILE = 64,     /* pixels, and channels, of a block */
    DEEP = 8,      /* words in shared memory */
    OWN = 4,       /* pixels, and channels, of a thread */
    ROW = TILE + 4 /* spreads a warp's stores over all banks */
};

/* A position in the words of an output channel. */
struct cursor {
    int word, ky, kx;
};

__device__ static void advance(cursor *at, const hawq_device_conv &v, int n) {
    for (at->word += n; at->word >= v.tap_words; at->word -= v.tap_words)
        if (++at->kx == v.kw) {
            at->kx = 0;
            at->ky++;
        }
}

/* Where the first tap of an output pixel reads; x NULL: there is no such
 * pixel. */
struct window {
    const uint8_t *x;
    int            iy, ix;
};

__device__ static window window_of(const hawq_device_conv &v,
                                   const uint8_t *arena, int pixel, int group) {
    if (pixel >= v.oh * v.ow) return {NULL, 0, 0};
    return {arena + v.x + group * v.group_c,
            pixel / v.ow * v.stride_h - v.pad_top,
            pixel % v.ow * v.stride_w - v.pad_left};
}

/* Four input channels, and 0 beyond the last one. */
__device__ static uint32_t input_of(const hawq_device_conv &v, window in,
                                    cursor at) {
    if (!in.x || at.ky >= v.kh) return 0;
    int rest = v.group_c - 4 * at.word;
    int iy = in.iy + at.ky * v.dilation_h, ix = in.ix + at.kx * v.dilation_w;
    if (iy < 0 || iy >= v.h || ix < 0 || ix >= v.w)
        return (uint32_t)v.zero *
               (0x01010101u >> (rest < 4 ? 32 - 8 * rest : 0));
    const uint8_t *p = in.x + (iy * v.w + ix) * v.c + 4 * at.word;
    if (v.c % 4 == 0 && v.group_c % 4 == 0) return *(const uint32_t *)p;
    uint32_t x = 0;
    for (int j = 0; j < 4 && j < rest; j++) x |= (uint32_t)p[j] << 8 * j;
    return x;
}

/* sums += the products of DEEP words */
__device__ static void multiply(const uint32_t (*x)[ROW],
                                const uint32_t (*w)[ROW], int (*sums)[OWN]) {
    int pixel = threadIdx.x / (TILE / OWN) * OWN;
    int channel = threadIdx.x % (TILE / OWN) * OWN;
#pragma unroll
    for (int k = 0; k < DEEP; k++) {
        uint4    a4 = *(const uint4 *)&x[k][pixel];
        uint4    b4 = *(const uint4 *)&w[k][channel];
        uint32_t a[OWN] = {a4.x, a4.y, a4.z, a4.w};
        uint32_t b[OWN] = {b4.x, b4.y, b4.z, b4.w};
#pragma unroll
        for (int i = 0; i < OWN; i++)
#pragma unroll
            for (int j = 0; j < OWN; j++)
                sums[i][j] = dot4(a[i], b[j], sums[i][j]);
    }
}

/* Grid: tiles of pixels, tiles of a group's channels, groups. A thread brings
 * two neighbouring words of one pixel, and two words of one channel; the next
 * step's are on their way while this one's are multiplied. */
template <int bits>
__global__ static void __launch_bounds__(THREADS)
    conv_tiles(const hawq_device_conv v, uint8_t *arena,
               const uint8_t *weights) {
    __shared__ __align__(16) uint32_t x[DEEP][ROW], w[DEEP][ROW];
    int                               t = threadIdx.x, group = blockIdx.z;
    int                               x_k = t % 4 * 2, x_pixel = t / 4;
    int                               w_k = t / TILE, w_o = t % TILE;
    int    o = blockIdx.y * TILE + w_o, pixels = blockIdx.x * TILE;
    window in = window_of(v, arena, pixels + x_pixel, group);
    cursor at[2] = {};
    int    sums[OWN][OWN] = {};
    for (int i = 0; i < 2; i++) advance(&at[i], v, x_k + i);
    for (int k = 0; k < v.words; k += DEEP) {
        uint32_t next_x[2], next_w[2];
        for (int i = 0; i < 2; i++) {
            int  word = k + w_k + DEEP / 2 * i;
            bool is = word < v.words && o < v.group_oc;
            int  e = (group * v.words + word) * v.group_oc + o;
            next_x[i] = input_of(v, in, at[i]);
            next_w[i] = is ? weights_of<bits>(v, weights, e) : 0;
            advance(&at[i], v, DEEP);
        }
        /* the previous step's words: these loads need not wait for them */
        if (k) multiply(x, w, sums);
        __syncthreads();
        for (int i = 0; i < 2; i++) {
            x[x_k + i][x_pixel] = next_x[i];
            w[w_k + DEEP / 2 * i][w_o] = next_w[i];
        }
        __syncthreads();
    }
    multiply(x, w, sums);
    pixels += t / (TILE / OWN) * OWN;
    o = blockIdx.y * TILE + t % (TILE / OWN) * OWN;
#pragma unroll
    for (int i = 0; i < OWN; i++)
#pragma unroll
        for (int j = 0; j < OWN; j++)
            if (pixels + i < v.oh * v.ow && o + j < v.group_oc) {
                int channel = group * v.group_oc + o + j;
                finish(v, arena, (pixels + i) * v.oc + channel, channel,
                       sums[i][j]);
            }
}

/* One input channel per group, an element is four taps: a thread an output. */
template <int bits>
__global__ static void conv_taps(const hawq_device_conv v, uint8_t *arena,
                                 const uint8_t *weights) {
    int i = item(), taps = v.kh * v.kw, acc = 0;
    if (i >= v.oh * v.ow * v.oc) return;
    int    o = i % v.oc, group = o / v.group_oc;
    int    e = group * v.words * v.group_oc + o % v.group_oc;
    window in = window_of(v, arena, i / v.oc, group);
    for (int k = 0; k < taps; k += 4, e += v.group_oc) {
        uint32_t x = 0;
        for (int j = 0; j < 4 && k + j < taps; j++) {
            cursor at = {0, (k + j) / v.kw, (k + j) % v.kw};
            x |= (input_of(v, in, at) & 255u) << 8 * j;
        }
        acc = dot4(x, weights_of<bits>(v, weights, e), acc);
    }
    finish(v, arena, i, o, acc);
}

/* --- the other slots ------------------------------------------------------ */

__global__ static void add_items(const hawq_device_add v, uint8_t *arena) {
    int i = item();
    if (i >= v.n) return;
    int sum = (arena[v.a + i] - v.za) * v.ma + (arena[v.b + i] - v.zb) * v.mb;
    int r = (sum + (1 << (v.shift - 1))) >> v.shift;
    arena[v.y + i] = (uint8_t)clamped(v.zero + r, v.low, v.high);
}

/* The part of output i's window inside the input: rows x .. y - 1, columns z ..
 * w - 1. */
__device__ static int4 inside(const hawq_device_pool &v, int i) {
    int y = i / v.c / v.ow * v.stride_h - v.pad_top;
    int x = i / v.c % v.ow * v.stride_w - v.pad_left;
    return make_int4(max(y, 0), min(y + v.kh, v.h), max(x, 0),
                     min(x + v.kw, v.w));
}

__global__ static void max_items(const hawq_device_pool v, uint8_t *arena) {
    int i = item();
    if (i >= v.oh * v.ow * v.c) return;
    int4 in = inside(v, i);
    int  most = 0;
    for (int y = in.x; y < in.y; y++)
        for (int x = in.z; x < in.w; x++)
            most = max(most, (int)arena[v.x + (y * v.w + x) * v.c + i % v.c]);
    arena[v.y + i] = (uint8_t)most;
}

__global__ static void average_items(const hawq_device_pool v, uint8_t *arena) {
    int i = item();
    if (i >= v.oh * v.ow * v.c) return;
    const hawq_device_requant &q = v.requant;
    int4                       in = inside(v, i);
    int n = max(in.y - in.x, 0) * max(in.w - in.z, 0), sum = 0;
    if (v.count_pad) n = v.kh * v.kw;
    for (int y = in.x; y < in.y; y++)
        for (int x = in.z; x < in.w; x++)
            sum += arena[v.x + (y * v.w + x) * v.c + i % v.c] - v.zero_in;
    arena[v.y + i] = n ? requantize(sum, multiplier_of(q, arena, n - 1), q)
                       : (uint8_t)clamped(q.zero, q.low, q.high);
}

/* As in ref.c, NaN counts as -512. */
__global__ static void quantize_items(const hawq_device_quantize v,
                                      uint8_t                   *arena) {
    int i = item();
    if (i >= v.n) return;
    float x = __fmul_rn(((const float *)(arena + v.x))[i], v.inverse_scale);
    x = x > -512.0f ? x : -512.0f;
    x = x < 512.0f ? x : 512.0f;
    arena[v.y + i] =
        (uint8_t)clamped(__float2int_rn(x) + v.zero, v.low, v.high);
}

__global__ static void move_items(const hawq_device_move v, uint8_t *arena) {
    int i = item();
    if (i >= v.n) return;
    int from = ((const int *)(arena + v.map))[i];
    arena[v.y + i] =
        from < 0 ? (uint8_t)v.fill : arena[v.table + arena[v.x + from]];
}

/* --- the device ----------------------------------------------------------- */

#define DEVICE_NAME "cuda"
static const char *const device_conv_names[2] = {"cuda dp4a 64x64",
                                                 "cuda dp4a of taps"};

static cudaStream_t stream;
static uint8_t     *arena, *staging; /* on the device; on the host, pinned */
static size_t       capacity;        /* of both, in bytes */

/* A device beyond the architectures this was built for fails the check against
 * ref, as no kernel starts. */
static bool device_open(void) {
    int n = 0;
    return cudaGetDeviceCount(&n) == cudaSuccess && n > 0 &&
           cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) ==
               cudaSuccess;
}

static bool device_reserve(size_t n) {
    if (n <= capacity) return true;
    n = n < 1 << 16 ? 1 << 16 : n + n / 2;
    cudaFree(arena);
    cudaFreeHost(staging);
    arena = staging = NULL;
    capacity = 0;
    if (cudaMalloc((void **)&arena, n) != cudaSuccess ||
        cudaMallocHost((void **)&staging, n) != cudaSuccess)
        return false;
    capacity = n;
    return true;
}

static void *device_store(const void *bytes, size_t n) {
    void *weights = NULL;
    if (cudaMalloc(&weights, n) != cudaSuccess) return NULL;
    if (cudaMemcpy(weights, bytes, n, cudaMemcpyHostToDevice) == cudaSuccess)
        return weights;
    cudaFree(weights);
    return NULL;
}

static void device_drop(void *weights) {
    cudaFree(weights);
}

/* The kernel's function; bits of a convolution's weights, else any. */
static const void *function_of(int kernel, int bits) {
    switch (kernel) {
    case HAWQ_DEVICE_CONV:
        return bits == 8   ? (const void *)conv_tiles<8>
               : bits == 4 ? (const void *)conv_tiles<4>
                           : (const void *)conv_tiles<2>;
    case HAWQ_DEVICE_CONV_TAPS:
        return bits == 8   ? (const void *)conv_taps<8>
               : bits == 4 ? (const void *)conv_taps<4>
                           : (const void *)conv_taps<2>;
    case HAWQ_DEVICE_ADD:
        return (const void *)add_items;
    case HAWQ_DEVICE_MAX_POOL:
        return (const void *)max_items;
    case HAWQ_DEVICE_AVERAGE_POOL:
        return (const void *)average_items;
    case HAWQ_DEVICE_QUANTIZE:
        return (const void *)quantize_items;
    default:
        return (const void *)move_items;
    }
}

static unsigned blocks(size_t n, size_t of) {
    return (unsigned)((n + of - 1) / of);
}

/* One kernel over n outputs in the stream. */
static bool launch(int kernel, const void *arguments, void *weights, size_t n) {
    bool convolves =
        kernel == HAWQ_DEVICE_CONV || kernel == HAWQ_DEVICE_CONV_TAPS;
    const hawq_device_conv *v = (const hawq_device_conv *)arguments;
    void *list[3] = {(void *)arguments, (void *)&arena, (void *)&weights};
    dim3  grid(blocks(n, THREADS));
    if (kernel == HAWQ_DEVICE_CONV)
        grid = dim3(blocks((size_t)v->oh * (size_t)v->ow, TILE),
                    blocks((size_t)v->group_oc, TILE), (unsigned)v->groups);
    return cudaLaunchKernel(function_of(kernel, convolves ? v->bits : 0), grid,
                            dim3(THREADS), list, 0, stream) == cudaSuccess;
}

static bool device_run(int kernel, const void *arguments,
                       size_t arguments_bytes, void *weights, size_t n,
                       size_t in, size_t out, size_t end) {
    (void)arguments_bytes;
    return cudaMemcpyAsync(arena, staging, in, cudaMemcpyHostToDevice,
                           stream) == cudaSuccess &&
           launch(kernel, arguments, weights, n) &&
           cudaMemcpyAsync(staging + out, arena + out, end - out,
                           cudaMemcpyDeviceToHost, stream) == cudaSuccess &&
           cudaStreamSynchronize(stream) == cudaSuccess;
}

#include "kernels/device_body.h"

extern "C" const hawq_kernels hawq_kernels_cuda = DEVICE_TABLE;
