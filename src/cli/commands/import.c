#include <string.h>

#include "cli/cli.h"
#include "lockstep/data.h"

enum { MOST_OPTIONS = 64 };

typedef struct settings {
    const ls_type *format;
    cli_words inputs;
    const char *output;
    ls_document *map; /* the format's options, as given */
} settings;

/* The rows behind the options, for one format: its own, then those of all. */
static void rows_of(const ls_type *format, const ls_option *rows[3]) {
    size_t count = 0;
    if (format && format->rows) rows[count++] = format->rows;
    rows[count++] = ls_format_family.common;
    rows[count] = NULL;
}

static ls_status make_options(cli *c, int argc, char **argv, const struct argp_option **out) {
    const ls_type *format = NULL;
    for (int i = 1; i < argc && !format; i++) {
        if (strcmp(argv[i], "-o") == 0 || strcmp(argv[i], "--output") == 0)
            i++; /* a file may be called like a format */
        else
            format = ls_family_find(&ls_format_family, argv[i]);
    }
    void *memory = NULL;
    LS_TRY(ls_pool_take(c->pool, (MOST_OPTIONS + 2) * sizeof(struct argp_option), &memory));
    struct argp_option *table = memory;
    const ls_option *rows[3];
    rows_of(format, rows);
    size_t count = 0;
    for (size_t i = 0; rows[i]; i++) LS_TRY(cli_rows_list(c, rows[i], table, &count, MOST_OPTIONS));
    table[count] = (struct argp_option){"output", 'o', "OUT.h5", 0, "The file to write", -1};
    *out = table;
    return LS_OK;
}

static error_t take_format(settings *s, const char *word, const struct argp_state *state) {
    s->format = ls_family_find(&ls_format_family, word);
    if (s->format) return 0;
    const char *names[32] = {0};
    for (size_t i = 0; ls_format_family.types[i] && i < 31; i++) names[i] = ls_format_family.types[i]->name;
    const char *near = ls_nearest(word, names);
    return cli_refuse(state, "unknown format \"%s\"%s%s%s; see lockstep import --help", word,
                      near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    cli_parse *p = state->input;
    settings *s = p->settings;
    if (cli_is_row_key(key)) {
        const ls_option *rows[3];
        if (!s->format) return cli_refuse(state, "name the format before its options");
        rows_of(s->format, rows);
        ls_status status = cli_rows_take(p->cli, rows, key, argument, &s->map);
        if (status == LS_OK) return 0;
        p->refusal = ls_status_first(p->refusal, status);
        return EINVAL;
    }
    switch (key) {
    case 'o': return s->output ? cli_refuse(state, "-o is given twice") : (s->output = argument, 0);
    case ARGP_KEY_ARG: return s->format ? cli_words_add(&s->inputs, argument, state) : take_format(s, argument, state);
    case ARGP_KEY_END:
        if (!s->format) return cli_refuse(state, "which format? See lockstep import --help");
        if (!s->inputs.count) return cli_refuse(state, "import %s: which file?", s->format->name);
        return s->output ? 0 : cli_refuse(state, "where to? Give -o OUT.h5");
    default: return ARGP_ERR_UNKNOWN;
    }
}

static ls_status run(cli *c, void *argument) {
    settings *s = argument;
    /* The choice {FORMAT: {options}}, bound like any other. */
    ls_place nowhere = {0};
    ls_document *choice = NULL;
    LS_TRY(ls_document_map(c->pool, nowhere, &choice));
    if (!s->map) LS_TRY(ls_document_map(c->pool, nowhere, &s->map));
    LS_TRY(ls_document_put(c->pool, choice, s->format->name, nowhere, s->map));
    ls_choice format = {0};
    LS_TRY(ls_choice_bind(&ls_format_family, choice, c->pool, &format));
    ls_texts inputs = {s->inputs.count, s->inputs.items};
    return ls_import_run(&format, &inputs, s->output, c->logger);
}

const cli_command cli_import = {
    .name = "import",
    .arguments = "FORMAT FILE... -o OUT.h5",
    .doc = "Make a data set of csv, idx, text, images or npy files\vFormats: csv FILE; idx IMAGES [LABELS]; text "
           "FILE; images FOLDER; npy X [Y]. \"lockstep import FORMAT --help\" lists the options of one.",
    .make_options = make_options,
    .settings_size = sizeof(settings),
    .parse = parse,
    .run = run};
