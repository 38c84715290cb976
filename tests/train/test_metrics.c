#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"
#include "lockstep/metrics.h"

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

/* Part of a view: rows from .. to - 1. */
static ls_metric_view part_of(const ls_metric_view *view, size_t from, size_t to) {
    ls_metric_view part = *view;
    part.rows = to - from;
    part.prediction += from * view->outputs;
    if (part.classes) part.classes += from;
    if (part.values) part.values += from * view->outputs;
    if (part.corrupt) part.corrupt += from * view->outputs;
    if (part.weights) part.weights += from;
    return part;
}

/* The metric of a view whose rows are given in `parts` pieces, each on a rank of its own. */
static double measure_in(const ls_choice *choice, const ls_metric_view *view, size_t parts) {
    const ls_metric_type *metric = ls_metric_of(choice);
    size_t count = metric->sums(view->outputs);
    ls_sum *total = calloc(count, sizeof *total);
    double *values = calloc(count, sizeof *values);
    assert_true(total && values);
    for (size_t part = parts; part-- > 0;) {
        ls_sum *sums = calloc(count, sizeof *sums);
        assert_non_null(sums);
        ls_metric_view piece = part_of(view, view->rows * part / parts, view->rows * (part + 1) / parts);
        metric->accumulate(choice->options, &piece, sums);
        for (size_t s = 0; s < count; s++) ls_sum_merge(&total[s], &sums[s]);
        free(sums);
    }
    for (size_t s = 0; s < count; s++) values[s] = ls_sum_value(&total[s]);
    double value = metric->value(choice->options, view->outputs, values);
    free(total);
    free(values);
    return value;
}

static double measure(const char *name, const ls_metric_view *view) {
    ls_choice choice = support_choose(pool, &ls_metric_family, name, NULL);
    return measure_in(&choice, view, 1);
}

static void assert_near(double a, double b) {
    if (!(fabs(a - b) <= 1e-12 * (1 + fabs(b)))) fail_msg("%.17g, expected %.17g", a, b);
}

/* Four samples, three classes; predicted 0, 1, 1, 2 of actual 0, 1, 2, 2. */
static const float scores[] = {3, 1, 0, /**/ 0, 2, 1, /**/ 0, 2, 1, /**/ -3, -2, -1};
static const int32_t classes[] = {0, 1, 2, 2};
static const ls_metric_view by_class = {
    .target = LS_LOSS_CLASSES, .rows = 4, .outputs = 3, .prediction = scores, .classes = classes};

static void classes_are_counted(void **state) {
    (void)state;
    assert_near(measure("accuracy", &by_class), 0.75);
    assert_near(measure("error", &by_class), 0.25);
    assert_near(measure("precision", &by_class), (1 + 0.5 + 1) / 3);
    assert_near(measure("recall", &by_class), (1 + 1 + 0.5) / 3);
    /* The mean of each class's f1, not the f1 of the means. */
    assert_near(measure("f1", &by_class), (1 + 2.0 / 3 + 2.0 / 3) / 3);
    ls_choice first = support_choose(pool, &ls_metric_family, "top_k", "k", "1", NULL);
    assert_near(measure_in(&first, &by_class, 1), 0.75);
    ls_choice second = support_choose(pool, &ls_metric_family, "top_k", "k", "2", NULL);
    assert_near(measure_in(&second, &by_class, 1), 1);
    uint64_t confusion[9] = {0};
    ls_confusion_count(&by_class, confusion);
    const uint64_t expected[9] = {1, 0, 0, 0, 1, 0, 0, 1, 1};
    assert_memory_equal(confusion, expected, sizeof expected);
}

static void of_equal_scores_the_lowest_index_wins(void **state) {
    (void)state;
    const float equal[] = {1, 1, 1};
    assert_int_equal(ls_metric_argmax(equal, 3), 0);
    const int32_t first = 0, last = 2;
    ls_metric_view view = {.target = LS_LOSS_CLASSES, .rows = 1, .outputs = 3, .prediction = equal, .classes = &first};
    ls_choice two = support_choose(pool, &ls_metric_family, "top_k", "k", "2", NULL);
    assert_near(measure("accuracy", &view), 1);
    assert_near(measure_in(&two, &view, 1), 1);
    view.classes = &last;
    assert_near(measure("accuracy", &view), 0);
    assert_near(measure_in(&two, &view, 1), 0);
}

static void classes_that_never_occur_do_not_enter_the_mean(void **state) {
    (void)state;
    const float two_of_three[] = {2, 1, -9, /**/ 1, 2, -9};
    const int32_t actual[] = {0, 0};
    ls_metric_view view = {
        .target = LS_LOSS_CLASSES, .rows = 2, .outputs = 3, .prediction = two_of_three, .classes = actual};
    assert_near(measure("precision", &view), (1 + 0) / 2.0);
    assert_near(measure("recall", &view), (0.5 + 0) / 2);
}

static void labels_are_decided_at_logit_0(void **state) {
    (void)state;
    const float logits[] = {-1, 2, 0.1f, 0};
    const float labels[] = {0, 1, 0, 1};
    ls_metric_view single = {.target = LS_LOSS_LABELS, .rows = 4, .outputs = 1, .prediction = logits, .values = labels};
    assert_near(measure("accuracy", &single), 0.5);
    assert_near(measure("error", &single), 0.5);
    assert_near(measure("precision", &single), 0.5); /* yes was said of 2, of which 1 was */
    assert_near(measure("recall", &single), 0.5);
    ls_metric_view several = single;
    several.rows = 2;
    several.outputs = 2;
    assert_near(measure("accuracy", &several), (1.0 + 0.0) / 2);
}

