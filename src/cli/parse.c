#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_COLOR = 0x400, KEY_PROGRESS, KEY_JSON };

static const struct argp_option common_options[] = {
    {0, 0, 0, 0, "Output:", 100},
    {"quiet", 'q', 0, 0, "Warnings and errors only", 0},
    {"verbose", 'v', 0, 0, "More detail, and where in the program an error arose", 0},
    {"color", KEY_COLOR, "WHEN", 0, "auto, always or never", 0},
    {"progress", KEY_PROGRESS, "KIND", 0, "auto, bar, line or none", 0},
    {"json", KEY_JSON, 0, 0, "Print JSON where the command can", 0},
    {"help", '?', 0, 0, "Print this and leave", 0},
    {0}};

error_t cli_refuse(const struct argp_state *state, const char *format, ...) {
    cli_parse *parse = state->input;
    if (parse->refusal == LS_OK) {
        char sentence[1024];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(sentence, sizeof sentence, format, arguments);
        va_end(arguments);
        parse->refusal = LS_FAIL(LS_ERR_USAGE, "%s", sentence);
    }
    return EINVAL;
}

error_t cli_words_add(cli_words *words, const char *word, const struct argp_state *state) {
    if (words->count == sizeof words->items / sizeof words->items[0])
        return cli_refuse(state, "%s: more than %zu of this kind", word, words->count);
    words->items[words->count++] = word;
    return 0;
}

error_t cli_take_argument(const char **slot, const char *word, const struct argp_state *state) {
    if (*slot) return cli_refuse(state, "unexpected argument \"%s\" after \"%s\"", word, *slot);
    *slot = word;
    return 0;
}

static error_t take_word(const char **slot, const char *option, const char *word, const char *const *allowed,
                         const struct argp_state *state) {
    ls_text list = {0};
    bool known = false;
    for (size_t i = 0; allowed[i] && !known; i++) known = strcmp(word, allowed[i]) == 0;
    if (known) {
        *slot = word;
        return 0;
    }
    ls_status status = LS_OK;
    for (size_t i = 0; allowed[i] && status == LS_OK; i++)
        status = ls_text_add(&list, "%s%s", i ? ", " : "", allowed[i]);
    ls_status_free(status);
    error_t error = cli_refuse(state, "%s=%s: allowed are %s", option, word, list.bytes ? list.bytes : "");
    ls_text_free(&list);
    return error;
}

static error_t parse_common(int key, char *argument, struct argp_state *state) {
    static const char *const colors[] = {"auto", "always", "never", NULL};
    static const char *const kinds[] = {"auto", "bar", "line", "none", NULL};
    cli_parse *parse = state->input;
    switch (key) {
    case 'q': parse->cli->quiet = true; return 0;
    case 'v': parse->cli->verbose = true; return 0;
    case KEY_JSON: parse->cli->json = true; return 0;
    case '?': parse->help = true; return 0;
    case KEY_COLOR: return take_word(&parse->cli->color, "--color", argument, colors, state);
    case KEY_PROGRESS: return take_word(&parse->cli->progress, "--progress", argument, kinds, state);
    case ARGP_KEY_ERROR: parse->last = state->next; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static error_t share_input(int key, char *argument, struct argp_state *state) {
    (void)argument;
    if (key != ARGP_KEY_INIT) return ARGP_ERR_UNKNOWN;
    state->child_inputs[0] = state->input;
    state->child_inputs[1] = state->input;
    return 0;
}

/* What argp stumbled over: an option it does not know, or one that misses its value. */
static ls_status word_refusal(const cli_command *command, const struct argp_option *options, const char *word) {
    const char *names[64] = {0};
    size_t count = 0;
    bool known = false;
    const struct argp_option *const tables[] = {options, common_options};
    for (size_t t = 0; t < 2; t++)
        for (const struct argp_option *o = tables[t]; o && (o->name || o->doc) && count < 63; o++) {
            if (o->name) names[count++] = o->name;
            known = known || (word[0] == '-' && word[1] && o->key == word[1] && !word[2]); /* "-o" */
        }
    char bare[64]; /* "--output=x" without dashes and value */
    const char *start = word + strspn(word, "-");
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(start, "="), start);
    for (size_t i = 0; i < count; i++) known = known || strcmp(names[i], bare) == 0;
    if (known) return LS_FAIL(LS_ERR_USAGE, "%s needs a value; see \"lockstep %s --help\"", word, command->name);
    const char *near = ls_nearest(bare, names);
    if (near)
        return LS_FAIL(LS_ERR_USAGE, "unknown option %s; did you mean --%s? See \"lockstep %s --help\"", word, near,
                       command->name);
    return LS_FAIL(LS_ERR_USAGE, "unknown option %s; see \"lockstep %s --help\"", word, command->name);
}

ls_status cli_parse_command(const cli_command *command, int argc, char **argv, bool speaks, cli *c, void *settings,
                            bool *done) {
    const struct argp_option *options = command->options;
    if (command->make_options) LS_TRY(command->make_options(c, argc, argv, &options));
    const struct argp own = {options, command->parse, NULL, NULL, NULL, NULL, NULL};
    const struct argp common = {common_options, parse_common, NULL, NULL, NULL, NULL, NULL};
    const struct argp_child children[] = {{&own, 0, NULL, 0}, {&common, 0, NULL, 0}, {0}};
    const struct argp all = {NULL, share_input, command->arguments, command->doc, children, NULL, NULL};

    /* argp's own messages and exits would come from every rank, and not in our words. */
    cli_parse parse = {.cli = c, .settings = settings};
    error_t error =
        argp_parse(&all, argc, argv, ARGP_NO_ERRS | ARGP_NO_EXIT | ARGP_NO_HELP | ARGP_IN_ORDER, NULL, &parse);
    *done = parse.help;
    if (parse.help) {
        ls_status_free(parse.refusal);
        char name[64];
        snprintf(name, sizeof name, "lockstep %s", command->name);
        if (speaks) argp_help(&all, stdout, ARGP_HELP_USAGE | ARGP_HELP_DOC | ARGP_HELP_LONG, name);
        return LS_OK;
    }
    if (parse.refusal != LS_OK) return parse.refusal;
    if (error) return word_refusal(command, options, parse.last > 0 && parse.last <= argc ? argv[parse.last - 1] : "?");
    return LS_OK;
}

size_t cli_rank_in_environment(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t rank = 0;
        const char *text = getenv(names[i]);
        if (text && ls_parse_count(text, &rank)) return rank;
    }
    return 0;
}
