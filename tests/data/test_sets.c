/* Data sets, orders, preprocessing and augmentation in one process: the definitions, and every refusal. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check_rows.h"
#include "choose.h"
#include "data/augment.h"
#include "data/dataset.h"
#include "data/import.h"
#include "datasets.h"
#include "lockstep/random.h"
#include "support.h"

static ls_comm *comm;
static ls_pool *pool;
static char *folder;

static int set_up(void **state) {
    (void)state;
    folder = support_make_folder();
    assert_works(ls_pool_create(&pool));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ls_pool_destroy(pool);
    support_remove_folder(folder);
    return 0;
}

static void every_row_keeps_its_promises(void **state) {
    (void)state;
    support_check_rows("data", ls_data_rows);
    support_check_rows("repack", ls_repack_rows);
    support_check_family(&ls_preprocess_family);
    support_check_family(&ls_augment_family);
    support_check_family(&ls_format_family);
}

static void a_fraction_is_one_number_between_0_and_1(void **state) {
    (void)state;
    double value = 0;
    const char *good = "0.25", *two[] = {"0.2", "0.3"}, *bad[] = {"0", "1", "1.5", "-0.1", "a.h5", "0.2x"};
    assert_true(ls_data_fraction(&(ls_texts){1, &good}, &value));
    assert_true(value == 0.25);
    assert_false(ls_data_fraction(&(ls_texts){2, two}, &value));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(ls_data_fraction(&(ls_texts){1, &bad[i]}, &value));
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static const float x6[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
static const int8_t y6[6] = {0, 1, 2, 0, 1, 2};

/* x (6, 2) and y (6) in a file of their own. */
static void write_good(const char *name) {
    const support_array arrays[] = {
        {"/train/x", LS_DTYPE_F32, 2, {6, 2}, x6}, {"/train/y", LS_DTYPE_I8, 1, {6}, y6}, {0}};
    support_write_arrays(support_path(folder, name), arrays);
}

static ls_status open_with(const ls_data_options *options, const char *const *targets, ls_data *data) {
    return ls_data_open(options, folder, 1, targets, comm, NULL, data);
}

static void check_refused(const char *paths, ls_code code, const char *says) {
    ls_data data;
    const char *targets[] = {"y", NULL};
    ls_data_options options = support_data_options(pool, "train", paths, NULL);
    assert_refuses(open_with(&options, targets, &data), code, says);
    assert_null(data.train);
}

static void a_name_that_looks_like_a_pattern_is_a_name(void **state) {
    (void)state;
    write_good("a[1].h5");
    ls_data data;
    ls_data_options options = support_data_options(pool, "train", "a[1].h5:/train", NULL);
    assert_works(open_with(&options, NULL, &data));
    ls_data_close(&data);
}

static void what_does_not_fit_is_named(void **state) {
    (void)state;
    static const float nan4[4] = {1, 2, 3, NAN};
    static const double infinite[6] = {1, 2, 3, 4, 5, -INFINITY};
    static const uint8_t bytes[24];
    write_good("a.h5");
    support_write_arrays(
        support_path(folder, "wide.h5"),
        (support_array[]){{"/train/x", LS_DTYPE_F32, 2, {4, 3}, x6}, {"/train/y", LS_DTYPE_I8, 1, {4}, y6}, {0}});
    support_write_arrays(
        support_path(folder, "type.h5"),
        (support_array[]){{"/train/x", LS_DTYPE_U8, 2, {4, 2}, bytes}, {"/train/y", LS_DTYPE_I8, 1, {4}, y6}, {0}});
    support_write_arrays(
        support_path(folder, "short.h5"),
        (support_array[]){{"/train/x", LS_DTYPE_F32, 2, {6, 2}, x6}, {"/train/y", LS_DTYPE_I8, 1, {5}, y6}, {0}});
    support_write_arrays(
        support_path(folder, "nan.h5"),
        (support_array[]){{"/train/x", LS_DTYPE_F32, 2, {2, 2}, nan4}, {"/train/y", LS_DTYPE_I8, 1, {2}, y6}, {0}});
    support_write_arrays(support_path(folder, "infinite.h5"),
                         (support_array[]){{"/train/x", LS_DTYPE_F32, 2, {6, 2}, x6},
                                           {"/train/y", LS_DTYPE_F64, 1, {6}, infinite},
                                           {0}});
    support_write_arrays(
        support_path(folder, "scalar.h5"),
        (support_array[]){{"/train/x", LS_DTYPE_F32, 0, {0}, x6}, {"/train/y", LS_DTYPE_I8, 1, {6}, y6}, {0}});
    support_write_arrays(
        support_path(folder, "named.h5"),
        (support_array[]){{"/train/x", LS_DTYPE_F32, 2, {6, 2}, x6}, {"/train/y1", LS_DTYPE_I8, 1, {6}, y6}, {0}});
    check_refused("none.h5:/train", LS_ERR_DATA, "none.h5");
    check_refused("z*.h5:/train", LS_ERR_CONFIG, "test.yaml:1:1: no file matches");
    check_refused("a.h5:/trian", LS_ERR_DATA, "train");
    check_refused("named.h5:/train", LS_ERR_DATA, "y1");
    check_refused("[aw]*.h5:/train", LS_ERR_DATA, "wide.h5:/train/x: samples are (3), but (2) in ");
    check_refused("[at]*.h5:/train", LS_ERR_DATA, "type.h5:/train/x: holds uint8, but ");
    check_refused("short.h5:/train", LS_ERR_DATA, "short.h5:/train/y: has 5 samples, but \"x\" has 6");
    check_refused("nan.h5:/train", LS_ERR_DATA, "nan.h5:/train/x: sample 1: holds a number that is not finite");
    check_refused("infinite.h5:/train", LS_ERR_DATA,
                  "infinite.h5:/train/y: sample 5: holds a number that is not finite");
    check_refused("scalar.h5:/train", LS_ERR_DATA, "is one number; the first axis must be samples");
}

