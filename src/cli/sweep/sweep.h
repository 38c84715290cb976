/*
 * sweep.h: several runs of one experiment that differ in a few keys.
 *
 *     axes          --vary KEY=V,V...                       the grid of their values: settings
 *     settings      one value of every axis                 each is run with every seed and on every fold
 *     runs          a setting, a seed, a fold               one trainer each, in a folder of its own below the sweep's
 *
 * plan.c makes the runs, outcome.c finds out how one ended, ranking.c compares them and writes what came of it. What
 * reads or writes files is rank 0's; the rest is the same on all ranks.
 */
#ifndef LOCKSTEP_CLI_SWEEP_H
#define LOCKSTEP_CLI_SWEEP_H

#include "cli/experiment.h"

typedef struct cli_axis {
    const char *key;   /* "optimizer.sgd.learning_rate" */
    const char *label; /* "learning_rate", where no other axis ends so */
    size_t count;
    const char **values;
} cli_axis;

typedef enum cli_run_result { CLI_RUN_PENDING, CLI_RUN_DONE, CLI_RUN_FAILED } cli_run_result;

typedef struct cli_sweep_run {
    const char *name; /* of its folder: "learning_rate=0.1,seed=2" */
    size_t setting;
    uint64_t seed;
    size_t fold;
    ls_experiment experiment;
    cli_run_result result;
    double value;  /* the best of `by` that it reached; NaN: none */
    uint64_t step; /* when */
} cli_sweep_run;

/* A setting's runs are neighbours: runs[first] .. runs[first + count - 1]. */
typedef struct cli_setting {
    const char **values; /* one of each axis */
    size_t first, count;
    size_t done, failed;
    double mean, deviation; /* of its finished runs' values; NaN: a run has failed, or none is finished */
} cli_setting;

/* What is asked for. */
typedef struct cli_sweep_request {
    const char *config;
    const cli_words *overrides, *vary;
    const char *by;      /* NULL: what the configuration's checkpoint.best says */
    size_t seeds, folds; /* 0: as the configuration says */
} cli_sweep_request;

typedef struct cli_grid {
    const char *folder;
    const char *by;
    bool higher; /* is better */
    bool by_seed, by_fold;
    size_t axis_count, setting_count, run_count;
    cli_axis *axes;
    cli_setting *settings;
    cli_sweep_run *runs;
    const cli_setting **ranked; /* best first */
} cli_grid;

/* plan.c. Every run's configuration is parsed and checked. Collective over cli->comm; all lives in cli->pool. */
ls_status cli_sweep_plan(cli *cli, const cli_sweep_request *request, cli_grid *out) LS_MUST_USE;

/* outcome.c, on rank 0: what the run's folder says of it; pending where it has to be trained (on). */
void cli_sweep_look(const cli_grid *sweep, cli_sweep_run *run);

/* ranking.c: means, and the order of the settings. */
void cli_sweep_rank(cli_grid *sweep);
/* The best run of the best setting, or NULL. */
const cli_sweep_run *cli_sweep_best(const cli_grid *sweep);
/* Replaces FOLDER/sweep.json, and points FOLDER/best to the best run. */
ls_status cli_sweep_write(const cli_grid *sweep) LS_MUST_USE;
/* The text of sweep.json, to be freed. */
char *cli_sweep_json(const cli_grid *sweep);
/* The table for people. */
ls_status cli_sweep_table(const cli_grid *sweep, ls_text *out) LS_MUST_USE;

#endif
