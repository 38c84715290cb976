#include "comm/comm.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/launch.h"
#include "comm/wait.h"
#include "lockstep/memory.h"

/* ---- groupings ---------------------------------------------------------------------------------------------- */

static void free_grouping(ls__grouping *grouping) {
    if (!grouping) return;
    ls__channel_free(&grouping->channel);
    free(grouping->first);
    free(grouping);
}

size_t ls__grouping_node(const ls__grouping *grouping, size_t rank) {
    size_t low = 0, high = grouping->nodes; /* first[low] <= rank < first[high] */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (grouping->first[middle] <= rank)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/*
 * The division in which a rank begins a node where `leader` differs from its predecessor's, and after every `most`
 * ranks (0: no limit).
 */
static ls_status make_grouping(const ls_comm *comm, const size_t *leader, size_t most, ls__grouping **out) {
    *out = NULL;
    ls__grouping *grouping = calloc(1, sizeof *grouping);
    size_t *first = calloc(comm->size + 1, sizeof *first);
    if (!grouping || !first) {
        free(grouping);
        free(first);
        return LS_FAIL(LS_ERR_MEMORY, "no memory for a table of %zu ranks", comm->size);
    }
    grouping->first = first;
    for (size_t r = 0; r < comm->size; r++) {
        size_t begun = grouping->nodes;
        bool fresh = r == 0 || leader[r] != leader[r - 1];
        if (fresh || (most && r - first[begun - 1] == most)) first[grouping->nodes++] = r;
    }
    first[grouping->nodes] = comm->size;
    grouping->node = ls__grouping_node(grouping, comm->rank);
    grouping->rank = comm->rank - first[grouping->node];
    grouping->size = first[grouping->node + 1] - first[grouping->node];
    ls_status status = ls__channel_split(&comm->transport, grouping->node, &grouping->channel);
    if (status != LS_OK) {
        free_grouping(grouping);
        return status;
    }
    *out = grouping;
    return LS_OK;
}

ls_status ls_comm_group(ls_comm *comm, size_t ranks_per_node) {
    /* Without a board the host's memory is too small for anything. */
    if (!comm->board && comm->machine->size > 1) ranks_per_node = 1;
    size_t *leader = malloc(comm->size * sizeof *leader);
    if (!leader) return LS_FAIL(LS_ERR_MEMORY, "no memory for a table of %zu ranks", comm->size);
    for (size_t r = 0; r < comm->size; r++) leader[r] = comm->machine->first[ls__grouping_node(comm->machine, r)];
    ls__grouping *grouping = NULL;
    ls_status status = make_grouping(comm, leader, ranks_per_node, &grouping);
    free(leader);
    LS_TRY(status);
    grouping->older = comm->grouping;
    comm->grouping = grouping;
    return LS_OK;
}

/* ---- start and finish --------------------------------------------------------------------------------------- */

static ls_status share_host_names(ls_comm *comm) {
    void *block = NULL;
    LS_TRY(ls_block_create(comm->size, LS__HOST_BYTES, "the host names", &block));
    comm->hosts = block;
    char mine[LS__HOST_BYTES] = "";
    if (gethostname(mine, sizeof mine - 1) != 0) memcpy(mine, "unknown", sizeof "unknown");
    LS_TRY(ls__gather(comm, comm->transport.world, mine, sizeof mine, comm->hosts, "the host names"));
    return ls__broadcast(comm, comm->transport.world, 0, comm->hosts, comm->size * LS__HOST_BYTES, "the host names");
}

/* Puts the host's lines on a board that all its ranks see, or leaves them private where any host cannot. */
static ls_status put_up_board(ls_comm *comm) {
    const ls__grouping *machine = comm->machine;
    size_t bytes = machine->size * sizeof(ls__line);
    ls__range mine = {machine->rank * sizeof(ls__line), (machine->rank + 1) * sizeof(ls__line)};
    void *lines = NULL;
    ls_status failure = ls__memory_create(comm, machine, bytes, 1, &mine, "the ranks' lines", &lines, &comm->board);
    int64_t works = 0;
    ls_status status = ls__least(comm, comm->transport.world, failure == LS_OK, &works, "the ranks' lines");
    if (status == LS_OK && works) {
        ls_block_destroy(comm->lines);
        comm->lines = lines;
        comm->line = comm->lines + machine->rank;
        return LS_OK;
    }
    ls_comm_memory_destroy(comm->board);
    comm->board = NULL;
    if (comm->rank == 0 && status == LS_OK)
        ls_logger_say(comm->logger, LS_LOG_WARNING, "every rank runs as a node of its own: %s",
                      failure ? ls_status_message(failure) : "shared memory is too small on another host");
    ls_status_free(failure);
    return status;
}

/* What is left to do where ranks can talk. */
static ls_status settle(ls_comm *comm, const ls__machine *machine, const ls_comm_options *options) {
    comm->rank = machine->rank;
    comm->size = machine->size;
    const size_t alone = 0;
    LS_TRY(make_grouping(comm, machine->leader ? machine->leader : &alone, 0, &comm->machine));
    void *lines = NULL;
    LS_TRY(ls_block_create(comm->machine->size, sizeof(ls__line), "the ranks' lines", &lines));
    comm->lines = lines;
    comm->line = comm->lines + comm->machine->rank;
    LS_TRY(share_host_names(comm));
    LS_TRY(put_up_board(comm));
    LS_TRY(ls__alarm_create(comm));
    comm->deadline = options->deadline;
    ls_comm_note(comm, "start", 0);
    return ls_comm_group(comm, options->ranks_per_node);
}

ls_status ls_comm_start(const ls_comm_options *options, ls_comm **out) {
    static const ls_comm_options defaults;
    *out = NULL;
    if (!options) options = &defaults;
    ls_comm *comm = calloc(1, sizeof *comm);
    if (!comm) return LS_FAIL(LS_ERR_MEMORY, "no memory for a communicator");
    comm->logger = options->logger;
    ls__machine machine = {0};
    ls_status status = ls__transport_start(&comm->transport, &machine);
    if (status == LS_OK) status = settle(comm, &machine, options);
    free(machine.leader);
    if (status != LS_OK) {
        ls_comm_finish(comm);
        return status;
    }
    *out = comm;
    return LS_OK;
}

ls_status ls_comm_first_ranks(ls_comm *comm, size_t ranks, ls_comm **out) {
    assert(ranks > 0 && ranks <= comm->size);
    *out = NULL;
    bool member = comm->rank < ranks;
    ls__machine machine = {.rank = comm->rank, .size = ranks, .leader = malloc(ranks * sizeof *machine.leader)};
    ls_comm *part = calloc(1, sizeof *part);
    ls_status status = part && machine.leader ? LS_OK : LS_FAIL(LS_ERR_MEMORY, "no memory for a communicator");
    LS_TRY_ELSE(status, ls_comm_agree(comm, status), failed);
    for (size_t r = 0; r < ranks; r++) machine.leader[r] = ls_comm_machine_first(comm, r);
    part->logger = comm->logger;
    part->transport.world = part->transport.alarm = (ls__channel){MPI_COMM_NULL};
    status = ls__channel_split(&comm->transport, !member, &part->transport.world);
    if (status == LS_OK) status = ls__channel_split(&comm->transport, !member, &part->transport.alarm);
    if (status == LS_OK && member) status = settle(part, &machine, &(ls_comm_options){.deadline = comm->deadline});
    status = ls_comm_agree(comm, status);
    if (status != LS_OK || !member)
        ls_comm_finish(part);
    else
        *out = part;
    part = NULL;
failed:
    free(part);
    free(machine.leader);
    return status;
}

void ls_comm_finish(ls_comm *comm) {
    if (!comm) return;
    ls__alarm_destroy(comm);
    if (comm->board)
        ls_comm_memory_destroy(comm->board);
    else
        ls_block_destroy(comm->lines);
    while (comm->grouping) {
        ls__grouping *older = comm->grouping->older;
        free_grouping(comm->grouping);
        comm->grouping = older;
    }
    free_grouping(comm->machine);
    ls__transport_finish(&comm->transport);
    ls_block_destroy(comm->hosts);
    free(comm);
}

/* ---- questions ---------------------------------------------------------------------------------------------- */

void ls_comm_set_deadline(ls_comm *comm, double seconds) {
    comm->deadline = seconds;
}

void ls_comm_set_logger(ls_comm *comm, ls_logger *logger) {
    comm->logger = logger;
}

double ls_comm_waited(const ls_comm *comm) {
    return comm->waited;
}

size_t ls_comm_rank(const ls_comm *comm) {
    return comm->rank;
}

size_t ls_comm_size(const ls_comm *comm) {
    return comm->size;
}

size_t ls_comm_nodes(const ls_comm *comm) {
    return comm->grouping->nodes;
}

size_t ls_comm_node(const ls_comm *comm) {
    return comm->grouping->node;
}

size_t ls_comm_node_rank(const ls_comm *comm) {
    return comm->grouping->rank;
}

size_t ls_comm_node_size(const ls_comm *comm) {
    return comm->grouping->size;
}

size_t ls_comm_node_first(const ls_comm *comm, size_t node) {
    assert(node <= comm->grouping->nodes);
    return comm->grouping->first[node];
}

size_t ls_comm_machine_first(const ls_comm *comm, size_t rank) {
    assert(rank < comm->size);
    return comm->machine->first[ls__grouping_node(comm->machine, rank)];
}

size_t ls_comm_machine_size(const ls_comm *comm) {
    return comm->machine->size;
}

const char *ls_comm_advice(const ls_comm *comm) {
    return comm->machine->nodes > 1 ? ls__launch_advice("/sys/class/infiniband") : NULL;
}

const char *ls_comm_host(const ls_comm *comm, size_t rank) {
    assert(rank < comm->size);
    return comm->hosts[rank];
}
