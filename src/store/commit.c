#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/io.h"
#include "store/writer.h"

/* ---- filling ------------------------------------------------------------------------------------------------ */

ls_status ls_store_fill(ls_store_writer *writer, size_t index, size_t first, const void *bytes, size_t count) {
    assert(writer->stage == LS__FILLING && index < writer->count);
    ls__slot *slot = &writer->slots[index];
    assert(first <= slot->array.bytes && count <= slot->array.bytes - first);
    /* Hashed before it is written: the bytes are still in the cache. */
    pthread_mutex_lock(&writer->mutex);
    slot->filled += count;
    if (slot->hashed == first) {
        XXH3_64bits_update(slot->hash, bytes, count);
        if (slot->table) ls__blocks_add(&slot->blocks, bytes, count);
        slot->hashed += count;
    }
    pthread_mutex_unlock(&writer->mutex);
    uint64_t offset = slot->array.offset + first;
    size_t done = ls__write_direct(writer->direct, offset, bytes, count);
    return ls__write_at(writer->fd, writer->temporary, offset + done, (const char *)bytes + done, count - done);
}

ls_status ls_store_append(ls_store_writer *writer, size_t index, const void *bytes, size_t rows) {
    ls__slot *slot = &writer->slots[index];
    size_t count = rows * slot->array.row_bytes;
    LS_TRY(ls_store_fill(writer, index, slot->appended, bytes, count));
    slot->appended += count;
    return LS_OK;
}

/* ---- committing --------------------------------------------------------------------------------------------- */

/* What a commit computes with. */
typedef struct scratch {
    XXH3_state_t *hash;
    void *block;
    char *buffer; /* LS__BUFFER_BYTES in `block`, from a page boundary on */
    ls__extent *extents;
} scratch;

/* The checksum of what was filled: from the caller's memory if it came in order, else from the file. */
static ls_status take_checksum(ls_store_writer *writer, ls__slot *slot, const scratch *with) {
    assert(slot->filled == slot->array.bytes && "every byte of an array is filled once before the commit");
    assert((slot->hashed == slot->array.bytes || !slot->table) && "with checksums of blocks: from front to back");
    if (slot->hashed == slot->array.bytes) {
        slot->checksum = XXH3_64bits_digest(slot->hash);
        if (slot->table) ls__blocks_end(&slot->blocks);
        return LS_OK;
    }
    return ls__checksum_array(writer->fd, writer->temporary, &slot->array, with->hash, NULL, with->buffer,
                              &slot->checksum);
}

/* The checksum over all that belongs to no array of the user. */
static ls_status whole_checksum(ls_store_writer *writer, const scratch *with, uint64_t *out) {
    for (size_t i = 0; i < writer->count; i++)
        with->extents[i] = (ls__extent){writer->slots[i].array.offset, writer->slots[i].array.bytes};
    uint64_t own = writer->slots[writer->count + LS__SLOT_FILE].array.offset;
    return ls__checksum_file(writer->fd, writer->temporary, writer->bytes, with->extents, writer->count, own,
                             with->hash, with->buffer, out);
}

static ls_status write_own(ls_store_writer *writer, size_t which, const void *bytes, size_t count) {
    const ls__slot *slot = &writer->slots[writer->count + which];
    return ls__write_at(writer->fd, writer->temporary, slot->array.offset, bytes, count);
}

/* What every table of blocks is to be: handed to `each` with the number of its own slot and its bytes. */
typedef ls_status (*on_table)(ls_store_writer *writer, size_t which, const void *bytes, size_t count,
                              const scratch *with);
static ls_status for_tables(ls_store_writer *writer, on_table each, const scratch *with) {
    for (size_t i = 0; i < writer->count; i++) {
        const ls__slot *slot = &writer->slots[i];
        if (slot->table)
            LS_TRY(each(writer, slot->table_slot - writer->count, slot->table,
                        writer->slots[slot->table_slot].array.bytes, with));
    }
    return LS_OK;
}

static ls_status write_table(ls_store_writer *writer, size_t which, const void *bytes, size_t count,
                             const scratch *with) {
    (void)with;
    return write_own(writer, which, bytes, count);
}

static ls_status write_checksums(ls_store_writer *writer, const scratch *with) {
    for (size_t i = 0; i < writer->count; i++) LS_TRY(take_checksum(writer, &writer->slots[i], with));
    writer->lines.length = 0;
    for (size_t i = 0; i < writer->count; i++) {
        const ls__slot *slot = &writer->slots[writer->sorted[i]];
        LS_TRY(ls__checksum_line(&writer->lines, slot->checksum, slot->part, slot->path));
    }
    writer->state = ls__checksum_state(with->hash, &writer->lines);
    LS_TRY(write_own(writer, LS__SLOT_LINES, writer->lines.bytes, writer->lines.length));
    LS_TRY(write_own(writer, LS__SLOT_STATE, &writer->state, sizeof writer->state));
    LS_TRY(for_tables(writer, write_table, with));
    LS_TRY(whole_checksum(writer, with, &writer->whole));
    return write_own(writer, LS__SLOT_FILE, &writer->whole, sizeof writer->whole);
}

static ls_status reads_back_differently(const ls_store_writer *writer, const char *what) {
    return LS_FAIL(LS_ERR_IO, "%s: %s reads back differently from what was written: the disk or its memory fails",
                   writer->temporary, what);
}

