/*
 * What must not depend on the number of ranks: the bytes that are loaded, the order, what is learnt from the training
 * set, and who finds what is wrong.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "choose.h"
#include "datasets.h"
#include "lockstep/random.h"
#include "support.h"

static ls_comm *comm;
static ls_pool *pool;
static char *folder; /* one for all ranks */

/* Samples of more than 64 bytes: smaller ones are always in memory. */
enum { FEATURES = 17, FIRST = 611, SECOND = 402, SAMPLES = FIRST + SECOND, BATCH = 34 };

static float x_at(size_t sample, size_t feature) {
    if (feature == 3) return 2.5f;            /* constant */
    if (feature == 5) return x_at(sample, 1); /* a duplicate */
    double scale = feature == 2 ? 1000 : 1;
    return (float)(scale * (support_random(7, sample * FEATURES + feature) + (double)feature));
}

static int16_t y_at(size_t sample) {
    return (int16_t)((sample * 7 + sample / 13) % 10);
}

/* Samples `first` .. of /train, in a file of their own; b.h5 has no checksums of blocks, as files of others. */
static void write_part(const char *name, size_t first, size_t count, size_t spoilt) {
    float *x = calloc(count * FEATURES, sizeof *x);
    int16_t *y = calloc(count, sizeof *y);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < FEATURES; k++) x[i * FEATURES + k] = x_at(first + i, k);
        y[i] = y_at(first + i);
    }
    if (spoilt < count) x[spoilt * FEATURES + 2] = NAN;
    const support_array arrays[] = {
        {"/train/x", LS_DTYPE_F32, 2, {count, FEATURES}, x}, {"/train/y", LS_DTYPE_I16, 1, {count}, y}, {0}};
    (name[0] == 'b' ? support_write_arrays : support_write_checked_arrays)(support_path(folder, name), arrays);
    free(x);
    free(y);
}

static int set_up(void **state) {
    (void)state;
    folder = support_make_shared_folder(comm);
    assert_works(ls_pool_create(&pool));
    if (ls_comm_first(comm)) {
        write_part("a.h5", 0, FIRST, SIZE_MAX);
        write_part("b.h5", FIRST, SECOND, SIZE_MAX);
        write_part("nan.h5", FIRST, SECOND, 17);
        write_part("hurt.h5", 0, FIRST, SIZE_MAX);
        support_flip(support_path(folder, "hurt.h5"), "/train/x", 300 * FEATURES * sizeof(float) + 1);
    }
    assert_works(ls_comm_barrier(comm));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ls_pool_destroy(pool);
    support_remove_shared_folder(comm, folder);
    return 0;
}

/* "*.h5" would take nan.h5 too. */
static ls_data_options options_for(const char *cache, const char *shuffle) {
    return support_data_options(pool, "train", "[ab].h5:/train", "cache", cache, "shuffle", shuffle, "block", "500",
                                "window", "3000", NULL);
}

static ls_data open_data(const ls_data_options *options) {
    ls_data data;
    assert_works(ls_data_open(options, folder, 1, NULL, comm, NULL, &data));
    return data;
}

/* A loader of x as floats and y as indices. */
static ls_loader *open_loader(const ls_data *data, const ls_data_options *options, ls_sampler sampler, size_t capacity,
                              bool ahead) {
    ls_loader_field fields[] = {{.field = ls_dataset_find(data->train, "x"), .buffer = LS_BUFFER_FLOAT},
                                {.field = ls_dataset_find(data->train, "y"), .buffer = LS_BUFFER_INDEX, .entries = 10}};
    ls_loader_plan plan = {.dataset = data->train,
                           .sampler = sampler,
                           .fields = fields,
                           .field_count = 2,
                           .seed = 1,
                           .capacity = capacity,
                           .batch = capacity,
                           .ahead = ahead,
                           .cache = options->cache,
                           .comm = comm};
    ls_loader *loader = NULL;
    assert_works(ls_loader_create(&plan, &loader));
    return loader;
}

static void check_batch(const ls_batch *batch) {
    const float *x = batch->field[0];
    const int32_t *y = batch->field[1];
    for (size_t i = 0; i < batch->rows; i++) {
        for (size_t k = 0; k < FEATURES; k++) assert_true(x[i * FEATURES + k] == x_at(batch->sample[i], k));
        assert_int_equal(y[i], y_at(batch->sample[i]));
    }
}

