/*
 * Saving and restoring with any number of ranks, in nodes of any size. The oracle is a file that one rank writes array
 * by array: whatever the ranks, a checkpoint's state is that file's, and what is restored from it are its numbers.
 */
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lockstep/checkpoint.h"

enum { SLOTS = 2 };
static const char *const slot_names[SLOTS] = {"first_moment", "second_moment"};
static const char config[] = "batch: 40\nseed: 1\n";

static ls_comm *comm;
static char *folder; /* the same text on all ranks */

static bool first_rank(void) {
    return ls_comm_rank(comm) == 0;
}

/* ---- a model ---------------------------------------------------------------------------------------------------- */

static ls_params *make_params_for(const char *math, size_t units) {
    const ls_param all[] = {
        {.layer = "dense_1", .name = "weight", .shape = {2, {units, 150}}, .layout = LS_LAYOUT_DENSE, .groups = 1},
        {.layer = "dense_1", .name = "bias", .shape = {1, {units}}, .role = LS_ROLE_BIAS, .groups = 1},
        {.layer = "norm_1", .name = "gain", .shape = {1, {7}}, .role = LS_ROLE_NORM, .groups = 1},
        {.layer = "norm_1", .name = "mean", .shape = {1, {7}}, .role = LS_ROLE_STATISTIC, .groups = 1},
        {.layer = "conv2d_1", .name = "weight", .shape = {4, {5, 3, 3, 3}}, .layout = LS_LAYOUT_CONV, .groups = 1},
        {.layer = "embed_1", .name = "table", .shape = {2, {11, 3}}, .frozen = true, .groups = 1},
    };
    ls_params *params;
    assert_works(ls_params_create(ls_math_find(math), &params));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t index;
        assert_works(ls_params_add(params, &all[i], &index));
    }
    assert_works(ls_params_layout(params));
    return params;
}

static ls_params *make_params(size_t units) {
    return make_params_for("blas", units);
}

static ls_reducer *make_reducer(const ls_params *params, size_t slots) {
    ls_reducer *reducer;
    const ls_reducer_options options = {.params = params, .batch = 40, .microbatch = 4, .slots = slots};
    assert_works(ls_reducer_create(comm, &options, &reducer));
    return reducer;
}

/* Element i, in file order, of a parameter (kind 0) or of its slot (kind 1, 2) at a moment of training. */
static float value(uint64_t moment, size_t param, size_t kind, size_t i) {
    return (float)support_random(moment * 100 + param * 10 + kind, i);
}

static float *values_of(const ls_params *params, uint64_t moment, size_t param, size_t kind) {
    size_t count = ls_shape_size(ls_params_at(params, param)->shape);
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++) values[i] = value(moment, param, kind, i);
    return values;
}

/* A whole arena of parameters or of a slot. Padding is 0. */
static float *arena_of(const ls_params *params, uint64_t moment, size_t kind) {
    float *arena = calloc(ls_params_arena(params), sizeof *arena);
    for (size_t i = 0; i < ls_params_count(params); i++) {
        float *values = values_of(params, moment, i, kind);
        ls_param_import(params, i, values, arena);
        free(values);
    }
    return arena;
}

/* Weights and slots as they are at a moment: what the steps before have made. */
static void set_moment(ls_reducer *reducer, const ls_params *params, uint64_t moment) {
    const ls_piece *pieces;
    size_t count;
    float *weights = arena_of(params, moment, 0);
    if (ls_comm_node_rank(comm) == 0)
        memcpy(ls_reducer_weights(reducer), weights, ls_params_arena(params) * sizeof *weights);
    free(weights);
    ls_reducer_pieces(reducer, &pieces, &count);
    for (size_t kind = 1; kind <= SLOTS; kind++) {
        float *slot = arena_of(params, moment, kind);
        for (size_t i = 0; i < count; i++)
            if (pieces[i].slots)
                memcpy(pieces[i].slots[kind - 1], slot + pieces[i].offset, pieces[i].count * sizeof *slot);
        free(slot);
    }
    assert_works(ls_reducer_barrier(reducer));
}

