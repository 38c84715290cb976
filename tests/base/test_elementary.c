/* Against long double, which has eleven bits more: at most 2 ulp, and the special values of C's Annex F. */
#include "lockstep/elementary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

/* |got - exact| in units of the last place of the exact value. */
static double ulps(double got, long double exact) {
    double rounded = (double)exact;
    if (got == rounded || (isnan(got) && isnan(rounded))) return 0;
    if (isinf(rounded) || isinf(got)) return 1e9;
    double size = fabs(rounded), unit = nextafter(size, INFINITY) - size;
    return (double)(fabsl((long double)got - exact) / (long double)unit);
}

typedef struct function {
    const char *name;
    double (*f)(double);
    long double (*exact)(long double);
} function;

static double worst;
static double worst_at;

static void look(const function *f, double x) {
    double error = ulps(f->f(x), f->exact((long double)x));
    if (!(error <= worst)) {
        worst = error;
        worst_at = x;
    }
}

/* Dense in low .. high and, by powers, near 0. */
static void scan(const function *f, double low, double high) {
    worst = 0;
    for (uint64_t i = 0; i < 300000; i++) {
        double unit = 0.5 * (support_random(1, 2 * i) + 1);
        look(f, low + unit * (high - low));
        double small = ldexp(support_random(2, i), -(int)(i % 70));
        if (small > low && small < high) look(f, small);
    }
    if (worst > 2) fail_msg("%s(%.17g) is off by %.3f ulp", f->name, worst_at, worst);
}

static void functions_are_within_two_ulp(void **state) {
    (void)state;
    static const struct {
        function f;
        double low, high;
    } all[] = {
        {{"exp", ls_exp, expl}, -745, 709.7},         {{"exp", ls_exp, expl}, -1, 1},
        {{"expm1", ls_expm1, expm1l}, -45, 709.7},    {{"expm1", ls_expm1, expm1l}, -1, 1},
        {{"log", ls_log, logl}, 0, 3},                {{"log", ls_log, logl}, 0, 1e300},
        {{"log1p", ls_log1p, log1pl}, -1, 2},         {{"log1p", ls_log1p, log1pl}, 0, 1e200},
        {{"tanh", ls_tanh, tanhl}, -23, 23},          {{"tanh", ls_tanh, tanhl}, -1.2, 1.2},
        {{"erf", ls_erf, erfl}, -6.5, 6.5},           {{"erf", ls_erf, erfl}, -1.5, 1.5},
        {{"sin", ls_sin, sinl}, -20, 20},             {{"sin", ls_sin, sinl}, -1e6, 1e6},
        {{"cos", ls_cos, cosl}, -20, 20},             {{"cos", ls_cos, cosl}, -1e6, 1e6},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) scan(&all[i].f, all[i].low, all[i].high);
}

/* Doubles next to multiples of pi/2, where the result is small; the C library reduces them exactly. */
static void angles_near_multiples_of_a_right_angle(void **state) {
    (void)state;
    const long double half_pi = 1.57079632679489661923132169163975144L;
    for (int n = 1; n < 200000; n += 1 + n / 50) {
        double x = (double)(n * half_pi), near[3] = {nextafter(x, 0), x, nextafter(x, INFINITY)};
        for (int i = 0; i < 3; i++) {
            assert_true(ulps(ls_sin(near[i]), (long double)sin(near[i])) <= 2.5);
            assert_true(ulps(ls_cos(near[i]), (long double)cos(near[i])) <= 2.5);
        }
    }
    /* the double that comes nearest to a multiple of pi/2: J.-M. Muller, Elementary Functions, section 11.1 */
    assert_true(ulps(ls_cos(0x1.6ac5b262ca1ffp+849), -4.68716592425462761112e-19L) <= 2);
    const double large[] = {1e22, 1.7976931348623157e308, 0x1p1000, 123456789012345678.0};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        assert_true(ulps(ls_sin(large[i]), (long double)sin(large[i])) <= 2.5);
        assert_true(ulps(ls_cos(-large[i]), (long double)cos(large[i])) <= 2.5);
    }
}

static void check_pow(double x, double y) {
    double error = ulps(ls_pow(x, y), powl((long double)x, (long double)y));
    if (!(error <= 2)) fail_msg("pow(%.17g, %.17g) is off by %.3f ulp", x, y, error);
}

