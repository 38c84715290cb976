#include "comm/transport.h"

#include <assert.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/comm.h"
#include "comm/launch.h"
#include "comm/wait.h"

static const ls__channel nobody = {MPI_COMM_NULL};

static int to_int(size_t count) {
    assert(count <= INT_MAX);
    return (int)count;
}

static ls_status check(int code, const char *call) {
    if (code == MPI_SUCCESS) return LS_OK;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(code, text, &length);
    return LS_FAIL(LS_ERR_RUNTIME, "%s failed: %s", call, text);
}

/* ---- start and finish --------------------------------------------------------------------------------------- */

/* "Open MPI v4.1.4" of a text that goes on for a line. */
static void library_name(char *out, size_t size) {
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    MPI_Get_library_version(text, &length);
    text[strcspn(text, ",\n")] = '\0';
    snprintf(out, size, "%s", text);
}

/* Under the launcher of another MPI every rank is alone in a world of its own. Only the first one says so. */
static ls_status check_launcher(const ls__launch *launch, size_t size) {
    if (launch->size <= 1 || size > 1) return LS_OK;
    if (launch->rank > 0) return ls_status_reported(ls_code_exit(LS_ERR_USAGE));
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    library_name(library, sizeof library);
    return LS_FAIL(LS_ERR_USAGE,
                   "started by %s as %zu ranks, but each of them is alone: this program was built with %s, so start it "
                   "with that library's mpirun, or with srun --mpi=pmix",
                   launch->launcher, launch->size, library);
}

static ls_status initialise(bool *ours) {
    int already = 0;
    LS_TRY(check(MPI_Initialized(&already), "MPI_Initialized"));
    *ours = !already;
    int level = MPI_THREAD_FUNNELED;
    if (already)
        LS_TRY(check(MPI_Query_thread(&level), "MPI_Query_thread"));
    else
        LS_TRY(check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level), "MPI_Init_thread"));
    if (level < MPI_THREAD_FUNNELED)
        return LS_FAIL(LS_ERR_RUNTIME, "MPI runs without support for threads (MPI_THREAD_FUNNELED is needed)");
    return LS_OK;
}

/* Every rank's number on its host's first rank, in the order of `comm`. */
static ls_status find_leaders(MPI_Comm comm, int *leader) {
    MPI_Comm host;
    int mine = 0;
    LS_TRY(check(MPI_Comm_rank(comm, &mine), "MPI_Comm_rank"));
    LS_TRY(check(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host), "MPI_Comm_split_type"));
    ls_status status = check(MPI_Bcast(&mine, 1, MPI_INT, 0, host), "MPI_Bcast");
    MPI_Comm_free(&host);
    LS_TRY(status);
    return check(MPI_Allgather(&mine, 1, MPI_INT, leader, 1, MPI_INT, comm), "MPI_Allgather");
}