static void check_moment(ls_reducer *reducer, const ls_params *params, uint64_t moment) {
    const ls_piece *pieces;
    size_t count, stride;
    float *weights = arena_of(params, moment, 0);
    assert_memory_equal(ls_reducer_weights(reducer), weights, ls_params_arena(params) * sizeof *weights);
    free(weights);
    ls_reducer_pieces(reducer, &pieces, &count);
    for (size_t kind = 1; kind <= SLOTS; kind++) {
        float *slot = arena_of(params, moment, kind);
        for (size_t i = 0; i < count; i++)
            if (pieces[i].slots)
                assert_memory_equal(pieces[i].slots[kind - 1], slot + pieces[i].offset, pieces[i].count * sizeof *slot);
        free(slot);
    }
    const float *gradients = ls_reducer_gradients(reducer, &stride);
    for (size_t i = 0; i < ls_params_gradient_arena(params); i++) assert_true(gradients[i] == 0.0f);
}

static ls_items *make_items(uint64_t step) {
    ls_items *items;
    assert_works(ls_items_create(&items));
    assert_works(ls_items_add_count(items, "/state/step", step));
    assert_works(ls_items_add_reals(items, "/state/sums/loss", (const double[]){0.1, 1e-300, (double)step}, 3));
    assert_works(ls_items_add_text(items, "/state/best/metric", "valid.loss"));
    assert_works(
        ls_items_add_reals(items, "/statistics/preprocess/mean", (const double[]){1, (double)(step / 100)}, 2));
    assert_works(ls_items_add_text(items, "/provenance/kernels", "whatever"));
    return items;
}

/* ---- the oracle ------------------------------------------------------------------------------------------------- */

typedef struct plain_array {
    const void *bytes;
    size_t count, index;
} plain_array;

static void add_params(ls_store_writer *writer, const ls_params *params, uint64_t moment, plain_array *arrays,
                       size_t *count) {
    for (size_t kind = 0; kind <= SLOTS; kind++)
        for (size_t i = 0; i < ls_params_count(params); i++) {
            const ls_param *param = ls_params_at(params, i);
            bool statistic = param->role == LS_ROLE_STATISTIC;
            char path[256];
            if (kind > 0 && (statistic || param->frozen)) continue;
            snprintf(path, sizeof path, "/%s%s/%s/%s",
                     kind        ? "optimizer/"
                     : statistic ? "statistics"
                                 : "parameters",
                     kind ? slot_names[kind - 1] : "", param->layer, param->name);
            plain_array *array = &arrays[(*count)++];
            array->bytes = values_of(params, moment, i, kind);
            array->count = ls_shape_size(param->shape) * sizeof(float);
            assert_works(ls_store_add(writer, path, LS_DTYPE_F32, param->shape.rank, param->shape.dim, LS_PART_STATE,
                                      &array->index));
        }
}

static void add_items(ls_store_writer *writer, const ls_items *items, plain_array *arrays, size_t *count) {
    for (size_t i = 0; i < ls_items_count(items); i++) {
        const ls_item *item = ls_items_at(items, i);
        plain_array *array = &arrays[(*count)++];
        char *copy = malloc(item->bytes + 1);
        memcpy(copy, item->data, item->bytes);
        *array = (plain_array){.bytes = copy, .count = item->bytes};
        if (item->dtype == LS_DTYPE_TEXT)
            assert_works(ls_store_add_text(writer, item->path, item->bytes, 0, item->part, &array->index));
        else
            assert_works(
                ls_store_add(writer, item->path, item->dtype, item->rank, item->dim, item->part, &array->index));
    }
}