static void every_rank_sees_every_sample(void **state) {
    (void)state;
    const size_t groups[] = {0, 1, 2};
    for (size_t g = 0; g < 3; g++) {
        assert_works(ls_comm_group(comm, groups[g]));
        ls_data_options options = options_for("1MB", "none");
        ls_data data = open_data(&options);
        assert_int_equal(ls_dataset_samples(data.train), SAMPLES);
        assert_int_equal(ls_dataset_field(data.train, ls_dataset_find(data.train, "y"))->classes, 10);
        assert_int_equal(ls_dataset_cached(data.train),
                         (SAMPLES * FEATURES * 4 + 63) / 64 * 64 + (SAMPLES * 2 + 63) / 64 * 64);
        ls_loader *loader = open_loader(&data, &options, ls_sampler_sequential(&options, data.train), SAMPLES, false);
        ls_batch batch;
        assert_works(ls_loader_seek(loader, 0, 0));
        assert_works(ls_loader_fill(loader, 0, 0, SAMPLES, &batch));
        check_batch(&batch);
        ls_loader_destroy(loader);
        ls_data_close(&data);
    }
    assert_works(ls_comm_group(comm, 0));
}

/* The share of a batch that a rank takes: any division will do, even one that leaves ranks without. */
static void share_of(size_t count, size_t *first, size_t *mine) {
    size_t rank = ls_comm_rank(comm), size = ls_comm_size(comm);
    *first = count * rank / size;
    *mine = count * (rank + 1) / size - *first;
}

/* Goes through [from, SAMPLES) of an epoch in batches and counts which samples came. */
static void walk(ls_loader *loader, uint32_t epoch, uint64_t from, size_t batch_size, unsigned char *seen,
                 bool expect) {
    for (uint64_t at = from; at < SAMPLES; at += batch_size) {
        size_t count = SAMPLES - at < batch_size ? (size_t)(SAMPLES - at) : batch_size, first, mine;
        share_of(count, &first, &mine);
        ls_batch batch;
        assert_works(ls_loader_fill(loader, epoch, at + first, mine, &batch));
        assert_int_equal(batch.rows, mine);
        check_batch(&batch);
        for (size_t i = 0; i < mine; i++) seen[batch.sample[i]]++;
        uint64_t next = at + batch_size;
        if (expect && next < SAMPLES) {
            size_t then = SAMPLES - next < batch_size ? (size_t)(SAMPLES - next) : batch_size;
            share_of(then, &first, &mine);
            ls_loader_expect(loader, epoch, next + first, mine);
        }
    }
}

static void check_seen_once(const unsigned char *seen) {
    unsigned char *all = calloc(ls_comm_size(comm), SAMPLES);
    assert_works(ls_comm_gather(comm, seen, SAMPLES, all));
    for (size_t i = 0; i < SAMPLES && ls_comm_first(comm); i++) {
        unsigned total = 0;
        for (size_t r = 0; r < ls_comm_size(comm); r++) total += all[r * SAMPLES + i];
        assert_int_equal(total, 1);
    }
    free(all);
}

static void check_epochs(const char *cache, const char *shuffle, bool ahead) {
    ls_data_options options = options_for(cache, shuffle);
    ls_data data = open_data(&options);
    ls_loader *loader = open_loader(&data, &options, ls_sampler_make(&options, data.train, 5), BATCH, ahead);
    unsigned char seen[SAMPLES];
    assert_works(ls_loader_seek(loader, 0, 0));
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
        memset(seen, 0, sizeof seen);
        walk(loader, epoch, 0, BATCH, seen, ahead);
        check_seen_once(seen);
    }
    /* A run that ended after 5 batches goes on with shorter ones: what came and what comes is each sample once. */
    memset(seen, 0, sizeof seen);
    if (ls_comm_first(comm)) {
        ls_sampler sampler = ls_sampler_make(&options, data.train, 5);
        for (uint64_t i = 0; i < 5 * BATCH; i++) seen[ls_sampler_at(&sampler, 9, i)]++;
    }
    assert_works(ls_loader_seek(loader, 9, 5 * BATCH));
    walk(loader, 9, 5 * BATCH, BATCH - 11, seen, ahead);
    check_seen_once(seen);
    ls_loader_destroy(loader);
    ls_data_close(&data);
}

