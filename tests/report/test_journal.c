#include "support.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lockstep/report.h"

typedef struct fixture {
    char *folder;
    const char *path;
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    f->folder = support_make_folder();
    f->path = strdup(support_path(f->folder, "metrics.jsonl"));
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    support_remove_folder(f->folder);
    free((char *)f->path);
    free(f);
    return 0;
}

static void write_step(ls_journal *journal, uint64_t step) {
    const ls_value values[] = {
        {"loss", 0.71, NULL}, {"learning_rate", 0.05, NULL}, {"samples_per_second", 48000, NULL}};
    const ls_event event = {.event = "step", .step = step, .epoch = step / 10, .count = 3, .values = values};
    assert_works(ls_journal_write(journal, &event));
}

static void write_eval(ls_journal *journal, uint64_t step) {
    const ls_value values[] = {{"loss", 0.4, NULL}, {"accuracy", 0.88, NULL}};
    const ls_event event = {
        .event = "eval", .step = step, .epoch = step / 10, .set = "valid", .count = 2, .values = values};
    assert_works(ls_journal_write(journal, &event));
}

static char *contents(const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = calloc(1, 65536);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, file) < 65535);
    fclose(file);
    return text;
}

static void append(const char *path, const char *text) {
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void lines_are_as_documented(void **state) {
    fixture *f = *state;
    ls_journal *journal = NULL;
    assert_works(ls_journal_open(f->path, LS_REPORT_KEEP_NONE, &journal));
    write_step(journal, 20);
    write_eval(journal, 23);
    assert_works(ls_journal_close(journal));
    char *text = contents(f->path);
    assert_string_equal(text, "{\"event\":\"step\",\"step\":20,\"epoch\":2,\"loss\":0.71,\"learning_rate\":0.05,"
                              "\"samples_per_second\":48000.0}\n"
                              "{\"event\":\"eval\",\"step\":23,\"epoch\":2,\"set\":\"valid\",\"loss\":0.4,"
                              "\"accuracy\":0.88}\n");
    free(text);
}

static void numbers_are_short_and_read_back(void **state) {
    (void)state;
    char text[32];
    assert_string_equal(ls_report_number(0.1, text), "0.1");
    assert_string_equal(ls_report_number(-3, text), "-3.0");
    assert_string_equal(ls_report_number(1e22, text), "1e+22");
    assert_string_equal(ls_report_number((double)NAN, text), "null");
    assert_string_equal(ls_report_number(-(double)INFINITY, text), "null");
    for (uint64_t i = 0; i < 2000; i++) {
        double number = support_random(7, i) * pow(10, 300 * support_random(8, i));
        assert_true(strtod(ls_report_number(number, text), NULL) == number);
    }
    assert_string_equal(ls_report_number(-2.2250738585072014e-308, text), "-2.2250738585072014e-308");
}

static void what_is_not_finite_is_null_and_texts_are_escaped(void **state) {
    fixture *f = *state;
    ls_journal *journal = NULL;
    assert_works(ls_journal_open(f->path, LS_REPORT_KEEP_ALL, &journal));
    const ls_value values[] = {{"loss", (double)NAN, NULL}, {"path", 0, "a \"b\"\\\n\xc3\xa4"}, {"bad", 0, "x\xff"}};
    const ls_event event = {.event = "save", .step = 3, .count = 3, .values = values};
    assert_works(ls_journal_write(journal, &event));
    assert_works(ls_journal_close(journal));
    char *text = contents(f->path);
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    assert_true(json_is_null(json_object_get(object, "loss")));
    assert_string_equal(json_string_value(json_object_get(object, "path")), "a \"b\"\\\n\xc3\xa4");
    assert_string_equal(json_string_value(json_object_get(object, "bad")), "x?");
    json_decref(object);
    free(text);
}

typedef struct seen {
    size_t events, evaluations;
    uint64_t last_step;
    double accuracy;
} seen;

static ls_status look(void *context, const ls_event *event) {
    seen *s = context;
    s->events++;
    s->last_step = event->step;
    if (event->set && strcmp(event->set, "valid") == 0) {
        s->evaluations++;
        s->accuracy = ls_event_number(event, "accuracy");
        assert_true(isnan(ls_event_number(event, "penalty")));
    }
    return LS_OK;
}

static seen read_all(const char *path) {
    seen s = {0};
    assert_works(ls_journal_read(path, look, &s));
    return s;
}

static void write_forty(const char *path) {
    ls_journal *journal = NULL;
    assert_works(ls_journal_open(path, LS_REPORT_KEEP_NONE, &journal));
    for (uint64_t step = 1; step <= 40; step++) {
        write_step(journal, step);
        if (step % 10 == 0) write_eval(journal, step);
    }
    assert_works(ls_journal_close(journal));
}

static void what_was_written_is_read(void **state) {
    fixture *f = *state;
    write_forty(f->path);
    seen s = read_all(f->path);
    assert_int_equal(s.events, 44);
    assert_int_equal(s.evaluations, 4);
    assert_int_equal(s.last_step, 40);
    assert_true(s.accuracy == 0.88);
}

static void resuming_cuts_to_the_step_and_goes_on(void **state) {
    fixture *f = *state;
    write_forty(f->path);
    ls_journal *journal = NULL;
    assert_works(ls_journal_open(f->path, 20, &journal));
    seen s = read_all(f->path);
    assert_int_equal(s.events, 22); /* the evaluation of step 20 stays */
    assert_int_equal(s.last_step, 20);
    write_step(journal, 21);
    assert_works(ls_journal_close(journal));
    assert_int_equal(read_all(f->path).events, 23);
    assert_works(ls_journal_open(f->path, LS_REPORT_KEEP_NONE, &journal));
    assert_works(ls_journal_close(journal));
    assert_int_equal(read_all(f->path).events, 0);
}

static void a_torn_line_is_passed_over_and_removed(void **state) {
    fixture *f = *state;
    write_forty(f->path);
    append(f->path, "{\"event\":\"step\",\"st");
    assert_int_equal(read_all(f->path).events, 44);
    assert_works(ls_journal_truncate(f->path, LS_REPORT_KEEP_ALL));
    char *text = contents(f->path);
    assert_true(text[strlen(text) - 1] == '\n');
    free(text);
    append(f->path, "{\"event\":\"step\",\"step\":41}"); /* whole but for its end: it may be 410 */
    assert_works(ls_journal_truncate(f->path, 100));
    assert_int_equal(read_all(f->path).events, 44);
}

static void a_bad_line_is_refused_with_its_place(void **state) {
    fixture *f = *state;
    append(f->path, "{\"event\":\"step\",\"step\":1}\n{\"step\":2}\n");
    seen s = {0};
    assert_refuses(ls_journal_read(f->path, look, &s), LS_ERR_DATA, "metrics.jsonl:2: no event");
    append(f->path, "nonsense\n");
    assert_works(ls_journal_truncate(f->path, 5)); /* a run that goes on leaves only events behind */
    assert_int_equal(read_all(f->path).events, 1);
}

static ls_status refuse(void *context, const ls_event *event) {
    (void)context;
    return LS_FAIL(LS_ERR_DATA, "enough at %d", (int)event->step);
}

static void failures_are_passed_on(void **state) {
    fixture *f = *state;
    write_forty(f->path);
    assert_refuses(ls_journal_read(f->path, refuse, NULL), LS_ERR_DATA, "enough at 1");
    assert_refuses(ls_journal_read(support_path(f->folder, "none"), look, NULL), LS_ERR_IO, "none: cannot be opened");
    assert_works(ls_journal_truncate(support_path(f->folder, "none"), 3));
    ls_journal *journal = NULL;
    assert_refuses(ls_journal_open(support_path(f->folder, "no/folder"), 3, &journal), LS_ERR_IO, "no/folder");
    assert_null(journal);
    assert_works(ls_journal_open("/dev/full", LS_REPORT_KEEP_ALL, &journal));
    const ls_event event = {.event = "start"};
    assert_refuses(ls_journal_write(journal, &event), LS_ERR_IO, "/dev/full: cannot be written: No space left");
    assert_refuses(ls_journal_close(journal), LS_ERR_IO, "/dev/full: cannot be written"); /* the line that waits */
}

/* A file that may not grow takes a part of a line; what is left follows when it may. */
static void lines_wait_for_room(void **state) {
    fixture *f = *state;
    ls_journal *journal;
    struct rlimit usual, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &usual), 0);
    small = usual;
    signal(SIGXFSZ, SIG_IGN);
    assert_works(ls_journal_open(f->path, LS_REPORT_KEEP_NONE, &journal));
    write_step(journal, 1);
    small.rlim_cur = 110; /* less than two lines */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const ls_value loss = {"loss", 0.25, NULL};
    const ls_event event = {.event = "step", .step = 2, .epoch = 0, .count = 1, .values = &loss};
    char text[] = "{\"event\":\"samples\",\"step\":3,\"epoch\":0}\n";
    const ls_text line = {.bytes = text, .length = strlen(text)};
    for (int i = 0; i < 3; i++) assert_refuses(ls_journal_write(journal, &event), LS_ERR_IO, "cannot be written");
    assert_refuses(ls_journal_write_line(journal, &line), LS_ERR_IO, "cannot be written");
    assert_true(ls_journal_waiting(journal) > 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &usual), 0);
    signal(SIGXFSZ, SIG_DFL);
    write_eval(journal, 4);
    assert_int_equal(ls_journal_waiting(journal), 0);
    assert_works(ls_journal_close(journal));
    seen s = read_all(f->path);
    assert_int_equal(s.events, 6);
    assert_int_equal(s.last_step, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_are_as_documented, set_up, tear_down),
        cmocka_unit_test(numbers_are_short_and_read_back),
        cmocka_unit_test_setup_teardown(what_is_not_finite_is_null_and_texts_are_escaped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_written_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(resuming_cuts_to_the_step_and_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_torn_line_is_passed_over_and_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_line_is_refused_with_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_are_passed_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_wait_for_room, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
