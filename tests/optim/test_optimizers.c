#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"
#include "lockstep/optim.h"

/*
 * Every optimizer runs beside a plain loop in double that is written from the definition, for UPDATES updates of COUNT
 * elements, in pieces whose cuts do not matter.
 */
enum { COUNT = 2 * LS_GRAIN + 37, UPDATES = 12, SLOTS = LS_OPTIMIZER_SLOTS };

static ls_pool *pool;

static int set_up(void **state) {
    (void)state;
    assert_works(ls_pool_create(&pool));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ls_pool_destroy(pool);
    return 0;
}

typedef struct trial {
    double rate, decay, scale;
    double w[COUNT], slot[SLOTS][COUNT];                        /* the reference */
    float weights[COUNT], gradient[COUNT], state[SLOTS][COUNT]; /* the optimizer's */
} trial;

typedef struct reference_element {
    double *w, *a, *b; /* weight and slots */
    double g, t;       /* scaled gradient, without decay; update number */
    const trial *trial;
    double trust;
} reference_element;

/* One update of one element, as the definition says. */
typedef void reference(reference_element e);

static trial *start(double rate, double decay, double scale) {
    trial *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->rate = rate, t->decay = decay, t->scale = scale;
    for (size_t i = 0; i < COUNT; i++) t->w[i] = t->weights[i] = (float)support_random(11, i);
    return t;
}

static ls_update piece_of(trial *t, size_t from, size_t to, float **slots, uint64_t number, double trust) {
    for (size_t s = 0; s < SLOTS; s++) slots[s] = t->state[s] + from;
    return (ls_update){.count = to - from,
                       .weights = t->weights + from,
                       .gradient = t->gradient + from,
                       .slots = slots,
                       .learning_rate = t->rate,
                       .weight_decay = t->decay,
                       .gradient_scale = t->scale,
                       .number = number,
                       .trust = trust};
}

/* The trust ratio, its sums gathered from two pieces. */
static double trust_of(const ls_choice *optimizer, trial *t, uint64_t number) {
    const ls_optimizer_type *type = ls_optimizer_of(optimizer);
    if (!type->measure) return 1;
    ls_sum sums[LS_OPTIMIZER_NORMS];
    memset(sums, 0, sizeof sums);
    float *slots[SLOTS];
    ls_update first = piece_of(t, 0, LS_GRAIN, slots, number, 1);
    type->measure(optimizer->options, &first, sums);
    ls_update second = piece_of(t, LS_GRAIN, COUNT, slots, number, 1);
    type->measure(optimizer->options, &second, sums);
    double squares[LS_OPTIMIZER_NORMS] = {ls_sum_value(&sums[0]), ls_sum_value(&sums[1])};
    return type->trust(optimizer->options, &first, squares);
}

static void draw_gradient(trial *t, uint64_t number) {
    for (size_t i = 0; i < COUNT; i++) t->gradient[i] = (float)(0.3 * support_random(100 + number, i));
}

static void run(const ls_choice *optimizer, trial *t, uint64_t number, double trust) {
    static const size_t cuts[] = {0, 1, 20, LS_GRAIN, LS_GRAIN + 5, COUNT};
    for (size_t c = 0; c + 1 < sizeof cuts / sizeof *cuts; c++) {
        float *slots[SLOTS];
        ls_update piece = piece_of(t, cuts[c], cuts[c + 1], slots, number, trust);
        ls_optimizer_update(optimizer, &piece);
    }
}

static void assert_close(const trial *t) {
    for (size_t i = 0; i < COUNT; i++)
        if (!(fabs(t->w[i] - (double)t->weights[i]) <= 2e-5 * (1 + fabs(t->w[i]))))
            fail_msg("element %zu: %.9g, expected %.9g", i, (double)t->weights[i], t->w[i]);
}

typedef double reference_trust(const ls_choice *optimizer, const trial *t, double number);

