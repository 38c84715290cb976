/*
 * The program: finds the command, parses its arguments, joins the ranks, runs it, and leaves with its exit code.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lockstep/clock.h"

enum { NAME_WIDTH = 10 };

static void print_help(void) {
    printf("lockstep: data-parallel training with the same bits on any number of ranks\n\n"
           "usage: lockstep COMMAND [ARGUMENT]...       lockstep COMMAND --help tells more\n\n");
    for (size_t i = 0; cli_commands[i]; i++) {
        const char *end = strpbrk(cli_commands[i]->doc, "\n\v");
        int length = end ? (int)(end - cli_commands[i]->doc) : (int)strlen(cli_commands[i]->doc);
        printf("  %-*s %.*s\n", NAME_WIDTH, cli_commands[i]->name, length, cli_commands[i]->doc);
    }
    printf("\nmpirun -n 8 lockstep train run.yaml is all it takes to go parallel.\n"
           "Exit codes: 0 done, 1 failure that a restart may cure, 2 bad configuration or data, 3 numerical failure,\n"
           "64 usage, 74 input/output, 75 stopped early and resumable.\n");
}

static const cli_command *find_command(const char *name) {
    for (size_t i = 0; cli_commands[i]; i++)
        if (strcmp(cli_commands[i]->name, name) == 0) return cli_commands[i];
    return NULL;
}

static ls_status unknown_command(const char *name) {
    const char *names[64] = {0};
    for (size_t i = 0; cli_commands[i] && i < 63; i++) names[i] = cli_commands[i]->name;
    const char *near = ls_nearest(name, names);
    if (near)
        return LS_FAIL(LS_ERR_USAGE, "unknown command \"%s\"; did you mean \"%s\"? See lockstep --help", name, near);
    return LS_FAIL(LS_ERR_USAGE, "unknown command \"%s\"; see lockstep --help", name);
}

static bool wants_color(const cli *c) {
    if (strcmp(c->color, "auto") != 0) return strcmp(c->color, "always") == 0;
    return isatty(STDERR_FILENO) && !getenv("NO_COLOR");
}

ls_status cli_create_logger(const cli *c, ls_log_level usual, bool speaks, ls_logger **out) {
    ls_logger_options options = {.terminal = stderr,
                                 .output = c->json ? stderr : stdout, /* which is the JSON's alone */
                                 .threshold = c->verbose ? LS_LOG_DEBUG
                                              : c->quiet ? LS_LOG_WARNING
                                                         : usual,
                                 .speaks = speaks,
                                 .color = wants_color(c)};
    return ls_logger_create(&options, out);
}

static ls_status run_command(const cli_command *command, cli *c, void *settings) {
    ls_comm_options options = {.logger = c->logger};
    if (!command->parallel) return command->run(c, settings);
    LS_TRY(ls_comm_start(&options, &c->comm));
    ls_status status = command->run(c, settings);
    /* Said while all ranks are still together: once one has left with its code, the launcher may end the others. */
    if (ls_comm_first(c->comm)) ls_logger_failure(c->logger, status);
    int code = ls_status_exit(status);
    ls_comm_finish(c->comm);
    if (status == LS_OK) return LS_OK;
    ls_status_free(status);
    return ls_status_reported(code);
}

/* Says a failure once: at the first rank, unless a peer has said it. */
static int leave(cli *c, ls_status status, bool speaks) {
    int code = ls_status_exit(status);
    if (status != LS_OK && speaks) {
        if (c->logger)
            ls_logger_failure(c->logger, status);
        else
            fprintf(stderr, "lockstep: error: %s\n", ls_status_message(status));
    }
    ls_status_free(status);
    ls_logger_destroy(c->logger);
    ls_pool_destroy(c->pool);
    return code;
}

int main(int argc, char **argv) {
    /* A file that may not grow (ulimit -f) is like a full disk: the write fails. */
    signal(SIGXFSZ, SIG_IGN);
    /* In a plain pipe output would be held back until the end. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    bool speaks = cli_rank_in_environment() == 0;
    cli c = {.color = "auto", .progress = "auto", .began = ls_clock_now()};
    if (argc < 2) return leave(&c, LS_FAIL(LS_ERR_USAGE, "which command? See lockstep --help"), speaks);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        if (speaks) print_help();
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        if (speaks) printf("lockstep %s\n", LOCKSTEP_VERSION);
        return 0;
    }
    const cli_command *command = find_command(argv[1]);
    if (!command) return leave(&c, unknown_command(argv[1]), speaks);

    bool done = false;
    void *settings = NULL;
    ls_status status = ls_pool_create(&c.pool);
    if (status == LS_OK) status = ls_pool_take(c.pool, command->settings_size, &settings);
    if (status == LS_OK) status = cli_parse_command(command, argc - 1, argv + 1, speaks, &c, settings, &done);
    if (status != LS_OK || done) return leave(&c, status, speaks);
    /* What is not parallel is the first rank's work alone, also under mpirun. */
    if (!command->parallel && !speaks) return leave(&c, LS_OK, speaks);
    status = cli_create_logger(&c, LS_LOG_INFO, speaks, &c.logger);
    if (status == LS_OK) status = run_command(command, &c, settings);
    return leave(&c, status, speaks);
}
