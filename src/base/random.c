#include "lockstep/random.h"

#include <Random123/philox.h>

#include "lockstep/elementary.h"

/*
 * The address fills the counter and the key: counter = (position low, position high, draw, epoch), key = seed, with the
 * purpose folded into the key's high word by an odd constant so that no two purposes share a stream.
 */
ls_draw ls_random(uint64_t seed, ls_purpose purpose, uint32_t epoch, uint64_t position, uint32_t draw) {
    philox4x32_ctr_t counter = {{(uint32_t)position, (uint32_t)(position >> 32), draw, epoch}};
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32) ^ ((uint32_t)purpose * 0x9E3779B1u)}};
    philox4x32_ctr_t bits = philox4x32(counter, key);
    return (ls_draw){{bits.v[0], bits.v[1], bits.v[2], bits.v[3]}};
}

uint64_t ls_random_below(ls_draw draw, uint64_t bound) {
    uint64_t bits = ((uint64_t)draw.word[0] << 32) | draw.word[1];
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)bits * bound) >> 64);
}

void ls_random_normal(ls_draw draw, double out[2]) {
    double u = 1.0 - ls_random_unit_double(draw.word[0], draw.word[1]); /* (0, 1]: its log is finite */
    double angle = 6.283185307179586 * ls_random_unit_double(draw.word[2], draw.word[3]);
    double radius = __builtin_sqrt(-2.0 * ls_log(u));
    out[0] = radius * ls_cos(angle);
    out[1] = radius * ls_sin(angle);
}

/* Eight rounds leave no visible structure even over a handful of samples. */
enum { FEISTEL_ROUNDS = 8 };

ls_permutation ls_permutation_make(uint64_t seed, ls_purpose purpose, uint32_t epoch, uint64_t count) {
    unsigned bits = 1;
    while (bits < 32 && (UINT64_C(1) << (2 * bits)) < count) bits++;
    return (ls_permutation){.seed = seed, .count = count, .epoch = epoch, .purpose = purpose, .half_bits = bits};
}

static uint64_t feistel(const ls_permutation *p, uint64_t value) {
    uint64_t mask = (UINT64_C(1) << p->half_bits) - 1;
    uint64_t left = value >> p->half_bits, right = value & mask;
    for (uint32_t round = 0; round < FEISTEL_ROUNDS; round++) {
        uint64_t mixed = left ^ (ls_random(p->seed, p->purpose, p->epoch, right, round).word[0] & mask);
        left = right;
        right = mixed;
    }
    return (left << p->half_bits) | right;
}

uint64_t ls_permutation_at(const ls_permutation *permutation, uint64_t index) {
    uint64_t image = feistel(permutation, index);
    while (image >= permutation->count) image = feistel(permutation, image);
    return image;
}

/* Walks that know nothing of each other keep the processor busy while each waits for its own last round. */
enum { LANES = 8 };

static void feistel_lanes(const ls_permutation *p, uint64_t value[LANES]) {
    uint64_t mask = (UINT64_C(1) << p->half_bits) - 1;
    for (uint32_t round = 0; round < FEISTEL_ROUNDS; round++)
        for (unsigned lane = 0; lane < LANES; lane++) {
            uint64_t left = value[lane] >> p->half_bits, right = value[lane] & mask;
            left ^= ls_random(p->seed, p->purpose, p->epoch, right, round).word[0] & mask;
            value[lane] = (right << p->half_bits) | left;
        }
}

void ls_permutation_run(const ls_permutation *permutation, uint64_t first, size_t count, uint64_t *out) {
    size_t done = 0;
    for (; count - done >= LANES; done += LANES) {
        uint64_t value[LANES];
        for (unsigned lane = 0; lane < LANES; lane++) value[lane] = first + done + lane;
        feistel_lanes(permutation, value);
        for (unsigned lane = 0; lane < LANES; lane++) {
            while (value[lane] >= permutation->count) value[lane] = feistel(permutation, value[lane]);
            out[done + lane] = value[lane];
        }
    }
    for (; done < count; done++) out[done] = ls_permutation_at(permutation, first + done);
}

/* The rounds walked backwards. */
static uint64_t feistel_inverse(const ls_permutation *p, uint64_t value) {
    uint64_t mask = (UINT64_C(1) << p->half_bits) - 1;
    uint64_t left = value >> p->half_bits, right = value & mask;
    for (uint32_t round = FEISTEL_ROUNDS; round-- > 0;) {
        uint64_t mixed = right ^ (ls_random(p->seed, p->purpose, p->epoch, left, round).word[0] & mask);
        right = left;
        left = mixed;
    }
    return (left << p->half_bits) | right;
}

uint64_t ls_permutation_find(const ls_permutation *permutation, uint64_t image) {
    uint64_t index = feistel_inverse(permutation, image);
    while (index >= permutation->count) index = feistel_inverse(permutation, index);
    return index;
}
