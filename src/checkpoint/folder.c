#include "checkpoint/folder.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

char *ls__path_join(const char *folder, const char *name) {
    char *path = NULL;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

const char *ls_checkpoint_name(uint64_t step, char *out, size_t size) {
    snprintf(out, size, "step-%09" PRIu64 ".h5", step);
    return out;
}

/* The step of a checkpoint's name; false for other names, also for near ones ("step-7.h5"). */
static bool step_of(const char *name, uint64_t *step) {
    char again[32];
    if (sscanf(name, "step-%" SCNu64 ".h5", step) != 1) return false;
    return strcmp(name, ls_checkpoint_name(*step, again, sizeof again)) == 0;
}

static int newest_first(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

ls_status ls__folder_list(const char *folder, uint64_t **steps, size_t *count) {
    *steps = NULL;
    *count = 0;
    DIR *entries = opendir(folder);
    if (!entries && errno == ENOENT) return LS_OK;
    if (!entries) return LS_FAIL(LS_ERR_IO, "%s: cannot list: %s", folder, strerror(errno));
    size_t space = 0;
    ls_status status = LS_OK;
    for (struct dirent *entry; status == LS_OK && (entry = readdir(entries));) {
        uint64_t step;
        if (!step_of(entry->d_name, &step)) continue;
        if (*count == space) {
            space = space ? 2 * space : 16;
            uint64_t *larger = realloc(*steps, space * sizeof *larger);
            if (larger)
                *steps = larger;
            else
                status = LS_FAIL(LS_ERR_MEMORY, "no memory for a list of checkpoints");
        }
        if (status == LS_OK) (*steps)[(*count)++] = step;
    }
    closedir(entries);
    if (status == LS_OK && *count > 0) qsort(*steps, *count, sizeof **steps, newest_first);
    if (status != LS_OK) free(*steps);
    if (status != LS_OK) *steps = NULL;
    return status;
}

ls_status ls__folder_link(const char *folder, const char *name, uint64_t step, const char *tag) {
    char target[32], *path = ls__path_join(folder, name), *temporary = NULL;
    ls_status status = LS_OK;
    if (asprintf(&temporary, "%s/.%s.%s.tmp", folder, name, tag) < 0) temporary = NULL;
    if (!path || !temporary) status = LS_FAIL(LS_ERR_MEMORY, "no memory for a path");
    if (status == LS_OK) {
        unlink(temporary);
        if (symlink(ls_checkpoint_name(step, target, sizeof target), temporary) != 0 || rename(temporary, path) != 0) {
            status = LS_FAIL(LS_ERR_IO, "%s: cannot make it a link to %s: %s", path, target, strerror(errno));
            unlink(temporary);
        }
    }
    free(path);
    free(temporary);
    return status;
}

/* The step that a link names; false where there is none. */
static bool names_step(const char *folder, const char *name, uint64_t *step) {
    char target[64];
    char *path = ls__path_join(folder, name);
    ssize_t length = path ? readlink(path, target, sizeof target - 1) : -1;
    free(path);
    if (length <= 0) return false;
    target[length] = '\0';
    return step_of(target, step);
}

/* Links where the link names another step, and the one of this step is there. */
static ls_status relink(const char *checkpoints, const char *name, uint64_t step) {
    char file[32];
    uint64_t named;
    if (names_step(checkpoints, name, &named) && named == step) return LS_OK;
    char *path = ls__path_join(checkpoints, ls_checkpoint_name(step, file, sizeof file));
    bool there = path && access(path, F_OK) == 0;
    free(path);
    return there ? ls__folder_link(checkpoints, name, step, "relink") : LS_OK;
}

ls_status ls_checkpoint_relink(const char *folder, uint64_t step, uint64_t best) {
    char *checkpoints = ls__path_join(folder, "checkpoints");
    if (!checkpoints) return LS_FAIL(LS_ERR_MEMORY, "no memory for a path");
    ls_status status = relink(checkpoints, "latest.h5", step);
    if (status == LS_OK && best) status = relink(checkpoints, "best.h5", best);
    free(checkpoints);
    return status;
}

/* Deletes one, or sets it aside. */
static ls_status dismiss(const char *folder, uint64_t step, bool aside) {
    char name[32], other[64];
    ls_checkpoint_name(step, name, sizeof name);
    snprintf(other, sizeof other, "superseded-%s", name);
    char *path = ls__path_join(folder, name), *away = ls__path_join(folder, other);
    ls_status status = LS_OK;
    if (!path || !away)
        status = LS_FAIL(LS_ERR_MEMORY, "no memory for a path");
    else if (aside ? rename(path, away) != 0 : unlink(path) != 0 && errno != ENOENT)
        status = LS_FAIL(LS_ERR_IO, "%s: cannot %s: %s", path, aside ? "set it aside" : "delete it", strerror(errno));
    free(path);
    free(away);
    return status;
}

static ls_status drop_best(const char *folder) {
    char *path = ls__path_join(folder, "best.h5");
    if (!path) return LS_FAIL(LS_ERR_MEMORY, "no memory for a path");
    ls_status status = LS_OK;
    if (unlink(path) != 0 && errno != ENOENT)
        status = LS_FAIL(LS_ERR_IO, "%s: cannot delete it: %s", path, strerror(errno));
    free(path);
    return status;
}

ls_status ls__folder_retain(const char *folder, uint64_t step, size_t keep) {
    uint64_t *steps, best = 0;
    size_t count, kept = 0;
    LS_TRY(ls__folder_list(folder, &steps, &count));
    bool has_best = names_step(folder, "best.h5", &best);
    ls_status status = LS_OK;
    for (size_t i = 0; i < count; i++) {
        bool later = steps[i] > step;
        if (!later && (kept++ < keep || (has_best && steps[i] == best))) continue;
        status = ls_status_first(status, dismiss(folder, steps[i], later));
    }
    free(steps);
    if (status == LS_OK && has_best && best > step) status = drop_best(folder);
    return status;
}

static ls_status make_folders(const char *folder) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/", folder);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            return LS_FAIL(LS_ERR_IO, "%s: cannot make the folder: %s", path, strerror(errno));
        *slash = '/';
    }
    return LS_OK;
}

