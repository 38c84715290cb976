#include "lockstep/sum.h"

#include <math.h>
#include <string.h>

enum { DIGIT_BITS = 32, MANTISSA_BITS = 53 };

/* With at most so many additions since the last carry no word leaves +-2^62. */
static const int64_t max_pending = INT64_C(1) << 30;

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

void ls_sum_clear(ls_sum *sum) {
    memset(sum, 0, sizeof *sum);
}

bool ls_sum_finite(const ls_sum *sum) {
    return sum->nan == 0 && sum->plus_infinity == 0 && sum->minus_infinity == 0;
}

/* Moves what exceeds +-2^31 of each digit to the next one; the last digit keeps all. */
static void carry_digits(int64_t *word) {
    int64_t carry = 0;
    for (size_t k = 0; k + 1 < LS_SUM_DIGITS; k++) {
        int64_t digit = word[k] + carry;
        carry = (digit + (INT64_C(1) << (DIGIT_BITS - 1))) >> DIGIT_BITS;
        word[k] = digit - carry * (INT64_C(1) << DIGIT_BITS);
    }
    word[LS_SUM_DIGITS - 1] += carry;
}

void ls_sum_normalise(ls_sum *sum, size_t *first, size_t *last) {
    carry_digits(sum->word);
    size_t low = 0, high = LS_SUM_DIGITS;
    while (high > 0 && sum->word[high - 1] == 0) high--;
    while (low < high && sum->word[low] == 0) low++;
    sum->pending = high > 0;
    *first = high > 0 ? low : 0;
    *last = high;
}

void ls_sum_add(ls_sum *sum, double value) {
    uint64_t bits = bits_of(value);
    bool negative = bits >> 63;
    unsigned exponent = (unsigned)(bits >> 52) & 0x7FF;
    uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent == 0x7FF) {
        if (mantissa)
            sum->nan++;
        else
            *(negative ? &sum->minus_infinity : &sum->plus_infinity) += 1;
        return;
    }
    /* Subnormals have the weights of exponent 1 but no leading one. */
    if (exponent) mantissa |= UINT64_C(1) << 52;
    unsigned position = exponent ? exponent - 1 : 0, shift = position % DIGIT_BITS;
    uint64_t low = mantissa << shift, high = shift ? mantissa >> (64 - shift) : 0;
    int64_t *word = sum->word + position / DIGIT_BITS;
    int64_t sign = negative ? -1 : 1;
    word[0] += sign * (int64_t)(low & UINT32_MAX);
    word[1] += sign * (int64_t)(low >> DIGIT_BITS);
    word[2] += sign * (int64_t)high;
    if (++sum->pending >= max_pending) {
        size_t first, last;
        ls_sum_normalise(sum, &first, &last);
    }
}

void ls_sum_merge(ls_sum *sum, const ls_sum *other) {
    for (size_t k = 0; k < LS_SUM_DIGITS; k++) sum->word[k] += other->word[k];
    sum->nan += other->nan;
    sum->plus_infinity += other->plus_infinity;
    sum->minus_infinity += other->minus_infinity;
    sum->pending += other->pending;
    if (sum->pending >= max_pending) {
        size_t first, last;
        ls_sum_normalise(sum, &first, &last);
    }
}

/* Makes all digits lie in [0, 2^32), the last one unbounded; the number must not be negative. */
static void borrow_digits(int64_t *word) {
    for (size_t k = 0; k + 1 < LS_SUM_DIGITS; k++) {
        if (word[k] >= 0) continue;
        word[k] += INT64_C(1) << DIGIT_BITS;
        word[k + 1] -= 1;
    }
}

static bool bit_at(const int64_t *word, size_t position) {
    size_t k = position / DIGIT_BITS;
    if (k > LS_SUM_DIGITS - 1) k = LS_SUM_DIGITS - 1; /* the last digit is longer */
    return ((uint64_t)word[k] >> (position - k * DIGIT_BITS)) & 1;
}

static bool any_below(const int64_t *word, size_t position) {
    size_t k = position / DIGIT_BITS;
    if ((uint64_t)word[k] & ((UINT64_C(1) << position % DIGIT_BITS) - 1)) return true;
    while (k-- > 0)
        if (word[k]) return true;
    return false;
}

/* The number of digits `high` words long, all in [0, 2^32), rounded to nearest even; sign aside. */
static double round_digits(const int64_t *word, size_t high) {
    size_t top = (high - 1) * DIGIT_BITS + 63 - (size_t)__builtin_clzll((uint64_t)word[high - 1]);
    size_t cut = top >= MANTISSA_BITS ? top - MANTISSA_BITS + 1 : 0;
    if (cut > 2045) return INFINITY;
    uint64_t mantissa = 0;
    for (size_t position = top + 1; position-- > cut;) mantissa = mantissa << 1 | bit_at(word, position);
    if (cut > 0 && bit_at(word, cut - 1) && ((mantissa & 1) || any_below(word, cut - 1))) mantissa++;
    /* The leading one adds 1 to the exponent field by itself, as does a carry out of the mantissa, up to infinity. */
    uint64_t bits = ((uint64_t)cut << 52) + mantissa;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double ls_sum_value(const ls_sum *sum) {
    if (sum->nan || (sum->plus_infinity && sum->minus_infinity)) return NAN;
    if (sum->plus_infinity) return INFINITY;
    if (sum->minus_infinity) return -INFINITY;
    ls_sum copy = *sum;
    size_t first, last;
    ls_sum_normalise(&copy, &first, &last);
    if (last == 0) return 0.0;
    bool negative = copy.word[last - 1] < 0;
    if (negative)
        for (size_t k = first; k < last; k++) copy.word[k] = -copy.word[k];
    borrow_digits(copy.word);
    while (copy.word[last - 1] == 0) last--;
    double value = round_digits(copy.word, last);
    return negative ? -value : value;
}
