/* device_body.h -- the host's half of a device's table, written once.
 *
 * Included by opencl.c and cuda.cu (so it keeps to what C and C++ share), which
 * define before it how their device is reached:
 *
 *     device_open     finds a device and makes it ready
 *     device_reserve  an arena of n bytes on the device and `staging`, as many
 *                     on the host; earlier contents are lost
 *     device_store    n bytes in device memory of their own, NULL on failure
 *     device_drop     gives them back
 *     device_run      staging's first `in` bytes to the arena; one kernel over
 *                     n outputs; the arena from `out` to `end` back to staging
 *     DEVICE_NAME, device_conv_names
 *
 * and after it the table. All but device_open run under the lock.
 *
 * Pointers of the interface are the host's: a call copies its inputs in,
 * computes and copies its output out. Only weights stay on the device, from
 * conv_pack to conv_release. Any number of threads may call; their calls take
 * turns.
 *
 * Compute functions cannot fail, devices can. So a table is usable only once a
 * convolution on the device has equalled ref's, and beside the device's weights
 * `packed` keeps ref's: from the first failure on every call is ref's, the same
 * bits, usable() says false and conv_name says "ref". Outliers, which are few,
 * and the requantization after them stay on the host.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t  once = PTHREAD_ONCE_INIT;
static bool            ready; /* under the lock */

static bool is_ready(void) {
    pthread_mutex_lock(&lock);
    bool answer = ready;
    pthread_mutex_unlock(&lock);
    return answer;
}

static void set_ready(bool value) {
    pthread_mutex_lock(&lock);
    ready = value;
    pthread_mutex_unlock(&lock);
}

/* --- calls -------------------------------------------------------------- */

/* An input of a call; `at` receives its place in the arena. */
typedef struct part {
    const void *from;
    size_t      bytes;
    int        *at;
} part;

/* One kernel and its arguments; n outputs that take y_bytes at *y_at. */
typedef struct job {
    int         kernel;
    const void *arguments;
    size_t      arguments_bytes;
    void       *weights;
    size_t      n;
    void       *y;
    size_t      y_bytes;
    int        *y_at;
} job;

static size_t rounded(size_t n) {
    return (n + 63) / 64 * 64;
}

/* False if the device failed, or for 2 GiB, which an int cannot address. */
static bool transact(const job *j, const part *in, int n_in) {
    size_t end = 0;
    for (int i = 0; i < n_in; i++) {
        *in[i].at = (int)end;
        end += rounded(in[i].bytes);
        if (end > INT32_MAX || in[i].bytes > INT32_MAX) return false;
    }
    size_t out = end;
    *j->y_at = (int)out;
    end += j->y_bytes;
    if (end > INT32_MAX || !device_reserve(end)) return false;
    for (int i = 0; i < n_in; i++)
        memcpy(staging + *in[i].at, in[i].from, in[i].bytes);
    if (!device_run(j->kernel, j->arguments, j->arguments_bytes, j->weights,
                    j->n, out, out, end))
        return false;
    memcpy(j->y, staging + out, j->y_bytes);
    return true;
}

/* True if y was written; false for ever after the first failure. */
static bool call(const job *j, const part *in, int n_in) {
    pthread_mutex_lock(&lock);
    if (ready && j->n) ready = transact(j, in, n_in);
    bool done = ready;
    pthread_mutex_unlock(&lock);
    return done;
}

/* --- convolutions --------------------------------------------------------- */

/* `packed`: a pointer to the device's weights, then ref's. */
static void *device_weights(const void *packed) {
    void *weights;
    memcpy(&weights, packed, sizeof weights);
    return weights;
}

static void *ref_weights(const void *packed) {
    return (uint8_t *)packed + sizeof(void *);
}

/* Levels 4 i .. 4 i + 3, the first one lowest. */
static int four_levels(const int8_t *level, int i) {
    uint32_t four = 0;
    for (int j = 3; j >= 0; j--) four = four << 8 | (uint8_t)level[4 * i + j];
    return (int)four;
}

