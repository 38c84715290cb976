#include "comm/comm.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "comm/transport.h"
#include "lockstep/memory.h"

/* A huge page; also the alignment of every block. */
static const size_t huge = (size_t)2 << 20;

/* Behind the block, on a page of its own. */
typedef struct footer {
    ls__barrier barrier;
} footer;

struct ls_comm_memory {
    ls_comm *comm;
    const ls__grouping *grouping;
    footer *footer;
    char *map; /* what to unmap */
    size_t map_bytes;
};

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Where the footer is: behind the block, on the next page. */
static size_t footer_offset(size_t bytes) {
    return ls_round_up(bytes ? bytes : 1, page_size());
}

/* Maps `bytes` bytes of the file (-1: private memory) at an address aligned to a huge page. */
static bool map_aligned(ls_comm_memory *memory, int file, size_t bytes, char **base) {
    size_t space = bytes + huge;
    char *map = mmap(NULL, space, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) return false;
    char *aligned = (char *)ls_round_up((uintptr_t)map, huge);
    int flags = MAP_FIXED | (file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
    if (mmap(aligned, bytes, PROT_READ | PROT_WRITE, flags, file, 0) == MAP_FAILED) {
        munmap(map, space);
        return false;
    }
    madvise(aligned, bytes, MADV_HUGEPAGE); /* a hint: where the kernel does not follow it nothing is lost but time */
    memory->map = map;
    memory->map_bytes = space;
    *base = aligned;
    return true;
}

/* ---- a segment of several ranks ----------------------------------------------------------------------------- */

/* The file of shared memory and what went wrong with it: 0 or an errno. */
typedef struct shared_file {
    char name[96];
    int file;
    int error;
} shared_file;

/*
 * A name that tells whose the file is. lockstep-run names each job (LOCKSTEP_JOB: the path of a folder), and removes
 * what bears the name of a job that is dead; else it is the process's.
 */
static void choose_name(shared_file *segment, uint64_t random) {
    const char *job = getenv("LOCKSTEP_JOB"), *name = job ? strrchr(job, '/') : NULL;
    if (name && name[1] && strlen(name) < sizeof segment->name - 20)
        snprintf(segment->name, sizeof segment->name, "%s.%016" PRIx64, name, random);
    else
        snprintf(segment->name, sizeof segment->name, "/lockstep.%ld.%016" PRIx64, (long)getpid(), random);
}

/* The leader makes the file; a killed job leaves at most its name, for the moments in which the others open it. */
static void make_file(shared_file *segment, size_t bytes) {
    for (int tries = 0; tries < 16; tries++) {
        uint64_t random = 0;
        if (getrandom(&random, sizeof random, 0) < 0) random = (uint64_t)tries;
        choose_name(segment, random);
        segment->file = shm_open(segment->name, O_CREAT | O_EXCL | O_RDWR, 0600);
        segment->error = segment->file < 0 ? errno : 0;
        if (segment->error != EEXIST) break;
    }
    if (segment->file >= 0 && ftruncate(segment->file, (off_t)bytes) != 0) segment->error = errno;
}

/* Takes the pages now, where they can be refused, and not at first touch, where they would be a SIGBUS. */
static int reserve(int file, ls__range range) {
    int error = 0;
    if (range.begin == range.end) return 0;
    do {
        error = posix_fallocate(file, (off_t)range.begin, (off_t)(range.end - range.begin));
    } while (error == EINTR);
    return error;
}

static ls_status no_room(const ls_comm *comm, size_t bytes, const char *what, int error) {
    struct statvfs info;
    unsigned long long free_bytes = 0;
    if (statvfs("/dev/shm", &info) == 0) free_bytes = (unsigned long long)info.f_bavail * info.f_frsize;
    return LS_FAIL(LS_ERR_MEMORY,
                   "no shared memory for %s on %s: %.1f MB are needed, /dev/shm has %.1f MB free (%s); make it larger "
                   "(mount -o remount,size=..., or docker run --shm-size)",
                   what, comm->hosts ? comm->hosts[comm->rank] : "this host", 1e-6 * (double)bytes,
                   1e-6 * (double)free_bytes, strerror(error));
}

/* Opens one file on all ranks of the node, reserves it, maps it; the name is gone when this returns. */
static ls_status share(ls_comm_memory *memory, size_t bytes, size_t count, const ls__range *mine, const char *what,
                       char **base) {
    ls_comm *comm = memory->comm;
    const ls__grouping *node = memory->grouping;
    size_t whole = footer_offset(bytes) + page_size();
    shared_file segment = {.file = -1};
    if (node->rank == 0) make_file(&segment, whole);
    LS_TRY(ls__broadcast(comm, node->channel, 0, &segment.name, sizeof segment.name, what));
    if (node->rank > 0) {
        segment.file = shm_open(segment.name, O_RDWR, 0600);
        segment.error = segment.file < 0 ? errno : 0;
    }
    for (size_t i = 0; i < count && !segment.error; i++) segment.error = reserve(segment.file, mine[i]);
    if (!segment.error && node->rank == 0)
        segment.error = reserve(segment.file, (ls__range){footer_offset(bytes), whole});
    if (!segment.error && !map_aligned(memory, segment.file, whole, base)) segment.error = errno;
    int64_t worst = 0;
    ls_status status = ls__least(comm, node->channel, -segment.error, &worst, what);
    if (node->rank == 0) shm_unlink(segment.name);
    if (segment.file >= 0) close(segment.file);
    LS_TRY(status);
    return worst == 0 ? LS_OK : no_room(comm, bytes, what, (int)-worst);
}

/* ---- the block ---------------------------------------------------------------------------------------------- */

ls_status ls__memory_create(ls_comm *comm, const ls__grouping *grouping, size_t bytes, size_t count,
                            const ls__range *mine, const char *what, void **base, ls_comm_memory **out) {
    *out = NULL;
    *base = NULL;
    for (size_t i = 0; i < count; i++) assert(mine[i].begin <= mine[i].end && mine[i].end <= bytes);
    ls_comm_memory *memory = calloc(1, sizeof *memory);
    if (!memory) return LS_FAIL(LS_ERR_MEMORY, "no memory for %s", what);
    memory->comm = comm;
    memory->grouping = grouping;
    char *block = NULL;
    ls_status status = LS_OK;
    if (grouping->size > 1)
        status = share(memory, bytes, count, mine, what, &block);
    else if (!map_aligned(memory, -1, footer_offset(bytes) + page_size(), &block))
        status = LS_FAIL(LS_ERR_MEMORY, "no memory for %s: %zu bytes", what, bytes);
    if (status != LS_OK) {
        ls_comm_memory_destroy(memory);
        return status;
    }
    memory->footer = (footer *)(void *)(block + footer_offset(bytes));
    *base = block;
    *out = memory;
    return LS_OK;
}

ls_status ls_comm_memory_create(ls_comm *comm, size_t bytes, const char *what, void **base, ls_comm_memory **out) {
    const ls__grouping *node = comm->grouping;
    size_t share_bytes = ls_round_up(bytes / node->size + 1, page_size());
    size_t begin = share_bytes * node->rank, end = share_bytes * (node->rank + 1);
    ls__range mine = {begin < bytes ? begin : bytes, end < bytes ? end : bytes};
    return ls__memory_create(comm, node, bytes, 1, &mine, what, base, out);
}

void ls_comm_memory_destroy(ls_comm_memory *memory) {
    if (!memory) return;
    if (memory->map) munmap(memory->map, memory->map_bytes);
    free(memory);
}

size_t ls_comm_memory_rank(const ls_comm_memory *memory) {
    return memory->grouping->rank;
}

size_t ls_comm_memory_size(const ls_comm_memory *memory) {
    return memory->grouping->size;
}

ls_status ls_comm_memory_barrier(ls_comm_memory *memory) {
    ls__barrier_wait(memory->comm, &memory->footer->barrier, memory->grouping->size, "the ranks of the node");
    return LS_OK;
}
