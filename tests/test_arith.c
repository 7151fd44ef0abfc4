/* test_arith.c -- the definitions of kernels/arith.h.
 *
 * Claims: requantization is the 64-bit form with one rounding; a multiplier
 * represents its factor to 2^-30 and is refused exactly where a product would
 * leave 32 bits; packing loses nothing and touches nothing else; the factors of
 * an addition are the best of their width.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/arith.h"
#include "tests/check.h"

static uint64_t state = 7;

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next(void) {
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* floor(a / 2^s + 1/2), written without shifting a negative number. */
static int64_t rounded(int64_t a, int s) {
    int64_t d = (int64_t)1 << s, q = (a + d / 2) / d;
    return (a + d / 2) % d < 0 ? q - 1 : q;
}

static int32_t some_acc(void) {
    static const int32_t edge[] = {0, 1, -1, INT32_MAX, INT32_MIN, 1 << 30};
    if (next() % 16 == 0) return edge[next() % (sizeof edge / sizeof *edge)];
    return (int32_t)(next() >> 32) >> next() % 31;
}

static void requantize_rounds_once(void) {
    long wrong = 0;
    for (long i = 0; i < 4000000; i++) {
        int32_t m = (int32_t)(((uint32_t)1 << 30) + next() % (1u << 30));
        if (next() % 64 == 0) m = next() % 2 ? 1 << 30 : INT32_MAX;
        int     t = 1 + (int)(next() % 30), pre = (int)(next() % 4);
        int32_t acc = some_acc();
        if (llabs((int64_t)acc) >= (int64_t)1 << (31 - pre)) pre = 0;
        int64_t product = (int64_t)acc * (1 << pre) * m;
        int64_t want = rounded(product, 32 + t) + 9;
        want = want < 2 ? 2 : want > 250 ? 250 : want;
        wrong += hawq_requantize(acc, m, (uint8_t)pre, (uint8_t)t, 9, 2, 250) !=
                 want;
    }
    CHECK(wrong == 0);
}

/* Values that fall inside the clamp, where a wrong rounding would show. */
static void requantize_in_range(void) {
    long wrong = 0;
    for (int64_t acc = -3000; acc <= 3000; acc++)
        for (int t = 1; t <= 8; t++) {
            int32_t m = 1 << 30; /* ties occur for powers of two only */
            int64_t want = rounded(acc * 1024 * m, 32 + t) + 128;
            want = want < 0 ? 0 : want > 255 ? 255 : want;
            wrong += hawq_requantize((int32_t)acc, m, 10, (uint8_t)t, 128, 0,
                                     255) != want;
        }
    CHECK(wrong == 0);
    /* 0.5 -> 1, -0.5 -> 0: half toward +infinity */
    CHECK(hawq_requantize(4, 1 << 30, 0, 1, 10, 0, 255) == 11);
    CHECK(hawq_requantize(-4, 1 << 30, 0, 1, 10, 0, 255) == 10);
}

/* What multiplier, pre and shift stand for. */
static double represented(int32_t m, int pre, int t) {
    return ldexp((double)m, pre - 32 - t);
}

static void multiplier_is_accurate(void) {
    int     bad = 0;
    int32_t m;
    uint8_t pre, t;
    for (int i = 0; i < 200000; i++) {
        double f = 1 + (double)(next() >> 11) * 0x1p-53;
        double M = ldexp(f, -(int)(next() % 33) + 4);
        if (!hawq_multiplier(M, 1 << 20, &m, &pre, &t)) {
            bad++;
            continue;
        }
        bad += t < 1 || t > 30 || m < 0;
        if (M >= 0x1p-31)
            bad +=
                m < 1 << 30 || fabs(represented(m, pre, t) / M - 1) > 0x1p-30;
    }
    CHECK(bad == 0);
}

