#include <stdlib.h>

#include "cli/sweep/sweep.h"
#include "lockstep/clock.h"
#include "lockstep/report.h"
#include "lockstep/signals.h"

enum { KEY_SET = 's', KEY_VARY = 'V', KEY_SEEDS = 0x500, KEY_FOLDS, KEY_BY };

typedef struct settings {
    cli_sweep_request request;
    cli_words overrides, vary;
} settings;

static const struct argp_option options[] = {
    {"vary", KEY_VARY, "KEY.PATH=V,V,...", 0, "Values to try for one key; several make a grid", 0},
    {"seeds", KEY_SEEDS, "N", 0, "Run each setting with N seeds: the configuration's and those after it", 0},
    {"folds", KEY_FOLDS, "K", 0, "Run each setting K times; each time another of K parts is the validation set", 0},
    {"by", KEY_BY, "SET.NAME", 0, "What decides, at its best epoch (default: checkpoint.best)", 0},
    {"set", KEY_SET, "KEY.PATH=VALUE", 0, "Override one key of the configuration; may be repeated", 0},
    {0}};

static error_t take_count(const char *option, const char *word, size_t least, size_t *out,
                          const struct argp_state *state) {
    if (ls_parse_count(word, out) && *out >= least) return 0;
    return cli_refuse(state, "%s=%s: a number from %zu is wanted", option, word, least);
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    cli_sweep_request *request = &s->request;
    switch (key) {
    case KEY_VARY: return cli_words_add(&s->vary, argument, state);
    case KEY_SET: return cli_words_add(&s->overrides, argument, state);
    case KEY_SEEDS: return take_count("--seeds", argument, 1, &request->seeds, state);
    case KEY_FOLDS: return take_count("--folds", argument, 2, &request->folds, state);
    case KEY_BY: request->by = argument; return 0;
    case ARGP_KEY_ARG: return cli_take_argument(&request->config, argument, state);
    case ARGP_KEY_END:
        request->overrides = &s->overrides;
        request->vary = &s->vary;
        if (!request->config) return cli_refuse(state, "which configuration? lockstep sweep CONFIG --vary KEY=V,V");
        if (s->vary.count || request->seeds || request->folds) return 0;
        return cli_refuse(state, "nothing to vary: give --vary KEY=V,V, --seeds N or --folds K");
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- one run ------------------------------------------------------------------------------------------------- */

/* Trains (on) until its end. Collective. */
static ls_status train(cli *c, const cli_sweep_run *run, ls_outcome *outcome) {
    const ls_experiment *experiment = &run->experiment;
    ls_logger *logger = NULL; /* one for each, so that each has a log.txt of its own */
    ls_trainer *trainer = NULL;
    ls_run_request request = {
        .resume = LS_RESUME_AUTO, .compare = ls_config_compare, .display = cli_display_mode(c), .quiet = true};
    ls_comm_set_deadline(c->comm, experiment->run.deadline.value);
    LS_TRY(ls_comm_group(c->comm, experiment->topology.ranks_per_node));
    LS_TRY(ls_comm_agree(c->comm, cli_create_logger(c, LS_LOG_WARNING, ls_comm_first(c->comm), &logger)));
    ls_status status = ls_trainer_create(experiment, c->comm, logger, &trainer);
    if (status == LS_OK) status = ls_trainer_run(trainer, &request, outcome);
    ls_trainer_destroy(trainer);
    ls_logger_destroy(logger);
    return status;
}

static void say_run(cli *c, const cli_grid *sweep, const cli_sweep_run *run, double seconds) {
    char time[24] = "finished before", value[32];
    if (seconds >= 0) ls_report_seconds(seconds, time);
    size_t number = (size_t)(run - sweep->runs) + 1;
    if (run->result == CLI_RUN_FAILED)
        ls_logger_say(c->logger, LS_LOG_INFO, "%zu/%zu  %s: failed (%s)", number, sweep->run_count, run->name, time);
    else
        ls_logger_say(c->logger, LS_LOG_INFO, "%zu/%zu  %s: %s %s at step %llu (%s)", number, sweep->run_count,
                      run->name, sweep->by, ls_report_number(run->value, value), (unsigned long long)run->step, time);
}

/* Rank 0 knows the folders; what it sees there all ranks hear. Collective. */
static ls_status look(cli *c, const cli_grid *sweep, cli_sweep_run *run) {
    if (ls_comm_first(c->comm)) cli_sweep_look(sweep, run);
    struct {
        uint64_t result, step;
        double value;
    } seen = {run->result, run->step, run->value};
    LS_TRY(ls_comm_broadcast(c->comm, 0, &seen, sizeof seen));
    run->result = (cli_run_result)seen.result;
    run->step = seen.step;
    run->value = seen.value;
    return LS_OK;
}

/* A numerical failure is a result; all ranks have it alike. */
static ls_status accept_failure(cli *c, cli_sweep_run *run, ls_status status) {
    if (status == LS_OK || ls_status_exit(status) != ls_code_exit(LS_ERR_NUMERIC))
        return ls_status_prefix(status, "run %s", run->name);
    if (ls_comm_first(c->comm))
        ls_logger_say(c->logger, LS_LOG_WARNING, "run %s: %s", run->name, ls_status_message(status));
    ls_status_free(status);
    run->result = CLI_RUN_FAILED;
    return LS_OK;
}

static ls_status run_one(cli *c, const cli_grid *sweep, cli_sweep_run *run) {
    LS_TRY(look(c, sweep, run));
    if (run->result != CLI_RUN_PENDING) {
        say_run(c, sweep, run, -1);
        return LS_OK;
    }
    double began = ls_clock_now();
    ls_outcome outcome = {0};
    LS_TRY(accept_failure(c, run, train(c, run, &outcome)));
    if (outcome.interrupted) {
        ls_logger_say(c->logger, LS_LOG_INFO, "stopped in run %s (%s); start the sweep again to go on", run->name,
                      outcome.stop_reason);
        return ls_status_reported(ls_code_exit(LS_ERR_STOPPED));
    }
    if (run->result != CLI_RUN_FAILED) LS_TRY(look(c, sweep, run));
    if (run->result == CLI_RUN_PENDING)
        return LS_FAIL(LS_ERR_RUNTIME, "run %s: its checkpoint could not be written (%s/%s/log.txt says why)",
                       run->name, sweep->folder, run->name);
    say_run(c, sweep, run, ls_clock_now() - began);
    return LS_OK;
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

static ls_status write_results(cli *c, const cli_grid *sweep) {
    return ls_comm_agree(c->comm, ls_comm_first(c->comm) ? cli_sweep_write(sweep) : LS_OK);
}

static ls_status print_results(const cli *c, const cli_grid *sweep) {
    if (!ls_comm_first(c->comm)) return LS_OK;
    if (c->json) {
        char *text = cli_sweep_json(sweep);
        if (!text) return LS_FAIL(LS_ERR_MEMORY, "no memory for the results");
        printf("%s\n", text);
        free(text);
        return LS_OK;
    }
    if (c->quiet) return LS_OK;
    ls_text table = {0};
    ls_status status = cli_sweep_table(sweep, &table);
    if (status == LS_OK) fputs(table.bytes, stdout);
    ls_text_free(&table);
    return status;
}

static ls_status finish(cli *c, const cli_grid *sweep) {
    LS_TRY(ls_comm_agree(c->comm, print_results(c, sweep)));
    const cli_sweep_run *best = cli_sweep_best(sweep);
    if (!best) return LS_FAIL(LS_ERR_NUMERIC, "no setting came through: %s/sweep.json tells the runs", sweep->folder);
    if (!c->json) ls_logger_say(c->logger, LS_LOG_INFO, "best: %s/best -> %s", sweep->folder, best->name);
    return LS_OK;
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    cli_grid sweep;
    LS_TRY(cli_sweep_plan(c, &s->request, &sweep));
    ls_signals_install();
    for (size_t i = 0; i < sweep.run_count; i++) {
        LS_TRY(run_one(c, &sweep, &sweep.runs[i]));
        cli_sweep_rank(&sweep);
        LS_TRY(write_results(c, &sweep));
    }
    return finish(c, &sweep);
}

const cli_command cli_sweep = {
    .name = "sweep",
    .arguments = "CONFIG",
    .doc = "Train several runs that differ in a few keys, and link the best\vEach run has a folder below run.dir; "
           "sweep.json there ranks the settings by the mean over their seeds and folds, and best links to the best run "
           "of the best setting. Started again it skips what is finished. Example:\n\n"
           "  lockstep sweep run.yaml --vary optimizer.sgd.learning_rate=0.1,0.01 --seeds 3 --by valid.loss",
    .options = options,
    .settings_size = sizeof(settings),
    .parse = parse,
    .run = run,
    .parallel = true};