static hawq_device_conv conv_arguments(const hawq_conv *v) {
    hawq_device_conv a;
    memset(&a, 0, sizeof a);
    a.h = v->h, a.w = v->w, a.c = v->c;
    a.oh = v->oh, a.ow = v->ow, a.oc = v->oc;
    a.kh = v->kh, a.kw = v->kw;
    a.stride_h = v->stride_h, a.stride_w = v->stride_w;
    a.dilation_h = v->dilation_h, a.dilation_w = v->dilation_w;
    a.pad_top = v->pad_top, a.pad_left = v->pad_left;
    a.groups = v->groups, a.bits = v->weight_bits, a.zero = v->zero;
    for (int i = 0; i < 4; i++) a.level[i] = four_levels(v->level, i);
    a.group_c = v->c / v->groups, a.group_oc = v->oc / v->groups;
    a.tap_words = (a.group_c + 3) / 4;
    a.words =
        a.group_c == 1 ? (v->kh * v->kw + 3) / 4 : v->kh * v->kw * a.tap_words;
    return a;
}

/* Where value j of word k stands in a row of weights; -1: nowhere. */
static int place(const hawq_device_conv *a, int k, int j) {
    if (a->group_c == 1) return 4 * k + j < a->kh * a->kw ? 4 * k + j : -1;
    int c = k % a->tap_words * 4 + j;
    return c < a->group_c ? k / a->tap_words * a->group_c + c : -1;
}

/* device.h's order; to is zeroed. */
static void arrange(const hawq_device_conv *a, const int8_t *level,
                    const int8_t *weights, uint8_t *to) {
    size_t  row = (size_t)a->kh * (size_t)a->kw * (size_t)a->group_c;
    uint8_t code[256];
    hawq_level_codes(level, a->bits, code);
    for (int o = 0; o < a->oc; o++)
        for (int k = 0; k < a->words; k++)
            for (int j = 0; j < 4; j++) {
                int    at = place(a, k, j);
                size_t group = (size_t)(o / a->group_oc);
                size_t word = group * (size_t)a->words + (size_t)k;
                size_t element =
                    word * (size_t)a->group_oc + (size_t)(o % a->group_oc);
                if (at < 0) continue;
                int8_t w = weights[(size_t)o * row + (size_t)at];
                hawq_pack(to, 4 * element + (size_t)j, a->bits,
                          code[(uint8_t)w]);
            }
}

static size_t conv_packed_bytes(const hawq_conv *v) {
    return sizeof(void *) + hawq_kernels_ref.conv_packed_bytes(v);
}

static void conv_pack(const hawq_conv *v, const int8_t *host, void *packed) {
    hawq_device_conv a = conv_arguments(v);
    void            *weights = NULL;
    size_t           n =
        hawq_packed_bytes(4 * (size_t)a.oc * (size_t)a.words, v->weight_bits);
    pthread_mutex_lock(&lock);
    if (ready && (ready = device_reserve(n))) {
        memset(staging, 0, n);
        arrange(&a, v->level, host, staging);
        weights = device_store(staging, n);
        ready = weights != NULL;
    }
    pthread_mutex_unlock(&lock);
    memcpy(packed, &weights, sizeof weights);
    hawq_kernels_ref.conv_pack(v, host, ref_weights(packed));
}

static void conv_release(void *packed) {
    void *weights = device_weights(packed), *none = NULL;
    pthread_mutex_lock(&lock);
    if (weights) device_drop(weights);
    pthread_mutex_unlock(&lock);
    memcpy(packed, &none, sizeof none);
}

/* Only ref needs scratch. */
static size_t conv_scratch_bytes(const hawq_conv *v) {
    return hawq_kernels_ref.conv_scratch_bytes(v);
}

/* bool: the input channels per group are one */
static const char *conv_name(const hawq_conv *v) {
    return is_ready() ? device_conv_names[v->c == v->groups] : "ref";
}

/* q NULL: raw sums. */
static bool conv_any(const hawq_conv *v, const void *packed,
                     const hawq_requant *q, const int32_t *bias,
                     const uint8_t *x, void *y) {
    hawq_device_conv a = conv_arguments(v);
    size_t           oc = (size_t)v->oc;
    size_t           n = (size_t)v->oh * (size_t)v->ow * oc;
    part             in[5] = {
                    {x, (size_t)v->h * (size_t)v->w * (size_t)v->c, &a.x},
                    {bias, oc * sizeof *bias, &a.requant.bias},
                    {q ? q->multiplier : NULL, oc * sizeof *bias, &a.requant.multiplier},
                    {q ? q->pre : NULL, oc, &a.requant.pre},
                    {q ? q->shift : NULL, oc, &a.requant.shift}};
    a.raw = !q;
    if (q) {
        a.requant.zero = q->zero;
        a.requant.low = q->low;
        a.requant.high = q->high;
    }
    job j = {a.group_c == 1 ? HAWQ_DEVICE_CONV_TAPS : HAWQ_DEVICE_CONV,
             &a,
             sizeof a,
             device_weights(packed),
             n,
             y,
             n * (q ? 1 : sizeof *bias),
             &a.y};
    return j.weights && call(&j, in, q ? 5 : 2);
}

