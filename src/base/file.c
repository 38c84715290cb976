#include "lockstep/file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

ls_status ls_new_file_open(ls_new_file *file, const char *path) {
    *file = (ls_new_file){.path = path};
    int length = snprintf(file->beside, sizeof file->beside, "%s.new", path);
    if (length < 0 || (size_t)length >= sizeof file->beside)
        return LS_FAIL(LS_ERR_IO, "%s: the path is too long", path);
    file->stream = fopen(file->beside, "wbe");
    if (!file->stream) return LS_FAIL(LS_ERR_IO, "%s: cannot be opened for writing: %s", path, strerror(errno));
    return LS_OK;
}

ls_status ls_new_file_write(ls_new_file *file, const void *bytes, size_t count) {
    if (count == 0 || fwrite(bytes, 1, count, file->stream) == count) return LS_OK;
    return LS_FAIL(LS_ERR_IO, "%s: cannot be written: %s", file->path, strerror(errno));
}

ls_status ls_new_file_finish(ls_new_file *file, ls_status status, bool durable) {
    bool whole = !ferror(file->stream) && fflush(file->stream) == 0;
    whole = whole && (!durable || fsync(fileno(file->stream)) == 0);
    if (status == LS_OK && !whole)
        status = LS_FAIL(LS_ERR_IO, "%s: cannot be written: %s", file->path, strerror(errno));
    if (fclose(file->stream) != 0 && status == LS_OK) /* some file systems tell only now that they are full */
        status = LS_FAIL(LS_ERR_IO, "%s: cannot be written: %s", file->path, strerror(errno));
    if (status == LS_OK && rename(file->beside, file->path) != 0)
        status = LS_FAIL(LS_ERR_IO, "%s: cannot be replaced: %s", file->path, strerror(errno));
    if (status != LS_OK) unlink(file->beside);
    return status;
}
