#include "comm/launch.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

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
    return (ls__launch){
        .parallel = getenv("PMIX_RANK") != NULL, .rank = number_of("PMIX_RANK"), .launcher = "a PMIx launcher"};
}

static bool has_entries(const char *folder) {
    DIR *listing = opendir(folder);
    if (!listing) return false;
    bool found = false;
    for (struct dirent *entry = readdir(listing); entry && !found; entry = readdir(listing))
        found = entry->d_name[0] != '.';
    closedir(listing);
    return found;
}

/* Debian configures Open MPI without UCX, so that messages go over TCP even where there is InfiniBand. */
const char *ls__launch_advice(const char *folder) {
    const char *layer = getenv("OMPI_MCA_pml");
    if ((layer && strstr(layer, "ucx")) || !has_entries(folder)) return NULL;
    return "this host has InfiniBand, which Open MPI may leave unused: try mpirun --mca pml ucx --mca osc ucx";
}