static void conv(const hawq_conv *v, const void *packed, const hawq_requant *q,
                 const uint8_t *x, uint8_t *y, void *scratch) {
    if (!conv_any(v, packed, q, q->bias, x, y))
        hawq_kernels_ref.conv(v, ref_weights(packed), q, x, y, scratch);
}

static void conv_s32(const hawq_conv *v, const void *packed,
                     const int32_t *bias, const uint8_t *x, int32_t *y,
                     void *scratch) {
    if (!conv_any(v, packed, NULL, bias, x, y))
        hawq_kernels_ref.conv_s32(v, ref_weights(packed), bias, x, y, scratch);
}

static void requantize_all(size_t pixels, size_t channels,
                           const hawq_requant *q, const int32_t *acc,
                           uint8_t *y) {
    hawq_kernels_ref.requantize(pixels, channels, q, acc, y);
}

/* --- the other slots ------------------------------------------------------ */

static void add(const hawq_add *v, const uint8_t *a, const uint8_t *b,
                uint8_t *y) {
    hawq_device_add g = {(int)v->n, v->ma,  v->mb,   v->za, v->zb, v->shift,
                         v->zero,   v->low, v->high, 0,     0,     0};
    part            in[2] = {{a, v->n, &g.a}, {b, v->n, &g.b}};
    job j = {HAWQ_DEVICE_ADD, &g, sizeof g, NULL, v->n, y, v->n, &g.y};
    if (!call(&j, in, 2)) hawq_kernels_ref.add(v, a, b, y);
}

static bool pool_any(const hawq_pool *v, int kernel, const uint8_t *x,
                     uint8_t *y) {
    const hawq_requant *q = &v->requant;
    hawq_device_pool    a;
    memset(&a, 0, sizeof a);
    a.h = v->h, a.w = v->w, a.c = v->c, a.oh = v->oh, a.ow = v->ow;
    a.kh = v->kh, a.kw = v->kw;
    a.stride_h = v->stride_h, a.stride_w = v->stride_w;
    a.pad_top = v->pad_top, a.pad_left = v->pad_left;
    a.zero_in = v->zero_in, a.count_pad = v->count_pad;
    a.requant.zero = q->zero, a.requant.low = q->low, a.requant.high = q->high;
    size_t c = (size_t)v->c, taps = (size_t)v->kh * (size_t)v->kw;
    size_t n = (size_t)v->oh * (size_t)v->ow * c;
    part   in[4] = {
          {x, (size_t)v->h * (size_t)v->w * c, &a.x},
          {q->multiplier, taps * sizeof(int32_t), &a.requant.multiplier},
          {q->pre, taps, &a.requant.pre},
          {q->shift, taps, &a.requant.shift}};
    job j = {kernel, &a, sizeof a, NULL, n, y, n, &a.y};
    return call(&j, in, kernel == HAWQ_DEVICE_AVERAGE_POOL ? 4 : 1);
}

static void max_pool(const hawq_pool *v, const uint8_t *x, uint8_t *y) {
    if (!pool_any(v, HAWQ_DEVICE_MAX_POOL, x, y))
        hawq_kernels_ref.max_pool(v, x, y);
}

static void average_pool(const hawq_pool *v, const uint8_t *x, uint8_t *y) {
    if (!pool_any(v, HAWQ_DEVICE_AVERAGE_POOL, x, y))
        hawq_kernels_ref.average_pool(v, x, y);
}

static void quantize(size_t n, const float *x, float inverse_scale,
                     uint8_t zero, uint8_t low, uint8_t high, uint8_t *y) {
    hawq_device_quantize a = {(int)n, inverse_scale, zero, low, high, 0, 0};
    part                 in[1] = {{x, n * sizeof *x, &a.x}};
    job j = {HAWQ_DEVICE_QUANTIZE, &a, sizeof a, NULL, n, y, n, &a.y};
    if (!call(&j, in, 1))
        hawq_kernels_ref.quantize(n, x, inverse_scale, zero, low, high, y);
}

