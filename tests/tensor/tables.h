/*
 * tables.h: what the tests of the kernels share: random shapes and values, and comparison bit by bit.
 */
#ifndef LOCKSTEP_TESTS_TENSOR_TABLES_H
#define LOCKSTEP_TESTS_TENSOR_TABLES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/memory.h"
#include "lockstep/tensor.h"
#include "support.h"
#include "tensor/kernels.h"

/* A stream of numbers for one trial. */
typedef struct dice {
    uint64_t seed, position;
} dice;

static inline double roll_real(dice *d) {
    return support_random(d->seed, d->position++);
}

/* An integer in low .. high. */
static inline size_t roll(dice *d, size_t low, size_t high) {
    double unit = 0.5 * (roll_real(d) + 1);
    size_t value = low + (size_t)(unit * (double)(high - low + 1));
    return value > high ? high : value;
}

/* `count` floats, all bits set: whatever is not written shows. */
static inline float *unwritten(size_t count) {
    void *block = NULL;
    assert_works(ls_block_create(count, sizeof(float), "a test", &block));
    memset(block, 0xff, count * sizeof(float));
    return block;
}

/* Random numbers with a few zeros of both signs. */
static inline float *random_values(dice *d, size_t count) {
    float *value = unwritten(count);
    for (size_t i = 0; i < count; i++) {
        size_t kind = roll(d, 0, 30);
        value[i] = kind == 0 ? 0.0f : kind == 1 ? -0.0f : (float)(3 * roll_real(d));
    }
    return value;
}

enum { MOST_MICROS = 12 };

/* Micro-batches of 1 to `size` rows in blocks of any length. */
typedef struct cuts {
    size_t row[MOST_MICROS + 1], block[MOST_MICROS + 1];
    ls_microbatches micro;
} cuts;

static inline void roll_cuts(dice *d, size_t micros, size_t size, cuts *c) {
    c->row[0] = c->block[0] = 0;
    for (size_t m = 0; m < micros; m++) c->row[m + 1] = c->row[m] + roll(d, 1, size);
    size_t blocks = 0;
    for (size_t m = 0; m < micros;) {
        m += roll(d, 1, micros - m);
        c->block[++blocks] = m;
    }
    c->micro = (ls_microbatches){
        .count = micros, .row = c->row, .blocks = blocks, .block = c->block, .batch = c->row[micros] + 1};
}

/* Fails with the place of the first difference. */
static inline void assert_same_bits(const char *what, uint64_t seed, size_t count, const float *expected,
                                    const float *got) {
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&expected[i], &got[i], sizeof *got) == 0) continue;
        fail_msg("%s, seed %llu: element %zu of %zu is %.9g instead of %.9g", what, (unsigned long long)seed, i, count,
                 (double)got[i], (double)expected[i]);
    }
}

/* Every exact table but the oracle that this machine has; ends with NULL. */
static inline const ls_math *fast_math(size_t index) {
    static const char *const names[] = {"exact-avx512", "exact-avx2"};
    size_t found = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const ls_math *math = ls_math_find(names[i]);
        if (math && found++ == index) return math;
    }
    return NULL;
}

#endif
