/*
 * A program of somebody who uses the library: it brings an optimizer of its own, one that the library does not know.
 *
 *     own_optimizer CONFIG      trains what the configuration says, but with "sign": w -= learning_rate sign(g)
 */
#include <stdio.h>
#include <stdlib.h>

#include <lockstep/lockstep.h>

static void update(const void *options, const ls_update *u) {
    (void)options;
    float rate = (float)u->learning_rate;
    for (size_t i = 0; i < u->count; i++) u->weights[i] -= rate * (float)((u->gradient[i] > 0) - (u->gradient[i] < 0));
}

static size_t slots(const void *options, const char *names[LS_OPTIMIZER_SLOTS]) {
    (void)options, (void)names;
    return 0;
}

static const ls_optimizer_type sign = {
    .type = {.name = "sign", .doc = "Steps along the sign of the gradient."}, .slots = slots, .update = update};

static ls_status train(const ls_experiment *experiment, ls_comm *comm, ls_logger *logger) {
    ls_trainer *trainer = NULL;
    LS_TRY(ls_trainer_create(experiment, comm, logger, &trainer));
    ls_outcome outcome;
    ls_status status = ls_trainer_run(trainer, &(ls_run_request){.resume = LS_RESUME_NEVER}, &outcome);
    ls_trainer_destroy(trainer);
    return status;
}

static ls_status run(const char *file, ls_pool *pool, ls_comm *comm, ls_logger *logger) {
    ls_text text = {0};
    LS_TRY(ls_config_read_file(file, &text));
    ls_experiment experiment;
    ls_status status = ls_config_parse(pool, file, text.bytes, text.length, NULL, 0, &experiment);
    ls_text_free(&text);
    LS_TRY(status);
    ls_optimizer_options common = {.learning_rate = 0.002};
    experiment.optimizer = (ls_choice){.type = &sign.type, .options = &common, .common = &common};
    return train(&experiment, comm, logger);
}

int main(int count, char **words) {
    ls_pool *pool = NULL;
    ls_comm *comm = NULL;
    ls_logger *logger = NULL;
    if (count != 2) return 64;
    ls_status status = ls_comm_start(NULL, &comm);
    if (!status)
        status = ls_logger_create(&(ls_logger_options){stderr, stdout, .speaks = ls_comm_first(comm)}, &logger);
    if (!status) status = ls_pool_create(&pool);
    if (!status) status = run(words[1], pool, comm, logger);
    int code = status ? ls_code_exit(ls_status_code(status)) : 0;
    if (status) ls_logger_failure(logger, status);
    ls_status_free(status);
    ls_pool_destroy(pool);
    ls_logger_destroy(logger);
    ls_comm_finish(comm);
    return code;
}
