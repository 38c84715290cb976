#include "support.h"

#include <math.h>
#include <string.h>

#include "train/stop.h"
#include "train/trainer.h"

static void a_condition_is_a_name_an_operator_and_a_number(void **state) {
    (void)state;
    ls_stop_metric condition;
    assert_true(ls__stop_metric_parse("valid.accuracy >= 0.98", &condition));
    assert_string_equal(condition.name, "valid.accuracy");
    assert_true(ls__stop_metric_holds(&condition, 0.98));
    assert_false(ls__stop_metric_holds(&condition, 0.979));
    assert_true(ls__stop_metric_parse("train.loss<0.1", &condition));
    assert_false(ls__stop_metric_holds(&condition, 0.1));
    assert_true(ls__stop_metric_holds(&condition, 0.0999));
}

static void nonsense_is_no_condition(void **state) {
    (void)state;
    static const char *const bad[] = {"",          "valid.accuracy",          "valid.accuracy >=",  "accuracy >= 0.9",
                                      "a.b == 1",  "valid.accuracy >= 0.9x",  "valid.loss >= 1 2", "valid.loss = 1",
                                      ">= 0.5",    "valid.loss <> 1"};
    ls_stop_metric condition;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (ls__stop_metric_parse(bad[i], &condition)) fail_msg("\"%s\" was taken", bad[i]);
}

static void nan_meets_no_condition(void **state) {
    (void)state;
    ls_stop_metric condition;
    assert_true(ls__stop_metric_parse("train.loss <= 1", &condition));
    assert_false(ls__stop_metric_holds(&condition, NAN));
}

static void a_watch_counts_epochs_without_improvement(void **state) {
    (void)state;
    ls_watch watch = {0};
    assert_false(ls__watch_observe(&watch, 1.0, false, 0.1, 2));
    assert_false(ls__watch_observe(&watch, 0.95, false, 0.1, 2)); /* 1: not by more than delta */
    assert_false(ls__watch_observe(&watch, 0.8, false, 0.1, 2));  /* improved */
    assert_false(ls__watch_observe(&watch, 0.8, false, 0.1, 2));
    assert_true(ls__watch_observe(&watch, 0.75, false, 0.1, 2));
}

static void a_watch_knows_the_better_direction(void **state) {
    (void)state;
    ls_watch watch = {0};
    assert_false(ls__watch_observe(&watch, 0.5, true, 0, 1));
    assert_false(ls__watch_observe(&watch, 0.6, true, 0, 1));
    assert_true(ls__watch_observe(&watch, 0.6, true, 0, 1));
}

static void anything_is_better_than_nan(void **state) {
    (void)state;
    ls_watch watch = {0};
    assert_false(ls__watch_observe(&watch, NAN, false, 0, 2));
    assert_false(ls__watch_observe(&watch, 5.0, false, 0, 2));
    assert_true(watch.best == 5.0);
    assert_false(ls__watch_observe(&watch, NAN, false, 0, 2));
    assert_true(ls__watch_observe(&watch, NAN, false, 0, 2));
}

static void speed_leaves_out_the_first_tenth(void **state) {
    (void)state;
    ls_speed speed = {0};
    for (int i = 0; i < 10; i++) ls__speed_add(&speed, 100, 10.0); /* slow start */
    for (int i = 0; i < 90; i++) ls__speed_add(&speed, 100, 1.0);
    assert_float_equal((float)ls__speed_value(&speed), 100.0f, 1.0f);
    ls_speed one = {0};
    ls__speed_add(&one, 100, 2.0);
    assert_float_equal((float)ls__speed_value(&one), 50.0f, 1e-4f);
    ls_speed none = {0};
    assert_true(isnan(ls__speed_value(&none)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_condition_is_a_name_an_operator_and_a_number),
        cmocka_unit_test(nonsense_is_no_condition),
        cmocka_unit_test(nan_meets_no_condition),
        cmocka_unit_test(a_watch_counts_epochs_without_improvement),
        cmocka_unit_test(a_watch_knows_the_better_direction),
        cmocka_unit_test(anything_is_better_than_nan),
        cmocka_unit_test(speed_leaves_out_the_first_tenth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
