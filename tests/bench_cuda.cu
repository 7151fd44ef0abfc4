/* bench_cuda.cu -- the CUDA convolutions beside cuBLASLt's int8 product.
 *
 *     bench_cuda [ROUNDS]     (default 51)
 *
 * One line of a Markdown table per layer: microseconds of the kernel alone at
 * 8, 4 and 2 bits, of cuBLASLt's product of the same size (int8 x int8 to
 * int32, no requantization, and for kernels beyond 1x1 without the unfolding of
 * the image that it would need), and of a whole call of the table, which also
 * copies in and out. One image, as the interface has it. Kernels are timed by
 * events around BATCH launches in a stream, calls by the clock; every round
 * measures all columns one after another; medians, and the quartiles of the
 * 8-bit and cuBLASLt columns. Caches are warm.
 *
 * Each 1x1 layer's int32 sums must equal cuBLASLt's: else it says so and
 * exits 1. Without a device it exits 77. It includes cuda.cu to launch
 * its kernels without their copies, and is linked without it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/cuda.cu"

#include <cublasLt.h>
#include <stdio.h>
#include <stdlib.h>

extern "C" {
#include "kernels/timer.h"
}

enum { MOST_ROUNDS = 255, WORKSPACE = 32 << 20 };
enum { LT = 3, WHOLE = 4, COLUMNS = 5 }; /* the first: 8, 4 and 2 bits */
static const int BATCH = 20;

struct shape {
    const char *name;
    int         size, c, oc, k, stride;
};

static const shape shapes[] = {
    {"R18 l1 64>64 3x3 @56", 56, 64, 64, 3, 1},
    {"R18 l2 128>128 3x3 @28", 28, 128, 128, 3, 1},
    {"R18 l3 256>256 3x3 @14", 14, 256, 256, 3, 1},
    {"R18 l4 512>512 3x3 @7", 7, 512, 512, 3, 1},
    {"R20 16>16 3x3 @32", 32, 16, 16, 3, 1},
    {"R20 64>64 3x3 @8", 8, 64, 64, 3, 1},
    {"1x1 64>256 @56", 56, 64, 256, 1, 1},
    {"1x1 256>64 @56", 56, 256, 64, 1, 1},
    {"1x1 512>2048 @7", 7, 512, 2048, 1, 1},
    {"1x1 1024>256 @14", 14, 1024, 256, 1, 1},
    {"1x1 1024>1024 @64", 64, 1024, 1024, 1, 1},
    {"fc 512>1000", 1, 512, 1000, 1, 1},
    {"fc 4096>4096", 1, 4096, 4096, 1, 1},
};

static void must(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "bench_cuda: %s failed: %s\n", what,
            cudaGetErrorString(cudaGetLastError()));
    exit(1);
}

static void *take(size_t n) {
    void *p = calloc(n ? n : 1, 1);
    must(p != NULL, "memory");
    return p;
}

static uint8_t *on_device(const void *bytes, size_t n) {
    void *p = device_store(bytes, n);
    must(p != NULL, "device memory");
    return (uint8_t *)p;
}

/* --- cuBLASLt: sums (oc, pixels) = weights' (oc, k) x (k, pixels) ----------
 */

struct product {
    cublasLtHandle_t                handle;
    cublasLtMatmulDesc_t            operation;
    cublasLtMatrixLayout_t          a, b, d;
    cublasLtMatmulHeuristicResult_t best;
    bool                            found;
    uint8_t                        *weights, *x, *sums, *workspace;
};

