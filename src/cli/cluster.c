#include "cli/cluster.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "lockstep/memory.h"
#include "lockstep/tensor.h"

/* What a rank says of itself; travels as bytes. */
typedef struct machine {
    char version[32], kernels[32], blas[160];
    uint32_t byte_order; /* 0x01020304 as this rank reads it */
    uint32_t cores;      /* that this rank may use */
    uint64_t shared;     /* bytes free for shared memory; 0: unknown */
} machine;

static machine this_machine(void) {
    machine m = {.byte_order = 1};
    static const unsigned char order[4] = {1, 2, 3, 4};
    memcpy(&m.byte_order, order, sizeof m.byte_order);
    snprintf(m.version, sizeof m.version, "%s", LOCKSTEP_VERSION);
    snprintf(m.kernels, sizeof m.kernels, "%s", ls_math_description(ls_math_find("exact")));
    snprintf(m.blas, sizeof m.blas, "%s", ls_math_description(ls_math_find("blas")));
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) == 0) m.cores = (uint32_t)CPU_COUNT(&mask);
    struct statvfs info;
    if (statvfs("/dev/shm", &info) == 0) m.shared = (uint64_t)info.f_bavail * info.f_frsize;
    return m;
}

static ls_status differ(const ls_comm *comm, size_t rank, const char *what, const char *there, const char *here) {
    return LS_FAIL(LS_ERR_CONFIG, "the %s differ: rank %zu on %s has \"%s\", rank 0 on %s has \"%s\"", what, rank,
                   ls_comm_host(comm, rank), there, ls_comm_host(comm, 0), here);
}

static ls_status compare(cli *c, const machine *all, bool blas) {
    bool mixed = false;
    for (size_t r = 1; r < ls_comm_size(c->comm); r++) {
        if (strcmp(all[r].version, all[0].version) != 0)
            return differ(c->comm, r, "versions of lockstep", all[r].version, all[0].version);
        if (all[r].byte_order != all[0].byte_order)
            return LS_FAIL(LS_ERR_CONFIG, "rank %zu on %s has another byte order than rank 0", r,
                           ls_comm_host(c->comm, r));
        if (blas && strcmp(all[r].blas, all[0].blas) != 0)
            return differ(c->comm, r, "types of cores of OpenBLAS, and so the bits of math: blas,", all[r].blas,
                          all[0].blas);
        mixed = mixed || strcmp(all[r].blas, all[0].blas) != 0;
    }
    if (mixed)
        ls_logger_say(c->logger, LS_LOG_WARNING,
                      "OpenBLAS is not the same on all ranks: math: exact has the same bits here, math: blas has not");
    return LS_OK;
}

static void print_node(cli *c, const machine *all, size_t node, const ls_comm_speed *speed) {
    size_t first = ls_comm_node_first(c->comm, node), end = ls_comm_node_first(c->comm, node + 1);
    const machine *m = &all[first];
    char latency[32] = "", rate[32] = "", ahead[32] = "";
    if (speed->latency > 0) {
        snprintf(latency, sizeof latency, "%.1f", 1e6 * speed->latency);
        snprintf(rate, sizeof rate, "%.2f", speed->bandwidth / 1e9);
        snprintf(ahead, sizeof ahead, "%+.1f", 1e3 * speed->ahead);
    }
    printf("%-4zu %-20s %6zu %6u %-14s %12.1f %12s %10s %9s\n", node, ls_comm_host(c->comm, first), end - first,
           (unsigned)m->cores, m->kernels, (double)m->shared / 1e6, latency, rate, ahead);
    if (fabs(speed->ahead) > 1)
        ls_logger_say(c->logger, LS_LOG_WARNING, "the clock of %s is off by %.1f s: times in logs will not fit",
                      ls_comm_host(c->comm, first), speed->ahead);
    if (m->shared > 0 && m->shared < (uint64_t)64 << 20)
        ls_logger_say(c->logger, LS_LOG_WARNING, "%s has %.1f MB of shared memory; give its container --shm-size",
                      ls_comm_host(c->comm, first), (double)m->shared / 1e6);
}

/* Between nodes: the first rank of each, from rank 0. Within: the two first ranks of the first node. */
static ls_status print_table(cli *c, const machine *all) {
    bool speaks = ls_comm_first(c->comm) && !c->quiet;
    if (speaks)
        printf("%-4s %-20s %6s %6s %-14s %12s %12s %10s %9s\n", "node", "host", "ranks", "cores", "kernels",
               "shared (MB)", "latency (us)", "GB/s", "clock(ms)");
    for (size_t node = 0; node < ls_comm_nodes(c->comm); node++) {
        ls_comm_speed speed;
        LS_TRY(ls_comm_measure(c->comm, ls_comm_node_first(c->comm, node), &speed));
        if (speaks) print_node(c, all, node, &speed);
    }
    if (ls_comm_node_first(c->comm, 1) < 2) return LS_OK;
    ls_comm_speed within;
    LS_TRY(ls_comm_measure(c->comm, 1, &within));
    if (speaks)
        printf("%-4s %-20s %6s %6s %-14s %12s %12.1f %10.2f\n", "", "within node 0", "", "", "", "",
               1e6 * within.latency, within.bandwidth / 1e9);
    return LS_OK;
}

ls_status cli_check_cluster(cli *c, bool blas) {
    machine mine = this_machine();
    void *all = NULL;
    ls_status status = LS_OK;
    if (ls_comm_first(c->comm)) status = ls_block_create(ls_comm_size(c->comm), sizeof mine, "the machines", &all);
    status = ls_comm_agree(c->comm, status);
    if (status == LS_OK) status = ls_comm_gather(c->comm, &mine, sizeof mine, all);
    if (status == LS_OK && all) status = compare(c, all, blas);
    status = ls_comm_agree(c->comm, status);
    if (status == LS_OK) status = print_table(c, all);
    if (status == LS_OK && ls_comm_first(c->comm) && !c->quiet)
        printf("version %s, %s, OpenBLAS: %s\n", mine.version, ls_comm_nodes(c->comm) > 1 ? "all alike" : "one node",
               mine.blas);
    const char *advice = ls_comm_advice(c->comm);
    if (advice) ls_logger_say(c->logger, LS_LOG_WARNING, "%s", advice);
    ls_block_destroy(all);
    return status;
}
