#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/logger.h"

/* Two streams in memory stand for the terminal. */
typedef struct streams {
    char *errors, *output;
    size_t errors_length, output_length;
    ls_logger_options options;
} streams;

static int open_streams(void **state) {
    static streams s;
    s = (streams){0};
    s.options.terminal = open_memstream(&s.errors, &s.errors_length);
    s.options.output = open_memstream(&s.output, &s.output_length);
    s.options.threshold = LS_LOG_INFO;
    s.options.speaks = true;
    *state = &s;
    return !s.options.terminal || !s.options.output;
}

static int close_streams(void **state) {
    streams *s = *state;
    fclose(s->options.terminal);
    fclose(s->options.output);
    free(s->errors);
    free(s->output);
    return 0;
}

static void say_one_of_each(const streams *s) {
    ls_logger *logger = NULL;
    assert_works(ls_logger_create(&s->options, &logger));
    ls_logger_say(logger, LS_LOG_DEBUG, "d %d", 1);
    ls_logger_say(logger, LS_LOG_INFO, "i %d", 2);
    ls_logger_say(logger, LS_LOG_WARNING, "w %d", 3);
    ls_logger_say(logger, LS_LOG_ERROR, "e %d", 4);
    ls_logger_destroy(logger);
}

static void lines_go_where_they_belong(void **state) {
    streams *s = *state;
    say_one_of_each(s);
    assert_string_equal(s->output, "i 2\n");
    assert_string_equal(s->errors, "lockstep: warning: w 3\nlockstep: error: e 4\n");
}

static void the_threshold_keeps_lines_off_the_terminal(void **state) {
    streams *s = *state;
    s->options.threshold = LS_LOG_ERROR;
    say_one_of_each(s);
    fflush(s->options.output);
    assert_string_equal(s->output, "");
    assert_string_equal(s->errors, "lockstep: error: e 4\n");
}

static void other_ranks_say_only_errors(void **state) {
    streams *s = *state;
    s->options.speaks = false;
    say_one_of_each(s);
    fflush(s->options.output);
    assert_string_equal(s->output, "");
    assert_string_equal(s->errors, "lockstep: error: e 4\n");
}

static void the_file_gets_every_line_and_is_appended_to(void **state) {
    streams *s = *state;
    char *folder = support_make_folder(), text[512] = "";
    const char *path = support_path(folder, "log.txt");
    s->options.threshold = LS_LOG_ERROR;
    for (int run = 0; run < 2; run++) {
        ls_logger *logger = NULL;
        assert_works(ls_logger_create(&s->options, &logger));
        assert_works(ls_logger_open_file(logger, path));
        ls_logger_say(logger, LS_LOG_DEBUG, "line %d", run);
        ls_logger_destroy(logger);
    }
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    assert_true(length > 0);
    assert_non_null(strstr(text, "Z debug: line 0\n"));
    assert_non_null(strstr(text, "Z debug: line 1\n"));
    support_remove_folder(folder);
}

static void a_file_that_cannot_be_written_is_refused(void **state) {
    streams *s = *state;
    ls_logger *logger = NULL;
    assert_works(ls_logger_create(&s->options, &logger));
    assert_refuses(ls_logger_open_file(logger, "/nowhere/at/all/log.txt"), LS_ERR_IO, "cannot be opened for writing");
    ls_logger_destroy(logger);
}

static void a_failure_is_said_once_by_one(void **state) {
    streams *s = *state;
    ls_logger *logger = NULL;
    assert_works(ls_logger_create(&s->options, &logger));
    ls_status reported = ls_status_reported(2), wrong = LS_FAIL(LS_ERR_CONFIG, "a.yaml:1:1: wrong");
    ls_logger_failure(logger, reported);
    ls_logger_failure(logger, LS_OK);
    ls_logger_failure(logger, wrong);
    assert_string_equal(s->errors, "lockstep: error: a.yaml:1:1: wrong\n");
    ls_status_free(reported);
    ls_status_free(wrong);
    ls_logger_destroy(logger);
}

static void no_logger_is_quiet(void **state) {
    (void)state;
    ls_logger_say(NULL, LS_LOG_ERROR, "nobody hears");
    ls_logger_failure(NULL, LS_OK);
    ls_logger_destroy(NULL);
    assert_false(ls_logger_speaks(NULL));
}

static void no_terminal_is_quiet(void **state) {
    (void)state;
    const ls_logger_options nowhere = {.threshold = LS_LOG_DEBUG, .speaks = true};
    ls_logger *logger = NULL;
    assert_works(ls_logger_create(&nowhere, &logger));
    ls_status wrong = LS_FAIL(LS_ERR_CONFIG, "a.yaml:1:1: wrong");
    ls_logger_failure(logger, wrong);
    ls_status_free(wrong);
    ls_logger_destroy(logger);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_streams, close_streams)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(lines_go_where_they_belong),
        TEST(the_threshold_keeps_lines_off_the_terminal),
        TEST(other_ranks_say_only_errors),
        TEST(the_file_gets_every_line_and_is_appended_to),
        TEST(a_file_that_cannot_be_written_is_refused),
        TEST(a_failure_is_said_once_by_one),
        TEST(no_logger_is_quiet),
        TEST(no_terminal_is_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