static product product_new(int oc, int pixels, int k, const uint8_t *weights,
                           const uint8_t *x) {
    product                    p = {};
    cublasOperation_t          transposed = CUBLAS_OP_T;
    cublasLtMatmulPreference_t preference;
    size_t                     most = WORKSPACE;
    int                        n = 0;
    uint8_t *zeros = (uint8_t *)take(4 * (size_t)oc * (size_t)pixels);
    p.weights = on_device(weights, (size_t)oc * (size_t)k);
    p.x = on_device(x, (size_t)pixels * (size_t)k);
    p.sums = on_device(zeros, 4 * (size_t)oc * (size_t)pixels);
    must(cudaMalloc((void **)&p.workspace, WORKSPACE) == cudaSuccess,
         "workspace");
    must(!cublasLtCreate(&p.handle) &&
             !cublasLtMatmulDescCreate(&p.operation, CUBLAS_COMPUTE_32I,
                                       CUDA_R_32I) &&
             !cublasLtMatmulDescSetAttribute(p.operation,
                                             CUBLASLT_MATMUL_DESC_TRANSA,
                                             &transposed, sizeof transposed) &&
             !cublasLtMatrixLayoutCreate(&p.a, CUDA_R_8I, k, oc, k) &&
             !cublasLtMatrixLayoutCreate(&p.b, CUDA_R_8I, k, pixels, k) &&
             !cublasLtMatrixLayoutCreate(&p.d, CUDA_R_32I, oc, pixels, oc) &&
             !cublasLtMatmulPreferenceCreate(&preference) &&
             !cublasLtMatmulPreferenceSetAttribute(
                 preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most,
                 sizeof most),
         "cuBLASLt");
    p.found =
        !cublasLtMatmulAlgoGetHeuristic(p.handle, p.operation, p.a, p.b, p.d,
                                        p.d, preference, 1, &p.best, &n) &&
        n > 0;
    cublasLtMatmulPreferenceDestroy(preference);
    free(zeros);
    return p;
}

static void product_run(const product *p) {
    const int one = 1, zero = 0;
    must(!cublasLtMatmul(p->handle, p->operation, &one, p->weights, p->a, p->x,
                         p->b, &zero, p->sums, p->d, p->sums, p->d,
                         &p->best.algo, p->workspace, WORKSPACE, stream),
         "cuBLASLt's product");
}

static void product_free(product *p) {
    cublasLtMatrixLayoutDestroy(p->a);
    cublasLtMatrixLayoutDestroy(p->b);
    cublasLtMatrixLayoutDestroy(p->d);
    cublasLtMatmulDescDestroy(p->operation);
    cublasLtDestroy(p->handle);
    cudaFree(p->weights);
    cudaFree(p->x);
    cudaFree(p->sums);
    cudaFree(p->workspace);
}

/* --- one layer ------------------------------------------------------------ */

struct layer {
    hawq_conv    conv;
    hawq_requant requant;
    size_t       x_size, y_size, weights_size;
    uint8_t     *x, *y, *packed[3], *scratch;
    int8_t      *weights;
    product      anchor;
    double       ns[COLUMNS][MOST_ROUNDS];
};

/* Inputs below 128, since cuBLASLt takes them as signed. */
static void fill(layer *l, const shape *s) {
    int32_t *bias = (int32_t *)take(4 * (size_t)s->oc);
    int32_t *multiplier = (int32_t *)take(4 * (size_t)s->oc);
    uint8_t *pre = (uint8_t *)take((size_t)s->oc);
    uint8_t *shift = (uint8_t *)take((size_t)s->oc);
    for (size_t i = 0; i < l->x_size; i++) l->x[i] = (uint8_t)(i * 37 % 128);
    for (size_t i = 0; i < l->weights_size; i++)
        l->weights[i] = (int8_t)(i * 73 + i / 251);
    for (int o = 0; o < s->oc; o++) {
        multiplier[o] = (1 << 30) + o;
        shift[o] = 10;
    }
    l->requant = {bias, multiplier, pre, shift, 0, 0, 255};
}