static void each_sample_comes_once_an_epoch(void **state) {
    (void)state;
    const char *const shuffles[] = {"full", "block", "none"};
    for (size_t i = 0; i < 3; i++)
        for (int ahead = 0; ahead < 2; ahead++) check_epochs("1MB", shuffles[i], ahead);
}

/* A window is 42 samples, 3 kB; 6,500 bytes hold it twice, 4 kB once (rows are then read one by one); x has 69 kB. */
static void streamed_data_are_the_same(void **state) {
    (void)state;
    const char *const caches[] = {"4kB", "6500"};
    const char *const shuffles[] = {"full", "block", "none"};
    for (size_t c = 0; c < 2; c++)
        for (size_t i = 0; i < 3; i++) check_epochs(caches[c], shuffles[i], i == 1 && c == 1);
}

/* One memory holds all, another a window or two: what follows for the one follows for all. */
static void nodes_need_not_be_alike(void **state) {
    (void)state;
    const char *const small[] = {"4kB", "6500"};
    assert_works(ls_comm_group(comm, 1));
    for (size_t i = 0; i < 2; i++) {
        bool large = ls_comm_first(comm) && ls_comm_size(comm) > 1;
        ls_data_options options = options_for(large ? "1MB" : small[i], "block");
        ls_data data = open_data(&options);
        assert_true(ls_dataset_cached(data.train) < ls_dataset_bytes(data.train));
        ls_data_close(&data);
        check_epochs(large ? "1MB" : small[i], "block", false);
        check_epochs(large ? "6500" : small[i], "block", true);
    }
    assert_works(ls_comm_group(comm, 0));
}

/* Ranks that say different things about the batch still come to one conclusion. */
static void capacities_may_differ(void **state) {
    (void)state;
    ls_data_options options = options_for("6500", "block");
    ls_data data = open_data(&options);
    ls_loader_field fields[] = {{.field = ls_dataset_find(data.train, "x")}};
    ls_loader_plan plan = {.dataset = data.train,
                           .sampler = ls_sampler_make(&options, data.train, 1),
                           .fields = fields,
                           .field_count = 1,
                           .capacity = 5 + 9 * ls_comm_rank(comm),
                           .cache = options.cache,
                           .comm = comm};
    ls_loader *loader = NULL;
    ls_batch batch;
    assert_works(ls_loader_create(&plan, &loader));
    assert_works(ls_loader_seek(loader, 0, 0));
    assert_works(ls_loader_fill(loader, 0, 3, 5, &batch));
    for (size_t i = 0; i < 5; i++) assert_true(((float *)batch.field[0])[i * FEATURES] == x_at(batch.sample[i], 0));
    ls_loader_destroy(loader);
    ls_data_close(&data);
}

static void a_cache_below_a_window_is_refused(void **state) {
    (void)state;
    ls_data_options options = options_for("2kB", "block");
    ls_data data = open_data(&options);
    ls_loader_field fields[] = {{.field = 0, .buffer = LS_BUFFER_FLOAT}};
    ls_loader_plan plan = {.dataset = data.train,
                           .sampler = ls_sampler_make(&options, data.train, 1),
                           .fields = fields,
                           .field_count = 1,
                           .capacity = 8,
                           .cache = options.cache,
                           .comm = comm};
    ls_loader *loader = NULL;
    ls_status status = ls_loader_create(&plan, &loader);
    assert_int_equal(ls_status_exit(status), 2);
    if (ls_comm_first(comm)) assert_non_null(strstr(ls_status_message(status), "lower data.window"));
    ls_status_free(status);
    assert_null(loader);
    ls_data_close(&data);
}

