/* What needs no ranks: items, when to save, the lock, names, links and what stays, finding. */
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoint/folder.h"
#include "checkpoint/items.h"

static char *folder;

static int make_folder(void **state) {
    (void)state;
    folder = support_make_folder();
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    support_remove_folder(folder);
    return 0;
}

/* ---- items ------------------------------------------------------------------------------------------------------ */

static void items_keep_what_they_are_given(void **state) {
    (void)state;
    ls_items *items, *copy;
    const double reals[3] = {1.5, -0.0, 1e300};
    const uint64_t counts[2] = {1, UINT64_MAX};
    assert_works(ls_items_create(&items));
    assert_works(ls_items_add_count(items, "/state/step", 12));
    assert_works(ls_items_add_real(items, "/state/loss", 0.25));
    assert_works(ls_items_add_text(items, "/provenance/kernels", "exact-avx2"));
    assert_works(ls_items_add_text(items, "/state/nothing", ""));
    assert_works(ls_items_add_reals(items, "/state/reals", reals, 3));
    assert_works(ls_items_add_counts(items, "/state/counts", counts, 2));
    ls_text bytes = {0};
    assert_works(ls__items_encode(items, &bytes));
    assert_works(ls_items_create(&copy));
    assert_works(ls__items_decode(bytes.bytes, bytes.length, copy));
    ls_text_free(&bytes);
    ls_items_destroy(items);
    uint64_t count, two[2];
    double real, three[3];
    char *text;
    assert_int_equal(ls_items_count(copy), 6);
    assert_works(ls_items_get_count(copy, "/state/step", &count));
    assert_works(ls_items_get_real(copy, "/state/loss", &real));
    assert_works(ls_items_get_reals(copy, "/state/reals", three, 3));
    assert_works(ls_items_get_counts(copy, "/state/counts", two, 2));
    assert_true(count == 12 && real == 0.25 && memcmp(three, reals, sizeof reals) == 0 && two[1] == UINT64_MAX);
    assert_works(ls_items_get_text(copy, "/provenance/kernels", &text));
    assert_string_equal(text, "exact-avx2");
    free(text);
    assert_works(ls_items_get_text(copy, "/state/nothing", &text));
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(ls_items_find(copy, "/state/step")->part, LS_PART_STATE);
    assert_int_equal(ls_items_find(copy, "/provenance/kernels")->part, LS_PART_OTHER);
    assert_refuses(ls_items_get_count(copy, "/state/epoch", &count), LS_ERR_DATA, "holds no /state/epoch");
    assert_refuses(ls_items_get_real(copy, "/state/step", &real), LS_ERR_DATA, "uint64");
    assert_refuses(ls_items_get_reals(copy, "/state/reals", three, 2), LS_ERR_DATA, "24 bytes");
    assert_refuses(ls_items_get_text(copy, "/state/step", &text), LS_ERR_DATA, "where text is needed");
    ls_items_destroy(copy);
    ls_items_destroy(NULL);
}

/* ---- when ------------------------------------------------------------------------------------------------------- */

static bool due(double every, ls_unit unit, ls_checkpoint_position last, ls_checkpoint_position now) {
    const ls_checkpoint_options options = {.every = {every, unit}};
    return ls_checkpoint_due(&options, last, now);
}

static void saves_are_due_at_multiples(void **state) {
    (void)state;
    const ls_checkpoint_position none = {0};
    assert_false(due(100, LS_UNIT_STEPS, none, (ls_checkpoint_position){.step = 99}));
    assert_true(due(100, LS_UNIT_STEPS, none, (ls_checkpoint_position){.step = 100}));
    assert_true(due(100, LS_UNIT_STEPS, (ls_checkpoint_position){.step = 150}, (ls_checkpoint_position){.step = 200}));
    assert_false(due(100, LS_UNIT_STEPS, (ls_checkpoint_position){.step = 100}, (ls_checkpoint_position){.step = 100}));
    assert_false(due(2, LS_UNIT_EPOCHS, none, (ls_checkpoint_position){.epochs = 1}));
    assert_true(due(2, LS_UNIT_EPOCHS, (ls_checkpoint_position){.epochs = 1}, (ls_checkpoint_position){.epochs = 2}));
    assert_true(due(0.5, LS_UNIT_EPOCHS, none, (ls_checkpoint_position){.epochs = 0.5}));
    const ls_checkpoint_position then = {.seconds = 100};
    assert_false(due(60, LS_UNIT_SECONDS, then, (ls_checkpoint_position){.seconds = 159}));
    assert_true(due(60, LS_UNIT_SECONDS, then, (ls_checkpoint_position){.seconds = 160}));
}

