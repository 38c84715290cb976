/*
 * functions.h: elementary functions and activations of sixteen numbers.
 */
#ifndef LOCKSTEP_TENSOR_FUNCTIONS_H
#define LOCKSTEP_TENSOR_FUNCTIONS_H

#include "lockstep/elementary.h"
#include "tensor/kernels.h"
#include "tensor/lanes.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#ifdef LS_DOUBLE

static inline lanes lanes_exp(lanes x) {
    return lanes_map(x, ls_exp);
}
static inline lanes lanes_log(lanes x) {
    return lanes_map(x, ls_log);
}
static inline lanes lanes_tanh(lanes x) {
    return lanes_map(x, ls_tanh);
}
static inline lanes lanes_erf(lanes x) {
    return lanes_map(x, ls_erf);
}
static inline lanes lanes_sin(lanes x) {
    return lanes_map(x, ls_sin);
}
static inline lanes lanes_cos(lanes x) {
    return lanes_map(x, ls_cos);
}

#else

/*
 * Each function reduces its argument exactly or by fma, and ends in a polynomial whose coefficients were fitted to the
 * function itself (Lawson's iteration on Chebyshev nodes, weighted by the relative error, then rounded to float).
 */

/* c[0] + c[1] x + .. + c[n - 1] x^(n - 1) */
ALWAYS_INLINE lanes lanes_polynomial(lanes x, size_t n, const float *c) {
    lanes sum = lanes_set(c[n - 1]);
#pragma GCC unroll 9
    for (size_t i = n - 1; i-- > 0;) sum = lanes_fma(sum, x, lanes_set(c[i]));
    return sum;
}
#define LANES_POLYNOMIAL(x, c) lanes_polynomial(x, sizeof(c) / sizeof *(c), c)

/* |a| with the sign of b, for a >= 0 */
static inline lanes lanes_signed(lanes a, lanes b) {
    lanes_int sign = lanes_int_and(lanes_bits(b), lanes_int_set(INT32_MIN));
    return lanes_from_bits(lanes_int_or(lanes_bits(a), sign));
}

/* The nearest integer of |x| < 2^22: `integer` as such, the result as numbers. */
static inline lanes lanes_nearest(lanes x, lanes_int *integer) {
    lanes shifter = lanes_set(0x1.8p23f), sum = lanes_add(x, shifter);
    *integer = lanes_int_sub(lanes_bits(sum), lanes_bits(shifter));
    return lanes_sub(sum, shifter);
}

/* 2^n for -126 <= n <= 127 */
static inline lanes lanes_power_of_two(lanes_int n) {
    return lanes_from_bits(lanes_int_left(lanes_int_add(n, lanes_int_set(127)), 23));
}

/* exp(x) = 2^n exp(r), |r| <= ln 2 / 2; 2^n in two factors, since results reach into the subnormal numbers */
static inline lanes lanes_exp(lanes x) {
    static const float c[] = {0.5f, 0.166665331f, 0.0416672416f, 0.00836754311f, 0.00138637319f};
    lanes_int n;
    x = lanes_min(lanes_set(89), lanes_max(lanes_set(-105), x));
    lanes count = lanes_nearest(lanes_mul(x, lanes_set(0x1.715476p+0f)), &n);
    lanes r = lanes_fma(count, lanes_set(-0x1.62e43p-1f), x);
    r = lanes_fma(count, lanes_set(0x1.05c61p-29f), r);
    lanes below = lanes_fma(lanes_mul(r, r), LANES_POLYNOMIAL(r, c), r);
    lanes_int half = lanes_int_right(n, 1);
    lanes y = lanes_add(lanes_set(1), below);
    return lanes_mul(lanes_mul(y, lanes_power_of_two(half)), lanes_power_of_two(lanes_int_sub(n, half)));
}

/* log(x) = n ln 2 + log(1 + f), sqrt(1/2) <= 1 + f < sqrt(2); for normal numbers, infinity, 0 and NaN */
static inline lanes lanes_log(lanes x) {
    static const float c[] = {0.333333313f,  -0.250008225f, 0.200012282f, -0.166233346f,
                              0.14201723f, -0.131603777f, 0.127619356f, -0.0763441846f};
    lanes_int root_half = lanes_int_set(0x3f3504f3), bits = lanes_bits(x);
    lanes_int n = lanes_int_right(lanes_int_sub(bits, root_half), 23);
    lanes f = lanes_sub(lanes_from_bits(lanes_int_sub(bits, lanes_int_left(n, 23))), lanes_set(1));
    lanes count = lanes_from_int(n), square = lanes_mul(f, f);
    lanes rest = lanes_mul(lanes_mul(square, f), LANES_POLYNOMIAL(f, c));
    rest = lanes_fma(count, lanes_set(-0x1.05c61p-29f), rest);
    lanes below = lanes_add(lanes_fma(square, lanes_set(-0.5f), rest), f);
    lanes y = lanes_fma(count, lanes_set(0x1.62e43p-1f), below);
    y = lanes_select(lanes_greater(lanes_set(INFINITY), x), y, x);
    return lanes_select(lanes_greater(x, lanes_set(0)), y, lanes_min(lanes_set(-INFINITY), x)); /* a NaN passes */
}

