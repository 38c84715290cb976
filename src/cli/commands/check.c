#include <sched.h>
#include <stdio.h>

#include "cli/cluster.h"
#include "cli/experiment.h"

enum { KEY_SET = 's', KEY_RANKS = 'n', KEY_PER_NODE = 0x500, KEY_GRADIENTS, KEY_FULL, KEY_CLUSTER, KEY_DOT };

typedef struct settings {
    const char *config;
    cli_words overrides;
    size_t ranks, per_node;
    bool gradients, full, cluster, dot;
} settings;

static const struct argp_option options[] = {
    {"set", KEY_SET, "KEY.PATH=VALUE", 0, "Override one key of the configuration; may be repeated", 0},
    {"ranks", KEY_RANKS, "N", 0, "Plan for N ranks (default: those that run this)", 0},
    {"ranks-per-node", KEY_PER_NODE, "N", 0, "of which N share a node (default: all)", 0},
    {"gradients", KEY_GRADIENTS, 0, 0, "Compare the model's gradients with finite differences, in double", 0},
    {"full", KEY_FULL, 0, 0, "Read all data, also what training would stream, and look at every number", 0},
    {"cluster", KEY_CLUSTER, 0, 0, "Compare and measure the machines of this job; wants mpirun", 0},
    {"dot", KEY_DOT, 0, 0, "Print the model's graph for Graphviz, and nothing else", 0},
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
    case KEY_FULL: s->full = true; return 0;
    case KEY_CLUSTER: s->cluster = true; return 0;
    case KEY_DOT: s->dot = true; return 0;
    case ARGP_KEY_ARG: return cli_take_argument(&s->config, argument, state);
    case ARGP_KEY_END: return s->config ? 0 : cli_refuse(state, "which configuration? lockstep check CONFIG");
    default: return ARGP_ERR_UNKNOWN;
    }
}

static ls_status describe(const settings *s, ls_trainer *trainer, size_t ranks, ls_text *text) {
    if (s->dot) return ls_trainer_print_dot(trainer, text);
    LS_TRY(ls_trainer_describe(trainer, ranks, s->per_node, text));
    if (s->full) LS_TRY(ls_trainer_check_data(trainer, text));
    return s->gradients ? ls_trainer_check_gradients(trainer, text) : LS_OK;
}

/* As many threads as each of so many ranks of a machine like this one would have: their scratch memory is planned. */
static size_t threads_of(size_t ranks) {
    cpu_set_t mask;
    size_t cores = sched_getaffinity(0, sizeof mask, &mask) == 0 ? (size_t)CPU_COUNT(&mask) : 1;
    return cores > ranks ? cores / ranks : 1;
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    size_t ranks = s->ranks ? s->ranks : ls_comm_size(c->comm);
    ls_experiment experiment;
    ls_trainer *trainer = NULL;
    ls_text text = {0};
    ls_status status = cli_read_experiment(c, s->config, &s->overrides, &experiment);
    if (status == LS_OK && s->cluster) status = ls_comm_group(c->comm, experiment.topology.ranks_per_node);
    if (status == LS_OK && s->cluster) status = cli_check_cluster(c, experiment.math != 0);
    if (status == LS_OK && s->ranks && !experiment.run.threads)
        experiment.run.threads = threads_of(s->per_node ? s->per_node : ranks);
    if (status == LS_OK) status = ls_trainer_create(&experiment, c->comm, c->logger, &trainer);
    if (status == LS_OK) status = describe(s, trainer, ranks, &text);
    if (text.bytes && !c->quiet && ls_comm_first(c->comm)) fputs(text.bytes, stdout);
    if (status == LS_OK && !s->dot) ls_logger_say(c->logger, LS_LOG_INFO, "%s: no mistake found", s->config);
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
