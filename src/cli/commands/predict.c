#include <stdio.h>

#include "cli/experiment.h"

typedef struct settings {
    const char *checkpoint, *data, *output;
    cli_words overrides;
} settings;

static const struct argp_option options[] = {
    {"output", 'o', "OUT.h5", 0, "The file to write", 0},
    {"set", 's', "KEY.PATH=VALUE", 0, "Override one key of the checkpoint's configuration (batch, data.x)", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    switch (key) {
    case 's': return cli_words_add(&s->overrides, argument, state);
    case 'o': return s->output ? cli_refuse(state, "-o is given twice") : (s->output = argument, 0);
    case ARGP_KEY_ARG: return cli_take_argument(s->checkpoint ? &s->data : &s->checkpoint, argument, state);
    case ARGP_KEY_END:
        if (!s->checkpoint) return cli_refuse(state, "which checkpoint? lockstep predict CHECKPOINT DATA -o OUT.h5");
        if (!s->data) return cli_refuse(state, "which data? lockstep predict CHECKPOINT FILE:/GROUP -o OUT.h5");
        return s->output ? 0 : cli_refuse(state, "where to? Give -o OUT.h5");
    default: return ARGP_ERR_UNKNOWN;
    }
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    ls_experiment experiment;
    LS_TRY(cli_checkpoint_experiment(c, s->checkpoint, &s->overrides, &experiment));
    uint64_t samples = 0;
    LS_TRY(ls_predict(&experiment, s->checkpoint, s->data, s->output, c->comm, c->logger, &samples));
    if (!ls_comm_first(c->comm)) return LS_OK;
    ls_logger_say(c->logger, LS_LOG_INFO, "%s: predictions of %llu samples", s->output, (unsigned long long)samples);
    return LS_OK;
}

const cli_command cli_predict = {
    .name = "predict",
    .arguments = "CHECKPOINT DATA -o OUT.h5",
    .doc = "Write what a checkpoint's model says of a data set\vDATA is FILE:/GROUP; it needs "
           "the inputs only. OUT.h5 gets /prediction in original units and, where the loss "
           "is one of classes or labels, /class and /probability.",
    .options = options,
    .settings_size = sizeof(settings),
    .parse = parse,
    .run = run,
    .parallel = true};