static layer *layer_new(const shape *s) {
    layer *l = (layer *)take(sizeof *l);
    int    pad = s->k / 2, out = (s->size + 2 * pad - s->k) / s->stride + 1;
    l->conv = {s->size, s->size,   s->c,      out, out, s->oc, s->k,
               s->k,    s->stride, s->stride, 1,   1,   pad,   pad,
               1,       8,         {},        0,   0};
    l->x_size = (size_t)s->size * (size_t)s->size * (size_t)s->c;
    l->y_size = (size_t)out * (size_t)out * (size_t)s->oc;
    l->weights_size = hawq_kernels_ref.conv_packed_bytes(&l->conv);
    l->x = (uint8_t *)take(l->x_size);
    l->y = (uint8_t *)take(4 * l->y_size);
    l->weights = (int8_t *)take(l->weights_size);
    fill(l, s);
    l->scratch = (uint8_t *)take(conv_scratch_bytes(&l->conv));
    for (int i = 0; i < 3; i++) {
        l->conv.weight_bits = 8 >> i;
        l->packed[i] = (uint8_t *)take(conv_packed_bytes(&l->conv));
        conv_pack(&l->conv, l->weights, l->packed[i]); /* or code 0 */
    }
    l->conv.weight_bits = 8;
    int      pixels = out * out, k = (int)l->weights_size / s->oc;
    uint8_t *unfolded = (uint8_t *)take((size_t)pixels * (size_t)k);
    if (s->k == 1) memcpy(unfolded, l->x, l->x_size);
    l->anchor =
        product_new(s->oc, pixels, k, (const uint8_t *)l->weights, unfolded);
    free(unfolded);
    return l;
}

static void layer_free(layer *l) {
    for (int i = 0; i < 3; i++) {
        conv_release(l->packed[i]);
        free(l->packed[i]);
    }
    product_free(&l->anchor);
    free((void *)l->requant.bias);
    free((void *)l->requant.multiplier);
    free((void *)l->requant.pre);
    free((void *)l->requant.shift);
    free(l->x);
    free(l->y);
    free(l->weights);
    free(l->scratch);
    free(l);
}

/* Do both compute the same? Only for 1x1, where the image is its own unfolded
 * form. */
static bool sums_agree(const layer *l) {
    if (l->conv.kh > 1 || !l->anchor.found) return true;
    size_t   n = 4 * l->y_size;
    uint8_t *sums = (uint8_t *)take(n);
    product_run(&l->anchor);
    must(cudaMemcpyAsync(sums, l->anchor.sums, n, cudaMemcpyDeviceToHost,
                         stream) == cudaSuccess &&
             cudaStreamSynchronize(stream) == cudaSuccess,
         "copy");
    conv_s32(&l->conv, l->packed[0], l->requant.bias, l->x,
             (int32_t *)(void *)l->y, l->scratch);
    bool same = memcmp(sums, l->y, n) == 0;
    free(sums);
    return same;
}

/* The kernel's arguments with the inputs of a conv call at places of our own;
 * what they hold there does not matter to the time. */
static hawq_device_conv arguments_of(const layer *l, int bits) {
    hawq_conv v = l->conv;
    v.weight_bits = bits;
    hawq_device_conv a = conv_arguments(&v);
    size_t           oc = (size_t)v.oc;
    a.requant.bias = (int)rounded(l->x_size);
    a.requant.multiplier = a.requant.bias + (int)rounded(4 * oc);
    a.requant.pre = a.requant.multiplier + (int)rounded(4 * oc);
    a.requant.shift = a.requant.pre + (int)rounded(oc);
    a.y = a.requant.shift + (int)rounded(oc);
    a.requant.high = 255;
    must(device_reserve((size_t)a.y + l->y_size), "arena");
    must(cudaMemset(arena, 1, capacity) == cudaSuccess, "arena");
    return a;
}

/* Nanoseconds of one of BATCH launches: of our kernel at 8 >> column bits, or
 * of the product. */
static double launches(const layer *l, int column, const hawq_device_conv *a) {
    static cudaEvent_t from, to;
    float              ms = 0;
    if (!from)
        must(cudaEventCreate(&from) == cudaSuccess &&
                 cudaEventCreate(&to) == cudaSuccess,
             "events");
    cudaEventRecord(from, stream);
    for (int i = 0; i < BATCH; i++)
        if (column == LT)
            product_run(&l->anchor);
        else
            must(launch(HAWQ_DEVICE_CONV, a, device_weights(l->packed[column]),
                        l->y_size),
                 "launch");
    cudaEventRecord(to, stream);
    must(cudaEventSynchronize(to) == cudaSuccess &&
             cudaEventElapsedTime(&ms, from, to) == cudaSuccess,
         "timing");
    return 1e6 * ms / BATCH;
}

