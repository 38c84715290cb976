/* From the texts of a configuration to files and groups. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/dataset.h"

typedef struct locations {
    ls_pool *pool;
    ls_location *items;
    size_t count, space;
} locations;

static ls_status add(locations *l, const char *file, const char *group) {
    if (l->count == l->space) {
        size_t space = l->space ? 2 * l->space : 8;
        void *room = NULL;
        LS_TRY(ls_pool_take(l->pool, space * sizeof *l->items, &room));
        if (l->count) memcpy(room, l->items, l->count * sizeof *l->items);
        l->items = room;
        l->space = space;
    }
    ls_location *item = &l->items[l->count];
    LS_TRY(ls_pool_text(l->pool, file, &item->file));
    item->group = group;
    l->count++;
    return LS_OK;
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static ls_status add_matches(locations *l, const char *pattern, const char *group, ls_place place) {
    glob_t found = {0};
    int code = glob(pattern, GLOB_NOSORT, NULL, &found);
    ls_status status = LS_OK;
    if (code == GLOB_NOMATCH)
        status = ls_document_fail(place, LS_ERR_CONFIG, "no file matches \"%s\"", pattern);
    else if (code != 0)
        status = ls_document_fail(place, LS_ERR_IO, "cannot look for \"%s\"", pattern);
    if (status == LS_OK) qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, compare_texts);
    for (size_t i = 0; status == LS_OK && i < found.gl_pathc; i++) status = add(l, found.gl_pathv[i], group);
    globfree(&found);
    return status;
}

static ls_status in_folder(ls_pool *pool, const char *folder, const char *file, const char **out) {
    *out = file;
    return folder && file[0] != '/' ? ls_pool_format(pool, out, "%s/%s", folder, file) : LS_OK;
}

/* A folder's name in front of a pattern means itself, whatever stands in it. */
static ls_status quote(ls_pool *pool, const char *folder, const char **out) {
    void *room = NULL;
    *out = NULL;
    if (!folder) return LS_OK;
    LS_TRY(ls_pool_take(pool, 2 * strlen(folder) + 1, &room));
    char *next = room;
    for (*out = room; *folder; folder++) {
        if (strchr("*?[\\", *folder)) *next++ = '\\';
        *next++ = *folder;
    }
    return LS_OK;
}

ls_status ls__locations(const ls_texts *paths, ls_place place, const char *folder, ls_pool *pool, ls_location **out,
                        size_t *count) {
    locations l = {.pool = pool};
    for (size_t i = 0; i < paths->count; i++) {
        const char *file = NULL, *group = NULL, *path = NULL, *quoted = NULL;
        LS_TRY(ls_store_split(pool, paths->items[i], &file, &group));
        LS_TRY(in_folder(pool, folder, file, &path));
        if (!strpbrk(file, "*?[") || access(path, F_OK) == 0) { /* a file's own name may look like a pattern */
            LS_TRY(add(&l, path, group));
            continue;
        }
        LS_TRY(quote(pool, folder, &quoted));
        LS_TRY(in_folder(pool, quoted, file, &path));
        LS_TRY(add_matches(&l, path, group, place));
    }
    if (l.count == 0) return ls_document_fail(place, LS_ERR_CONFIG, "no data are named");
    *out = l.items;
    *count = l.count;
    return LS_OK;
}