static void a_folder_is_no_pattern(void **state) {
    (void)state;
    ls_data data;
    const char *inside = support_path(folder, "run[1]*"), *patterns[] = {"a.h5:/train", "[a]?h5:/train"};
    assert_int_equal(mkdir(inside, 0777), 0);
    write_good("run[1]*/a.h5");
    for (size_t i = 0; i < 2; i++) {
        ls_data_options options = support_data_options(pool, "train", patterns[i], NULL);
        assert_works(ls_data_open(&options, inside, 1, NULL, comm, NULL, &data));
        assert_int_equal(ls_dataset_samples(data.train), 6);
        ls_data_close(&data);
    }
}

static void sets_that_are_evaluated_must_look_like_the_training_set(void **state) {
    (void)state;
    write_good("a.h5");
    support_write_arrays(
        support_path(folder, "wide.h5"),
        (support_array[]){{"/train/x", LS_DTYPE_F32, 2, {4, 3}, x6}, {"/train/y", LS_DTYPE_I8, 1, {4}, y6}, {0}});
    support_write_arrays(
        support_path(folder, "real.h5"),
        (support_array[]){{"/train/x", LS_DTYPE_F32, 2, {6, 2}, x6}, {"/train/y", LS_DTYPE_F32, 1, {6}, x6}, {0}});
    ls_data data;
    ls_data_options options = support_data_options(pool, "train", "a.h5:/train", "valid", "wide.h5:/train", NULL);
    assert_refuses(open_with(&options, NULL, &data), LS_ERR_DATA, "samples of \"x\" are (3), but (2) in ");
    options = support_data_options(pool, "train", "a.h5:/train", "test", "real.h5:/train", NULL);
    assert_refuses(open_with(&options, NULL, &data), LS_ERR_DATA, "\"y\" holds float32, but int8 in ");
    options = support_data_options(pool, "train", "a.h5:/train", "valid", "0.9", NULL);
    assert_refuses(open_with(&options, NULL, &data), LS_ERR_CONFIG, "leaves nothing to train on");
}

static void fields_are_described(void **state) {
    (void)state;
    write_good("a.h5");
    ls_data data;
    ls_data_options options = support_data_options(pool, "train", "a.h5:/train", "limit", "5", NULL);
    assert_works(open_with(&options, NULL, &data));
    assert_int_equal(ls_dataset_samples(data.train), 5);
    assert_int_equal(ls_dataset_fields(data.train), 2);
    const ls_field *y = ls_dataset_field(data.train, ls_dataset_find(data.train, "y"));
    assert_int_equal(y->classes, 3);
    assert_int_equal(y->shape.rank, 0);
    size_t counts[3];
    ls_dataset_count_classes(data.train, ls_dataset_find(data.train, "y"), counts);
    assert_int_equal(counts[0] * 100 + counts[1] * 10 + counts[2], 221);
    assert_int_equal(ls_dataset_find(data.train, "x_c"), LS_NOT_FOUND);
    ls_data_close(&data);
}

