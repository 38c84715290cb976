/* initialise.c: initial values, drawn by index or read from a file. */
#include <string.h>

#include "lockstep/random.h"
#include "lockstep/store.h"
#include "model/families.h"
#include "model/internal.h"

static const ls_type *const types[] = {
    &ls__init_xavier_uniform.type, &ls__init_xavier_normal.type,
    &ls__init_he_uniform.type,     &ls__init_he_normal.type,
    &ls__init_normal.type,         &ls__init_uniform.type,
    &ls__init_constant.type,       &ls__init_zeros.type,
    &ls__init_from.type,           NULL,
};

const ls_family ls_init_family = {.noun = "initialisation", .types = types};

const ls_option ls_init_rows[] = {
    {LS_OPTION_ROW(ls_init_options, weight, LS_KIND_CHOICE, NULL,
                   "weights; by default he_normal where relu, leaky_relu or gelu follows, else xavier_uniform"),
     .family = &ls_init_family, .main = true},
    LS_OPTION_CHOICE(ls_init_options, bias, NULL, &ls_init_family, "biases; by default zeros"),
    LS_OPTION_END,
};

double ls__init_draw_uniform(uint64_t seed, uint32_t number, uint64_t index) {
    ls_draw draw = ls_random(seed, LS_PURPOSE_INIT, number, index, 0);
    return 2.0 * ls_random_unit_double(draw.word[0], draw.word[1]) - 1.0;
}

double ls__init_draw_normal(uint64_t seed, uint32_t number, uint64_t index) {
    double pair[2];
    ls_random_normal(ls_random(seed, LS_PURPOSE_INIT, number, index, 0), pair);
    return pair[0];
}

/* ---- values out of files -------------------------------------------------------------------------------------- */

/* One file that is open while parameters are read from it. */
typedef struct reader {
    const ls_model *model;
    const ls__from_options *options;
    ls_store *store;
    const char *group;
} reader;

static const ls__from_options *file_of(const ls_param *param) {
    return ls__init_is_from(&param->init) ? param->init.options : NULL;
}

static bool is_named(const ls__from_options *options, const char *layer) {
    for (size_t i = 0; i < options->layers.count; i++)
        if (strcmp(options->layers.items[i], layer) == 0) return true;
    return options->layers.count == 0;
}

/* Where a parameter would stand: GROUP/layer/name, and in the root of a checkpoint /parameters and /statistics. */
static ls_status path_of(const reader *r, const ls_param *param, const char **out) {
    const char *slash = r->group[strlen(r->group) - 1] == '/' ? "" : "/";
    LS_TRY(ls_pool_format(r->model->pool, out, "%s%s%s/%s", r->group, slash, param->layer, param->name));
    if (ls_store_exists(r->store, *out)) return LS_OK;
    const char *section = param->role == LS_ROLE_STATISTIC ? "/statistics" : "/parameters", *other;
    LS_TRY(ls_pool_format(r->model->pool, &other, "%s/%s/%s", section, param->layer, param->name));
    bool looks_there = strcmp(r->group, "/") == 0 || strcmp(r->group, "/parameters") == 0;
    if (looks_there && ls_store_exists(r->store, other)) *out = other;
    return LS_OK;
}

/* Checkpoints must be whole; files of other programs have nothing to compare. */
static ls_status verify(const char *file) {
    ls_status status = ls_store_verify(file, NULL);
    if (ls_status_code(status) != LS_ERR_DATA) return status;
    ls_status_free(status);
    return LS_OK;
}

static ls_status open_file(reader *r) {
    const char *file, *folder = r->model->setup.folder;
    LS_TRY(ls_store_split(r->model->pool, r->options->file, &file, &r->group));
    if (folder && file[0] != '/') LS_TRY(ls_pool_format(r->model->pool, &file, "%s/%s", folder, file));
    LS_TRY(verify(file));
    return ls_store_open(file, &r->store);
}

static ls_shape shape_in_file(const ls_array *array) {
    ls_shape shape = {.rank = array->rank < LS_MAX_RANK ? array->rank : LS_MAX_RANK};
    for (size_t i = 0; i < shape.rank; i++) shape.dim[i] = array->dim[i];
    return shape;
}

/* Appends "dense_1/weight is (64, 784) here, (32, 784) there; " where a parameter does not fit. */
static ls_status compare(const reader *r, const ls_param *param, ls_text *mismatches) {
    const char *path;
    const ls_array *array;
    char here[96], there[96];
    LS_TRY(path_of(r, param, &path));
    if (!ls_store_exists(r->store, path)) {
        if (param->role == LS_ROLE_STATISTIC) return LS_OK; /* files of other programs have none */
        return ls_text_add(mismatches, "%s%s/%s %s is missing", mismatches->length ? "; " : "", param->layer,
                           param->name, ls_shape_text(param->shape, here, sizeof here));
    }
    LS_TRY(ls_store_find(r->store, path, &array));
    if (array->rank == param->shape.rank && ls_shape_equal(shape_in_file(array), param->shape)) return LS_OK;
    return ls_text_add(mismatches, "%s%s/%s is %s here, %s there", mismatches->length ? "; " : "", param->layer,
                       param->name, ls_shape_text(param->shape, here, sizeof here),
                       ls_shape_text(shape_in_file(array), there, sizeof there));
}

