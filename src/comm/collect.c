#include "comm/comm.h"

#include <stdlib.h>
#include <string.h>

#include "comm/wait.h"

enum { COLLECT_TAG = 2 };

/* Large enough for full bandwidth, small enough that no poke takes long. */
static const size_t part_bytes = (size_t)1 << 20;

/* One part is in flight between rank 0 and each other rank; rank 0 listens to a few ranks at a time. */
enum { LISTEN = 8 };

typedef struct stream {
    size_t rank, at, bytes; /* at: bytes whose messages are complete or in flight */
    ls__request request;
} stream;

struct ls_collect {
    ls_comm *comm;
    const char *mine; /* ranks other than 0 */
    size_t *sizes;    /* rank 0 */
    void **into;
    size_t next; /* rank 0: the next rank to listen to */
    stream streams[LISTEN];
};

ls_status ls_collect_create(ls_comm *comm, const void *mine, size_t bytes, const size_t *sizes, void *const *into,
                            ls_collect **out) {
    *out = NULL;
    ls_collect *collect = calloc(1, sizeof *collect);
    if (!collect) return LS_FAIL(LS_ERR_MEMORY, "no memory for a gather");
    *collect = (ls_collect){.comm = comm, .mine = mine, .next = 1};
    for (size_t i = 0; i < LISTEN; i++) collect->streams[i].request = LS__NO_REQUEST;
    if (comm->rank > 0) {
        collect->streams[0].bytes = bytes;
        *out = collect;
        return LS_OK;
    }
    collect->sizes = malloc(comm->size * sizeof *sizes);
    collect->into = malloc(comm->size * sizeof *into);
    if (!collect->sizes || !collect->into) {
        ls_collect_destroy(collect);
        return LS_FAIL(LS_ERR_MEMORY, "no memory for a gather of %zu ranks", comm->size);
    }
    memcpy(collect->sizes, sizes, comm->size * sizeof *sizes);
    memcpy(collect->into, into, comm->size * sizeof *into);
    if (bytes && into[0] != mine) memmove(into[0], mine, bytes);
    *out = collect;
    return LS_OK;
}

/* Starts the stream's next message once the last one is complete; `busy` says whether there is more to do. */
static ls_status advance(ls_collect *collect, stream *s, bool *busy) {
    size_t open;
    LS_TRY(ls__test(1, &s->request, &open));
    *busy = open || s->at < s->bytes;
    if (open || s->at == s->bytes) return LS_OK;
    size_t part = s->bytes - s->at < part_bytes ? s->bytes - s->at : part_bytes, at = s->at;
    s->at += part;
    if (collect->comm->rank > 0) return ls__send(collect->comm, collect->mine + at, part, 0, COLLECT_TAG, &s->request);
    char *to = (char *)collect->into[s->rank] + at;
    return ls__receive(collect->comm, to, part, s->rank, COLLECT_TAG, &s->request);
}

ls_status ls_collect_test(ls_collect *collect, bool *done) {
    bool busy = false;
    *done = true;
    for (size_t i = 0; i < LISTEN; i++) {
        stream *s = &collect->streams[i];
        LS_TRY(advance(collect, s, &busy));
        if (!busy && collect->comm->rank == 0 && collect->next < collect->comm->size) {
            *s = (stream){.rank = collect->next, .bytes = collect->sizes[collect->next], .request = LS__NO_REQUEST};
            collect->next++;
            LS_TRY(advance(collect, s, &busy));
        }
        if (busy) *done = false;
    }
    if (collect->comm->rank == 0 && collect->next < collect->comm->size) *done = false;
    return LS_OK;
}

ls_status ls_collect_wait(ls_collect *collect) {
    ls__wait wait = ls__wait_begin(collect->comm, "a gather");
    ls_status status = LS_OK;
    for (bool done = false; !done;) {
        LS_TRY_ELSE(status, ls_collect_test(collect, &done), end);
        if (!done) ls__wait_pause(&wait);
    }
end:
    ls__wait_end(&wait);
    return status;
}

void ls_collect_destroy(ls_collect *collect) {
    if (!collect) return;
    free(collect->sizes);
    free(collect->into);
    free(collect);
}
