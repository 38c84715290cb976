/*
 * peak.c: what one core can do at most, measured. Twelve chains of multiply-adds keep both units of any core busy that
 * finishes one in up to six cycles.
 */
#include "lockstep/clock.h"
#include "lockstep/tensor.h"

enum { ROUNDS = 1000000, TRIES = 20, CHAINS = 12 };

#if defined(__x86_64__)
#include <immintrin.h>

/* Assembly, so that no compiler joins chains or takes them out of the loop. */
#define STEP(v) __asm__ volatile("vfmadd213ps %2, %1, %0" : "+v"(v) : "v"(x), "v"(y))
#define ALL_STEPS                                                                                                      \
    STEP(a);                                                                                                           \
    STEP(b);                                                                                                           \
    STEP(c);                                                                                                           \
    STEP(d);                                                                                                           \
    STEP(e);                                                                                                           \
    STEP(f);                                                                                                           \
    STEP(g);                                                                                                           \
    STEP(h);                                                                                                           \
    STEP(i);                                                                                                           \
    STEP(j);                                                                                                           \
    STEP(k);                                                                                                           \
    STEP(l)

/* Returns the floating-point operations done. */
__attribute__((target("avx512f"))) static double spin_avx512(size_t rounds) {
    __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(1e-3f);
    __m512 a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
    for (size_t n = 0; n < rounds; n++) {
        ALL_STEPS;
    }
    return (double)rounds * CHAINS * 16 * 2;
}

__attribute__((target("avx2,fma"))) static double spin_avx2(size_t rounds) {
    __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(1e-3f);
    __m256 a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
    for (size_t n = 0; n < rounds; n++) {
        ALL_STEPS;
    }
    return (double)rounds * CHAINS * 8 * 2;
}
#endif

/* As wide as the compiler makes it. */
static double spin_plain(size_t rounds) {
    enum { WIDTH = 4 * CHAINS };
    volatile float start = 1;
    float chain[WIDTH];
    for (size_t i = 0; i < WIDTH; i++) chain[i] = start;
    for (size_t n = 0; n < rounds; n++)
        for (size_t i = 0; i < WIDTH; i++) chain[i] = chain[i] * 0.999f + 1e-3f;
    for (size_t i = 0; i < WIDTH; i++) start = chain[i];
    return (double)rounds * WIDTH * 2;
}

static double spin(size_t rounds) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return spin_avx512(rounds);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return spin_avx2(rounds);
#endif
    return spin_plain(rounds);
}

double ls_math_peak(void) {
    double best = 0;
    for (size_t i = 0; i < TRIES; i++) {
        double start = ls_clock_now(), operations = spin(ROUNDS);
        double rate = operations / (ls_clock_now() - start);
        if (rate > best) best = rate;
    }
    return best;
}