/* Every integer and float type arrives as the same numbers. */
static void all_stored_types_are_packed(void **state) {
    (void)state;
    static const uint8_t u8[3] = {3, 1, 2};
    static const int8_t i8[3] = {3, 1, 2};
    static const uint16_t u16[3] = {3, 1, 2}, f16[3] = {0x4200, 0x3c00, 0x4000};
    static const int16_t i16[3] = {3, 1, 2};
    static const uint32_t u32[3] = {3, 1, 2};
    static const int32_t i32[3] = {3, 1, 2};
    static const uint64_t u64[3] = {3, 1, 2};
    static const int64_t i64[3] = {3, 1, 2};
    static const float f32[3] = {3, 1, 2};
    static const double f64[3] = {3, 1, 2};
    const support_array types[] = {{"/d/x", LS_DTYPE_U8, 1, {3}, u8},   {"/d/x", LS_DTYPE_I8, 1, {3}, i8},
                                   {"/d/x", LS_DTYPE_U16, 1, {3}, u16}, {"/d/x", LS_DTYPE_I16, 1, {3}, i16},
                                   {"/d/x", LS_DTYPE_U32, 1, {3}, u32}, {"/d/x", LS_DTYPE_I32, 1, {3}, i32},
                                   {"/d/x", LS_DTYPE_U64, 1, {3}, u64}, {"/d/x", LS_DTYPE_I64, 1, {3}, i64},
                                   {"/d/x", LS_DTYPE_F32, 1, {3}, f32}, {"/d/x", LS_DTYPE_F64, 1, {3}, f64}};
    ls_choice standardize = support_choose(pool, &ls_preprocess_family, "standardize", NULL);
    ls_data_options options = support_data_options(pool, "train", "t.h5:/d", NULL);
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        support_write_arrays(support_path(folder, "t.h5"), (support_array[]){types[t], {0}});
        ls_data data;
        ls_preprocess *p = NULL;
        ls_loader *loader = NULL;
        ls_batch batch;
        assert_works(open_with(&options, NULL, &data));
        assert_works(ls_preprocess_create(&standardize, ls_dataset_field(data.train, 0)->shape, &p));
        assert_works(ls_preprocess_fit(p, data.train, 0, comm));
        ls_loader_field fields[] = {
            {.field = 0}, {.field = 0, .preprocess = p}, {.field = 0, .buffer = LS_BUFFER_INDEX}};
        ls_loader_plan plan = {.dataset = data.train,
                               .sampler = ls_sampler_sequential(&options, data.train),
                               .fields = fields,
                               .field_count = ls_dtype_is_integer(types[t].dtype) ? 3 : 2,
                               .capacity = 3,
                               .comm = comm};
        assert_works(ls_loader_create(&plan, &loader));
        assert_works(ls_loader_fill(loader, 0, 0, 3, &batch));
        assert_memory_equal(batch.field[0], f32, sizeof f32);
        const float *z = batch.field[1];
        assert_true(fabsf(z[0] - 1.2247449f) < 1e-6f && fabsf(z[1] + 1.2247449f) < 1e-6f && z[2] == 0);
        if (plan.field_count == 3) assert_memory_equal(batch.field[2], i32, sizeof i32);
        ls_loader_destroy(loader);
        ls_preprocess_destroy(p);
        ls_data_close(&data);
    }
    float halves[3];
    assert_true(ls_dtype_convert(LS_DTYPE_F16, f16, LS_DTYPE_F32, halves, 3, NULL));
    assert_memory_equal(halves, f32, sizeof f32);
}

static void indices_are_checked_before_training(void **state) {
    (void)state;
    static const int8_t negative[6] = {0, 1, -1, 0, 1, 2};
    support_write_arrays(support_path(folder, "a.h5"), (support_array[]){{"/train/x", LS_DTYPE_F32, 2, {6, 2}, x6},
                                                                         {"/train/y", LS_DTYPE_I8, 1, {6}, negative},
                                                                         {0}});
    ls_data data;
    ls_data_options options = support_data_options(pool, "train", "a.h5:/train", NULL);
    assert_works(open_with(&options, NULL, &data));
    assert_int_equal(ls_dataset_field(data.train, 1)->classes, 0);
    ls_loader *loader = NULL;
    ls_loader_field field = {.field = 1, .buffer = LS_BUFFER_INDEX, .entries = 2};
    ls_loader_plan plan = {.dataset = data.train,
                           .sampler = ls_sampler_sequential(&options, data.train),
                           .fields = &field,
                           .field_count = 1,
                           .capacity = 3,
                           .comm = comm};
    assert_refuses(ls_loader_create(&plan, &loader), LS_ERR_DATA, "a.h5:/train/y: sample 2: is -1; allowed: 0 .. 1");
    field = (ls_loader_field){.field = 0, .buffer = LS_BUFFER_INDEX};
    assert_refuses(ls_loader_create(&plan, &loader), LS_ERR_DATA, "holds float32, but the model wants whole numbers");
    ls_data_close(&data);
}

/* Nothing is counted or reserved by them. */
static void labels_far_beyond_classes_are_named(void **state) {
    (void)state;
    static const uint64_t beyond[] = {UINT64_C(1) << 40, UINT64_MAX};
    static const char *const says[] = {"a.h5:/train/y: sample 1: is 1099511627776; allowed: 0 .. 1",
                                       "a.h5:/train/y: sample 1: is 18446744073709551616; allowed: 0 .. 1"};
    for (size_t i = 0; i < 2; i++) {
        uint64_t y[6] = {0, beyond[i]};
        support_write_arrays(support_path(folder, "a.h5"), (support_array[]){{"/train/x", LS_DTYPE_F32, 2, {6, 2}, x6},
                                                                             {"/train/y", LS_DTYPE_U64, 1, {6}, y},
                                                                             {0}});
        ls_data data;
        ls_loader *loader = NULL;
        ls_data_options options = support_data_options(pool, "train", "a.h5:/train", NULL);
        assert_works(open_with(&options, NULL, &data));
        assert_int_equal(ls_dataset_field(data.train, 1)->classes, 0);
        ls_loader_field field = {.field = 1, .buffer = LS_BUFFER_INDEX, .entries = 2};
        ls_loader_plan plan = {.dataset = data.train,
                               .sampler = ls_sampler_sequential(&options, data.train),
                               .fields = &field,
                               .field_count = 1,
                               .capacity = 3,
                               .comm = comm};
        assert_refuses(ls_loader_create(&plan, &loader), LS_ERR_DATA, says[i]);
        ls_data_close(&data);
    }
}

