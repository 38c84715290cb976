/*
 * rowwise.h: everything but the products: elementwise loops, rows and pooling, written once over lanes.h.
 *
 * Included by the source of each instruction set; ROWWISE_KERNELS fills that part of its table.
 */
#ifndef LOCKSTEP_TENSOR_ROWWISE_H
#define LOCKSTEP_TENSOR_ROWWISE_H

#include "tensor/functions.h"

/* Elements below which waking the team costs more than it gives; a product takes a fraction of an element. */
enum { WORTH_SHARING = 1 << 16, PRODUCTS_AN_ELEMENT = 16 };

static size_t parts_for(const ls_team *team, size_t work) {
    return work < WORTH_SHARING ? 1 : ls_team_size(team);
}

/* Where part `part` begins when `count` is cut into `parts`, at multiples of `unit`. */
static size_t cut(size_t count, size_t unit, size_t part, size_t parts) {
    size_t units = (count + unit - 1) / unit, at = units * part / parts * unit;
    return at < count ? at : count;
}

/* ---- elementwise ---- */

typedef struct elementwise {
    size_t count;
    int kind; /* ls_activation or ls_function */
    real parameter;
    const real *a, *b; /* b may be NULL */
    real *out;
} elementwise;

/* out = f(a, b) over one part */
typedef lanes elementwise_function(const elementwise *, lanes, lanes);
ALWAYS_INLINE void each(const elementwise *e, size_t part, size_t parts, elementwise_function *f) {
    size_t i = cut(e->count, LANES, part, parts), end = cut(e->count, LANES, part + 1, parts);
    lanes none = lanes_set(0);
    for (; i + LANES <= end; i += LANES)
        lanes_store(e->out + i, f(e, lanes_load(e->a + i), e->b ? lanes_load(e->b + i) : none));
    if (i == end) return;
    lanes a = lanes_load_some(e->a + i, end - i, 0), b = e->b ? lanes_load_some(e->b + i, end - i, 0) : none;
    lanes_store_some(e->out + i, end - i, f(e, a, b));
}

#define EACH_WORK(name, expression)                                              \
    ALWAYS_INLINE lanes name##_lanes(const elementwise *e, lanes a, lanes b) {   \
        (void)e, (void)b;                                                        \
        return expression;                                                       \
    }                                                                            \
    static void name##_work(void *argument, size_t part, size_t parts) {         \
        each(argument, part, parts, name##_lanes);                               \
    }

