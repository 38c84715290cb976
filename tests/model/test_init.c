/* Initial values: distributions, defaults, files; the same for any number of ranks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/store.h"
#include "models.h"

/* The values of "layer/name" in file order. Free them. */
static float *values_of(const support_model *m, const char *layer, const char *name, size_t *count) {
    const ls_params *params = ls_model_params(m->model);
    size_t index = ls_params_find(params, layer, name);
    assert_true(index != LS_NOT_FOUND);
    *count = ls_shape_size(ls_params_at(params, index)->shape);
    float *values = malloc(*count * sizeof *values);
    assert_non_null(values);
    ls_param_export(params, index, m->weights, values);
    return values;
}

typedef struct moments {
    double largest, mean, variance;
} moments;

static moments moments_of(const support_model *m, const char *layer, const char *name) {
    size_t count;
    float *values = values_of(m, layer, name, &count);
    moments all = {0};
    for (size_t i = 0; i < count; i++) {
        all.largest = fmax(all.largest, fabs((double)values[i]));
        all.mean += (double)values[i];
        all.variance += (double)values[i] * (double)values[i];
    }
    all.mean /= (double)count;
    all.variance /= (double)count;
    free(values);
    return all;
}

static void start(support_model *m, ls_shape x, const char *yaml) {
    support_model_setup(m, x, 10);
    assert_works(support_model_build(m, yaml));
    support_model_ready(m, 2, 1, 1);
}

static void is_near(double got, double expected, double share) {
    if (fabs(got - expected) > share * expected) fail_msg("%g is not near %g", got, expected);
}

static void the_defaults(void **state) {
    (void)state;
    support_model m;
    start(&m, (ls_shape){1, {100}},
          "model: [{dense: {units: 200}}, relu, {dense: {units: 300}}, layer_norm, gelu, {dense: {units: 100}}, tanh, "
          "{embedding: {entries: 500, size: 16, from: tokens}}, flatten, {dense: {units: 10}}]\n"
          "loss: cross_entropy\n");
    moments he = moments_of(&m, "dense_1", "weight"), through = moments_of(&m, "dense_2", "weight");
    moments xavier = moments_of(&m, "dense_3", "weight"), embedding = moments_of(&m, "embedding_1", "weight");
    is_near(he.variance, 2.0 / 100, 0.05);
    is_near(through.variance, 2.0 / 200, 0.05);
    assert_true(fabs(he.mean) < 0.01);
    is_near(xavier.largest, sqrt(6.0 / 400), 0.01);
    assert_true(xavier.largest <= sqrt(6.0 / 400));
    is_near(xavier.variance, 2.0 / 400, 0.05);
    is_near(embedding.variance, 1.0 / 16, 0.05);
    assert_true(moments_of(&m, "dense_1", "bias").largest == 0);
    assert_true(moments_of(&m, "layer_norm_1", "weight").mean == 1 &&
                moments_of(&m, "layer_norm_1", "bias").largest == 0);
    support_model_free(&m);
}

static void fans_of_a_convolution(void **state) {
    (void)state;
    support_model m;
    start(&m, (ls_shape){3, {32, 6, 6}},
          "model: [{conv2d: {filters: 64, kernel: 3, groups: 2}}, {batch_norm: {}}, relu, flatten, {dense: {units: "
          "10}}]\n"
          "loss: cross_entropy\ninit: he_uniform\n");
    moments he = moments_of(&m, "conv2d_1", "weight");
    is_near(he.largest, sqrt(6.0 / (16 * 9)), 0.01);
    const ls_param *param = ls_params_at(ls_model_params(m.model), 0);
    assert_int_equal(param->fan_in, 16 * 9);
    assert_int_equal(param->fan_out, 64 * 9);
    assert_true(moments_of(&m, "batch_norm_1", "variance").mean == 1 &&
                moments_of(&m, "batch_norm_1", "mean").largest == 0);
    support_model_free(&m);
}

