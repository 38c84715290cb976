#include "support.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "lockstep/random.h"
#include "lockstep/sum.h"

static double sum_of(const double *values, size_t count) {
    ls_sum sum;
    ls_sum_clear(&sum);
    for (size_t i = 0; i < count; i++) ls_sum_add(&sum, values[i]);
    return ls_sum_value(&sum);
}

static void assert_same(double a, double b) {
    if (memcmp(&a, &b, sizeof a) != 0) fail_msg("%a is not %a", a, b);
}

#define SUM(...) sum_of((const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static void one_number_is_itself(void **state) {
    (void)state;
    const double values[] = {1.0,
                             -1.0,
                             0.1,
                             -0.3,
                             DBL_MIN,
                             -DBL_MIN,
                             DBL_TRUE_MIN,
                             -DBL_TRUE_MIN,
                             DBL_MAX,
                             -DBL_MAX,
                             DBL_MIN - DBL_TRUE_MIN,
                             0x1.fffffffffffffp-1,
                             0x1p1023,
                             0x1p-1074,
                             3e-310,
                             12345678.9};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) assert_same(sum_of(&values[i], 1), values[i]);
    for (uint64_t i = 0; i < 2046; i++) { /* every exponent */
        ls_draw draw = ls_random(1, LS_PURPOSE_TEST, 0, i, 0);
        uint64_t bits = (i << 52) | ((((uint64_t)draw.word[0] << 32) | draw.word[1]) >> 12) | (i & 1) << 63;
        double value;
        memcpy(&value, &bits, sizeof value);
        assert_same(sum_of(&value, 1), value);
    }
}

static void zeros_make_plus_zero(void **state) {
    (void)state;
    assert_same(SUM(0.0, -0.0), 0.0);
    assert_same(SUM(-0.0), 0.0);
    assert_same(SUM(1e300, -1e300), 0.0);
    ls_sum zero;
    memset(&zero, 0, sizeof zero);
    assert_same(ls_sum_value(&zero), 0.0);
}

static void cancellation_loses_nothing(void **state) {
    (void)state;
    assert_same(SUM(1e300, 1.0, -1e300), 1.0);
    assert_same(SUM(DBL_MAX, DBL_TRUE_MIN, -DBL_MAX), DBL_TRUE_MIN);
    assert_same(SUM(1e16, 1.0, -1e16, 1e-300, -1.0), 1e-300);
    assert_same(SUM(0.1, 0.2, -0.3), 0x1p-55 * 1.0); /* exact: 2^-55 * 1.0, not the 5.6e-17 of rounding on the way */
}

static void the_value_is_rounded_to_nearest_even(void **state) {
    (void)state;
    assert_same(SUM(1.0, 0x1p-53), 1.0);                      /* a tie, down to even */
    assert_same(SUM(1.0, 0x1p-53, 0x1p-1074), 1.0 + 0x1p-52); /* just above the tie */
    assert_same(SUM(1.0 + 0x1p-52, 0x1p-53), 1.0 + 0x1p-51);  /* a tie, up to even */
    assert_same(SUM(1.0 + 0x1p-52, 0x1p-53, -0x1p-1074), 1.0 + 0x1p-52);
    assert_same(SUM(-1.0, -0x1p-53, -0x1p-600), -1.0 - 0x1p-52);
    assert_same(SUM(0x1.fffffffffffffp0, 0x1p-53), 2.0);              /* the carry reaches the exponent */
    assert_same(SUM(DBL_MIN, -DBL_TRUE_MIN), DBL_MIN - DBL_TRUE_MIN); /* subnormals are exact */
}

static void overflow_is_infinite_and_reversible(void **state) {
    (void)state;
    assert_same(SUM(DBL_MAX, DBL_MAX), INFINITY);
    assert_same(SUM(-DBL_MAX, -DBL_MAX), -INFINITY);
    assert_same(SUM(DBL_MAX, DBL_MAX, -DBL_MAX), DBL_MAX);
    assert_same(SUM(DBL_MAX, 0x1p969), DBL_MAX);  /* below half a unit */
    assert_same(SUM(DBL_MAX, 0x1p970), INFINITY); /* a tie, to even: infinity */
}

static void what_is_not_finite_surfaces(void **state) {
    (void)state;
    assert_same(SUM(1.0, INFINITY), INFINITY);
    assert_same(SUM(-INFINITY, 5.0), -INFINITY);
    assert_true(isnan(SUM(INFINITY, -INFINITY)));
    assert_true(isnan(SUM(1.0, NAN, INFINITY)));
    ls_sum sum, other;
    ls_sum_clear(&sum);
    ls_sum_clear(&other);
    assert_true(ls_sum_finite(&sum));
    ls_sum_add(&other, NAN);
    ls_sum_merge(&sum, &other);
    assert_false(ls_sum_finite(&sum));
}

