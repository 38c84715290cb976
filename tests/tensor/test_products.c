/* The products of every exact table against the oracle, to the last bit, and all of them against plain definitions. */
#include <math.h>

#include "tables.h"

typedef struct dense_results {
    float *y, *dx, *dw, *db;
} dense_results;

typedef struct dense_case {
    cuts cuts;
    size_t out, in, rows, weights;
    float *x, *weight, *bias, *dz;
    ls_activation f;
    float slope;
} dense_case;

static void *make_scratch(size_t bytes) {
    return unwritten((bytes + sizeof(float) - 1) / sizeof(float));
}

static dense_results run_dense(const dense_case *c, const ls_kernels *k, ls_team *team) {
    size_t blocks = c->cuts.micro.blocks;
    dense_results r = {unwritten(c->rows * c->out), unwritten(c->rows * c->in), unwritten(blocks * c->weights),
                       unwritten(blocks * c->out)};
    void *scratch = make_scratch(k->dense_scratch(team, c->rows, c->cuts.micro.count, c->out, c->in));
    k->dense_forward(team, &c->cuts.micro, c->out, c->in, c->x, c->weight, c->bias, c->f, c->slope, r.y, scratch);
    k->dense_backward_data(team, &c->cuts.micro, c->out, c->in, c->dz, c->weight, r.dx, scratch);
    k->dense_backward_weight(team, &c->cuts.micro, c->out, c->in, c->x, c->dz, (ls_gradient){r.dw, c->weights},
                             (ls_gradient){r.db, c->out}, scratch);
    ls_block_destroy(scratch);
    return r;
}

static void free_dense_results(dense_results r) {
    ls_block_destroy(r.y);
    ls_block_destroy(r.dx);
    ls_block_destroy(r.dw);
    ls_block_destroy(r.db);
}

static const ls_kernels *oracle(void) {
    return ls_math_kernels(ls_math_find("exact-scalar"));
}

static dense_case make_dense(uint64_t seed) {
    dice d = {seed, 0};
    dense_case c = {.out = roll(&d, 1, seed % 3 ? 40 : 200), .in = roll(&d, 1, seed % 5 ? 150 : 420)};
    roll_cuts(&d, roll(&d, 0, seed % 7 ? 4 : MOST_MICROS), seed % 2 ? 3 : 40, &c.cuts);
    c.cuts.micro.row = c.cuts.row;
    c.cuts.micro.block = c.cuts.block;
    c.rows = c.cuts.row[c.cuts.micro.count];
    c.weights = oracle()->weight_size(c.out, c.in);
    c.x = random_values(&d, c.rows * c.in);
    c.dz = random_values(&d, c.rows * c.out);
    c.bias = roll(&d, 0, 3) ? random_values(&d, c.out) : NULL;
    float *rows = random_values(&d, c.out * c.in);
    c.weight = unwritten(c.weights);
    oracle()->weight_import(c.out, c.in, rows, c.weight);
    ls_block_destroy(rows);
    c.f = (ls_activation)roll(&d, LS_ACTIVATION_NONE, LS_ACTIVATION_SOFTSIGN);
    c.slope = 0.01f;
    return c;
}

static void free_dense(dense_case *c) {
    ls_block_destroy(c->x);
    ls_block_destroy(c->dz);
    ls_block_destroy(c->bias);
    ls_block_destroy(c->weight);
}

static void dense_products_agree(void **state) {
    (void)state;
    ls_team *team[3];
    for (size_t t = 0; t < 3; t++) assert_works(ls_team_create(t + 1, &team[t]));
    for (uint64_t seed = 1; seed <= 120; seed++) {
        dense_case c = make_dense(seed);
        c.cuts.micro.row = c.cuts.row;
        c.cuts.micro.block = c.cuts.block;
        dense_results expected = run_dense(&c, oracle(), team[1]);
        for (size_t i = 0; fast_math(i); i++) {
            dense_results got = run_dense(&c, ls_math_kernels(fast_math(i)), team[seed % 3]);
            assert_same_bits("y", seed, c.rows * c.out, expected.y, got.y);
            assert_same_bits("dx", seed, c.rows * c.in, expected.dx, got.dx);
            assert_same_bits("dW", seed, c.cuts.micro.blocks * c.weights, expected.dw, got.dw);
            assert_same_bits("db", seed, c.cuts.micro.blocks * c.out, expected.db, got.db);
            free_dense_results(got);
        }
        free_dense_results(expected);
        free_dense(&c);
    }
    for (size_t t = 0; t < 3; t++) ls_team_destroy(team[t]);
}

