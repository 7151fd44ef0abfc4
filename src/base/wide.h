/* wide.h -- one loop for every vector width of the processor.
 *
 * HAWQ_WIDE before a static function compiles it once per instruction set; the
 * loader picks. (Clang 14 hides such a function from other files.) Contraction
 * into fused multiply-adds is off for the whole build, so that all of them
 * compute the same bits.
 *
 * Where there is no such choice (other processors, other C libraries) or where
 * it must not be made before main (sanitizers, which the loader calls too
 * early) the function is compiled once.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_WIDE_H
#define HAWQ_WIDE_H
#include <stddef.h> /* __GLIBC__ */
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||     \
    __has_feature(memory_sanitizer)
#define HAWQ_ONE_WIDTH
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAWQ_ONE_WIDTH
#endif

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(HAWQ_ONE_WIDTH)
#define HAWQ_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define HAWQ_WIDE
#endif

/* For what a HAWQ_WIDE function calls in its loops. */
#define HAWQ_INLINE static inline __attribute__((always_inline))

#endif
