/*
 * Every row of every family keeps the promises of options.h, and the reference of all of them is YAML.
 */
#include "support.h"

#include <string.h>

#include "check_rows.h"
#include "config/yaml.h"
#include "lockstep/metrics.h"
#include "lockstep/optim.h"
#include "sample_rows.h"

typedef struct holder {
    ls_choice optimizer, metric;
    ls_choices schedule;
} holder;

static const ls_option rows[] = {LS_OPTION_CHOICE(holder, optimizer, LS_REQUIRED, &ls_optimizer_family, "optimizers"),
                                 LS_OPTION_CHOICE(holder, metric, NULL, &ls_metric_family, "metrics"),
                                 LS_OPTION_CHOICES(holder, schedule, NULL, &ls_schedule_family, "schedules"), LS_OPTION_END};

static void rows_keep_their_promises(void **state) {
    (void)state;
    support_check_rows("sample", sample_rows);
    support_check_rows("all", rows);
}

static void the_reference_of_all_is_yaml(void **state) {
    (void)state;
    ls_text out = {0}, file = {0};
    ls_pool *pool = NULL;
    ls_document *document = NULL;
    assert_works(ls_options_reference(rows, 0, &out));
    assert_works(ls_text_add(&file, "seed: 1\n%s", out.bytes));
    assert_works(ls_pool_create(&pool));
    assert_works(ls_yaml_parse(pool, "reference.yaml", file.bytes, file.length, &document));
    assert_non_null(strstr(out.bytes, "#   adamw:"));
    ls_pool_destroy(pool);
    ls_text_free(&out);
    ls_text_free(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_keep_their_promises),
        cmocka_unit_test(the_reference_of_all_is_yaml),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