/* Finite as they are stored, and as floats no more: before training, or once preprocessing has not helped. */
static void numbers_too_large_for_floats_are_named(void **state) {
    (void)state;
    static const double values[6] = {1, 2, 3, 4, -1e39, 5};
    support_write_arrays(support_path(folder, "a.h5"),
                         (support_array[]){{"/train/x", LS_DTYPE_F64, 2, {3, 2}, values}, {0}});
    ls_data data;
    ls_loader *loader = NULL;
    ls_data_options options = support_data_options(pool, "train", "a.h5:/train", NULL);
    assert_works(open_with(&options, NULL, &data));
    ls_loader_field field = {.field = 0};
    ls_loader_plan plan = {.dataset = data.train,
                           .sampler = ls_sampler_sequential(&options, data.train),
                           .fields = &field,
                           .field_count = 1,
                           .capacity = 3,
                           .comm = comm};
    const char *says = "a.h5:/train/x: sample 2: holds a number that is too large for float32";
    assert_refuses(ls_loader_check(&plan), LS_ERR_DATA, says);
    assert_refuses(ls_loader_create(&plan, &loader), LS_ERR_DATA, says);
    ls_preprocess *center = NULL;
    ls_choice choice = support_choose(pool, &ls_preprocess_family, "center", NULL);
    assert_works(ls_preprocess_create(&choice, (ls_shape){1, {2}}, &center));
    assert_works(ls_preprocess_fit(center, data.train, 0, comm));
    field.preprocess = center;
    assert_works(ls_loader_create(&plan, &loader));
    assert_works(ls_loader_fill(loader, 0, 0, 2, NULL));
    assert_refuses(ls_loader_fill(loader, 0, 0, 3, NULL), LS_ERR_DATA, says);
    ls_loader_destroy(loader);
    ls_preprocess_destroy(center);
    ls_data_close(&data);
}

static void weights_get_mean_1(void **state) {
    (void)state;
    static const float good[6] = {1, 0, 2, 3, 0, 6}, bad[6] = {1, 0, 2, -3, 0, 6};
    for (int spoilt = 0; spoilt < 2; spoilt++) {
        support_write_arrays(support_path(folder, "a.h5"),
                             (support_array[]){{"/train/x", LS_DTYPE_F32, 2, {6, 2}, x6},
                                               {"/train/w", LS_DTYPE_F32, 1, {6}, spoilt ? bad : good},
                                               {0}});
        ls_data data;
        double scale = 0;
        ls_data_options options = support_data_options(pool, "train", "a.h5:/train", "weight", "w", NULL);
        assert_works(open_with(&options, NULL, &data));
        size_t weight = ls_dataset_find(data.train, "weight");
        if (spoilt)
            assert_refuses(ls_dataset_weight_scale(data.train, weight, &scale), LS_ERR_DATA,
                           "sample 3: the weight is -3");
        else
            assert_works(ls_dataset_weight_scale(data.train, weight, &scale));
        assert_true(spoilt || scale == 0.5);
        ls_loader *loader = NULL;
        ls_batch batch;
        float into[6];
        ls_loader_field field = {.field = weight, .into = into};
        ls_loader_plan plan = {.dataset = data.train,
                               .sampler = ls_sampler_sequential(&options, data.train),
                               .fields = &field,
                               .field_count = 1,
                               .capacity = 6,
                               .weight_scale = 0.5,
                               .comm = comm};
        assert_works(ls_loader_create(&plan, &loader));
        assert_works(ls_loader_fill(loader, 0, 0, 6, &batch));
        assert_ptr_equal(batch.field[0], into);
        assert_true(into[2] == 1 && into[5] == 3);
        ls_loader_destroy(loader);
        ls_data_close(&data);
    }
}

/* ---- order ------------------------------------------------------------------------------------------------------ */

static void orders_are_permutations(void **state) {
    (void)state;
    enum { MOST = 1000 };
    const ls_shuffle shuffles[] = {LS_SHUFFLE_FULL, LS_SHUFFLE_BLOCK, LS_SHUFFLE_NONE};
    for (uint64_t samples = 1; samples < MOST; samples += 1 + samples / 7)
        for (size_t i = 0; i < 3; i++)
            for (uint32_t epoch = 0; epoch < 3; epoch++) {
                ls_sampler s = {.shuffle = shuffles[i],
                                .seed = 3,
                                .samples = samples,
                                .block = 1 + samples % 9,
                                .window = 1 + samples % 4};
                unsigned char seen[MOST] = {0};
                uint64_t run[MOST];
                ls_sampler_run(&s, epoch, 0, (size_t)samples, run);
                for (uint64_t p = 0; p < samples; p++) {
                    uint64_t at = ls_sampler_at(&s, epoch, p);
                    assert_true(at < samples && at == run[p]);
                    seen[at]++;
                }
                for (uint64_t p = 0; p < samples; p++) assert_int_equal(seen[p], 1);
            }
}

static void epochs_and_seeds_differ(void **state) {
    (void)state;
    for (int block = 0; block < 2; block++) {
        ls_sampler a = {.shuffle = block ? LS_SHUFFLE_BLOCK : LS_SHUFFLE_FULL,
                        .seed = 1,
                        .samples = 500,
                        .block = 10,
                        .window = 5},
                   b = a;
        b.seed = 2;
        size_t epochs = 0, seeds = 0;
        for (uint64_t p = 0; p < 500; p++) {
            epochs += ls_sampler_at(&a, 0, p) == ls_sampler_at(&a, 1, p);
            seeds += ls_sampler_at(&a, 0, p) == ls_sampler_at(&b, 0, p);
        }
        assert_true(epochs < 40 && seeds < 40);
    }
}

