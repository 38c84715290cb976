/*
 * models.h: models out of YAML, with everything they need, for tests.
 */
#ifndef LOCKSTEP_TESTS_MODELS_H
#define LOCKSTEP_TESTS_MODELS_H

#include "graphs.h"
#include "lockstep/model.h"

typedef struct support_model {
    ls_pool *pool;
    ls_model_options options;
    ls_model_setup setup; /* filled with defaults by support_model_setup(); change it before support_model_build() */
    ls_source inputs[2], targets[3], corrupt;
    ls_team *team;
    ls_model *model;
    void *weights, *gradients;
    size_t stride;
} support_model;

/** x has shape `x`; targets y (integers, `classes`), t (numbers of shape (2)) and u (numbers of shape ()). */
void support_model_setup(support_model *m, ls_shape x, size_t classes);
/** Binds the YAML text (keys model, loss, init), as file "model.yaml", and creates the model. */
ls_status support_model_build(support_model *m, const char *yaml) LS_MUST_USE;
/** Plans for `rows` in micro-batches of `grain`, allocates `blocks` gradient blocks, binds and initialises. */
void support_model_ready(support_model *m, size_t rows, size_t microbatches, size_t blocks);
void support_model_free(support_model *m);
/** Fills all slots for rows [first, first + rows) of an endless data set: a function of the seed and the row. */
void support_model_fill(support_model *m, uint64_t seed, size_t first, size_t rows);
/** The sum of all losses over the rows, each times its weight. */
double support_model_loss(const support_model *m, size_t rows);

#endif
