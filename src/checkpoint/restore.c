#include <stdlib.h>
#include <string.h>

#include "checkpoint/items.h"
#include "checkpoint/read.h"

/* A restore under way: rank 0 reads one parameter after another, all receive it and keep what is theirs. */
typedef struct restore {
    ls_checkpoint *checkpoint; /* rank 0, else NULL */
    ls_comm *comm;
    ls_reducer *reducer;
    const ls_params *params;
    float *values; /* one parameter in file layout */
} restore;

static ls_status read_and_send(restore *r, const ls_param *param, const char *slot) {
    size_t bytes = ls_shape_size(param->shape) * sizeof(float);
    ls_comm_beat(r->comm);
    LS_TRY(ls_comm_agree(r->comm,
                         r->checkpoint ? ls__checkpoint_read_param(r->checkpoint, param, slot, r->values) : LS_OK));
    return ls_comm_broadcast(r->comm, 0, r->values, bytes);
}

/* One rank of each node writes the weights that the node shares. */
static ls_status restore_weights(restore *r) {
    for (size_t i = 0; i < ls_params_count(r->params); i++) {
        LS_TRY(read_and_send(r, ls_params_at(r->params, i), NULL));
        if (ls_comm_node_rank(r->comm) == 0) ls_param_import(r->params, i, r->values, ls_reducer_weights(r->reducer));
    }
    return ls_reducer_barrier(r->reducer);
}

/*
 * A slot comes in file layout and lies with its owners in arena layout. This rank's gradient block, unused before the
 * first step, has room for the whole parameter at its place; owners copy their pieces out of it.
 */
static void keep_pieces(restore *r, size_t param, size_t slot) {
    const ls_piece *pieces;
    size_t count, stride;
    float *arena = ls_reducer_gradients(r->reducer, &stride);
    const ls_param *p = ls_params_at(r->params, param);
    ls_reducer_pieces(r->reducer, &pieces, &count);
    ls_param_import(r->params, param, r->values, arena);
    for (size_t i = 0; i < count; i++)
        if (pieces[i].param == param)
            memcpy(pieces[i].slots[slot], arena + pieces[i].offset, pieces[i].count * sizeof(float));
    memset(arena + p->offset, 0, p->count * sizeof(float));
}

static ls_status restore_slots(restore *r, size_t slots, const char *const *names) {
    for (size_t slot = 0; slot < slots; slot++)
        for (size_t i = 0; i < ls_params_count(r->params); i++) {
            const ls_param *param = ls_params_at(r->params, i);
            if (param->offset >= ls_params_trainable(r->params)) continue;
            LS_TRY(read_and_send(r, param, names[slot]));
            keep_pieces(r, i, slot);
        }
    return LS_OK;
}

static ls_status receive_items(restore *r, ls_text *bytes, ls_items **items) {
    uint64_t length = bytes->length;
    LS_TRY(ls_comm_broadcast(r->comm, 0, &length, sizeof length));
    char *all = malloc(length + 1);
    ls_status status = all ? LS_OK : LS_FAIL(LS_ERR_MEMORY, "no memory for the items of a checkpoint");
    if (status == LS_OK) status = ls_items_create(items);
    status = ls_comm_agree(r->comm, status);
    if (status == LS_OK && r->checkpoint && length) memcpy(all, bytes->bytes, length);
    if (status == LS_OK) status = ls_comm_broadcast(r->comm, 0, all, length);
    if (status == LS_OK) status = ls__items_decode(all, length, *items);
    free(all);
    return ls_comm_agree(r->comm, status);
}

static ls_status restore_items(restore *r, ls_items **items) {
    ls_text bytes = {0};
    ls_status status =
        ls_comm_agree(r->comm, r->checkpoint ? ls__items_encode(ls_checkpoint_items(r->checkpoint), &bytes) : LS_OK);
    if (status == LS_OK) status = receive_items(r, &bytes, items);
    ls_text_free(&bytes);
    return status;
}

static ls_status run(restore *r, size_t slots, const char *const *slot_names, ls_items **items) {
    bool reads = r->checkpoint != NULL;
    LS_TRY(ls_comm_agree(r->comm,
                         reads ? ls__checkpoint_check(r->checkpoint, r->params, slots, slot_names, true) : LS_OK));
    LS_TRY(ls_reducer_await(r->reducer, LS_ALL_WEIGHTS));
    LS_TRY(restore_weights(r));
    LS_TRY(restore_slots(r, slots, slot_names));
    return restore_items(r, items);
}

ls_status ls_checkpoint_restore(ls_checkpoint *checkpoint, ls_comm *comm, ls_reducer *reducer, const ls_params *params,
                                size_t slots, const char *const *slot_names, ls_items **items) {
    *items = NULL;
    restore r = {ls_comm_first(comm) ? checkpoint : NULL, comm, reducer, params, NULL};
    void *values = NULL;
    ls_status status = ls_comm_agree(
        comm, ls_block_create(ls__largest_parameter(params), sizeof(float), "a parameter in file layout", &values));
    r.values = values;
    if (status == LS_OK) status = run(&r, slots, slot_names, items);
    ls_block_destroy(values);
    if (status != LS_OK) {
        ls_items_destroy(*items);
        *items = NULL;
    }
    return status;
}
