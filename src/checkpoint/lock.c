#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lockstep/checkpoint.h"

/* A status.json this young, in seconds, means that the run lives: it is renewed about every 2 s. */
enum { YOUNG = 10 };

/* What a lock file says. generation 0: nothing yet; pid 0: the last one has left. */
typedef struct holder {
    uint64_t generation;
    long pid;
    char host[65], job[129];
} holder;

struct ls_run_lock {
    char *path;
    int fd;     /* holds the lock; closing it, or the end of the process, gives it back */
    holder own; /* as signed, but for the job */
};

static ls_status read_holder(const char *path, int fd, holder *out) {
    char text[512];
    *out = (holder){0};
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    if (got < 0) return LS_FAIL(LS_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
    text[got] = '\0';
    if (text[0] == '\0') return LS_OK;
    if (sscanf(text, "%" SCNu64 " %64s %ld %128[^\n]", &out->generation, out->host, &out->pid, out->job) >= 3)
        return LS_OK;
    return LS_FAIL(LS_ERR_IO, "%s: makes no sense: if no job runs here, delete it", path);
}

static ls_status in_use(const char *path, const holder *by) {
    return LS_FAIL(LS_ERR_IO,
                   "%s: another job runs in this folder (process %ld on %s%s%s): stop it with `lockstep stop`, or give "
                   "this run a folder of its own",
                   path, by->pid, by->host[0] ? by->host : "this host", by->job[0] ? ", job " : "", by->job);
}

/* Both times are the file server's, whose clock need not be this host's. */
static bool is_alive(const char *folder, int lock_file) {
    char path[4096];
    struct stat told, lock;
    snprintf(path, sizeof path, "%s/status.json", folder);
    if (stat(path, &told) != 0) return false;
    bool touched = futimens(lock_file, NULL) == 0 && fstat(lock_file, &lock) == 0;
    return (touched ? lock.st_mtime : time(NULL)) - told.st_mtime < YOUNG;
}

/* Takes the lock, or finds that the holder lives. A lock of the open file, which no other close() gives back. */
static ls_status take(const char *folder, ls_run_lock *lock) {
    holder before;
    LS_TRY(read_holder(lock->path, lock->fd, &before));
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool locked = fcntl(lock->fd, F_OFD_SETLK, &whole) == 0;
    if (!locked && (errno == EAGAIN || errno == EACCES)) return in_use(lock->path, &before);
    if (!locked && before.pid != 0 && is_alive(folder, lock->fd)) return in_use(lock->path, &before);
    LS_TRY(read_holder(lock->path, lock->fd, &before));
    lock->own.generation = before.generation + 1;
    return LS_OK;
}

static ls_status sign(const ls_run_lock *lock, pid_t pid, const char *job) {
    char text[512];
    int length = snprintf(text, sizeof text, "%" PRIu64 " %s %ld %.128s\n", lock->own.generation, lock->own.host,
                          (long)pid, job);
    if (pwrite(lock->fd, text, (size_t)length, 0) != length || ftruncate(lock->fd, length) != 0 || fsync(lock->fd) != 0)
        return LS_FAIL(LS_ERR_IO, "%s: cannot write: %s", lock->path, strerror(errno));
    return LS_OK;
}

static ls_status acquire(const char *folder, const char *job, ls_run_lock *lock) {
    if (asprintf(&lock->path, "%s/run.lock", folder) < 0) {
        lock->path = NULL;
        return LS_FAIL(LS_ERR_MEMORY, "no memory for a lock");
    }
    lock->fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock->fd < 0) return LS_FAIL(LS_ERR_IO, "%s: cannot open: %s", lock->path, strerror(errno));
    LS_TRY(take(folder, lock));
    lock->own.pid = getpid();
    gethostname(lock->own.host, sizeof lock->own.host - 1);
    if (!lock->own.host[0]) snprintf(lock->own.host, sizeof lock->own.host, "unknown");
    return sign(lock, getpid(), job);
}

ls_status ls_run_lock_create(const char *folder, const char *job, ls_run_lock **out) {
    *out = NULL;
    ls_run_lock *lock = calloc(1, sizeof *lock);
    if (!lock) return LS_FAIL(LS_ERR_MEMORY, "no memory for a lock");
    lock->fd = -1;
    ls_status status = acquire(folder, job, lock);
    if (status == LS_OK)
        *out = lock;
    else
        ls_run_lock_destroy(lock);
    return status;
}

uint64_t ls_run_lock_generation(const ls_run_lock *lock) {
    return lock->own.generation;
}

/*
 * By path, not by the open file: a later start may have replaced it; in a folder that was removed meanwhile generations
 * begin anew. A file that is gone was taken over by nobody.
 */
ls_status ls_run_lock_check(const ls_run_lock *lock) {
    int fd = open(lock->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return LS_OK;
    if (fd < 0) return LS_FAIL(LS_ERR_IO, "%s: cannot open: %s", lock->path, strerror(errno));
    holder now;
    ls_status status = read_holder(lock->path, fd, &now);
    close(fd);
    LS_TRY(status);
    bool same = now.pid == lock->own.pid && strcmp(now.host, lock->own.host) == 0;
    if (now.generation == 0 || (now.generation <= lock->own.generation && same)) return LS_OK;
    return LS_FAIL(LS_ERR_RUNTIME, "%s: process %ld on %s has taken over this run: nothing more is written here",
                   lock->path, now.pid, now.host);
}

/* Where there are no locks, only this tells the next start that it need not wait. */
static void sign_off(const ls_run_lock *lock) {
    ls_status status = ls_run_lock_check(lock);
    if (status == LS_OK) status = sign(lock, 0, "");
    ls_status_free(status);
}

void ls_run_lock_destroy(ls_run_lock *lock) {
    if (!lock) return;
    if (lock->own.generation > 0) sign_off(lock);
    if (lock->fd >= 0) close(lock->fd);
    free(lock->path);
    free(lock);
}
