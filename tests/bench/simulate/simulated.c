#include "simulated.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "comm/comm.h"
#include "comm/transport.h"
#include "comm/wait.h"

/* A request that is not known to be complete, where its owner keeps it. */
typedef struct open_request {
    ls__request *place;
    size_t received; /* bytes; 0: it sends */
} open_request;

enum { MOST_OPEN = 8192, FIRST_REDUCER_TAG = 16, MOST_HOLLOW = 8, PAGE = 4096 };

/* Flops a second of the platform's hosts: they only carry seconds. */
static const double host_speed = 1e9;

typedef struct simulated_rank {
    simulated_costs costs;
    double addition;
    size_t count;
    open_request open[MOST_OPEN];
    ls__request handles[MOST_OPEN];
    void *nothing; /* the contents of hollow messages */
    void *hollow[MOST_HOLLOW];
    size_t hollows;
} simulated_rank;

static simulated_rank *self(void) {
    return smpi_process_get_user_data();
}

void simulated_set_costs(const simulated_costs *costs) {
    simulated_rank *rank = calloc(1, sizeof *rank);
    if (!rank) abort();
    rank->costs = *costs;
    if (costs->hollow) rank->nothing = SMPI_SHARED_MALLOC((size_t)16 << 20);
    smpi_process_set_user_data(rank);
}

void simulated_set_addition(double seconds_per_byte) {
    self()->addition = seconds_per_byte;
}

void simulated_work(double seconds) {
    if (seconds > 0) smpi_execute_flops(seconds * host_speed);
}

double simulated_now(void) {
    return MPI_Wtime();
}

/* ---- hollow memory: a few megabytes that lie under the addresses of every rank ----------------------------------- */

/* The linker leads here what the program calls by these names, and the real ones are known by the other. */
ls_status __wrap_ls_block_create(size_t count, size_t size, const char *what, void **out);
ls_status __real_ls_block_create(size_t count, size_t size, const char *what, void **out);
void __wrap_ls_block_destroy(void *block);
void __real_ls_block_destroy(void *block);
ls_status __wrap_ls__memory_create(ls_comm *comm, const ls__grouping *grouping, size_t bytes, size_t count,
                                   const ls__range *mine, const char *what, void **base, ls_comm_memory **out);
ls_status __real_ls__memory_create(ls_comm *comm, const ls__grouping *grouping, size_t bytes, size_t count,
                                   const ls__range *mine, const char *what, void **base, ls_comm_memory **out);
void __wrap_ls__add(float *sum, const float *a, const float *b);
void __real_ls__add(float *sum, const float *a, const float *b);

static bool is_hollow(void) {
    const simulated_rank *rank = self();
    return rank && rank->nothing;
}

/* Large blocks are buffers of messages, or the reducer's segment. */
static const size_t large = (size_t)1 << 18;

ls_status __wrap_ls_block_create(size_t count, size_t size, const char *what, void **out) {
    if (!is_hollow() || count * size < large) return __real_ls_block_create(count, size, what, out);
    simulated_rank *rank = self();
    assert(rank->hollows < MOST_HOLLOW);
    *out = rank->hollow[rank->hollows++] = SMPI_SHARED_MALLOC(count * size);
    return LS_OK;
}

void __wrap_ls_block_destroy(void *block) {
    simulated_rank *rank = is_hollow() ? self() : NULL;
    for (size_t i = 0; rank && i < rank->hollows; i++) {
        if (rank->hollow[i] != block) continue;
        rank->hollow[i] = rank->hollow[--rank->hollows];
        SMPI_SHARED_FREE(block);
        return;
    }
    __real_ls_block_destroy(block);
}

/* The first page of a segment, where its progress is, is a rank's own. */
ls_status __wrap_ls__memory_create(ls_comm *comm, const ls__grouping *grouping, size_t bytes, size_t count,
                                   const ls__range *mine, const char *what, void **base, ls_comm_memory **out) {
    if (!is_hollow() || bytes < large)
        return __real_ls__memory_create(comm, grouping, bytes, count, mine, what, base, out);
    const size_t shared[2] = {PAGE, bytes};
    LS_TRY(__real_ls__memory_create(comm, grouping, 0, 0, NULL, what, base, out));
    *base = SMPI_PARTIAL_SHARED_MALLOC(bytes, shared, 1);
    return LS_OK;
}

/* What is not there is not added; its time passes when the message comes. */
void __wrap_ls__add(float *sum, const float *a, const float *b) {
    if (!is_hollow()) __real_ls__add(sum, a, b);
}

static ls_status check(int code, const char *call) {
    return code == MPI_SUCCESS ? LS_OK : LS_FAIL(LS_ERR_RUNTIME, "%s failed", call);
}

/* ---- start and finish: every rank is a host ------------------------------------------------------------------- */

