#include "support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockstep/random.h"

void support_works(ls_status status, const char *call, const char *file, int line) {
    if (status == LS_OK) return;
    print_error("%s failed: %s\n%s\n", call, ls_status_message(status), ls_status_trail(status));
    ls_status_free(status);
    _fail(file, line);
}

void support_refuses(ls_status status, ls_code code, const char *words, const char *call, const char *file, int line) {
    bool fits = ls_status_code(status) == code && strstr(ls_status_message(status), words);
    if (!fits)
        print_error("%s: expected code %d and \"%s\", got code %d and \"%s\"\n", call, (int)code, words,
                    (int)ls_status_code(status), ls_status_message(status));
    ls_status_free(status);
    if (!fits) _fail(file, line);
}

char *support_make_folder(void) {
    const char *base = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/lockstep-test-XXXXXX", base ? base : "/tmp") < 0 || !mkdtemp(path)) fail_msg("no folder");
    return path;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info, (void)type, (void)walk;
    return remove(path);
}

void support_remove_folder(char *path) {
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

char *support_make_shared_folder(ls_comm *comm) {
    char *made = ls_comm_first(comm) ? support_make_folder() : NULL, *path = NULL;
    assert_works(ls_comm_broadcast_text(comm, 0, made, &path));
    free(made);
    return path;
}

void support_remove_shared_folder(ls_comm *comm, char *path) {
    assert_works(ls_comm_barrier(comm));
    if (ls_comm_first(comm))
        support_remove_folder(path);
    else
        free(path);
}

const char *support_path(const char *folder, const char *name) {
    static char paths[8][4096];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

const char *support_data(const char *name) {
    const char *folder = getenv("LOCKSTEP_TEST_DATA");
    if (!folder || access(support_path(folder, name), R_OK) != 0) {
        print_message("skipped: LOCKSTEP_TEST_DATA does not name a folder with %s\n", name);
        skip();
    }
    return support_path(folder, name);
}

double support_random(uint64_t seed, uint64_t position) {
    ls_draw draw = ls_random(seed, LS_PURPOSE_TEST, 0, position, 0);
    return 2.0 * ls_random_unit_double(draw.word[0], draw.word[1]) - 1.0;
}
