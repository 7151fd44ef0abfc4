/* test_base.c -- errors, memory, random numbers, threads.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/arena.h"
#include "src/base/record.h"
#include "src/base/rng.h"
#include "src/base/threads.h"
#include "tests/check.h"

#include <stdint.h>

static void messages(void) {
    CHECK(hawq_fail(HAWQ_EIO, "%s: %d", "file", 7) == HAWQ_EIO);
    CHECK(strcmp(hawq_message(), "file: 7") == 0);
    /* its own message as an argument, and the code survives a prefix */
    CHECK(hawq_fail(HAWQ_EFORMAT, "<%s>", hawq_message()) == HAWQ_EFORMAT);
    CHECK(hawq_prefix("net.onnx: ") == HAWQ_EFORMAT);
    CHECK(strcmp(hawq_message(), "net.onnx: <file: 7>") == 0);
    char long_text[3000];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    CHECK(hawq_fail(HAWQ_EIO, "%s", long_text) == HAWQ_EIO);
    CHECK(strlen(hawq_message()) == 1023);
    CHECK(hawq_prefix("%s", long_text) == HAWQ_EIO);
    CHECK(strlen(hawq_message()) == 1023);
}

static void memory(void) {
    hawq_arena arena = {0};
    for (size_t n = 0; n < 3000;
         n += 7) { /* zeroed, aligned, not overlapping */
        unsigned char *a = hawq_arena_take(&arena, n, 3);
        CHECK(a && (uintptr_t)a % 64 == 0);
        for (size_t i = 0; i < 3 * n; i++) check_failed += a[i] != 0;
        memset(a, 0xff, 3 * n);
    }
    hawq_mark mark = hawq_arena_mark(&arena);
    char     *after = hawq_arena_take(&arena, 10, 1);
    CHECK(hawq_arena_take(&arena, 1 << 22, 1) != NULL);
    hawq_arena_reset(&arena, mark);
    CHECK(hawq_arena_take(&arena, 10, 1) == (void *)after);
    CHECK(strcmp(hawq_arena_string_n(&arena, "abcdef", 3), "abc") == 0);
    CHECK(strcmp(hawq_arena_format(&arena, "%d-%s", 5, "x"), "5-x") == 0);
    CHECK(hawq_arena_take(&arena, SIZE_MAX / 2, 16) == NULL);
    CHECK(strstr(hawq_message(), "out of memory") != NULL);
    hawq_arena_free(&arena);
    hawq_arena_fail_at(2);
    CHECK(hawq_arena_take(&arena, 1, 1) != NULL);
    CHECK(hawq_arena_take(&arena, 1 << 20, 1) == NULL);
    CHECK(hawq_arena_take(&arena, 1 << 20, 1) != NULL);
    hawq_arena_free(&arena);
}

/* Mean and variance within 5 standard deviations of their estimators. */
static void random_numbers(void) {
    enum { N = 200000 };
    double sum[3] = {0}, square[3] = {0}, product = 0;
    for (uint64_t i = 0; i < N; i++) {
        double x[3] = {hawq_rng_uniform(1, i), hawq_rng_normal(1, i),
                       hawq_rng_sign(1, i)};
        CHECK(x[0] > 0 && x[0] < 1);
        for (int k = 0; k < 3; k++) {
            sum[k] += x[k];
            square[k] += x[k] * x[k];
        }
        product += hawq_rng_sign(1, i) * hawq_rng_sign(2, i);
    }
    CHECK_NEAR(sum[0] / N, 0.5, 5 * sqrt(1 / 12.0 / N));
    CHECK_NEAR(square[0] / N, 1 / 3.0, 5 * sqrt(4 / 45.0 / N));
    CHECK_NEAR(sum[1] / N, 0, 5 / sqrt(N));
    CHECK_NEAR(square[1] / N, 1, 5 * sqrt(2.0 / N));
    CHECK_NEAR(sum[2] / N, 0, 5 / sqrt(N));
    CHECK_NEAR(product / N, 0, 5 / sqrt(N)); /* neighbouring keys */
    long count[7] = {0};
    for (uint64_t i = 0; i < N; i++) count[hawq_rng_below(3, i, 7)]++;
    for (int k = 0; k < 7; k++)
        CHECK_NEAR(count[k], N / 7.0, 5 * sqrt(N / 7.0));
    CHECK(hawq_rng_key(1, 2, 3, 4) != hawq_rng_key(1, 3, 2, 4));
    CHECK(hawq_rng_key(1, 2, 3, 4) != hawq_rng_key(2, 1, 3, 4));
}

