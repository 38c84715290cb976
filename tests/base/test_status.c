#include "support.h"

#include <string.h>

static ls_status inner(void) {
    return LS_FAIL(LS_ERR_IO, "%s: cannot open", "a.h5");
}

static ls_status outer(void) {
    LS_TRY(inner());
    return LS_OK;
}

static void success_is_null_and_quiet(void **state) {
    (void)state;
    assert_null(LS_OK);
    assert_int_equal(ls_status_code(LS_OK), LS_ERR_NONE);
    assert_string_equal(ls_status_message(LS_OK), "");
    assert_int_equal(ls_status_exit(LS_OK), 0);
    ls_status_free(LS_OK);
}

static void a_failure_keeps_its_words_and_gathers_places(void **state) {
    (void)state;
    ls_status status = outer();
    assert_string_equal(ls_status_message(status), "a.h5: cannot open");
    assert_non_null(strstr(ls_status_trail(status), "inner (test_status.c:"));
    assert_non_null(strstr(ls_status_trail(status), "\nouter (test_status.c:"));
    assert_int_equal(ls_status_exit(status), 74);
    ls_status_free(status);
}

static void a_prefix_stands_before_the_sentence(void **state) {
    (void)state;
    assert_refuses(ls_status_prefix(inner(), "rank %d", 3), LS_ERR_IO, "rank 3: a.h5: cannot open");
    assert_works(ls_status_prefix(LS_OK, "nothing"));
}

static void the_first_of_two_failures_wins(void **state) {
    (void)state;
    assert_refuses(ls_status_first(inner(), LS_FAIL(LS_ERR_DATA, "second")), LS_ERR_IO, "a.h5");
    assert_refuses(ls_status_first(LS_OK, LS_FAIL(LS_ERR_DATA, "second")), LS_ERR_DATA, "second");
}

static void every_code_has_the_documented_exit(void **state) {
    (void)state;
    assert_int_equal(ls_code_exit(LS_ERR_CONFIG), 2);
    assert_int_equal(ls_code_exit(LS_ERR_DATA), 2);
    assert_int_equal(ls_code_exit(LS_ERR_NUMERIC), 3);
    assert_int_equal(ls_code_exit(LS_ERR_USAGE), 64);
    assert_int_equal(ls_code_exit(LS_ERR_STOPPED), 75);
    assert_int_equal(ls_code_exit(LS_ERR_MEMORY), 1);
    ls_status status = ls_status_reported(74);
    assert_int_equal(ls_status_exit(status), 74);
    ls_status_free(status);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_is_null_and_quiet),
        cmocka_unit_test(a_failure_keeps_its_words_and_gathers_places),
        cmocka_unit_test(a_prefix_stands_before_the_sentence),
        cmocka_unit_test(the_first_of_two_failures_wins),
        cmocka_unit_test(every_code_has_the_documented_exit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
