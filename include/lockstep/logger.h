/**
 * logger.h: what the program says while it works.
 *
 * A log is an object that is passed to whoever may speak; there is no global one. Lines of all levels go to the log
 * file (log.txt of a run) with the time; those at or above the threshold also go to the terminal:
 *
 *     lockstep: warning: digits.yaml:12:3: ...
 *
 * Only the rank that the log was created to speak for writes; on others every call is quiet except LS_LOG_ERROR.
 * Local, thread-safe.
 */
#ifndef LOCKSTEP_LOGGER_H
#define LOCKSTEP_LOGGER_H

#include <stdio.h>

#include "lockstep/status.h"

typedef enum ls_log_level { LS_LOG_DEBUG, LS_LOG_INFO, LS_LOG_WARNING, LS_LOG_ERROR } ls_log_level;

typedef struct ls_logger ls_logger;

typedef struct ls_logger_options {
    FILE *terminal;         /* where lines go, usually stderr for warnings and errors; NULL: nowhere */
    FILE *output;           /* where plain information goes, usually stdout; NULL: nowhere */
    ls_log_level threshold; /* quieter lines stay off the terminal */
    bool speaks;            /* false: only errors are written (ranks other than 0) */
    bool color;
} ls_logger_options;

ls_status ls_logger_create(const ls_logger_options *options, ls_logger **out) LS_MUST_USE;
void ls_logger_destroy(ls_logger *logger);

/** From here on lines are also appended to `path`. A file that cannot be written is a failure. */
ls_status ls_logger_open_file(ls_logger *logger, const char *path) LS_MUST_USE;

/** Says one line. A NULL log is quiet. */
void ls_logger_say(ls_logger *logger, ls_log_level level, const char *format, ...) LS_PRINTF(3, 4);

/** True where lines of information reach a terminal or file: ask before building costly text. */
bool ls_logger_speaks(const ls_logger *logger);

/** Prints a failure as "lockstep: error: ..." and, at LS_LOG_DEBUG, its trail. Does not free it. */
void ls_logger_failure(ls_logger *logger, ls_status status);

#endif
