#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "lockstep/clock.h"
#include "report/json.h"

/* One row for each key of status.json: writing and reading follow it. */
typedef enum field_kind { COUNT, NUMBER, TEXT, PROCESS } field_kind;
typedef struct field {
    const char *key;
    field_kind kind;
    size_t offset;
} field;

#define FIELD(name, kind)                                                                                              \
    { #name, kind, offsetof(ls_run_state, name) }
static const field fields[] = {
    FIELD(phase, TEXT),       FIELD(step, COUNT),       FIELD(steps, COUNT),          FIELD(epoch, COUNT),
    FIELD(epochs, COUNT),     FIELD(loss, NUMBER),      FIELD(learning_rate, NUMBER), FIELD(samples_per_second, NUMBER),
    FIELD(elapsed, NUMBER),   FIELD(remaining, NUMBER), FIELD(ranks, COUNT),          FIELD(nodes, COUNT),
    FIELD(generation, COUNT), FIELD(host, TEXT),        FIELD(pid, PROCESS),          FIELD(job, TEXT),
    FIELD(checkpoint, TEXT),  FIELD(updated, TEXT),
};
enum { FIELDS = sizeof fields / sizeof *fields };

static void write_field(ls__json *json, const field *f, const ls_run_state *state) {
    const void *at = (const char *)state + f->offset;
    switch (f->kind) {
    case COUNT: ls__json_count(json, f->key, *(const uint64_t *)at); break;
    case NUMBER: ls__json_number(json, f->key, *(const double *)at); break;
    case TEXT: ls__json_text(json, f->key, *(const char *const *)at); break;
    case PROCESS: ls__json_count(json, f->key, (uint64_t) * (const int64_t *)at); break;
    }
}

ls_status ls_run_state_write(const char *path, const ls_run_state *state) {
    char now[32];
    ls_clock_text(now, sizeof now);
    ls_run_state dated = *state;
    dated.updated = now;
    ls__json json = {.pretty = true};
    ls__json_open(&json, NULL, '{');
    for (size_t i = 0; i < FIELDS; i++) write_field(&json, &fields[i], &dated);
    ls__json_close(&json, '}');
    ls_status status = ls__json_finish(&json);
    if (status == LS_OK) status = ls__replace_file(path, &json.text, false);
    ls_text_free(&json.text);
    return status;
}

static ls_status read_field(const field *f, const json_t *item, ls_pool *pool, ls_run_state *state) {
    void *at = (char *)state + f->offset;
    json_int_t whole = json_integer_value(item);
    switch (f->kind) {
    case COUNT: *(uint64_t *)at = whole > 0 ? (uint64_t)whole : 0; break;
    case NUMBER: *(double *)at = json_is_number(item) ? json_number_value(item) : (double)NAN; break;
    case TEXT:
        if (json_is_string(item)) return ls_pool_text(pool, json_string_value(item), (const char **)at);
        break;
    case PROCESS: *(int64_t *)at = whole; break;
    }
    return LS_OK;
}

ls_status ls_run_state_read(const char *path, ls_pool *pool, ls_run_state *out) {
    *out = (ls_run_state){0};
    json_t *object = NULL;
    LS_TRY(ls__json_read(path, &object));
    ls_status status = LS_OK;
    for (size_t i = 0; i < FIELDS && status == LS_OK; i++)
        status = read_field(&fields[i], json_object_get(object, fields[i].key), pool, out);
    json_decref(object);
    return status;
}
