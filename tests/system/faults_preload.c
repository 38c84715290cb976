/*
 * Preloaded into the program: counts the calls that change files below a folder, and lets the k-th fail or be the last.
 * Built and driven by faults.py, through the environment:
 *
 *     FAULTS_FOLDER   text that the path of a file has in it
 *     FAULTS_KIND     count, fail (EIO, once), full (ENOSPC from there on), kill (SIGKILL before the call), slow (2 s)
 *     FAULTS_CALL     which call, from 0
 *     FAULTS_COUNT    file that receives the number of calls at exit
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;

static void *next(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

/* ISO C has no cast from an object's address to a function's. */
#define NEXT(function, name)                                                                                           \
    do {                                                                                                               \
        void *found = next(name);                                                                                      \
        memcpy(&(function), &found, sizeof(function));                                                                 \
    } while (0)

static bool is_ours(const char *path) {
    const char *folder = getenv("FAULTS_FOLDER");
    return folder && path && strstr(path, folder);
}

static bool is_our_file(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return false;
    path[length] = '\0';
    return is_ours(path);
}

/* Counts a call; true where it has to fail, with errno set. */
static bool fails(bool writes) {
    const char *kind = getenv("FAULTS_KIND"), *victim = getenv("FAULTS_CALL");
    long call = atomic_fetch_add(&calls, 1), chosen = victim ? strtol(victim, NULL, 10) : -1;
    if (!kind || chosen < 0) return false;
    if (strcmp(kind, "kill") == 0 && call == chosen) kill(getpid(), SIGKILL);
    if (strcmp(kind, "slow") == 0 && call == chosen) sleep(2);
    if (strcmp(kind, "fail") == 0 && call == chosen)
        errno = EIO;
    else if (strcmp(kind, "full") == 0 && call >= chosen && writes)
        errno = ENOSPC;
    else
        return false;
    return true;
}

__attribute__((destructor)) static void tell(void) {
    const char *path = getenv("FAULTS_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%ld\n", atomic_load(&calls));
    fclose(file);
}

/* ---- the calls --------------------------------------------------------------------------------------------------- */

static int open_any(const char *name, const char *path, int flags, mode_t mode) {
    int (*real)(const char *, int, ...);
    NEXT(real, name);
    bool changes = (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0;
    if (changes && is_ours(path) && fails((flags & O_CREAT) != 0)) return -1;
    return real(path, flags, mode);
}

static mode_t mode_of(int flags, va_list arguments) {
    return flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
}

#define DEFINE_OPEN(name)                                                                                              \
    int name(const char *path, int flags, ...);                                                                        \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = mode_of(flags, arguments);                                                                       \
        va_end(arguments);                                                                                             \
        return open_any(#name, path, flags, mode);                                                                     \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

#define DEFINE_FOPEN(name)                                                                                             \
    FILE *name(const char *path, const char *mode);                                                                    \
    FILE *name(const char *path, const char *mode) {                                                                   \
        FILE *(*real)(const char *, const char *);                                                                     \
        NEXT(real, #name);                                                                                             \
        if (strpbrk(mode, "wa+") && is_ours(path) && fails(true)) return NULL;                                         \
        return real(path, mode);                                                                                       \
    }
DEFINE_FOPEN(fopen)
DEFINE_FOPEN(fopen64)

#define DEFINE_WRITE(name, parameters, arguments)                                                                      \
    ssize_t name parameters;                                                                                           \
    ssize_t name parameters {                                                                                          \
        ssize_t(*real) parameters;                                                                                     \
        NEXT(real, #name);                                                                                             \
        if (is_our_file(fd) && fails(true)) return -1;                                                                 \
        return real arguments;                                                                                         \
    }
DEFINE_WRITE(write, (int fd, const void *bytes, size_t count), (fd, bytes, count))
DEFINE_WRITE(pwrite, (int fd, const void *bytes, size_t count, off_t offset), (fd, bytes, count, offset))
DEFINE_WRITE(pwrite64, (int fd, const void *bytes, size_t count, off_t offset), (fd, bytes, count, offset))

#define DEFINE_ON_FILE(name, parameters, arguments, writes)                                                            \
    int name parameters;                                                                                               \
    int name parameters {                                                                                              \
        int(*real) parameters;                                                                                         \
        NEXT(real, #name);                                                                                             \
        if (is_our_file(fd) && fails(writes)) return -1;                                                               \
        return real arguments;                                                                                         \
    }
DEFINE_ON_FILE(fsync, (int fd), (fd), true)
DEFINE_ON_FILE(ftruncate, (int fd, off_t length), (fd, length), false)
DEFINE_ON_FILE(ftruncate64, (int fd, off_t length), (fd, length), false)
DEFINE_ON_FILE(fallocate, (int fd, int mode, off_t offset, off_t length), (fd, mode, offset, length), true)

#define DEFINE_ON_PATH(name, parameters, arguments, path, writes)                                                      \
    int name parameters;                                                                                               \
    int name parameters {                                                                                              \
        int(*real) parameters;                                                                                         \
        NEXT(real, #name);                                                                                             \
        if (is_ours(path) && fails(writes)) return -1;                                                                 \
        return real arguments;                                                                                         \
    }
DEFINE_ON_PATH(rename, (const char *from, const char *to), (from, to), to, false)
DEFINE_ON_PATH(symlink, (const char *target, const char *path), (target, path), path, true)
DEFINE_ON_PATH(unlink, (const char *path), (path), path, false)
DEFINE_ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode), path, true)