/* Numbers the ranks host by host, hosts in the order of their first ranks. */
static ls_status renumber(MPI_Comm parent, ls__transport *transport, ls__machine *machine) {
    int *leader = malloc(machine->size * sizeof *leader);
    machine->leader = malloc(machine->size * sizeof *machine->leader);
    ls_status status = LS_OK;
    if (!leader || !machine->leader) {
        status = LS_FAIL(LS_ERR_MEMORY, "no memory for the table of %zu ranks", machine->size);
        goto done;
    }
    LS_TRY_ELSE(status, find_leaders(parent, leader), done);
    size_t number = 0, old = machine->rank;
    for (size_t r = 0; r < machine->size; r++)
        number += leader[r] < leader[old] || (leader[r] == leader[old] && r < old);
    LS_TRY_ELSE(status, check(MPI_Comm_split(parent, 0, to_int(number), &transport->world.comm), "MPI_Comm_split"),
                done);
    LS_TRY_ELSE(status, check(MPI_Comm_dup(transport->world.comm, &transport->alarm.comm), "MPI_Comm_dup"), done);
    MPI_Comm_set_errhandler(transport->world.comm, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(transport->alarm.comm, MPI_ERRORS_RETURN);
    machine->rank = number;
    LS_TRY_ELSE(status, find_leaders(transport->world.comm, leader), done);
    for (size_t r = 0; r < machine->size; r++) machine->leader[r] = (size_t)leader[r];
done:
    free(leader);
    return status;
}

ls_status ls__transport_start(ls__transport *transport, ls__machine *machine) {
    *transport = (ls__transport){nobody, nobody, false};
    *machine = (ls__machine){.rank = 0, .size = 1};
    ls__launch launch = ls__launch_read();
    int already = 0;
    LS_TRY(check(MPI_Initialized(&already), "MPI_Initialized"));
    if (!launch.parallel && !already) return LS_OK;
    LS_TRY(initialise(&transport->finalise));
    int rank = 0, size = 1;
    LS_TRY(check(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "MPI_Comm_rank"));
    LS_TRY(check(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size"));
    *machine = (ls__machine){.rank = (size_t)rank, .size = (size_t)size};
    LS_TRY(check_launcher(&launch, machine->size));
    MPI_Comm parent;
    LS_TRY(check(MPI_Comm_dup(MPI_COMM_WORLD, &parent), "MPI_Comm_dup"));
    MPI_Comm_set_errhandler(parent, MPI_ERRORS_RETURN);
    ls_status status = renumber(parent, transport, machine);
    MPI_Comm_free(&parent);
    return status;
}

void ls__transport_finish(ls__transport *transport) {
    ls__channel_free(&transport->alarm);
    ls__channel_free(&transport->world);
    if (transport->finalise) MPI_Finalize();
    transport->finalise = false;
}

ls_status ls__channel_split(const ls__transport *transport, size_t color, ls__channel *out) {
    *out = nobody;
    if (transport->world.comm == MPI_COMM_NULL) return LS_OK;
    LS_TRY(check(MPI_Comm_split(transport->world.comm, to_int(color), 0, &out->comm), "MPI_Comm_split"));
    MPI_Comm_set_errhandler(out->comm, MPI_ERRORS_RETURN);
    return LS_OK;
}

void ls__channel_free(ls__channel *channel) {
    if (channel->comm != MPI_COMM_NULL) MPI_Comm_free(&channel->comm);
}

/* ---- messages ----------------------------------------------------------------------------------------------- */

ls_status ls__send(ls_comm *comm, const void *data, size_t bytes, size_t to, size_t tag, ls__request *request) {
    return check(MPI_Isend(data, to_int(bytes), MPI_BYTE, to_int(to), to_int(tag), comm->transport.world.comm, request),
                 "MPI_Isend");
}

ls_status ls__receive(ls_comm *comm, void *data, size_t bytes, size_t from, size_t tag, ls__request *request) {
    return check(
        MPI_Irecv(data, to_int(bytes), MPI_BYTE, to_int(from), to_int(tag), comm->transport.world.comm, request),
        "MPI_Irecv");
}

ls_status ls__test(size_t count, ls__request *requests, size_t *open) {
    *open = 0;
    for (size_t i = 0; i < count; i++) {
        if (requests[i] == MPI_REQUEST_NULL) continue;
        int done = 0;
        LS_TRY(check(MPI_Test(&requests[i], &done, MPI_STATUS_IGNORE), "MPI_Test"));
        *open += !done;
    }
    return LS_OK;
}

ls_status ls__await(ls_comm *comm, size_t count, ls__request *requests, const char *what) {
    ls__wait wait = ls__wait_begin(comm, what);
    ls_status status = LS_OK;
    for (size_t open = 1; open;) {
        LS_TRY_ELSE(status, ls__test(count, requests, &open), done);
        if (open) ls__wait_pause(&wait);
    }
done:
    ls__wait_end(&wait);
    return status;
}

ls_status ls__broadcast(ls_comm *comm, ls__channel channel, size_t root, void *data, size_t bytes, const char *what) {
    if (channel.comm == MPI_COMM_NULL) return LS_OK;
    for (size_t at = 0; at < bytes; at += LS__MESSAGE_BYTES) {
        size_t part = bytes - at < LS__MESSAGE_BYTES ? bytes - at : LS__MESSAGE_BYTES;
        ls__request request;
        LS_TRY(check(MPI_Ibcast((char *)data + at, to_int(part), MPI_BYTE, to_int(root), channel.comm, &request),
                     "MPI_Ibcast"));
        LS_TRY(ls__await(comm, 1, &request, what));
    }
    return LS_OK;
}

ls_status ls__least(ls_comm *comm, ls__channel channel, int64_t mine, int64_t *least, const char *what) {
    *least = mine;
    if (channel.comm == MPI_COMM_NULL) return LS_OK;
    ls__request request;
    LS_TRY(check(MPI_Iallreduce(&mine, least, 1, MPI_INT64_T, MPI_MIN, channel.comm, &request), "MPI_Iallreduce"));
    return ls__await(comm, 1, &request, what);
}

ls_status ls__gather(ls_comm *comm, ls__channel channel, const void *mine, size_t bytes, void *all, const char *what) {
    if (channel.comm == MPI_COMM_NULL) {
        if (bytes) memcpy(all, mine, bytes);
        return LS_OK;
    }
    ls__request request;
    LS_TRY(check(MPI_Igather(mine, to_int(bytes), MPI_BYTE, all, to_int(bytes), MPI_BYTE, 0, channel.comm, &request),
                 "MPI_Igather"));
    return ls__await(comm, 1, &request, what);
}

/* ---- the alarm channel and the end -------------------------------------------------------------------------- */

void ls__alarm_send(ls_comm *comm, const void *data, size_t bytes, size_t to, ls__request *request) {
    if (MPI_Isend(data, to_int(bytes), MPI_BYTE, to_int(to), 0, comm->transport.alarm.comm, request) != MPI_SUCCESS)
        *request = MPI_REQUEST_NULL;
}

size_t ls__alarm_receive(ls_comm *comm, void *data, size_t room, size_t *from) {
    MPI_Comm channel = comm->transport.alarm.comm;
    MPI_Status status;
    int there = 0, bytes = 0;
    if (MPI_Iprobe(MPI_ANY_SOURCE, 0, channel, &there, &status) != MPI_SUCCESS || !there) return 0;
    if (MPI_Recv(data, to_int(room), MPI_BYTE, status.MPI_SOURCE, 0, channel, &status) != MPI_SUCCESS) return 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    *from = (size_t)status.MPI_SOURCE;
    return (size_t)bytes;
}

/* A signal's default action ends the process wherever it hangs. */
static void arm_alarm(unsigned seconds) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    signal(SIGALRM, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    alarm(seconds);
}

void ls__transport_abort(ls_comm *comm, int exit_code) {
    arm_alarm(5);
    fflush(NULL);
    if (comm->transport.world.comm != MPI_COMM_NULL) MPI_Abort(comm->transport.world.comm, exit_code);
    _exit(exit_code);
}

/* ---- the barrier -------------------------------------------------------------------------------------------- */

void ls__barrier_wait(ls_comm *comm, ls__barrier *barrier, size_t size, const char *what) {
    if (size == 1) return;
    uint32_t generation = atomic_load_explicit(&barrier->generation, memory_order_acquire);
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) + 1 == size) {
        atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&barrier->generation, generation + 1, memory_order_release);
        return;
    }
    ls__wait wait = ls__wait_begin(comm, what);
    while (atomic_load_explicit(&barrier->generation, memory_order_acquire) == generation) ls__wait_pause(&wait);
    ls__wait_end(&wait);
}