/* ".NAME.gN.tmp" of an earlier generation: its job is dead, or will find that it is. */
static bool is_left_over(const char *name, uint64_t generation) {
    uint64_t other;
    char end[8] = "";
    const char *mark = strstr(name, ".g");
    for (const char *next = mark; next; next = strstr(next + 1, ".g")) mark = next;
    if (name[0] != '.' || !mark || sscanf(mark, ".g%" SCNu64 ".%7s", &other, end) != 2) return false;
    return strcmp(end, "tmp") == 0 && other < generation;
}

ls_status ls__folder_prepare(const char *folder, uint64_t generation) {
    LS_TRY(make_folders(folder));
    DIR *entries = opendir(folder);
    if (!entries) return LS_FAIL(LS_ERR_IO, "%s: cannot list: %s", folder, strerror(errno));
    for (struct dirent *entry; (entry = readdir(entries));)
        if (is_left_over(entry->d_name, generation)) unlinkat(dirfd(entries), entry->d_name, 0);
    closedir(entries);
    return LS_OK;
}

ls_status ls_checkpoint_free_space(const char *folder, uint64_t *out) {
    char path[PATH_MAX];
    struct statvfs disk;
    snprintf(path, sizeof path, "%s", *folder ? folder : ".");
    while (statvfs(path, &disk) != 0) {
        char *slash = strrchr(path, '/');
        if (errno != ENOENT || strcmp(path, ".") == 0 || strcmp(path, "/") == 0)
            return LS_FAIL(LS_ERR_IO, "%s: cannot ask for free space: %s", path, strerror(errno));
        if (!slash)
            snprintf(path, sizeof path, ".");
        else
            slash[slash == path] = '\0';
    }
    *out = (uint64_t)disk.f_bavail * disk.f_frsize;
    return LS_OK;
}
