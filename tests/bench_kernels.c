/* bench_kernels.c -- how fast are the kernels, beside the processor's own peak?
 *
 *     bench_kernels [ROUNDS [PART]]     (default 15; layers whose name has
 * PART)
 *
 * Per layer and table: GOP/s (2 operations per multiply-add) and, in brackets,
 * the percentage of what a loop of that table's multiply-add instruction alone
 * reaches in the same round. The columns are formats of weights: bits and
 * largest magnitude, on which a table's choice of multiplication may depend.
 * Every round measures probe, tables, formats and the anchor one after another,
 * so that a change of clock hits all alike; medians of the rounds' ratios are
 * printed. One thread; the caches are warm. The last column is the time of
 * oneDNN's convolution (same data types, ReLU, output scale per channel)
 * divided by ours at 8 bits: above 1, ours is faster.
 *
 * A measurement during which the thread was displaced from its processor is
 * repeated, up to TRIES times.
 *
 * Not a test: it checks nothing.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/arith.h"
#include "kernels/kernel.h"
#include "kernels/timer.h"
#include "tests/bench_anchor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MAX_ROUNDS = 101, MAX_TABLES = 8, BATCH_NS = 300000, TRIES = 20 };

typedef struct shape {
    const char *name;
    int         size, c, oc, k, stride, groups;
} shape;

static const shape shapes[] = {
    {"R20 conv1 3>16 3x3 @32", 32, 3, 16, 3, 1, 1},
    {"R20 16>16 3x3 @32", 32, 16, 16, 3, 1, 1},
    {"R20 16>32 3x3/2 @32", 32, 16, 32, 3, 2, 1},
    {"R20 32>32 3x3 @16", 16, 32, 32, 3, 1, 1},
    {"R20 64>64 3x3 @8", 8, 64, 64, 3, 1, 1},
    {"R20 fc 64>10", 1, 64, 10, 1, 1, 1},
    {"R18 conv1 3>64 7x7/2 @224", 224, 3, 64, 7, 2, 1},
    {"R18 l1 64>64 3x3 @56", 56, 64, 64, 3, 1, 1},
    {"R18 l2 128>128 3x3 @28", 28, 128, 128, 3, 1, 1},
    {"R18 l3 256>256 3x3 @14", 14, 256, 256, 3, 1, 1},
    {"R18 l4 512>512 3x3 @7", 7, 512, 512, 3, 1, 1},
    {"R18 fc 512>1000", 1, 512, 1000, 1, 1, 1},
    {"fc 4096>4096", 1, 4096, 4096, 1, 1, 1},
    {"1x1 32>64 @16", 16, 32, 64, 1, 1, 1},
    {"1x1 64>256 @56", 56, 64, 256, 1, 1, 1},
    {"1x1 256>64 @56", 56, 256, 64, 1, 1, 1},
    {"1x1 1024>256 @14", 14, 1024, 256, 1, 1, 1},
    {"dw 32 3x3 @32", 32, 32, 32, 3, 1, 32},
    {"dw 64 3x3/2 @32", 32, 64, 64, 3, 2, 64},
    {"dw 128 3x3 @16", 16, 128, 128, 3, 1, 128},
    {"dw 512 3x3 @14", 14, 512, 512, 3, 1, 512},
};

typedef struct format {
    const char *name;
    int         bits, largest;
} format;

/* The first is the anchor's. */
static const format formats[] = {{"8", 8, 127},
                                 {"8 to 64", 8, 64},
                                 {"4", 4, 8},
                                 {"4 to 127", 4, 127},
                                 {"2", 2, 2}};
enum { FORMATS = sizeof formats / sizeof *formats };

/* --- probes: the multiply-add instruction alone, from registers ---------- */

/* Each runs `n` times 16 independent multiply-adds. */
typedef void probe_function(long n);

#if defined(__x86_64__)
#define REPEAT16(m)                                                            \
    m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11) m(12) m(13)  \
        m(14) m(15)
#define REPEAT12(m)                                                            \
    m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11)

