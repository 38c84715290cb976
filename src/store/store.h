/*
 * store.h: what the files of the reading half share.
 */
#ifndef LS_STORE_STORE_H
#define LS_STORE_STORE_H

#include "store/library.h"

/** An array that was opened: what the public half says, and HDF5's handles. */
typedef struct ls__entry {
    ls_array array; /* first: an ls_array of this module is an ls__entry */
    char *path;
    char refusal[160];
    hid_t dataset;
    hid_t memory_type;      /* what H5Dread is asked for; H5I_INVALID_HID where reading is refused */
    const ls_array *blocks; /* the table of its blocks' checksums; or NULL */
    bool blocks_misfit;     /* that table does not fit this array */
} ls__entry;

struct ls_store {
    char *path;
    int fd;
    uint64_t bytes;
    hid_t file;
    size_t count, space;
    ls__entry **entries;
};

/** Opens a file for reading and sees that it is HDF5, without HDF5. *fd is -1 or yours to close, also on failure. */
ls_status ls__file_open(const char *path, int *fd, uint64_t *bytes) LS_MUST_USE;

/** Fills an entry from its open dataset; what cannot be read gets a refusal. Between enter and leave. */
void ls__array_describe(ls__entry *entry, const ls_store *store);

/** `path` with single slashes and none at the end: equal arrays have equal names. Yours to free; NULL: no memory. */
char *ls__normal_path(const char *path);

#endif