static void every_kind(void **state) {
    (void)state;
    static const struct {
        const char *init;
        double largest, variance; /* 0: unbounded */
    } cases[] = {
        {"xavier_uniform", 0.1549, 0.008},
        {"xavier_normal", 0, 0.008},
        {"he_uniform", 0.2449, 0.02},
        {"he_normal", 0, 0.02},
        {"normal", 0, 0.0001},
        {"{normal: {std: 0.3}}", 0, 0.09},
        {"{uniform: 0.5}", 0.5, 1.0 / 12},
        {"{constant: -2}", 2, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char yaml[256];
        snprintf(yaml, sizeof yaml,
                 "model: [{dense: {units: 150, init: %s}}, {dense: {units: 10}}]\nloss: cross_entropy\n",
                 cases[i].init);
        support_model m;
        start(&m, (ls_shape){1, {100}}, yaml);
        moments got = moments_of(&m, "dense_1", "weight");
        is_near(got.variance, cases[i].variance, 0.05);
        if (cases[i].largest > 0) is_near(got.largest, cases[i].largest, 0.01);
        support_model_free(&m);
    }
}

static void weights_and_biases_apart(void **state) {
    (void)state;
    support_model m;
    start(&m, (ls_shape){1, {4}},
          "model: [{dense: {units: 5, init: {bias: {constant: 3}}}}, {dense: {units: 10, init: zeros}}]\n"
          "loss: cross_entropy\ninit: {weight: {constant: 0.5}, bias: {constant: 1}}\n");
    assert_true(moments_of(&m, "dense_1", "weight").mean == 0.5 && moments_of(&m, "dense_1", "bias").mean == 3);
    assert_true(moments_of(&m, "dense_2", "weight").largest == 0 && moments_of(&m, "dense_2", "bias").mean == 1);
    support_model_free(&m);
}

static const char deep[] =
    "model: [{dense: {units: 40}}, relu, {dense: {units: 30}}, batch_norm, relu, {dense: {units: 10}}]\n"
    "loss: cross_entropy\n";

static void shares_of_ranks_make_the_whole(void **state) {
    (void)state;
    support_model m;
    start(&m, (ls_shape){1, {20}}, deep);
    size_t bytes = ls_params_arena(ls_model_params(m.model)) * sizeof(float);
    float *whole = malloc(bytes);
    assert_non_null(whole);
    memcpy(whole, m.weights, bytes);
    memset(m.weights, 0xff, bytes);
    for (size_t rank = 0; rank < 3; rank++) assert_works(ls_model_initialise(m.model, rank, 3, m.weights));
    assert_memory_equal(whole, m.weights, bytes);
    free(whole);
    support_model_free(&m);
}

static void the_seed_and_the_place_decide(void **state) {
    (void)state;
    support_model a, b;
    start(&a, (ls_shape){1, {20}}, deep);
    support_model_setup(&b, (ls_shape){1, {20}}, 10);
    b.setup.seed = 12;
    assert_works(support_model_build(&b, deep));
    support_model_ready(&b, 2, 1, 1);
    size_t count;
    float *first = values_of(&a, "dense_1", "weight", &count), *second = values_of(&a, "dense_2", "weight", &count);
    float *other = values_of(&b, "dense_1", "weight", &count);
    assert_true(memcmp(first, second, 100 * sizeof *first) != 0);
    assert_true(memcmp(first, other, 100 * sizeof *first) != 0);
    free(first);
    free(second);
    free(other);
    support_model_free(&a);
    support_model_free(&b);
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

/* A file with parameters of "dense_1" (5, 4) and "dense_2" (`units`, 5) below `group`: element i is i + 0.5. */
static void write_file(const char *path, const char *group, size_t units) {
    const struct {
        const char *name;
        size_t rank, dim[2];
    } arrays[] = {{"dense_1/weight", 2, {5, 4}},
                  {"dense_1/bias", 1, {5}},
                  {"dense_2/weight", 2, {units, 5}},
                  {"dense_2/bias", 1, {units}}};
    ls_store_writer *writer;
    assert_works(ls_store_create(path, NULL, &writer));
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        size_t index;
        snprintf(name, sizeof name, "%s/%s", group, arrays[i].name);
        assert_works(ls_store_add(writer, name, LS_DTYPE_F32, arrays[i].rank, arrays[i].dim, LS_PART_STATE, &index));
    }
    assert_works(ls_store_seal(writer));
    for (size_t i = 0; i < 4; i++) {
        float values[256];
        size_t count = arrays[i].dim[0] * (arrays[i].rank > 1 ? arrays[i].dim[1] : 1);
        for (size_t k = 0; k < count; k++) values[k] = (float)k + 0.5f;
        assert_works(ls_store_fill(writer, i, 0, values, count * sizeof *values));
    }
    assert_works(ls_store_commit(writer, NULL, NULL));
    ls_store_writer_destroy(writer);
}

static ls_status build_from(support_model *m, const char *folder, const char *init) {
    char yaml[512];
    snprintf(yaml, sizeof yaml,
             "model: [{dense: {units: 5}}, relu, {dense: {units: 10}}]\nloss: cross_entropy\ninit: %s\n", init);
    support_model_setup(m, (ls_shape){1, {4}}, 10);
    m->setup.folder = folder;
    LS_TRY(support_model_build(m, yaml));
    const ls_params *params = ls_model_params(m->model);
    assert_works(ls_block_create(ls_params_arena(params), sizeof(float), "weights", &m->weights));
    return ls_model_initialise(m->model, 0, 1, m->weights);
}

static void values_come_from_a_file(void **state) {
    (void)state;
    char *folder = support_make_folder();
    write_file(support_path(folder, "a.h5"), "/parameters", 10);
    write_file(support_path(folder, "b.h5"), "/net", 10);
    static const char *const inits[] = {"{from: \"a.h5:/parameters\"}", "{from: a.h5}",
                                        "{from: {file: \"b.h5:/net\"}}"};
    for (size_t i = 0; i < 3; i++) {
        support_model m;
        size_t count;
        assert_works(build_from(&m, folder, inits[i]));
        float *weight = values_of(&m, "dense_2", "weight", &count), *bias = values_of(&m, "dense_1", "bias", &count);
        for (size_t k = 0; k < 50; k++) assert_true(weight[k] == (float)k + 0.5f);
        assert_true(bias[4] == 4.5f);
        free(weight);
        free(bias);
        support_model_free(&m);
    }
    support_remove_folder(folder);
}

static void some_layers_come_from_a_file(void **state) {
    (void)state;
    char *folder = support_make_folder();
    write_file(support_path(folder, "a.h5"), "/net", 7);
    support_model m;
    assert_works(build_from(&m, folder, "{from: {file: \"a.h5:/net\", layers: dense_1, rest: {constant: 9}}}"));
    assert_true(moments_of(&m, "dense_1", "weight").largest == 19.5);
    assert_true(moments_of(&m, "dense_2", "weight").mean == 9 && moments_of(&m, "dense_2", "bias").largest == 0);
    support_model_free(&m);
    support_remove_folder(folder);
}

static void a_damaged_file_is_refused(void **state) {
    (void)state;
    char *folder = support_make_folder();
    const char *path = support_path(folder, "a.h5");
    write_file(path, "/net", 10);
    ls_store *store;
    const ls_array *bias;
    assert_works(ls_store_open(path, &store));
    assert_works(ls_store_find(store, "/net/dense_1/bias", &bias));
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, (long)bias->offset, SEEK_SET);
    fputc(1, file);
    fclose(file);
    ls_store_close(store);
    support_model m;
    assert_refuses(build_from(&m, folder, "{from: \"a.h5:/net\"}"), LS_ERR_IO,
                   "/net/dense_1/bias: its bytes differ from its checksum");
    support_model_free(&m);
    support_remove_folder(folder);
}

