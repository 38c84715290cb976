/* How a run of a sweep ended, from what its folder holds. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cli/sweep/sweep.h"

/* The newest checkpoint of just this experiment tells whether a stop condition ended it, and the best value it saw. */
static ls_status look_at_checkpoint(const ls_checkpoint *checkpoint, cli_sweep_run *run) {
    const ls_items *items = ls_checkpoint_items(checkpoint);
    char *ended = NULL;
    if (strcmp(ls_checkpoint_config(checkpoint), run->experiment.text) != 0) return LS_OK;
    LS_TRY(ls_items_get_text(items, "/state/ended_by", &ended));
    bool over = *ended != '\0';
    free(ended);
    if (!over) return LS_OK;
    double best = NAN;
    uint64_t step = 0;
    LS_TRY(ls_items_get_real(items, "/state/best", &best));
    LS_TRY(ls_items_get_count(items, "/state/best_step", &step));
    run->result = CLI_RUN_DONE;
    run->step = step;
    run->value = step ? best : NAN;
    return LS_OK;
}

/* A run that failed by its numbers fails again: its report says so, if it is one of just this experiment. */
static ls_status look_at_report(const char *folder, const char *name, cli_sweep_run *run) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s/config.yaml", folder, name);
    ls_text text = {0};
    ls_status status = ls_config_read_file(path, &text);
    bool same = status == LS_OK && text.bytes && strcmp(text.bytes, run->experiment.text) == 0;
    ls_text_free(&text);
    if (!same) return status;
    snprintf(path, sizeof path, "%s/%s/report.json", folder, name);
    json_t *report = json_load_file(path, 0, NULL);
    const char *result = json_string_value(json_object_get(report, "result"));
    if (result && strcmp(result, "failed") == 0) run->result = CLI_RUN_FAILED;
    json_decref(report);
    return LS_OK;
}

void cli_sweep_look(const cli_grid *sweep, cli_sweep_run *run) {
    run->result = CLI_RUN_PENDING;
    run->value = NAN;
    run->step = 0;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s/checkpoints/latest.h5", sweep->folder, run->name);
    ls_checkpoint *checkpoint = NULL;
    ls_status status = ls_checkpoint_open(path, &checkpoint);
    if (status == LS_OK) status = look_at_checkpoint(checkpoint, run);
    ls_checkpoint_close(checkpoint);
    ls_status_free(status); /* no checkpoint, or a bad one: the trainer finds out, and says so */
    if (run->result == CLI_RUN_PENDING) ls_status_free(look_at_report(sweep->folder, run->name, run));
}
