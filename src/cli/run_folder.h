/*
 * run_folder.h: a run's directory, seen from outside: is it one, and what is the run doing?
 */
#ifndef LOCKSTEP_CLI_RUN_FOLDER_H
#define LOCKSTEP_CLI_RUN_FOLDER_H

#include "cli/cli.h"
#include "lockstep/report.h"

/* A run writes its state about every 2 s; after so many seconds of silence nobody can be sure that it lives. */
enum { CLI_STALE_SECONDS = 10 };

typedef struct cli_run_view {
    ls_run_state state;
    bool known; /* the run has said something */
    bool over;  /* done, stopped or failed */
    double age; /* seconds since it last said something */
    bool stale; /* not over, and silent for too long */
} cli_run_view;

/* Refuses what is no run's directory: LS_ERR_IO where there is none, LS_ERR_DATA where it holds no run. */
ls_status cli_run_check(const char *folder) LS_MUST_USE;

/* "FOLDER/NAME" in the pool. */
ls_status cli_run_path(ls_pool *pool, const char *folder, const char *name, const char **out) LS_MUST_USE;

/* Reads status.json of a directory that cli_run_check() passed. Texts live in `pool`. */
ls_status cli_run_look(const char *folder, ls_pool *pool, cli_run_view *out) LS_MUST_USE;

#endif
