#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report/json.h"

struct ls_journal {
    int file;
    char *path;
    ls__json line;   /* its buffer is used again for each line */
    ls_text waiting; /* what could not be written yet */
};

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* The lines of a file, one at a time. */
typedef struct lines {
    FILE *file;
    char *line;
    size_t space;
    ssize_t length; /* with the line end; below 0: no more */
    size_t number;
} lines;

static ls_status lines_open(lines *l, const char *path) {
    *l = (lines){.file = fopen(path, "re")};
    return l->file ? LS_OK : LS_FAIL(LS_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
}

static bool lines_next(lines *l) {
    l->length = getline(&l->line, &l->space, l->file);
    l->number++;
    return l->length >= 0;
}

/* A line that the file ends in, but not with a line end. */
static bool lines_torn(const lines *l) {
    return l->length == 0 || l->line[l->length - 1] != '\n';
}

static void lines_close(lines *l) {
    fclose(l->file);
    free(l->line);
}

static uint64_t count_of(const json_t *object, const char *key) {
    json_int_t count = json_integer_value(json_object_get(object, key));
    return count > 0 ? (uint64_t)count : 0;
}

/* The object of a line, if it is an event. */
static json_t *parse(const lines *l, json_error_t *error) {
    json_t *object = json_loadb(l->line, (size_t)l->length, 0, error);
    if (object && json_is_string(json_object_get(object, "event"))) return object;
    if (object) snprintf(error->text, sizeof error->text, "no event");
    json_decref(object);
    return NULL;
}

static bool is_head(const char *key) {
    return strcmp(key, "event") == 0 || strcmp(key, "step") == 0 || strcmp(key, "epoch") == 0 ||
           strcmp(key, "set") == 0;
}

/* Gives an object to `visit` as an event. */
static ls_status visit_object(json_t *object, ls_status (*visit)(void *, const ls_event *), void *context) {
    ls_value *values = calloc(json_object_size(object) + 1, sizeof *values);
    if (!values) return LS_FAIL(LS_ERR_MEMORY, "no memory for an event");
    ls_event event = {.event = json_string_value(json_object_get(object, "event")),
                      .step = count_of(object, "step"),
                      .epoch = count_of(object, "epoch"),
                      .set = json_string_value(json_object_get(object, "set")),
                      .values = values};
    const char *key;
    json_t *item;
    json_object_foreach(object, key, item) {
        if (is_head(key)) continue;
        values[event.count++] = (ls_value){.name = key,
                                           .number = json_is_number(item) ? json_number_value(item) : (double)NAN,
                                           .text = json_string_value(item)};
    }
    ls_status status = visit(context, &event);
    free(values);
    return status;
}

static ls_status read_lines(lines *l, const char *path, ls_status (*visit)(void *, const ls_event *), void *context) {
    while (lines_next(l)) {
        if (lines_torn(l)) return LS_OK;
        json_error_t error;
        json_t *object = parse(l, &error);
        if (!object) return LS_FAIL(LS_ERR_DATA, "%s:%zu: %s", path, l->number, error.text);
        ls_status status = visit_object(object, visit, context);
        json_decref(object);
        LS_TRY(status);
    }
    return LS_OK;
}

ls_status ls_journal_read(const char *path, ls_status (*visit)(void *context, const ls_event *event), void *context) {
    lines l;
    LS_TRY(lines_open(&l, path));
    ls_status status = read_lines(&l, path, visit, context);
    lines_close(&l);
    return status;
}

double ls_event_number(const ls_event *event, const char *name) {
    for (size_t i = 0; i < event->count; i++)
        if (strcmp(event->values[i].name, name) == 0) return event->values[i].number;
    return (double)NAN;
}

/* ---- truncating --------------------------------------------------------------------------------------------- */

/* Whether a line stays: whole, an event, and not of a later step. */
static bool stays(const lines *l, uint64_t last_step) {
    if (last_step == LS_REPORT_KEEP_NONE || lines_torn(l)) return false;
    if (last_step == LS_REPORT_KEEP_ALL) return true;
    json_error_t error;
    json_t *object = parse(l, &error);
    bool stay = object && count_of(object, "step") <= last_step;
    json_decref(object);
    return stay;
}

ls_status ls_journal_truncate(const char *path, uint64_t last_step) {
    struct stat info;
    bool there = stat(path, &info) == 0;
    if (there ? !S_ISREG(info.st_mode) : errno == ENOENT) return LS_OK; /* a pipe or device holds nothing to cut */
    lines l;
    LS_TRY(lines_open(&l, path));
    ls_text kept = {0};
    ls_status status = LS_OK;
    bool whole = true;
    while (status == LS_OK && lines_next(&l)) {
        if (stays(&l, last_step))
            status = ls_text_add_bytes(&kept, l.line, (size_t)l.length);
        else
            whole = false;
    }
    lines_close(&l);
    if (status == LS_OK && !whole) status = ls__replace_file(path, &kept, true);
    ls_text_free(&kept);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

ls_status ls_journal_open(const char *path, uint64_t last_step, ls_journal **out) {
    *out = NULL;
    LS_TRY(ls_journal_truncate(path, last_step));
    ls_journal *journal = calloc(1, sizeof *journal);
    char *copy = strdup(path);
    if (!journal || !copy) {
        free(journal);
        free(copy);
        return LS_FAIL(LS_ERR_MEMORY, "no memory for a journal");
    }
    journal->path = copy;
    journal->file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (journal->file < 0) {
        ls_status status = LS_FAIL(LS_ERR_IO, "%s: cannot be opened for writing: %s", path, strerror(errno));
        free(journal);
        free(copy);
        return status;
    }
    *out = journal;
    return LS_OK;
}

static ls_status format_event(ls__json *line, const ls_event *event) {
    assert(event->event);
    line->text.length = 0;
    line->follows = false;
    line->depth = 0;
    ls__json_open(line, NULL, '{');
    ls__json_text(line, "event", event->event);
    ls__json_count(line, "step", event->step);
    ls__json_count(line, "epoch", event->epoch);
    if (event->set) ls__json_text(line, "set", event->set);
    for (size_t i = 0; i < event->count; i++) ls__json_value(line, &event->values[i]);
    ls__json_close(line, '}');
    ls_status status = ls__json_finish(line);
    line->status = LS_OK;
    return status;
}

/* Writes what it can of the lines that wait. */
ls_status ls_journal_flush(ls_journal *journal) {
    ls_text *waiting = &journal->waiting;
    if (!waiting->length) return LS_OK;
    ssize_t written = write(journal->file, waiting->bytes, waiting->length);
    if (written < 0) return LS_FAIL(LS_ERR_IO, "%s: cannot be written: %s", journal->path, strerror(errno));
    waiting->length -= (size_t)written;
    if (!waiting->length) return LS_OK;
    memmove(waiting->bytes, waiting->bytes + written, waiting->length);
    return LS_FAIL(LS_ERR_IO, "%s: cannot be written: no space for a whole line", journal->path);
}

ls_status ls_journal_write_line(ls_journal *journal, const ls_text *line) {
    LS_TRY(ls_text_add_bytes(&journal->waiting, line->bytes, line->length));
    return ls_journal_flush(journal);
}

ls_status ls_journal_write(ls_journal *journal, const ls_event *event) {
    LS_TRY(format_event(&journal->line, event));
    return ls_journal_write_line(journal, &journal->line.text);
}

size_t ls_journal_waiting(const ls_journal *journal) {
    return journal->waiting.length;
}

ls_status ls_journal_close(ls_journal *journal) {
    if (!journal) return LS_OK;
    ls_status status = ls_journal_flush(journal);
    if (close(journal->file) != 0)
        status =
            ls_status_first(status, LS_FAIL(LS_ERR_IO, "%s: cannot be closed: %s", journal->path, strerror(errno)));
    ls_text_free(&journal->line.text);
    ls_text_free(&journal->waiting);
    free(journal->path);
    free(journal);
    return status;
}
