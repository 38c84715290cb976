/*
 * experiment.h: how commands get at an experiment.
 */
#ifndef LOCKSTEP_CLI_EXPERIMENT_H
#define LOCKSTEP_CLI_EXPERIMENT_H

#include "cli/cli.h"
#include "lockstep/config.h"

/* Rank 0 reads `path`, all ranks parse the same bytes. Collective over cli->comm. */
ls_status cli_read_experiment(cli *cli, const char *path, const cli_words *overrides, ls_experiment *out) LS_MUST_USE;

/* The experiment whose checkpoint `path` is. Collective over cli->comm. */
ls_status cli_checkpoint_experiment(cli *cli, const char *path, const cli_words *overrides,
                                    ls_experiment *out) LS_MUST_USE;

#endif
