#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/experiment.h"
#include "lockstep/clock.h"
#include "lockstep/signals.h"

enum { KEY_SET = 's', KEY_RESUME = 'r', KEY_MAX_TIME = 0x500, KEY_VERIFY_RESUME };

typedef struct settings {
    const char *config;
    cli_words overrides;
    const char *resume;
    ls_duration max_time;
    size_t verify_resume; /* steps; 0: train */
} settings;

static const struct argp_option options[] = {
    {"set", KEY_SET, "KEY.PATH=VALUE", 0, "Override one key of the configuration; may be repeated", 0},
    {"resume", KEY_RESUME, "auto|never|FILE", 0,
     "Go on from the newest checkpoint of run.dir (auto, the default), from "
     "FILE, or never",
     0},
    {"max-time", KEY_MAX_TIME, "TIME", 0, "Save and stop in time for this (2h, 30min), with exit code 75", 0},
    {"verify-resume", KEY_VERIFY_RESUME, "N", 0,
     "Train nothing: repeat the last N steps before the newest checkpoint from an older one, and compare bit by bit",
     0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    switch (key) {
    case KEY_SET: return cli_words_add(&s->overrides, argument, state);
    case KEY_RESUME: s->resume = argument; return 0;
    case KEY_MAX_TIME:
        if (!ls_parse_duration(argument, &s->max_time) || s->max_time.unit != LS_UNIT_SECONDS)
            return cli_refuse(state, "--max-time=%s: write a time such as 90s, 15min or 2h", argument);
        return 0;
    case KEY_VERIFY_RESUME:
        if (!ls_parse_count(argument, &s->verify_resume) || s->verify_resume == 0)
            return cli_refuse(state, "--verify-resume=%s: write a number of steps, 1 or more", argument);
        return 0;
    case ARGP_KEY_ARG: return cli_take_argument(&s->config, argument, state);
    case ARGP_KEY_END: return s->config ? 0 : cli_refuse(state, "which configuration? lockstep train CONFIG");
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* Of --max-time the start, such as the loading of data, is a part. */
static double time_left(const cli *c, const settings *s) {
    double left = s->max_time.value - (ls_clock_now() - c->began);
    return s->max_time.value <= 0 ? 0 : left > 0 ? left : 1e-9;
}

static ls_run_request request_of(const cli *c, const settings *s) {
    ls_run_request request = {.resume = LS_RESUME_AUTO,
                              .compare = ls_config_compare,
                              .max_seconds = time_left(c, s),
                              .display = cli_display_mode(c),
                              .quiet = c->quiet};
    if (!s->resume || strcmp(s->resume, "auto") == 0) return request;
    request.resume = strcmp(s->resume, "never") == 0 ? LS_RESUME_NEVER : LS_RESUME_FILE;
    request.resume_file = s->resume;
    return request;
}

static ls_status say_end(cli *c, const ls_outcome *outcome) {
    if (!outcome->interrupted) {
        ls_logger_say(c->logger, LS_LOG_INFO, "done at step %llu (%s)", (unsigned long long)outcome->step,
                      outcome->stop_reason);
        return LS_OK;
    }
    ls_logger_say(c->logger, LS_LOG_INFO, "stopped at step %llu (%s); start it again to go on",
                  (unsigned long long)outcome->step, outcome->stop_reason);
    return ls_status_reported(ls_code_exit(LS_ERR_STOPPED));
}

static ls_status verify_resume(const cli *c, ls_trainer *trainer, const settings *s) {
    ls_run_request request = request_of(c, s);
    ls_text line = {0};
    ls_status status = ls_trainer_verify_resume(trainer, &request, s->verify_resume, &line);
    if (status == LS_OK && line.length) puts(line.bytes);
    ls_text_free(&line);
    return status;
}

/* A wish to stop that came before the first step: nothing has been done that could be lost. */
static ls_status say_stopped(cli *c, ls_status status) {
    if (ls_status_code(status) != LS_ERR_STOPPED) return status;
    ls_logger_say(c->logger, LS_LOG_INFO, "%s; start it again to go on", ls_status_message(status));
    ls_status_free(status);
    return ls_status_reported(ls_code_exit(LS_ERR_STOPPED));
}

static ls_status train(cli *c, ls_trainer *trainer, const settings *s) {
    ls_run_request request = request_of(c, s);
    ls_outcome outcome;
    LS_TRY(ls_trainer_run(trainer, &request, &outcome));
    return say_end(c, &outcome);
}

/*
 * From here on the run's own deadline ends a wait. lockstep-run, which names its folder of this job on each host, kills
 * a job that does not come so far; where it is told nothing, it relies on status.json.
 */
static void tell_supervisor(void) {
    const char *folder = getenv("LOCKSTEP_JOB");
    char path[4096];
    if (!folder || snprintf(path, sizeof path, "%s/started", folder) >= (int)sizeof path) return;
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (file >= 0) close(file);
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    ls_experiment experiment;
    LS_TRY(cli_read_experiment(c, s->config, &s->overrides, &experiment));
    ls_comm_set_deadline(c->comm, experiment.run.deadline.value);
    LS_TRY(ls_comm_group(c->comm, experiment.topology.ranks_per_node));
    tell_supervisor();
    if (!s->verify_resume) ls_signals_install(); /* repeated steps obey nobody: they may be killed at any time */
    ls_trainer *trainer = NULL;
    ls_status status = ls_trainer_create(&experiment, c->comm, c->logger, &trainer);
    if (status == LS_OK) status = s->verify_resume ? verify_resume(c, trainer, s) : train(c, trainer, s);
    ls_trainer_destroy(trainer);
    return say_stopped(c, status);
}

const cli_command cli_train = {.name = "train",
                               .arguments = "CONFIG",
                               .doc = "Train a network; under mpirun on all ranks",
                               .options = options,
                               .settings_size = sizeof(settings),
                               .parse = parse,
                               .run = run,
                               .parallel = true};
