/* Folds are a partition, and each has its share of every class. */
#include <stdio.h>
#include <stdlib.h>

#include "lockstep/comm.h"
#include "lockstep/data.h"
#include "support.h"

enum { SAMPLES = 103, CLASSES = 4, FOLDS = 5 };

/* Classes of very different sizes: one has fewer samples than there are folds. */
static int32_t class_of(size_t sample) {
    return sample < 3 ? 3 : sample % 7 == 0 ? 2 : sample % 2 ? 1 : 0;
}

static void write_set(const char *path) {
    float x[SAMPLES];
    int32_t y[SAMPLES];
    size_t dim[] = {SAMPLES, 1}, xs, ys;
    for (size_t i = 0; i < SAMPLES; i++) {
        x[i] = (float)i;
        y[i] = class_of(i);
    }
    ls_store_writer *writer = NULL;
    assert_works(ls_store_create(path, NULL, &writer));
    assert_works(ls_store_add(writer, "/train/x", LS_DTYPE_F32, 2, dim, LS_PART_STATE, &xs));
    assert_works(ls_store_add(writer, "/train/y", LS_DTYPE_I32, 1, dim, LS_PART_STATE, &ys));
    assert_works(ls_store_seal(writer));
    assert_works(ls_store_append(writer, xs, x, SAMPLES));
    assert_works(ls_store_append(writer, ys, y, SAMPLES));
    assert_works(ls_store_commit(writer, NULL, NULL));
    ls_store_writer_destroy(writer);
}

static ls_data_options options_of(const char **train, const char **valid, size_t fold) {
    return (ls_data_options){
        .train = {1, train}, .valid = {1, valid}, .x = "x", .y = "y", .x_c = "x_c", .fold = fold, .fold_given = true};
}

/* Notes in `seen` how often each sample is in the set, by its x. */
static void count_samples(const ls_dataset *set, ls_comm *comm, size_t *seen) {
    ls_data_options none = {0};
    ls_loader_field field = {.field = ls_dataset_find(set, "x"), .buffer = LS_BUFFER_FLOAT};
    ls_loader_plan plan = {.dataset = set,
                           .sampler = ls_sampler_sequential(&none, set),
                           .fields = &field,
                           .field_count = 1,
                           .weight_scale = 1,
                           .capacity = SAMPLES,
                           .comm = comm};
    ls_loader *loader = NULL;
    ls_batch batch;
    assert_works(ls_loader_create(&plan, &loader));
    assert_works(ls_loader_seek(loader, 0, 0));
    assert_works(ls_loader_fill(loader, 0, 0, ls_dataset_samples(set), &batch));
    for (size_t i = 0; i < batch.rows; i++) seen[(size_t)((const float *)batch.field[0])[i]]++;
    ls_loader_destroy(loader);
}

typedef struct setting {
    ls_comm *comm;
    char *folder;
    char path[4096];
    const char *train;
} setting;

static void start(setting *s, void **state) {
    (void)state;
    s->folder = support_make_folder();
    write_set(support_path(s->folder, "set.h5"));
    snprintf(s->path, sizeof s->path, "%s/set.h5:/train", s->folder);
    s->train = s->path;
    assert_works(ls_comm_start(NULL, &s->comm));
}

static void finish(setting *s) {
    ls_comm_finish(s->comm);
    support_remove_folder(s->folder);
}

static void folds_are_a_partition_with_their_share_of_every_class(void **state) {
    setting s;
    start(&s, state);
    const char *valid = "0.2";
    size_t in_parts[SAMPLES] = {0}, all[CLASSES] = {0};
    for (size_t i = 0; i < SAMPLES; i++) all[class_of(i)]++;
    for (size_t fold = 0; fold < FOLDS; fold++) {
        ls_data_options options = options_of(&s.train, &valid, fold);
        ls_data data;
        size_t once[SAMPLES] = {0}, here[CLASSES] = {0};
        assert_works(ls_data_open(&options, NULL, 7, NULL, s.comm, NULL, &data));
        assert_int_equal(ls_dataset_samples(data.train) + ls_dataset_samples(data.valid), SAMPLES);
        count_samples(data.valid, s.comm, in_parts);
        count_samples(data.valid, s.comm, once);
        for (size_t i = 0; i < SAMPLES; i++) here[class_of(i)] += once[i];
        for (size_t c = 0; c < CLASSES; c++) assert_in_range(here[c], all[c] / FOLDS, all[c] / FOLDS + 1);
        count_samples(data.train, s.comm, once);
        for (size_t i = 0; i < SAMPLES; i++) assert_int_equal(once[i], 1);
        ls_data_close(&data);
    }
    for (size_t i = 0; i < SAMPLES; i++) assert_int_equal(in_parts[i], 1);
    finish(&s);
}

static void a_fold_that_there_is_not_is_refused(void **state) {
    setting s;
    start(&s, state);
    static const struct {
        const char *valid;
        size_t fold;
        const char *words;
    } cases[] = {{"0.2", 5, "5 of 5 parts; allowed: 0 to 4"}, {"0.3", 0, "wants data.valid to be 1/K"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *valid = cases[i].valid;
        ls_data_options options = options_of(&s.train, &valid, cases[i].fold);
        ls_data data;
        assert_refuses(ls_data_open(&options, NULL, 7, NULL, s.comm, NULL, &data), LS_ERR_CONFIG, cases[i].words);
    }
    finish(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_are_a_partition_with_their_share_of_every_class),
        cmocka_unit_test(a_fold_that_there_is_not_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
