/*
 * elementary.c: argument reduction in pieces that are exact, then the power series, summed from the smallest term.
 *
 * Where one double is not enough (pow, the reduction of sin and cos) numbers are pairs hi + lo with |lo| <= ulp(hi)/2:
 * Dekker, "A floating-point technique for extending the available precision", 1971. The series are those of any
 * textbook (Abramowitz and Stegun, 4.1 to 4.3 and 7.1); the reduction of large angles is that of Payne and Hanek, 1983.
 */
#include "lockstep/elementary.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint64_t to_bits(double x) {
    uint64_t bits = 0;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double from_bits(uint64_t bits) {
    double x = 0;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double absolute(double x) {
    return from_bits(to_bits(x) & INT64_MAX);
}

/* The nearest integer, for |x| < 2^51. */
static double nearest(double x) {
    const double shifter = 0x1.8p52;
    return (x + shifter) - shifter;
}

/* 2^n for a normal result. */
static double power_of_two(int n) {
    return from_bits((uint64_t)(1023 + n) << 52);
}

/* x 2^n, rounded once, for x between 2^-33 and 2^33. */
static double scaled(double x, int n) {
    if (n > 900) return n > 1100 ? INFINITY : x * power_of_two(n - 200) * 0x1p200;
    if (n < -900) return n < -1200 ? 0 : x * power_of_two(n + 200) * 0x1p-200;
    return x * power_of_two(n);
}

/* Sum of c[i] x^i, i < n. */
static inline __attribute__((always_inline)) double polynomial(double x, size_t n, const double *c) {
    double sum = c[n - 1];
#pragma GCC unroll 24
    for (size_t i = n - 1; i-- > 0;) sum = sum * x + c[i];
    return sum;
}
#define POLYNOMIAL(x, c) polynomial(x, sizeof(c) / sizeof *(c), c)

/* ---- pairs ---- */

typedef struct pair {
    double hi, lo;
} pair;

static pair pair_sum(double a, double b) {
    double s = a + b, t = s - a;
    return (pair){s, (a - (s - t)) + (b - t)};
}

/* For |a| >= |b|. */
static pair pair_join(double a, double b) {
    double s = a + b;
    return (pair){s, b - (s - a)};
}

static pair pair_product(double a, double b) {
    const double splitter = 0x1p27 + 1;
    double ta = splitter * a, tb = splitter * b;
    double ah = ta - (ta - a), bh = tb - (tb - b), al = a - ah, bl = b - bh, p = a * b;
    return (pair){p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}

static pair pair_multiply(pair a, pair b) {
    pair p = pair_product(a.hi, b.hi);
    return pair_join(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

static pair pair_add(pair a, pair b) {
    pair s = pair_sum(a.hi, b.hi);
    return pair_join(s.hi, s.lo + (a.lo + b.lo));
}

static pair pair_divide(double a, pair b) {
    double q = a / b.hi;
    pair p = pair_product(q, b.hi);
    return pair_join(q, (((a - p.hi) - p.lo) - q * b.lo) / b.hi);
}

/* ---- exp and expm1 ---- */

/* ln 2 in two parts: n times the first is exact for |n| < 2^20. */
static const double LN2_HI = 0x1.62e42fefp-1, LN2_LO = 0x1.473de6af278edp-34, LOG2_E = 0x1.71547652b82fep+0;

/* (exp(r) - 1 - r) / r^2 */
static const double exp_series[] = {1.0 / 2,       1.0 / 6,        1.0 / 24,        1.0 / 120,
                                    1.0 / 720,     1.0 / 5040,     1.0 / 40320,     1.0 / 362880,
                                    1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0};

/* hi + lo = n ln 2 + r + the rest, |r| <= ln 2 / 2; returns exp(r + rest) - 1 as r and what is to be added to it. */
static pair reduced_expm1(double hi, double lo, int *n) {
    double count = nearest(hi * LOG2_E);
    double exact = hi - count * LN2_HI, correction = count * LN2_LO - lo;
    double r = exact - correction, rest = (exact - r) - correction;
    *n = (int)count;
    return (pair){r, rest + r * r * POLYNOMIAL(r, exp_series)};
}

/* exp(hi + lo), |lo| much smaller */
static double exp_pair(double hi, double lo) {
    if (hi > 710) return INFINITY;
    if (hi < -746) return 0;
    int n = 0;
    pair e = reduced_expm1(hi, lo, &n);
    return scaled(1 + (e.hi + e.lo), n);
}

double ls_exp(double x) {
    return x != x ? x : exp_pair(x, 0);
}

double ls_expm1(double x) {
    if (x != x || absolute(x) < 0x1p-54) return x;
    if (x > 40) return exp_pair(x, 0) - 1;
    if (x < -40) return -1 + 0x1p-60;
    int n = 0;
    pair e = reduced_expm1(x, 0, &n);
    if (n == 0) return e.hi + e.lo;
    double scale = power_of_two(n);
    pair sum = pair_sum(scale - 1, scale * e.hi);
    return sum.hi + (sum.lo + scale * e.lo);
}

/* ---- log and log1p ---- */

/* (2 artanh(s) / s - 2), in powers of s^2 from the first on */
static const double log_series[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11,
                                    2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21};

/* x = 2^n m with sqrt(1/2) <= m < sqrt(2), for finite x > 0 */
static double split_power(double x, int *n) {
    int scale = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        scale = 54;
    }
    const uint64_t root_half = UINT64_C(0x3fe6a09e667f3bcd);
    int64_t exponent = (int64_t)(to_bits(x) - root_half) >> 52;
    *n = (int)exponent - scale;
    return from_bits(to_bits(x) - ((uint64_t)exponent << 52));
}

/* n ln 2 + log(1 + f) + rest, by log(1 + f) = f - s (f - R), s = f / (2 + f), R = log_series s^2 */
static double log_sum(int n, double f, double rest) {
    double s = f / (2 + f), z = s * s, r = z * POLYNOMIAL(z, log_series);
    double below = s * (f - r);
    if (n == 0) return f - (below - rest);
    return n * LN2_HI - ((below - (n * LN2_LO + rest)) - f);
}

double ls_log(double x) {
    if (x != x || x == INFINITY) return x;
    if (x == 0) return -INFINITY;
    if (x < 0) return NAN;
    int n = 0;
    double m = split_power(x, &n);
    return log_sum(n, m - 1, 0);
}

double ls_log1p(double x) {
    if (x != x || x == INFINITY || absolute(x) < 0x1p-54) return x;
    if (x == -1) return -INFINITY;
    if (x < -1) return NAN;
    if (x > -0.29 && x < 0.41) return log_sum(0, x, 0);
    pair u = pair_sum(1, x);
    int n = 0;
    double m = split_power(u.hi, &n);
    return log_sum(n, m - 1, u.lo / u.hi);
}

/* ---- tanh and erf ---- */

double ls_tanh(double x) {
    double a = absolute(x), y = a;
    if (x != x || a < 0x1p-28) return x;
    if (a >= 20) {
        y = 1 - 0x1p-60;
    } else if (a >= 1) {
        y = 1 - 2 / (ls_expm1(2 * a) + 2);
    } else { /* tanh a = -e / (e + 2), e = exp(-2a) - 1, as a pair: its relative error would add to the quotient's */
        int n = 0;
        pair e = reduced_expm1(-2 * a, 0, &n);
        double scale = power_of_two(n);
        pair sum = pair_sum(scale - 1, scale * e.hi);
        e = pair_join(sum.hi, sum.lo + scale * e.lo);
        pair below = pair_sum(2, e.hi);
        below.lo += e.lo;
        pair q = pair_divide(-e.hi, below);
        y = q.hi + (q.lo - e.lo / below.hi);
    }
    return x < 0 ? -y : y;
}

/* erf(1), erf(1.25), .. erf(6) */
static const double erf_at[] = {
    0x1.af767a741088bp-1, 0x1.d8865d98abe01p-1, 0x1.eea5557137ae0p-1, 0x1.f92d077f8d56dp-1, 0x1.fd9ae142795e3p-1,
    0x1.ff404760319b4p-1, 0x1.ffcaa8f4c9beap-1, 0x1.fff2cfb0453d9p-1, 0x1.fffd1ac4135f9p-1, 0x1.ffff6f9f67e55p-1,
    0x1.ffffe710d565ep-1, 0x1.fffffc2f171e3p-1, 0x1.ffffff7b91176p-1, 0x1.fffffff01a8b6p-1, 0x1.fffffffe4fa30p-1,
    0x1.ffffffffd759dp-1, 0x1.fffffffffc9e8p-1, 0x1.ffffffffffc05p-1, 0x1.fffffffffffbep-1, 0x1.ffffffffffffcp-1,
    0x1.0000000000000p+0};

static const double TWO_OVER_ROOT_PI = 0x1.20dd750429b6dp+0, TWO_OVER_ROOT_PI_LESS_1 = 0x1.06eba8214db69p-3;

/* ((sqrt(pi)/2) erf(x)/x - 1) / x^2 in powers of x^2: (-1)^n / (n! (2n + 1)) from n = 1 on */
static const double erf_series[] = {
    -1.0 / 3,
    1.0 / (2.0 * 5),
    -1.0 / (6.0 * 7),
    1.0 / (24.0 * 9),
    -1.0 / (120.0 * 11),
    1.0 / (720.0 * 13),
    -1.0 / (5040.0 * 15),
    1.0 / (40320.0 * 17),
    -1.0 / (362880.0 * 19),
    1.0 / (3628800.0 * 21),
    -1.0 / (39916800.0 * 23),
    1.0 / (479001600.0 * 25),
    -1.0 / (6227020800.0 * 27),
    1.0 / (87178291200.0 * 29),
    -1.0 / (1307674368000.0 * 31),
    1.0 / (20922789888000.0 * 33),
    -1.0 / (355687428096000.0 * 35),
    1.0 / (6402373705728000.0 * 37),
};

/* The integral of exp(-2 c t - t^2) over t from 0 to h: its integrand's coefficients obey a two-term recurrence. */
static double erf_step(double c, double h) {
    enum { TERMS = 22 };
    double term[TERMS], older = 0, newer = 1, power = h, sum = 0;
    for (int n = 0; n < TERMS; n++) {
        term[n] = newer * power / (n + 1);
        double next = (-2 * c * newer - 2 * older) / (n + 1);
        older = newer;
        newer = next;
        power *= h;
    }
    for (int n = TERMS; n-- > 0;) sum += term[n];
    return sum;
}

double ls_erf(double x) {
    double a = absolute(x);
    if (x != x) return x;
    if (a < 1) {
        double z = x * x;
        return x + x * (TWO_OVER_ROOT_PI_LESS_1 + TWO_OVER_ROOT_PI * z * POLYNOMIAL(z, erf_series));
    }
    double y = 1 - 0x1p-60;
    if (a < 6) {
        double quarters = nearest(4 * a), c = quarters / 4;
        y = erf_at[(int)quarters - 4] + TWO_OVER_ROOT_PI * ls_exp(-c * c) * erf_step(c, a - c);
    }
    return x < 0 ? -y : y;
}

/* ---- sin and cos ---- */

/* 64 zeros, then the bits of 2/pi after the point */
static const uint64_t two_over_pi[] = {
    0,
    UINT64_C(0xa2f9836e4e441529), UINT64_C(0xfc2757d1f534ddc0), UINT64_C(0xdb6295993c439041),
    UINT64_C(0xfe5163abdebbc561), UINT64_C(0xb7246e3a424dd2e0), UINT64_C(0x06492eea09d1921c),
    UINT64_C(0xfe1deb1cb129a73e), UINT64_C(0xe88235f52ebb4484), UINT64_C(0xe99c7026b45f7e41),
    UINT64_C(0x3991d639835339f4), UINT64_C(0x9c845f8bbdf9283b), UINT64_C(0x1ff897ffde05980f),
    UINT64_C(0xef2f118b5a0a6d1f), UINT64_C(0x6d367ecf27cb09b7), UINT64_C(0x4f463f669e5fea2d),
    UINT64_C(0x7527bac7ebe5f17b), UINT64_C(0x3d0739f78a5292ea), UINT64_C(0x6bfb5fb11f8d5d08),
    UINT64_C(0x56033046fc7b6bab), UINT64_C(0xf0cfbc209af4361d)};

static const pair HALF_PI = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};

__extension__ typedef unsigned __int128 wide;

/* The 64 bits that start at bit `at`. */
static uint64_t bits_from(const uint64_t *words, size_t at) {
    size_t word = at / 64, shift = at % 64;
    return shift ? words[word] << shift | words[word + 1] >> (64 - shift) : words[word];
}

/* A fraction of 192 bits, as a pair. */
static pair pair_of_fraction(uint64_t a, uint64_t b, uint64_t c) {
    int shift = 0;
    for (; a == 0 && shift < 128; shift += 64) {
        a = b;
        b = c;
        c = 0;
    }
    if (a == 0) return (pair){0, 0};
    int zeros = __builtin_clzll(a);
    if (zeros) {
        a = a << zeros | b >> (64 - zeros);
        b = b << zeros | c >> (64 - zeros);
    }
    double unit = power_of_two(-shift - zeros);
    uint64_t next = (a & 0x7ff) << 42 | b >> 22;
    return pair_join((double)(a >> 11) * 0x1p-53 * unit, (double)next * 0x1p-106 * unit);
}

/*
 * x = quadrant * pi/2 + the returned angle, at most pi/4 in size. x is a 53-bit integer m times 2^e; of the bits of
 * 2/pi only those count whose product with 2^e is below 4, and of them 192 leave 137 good bits behind the point.
 */
static pair reduce_angle(double x, unsigned *quadrant) {
    uint64_t bits = to_bits(x), m = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    size_t at = (size_t)((int)(bits >> 52) - 1023 - 52 - 2 + 64);
    wide low = (wide)m * bits_from(two_over_pi, at + 128);
    wide middle = (wide)m * bits_from(two_over_pi, at + 64) + (uint64_t)(low >> 64);
    uint64_t top = m * bits_from(two_over_pi, at) + (uint64_t)(middle >> 64);
    uint64_t a = top << 2 | (uint64_t)middle >> 62, b = (uint64_t)middle << 2 | (uint64_t)low >> 62;
    uint64_t c = (uint64_t)low << 2;
    *quadrant = (unsigned)(top >> 62);
    bool above = a >> 63; /* nearer to the next quadrant */
    if (above) {
        *quadrant = (*quadrant + 1) & 3;
        c = ~c + 1;
        b = ~b + (c == 0);
        a = ~a + (c == 0 && b == 0);
    }
    pair angle = pair_multiply(pair_of_fraction(a, b, c), HALF_PI);
    return above ? (pair){-angle.hi, -angle.lo} : angle;
}

/* (sin(r)/r - 1) / r^2 and (cos(r) - 1 + r^2/2) / r^4 in powers of r^2 */
static const double sin_series[] = {-1.0 / 6,          1.0 / 120,           -1.0 / 5040,
                                    1.0 / 362880,      -1.0 / 39916800,     1.0 / 6227020800.0,
                                    -1.0 / 1307674368000.0, 1.0 / 355687428096000.0, -1.0 / 121645100408832000.0};
static const double cos_series[] = {1.0 / 24,           -1.0 / 720,            1.0 / 40320,
                                    -1.0 / 3628800,     1.0 / 479001600,       -1.0 / 87178291200.0,
                                    1.0 / 20922789888000.0, -1.0 / 6402373705728000.0};

static double sin_reduced(pair r) {
    double z = r.hi * r.hi;
    return r.hi + (r.hi * z * POLYNOMIAL(z, sin_series) + r.lo * (1 - z / 2));
}

static double cos_reduced(pair r) {
    double z = r.hi * r.hi, half = z / 2, near = 1 - half;
    return near + (((1 - near) - half) + (z * z * POLYNOMIAL(z, cos_series) - r.hi * r.lo));
}

/* sin(x + turns pi/2) */
static double sin_turned(double x, unsigned turns) {
    double a = absolute(x);
    if (!(a < INFINITY)) return NAN;
    unsigned quadrant = 0;
    pair r = {a, 0};
    if (a > 0.78) r = reduce_angle(a, &quadrant);
    if (x < 0) { /* -x = -quadrant pi/2 - r */
        quadrant = (4 - quadrant) & 3;
        r = (pair){-r.hi, -r.lo};
    }
    quadrant = (quadrant + turns) & 3;
    double y = quadrant & 1 ? cos_reduced(r) : sin_reduced(r);
    return quadrant & 2 ? -y : y;
}

double ls_sin(double x) {
    return x == 0 ? x : sin_turned(x, 0);
}

double ls_cos(double x) {
    return sin_turned(x, 1);
}

/* ---- pow ---- */

/* (artanh(s)/s - 1 - s^2/3) / s^4 in powers of s^2 */
static const double artanh_series[] = {1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11, 1.0 / 13, 1.0 / 15,
                                       1.0 / 17, 1.0 / 19, 1.0 / 21, 1.0 / 23, 1.0 / 25};
static const pair THIRD = {0x1.5555555555555p-2, 0x1.5555555555555p-56};

/* log(x) to some 65 bits: 2 artanh(s), s = f / (2 + f) */
static pair log_pair(double x) {
    int n = 0;
    double f = split_power(x, &n) - 1;
    pair s = pair_divide(f, pair_sum(2, f));
    pair z = pair_multiply(s, s);
    pair w = pair_multiply(z, THIRD);
    w = pair_add(w, (pair){z.hi * z.hi * POLYNOMIAL(z.hi, artanh_series), 0});
    pair twice = {2 * s.hi, 2 * s.lo};
    pair log = pair_add(twice, pair_multiply(twice, w));
    pair whole = pair_sum(n * LN2_HI, n * LN2_LO);
    return n ? pair_add(whole, log) : log;
}

/* x^n for x > 0 by squaring, in pairs: exact wherever the result is a double. The exponent goes apart. */
static double integer_power(double x, int n) {
    int exponent = 0;
    pair base = {split_power(x, &exponent), 0}, result = {1, 0};
    for (int left = n < 0 ? -n : n; left; left >>= 1) {
        if (left & 1) result = pair_multiply(result, base);
        base = pair_multiply(base, base);
    }
    if (n < 0) result = pair_divide(1, result);
    return scaled(result.hi, exponent * n);
}

/* x^y for finite x > 0 and finite y */
static double positive_power(double x, double y) {
    if (absolute(y) <= 64 && y == nearest(y)) return integer_power(x, (int)y);
    pair log = log_pair(x);
    double size = y * log.hi;
    if (size > 710) return INFINITY;
    if (size < -746) return 0;
    if (absolute(size) < 0x1p-60) return 1 + size;
    pair p = pair_product(y, log.hi);
    p = pair_join(p.hi, p.lo + y * log.lo);
    return exp_pair(p.hi, p.lo);
}

static bool is_integer(double y) {
    return absolute(y) >= 0x1p53 || (double)(int64_t)y == y;
}

static bool is_odd(double y) {
    return absolute(y) < 0x1p53 && is_integer(y) && (int64_t)y & 1;
}

double ls_pow(double x, double y) {
    if (y == 0 || x == 1) return 1;
    if (x != x || y != y) return x + y;
    double a = absolute(x);
    if (absolute(y) == INFINITY) {
        if (a == 1) return 1;
        return (a > 1) == (y > 0) ? INFINITY : 0;
    }
    bool negative = to_bits(x) >> 63 && is_odd(y);
    double result = 0;
    if (a == 0 || a == INFINITY) {
        result = (a == 0) == (y < 0) ? INFINITY : 0;
    } else {
        if (x < 0 && !is_integer(y)) return NAN;
        result = positive_power(a, y);
    }
    return negative ? -result : result;
}