static void multiplier_edges(void) {
    int32_t m;
    uint8_t pre, t;
    CHECK(hawq_multiplier(0, 1, &m, &pre, &t) && m == 0);
    CHECK(hawq_multiplier(1e-300, 1, &m, &pre, &t) && m == 0 && t >= 1);
    CHECK(!hawq_multiplier(-1e-9, 1, &m, &pre, &t));
    CHECK(!hawq_multiplier(NAN, 1, &m, &pre, &t));
    CHECK(!hawq_multiplier(INFINITY, 1, &m, &pre, &t));
    CHECK(!hawq_multiplier(1e300, 1, &m, &pre, &t));
    /* just below 1/4 needs no shift, 1/4 needs one: 2^30 no longer fits */
    CHECK(hawq_multiplier(0.2499999, INT32_MAX, &m, &pre, &t) && pre == 0);
    CHECK(hawq_multiplier(0.25, (1 << 30) - 1, &m, &pre, &t) && pre == 1);
    CHECK(!hawq_multiplier(0.25, 1 << 30, &m, &pre, &t));
    /* rounding up to 2^31 moves to the next exponent */
    CHECK(hawq_multiplier(nextafter(0.125, 0), 1, &m, &pre, &t));
    CHECK(m == 1 << 30 && represented(m, pre, t) == 0.125);
    /* below 2^-32 nothing can round away from the zero point */
    for (int e = -33; e > -80; e--) {
        CHECK(hawq_multiplier(ldexp(1.9, e), INT32_MAX, &m, &pre, &t));
        CHECK(t >= 1 && t <= 30 && m >= 0 && pre == 0);
        CHECK(hawq_requantize(INT32_MAX, m, pre, t, 5, 0, 255) == 5);
        CHECK(hawq_requantize(-INT32_MAX, m, pre, t, 5, 0, 255) == 5);
    }
}

/* Every value at every place, and the neighbours unharmed. */
static void packing_round_trip(void) {
    for (int bits = 2; bits <= 8; bits *= 2) {
        enum { N = 37 };
        int8_t  want[N];
        uint8_t packed[N + 1];
        size_t  bytes = hawq_packed_bytes(N, bits);
        int     low = -(1 << (bits - 1)), high = hawq_weight_max(bits), bad = 0;
        CHECK(bytes == (size_t)(N * bits + 7) / 8);
        memset(packed, 0xEE, sizeof packed);
        for (size_t i = 0; i < N; i++) hawq_pack(packed, i, bits, want[i] = -1);
        for (int round = 0; round < 4000; round++) {
            size_t i = next() % N;
            want[i] =
                (int8_t)(low + (int)(next() % (uint64_t)(high - low + 1)));
            hawq_pack(packed, i, bits, want[i]);
            for (size_t j = 0; j < N; j++)
                bad += hawq_unpack(packed, j, bits) != want[j];
        }
        CHECK(bad == 0);
        CHECK(packed[bytes] == 0xEE);
    }
    /* little end first, two's complement */
    uint8_t byte[1] = {0};
    hawq_pack(byte, 0, 4, -2);
    hawq_pack(byte, 1, 4, 3);
    CHECK(byte[0] == 0x3E);
    hawq_pack(byte, 3, 2, -2);
    CHECK(byte[0] == 0xBE && hawq_unpack(byte, 3, 2) == -2);
    CHECK(hawq_weight_max(8) == 127 && hawq_weight_max(4) == 7 &&
          hawq_weight_max(2) == 1);
}

static void addition_factors(void) {
    int16_t ma, mb;
    uint8_t t;
    int     bad = 0;
    for (int i = 0; i < 100000; i++) {
        double a = exp2(13.9 - 24 * (double)(next() >> 11) * 0x1p-53);
        double b = exp2(13.9 - 24 * (double)(next() >> 11) * 0x1p-53);
        double largest = a > b ? a : b;
        if (!hawq_add_multipliers(a, b, &ma, &mb, &t)) {
            bad++;
            continue;
        }
        bad += fabs(ldexp(ma, -t) - a) > ldexp(0.5, -t);
        bad += fabs(ldexp(mb, -t) - b) > ldexp(0.5, -t);
        /* one more bit would not fit */
        bad += t < 22 && ldexp(largest, t + 1) < 0x1p15 - 0.5;
    }
    CHECK(bad == 0);
    CHECK(!hawq_add_multipliers(0x1p14, 1, &ma, &mb, &t));
    CHECK(!hawq_add_multipliers(1, 0x1p14, &ma, &mb, &t));
    CHECK(!hawq_add_multipliers(-1, 1, &ma, &mb, &t));
    CHECK(!hawq_add_multipliers(1, NAN, &ma, &mb, &t));
    CHECK(!hawq_add_multipliers(NAN, 1, &ma, &mb, &t));
    CHECK(!hawq_add_multipliers(1, INFINITY, &ma, &mb, &t));
    CHECK(hawq_add_multipliers(0, 0, &ma, &mb, &t) && ma == 0 && mb == 0);
    CHECK(hawq_add_multipliers(1, 0.5, &ma, &mb, &t) && t == 14 &&
          ma == 1 << 14 && mb == 1 << 13);
}

int main(void) {
    requantize_rounds_once();
    requantize_in_range();
    multiplier_is_accurate();
    multiplier_edges();
    packing_round_trip();
    addition_factors();
    DONE();
}