/* Writes what a checkpoint has to hold; returns its state. Rank 0 only. */
static uint64_t write_plainly(const char *path, const ls_params *params, uint64_t moment, uint64_t step) {
    plain_array arrays[64];
    size_t count = 0, text;
    ls_store_writer *writer;
    ls_items *items = make_items(step);
    assert_works(ls_items_add_count(items, "/provenance/format", LS_CHECKPOINT_FORMAT));
    assert_works(ls_store_create(path, NULL, &writer));
    add_params(writer, params, moment, arrays, &count);
    add_items(writer, items, arrays, &count);
    assert_works(ls_store_add_text(writer, "/config", strlen(config), 0, LS_PART_OTHER, &text));
    assert_works(ls_store_seal(writer));
    for (size_t i = 0; i < count; i++) {
        assert_works(ls_store_fill(writer, arrays[i].index, 0, arrays[i].bytes, arrays[i].count));
        free((void *)arrays[i].bytes);
    }
    assert_works(ls_store_fill(writer, text, 0, config, strlen(config)));
    assert_works(ls_store_commit(writer, NULL, NULL));
    uint64_t state = ls_store_writer_state(writer);
    ls_store_writer_destroy(writer);
    ls_items_destroy(items);
    return state;
}

/* ---- the stage -------------------------------------------------------------------------------------------------- */

static int make_folder(void **state) {
    (void)state;
    folder = support_make_shared_folder(comm);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    support_remove_shared_folder(comm, folder);
    assert_works(ls_comm_group(comm, 0));
    return 0;
}

static ls_saver *make_saver(ls_reducer *reducer, const ls_params *params, size_t keep, const ls_run_lock *lock) {
    ls_saver *saver;
    const ls_saver_options options = {comm, reducer, params, SLOTS, slot_names, folder, config, keep, lock};
    assert_works(ls_saver_create(&options, &saver));
    return saver;
}

/* A save from start to end; on rank 0 its outcome. */
static ls_saver_outcome save(ls_saver *saver, uint64_t step, bool best) {
    ls_saver_outcome outcome;
    ls_items *items = make_items(step);
    assert_works(ls_saver_start(saver, step, items, best));
    ls_items_destroy(items);
    assert_works(ls_saver_wait(saver, &outcome));
    assert_int_equal(outcome.finished, first_rank());
    assert_false(ls_saver_busy(saver));
    return outcome;
}

static const char *checkpoint_path(uint64_t step) {
    char name[64];
    snprintf(name, sizeof name, "checkpoints/step-%09ju.h5", (uintmax_t)step);
    return support_path(folder, name);
}

static const size_t groupings[] = {0, 1, 2};
enum { GROUPINGS = sizeof groupings / sizeof *groupings };

/* ---- tests ------------------------------------------------------------------------------------------------------ */

static void is_the_same_whatever_the_ranks(ls_params *params) {
    uint64_t wanted = first_rank() ? write_plainly(support_path(folder, "oracle.h5"), params, 5, 77) : 0;
    for (size_t g = 0; g < GROUPINGS; g++) {
        assert_works(ls_comm_group(comm, groupings[g]));
        ls_reducer *reducer = make_reducer(params, SLOTS);
        ls_saver *saver = make_saver(reducer, params, 3, NULL);
        set_moment(reducer, params, 5);
        ls_saver_outcome outcome = save(saver, 77, false);
        if (first_rank()) {
            assert_works(outcome.status);
            assert_int_equal(outcome.step, 77);
            assert_true(outcome.state == wanted);
            assert_string_equal(outcome.path, checkpoint_path(77));
            assert_works(ls_store_verify(checkpoint_path(77), NULL));
        }
        ls_saver_destroy(saver);
        ls_reducer_destroy(reducer);
    }
    ls_params_destroy(params);
}

static void a_checkpoint_is_the_same_whatever_the_ranks(void **state) {
    (void)state;
    is_the_same_whatever_the_ranks(make_params(300));
}