/* Whole numbers below 2^20 times 2^-s: long double is not needed, int64 is exact. */
static void many_sums_agree_with_integers(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 50; round++) {
        ls_sum sum;
        ls_sum_clear(&sum);
        int64_t exact = 0;
        for (uint64_t i = 0; i < 1000; i++) {
            int64_t whole = (int64_t)(support_random(round, i) * 0x1p50);
            exact += whole / 1024;
            ls_sum_add(&sum, (double)(whole / 1024) * 0x1p-30);
        }
        assert_same(ls_sum_value(&sum), (double)exact * 0x1p-30);
    }
}

/* Numbers of all sizes whose exact sum is known: pairs cancel but for a small remainder. */
static void order_and_partition_do_not_matter(void **state) {
    (void)state;
    enum { COUNT = 600, PARTS = 7 };
    double values[COUNT];
    for (uint64_t i = 0; i < COUNT; i++) {
        ls_draw draw = ls_random(7, LS_PURPOSE_TEST, 0, i, 1);
        uint64_t bits = ((uint64_t)draw.word[0] << 32 | draw.word[1]) & ~(UINT64_C(1) << 62); /* below 2: no overflow */
        memcpy(&values[i], &bits, sizeof bits);
    }
    double forward = sum_of(values, COUNT);
    ls_sum parts[PARTS], raw, total;
    for (size_t p = 0; p < PARTS; p++) ls_sum_clear(&parts[p]);
    for (size_t i = COUNT; i-- > 0;) ls_sum_add(&parts[i * i % PARTS], values[i]);
    ls_sum_clear(&raw);
    ls_sum_clear(&total);
    for (size_t p = PARTS; p-- > 0;) ls_sum_merge(&total, &parts[p]);
    for (size_t p = 0; p < PARTS; p++) { /* as MPI_SUM of MPI_INT64_T would */
        size_t first, last;
        ls_sum_normalise(&parts[p], &first, &last);
        const int64_t *from = (const int64_t *)(const void *)&parts[p];
        int64_t *to = (int64_t *)(void *)&raw;
        for (size_t k = 0; k < LS_SUM_WORDS; k++) to[k] += from[k];
    }
    assert_same(ls_sum_value(&total), forward);
    assert_same(ls_sum_value(&raw), forward);
}

static void normalising_keeps_the_value_and_few_words(void **state) {
    (void)state;
    ls_sum sum;
    ls_sum_clear(&sum);
    size_t first = 9, last = 9;
    ls_sum_normalise(&sum, &first, &last);
    assert_int_equal(first, 0);
    assert_int_equal(last, 0);
    for (int i = 0; i < 1000; i++) ls_sum_add(&sum, -0.7);
    double before = ls_sum_value(&sum);
    ls_sum_normalise(&sum, &first, &last);
    assert_same(ls_sum_value(&sum), before);
    assert_true(last - first <= 4); /* a negative number is not a row of ones */
    assert_int_equal(sum.pending, 1);
    for (size_t k = 0; k < LS_SUM_DIGITS; k++) assert_true(sum.word[k] == 0 || (k >= first && k < last));
}

static void carries_are_in_time(void **state) {
    (void)state;
    ls_sum sum;
    ls_sum_clear(&sum);
    for (int i = 0; i < 3; i++) ls_sum_add(&sum, 0x1.fffffffffffffp100);
    /* Doubling 40 times makes 3 * 2^40 additions, far beyond what words hold without carries. */
    for (int i = 0; i < 40; i++) {
        ls_sum copy = sum;
        ls_sum_merge(&sum, &copy);
        assert_true(sum.pending <= INT64_C(1) << 30);
    }
    assert_same(ls_sum_value(&sum), 3.0 * 0x1.fffffffffffffp140);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_number_is_itself),
        cmocka_unit_test(zeros_make_plus_zero),
        cmocka_unit_test(cancellation_loses_nothing),
        cmocka_unit_test(the_value_is_rounded_to_nearest_even),
        cmocka_unit_test(overflow_is_infinite_and_reversible),
        cmocka_unit_test(what_is_not_finite_surfaces),
        cmocka_unit_test(many_sums_agree_with_integers),
        cmocka_unit_test(order_and_partition_do_not_matter),
        cmocka_unit_test(normalising_keeps_the_value_and_few_words),
        cmocka_unit_test(carries_are_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