__attribute__((target("avx512f"))) static void probe_vnni(long n) {
#define DOT(i) "vpdpbusd %%zmm30, %%zmm31, %%zmm" #i "\n\t"
    for (long i = 0; i < n; i++)
        __asm__ volatile(REPEAT16(DOT)::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                               "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                               "xmm12", "xmm13", "xmm14", "xmm15");
}

__attribute__((target("avx2"))) static void probe_vnni256(long n) {
#define DOT256(i) "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm" #i "\n\t"
    for (long i = 0; i < n; i++)
        __asm__ volatile(REPEAT12(DOT256)::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                               "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                               "xmm11");
}

/* vpmaddwd into a temporary, vpaddd into 12 sums */
__attribute__((target("avx2"))) static void probe_madd(long n) {
#define MADD(i)                                                                \
    "vpmaddwd %%ymm14, %%ymm15, %%ymm12\n\t"                                   \
    "vpaddd %%ymm12, %%ymm" #i ", %%ymm" #i "\n\t"
    for (long i = 0; i < n; i++)
        __asm__ volatile(REPEAT12(MADD)::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                               "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                               "xmm12");
}
#endif

/* Operations per call of the probe with n = 1, and the probe; 0 if none. */
static double probe_of(const char *table, probe_function **probe) {
    *probe = NULL;
#if defined(__x86_64__)
    if (!strcmp(table, "avx512vnni")) {
        *probe = probe_vnni;
        return 16 * 128;
    }
    if (!strcmp(table, "avxvnni")) {
        *probe = probe_vnni256;
        return 12 * 64;
    }
    if (!strcmp(table, "avx2")) {
        *probe = probe_madd;
        return 12 * 32;
    }
#endif
    (void)table;
    return 0;
}

/* How often this thread was displaced so far. */
static long displacements(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nivcsw;
}

/* GOP/s, over some 50 microseconds */
static double probe_rate(const char *table) {
    probe_function *probe;
    double          ops = probe_of(table, &probe), ns = 0;
    if (!probe) return NAN;
    for (int i = 0; i < TRIES; i++) {
        long     before = displacements();
        uint64_t start = hawq_timer_now();
        probe(20000);
        ns = (double)(hawq_timer_now() - start);
        if (displacements() == before) break;
    }
    return ops * 20000 / ns;
}

/* --- one layer on one table ----------------------------------------------- */

typedef struct job {
    const hawq_kernels *kernels;
    hawq_conv           conv;
    hawq_requant        requant;
    void               *packed, *scratch;
    uint8_t            *x, *y;
    size_t              calls;             /* per batch */
    double              ns[MAX_ROUNDS];    /* per call */
    double              share[MAX_ROUNDS]; /* of the probe */
} job;

static void *take(size_t n) {
    void *p = aligned_alloc(64, n / 64 * 64 + 128);
    if (!p) exit(1);
    memset(p, 1, n);
    return p;
}

static double operations(const hawq_conv *v) {
    return 2.0 * v->oh * v->ow * v->oc * v->kh * v->kw * (v->c / v->groups);
}

/* Value i of n, evenly from -largest to largest. */
static int8_t weight_of(const format *f, int i, int n) {
    return (int8_t)(2 * f->largest * i / (n - 1) - f->largest);
}

static hawq_conv conv_of(const shape *s, const format *f) {
    int       out = (s->size + 2 * (s->k / 2) - s->k) / s->stride + 1;
    hawq_conv v = {.h = s->size,
                   .w = s->size,
                   .c = s->c,
                   .oh = out,
                   .ow = out,
                   .oc = s->oc,
                   .kh = s->k,
                   .kw = s->k,
                   .stride_h = s->stride,
                   .stride_w = s->stride,
                   .dilation_h = 1,
                   .dilation_w = 1,
                   .pad_top = s->k / 2,
                   .pad_left = s->k / 2,
                   .groups = s->groups,
                   .weight_bits = f->bits,
                   .largest = (uint8_t)f->largest};
    for (int i = 0; f->bits < 8 && i < 1 << f->bits; i++)
        v.level[i] = weight_of(f, i, 1 << f->bits);
    return v;
}

static void run(const job *j) {
    j->kernels->conv(&j->conv, j->packed, &j->requant, j->x, j->y, j->scratch);
}

/* One run that is not counted brings the weights into the cache. */
static uint64_t batch(const job *j, size_t calls) {
    uint64_t ns = 0;
    for (int i = 0; i < TRIES; i++) {
        run(j);
        long     before = displacements();
        uint64_t start = hawq_timer_now();
        for (size_t k = 0; k < calls; k++) run(j);
        ns = hawq_timer_now() - start;
        if (displacements() == before) break;
    }
    return ns;
}

static double anchor_ns(void *anchor, size_t calls) {
    double ns = 0;
    for (int i = 0; i < TRIES; i++) {
        long before = displacements();
        ns = bench_anchor_ns(anchor, calls);
        if (displacements() == before) break;
    }
    return ns;
}

static job *job_new(const hawq_kernels *k, const shape *s, const format *f) {
    job *j = take(sizeof *j);
    *j = (job){.kernels = k, .conv = conv_of(s, f), .calls = 1};
    const hawq_conv *v = &j->conv;
    size_t oc = (size_t)v->oc, row = (size_t)(v->kh * v->kw * v->c / v->groups);
    int32_t *bias = take(4 * oc), *multiplier = take(4 * oc);
    uint8_t *pre = take(oc), *shift = take(oc);
    for (size_t o = 0; o < oc; o++) {
        bias[o] = (int32_t)o;
        hawq_multiplier(0.003, 1 << 28, &multiplier[o], &pre[o], &shift[o]);
    }
    j->requant = (hawq_requant){bias, multiplier, pre, shift, 3, 3, 255};
    int8_t *weights = take(oc * row);
    for (size_t i = 0; i < oc * row; i++)
        weights[i] =
            weight_of(f, (int)(i * 151 % (1u << f->bits)), 1 << f->bits);
    j->packed = take(k->conv_packed_bytes(v));
    k->conv_pack(v, weights, j->packed);
    j->scratch = take(k->conv_scratch_bytes(v));
    j->x = take((size_t)v->h * v->w * v->c);
    j->y = take((size_t)v->oh * v->ow * oc);
    free(weights);
    while (batch(j, j->calls) < BATCH_NS) j->calls *= 2;
    return j;
}

static void job_free(job *j) {
    free((void *)j->requant.bias);
    free((void *)j->requant.multiplier);
    free((void *)j->requant.pre);
    free((void *)j->requant.shift);
    free(j->packed);
    free(j->scratch);
    free(j->x);
    free(j->y);
    free(j);
}

/* --- table ------------------------------------------------------------------
 */

static void bench_shape(const shape *s, const hawq_kernels **tables, int n,
                        int rounds) {
    job      *jobs[MAX_TABLES][FORMATS];
    double    ratio[MAX_ROUNDS];
    hawq_conv conv = conv_of(s, &formats[0]);
    void     *anchor = bench_anchor_new(&conv);
    for (int t = 0; t < n; t++)
        for (int b = 0; b < FORMATS; b++)
            jobs[t][b] = job_new(tables[t], s, &formats[b]);
    for (int r = 0; r < rounds; r++) {
        for (int t = 0; t < n; t++) {
            double before = probe_rate(tables[t]->name);
            for (int b = 0; b < FORMATS; b++) {
                job *j = jobs[t][b];
                j->ns[r] = (double)batch(j, j->calls) / (double)j->calls;
                double after = probe_rate(tables[t]->name);
                j->share[r] =
                    operations(&j->conv) / j->ns[r] / (0.5 * (before + after));
                before = after;
            }
        }
        if (anchor)
            ratio[r] = anchor_ns(anchor, jobs[0][0]->calls) / jobs[0][0]->ns[r];
    }
    printf("%-26s", s->name);
    for (int t = 0; t < n; t++)
        for (int b = 0; b < FORMATS; b++) {
            job   *j = jobs[t][b];
            double ns = hawq_timing_of(j->ns, rounds).median_ns;
            printf(" %6.1f", operations(&j->conv) / ns);
            if (j->share[0] == j->share[0])
                printf(" (%3.0f)",
                       100 * hawq_timing_of(j->share, rounds).median_ns);
            job_free(j);
        }
    if (anchor) printf(" %6.2f", hawq_timing_of(ratio, rounds).median_ns);
    printf("\n");
    fflush(stdout);
    bench_anchor_free(anchor);
}

int main(int argc, char **argv) {
    const hawq_kernels *tables[MAX_TABLES];
    int n = 0, rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 15;
    rounds = hawq_clamp(rounds, 1, MAX_ROUNDS);
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++)
        if ((*k)->usable() && (strcmp((*k)->name, "ref") || n == 0))
            tables[n++] = *k;
    printf("GOP/s (%% of probe)        ");
    for (int t = 0; t < n; t++)
        printf(" %-*s", 13 * FORMATS - 1, tables[t]->name);
    printf(" %s\n%-26s", bench_anchor_name(), "bits of weights");
    for (int t = 0; t < n; t++)
        for (int b = 0; b < FORMATS; b++) printf(" %12s", formats[b].name);
    printf("\n");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (argc < 3 || strstr(shapes[i].name, argv[2]))
            bench_shape(&shapes[i], tables, n, rounds);
    for (int t = 0; t < n; t++)
        printf("probe %s: %.0f GOP/s\n", tables[t]->name,
               probe_rate(tables[t]->name));
    return 0;
}
