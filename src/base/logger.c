#include "lockstep/logger.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/clock.h"

struct ls_logger {
    ls_logger_options options;
    FILE *file;
    pthread_mutex_t lock;
};

typedef struct level_style {
    const char *word;  /* between "lockstep: " and the line */
    const char *color; /* of that word on a terminal */
} level_style;

static const level_style styles[] = {
    [LS_LOG_DEBUG] = {"debug: ", "\033[2m"},
    [LS_LOG_INFO] = {"", ""},
    [LS_LOG_WARNING] = {"warning: ", "\033[33m"},
    [LS_LOG_ERROR] = {"error: ", "\033[31m"},
};

ls_status ls_logger_create(const ls_logger_options *options, ls_logger **out) {
    *out = calloc(1, sizeof **out);
    if (!*out) return LS_FAIL(LS_ERR_MEMORY, "no memory for the log");
    (*out)->options = *options;
    pthread_mutex_init(&(*out)->lock, NULL);
    return LS_OK;
}

void ls_logger_destroy(ls_logger *logger) {
    if (!logger) return;
    if (logger->file) fclose(logger->file);
    pthread_mutex_destroy(&logger->lock);
    free(logger);
}

ls_status ls_logger_open_file(ls_logger *logger, const char *path) {
    FILE *file = fopen(path, "ae");
    if (!file) return LS_FAIL(LS_ERR_IO, "%s: cannot be opened for writing: %s", path, strerror(errno));
    setvbuf(file, NULL, _IOLBF, 0);
    pthread_mutex_lock(&logger->lock);
    FILE *before = logger->file;
    logger->file = file;
    pthread_mutex_unlock(&logger->lock);
    if (before) fclose(before);
    return LS_OK;
}

bool ls_logger_speaks(const ls_logger *logger) {
    return logger && logger->options.speaks;
}

static void say_on_terminal(const ls_logger *logger, ls_log_level level, const char *format, va_list arguments) {
    FILE *stream = level == LS_LOG_INFO ? logger->options.output : logger->options.terminal;
    if (level < logger->options.threshold || !stream) return;
    /* One buffer, one write: lines of several ranks do not mix. */
    char line[4096];
    int length = vsnprintf(line, sizeof line, format, arguments);
    if (length < 0) return;
    if (level == LS_LOG_INFO)
        fprintf(stream, "%s\n", line);
    else if (logger->options.color)
        fprintf(stream, "lockstep: %s%s\033[0m%s\n", styles[level].color, styles[level].word, line);
    else
        fprintf(stream, "lockstep: %s%s\n", styles[level].word, line);
    fflush(stream);
}

void ls_logger_say(ls_logger *logger, ls_log_level level, const char *format, ...) {
    if (!logger || (!logger->options.speaks && level < LS_LOG_ERROR)) return;
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    pthread_mutex_lock(&logger->lock);
    say_on_terminal(logger, level, format, arguments);
    if (logger->file) {
        char now[32];
        ls_clock_text(now, sizeof now);
        fprintf(logger->file, "%s %s", now, styles[level].word);
        vfprintf(logger->file, format, again);
        fputc('\n', logger->file);
    }
    pthread_mutex_unlock(&logger->lock);
    va_end(again);
    va_end(arguments);
}

void ls_logger_failure(ls_logger *logger, ls_status status) {
    if (!logger || status == LS_OK || ls_status_code(status) == LS_ERR_REPORTED) return;
    ls_logger_say(logger, LS_LOG_ERROR, "%s", ls_status_message(status));
    if (logger->options.terminal && logger->options.threshold <= LS_LOG_DEBUG) {
        fprintf(logger->options.terminal, "%s\n", ls_status_trail(status));
        fflush(logger->options.terminal);
    }
}