/* Its rows fill no whole pages, so that what is left of one part goes with the next. */
static void a_parameter_that_is_written_in_parts_is_the_same(void **state) {
    (void)state;
    is_the_same_whatever_the_ranks(make_params_for("blas", 2000));
    is_the_same_whatever_the_ranks(make_params_for("exact", 2000));
}

static void what_was_saved_is_restored_on_any_ranks(void **state) {
    (void)state;
    ls_params *params = make_params(300);
    if (first_rank()) write_plainly(support_path(folder, "oracle.h5"), params, 5, 77);
    for (size_t g = 0; g < GROUPINGS; g++) {
        assert_works(ls_comm_group(comm, groupings[g]));
        ls_reducer *reducer = make_reducer(params, SLOTS);
        ls_checkpoint *checkpoint = NULL;
        ls_items *items;
        if (first_rank()) {
            assert_works(ls_checkpoint_open(support_path(folder, "oracle.h5"), &checkpoint));
            assert_string_equal(ls_checkpoint_config(checkpoint), config);
        }
        assert_works(ls_checkpoint_restore(checkpoint, comm, reducer, params, SLOTS, slot_names, &items));
        ls_checkpoint_close(checkpoint);
        check_moment(reducer, params, 5);
        uint64_t step;
        double sums[3];
        char *metric;
        assert_works(ls_items_get_count(items, "/state/step", &step));
        assert_works(ls_items_get_reals(items, "/state/sums/loss", sums, 3));
        assert_works(ls_items_get_text(items, "/state/best/metric", &metric));
        assert_true(step == 77 && sums[0] == 0.1 && sums[1] == 1e-300 && sums[2] == 77);
        assert_string_equal(metric, "valid.loss");
        free(metric);
        ls_items_destroy(items);
        ls_reducer_destroy(reducer);
    }
    ls_params_destroy(params);
}

static void training_goes_on_while_a_save_is_under_way(void **state) {
    (void)state;
    ls_params *params = make_params(300);
    uint64_t wanted = first_rank() ? write_plainly(support_path(folder, "oracle.h5"), params, 5, 10) : 0;
    for (size_t g = 0; g < GROUPINGS; g++) {
        assert_works(ls_comm_group(comm, groupings[g]));
        ls_reducer *reducer = make_reducer(params, SLOTS);
        ls_saver *saver = make_saver(reducer, params, 3, NULL);
        set_moment(reducer, params, 5);
        ls_items *items = make_items(10);
        ls_saver_outcome outcome;
        assert_works(ls_saver_start(saver, 10, items, false));
        ls_items_destroy(items);
        assert_int_equal(ls_saver_busy(saver), first_rank());
        /* The next steps change everything at once, before anything was sent or written. */
        set_moment(reducer, params, 6);
        for (uint64_t over = 0; !over;) {
            assert_works(ls_saver_poll(saver, &outcome));
            over = first_rank() && outcome.finished;
            assert_works(ls_comm_broadcast(comm, 0, &over, sizeof over));
        }
        if (first_rank()) assert_works(outcome.status);
        if (first_rank()) assert_true(outcome.state == wanted);
        outcome = save(saver, 20, false);
        if (first_rank()) assert_works(outcome.status);
        if (first_rank()) assert_true(outcome.state != wanted);
        ls_saver_destroy(saver);
        ls_reducer_destroy(reducer);
    }
    ls_params_destroy(params);
}

