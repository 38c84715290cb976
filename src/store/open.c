#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lockstep/options.h"
#include "store/checksum.h"
#include "store/io.h"
#include "store/seal.h"
#include "store/store.h"

/* ---- a file ------------------------------------------------------------------------------------------------- */

/* HDF5's signature stands at 0, or behind a user block of 512, 1024, 2048, ... bytes. */
static bool has_signature(int fd, uint64_t bytes) {
    char head[8];
    for (uint64_t at = 0; at + sizeof head <= bytes; at = at ? 2 * at : 512)
        if (pread(fd, head, sizeof head, (off_t)at) == sizeof head &&
            memcmp(head, "\211HDF\r\n\032\n", sizeof head) == 0)
            return true;
    return false;
}

/* What a file that is not HDF5 seems to be, and the way in. */
static const char *guess(int fd, uint64_t bytes) {
    char head[16] = "";
    if (bytes == 0) return "it is empty";
    ssize_t got = pread(fd, head, sizeof head, 0);
    if (got < 4) return "it is too short";
    if (memcmp(head, "\x1f\x8b", 2) == 0)
        return "it is compressed by gzip; `lockstep import` reads such csv and idx files";
    if (memcmp(head, "PK\x03\x04", 4) == 0)
        return "it is a zip archive (npz, or PyTorch); `lockstep import npy` takes .npy";
    if (memcmp(head, "\x93NUM", 4) == 0) return "it is a NumPy array; `lockstep import npy` converts it";
    if (head[0] == 0 && head[1] == 0 && head[2] >= 8 && head[2] <= 14)
        return "it looks like IDX (MNIST); `lockstep import idx` converts it";
    for (ssize_t i = 0; i < got; i++)
        if ((head[i] < ' ' && !strchr("\t\r\n", head[i])) || head[i] == 127 || head[i] == 0)
            return "it may be damaged or of another kind";
    return "it looks like text; `lockstep import csv` or `import text` converts such files";
}

ls_status ls__file_open(const char *path, int *fd, uint64_t *bytes) {
    struct stat info;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* of a pipe: it is not waited for */
    if (*fd < 0) return LS_FAIL(LS_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    if (fstat(*fd, &info) != 0) return LS_FAIL(LS_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) return LS_FAIL(LS_ERR_DATA, "%s: is a folder, not an HDF5 file", path);
    if (!S_ISREG(info.st_mode)) return LS_FAIL(LS_ERR_DATA, "%s: is no file, but a pipe or a device", path);
    *bytes = (uint64_t)info.st_size;
    if (!has_signature(*fd, *bytes)) return LS_FAIL(LS_ERR_DATA, "%s: not an HDF5 file: %s", path, guess(*fd, *bytes));
    return LS_OK;
}

/* A seal vouches for what HDF5 is about to parse. */
static ls_status check_seal(const ls_store *store) {
    ls__seal seal;
    bool sealed;
    ls_status status = ls__seal_read(store->fd, store->path, store->bytes, &seal, &sealed);
    if (status == LS_OK && sealed) status = ls__seal_check(store->fd, store->path, store->bytes, &seal);
    ls__seal_free(&seal);
    return status;
}

static ls_status open_library(ls_store *store) {
    ls__hdf5_enter();
    hid_t access = ls__file_access();
    store->file = H5Fopen(store->path, H5F_ACC_RDONLY, access);
    ls__reason reason = {""};
    if (store->file < 0) reason = ls__hdf5_reason();
    H5Pclose(access);
    ls__hdf5_leave();
    if (store->file >= 0) return LS_OK;
    if (strstr(reason.text, "truncated"))
        return LS_FAIL(LS_ERR_IO, "%s: truncated: it ends at byte %ju, before its end (%s)", store->path,
                       (uintmax_t)store->bytes, reason.text);
    return LS_FAIL(LS_ERR_IO, "%s: damaged, or still being written: HDF5 says: %s", store->path, reason.text);
}

ls_status ls_store_open(const char *path, ls_store **out) {
    *out = NULL;
    ls_store *store = calloc(1, sizeof *store);
    if (!store) return LS_FAIL(LS_ERR_MEMORY, "no memory for a store");
    store->fd = -1;
    store->file = H5I_INVALID_HID;
    store->path = strdup(path);
    ls_status status = store->path ? LS_OK : LS_FAIL(LS_ERR_MEMORY, "no memory for a store");
    if (status == LS_OK) status = ls__file_open(path, &store->fd, &store->bytes);
    if (status == LS_OK) status = check_seal(store);
    if (status == LS_OK) status = open_library(store);
    if (status == LS_OK)
        *out = store;
    else
        ls_store_close(store);
    return status;
}

void ls_store_close(ls_store *store) {
    if (!store) return;
    ls__hdf5_enter();
    for (size_t i = 0; i < store->count; i++) {
        ls__entry *entry = store->entries[i];
        if (entry->memory_type >= 0) H5Tclose(entry->memory_type);
        H5Dclose(entry->dataset);
        free(entry->path);
        free(entry);
    }
    if (store->file >= 0) H5Fclose(store->file);
    ls__hdf5_leave();
    if (store->fd >= 0) close(store->fd);
    free(store->entries);
    free(store->path);
    free(store);
}

const char *ls_store_path(const ls_store *store) {
    return store->path;
}

uint64_t ls_store_bytes(const ls_store *store) {
    return store->bytes;
}

/* ---- what is in it ------------------------------------------------------------------------------------------ */

char *ls__normal_path(const char *path) {
    char *normal = malloc(strlen(path) + 2);
    if (!normal) return NULL;
    size_t length = 0;
    normal[length++] = '/';
    for (; *path; path++)
        if (*path != '/' || normal[length - 1] != '/') normal[length++] = *path;
    if (length > 1 && normal[length - 1] == '/') length--;
    normal[length] = '\0';
    return normal;
}

/* True where every part of a normal path exists. Between enter and leave. */
static bool stands(hid_t file, char *path) {
    if (strcmp(path, "/") == 0) return true;
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool here = H5Lexists(file, path, H5P_DEFAULT) > 0 && H5Oexists_by_name(file, path, H5P_DEFAULT) > 0;
        *slash = '/';
        if (!here) return false;
    }
    return H5Lexists(file, path, H5P_DEFAULT) > 0 && H5Oexists_by_name(file, path, H5P_DEFAULT) > 0;
}