/* The checksums themselves must stand in the file as they were computed. */
static ls_status check_own(ls_store_writer *writer, size_t which, const void *bytes, size_t count,
                           const scratch *with) {
    const ls__slot *slot = &writer->slots[writer->count + which];
    const char *wanted = bytes;
    for (size_t at = 0, part; at < count; at += part) {
        part = count - at < LS__BUFFER_BYTES ? count - at : LS__BUFFER_BYTES;
        LS_TRY(ls__read_at(writer->fd, writer->temporary, slot->array.offset + at, with->buffer, part));
        if (memcmp(with->buffer, wanted + at, part) != 0) return reads_back_differently(writer, slot->path);
    }
    return LS_OK;
}

/* An array as it stands on the disk. */
static ls_status check_array(const ls_store_writer *writer, const ls__slot *slot, const scratch *with) {
    ls__checksum_begin(with->hash, &slot->array);
    for (size_t at = 0, part; at < slot->array.bytes; at += part) {
        uint64_t offset = slot->array.offset + at;
        part = slot->array.bytes - at < LS__BUFFER_BYTES ? slot->array.bytes - at : LS__BUFFER_BYTES;
        size_t done = ls__read_direct(writer->direct, offset, with->buffer, part);
        LS_TRY(ls__read_at(writer->fd, writer->temporary, offset + done, with->buffer + done, part - done));
        XXH3_64bits_update(with->hash, with->buffer, part);
    }
    if (XXH3_64bits_digest(with->hash) != slot->checksum) return reads_back_differently(writer, slot->path);
    return LS_OK;
}

/* Reads everything back and compares: past the page cache, or from the disk as far as the system lets pages go. */
static ls_status read_back(ls_store_writer *writer, const scratch *with) {
    posix_fadvise(writer->fd, 0, 0, POSIX_FADV_DONTNEED);
    for (size_t i = 0; i < writer->count; i++) LS_TRY(check_array(writer, &writer->slots[i], with));
    LS_TRY(check_own(writer, LS__SLOT_LINES, writer->lines.bytes, writer->lines.length, with));
    LS_TRY(check_own(writer, LS__SLOT_STATE, &writer->state, sizeof writer->state, with));
    LS_TRY(check_own(writer, LS__SLOT_FILE, &writer->whole, sizeof writer->whole, with));
    LS_TRY(for_tables(writer, check_own, with));
    uint64_t whole;
    LS_TRY(whole_checksum(writer, with, &whole));
    return whole == writer->whole ? LS_OK : reads_back_differently(writer, "its structure");
}

static ls_status make_durable(ls_store_writer *writer, const scratch *with) {
    LS_TRY(write_checksums(writer, with));
    LS_TRY(ls__sync(writer->fd, writer->temporary));
    return read_back(writer, with);
}

static ls_status make_visible(ls_store_writer *writer) {
    if (writer->direct >= 0) close(writer->direct); /* what it wrote is on the disk and was read again */
    writer->direct = -1;
    int closed = close(writer->fd);
    writer->fd = -1;
    if (closed != 0 && errno != EINTR) {
        int cause = errno;
        unlink(writer->temporary);
        return LS_FAIL(LS_ERR_IO, "%s: cannot close: %s", writer->temporary, strerror(cause));
    }
    if (rename(writer->temporary, writer->target) != 0) {
        int cause = errno;
        unlink(writer->temporary);
        return LS_FAIL(LS_ERR_IO, "%s: cannot rename it to %s: %s", writer->temporary, writer->target, strerror(cause));
    }
    writer->stage = LS__COMMITTED;
    return ls__sync_folder(writer->target);
}

static void abandon(ls_store_writer *writer) {
    if (writer->fd < 0) return;
    close(writer->fd);
    writer->fd = -1;
    unlink(writer->temporary);
}

ls_status ls_store_commit(ls_store_writer *writer, ls_status (*permit)(void *argument), void *argument) {
    assert(writer->stage == LS__FILLING && writer->fd >= 0);
    scratch with = {.hash = XXH3_createState(), .extents = calloc(writer->count + 1, sizeof(ls__extent))};
    ls_status status = ls_block_create(LS__BUFFER_BYTES + LS_STORE_PAGE, 1, "a file's checksums", &with.block);
    if (status == LS_OK && (!with.hash || !with.extents))
        status = LS_FAIL(LS_ERR_MEMORY, "no memory for a file's checksums");
    if (status == LS_OK) with.buffer = (char *)ls_round_up((uintptr_t)with.block, LS_STORE_PAGE);
    if (status == LS_OK) status = make_durable(writer, &with);
    if (status == LS_OK && permit) status = permit(argument);
    if (status == LS_OK) status = make_visible(writer);
    if (status != LS_OK) abandon(writer);
    XXH3_freeState(with.hash);
    ls_block_destroy(with.block);
    free(with.extents);
    return status;
}

uint64_t ls_store_writer_state(const ls_store_writer *writer) {
    assert(writer->stage == LS__COMMITTED);
    return writer->state;
}

uint64_t ls_store_writer_bytes(const ls_store_writer *writer) {
    assert(writer->stage != LS__LAYING_OUT);
    return writer->bytes;
}
