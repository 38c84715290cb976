#include "report/json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/file.h"

const char *ls_report_number(double number, char out[32]) {
    enum { SIZE = 32 };
    if (!isfinite(number)) {
        snprintf(out, SIZE, "null");
        return out;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, SIZE, "%.*g", digits, number);
        if (strtod(out, NULL) == number) break;
    }
    for (char *c = out; *c; c++)
        if (*c == ',') *c = '.'; /* a locale's decimal comma */
    if (!strpbrk(out, ".e")) snprintf(out + strlen(out), SIZE - strlen(out), ".0");
    return out;
}

static void add(ls__json *json, const char *text) {
    if (json->status == LS_OK) json->status = ls_text_add_bytes(&json->text, text, strlen(text));
}

/* A text with JSON's quotes and escapes. What is not UTF-8 loses the bytes that make it so. */
static void add_quoted(ls__json *json, const char *text) {
    json_t *string = json_string(text);
    if (!string) {
        char *plain = strdup(text);
        for (char *c = plain; c && *c; c++)
            if ((unsigned char)*c >= 0x80) *c = '?';
        string = plain ? json_string(plain) : NULL;
        free(plain);
    }
    char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    if (quoted)
        add(json, quoted);
    else if (json->status == LS_OK)
        json->status = LS_FAIL(LS_ERR_MEMORY, "no memory for a text of a report");
    free(quoted);
    json_decref(string);
}

/* What stands before a member: comma, line, key. */
static void lead(ls__json *json, const char *key) {
    if (json->follows) add(json, ",");
    if (json->pretty && json->depth) add(json, "\n");
    for (unsigned i = 0; json->pretty && i < json->depth; i++) add(json, "  ");
    json->follows = true;
    if (!key) return;
    add_quoted(json, key);
    add(json, json->pretty ? ": " : ":");
}

void ls__json_open(ls__json *json, const char *key, char bracket) {
    lead(json, key);
    add(json, (char[]){bracket, '\0'});
    json->depth++;
    json->follows = false;
}

void ls__json_close(ls__json *json, char bracket) {
    assert(json->depth > 0);
    json->depth--;
    if (json->pretty && json->follows) {
        add(json, "\n");
        for (unsigned i = 0; i < json->depth; i++) add(json, "  ");
    }
    add(json, (char[]){bracket, '\0'});
    json->follows = true;
}

void ls__json_number(ls__json *json, const char *key, double number) {
    char digits[32];
    lead(json, key);
    add(json, ls_report_number(number, digits));
}

void ls__json_count(ls__json *json, const char *key, uint64_t count) {
    char digits[32];
    lead(json, key);
    snprintf(digits, sizeof digits, "%" PRIu64, count);
    add(json, digits);
}

void ls__json_text(ls__json *json, const char *key, const char *text) {
    lead(json, key);
    if (text)
        add_quoted(json, text);
    else
        add(json, "null");
}

void ls__json_value(ls__json *json, const ls_value *value) {
    if (value->text)
        ls__json_text(json, value->name, value->text);
    else
        ls__json_number(json, value->name, value->number);
}

ls_status ls__json_finish(ls__json *json) {
    assert(json->depth == 0 || json->status != LS_OK);
    add(json, "\n");
    return json->status;
}

ls_status ls__replace_file(const char *path, const ls_text *text, bool durable) {
    ls_new_file file;
    LS_TRY(ls_new_file_open(&file, path));
    return ls_new_file_finish(&file, ls_new_file_write(&file, text->bytes, text->length), durable);
}

ls_status ls__json_read(const char *path, json_t **out) {
    json_error_t error;
    *out = json_load_file(path, 0, &error);
    if (*out) return LS_OK;
    if (json_error_code(&error) == json_error_cannot_open_file)
        return LS_FAIL(LS_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    return LS_FAIL(LS_ERR_DATA, "%s:%d:%d: %s", path, error.line, error.column, error.text);
}
