#include "cli/plot/gnuplot.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* In single quotes only the quote itself means something, and is doubled; a line cannot end inside. */
ls_status cli_gnuplot_quote(const char *text, ls_text *out) {
    LS_TRY(ls_text_add(out, "'"));
    for (const char *c = text; *c; c++) {
        if (*c == '\'')
            LS_TRY(ls_text_add(out, "''"));
        else
            LS_TRY(ls_text_add(out, "%c", (unsigned char)*c < ' ' ? ' ' : *c));
    }
    return ls_text_add(out, "'");
}

/* -d: without the user's own start-up files. */
static ls_status spawn(int input, pid_t *child) {
    char *const arguments[] = {(char[]){"gnuplot"}, (char[]){"-d"}, (char[]){"-"}, NULL};
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return LS_FAIL(LS_ERR_MEMORY, "no memory to start gnuplot");
    error = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    if (!error) error = posix_spawnp(child, "gnuplot", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error == ENOENT)
        return LS_FAIL(LS_ERR_RUNTIME,
                       "gnuplot is not installed, and it draws the curves: apt-get install gnuplot-nox");
    return error ? LS_FAIL(LS_ERR_RUNTIME, "gnuplot cannot be started: %s", strerror(error)) : LS_OK;
}

static ls_status wait_for(pid_t child) {
    int result = 0;
    while (waitpid(child, &result, 0) < 0)
        if (errno != EINTR) return LS_FAIL(LS_ERR_RUNTIME, "gnuplot is lost: %s", strerror(errno));
    if (WIFEXITED(result) && WEXITSTATUS(result) == 0) return LS_OK;
    return LS_FAIL(LS_ERR_RUNTIME, "gnuplot failed (%s %d)", WIFEXITED(result) ? "exit" : "signal",
                   WIFEXITED(result) ? WEXITSTATUS(result) : WTERMSIG(result));
}

/* The script is a file, not a pipe: a gnuplot that dies early then harms nobody who writes to it. */
ls_status cli_gnuplot_run(const ls_text *script) {
    FILE *file = tmpfile();
    if (!file) return LS_FAIL(LS_ERR_IO, "no temporary file for gnuplot: %s", strerror(errno));
    ls_status status = LS_OK;
    if (fwrite(script->bytes, 1, script->length, file) != script->length || fflush(file) != 0)
        status = LS_FAIL(LS_ERR_IO, "the script for gnuplot cannot be written: %s", strerror(errno));
    rewind(file);
    pid_t child = 0;
    if (status == LS_OK) status = spawn(fileno(file), &child);
    if (status == LS_OK) status = wait_for(child);
    fclose(file);
    return status;
}