static void a_bad_number_is_named_by_all_alike(void **state) {
    (void)state;
    ls_data_options options = support_data_options(pool, "train", "nan.h5:/train", NULL);
    ls_data data;
    ls_status status = ls_data_open(&options, folder, 1, NULL, comm, NULL, &data);
    assert_int_equal(ls_status_exit(status), 2);
    if (ls_comm_first(comm))
        assert_non_null(
            strstr(ls_status_message(status), "nan.h5:/train/x: sample 17: holds a number that is not finite"));
    ls_status_free(status);
    assert_null(data.train);
}

/* A block has 240 rows of 68 bytes. */
#define HURT "hurt.h5:/train/x: rows 240 to 479 differ from their checksum"

static void damaged_rows_do_not_come_into_memory(void **state) {
    (void)state;
    ls_data_options options = support_data_options(pool, "train", "hurt.h5:/train", NULL);
    ls_data data;
    ls_status status = ls_data_open(&options, folder, 1, NULL, comm, NULL, &data);
    assert_int_equal(ls_status_exit(status), 74);
    if (ls_comm_first(comm)) {
        assert_non_null(strstr(ls_status_message(status), HURT));
        assert_non_null(strstr(ls_status_message(status), "import it again"));
    }
    ls_status_free(status);
    assert_null(data.train);
}

/* Goes through an epoch as far as it goes. */
static ls_status walk_to_failure(ls_loader *loader, uint64_t samples) {
    for (uint64_t at = 0; at < samples; at += BATCH) {
        size_t count = samples - at < BATCH ? (size_t)(samples - at) : BATCH, first, mine;
        share_of(count, &first, &mine);
        LS_TRY(ls_loader_fill(loader, 0, at + first, mine, NULL));
    }
    return LS_OK;
}

static void flip_row(const char *name, size_t row) {
    assert_works(ls_comm_barrier(comm));
    if (ls_comm_first(comm)) support_flip(support_path(folder, name), "/train/x", row * FEATURES * sizeof(float) + 1);
    assert_works(ls_comm_barrier(comm));
}

/*
 * Nobody hangs where one rank stops: with a window, those that would wait for its blocks end with its words. The digest
 * that is taken at opening reads all of a small set, so what shall be damaged (row > 0) becomes so afterwards.
 */
static void check_found_while_streaming(const char *name, const char *cache, const char *shuffle, size_t row, int code,
                                        const char *says) {
    char file[64];
    snprintf(file, sizeof file, "%s:/train", name);
    ls_data_options options = support_data_options(pool, "train", file, "cache", cache, "shuffle", shuffle, "block",
                                                   "500", "window", "3000", NULL);
    ls_data data = open_data(&options);
    ls_loader *loader = open_loader(&data, &options, ls_sampler_make(&options, data.train, 3), BATCH, false);
    if (row) flip_row(name, row);
    assert_works(ls_loader_seek(loader, 0, 0));
    ls_status status = ls_comm_agree(comm, walk_to_failure(loader, ls_dataset_samples(data.train)));
    assert_int_equal(ls_status_exit(status), code);
    if (ls_comm_first(comm)) assert_non_null(strstr(ls_status_message(status), says));
    ls_status_free(status);
    ls_loader_destroy(loader);
    ls_data_close(&data);
    if (row) flip_row(name, row);
}

static void what_is_wrong_is_found_while_it_is_streamed(void **state) {
    (void)state;
    const char *const caches[] = {"4kB", "6500"}, *const shuffles[] = {"block", "none"};
    for (size_t c = 0; c < 2; c++)
        for (size_t s = 0; s < 2; s++) {
            check_found_while_streaming("nan.h5", caches[c], shuffles[s], 0, 2,
                                        "nan.h5:/train/x: sample 17: holds a number that is not finite");
            check_found_while_streaming("a.h5", caches[c], shuffles[s], 300, 74,
                                        "a.h5:/train/x: rows 240 to 479 differ from their checksum");
        }
}

/* ---- what is learnt --------------------------------------------------------------------------------------------- */

/* The definition: at most 64 leaves in file order, then pairs of pairs. */
static double leaf_sum(const double *values, size_t count) {
    double leaf[64];
    size_t length = (count + 63) / 64, leaves = (count + length - 1) / length;
    for (size_t l = 0; l < leaves; l++) {
        leaf[l] = 0;
        for (size_t i = l * length; i < (l + 1) * length && i < count; i++) leaf[l] += values[i];
    }
    for (size_t step = 1; step < leaves; step *= 2)
        for (size_t l = 0; l + step < leaves; l += 2 * step) leaf[l] += leaf[l + step];
    return leaf[0];
}

