/*
 * Every system call of a write fails once, in each way, and the process dies before each: the target is then the old
 * file or the new one, whole, and a failure has words.
 */
#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "lockstep/store.h"

enum { COUNT = 30000, PAGES = 40 };

static char *folder, *path;

static int make_folder(void **state) {
    (void)state;
    folder = support_make_folder();
    path = strdup(support_path(folder, "a.h5"));
    return path == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    support_remove_folder(folder);
    free(path);
    return 0;
}

static ls_status fill_all(ls_store_writer *writer, uint64_t seed) {
    size_t x, y, z, t;
    static _Alignas(LS_STORE_PAGE) char pages[PAGES * LS_STORE_PAGE]; /* written past the page cache */
    memset(pages, (int)seed, sizeof pages);
    float *values = malloc(COUNT * sizeof *values);
    for (size_t i = 0; i < COUNT; i++) values[i] = (float)support_random(seed, i);
    ls_status status =
        ls_store_add(writer, "/parameters/a/weight", LS_DTYPE_F32, 2, (size_t[]){COUNT / 10, 10}, LS_PART_STATE, &x);
    if (status == LS_OK) status = ls_store_add_blocks(writer, x);
    if (status == LS_OK) status = ls_store_add(writer, "/state/step", LS_DTYPE_U64, 0, NULL, LS_PART_STATE, &y);
    if (status == LS_OK) status = ls_store_add_text(writer, "/config", 6, 0, LS_PART_STATE, &t);
    if (status == LS_OK)
        status = ls_store_add(writer, "/state/z", LS_DTYPE_U8, 1, (size_t[]){sizeof pages}, LS_PART_STATE, &z);
    if (status == LS_OK) status = ls_store_seal(writer);
    if (status == LS_OK) status = ls_store_fill(writer, z, 0, pages, sizeof pages);
    if (status == LS_OK) status = ls_store_append(writer, x, values, COUNT / 20);
    if (status == LS_OK) status = ls_store_append(writer, x, values + COUNT / 2, COUNT / 20);
    if (status == LS_OK) status = ls_store_fill(writer, y, 0, &seed, sizeof seed);
    if (status == LS_OK) status = ls_store_fill(writer, t, 0, "config", 6);
    if (status == LS_OK) status = ls_store_commit(writer, NULL, NULL);
    free(values);
    return status;
}

static ls_status write_file(uint64_t seed) {
    ls_store_writer *writer;
    LS_TRY(ls_store_create(path, "g1", &writer));
    ls_status status = fill_all(writer, seed);
    ls_store_writer_destroy(writer);
    return status;
}

/* Which of the files it is; fails where it is none, whole. */
static uint64_t seed_of(void) {
    ls_store *store;
    int64_t seed;
    assert_works(ls_store_verify(path, NULL));
    assert_works(ls_store_open(path, &store));
    assert_works(ls_store_get_integer(store, "/state/step", &seed));
    ls_store_close(store);
    return (uint64_t)seed;
}

static size_t files_in_folder(void) {
    size_t count = 0;
    DIR *entries = opendir(folder);
    for (struct dirent *entry; (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) count++;
    closedir(entries);
    return count;
}

static long count_calls(void) {
    assert_works(write_file(1));
    faults_begin(FAULTS_COUNT, 0);
    assert_works(write_file(1));
    long calls = faults_end();
    assert_true(calls > 15);
    return calls;
}

static void fail_each(faults_kind kind, bool must_work) {
    long calls = count_calls(), failures = 0;
    for (long call = 0; call < calls; call++) {
        assert_works(write_file(1));
        faults_begin(kind, call);
        ls_status status = write_file(2);
        faults_end();
        uint64_t seed = seed_of();
        if (status == LS_OK) {
            assert_int_equal(seed, 2);
        } else {
            failures++;
            assert_int_equal(ls_status_code(status), LS_ERR_IO);
            assert_non_null(strstr(ls_status_message(status), folder));
            assert_true(seed == 1 || strstr(ls_status_message(status), "cannot force the folder"));
        }
        ls_status_free(status);
        /* Only where taking the temporary file away was what failed may it be left. */
        assert_true(files_in_folder() == 1 || (kind != FAULTS_CORRUPT && files_in_folder() == 2));
        unlink(support_path(folder, ".a.h5.g1.tmp"));
    }
    if (must_work)
        assert_int_equal(failures, 0);
    else
        assert_true(failures > 5);
}

static void a_call_that_fails_leaves_the_old_file(void **state) {
    (void)state;
    fail_each(FAULTS_FAIL, false);
}

static void a_disk_that_fills_up_leaves_the_old_file(void **state) {
    (void)state;
    fail_each(FAULTS_FULL, false);
}

static void a_short_write_is_continued(void **state) {
    (void)state;
    fail_each(FAULTS_SHORT, true);
}

static void a_write_that_flips_a_bit_is_noticed(void **state) {
    (void)state;
    fail_each(FAULTS_CORRUPT, false);
}

static void a_crash_leaves_the_old_file_or_the_new_one(void **state) {
    (void)state;
    long calls = count_calls();
    bool seen_old = false, seen_new = false;
    for (long call = 0; call < calls; call++) {
        assert_works(write_file(1));
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            faults_begin(FAULTS_DIE, call);
            ls_status_free(write_file(2));
            _exit(0);
        }
        int ended;
        assert_int_equal(waitpid(child, &ended, 0), child);
        assert_true(WIFEXITED(ended) && WEXITSTATUS(ended) == 99);
        uint64_t seed = seed_of();
        assert_true(seed == 1 || seed == 2);
        seen_old |= seed == 1;
        seen_new |= seed == 2;
    }
    assert_true(seen_old && seen_new);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_call_that_fails_leaves_the_old_file),
        WITH_FOLDER(a_disk_that_fills_up_leaves_the_old_file),
        WITH_FOLDER(a_short_write_is_continued),
        WITH_FOLDER(a_write_that_flips_a_bit_is_noticed),
        WITH_FOLDER(a_crash_leaves_the_old_file_or_the_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
