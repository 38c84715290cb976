/*
 * Nodes with different memory: how much a rank computes at once is its own affair, and no result tells of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets.h"
#include "lockstep/config.h"
#include "support.h"

static ls_comm *comm;
static ls_logger *logger;
static ls_pool *pool;
static char *folder; /* one for all ranks */

enum { SAMPLES = 90, FEATURES = 6, CLASSES = 3 };

static const char config[] = "model: [{dense: {units: 8}}, tanh, {dense: {units: 3}}]\n"
                             "loss: cross_entropy\n"
                             "metrics: [accuracy]\n"
                             "batch: full\n"
                             "microbatch: 4\n"
                             "optimizer: {sgd: {learning_rate: 0.1, momentum: 0.9}}\n"
                             "stop: {epochs: 4}\n";

static void write_data(void) {
    static float x[SAMPLES * FEATURES];
    static uint8_t y[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++) {
        y[i] = (uint8_t)(i % CLASSES);
        for (size_t k = 0; k < FEATURES; k++)
            x[i * FEATURES + k] = (float)(support_random(3, i * FEATURES + k) + (k == y[i] ? 1.0 : 0.0));
    }
    const support_array arrays[] = {
        {"/train/x", LS_DTYPE_F32, 2, {SAMPLES, FEATURES}, x}, {"/train/y", LS_DTYPE_U8, 1, {SAMPLES}, y}, {0}};
    support_write_arrays(support_path(folder, "set.h5"), arrays);
}

static int set_up(void **state) {
    (void)state;
    folder = support_make_shared_folder(comm);
    assert_works(ls_pool_create(&pool));
    if (ls_comm_first(comm)) write_data();
    assert_works(ls_comm_barrier(comm));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ls_pool_destroy(pool);
    support_remove_shared_folder(comm, folder);
    return 0;
}

/* The experiment in a directory of its own; where memory is uneven, the last rank has next to none. */
static ls_experiment experiment_in(const char *directory, bool uneven) {
    ls_text text = {0};
    ls_experiment experiment;
    bool poor = uneven && ls_comm_rank(comm) + 1 == ls_comm_size(comm);
    assert_works(ls_text_add(&text, "data: {train: \"%s/set.h5:/train\", preprocess: standardize}\n", folder));
    assert_works(ls_text_add(&text, "run: {dir: \"%s/%s\", memory: %s, threads: 1, tensorboard: false}\n", folder,
                             directory, poor ? "1kB" : "1GB"));
    assert_works(ls_text_add(&text, "%s", config));
    assert_works(ls_config_parse(pool, "test.yaml", text.bytes, text.length, NULL, 0, &experiment));
    ls_text_free(&text);
    return experiment;
}

static const char *checkpoint_of(const char *directory) {
    char name[64];
    snprintf(name, sizeof name, "%s/checkpoints/latest.h5", directory);
    return support_path(folder, name);
}

static void train(const char *directory, bool uneven) {
    ls_experiment experiment = experiment_in(directory, uneven);
    ls_run_request request = {.display = LS_DISPLAY_NONE, .quiet = true};
    ls_outcome outcome;
    ls_trainer *trainer = NULL;
    assert_works(ls_trainer_create(&experiment, comm, logger, &trainer));
    assert_works(ls_trainer_run(trainer, &request, &outcome));
    assert_int_equal(outcome.step, 4);
    ls_trainer_destroy(trainer);
}

static uint64_t state_of(const char *path) {
    uint64_t state = 0;
    ls_store *store = NULL;
    assert_works(ls_store_open(path, &store));
    assert_works(ls_store_state(store, &state));
    ls_store_close(store);
    return state;
}

static void training_has_the_same_bits(void **state) {
    (void)state;
    train("even", false);
    train("uneven", true);
    if (ls_comm_first(comm)) assert_true(state_of(checkpoint_of("even")) == state_of(checkpoint_of("uneven")));
}

static void evaluations_and_predictions_have_the_same_bits(void **state) {
    (void)state;
    ls_result *results[2];
    size_t count[2];
    uint64_t samples = 0;
    train("run", false);
    for (int uneven = 0; uneven < 2; uneven++) {
        ls_experiment experiment = experiment_in("run", uneven);
        assert_works(ls_evaluate(&experiment, checkpoint_of("run"), NULL, comm, logger, pool, &results[uneven],
                                 &count[uneven], &samples));
        assert_int_equal(samples, SAMPLES);
        assert_works(ls_predict(&experiment, checkpoint_of("run"), support_path(folder, "set.h5:/train"),
                                support_path(folder, uneven ? "uneven.h5" : "even.h5"), comm, logger, &samples));
        assert_int_equal(samples, SAMPLES);
    }
    assert_int_equal(count[0], 2);
    for (size_t i = 0; i < count[0]; i++) assert_true(results[0][i].value == results[1][i].value);
    if (ls_comm_first(comm))
        assert_true(state_of(support_path(folder, "even.h5")) == state_of(support_path(folder, "uneven.h5")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    ls_status status = ls_comm_start(NULL, &comm);
    ls_logger_options options = {stderr, stdout, LS_LOG_ERROR, false, false};
    if (status == LS_OK) {
        options.speaks = ls_comm_first(comm);
        status = ls_logger_create(&options, &logger);
    }
    if (status != LS_OK) {
        fprintf(stderr, "%s\n", ls_status_message(status));
        return ls_status_exit(status);
    }
    const struct CMUnitTest tests[] = {
        TEST(training_has_the_same_bits),
        TEST(evaluations_and_predictions_have_the_same_bits),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ls_logger_destroy(logger);
    ls_comm_finish(comm);
    return failed;
}