static ls_preprocess *fit(const ls_data *data, const ls_choice *choice) {
    ls_preprocess *p = NULL;
    size_t x = ls_dataset_find(data->train, "x");
    assert_works(ls_preprocess_create(choice, ls_dataset_field(data->train, x)->shape, &p));
    assert_works(ls_preprocess_fit(p, data->train, x, comm));
    return p;
}

static void statistics_have_the_bits_of_the_definition(void **state) {
    (void)state;
    const char *const caches[] = {"1MB", "4kB"};
    for (size_t c = 0; c < 2; c++) {
        ls_data_options options = options_for(caches[c], "none");
        ls_data data = open_data(&options);
        ls_choice choice = support_choose(pool, &ls_preprocess_family, "standardize", NULL);
        ls_preprocess *p = fit(&data, &choice);
        const double *mean = ls_preprocess_statistic(p, 0)->values, *deviation = ls_preprocess_statistic(p, 1)->values;
        double values[SAMPLES];
        for (size_t k = 0; k < FEATURES; k++) {
            for (size_t i = 0; i < SAMPLES; i++) values[i] = (double)x_at(i, k);
            double expected = leaf_sum(values, SAMPLES) / SAMPLES;
            assert_true(mean[k] == expected);
            for (size_t i = 0; i < SAMPLES; i++)
                values[i] = ((double)x_at(i, k) - expected) * ((double)x_at(i, k) - expected);
            assert_true(deviation[k] == (k == 3 ? 0 : sqrt(leaf_sum(values, SAMPLES) / SAMPLES)));
        }
        ls_preprocess_destroy(p);
        ls_data_close(&data);
    }
}

static void whitened_features_are_uncorrelated(void **state) {
    (void)state;
    ls_data_options options = options_for("1MB", "none");
    ls_data data = open_data(&options);
    ls_choice choice = support_choose(pool, &ls_preprocess_family, "whiten", NULL);
    ls_preprocess *p = fit(&data, &choice);
    float x[FEATURES], z[FEATURES], back[FEATURES];
    double covariance[FEATURES][FEATURES] = {{0}};
    for (size_t i = 0; i < SAMPLES; i++) {
        for (size_t k = 0; k < FEATURES; k++) x[k] = x_at(i, k);
        ls_preprocess_apply(p, 1, x, z);
        for (size_t k = 0; k < FEATURES; k++)
            for (size_t j = 0; j < FEATURES; j++) covariance[k][j] += (double)z[k] * z[j] / (SAMPLES - 1);
        ls_preprocess_invert(p, 1, z, back);
        for (size_t k = 0; k < FEATURES; k++) assert_true(fabsf(back[k] - x[k]) < 1e-3f * (1 + fabsf(x[k])));
    }
    /* A constant and a duplicate leave all directions but two, which are 0. */
    for (size_t k = 0; k < FEATURES; k++)
        for (size_t j = 0; j < FEATURES; j++) assert_true(fabs(covariance[k][j] - (k == j && k < FEATURES - 2)) < 1e-3);
    ls_preprocess_destroy(p);
    ls_data_close(&data);
}

/* The digest is part of checkpoints: it may change with no refactoring, and with no number of ranks. */
static void digests_are_what_they_always_were(void **state) {
    (void)state;
    ls_data_options options = options_for("1MB", "none"), streamed = options_for("4kB", "none");
    ls_data data = open_data(&options), other = open_data(&streamed);
    assert_true(ls_dataset_digest(data.train) == ls_dataset_digest(other.train));
    assert_true(ls_dataset_digest(data.train) == UINT64_C(0xd56c01a1fb6b074e));
    ls_data_close(&other);
    ls_data_close(&data);
}