static void the_defaults_are_those_of_the_reference(void **state) {
    (void)state;
    ls_pool *pool;
    ls_checkpoint_options options = {0};
    assert_works(ls_pool_create(&pool));
    assert_works(ls_options_bind(ls_checkpoint_rows, "checkpoint", NULL, pool, &options));
    assert_true(options.every.value == 1 && options.every.unit == LS_UNIT_EPOCHS);
    assert_int_equal(options.keep, 3);
    assert_string_equal(options.best, "valid.loss");
    assert_false(options.best_given);
    ls_pool_destroy(pool);
}

/* ---- the lock --------------------------------------------------------------------------------------------------- */

static void each_start_raises_the_generation(void **state) {
    (void)state;
    ls_run_lock *lock;
    for (uint64_t generation = 1; generation < 4; generation++) {
        assert_works(ls_run_lock_create(folder, "job 7", &lock));
        assert_int_equal(ls_run_lock_generation(lock), generation);
        assert_works(ls_run_lock_check(lock));
        ls_run_lock_destroy(lock);
    }
}

static void a_second_job_is_refused_while_the_first_lives(void **state) {
    (void)state;
    ls_run_lock *lock, *second;
    assert_works(ls_run_lock_create(folder, "4711", &lock));
    assert_refuses(ls_run_lock_create(folder, "", &second), LS_ERR_IO, "another job runs in this folder");
    assert_null(second);
    /* Looking at the lock does not give it back. */
    assert_works(ls_run_lock_check(lock));
    assert_refuses(ls_run_lock_create(folder, "", &second), LS_ERR_IO, ", job 4711");
    ls_run_lock_destroy(lock);
    assert_works(ls_run_lock_create(folder, "", &second));
    assert_int_equal(ls_run_lock_generation(second), 2);
    ls_run_lock_destroy(second);
}