static void links_and_retention_follow_the_saves(void **state) {
    (void)state;
    ls_params *params = make_params(10);
    ls_reducer *reducer = make_reducer(params, SLOTS);
    ls_saver *saver = make_saver(reducer, params, 2, NULL);
    set_moment(reducer, params, 1);
    for (uint64_t step = 1; step <= 5; step++) {
        ls_saver_outcome outcome = save(saver, step, step == 2);
        if (first_rank()) assert_works(outcome.status);
    }
    if (first_rank()) {
        for (uint64_t step = 1; step <= 5; step++)
            assert_int_equal(access(checkpoint_path(step), F_OK) == 0, step == 2 || step >= 4);
        char *path;
        int64_t step;
        ls_store *store;
        assert_works(ls_checkpoint_find(folder, NULL, &path));
        assert_string_equal(path, checkpoint_path(5));
        free(path);
        const char *const links[] = {"checkpoints/latest.h5", "checkpoints/best.h5"};
        for (size_t i = 0; i < 2; i++) {
            assert_works(ls_store_open(support_path(folder, links[i]), &store));
            assert_works(ls_store_get_integer(store, "/state/step", &step));
            assert_int_equal(step, i == 0 ? 5 : 2);
            ls_store_close(store);
        }
    }
    ls_saver_destroy(saver);
    ls_reducer_destroy(reducer);
    ls_params_destroy(params);
}

static void a_save_that_fails_does_not_end_the_run(void **state) {
    (void)state;
    ls_params *params = make_params(10);
    assert_works(ls_comm_group(comm, 1));
    ls_reducer *reducer = make_reducer(params, SLOTS);
    ls_saver *saver = make_saver(reducer, params, 2, NULL);
    set_moment(reducer, params, 1);
    ls_saver_outcome outcome = save(saver, 1, false);
    if (first_rank()) {
        assert_works(outcome.status);
        assert_int_equal(rename(support_path(folder, "checkpoints"), support_path(folder, "away")), 0);
    }
    outcome = save(saver, 2, false);
    if (first_rank()) {
        assert_false(outcome.superseded);
        assert_refuses(outcome.status, LS_ERR_IO, "cannot create: No such file");
        assert_int_equal(rename(support_path(folder, "away"), support_path(folder, "checkpoints")), 0);
        assert_works(ls_store_verify(checkpoint_path(1), NULL));
    }
    outcome = save(saver, 3, false);
    if (first_rank()) assert_works(outcome.status);
    ls_saver_destroy(saver);
    ls_reducer_destroy(reducer);
    ls_params_destroy(params);
}

/* An older file that cannot be deleted, here a folder of its name, makes no save a failed one. */
static void what_cannot_be_tidied_fails_no_save(void **state) {
    (void)state;
    ls_params *params = make_params(10);
    ls_reducer *reducer = make_reducer(params, SLOTS);
    ls_saver *saver = make_saver(reducer, params, 1, NULL);
    set_moment(reducer, params, 1);
    if (first_rank()) assert_int_equal(mkdir(checkpoint_path(1), 0777), 0);
    ls_saver_outcome outcome = save(saver, 2, false);
    if (first_rank()) {
        assert_works(outcome.status);
        assert_refuses(outcome.untidy, LS_ERR_IO, "cannot delete it: Is a directory");
        assert_works(ls_store_verify(checkpoint_path(2), NULL));
    }
    ls_saver_destroy(saver);
    ls_reducer_destroy(reducer);
    ls_params_destroy(params);
}

static void a_writer_that_was_superseded_writes_nothing(void **state) {
    (void)state;
    ls_params *params = make_params(10);
    ls_reducer *reducer = make_reducer(params, SLOTS);
    ls_run_lock *lock = NULL;
    if (first_rank()) assert_works(ls_run_lock_create(folder, "", &lock));
    ls_saver *saver = make_saver(reducer, params, 2, lock);
    set_moment(reducer, params, 1);
    ls_saver_outcome outcome = save(saver, 1, false);
    if (first_rank()) {
        assert_works(outcome.status);
        FILE *file = fopen(support_path(folder, "run.lock"), "w");
        fputs("2 elsewhere 99 \n", file);
        fclose(file);
    }
    outcome = save(saver, 2, false);
    if (first_rank()) {
        assert_true(outcome.superseded);
        assert_refuses(outcome.status, LS_ERR_RUNTIME, "process 99 on elsewhere has taken over");
        assert_int_not_equal(access(checkpoint_path(2), F_OK), 0);
        assert_int_equal(access(checkpoint_path(1), F_OK), 0);
    }
    ls_saver_destroy(saver);
    ls_run_lock_destroy(lock);
    ls_reducer_destroy(reducer);
    ls_params_destroy(params);
}

