/* Input files in memory, and places in them for messages. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifdef LOCKSTEP_HAVE_ZLIB
#include <zlib.h>
#endif

#include "data/import.h"

ls_status ls__bytes_grow(ls_bytes *bytes, size_t count, void **out) {
    size_t need = 0;
    if (__builtin_add_overflow(bytes->count, count, &need)) return LS_FAIL(LS_ERR_MEMORY, "no memory for the data");
    if (need > bytes->space || !bytes->items) {
        size_t space = bytes->space ? bytes->space : 4096;
        while (space < need) space = space > SIZE_MAX / 2 ? need : 2 * space;
        unsigned char *items = realloc(bytes->items, space);
        if (!items) return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu bytes of data", space);
        bytes->items = items;
        bytes->space = space;
    }
    *out = bytes->items + bytes->count;
    bytes->count = need;
    return LS_OK;
}

enum { READ_STEP = 1 << 20 };

#ifdef LOCKSTEP_HAVE_ZLIB
/* gzread() passes files through that are not gzip. */
static ls_status read_all(const char *path, ls_bytes *bytes) {
    gzFile file = gzopen(path, "rb");
    if (!file) return LS_FAIL(LS_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    gzbuffer(file, READ_STEP);
    ls_status status = LS_OK;
    int got = 0;
    do {
        void *room = NULL;
        LS_TRY_ELSE(status, ls__bytes_grow(bytes, READ_STEP, &room), closed);
        got = gzread(file, room, READ_STEP);
        bytes->count -= (size_t)(READ_STEP - (got > 0 ? got : 0));
    } while (got == READ_STEP);
    int code = Z_OK;
    const char *words = gzerror(file, &code); /* "PATH: words" */
    if (strncmp(words, path, strlen(path)) == 0) words += strspn(words + strlen(path), ": ") + strlen(path);
    if (code == Z_BUF_ERROR)
        status = LS_FAIL(LS_ERR_DATA, "%s: the gzip file is cut short; fetch it again", path);
    else if (code == Z_ERRNO)
        status = LS_FAIL(LS_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
    else if (code < 0)
        status = LS_FAIL(LS_ERR_DATA, "%s: the gzip file is damaged (%s)", path, words);
closed:
    gzclose(file);
    return status;
}
#else
static ls_status read_all(const char *path, ls_bytes *bytes) {
    FILE *file = fopen(path, "rb");
    if (!file) return LS_FAIL(LS_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    ls_status status = LS_OK;
    size_t got = 0;
    do {
        void *room = NULL;
        LS_TRY_ELSE(status, ls__bytes_grow(bytes, READ_STEP, &room), closed);
        got = fread(room, 1, READ_STEP, file);
        bytes->count -= READ_STEP - got;
    } while (got == READ_STEP);
    if (ferror(file))
        status = LS_FAIL(LS_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
    else if (bytes->count > 2 && bytes->items[0] == 0x1f && bytes->items[1] == 0x8b)
        status = LS_FAIL(LS_ERR_DATA, "%s: is a gzip file, and this build has no zlib; gunzip it first", path);
closed:
    fclose(file);
    return status;
}
#endif

ls_status ls__file_read(const char *path, ls_file *out) {
    *out = (ls_file){.name = path};
    struct stat info;
    if (stat(path, &info) != 0) return LS_FAIL(LS_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) return LS_FAIL(LS_ERR_IO, "%s: is a folder, not a file", path);
    ls_bytes bytes = {0};
    ls_status status = read_all(path, &bytes);
    if (status != LS_OK) {
        free(bytes.items);
        return status;
    }
    out->bytes = bytes.items;
    out->length = bytes.count;
    return LS_OK;
}

void ls__file_free(ls_file *file) {
    free((void *)(uintptr_t)file->bytes);
    *file = (ls_file){0};
}

static ls_status fail_at(const ls_file *file, const char *place, const char *format, va_list arguments) {
    char words[512];
    vsnprintf(words, sizeof words, format, arguments);
    return LS_FAIL(LS_ERR_DATA, "%s%s: %s", file->name, place, words);
}

ls_status ls__file_fail(const ls_file *file, size_t at, const char *format, ...) {
    size_t line = 1, start = 0;
    for (size_t i = 0; i < at && i < file->length; i++)
        if (file->bytes[i] == '\n') {
            line++;
            start = i + 1;
        }
    char place[64];
    snprintf(place, sizeof place, ":%zu:%zu", line, at - start + 1);
    va_list arguments;
    va_start(arguments, format);
    ls_status status = fail_at(file, place, format, arguments);
    va_end(arguments);
    return status;
}

ls_status ls__file_fail_binary(const ls_file *file, size_t at, const char *format, ...) {
    char place[64];
    snprintf(place, sizeof place, ": byte %zu", at);
    va_list arguments;
    va_start(arguments, format);
    ls_status status = fail_at(file, place, format, arguments);
    va_end(arguments);
    return status;
}
