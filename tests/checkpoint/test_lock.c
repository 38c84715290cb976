/* The right to write in a run's folder where the file system has no locks, as on some network file systems. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lockstep/checkpoint.h"

static char *folder;

/* The library's calls come here instead of to the C library, and are refused a lock as by such a file system. */
static int locks_refused;

int fcntl(int file, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (command == F_OFD_SETLK) {
        locks_refused++;
        errno = ENOLCK;
        return -1;
    }
    return (int)syscall(SYS_fcntl, file, command, argument);
}

static int make_folder(void **state) {
    (void)state;
    folder = support_make_folder();
    locks_refused = 0;
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    support_remove_folder(folder);
    return 0;
}

/* A status.json that was renewed so many seconds ago; or will be, so that it stays young however slow the test is. */
static void write_status(long age) {
    const char *path = support_path(folder, "status.json");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("{}\n", file);
    fclose(file);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    struct timespec times[2] = {info.st_mtim, info.st_mtim};
    times[0].tv_sec -= age;
    times[1].tv_sec -= age;
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* A job that ends without a word: it has taken the folder, and its run lives if status.json is young. */
static void die_with_lock(const char *job) {
    pid_t child = fork();
    if (child == 0) {
        ls_run_lock *lock;
        ls_status_free(ls_run_lock_create(folder, job, &lock));
        _exit(lock ? 0 : 1);
    }
    int code = -1;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(code, 0);
}

static void a_young_status_refuses_the_next_start(void **state) {
    (void)state;
    ls_run_lock *lock;
    die_with_lock("4711");
    write_status(-60);
    assert_refuses(ls_run_lock_create(folder, "", &lock), LS_ERR_IO, ", job 4711");
    assert_null(lock);
    assert_true(locks_refused > 0);
}

static void an_old_status_is_a_dead_jobs(void **state) {
    (void)state;
    ls_run_lock *lock;
    die_with_lock("");
    write_status(3600);
    assert_works(ls_run_lock_create(folder, "", &lock));
    assert_int_equal(ls_run_lock_generation(lock), 2);
    ls_run_lock_destroy(lock);
    assert_true(locks_refused > 0);
}

/* A job that was killed before its first step has written none. */
static void no_status_is_a_dead_jobs(void **state) {
    (void)state;
    ls_run_lock *lock;
    die_with_lock("");
    assert_works(ls_run_lock_create(folder, "", &lock));
    assert_int_equal(ls_run_lock_generation(lock), 2);
    ls_run_lock_destroy(lock);
}

static void who_leaves_in_order_keeps_nobody_waiting(void **state) {
    (void)state;
    ls_run_lock *lock;
    assert_works(ls_run_lock_create(folder, "", &lock));
    write_status(-60);
    ls_run_lock_destroy(lock);
    assert_works(ls_run_lock_create(folder, "", &lock));
    assert_int_equal(ls_run_lock_generation(lock), 2);
    ls_run_lock_destroy(lock);
}

/* Two live, since the status of the first was silent for long: the later one has the folder. */
static void the_later_of_two_stays(void **state) {
    (void)state;
    ls_run_lock *first, *second, *third;
    assert_works(ls_run_lock_create(folder, "", &first));
    write_status(3600);
    assert_works(ls_run_lock_create(folder, "", &second));
    assert_refuses(ls_run_lock_check(first), LS_ERR_RUNTIME, "has taken over");
    assert_works(ls_run_lock_check(second));
    /* The first one's end is not the second one's. */
    ls_run_lock_destroy(first);
    assert_works(ls_run_lock_check(second));
    write_status(-60);
    assert_refuses(ls_run_lock_create(folder, "", &third), LS_ERR_IO, "another job runs in this folder");
    ls_run_lock_destroy(second);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_young_status_refuses_the_next_start),
        WITH_FOLDER(an_old_status_is_a_dead_jobs),
        WITH_FOLDER(no_status_is_a_dead_jobs),
        WITH_FOLDER(who_leaves_in_order_keeps_nobody_waiting),
        WITH_FOLDER(the_later_of_two_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