/* node(l, i) of the tree over the micro-batches of a block, literally; `absent` where there is none. */
static double tree_node(const float *value, size_t count, size_t level, size_t i, bool *absent) {
    *absent = i << level >= count;
    if (*absent || level == 0) return *absent ? 0 : (double)value[i];
    bool no_left = false, no_right = false;
    double left = tree_node(value, count, level - 1, 2 * i, &no_left);
    double right = tree_node(value, count, level - 1, 2 * i + 1, &no_right);
    return no_right ? left : (double)((float)left + (float)right);
}

/* Sums whose rounding shows the order: db of one output, against the definition. */
static void micro_batches_join_in_the_tree(void **state) {
    (void)state;
    ls_team *team = NULL;
    assert_works(ls_team_create(1, &team));
    for (size_t count = 1; count <= MOST_MICROS; count++) {
        size_t row[MOST_MICROS + 1], block[2] = {0, count};
        float dz[MOST_MICROS], x[MOST_MICROS], sum = 0, expected_sum = 0;
        for (size_t m = 0; m <= count; m++) row[m] = m;
        for (size_t m = 0; m < count; m++) {
            dz[m] = (float)support_random(count, m);
            x[m] = 1;
        }
        ls_microbatches micro = {.count = count, .row = row, .blocks = 1, .block = block, .batch = count};
        bool absent = false;
        expected_sum = (float)tree_node(dz, count, 4, 0, &absent);
        const char *const names[] = {"exact-scalar", "exact", "blas"};
        for (size_t i = 0; i < 3; i++) {
            const ls_kernels *k = ls_math_kernels(ls_math_find(names[i]));
            float dw[16] = {0};
            void *scratch = make_scratch(k->dense_scratch(team, count, count, 1, 1));
            k->dense_backward_weight(team, &micro, 1, 1, x, dz, (ls_gradient){dw, 0}, (ls_gradient){&sum, 0}, scratch);
            assert_true(sum == expected_sum);
            assert_true(dw[0] == expected_sum);
            ls_block_destroy(scratch);
        }
    }
    ls_team_destroy(team);
}

/* ---- convolution ---- */

typedef struct conv_case {
    cuts cuts;
    ls_window window;
    size_t rows, in, out, weights;
    float *x, *weight, *bias, *dz;
    ls_activation f;
} conv_case;

static size_t out_size(size_t in, size_t kernel, size_t stride, size_t padding, size_t dilation) {
    size_t reach = (kernel - 1) * dilation + 1;
    return in + 2 * padding < reach ? 0 : (in + 2 * padding - reach) / stride + 1;
}

static ls_window roll_window(dice *d) {
    ls_window w = {.groups = roll(d, 0, 2) ? 1 : roll(d, 1, 3)};
    w.channels = w.groups * roll(d, 1, roll(d, 0, 5) ? 5 : 70);
    w.filters = w.groups * roll(d, 1, roll(d, 0, 5) ? 20 : 70);
    do {
        size_t *in[2] = {&w.height, &w.width}, *out[2] = {&w.out_height, &w.out_width};
        for (int i = 0; i < 2; i++) {
            *in[i] = roll(d, 1, 12);
            w.kernel[i] = roll(d, 1, 4);
            w.stride[i] = roll(d, 1, 3);
            w.padding[i] = roll(d, 0, 4);
            w.dilation[i] = roll(d, 1, 3);
            *out[i] = out_size(*in[i], w.kernel[i], w.stride[i], w.padding[i], w.dilation[i]);
        }
    } while (w.out_height == 0 || w.out_width == 0);
    return w;
}

static conv_case make_conv(uint64_t seed) {
    dice d = {seed, 1000};
    conv_case c = {.window = roll_window(&d)};
    const ls_window *w = &c.window;
    roll_cuts(&d, roll(&d, 0, 4), 3, &c.cuts);
    c.rows = c.cuts.row[c.cuts.micro.count];
    c.in = w->channels * w->height * w->width;
    c.out = w->filters * w->out_height * w->out_width;
    c.weights = oracle()->conv_weight_size(w);
    c.x = random_values(&d, c.rows * c.in);
    c.dz = random_values(&d, c.rows * c.out);
    c.bias = roll(&d, 0, 3) ? random_values(&d, w->filters) : NULL;
    float *rows = random_values(&d, w->filters * w->channels / w->groups * w->kernel[0] * w->kernel[1]);
    c.weight = unwritten(c.weights);
    oracle()->conv_import(w, rows, c.weight);
    ls_block_destroy(rows);
    c.f = (ls_activation)roll(&d, LS_ACTIVATION_NONE, LS_ACTIVATION_SOFTSIGN);
    return c;
}

