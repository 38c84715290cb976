#include <stdlib.h>

#include "cli/cli.h"
#include "lockstep/checkpoint.h"

typedef struct settings {
    cli_words inputs;
    const char *output;
} settings;

static const struct argp_option options[] = {{"output", 'o', "OUT.h5", 0, "The file to write", 0}, {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    switch (key) {
    case 'o': return s->output ? cli_refuse(state, "-o is given twice") : (s->output = argument, 0);
    case ARGP_KEY_ARG: return cli_words_add(&s->inputs, argument, state);
    case ARGP_KEY_END:
        if (s->inputs.count < 2) return cli_refuse(state, "two checkpoints or more make an average");
        return s->output ? 0 : cli_refuse(state, "where to? Give -o OUT.h5");
    default: return ARGP_ERR_UNKNOWN;
    }
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    void *memory = NULL;
    LS_TRY(ls_pool_take(c->pool, s->inputs.count * sizeof(ls_checkpoint *), &memory));
    ls_checkpoint **inputs = memory;
    ls_status status = LS_OK;
    for (size_t i = 0; i < s->inputs.count && status == LS_OK; i++)
        status = ls_checkpoint_open(s->inputs.items[i], &inputs[i]);
    if (status == LS_OK) status = ls_checkpoint_average(inputs, s->inputs.count, s->output);
    for (size_t i = 0; i < s->inputs.count; i++) ls_checkpoint_close(inputs[i]);
    if (status == LS_OK)
        ls_logger_say(c->logger, LS_LOG_INFO, "%s: the mean of %zu checkpoints", s->output, s->inputs.count);
    return status;
}

const cli_command cli_average = {.name = "average",
                                 .arguments = "CHECKPOINT... -o OUT.h5",
                                 .doc =
                                     "Write the mean of several checkpoints' parameters as a checkpoint\vConfiguration "
                                     "and preprocessing are those of the first; the optimizer's state is left out.",
                                 .options = options,
                                 .settings_size = sizeof(settings),
                                 .parse = parse,
                                 .run = run};
