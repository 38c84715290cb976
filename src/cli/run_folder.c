#include "cli/run_folder.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lockstep/clock.h"

ls_status cli_run_path(ls_pool *pool, const char *folder, const char *name, const char **out) {
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') length--;
    return ls_pool_format(pool, out, "%.*s/%s", (int)length, folder, name);
}

static bool holds(const char *folder, const char *name) {
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    return length > 0 && (size_t)length < sizeof path && access(path, F_OK) == 0;
}

ls_status cli_run_check(const char *folder) {
    struct stat info;
    if (stat(folder, &info) != 0) return LS_FAIL(LS_ERR_IO, "%s: %s", folder, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return LS_FAIL(LS_ERR_DATA, "%s is no directory; name the directory of a run (run.dir)", folder);
    if (holds(folder, "run.lock") || holds(folder, "status.json")) return LS_OK;
    if (holds(folder, "sweep.json"))
        return LS_FAIL(LS_ERR_DATA, "%s is the directory of a sweep; name one of its runs", folder);
    return LS_FAIL(LS_ERR_DATA, "%s is no directory of a run: it has neither run.lock nor status.json", folder);
}

/* "2031-05-17T12:34:56Z" as seconds since 1970, or 0. */
static double seconds_of(const char *text) {
    struct tm when = {0};
    const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &when) : NULL;
    return end && *end == '\0' ? (double)timegm(&when) : 0;
}

ls_status cli_run_look(const char *folder, ls_pool *pool, cli_run_view *out) {
    *out = (cli_run_view){0};
    if (!holds(folder, "status.json")) return LS_OK;
    const char *path = NULL;
    LS_TRY(cli_run_path(pool, folder, "status.json", &path));
    LS_TRY(ls_run_state_read(path, pool, &out->state));
    out->known = true;
    const char *phase = out->state.phase ? out->state.phase : "";
    out->over = strcmp(phase, "done") == 0 || strcmp(phase, "stopped") == 0 || strcmp(phase, "failed") == 0;
    out->age = ls_clock_wall() - seconds_of(out->state.updated);
    if (out->age < 0) out->age = 0; /* clocks of two hosts */
    out->stale = !out->over && out->age > CLI_STALE_SECONDS;
    return LS_OK;
}
