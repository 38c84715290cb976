/*
 * choose.h: picks out of a family as the configuration would make them, without a configuration file.
 *
 *     ls_choice sgd = support_choose(pool, &ls_optimizer_family, "sgd", "momentum", "0.9", "weight_decay.lambda", "5",
 * NULL);
 */
#ifndef LOCKSTEP_TESTS_CHOOSE_H
#define LOCKSTEP_TESTS_CHOOSE_H

#include "lockstep/options.h"

/** A bound choice; keys with their values follow, "a.b" for a key within a table; NULL ends them. Fails the test. */
ls_choice support_choose(ls_pool *pool, const ls_family *family, const char *name, ...);

/** The same, giving the failure of binding. */
ls_status support_try_choose(ls_choice *out, ls_pool *pool, const ls_family *family, const char *name, ...) LS_MUST_USE;

#endif