/* Every parameter that reads this file is compared, on every rank, so that all ranks refuse alike. */
static ls_status compare_all(const reader *r) {
    const ls_params *params = r->model->params;
    ls_text mismatches = {0};
    ls_status status = LS_OK;
    for (size_t i = 0; status == LS_OK && i < ls_params_count(params); i++) {
        const ls_param *param = ls_params_at(params, i);
        if (file_of(param) == r->options && is_named(r->options, param->layer)) status = compare(r, param, &mismatches);
    }
    for (size_t i = 0; status == LS_OK && i < r->options->layers.count; i++)
        if (ls_model_layer(r->model, r->options->layers.items[i]) == LS_NO_NODE)
            status = ls_text_add(&mismatches, "%sthe model has no layer \"%s\"", mismatches.length ? "; " : "",
                                 r->options->layers.items[i]);
    if (status == LS_OK && mismatches.length)
        status = LS_FAIL(LS_ERR_CONFIG, "init: %s does not fit: %s", r->options->file, mismatches.bytes);
    ls_text_free(&mismatches);
    return status;
}

/* ---- one parameter -------------------------------------------------------------------------------------------- */

static ls_choice make_default(const ls_model *model, size_t index, ls_choice given) {
    const ls_param *param = ls_params_at(model->params, index);
    if (given.type || param->role != LS_ROLE_WEIGHT || model->start[index].normal > 0) return given;
    const ls_init_type *type = param->feeds_rectifier ? &ls__init_he_normal : &ls__init_xavier_uniform;
    return (ls_choice){.type = &type->type};
}

static void draw_values(const ls_model *model, size_t index, ls_choice choice, double *values) {
    const ls_param *param = ls_params_at(model->params, index);
    const ls__start *start = &model->start[index];
    const ls_init_type *type = (const ls_init_type *)(const void *)choice.type;
    for (size_t i = 0; i < ls_shape_size(param->shape); i++) {
        if (type)
            values[i] = type->draw(choice.options, param, model->setup.seed, (uint32_t)index, i);
        else if (start->normal > 0)
            values[i] = start->normal * ls__init_draw_normal(model->setup.seed, (uint32_t)index, i);
        else
            values[i] = start->start;
    }
}

/* Reads the parameter where the file has it; `done` says whether. */
static ls_status read_values(const reader *r, const ls_param *param, double *values, bool *done) {
    const char *path;
    const ls_array *array;
    *done = false;
    LS_TRY(path_of(r, param, &path));
    if (!ls_store_exists(r->store, path)) return LS_OK;
    LS_TRY(ls_store_find(r->store, path, &array));
    LS_TRY(ls_store_read_as(r->store, array, 0, array->rows, LS_DTYPE_F64, values));
    *done = true;
    return LS_OK;
}

static ls_status import(const ls_model *model, size_t index, double *values, void *weights) {
    if (model->setup.precision == LS_PRECISION_DOUBLE) {
        ls_param_import_double(model->params, index, values, weights);
        return LS_OK;
    }
    size_t count = ls_shape_size(ls_params_at(model->params, index)->shape);
    float *narrow;
    LS_TRY(ls_block_create(count, sizeof *narrow, "initial values", (void **)&narrow));
    for (size_t i = 0; i < count; i++) narrow[i] = (float)values[i];
    ls_param_import(model->params, index, narrow, weights);
    ls_block_destroy(narrow);
    return LS_OK;
}

static ls_status initialise_one(const ls_model *model, const reader *r, size_t index, void *weights) {
    const ls_param *param = ls_params_at(model->params, index);
    double *values;
    LS_TRY(ls_block_create(ls_shape_size(param->shape), sizeof *values, "initial values", (void **)&values));
    ls_choice choice = param->init;
    ls_status status = LS_OK;
    bool done = false;
    if (r) {
        if (is_named(r->options, param->layer)) status = read_values(r, param, values, &done);
        choice = param->role == LS_ROLE_WEIGHT ? r->options->rest : (ls_choice){0};
    }
    if (status == LS_OK && !done) draw_values(model, index, make_default(model, index, choice), values);
    if (status == LS_OK) status = import(model, index, values, weights);
    ls_block_destroy(values);
    return status;
}

/* This rank's share of the parameters that read `options` (NULL: no file). Without `weights` it only compares. */
static ls_status initialise_from(const ls_model *model, const ls__from_options *options, size_t rank, size_t size,
                                 void *weights) {
    reader r = {.model = model, .options = options};
    ls_status status = LS_OK;
    if (options) {
        if (ls__init_is_from(&options->rest))
            return LS_FAIL(LS_ERR_CONFIG, "init: from: rest is another file; expected a way to draw");
        LS_TRY(open_file(&r));
        status = compare_all(&r);
    }
    for (size_t i = 0; status == LS_OK && weights && i < ls_params_count(model->params); i++)
        if (i % size == rank && file_of(ls_params_at(model->params, i)) == options)
            status = initialise_one(model, options ? &r : NULL, i, weights);
    ls_store_close(r.store);
    return status;
}

static ls_status initialise_from_files(const ls_model *model, size_t rank, size_t size, void *weights) {
    for (size_t i = 0; i < ls_params_count(model->params); i++) {
        const ls__from_options *options = file_of(ls_params_at(model->params, i));
        bool seen = options == NULL;
        for (size_t j = 0; j < i && !seen; j++) seen = file_of(ls_params_at(model->params, j)) == options;
        if (seen) continue;
        LS_TRY(ls_document_locate(initialise_from(model, options, rank, size, weights),
                                  ls_params_at(model->params, i)->init.place));
    }
    return LS_OK;
}

ls_status ls_model_initialise(const ls_model *model, size_t rank, size_t size, void *weights) {
    LS_TRY(initialise_from(model, NULL, rank, size, weights));
    return initialise_from_files(model, rank, size, weights);
}

ls_status ls_model_check_start(const ls_model *model) {
    return initialise_from_files(model, 0, 1, NULL);
}