static dense_results run_conv(const conv_case *c, const ls_kernels *k, ls_team *team) {
    size_t blocks = c->cuts.micro.blocks, filters = c->window.filters;
    dense_results r = {unwritten(c->rows * c->out), unwritten(c->rows * c->in), unwritten(blocks * c->weights),
                       unwritten(blocks * filters)};
    void *scratch = make_scratch(k->conv_scratch(team, c->rows, c->cuts.micro.count, &c->window));
    k->conv_forward(team, &c->cuts.micro, &c->window, c->x, c->weight, c->bias, c->f, 0.1f, r.y, scratch);
    k->conv_backward_data(team, &c->cuts.micro, &c->window, c->dz, c->weight, r.dx, scratch);
    k->conv_backward_weight(team, &c->cuts.micro, &c->window, c->x, c->dz, (ls_gradient){r.dw, c->weights},
                            (ls_gradient){r.db, filters}, scratch);
    ls_block_destroy(scratch);
    return r;
}

static void convolutions_agree(void **state) {
    (void)state;
    ls_team *team[3];
    for (size_t t = 0; t < 3; t++) assert_works(ls_team_create(t + 1, &team[t]));
    for (uint64_t seed = 1; seed <= 150; seed++) {
        conv_case c = make_conv(seed);
        c.cuts.micro.row = c.cuts.row;
        c.cuts.micro.block = c.cuts.block;
        dense_results expected = run_conv(&c, oracle(), team[1]);
        for (size_t i = 0; fast_math(i); i++) {
            dense_results got = run_conv(&c, ls_math_kernels(fast_math(i)), team[seed % 3]);
            assert_same_bits("conv y", seed, c.rows * c.out, expected.y, got.y);
            assert_same_bits("conv dx", seed, c.rows * c.in, expected.dx, got.dx);
            assert_same_bits("conv dW", seed, c.cuts.micro.blocks * c.weights, expected.dw, got.dw);
            assert_same_bits("conv db", seed, c.cuts.micro.blocks * c.window.filters, expected.db, got.db);
            free_dense_results(got);
        }
        free_dense_results(expected);
        ls_block_destroy(c.x);
        ls_block_destroy(c.dz);
        ls_block_destroy(c.bias);
        ls_block_destroy(c.weight);
    }
    for (size_t t = 0; t < 3; t++) ls_team_destroy(team[t]);
}

/* ---- blas, which is written apart, against the oracle ---- */

static void assert_near(const char *what, uint64_t seed, size_t count, const float *expected, const float *got) {
    double largest = 1;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)expected[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)expected[i] - (double)got[i]) <= 2e-5 * largest))
            fail_msg("%s, seed %llu: element %zu is %.9g instead of %.9g", what, (unsigned long long)seed, i,
                     (double)got[i], (double)expected[i]);
}

/* Gradients of all blocks, from two layouts to that of files. */
static void assert_near_weights(uint64_t seed, const dense_case *c, const conv_case *v, const float *expected,
                                const float *got, size_t got_step) {
    const ls_kernels *blas = ls_math_kernels(ls_math_find("blas"));
    size_t blocks = c ? c->cuts.micro.blocks : v->cuts.micro.blocks, step = c ? c->weights : v->weights;
    float *a = unwritten(step), *b = unwritten(step);
    for (size_t i = 0; i < blocks; i++) {
        if (c) oracle()->weight_export(c->out, c->in, expected + i * step, a);
        else oracle()->conv_export(&v->window, expected + i * step, a);
        if (c) blas->weight_export(c->out, c->in, got + i * got_step, b);
        else blas->conv_export(&v->window, got + i * got_step, b);
        assert_near("dW of blas", seed, got_step, a, b);
    }
    ls_block_destroy(a);
    ls_block_destroy(b);
}