/* Positions of a window show samples of its blocks alone, mixed over all of them. */
static void windows_mix_their_blocks(void **state) {
    (void)state;
    ls_sampler s = {.shuffle = LS_SHUFFLE_BLOCK, .seed = 1, .samples = 1003, .block = 10, .window = 8};
    for (uint64_t p = 0; p < s.samples;) {
        ls_window_range range = ls__sampler_window(&s, 4, p);
        unsigned char blocks[101] = {0};
        size_t distinct = 0;
        assert_int_equal(range.first, p);
        for (; p < range.first + range.count; p++) distinct += !blocks[ls_sampler_at(&s, 4, p) / 10]++;
        assert_true(distinct <= 8 && distinct >= (range.count + 9) / 10);
    }
}

static void draws_with_replacement_are_uniform(void **state) {
    (void)state;
    ls_sampler s = {.shuffle = LS_SHUFFLE_SAMPLE, .seed = 1, .samples = 10, .block = 1, .window = 1};
    size_t counts[10] = {0};
    for (uint32_t epoch = 0; epoch < 1000; epoch++)
        for (uint64_t p = 0; p < 10; p++) counts[ls_sampler_at(&s, epoch, p)]++;
    for (size_t i = 0; i < 10; i++) assert_true(counts[i] > 850 && counts[i] < 1150);
}

/* ---- preprocessing ---------------------------------------------------------------------------------------------- */

/* Four samples of (2, 1, 2): two channels of two pixels; the second channel is constant. */
static const float images[16] = {1, 3, 7, 7, 2, 6, 7, 7, 3, 3, 7, 7, 2, 4, 7, 7};

static void apply_to_images(const char *name, const char *per, float *z, float *back) {
    support_write_arrays(support_path(folder, "i.h5"),
                         (support_array[]){{"/d/x", LS_DTYPE_F32, 4, {4, 2, 1, 2}, images}, {0}});
    ls_data data;
    ls_preprocess *p = NULL;
    ls_data_options options = support_data_options(pool, "train", "i.h5:/d", NULL);
    ls_choice choice = support_choose(pool, &ls_preprocess_family, name, "per", per, NULL);
    assert_works(open_with(&options, NULL, &data));
    assert_works(ls_preprocess_create(&choice, ls_dataset_field(data.train, 0)->shape, &p));
    assert_works(ls_preprocess_fit(p, data.train, 0, comm));
    ls_preprocess_apply(p, 4, images, z);
    ls_preprocess_invert(p, 4, z, back);
    ls_preprocess_destroy(p);
    ls_data_close(&data);
}

static void each_kind_does_what_it_says(void **state) {
    (void)state;
    const struct {
        const char *name, *per;
        double shift[4], factor[4];
    } kinds[] = {{"center", "feature", {2, 4, 7, 7}, {1, 1, 1, 1}},
                 {"center", "channel", {3, 3, 7, 7}, {1, 1, 1, 1}},
                 {"scale", "feature", {0, 0, 7, 7}, {1.4142135623730951, 0.8164965809277261, 0, 0}},
                 {"standardize", "feature", {2, 4, 7, 7}, {1.4142135623730951, 0.8164965809277261, 0, 0}},
                 {"standardize", "channel", {3, 3, 7, 7}, {0.7071067811865475, 0.7071067811865475, 0, 0}},
                 {"range", "feature", {1, 3, 7, 7}, {0.5, 0.3333333333333333, 0, 0}},
                 {"range", "channel", {1, 1, 7, 7}, {0.2, 0.2, 0, 0}}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        float z[16], back[16];
        apply_to_images(kinds[k].name, kinds[k].per, z, back);
        for (size_t i = 0; i < 16; i++) {
            double expected = ((double)images[i] - kinds[k].shift[i % 4]) * kinds[k].factor[i % 4];
            assert_true(fabs((double)z[i] - expected) < 1e-6);
            assert_true(fabsf(back[i] - images[i]) < 1e-5f);
        }
    }
}

static void channels_must_be_there(void **state) {
    (void)state;
    ls_preprocess *p = NULL;
    ls_choice channel = support_choose(pool, &ls_preprocess_family, "standardize", "per", "channel", NULL);
    ls_choice whiten = support_choose(pool, &ls_preprocess_family, "whiten", NULL);
    assert_refuses(ls_preprocess_create(&channel, (ls_shape){1, {9}}, &p), LS_ERR_CONFIG,
                   "test.yaml:1:1: per: channel wants");
    assert_null(p);
    assert_refuses(ls_preprocess_create(&whiten, (ls_shape){1, {5000}}, &p), LS_ERR_CONFIG, "whiten of 5000 features");
}

