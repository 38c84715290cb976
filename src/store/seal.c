#include "store/seal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/io.h"

/* The last line: two numbers of 16 digits and a space, then these words, whose last is the version. */
#define WORDS "lockstep seal 1\n"
enum { NUMBERS = 2, NUMBER_BYTES = 17, WORDS_BYTES = sizeof WORDS - 1, VERSION_AT = WORDS_BYTES - 2 };
enum { LAST_LINE = NUMBERS * NUMBER_BYTES + WORDS_BYTES };

/* More than any file's seal has, so that a damaged number asks for no more memory. */
#define MOST_BYTES ((uint64_t)64 << 20)

ls_status ls__seal_add(ls_text *text, ls__extent array) {
    return ls_text_add(text, "%" PRIu64 " %" PRIu64 "\n", array.offset, array.bytes);
}

ls_status ls__seal_end(ls_text *text, uint64_t file, uint64_t begin) {
    return ls_text_add(text, "%016" PRIx64 " %016" PRIx64 " " WORDS, file, begin);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

static ls_status refuse(const char *file) {
    return LS_FAIL(LS_ERR_IO, "%s: damaged: the seal at its end, which says where its arrays lie, makes no sense",
                   file);
}

/* The last line's numbers. */
static bool take_places(const char *line, uint64_t bytes, ls__seal *seal) {
    uint64_t *const places[] = {&seal->file, &seal->begin};
    for (size_t i = 0; i < NUMBERS; i++, line += NUMBER_BYTES) {
        char *end;
        if (strspn(line, "0123456789abcdef") != NUMBER_BYTES - 1) return false;
        *places[i] = strtoull(line, &end, 16);
        if (*end != ' ') return false;
    }
    return seal->begin <= bytes - LAST_LINE && bytes - seal->begin <= MOST_BYTES && seal->begin >= sizeof(uint64_t) &&
           seal->file <= seal->begin - sizeof(uint64_t);
}

/* The number at *at, which `end` follows; moves on behind that. False where there is none. */
static bool take_number(char **at, char end, uint64_t *out) {
    if (**at < '0' || **at > '9') return false;
    *out = strtoull(*at, at, 10);
    return *(*at)++ == end;
}

/* An array's line, moving on to the next. Of a damaged one the bytes may not lie within the file's. */
static bool take_array(char **at, uint64_t limit, ls__extent *out) {
    return take_number(at, ' ', &out->offset) && take_number(at, '\n', &out->bytes) && out->offset <= limit &&
           out->bytes <= limit - out->offset;
}

static bool take_arrays(char *text, size_t length, ls__seal *seal) {
    size_t lines = 0;
    for (size_t i = 0; i < length; i++) lines += text[i] == '\n';
    seal->arrays = calloc(lines + 1, sizeof *seal->arrays);
    if (!seal->arrays || strlen(text) != length) return false;
    for (char *at = text; *at; seal->count++)
        if (!take_array(&at, seal->begin, &seal->arrays[seal->count])) return false;
    return true;
}

static ls_status read_arrays(int fd, const char *file, uint64_t bytes, ls__seal *seal) {
    size_t length = (size_t)(bytes - seal->begin) - LAST_LINE;
    char *text = calloc(1, length + 1);
    if (!text) return LS_FAIL(LS_ERR_MEMORY, "no memory for the seal of %s", file);
    ls_status status = ls__read_at(fd, file, seal->begin, text, length);
    if (status == LS_OK && !take_arrays(text, length, seal)) status = refuse(file);
    free(text);
    return status;
}

ls_status ls__seal_read(int fd, const char *file, uint64_t bytes, ls__seal *out, bool *sealed) {
    char line[LAST_LINE + 1] = "";
    *out = (ls__seal){0};
    *sealed = false;
    if (bytes < LAST_LINE) return LS_OK;
    LS_TRY(ls__read_at(fd, file, bytes - LAST_LINE, line, LAST_LINE));
    const char *words = line + NUMBERS * NUMBER_BYTES;
    if (strncmp(words, WORDS, VERSION_AT) != 0) return LS_OK;
    *sealed = true;
    if (strcmp(words, WORDS) != 0)
        return LS_FAIL(LS_ERR_IO, "%s: sealed by a later lockstep, which can read it, or damaged", file);
    if (!take_places(line, bytes, out)) return refuse(file);
    return read_arrays(fd, file, bytes, out);
}

void ls__seal_free(ls__seal *seal) {
    free(seal->arrays);
    *seal = (ls__seal){0};
}

/* ---- checking ------------------------------------------------------------------------------------------------- */

static ls_status compare(int fd, const char *file, uint64_t bytes, ls__seal *seal, XXH3_state_t *hash, void *buffer) {
    uint64_t wanted, checksum;
    LS_TRY(ls__read_at(fd, file, seal->file, &wanted, sizeof wanted));
    LS_TRY(ls__checksum_file(fd, file, bytes, seal->arrays, seal->count, seal->file, hash, buffer, &checksum));
    if (checksum == wanted) return LS_OK;
    return LS_FAIL(LS_ERR_IO, "%s: damaged: /checksums/file: the file's structure or size differs from its checksum",
                   file);
}

ls_status ls__seal_check(int fd, const char *file, uint64_t bytes, ls__seal *seal) {
    XXH3_state_t *hash = XXH3_createState();
    void *buffer = NULL;
    ls_status status = ls_block_create(LS__BUFFER_BYTES, 1, "a file's verification", &buffer);
    if (status == LS_OK && !hash) status = LS_FAIL(LS_ERR_MEMORY, "no memory to verify %s", file);
    if (status == LS_OK) status = compare(fd, file, bytes, seal, hash, buffer);
    ls_block_destroy(buffer);
    XXH3_freeState(hash);
    return status;
}
