#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lockstep/clock.h"
#include "report/json.h"

#ifdef LOCKSTEP_HAVE_ISAL
#include <isa-l/crc.h>
#endif

/*
 * An event file is a row of records
 *
 *     length (8 bytes) | masked CRC32C of the length (4) | message | masked CRC32C of the message (4)
 *
 * little-endian, and a message is of protocol buffers:
 *
 *     Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
 *     Summary { repeated Value value = 1; }
 *     Value   { string tag = 1; float simple_value = 2; }
 */
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_NUMBER = 2 };
enum { HEADER = 12, FOOTER = 4 };

#define FILE_PREFIX "events.out.tfevents."

struct ls_tensorboard {
    int file;
    char *path;
    ls_text record, message, summary, value; /* buffers that are used again */
};

const char *ls_tensorboard_missing(void) {
#ifdef LOCKSTEP_HAVE_ISAL
    return NULL;
#else
    return "event files for TensorBoard need ISA-L (libisal-dev), which this program was built without";
#endif
}

static uint32_t masked_crc(const void *bytes, size_t length) {
#ifdef LOCKSTEP_HAVE_ISAL
    /* The library takes a pointer to what it only reads, and an int: records are far shorter. */
    uint32_t crc = ~crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)length, ~UINT32_C(0));
    return ((crc >> 15) | (crc << 17)) + UINT32_C(0xa282ead8);
#else
    (void)bytes, (void)length;
    return 0;
#endif
}

/* ---- writing messages --------------------------------------------------------------------------------------- */

static ls_status add_little_endian(ls_text *out, uint64_t value, size_t bytes) {
    unsigned char little[8];
    for (size_t i = 0; i < bytes; i++) little[i] = (unsigned char)(value >> (8 * i));
    return ls_text_add_bytes(out, little, bytes);
}

static ls_status add_varint(ls_text *out, uint64_t value) {
    unsigned char bytes[10];
    size_t count = 0;
    do {
        bytes[count++] = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value);
    return ls_text_add_bytes(out, bytes, count);
}

static ls_status add_key(ls_text *out, unsigned field, unsigned wire) {
    return add_varint(out, field << 3 | wire);
}

static ls_status add_bytes(ls_text *out, unsigned field, const void *bytes, size_t length) {
    LS_TRY(add_key(out, field, WIRE_BYTES));
    LS_TRY(add_varint(out, length));
    return ls_text_add_bytes(out, bytes, length);
}

static ls_status add_head(ls_text *out, uint64_t step) {
    double wall = ls_clock_wall();
    uint64_t bits;
    memcpy(&bits, &wall, sizeof bits);
    LS_TRY(add_key(out, EVENT_WALL_TIME, WIRE_64));
    LS_TRY(add_little_endian(out, bits, sizeof bits));
    LS_TRY(add_key(out, EVENT_STEP, WIRE_VARINT));
    return add_varint(out, step);
}

/* Adds one scalar to the summary. */
static ls_status add_scalar(ls_tensorboard *board, const char *group, const ls_value *scalar) {
    char tag[256];
    snprintf(tag, sizeof tag, "%s/%s", group, scalar->name);
    float number = (float)scalar->number;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    board->value.length = 0;
    LS_TRY(add_bytes(&board->value, VALUE_TAG, tag, strlen(tag)));
    LS_TRY(add_key(&board->value, VALUE_NUMBER, WIRE_32));
    LS_TRY(add_little_endian(&board->value, bits, sizeof bits));
    return add_bytes(&board->summary, SUMMARY_VALUE, board->value.bytes, board->value.length);
}

/* Appends board->message as one record, in one call of the system. */
static ls_status write_record(ls_tensorboard *board) {
    ls_text *record = &board->record;
    record->length = 0;
    LS_TRY(add_little_endian(record, board->message.length, 8));
    LS_TRY(add_little_endian(record, masked_crc(record->bytes, 8), 4));
    LS_TRY(ls_text_add_bytes(record, board->message.bytes, board->message.length));
    LS_TRY(add_little_endian(record, masked_crc(board->message.bytes, board->message.length), 4));
    ssize_t written = write(board->file, record->bytes, record->length);
    if (written == (ssize_t)record->length) return LS_OK;
    return LS_FAIL(LS_ERR_IO, "%s: cannot be written: %s", board->path,
                   written < 0 ? strerror(errno) : "no space for a whole record");
}

ls_status ls_tensorboard_write(ls_tensorboard *board, const ls_event *event) {
    board->message.length = board->summary.length = 0;
    for (size_t i = 0; i < event->count; i++)
        if (!event->values[i].text)
            LS_TRY(add_scalar(board, event->set ? event->set : event->event, &event->values[i]));
    if (board->summary.length == 0) return LS_OK;
    LS_TRY(add_head(&board->message, event->step));
    LS_TRY(add_bytes(&board->message, EVENT_SUMMARY, board->summary.bytes, board->summary.length));
    return write_record(board);
}

/* ---- cutting older files ------------------------------------------------------------------------------------ */