static void statistics_come_back_from_a_checkpoint(void **state) {
    (void)state;
    static const float values[8] = {1, 10, 2, 30, 3, 20, 7, 40};
    support_write_arrays(support_path(folder, "i.h5"),
                         (support_array[]){{"/d/x", LS_DTYPE_F32, 2, {4, 2}, values}, {0}});
    ls_data data;
    ls_data_options options = support_data_options(pool, "train", "i.h5:/d", NULL);
    assert_works(open_with(&options, NULL, &data));
    const char *const names[] = {"center", "scale", "standardize", "range", "whiten"};
    for (size_t k = 0; k < 5; k++) {
        ls_choice choice = support_choose(pool, &ls_preprocess_family, names[k], NULL);
        ls_preprocess *p = NULL, *copy = NULL;
        assert_works(ls_preprocess_create(&choice, (ls_shape){1, {2}}, &p));
        assert_works(ls_preprocess_create(&choice, (ls_shape){1, {2}}, &copy));
        assert_works(ls_preprocess_fit(p, data.train, 0, comm));
        for (size_t i = 0; i < ls_preprocess_statistics(p); i++) {
            const ls_statistic *from = ls_preprocess_statistic(p, i), *to = ls_preprocess_statistic(copy, i);
            memcpy(to->values, from->values, ls_shape_size(from->shape) * sizeof *from->values);
        }
        assert_works(ls_preprocess_ready(copy));
        float z[8], again[8];
        ls_preprocess_apply(p, 4, values, z);
        ls_preprocess_apply(copy, 4, values, again);
        assert_memory_equal(z, again, sizeof z);
        ls_preprocess_statistic(copy, 0)->values[1] = NAN;
        assert_refuses(ls_preprocess_ready(copy), LS_ERR_DATA, names[k]);
        ls_preprocess_destroy(copy);
        ls_preprocess_destroy(p);
    }
    ls_data_close(&data);
}

/* A row's bits do not depend on the rows around it, whatever the width. */
static void whitening_a_row_alone_gives_the_same_bits(void **state) {
    (void)state;
    enum { ROWS = 80, WIDTH = 70 };
    static float x[ROWS * WIDTH], z[ROWS * WIDTH], alone[WIDTH];
    for (size_t i = 0; i < ROWS * WIDTH; i++) x[i] = (float)support_random(3, i);
    support_write_arrays(support_path(folder, "w.h5"),
                         (support_array[]){{"/d/x", LS_DTYPE_F32, 2, {ROWS, WIDTH}, x}, {0}});
    ls_data data;
    ls_preprocess *p = NULL;
    ls_data_options options = support_data_options(pool, "train", "w.h5:/d", NULL);
    ls_choice choice = support_choose(pool, &ls_preprocess_family, "whiten", "epsilon", "1e-3", NULL);
    assert_works(open_with(&options, NULL, &data));
    assert_works(ls_preprocess_create(&choice, (ls_shape){1, {WIDTH}}, &p));
    assert_works(ls_preprocess_fit(p, data.train, 0, comm));
    ls_preprocess_apply(p, ROWS, x, z);
    for (size_t r = 0; r < ROWS; r++) {
        ls_preprocess_apply(p, 1, x + r * WIDTH, alone);
        assert_memory_equal(alone, z + r * WIDTH, sizeof alone);
    }
    ls_preprocess_destroy(p);
    ls_data_close(&data);
}

/* ---- augmentation ----------------------------------------------------------------------------------------------- */

static void augmented(const char *name, const char *key, const char *value, uint64_t position, const float *x,
                      float *out) {
    ls_choice choice = support_choose(pool, &ls_augment_family, name, key, value, NULL);
    ls_choices choices = {1, &choice};
    memcpy(out, x, 6 * sizeof *out);
    ls__augment(&choices, 1, 0, position, (ls_shape){3, {1, 2, 3}}, out);
}

static void augmentation_is_a_function_of_the_position(void **state) {
    (void)state;
    const float x[6] = {1, 2, 3, 4, 5, 6}, mirrored[6] = {3, 2, 1, 6, 5, 4};
    float out[6], again[6];
    size_t flips = 0;
    augmented("flip", "probability", "1", 0, x, out);
    assert_memory_equal(out, mirrored, sizeof out);
    augmented("flip", "probability", "0", 0, x, out);
    assert_memory_equal(out, x, sizeof out);
    for (uint64_t p = 0; p < 1000; p++) {
        augmented("flip", NULL, NULL, p, x, out);
        flips += memcmp(out, mirrored, sizeof out) == 0;
        augmented("noise", "std", "0.5", p, x, out);
        augmented("noise", "std", "0.5", p, x, again);
        assert_memory_equal(out, again, sizeof out);
    }
    assert_true(flips > 420 && flips < 580);
}

/* All nine moves by at most a pixel come, and each shows what is left of the image. */
static void shifts_bring_in_zeros(void **state) {
    (void)state;
    const float x[6] = {1, 2, 3, 4, 5, 6};
    unsigned char seen[9] = {0};
    for (uint64_t p = 0; p < 200; p++) {
        float out[6];
        size_t fits = 0, which = 0;
        augmented("shift", "pixels", "1", p, x, out);
        for (int down = -1; down <= 1; down++)
            for (int right = -1; right <= 1; right++) {
                float expected[6];
                for (int i = 0; i < 2; i++)
                    for (int j = 0; j < 3; j++) {
                        int from_i = i - down, from_j = j - right;
                        bool inside = from_i >= 0 && from_i < 2 && from_j >= 0 && from_j < 3;
                        expected[i * 3 + j] = inside ? x[from_i * 3 + from_j] : 0;
                    }
                if (memcmp(expected, out, sizeof out) != 0) continue;
                fits++;
                which = (size_t)((down + 1) * 3 + right + 1);
            }
        assert_int_equal(fits, 1);
        seen[which]++;
    }
    for (size_t i = 0; i < 9; i++) assert_true(seen[i] > 0);
}

