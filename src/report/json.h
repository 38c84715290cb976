/*
 * json.h: writing JSON as these files want it: shortest numbers, null for what is not finite, one line or indented.
 *
 * A writer remembers its first failure, so callers write everything and ask once, in ls__json_finish().
 */
#ifndef LOCKSTEP_REPORT_JSON_H
#define LOCKSTEP_REPORT_JSON_H

#include <jansson.h>

#include "lockstep/report.h"

typedef struct ls__json {
    ls_text text;
    ls_status status;
    bool pretty;  /* one member a line */
    bool follows; /* a member stands before the next one */
    unsigned depth;
} ls__json;

/* Opens '{' or '['; `key` is NULL at the top and in lists. */
void ls__json_open(ls__json *json, const char *key, char bracket);
void ls__json_close(ls__json *json, char bracket);

void ls__json_number(ls__json *json, const char *key, double number);
void ls__json_count(ls__json *json, const char *key, uint64_t count);
void ls__json_text(ls__json *json, const char *key, const char *text); /* NULL: null */
void ls__json_value(ls__json *json, const ls_value *value);

/* Adds a line end and gives the first failure, if any. The text stays in `json->text`, to be freed by the caller. */
ls_status ls__json_finish(ls__json *json) LS_MUST_USE;

/* Replaces a file: writes beside it, renames. `durable`: on the disk before the name changes. */
ls_status ls__replace_file(const char *path, const ls_text *text, bool durable) LS_MUST_USE;

/* Reads a file of JSON. Yours: json_decref(). */
ls_status ls__json_read(const char *path, json_t **out) LS_MUST_USE;

#endif
