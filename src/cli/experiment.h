/*
 * experiment.h: how commands get at an experiment.
 */
#ifndef LOCKSTEP_CLI_EXPERIMENT_H
#define LOCKSTEP_CLI_EXPERIMENT_H

#include "cli/cli.h"
#include "lockstep/config.h"

/* Rank 0 reads the file `path`, all ranks get its bytes, to free(). Collective over cli->comm. */
ls_status cli_read_text(cli *cli, const char *path, char **out) LS_MUST_USE;

/* Rank 0 reads `path`, all ranks parse the same bytes. Collective over cli->comm. */
ls_status cli_read_experiment(cli *cli, const char *path, const cli_words *overrides, ls_experiment *out) LS_MUST_USE;

/* The experiment whose checkpoint `path` is. Collective over cli->comm. */
ls_status cli_checkpoint_experiment(cli *cli, const char *path, const cli_words *overrides,
                                    ls_experiment *out) LS_MUST_USE;

/* The same without ranks. Local. */
ls_status cli_local_experiment(cli *cli, const char *path, ls_experiment *out) LS_MUST_USE;

/* Appends `text` as a quoted text of YAML, in which nothing is special. */
ls_status cli_add_quoted(ls_text *out, const char *text) LS_MUST_USE;

/* How progress is shown, as --progress and --quiet say. */
ls_display_mode cli_display_mode(const cli *cli);

#endif
