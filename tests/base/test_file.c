#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockstep/file.h"

static int make_folder(void **state) {
    *state = support_make_folder();
    FILE *file = fopen(support_path(*state, "a"), "w");
    assert_non_null(file);
    assert_true(fputs("old", file) >= 0);
    fclose(file);
    return 0;
}

static int remove_folder(void **state) {
    support_remove_folder(*state);
    return 0;
}

/* The file "a" holds `text`, and nothing has been left beside it. */
static void assert_holds(const char *folder, const char *text) {
    char bytes[16] = "";
    FILE *file = fopen(support_path(folder, "a"), "r");
    assert_non_null(file);
    assert_true(fread(bytes, 1, sizeof bytes - 1, file) > 0);
    fclose(file);
    assert_string_equal(bytes, text);
    assert_int_not_equal(access(support_path(folder, "a.new"), F_OK), 0);
}

static void a_file_is_the_old_one_or_the_new_one(void **state) {
    ls_new_file file;
    assert_works(ls_new_file_open(&file, support_path(*state, "a")));
    assert_works(ls_new_file_write(&file, "ne", 2));
    assert_int_equal(access(support_path(*state, "a.new"), F_OK), 0);
    fputs("w", file.stream);
    assert_works(ls_new_file_finish(&file, LS_OK, true));
    assert_holds(*state, "new");
}

static void a_failure_leaves_the_old_file(void **state) {
    ls_new_file file;
    assert_works(ls_new_file_open(&file, support_path(*state, "a")));
    assert_works(ls_new_file_write(&file, "new", 3));
    assert_refuses(ls_new_file_finish(&file, LS_FAIL(LS_ERR_DATA, "no such numbers"), true), LS_ERR_DATA, "no such");
    assert_holds(*state, "old");
}

/* What is written waits in a buffer; the disk tells at the end that it is full. */
static void a_full_disk_leaves_the_old_file(void **state) {
    ls_new_file file;
    assert_int_equal(symlink("/dev/full", support_path(*state, "a.new")), 0);
    assert_works(ls_new_file_open(&file, support_path(*state, "a")));
    assert_works(ls_new_file_write(&file, "new", 3));
    assert_refuses(ls_new_file_finish(&file, LS_OK, false), LS_ERR_IO, "a: cannot be written: No space left");
    assert_holds(*state, "old");
}

static void what_cannot_be_opened_is_refused(void **state) {
    ls_new_file file;
    assert_refuses(ls_new_file_open(&file, support_path(*state, "no/a")), LS_ERR_IO, "no/a: cannot be opened");
    char path[5000];
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_refuses(ls_new_file_open(&file, path), LS_ERR_IO, "the path is too long");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_the_old_one_or_the_new_one),
        TEST(a_failure_leaves_the_old_file),
        TEST(a_full_disk_leaves_the_old_file),
        TEST(what_cannot_be_opened_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