/* Rank 0 has the words, the others know. */
static void refuses_on_all(ls_status status, const char *words) {
    if (first_rank()) {
        assert_refuses(status, LS_ERR_DATA, words);
        return;
    }
    assert_int_equal(ls_status_code(status), LS_ERR_REPORTED);
    assert_int_equal(ls_status_exit(status), 2);
    ls_status_free(status);
}

static void a_checkpoint_of_another_model_is_refused(void **state) {
    (void)state;
    ls_params *params = make_params(10), *others = make_params(12);
    const char *const velocity[] = {"velocity"};
    ls_checkpoint *checkpoint = NULL;
    ls_items *items;
    if (first_rank()) {
        write_plainly(support_path(folder, "oracle.h5"), params, 5, 77);
        assert_works(ls_checkpoint_open(support_path(folder, "oracle.h5"), &checkpoint));
    }
    ls_reducer *reducer = make_reducer(others, SLOTS);
    refuses_on_all(ls_checkpoint_restore(checkpoint, comm, reducer, others, SLOTS, slot_names, &items),
                   "/parameters/dense_1/weight has the shape (10, 150), the model's (12, 150)");
    ls_reducer_destroy(reducer);
    reducer = make_reducer(params, 1);
    refuses_on_all(ls_checkpoint_restore(checkpoint, comm, reducer, params, 1, velocity, &items),
                   "/optimizer/velocity/dense_1/weight is missing");
    ls_reducer_destroy(reducer);
    reducer = make_reducer(params, 0);
    refuses_on_all(ls_checkpoint_restore(checkpoint, comm, reducer, params, 0, NULL, &items),
                   "/optimizer/first_moment/conv2d_1/weight has no counterpart");
    ls_reducer_destroy(reducer);
    ls_checkpoint_close(checkpoint);
    ls_params_destroy(params);
    ls_params_destroy(others);
}

static void nodes_whose_weights_differ_are_found(void **state) {
    (void)state;
    ls_params *params = make_params(10);
    assert_works(ls_comm_group(comm, 1));
    ls_reducer *reducer = make_reducer(params, SLOTS);
    ls_saver *saver = make_saver(reducer, params, 2, NULL);
    set_moment(reducer, params, 1);
    uint64_t digest, theirs;
    assert_works(ls_saver_compare_nodes(saver, &digest));
    theirs = digest;
    assert_works(ls_comm_broadcast(comm, 0, &theirs, sizeof theirs));
    assert_true(digest == theirs);
    if (ls_comm_size(comm) > 1) {
        const float kept = ls_reducer_weights(reducer)[3];
        if (ls_comm_node(comm) == 1) ls_reducer_weights(reducer)[3] += 1.0f;
        ls_status status = ls_saver_compare_nodes(saver, NULL);
        if (first_rank())
            assert_refuses(status, LS_ERR_RUNTIME, "the weights of node 1");
        else
            ls_status_free(status);
        /* One bit of one weight, on one node. */
        const ls_param *last = ls_params_at(params, ls_params_count(params) - 1);
        uint32_t bits;
        float *weight = ls_reducer_weights(reducer) + last->offset;
        if (ls_comm_node(comm) == 1) ls_reducer_weights(reducer)[3] = kept;
        if (ls_comm_node(comm) + 1 == ls_comm_nodes(comm)) {
            memcpy(&bits, weight, sizeof bits);
            bits ^= 1;
            memcpy(weight, &bits, sizeof bits);
        }
        char words[128];
        snprintf(words, sizeof words, "in %s/%s: memory or network", last->layer, last->name);
        status = ls_saver_compare_nodes(saver, NULL);
        assert_int_equal(ls_status_exit(status), 1);
        if (first_rank())
            assert_refuses(status, LS_ERR_RUNTIME, words);
        else
            ls_status_free(status);
    }
    ls_saver_destroy(saver);
    ls_reducer_destroy(reducer);
    ls_params_destroy(params);
}