static inline lanes lanes_tanh(lanes x) {
    static const float c[] = {-0.333332837f, 0.133314908f, -0.0537434965f, 0.0206505787f, -0.00571703678f};
    lanes one = lanes_set(1), size = lanes_abs(x), square = lanes_mul(x, x);
    lanes small = lanes_fma(lanes_mul(square, x), LANES_POLYNOMIAL(square, c), x);
    lanes e = lanes_exp(lanes_add(size, size));
    lanes large = lanes_sub(one, lanes_div(lanes_set(2), lanes_add(e, one)));
    return lanes_select(lanes_greater(size, lanes_set(0.625f)), lanes_signed(large, x), small);
}

/* x + x p(x^2), or 1 - exp(-p(|x|)) */
static inline lanes lanes_erf(lanes x) {
    static const float near[] = {0.128379166f,  -0.376126349f,   0.112836972f,  -0.0268594995f,
                                 0.00520128617f, -0.000814559695f, 8.38238775e-05f};
    static const float far[] = {1.12854993f,   0.635633051f,    0.105248556f,   -0.0226601604f,
                                0.00292206858f, -4.68449653e-05f, -4.6085308e-05f, 4.97701785e-06f};
    lanes size = lanes_abs(x), square = lanes_mul(x, x);
    lanes small = lanes_fma(x, LANES_POLYNOMIAL(square, near), x);
    lanes bounded = lanes_min(lanes_set(4), size);
    lanes tail = lanes_exp(lanes_negate(lanes_mul(bounded, LANES_POLYNOMIAL(bounded, far))));
    lanes large = lanes_sub(lanes_set(1), tail);
    return lanes_select(lanes_greater(size, lanes_set(0.92f)), lanes_signed(large, x), small);
}

/* sin(x + turns pi/2), x = n pi/2 + r, pi/2 in three parts; large angles are rare and go through double */
ALWAYS_INLINE lanes lanes_sin_turned(lanes x, int turns, double (*exact)(double)) {
    static const float odd[] = {-0.166666538f, 0.0083321128f, -0.000195087399f};
    static const float even[] = {0.0416666456f, -0.00138872513f, 2.44256789e-05f};
    lanes_mask large = lanes_greater(lanes_abs(x), lanes_set(8192));
    lanes_int n;
    lanes count = lanes_nearest(lanes_mul(x, lanes_set(0.636619772f)), &n);
    lanes r = lanes_fma(count, lanes_set(-0x1.921fb6p+0f), x);
    r = lanes_fma(count, lanes_set(0x1.777a5cp-25f), r);
    r = lanes_fma(count, lanes_set(0x1.ee59dap-50f), r);
    lanes square = lanes_mul(r, r);
    lanes sine = lanes_fma(lanes_mul(square, r), LANES_POLYNOMIAL(square, odd), r);
    lanes cosine = lanes_fma(square, lanes_set(-0.5f), lanes_set(1));
    cosine = lanes_fma(lanes_mul(square, square), LANES_POLYNOMIAL(square, even), cosine);
    n = lanes_int_add(n, lanes_int_set(turns));
    lanes_int uneven = lanes_int_sub(lanes_int_set(0), lanes_int_and(n, lanes_int_set(1))); /* all ones or none */
    lanes_int bits = lanes_int_xor(lanes_bits(sine), lanes_bits(cosine));
    bits = lanes_int_xor(lanes_bits(sine), lanes_int_and(bits, uneven));
    lanes_int sign = lanes_int_left(lanes_int_and(n, lanes_int_set(2)), 30);
    lanes y = lanes_from_bits(lanes_int_xor(bits, sign));
    return lanes_any(large) ? lanes_select(large, lanes_map(x, exact), y) : y;
}

static inline lanes lanes_sin(lanes x) {
    return lanes_sin_turned(x, 0, ls_sin);
}
static inline lanes lanes_cos(lanes x) {
    return lanes_sin_turned(x, 1, ls_cos);
}

#endif

/* Through double, which is right to the last bit but for rare ties; squares and cubes are common, others are not. */
static inline lanes lanes_pow(lanes x, real exponent) {
    real value[LANES];
    lanes_store(value, x);
    for (int i = 0; i < LANES; i++) value[i] = (real)ls_pow((double)value[i], (double)exponent);
    return lanes_load(value);
}

