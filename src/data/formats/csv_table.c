#include "data/formats/csv_table.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Where the reader stands. */
typedef struct cursor {
    const ls_file *file;
    size_t at;
    char delimiter;
} cursor;

static bool at_end(const cursor *c) {
    return c->at >= c->file->length;
}

static char here(const cursor *c) {
    return at_end(c) ? '\n' : (char)c->file->bytes[c->at];
}

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static void skip_blanks(cursor *c) {
    while (!at_end(c) && is_blank(here(c)) && here(c) != c->delimiter) c->at++;
}

/* Behind the closing quote only blanks may stand before the delimiter or the line's end. */
static ls_status read_quoted(cursor *c, csv_cell *cell) {
    size_t open = c->at++;
    *cell = (csv_cell){.at = c->at, .quoted = true};
    for (;;) {
        if (at_end(c)) return ls__file_fail(c->file, open, "this quote is never closed");
        if (here(c) == '"') {
            bool doubled = c->at + 1 < c->file->length && c->file->bytes[c->at + 1] == '"';
            if (!doubled) break;
            c->at++;
        }
        c->at++;
    }
    cell->length = c->at - cell->at;
    c->at++;
    skip_blanks(c);
    if (here(c) != c->delimiter && here(c) != '\n')
        return ls__file_fail(c->file, c->at, "\"%c\" behind a closing quote; a quote inside quotes is doubled",
                             here(c));
    return LS_OK;
}

static ls_status read_cell(cursor *c, csv_cell *cell) {
    skip_blanks(c);
    if (here(c) == '"') return read_quoted(c, cell);
    *cell = (csv_cell){.at = c->at};
    for (; here(c) != c->delimiter && here(c) != '\n'; c->at++) {
        if (here(c) == '\0')
            return ls__file_fail(c->file, c->at,
                                 "a zero byte: this is no text file, or one in UTF-16; UTF-8 is wanted");
        if (here(c) == '\r' && c->at + 1 < c->file->length && !memchr("\r\n", c->file->bytes[c->at + 1], 2))
            return ls__file_fail(c->file, c->at, "a carriage return alone ends no line; \\n or \\r\\n is wanted");
    }
    size_t end = c->at;
    while (end > cell->at && is_blank((char)c->file->bytes[end - 1])) end--;
    cell->length = end - cell->at;
    return LS_OK;
}

/* One line's cells are added to the table's memory. */
static ls_status read_line(cursor *c, csv_table *table, size_t *count) {
    *count = 0;
    for (;;) {
        csv_cell cell;
        LS_TRY(read_cell(c, &cell));
        void *room = NULL;
        LS_TRY(ls__bytes_grow(&table->memory, sizeof cell, &room));
        memcpy(room, &cell, sizeof cell);
        ++*count;
        bool more = here(c) == c->delimiter && !at_end(c);
        c->at++;
        if (!more) return LS_OK;
    }
}

static char likely_delimiter(const ls_file *file) {
    static const char candidates[] = ",;\t";
    size_t most = 0;
    char best = ',';
    for (const char *d = candidates; *d; d++) {
        size_t count = 0;
        for (size_t i = 0; i < file->length && file->bytes[i] != '\n'; i++)
            count += file->bytes[i] == (unsigned char)*d;
        if (count > most) {
            most = count;
            best = *d;
        }
    }
    return best;
}

static bool blank_line(const cursor *c) {
    size_t i = c->at;
    while (i < c->file->length && is_blank((char)c->file->bytes[i]) && (char)c->file->bytes[i] != c->delimiter) i++;
    return i >= c->file->length || c->file->bytes[i] == '\n';
}

static ls_status read_lines(cursor *c, csv_table *table) {
    while (!at_end(c)) {
        size_t start = c->at, count = 0;
        if (blank_line(c)) {
            while (here(c) != '\n') c->at++;
            c->at++;
            continue;
        }
        LS_TRY(read_line(c, table, &count));
        if (table->columns == 0) table->columns = count;
        if (count != table->columns)
            return ls__file_fail(table->file, start, "%zu cells where the first line has %zu", count, table->columns);
        table->rows++;
    }
    return LS_OK;
}

/* A header line: no cell of the first line is a number, but one below is. */
static bool looks_like_header(const csv_table *table) {
    if (table->rows < 2) return false;
    bool below = false;
    double number;
    for (size_t i = 0; i < table->columns; i++) {
        if (ls__csv_number(table, ls__csv_cell(table, 0, i), &number)) return false;
        below |= ls__csv_number(table, ls__csv_cell(table, 1, i), &number);
    }
    return below;
}

ls_status ls__csv_read(const ls_file *file, char delimiter, csv_header header, csv_table *out) {
    *out = (csv_table){.file = file};
    cursor c = {.file = file, .delimiter = delimiter ? delimiter : likely_delimiter(file)};
    /* Some programs begin UTF-8 with a mark. */
    if (file->length >= 3 && memcmp(file->bytes, "\xef\xbb\xbf", 3) == 0) c.at = 3;
    ls_status status = read_lines(&c, out);
    if (status == LS_OK && out->rows == 0) status = ls__file_fail(file, 0, "the file has no lines");
    if (status != LS_OK) {
        ls__csv_free(out);
        return status;
    }
    out->cells = (const csv_cell *)(const void *)out->memory.items;
    if (header == CSV_HEADER_YES || (header == CSV_HEADER_AUTO && looks_like_header(out))) {
        out->header = out->cells;
        out->cells += out->columns;
        out->rows--;
    }
    if (out->rows > 0) return LS_OK;
    ls__csv_free(out);
    return ls__file_fail(file, 0, "the file has a header line and nothing below it");
}

void ls__csv_free(csv_table *table) {
    free(table->memory.items);
    *table = (csv_table){0};
}

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

/* "+5" and "007" are numbers here; elsewhere in the program they are typing errors. */
static void normalise_number(const char *in, size_t length, char *out) {
    size_t i = 0;
    if (in[i] == '-') *out++ = in[i++];
    if (i == 0 && length > 1 && in[i] == '+' && (is_digit(in[1]) || in[1] == '.')) i++;
    while (i + 1 < length && in[i] == '0' && is_digit(in[i + 1])) i++;
    memcpy(out, in + i, length - i);
    out[length - i] = '\0';
}

bool ls__csv_number(const csv_table *table, const csv_cell *cell, double *out) {
    char text[512];
    if (cell->length == 0 || cell->length >= sizeof text) return false;
    normalise_number((const char *)table->file->bytes + cell->at, cell->length, text);
    return ls_parse_real(text, out);
}

bool ls__csv_missing(const csv_table *table, const csv_cell *cell) {
    static const char *const words[] = {"", "NA", "N/A", "NaN", "null", "?"};
    const char *text = (const char *)table->file->bytes + cell->at;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == cell->length && strncasecmp(words[i], text, cell->length) == 0) return true;
    return false;
}

ls_status ls__csv_text(const csv_table *table, const csv_cell *cell, ls_pool *pool, const char **out) {
    void *room = NULL;
    LS_TRY(ls_pool_take(pool, cell->length + 1, &room));
    char *text = room;
    size_t length = 0;
    const char *in = (const char *)table->file->bytes + cell->at;
    for (size_t i = 0; i < cell->length; i++) {
        text[length++] = in[i];
        if (cell->quoted && in[i] == '"') i++;
    }
    *out = text;
    return LS_OK;
}

int ls__csv_compare(const csv_table *table, const csv_cell *a, const csv_cell *b) {
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(table->file->bytes + a->at, table->file->bytes + b->at, shorter);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}