bool ls_store_exists(ls_store *store, const char *path) {
    char *normal = ls__normal_path(path);
    if (!normal) return false;
    ls__hdf5_enter();
    bool here = stands(store->file, normal);
    ls__hdf5_leave();
    free(normal);
    return here;
}

enum { SHOWN_NAMES = 12, MOST_NAMES = 256 };

typedef struct names {
    size_t count;                /* of all */
    char *items[MOST_NAMES + 1]; /* the first ones, ending with NULL */
} names;

static herr_t take_name(hid_t group, const char *name, const H5L_info_t *info, void *out) {
    (void)group, (void)info;
    names *list = out;
    if (list->count < MOST_NAMES) list->items[list->count] = strdup(name);
    list->count++;
    return 0;
}

/* "; /train holds x, y" and, if a name is near the one that is missing, "; did you mean /train/x?" */
static ls_status describe_group(ls_store *store, const char *group, const char *missing, ls_text *text) {
    names list = {0};
    const char *parent = strcmp(group, "/") == 0 ? "" : group;
    ls__hdf5_enter();
    bool listed =
        H5Literate_by_name(store->file, group, H5_INDEX_NAME, H5_ITER_INC, NULL, take_name, &list, H5P_DEFAULT) >= 0;
    ls__hdf5_leave();
    ls_status status = ls_text_add(text, "; %s %s", *parent ? group : "the file",
                                   !listed      ? "is an array, not a group"
                                   : list.count ? "holds "
                                                : "is empty");
    for (size_t i = 0; status == LS_OK && i < list.count && i < SHOWN_NAMES; i++)
        status = ls_text_add(text, "%s%s%s", i ? ", " : "", *parent ? "" : "/", list.items[i]);
    if (status == LS_OK && list.count > SHOWN_NAMES) status = ls_text_add(text, ", ... (%zu in all)", list.count);
    const char *near = missing ? ls_nearest(missing, (const char *const *)list.items) : NULL;
    if (status == LS_OK && near) status = ls_text_add(text, "; did you mean %s/%s?", parent, near);
    for (size_t i = 0; i < MOST_NAMES; i++) free(list.items[i]);
    return status;
}

/* Cuts a path back to the nearest group that exists ("" for the root); returns the name below it that is missing. */
static const char *cut_back(ls_store *store, char *path) {
    for (;;) {
        char *slash = strrchr(path, '/');
        *slash = '\0';
        if (slash == path || ls_store_exists(store, path)) return slash + 1;
    }
}

/* True where the missing `name` stands in `group` after all, as a link. */
static bool dangles(ls_store *store, const char *group, const char *name) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s", group, name) < 0) return false;
    ls__hdf5_enter();
    bool link = H5Lexists(store->file, path, H5P_DEFAULT) > 0;
    ls__hdf5_leave();
    free(path);
    return link;
}