/* The interface does not say how long x is: as long as the map reaches. */
static void move(size_t n, const int32_t *map, uint8_t fill,
                 const uint8_t table[256], const uint8_t *x, uint8_t *y) {
    hawq_device_move a = {(int)n, fill, 0, 0, 0, 0};
    int32_t          last = -1;
    for (size_t i = 0; i < n; i++)
        if (map[i] > last) last = map[i];
    part in[3] = {{map, n * sizeof *map, &a.map},
                  {table, 256, &a.table},
                  {x, (size_t)(last + 1), &a.x}};
    job  j = {HAWQ_DEVICE_MOVE, &a, sizeof a, NULL, n, y, n, &a.y};
    if (!call(&j, in, 3)) hawq_kernels_ref.move(n, map, fill, table, x, y);
}

/* --- usable --------------------------------------------------------------- */

enum {
    CHECK_SIZE = 5,
    CHECK_C = 6,
    CHECK_OC = 7,
    CHECK_K = 3,
    CHECK_PIXELS = CHECK_SIZE * CHECK_SIZE,
    CHECK_ROW = CHECK_C * CHECK_K * CHECK_K
};

/* A 3x3 convolution of 4-bit weights with padding, on the device and on ref. */
static bool device_equals_ref(void) {
    hawq_conv v = {CHECK_SIZE, CHECK_SIZE, CHECK_C, CHECK_SIZE, CHECK_SIZE,
                   CHECK_OC,   CHECK_K,    CHECK_K, 1,          1,
                   1,          1,          1,       1,          1,
                   4,          {0},        0,       3};
    uint8_t   x[CHECK_PIXELS * CHECK_C];
    int8_t    weights[CHECK_OC * CHECK_ROW];
    uint8_t   y[CHECK_PIXELS * CHECK_OC], want[CHECK_PIXELS * CHECK_OC];
    uint8_t   packed[sizeof(void *) + sizeof weights];
    int32_t   bias[CHECK_OC], multiplier[CHECK_OC];
    uint8_t   pre[CHECK_OC], shift[CHECK_OC];
    for (size_t i = 0; i < sizeof x; i++) x[i] = (uint8_t)(i * 73);
    for (int i = 0; i < 16; i++) v.level[i] = (int8_t)(17 * i - 127);
    for (size_t i = 0; i < sizeof weights; i++)
        weights[i] = v.level[i * 41 / 4 % 16];
    for (int o = 0; o < CHECK_OC; o++) {
        bias[o] = 500 * o - 1000;
        multiplier[o] = INT32_MAX - 1000003 * o;
        pre[o] = (uint8_t)(o % 2);
        shift[o] = (uint8_t)(5 + o % 2);
    }
    hawq_requant q = {bias, multiplier, pre, shift, 100, 3, 250};
    conv_pack(&v, weights, packed);
    bool done = conv_any(&v, packed, &q, bias, x, y);
    conv_release(packed);
    hawq_kernels_ref.conv(&v, weights, &q, x, want, NULL);
    return done && memcmp(y, want, sizeof y) == 0;
}

static void start(void) {
    if (!device_open()) return;
    set_ready(true);
    if (!device_equals_ref()) set_ready(false);
}

/* The first call takes as long as the device's start. */
static bool usable(void) {
    pthread_once(&once, start);
    return is_ready();
}

/* In the order of hawq_kernels, as C++ wants it. */
#define DEVICE_TABLE                                                           \
    {                                                                          \
        .name = DEVICE_NAME, .usable = usable, .by_name = true,                \
        .conv_packed_bytes = conv_packed_bytes, .conv_pack = conv_pack,        \
        .conv_release = conv_release,                                          \
        .conv_scratch_bytes = conv_scratch_bytes, .conv = conv,                \
        .conv_s32 = conv_s32, .conv_name = conv_name,                          \
        .conv_outliers = hawq_outliers_by_rectangles,                              \
        .requantize = requantize_all, .add = add, .max_pool = max_pool,        \
        .average_pool = average_pool, .quantize = quantize, .move = move       \
    }
