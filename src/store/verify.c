#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/io.h"
#include "store/seal.h"
#include "store/store.h"

/* One verification: the file, what it says about itself, and what is computed. */
typedef struct verification {
    const char *path;
    int fd;
    ls_store_report *report;
    ls_store *store;    /* opened only once the structure is found good */
    ls_text recorded;   /* /checksums/datasets */
    uint64_t state;     /* /checksums/state */
    ls_text recomputed; /* the same, of the bytes as they are */
    XXH3_state_t *hash;
    void *buffer;
} verification;

static ls_status find(verification *v, const char *path, const char *words) {
    v->report->damaged++;
    return ls_text_add(&v->report->findings, "%s: %s\n", path, words);
}

/* ---- the structure --------------------------------------------------------------------------------------------- */

/* A file without a seal must end where HDF5 says: in superblocks of version 2 and 3, which we write, at byte 28. */
static ls_status check_end(const verification *v) {
    unsigned char head[36];
    uint64_t end, bytes = v->report->bytes;
    if (pread(v->fd, head, sizeof head, 0) != sizeof head || head[8] < 2 || head[8] > 3) return LS_OK;
    memcpy(&end, head + 28, sizeof end);
    if (bytes < end)
        return LS_FAIL(LS_ERR_IO, "%s: truncated: it ends at byte %" PRIu64 " of %" PRIu64, v->path, bytes, end);
    if (bytes > end)
        return LS_FAIL(LS_ERR_IO, "%s: damaged: the %" PRIu64 " bytes behind byte %" PRIu64 " are no seal", v->path,
                       bytes - end, end);
    return LS_OK;
}

static ls_status check_structure(verification *v) {
    ls__seal seal;
    bool sealed;
    ls_status status = ls__seal_read(v->fd, v->path, v->report->bytes, &seal, &sealed);
    if (status == LS_OK) status = sealed ? ls__seal_check(v->fd, v->path, v->report->bytes, &seal) : check_end(v);
    ls__seal_free(&seal);
    if (status == LS_OK) return LS_OK;
    v->report->damaged++;
    return ls_status_first(status, ls_text_add(&v->report->findings, "%s\n", ls_status_message(status)));
}

static ls_status read_recorded(verification *v) {
    LS_TRY(ls_store_open(v->path, &v->store));
    v->report->has_checksums = ls_store_exists(v->store, LS__CHECKSUMS "datasets");
    if (!v->report->has_checksums)
        return LS_FAIL(LS_ERR_DATA,
                       "%s: has no /checksums: it was not written by lockstep, so there is nothing to compare",
                       v->path);
    LS_TRY(ls_store_get_text(v->store, LS__CHECKSUMS "datasets", &v->recorded));
    LS_TRY(ls_text_add(&v->recorded, "%s", ""));
    return ls_store_state(v->store, &v->state);
}

/* ---- the arrays ------------------------------------------------------------------------------------------------ */

/* A line of /checksums/datasets, taken apart. */
typedef struct line {
    uint64_t checksum;
    ls_store_part part;
    const char *path;
} line;

/* Takes the line at *at, ends it with NUL, and moves on. False where there is none. */
static bool next_line(char **at, line *out) {
    char *begin = *at, *end = strchr(begin, '\n');
    if (!end || end - begin < 19) return false;
    *end = '\0';
    *at = end + 1;
    bool state = strncmp(begin + 16, " state ", 7) == 0;
    *out = (line){strtoull(begin, NULL, 16), state ? LS_PART_STATE : LS_PART_OTHER, begin + (state ? 23 : 19)};
    return true;
}

/* The blocks as they were seen, against their table: names the first rows that differ. */
static ls_status compare_blocks(verification *v, const ls__entry *entry, const ls__blocks *seen, bool intact) {
    const ls_array *array = &entry->array;
    size_t bad = 0, first = 0;
    for (size_t i = 0; i < seen->count; i++) {
        uint64_t wanted;
        LS_TRY(ls_store_read(v->store, entry->blocks, 1 + i, 1, &wanted));
        if (wanted == seen->sums[i]) continue;
        if (bad++ == 0) first = i * array->block_rows;
    }
    v->report->blocks += seen->count;
    if (bad == 0) return intact ? LS_OK : find(v, array->path, "its bytes differ from its checksum");
    if (intact) return find(v, entry->blocks->path, "differs from the bytes it is about");
    size_t last = array->rows - first < array->block_rows ? array->rows - 1 : first + array->block_rows - 1;
    v->report->damaged++;
    return ls_text_add(&v->report->findings, "%s: rows %zu to %zu%s differ from their checksum\n", array->path, first,
                       last, bad > 1 ? ", and others," : "");
}

