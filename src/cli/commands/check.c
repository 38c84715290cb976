#include <stdio.h>

#include "cli/experiment.h"

enum { KEY_SET = 's', KEY_RANKS = 'n', KEY_PER_NODE = 0x500, KEY_GRADIENTS };

typedef struct settings {
    const char *config;
    cli_words overrides;
    size_t ranks, per_node;
    bool gradients;
} settings;

static const struct argp_option options[] = {
    {"set", KEY_SET, "KEY.PATH=VALUE", 0, "Override one key of the configuration; may be repeated", 0},
    {"ranks", KEY_RANKS, "N", 0, "Plan for N ranks (default: those that run this)", 0},
    {"ranks-per-node", KEY_PER_NODE, "N", 0, "of which N share a node (default: all)", 0},
    {"gradients", KEY_GRADIENTS, 0, 0, "Compare the model's gradients with finite differences, in double", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    switch (key) {
    case KEY_SET: return cli_words_add(&s->overrides, argument, state);
    case KEY_RANKS:
        return ls_parse_count(argument, &s->ranks) && s->ranks > 0
                   ? 0
                   : cli_refuse(state, "--ranks=%s: a number above 0 is wanted", argument);
    case KEY_PER_NODE:
        return ls_parse_count(argument, &s->per_node)
                   ? 0
                   : cli_refuse(state, "--ranks-per-node=%s: a number is wanted", argument);
    case KEY_GRADIENTS: s->gradients = true; return 0;
    case ARGP_KEY_ARG: return cli_take_argument(&s->config, argument, state);
    case ARGP_KEY_END: return s->config ? 0 : cli_refuse(state, "which configuration? lockstep check CONFIG");
    default: return ARGP_ERR_UNKNOWN;
    }
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    size_t ranks = s->ranks ? s->ranks : ls_comm_size(c->comm);
    ls_experiment experiment;
    ls_trainer *trainer = NULL;
    ls_text text = {0};
    ls_status status = cli_read_experiment(c, s->config, &s->overrides, &experiment);
    if (status == LS_OK) status = ls_trainer_create(&experiment, c->comm, c->logger, &trainer);
    if (status == LS_OK) status = ls_trainer_describe(trainer, ranks, s->per_node, &text);
    if (status == LS_OK && s->gradients) status = ls_trainer_check_gradients(trainer, &text);
    if (text.bytes && !c->quiet && ls_comm_first(c->comm)) fputs(text.bytes, stdout);
    if (status == LS_OK) ls_logger_say(c->logger, LS_LOG_INFO, "%s: no mistake found", s->config);
    ls_text_free(&text);
    ls_trainer_destroy(trainer);
    return status;
}

const cli_command cli_check = {.name = "check",
                               .arguments = "CONFIG",
                               .doc = "Find every mistake that train would find, and print the plan",
                               .options = options,
                               .settings_size = sizeof(settings),
                               .parse = parse,
                               .run = run,
                               .parallel = true};
