#include <stdio.h>

#include "cli/cli.h"
#include "lockstep/config.h"

typedef struct settings {
    bool reference;
    const char *key;
} settings;

static const struct argp_option options[] = {
    {"reference", 'r', 0, 0, "Print every key with default, range and one sentence", 0},
    {"explain", 'e', "KEY", 0, "Say what one key means, for example optimizer.sgd.momentum", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    switch (key) {
    case 'r': s->reference = true; return 0;
    case 'e': s->key = argument; return 0;
    case ARGP_KEY_ARG:
        return cli_refuse(state, "unexpected argument \"%s\"; to check a file use lockstep check", argument);
    default: return ARGP_ERR_UNKNOWN;
    }
}

static ls_status run(cli *c, void *argument) {
    (void)c;
    const settings *s = argument;
    ls_text text = {0};
    ls_status status = s->key ? ls_config_explain(s->key, &text) : ls_config_reference(&text);
    if (status == LS_OK) fputs(text.bytes, stdout);
    ls_text_free(&text);
    return status;
}

const cli_command cli_config = {.name = "config",
                                .doc = "Explain the keys of a configuration",
                                .options = options,
                                .settings_size = sizeof(settings),
                                .parse = parse,
                                .run = run};
