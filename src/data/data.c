/* The up to three data sets of a run. */
#include "lockstep/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/dataset.h"

/* What to ask of every group. `requests` has room for all. */
static size_t list_requests(const ls_data_options *o, const char *const *targets, ls_field_request *requests) {
    size_t count = 0;
    bool wants_y = o->y_given;
    for (const char *const *t = targets; t && *t; t++) wants_y = wants_y || strcmp(*t, "y") == 0;
    bool other_inputs = o->inputs.count > 0 && !o->x_given; /* then x may be missing */
    requests[count++] =
        (ls_field_request){.name = "x", .dataset = o->x, .role = LS_FIELD_INPUT, .optional = other_inputs};
    requests[count++] = (ls_field_request){.name = "y", .dataset = o->y, .role = LS_FIELD_TARGET, .optional = !wants_y};
    requests[count++] =
        (ls_field_request){.name = "x_c", .dataset = o->x_c, .role = LS_FIELD_INPUT, .optional = !o->x_c_given};
    if (o->weight)
        requests[count++] = (ls_field_request){.name = "weight", .dataset = o->weight, .role = LS_FIELD_WEIGHT};
    for (size_t i = 0; i < o->inputs.count; i++)
        requests[count++] =
            (ls_field_request){.name = o->inputs.keys[i], .dataset = o->inputs.values[i], .role = LS_FIELD_INPUT};
    for (const char *const *t = targets; t && *t; t++)
        if (strcmp(*t, "y") != 0)
            requests[count++] = (ls_field_request){.name = *t, .dataset = *t, .role = LS_FIELD_TARGET};
    return count;
}

typedef struct opening {
    const ls_data_options *options;
    const char *folder;
    uint64_t seed;
    const ls_field_request *requests;
    size_t request_count;
    size_t cache; /* what is left */
    ls_comm *comm;
    ls_logger *log;
} opening;

static ls_status open_set(opening *o, const ls_texts *paths, ls_place place, size_t limit, ls_dataset **out) {
    ls_dataset_source source = {.paths = paths,
                                .place = place,
                                .import = o->options->import,
                                .folder = o->folder,
                                .fields = o->requests,
                                .field_count = o->request_count,
                                .limit = limit,
                                .cache = o->cache};
    LS_TRY(ls_dataset_open(&source, o->comm, o->log, out));
    uint64_t used = ls_dataset_cached(*out);
    o->cache = used < o->cache ? o->cache - (size_t)used : 1;
    return LS_OK;
}

ls_status ls_dataset_check_fields(const ls_dataset *train, const ls_dataset *set) {
    for (size_t i = 0; i < ls_dataset_fields(train); i++) {
        const ls_field *want = ls_dataset_field(train, i);
        size_t at = ls_dataset_find(set, want->name);
        if (at == LS_NOT_FOUND)
            return LS_FAIL(LS_ERR_DATA, "%s: has no dataset \"%s\", but %s has", ls_dataset_name(set), want->dataset,
                           ls_dataset_name(train));
        const ls_field *have = ls_dataset_field(set, at);
        char here[96], there[96];
        if (!ls_shape_equal(have->shape, want->shape))
            return LS_FAIL(LS_ERR_DATA, "%s: samples of \"%s\" are %s, but %s in %s", ls_dataset_name(set),
                           have->dataset, ls_shape_text(have->shape, here, sizeof here),
                           ls_shape_text(want->shape, there, sizeof there), ls_dataset_name(train));
        if (have->integral != want->integral)
            return LS_FAIL(LS_ERR_DATA, "%s: \"%s\" holds %s, but %s in %s", ls_dataset_name(set), have->dataset,
                           ls_dtype_name(have->dtype), ls_dtype_name(want->dtype), ls_dataset_name(train));
    }
    return LS_OK;
}

/* What train was split from lives on behind its parts. */
static void keep_whole(ls_data *data) {
    if (data->whole)
        data->middle = data->train;
    else
        data->whole = data->train;
}

