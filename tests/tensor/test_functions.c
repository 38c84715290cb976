/* The float functions over a dense sample of all floats, and every loop that is no product against the oracle. */
#include <math.h>

#include "lockstep/elementary.h"
#include "tables.h"

/* |got - exact| in units of the last place of a float. */
static double ulps(float got, double exact) {
    float rounded = (float)exact;
    if (got == rounded || (isnan(got) && isnan(rounded))) return 0;
    if (isinf(rounded) || isinf(got)) return 1e9;
    float size = fabsf(rounded);
    return fabs((double)got - exact) / ((double)nextafterf(size, INFINITY) - (double)size);
}

typedef struct probe {
    const char *name;
    double (*exact)(double);
    int activation, function; /* one of them, else -1 */
    float limit;              /* arguments beyond it are not looked at */
} probe;

static double sigmoid(double x) {
    return 1 / (1 + ls_exp(-x));
}
static double cube(double x) {
    return x * x * x;
}

enum { BATCH = 1 << 14 };

static void run_probe(const probe *p, const ls_kernels *k, ls_team *team, const float *x, float *y) {
    if (p->activation >= 0) k->activate(team, BATCH, (ls_activation)p->activation, 0, x, y);
    else k->apply(team, BATCH, (ls_function)p->function, 3, x, y);
}

/* Every float whose bits are a multiple of a small prime. */
static void look_everywhere(const probe *p, const ls_kernels *k, ls_team *team) {
    static float x[BATCH], y[BATCH];
    double worst = 0, worst_at = 0;
    uint64_t bits = 0;
    while (bits < UINT64_C(1) << 32) {
        for (size_t i = 0; i < BATCH; i++, bits += 251) {
            uint32_t word = (uint32_t)bits;
            memcpy(&x[i], &word, sizeof word);
        }
        run_probe(p, k, team, x, y);
        for (size_t i = 0; i < BATCH; i++) {
            if (fabsf(x[i]) > p->limit) continue;
            double error = ulps(y[i], p->exact((double)x[i]));
            if (error > worst) {
                worst = error;
                worst_at = (double)x[i];
            }
        }
    }
    if (getenv("LOCKSTEP_TEST_VERBOSE")) print_message("%s: %.3f ulp at %.9g\n", p->name, worst, worst_at);
    if (worst > 2) fail_msg("%s(%.9g) is off by %.3f ulp", p->name, worst_at, worst);
}

static void functions_are_within_two_ulp(void **state) {
    (void)state;
    ls_team *team = NULL;
    assert_works(ls_team_create(1, &team));
    const probe probes[] = {
        {"sigmoid", sigmoid, LS_ACTIVATION_SIGMOID, -1, 87},
        {"tanh", ls_tanh, LS_ACTIVATION_TANH, -1, INFINITY},
        {"sin", ls_sin, -1, LS_FUNCTION_SIN, INFINITY},
        {"cube", cube, -1, LS_FUNCTION_POWER, 1e12f},
    };
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
        look_everywhere(&probes[i], ls_math_kernels(ls_math_find("exact")), team);
    ls_team_destroy(team);
}

/* exp and log by a softmax of two, cos and erf by derivatives: what has no entry of its own in the table. */
static void functions_behind_others_are_right(void **state) {
    (void)state;
    ls_team *team = NULL;
    assert_works(ls_team_create(1, &team));
    const ls_kernels *k = ls_math_kernels(ls_math_find("exact"));
    for (int i = -4000; i <= 4000; i++) {
        float z[2] = {(float)i * 0.0217f, 0}, p[2], log_sum = 0, one = 1, y = 0, dz = 0;
        k->softmax(team, 1, 2, z, p, &log_sum);
        double high = z[0] > 0 ? (double)z[0] : 0, low = z[0] > 0 ? 0 : (double)z[0];
        double exact = high + ls_log1p(ls_exp(low - high));
        assert_true(fabs((double)log_sum - exact) <= 2.4e-7 * (fabs(high) + 0.7));
        assert_true(fabs((double)p[0] - sigmoid((double)z[0])) <= 3e-7 * sigmoid((double)z[0]) + 1e-44);
        k->apply_backward(team, 1, LS_FUNCTION_SIN, 0, z, z, &one, &dz);
        assert_true(ulps(dz, ls_cos((double)z[0])) <= 2);
        k->apply(team, 1, LS_FUNCTION_GELU, 0, z, &y);
        double phi = 0.5 * (1 + ls_erf((double)z[0] / sqrt(2)));
        assert_true(fabs((double)y - (double)z[0] * phi) <= 2e-7 * fabs((double)z[0]));
        k->apply_backward(team, 1, LS_FUNCTION_GELU, 0, z, z, &one, &dz);
        double density = ls_exp(-0.5 * (double)z[0] * (double)z[0]) / sqrt(2 * 3.14159265358979323846);
        assert_true(fabs((double)dz - (phi + (double)z[0] * density)) <= 6e-7);
    }
    ls_team_destroy(team);
}

