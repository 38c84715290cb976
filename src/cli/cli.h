/*
 * cli.h: what commands share.
 *
 * A command is one const struct in a file of its own below commands/ and one line in the table of commands.c. Arguments
 * are parsed before MPI starts, so that --help and usage errors cost nothing and are printed once, by the first rank.
 */
#ifndef LOCKSTEP_CLI_H
#define LOCKSTEP_CLI_H

#include <argp.h>

#include "lockstep/comm.h"
#include "lockstep/logger.h"
#include "lockstep/options.h"

/** What every command may use. */
typedef struct cli {
    ls_comm *comm;     /* of all ranks for parallel commands, NULL for the others */
    ls_logger *logger; /* speaks on the first rank */
    ls_pool *pool;     /* lives as long as the command */
    bool quiet, verbose, json;
    const char *color;    /* auto, always, never */
    const char *progress; /* auto, bar, line, none */
    double began;         /* ls_clock_now() at the program's start */
} cli;

typedef struct cli_command {
    const char *name;      /* as typed */
    const char *arguments; /* "CONFIG", for the usage line */
    const char *doc;       /* one sentence; a second paragraph after "\v" */
    const struct argp_option *options;
    /** Instead of `options`, where they follow from option rows: made for these arguments (argv[0] is the command). */
    ls_status (*make_options)(cli *cli, int argc, char **argv, const struct argp_option **out);
    size_t settings_size; /* bytes of the zeroed struct that `parse` fills and `run` reads */
    /** argp's parser: state->input is a cli_parse. */
    error_t (*parse)(int key, char *argument, struct argp_state *state);
    ls_status (*run)(cli *cli, void *settings);
    bool parallel; /* runs on all ranks; else on the first only */
} cli_command;

/** What argp hands to a command's parse function as state->input. */
typedef struct cli_parse {
    cli *cli;
    void *settings;
    bool help;
    ls_status refusal; /* the first complaint */
    int last;          /* index in argv behind the last word that was looked at */
} cli_parse;

/** Refuses a word of the command line; `return cli_refuse(state, ...)` from a parse function. */
error_t cli_refuse(const struct argp_state *state, const char *format, ...) LS_PRINTF(2, 3);

/** A list of words that an option may repeat (--set, --vary) or that are plain arguments. */
typedef struct cli_words {
    size_t count;
    const char *items[256];
} cli_words;

error_t cli_words_add(cli_words *words, const char *word, const struct argp_state *state);

/** Takes an argument into `*slot`; a second one is refused. For commands with one argument. */
error_t cli_take_argument(const char **slot, const char *word, const struct argp_state *state);

/* ---- options that follow from option rows -------------------------------------------------------------------- */

/** Keys of such options: CLI_ROW_KEY + i is row i of the tables in turn. argp's own events lie far above. */
enum { CLI_ROW_KEY = 0x800, CLI_ROW_END = 0x1000 };
static inline bool cli_is_row_key(int key) {
    return key >= CLI_ROW_KEY && key < CLI_ROW_END;
}

/** Appends one command-line option for each row of `rows` ("--missing=WORD") to a table; `count` counts them. */
ls_status cli_rows_list(cli *cli, const ls_option *rows, struct argp_option *table, size_t *count,
                        size_t room) LS_MUST_USE;

/** Notes the value of such an option in the map from which options are bound (NULL at first). `rows` in their order. */
ls_status cli_rows_take(cli *cli, const ls_option *const *rows, int key, const char *value,
                        ls_document **map) LS_MUST_USE;

/** All commands, NULL-terminated. */
extern const cli_command *const cli_commands[];

/**
 * Parses the arguments of one command into `cli` and `settings`. `done` becomes true where nothing is left to do (help
 * was asked for and, on the rank that speaks, printed). A failure is of LS_ERR_USAGE.
 */
ls_status cli_parse_command(const cli_command *command, int argc, char **argv, bool speaks, cli *cli, void *settings,
                            bool *done) LS_MUST_USE;

/** A logger as the command line asks for it; `usual` is its threshold where neither -q nor -v is given. */
ls_status cli_create_logger(const cli *cli, ls_log_level usual, bool speaks, ls_logger **out) LS_MUST_USE;

struct json_t;
/** Prints what --json asks for on a line of its own, with the flags of json_dumpf(); consumes `root`. */
ls_status cli_print_json(struct json_t *root, size_t flags) LS_MUST_USE;

/** This rank as the launcher's environment tells it, before MPI starts; 0 without a launcher. */
size_t cli_rank_in_environment(void);

#endif