/* ---- one rank is enough for the rest ---------------------------------------------------------------------------- */

static void parameters_are_read_without_ranks(void **state) {
    (void)state;
    if (!first_rank()) return;
    ls_params *params = make_params(10), *others = make_params(12);
    ls_checkpoint *checkpoint;
    write_plainly(support_path(folder, "oracle.h5"), params, 5, 77);
    assert_works(ls_checkpoint_open(support_path(folder, "oracle.h5"), &checkpoint));
    float *arena = calloc(ls_params_arena(params), sizeof *arena), *wanted = arena_of(params, 5, 0);
    assert_works(ls_checkpoint_read_parameters(checkpoint, params, arena));
    assert_memory_equal(arena, wanted, ls_params_arena(params) * sizeof *arena);
    assert_refuses(ls_checkpoint_read_parameters(checkpoint, others, arena), LS_ERR_DATA, "does not fit the model");
    free(arena);
    free(wanted);
    ls_checkpoint_close(checkpoint);
    ls_params_destroy(params);
    ls_params_destroy(others);
}

static void a_difference_of_one_bit_is_told(void **state) {
    (void)state;
    if (!first_rank()) return;
    ls_params *params = make_params(10), *others = make_params(12);
    write_plainly(support_path(folder, "a.h5"), params, 5, 77);
    write_plainly(support_path(folder, "b.h5"), params, 5, 78);
    write_plainly(support_path(folder, "c.h5"), params, 6, 77);
    write_plainly(support_path(folder, "d.h5"), others, 5, 77);
    ls_checkpoint *a, *other;
    assert_works(ls_checkpoint_open(support_path(folder, "a.h5"), &a));
    const char *const names[] = {"b.h5", "c.h5", "d.h5"};
    const size_t differing[] = {0, 6, 2};
    for (size_t i = 0; i < 3; i++) {
        ls_checkpoint_difference difference = {0};
        assert_works(ls_checkpoint_open(support_path(folder, names[i]), &other));
        assert_works(ls_checkpoint_diff(a, other, &difference));
        assert_int_equal(difference.arrays, 7);
        assert_int_equal(difference.differing, differing[i]);
        if (i == 1) assert_non_null(strstr(difference.lines.bytes, "/parameters/dense_1/bias: 10 of 10 differ, by at"));
        if (i == 2) assert_non_null(strstr(difference.lines.bytes, "/parameters/dense_1/bias: the shapes or types"));
        ls_text_free(&difference.lines);
        ls_checkpoint_close(other);
    }
    ls_checkpoint_close(a);
    ls_params_destroy(params);
    ls_params_destroy(others);
}