static void compare(const ls_choice *optimizer, reference *formula, reference_trust *ratio, double decay,
                    double scale) {
    assert_works(ls_optimizer_check(optimizer));
    const ls_optimizer_options *options = optimizer->options;
    trial *t = start(options->learning_rate, decay, scale);
    for (uint64_t number = 1; number <= UPDATES; number++) {
        draw_gradient(t, number);
        double expected = ratio ? ratio(optimizer, t, (double)number) : 1;
        double trust = trust_of(optimizer, t, number);
        assert_true(fabs(trust - expected) <= 1e-4 * expected);
        run(optimizer, t, number, trust);
        for (size_t i = 0; i < COUNT; i++)
            formula((reference_element){&t->w[i], &t->slot[0][i], &t->slot[1][i], scale * (double)t->gradient[i],
                                        (double)number, t, expected});
    }
    assert_close(t);
    free(t);
}

/* ---- sgd ---- */

static void plain(reference_element e) {
    *e.w -= e.trial->rate * (e.g + e.trial->decay * *e.w);
}

static void momentum(reference_element e) {
    *e.a = 0.9 * *e.a + (e.g + e.trial->decay * *e.w);
    *e.w -= e.trial->rate * *e.a;
}

static void average(reference_element e) {
    *e.a = 0.9 * *e.a + (1 - 0.9) * (e.g + e.trial->decay * *e.w);
    *e.w -= e.trial->rate * *e.a;
}

static void nesterov(reference_element e) {
    double g = e.g + e.trial->decay * *e.w;
    *e.a = 0.9 * *e.a + g;
    *e.w -= e.trial->rate * (g + 0.9 * *e.a);
}

static void velocity(reference_element e) {
    *e.a = 0.9 * *e.a - e.trial->rate * (e.g + e.trial->decay * *e.w);
    *e.w += *e.a;
}

static void sgd_follows_its_definition(void **state) {
    (void)state;
    ls_choice choice = support_choose(pool, &ls_optimizer_family, "sgd", "learning_rate", "0.1", NULL);
    compare(&choice, plain, NULL, 0, 1);
    compare(&choice, plain, NULL, 0.01, 0.5);
    choice = support_choose(pool, &ls_optimizer_family, "sgd", "momentum", "0.9", NULL);
    compare(&choice, momentum, NULL, 0.01, 1);
    choice = support_choose(pool, &ls_optimizer_family, "sgd", "momentum", "0.9", "dampening", "0.9", NULL);
    compare(&choice, average, NULL, 0.01, 1);
    choice = support_choose(pool, &ls_optimizer_family, "sgd", "momentum", "0.9", "nesterov", "true", NULL);
    compare(&choice, nesterov, NULL, 0.01, 0.25);
    choice = support_choose(pool, &ls_optimizer_family, "sgd", "momentum", "0.9", "rate_in_velocity", "true", NULL);
    compare(&choice, velocity, NULL, 0.01, 1);
}

/* With a constant rate the two forms of the velocity are one method; when the rate changes they part. */
static void rate_in_velocity_differs_exactly_when_the_rate_changes(void **state) {
    (void)state;
    for (int is_nesterov = 0; is_nesterov < 2; is_nesterov++) {
        const char *look = is_nesterov ? "true" : "false";
        ls_choice of_gradients = support_choose(pool, &ls_optimizer_family, "sgd", "momentum", "0.9", "nesterov", look, NULL);
        ls_choice of_steps = support_choose(pool, &ls_optimizer_family, "sgd", "momentum", "0.9", "nesterov", look,
                                            "rate_in_velocity", "true", NULL);
        trial *a = start(0.1, 0, 1), *b = start(0.1, 0, 1);
        for (uint64_t number = 1; number <= 2 * UPDATES; number++) {
            draw_gradient(a, number);
            draw_gradient(b, number);
            if (number == UPDATES + 1) {
                for (size_t i = 0; i < COUNT; i++) assert_true(fabs((double)(a->weights[i] - b->weights[i])) < 1e-5);
                a->rate = b->rate = 0.01;
            }
            run(&of_gradients, a, number, 1);
            run(&of_steps, b, number, 1);
        }
        double apart = 0;
        for (size_t i = 0; i < COUNT; i++) apart = fmax(apart, fabs((double)(a->weights[i] - b->weights[i])));
        assert_true(apart > 1e-3);
        free(a);
        free(b);
    }
}