static void pow_is_within_two_ulp(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 200000; i++) {
        double a = support_random(3, 2 * i), b = support_random(3, 2 * i + 1);
        check_pow(exp(20 * a), 30 * b);
        check_pow(1 + 0.01 * a, 60000 * b);
        check_pow(fabs(a), 700 * b);
        check_pow(exp(9 * a), floor(70 * b));
        check_pow(-exp(9 * a), floor(70 * b));
        check_pow(0.999, (double)i);
    }
}

static void integer_powers_are_exact_where_they_can_be(void **state) {
    (void)state;
    assert_true(ls_pow(2, 10) == 1024);
    assert_true(ls_pow(10, 15) == 1e15);
    assert_true(ls_pow(-3, 33) == -5559060566555523.0);
    assert_true(ls_pow(2, -3) == 0.125);
    assert_true(ls_pow(0x1p-20, 53) == 0x1p-1060);
    assert_true(ls_pow(0x1p16, 64) == INFINITY);
    assert_true(ls_pow(2, 1023) == 0x1p1023);
    for (int i = 1; i < 1000; i++) {
        double x = support_random(4, (uint64_t)i);
        assert_true(ls_pow(x, 2) == x * x);
        assert_true(ls_pow(x, 1) == x);
        assert_true(ls_pow(x, -1) == 1 / x);
    }
}

#define assert_zero(x, negative) assert_true((x) == 0 && !!signbit(x) == (negative))

static void special_values(void **state) {
    (void)state;
    double (*const all[])(double) = {ls_exp, ls_expm1, ls_log, ls_log1p, ls_tanh, ls_erf, ls_sin, ls_cos};
    for (size_t i = 0; i < 8; i++) assert_true(isnan(all[i](NAN)));
    double (*const odd[])(double) = {ls_expm1, ls_log1p, ls_tanh, ls_erf, ls_sin};
    for (size_t i = 0; i < 5; i++) {
        assert_zero(odd[i](0.0), false);
        assert_zero(odd[i](-0.0), true);
        assert_true(odd[i](0x1p-1074) == 0x1p-1074 || i == 3);
    }
    assert_true(ls_exp(0) == 1 && ls_exp(INFINITY) == INFINITY && ls_exp(-INFINITY) == 0 && ls_exp(710) == INFINITY);
    assert_true(ls_exp(-745.1) == 0x1p-1074 && ls_exp(-746) == 0);
    assert_true(ls_expm1(INFINITY) == INFINITY && ls_expm1(-INFINITY) == -1);
    assert_true(ls_log(1) == 0 && ls_log(0) == -INFINITY && isnan(ls_log(-1)) && ls_log(INFINITY) == INFINITY);
    assert_true(ls_log1p(-1) == -INFINITY && isnan(ls_log1p(-2)) && ls_log1p(INFINITY) == INFINITY);
    assert_true(ls_tanh(INFINITY) == 1 && ls_tanh(-INFINITY) == -1 && ls_erf(INFINITY) == 1 && ls_erf(-99) == -1);
    assert_true(isnan(ls_sin(INFINITY)) && isnan(ls_cos(-INFINITY)) && ls_cos(0) == 1);
}

/* The table of Annex F.10.4.4, against the C library. */
static void special_values_of_pow(void **state) {
    (void)state;
    const double values[] = {0.0, -0.0, 1,   -1,    0.5,  -0.5,     2,         -2,  3,          -3,          2.5,
                             -2.5, 1e9, 1e300, 64.5, INFINITY, -INFINITY, NAN, 0x1p53 - 1, -0x1p53 + 1, 0x1p52 + 1};
    size_t count = sizeof values / sizeof *values;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            double expected = pow(values[i], values[j]), got = ls_pow(values[i], values[j]);
            bool same = isnan(expected) ? isnan(got) : ulps(got, (long double)expected) <= 2;
            if (!same || (!isnan(got) && !signbit(got) != !signbit(expected)))
                fail_msg("pow(%g, %g) is %g instead of %g", values[i], values[j], got, expected);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_within_two_ulp),
        cmocka_unit_test(angles_near_multiples_of_a_right_angle),
        cmocka_unit_test(pow_is_within_two_ulp),
        cmocka_unit_test(integer_powers_are_exact_where_they_can_be),
        cmocka_unit_test(special_values),
        cmocka_unit_test(special_values_of_pow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
