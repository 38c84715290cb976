/*
 * writer.h: what laying out (write.c, with HDF5) and filling (commit.c, without) share.
 */
#ifndef LS_STORE_WRITER_H
#define LS_STORE_WRITER_H

#include <pthread.h>

#include "store/checksum.h"

/** An array that is being written. */
typedef struct ls__slot {
    ls_array array; /* path, dtype, shape, offset */
    char *path;
    ls_store_part part;
    size_t filled;      /* bytes that came, in any order */
    size_t hashed;      /* bytes that came from the front without a gap, and are in `hash` */
    size_t appended;    /* bytes that ls_store_append() has put */
    XXH3_state_t *hash; /* over what came from the front */
    uint64_t checksum;
    uint64_t *table; /* /checksums/blocks/PATH: rows of a block, then blocks.sums; or NULL */
    ls__blocks blocks;
    size_t table_slot; /* where that array is */
} ls__slot;

typedef enum ls__stage { LS__LAYING_OUT, LS__FILLING, LS__COMMITTED } ls__stage;

struct ls_store_writer {
    char *target, *temporary;
    int fd;
    int direct;   /* the same file past the page cache, or -1; while filling */
    int64_t file; /* HDF5's handle while laying out */
    ls__stage stage;
    uint64_t bytes;
    size_t count, space; /* the user's arrays; while sealing those of /checksums are behind them */
    size_t tables;       /* of those, how many are below /checksums/blocks */
    ls__slot *slots;
    size_t *sorted;        /* the user's arrays by path */
    pthread_mutex_t mutex; /* guards filled, hashed and hash of all slots */
    ls_text lines;         /* /checksums/datasets */
    uint64_t state, whole;
};

/** Numbers of the arrays below /checksums, behind the user's `count`; the tables of blocks follow. */
enum { LS__SLOT_LINES, LS__SLOT_STATE, LS__SLOT_FILE, LS__OWN_SLOTS };

/** All slots: the user's, and, once sealed, those below /checksums. */
static inline size_t ls__slots(const ls_store_writer *writer) {
    return writer->count + LS__OWN_SLOTS + writer->tables;
}

#endif
