/* test_arith.c -- the definitions of kernels/arith.h.
 *
 * Claims: requantization is the 64-bit form with one rounding; a multiplier
 * represents its factor to 2^-30 and is refused exactly where a product would
 * leave 32 bits; packing loses nothing and touches nothing else, and packed
 * bits are those of a naive stream; the factors of an addition are the best of
 * their width.
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

enum { CODES = 37 };

/* Bit k of a stream of bytes. */
static unsigned bit(const uint8_t *stream, size_t k) {
    return stream[k / 8] >> k % 8 & 1u;
}

/* Every code at every place, and the neighbours unharmed. */
static void packing_round_trip(int bits) {
    uint8_t want[CODES], packed[CODES + 1];
    size_t  bytes = hawq_packed_bytes(CODES, bits);
    int     bad = 0;
    CHECK(bytes == (size_t)(CODES * bits + 7) / 8);
    memset(packed, 0xEE, sizeof packed);
    for (size_t i = 0; i < CODES; i++)
        hawq_pack(packed, i, bits, want[i] = (uint8_t)((1 << bits) - 1));
    for (int round = 0; round < 4000; round++) {
        size_t i = next() % CODES;
        want[i] = (uint8_t)(next() % (1u << bits));
        hawq_pack(packed, i, bits, want[i]);
        for (size_t j = 0; j < CODES; j++)
            bad += hawq_unpack(packed, j, bits) != want[j];
    }
    for (size_t i = 0; i < CODES; i++)
        for (int k = 0; k < bits; k++)
            bad += bit(packed, i * (size_t)bits + (size_t)k) !=
                   (want[i] >> k & 1u);
    CHECK(bad == 0);
    CHECK(packed[bytes] == 0xEE);
    /* what is left of the last byte is kept as well */
    for (size_t k = (size_t)(CODES * bits); k < 8 * bytes; k++)
        CHECK(bit(packed, k) == (0xEE >> k % 8 & 1));
}

static void packing(void) {
    for (int bits = 1; bits <= 8; bits++) packing_round_trip(bits);
    uint8_t bytes[2] = {0, 0};
    hawq_pack(bytes, 0, 4, 14);
    hawq_pack(bytes, 1, 4, 3);
    CHECK(bytes[0] == 0x3E && bytes[1] == 0);
    hawq_pack(bytes, 2, 3, 5); /* bits 6 .. 8 of the stream */
    CHECK(bytes[0] == 0x7E && bytes[1] == 1 && hawq_unpack(bytes, 2, 3) == 5);
    CHECK(hawq_weight_max(8) == 127 && hawq_weight_max(4) == 7 &&
          hawq_weight_max(2) == 1);
}

/* Five codes of three levels a byte: the digits of a number to base 3. */
static void packing_of_trits(void) {
    uint8_t want[CODES] = {0}, packed[CODES] = {0};
    int     bad = 0;
    CHECK(hawq_trit_bytes(CODES) == 8 && hawq_trit_bytes(35) == 7 &&
          hawq_trit_bytes(0) == 0);
    packed[8] = 0xEE;
    for (int round = 0; round < 4000; round++) {
        size_t i = next() % CODES;
        hawq_pack_trit(packed, i, want[i] = (uint8_t)(next() % 3));
        for (size_t j = 0; j < CODES; j++)
            bad += hawq_unpack_trit(packed, j) != want[j];
    }
    for (size_t i = 0; i < 8; i++) {
        int byte = 0;
        for (size_t j = 5; j-- > 0;)
            byte = 3 * byte + (5 * i + j < CODES ? want[5 * i + j] : 0);
        bad += packed[i] != byte;
    }
    CHECK(bad == 0);
    CHECK(packed[8] == 0xEE);
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
    packing();
    packing_of_trits();
    addition_factors();
    DONE();
}
