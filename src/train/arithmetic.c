/* Whether all ranks compute alike: what one of them would do differently nobody could repeat. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

typedef struct identity {
    char program[64], kernels[192];
} identity;

static ls_status compare(const ls_comm *comm, const identity *all) {
    for (size_t r = 1; r < ls_comm_size(comm); r++) {
        if (strcmp(all[r].program, all[0].program) != 0)
            return LS_FAIL(LS_ERR_CONFIG,
                           "rank %zu on %s runs lockstep %s, rank 0 on %s runs %s; install one version on all nodes", r,
                           ls_comm_host(comm, r), all[r].program, ls_comm_host(comm, 0), all[0].program);
        if (strcmp(all[r].kernels, all[0].kernels) != 0)
            return LS_FAIL(LS_ERR_CONFIG,
                           "math: blas: rank %zu on %s has \"%s\", rank 0 on %s has \"%s\", and their bits differ; "
                           "use math: exact, nodes of one kind, or one OPENBLAS_CORETYPE on all ranks",
                           r, ls_comm_host(comm, r), all[r].kernels, ls_comm_host(comm, 0), all[0].kernels);
    }
    return LS_OK;
}

/* math: exact has the same bits by any instruction set; OpenBLAS only by one version on one type of core. */
ls_status ls__arithmetic_agree(const ls_math *math, bool blas, ls_comm *comm) {
    identity mine = {{0}, {0}};
    snprintf(mine.program, sizeof mine.program, "%s", LOCKSTEP_VERSION);
    if (blas) snprintf(mine.kernels, sizeof mine.kernels, "%s", ls_math_description(math));
    void *all = NULL;
    ls_status status = LS_OK;
    if (ls_comm_first(comm)) status = ls_block_create(ls_comm_size(comm), sizeof mine, "what ranks compute with", &all);
    LS_TRY(ls_comm_agree(comm, status));
    status = ls_comm_gather(comm, &mine, sizeof mine, all);
    if (status == LS_OK && all) status = compare(comm, all);
    ls_block_destroy(all);
    return ls_comm_agree(comm, status);
}
