#include "support.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lockstep/report.h"

static const ls_run_state training = {.phase = "training",
                                      .step = 120,
                                      .steps = 690,
                                      .epoch = 3,
                                      .epochs = 30,
                                      .loss = 0.4123,
                                      .samples_per_second = 48000,
                                      .remaining = 80};

static void a_line_says_where_training_stands(void **state) {
    (void)state;
    char line[256];
    assert_string_equal(ls_run_state_line(&training, line, sizeof line),
                        "epoch 3/30  step 120/690  loss 0.4123  48000 samples/s  left 1m20s");
    ls_run_state unknown = training;
    unknown.phase = "evaluating";
    unknown.steps = unknown.epochs = 0;
    unknown.loss = unknown.samples_per_second = unknown.remaining = (double)NAN;
    assert_string_equal(ls_run_state_line(&unknown, line, sizeof line), "evaluating  epoch 3  step 120");
    assert_string_equal(ls_run_state_line(&training, line, 8), "epoch 3");
}

static void seconds_are_short(void **state) {
    (void)state;
    const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0.0s"},        {0.44, "0.4s"},          {9.94, "9.9s"},  {9.96, "10s"},     {59.4, "59s"},
                 {59.6, "1m00s"},    {185, "3m05s"},          {7440, "2h04m"}, {266400, "3d02h"}, {-1, "?"},
                 {(double)NAN, "?"}, {(double)INFINITY, "?"}, {1e300, "?"}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        char text[24];
        assert_string_equal(ls_report_seconds(cases[c].seconds, text), cases[c].text);
    }
}

/* What a display writes when it is updated twice a second for `seconds`. */
static char *shown(ls_display_mode mode, double interval, int seconds) {
    char *text = NULL;
    size_t size = 0;
    FILE *output = open_memstream(&text, &size);
    assert_non_null(output);
    ls_display *display = NULL;
    assert_works(ls_display_create(output, mode, interval, &display));
    for (int tick = 0; tick <= 2 * seconds; tick++) ls_display_update(display, &training, 1000 + 0.5 * tick);
    ls_display_destroy(display);
    fclose(output);
    return text;
}

static size_t count_of(const char *text, const char *part) {
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) count++;
    return count;
}

static void lines_come_at_their_interval(void **state) {
    (void)state;
    char *text = shown(LS_DISPLAY_LINES, 10, 35);
    assert_int_equal(count_of(text, "\n"), 3);
    assert_int_equal(count_of(text, "epoch 3/30"), 3);
    assert_int_equal(count_of(text, "\r"), 0);
    free(text);
    text = shown(LS_DISPLAY_NONE, 1, 35);
    assert_string_equal(text, "");
    free(text);
}

static void a_bar_is_redrawn_in_place_and_taken_away(void **state) {
    (void)state;
    char *text = shown(LS_DISPLAY_BAR, 10, 2);
    assert_int_equal(count_of(text, "\n"), 0);
    assert_int_equal(count_of(text, "[####................]  17%"), 4);
    assert_string_equal(text + strlen(text) - 4, "\r\033[K");
    free(text);
}

/* A pseudoterminal with this many columns. */
static FILE *terminal(unsigned short columns, int *master) {
    *master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(*master >= 0 && grantpt(*master) == 0 && unlockpt(*master) == 0);
    FILE *output = fopen(ptsname(*master), "w");
    assert_non_null(output);
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    assert_int_equal(ioctl(fileno(output), TIOCSWINSZ, &size), 0);
    return output;
}

static bool draws_bar(FILE *output) {
    ls_display *display = NULL;
    assert_works(ls_display_create(output, LS_DISPLAY_AUTO, 10, &display));
    bool bar = ls_display_is_bar(display);
    ls_display_destroy(display);
    return bar;
}

static void only_a_terminal_of_its_own_gets_a_bar(void **state) {
    (void)state;
    static const char *const variables[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "SLURM_STEP_ID"};
    for (size_t v = 0; v < 3; v++) unsetenv(variables[v]);
    int wide_master, narrow_master;
    FILE *wide = terminal(100, &wide_master), *none = terminal(0, &narrow_master);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_true(draws_bar(wide));
    assert_true(!draws_bar(none)); /* what a launcher gives its ranks */
    assert_true(!draws_bar(file));
    for (size_t v = 0; v < 3; v++) {
        setenv(variables[v], "1", 1);
        assert_true(!draws_bar(wide));
        unsetenv(variables[v]);
    }
    fclose(wide);
    fclose(none);
    fclose(file);
    close(wide_master);
    close(narrow_master);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_where_training_stands),
        cmocka_unit_test(seconds_are_short),
        cmocka_unit_test(lines_come_at_their_interval),
        cmocka_unit_test(a_bar_is_redrawn_in_place_and_taken_away),
        cmocka_unit_test(only_a_terminal_of_its_own_gets_a_bar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
