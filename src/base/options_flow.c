#include <string.h>

#include "base/options_inner.h"

/*
 * The part of YAML in which defaults are written:
 *
 *     value  = list | map | quoted | plain
 *     list   = "[" [value {"," value}] "]"
 *     map    = "{" [plain ":" value {"," plain ":" value}] "}"
 *     quoted = '"' characters, with \" \\ \n and \t, '"'
 *     plain  = the rest of the text; inside brackets up to , ] } or a colon before a blank
 */
typedef struct reader {
    ls_pool *pool;
    ls_place place;
    const char *whole; /* for messages */
    const char *at;
    int depth; /* of brackets */
} reader;

enum { DEEPEST = 32 };

static ls_status wrong(const reader *r, const char *what) {
    return ls_document_fail(r->place, LS_ERR_CONFIG, "the default \"%s\" cannot be read: %s", r->whole, what);
}

static void skip_blanks(reader *r) {
    while (*r->at == ' ') r->at++;
}

static bool take(reader *r, char c) {
    skip_blanks(r);
    if (*r->at != c) return false;
    r->at++;
    return true;
}

static ls_status take_text(reader *r, const char *start, size_t length, bool quoted, ls_document **out) {
    void *bytes = NULL;
    LS_TRY(ls_pool_take(r->pool, length + 1, &bytes));
    memcpy(bytes, start, length);
    return ls_document_scalar(r->pool, r->place, bytes, quoted, out);
}

static bool ends_plain(const reader *r) {
    if (*r->at == '\0') return true;
    if (r->depth == 0) return false;
    return strchr(",]}", *r->at) || (*r->at == ':' && (r->at[1] == ' ' || r->at[1] == '\0'));
}

static ls_status read_plain(reader *r, ls_document **out) {
    const char *start = r->at;
    while (!ends_plain(r)) r->at++;
    size_t length = (size_t)(r->at - start);
    while (length > 0 && start[length - 1] == ' ') length--;
    if (length == 0) return wrong(r, "a value is missing");
    return take_text(r, start, length, false, out);
}

static ls_status read_quoted(reader *r, ls_document **out) {
    void *bytes = NULL;
    LS_TRY(ls_pool_take(r->pool, strlen(r->at) + 1, &bytes));
    char *to = bytes;
    for (; *r->at && *r->at != '"'; r->at++) {
        bool escaped = *r->at == '\\';
        if (escaped && *++r->at == '\0') break;
        *to++ = escaped && *r->at == 'n' ? '\n' : escaped && *r->at == 't' ? '\t' : *r->at;
    }
    if (!take(r, '"')) return wrong(r, "a quote is not closed");
    return ls_document_scalar(r->pool, r->place, bytes, true, out);
}

static ls_status read_value(reader *r, ls_document **out);

static ls_status read_list(reader *r, ls_document **out) {
    LS_TRY(ls_document_list(r->pool, r->place, out));
    if (take(r, ']')) return LS_OK;
    do {
        ls_document *item = NULL;
        LS_TRY(read_value(r, &item));
        LS_TRY(ls_document_add(r->pool, *out, item));
    } while (take(r, ','));
    return take(r, ']') ? LS_OK : wrong(r, "a ] is missing");
}

static ls_status read_map(reader *r, ls_document **out) {
    LS_TRY(ls_document_map(r->pool, r->place, out));
    if (take(r, '}')) return LS_OK;
    do {
        ls_document *key = NULL, *item = NULL;
        skip_blanks(r);
        LS_TRY(read_plain(r, &key));
        if (!take(r, ':')) return wrong(r, "a : is missing");
        LS_TRY(read_value(r, &item));
        if (ls_document_find(*out, key->text)) return wrong(r, "a key stands twice");
        LS_TRY(ls_document_put(r->pool, *out, key->text, r->place, item));
    } while (take(r, ','));
    return take(r, '}') ? LS_OK : wrong(r, "a } is missing");
}

static ls_status read_value(reader *r, ls_document **out) {
    if (take(r, '"')) return read_quoted(r, out);
    bool list = take(r, '['), map = !list && take(r, '{');
    if (!list && !map) return read_plain(r, out);
    if (++r->depth > DEEPEST) return wrong(r, "it is nested too deeply");
    LS_TRY(list ? read_list(r, out) : read_map(r, out));
    r->depth--;
    return LS_OK;
}

ls_status ls__flow_read(ls_pool *pool, ls_place place, const char *text, ls_document **out) {
    reader r = {.pool = pool, .place = place, .whole = text, .at = text};
    LS_TRY(read_value(&r, out));
    skip_blanks(&r);
    return *r.at == '\0' ? LS_OK : wrong(&r, "something follows the value");
}
