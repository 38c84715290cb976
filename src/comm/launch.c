#include "comm/launch.h"

#include <stdlib.h>

typedef struct launcher {
    const char *name;
    const char *size, *rank; /* environment variables */
} launcher;

/* The innermost launcher stands first: mpirun within a Slurm step sets its own variables besides those of the step. */
static const launcher launchers[] = {
    {"Open MPI's mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
    {"the mpiexec of another MPI", "PMI_SIZE", "PMI_RANK"},
    {"srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
};

static size_t number_of(const char *variable) {
    const char *text = getenv(variable);
    return text ? (size_t)strtoull(text, NULL, 10) : 0;
}

ls__launch ls__launch_read(void) {
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
        if (!getenv(launchers[i].size)) continue;
        return (ls__launch){.parallel = true,
                            .size = number_of(launchers[i].size),
                            .rank = number_of(launchers[i].rank),
                            .launcher = launchers[i].name};
    }
    return (ls__launch){.parallel = getenv("PMIX_RANK") != NULL, .rank = number_of("PMIX_RANK"), .launcher = "a PMIx launcher"};
}
