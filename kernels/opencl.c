/* opencl.c -- the table "opencl": device_body.h on the first OpenCL 1.2 device
 * found, GPUs and accelerators before processors.
 *
 * Built with -DHAWQ_OPENCL=ON only. The kernels are opencl.cl, embedded as text
 * and compiled by the driver at the first usable(). One in-order queue.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#define CL_TARGET_OPENCL_VERSION 120
#include "kernels/arith.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/tables.h"

#include <CL/cl.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic   push
#pragma GCC diagnostic   ignored "-Woverlength-strings"
static const char *const source[] = {
#include "kernels/device.inc"
    ,
#include "kernels/opencl.inc"
};
#pragma GCC diagnostic pop

/* In the order of device.h's kernels. */
static const char *const names[HAWQ_DEVICE_KERNELS] = {
    "conv", "conv_taps", "add", "max_pool", "average_pool", "quantize", "move"};

enum { MAX_PLATFORMS = 16, GROUP = 64 };

static cl_context       context;
static cl_command_queue queue;
static cl_kernel        kernels[HAWQ_DEVICE_KERNELS];
static cl_mem           arena;
static uint8_t         *staging;
static size_t           capacity; /* of both, in bytes */

#define DEVICE_NAME "opencl"
static const char *const device_conv_names[2] = {"opencl 16 channels",
                                                 "opencl 4 taps"};

/* OpenCL 1.2 or later that a build needs no separate compiler for, and whose
 * bytes are in the order of the packed weights. */
static bool fits(cl_device_id device) {
    char    version[128] = "";
    cl_bool compiler = CL_FALSE, little = CL_FALSE;
    clGetDeviceInfo(device, CL_DEVICE_VERSION, sizeof version, version, NULL);
    clGetDeviceInfo(device, CL_DEVICE_COMPILER_AVAILABLE, sizeof compiler,
                    &compiler, NULL);
    clGetDeviceInfo(device, CL_DEVICE_ENDIAN_LITTLE, sizeof little, &little,
                    NULL);
    bool old = !strncmp(version, "OpenCL 1.0", 10) ||
               !strncmp(version, "OpenCL 1.1", 10);
    return compiler && little && !old;
}

static bool find_device(cl_device_id *device) {
    static const cl_device_type order[2] = {
        CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR, CL_DEVICE_TYPE_ALL};
    cl_platform_id platform[MAX_PLATFORMS];
    cl_uint        n = 0;
    if (clGetPlatformIDs(MAX_PLATFORMS, platform, &n)) return false;
    if (n > MAX_PLATFORMS) n = MAX_PLATFORMS;
    for (int pass = 0; pass < 2; pass++)
        for (cl_uint i = 0; i < n; i++)
            if (!clGetDeviceIDs(platform[i], order[pass], 1, device, NULL) &&
                fits(*device))
                return true;
    return false;
}

static bool device_open(void) {
    cl_device_id device;
    cl_int       error;
    if (!find_device(&device)) return false;
    context = clCreateContext(NULL, 1, &device, NULL, NULL, &error);
    if (!context) return false;
    queue = clCreateCommandQueue(context, device, 0, &error);
    if (!queue) return false;
    const char *text[2] = {source[0], source[1]};
    cl_program  program =
        clCreateProgramWithSource(context, 2, text, NULL, &error);
    if (!program) return false;
    bool built =
        !clBuildProgram(program, 1, &device, "-cl-std=CL1.2", NULL, NULL);
    for (int i = 0; built && i < HAWQ_DEVICE_KERNELS; i++) {
        kernels[i] = clCreateKernel(program, names[i], &error);
        built = kernels[i] != NULL;
    }
    clReleaseProgram(program); /* the kernels keep it */
    return built;
}

static bool device_reserve(size_t n) {
    cl_int error;
    if (n <= capacity) return true;
    n = n < 1 << 16 ? 1 << 16 : n + n / 2;
    if (arena) clReleaseMemObject(arena);
    free(staging);
    capacity = 0;
    staging = malloc(n);
    arena = clCreateBuffer(context, CL_MEM_READ_WRITE, n, NULL, &error);
    if (!staging || !arena) return false;
    capacity = n;
    return true;
}

/* With room for the 16 elements that are read at a time. */
static void *device_store(const void *bytes, size_t n) {
    cl_int error;
    cl_mem weights =
        clCreateBuffer(context, CL_MEM_READ_ONLY, n + 64, NULL, &error);
    if (weights && clEnqueueWriteBuffer(queue, weights, CL_TRUE, 0, n, bytes, 0,
                                        NULL, NULL)) {
        clReleaseMemObject(weights);
        return NULL;
    }
    return weights;
}

static void device_drop(void *weights) {
    clReleaseMemObject((cl_mem)weights);
}

/* Work items of a kernel with n outputs. */
static size_t items_of(int kernel, const void *arguments, size_t n) {
    const hawq_device_conv *v = arguments;
    if (kernel == HAWQ_DEVICE_CONV)
        n = (size_t)v->oh * (size_t)v->ow * (size_t)v->groups *
            (size_t)((v->group_oc + 15) / 16);
    return (n + GROUP - 1) / GROUP * GROUP;
}

static bool device_run(int kernel, const void *arguments,
                       size_t arguments_bytes, void *weights, size_t n,
                       size_t in, size_t out, size_t end) {
    cl_kernel k = kernels[kernel];
    cl_mem    w = (cl_mem)weights;
    size_t    group = GROUP, items = items_of(kernel, arguments, n);
    return !clSetKernelArg(k, 0, arguments_bytes, arguments) &&
           !clSetKernelArg(k, 1, sizeof arena, &arena) &&
           !(w && clSetKernelArg(k, 2, sizeof w, &w)) &&
           !clEnqueueWriteBuffer(queue, arena, CL_FALSE, 0, in, staging, 0,
                                 NULL, NULL) &&
           !clEnqueueNDRangeKernel(queue, k, 1, NULL, &items, &group, 0, NULL,
                                   NULL) &&
           !clEnqueueReadBuffer(queue, arena, CL_TRUE, out, end - out,
                                staging + out, 0, NULL, NULL);
}

#include "kernels/device_body.h"

const hawq_kernels hawq_kernels_opencl = DEVICE_TABLE;