static uint64_t little_endian(const unsigned char *bytes, size_t count) {
    uint64_t value = 0;
    for (size_t i = count; i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

/* Takes a varint from the front of [*at, end); false where there is none. */
static bool take_varint(const unsigned char **at, const unsigned char *end, uint64_t *out) {
    *out = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        unsigned char byte = *(*at)++;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

/* The step of an Event message; 0 where it has none, as in the file's first record. */
static uint64_t step_of(const unsigned char *at, size_t length) {
    const unsigned char *end = at + length;
    uint64_t key, value, step = 0;
    while (at < end && take_varint(&at, end, &key)) {
        switch (key & 7) {
        case WIRE_VARINT:
            if (!take_varint(&at, end, &value)) return step;
            if (key >> 3 == EVENT_STEP) step = value;
            break;
        case WIRE_64: at += end - at < 8 ? end - at : 8; break;
        case WIRE_32: at += end - at < 4 ? end - at : 4; break;
        case WIRE_BYTES:
            if (!take_varint(&at, end, &value)) return step;
            at += (uint64_t)(end - at) < value ? (uint64_t)(end - at) : value;
            break;
        default: return step;
        }
    }
    return step;
}

/* Bytes at the front of a file that are whole records of steps up to last_step. */
static size_t bytes_to_keep(const unsigned char *bytes, size_t length, uint64_t last_step) {
    size_t kept = 0;
    while (length - kept >= HEADER + FOOTER) {
        const unsigned char *record = bytes + kept;
        uint64_t size = little_endian(record, 8);
        if (size > length - kept - HEADER - FOOTER) break;
        if (little_endian(record + 8, 4) != masked_crc(record, 8)) break;
        if (little_endian(record + HEADER + size, 4) != masked_crc(record + HEADER, size)) break;
        if (step_of(record + HEADER, size) > last_step) break;
        kept += HEADER + size + FOOTER;
    }
    return kept;
}

static ls_status read_whole(const char *path, unsigned char **bytes, size_t *length) {
    FILE *file = fopen(path, "rbe");
    struct stat info;
    if (!file || fstat(fileno(file), &info) != 0) {
        ls_status status = LS_FAIL(LS_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
        if (file) fclose(file);
        return status;
    }
    *bytes = malloc((size_t)info.st_size + 1);
    *length = *bytes ? fread(*bytes, 1, (size_t)info.st_size, file) : 0;
    fclose(file);
    return *bytes ? LS_OK : LS_FAIL(LS_ERR_MEMORY, "no memory to read %s", path);
}

static ls_status cut_file(const char *path, uint64_t last_step) {
    if (last_step == LS_REPORT_KEEP_NONE)
        return unlink(path) == 0 ? LS_OK : LS_FAIL(LS_ERR_IO, "%s: cannot be removed: %s", path, strerror(errno));
    unsigned char *bytes = NULL;
    size_t length = 0;
    LS_TRY(read_whole(path, &bytes, &length));
    size_t kept = bytes_to_keep(bytes, length, last_step);
    free(bytes);
    if (kept == length || truncate(path, (off_t)kept) == 0) return LS_OK;
    return LS_FAIL(LS_ERR_IO, "%s: cannot be cut: %s", path, strerror(errno));
}

static ls_status cut_folder(const char *folder, uint64_t last_step) {
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return LS_FAIL(LS_ERR_IO, "%s: cannot be made: %s", folder, strerror(errno));
    DIR *entries = opendir(folder);
    if (!entries) return LS_FAIL(LS_ERR_IO, "%s: cannot be opened: %s", folder, strerror(errno));
    ls_status status = LS_OK;
    for (struct dirent *entry; status == LS_OK && (entry = readdir(entries));) {
        char path[4096];
        if (strncmp(entry->d_name, FILE_PREFIX, strlen(FILE_PREFIX)) != 0) continue;
        int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (length > 0 && (size_t)length < sizeof path) status = cut_file(path, last_step);
    }
    closedir(entries);
    return status;
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

/* A new file, whose name no other start of the run has: by time, host and process. */
static ls_status open_file(ls_tensorboard *board, const char *folder) {
    char host[256] = "localhost";
    gethostname(host, sizeof host - 1);
    if (asprintf(&board->path, "%s/" FILE_PREFIX "%010.0f.%s.%ld", folder, floor(ls_clock_wall()), host,
                 (long)getpid()) < 0) {
        board->path = NULL;
        return LS_FAIL(LS_ERR_MEMORY, "no memory for an event file");
    }
    board->file = open(board->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (board->file < 0) return LS_FAIL(LS_ERR_IO, "%s: cannot be opened: %s", board->path, strerror(errno));
    static const char version[] = "brain.Event:2";
    LS_TRY(add_head(&board->message, 0));
    LS_TRY(add_bytes(&board->message, EVENT_FILE_VERSION, version, sizeof version - 1));
    return write_record(board);
}

ls_status ls_tensorboard_open(const char *folder, uint64_t last_step, ls_tensorboard **out) {
    *out = NULL;
    if (ls_tensorboard_missing()) return LS_FAIL(LS_ERR_RUNTIME, "%s", ls_tensorboard_missing());
    LS_TRY(cut_folder(folder, last_step));
    ls_tensorboard *board = calloc(1, sizeof *board);
    if (!board) return LS_FAIL(LS_ERR_MEMORY, "no memory for an event file");
    board->file = -1;
    ls_status status = open_file(board, folder);
    if (status == LS_OK)
        *out = board;
    else
        status = ls_status_first(status, ls_tensorboard_close(board));
    return status;
}

ls_status ls_tensorboard_close(ls_tensorboard *board) {
    if (!board) return LS_OK;
    bool closed = board->file < 0 || close(board->file) == 0;
    ls_status status = closed ? LS_OK : LS_FAIL(LS_ERR_IO, "%s: cannot be closed: %s", board->path, strerror(errno));
    ls_text_free(&board->record);
    ls_text_free(&board->message);
    ls_text_free(&board->summary);
    ls_text_free(&board->value);
    free(board->path);
    free(board);
    return status;
}
