/**
 * lockstep.h: the whole library in one include.
 *
 * Programs that use a part include that part's header alone; each compiles by itself. From the ground up, as they lie
 * on each other (a header may use those of lines above it):
 *
 *     status memory logger clock signals file     failures, memory, what is said, time, what is asked of a run
 *     random elementary sum                       numbers with the same bits on every machine
 *     document options                            what can be configured, described once
 *     tensor                                      shapes, parameters, arithmetic, threads
 *     store comm                                  arrays in files; ranks, nodes and how they agree
 *     graph data optim                            networks; batches; optimizers and schedules
 *     reducer model checkpoint report metrics     one shared step; layers and losses; what is kept and told of a run
 *     train export                                the experiment and the loop; networks for other programs
 *     config                                      from YAML to an experiment
 *
 * A training program, without error handling for brevity (src/cli/commands/train.c has it in full):
 *
 *     ls_comm_start(NULL, &comm);
 *     ls_config_parse(pool, "run.yaml", bytes, length, NULL, 0, &experiment);
 *     ls_trainer_create(&experiment, comm, logger, &trainer);
 *     ls_trainer_run(trainer, &(ls_run_request){.resume = LS_RESUME_AUTO}, &outcome);
 *     ls_trainer_destroy(trainer);
 *     ls_comm_finish(comm);
 */
#ifndef LOCKSTEP_LOCKSTEP_H
#define LOCKSTEP_LOCKSTEP_H

#include "lockstep/checkpoint.h"
#include "lockstep/clock.h"
#include "lockstep/comm.h"
#include "lockstep/config.h"
#include "lockstep/data.h"
#include "lockstep/document.h"
#include "lockstep/elementary.h"
#include "lockstep/export.h"
#include "lockstep/file.h"
#include "lockstep/graph.h"
#include "lockstep/logger.h"
#include "lockstep/memory.h"
#include "lockstep/metrics.h"
#include "lockstep/model.h"
#include "lockstep/optim.h"
#include "lockstep/options.h"
#include "lockstep/random.h"
#include "lockstep/reducer.h"
#include "lockstep/report.h"
#include "lockstep/signals.h"
#include "lockstep/status.h"
#include "lockstep/store.h"
#include "lockstep/sum.h"
#include "lockstep/tensor.h"
#include "lockstep/train.h"

#endif
