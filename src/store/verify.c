#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/checksum.h"
#include "store/store.h"

/* One verification: the file, what it says about itself, and what it holds. */
typedef struct verification {
    ls_store *store;
    ls_store_report *report;
    ls_text lines; /* /checksums/datasets */
    ls_arrays arrays;
    XXH3_state_t *hash;
    void *buffer;
    ls__extent *extents;
    size_t extent_count;
} verification;

static ls_status find(verification *v, const char *path, const char *words) {
    v->report->damaged++;
    return ls_text_add(&v->report->findings, "%s: %s\n", path, words);
}

/* A line of /checksums/datasets, taken apart. */
typedef struct line {
    uint64_t checksum;
    ls_store_part part;
    const char *path; /* not ended by NUL */
    size_t length;
} line;

/* Takes the line at *at and moves on; lines that make no sense are passed over. False at the end. */
static bool next_line(const char **at, line *out) {
    for (const char *end; (end = strchr(*at, '\n'));) {
        const char *begin = *at;
        *at = end + 1;
        if (end - begin < 19) continue;
        bool state = strncmp(begin + 16, " state ", 7) == 0;
        out->checksum = strtoull(begin, NULL, 16);
        out->part = state ? LS_PART_STATE : LS_PART_OTHER;
        out->path = begin + (state ? 23 : 19);
        out->length = (size_t)(end - out->path);
        return true;
    }
    return false;
}

static bool recorded(const ls_text *lines, const char *path, line *out) {
    for (const char *at = lines->bytes; next_line(&at, out);)
        if (out->length == strlen(path) && memcmp(out->path, path, out->length) == 0) return true;
    return false;
}

static ls_status verify_array(verification *v, const ls_array *array, ls_text *lines) {
    line wanted;
    uint64_t checksum;
    if (!recorded(&v->lines, array->path, &wanted)) return find(v, array->path, "has no checksum: it was added later");
    if (!array->direct)
        return find(v, array->path, "does not lie as it was written: the file was rewritten or is damaged");
    v->extents[v->extent_count++] = (ls__extent){array->offset, array->bytes};
    LS_TRY(ls__checksum_array(v->store->fd, v->store->path, array, v->hash, v->buffer, &checksum));
    v->report->arrays++;
    LS_TRY(ls__checksum_line(lines, checksum, wanted.part, array->path));
    return checksum == wanted.checksum ? LS_OK : find(v, array->path, "its bytes differ from its checksum");
}

/* Arrays that have a line but are not in the file. */
static ls_status find_missing(verification *v) {
    line wanted;
    for (const char *at = v->lines.bytes; next_line(&at, &wanted);) {
        bool here = false;
        for (size_t i = 0; i < v->arrays.count && !here; i++) {
            const char *path = v->arrays.items[i]->path;
            here = strlen(path) == wanted.length && memcmp(path, wanted.path, wanted.length) == 0;
        }
        if (here) continue;
        v->report->damaged++;
        LS_TRY(ls_text_add(&v->report->findings, "%.*s: is missing\n", (int)wanted.length, wanted.path));
    }
    return LS_OK;
}

static ls_status verify_arrays(verification *v, ls_text *lines) {
    for (size_t i = 0; i < v->arrays.count; i++) {
        const ls_array *array = v->arrays.items[i];
        if (strncmp(array->path, LS__CHECKSUMS, strlen(LS__CHECKSUMS)) != 0) LS_TRY(verify_array(v, array, lines));
    }
    return find_missing(v);
}

static ls_status verify_sums(verification *v, const ls_text *lines) {
    const ls_array *own;
    uint64_t state, whole, checksum;
    LS_TRY(ls_store_state(v->store, &state));
    v->report->state = ls__checksum_state(v->hash, lines);
    if (v->report->damaged == 0 && v->report->state != state)
        LS_TRY(find(v, "/checksums/state", "differs from the checksums of the arrays"));
    LS_TRY(ls_store_find(v->store, LS__CHECKSUMS "file", &own));
    if (!own->direct || own->bytes != sizeof whole) return find(v, own->path, "does not lie as it was written");
    LS_TRY(ls_store_read(v->store, own, 0, 1, &whole));
    LS_TRY(ls__checksum_file(v->store->fd, v->store->path, v->store->bytes, v->extents, v->extent_count, own->offset,
                             v->hash, v->buffer, &checksum));
    return checksum == whole ? LS_OK
                             : find(v, "/checksums/file", "the file's structure or size differs from its checksum");
}

static ls_status verify_open(verification *v) {
    v->report->bytes = v->store->bytes;
    v->report->has_checksums = ls_store_exists(v->store, LS__CHECKSUMS "datasets");
    if (!v->report->has_checksums)
        return LS_FAIL(LS_ERR_DATA,
                       "%s: has no /checksums: it was not written by lockstep, so there is nothing to compare",
                       v->store->path);
    LS_TRY(ls_store_get_text(v->store, LS__CHECKSUMS "datasets", &v->lines));
    LS_TRY(ls_text_add(&v->lines, "%s", ""));
    LS_TRY(ls_store_list(v->store, "/", &v->arrays));
    v->extents = calloc(v->arrays.count + 1, sizeof *v->extents);
    v->hash = XXH3_createState();
    if (!v->extents || !v->hash) return LS_FAIL(LS_ERR_MEMORY, "no memory to verify %s", v->store->path);
    LS_TRY(ls_block_create(LS__BUFFER_BYTES, 1, "a file's verification", &v->buffer));
    ls_text lines = {0};
    ls_status status = verify_arrays(v, &lines);
    if (status == LS_OK) status = verify_sums(v, &lines);
    ls_text_free(&lines);
    return status;
}

ls_status ls_store_verify(const char *path, ls_store_report *report) {
    ls_store_report own = {0};
    verification v = {.report = report ? report : &own};
    *v.report = own;
    ls_status status = ls_store_open(path, &v.store);
    if (status == LS_OK) status = verify_open(&v);
    if (status == LS_OK && v.report->damaged > 0) {
        int first = (int)strcspn(v.report->findings.bytes, "\n");
        status = LS_FAIL(LS_ERR_IO, "%s: damaged: %.*s%s", path, first, v.report->findings.bytes,
                         v.report->damaged > 1 ? " (and more)" : "");
    }
    ls_store_close(v.store);
    ls_text_free(&v.lines);
    ls_arrays_free(&v.arrays);
    XXH3_freeState(v.hash);
    ls_block_destroy(v.buffer);
    free(v.extents);
    ls_text_free(&own.findings);
    return status;
}

void ls_store_report_free(ls_store_report *report) {
    ls_text_free(&report->findings);
    *report = (ls_store_report){0};
}

ls_status ls_store_state(ls_store *store, uint64_t *out) {
    const ls_array *array;
    LS_TRY(ls_store_find(store, LS__CHECKSUMS "state", &array));
    if (array->dtype != LS_DTYPE_U64 || array->rows != 1)
        return LS_FAIL(LS_ERR_DATA, "%s: %s is not a checksum", store->path, array->path);
    return ls_store_read(store, array, 0, 1, out);
}
