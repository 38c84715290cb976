#include <stdio.h>
#include <string.h>

#include "cli/experiment.h"
#include "lockstep/report.h"

typedef struct settings {
    const char *checkpoint, *data;
    cli_words overrides;
} settings;

static const struct argp_option options[] = {
    {"set", 's', "KEY.PATH=VALUE", 0, "Override one key of the checkpoint's configuration (metrics, batch, data.x)", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    switch (key) {
    case 's': return cli_words_add(&s->overrides, argument, state);
    case ARGP_KEY_ARG: return cli_take_argument(s->checkpoint ? &s->data : &s->checkpoint, argument, state);
    case ARGP_KEY_END:
        return s->checkpoint ? 0 : cli_refuse(state, "which checkpoint? lockstep eval CHECKPOINT [DATA]");
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void print_results(const cli *c, const ls_result *results, size_t count, uint64_t samples) {
    char number[32];
    if (c->json) {
        printf("{\"samples\":%llu", (unsigned long long)samples);
        for (size_t i = 0; i < count; i++)
            printf(",\"%s\":%s", results[i].name, ls_report_number(results[i].value, number));
        printf("}\n");
        return;
    }
    printf("%-12s %llu\n", "samples", (unsigned long long)samples);
    for (size_t i = 0; i < count; i++)
        printf("%-12s %s\n", results[i].name, ls_report_number(results[i].value, number));
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    ls_experiment experiment;
    LS_TRY(cli_checkpoint_experiment(c, s->checkpoint, &s->overrides, &experiment));
    ls_result *results = NULL;
    size_t count = 0;
    uint64_t samples = 0;
    LS_TRY(ls_evaluate(&experiment, s->checkpoint, s->data, c->comm, c->logger, c->pool, &results, &count, &samples));
    if (ls_comm_first(c->comm)) print_results(c, results, count, samples);
    return LS_OK;
}

const cli_command cli_eval = {
    .name = "eval",
    .arguments = "CHECKPOINT [DATA]",
    .doc = "Loss and metrics of a checkpoint on a data set\vDATA is FILE:/GROUP; without it the "
           "validation set of the run, else its training set. Sample weights and balanced class weights "
           "are scaled by the training set; where that is not at hand any more, by DATA.",
    .options = options,
    .settings_size = sizeof(settings),
    .parse = parse,
    .run = run,
    .parallel = true};