/* Every order of four is as likely; the draws are the ones promised. */
static void permutations(void) {
    enum { N = 24000, ORDERS = 256 };
    long     count[ORDERS] = {0};
    int      orders = 0;
    uint32_t order[4], one[1] = {7};
    for (uint64_t i = 0; i < N; i++) {
        int code = 0, seen = 0;
        hawq_rng_shuffle(hawq_rng_key(i, 0, 0, 0), 1, 4, order);
        for (int k = 0; k < 4; k++) code = 4 * code + (int)order[k];
        for (int k = 0; k < 4; k++) seen |= 1 << order[k];
        CHECK(seen == 15);
        count[code]++;
    }
    for (int k = 0; k < ORDERS; k++) {
        orders += count[k] > 0;
        if (count[k]) CHECK_NEAR(count[k], N / 24.0, 5 * sqrt(N / 24.0));
    }
    CHECK(orders == 24);
    hawq_rng_shuffle(5, 2, 4, order);
    CHECK(order[3] == hawq_rng_below(5, 4, 4));
    hawq_rng_shuffle(5, 1, 1, one);
    CHECK(one[0] == 0);
    hawq_rng_shuffle(5, 1, 0, NULL);
}

enum { TASKS = 500 };

typedef struct trace {
    int    done[TASKS];
    size_t order[TASKS], committed;
    double sum;
} trace;

static void work(void *self, size_t task, int worker) {
    trace          *t = self;
    volatile double x = 0;
    for (size_t i = 0; i < (task * 7919) % 2000; i++) x += (double)i;
    (void)worker;
    t->done[task] += x >= 0; /* always; or the sum were for nothing */
}

static void commit(void *self, size_t task, int worker) {
    trace *t = self;
    (void)worker;
    t->order[t->committed++] = task;
    t->sum += 1.0 / (1.0 + (double)task); /* differs with the order */
}

static void threads(void) {
    double first = 0;
    for (int n = 1; n <= 4; n++) {
        hawq_threads *threads;
        CHECK_OK(hawq_threads_new(n, &threads));
        CHECK(hawq_threads_count(threads) == n);
        for (int repeat = 0; repeat < 3; repeat++) {
            trace t = {.sum = 0};
            hawq_threads_run(threads, TASKS, work, commit, &t);
            CHECK(t.committed == TASKS);
            for (size_t i = 0; i < TASKS; i++)
                CHECK(t.done[i] == 1 && t.order[i] == i);
            if (n == 1 && repeat == 0) first = t.sum;
            CHECK(t.sum == first);
            hawq_threads_run(threads, TASKS, work, NULL, &t);
            hawq_threads_run(threads, 0, work, commit, &t);
            for (size_t i = 0; i < TASKS; i++) CHECK(t.done[i] == 2);
        }
        hawq_threads_free(threads);
    }
    hawq_threads *none;
    CHECK_FAILS(hawq_threads_new(-1, &none), HAWQ_EINVAL, "expected 1 to 1024");
    CHECK_FAILS(hawq_threads_new(2000, &none), HAWQ_EINVAL, "2000 given");
}

static void costs(void) {
    CHECK(hawq_weight_bytes(432, 16, 8) == 432 + 64);
    CHECK(hawq_weight_bytes(5, 1, 4) == 3 + 4);
    CHECK(hawq_weight_bytes(5, 1, 2) == 2 + 4);
}

int main(void) {
    messages();
    memory();
    random_numbers();
    permutations();
    threads();
    costs();
    DONE();
}