/* ---- adaptive rates ---- */

static void adagrad(reference_element e) {
    double g = e.g + e.trial->decay * *e.w;
    *e.a += g * g;
    *e.w -= e.trial->rate * g / (sqrt(*e.a) + 1e-3);
}

static void adagrad_inside(reference_element e) {
    double g = e.g + e.trial->decay * *e.w;
    *e.a += g * g;
    *e.w -= e.trial->rate * g / sqrt(*e.a + 1e-3);
}

static void rmsprop(reference_element e) {
    double g = e.g + e.trial->decay * *e.w;
    *e.a = 0.95 * *e.a + (1 - 0.95) * g * g;
    *e.w -= e.trial->rate * g / (sqrt(*e.a) + 1e-4);
}

static void rmsprop_with_momentum(reference_element e) {
    double g = e.g + e.trial->decay * *e.w;
    *e.a = 0.99 * *e.a + (1 - 0.99) * g * g;
    *e.b = 0.5 * *e.b + g / sqrt(*e.a + 1e-4);
    *e.w -= e.trial->rate * *e.b;
}

static void adagrad_and_rmsprop_follow_their_definitions(void **state) {
    (void)state;
    ls_choice choice = support_choose(pool, &ls_optimizer_family, "adagrad", "epsilon", "1e-3", NULL);
    compare(&choice, adagrad, NULL, 0.02, 0.5);
    choice = support_choose(pool, &ls_optimizer_family, "adagrad", "epsilon", "1e-3", "epsilon_inside", "true", NULL);
    compare(&choice, adagrad_inside, NULL, 0.02, 1);
    choice = support_choose(pool, &ls_optimizer_family, "rmsprop", "decay", "0.95", "epsilon", "1e-4", NULL);
    compare(&choice, rmsprop, NULL, 0.02, 1);
    choice = support_choose(pool, &ls_optimizer_family, "rmsprop", "momentum", "0.5", "epsilon", "1e-4", "epsilon_inside",
                            "true", NULL);
    compare(&choice, rmsprop_with_momentum, NULL, 0.02, 1);
}

static double adam_direction(reference_element e, double g, double epsilon) {
    *e.a = 0.9 * *e.a + (1 - 0.9) * g;
    *e.b = 0.999 * *e.b + (1 - 0.999) * g * g;
    return *e.a / (1 - pow(0.9, e.t)) / (sqrt(*e.b / (1 - pow(0.999, e.t))) + epsilon);
}

static void adam(reference_element e) {
    *e.w -= e.trial->rate * adam_direction(e, e.g + e.trial->decay * *e.w, 1e-8);
}

static void adamw(reference_element e) {
    double old = *e.w;
    *e.w -= e.trial->rate * adam_direction(e, e.g, 1e-8);
    *e.w -= e.trial->rate * e.trial->decay * old;
}

static void lamb(reference_element e) {
    double direction = adam_direction(e, e.g, 1e-6) + e.trial->decay * *e.w;
    *e.w -= e.trial->rate * e.trust * direction;
}

static double lamb_trust(const ls_choice *optimizer, const trial *t, double number) {
    (void)optimizer;
    double w = 0, d = 0;
    for (size_t i = 0; i < COUNT; i++) {
        double m = t->slot[0][i], v = t->slot[1][i], weight = t->w[i];
        reference_element e = {.w = &weight, .a = &m, .b = &v, .t = number, .trial = t};
        double direction = adam_direction(e, t->scale * (double)t->gradient[i], 1e-6) + t->decay * t->w[i];
        w += t->w[i] * t->w[i];
        d += direction * direction;
    }
    return sqrt(w) / sqrt(d);
}

static void lars(reference_element e) {
    *e.a = 0.9 * *e.a + e.trial->rate * e.trust * (e.g + e.trial->decay * *e.w);
    *e.w -= *e.a;
}