/* Words for a normal path, which is used up, at which no array stands. */
static ls_status no_array(ls_store *store, char *path) {
    ls_text text = {0};
    bool here = ls_store_exists(store, path);
    ls_status status =
        ls_text_add(&text, "%s: %s %s", store->path, path, here ? "is a group, not an array" : "not found");
    const char *name = here ? NULL : cut_back(store, path);
    if (status == LS_OK && name && dangles(store, path, name))
        status = ls_text_add(&text, ": %s/%s is a link that leads nowhere", path, name);
    else if (status == LS_OK)
        status = describe_group(store, *path ? path : "/", name, &text);
    if (status == LS_OK) status = LS_FAIL(LS_ERR_DATA, "%s", text.bytes);
    ls_text_free(&text);
    return status;
}

static ls__entry *known(const ls_store *store, const char *path) {
    for (size_t i = 0; i < store->count; i++)
        if (strcmp(store->entries[i]->path, path) == 0) return store->entries[i];
    return NULL;
}

/* Opens and describes the array at a normal path, which the entry then owns. NULL: there is none. */
static ls__entry *open_entry(ls_store *store, char *path) {
    if (store->count == store->space) {
        size_t space = store->space ? 2 * store->space : 16;
        ls__entry **larger = realloc(store->entries, space * sizeof(ls__entry *));
        if (!larger) return NULL;
        store->entries = larger;
        store->space = space;
    }
    hid_t dataset = stands(store->file, path) ? H5Dopen2(store->file, path, H5P_DEFAULT) : H5I_INVALID_HID;
    if (dataset < 0) return NULL;
    ls__entry *entry = calloc(1, sizeof *entry);
    if (!entry) {
        H5Dclose(dataset);
        return NULL;
    }
    entry->path = path;
    entry->dataset = dataset;
    ls__array_describe(entry, store);
    store->entries[store->count++] = entry;
    return entry;
}

/* How many rows a block has stands first in its table, and must go with the rest of it. */
static ls_status find_block_rows(ls_store *store, ls__entry *entry) {
    const ls_array *table = entry->blocks;
    uint64_t rows = 0;
    entry->blocks_misfit = true;
    entry->array.block_rows = 1;
    if (table->dtype != LS_DTYPE_U64 || table->rank != 1 || table->rows < 2) return LS_OK;
    LS_TRY(ls_store_read(store, table, 0, 1, &rows));
    if (rows == 0 || (rows > 1 && rows > LS__BLOCK_BYTES / entry->array.row_bytes)) return LS_OK;
    entry->array.block_rows = (size_t)rows;
    entry->blocks_misfit = table->rows != 1 + ls__block_count(entry->array.rows, (size_t)rows);
    return LS_OK;
}

/* The checksums of an array's blocks, where the file has them. */
static ls_status find_blocks(ls_store *store, ls__entry *entry) {
    const ls_array *array = &entry->array;
    if (array->rank == 0 || array->dtype >= LS_DTYPE_TEXT || array->bytes == 0) return LS_OK;
    if (strncmp(array->path, LS__CHECKSUMS, strlen(LS__CHECKSUMS)) == 0) return LS_OK;
    char *path = NULL;
    if (asprintf(&path, "%s%s", LS__BLOCKS, array->path) < 0) return LS_FAIL(LS_ERR_MEMORY, "no memory for a path");
    ls_status status = LS_OK;
    if (ls_store_exists(store, path)) status = ls_store_find(store, path, &entry->blocks);
    free(path);
    LS_TRY(status);
    return entry->blocks ? find_block_rows(store, entry) : LS_OK;
}

ls_status ls_store_find(ls_store *store, const char *path, const ls_array **out) {
    *out = NULL;
    char *normal = ls__normal_path(path);
    if (!normal) return LS_FAIL(LS_ERR_MEMORY, "no memory for a path");
    ls__hdf5_enter();
    ls__entry *entry = known(store, normal);
    bool opened = !entry;
    if (!entry) entry = open_entry(store, normal);
    ls__hdf5_leave();
    ls_status status = entry ? LS_OK : no_array(store, normal);
    if (!entry || !opened) free(normal);
    LS_TRY(status);
    if (opened) LS_TRY(find_blocks(store, entry));
    *out = &entry->array;
    return LS_OK;
}

/* ---- lists -------------------------------------------------------------------------------------------------- */

typedef struct paths {
    const char *group;
    size_t count, space;
    char **items;
    bool no_memory;
} paths;

