#include "cli/cli.h"
#include "lockstep/data.h"

typedef struct settings {
    const char *input, *output;
    ls_document *map;
} settings;

static const ls_option *const row_tables[] = {ls_repack_rows, NULL};

static ls_status make_options(cli *c, int argc, char **argv, const struct argp_option **out) {
    (void)argc, (void)argv;
    enum { MOST_OPTIONS = 16 };
    void *memory = NULL;
    LS_TRY(ls_pool_take(c->pool, (MOST_OPTIONS + 2) * sizeof(struct argp_option), &memory));
    struct argp_option *table = memory;
    size_t count = 0;
    LS_TRY(cli_rows_list(c, ls_repack_rows, table, &count, MOST_OPTIONS));
    table[count] = (struct argp_option){"output", 'o', "OUT.h5", 0, "The file to write", -1};
    *out = table;
    return LS_OK;
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    cli_parse *p = state->input;
    settings *s = p->settings;
    if (cli_is_row_key(key)) {
        ls_status status = cli_rows_take(p->cli, row_tables, key, argument, &s->map);
        if (status == LS_OK) return 0;
        p->refusal = ls_status_first(p->refusal, status);
        return EINVAL;
    }
    switch (key) {
    case 'o': return s->output ? cli_refuse(state, "-o is given twice") : (s->output = argument, 0);
    case ARGP_KEY_ARG: return cli_take_argument(&s->input, argument, state);
    case ARGP_KEY_END:
        if (!s->input) return cli_refuse(state, "which data set?");
        return s->output ? 0 : cli_refuse(state, "where to? Give -o OUT.h5");
    default: return ARGP_ERR_UNKNOWN;
    }
}

static ls_status run(cli *c, void *argument) {
    settings *s = argument;
    ls_repack_options options = {0};
    LS_TRY(ls_options_bind(ls_repack_rows, "repack", s->map, c->pool, &options));
    return ls_repack(&options, s->input, s->output, c->logger);
}

const cli_command cli_repack = {.name = "repack",
                                .arguments = "DATA -o OUT.h5",
                                .doc = "Write a data set anew, as it is read fastest",
                                .make_options = make_options,
                                .settings_size = sizeof(settings),
                                .parse = parse,
                                .run = run};
