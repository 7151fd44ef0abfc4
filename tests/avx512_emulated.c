/* avx512_emulated.c -- kernels/avx512vnni.c where the processor lacks it.
 *
 * The file is compiled against SIMDe, whose functions do in portable C what
 * AVX-512's do, and linked in place of the real one: test_kernels then compares
 * its table with ref, bit for bit. It proves tiles, layouts and arithmetic;
 * nothing of speed, and not what the compiler makes of the real ones.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/avx512/dpbusd.h>
#include <string.h>

/* SIMDe 0.7.2 gives this name to a function of four arguments. */
#undef _mm512_madd_epi16
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)

/* Those that it lacks: stores of masked bytes and 32-bit lanes, */
static void store_masked(void *to, uint64_t mask, const void *v, int n,
                         size_t size) {
    for (int i = 0; i < n; i++)
        if (mask >> i & 1)
            memcpy((uint8_t *)to + (size_t)i * size,
                   (const uint8_t *)v + (size_t)i * size, size);
}
#define STORE_MASKED(name, vector, n, size)                                    \
    static void emulated_##name(void *to, uint64_t mask, vector v) {           \
        store_masked(to, mask, &v, n, size);                                   \
    }
STORE_MASKED(store16, simde__m128i, 16, 1)
STORE_MASKED(store32, simde__m256i, 32, 1)
STORE_MASKED(store64, simde__m512i, 64, 1)
STORE_MASKED(store16_epi32, simde__m512i, 16, 4)
#define _mm_mask_storeu_epi8 emulated_store16
#define _mm256_mask_storeu_epi8 emulated_store32
#define _mm512_mask_storeu_epi8 emulated_store64
#define _mm512_mask_storeu_epi32 emulated_store16_epi32

/* a masked load, */
static simde__m512i emulated_load64(uint64_t mask, const void *from) {
    uint8_t byte[64] = {0};
    store_masked(byte, mask, from, 64, 1);
    return simde_mm512_loadu_si512(byte);
}
#define _mm512_maskz_loadu_epi8 emulated_load64

/* shifts by one count and by the lanes' own, */
static simde__m512i emulated_srav(simde__m512i a, simde__m512i by) {
    int v[16], n[16];
    simde_mm512_storeu_si512(v, a);
    simde_mm512_storeu_si512(n, by);
    for (int i = 0; i < 16; i++) v[i] >>= n[i] < 31 ? n[i] : 31;
    return simde_mm512_loadu_si512(v);
}

static simde__m512i emulated_sra(simde__m512i a, simde__m128i by) {
    return emulated_srav(a, simde_mm512_set1_epi32(simde_mm_cvtsi128_si32(by)));
}
#define _mm512_srav_epi32 emulated_srav
#define _mm512_sra_epi32 emulated_sra

/* and permutations: lane i of four takes lane (order >> 2 i) % 4 of a; unmasked
 * ones are src's. */
static simde__m512i emulated_mask_shuffle(simde__m512i src, unsigned mask,
                                          simde__m512i a, int order) {
    int from[16], to[16];
    simde_mm512_storeu_si512(from, a);
    simde_mm512_storeu_si512(to, src);
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1) to[i] = from[i / 4 * 4 + (order >> 2 * (i % 4) & 3)];
    return simde_mm512_loadu_si512(to);
}
#define _mm512_mask_shuffle_epi32 emulated_mask_shuffle

#define __AVX512VNNI__ 1
#define __AVX512BW__ 1

/* Whether the processor has it does not matter here. */
#define __builtin_cpu_supports(name) 1

/* The only assembler: vpdpbusd, with two operands after the result, and a
 * barrier without any. */
#define CHOSEN(first, second, chosen, ...) chosen
#define DOT(...) (*acc = simde_mm512_dpbusd_epi32(*acc, x, w))
#define NOTHING(...) (void)0
#define __asm__(...) CHOSEN(__VA_ARGS__, DOT, NOTHING, )(__VA_ARGS__)

#include "kernels/avx512vnni.c"
