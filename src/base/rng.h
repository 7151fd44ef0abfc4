/* rng.h -- counter-based random numbers: a draw is a pure function of its
 * coordinates, so any draw can be redone anywhere, in any order.
 *
 * A key is made from a seed and up to three coordinates (for a probe: sample,
 * layer; for training: epoch, image); hawq_rng_bits then maps the key and a
 * counter to 64 uniform bits with the finaliser of SplitMix64 (Steele, Lea,
 * Flood 2014), applied twice so that keys one apart are unrelated.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_RNG_H
#define HAWQ_RNG_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>

static inline uint64_t hawq_rng_mix(uint64_t z) {
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t hawq_rng_key(uint64_t seed, uint64_t a, uint64_t b,
                                    uint64_t c) {
    return hawq_rng_mix(hawq_rng_mix(hawq_rng_mix(hawq_rng_mix(seed) ^ a) ^ b) ^
                        c);
}

static inline uint64_t hawq_rng_bits(uint64_t key, uint64_t i) {
    return hawq_rng_mix(hawq_rng_mix(key ^ i) + key);
}

/* Uniform in (0, 1), 52 bits, never 0 nor 1. */
static inline double hawq_rng_uniform(uint64_t key, uint64_t i) {
    return ((double)(hawq_rng_bits(key, i) >> 12) + 0.5) * 0x1p-52;
}

/* Uniform in {0, ..., n-1}, 1 <= n < 2^32 (bias below n / 2^32). */
static inline uint64_t hawq_rng_below(uint64_t key, uint64_t i, uint64_t n) {
    return ((hawq_rng_bits(key, i) >> 32) * n) >> 32;
}

/* order = a fair permutation of 0, ..., n-1 (Fisher and Yates, in Durstenfeld's
 * form, 1964); n < 2^32. Draws first, ..., first + n - 2 of the key. */
static inline void hawq_rng_shuffle(uint64_t key, uint64_t first, size_t n,
                                    uint32_t *order) {
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    for (size_t i = n; i-- > 1;) {
        size_t   j = (size_t)hawq_rng_below(key, first + i - 1, i + 1);
        uint32_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

/* Standard normal (Box and Muller 1958); one value of the pair is used. */
static inline double hawq_rng_normal(uint64_t key, uint64_t i) {
    double r = sqrt(-2 * log(hawq_rng_uniform(key, 2 * i)));
    return r * cos(6.283185307179586 * hawq_rng_uniform(key, 2 * i + 1));
}

/* +1 or -1, fair (Rademacher). Element i uses bit i % 64 of word i / 64. */
static inline int hawq_rng_sign(uint64_t key, uint64_t i) {
    return (hawq_rng_bits(key, i / 64) >> (i % 64) & 1) ? 1 : -1;
}

#endif