/* The fraction is one of the whole training set, also where another part has gone before. */
static ls_status split_off(const opening *o, double fraction, ls_data *data, ls_dataset **out) {
    ls_dataset *rest = NULL;
    double of_rest = fraction * (double)ls_dataset_samples(data->whole ? data->whole : data->train) /
                     (double)ls_dataset_samples(data->train);
    if (of_rest >= 1) of_rest = 1;
    LS_TRY(ls_dataset_split(data->train, of_rest, o->seed, &rest, out));
    keep_whole(data);
    data->train = rest;
    return LS_OK;
}

/* Part data.fold of what is left of the training set, whose share data.valid says. */
static ls_status fold_off(const opening *o, ls_data *data) {
    const ls_data_options *options = o->options;
    double fraction = 0;
    bool split = ls_data_fraction(&options->valid, &fraction);
    size_t folds = split ? (size_t)(1 / fraction + 0.5) : 0;
    if (folds < 2 || fabs(fraction * (double)folds - 1) > 1e-9)
        return ls_document_fail(options->valid_place, LS_ERR_CONFIG,
                                "data.fold wants data.valid to be 1/K, one of K parts: 0.5, 0.25, 0.2, 0.1, ...");
    if (options->fold >= folds)
        return ls_document_fail(options->fold_place, LS_ERR_CONFIG, "data.fold: %zu of %zu parts; allowed: 0 to %zu",
                                options->fold, folds, folds - 1);
    ls_dataset *rest = NULL;
    LS_TRY(ls_dataset_fold(data->train, folds, options->fold, o->seed, &rest, &data->valid));
    keep_whole(data);
    data->train = rest;
    return LS_OK;
}

static ls_status open_other(opening *o, const ls_texts *paths, ls_place place, ls_data *data, ls_dataset **out) {
    double fraction = 0;
    if (paths->count == 0) return LS_OK;
    if (ls_data_fraction(paths, &fraction)) return ls_document_locate(split_off(o, fraction, data, out), place);
    if (paths->count == 1 && ls_parse_real(paths->items[0], &fraction))
        return ls_document_fail(place, LS_ERR_CONFIG,
                                "%s: a fraction of the training set lies between 0 and 1, such as 0.2",
                                paths->items[0]);
    LS_TRY(open_set(o, paths, place, 0, out));
    return ls_document_locate(ls_comm_agree(o->comm, ls_dataset_check_fields(data->train, *out)), place);
}

static ls_status check_fractions(const ls_data_options *options) {
    double valid = 0, test = 0;
    if (!ls_data_fraction(&options->valid, &valid) || !ls_data_fraction(&options->test, &test) || valid + test < 1)
        return LS_OK;
    return ls_document_fail(options->valid_place, LS_ERR_CONFIG,
                            "data.valid and data.test: fractions of %g and %g leave nothing to train on", valid, test);
}

static ls_status open_all(opening *o, ls_data *data) {
    const ls_data_options *options = o->options;
    LS_TRY(check_fractions(options));
    LS_TRY(open_set(o, &options->train, options->train_place, options->limit, &data->train));
    LS_TRY(open_other(o, &options->test, options->test_place, data, &data->test));
    if (options->fold_given) return fold_off(o, data);
    return open_other(o, &options->valid, options->valid_place, data, &data->valid);
}

ls_status ls_data_open(const ls_data_options *options, const char *folder, uint64_t seed, const char *const *targets,
                       ls_comm *comm, ls_logger *log, ls_data *out) {
    *out = (ls_data){0};
    size_t most = 4 + options->inputs.count;
    for (const char *const *t = targets; t && *t; t++) most++;
    void *requests = NULL;
    LS_TRY(ls_comm_agree(comm, ls_block_create(most, sizeof(ls_field_request), "the names of the data", &requests)));
    size_t count = list_requests(options, targets, requests);
    opening o = {.options = options,
                 .folder = folder,
                 .seed = seed,
                 .requests = requests,
                 .request_count = count,
                 .cache = ls__cache_bytes(options->cache),
                 .comm = comm,
                 .log = log};
    ls_status status = open_all(&o, out);
    ls_block_destroy(requests);
    if (status != LS_OK) ls_data_close(out);
    return status;
}

void ls_data_close(ls_data *data) {
    ls_dataset_destroy(data->test);
    ls_dataset_destroy(data->valid);
    ls_dataset_destroy(data->train);
    ls_dataset_destroy(data->middle);
    ls_dataset_destroy(data->whole);
    *data = (ls_data){0};
}