static void images_are_needed_for_flips(void **state) {
    (void)state;
    ls_choice choice = support_choose(pool, &ls_augment_family, "flip", NULL);
    assert_refuses(ls__augment_check(&(ls_choices){1, &choice}, (ls_shape){1, {9}}), LS_ERR_CONFIG,
                   "flip wants images");
}

/* ---- importing and repacking ------------------------------------------------------------------------------------ */

static void import_to(const ls_choice *format, const char *first, const char *second, const char *output) {
    const char *items[] = {first, second};
    assert_works(ls_import_run(format, &(ls_texts){second ? 2 : 1, items}, output, NULL));
}

static void the_digits_are_what_the_project_carries(void **state) {
    (void)state;
    const char *file = support_path(folder, "digits.h5");
    ls_choice csv = support_choose(pool, &ls_format_family, "csv", "target", "last", "split", "0.2", NULL);
    import_to(&csv, support_data("digits.csv.gz"), NULL, file);
    ls_data data;
    ls_data_options options = support_data_options(pool, "train", "digits.h5:/train", "valid", "digits.h5:/test", NULL);
    assert_works(open_with(&options, NULL, &data));
    assert_int_equal(ls_dataset_samples(data.train), 1437);
    assert_int_equal(ls_dataset_samples(data.valid), 360);
    assert_int_equal(ls_dataset_field(data.train, 0)->dtype, LS_DTYPE_U8);
    assert_int_equal(ls_dataset_field(data.train, 1)->classes, 10);
    assert_true(ls_dataset_has_checksums(data.train) && ls_dataset_has_checksums(data.valid));
    ls_data_close(&data);
}

static void mnist_and_housing_are_imported(void **state) {
    (void)state;
    ls_data data;
    ls_choice idx = support_choose(pool, &ls_format_family, "idx", "split", "0.2", NULL);
    import_to(&idx, support_data("t10k-images-idx3-ubyte.gz"), support_data("t10k-labels-idx1-ubyte.gz"),
              support_path(folder, "m.h5"));
    ls_data_options options = support_data_options(pool, "train", "m.h5:/train", NULL);
    assert_works(open_with(&options, NULL, &data));
    assert_int_equal(ls_dataset_samples(data.train), 8000);
    assert_true(ls_shape_equal(ls_dataset_field(data.train, 0)->shape, (ls_shape){3, {1, 28, 28}}));
    ls_data_close(&data);
    ls_choice csv = support_choose(pool, &ls_format_family, "csv", "target", "median_house_value", NULL);
    import_to(&csv, support_data("housing.csv"), NULL, support_path(folder, "h.h5"));
    options = support_data_options(pool, "train", "h.h5:/train", NULL);
    assert_works(open_with(&options, NULL, &data));
    assert_int_equal(ls_dataset_samples(data.train), 20640);
    assert_int_equal(ls_shape_size(ls_dataset_field(data.train, 0)->shape), 13);
    assert_int_equal(ls_dataset_field(data.train, 1)->classes, 0);
    ls_data_close(&data);
}

static void damaged_inputs_are_refused(void **state) {
    (void)state;
    ls_choice csv = support_choose(pool, &ls_format_family, "csv", NULL);
    const char *path = support_path(folder, "cut.csv.gz"), *output = support_path(folder, "o.h5");
    static const unsigned char cut[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x33, 0xd4};
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(cut, 1, sizeof cut, file), sizeof cut);
    assert_int_equal(fclose(file), 0);
    assert_refuses(ls_import_run(&csv, &(ls_texts){1, &path}, output, NULL), LS_ERR_DATA, "gzip");
    const char *missing = support_path(folder, "none.csv");
    assert_refuses(ls_import_run(&csv, &(ls_texts){1, &missing}, output, NULL), LS_ERR_IO, "none.csv: cannot open");
    const char *is_folder = folder;
    assert_refuses(ls_import_run(&csv, &(ls_texts){1, &is_folder}, output, NULL), LS_ERR_IO, "is a folder");
    ls_store *store = NULL;
    assert_refuses(ls_store_open(output, &store), LS_ERR_IO, "o.h5");
}