static void blas_agrees_on_dense_products(void **state) {
    (void)state;
    const ls_kernels *blas = ls_math_kernels(ls_math_find("blas"));
    ls_team *team = NULL;
    assert_works(ls_team_create(2, &team));
    for (uint64_t seed = 1; seed <= 40; seed++) {
        dense_case c = make_dense(seed), other = c;
        other.weights = blas->weight_size(c.out, c.in);
        other.weight = unwritten(other.weights);
        float *rows = unwritten(other.weights);
        oracle()->weight_export(c.out, c.in, c.weight, rows);
        blas->weight_import(c.out, c.in, rows, other.weight);
        c.cuts.micro.row = other.cuts.micro.row = c.cuts.row;
        c.cuts.micro.block = other.cuts.micro.block = c.cuts.block;
        dense_results expected = run_dense(&c, oracle(), team), got = run_dense(&other, blas, team);
        assert_near("y of blas", seed, c.rows * c.out, expected.y, got.y);
        assert_near("dx of blas", seed, c.rows * c.in, expected.dx, got.dx);
        assert_near("db of blas", seed, c.cuts.micro.blocks * c.out, expected.db, got.db);
        assert_near_weights(seed, &c, NULL, expected.dw, got.dw, other.weights);
        free_dense_results(expected);
        free_dense_results(got);
        ls_block_destroy(rows);
        ls_block_destroy(other.weight);
        free_dense(&c);
    }
    ls_team_destroy(team);
}

static void blas_agrees_on_convolutions(void **state) {
    (void)state;
    const ls_kernels *blas = ls_math_kernels(ls_math_find("blas"));
    ls_team *team = NULL;
    assert_works(ls_team_create(2, &team));
    for (uint64_t seed = 1; seed <= 60; seed++) {
        conv_case c = make_conv(seed), other = c;
        other.weights = blas->conv_weight_size(&c.window);
        other.weight = unwritten(other.weights);
        float *rows = unwritten(other.weights);
        oracle()->conv_export(&c.window, c.weight, rows);
        blas->conv_import(&c.window, rows, other.weight);
        c.cuts.micro.row = other.cuts.micro.row = c.cuts.row;
        c.cuts.micro.block = other.cuts.micro.block = c.cuts.block;
        dense_results expected = run_conv(&c, oracle(), team), got = run_conv(&other, blas, team);
        assert_near("conv y of blas", seed, c.rows * c.out, expected.y, got.y);
        assert_near("conv dx of blas", seed, c.rows * c.in, expected.dx, got.dx);
        assert_near("conv db of blas", seed, c.cuts.micro.blocks * c.window.filters, expected.db, got.db);
        assert_near_weights(seed, NULL, &c, expected.dw, got.dw, other.weights);
        free_dense_results(expected);
        free_dense_results(got);
        float *all[] = {rows, c.x, c.dz, c.bias, c.weight, (float *)(void *)other.weight};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) ls_block_destroy(all[i]);
    }
    ls_team_destroy(team);
}

/* y = W x + b by hand, in double. */
static void the_oracle_agrees_with_plain_loops(void **state) {
    (void)state;
    ls_team *team = NULL;
    assert_works(ls_team_create(1, &team));
    for (uint64_t seed = 1; seed <= 20; seed++) {
        dense_case c = make_dense(seed);
        c.cuts.micro.row = c.cuts.row;
        c.cuts.micro.block = c.cuts.block;
        c.f = LS_ACTIVATION_NONE;
        float *rows = unwritten(c.out * c.in);
        oracle()->weight_export(c.out, c.in, c.weight, rows);
        dense_results got = run_dense(&c, oracle(), team);
        for (size_t r = 0; r < c.rows; r++)
            for (size_t o = 0; o < c.out; o++) {
                double y = c.bias ? (double)c.bias[o] : 0;
                for (size_t i = 0; i < c.in; i++) y += (double)rows[o * c.in + i] * (double)c.x[r * c.in + i];
                assert_true(fabs(y - (double)got.y[r * c.out + o]) < 2e-3);
            }
        for (size_t r = 0; r < c.rows; r++)
            for (size_t i = 0; i < c.in; i++) {
                double dx = 0;
                for (size_t o = 0; o < c.out; o++) dx += (double)rows[o * c.in + i] * (double)c.dz[r * c.out + o];
                assert_true(fabs(dx - (double)got.dx[r * c.in + i]) < 2e-3);
            }
        free_dense_results(got);
        ls_block_destroy(rows);
        free_dense(&c);
    }
    ls_team_destroy(team);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_products_agree),
        cmocka_unit_test(micro_batches_join_in_the_tree),
        cmocka_unit_test(convolutions_agree),
        cmocka_unit_test(blas_agrees_on_dense_products),
        cmocka_unit_test(blas_agrees_on_convolutions),
        cmocka_unit_test(the_oracle_agrees_with_plain_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
