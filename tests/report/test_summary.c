#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockstep/report.h"

static int set_up(void **state) {
    *state = support_make_folder();
    return 0;
}

static int tear_down(void **state) {
    support_remove_folder(*state);
    return 0;
}

/* ---- status.json ---- */

static void a_run_state_reads_back(void **state) {
    const char *path = support_path(*state, "status.json");
    const ls_run_state written = {.phase = "training",
                                  .step = 120,
                                  .steps = 690,
                                  .epoch = 3,
                                  .epochs = 30,
                                  .loss = 0.25,
                                  .learning_rate = 0.05,
                                  .samples_per_second = 48000,
                                  .elapsed = 12.5,
                                  .remaining = (double)NAN,
                                  .ranks = 4,
                                  .nodes = 2,
                                  .generation = 7,
                                  .host = "node1",
                                  .pid = 4711,
                                  .job = NULL,
                                  .checkpoint = "step-000000100.h5"};
    assert_works(ls_run_state_write(path, &written));
    assert_works(ls_run_state_write(path, &written)); /* replaces */
    assert_int_not_equal(access(support_path(*state, "status.json.new"), F_OK), 0);
    ls_pool *pool = NULL;
    ls_run_state read;
    assert_works(ls_pool_create(&pool));
    assert_works(ls_run_state_read(path, pool, &read));
    assert_string_equal(read.phase, "training");
    assert_int_equal(read.step, 120);
    assert_int_equal(read.epochs, 30);
    assert_true(read.loss == 0.25 && read.samples_per_second == 48000 && isnan(read.remaining));
    assert_int_equal(read.generation, 7);
    assert_int_equal(read.pid, 4711);
    assert_null(read.job);
    assert_string_equal(read.checkpoint, "step-000000100.h5");
    assert_int_equal(strlen(read.updated), 20);
    ls_pool_destroy(pool);
}

static void a_bad_status_is_refused(void **state) {
    ls_pool *pool = NULL;
    ls_run_state read;
    assert_works(ls_pool_create(&pool));
    assert_refuses(ls_run_state_read(support_path(*state, "none.json"), pool, &read), LS_ERR_IO, "none.json");
    const char *path = support_path(*state, "bad.json");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"step\": ", file);
    fclose(file);
    assert_refuses(ls_run_state_read(path, pool, &read), LS_ERR_DATA, "bad.json:1:");
    const ls_run_state nothing = {0};
    assert_refuses(ls_run_state_write(support_path(*state, "no/status.json"), &nothing), LS_ERR_IO, "no/status.json");
    ls_pool_destroy(pool);
}

/* ---- report.json and report.txt ---- */

static const ls_report_section sections[] = {{"forward", 1.0, 1.5, 2.0, 0.6, 690}, {"reduce", 0.5, 1.0, 1.5, 0.4, 690}};
static const ls_value memory[] = {{"weights", 4096, NULL}};
static const ls_value valid[] = {{"loss", 0.4, NULL}, {"accuracy", 0.88, NULL}};
static const ls_report_set sets[] = {{"valid", 360, 2, valid}};
static const uint64_t confusion[] = {90, 10, 20, 240};
static const ls_value extra[] = {{"weights_digest", 0, "00ff"}, {"restarts", 2, NULL}};
static const ls_summary summary = {.result = "done",
                                   .stop_reason = "epochs: 30",
                                   .steps = 690,
                                   .updates = 689,
                                   .epochs = 30,
                                   .best_metric = "valid.loss",
                                   .best = 0.39,
                                   .best_step = 600,
                                   .best_checkpoint = "best.h5",
                                   .samples_per_second = 48000,
                                   .seconds = 75,
                                   .ranks = 2,
                                   .nodes = 1,
                                   .threads = 1,
                                   .parameters = 4810,
                                   .math = "exact-scalar",
                                   .section_count = 2,
                                   .sections = sections,
                                   .memory_count = 1,
                                   .memory = memory,
                                   .set_count = 1,
                                   .sets = sets,
                                   .classes = 2,
                                   .confusion = confusion,
                                   .confusion_set = "valid",
                                   .extra_count = 2,
                                   .extra = extra};

