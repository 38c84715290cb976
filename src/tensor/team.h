/* team.h: for kernels, whose work may take long. */
#ifndef LOCKSTEP_TENSOR_TEAM_H
#define LOCKSTEP_TENSOR_TEAM_H

#include "lockstep/tensor.h"

/** Between two pieces of work: calls what ls_team_set_poke() was given. Cheap, and free to call on any thread. */
void ls__team_poke(ls_team *team);

#endif
