#include "lockstep/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Its own texts; a trail that could not grow keeps what it had. */
struct ls_failure {
    ls_code code;
    int exit;
    char *message;
    char *trail;
};

/* What is left to say when there is no memory to say more. It is constant, hence never freed or extended. */
static const struct ls_failure no_memory = {LS_ERR_MEMORY, 1, "out of memory", ""};

static bool is_constant(ls_status status) {
    return status == &no_memory;
}

static char *format_text(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) return NULL;
    char *text = malloc((size_t)length + 1);
    if (text) vsnprintf(text, (size_t)length + 1, format, arguments);
    return text;
}

static char *join(const char *first, const char *second) {
    size_t a = strlen(first), b = strlen(second);
    char *text = malloc(a + b + 1);
    if (!text) return NULL;
    memcpy(text, first, a);
    memcpy(text + a, second, b + 1);
    return text;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

ls_status ls_status_make(ls_code code, const char *file, int line, const char *function, const char *format, ...) {
    struct ls_failure *failure = calloc(1, sizeof *failure);
    if (!failure) return (ls_status)&no_memory;
    va_list arguments;
    va_start(arguments, format);
    failure->message = format_text(format, arguments);
    va_end(arguments);
    if (!failure->message) {
        free(failure);
        return (ls_status)&no_memory;
    }
    failure->code = code;
    failure->exit = ls_code_exit(code);
    return ls_status_trace(failure, file, line, function);
}

ls_status ls_status_trace(ls_status status, const char *file, int line, const char *function) {
    if (status == LS_OK || is_constant(status)) return status;
    char place[256];
    snprintf(place, sizeof place, "%s%s (%s:%d)", status->trail ? "\n" : "", function, base_name(file), line);
    char *trail = join(status->trail ? status->trail : "", place);
    if (!trail) return status;
    free(status->trail);
    status->trail = trail;
    return status;
}

ls_status ls_status_prefix(ls_status status, const char *format, ...) {
    if (status == LS_OK || is_constant(status)) return status;
    va_list arguments;
    va_start(arguments, format);
    char *prefix = format_text(format, arguments);
    va_end(arguments);
    char *half = prefix ? join(prefix, ": ") : NULL;
    char *whole = half ? join(half, status->message) : NULL;
    free(prefix);
    free(half);
    if (!whole) return status;
    free(status->message);
    status->message = whole;
    return status;
}

ls_code ls_status_code(ls_status status) {
    return status ? status->code : LS_ERR_NONE;
}

const char *ls_status_message(ls_status status) {
    return status ? status->message : "";
}

const char *ls_status_trail(ls_status status) {
    return status && status->trail ? status->trail : "";
}

void ls_status_free(ls_status status) {
    if (status == LS_OK || is_constant(status)) return;
    free(status->message);
    free(status->trail);
    free(status);
}

ls_status ls_status_first(ls_status first, ls_status second) {
    if (first == LS_OK) return second;
    ls_status_free(second);
    return first;
}

ls_status ls_status_reported(int exit_code) {
    ls_status status = LS_FAIL(LS_ERR_REPORTED, "a peer has reported the failure");
    if (!is_constant(status)) status->exit = exit_code;
    return status;
}

int ls_status_exit(ls_status status) {
    return status ? status->exit : 0;
}

int ls_code_exit(ls_code code) {
    switch (code) {
    case LS_ERR_NONE: return 0;
    case LS_ERR_CONFIG:
    case LS_ERR_DATA: return 2;
    case LS_ERR_NUMERIC: return 3;
    case LS_ERR_USAGE: return 64;
    case LS_ERR_IO: return 74;
    case LS_ERR_STOPPED: return 75;
    case LS_ERR_RUNTIME:
    case LS_ERR_MEMORY:
    case LS_ERR_REPORTED: return 1;
    }
    return 1;
}