ls_status ls__transport_start(ls__transport *transport, ls__machine *machine) {
    int rank = 0, size = 1;
    LS_TRY(check(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "MPI_Comm_rank"));
    LS_TRY(check(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size"));
    *transport = (ls__transport){{MPI_COMM_WORLD}, {MPI_COMM_NULL}, false};
    *machine = (ls__machine){(size_t)rank, (size_t)size, malloc((size_t)size * sizeof(size_t))};
    if (!machine->leader) return LS_FAIL(LS_ERR_MEMORY, "no memory for the table of %d ranks", size);
    for (size_t r = 0; r < machine->size; r++) machine->leader[r] = r;
    return LS_OK;
}

void ls__transport_finish(ls__transport *transport) {
    *transport = (ls__transport){{MPI_COMM_NULL}, {MPI_COMM_NULL}, false};
    free(self());
    smpi_process_set_user_data(NULL);
}

ls_status ls__channel_split(const ls__transport *transport, size_t color, ls__channel *out) {
    (void)transport, (void)color;
    out->comm = MPI_COMM_NULL; /* nobody shares this node */
    return LS_OK;
}

void ls__channel_free(ls__channel *channel) {
    channel->comm = MPI_COMM_NULL;
}

/* ---- messages ------------------------------------------------------------------------------------------------ */

static void remember(ls__request *place, size_t received) {
    simulated_rank *rank = self();
    assert(rank->count < MOST_OPEN);
    rank->open[rank->count++] = (open_request){place, received};
}

/* The request at `index` is complete: its owner sees so, and the processor does its part. */
static void complete(size_t index) {
    simulated_rank *rank = self();
    open_request done = rank->open[index];
    rank->open[index] = rank->open[--rank->count];
    *done.place = LS__NO_REQUEST;
    if (!done.received) return;
    simulated_work(rank->costs.message + (double)done.received * (rank->costs.byte + rank->addition));
}

ls_status ls__send(ls_comm *comm, const void *data, size_t bytes, size_t to, size_t tag, ls__request *request) {
    simulated_rank *rank = self();
    if (rank->nothing && tag >= FIRST_REDUCER_TAG) data = rank->nothing;
    simulated_work(rank->costs.message + (double)bytes * rank->costs.byte);
    LS_TRY(check(MPI_Isend(data, (int)bytes, MPI_BYTE, (int)to, (int)tag, comm->transport.world.comm, request),
                 "MPI_Isend"));
    remember(request, 0);
    return LS_OK;
}

ls_status ls__receive(ls_comm *comm, void *data, size_t bytes, size_t from, size_t tag, ls__request *request) {
    simulated_rank *rank = self();
    if (rank->nothing && tag >= FIRST_REDUCER_TAG) data = rank->nothing;
    LS_TRY(check(MPI_Irecv(data, (int)bytes, MPI_BYTE, (int)from, (int)tag, comm->transport.world.comm, request),
                 "MPI_Irecv"));
    remember(request, bytes);
    return LS_OK;
}

static size_t index_of(const ls__request *place) {
    const simulated_rank *rank = self();
    size_t index = 0;
    while (index < rank->count && rank->open[index].place != place) index++;
    assert(index < rank->count);
    return index;
}

ls_status ls__test(size_t count, ls__request *requests, size_t *open) {
    *open = 0;
    for (size_t i = 0; i < count; i++) {
        if (requests[i] == LS__NO_REQUEST) continue;
        int done = 0;
        ls__request handle = requests[i];
        LS_TRY(check(MPI_Test(&handle, &done, MPI_STATUS_IGNORE), "MPI_Test"));
        if (done) complete(index_of(&requests[i]));
        *open += !done;
    }
    return LS_OK;
}

ls_status ls__await(ls_comm *comm, size_t count, ls__request *requests, const char *what) {
    ls__wait wait = ls__wait_begin(comm, what);
    for (size_t open = 1; open;) {
        LS_TRY(ls__test(count, requests, &open));
        if (open) ls__wait_pause(&wait);
    }
    return LS_OK;
}

ls_status ls__broadcast(ls_comm *comm, ls__channel channel, size_t root, void *data, size_t bytes, const char *what) {
    (void)comm, (void)what;
    if (channel.comm == MPI_COMM_NULL) return LS_OK;
    return check(MPI_Bcast(data, (int)bytes, MPI_BYTE, (int)root, channel.comm), "MPI_Bcast");
}

ls_status ls__least(ls_comm *comm, ls__channel channel, int64_t mine, int64_t *least, const char *what) {
    (void)comm, (void)what;
    *least = mine;
    if (channel.comm == MPI_COMM_NULL) return LS_OK;
    return check(MPI_Allreduce(&mine, least, 1, MPI_INT64_T, MPI_MIN, channel.comm), "MPI_Allreduce");
}

ls_status ls__gather(ls_comm *comm, ls__channel channel, const void *mine, size_t bytes, void *all, const char *what) {
    (void)comm, (void)what;
    if (channel.comm == MPI_COMM_NULL) return LS_OK;
    return check(MPI_Gather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, 0, channel.comm), "MPI_Gather");
}

/* ---- waiting ------------------------------------------------------------------------------------------------- */

ls__wait ls__wait_begin(ls_comm *comm, const char *what) {
    return (ls__wait){.comm = comm, .what = what};
}

/* Until one more message of this rank is complete: only that can change what it waits for. */
void ls__wait_pause(ls__wait *wait) {
    (void)wait;
    simulated_rank *rank = self();
    assert(rank->count > 0);
    for (size_t i = 0; i < rank->count; i++) rank->handles[i] = *rank->open[i].place;
    int index = 0;
    if (MPI_Waitany((int)rank->count, rank->handles, &index, MPI_STATUS_IGNORE) != MPI_SUCCESS) abort();
    complete((size_t)index);
}

void ls__wait_worked(ls__wait *wait) {
    (void)wait;
}

void ls__wait_end(ls__wait *wait) {
    (void)wait;
}

void ls__barrier_wait(ls_comm *comm, ls__barrier *barrier, size_t size, const char *what) {
    (void)comm, (void)barrier, (void)what;
    assert(size == 1);
}

/* Nobody fails in a simulation, so there are no deadlines. */
ls_status ls__alarm_create(ls_comm *comm) {
    (void)comm;
    return LS_OK;
}

void ls__alarm_destroy(ls_comm *comm) {
    (void)comm;
}

void ls_comm_note(ls_comm *comm, const char *phase, uint64_t step) {
    (void)comm, (void)phase, (void)step;
}