static ls_status checksum_with_blocks(verification *v, const ls__entry *entry, uint64_t wanted, uint64_t *checksum) {
    const ls_array *array = &entry->array;
    void *sums = NULL;
    ls__blocks seen = {.hash = XXH3_createState(), .bytes = array->block_rows * array->row_bytes};
    ls_status status = ls_block_create(ls__block_count(array->rows, array->block_rows), sizeof *seen.sums,
                                       "the checksums of an array", &sums);
    if (status == LS_OK && !seen.hash) status = LS_FAIL(LS_ERR_MEMORY, "no memory to verify %s", v->path);
    seen.sums = sums;
    if (status == LS_OK) status = ls__checksum_array(v->fd, v->path, array, v->hash, &seen, v->buffer, checksum);
    if (status == LS_OK) status = compare_blocks(v, entry, &seen, *checksum == wanted);
    XXH3_freeState(seen.hash);
    ls_block_destroy(sums);
    return status;
}

static ls_status verify_array(verification *v, const line *wanted) {
    uint64_t checksum;
    const ls_array *found;
    if (!ls_store_exists(v->store, wanted->path)) return find(v, wanted->path, "is missing");
    LS_TRY(ls_store_find(v->store, wanted->path, &found));
    if (!found->direct) return find(v, wanted->path, "does not lie as it was written");
    const ls__entry *entry = (const ls__entry *)found;
    bool blocks = entry->blocks && !entry->blocks_misfit;
    if (entry->blocks_misfit) LS_TRY(find(v, entry->blocks->path, "does not fit the array it is about"));
    if (blocks)
        LS_TRY(checksum_with_blocks(v, entry, wanted->checksum, &checksum));
    else
        LS_TRY(ls__checksum_array(v->fd, v->path, found, v->hash, NULL, v->buffer, &checksum));
    v->report->arrays++;
    LS_TRY(ls__checksum_line(&v->recomputed, checksum, wanted->part, wanted->path));
    if (blocks || checksum == wanted->checksum) return LS_OK;
    return find(v, wanted->path, "its bytes differ from its checksum");
}

static bool is_recorded(const char *lines, const char *path) {
    size_t length = strlen(path);
    for (const char *end; (end = strchr(lines, '\n')); lines = end + 1)
        if ((size_t)(end - lines) > length && end[-1 - (ptrdiff_t)length] == ' ' &&
            memcmp(end - length, path, length) == 0)
            return true;
    return false;
}

/* Arrays without a line: another program added them. */
static ls_status find_added(verification *v) {
    ls_arrays arrays = {0};
    ls_status status = ls_store_list(v->store, "/", &arrays);
    for (size_t i = 0; status == LS_OK && i < arrays.count; i++) {
        const char *path = arrays.items[i]->path;
        if (strncmp(path, LS__CHECKSUMS, strlen(LS__CHECKSUMS)) != 0 && !is_recorded(v->recorded.bytes, path))
            status = find(v, path, "has no checksum: it was added later");
    }
    ls_arrays_free(&arrays);
    return status;
}

static ls_status verify_arrays(verification *v) {
    line wanted;
    LS_TRY(find_added(v));
    for (char *at = v->recorded.bytes; next_line(&at, &wanted);) LS_TRY(verify_array(v, &wanted));
    return LS_OK;
}

static ls_status verify_state(verification *v) {
    v->report->state = ls__checksum_state(v->hash, &v->recomputed);
    if (v->report->damaged > 0 || v->report->state == v->state) return LS_OK;
    return find(v, "/checksums/state", "differs from the checksums of the arrays");
}

/* ---- all ------------------------------------------------------------------------------------------------------- */

static ls_status verify(verification *v) {
    LS_TRY(ls__file_open(v->path, &v->fd, &v->report->bytes));
    LS_TRY(check_structure(v));
    LS_TRY(read_recorded(v));
    v->hash = XXH3_createState();
    if (!v->hash) return LS_FAIL(LS_ERR_MEMORY, "no memory to verify %s", v->path);
    LS_TRY(ls_block_create(LS__BUFFER_BYTES, 1, "a file's verification", &v->buffer));
    LS_TRY(verify_arrays(v));
    LS_TRY(verify_state(v));
    if (v->report->damaged == 0) return LS_OK;
    int first = (int)strcspn(v->report->findings.bytes, "\n");
    return LS_FAIL(LS_ERR_IO, "%s: damaged: %.*s%s", v->path, first, v->report->findings.bytes,
                   v->report->damaged > 1 ? " (and more)" : "");
}

ls_status ls_store_verify(const char *path, ls_store_report *report) {
    ls_store_report own = {0};
    verification v = {.path = path, .fd = -1, .report = report ? report : &own};
    *v.report = own;
    ls_status status = verify(&v);
    if (v.fd >= 0) close(v.fd);
    ls_store_close(v.store);
    ls_text_free(&v.recorded);
    ls_text_free(&v.recomputed);
    XXH3_freeState(v.hash);
    ls_block_destroy(v.buffer);
    if (!report) ls_text_free(&own.findings);
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
