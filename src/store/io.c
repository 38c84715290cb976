#include "store/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Linux moves at most 0x7ffff000 bytes in one call. */
#define LARGEST_CALL ((size_t)1 << 30)

/* A direct call waits for the disk: fewer bytes are better off in the page cache, which collects them. */
#define LEAST_DIRECT ((size_t)64 << 10)

ls_status ls__read_at(int fd, const char *path, uint64_t offset, void *out, size_t count) {
    char *next = out;
    while (count > 0) {
        ssize_t got = pread(fd, next, count < LARGEST_CALL ? count : LARGEST_CALL, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return LS_FAIL(LS_ERR_IO, "%s: cannot read at byte %ju: %s", path, (uintmax_t)offset, strerror(errno));
        if (got == 0)
            return LS_FAIL(LS_ERR_IO, "%s: truncated: it ends at byte %ju, in the middle of its data", path,
                           (uintmax_t)offset);
        next += got;
        offset += (uint64_t)got;
        count -= (size_t)got;
    }
    return LS_OK;
}

ls_status ls__write_at(int fd, const char *path, uint64_t offset, const void *bytes, size_t count) {
    const char *next = bytes;
    while (count > 0) {
        ssize_t put = pwrite(fd, next, count < LARGEST_CALL ? count : LARGEST_CALL, (off_t)offset);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0)
            return LS_FAIL(LS_ERR_IO, "%s: cannot write at byte %ju: %s", path, (uintmax_t)offset,
                           put < 0 ? strerror(errno) : "nothing was taken");
        next += put;
        offset += (uint64_t)put;
        count -= (size_t)put;
    }
    return LS_OK;
}

/* The same file, or another that took its name meanwhile? */
static bool is_same_file(int a, int b) {
    struct stat of_a, of_b;
    return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

int ls__open_direct(int fd, const char *path) {
    int direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    if (direct < 0 || is_same_file(fd, direct)) return direct;
    close(direct);
    return -1;
}

static size_t whole_pages(int fd, uint64_t offset, const void *memory, size_t count) {
    bool askew = offset % LS_STORE_PAGE != 0 || (uintptr_t)memory % LS_STORE_PAGE != 0;
    if (fd < 0 || count < LEAST_DIRECT || askew) return 0;
    return count / LS_STORE_PAGE * LS_STORE_PAGE;
}

size_t ls__read_direct(int fd, uint64_t offset, void *out, size_t count) {
    size_t pages = whole_pages(fd, offset, out, count), done = 0;
    while (done < pages) {
        size_t part = pages - done < LARGEST_CALL ? pages - done : LARGEST_CALL;
        ssize_t got = pread(fd, (char *)out + done, part, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        done += (size_t)got;
    }
    return done;
}

size_t ls__write_direct(int fd, uint64_t offset, const void *bytes, size_t count) {
    size_t pages = whole_pages(fd, offset, bytes, count), done = 0;
    while (done < pages) {
        size_t part = pages - done < LARGEST_CALL ? pages - done : LARGEST_CALL;
        ssize_t put = pwrite(fd, (const char *)bytes + done, part, (off_t)(offset + done));
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) break;
        done += (size_t)put;
    }
    return done;
}

ls_status ls__sync(int fd, const char *path) {
    while (fsync(fd) != 0)
        if (errno != EINTR) return LS_FAIL(LS_ERR_IO, "%s: cannot force it to the disk: %s", path, strerror(errno));
    return LS_OK;
}

ls_status ls__sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
    if (!folder) return LS_FAIL(LS_ERR_MEMORY, "no memory for a path");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ls_status status = LS_OK;
    /* Some file systems cannot sync a folder and say EINVAL: there is nothing more to do there. */
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        status = LS_FAIL(LS_ERR_IO, "%s: cannot force the folder to the disk: %s", folder, strerror(errno));
    if (fd >= 0) close(fd);
    free(folder);
    return status;
}