#define ACTIVATION_WORK(name, kind)                                                                        \
    EACH_WORK(name, lanes_activate(kind, lanes_set(e->parameter), a))                                      \
    EACH_WORK(name##_backward, lanes_activate_backward(kind, lanes_set(e->parameter), a, b))
ACTIVATION_WORK(identity, LS_ACTIVATION_NONE)
ACTIVATION_WORK(relu, LS_ACTIVATION_RELU)
ACTIVATION_WORK(leaky_relu, LS_ACTIVATION_LEAKY_RELU)
ACTIVATION_WORK(sigmoid, LS_ACTIVATION_SIGMOID)
ACTIVATION_WORK(tanh, LS_ACTIVATION_TANH)
ACTIVATION_WORK(hard_tanh, LS_ACTIVATION_HARD_TANH)
ACTIVATION_WORK(softsign, LS_ACTIVATION_SOFTSIGN)

#define FUNCTION_WORK(name, kind)                                                                          \
    EACH_WORK(name, lanes_apply(kind, e->parameter, a))                                                    \
    EACH_WORK(name##_backward, lanes_apply_backward(kind, e->parameter, a, b))
FUNCTION_WORK(gelu, LS_FUNCTION_GELU)
FUNCTION_WORK(sine, LS_FUNCTION_SIN)
FUNCTION_WORK(absolute, LS_FUNCTION_ABS)
FUNCTION_WORK(power, LS_FUNCTION_POWER)

EACH_WORK(add, lanes_add(a, b))
EACH_WORK(multiply, lanes_mul(a, b))
EACH_WORK(scale, lanes_mul(a, lanes_set(e->parameter)))

typedef void team_work(void *argument, size_t part, size_t parts);

static team_work *const activation_works[][2] = {
    [LS_ACTIVATION_NONE] = {identity_work, identity_backward_work},
    [LS_ACTIVATION_RELU] = {relu_work, relu_backward_work},
    [LS_ACTIVATION_LEAKY_RELU] = {leaky_relu_work, leaky_relu_backward_work},
    [LS_ACTIVATION_SIGMOID] = {sigmoid_work, sigmoid_backward_work},
    [LS_ACTIVATION_TANH] = {tanh_work, tanh_backward_work},
    [LS_ACTIVATION_HARD_TANH] = {hard_tanh_work, hard_tanh_backward_work},
    [LS_ACTIVATION_SOFTSIGN] = {softsign_work, softsign_backward_work},
};
static team_work *const function_works[][2] = {
    [LS_FUNCTION_GELU] = {gelu_work, gelu_backward_work},
    [LS_FUNCTION_SIN] = {sine_work, sine_backward_work},
    [LS_FUNCTION_ABS] = {absolute_work, absolute_backward_work},
    [LS_FUNCTION_POWER] = {power_work, power_backward_work},
};

static void activate(ls_team *team, size_t count, ls_activation f, real slope, const real *z, real *a) {
    elementwise e = {count, (int)f, slope, z, NULL, a};
    ls_team_run(team, parts_for(team, count), activation_works[f][0], &e);
}

static void activate_backward(ls_team *team, size_t count, ls_activation f, real slope, const real *a, const real *da,
                              real *dz) {
    elementwise e = {count, (int)f, slope, a, da, dz};
    ls_team_run(team, parts_for(team, count), activation_works[f][1], &e);
}

static void apply(ls_team *team, size_t count, ls_function f, real parameter, const real *z, real *a) {
    elementwise e = {count, (int)f, parameter, z, NULL, a};
    ls_team_run(team, parts_for(team, count), function_works[f][0], &e);
}

static void apply_backward(ls_team *team, size_t count, ls_function f, real parameter, const real *z, const real *a,
                           const real *da, real *dz) {
    (void)a;
    elementwise e = {count, (int)f, parameter, z, da, dz};
    ls_team_run(team, parts_for(team, count), function_works[f][1], &e);
}

static void add(ls_team *team, size_t count, const real *a, const real *b, real *out) {
    elementwise e = {.count = count, .a = a, .b = b, .out = out};
    ls_team_run(team, parts_for(team, count), add_work, &e);
}

static void multiply(ls_team *team, size_t count, const real *a, const real *b, real *out) {
    elementwise e = {.count = count, .a = a, .b = b, .out = out};
    ls_team_run(team, parts_for(team, count), multiply_work, &e);
}

static void scale(ls_team *team, size_t count, real factor, const real *a, real *out) {
    elementwise e = {.count = count, .parameter = factor, .a = a, .out = out};
    ls_team_run(team, parts_for(team, count), scale_work, &e);
}

/* ---- rows ---- */

typedef struct row_work {
    size_t rows, n;
    real epsilon;
    const real *x, *dy, *gain, *shift, *mean_in, *inverse_in;
    real *y, *mean, *inverse; /* softmax: mean is log_sum */
} row_work;

/* Elements of the group that starts at j. */
ALWAYS_INLINE size_t group(size_t n, size_t j) {
    return n - j < LANES ? n - j : LANES;
}

static void softmax_row(size_t n, const real *z, real *p, real *log_sum) {
    lanes top = lanes_set((real)-INFINITY);
    for (size_t j = 0; j < n; j += LANES) top = lanes_max(lanes_load_some(z + j, group(n, j), (real)-INFINITY), top);
    real largest = lanes_largest(top);
    lanes sums = lanes_set(0), shift = lanes_set(largest);
    for (size_t j = 0; j < n; j += LANES) {
        lanes e = lanes_exp(lanes_sub(lanes_load_some(z + j, group(n, j), (real)-INFINITY), shift));
        sums = lanes_add(sums, e);
        lanes_store_some(p + j, group(n, j), e);
    }
    real sum = lanes_sum(sums);
    for (size_t j = 0; j < n; j += LANES) {
        lanes e = lanes_load_some(p + j, group(n, j), 0);
        lanes_store_some(p + j, group(n, j), lanes_div(e, lanes_set(sum)));
    }
    if (!log_sum) return;
    real first[LANES];
    lanes_store(first, lanes_log(lanes_set(sum)));
    *log_sum = largest + first[0];
}

static void softmax_work(void *argument, size_t part, size_t parts) {
    const row_work *w = argument;
    for (size_t r = cut(w->rows, 1, part, parts); r < cut(w->rows, 1, part + 1, parts); r++)
        softmax_row(w->n, w->x + r * w->n, w->y + r * w->n, w->mean ? w->mean + r : NULL);
}

static void softmax(ls_team *team, size_t rows, size_t n, const real *z, real *p, real *log_sum) {
    row_work w = {.rows = rows, .n = n, .x = z, .y = p, .mean = log_sum};
    ls_team_run(team, parts_for(team, rows * n), softmax_work, &w);
}

static void softmax_backward_work(void *argument, size_t part, size_t parts) {
    const row_work *w = argument;
    size_t n = w->n;
    for (size_t r = cut(w->rows, 1, part, parts); r < cut(w->rows, 1, part + 1, parts); r++) {
        const real *p = w->x + r * n, *dp = w->dy + r * n;
        lanes dots = lanes_set(0);
        for (size_t j = 0; j < n; j += LANES)
            dots = lanes_fma(lanes_load_some(dp + j, group(n, j), 0), lanes_load_some(p + j, group(n, j), 0), dots);
        lanes dot = lanes_set(lanes_sum(dots));
        for (size_t j = 0; j < n; j += LANES) {
            lanes difference = lanes_sub(lanes_load_some(dp + j, group(n, j), 0), dot);
            lanes dz = lanes_mul(lanes_load_some(p + j, group(n, j), 0), difference);
            lanes_store_some(w->y + r * n + j, group(n, j), dz);
        }
    }
}

static void softmax_backward(ls_team *team, size_t rows, size_t n, const real *p, const real *dp, real *dz) {
    row_work w = {.rows = rows, .n = n, .x = p, .dy = dp, .y = dz};
    ls_team_run(team, parts_for(team, rows * n), softmax_backward_work, &w);
}

/* x - mean in the lanes that exist, else 0 */
ALWAYS_INLINE lanes centered(const real *x, size_t n, size_t j, real mean) {
    return lanes_sub(lanes_load_some(x + j, group(n, j), mean), lanes_set(mean));
}

static real square_root(real x) {
#ifdef LS_DOUBLE
    return __builtin_sqrt(x);
#else
    return __builtin_sqrtf(x);
#endif
}

static void layer_norm_work(void *argument, size_t part, size_t parts) {
    const row_work *w = argument;
    size_t n = w->n;
    for (size_t r = cut(w->rows, 1, part, parts); r < cut(w->rows, 1, part + 1, parts); r++) {
        const real *x = w->x + r * n;
        lanes sums = lanes_set(0), squares = lanes_set(0);
        for (size_t j = 0; j < n; j += LANES) sums = lanes_add(sums, lanes_load_some(x + j, group(n, j), 0));
        real mean = lanes_sum(sums) / (real)n;
        for (size_t j = 0; j < n; j += LANES) {
            lanes d = centered(x, n, j, mean);
            squares = lanes_fma(d, d, squares);
        }
        real inverse = 1 / square_root(lanes_sum(squares) / (real)n + w->epsilon);
        for (size_t j = 0; j < n; j += LANES) {
            lanes normal = lanes_mul(centered(x, n, j, mean), lanes_set(inverse));
            lanes gain = lanes_load_some(w->gain + j, group(n, j), 0);
            lanes shift = lanes_load_some(w->shift + j, group(n, j), 0);
            lanes_store_some(w->y + r * n + j, group(n, j), lanes_fma(gain, normal, shift));
        }
        w->mean[r] = mean;
        w->inverse[r] = inverse;
    }
}

static void layer_norm(ls_team *team, size_t rows, size_t n, real epsilon, const real *x, const real *gain,
                       const real *shift, real *y, real *mean, real *inverse) {
    row_work w = {rows, n, epsilon, .x = x, .gain = gain, .shift = shift, .y = y, .mean = mean, .inverse = inverse};
    ls_team_run(team, parts_for(team, rows * n), layer_norm_work, &w);
}

/* dx = inverse (g - mean(g) - xhat mean(g xhat)), g = dy gain, xhat = (x - mean) inverse */
static void layer_norm_backward_work(void *argument, size_t part, size_t parts) {
    const row_work *w = argument;
    size_t n = w->n;
    for (size_t r = cut(w->rows, 1, part, parts); r < cut(w->rows, 1, part + 1, parts); r++) {
        const real *x = w->x + r * n, *dy = w->dy + r * n;
        lanes sums = lanes_set(0), dots = lanes_set(0), inverse = lanes_set(w->inverse_in[r]);
        for (size_t j = 0; j < n; j += LANES) {
            lanes g = lanes_mul(lanes_load_some(dy + j, group(n, j), 0), lanes_load_some(w->gain + j, group(n, j), 0));
            sums = lanes_add(sums, g);
            dots = lanes_fma(g, lanes_mul(centered(x, n, j, w->mean_in[r]), inverse), dots);
        }
        lanes mean = lanes_set(lanes_sum(sums) / (real)n), dot = lanes_set(lanes_sum(dots) / (real)n);
        for (size_t j = 0; j < n; j += LANES) {
            lanes g = lanes_mul(lanes_load_some(dy + j, group(n, j), 0), lanes_load_some(w->gain + j, group(n, j), 0));
            lanes normal = lanes_mul(centered(x, n, j, w->mean_in[r]), inverse);
            lanes rest = lanes_sub(lanes_sub(g, mean), lanes_mul(normal, dot));
            lanes_store_some(w->y + r * n + j, group(n, j), lanes_mul(inverse, rest));
        }
    }
}

static void layer_norm_backward(ls_team *team, size_t rows, size_t n, const real *x, const real *gain, const real *mean,
                                const real *inverse, const real *dy, real *dx) {
    row_work w = {.rows = rows, .n = n, .x = x, .dy = dy, .gain = gain, .y = dx};
    w.mean_in = mean;
    w.inverse_in = inverse;
    ls_team_run(team, parts_for(team, rows * n), layer_norm_backward_work, &w);
}

#include "tensor/pooling.h"

#define ROWWISE_KERNELS                                                                                              \
    .max_pool_forward = max_pool_forward, .max_pool_backward = max_pool_backward,                                    \
    .avg_pool_forward = avg_pool_forward, .avg_pool_backward = avg_pool_backward, .activate = activate,              \
    .activate_backward = activate_backward, .apply = apply, .apply_backward = apply_backward, .add = add,            \
    .multiply = multiply, .scale = scale, .softmax = softmax, .softmax_backward = softmax_backward,                  \
    .layer_norm = layer_norm, .layer_norm_backward = layer_norm_backward

#endif
