/* cuda_emulated.cpp -- kernels/cuda.cu on the processor, where there is no GPU.
 *
 * The file is compiled as C++ against these stand-ins for the CUDA runtime: a
 * thread of a block is a coroutine, __syncthreads() lets the others run up to
 * theirs, memory is the host's. Linked in place of cuda.cu, test_kernels then
 * compares the device's kernels with ref, bit for bit. It proves the kernels'
 * indices and arithmetic; not that a GPU starts them, and nothing of speed.
 * Built and run by gpu_checklist.sh.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>

/* --- what the kernels see ------------------------------------------------- */

#define __device__
#define __global__
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(n)

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {
    }
};
struct uint4 {
    unsigned x, y, z, w;
};
struct int4 {
    int x, y, z, w;
};
static dim3 threadIdx, blockIdx, blockDim;

static int min(int a, int b) {
    return a < b ? a : b;
}
static int max(int a, int b) {
    return a > b ? a : b;
}
static int4 make_int4(int x, int y, int z, int w) {
    return {x, y, z, w};
}
static int __mulhi(int a, int b) {
    return (int)((int64_t)a * b >> 32);
}
/* Byte i of the result is the byte of a (0 .. 3) or b (4 .. 7) that nibble i of
 * the selector names. */
static uint32_t __byte_perm(uint32_t a, uint32_t b, uint32_t selector) {
    uint64_t both = (uint64_t)b << 32 | a;
    uint32_t y = 0;
    for (int i = 0; i < 4; i++)
        y |= (uint32_t)(both >> 8 * (selector >> 4 * i & 7) & 255) << 8 * i;
    return y;
}
static float __fmul_rn(float a, float b) {
    return a * b;
}
static int __float2int_rn(float x) {
    return (int)__builtin_rintf(x);
}

/* The only assembler in cuda.cu: four products of unsigned by signed bytes. */
static int emulated_dot4(uint32_t x, uint32_t w, int sum) {
    for (int i = 0; i < 32; i += 8) sum += (uint8_t)(x >> i) * (int8_t)(w >> i);
    return sum;
}
#define asm(...) y = emulated_dot4(x, w, sum)

/* --- a block of coroutines ------------------------------------------------ */

/* Entered once by swapcontext, then switched by _setjmp and _longjmp, which
 * make no system calls. */
enum { MOST_THREADS = 256, STACK = 64 << 10 };
static ucontext_t scheduler, entry[MOST_THREADS];
static jmp_buf    in_scheduler, in_thread[MOST_THREADS];
static enum { FRESH, STARTED, FINISHED } state[MOST_THREADS];
static char     stack[MOST_THREADS][STACK];
static unsigned running;

static void run_kernel(void);

static void __syncthreads(void) {
    if (!_setjmp(in_thread[running])) _longjmp(in_scheduler, 1);
}

static void run_thread(void) {
    run_kernel();
    state[running] = FINISHED;
    _longjmp(in_scheduler, 1);
}

static void start_thread(void) {
    ucontext_t *c = &entry[running];
    state[running] = STARTED;
    getcontext(c);
    c->uc_stack.ss_sp = stack[running];
    c->uc_stack.ss_size = STACK;
    c->uc_link = NULL;
    makecontext(c, run_thread, 0);
    swapcontext(&scheduler, c);
}

/* Every thread up to its next __syncthreads(), until all have finished. */
static void run_block(void) {
    static bool any; /* static: not undone by _longjmp */
    for (unsigned i = 0; i < blockDim.x; i++) state[i] = FRESH;
    for (any = true; any;) {
        any = false;
        for (running = 0; running < blockDim.x; running++) {
            if (state[running] == FINISHED) continue;
            any = true;
            threadIdx.x = running;
            if (_setjmp(in_scheduler)) continue;
            if (state[running] == FRESH) start_thread();
            _longjmp(in_thread[running], 1);
        }
    }
}

/* --- the runtime ---------------------------------------------------------- */

typedef int   cudaError_t;
typedef void *cudaStream_t;
enum { cudaSuccess, cudaErrorMemoryAllocation };
enum { cudaStreamNonBlocking, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost };

static int cudaGetDeviceCount(int *n) {
    *n = 1;
    return cudaSuccess;
}
static int cudaStreamCreateWithFlags(cudaStream_t *, int) {
    return cudaSuccess;
}
static int cudaStreamSynchronize(cudaStream_t) {
    return cudaSuccess;
}
static int cudaMalloc(void **p, size_t n) {
    *p = aligned_alloc(64, (n + 63) / 64 * 64);
    return *p ? cudaSuccess : cudaErrorMemoryAllocation;
}
static int cudaMallocHost(void **p, size_t n) {
    return cudaMalloc(p, n);
}
static int cudaFree(void *p) {
    free(p);
    return cudaSuccess;
}
static int cudaFreeHost(void *p) {
    return cudaFree(p);
}
static int cudaMemcpy(void *to, const void *from, size_t n, int) {
    memcpy(to, from, n);
    return cudaSuccess;
}
static int cudaMemcpyAsync(void *to, const void *from, size_t n, int,
                           cudaStream_t) {
    return cudaMemcpy(to, from, n, 0);
}
static int cudaLaunchKernel(const void *function, dim3 grid, dim3 block,
                            void **arguments, size_t, cudaStream_t);

/* <cuda_runtime.h> is found in a folder where it is empty. */
#include "kernels/cuda.cu"

/* --- launching ------------------------------------------------------------ */

static const void *launched;
static void      **given;

template <class A> static void call_if(void (*kernel)(A, uint8_t *)) {
    if (launched == (const void *)kernel)
        kernel(*(const A *)given[0], *(uint8_t **)given[1]);
}

template <class A>
static void call_if(void (*kernel)(A, uint8_t *, const uint8_t *)) {
    if (launched == (const void *)kernel)
        kernel(*(const A *)given[0], *(uint8_t **)given[1],
               *(const uint8_t **)given[2]);
}

static void run_kernel(void) {
    call_if(conv_tiles<8>);
    call_if(conv_tiles<4>);
    call_if(conv_tiles<2>);
    call_if(conv_taps<8>);
    call_if(conv_taps<4>);
    call_if(conv_taps<2>);
    call_if(add_items);
    call_if(max_items);
    call_if(average_items);
    call_if(quantize_items);
    call_if(move_items);
}

static int cudaLaunchKernel(const void *function, dim3 grid, dim3 block,
                            void **arguments, size_t, cudaStream_t) {
    launched = function;
    given = arguments;
    blockDim = block;
    for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) run_block();
    return cudaSuccess;
}
