#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/run_folder.h"

typedef struct settings {
    const char *folder;
} settings;

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    switch (key) {
    case ARGP_KEY_ARG: return cli_take_argument(&s->folder, argument, state);
    case ARGP_KEY_END: return s->folder ? 0 : cli_refuse(state, "which run? lockstep stop RUN_DIR");
    default: return ARGP_ERR_UNKNOWN;
    }
}

static ls_status create_file(const char *path) {
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0 || close(file) != 0) return LS_FAIL(LS_ERR_IO, "%s: cannot be made: %s", path, strerror(errno));
    return LS_OK;
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    cli_run_view view;
    const char *path = NULL;
    LS_TRY(cli_run_check(s->folder));
    LS_TRY(cli_run_look(s->folder, c->pool, &view));
    if (view.over) {
        ls_logger_say(c->logger, LS_LOG_INFO, "%s: the run is over already (%s at step %llu); nothing to stop",
                      s->folder, view.state.phase, (unsigned long long)view.state.step);
        return LS_OK;
    }
    LS_TRY(cli_run_path(c->pool, s->folder, "stop", &path));
    LS_TRY(create_file(path));
    ls_logger_say(c->logger, LS_LOG_INFO,
                  "made %s: the run saves and ends at its next step, with exit code 75, and goes on "
                  "when it is started again",
                  path);
    if (view.stale)
        ls_logger_say(c->logger, LS_LOG_WARNING,
                      "%s has been silent for %.0f s and may be dead; its next start then ends "
                      "at its first step",
                      s->folder, view.age);
    return LS_OK;
}

const cli_command cli_stop = {.name = "stop",
                              .arguments = "RUN_DIR",
                              .doc = "End a run at its next step, saved and resumable",
                              .settings_size = sizeof(settings),
                              .parse = parse,
                              .run = run};
