/* test_opencl.c -- what only a table with a device of its own can get wrong.
 *
 * Claims: weights stay on the device until they are released, each layer's
 * apart from the others'; calls from several threads do not mix; the table is
 * chosen by its name only; at the end the device has done all the work; and
 * without a device every slot still gives ref's bits and says so. That each
 * slot equals ref is test_kernels' claim.
 *
 * Skipped where the table was not built or no device was found.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/kernel.h"
#include "tests/check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SIZE = 9,
    C = 20,
    OC = 13,
    K = 3,
    LAYERS = 6,
    ROUNDS = 40,
    SKIPPED = 77
};
enum { X = SIZE * SIZE * C, Y = SIZE * SIZE * OC, WEIGHTS = OC * K * K * C };

static const hawq_kernels *opencl;

/* Layer i: its own weights, width and input; `want` is ref's output. */
typedef struct layer {
    hawq_conv    conv;
    hawq_requant requant;
    int32_t      bias[OC], multiplier[OC];
    uint8_t      pre[OC], shift[OC], x[X], want[Y];
    int8_t       weights[WEIGHTS];
    void        *packed;
} layer;

static layer layers[LAYERS];

static void fill(uint8_t *bytes, size_t n, uint32_t seed) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

static void layer_init(layer *l, int i) {
    l->conv = (hawq_conv){.h = SIZE,
                          .w = SIZE,
                          .c = C,
                          .oh = SIZE,
                          .ow = SIZE,
                          .oc = OC,
                          .kh = K,
                          .kw = K,
                          .stride_h = 1,
                          .stride_w = 1,
                          .dilation_h = 1,
                          .dilation_w = 1,
                          .pad_top = 1,
                          .pad_left = 1,
                          .groups = 1,
                          .weight_bits = 8 >> i % 3,
                          .zero = (uint8_t)(3 * i)};
    int levels = 1 << l->conv.weight_bits;
    for (int j = 0; levels < 256 && j < levels; j++)
        l->conv.level[j] = (int8_t)(127 * j / levels - 50 + i);
    fill((uint8_t *)l->weights, sizeof l->weights, (uint32_t)i);
    for (int j = 0; levels < 256 && j < WEIGHTS; j++)
        l->weights[j] = l->conv.level[(uint8_t)l->weights[j] % levels];
    fill(l->x, sizeof l->x, 100 + (uint32_t)i);
    for (int o = 0; o < OC; o++) {
        l->bias[o] = 1000 * (o - i);
        l->multiplier[o] = (1 << 30) + 12345 * o;
        l->pre[o] = 0;
        l->shift[o] = (uint8_t)(9 - i % 3 * 3);
    }
    l->requant =
        (hawq_requant){l->bias, l->multiplier, l->pre, l->shift, 100, 0, 255};
    hawq_kernels_select("ref")->conv(&l->conv, l->weights, &l->requant, l->x,
                                     l->want, NULL);
}

static void layer_pack(layer *l) {
    if (!l->packed) l->packed = malloc(opencl->conv_packed_bytes(&l->conv));
    if (!l->packed) abort();
    opencl->conv_pack(&l->conv, l->weights, l->packed);
}

static bool layer_equals_ref(const layer *l) {
    uint8_t y[Y];
    memset(y, 1, sizeof y);
    opencl->conv(&l->conv, l->packed, &l->requant, l->x, y, NULL);
    return memcmp(y, l->want, sizeof y) == 0;
}

/* Weights of some layers go and come back while others stay. */
static void weights_live_apart(void) {
    for (int i = 0; i < LAYERS; i++) layer_pack(&layers[i]);
    for (int round = 0; round < ROUNDS; round++) {
        layer *l = &layers[round * 5 % LAYERS];
        opencl->conv_release(l->packed);
        layer_pack(l);
        for (int i = 0; i < LAYERS; i++) CHECK(layer_equals_ref(&layers[i]));
    }
}

/* A thread's differences from ref, which are none. */
static void *run_thread(void *self) {
    const layer *l = self;
    size_t       wrong = 0;
    for (int i = 0; i < ROUNDS; i++) wrong += !layer_equals_ref(l);
    return (void *)wrong;
}

static void threads_do_not_mix(void) {
    pthread_t thread[LAYERS];
    bool      started[LAYERS];
    for (int i = 0; i < LAYERS; i++)
        started[i] = !pthread_create(&thread[i], NULL, run_thread, &layers[i]);
    for (int i = 0; i < LAYERS; i++) {
        void *wrong = NULL;
        if (CHECK(started[i])) pthread_join(thread[i], &wrong);
        CHECK(wrong == NULL);
    }
}

/* The driver's list of devices is read from a folder that does not exist. */
static void run_without_device(void) {
    setenv("OCL_ICD_VENDORS", "/nonexistent", 1);
    CHECK(!opencl->usable() && hawq_kernels_select("opencl") == NULL);
    for (int i = 0; i < LAYERS; i++) {
        layer_pack(&layers[i]);
        CHECK(layer_equals_ref(&layers[i]));
        CHECK(strcmp(opencl->conv_name(&layers[i].conv), "ref") == 0);
        opencl->conv_release(layers[i].packed);
        free(layers[i].packed);
    }
}

/* In a process of its own: a device is looked for once. */
static void without_device(void) {
    int   status = 1;
    pid_t child = fork();
    if (child == 0) {
        run_without_device();
        fflush(stdout);
        _exit(check_failed != 0);
    }
    if (CHECK(child > 0)) waitpid(child, &status, 0);
    CHECK(status == 0);
}

int main(void) {
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++)
        if (!strcmp((*k)->name, "opencl")) opencl = *k;
    for (int i = 0; i < LAYERS; i++) layer_init(&layers[i], i);
    if (opencl) without_device();
    if (!opencl || (!opencl->usable() && !check_failed)) {
        printf("skipped: %s\n",
               opencl ? "no OpenCL device" : "built without HAWQ_OPENCL");
        return SKIPPED;
    }
    CHECK(hawq_kernels_select("opencl") == opencl && opencl->by_name);
    CHECK(hawq_kernels_select(NULL) != opencl);
    weights_live_apart();
    threads_do_not_mix();
    CHECK(opencl->usable());
    for (int i = 0; i < LAYERS; i++) {
        CHECK(strcmp(opencl->conv_name(&layers[i].conv), "ref") != 0);
        opencl->conv_release(layers[i].packed);
        free(layers[i].packed);
    }
    DONE();
}