static double lars_trust(const ls_choice *optimizer, const trial *t, double number) {
    (void)optimizer, (void)number;
    double w = 0, g = 0;
    for (size_t i = 0; i < COUNT; i++) {
        w += t->w[i] * t->w[i];
        g += pow(t->scale * (double)t->gradient[i], 2);
    }
    return 0.02 * sqrt(w) / (sqrt(g) + t->decay * sqrt(w));
}

static void adam_and_its_kin_follow_their_definitions(void **state) {
    (void)state;
    ls_choice choice = support_choose(pool, &ls_optimizer_family, "adam", "learning_rate", "0.01", NULL);
    compare(&choice, adam, NULL, 0.02, 0.5);
    choice = support_choose(pool, &ls_optimizer_family, "adamw", "learning_rate", "0.01", NULL);
    compare(&choice, adamw, NULL, 0.02, 0.5);
    choice = support_choose(pool, &ls_optimizer_family, "lamb", "learning_rate", "0.01", NULL);
    compare(&choice, lamb, lamb_trust, 0.02, 0.5);
    choice = support_choose(pool, &ls_optimizer_family, "lars", "trust", "0.02", "learning_rate", "1", NULL);
    compare(&choice, lars, lars_trust, 0.02, 0.5);
}

/* Where a loss is flat, the margin loss of a pair in order, only the decay moves the weights: by trust * norm(w). */
static void lars_bounds_the_decay_where_there_is_no_gradient(void **state) {
    (void)state;
    ls_choice choice = support_choose(pool, &ls_optimizer_family, "lars", "trust", "0.02", NULL);
    ls_update update = {.weight_decay = 0.5, .gradient_scale = 1};
    double ratio = ls_optimizer_of(&choice)->trust(choice.options, &update, (double[]){4, 0});
    assert_true(fabs(ratio - 0.02 / 0.5) < 1e-15);
}

/* The first step of adam goes by the rate along the sign of the gradient: bias correction is there, and counts from 1.
 */
static void the_first_step_of_adam_has_the_length_of_the_rate(void **state) {
    (void)state;
    ls_choice choice = support_choose(pool, &ls_optimizer_family, "adam", NULL);
    float w[2] = {1, 1}, m[2] = {0}, v[2] = {0}, *slots[] = {m, v};
    const float g[2] = {0.5f, -2e-3f};
    ls_update update = {.count = 2,
                        .weights = w,
                        .gradient = g,
                        .slots = slots,
                        .learning_rate = 0.001,
                        .gradient_scale = 1,
                        .number = 1,
                        .trust = 1};
    ls_optimizer_update(&choice, &update);
    assert_true(fabs((double)w[0] - 0.999) < 1e-6);
    assert_true(fabs((double)w[1] - 1.001) < 1e-6);
    assert_true(fabs((double)m[0] - 0.05) < 1e-8);   /* (1 - beta1) g */
    assert_true(fabs((double)v[0] - 2.5e-4) < 1e-9); /* (1 - beta2) g^2 */
}

/* ---- what all have in common ---- */

static void every_optimizer_leaves_padding_zero_and_ignores_the_cut(void **state) {
    (void)state;
    for (const ls_type *const *type = ls_optimizer_family.types; *type; type++) {
        ls_choice choice;
        assert_works(ls_choice_make(&ls_optimizer_family, *type, pool, &choice));
        trial *whole = start(0.1, 0.01, 1), *single = start(0.1, 0.01, 1);
        for (uint64_t number = 1; number <= 3; number++) {
            draw_gradient(whole, number);
            draw_gradient(single, number);
            whole->weights[7] = whole->gradient[7] = single->weights[7] = single->gradient[7] = 0;
            float *slots[SLOTS];
            ls_update all = piece_of(whole, 0, COUNT, slots, number, 0.5);
            ls_optimizer_update(&choice, &all);
            for (size_t i = 0; i < COUNT; i++) {
                ls_update one = piece_of(single, i, i + 1, slots, number, 0.5);
                ls_optimizer_update(&choice, &one);
            }
        }
        assert_memory_equal(whole->weights, single->weights, sizeof whole->weights);
        assert_memory_equal(whole->state, single->state, sizeof whole->state);
        assert_true(whole->weights[7] == 0 && whole->state[0][7] == 0 && whole->state[1][7] == 0);
        free(whole);
        free(single);
    }
}

