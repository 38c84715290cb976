#include "faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static faults_kind now = FAULTS_COUNT;
static bool active;
static long calls, victim;

void faults_begin(faults_kind kind, long call) {
    now = kind;
    victim = call;
    calls = 0;
    active = true;
}

long faults_end(void) {
    active = false;
    return calls;
}

/* Points `function` at the next definition of its name: the C library's, or a sanitizer's. ISO C has no such cast. */
static void find(const char *name, void *function) {
    void *object = dlsym(RTLD_NEXT, name);
    memcpy(function, &object, sizeof object);
}

/* Counts a call; true where it has to fail, with errno set. */
static bool fails(bool writes) {
    if (!active) return false;
    long call = calls++;
    if (now == FAULTS_DIE && call == victim) _exit(99);
    if (now == FAULTS_FAIL && call == victim)
        errno = EIO;
    else if (now == FAULTS_FULL && call >= victim && writes)
        errno = ENOSPC;
    else
        return false;
    return true;
}

static bool chosen(faults_kind kind) {
    return active && now == kind && calls - 1 == victim;
}

static ssize_t put(int fd, const void *bytes, size_t count, off_t offset, bool at) {
    if (fails(true)) return -1;
    if (chosen(FAULTS_SHORT) && count > 1) count /= 2;
    char *copy = NULL; /* at a page: it may be for a file past the page cache */
    if (chosen(FAULTS_CORRUPT) && count > 0 && (copy = aligned_alloc(4096, (count + 4095) / 4096 * 4096))) {
        memcpy(copy, bytes, count);
        copy[count / 2] ^= 4;
        bytes = copy;
    }
    ssize_t (*real_pwrite)(int, const void *, size_t, off_t), (*real_write)(int, const void *, size_t);
    find("pwrite", &real_pwrite);
    find("write", &real_write);
    ssize_t done = at ? real_pwrite(fd, bytes, count, offset) : real_write(fd, bytes, count);
    free(copy);
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    return put(fd, bytes, count, offset, true);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) {
    return put(fd, bytes, count, offset, true);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    return put(fd, bytes, count, 0, false);
}

static int open_any(const char *path, int flags, mode_t mode) {
    if (fails(false)) return -1;
    int (*real)(const char *, int, ...);
    find("open", &real);
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_any(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_any(path, flags, mode);
}

int fsync(int fd) {
    int (*real)(int);
    find("fsync", &real);
    return fails(true) ? -1 : real(fd);
}

int ftruncate(int fd, off_t length) {
    int (*real)(int, off_t);
    find("ftruncate", &real);
    return fails(true) ? -1 : real(fd, length);
}

int ftruncate64(int fd, off_t length) {
    return ftruncate(fd, length);
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    int (*real)(int, int, off_t, off_t);
    find("fallocate", &real);
    return fails(true) ? -1 : real(fd, mode, offset, length);
}

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *);
    find("rename", &real);
    return fails(false) ? -1 : real(from, to);
}

int unlink(const char *path) {
    int (*real)(const char *);
    find("unlink", &real);
    return fails(false) ? -1 : real(path);
}