static void regression_is_measured_over_the_whole_set(void **state) {
    (void)state;
    const float prediction[] = {1, 2, 3, 5}, values[] = {1, 4, 3, 4};
    ls_metric_view view = {
        .target = LS_LOSS_VALUES, .rows = 4, .outputs = 1, .prediction = prediction, .values = values};
    assert_near(measure("mse", &view), 5.0 / 4);
    assert_near(measure("mae", &view), 3.0 / 4);
    assert_near(measure("r2", &view), 1 - 5.0 / 6);
    ls_choice rmse = support_choose(pool, &ls_metric_family, "rmse", NULL);
    assert_near(measure_in(&rmse, &view, 1), sqrt(5.0 / 4));
    assert_near(measure_in(&rmse, &view, 4), sqrt(5.0 / 4)); /* never a mean of roots, which would be 0.75 */
    ls_metric_view wide = view;
    wide.rows = 2;
    wide.outputs = 2;
    assert_near(measure("mse", &wide), (4.0 / 2 + 1.0 / 2) / 2);
    /* First output: predicted 1, 3 of 1, 3. The second target is constant and left out. */
    assert_near(measure("r2", &wide), 1);
}

static void pairs_succeed_when_the_true_one_scores_higher(void **state) {
    (void)state;
    const float s[] = {1, 2, 3}, corrupt[] = {0, 2, 4};
    ls_metric_view view = {.target = LS_LOSS_PAIRS, .rows = 3, .outputs = 1, .prediction = s, .corrupt = corrupt};
    assert_near(measure("pair_accuracy", &view), 1.0 / 3);
}

static void weights_say_how_much_a_sample_counts(void **state) {
    (void)state;
    const float weights[] = {1, 1, 2, 0};
    ls_metric_view view = by_class;
    view.weights = weights;
    assert_near(measure("accuracy", &view), 0.5);
    assert_near(measure("recall", &view), (1 + 1 + 0) / 3.0);
}

static void no_sample_has_no_metric(void **state) {
    (void)state;
    for (const ls_type *const *type = ls_metric_family.types; *type; type++) {
        const ls_metric_type *metric = (const ls_metric_type *)(const void *)*type;
        const double zeros[64] = {0};
        assert_true(metric->sums(3) <= 64);
        assert_true(isnan(metric->value(NULL, 3, zeros)));
    }
}

/* Random samples of every kind: the bits do not depend on how they are spread over ranks. */
static void every_metric_has_the_same_bits_for_any_cut(void **state) {
    (void)state;
    enum { ROWS = 301, OUTPUTS = 7 };
    static float prediction[ROWS * OUTPUTS], values[ROWS * OUTPUTS], labels[ROWS * OUTPUTS], weights[ROWS];
    static int32_t actual[ROWS];
    for (size_t i = 0; i < ROWS * OUTPUTS; i++) {
        prediction[i] = (float)support_random(1, i);
        values[i] = (float)support_random(2, i);
        labels[i] = support_random(3, i) > 0 ? 1 : 0;
    }
    for (size_t i = 0; i < ROWS; i++) {
        actual[i] = (int32_t)(3.5 * (support_random(4, i) + 1));
        weights[i] = (float)(1 + support_random(5, i));
    }
    for (const ls_type *const *type = ls_metric_family.types; *type; type++) {
        ls_choice choice;
        assert_works(ls_choice_make(&ls_metric_family, *type, pool, &choice));
        for (unsigned target = 1; target <= LS_LOSS_PAIRS; target *= 2) {
            if (!(ls_metric_of(&choice)->targets & target)) continue;
            ls_metric_view view = {.target = (ls_target)target,
                                   .rows = ROWS,
                                   .outputs = OUTPUTS,
                                   .prediction = prediction,
                                   .classes = actual,
                                   .corrupt = values,
                                   .weights = weights,
                                   .values = target == LS_LOSS_LABELS ? labels : values};
            double whole = measure_in(&choice, &view, 1);
            assert_true(isfinite(whole));
            for (size_t parts = 2; parts < 9; parts += 2) assert_true(measure_in(&choice, &view, parts) == whole);
        }
    }
}

static void metrics_without_a_meaning_are_refused(void **state) {
    (void)state;
    ls_choice items[] = {support_choose(pool, &ls_metric_family, "accuracy", NULL),
                         support_choose(pool, &ls_metric_family, "mse", NULL)};
    ls_choices list = {2, items};
    assert_refuses(
        ls_metrics_check(&list, LS_LOSS_CLASSES, "cross_entropy"), LS_ERR_CONFIG,
        "test.yaml:1:1: the metric mse has no meaning with the loss cross_entropy; allowed: accuracy, error");
    assert_refuses(ls_metrics_check(&list, LS_LOSS_PAIRS, "margin"), LS_ERR_CONFIG, "allowed: pair_accuracy");
    list.count = 1;
    assert_works(ls_metrics_check(&list, LS_LOSS_CLASSES, "cross_entropy"));
    ls_choice twice[] = {items[0], items[0]};
    ls_choices same = {2, twice};
    assert_refuses(ls_metrics_check(&same, LS_LOSS_CLASSES, "hinge"), LS_ERR_CONFIG, "accuracy is listed twice");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_counted),
        cmocka_unit_test(of_equal_scores_the_lowest_index_wins),
        cmocka_unit_test(classes_that_never_occur_do_not_enter_the_mean),
        cmocka_unit_test(labels_are_decided_at_logit_0),
        cmocka_unit_test(regression_is_measured_over_the_whole_set),
        cmocka_unit_test(pairs_succeed_when_the_true_one_scores_higher),
        cmocka_unit_test(weights_say_how_much_a_sample_counts),
        cmocka_unit_test(no_sample_has_no_metric),
        cmocka_unit_test(every_metric_has_the_same_bits_for_any_cut),
        cmocka_unit_test(metrics_without_a_meaning_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
