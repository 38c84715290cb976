#include "support.h"

#include <math.h>

#include "choose.h"
#include "lockstep/optim.h"

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

static double factor_at(ls_choice schedule, uint64_t step, uint64_t epoch) {
    ls_choices list = {1, &schedule};
    ls_schedule_state state;
    assert_works(ls_schedules_check(&list));
    ls_schedules_start(&list, &state);
    ls_progress progress = {.step = step, .epoch = epoch};
    return ls_schedules_factor(&list, &state, &progress);
}

static void assert_near(double a, double b) {
    if (!(fabs(a - b) <= 1e-14 * (1 + fabs(b)))) fail_msg("%.17g, expected %.17g", a, b);
}

#define CHOOSE(...) support_choose(pool, &ls_schedule_family, __VA_ARGS__, NULL)

static void each_schedule_follows_its_formula_in_epochs(void **state) {
    (void)state;
    for (uint64_t e = 0; e < 40; e++) {
        double x = (double)e, pi = acos(-1.0);
        uint64_t s = 1000 + 7 * e; /* must not matter */
        assert_near(factor_at(CHOOSE("constant"), s, e), 1);
        assert_near(factor_at(CHOOSE("exponential", "k", "0.02"), s, e), exp(-0.02 * x));
        assert_near(factor_at(CHOOSE("inverse_time", "k", "0.5"), s, e), 1 / (0.5 * x + 1));
        assert_near(factor_at(CHOOSE("step", "every", "10", "factor", "0.5"), s, e), pow(0.5, floor(x / 10)));
        assert_near(factor_at(CHOOSE("search_then_converge", "tau", "8"), s, e), 8 / fmax(x, 8));
        assert_near(factor_at(CHOOSE("cosine", "epochs", "30"), s, e), (1 + cos(pi * fmin(x, 30) / 30)) / 2);
        assert_near(factor_at(CHOOSE("polynomial", "epochs", "30"), s, e), 1 - fmin(x, 30) / 30);
        assert_near(factor_at(CHOOSE("polynomial", "epochs", "30", "power", "2.5", "end", "0.1"), s, e),
                    0.1 + 0.9 * pow(1 - fmin(x, 30) / 30, 2.5));
    }
}

static void warmup_counts_steps_from_the_first(void **state) {
    (void)state;
    for (uint64_t s = 0; s < 12; s++)
        assert_near(factor_at(CHOOSE("warmup", "steps", "8"), s, 3), fmin(1, ((double)s + 1) / 8));
}

/* A bare number counts what `per` says; a duration says it itself, whatever `per` says. */
static void lengths_and_per_choose_the_axis(void **state) {
    (void)state;
    assert_near(factor_at(CHOOSE("exponential", "k", "0.1", "per", "step"), 5, 99), exp(-0.5));
    assert_near(factor_at(CHOOSE("step", "every", "10", "factor", "0.5"), 25, 10), 0.5);
    assert_near(factor_at(CHOOSE("step", "every", "10", "factor", "0.5", "per", "step"), 25, 10), 0.25);
    assert_near(factor_at(CHOOSE("step", "every", "10st", "factor", "0.5"), 25, 10), 0.25);
    assert_near(factor_at(CHOOSE("step", "every", "10ep", "factor", "0.5", "per", "step"), 25, 10), 0.5);
    assert_near(factor_at(CHOOSE("cosine", "epochs", "100st"), 50, 1), 0.5);
    assert_near(factor_at(CHOOSE("search_then_converge", "tau", "10st"), 40, 1), 0.25);
}

static void a_list_is_multiplied_and_an_empty_one_is_1(void **state) {
    (void)state;
    ls_choice items[] = {CHOOSE("warmup", "steps", "4"), CHOOSE("inverse_time", "k", "1")};
    ls_choices list = {2, items};
    ls_schedule_state states[2];
    ls_schedules_start(&list, states);
    ls_progress progress = {.step = 1, .epoch = 3};
    assert_near(ls_schedules_factor(&list, states, &progress), 0.5 * 0.25);
    ls_choices none = {0};
    assert_near(ls_schedules_factor(&none, NULL, &progress), 1);
}

static void a_plateau_waits_falls_and_can_be_continued(void **state) {
    (void)state;
    ls_choice choice = CHOOSE("plateau", "metric", "valid.loss", "factor", "0.5", "patience", "2", "delta", "0.1");
    const ls_schedule_type *type = ls_schedule_of(&choice);
    ls_choices list = {1, &choice};
    ls_schedule_state kept;
    ls_progress progress = {0};
    ls_schedules_start(&list, &kept);
    assert_string_equal(type->metric(choice.options), "valid.loss");
    for (size_t n = 0; type->names[n]; n++) assert_in_range(n, 0, LS_SCHEDULE_STATE - 1);

    const double losses[] = {1.0, 0.95, 0.85, 0.84, 0.80, NAN, 0.8, 0.5};
    const double factors[] = {1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25};
    for (size_t e = 0; e < sizeof losses / sizeof *losses; e++) {
        ls_schedule_state restored = kept; /* what a checkpoint would hold */
        type->observe(choice.options, &restored, losses[e], false);
        kept = restored;
        assert_near(ls_schedules_factor(&list, &kept, &progress), factors[e]);
    }
}

static void a_plateau_knows_the_better_direction(void **state) {
    (void)state;
    ls_choice choice = CHOOSE("plateau", "patience", "1", "factor", "0.5");
    const ls_schedule_type *type = ls_schedule_of(&choice);
    ls_choices list = {1, &choice};
    ls_schedule_state kept;
    ls_progress progress = {0};
    ls_schedules_start(&list, &kept);
    type->observe(choice.options, &kept, 0.5, true);
    type->observe(choice.options, &kept, 0.7, true);
    assert_near(ls_schedules_factor(&list, &kept, &progress), 1);
    type->observe(choice.options, &kept, 0.6, true);
    assert_near(ls_schedules_factor(&list, &kept, &progress), 0.5);
}

static void what_makes_no_sense_is_refused(void **state) {
    (void)state;
    ls_choice out;
#define REFUSES(words, ...)                                                                                            \
    assert_refuses(support_try_choose(&out, pool, &ls_schedule_family, __VA_ARGS__, NULL), LS_ERR_CONFIG, words)
    REFUSES("every", "step", "factor", "0.5");
    REFUSES("every", "step", "every", "0", "factor", "0.5");
    REFUSES("every", "step", "every", "10min", "factor", "0.5");
    REFUSES("k", "exponential", "k", "-1");
    REFUSES("steps", "warmup", "steps", "0");
    REFUSES("factor", "plateau", "factor", "1");
    REFUSES("per", "cosine", "epochs", "3", "per", "sample");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_schedule_follows_its_formula_in_epochs),
        cmocka_unit_test(warmup_counts_steps_from_the_first),
        cmocka_unit_test(lengths_and_per_choose_the_axis),
        cmocka_unit_test(a_list_is_multiplied_and_an_empty_one_is_1),
        cmocka_unit_test(a_plateau_waits_falls_and_can_be_continued),
        cmocka_unit_test(a_plateau_knows_the_better_direction),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