static void a_dead_job_holds_no_lock(void **state) {
    (void)state;
    ls_run_lock *lock;
    pid_t child = fork();
    if (child == 0) {
        ls_status_free(ls_run_lock_create(folder, "", &lock));
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_works(ls_run_lock_create(folder, "", &lock));
    assert_int_equal(ls_run_lock_generation(lock), 2);
    ls_run_lock_destroy(lock);
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_stale_holder_learns_who_took_over(void **state) {
    (void)state;
    ls_run_lock *lock;
    assert_works(ls_run_lock_create(folder, "", &lock));
    write_text(support_path(folder, "run.lock"), "9 node17 1234 job\n");
    assert_refuses(ls_run_lock_check(lock), LS_ERR_RUNTIME, "process 1234 on node17 has taken over");
    unlink(support_path(folder, "run.lock"));
    assert_works(ls_run_lock_check(lock));
    /* Whoever starts in a folder that was removed and made anew begins with generation 1, as this holder did. */
    write_text(support_path(folder, "run.lock"), "");
    assert_works(ls_run_lock_check(lock));
    write_text(support_path(folder, "run.lock"), "1 node17 1234 job\n");
    assert_refuses(ls_run_lock_check(lock), LS_ERR_RUNTIME, "process 1234 on node17 has taken over");
    ls_run_lock_destroy(lock);
    write_text(support_path(folder, "run.lock"), "gibberish");
    assert_refuses(ls_run_lock_create(folder, "", &lock), LS_ERR_IO, "makes no sense");
}

/* ---- what stays ------------------------------------------------------------------------------------------------- */

/* A whole checkpoint, of one parameter, that says of itself what it is asked to. */
static void write_as(const char *path, uint64_t step, uint64_t format) {
    const float weight = 0.5f;
    ls_store_writer *writer;
    size_t index[4];
    assert_works(ls_store_create(path, NULL, &writer));
    assert_works(ls_store_add(writer, "/state/step", LS_DTYPE_U64, 0, NULL, LS_PART_STATE, &index[0]));
    assert_works(ls_store_add(writer, "/provenance/format", LS_DTYPE_U64, 0, NULL, LS_PART_OTHER, &index[1]));
    assert_works(ls_store_add(writer, "/parameters/dense_1/bias", LS_DTYPE_F32, 0, NULL, LS_PART_STATE, &index[2]));
    assert_works(ls_store_add_text(writer, "/config", 2, 0, LS_PART_OTHER, &index[3]));
    assert_works(ls_store_seal(writer));
    assert_works(ls_store_fill(writer, index[0], 0, &step, sizeof step));
    assert_works(ls_store_fill(writer, index[1], 0, &format, sizeof format));
    assert_works(ls_store_fill(writer, index[2], 0, &weight, sizeof weight));
    assert_works(ls_store_fill(writer, index[3], 0, "{}", 2));
    assert_works(ls_store_commit(writer, NULL, NULL));
    ls_store_writer_destroy(writer);
}

static void write_checkpoint(const char *where, uint64_t step) {
    char name[32];
    write_as(support_path(where, ls_checkpoint_name(step, name, sizeof name)), step, LS_CHECKPOINT_FORMAT);
}

static bool stands(uint64_t step) {
    char name[32];
    return access(support_path(folder, ls_checkpoint_name(step, name, sizeof name)), F_OK) == 0;
}

static void the_newest_and_the_best_stay(void **state) {
    (void)state;
    write_text(support_path(folder, "step-7.h5"), "");
    write_text(support_path(folder, "step-000000001.h5.bak"), "");
    for (uint64_t step = 10; step <= 60; step += 10) write_checkpoint(folder, step);
    assert_works(ls__folder_link(folder, "best.h5", 20, "g1"));
    assert_works(ls__folder_link(folder, "latest.h5", 10, "g1"));
    assert_works(ls__folder_link(folder, "latest.h5", 60, "g1"));
    assert_works(ls__folder_retain(folder, 60, 3));
    assert_true(!stands(10) && stands(20) && !stands(30) && stands(40) && stands(50) && stands(60));
    assert_int_equal(access(support_path(folder, "step-7.h5"), F_OK), 0);
    assert_int_equal(access(support_path(folder, "step-000000001.h5.bak"), F_OK), 0);
    char target[64];
    ssize_t length = readlink(support_path(folder, "latest.h5"), target, sizeof target);
    assert_int_equal(length, strlen("step-000000060.h5"));
    assert_memory_equal(target, "step-000000060.h5", (size_t)length);
    assert_works(ls_store_verify(support_path(folder, "latest.h5"), NULL));
    /* Another best sets the old one free. */
    assert_works(ls__folder_link(folder, "best.h5", 60, "g1"));
    assert_works(ls__folder_retain(folder, 60, 1));
    assert_true(!stands(20) && !stands(40) && !stands(50) && stands(60));
}

static void a_course_that_was_left_is_set_aside(void **state) {
    (void)state;
    for (uint64_t step = 10; step <= 60; step += 10) write_checkpoint(folder, step);
    write_checkpoint(folder, 25);
    assert_works(ls__folder_link(folder, "best.h5", 50, "g1"));
    assert_works(ls__folder_retain(folder, 25, 1));
    assert_true(stands(25) && !stands(20) && !stands(30) && !stands(50) && !stands(60));
    assert_int_equal(access(support_path(folder, "superseded-step-000000060.h5"), F_OK), 0);
    /* The best of that course is not this one's, and the step of its name may be made once more. */
    assert_int_equal(access(support_path(folder, "superseded-step-000000050.h5"), F_OK), 0);
    struct stat link;
    assert_int_not_equal(lstat(support_path(folder, "best.h5"), &link), 0);
}

static void left_overs_of_dead_jobs_are_removed(void **state) {
    (void)state;
    write_text(support_path(folder, ".step-000000010.h5.g3.tmp"), "");
    write_text(support_path(folder, ".step-000000020.h5.g4.tmp"), "");
    write_text(support_path(folder, ".step-000000020.h5.mine.tmp"), "");
    assert_works(ls__folder_prepare(folder, 4));
    assert_int_not_equal(access(support_path(folder, ".step-000000010.h5.g3.tmp"), F_OK), 0);
    assert_int_equal(access(support_path(folder, ".step-000000020.h5.g4.tmp"), F_OK), 0);
    assert_int_equal(access(support_path(folder, ".step-000000020.h5.mine.tmp"), F_OK), 0);
    assert_works(ls__folder_prepare(support_path(folder, "a/b/c"), 1));
    assert_int_equal(access(support_path(folder, "a/b/c"), F_OK), 0);
}

static void damage(const char *checkpoints) {
    assert_int_equal(truncate(support_path(checkpoints, "step-000000040.h5"), 500), 0);
    int fd = open(support_path(checkpoints, "step-000000030.h5"), O_RDWR);
    assert_int_equal(pwrite(fd, "x", 1, 200), 1);
    close(fd);
    write_text(support_path(checkpoints, "step-000000050.h5"), "");
}

static void the_newest_that_verifies_is_found(void **state) {
    (void)state;
    char *path = NULL, checkpoints[4096];
    snprintf(checkpoints, sizeof checkpoints, "%s/checkpoints", folder);
    assert_works(ls_checkpoint_find(folder, NULL, &path));
    assert_null(path);
    assert_works(ls__folder_prepare(checkpoints, 0));
    for (uint64_t step = 10; step <= 40; step += 10) write_checkpoint(checkpoints, step);
    damage(checkpoints);
    FILE *said = tmpfile();
    ls_logger_options options = {.terminal = said, .output = said, .threshold = LS_LOG_WARNING, .speaks = true};
    ls_logger *logger;
    assert_works(ls_logger_create(&options, &logger));
    assert_works(ls_checkpoint_find(folder, logger, &path));
    ls_logger_destroy(logger);
    assert_non_null(path);
    assert_non_null(strstr(path, "checkpoints/step-000000020.h5"));
    free(path);
    rewind(said);
    char line[1024];
    size_t lines = 0;
    for (; fgets(line, sizeof line, said); lines++) assert_non_null(strstr(line, "passing over a bad checkpoint: "));
    assert_int_equal(lines, 3);
    fclose(said);
}

static ls_status refuse_above(void *context, const ls_checkpoint *checkpoint) {
    uint64_t step, most = *(const uint64_t *)context;
    LS_TRY(ls_items_get_count(ls_checkpoint_items(checkpoint), "/state/step", &step));
    return step <= most ? LS_OK : LS_FAIL(LS_ERR_CONFIG, "step %d is too much", (int)step);
}

static uint64_t chosen(uint64_t most) {
    ls_checkpoint *checkpoint;
    uint64_t step;
    assert_works(ls_checkpoint_choose(folder, NULL, refuse_above, &most, &checkpoint));
    assert_non_null(checkpoint);
    assert_works(ls_items_get_count(ls_checkpoint_items(checkpoint), "/state/step", &step));
    ls_checkpoint_close(checkpoint);
    return step;
}

/* Files that are whole, and yet not the newest state of this run. */
static void what_is_not_of_this_run_is_passed_over(void **state) {
    (void)state;
    char checkpoints[4096];
    ls_checkpoint *checkpoint;
    uint64_t most = 5;
    snprintf(checkpoints, sizeof checkpoints, "%s/checkpoints", folder);
    assert_works(ls__folder_prepare(checkpoints, 0));
    for (uint64_t step = 10; step <= 30; step += 10) write_checkpoint(checkpoints, step);
    write_as(support_path(checkpoints, "step-000000040.h5"), 10, LS_CHECKPOINT_FORMAT);
    write_as(support_path(checkpoints, "step-000000050.h5"), 50, LS_CHECKPOINT_FORMAT + 1);
    assert_int_equal(chosen(100), 30);
    assert_int_equal(chosen(20), 20);
    assert_refuses(ls_checkpoint_open_step(folder, 40, &checkpoint), LS_ERR_IO, "holds step 10, not that of its name");
    assert_null(checkpoint);
    /* Nothing will do: the first refusal tells, not the damage. */
    ls_status status = ls_checkpoint_choose(folder, NULL, refuse_above, &most, &checkpoint);
    assert_refuses(status, LS_ERR_DATA, "written by a later lockstep");
    assert_null(checkpoint);
}

static void free_space_is_that_of_the_nearest_folder(void **state) {
    (void)state;
    const char *const folders[] = {folder, support_path(folder, "not/yet/there"), "not-here-either",
                                   "/not-here-either"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        uint64_t room = UINT64_MAX;
        assert_works(ls_checkpoint_free_space(folders[i], &room));
        assert_true(room < UINT64_MAX);
    }
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_keep_what_they_are_given),
        cmocka_unit_test(saves_are_due_at_multiples),
        cmocka_unit_test(the_defaults_are_those_of_the_reference),
        WITH_FOLDER(each_start_raises_the_generation),
        WITH_FOLDER(a_second_job_is_refused_while_the_first_lives),
        WITH_FOLDER(a_dead_job_holds_no_lock),
        WITH_FOLDER(a_stale_holder_learns_who_took_over),
        WITH_FOLDER(the_newest_and_the_best_stay),
        WITH_FOLDER(a_course_that_was_left_is_set_aside),
        WITH_FOLDER(left_overs_of_dead_jobs_are_removed),
        WITH_FOLDER(the_newest_that_verifies_is_found),
        WITH_FOLDER(what_is_not_of_this_run_is_passed_over),
        WITH_FOLDER(free_space_is_that_of_the_nearest_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
