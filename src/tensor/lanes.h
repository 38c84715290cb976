/*
 * lanes.h: sixteen numbers that are worked on together, in the registers that the instruction set has.
 *
 *      AVX-512            one register of 16 floats
 *      AVX2 with FMA      two registers of 8 floats
 *      otherwise          an array of 16 reals; float or double
 *
 * Whoever includes this is compiled once per instruction set, and everything is static: the linker never sees two
 * versions of one name. All three give the same bits for float. max(a, b) is `a > b ? a : b`, min likewise, so that a
 * NaN in b passes; rows end inside a group of sixteen by load_some and store_some, which touch `n` elements only.
 */
#ifndef LOCKSTEP_TENSOR_LANES_H
#define LOCKSTEP_TENSOR_LANES_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tensor/real.h"

enum { LANES = 16 };

#if defined(__AVX512F__) && !defined(LS_DOUBLE)

#include <immintrin.h>

#define LANES_REGISTERS /* lanes_load_pairs and lanes_int_* are there, and worth their while */

typedef __m512 lanes;
typedef __m512i lanes_int;
typedef __mmask16 lanes_mask;

static inline __mmask16 first_lanes(size_t n) {
    return (__mmask16)((1u << n) - 1);
}
static inline lanes lanes_set(float a) { return _mm512_set1_ps(a); }
static inline lanes lanes_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void lanes_store(float *p, lanes a) { _mm512_storeu_ps(p, a); }
static inline lanes lanes_load_some(const float *p, size_t n, float fill) {
    return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), first_lanes(n), p);
}
static inline void lanes_store_some(float *p, size_t n, lanes a) { _mm512_mask_storeu_ps(p, first_lanes(n), a); }
static inline lanes lanes_add(lanes a, lanes b) { return _mm512_add_ps(a, b); }
static inline lanes lanes_sub(lanes a, lanes b) { return _mm512_sub_ps(a, b); }
static inline lanes lanes_mul(lanes a, lanes b) { return _mm512_mul_ps(a, b); }
static inline lanes lanes_div(lanes a, lanes b) { return _mm512_div_ps(a, b); }
static inline lanes lanes_fma(lanes a, lanes b, lanes c) { return _mm512_fmadd_ps(a, b, c); }
static inline lanes lanes_max(lanes a, lanes b) { return _mm512_max_ps(a, b); }
static inline lanes lanes_min(lanes a, lanes b) { return _mm512_min_ps(a, b); }
static inline lanes lanes_abs(lanes a) { return _mm512_abs_ps(a); }
static inline lanes_mask lanes_greater(lanes a, lanes b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
static inline lanes lanes_select(lanes_mask m, lanes a, lanes b) { return _mm512_mask_blend_ps(m, b, a); }
static inline bool lanes_any(lanes_mask m) { return m != 0; }
static inline lanes_mask lanes_both(lanes_mask a, lanes_mask b) { return (lanes_mask)(a & b); }
static inline lanes_int lanes_bits(lanes a) { return _mm512_castps_si512(a); }
static inline lanes lanes_from_bits(lanes_int a) { return _mm512_castsi512_ps(a); }
static inline lanes_int lanes_int_set(int32_t a) { return _mm512_set1_epi32(a); }
static inline lanes_int lanes_int_add(lanes_int a, lanes_int b) { return _mm512_add_epi32(a, b); }
static inline lanes_int lanes_int_sub(lanes_int a, lanes_int b) { return _mm512_sub_epi32(a, b); }
static inline lanes_int lanes_int_and(lanes_int a, lanes_int b) { return _mm512_and_epi32(a, b); }
static inline lanes_int lanes_int_or(lanes_int a, lanes_int b) { return _mm512_or_epi32(a, b); }
static inline lanes_int lanes_int_xor(lanes_int a, lanes_int b) { return _mm512_xor_epi32(a, b); }
static inline lanes_int lanes_int_left(lanes_int a, int by) { return _mm512_slli_epi32(a, (unsigned)by); }
static inline lanes_int lanes_int_right(lanes_int a, int by) { return _mm512_srai_epi32(a, (unsigned)by); }
static inline lanes lanes_from_int(lanes_int a) { return _mm512_cvtepi32_ps(a); }
static inline lanes_int lanes_int_select(lanes_mask m, lanes_int a, lanes_int b) {
    return _mm512_mask_blend_epi32(m, b, a);
}
static inline lanes_int lanes_int_count(void) {
    return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
static inline void lanes_int_store_some(uint32_t *p, size_t n, lanes_int a) {
    _mm512_mask_storeu_epi32(p, first_lanes(n), a);
}
/* The elements p[0], p[2], .. and p[1], p[3], .. of n pairs */
static inline void lanes_load_pairs(const float *p, size_t n, lanes *even, lanes *odd) {
    lanes low = lanes_load_some(p, n < 8 ? 2 * n : 16, 0), high = lanes_load_some(p + 16, n < 8 ? 0 : 2 * n - 16, 0);
    __m512i at = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    *even = _mm512_permutex2var_ps(low, at, high);
    *odd = _mm512_permutex2var_ps(low, _mm512_add_epi32(at, _mm512_set1_epi32(1)), high);
}

#elif defined(__AVX2__) && !defined(LS_DOUBLE)

#include <immintrin.h>

#define LANES_REGISTERS

typedef struct lanes {
    __m256 a, b;
} lanes;
typedef struct lanes_int {
    __m256i a, b;
} lanes_int;
typedef lanes lanes_mask;

/* All ones in the first n of the eight lanes that start at lane `from`. */
static inline __m256i first_of_eight(size_t n, int from) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n - from), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline lanes lanes_set(float a) { return (lanes){_mm256_set1_ps(a), _mm256_set1_ps(a)}; }
static inline lanes lanes_load(const float *p) { return (lanes){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
static inline void lanes_store(float *p, lanes x) {
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}
static inline lanes lanes_load_some(const float *p, size_t n, float fill) {
    __m256i a = first_of_eight(n, 0), b = first_of_eight(n, 8);
    __m256 f = _mm256_set1_ps(fill);
    return (lanes){_mm256_blendv_ps(f, _mm256_maskload_ps(p, a), _mm256_castsi256_ps(a)),
                   _mm256_blendv_ps(f, _mm256_maskload_ps(p + 8, b), _mm256_castsi256_ps(b))};
}
static inline void lanes_store_some(float *p, size_t n, lanes x) {
    _mm256_maskstore_ps(p, first_of_eight(n, 0), x.a);
    _mm256_maskstore_ps(p + 8, first_of_eight(n, 8), x.b);
}
#define LANES_BINARY(name, instruction)                                          \
    static inline lanes name(lanes x, lanes y) {                                 \
        return (lanes){instruction(x.a, y.a), instruction(x.b, y.b)};            \
    }
#define LANES_INT_BINARY(name, instruction)                                      \
    static inline lanes_int name(lanes_int x, lanes_int y) {                     \
        return (lanes_int){instruction(x.a, y.a), instruction(x.b, y.b)};        \
    }
LANES_BINARY(lanes_add, _mm256_add_ps)
LANES_BINARY(lanes_sub, _mm256_sub_ps)
LANES_BINARY(lanes_mul, _mm256_mul_ps)
LANES_BINARY(lanes_div, _mm256_div_ps)
LANES_BINARY(lanes_max, _mm256_max_ps)
LANES_BINARY(lanes_min, _mm256_min_ps)
LANES_BINARY(lanes_both, _mm256_and_ps)
LANES_INT_BINARY(lanes_int_add, _mm256_add_epi32)
LANES_INT_BINARY(lanes_int_sub, _mm256_sub_epi32)
LANES_INT_BINARY(lanes_int_and, _mm256_and_si256)
LANES_INT_BINARY(lanes_int_or, _mm256_or_si256)
LANES_INT_BINARY(lanes_int_xor, _mm256_xor_si256)
static inline lanes lanes_fma(lanes x, lanes y, lanes z) {
    return (lanes){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
static inline lanes lanes_abs(lanes x) {
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (lanes){_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
static inline lanes_mask lanes_greater(lanes x, lanes y) {
    return (lanes_mask){_mm256_cmp_ps(x.a, y.a, _CMP_GT_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_GT_OQ)};
}
static inline lanes lanes_select(lanes_mask m, lanes x, lanes y) {
    return (lanes){_mm256_blendv_ps(y.a, x.a, m.a), _mm256_blendv_ps(y.b, x.b, m.b)};
}
static inline bool lanes_any(lanes_mask m) { return (_mm256_movemask_ps(m.a) | _mm256_movemask_ps(m.b)) != 0; }
static inline lanes_int lanes_bits(lanes x) {
    return (lanes_int){_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)};
}
static inline lanes lanes_from_bits(lanes_int x) {
    return (lanes){_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)};
}
static inline lanes_int lanes_int_set(int32_t a) { return (lanes_int){_mm256_set1_epi32(a), _mm256_set1_epi32(a)}; }
static inline lanes_int lanes_int_left(lanes_int x, int by) {
    return (lanes_int){_mm256_slli_epi32(x.a, by), _mm256_slli_epi32(x.b, by)};
}
static inline lanes_int lanes_int_right(lanes_int x, int by) {
    return (lanes_int){_mm256_srai_epi32(x.a, by), _mm256_srai_epi32(x.b, by)};
}
static inline lanes lanes_from_int(lanes_int x) {
    return (lanes){_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)};
}
static inline lanes_int lanes_int_select(lanes_mask m, lanes_int x, lanes_int y) {
    return lanes_bits(lanes_select(m, lanes_from_bits(x), lanes_from_bits(y)));
}
static inline lanes_int lanes_int_count(void) {
    return (lanes_int){_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)};
}
static inline void lanes_int_store_some(uint32_t *p, size_t n, lanes_int x) {
    _mm256_maskstore_epi32((int *)p, first_of_eight(n, 0), x.a);
    _mm256_maskstore_epi32((int *)p + 8, first_of_eight(n, 8), x.b);
}
/* The even or odd ones of 16 floats */
static inline __m256 every_other(lanes x, bool odd) {
    __m256 mixed = odd ? _mm256_shuffle_ps(x.a, x.b, 0xdd) : _mm256_shuffle_ps(x.a, x.b, 0x88);
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xd8));
}
static inline void lanes_load_pairs(const float *p, size_t n, lanes *even, lanes *odd) {
    lanes low = lanes_load_some(p, n < 8 ? 2 * n : 16, 0), high = lanes_load_some(p + 16, n < 8 ? 0 : 2 * n - 16, 0);
    *even = (lanes){every_other(low, false), every_other(high, false)};
    *odd = (lanes){every_other(low, true), every_other(high, true)};
}

#else

typedef struct lanes {
    real x[LANES];
} lanes;
typedef struct lanes_int {
    int32_t x[LANES];
} lanes_int;
typedef struct lanes_mask {
    bool x[LANES];
} lanes_mask;

/* Defines name(parameters) as the array of `expression` over the lanes i. */
#define LANES_EACH(type, name, parameters, expression)                       \
    static inline type name parameters {                                     \
        type r;                                                              \
        for (int i = 0; i < LANES; i++) r.x[i] = expression;                 \
        return r;                                                            \
    }
static inline real lane_fma(real a, real b, real c) {
#ifdef LS_DOUBLE
    return __builtin_fma(a, b, c);
#else
    return __builtin_fmaf(a, b, c);
#endif
}
LANES_EACH(lanes, lanes_set, (real a), a)
LANES_EACH(lanes, lanes_load, (const real *p), p[i])
LANES_EACH(lanes, lanes_load_some, (const real *p, size_t n, real fill), (size_t)i < n ? p[i] : fill)
LANES_EACH(lanes, lanes_add, (lanes a, lanes b), a.x[i] + b.x[i])
LANES_EACH(lanes, lanes_sub, (lanes a, lanes b), a.x[i] - b.x[i])
LANES_EACH(lanes, lanes_mul, (lanes a, lanes b), a.x[i] *b.x[i])
LANES_EACH(lanes, lanes_div, (lanes a, lanes b), a.x[i] / b.x[i])
LANES_EACH(lanes, lanes_fma, (lanes a, lanes b, lanes c), lane_fma(a.x[i], b.x[i], c.x[i]))
LANES_EACH(lanes, lanes_max, (lanes a, lanes b), a.x[i] > b.x[i] ? a.x[i] : b.x[i])
LANES_EACH(lanes, lanes_min, (lanes a, lanes b), a.x[i] < b.x[i] ? a.x[i] : b.x[i])
LANES_EACH(lanes, lanes_abs, (lanes a), (real)__builtin_fabs((double)a.x[i]))
LANES_EACH(lanes_mask, lanes_greater, (lanes a, lanes b), a.x[i] > b.x[i])
LANES_EACH(lanes_mask, lanes_both, (lanes_mask a, lanes_mask b), a.x[i] && b.x[i])
LANES_EACH(lanes, lanes_select, (lanes_mask m, lanes a, lanes b), m.x[i] ? a.x[i] : b.x[i])
static inline void lanes_store_some(real *p, size_t n, lanes a) {
    for (size_t i = 0; i < n; i++) p[i] = a.x[i];
}
static inline void lanes_store(real *p, lanes a) {
    lanes_store_some(p, LANES, a);
}
static inline bool lanes_any(lanes_mask m) {
    bool any = false;
    for (int i = 0; i < LANES; i++) any |= m.x[i];
    return any;
}
#ifndef LS_DOUBLE
static inline int32_t lane_bits(float a) {
    int32_t bits = 0;
    memcpy(&bits, &a, sizeof bits);
    return bits;
}
static inline float lane_from_bits(int32_t bits) {
    float a = 0;
    memcpy(&a, &bits, sizeof a);
    return a;
}
LANES_EACH(lanes_int, lanes_bits, (lanes a), lane_bits(a.x[i]))
LANES_EACH(lanes, lanes_from_bits, (lanes_int a), lane_from_bits(a.x[i]))
LANES_EACH(lanes_int, lanes_int_set, (int32_t a), a)
/* Integers wrap as they do in registers. */
LANES_EACH(lanes_int, lanes_int_add, (lanes_int a, lanes_int b), (int32_t)((uint32_t)a.x[i] + (uint32_t)b.x[i]))
LANES_EACH(lanes_int, lanes_int_sub, (lanes_int a, lanes_int b), (int32_t)((uint32_t)a.x[i] - (uint32_t)b.x[i]))
LANES_EACH(lanes_int, lanes_int_and, (lanes_int a, lanes_int b), a.x[i] & b.x[i])
LANES_EACH(lanes_int, lanes_int_or, (lanes_int a, lanes_int b), a.x[i] | b.x[i])
LANES_EACH(lanes_int, lanes_int_xor, (lanes_int a, lanes_int b), a.x[i] ^ b.x[i])
LANES_EACH(lanes_int, lanes_int_left, (lanes_int a, int by), (int32_t)((uint32_t)a.x[i] << by))
LANES_EACH(lanes_int, lanes_int_right, (lanes_int a, int by), a.x[i] >> by)
LANES_EACH(lanes, lanes_from_int, (lanes_int a), (float)a.x[i])
#endif

#endif

/* ---- for all of them ---- */

static inline lanes lanes_negate(lanes a) {
    return lanes_mul(a, lanes_set(-1));
}

/* The sixteen joined in the fixed order (0+8)(1+9).. then +4, +2, +1. */
static inline real lanes_sum(lanes a) {
    real x[LANES];
    lanes_store(x, a);
    for (int step = LANES / 2; step > 0; step /= 2)
        for (int i = 0; i < step; i++) x[i] = x[i] + x[i + step];
    return x[0];
}
static inline real lanes_largest(lanes a) {
    real x[LANES];
    lanes_store(x, a);
    for (int step = LANES / 2; step > 0; step /= 2)
        for (int i = 0; i < step; i++) x[i] = x[i] > x[i + step] ? x[i] : x[i + step];
    return x[0];
}

/* f of each lane, in double: for what is rare. */
static inline lanes lanes_map(lanes a, double (*f)(double)) {
    real x[LANES];
    lanes_store(x, a);
    for (int i = 0; i < LANES; i++) x[i] = (real)f((double)x[i]);
    return lanes_load(x);
}

#endif
