#include "support.h"

#include <math.h>

#include "lockstep/tensor.h"

enum { LANES = 16 };

/* The definition, element by element. */
static double lanes(size_t count, const float *values) {
    double lane[LANES] = {0};
    for (size_t j = 0; j < count; j++) lane[j % LANES] += (double)values[j] * (double)values[j];
    for (size_t half = LANES / 2; half; half /= 2)
        for (size_t l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

static void every_length_has_the_bits_of_the_definition(void **state) {
    (void)state;
    float values[LS_GRAIN];
    for (size_t j = 0; j < LS_GRAIN; j++) values[j] = (float)(support_random(1, j) * pow(10.0, 20.0 * support_random(2, j)));
    const size_t counts[] = {0, 1, 2, 15, 16, 17, 31, 100, 1000, 1023, LS_GRAIN};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        assert_true(ls_block_squares(counts[c], values) == lanes(counts[c], values));
}

static void three_and_four_make_twenty_five(void **state) {
    (void)state;
    const float values[2] = {3, 4};
    assert_true(ls_block_squares(2, values) == 25.0);
}

static void it_is_finite_exactly_if_every_element_is(void **state) {
    (void)state;
    float values[LS_GRAIN];
    for (size_t j = 0; j < LS_GRAIN; j++) values[j] = 3.4e38f;
    assert_true(isfinite(ls_block_squares(LS_GRAIN, values)));
    values[700] = INFINITY;
    assert_true(!isfinite(ls_block_squares(LS_GRAIN, values)));
    values[700] = NAN;
    assert_true(!isfinite(ls_block_squares(LS_GRAIN, values)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_has_the_bits_of_the_definition),
        cmocka_unit_test(three_and_four_make_twenty_five),
        cmocka_unit_test(it_is_finite_exactly_if_every_element_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
