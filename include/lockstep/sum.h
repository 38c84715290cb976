/**
 * sum.h: exact sums of doubles.
 *
 * Losses, metric sums and squared norms come from many ranks in any order, and must not depend on it. An ls_sum is a
 * fixed-point number wide enough for every double: digits of 32 bits, each in a word of 64, so carries can wait.
 *
 *      word[0]                                                         word[65]
 *      | 2^-1074 .. 2^-1043 | 2^-1042 .. 2^-1011 |  ...  | 2^1006 .. 2^1037, and what overflows |
 *
 * Adding is integer addition: exact, commutative and associative. Only ls_sum_value() rounds, once, to nearest even.
 *
 *     ls_sum sum;
 *     ls_sum_clear(&sum);
 *     for (...) ls_sum_add(&sum, loss[i]);
 *     ls_sum_merge(&sum, &of_another_rank);      // any order, the same bits
 *     double total = ls_sum_value(&sum);
 *
 * Invariants
 *  - A sum is LS_SUM_WORDS plain int64 words; adding two word by word (MPI_SUM of MPI_INT64_T) is ls_sum_merge()
 *    without its care for carries, and safe for up to 2^30 sums that have been through ls_sum_normalise().
 *  - No word exceeds 2^32 times `pending`, which add and merge keep at most 2^30; they normalise when it is due.
 *  - NaNs and infinities are counted apart and surface in the value: they spoil no digit.
 *
 * All functions are local and pure but for their argument. After E. Kulisch's long accumulator
 * (Kulisch, Miranker 1981).
 */
#ifndef LOCKSTEP_SUM_H
#define LOCKSTEP_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LS_SUM_DIGITS 66

typedef struct ls_sum {
    int64_t word[LS_SUM_DIGITS]; /* digit k counts in units of 2^(32 k - 1074) */
    int64_t nan;                 /* how many NaNs were added */
    int64_t plus_infinity;
    int64_t minus_infinity;
    int64_t pending; /* additions since the last carry */
} ls_sum;

#define LS_SUM_WORDS (sizeof(ls_sum) / sizeof(int64_t))

/** Makes it zero. A sum of zero bytes is zero too. */
void ls_sum_clear(ls_sum *sum);

/** Adds a double, exactly. */
void ls_sum_add(ls_sum *sum, double value);

/** sum += other, exactly. */
void ls_sum_merge(ls_sum *sum, const ls_sum *other);

/**
 * The sum, correctly rounded to nearest even; infinite where it exceeds the range; NaN where a NaN or infinities of
 * both signs were added. An exact zero is +0.
 */
double ls_sum_value(const ls_sum *sum);

/** True where nothing but finite numbers were added. */
bool ls_sum_finite(const ls_sum *sum);

/**
 * Carries, so that every digit lies within +-2^31 and `pending` is at most 1. A small value of either sign then
 * occupies few words: [*first, *last) are those that are not zero (both 0 for a sum of zero). The value does not
 * change.
 */
void ls_sum_normalise(ls_sum *sum, size_t *first, size_t *last);

#endif
