/*
 * How many threads a rank computes with, from the cores that it may use and the ranks that share them.
 */
#include <sched.h>

#include "train/trainer.h"

/* What a rank says of itself; travels as bytes. */
typedef struct seat {
    cpu_set_t cores; /* that it may use: its own where the launcher binds ranks, else those of the machine */
    size_t threads;
} seat;

static size_t auto_threads(const ls_comm *comm, const seat *seats, size_t rank) {
    size_t first = ls_comm_machine_first(comm, rank), sharing = 0, cores = (size_t)CPU_COUNT(&seats[rank].cores);
    for (size_t r = first; r < ls_comm_size(comm) && ls_comm_machine_first(comm, r) == first; r++) {
        cpu_set_t both;
        CPU_AND(&both, &seats[r].cores, &seats[rank].cores);
        sharing += CPU_COUNT(&both) > 0;
    }
    return cores > sharing ? cores / sharing : 1;
}

/* Says so once where a machine has fewer cores than threads. */
static void warn_of_crowds(const ls_comm *comm, const seat *seats, ls_logger *logger) {
    for (size_t first = 0, end = 0; first < ls_comm_size(comm); first = end) {
        cpu_set_t all;
        CPU_ZERO(&all);
        size_t threads = 0;
        for (; end < ls_comm_size(comm) && ls_comm_machine_first(comm, end) == first; end++) {
            CPU_OR(&all, &all, &seats[end].cores);
            threads += seats[end].threads;
        }
        size_t cores = (size_t)CPU_COUNT(&all);
        if (threads <= cores) continue;
        ls_logger_say(logger, LS_LOG_WARNING,
                      "%zu threads of %zu rank%s share %zu core%s of %s, which is slower than one each: start fewer "
                      "ranks, or set run.threads",
                      threads, end - first, end - first == 1 ? "" : "s", cores, cores == 1 ? "" : "s",
                      ls_comm_host(comm, first));
        return;
    }
}

static ls_status exchange_seats(ls_comm *comm, size_t threads, seat **out) {
    void *table = NULL;
    ls_status status = ls_block_create(ls_comm_size(comm), sizeof(seat), "the table of cores", &table);
    status = ls_comm_agree(comm, status);
    seat mine = {.threads = threads};
    CPU_ZERO(&mine.cores);
    if (sched_getaffinity(0, sizeof mine.cores, &mine.cores) != 0) CPU_SET(0, &mine.cores);
    if (status == LS_OK) status = ls_comm_gather(comm, &mine, sizeof mine, table);
    if (status == LS_OK) status = ls_comm_broadcast(comm, 0, table, ls_comm_size(comm) * sizeof mine);
    if (status != LS_OK) {
        ls_block_destroy(table);
        return status;
    }
    *out = table;
    return LS_OK;
}

ls_status ls__threads_choose(size_t wanted, ls_comm *comm, size_t *out) {
    seat *seats = NULL;
    *out = wanted;
    if (wanted) return LS_OK;
    LS_TRY(exchange_seats(comm, 0, &seats));
    *out = auto_threads(comm, seats, ls_comm_rank(comm));
    ls_block_destroy(seats);
    return LS_OK;
}

ls_status ls__threads_warn(size_t threads, ls_comm *comm, ls_logger *logger) {
    seat *seats = NULL;
    LS_TRY(exchange_seats(comm, threads, &seats));
    warn_of_crowds(comm, seats, logger);
    ls_block_destroy(seats);
    return LS_OK;
}