/* e/(1 + e) or 1/(1 + e) with e = exp(-|x|), which never overflows; the rounding of 1 + e and of the quotient is undone
   by one step of Newton's. */
static inline lanes lanes_sigmoid(lanes x) {
    lanes one = lanes_set(1), e = lanes_exp(lanes_negate(lanes_abs(x)));
    lanes above = lanes_select(lanes_greater(lanes_set(0), x), e, one);
    lanes below = lanes_add(one, e), lost = lanes_add(lanes_sub(one, below), e);
    lanes inverse = lanes_div(one, below), y = lanes_mul(above, inverse), minus = lanes_negate(y);
    lanes rest = lanes_fma(minus, lost, lanes_fma(minus, below, above));
    return lanes_fma(rest, inverse, y);
}

/* a = f(z) */
ALWAYS_INLINE lanes lanes_activate(ls_activation f, lanes slope, lanes z) {
    lanes zero = lanes_set(0), one = lanes_set(1);
    switch (f) {
    case LS_ACTIVATION_NONE: return z;
    case LS_ACTIVATION_RELU: return lanes_max(zero, z);
    case LS_ACTIVATION_LEAKY_RELU: return lanes_max(lanes_mul(slope, z), z);
    case LS_ACTIVATION_SIGMOID: return lanes_sigmoid(z);
    case LS_ACTIVATION_TANH: return lanes_tanh(z);
    case LS_ACTIVATION_HARD_TANH: return lanes_min(one, lanes_max(lanes_set(-1), z));
    case LS_ACTIVATION_SOFTSIGN: return lanes_div(z, lanes_add(one, lanes_abs(z)));
    }
    return z;
}

/* dz = da f'(z), by a = f(z) */
ALWAYS_INLINE lanes lanes_activate_backward(ls_activation f, lanes slope, lanes a, lanes da) {
    lanes zero = lanes_set(0), one = lanes_set(1);
    switch (f) {
    case LS_ACTIVATION_NONE: return da;
    case LS_ACTIVATION_RELU: return lanes_select(lanes_greater(a, zero), da, zero);
    case LS_ACTIVATION_LEAKY_RELU: return lanes_select(lanes_greater(a, zero), da, lanes_mul(slope, da));
    case LS_ACTIVATION_SIGMOID: return lanes_mul(da, lanes_mul(a, lanes_sub(one, a)));
    case LS_ACTIVATION_TANH: return lanes_mul(da, lanes_sub(one, lanes_mul(a, a)));
    case LS_ACTIVATION_HARD_TANH: return lanes_select(lanes_greater(one, lanes_abs(a)), da, zero);
    case LS_ACTIVATION_SOFTSIGN: {
        lanes root = lanes_sub(one, lanes_abs(a)); /* 1/(1 + |z|) */
        return lanes_mul(da, lanes_mul(root, root));
    }
    }
    return da;
}

/* Phi(z), the normal distribution, and phi(z), its density */
static inline lanes normal_distribution(lanes z) {
    lanes half = lanes_set((real)0.5), root = lanes_set((real)0.70710678118654752440);
    return lanes_fma(half, lanes_erf(lanes_mul(z, root)), half);
}
static inline lanes normal_density(lanes z) {
    lanes square = lanes_mul(z, z);
    return lanes_mul(lanes_set((real)0.39894228040143267794), lanes_exp(lanes_mul(square, lanes_set((real)-0.5))));
}

ALWAYS_INLINE lanes lanes_apply(ls_function f, real parameter, lanes z) {
    switch (f) {
    case LS_FUNCTION_GELU: return lanes_mul(z, normal_distribution(z));
    case LS_FUNCTION_SIN: return lanes_sin(z);
    case LS_FUNCTION_ABS: return lanes_abs(z);
    case LS_FUNCTION_POWER: return lanes_pow(z, parameter);
    }
    return z;
}

/* dz = da f'(z); the derivative of |z| at 0 is 0 */
ALWAYS_INLINE lanes lanes_apply_backward(ls_function f, real parameter, lanes z, lanes da) {
    lanes zero = lanes_set(0);
    switch (f) {
    case LS_FUNCTION_GELU: return lanes_mul(da, lanes_fma(z, normal_density(z), normal_distribution(z)));
    case LS_FUNCTION_SIN: return lanes_mul(da, lanes_cos(z));
    case LS_FUNCTION_ABS: {
        lanes below = lanes_select(lanes_greater(zero, z), lanes_negate(da), zero);
        return lanes_select(lanes_greater(z, zero), da, below);
    }
    case LS_FUNCTION_POWER: return lanes_mul(da, lanes_mul(lanes_set(parameter), lanes_pow(z, parameter - 1)));
    }
    return da;
}

#endif
