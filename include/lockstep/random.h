/**
 * random.h: random numbers without state.
 *
 * A draw is a pure function of its address:
 *
 *     (seed, purpose, epoch, position, draw)  ->  Philox4x32-10  ->  4 words of 32 bits
 *
 * `position` is a global index (of a sample, of a parameter's element in file order), never a rank's own count, so a
 * draw is the same on any number of ranks and threads, after any restart. There is no generator to save.
 *
 * Philox: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; the code is Random123's.
 * All functions are pure.
 */
#ifndef LOCKSTEP_RANDOM_H
#define LOCKSTEP_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/** What a number is drawn for. Two purposes never share a draw. Values are part of the format: append only. */
typedef enum ls_purpose {
    LS_PURPOSE_INIT = 1,    /* initial values; `epoch` is the parameter's number in creation order */
    LS_PURPOSE_SHUFFLE = 2, /* sample order */
    LS_PURPOSE_SPLIT = 3,   /* the validation fraction */
    LS_PURPOSE_DROPOUT = 4, /* `position` is the global sample, `draw` layer and unit */
    LS_PURPOSE_AUGMENT = 5,
    LS_PURPOSE_SAMPLE = 6,  /* drawing batches with replacement */
    LS_PURPOSE_BLOCKS = 7,  /* order of blocks in block shuffling */
    LS_PURPOSE_IMPORT = 8,  /* corrupt pairs and splits made by `import` */
    LS_PURPOSE_SWEEP = 9,
    LS_PURPOSE_TEST = 10,
} ls_purpose;

typedef struct ls_draw {
    uint32_t word[4];
} ls_draw;

/** The 128 bits at an address. */
ls_draw ls_random(uint64_t seed, ls_purpose purpose, uint32_t epoch, uint64_t position, uint32_t draw);

/** A number in [0, 1) with 24 bits from one word: exact in float. */
static inline float ls_random_unit(uint32_t word) {
    return (float)(word >> 8) * 0x1p-24f;
}

/** A number in [0, 1) with 53 bits from two words. */
static inline double ls_random_unit_double(uint32_t high, uint32_t low) {
    return (double)((((uint64_t)high << 32) | low) >> 11) * 0x1p-53;
}

/** A whole number in [0, bound), unbiased to 2^-64 * bound. `bound` > 0. */
uint64_t ls_random_below(ls_draw draw, uint64_t bound);

/** Two independent draws of the standard normal distribution (Box-Muller in double, by own log, sin and cos). */
void ls_random_normal(ls_draw draw, double out[2]);

/**
 * A permutation of 0..count-1 that needs no memory: the image of an index is a pure function of the key. It is a
 * Feistel network over the next even power of two, with Philox as its round function, walked until it falls below
 * `count`; so any rank can ask for any position of the order without building it.
 */
typedef struct ls_permutation {
    uint64_t seed, count;
    uint32_t epoch;
    ls_purpose purpose;
    unsigned half_bits;
} ls_permutation;

ls_permutation ls_permutation_make(uint64_t seed, ls_purpose purpose, uint32_t epoch, uint64_t count);

/** The image of `index` (< count). */
uint64_t ls_permutation_at(const ls_permutation *permutation, uint64_t index);

/** The images of first .. first + count - 1: as ls_permutation_at() of each, some times faster. */
void ls_permutation_run(const ls_permutation *permutation, uint64_t first, size_t count, uint64_t *out);

/** The index whose image is `image` (< count): the inverse. */
uint64_t ls_permutation_find(const ls_permutation *permutation, uint64_t image);

#endif