/* A share of the training set: the same samples on any number of ranks, and in proportion from each class. */
static void a_fraction_is_split_off_alike(void **state) {
    (void)state;
    ls_data_options options =
        support_data_options(pool, "train", "[ab].h5:/train", "valid", "0.2", "test", "0.1", NULL);
    ls_data data = open_data(&options);
    assert_int_equal(ls_dataset_samples(data.test), 102);
    assert_int_equal(ls_dataset_samples(data.valid), 203);
    assert_int_equal(ls_dataset_samples(data.train), SAMPLES - 305);
    ls_dataset *sets[] = {data.train, data.valid, data.test};
    unsigned char seen[SAMPLES] = {0};
    size_t all[10] = {0};
    for (size_t i = 0; i < SAMPLES; i++) all[y_at(i)]++;
    for (size_t s = 0; s < 3; s++) {
        size_t counts[10], y = ls_dataset_find(sets[s], "y"), total = ls_dataset_samples(sets[s]);
        ls_dataset_count_classes(sets[s], y, counts);
        for (size_t c = 0; c < 10; c++) assert_true(fabs((double)counts[c] - (double)(all[c] * total) / SAMPLES) < 2.5);
        for (size_t i = 0; i < total; i++) {
            ls_text place = {0};
            assert_works(ls_dataset_place(sets[s], y, i, &place));
            size_t sample = strtoul(strrchr(place.bytes, ' '), NULL, 10) + (strstr(place.bytes, "b.h5") ? FIRST : 0);
            seen[sample]++;
            ls_text_free(&place);
        }
    }
    for (size_t i = 0; i < SAMPLES; i++) assert_int_equal(seen[i], 1);
    assert_true(ls_dataset_digest(data.train) != ls_dataset_digest(data.valid));
    ls_data_close(&data);
}

/* Statistics are of the training part alone, and a streamed split gives the samples of one in memory. */
static void a_split_can_be_streamed(void **state) {
    (void)state;
    ls_data_options options = support_data_options(pool, "train", "[ab].h5:/train", "valid", "0.3", "cache", "4kB",
                                                   "shuffle", "block", "block", "500", "window", "3000", NULL);
    ls_data data = open_data(&options);
    ls_loader *loader = open_loader(&data, &options, ls_sampler_make(&options, data.train, 5), BATCH, false);
    size_t samples = ls_dataset_samples(data.train), x = ls_dataset_find(data.train, "x");
    assert_works(ls_loader_seek(loader, 2, 0));
    for (uint64_t at = 0; at < samples; at += BATCH) {
        ls_batch batch;
        size_t count = samples - at < BATCH ? (size_t)(samples - at) : BATCH;
        assert_works(ls_loader_fill(loader, 2, at, count, &batch));
        for (size_t i = 0; i < count; i++) {
            ls_text place = {0};
            assert_works(ls_dataset_place(data.train, x, batch.sample[i], &place));
            size_t row = strtoul(strrchr(place.bytes, ' '), NULL, 10) + (strstr(place.bytes, "b.h5") ? FIRST : 0);
            assert_true(((float *)batch.field[0])[i * FEATURES + 1] == x_at(row, 1));
            ls_text_free(&place);
        }
    }
    ls_loader_destroy(loader);
    ls_data_close(&data);
}

int main(void) {
    const ls_comm_options options = {.deadline = 120};
    ls_status status = ls_comm_start(&options, &comm);
    if (status != LS_OK) {
        fprintf(stderr, "%s\n", ls_status_message(status));
        return ls_status_exit(status);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rank_sees_every_sample),
        cmocka_unit_test(each_sample_comes_once_an_epoch),
        cmocka_unit_test(streamed_data_are_the_same),
        cmocka_unit_test(nodes_need_not_be_alike),
        cmocka_unit_test(capacities_may_differ),
        cmocka_unit_test(a_cache_below_a_window_is_refused),
        cmocka_unit_test(a_bad_number_is_named_by_all_alike),
        cmocka_unit_test(damaged_rows_do_not_come_into_memory),
        cmocka_unit_test(what_is_wrong_is_found_while_it_is_streamed),
        cmocka_unit_test(statistics_have_the_bits_of_the_definition),
        cmocka_unit_test(whitened_features_are_uncorrelated),
        cmocka_unit_test(digests_are_what_they_always_were),
        cmocka_unit_test(a_fraction_is_split_off_alike),
        cmocka_unit_test(a_split_can_be_streamed),
    };
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    ls_comm_finish(comm);
    return failed;
}
