#include "store/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Linux moves at most 0x7ffff000 bytes in one call. */
#define LARGEST_CALL ((size_t)1 << 30)

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