static void the_average_is_the_mean(void **state) {
    (void)state;
    if (!first_rank()) return;
    ls_params *params = make_params(10), *others = make_params(12);
    ls_checkpoint *three[3], *mean;
    for (uint64_t i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "%ju.h5", (uintmax_t)i);
        write_plainly(support_path(folder, name), i < 2 ? params : others, 5 + i, 77 + 100 * i);
        assert_works(ls_checkpoint_open(support_path(folder, name), &three[i]));
    }
    assert_works(ls_checkpoint_average(three, 2, support_path(folder, "mean.h5")));
    assert_works(ls_store_verify(support_path(folder, "mean.h5"), NULL));
    assert_works(ls_checkpoint_open(support_path(folder, "mean.h5"), &mean));
    float *arena = calloc(ls_params_arena(params), sizeof *arena), values[10];
    assert_works(ls_checkpoint_read_parameters(mean, params, arena));
    ls_param_export(params, ls_params_find(params, "dense_1", "bias"), arena, values);
    for (size_t i = 0; i < 10; i++)
        assert_true(values[i] == (float)(((double)value(5, 1, 0, i) + (double)value(6, 1, 0, i)) / 2));
    assert_string_equal(ls_checkpoint_config(mean), config);
    assert_false(ls_store_exists(ls_checkpoint_store(mean), "/optimizer"));
    double preprocess[2];
    assert_works(ls_items_get_reals(ls_checkpoint_items(mean), "/statistics/preprocess/mean", preprocess, 2));
    assert_true(preprocess[0] == 1 && preprocess[1] == 0);
    assert_refuses(ls_checkpoint_average(three, 3, support_path(folder, "bad.h5")), LS_ERR_DATA, "not of one model: ");
    free(arena);
    ls_checkpoint_close(mean);
    for (size_t i = 0; i < 3; i++) ls_checkpoint_close(three[i]);
    ls_params_destroy(params);
    ls_params_destroy(others);
}

static void write_format(const char *path, uint64_t format, bool parameters) {
    ls_store_writer *writer;
    size_t index, other;
    assert_works(ls_store_create(path, NULL, &writer));
    assert_works(ls_store_add(writer, "/provenance/format", LS_DTYPE_U64, 0, NULL, LS_PART_OTHER, &index));
    assert_works(ls_store_add(writer, parameters ? "/parameters/a/b" : "/train/x", LS_DTYPE_F32, 1, (size_t[]){0},
                              LS_PART_STATE, &other));
    assert_works(ls_store_seal(writer));
    assert_works(ls_store_fill(writer, index, 0, &format, sizeof format));
    assert_works(ls_store_commit(writer, NULL, NULL));
    ls_store_writer_destroy(writer);
}

static void files_of_another_kind_or_a_later_format_are_refused(void **state) {
    (void)state;
    if (!first_rank()) return;
    ls_checkpoint *checkpoint;
    write_format(support_path(folder, "later.h5"), 2, true);
    assert_refuses(ls_checkpoint_open(support_path(folder, "later.h5"), &checkpoint), LS_ERR_DATA,
                   "is a checkpoint of format 2, written by a later lockstep");
    write_format(support_path(folder, "data.h5"), 1, false);
    assert_refuses(ls_checkpoint_open(support_path(folder, "data.h5"), &checkpoint), LS_ERR_DATA,
                   "is an HDF5 file, but not a checkpoint: it has no /parameters");
    assert_null(checkpoint);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const ls_comm_options options = {.deadline = 60};
    ls_status status = ls_comm_start(&options, &comm);
    if (status != LS_OK) {
        fprintf(stderr, "%s\n", ls_status_message(status));
        return ls_status_exit(status);
    }
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_checkpoint_is_the_same_whatever_the_ranks),
        WITH_FOLDER(a_parameter_that_is_written_in_parts_is_the_same),
        WITH_FOLDER(what_was_saved_is_restored_on_any_ranks),
        WITH_FOLDER(training_goes_on_while_a_save_is_under_way),
        WITH_FOLDER(links_and_retention_follow_the_saves),
        WITH_FOLDER(a_save_that_fails_does_not_end_the_run),
        WITH_FOLDER(what_cannot_be_tidied_fails_no_save),
        WITH_FOLDER(a_writer_that_was_superseded_writes_nothing),
        WITH_FOLDER(a_checkpoint_of_another_model_is_refused),
        WITH_FOLDER(nodes_whose_weights_differ_are_found),
        WITH_FOLDER(parameters_are_read_without_ranks),
        WITH_FOLDER(a_difference_of_one_bit_is_told),
        WITH_FOLDER(the_average_is_the_mean),
        WITH_FOLDER(files_of_another_kind_or_a_later_format_are_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ls_comm_finish(comm);
    return failed;
}