static double number_at(const json_t *object, const char *a, const char *b, const char *c) {
    const json_t *item = json_object_get(object, a);
    if (b) item = json_object_get(item, b);
    if (c) item = json_object_get(item, c);
    assert_true(json_is_number(item));
    return json_number_value(item);
}

static void the_json_report_holds_everything(void **state) {
    const char *path = support_path(*state, "report.json");
    assert_works(ls_summary_write_json(path, &summary));
    json_t *report = json_load_file(path, 0, NULL);
    assert_non_null(report);
    assert_string_equal(json_string_value(json_object_get(report, "result")), "done");
    assert_string_equal(json_string_value(json_object_get(report, "stop_reason")), "epochs: 30");
    assert_true(number_at(report, "steps", NULL, NULL) == 690);
    assert_true(number_at(report, "updates", NULL, NULL) == 689);
    assert_true(number_at(report, "epochs", NULL, NULL) == 30);
    assert_true(number_at(report, "best", "value", NULL) == 0.39);
    assert_true(number_at(report, "best", "step", NULL) == 600);
    assert_true(number_at(report, "final", "valid", "accuracy") == 0.88);
    assert_true(number_at(report, "final", "valid", "samples") == 360);
    assert_true(number_at(report, "samples_per_second", NULL, NULL) == 48000);
    assert_true(number_at(report, "sections", "reduce", "avg") == 1);
    assert_true(number_at(report, "sections", "forward", "share") == 0.6);
    assert_true(number_at(report, "memory", "weights", NULL) == 4096);
    assert_true(number_at(report, "restarts", NULL, NULL) == 2);
    assert_string_equal(json_string_value(json_object_get(report, "weights_digest")), "00ff");
    const json_t *counts = json_object_get(json_object_get(report, "confusion"), "counts");
    assert_int_equal(json_integer_value(json_array_get(json_array_get(counts, 1), 0)), 20);
    json_decref(report);
}

static void an_empty_report_is_still_json(void **state) {
    const char *path = support_path(*state, "report.json");
    const ls_summary failed = {.result = "failed", .samples_per_second = (double)NAN};
    assert_works(ls_summary_write_json(path, &failed));
    json_t *report = json_load_file(path, 0, NULL);
    assert_non_null(report);
    assert_true(json_is_null(json_object_get(report, "samples_per_second")));
    assert_true(json_is_null(json_object_get(report, "best")));
    json_decref(report);
    assert_works(ls_summary_write_text(support_path(*state, "report.txt"), &failed));
    assert_refuses(ls_summary_write_json(support_path(*state, "no/report.json"), &failed), LS_ERR_IO, "no/report.json");
}

static void assert_line(const char *text, const char *line) {
    if (!strstr(text, line)) fail_msg("\"%s\" is not in:\n%s", line, text);
}

static void the_text_report_is_a_table(void **state) {
    const char *path = support_path(*state, "report.txt");
    assert_works(ls_summary_write_text(path, &summary));
    char text[4096] = {0};
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_line(text, "result      done (epochs: 30)\n");
    assert_line(text, "trained     690 steps, 30 epochs, 1m15s\n");
    assert_line(text, "valid       loss 0.4  accuracy 0.88\n");
    assert_line(text, "section (seconds)          min       avg       max   share\n");
    assert_line(text, "forward                  1.000     1.500     2.000  60.0 %\n");
    assert_line(text, "     1     20    240\n");

    char *printed = NULL;
    size_t size = 0;
    FILE *memory_file = open_memstream(&printed, &size);
    assert_works(ls_summary_print(memory_file, &summary));
    fclose(memory_file);
    assert_line(printed, "reduce                   0.500     1.000     1.500  40.0 %\n");
    assert_null(strstr(printed, "confusion"));
    free(printed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_state_reads_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_status_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_json_report_holds_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_report_is_still_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_text_report_is_a_table, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