/* The definitions, at points of every branch. */
static void activations_have_their_values(void **state) {
    (void)state;
    ls_team *team = NULL;
    assert_works(ls_team_create(1, &team));
    const ls_kernels *k = ls_math_kernels(ls_math_find("exact"));
    static const struct {
        ls_activation f;
        float z, a, derivative;
    } rows[] = {
        {LS_ACTIVATION_RELU, -2, 0, 0},           {LS_ACTIVATION_RELU, 0, 0, 0},
        {LS_ACTIVATION_RELU, 3, 3, 1},            {LS_ACTIVATION_LEAKY_RELU, -2, -0.5f, 0.25f},
        {LS_ACTIVATION_LEAKY_RELU, 3, 3, 1},      {LS_ACTIVATION_SIGMOID, 0, 0.5f, 0.25f},
        {LS_ACTIVATION_TANH, 0, 0, 1},            {LS_ACTIVATION_HARD_TANH, -0.5f, -0.5f, 1},
        {LS_ACTIVATION_HARD_TANH, -1, -1, 0},     {LS_ACTIVATION_HARD_TANH, 7, 1, 0},
        {LS_ACTIVATION_SOFTSIGN, 3, 0.75f, 1.0f / 16}, {LS_ACTIVATION_SOFTSIGN, -1, -0.5f, 0.25f},
        {LS_ACTIVATION_NONE, -4, -4, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        float a = 0, dz = 0, two = 2;
        k->activate(team, 1, rows[i].f, 0.25f, &rows[i].z, &a);
        k->activate_backward(team, 1, rows[i].f, 0.25f, &a, &two, &dz);
        assert_true(a == rows[i].a && dz == 2 * rows[i].derivative);
    }
    ls_team_destroy(team);
}

/* Else a diverged network might seem to have a small loss. */
static void what_is_no_number_stays_so(void **state) {
    (void)state;
    ls_team *team = NULL;
    assert_works(ls_team_create(1, &team));
    const ls_kernels *k = ls_math_kernels(ls_math_find("exact-scalar"));
    for (size_t i = 0; k; k = fast_math(i) ? ls_math_kernels(fast_math(i)) : NULL, i++) {
        float nan = NAN, a = 0, z[2] = {NAN, 0}, p[2] = {0}, log_sum = 0;
        for (int f = LS_ACTIVATION_NONE; f <= LS_ACTIVATION_SOFTSIGN; f++) {
            k->activate(team, 1, (ls_activation)f, 0.25f, &nan, &a);
            assert_true(isnan(a));
        }
        for (int f = LS_FUNCTION_GELU; f <= LS_FUNCTION_POWER; f++) {
            k->apply(team, 1, (ls_function)f, 3, &nan, &a);
            assert_true(isnan(a));
        }
        k->softmax(team, 1, 2, z, p, &log_sum);
        assert_true(isnan(p[0]) && isnan(p[1]) && isnan(log_sum));
    }
    ls_team_destroy(team);
}

/* ---- every table against the oracle ---- */

typedef struct loop_case {
    dice d;
    size_t rows, n, count;
    float *a, *b, *gain, *shift;
} loop_case;

enum { RESULTS = 40 };

/* Runs everything; the results are `made` arrays with their lengths. */
typedef struct results {
    size_t made, count[RESULTS];
    float *value[RESULTS];
} results;

static float *keep(results *r, size_t count) {
    assert_true(r->made < RESULTS);
    r->count[r->made] = count;
    return r->value[r->made++] = unwritten(count);
}

static void run_elementwise(const loop_case *c, const ls_kernels *k, ls_team *team, results *r) {
    for (int f = LS_ACTIVATION_NONE; f <= LS_ACTIVATION_SOFTSIGN; f++) {
        float *a = keep(r, c->count);
        k->activate(team, c->count, (ls_activation)f, 0.01f, c->a, a);
        k->activate_backward(team, c->count, (ls_activation)f, 0.01f, a, c->b, keep(r, c->count));
    }
    for (int f = LS_FUNCTION_GELU; f <= LS_FUNCTION_POWER; f++) {
        float *a = keep(r, c->count);
        k->apply(team, c->count, (ls_function)f, 3, c->a, a);
        k->apply_backward(team, c->count, (ls_function)f, 3, c->a, a, c->b, keep(r, c->count));
    }
    k->add(team, c->count, c->a, c->b, keep(r, c->count));
    k->multiply(team, c->count, c->a, c->b, keep(r, c->count));
    k->scale(team, c->count, 0.7f, c->a, keep(r, c->count));
}

static void run_rows(const loop_case *c, const ls_kernels *k, ls_team *team, results *r) {
    float *p = keep(r, c->count), *log_sum = keep(r, c->rows), *mean = keep(r, c->rows), *inverse = keep(r, c->rows);
    k->softmax(team, c->rows, c->n, c->a, p, log_sum);
    k->softmax(team, c->rows, c->n, c->a, p, NULL);
    k->softmax_backward(team, c->rows, c->n, p, c->b, keep(r, c->count));
    k->layer_norm(team, c->rows, c->n, 1e-5f, c->a, c->gain, c->shift, keep(r, c->count), mean, inverse);
    k->layer_norm_backward(team, c->rows, c->n, c->a, c->gain, mean, inverse, c->b, keep(r, c->count));
}

static void run_pooling(dice d, const ls_kernels *k, ls_team *team, results *r) {
    size_t rows = roll(&d, 0, 3), kind = roll(&d, 0, 2);
    ls_window w = {.channels = roll(&d, 1, 5), .height = roll(&d, 2, 40), .width = roll(&d, 2, 40), .groups = 1};
    for (int i = 0; i < 2; i++) {
        w.kernel[i] = kind ? 2 : roll(&d, 1, 2);
        w.stride[i] = kind ? 2 : roll(&d, 1, 3);
        w.padding[i] = kind ? 0 : roll(&d, 0, w.kernel[i] / 2);
        w.dilation[i] = 1;
    }
    w.filters = w.channels;
    w.out_height = (w.height + 2 * w.padding[0] - w.kernel[0]) / w.stride[0] + 1;
    w.out_width = (w.width + 2 * w.padding[1] - w.kernel[1]) / w.stride[1] + 1;
    size_t in = rows * w.channels * w.height * w.width, out = rows * w.filters * w.out_height * w.out_width;
    float *x = random_values(&d, in), *dy = random_values(&d, out);
    uint32_t *where = (uint32_t *)(void *)keep(r, out);
    k->max_pool_forward(team, rows, &w, x, keep(r, out), where);
    k->max_pool_backward(team, rows, &w, dy, where, keep(r, in));
    k->avg_pool_forward(team, rows, &w, x, keep(r, out));
    k->avg_pool_backward(team, rows, &w, dy, keep(r, in));
    ls_block_destroy(x);
    ls_block_destroy(dy);
}

static results run_loops(const loop_case *c, const ls_kernels *k, ls_team *team) {
    results r = {0};
    run_elementwise(c, k, team, &r);
    run_rows(c, k, team, &r);
    run_pooling(c->d, k, team, &r);
    return r;
}

static void free_results(results *r) {
    for (size_t i = 0; i < r->made; i++) ls_block_destroy(r->value[i]);
}

static void loops_agree(void **state) {
    (void)state;
    ls_team *team[3];
    for (size_t t = 0; t < 3; t++) assert_works(ls_team_create(t + 1, &team[t]));
    for (uint64_t seed = 1; seed <= 40; seed++) {
        loop_case c = {.d = {seed, 77}};
        c.rows = roll(&c.d, 0, seed % 4 ? 5 : 200);
        c.n = roll(&c.d, 1, 130);
        c.count = c.rows * c.n;
        c.a = random_values(&c.d, c.count);
        c.b = random_values(&c.d, c.count);
        c.gain = random_values(&c.d, c.n);
        c.shift = random_values(&c.d, c.n);
        for (size_t i = 0; i < c.count; i += 17) c.a[i] *= 40000;
        results expected = run_loops(&c, ls_math_kernels(ls_math_find("exact-scalar")), team[1]);
        for (size_t i = 0; fast_math(i); i++) {
            results got = run_loops(&c, ls_math_kernels(fast_math(i)), team[seed % 3]);
            char what[32];
            for (size_t j = 0; j < got.made; j++) {
                snprintf(what, sizeof what, "result %zu", j);
                assert_same_bits(what, seed, got.count[j], expected.value[j], got.value[j]);
            }
            free_results(&got);
        }
        free_results(&expected);
        float *all[] = {c.a, c.b, c.gain, c.shift};
        for (size_t i = 0; i < 4; i++) ls_block_destroy(all[i]);
    }
    for (size_t t = 0; t < 3; t++) ls_team_destroy(team[t]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_within_two_ulp),
        cmocka_unit_test(functions_behind_others_are_right),
        cmocka_unit_test(activations_have_their_values),
        cmocka_unit_test(what_is_no_number_stays_so),
        cmocka_unit_test(loops_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