static herr_t take_path(hid_t object, const char *name, const H5O_info_t *info, void *out) {
    (void)object;
    paths *list = out;
    if (info->type != H5O_TYPE_DATASET) return 0;
    if (list->count == list->space) {
        size_t space = list->space ? 2 * list->space : 64;
        char **larger = realloc(list->items, space * sizeof(char *));
        if (!larger) list->no_memory = true;
        if (!larger) return -1;
        list->items = larger;
        list->space = space;
    }
    size_t length = strlen(list->group) + strlen(name) + 2;
    char *path = malloc(length);
    list->no_memory = !path;
    if (!path) return -1;
    snprintf(path, length, "%s/%s", strcmp(list->group, "/") == 0 ? "" : list->group, name);
    list->items[list->count++] = path;
    return 0;
}

static int by_path(const void *a, const void *b) {
    return strcmp((*(const ls_array *const *)a)->path, (*(const ls_array *const *)b)->path);
}

static ls_status find_all(ls_store *store, const paths *list, ls_arrays *out) {
    out->items = calloc(list->count + 1, sizeof(ls_array *));
    if (!out->items) return LS_FAIL(LS_ERR_MEMORY, "no memory for a list of arrays");
    for (size_t i = 0; i < list->count; i++) LS_TRY(ls_store_find(store, list->items[i], &out->items[i]));
    out->count = list->count;
    qsort(out->items, out->count, sizeof(ls_array *), by_path);
    return LS_OK;
}

ls_status ls_store_list(ls_store *store, const char *group, ls_arrays *out) {
    *out = (ls_arrays){0};
    char *normal = ls__normal_path(group);
    if (!normal) return LS_FAIL(LS_ERR_MEMORY, "no memory for a path");
    paths list = {.group = normal};
    ls__hdf5_enter();
    H5O_info_t info;
    bool here = stands(store->file, normal) &&
                H5Oget_info_by_name2(store->file, normal, &info, H5O_INFO_BASIC, H5P_DEFAULT) >= 0 &&
                info.type == H5O_TYPE_GROUP;
    herr_t visited = here ? H5Ovisit_by_name2(store->file, normal, H5_INDEX_NAME, H5_ITER_INC, take_path, &list,
                                              H5O_INFO_BASIC, H5P_DEFAULT)
                          : 0;
    ls__reason reason = {""};
    if (visited < 0) reason = ls__hdf5_reason();
    ls__hdf5_leave();
    ls_status status = LS_OK;
    if (!here && ls_store_exists(store, normal))
        status = LS_FAIL(LS_ERR_DATA, "%s: %s is an array; a group is needed here", store->path, normal);
    else if (!here)
        status = no_array(store, normal);
    else if (list.no_memory)
        status = LS_FAIL(LS_ERR_MEMORY, "no memory for a list of arrays");
    else if (visited < 0)
        status = LS_FAIL(LS_ERR_IO, "%s: damaged: cannot list %s: %s", store->path, normal, reason.text);
    else
        status = find_all(store, &list, out);
    if (status != LS_OK) ls_arrays_free(out);
    for (size_t i = 0; i < list.count; i++) free(list.items[i]);
    free(list.items);
    free(normal);
    return status;
}

void ls_arrays_free(ls_arrays *arrays) {
    free(arrays->items);
    *arrays = (ls_arrays){0};
}

/* Stops at a link by which its object need not be listed. */
static herr_t take_link(hid_t root, const char *name, const H5L_info_t *info, void *out) {
    H5O_info_t object;
    if (info->type == H5L_TYPE_HARD && H5Oget_info_by_name2(root, name, &object, H5O_INFO_BASIC, H5P_DEFAULT) >= 0 &&
        object.rc == 1)
        return 0;
    *(char **)out = strdup(name);
    return 1;
}

ls_status ls_store_find_link(ls_store *store, ls_text *out) {
    char *name = NULL;
    ls__hdf5_enter();
    herr_t visited = H5Lvisit_by_name(store->file, "/", H5_INDEX_NAME, H5_ITER_INC, take_link, &name, H5P_DEFAULT);
    ls__reason reason = {""};
    if (visited < 0) reason = ls__hdf5_reason();
    ls__hdf5_leave();
    ls_status status = LS_OK;
    if (visited < 0) status = LS_FAIL(LS_ERR_IO, "%s: damaged: cannot list its links: %s", store->path, reason.text);
    if (visited > 0) status = name ? ls_text_add(out, "/%s", name) : LS_FAIL(LS_ERR_MEMORY, "no memory for a path");
    free(name);
    return status;
}

ls_status ls_store_split(ls_pool *pool, const char *text, const char **file, const char **group) {
    const char *cut = NULL;
    for (const char *at = strstr(text, ":/"); at; at = strstr(at + 1, ":/")) cut = at;
    if (!cut) {
        LS_TRY(ls_pool_text(pool, "/", group));
        return ls_pool_text(pool, text, file);
    }
    LS_TRY(ls_pool_text(pool, cut + 1, group));
    return ls_pool_format(pool, file, "%.*s", (int)(cut - text), text);
}