static void write_bytes(const char *path, const char *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void make_subfolder(const char *name) {
    char command[4200];
    snprintf(command, sizeof command, "mkdir -p '%s/%s'", folder, name);
    assert_int_equal(system(command), 0);
}

static void folders_of_images_are_classes(void **state) {
    (void)state;
    make_subfolder("set/cat");
    make_subfolder("set/dog");
    write_bytes(support_path(folder, "set/cat/1.pgm"), "P5\n# a comment\n2 1\n255\n\x10\x20", 25);
    write_bytes(support_path(folder, "set/dog/1.ppm"), "P3 2 1 100 100 0 0 0 0 100", 26);
    ls_choice images_format = support_choose(pool, &ls_format_family, "images", NULL);
    const char *set = support_path(folder, "set"), *output = support_path(folder, "o.h5");
    assert_works(ls_import_run(&images_format, &(ls_texts){1, &set}, output, NULL));
    ls_store *store = NULL;
    const ls_array *x = NULL;
    unsigned char pixels[4];
    ls_text name = {0};
    assert_works(ls_store_open(output, &store));
    assert_works(ls_store_find(store, "/train/x", &x));
    assert_int_equal(x->rank, 4);
    assert_works(ls_store_read(store, x, 0, 2, pixels));
    const unsigned char expected[4] = {0x10, 0x20, (299 * 255 + 500) / 1000, (114 * 255 + 500) / 1000};
    assert_memory_equal(pixels, expected, 4);
    assert_works(ls_store_find(store, "/classes", &x));
    assert_works(ls_store_read_text(store, x, 1, &name));
    assert_string_equal(name.bytes, "dog");
    ls_text_free(&name);
    ls_store_close(store);
    write_bytes(support_path(folder, "set/dog/2.pgm"), "P5 3 1 255 abc", 14);
    assert_refuses(ls_import_run(&images_format, &(ls_texts){1, &set}, output, NULL), LS_ERR_DATA,
                   "the image is 3 x 1, the first one 2 x 1");
    write_bytes(support_path(folder, "set/dog/2.pgm"), "P5 2 1 255 a", 12);
    assert_refuses(ls_import_run(&images_format, &(ls_texts){1, &set}, output, NULL), LS_ERR_DATA,
                   "1 bytes follow, but the size asks for 2");
    write_bytes(support_path(folder, "set/dog/2.pgm"), "GIF89a..", 8);
    assert_refuses(ls_import_run(&images_format, &(ls_texts){1, &set}, output, NULL), LS_ERR_DATA,
                   "this is no PGM, PPM or PNG image");
}

static void repacking_keeps_samples_together(void **state) {
    (void)state;
    static float x[200];
    static int32_t y[100];
    for (int i = 0; i < 100; i++) {
        x[2 * i] = x[2 * i + 1] = (float)i;
        y[i] = i;
    }
    const char *input = support_path(folder, "a.h5"), *output = support_path(folder, "b.h5");
    support_write_arrays(
        input,
        (support_array[]){{"/train/x", LS_DTYPE_F32, 2, {100, 2}, x}, {"/train/y", LS_DTYPE_I32, 1, {100}, y}, {0}});
    ls_repack_options options = {.shuffle = true, .seed = 3};
    assert_works(ls_repack(&options, input, output, NULL));
    ls_store *store = NULL;
    const ls_array *array = NULL;
    static float new_x[200];
    static int32_t new_y[100];
    unsigned char seen[100] = {0};
    size_t moved = 0;
    assert_works(ls_store_open(output, &store));
    assert_works(ls_store_find(store, "/train/x", &array));
    assert_works(ls_store_read(store, array, 0, 100, new_x));
    assert_works(ls_store_find(store, "/train/y", &array));
    assert_works(ls_store_read(store, array, 0, 100, new_y));
    ls_store_close(store);
    for (int i = 0; i < 100; i++) {
        assert_true(new_x[2 * i] == (float)new_y[i] && new_x[2 * i + 1] == (float)new_y[i]);
        seen[new_y[i]]++;
        moved += new_y[i] != i;
    }
    for (size_t i = 0; i < 100; i++) assert_int_equal(seen[i], 1);
    assert_true(moved > 80);
    assert_works(ls_store_verify(output, NULL));
    /* What is damaged gets no new checksums. */
    assert_works(ls_repack(&options, output, input, NULL));
    support_flip(input, "/train/y", 42);
    assert_refuses(ls_repack(&options, input, output, NULL), LS_ERR_IO, "a.h5:/train/y: rows 0 to 99 differ");
    assert_works(ls_store_verify(output, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    ls_status status = ls_comm_start(NULL, &comm);
    if (status != LS_OK) {
        fprintf(stderr, "%s\n", ls_status_message(status));
        return ls_status_exit(status);
    }
    const struct CMUnitTest tests[] = {
        TEST(every_row_keeps_its_promises),
        TEST(a_fraction_is_one_number_between_0_and_1),
        TEST(a_name_that_looks_like_a_pattern_is_a_name),
        TEST(what_does_not_fit_is_named),
        TEST(a_folder_is_no_pattern),
        TEST(sets_that_are_evaluated_must_look_like_the_training_set),
        TEST(fields_are_described),
        TEST(all_stored_types_are_packed),
        TEST(indices_are_checked_before_training),
        TEST(labels_far_beyond_classes_are_named),
        TEST(numbers_too_large_for_floats_are_named),
        TEST(weights_get_mean_1),
        TEST(orders_are_permutations),
        TEST(epochs_and_seeds_differ),
        TEST(windows_mix_their_blocks),
        TEST(draws_with_replacement_are_uniform),
        TEST(each_kind_does_what_it_says),
        TEST(channels_must_be_there),
        TEST(statistics_come_back_from_a_checkpoint),
        TEST(whitening_a_row_alone_gives_the_same_bits),
        TEST(augmentation_is_a_function_of_the_position),
        TEST(shifts_bring_in_zeros),
        TEST(images_are_needed_for_flips),
        TEST(the_digits_are_what_the_project_carries),
        TEST(mnist_and_housing_are_imported),
        TEST(damaged_inputs_are_refused),
        TEST(folders_of_images_are_classes),
        TEST(repacking_keeps_samples_together),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ls_comm_finish(comm);
    return failed;
}
