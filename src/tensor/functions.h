/*
 * functions.h: elementary functions and activations of sixteen numbers.
 */
#ifndef LOCKSTEP_TENSOR_FUNCTIONS_H
#define LOCKSTEP_TENSOR_FUNCTIONS_H

#include "lockstep/elementary.h"
#include "tensor/kernels.h"
#include "tensor/lanes.h"

static inline lanes lanes_exp(lanes x) {
    return lanes_map(x, ls_exp);
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

static inline lanes lanes_log(lanes x) {
    return lanes_map(x, ls_log);
}

/* Through double, which is right to the last bit but for rare ties; squares and cubes are common, others are not. */
static inline lanes lanes_pow(lanes x, real exponent) {
    real value[LANES];
    lanes_store(value, x);
    for (int i = 0; i < LANES; i++) value[i] = (real)ls_pow((double)value[i], (double)exponent);
    return lanes_load(value);
}

/* e/(1 + e) or 1/(1 + e) with e = exp(-|x|), which never overflows and keeps its precision on both sides. */
static inline lanes lanes_sigmoid(lanes x) {
    lanes one = lanes_set(1), zero = lanes_set(0);
    lanes e = lanes_exp(lanes_negate(lanes_abs(x)));
    lanes above = lanes_select(lanes_greater(zero, x), e, one);
    return lanes_div(above, lanes_add(one, e));
}

/* a = f(z) */
static inline __attribute__((always_inline)) lanes lanes_activate(ls_activation f, lanes slope, lanes z) {
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
static inline __attribute__((always_inline)) lanes lanes_activate_backward(ls_activation f, lanes slope, lanes a,
                                                                           lanes da) {
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

static inline __attribute__((always_inline)) lanes lanes_apply(ls_function f, real parameter, lanes z) {
    switch (f) {
    case LS_FUNCTION_GELU: return lanes_mul(z, normal_distribution(z));
    case LS_FUNCTION_SIN: return lanes_sin(z);
    case LS_FUNCTION_ABS: return lanes_abs(z);
    case LS_FUNCTION_POWER: return lanes_pow(z, parameter);
    }
    return z;
}

/* dz = da f'(z); the derivative of |z| at 0 is 0 */
static inline __attribute__((always_inline)) lanes lanes_apply_backward(ls_function f, real parameter, lanes z,
                                                                        lanes da) {
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
