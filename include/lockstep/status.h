/**
 * status.h: how a function says that the world failed.
 *
 * A function that depends on the world (files, YAML, MPI, memory, numbers) returns an ls_status.
 * LS_OK is NULL; anything else is a failure that carries a code, a sentence for the user and the trail
 * of places it passed through:
 *
 *     ls_status open_it(const char *path) {
 *         FILE *file = fopen(path, "rb");
 *         if (!file) return LS_FAIL(LS_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
 *         LS_TRY(read_header(file));          // a failure below is passed up, with this place added
 *         ...
 *     }
 *
 * Invariants
 *  - The function that first decides the failure words it, once; the ones above stay silent.
 *  - A failure is owned by whoever received it: pass it up, or end it with ls_status_free(). Dropping
 *    one is a leak that the sanitizer build reports.
 *  - A broken contract of the caller is an assert, never a status.
 *
 * All functions are local (not collective) and thread-safe: there is no hidden state.
 */
#ifndef LOCKSTEP_STATUS_H
#define LOCKSTEP_STATUS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct ls_failure *ls_status;
#define LS_OK ((ls_status)0)

/** The kinds of failure. Each has one exit code (ls_code_exit). */
typedef enum ls_code {
    LS_ERR_NONE = 0, /* what ls_status_code() answers for LS_OK */
    LS_ERR_RUNTIME,  /* exit 1: something a restart may cure (a lost peer, a deadline) */
    LS_ERR_MEMORY,   /* exit 1: no memory */
    LS_ERR_CONFIG,   /* exit 2: the configuration is wrong */
    LS_ERR_DATA,     /* exit 2: the data do not fit the configuration */
    LS_ERR_NUMERIC,  /* exit 3: a number went bad */
    LS_ERR_USAGE,    /* exit 64: the command line is wrong */
    LS_ERR_IO,       /* exit 74: input or output failed */
    LS_ERR_STOPPED,  /* exit 75: stopped early and resumable */
    LS_ERR_REPORTED, /* a peer has told the user; made by ls_status_reported() with that peer's exit code */
} ls_code;

#if defined(__GNUC__)
#define LS_MUST_USE __attribute__((warn_unused_result))
#define LS_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define LS_MUST_USE
#define LS_PRINTF(text, first)
#endif

/** A failure with a sentence: what is wrong, the value, what is allowed, the remedy. Never returns LS_OK. */
#define LS_FAIL(code, ...) ls_status_make((code), __FILE__, __LINE__, __func__, __VA_ARGS__)

/** Evaluates an expression of type ls_status and returns from the calling function if it failed. */
#define LS_TRY(expression)                                                         \
    do {                                                                           \
        ls_status ls_try_status_ = (expression);                                   \
        if (ls_try_status_ != LS_OK)                                               \
            return ls_status_trace(ls_try_status_, __FILE__, __LINE__, __func__);  \
    } while (0)

/** As LS_TRY, but goes to a label that undoes what was done; `status` is the variable that is returned there. */
#define LS_TRY_ELSE(status, expression, label)                                     \
    do {                                                                           \
        (status) = (expression);                                                   \
        if ((status) != LS_OK) {                                                   \
            (status) = ls_status_trace((status), __FILE__, __LINE__, __func__);    \
            goto label;                                                            \
        }                                                                          \
    } while (0)

ls_status ls_status_make(ls_code code, const char *file, int line, const char *function, const char *format, ...)
    LS_PRINTF(5, 6) LS_MUST_USE;

/** Adds one place to the trail of a failure; returns the same failure. */
ls_status ls_status_trace(ls_status status, const char *file, int line, const char *function) LS_MUST_USE;

/** Puts words before the sentence of a failure ("%s: ..."); returns the same failure. LS_OK stays LS_OK. */
ls_status ls_status_prefix(ls_status status, const char *format, ...) LS_PRINTF(2, 3) LS_MUST_USE;

/** The failure's code, LS_ERR_NONE for LS_OK. */
ls_code ls_status_code(ls_status status);

/** The sentence, borrowed until the failure is freed; "" for LS_OK. */
const char *ls_status_message(ls_status status);

/** The trail, one "function (file:line)" a line, innermost first; borrowed; "" for LS_OK. */
const char *ls_status_trail(ls_status status);

/** Ends a failure. LS_OK is fine. */
void ls_status_free(ls_status status);

/** The failure that matters of two: `first` if it failed, else `second`. Ends the other one. */
ls_status ls_status_first(ls_status first, ls_status second) LS_MUST_USE;

/** A failure that another rank has already told the user: quiet, with that rank's exit code. */
ls_status ls_status_reported(int exit_code) LS_MUST_USE;

/** The program's exit code for a failure: 0, 1, 2, 3, 64, 74 or 75. */
int ls_status_exit(ls_status status);

/** The exit code of a kind of failure. */
int ls_code_exit(ls_code code);

#endif