static void measuring_changes_nothing_and_zero_parameters_can_leave_zero(void **state) {
    (void)state;
    for (const ls_type *const *type = ls_optimizer_family.types; *type; type++) {
        ls_choice choice;
        assert_works(ls_choice_make(&ls_optimizer_family, *type, pool, &choice));
        if (!ls_optimizer_of(&choice)->measure) continue;
        trial *t = start(0.1, 0.01, 1), *before = malloc(sizeof *before);
        assert_non_null(before);
        draw_gradient(t, 1);
        memcpy(before, t, sizeof *before);
        trust_of(&choice, t, 1);
        assert_memory_equal(t, before, sizeof *before);
        memset(t->weights, 0, sizeof t->weights);
        assert_true(trust_of(&choice, t, 1) == 1);
        free(t);
        free(before);
    }
}

static void every_optimizer_names_its_slots(void **state) {
    (void)state;
    const struct {
        const char *name, *key, *value;
        size_t count;
    } cases[] = {{"sgd", "momentum", "0", 0},     {"sgd", "momentum", "0.5", 1},     {"adagrad", "decay", "all", 1},
                 {"rmsprop", "momentum", "0", 1}, {"rmsprop", "momentum", "0.5", 2}, {"adam", "decay", "all", 2},
                 {"adamw", "decay", "all", 2},    {"lars", "decay", "all", 1},       {"lamb", "decay", "all", 2}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        ls_choice choice = support_choose(pool, &ls_optimizer_family, cases[c].name, cases[c].key, cases[c].value, NULL);
        const char *names[LS_OPTIMIZER_SLOTS] = {0};
        assert_int_equal(ls_optimizer_slots(&choice, names), cases[c].count);
        for (size_t s = 0; s < cases[c].count; s++) assert_non_null(names[s]);
    }
}

static void rates_and_decay_follow_role_and_factors(void **state) {
    (void)state;
    ls_param weight = {.role = LS_ROLE_WEIGHT, .fan_in = 16, .learning_rate_factor = 2, .decay_factor = 3};
    ls_param bias = {.role = LS_ROLE_BIAS, .fan_in = 16, .learning_rate_factor = 1, .decay_factor = 1};
    ls_choice choice =
        support_choose(pool, &ls_optimizer_family, "sgd", "learning_rate", "0.1", "weight_decay", "0.01", NULL);
    assert_true(ls_optimizer_rate(&choice, &weight, 0.5) == 0.1 * 0.5 * 2);
    assert_true(ls_optimizer_decay(&choice, &weight, 1000) == 0.01 * 3);
    assert_true(ls_optimizer_decay(&choice, &bias, 1000) == 0.01);
    choice = support_choose(pool, &ls_optimizer_family, "adamw", "weight_decay.lambda", "5.0", "decay", "weights",
                            "fan_in_scaling", "true", "learning_rate", "0.1", NULL);
    assert_works(ls_optimizer_check(&choice));
    assert_true(ls_optimizer_rate(&choice, &weight, 1) == 0.1 * 2 / 4);
    assert_true(ls_optimizer_rate(&choice, &bias, 1) == 0.1);
    assert_true(ls_optimizer_decay(&choice, &weight, 1000) == 5.0 / 1000 * 3);
    assert_true(ls_optimizer_decay(&choice, &bias, 1000) == 0);
    choice = support_choose(pool, &ls_optimizer_family, "adamw", "weight_decay.lambda", "0", NULL);
    assert_true(ls_optimizer_decay(&choice, &weight, 1000) == 0);
    choice = support_choose(pool, &ls_optimizer_family, "adamw", NULL);
    assert_true(ls_optimizer_decay(&choice, &bias, 1000) == 0.01);
}