static double whole_calls(const layer *l) {
    uint64_t from = hawq_timer_now();
    for (int i = 0; i < BATCH; i++)
        conv(&l->conv, l->packed[0], &l->requant, l->x, l->y, l->scratch);
    return (double)(hawq_timer_now() - from) / BATCH;
}

/* The first two rounds warm up. */
static void measure(layer *l, int rounds) {
    hawq_device_conv a[3];
    for (int i = 0; i < 3; i++) a[i] = arguments_of(l, 8 >> i);
    must(cudaDeviceSynchronize() == cudaSuccess, "arena");
    for (int r = -2; r < rounds; r++) {
        int at = r < 0 ? 0 : r;
        for (int i = 0; i < 3; i++) l->ns[i][at] = launches(l, i, &a[i]);
        l->ns[LT][at] = l->anchor.found ? launches(l, LT, NULL) : NAN;
        l->ns[WHOLE][at] = whole_calls(l);
    }
}

static void print(layer *l, const char *name, int rounds) {
    hawq_timing t[COLUMNS];
    for (int i = 0; i < COLUMNS; i++) t[i] = hawq_timing_of(l->ns[i], rounds);
    const hawq_conv *v = &l->conv;
    printf("| %s | %dx%dx%zu | %.2f (%.2f-%.2f) | %.2f | %.2f |", name,
           v->oh * v->ow, v->oc, l->weights_size / (size_t)v->oc,
           t[0].median_ns / 1e3, t[0].q1_ns / 1e3, t[0].q3_ns / 1e3,
           t[1].median_ns / 1e3, t[2].median_ns / 1e3);
    if (l->anchor.found)
        printf(" %.2f (%.2f-%.2f) | %.2f |", t[LT].median_ns / 1e3,
               t[LT].q1_ns / 1e3, t[LT].q3_ns / 1e3,
               t[LT].median_ns / t[0].median_ns);
    else
        printf(" not offered | - |");
    printf(" %.1f |\n", t[WHOLE].median_ns / 1e3);
}

static void print_head(int rounds) {
    cudaDeviceProp device;
    int            driver = 0;
    must(cudaGetDeviceProperties(&device, 0) == cudaSuccess &&
             cudaDriverGetVersion(&driver) == cudaSuccess,
         "device");
    printf("%s, compute capability %d.%d, %d multiprocessors, driver for CUDA "
           "%d.%d, cuBLASLt %zu; %d rounds of %d launches, microseconds.\n\n",
           device.name, device.major, device.minor, device.multiProcessorCount,
           driver / 1000, driver % 1000 / 10, cublasLtGetVersion(), rounds,
           BATCH);
    printf("| layer | pixels x oc x k | 8 bits (quartiles) | 4 bits | 2 bits | "
           "cuBLASLt int8 (quartiles) | cuBLASLt / ours | whole call |\n"
           "|---|---|---|---|---|---|---|---|\n");
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 51;
    if (rounds < 1 || rounds > MOST_ROUNDS) rounds = 51;
    int n = 0;
    if (cudaGetDeviceCount(&n) != cudaSuccess || n == 0) {
        printf("no CUDA device\n");
        return 77;
    }
    must(usable(), "the comparison of a convolution with ref");
    bool agree = true;
    print_head((int)rounds);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        layer *l = layer_new(&shapes[i]);
        if (!sums_agree(l)) {
            printf("| %s | sums DIFFER from cuBLASLt's |\n", shapes[i].name);
            agree = false;
        }
        measure(l, (int)rounds);
        print(l, shapes[i].name, (int)rounds);
        layer_free(l);
    }
    return agree && usable() ? 0 : 1;
}
