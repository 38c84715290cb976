#include <stdio.h>

#include "cli/cli.h"
#include "lockstep/checkpoint.h"

typedef struct settings {
    const char *a, *b;
} settings;

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    switch (key) {
    case ARGP_KEY_ARG: return cli_take_argument(s->a ? &s->b : &s->a, argument, state);
    case ARGP_KEY_END: return s->b ? 0 : cli_refuse(state, "two checkpoints are compared: lockstep diff A B");
    default: return ARGP_ERR_UNKNOWN;
    }
}

static ls_status compare(const settings *s, ls_checkpoint_difference *difference) {
    ls_checkpoint *a = NULL, *b = NULL;
    ls_status status = ls_checkpoint_open(s->a, &a);
    if (status == LS_OK) status = ls_checkpoint_open(s->b, &b);
    if (status == LS_OK) status = ls_checkpoint_diff(a, b, difference);
    ls_checkpoint_close(a);
    ls_checkpoint_close(b);
    return status;
}

/* Exit 0 only if bit-identical, else 1, as diff(1) does; what cannot be compared has its own code. */
static ls_status run(cli *c, void *argument) {
    ls_checkpoint_difference difference = {0};
    LS_TRY(compare(argument, &difference));
    bool same = difference.differing == 0;
    if (c->json)
        printf("{\"identical\":%s,\"arrays\":%zu,\"differing\":%zu}\n", same ? "true" : "false", difference.arrays,
               difference.differing);
    else if (same && !c->quiet)
        printf("identical: %zu arrays\n", difference.arrays);
    else if (difference.lines.bytes)
        fputs(difference.lines.bytes, stdout);
    ls_text_free(&difference.lines);
    return same ? LS_OK : ls_status_reported(1);
}

const cli_command cli_diff = {.name = "diff",
                              .arguments = "A B",
                              .doc = "Compare the parameters of two checkpoints, bit by bit",
                              .settings_size = sizeof(settings),
                              .parse = parse,
                              .run = run};