/* In rmsprop `decay` is the factor of the average; the words that it is for others may stand in its place. */
static void decay_of_rmsprop_takes_a_number_or_a_word(void **state) {
    (void)state;
    ls_param bias = {.role = LS_ROLE_BIAS, .learning_rate_factor = 1, .decay_factor = 1};
    const char *const values[] = {"0.99", "all", "weights"};
    const double decays[] = {0.01, 0.01, 0};
    trial *trials[3];
    for (size_t v = 0; v < 3; v++) {
        ls_choice choice =
            support_choose(pool, &ls_optimizer_family, "rmsprop", "decay", values[v], "weight_decay", "0.01", NULL);
        assert_true(ls_optimizer_decay(&choice, &bias, 1) == decays[v]);
        trials[v] = start(0.01, 0, 1);
        draw_gradient(trials[v], 1);
        run(&choice, trials[v], 1, 1);
        assert_memory_equal(trials[v]->state, trials[0]->state, sizeof trials[0]->state);
    }
    for (size_t v = 0; v < 3; v++) free(trials[v]);
}

static void options_that_do_not_go_together_are_refused(void **state) {
    (void)state;
    ls_choice choice = support_choose(pool, &ls_optimizer_family, "sgd", "nesterov", "true", NULL);
    assert_refuses(ls_optimizer_check(&choice), LS_ERR_CONFIG, "nesterov needs a momentum above 0");
    choice =
        support_choose(pool, &ls_optimizer_family, "sgd", "nesterov", "true", "momentum", "0.9", "dampening", "0.1", NULL);
    assert_refuses(ls_optimizer_check(&choice), LS_ERR_CONFIG, "nesterov and dampening");
    choice =
        support_choose(pool, &ls_optimizer_family, "adam", "weight_decay.value", "0.1", "weight_decay.lambda", "5", NULL);
    assert_refuses(ls_optimizer_check(&choice), LS_ERR_CONFIG, "test.yaml:1:1");
}

static void values_out_of_range_are_refused(void **state) {
    (void)state;
    const struct {
        const char *name, *key, *value;
    } cases[] = {{"sgd", "momentum", "1"},       {"sgd", "learning_rate", "-0.1"}, {"adam", "beta1", "1"},
                 {"adam", "epsilon", "0"},       {"rmsprop", "decay", "1"},        {"lars", "trust", "0"},
                 {"adam", "weight_decay", "-1"}, {"sgd", "decay", "biases"},       {"sgd", "beta1", "0.9"}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        ls_choice choice;
        assert_refuses(
            support_try_choose(&choice, pool, &ls_optimizer_family, cases[c].name, cases[c].key, cases[c].value, NULL),
            LS_ERR_CONFIG, cases[c].key);
    }
}

static void clipping_scales_to_the_limit_and_never_up(void **state) {
    (void)state;
    assert_true(ls_clip_factor(5, 10) == 1);
    assert_true(ls_clip_factor(10, 10) == 1);
    assert_true(ls_clip_factor(20, 5) == 0.25); /* the norm becomes 5, not 1 */
    assert_true(ls_clip_factor(0, 5) == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_follows_its_definition),
        cmocka_unit_test(rate_in_velocity_differs_exactly_when_the_rate_changes),
        cmocka_unit_test(adagrad_and_rmsprop_follow_their_definitions),
        cmocka_unit_test(adam_and_its_kin_follow_their_definitions),
        cmocka_unit_test(lars_bounds_the_decay_where_there_is_no_gradient),
        cmocka_unit_test(the_first_step_of_adam_has_the_length_of_the_rate),
        cmocka_unit_test(every_optimizer_leaves_padding_zero_and_ignores_the_cut),
        cmocka_unit_test(measuring_changes_nothing_and_zero_parameters_can_leave_zero),
        cmocka_unit_test(every_optimizer_names_its_slots),
        cmocka_unit_test(rates_and_decay_follow_role_and_factors),
        cmocka_unit_test(decay_of_rmsprop_takes_a_number_or_a_word),
        cmocka_unit_test(options_that_do_not_go_together_are_refused),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(clipping_scales_to_the_limit_and_never_up),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
