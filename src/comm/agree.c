#include "comm/comm.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- agreement ---------------------------------------------------------------------------------------------- */

/* A failure on its way from the rank that decided it. */
typedef struct verdict {
    int32_t code, exit;
} verdict;

/* The failure of `from` in the words of this rank: rank 0 gets them all, others only the exit code. */
static ls_status take_verdict(ls_comm *comm, size_t from, const verdict *told, const char *message) {
    if (comm->rank != 0 || told->code == LS_ERR_REPORTED) return ls_status_reported(told->exit);
    return LS_FAIL((ls_code)told->code, "rank %zu on %s: %s", from, comm->hosts[from], message ? message : "");
}

ls_status ls_comm_agree(ls_comm *comm, ls_status status) {
    if (comm->size == 1) return status;
    /* Those who can say what happened come before those to whom it was said. */
    int64_t good = 2 * (int64_t)comm->size, mine = good;
    if (status != LS_OK)
        mine = (int64_t)comm->rank + (ls_status_code(status) == LS_ERR_REPORTED ? (int64_t)comm->size : 0);
    int64_t worst = good;
    ls_status trouble = ls__least(comm, comm->transport.world, mine, &worst, "agreement");
    if (trouble != LS_OK) return ls_status_first(status, trouble);
    if (worst == good) return LS_OK;
    size_t from = (size_t)worst % comm->size;
    verdict told = {(int32_t)ls_status_code(status), ls_status_exit(status)};
    char *message = NULL;
    trouble = ls_comm_broadcast(comm, from, &told, sizeof told);
    if (trouble == LS_OK) trouble = ls_comm_broadcast_text(comm, from, ls_status_message(status), &message);
    if (trouble == LS_OK && !(from == 0 && comm->rank == 0)) {
        ls_status_free(status);
        status = take_verdict(comm, from, &told, message);
    }
    free(message);
    return ls_status_first(status, trouble);
}

ls_status ls_comm_least(ls_comm *comm, size_t mine, size_t *out) {
    int64_t least = 0;
    LS_TRY(ls__least(comm, comm->transport.world, mine < INT64_MAX ? (int64_t)mine : INT64_MAX, &least, "agreement"));
    *out = (size_t)least;
    return LS_OK;
}

/* ---- moving bytes ------------------------------------------------------------------------------------------- */

ls_status ls_comm_barrier(ls_comm *comm) {
    int64_t ignored;
    return ls__least(comm, comm->transport.world, 0, &ignored, "a barrier");
}

ls_status ls_comm_broadcast(ls_comm *comm, size_t root, void *data, size_t bytes) {
    assert(root < comm->size);
    return ls__broadcast(comm, comm->transport.world, root, data, bytes, "a broadcast");
}

ls_status ls_comm_broadcast_text(ls_comm *comm, size_t root, const char *text, char **out) {
    *out = NULL;
    uint64_t length = comm->rank != root ? 0 : text ? strlen(text) + 1 : 0; /* 0: NULL */
    LS_TRY(ls_comm_broadcast(comm, root, &length, sizeof length));
    if (length == 0) return LS_OK;
    char *copy = malloc(length);
    int64_t works = 0;
    ls_status status = ls__least(comm, comm->transport.world, copy != NULL, &works, "a broadcast");
    if (status == LS_OK && !works)
        status = LS_FAIL(LS_ERR_MEMORY, "no memory for a text of %llu bytes", (unsigned long long)length);
    if (status == LS_OK && comm->rank == root) memcpy(copy, text, length);
    if (status == LS_OK) status = ls_comm_broadcast(comm, root, copy, length);
    if (status != LS_OK) {
        free(copy);
        return status;
    }
    *out = copy;
    return LS_OK;
}

ls_status ls_comm_gather(ls_comm *comm, const void *mine, size_t bytes, void *all) {
    return ls__gather(comm, comm->transport.world, mine, bytes, all, "a gather");
}