static void files_that_do_not_fit_are_refused(void **state) {
    (void)state;
    char *folder = support_make_folder();
    write_file(support_path(folder, "a.h5"), "/net", 7);
    support_model m;
    assert_refuses(build_from(&m, folder, "{from: \"a.h5:/net\"}"), LS_ERR_CONFIG,
                   "does not fit: dense_2/weight is (10, 5) here, (7, 5) there; dense_2/bias is (10) here, (7) there");
    support_model_free(&m);
    assert_refuses(build_from(&m, folder, "{from: \"a.h5:/other\"}"), LS_ERR_CONFIG,
                   "dense_1/weight (5, 4) is missing");
    support_model_free(&m);
    assert_refuses(build_from(&m, folder, "{from: {file: \"a.h5:/net\", layers: dense_3}}"), LS_ERR_CONFIG,
                   "the model has no layer \"dense_3\"");
    support_model_free(&m);
    assert_refuses(build_from(&m, folder, "{from: \"none.h5:/net\"}"), LS_ERR_IO, "none.h5");
    support_model_free(&m);
    assert_refuses(build_from(&m, folder, "{from: {file: \"a.h5:/net\", layers: dense_1, rest: {from: a.h5}}}"),
                   LS_ERR_CONFIG, "rest is another file");
    support_model_free(&m);
    support_remove_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults),
        cmocka_unit_test(fans_of_a_convolution),
        cmocka_unit_test(every_kind),
        cmocka_unit_test(weights_and_biases_apart),
        cmocka_unit_test(shares_of_ranks_make_the_whole),
        cmocka_unit_test(the_seed_and_the_place_decide),
        cmocka_unit_test(values_come_from_a_file),
        cmocka_unit_test(some_layers_come_from_a_file),
        cmocka_unit_test(a_damaged_file_is_refused),
        cmocka_unit_test(files_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
