#include "checkpoint/read.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/folder.h"

struct ls_checkpoint {
    ls_store *store;
    ls_text config;
    ls_items *items;
};

/* ---- opening --------------------------------------------------------------------------------------------------- */

static ls_status read_item(ls_checkpoint *checkpoint, const ls_array *array) {
    ls_item item = {.path = array->path, .dtype = array->dtype, .rank = array->rank, .bytes = array->bytes};
    for (size_t i = 0; i < array->rank; i++) item.dim[i] = array->dim[i];
    item.part = strncmp(array->path, "/provenance/", 12) == 0 ? LS_PART_OTHER : LS_PART_STATE;
    if (array->bytes > ls_store_bytes(checkpoint->store))
        return LS_FAIL(LS_ERR_DATA, "%s: %s claims %zu bytes, more than the file has: it is damaged",
                       ls_store_path(checkpoint->store), array->path, array->bytes);
    if (array->dtype == LS_DTYPE_TEXT && array->rank == 0) {
        ls_text text = {0};
        ls_status status = ls_store_read_text(checkpoint->store, array, 0, &text);
        item.bytes = text.length;
        item.data = text.bytes;
        if (status == LS_OK) status = ls_items_add(checkpoint->items, &item);
        ls_text_free(&text);
        return status;
    }
    void *data;
    LS_TRY(ls_block_create(array->bytes, 1, array->path, &data));
    ls_status status = ls_store_read(checkpoint->store, array, 0, array->rows, data);
    item.data = data;
    if (status == LS_OK) status = ls_items_add(checkpoint->items, &item);
    ls_block_destroy(data);
    return status;
}

static ls_status read_items(ls_checkpoint *checkpoint, const char *group) {
    if (!ls_store_exists(checkpoint->store, group)) return LS_OK;
    ls_arrays arrays;
    LS_TRY(ls_store_list(checkpoint->store, group, &arrays));
    ls_status status = LS_OK;
    for (size_t i = 0; status == LS_OK && i < arrays.count; i++) status = read_item(checkpoint, arrays.items[i]);
    ls_arrays_free(&arrays);
    return status;
}

static ls_status check_format(ls_checkpoint *checkpoint) {
    const char *path = ls_store_path(checkpoint->store);
    int64_t format;
    if (!ls_store_exists(checkpoint->store, "/provenance/format") || !ls_store_exists(checkpoint->store, "/parameters"))
        return LS_FAIL(LS_ERR_DATA, "%s: is an HDF5 file, but not a checkpoint: it has no %s", path,
                       ls_store_exists(checkpoint->store, "/parameters") ? "/provenance/format" : "/parameters");
    LS_TRY(ls_store_get_integer(checkpoint->store, "/provenance/format", &format));
    if (format >= 1 && format <= LS_CHECKPOINT_FORMAT) return LS_OK;
    return LS_FAIL(LS_ERR_DATA,
                   "%s: is a checkpoint of format %" PRId64
                   ", written by a later lockstep; this one, %s, knows format %d: "
                   "use the version that wrote it",
                   path, format, LOCKSTEP_VERSION, LS_CHECKPOINT_FORMAT);
}

static ls_status open_checkpoint(const char *path, ls_checkpoint *checkpoint) {
    LS_TRY(ls_store_open(path, &checkpoint->store));
    LS_TRY(check_format(checkpoint));
    LS_TRY(ls_store_get_text(checkpoint->store, "/config", &checkpoint->config));
    LS_TRY(ls_text_add(&checkpoint->config, "%s", ""));
    LS_TRY(ls_items_create(&checkpoint->items));
    LS_TRY(read_items(checkpoint, "/state"));
    LS_TRY(read_items(checkpoint, "/statistics"));
    return read_items(checkpoint, "/provenance");
}

/* Opens one whose bytes are known to be good: HDF5 does not survive all that a damaged file may hold. */
static ls_status open_verified(const char *path, ls_checkpoint **out) {
    ls_checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    if (!checkpoint) return LS_FAIL(LS_ERR_MEMORY, "no memory for a checkpoint");
    ls_status status = open_checkpoint(path, checkpoint);
    if (status == LS_OK)
        *out = checkpoint;
    else
        ls_checkpoint_close(checkpoint);
    return status;
}

ls_status ls_checkpoint_open(const char *path, ls_checkpoint **out) {
    *out = NULL;
    LS_TRY(ls_store_verify(path, NULL));
    return open_verified(path, out);
}

void ls_checkpoint_close(ls_checkpoint *checkpoint) {
    if (!checkpoint) return;
    ls_store_close(checkpoint->store);
    ls_text_free(&checkpoint->config);
    ls_items_destroy(checkpoint->items);
    free(checkpoint);
}

const char *ls_checkpoint_config(const ls_checkpoint *checkpoint) {
    return checkpoint->config.bytes;
}

const ls_items *ls_checkpoint_items(const ls_checkpoint *checkpoint) {
    return checkpoint->items;
}

ls_store *ls_checkpoint_store(ls_checkpoint *checkpoint) {
    return checkpoint->store;
}

/* ---- finding --------------------------------------------------------------------------------------------------- */

static ls_status checkpoint_path(const char *folder, uint64_t step, char **out) {
    char name[32];
    *out = NULL;
    if (asprintf(out, "%s/checkpoints/%s", folder, ls_checkpoint_name(step, name, sizeof name)) >= 0) return LS_OK;
    *out = NULL;
    return LS_FAIL(LS_ERR_MEMORY, "no memory for a path");
}

ls_status ls_checkpoint_list(const char *folder, uint64_t **steps, size_t *count) {
    char *checkpoints = ls__path_join(folder, "checkpoints");
    if (!checkpoints) return LS_FAIL(LS_ERR_MEMORY, "no memory for a path");
    ls_status status = ls__folder_list(checkpoints, steps, count);
    free(checkpoints);
    return status;
}

/* A file that is whole and yet another's: copied or renamed to the name of this step. */
static ls_status check_step(const ls_checkpoint *checkpoint, uint64_t step) {
    uint64_t holds = step;
    if (ls_items_find(checkpoint->items, "/state/step"))
        LS_TRY(ls_items_get_count(checkpoint->items, "/state/step", &holds));
    if (holds == step) return LS_OK;
    return LS_FAIL(LS_ERR_IO, "%s: holds step %" PRIu64 ", not that of its name: it was copied or renamed",
                   ls_store_path(checkpoint->store), holds);
}

ls_status ls_checkpoint_open_step(const char *folder, uint64_t step, ls_checkpoint **out) {
    *out = NULL;
    char *path = NULL;
    LS_TRY(checkpoint_path(folder, step, &path));
    ls_status damage = ls_store_verify(path, NULL), status = LS_OK;
    if (damage != LS_OK) status = LS_FAIL(LS_ERR_IO, "%s", ls_status_message(damage));
    ls_status_free(damage);
    if (status == LS_OK) status = open_verified(path, out);
    if (status == LS_OK) status = check_step(*out, step);
    free(path);
    if (status == LS_OK) return LS_OK;
    ls_checkpoint_close(*out);
    *out = NULL;
    return status;
}

/* Opens the one of a step and asks whether it will do. */
static ls_status try_step(const char *folder, uint64_t step,
                          ls_status (*accept)(void *context, const ls_checkpoint *checkpoint), void *context,
                          ls_checkpoint **out) {
    LS_TRY(ls_checkpoint_open_step(folder, step, out));
    ls_status status = accept ? accept(context, *out) : LS_OK;
    if (status == LS_OK) return LS_OK;
    ls_checkpoint_close(*out);
    *out = NULL;
    return status;
}

ls_status ls_checkpoint_choose(const char *folder, ls_logger *logger,
                               ls_status (*accept)(void *context, const ls_checkpoint *checkpoint), void *context,
                               ls_checkpoint **out) {
    *out = NULL;
    uint64_t *steps = NULL;
    size_t count = 0;
    LS_TRY(ls_checkpoint_list(folder, &steps, &count));
    ls_status refusal = LS_OK; /* the newest one's that is whole, and not for us */
    char name[32] = "";        /* its */
    for (size_t i = 0; !*out && i < count; i++) {
        ls_status status = try_step(folder, steps[i], accept, context, out);
        bool damaged = ls_status_code(status) == LS_ERR_IO;
        if (status != LS_OK && damaged)
            ls_logger_say(logger, LS_LOG_WARNING, "passing over a bad checkpoint: %s", ls_status_message(status));
        if (status != LS_OK && !damaged && refusal == LS_OK) ls_checkpoint_name(steps[i], name, sizeof name);
        refusal = ls_status_first(refusal, damaged ? LS_OK : status);
        if (damaged) ls_status_free(status);
    }
    free(steps);
    if (!*out || refusal == LS_OK) return refusal;
    ls_logger_say(logger, LS_LOG_WARNING, "passing over %s, which is not for this run: %s", name,
                  ls_status_message(refusal));
    ls_status_free(refusal);
    return LS_OK;
}

ls_status ls_checkpoint_find(const char *folder, ls_logger *logger, char **path) {
    ls_checkpoint *checkpoint = NULL;
    *path = NULL;
    LS_TRY(ls_checkpoint_choose(folder, logger, NULL, NULL, &checkpoint));
    if (!checkpoint) return LS_OK;
    *path = strdup(ls_store_path(checkpoint->store));
    ls_checkpoint_close(checkpoint);
    return *path ? LS_OK : LS_FAIL(LS_ERR_MEMORY, "no memory for a path");
}

/* ---- does it fit the model? ------------------------------------------------------------------------------------- */

void ls__param_path(const ls_param *param, const char *slot, char *out, size_t size) {
    if (slot)
        snprintf(out, size, "/optimizer/%s/%s/%s", slot, param->layer, param->name);
    else
        snprintf(out, size, "/%s/%s/%s", param->role == LS_ROLE_STATISTIC ? "statistics" : "parameters", param->layer,
                 param->name);
}

size_t ls__largest_parameter(const ls_params *params) {
    size_t most = 1;
    for (size_t i = 0; i < ls_params_count(params); i++) {
        size_t size = ls_shape_size(ls_params_at(params, i)->shape);
        if (size > most) most = size;
    }
    return most;
}

static const char *array_shape(const ls_array *array, char *out, size_t size) {
    size_t at = (size_t)snprintf(out, size, "(");
    for (size_t i = 0; i < array->rank && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%zu", i ? ", " : "", array->dim[i]);
    if (at < size) snprintf(out + at, size - at, ")");
    return out;
}

static bool has_shape(const ls_array *array, ls_shape shape) {
    bool equal = array->rank == shape.rank;
    for (size_t i = 0; equal && i < shape.rank; i++) equal = array->dim[i] == shape.dim[i];
    return equal;
}

/* What does not fit, in words; the first ones of them. */
typedef struct misfits {
    size_t count;
    ls_text text;
} misfits;

enum { MOST_MISFITS = 8 };

static ls_status note(misfits *list, const char *path, const char *words, const char *have, const char *need) {
    if (list->count++ >= MOST_MISFITS) return LS_OK;
    return ls_text_add(&list->text, "%s%s %s%s%s%s", list->count > 1 ? "; " : "", path, words, have,
                       *need ? ", the model's " : "", need);
}

static ls_status check_param(ls_store *store, const ls_param *param, const char *slot, misfits *list) {
    char path[512], have[160], need[160];
    ls__param_path(param, slot, path, sizeof path);
    if (!ls_store_exists(store, path)) return note(list, path, "is missing", "", "");
    const ls_array *array;
    LS_TRY(ls_store_find(store, path, &array));
    if (array->refusal || array->dtype == LS_DTYPE_TEXT) return note(list, path, "holds no numbers", "", "");
    if (has_shape(array, param->shape)) return LS_OK;
    return note(list, path, "has the shape ", array_shape(array, have, sizeof have),
                ls_shape_text(param->shape, need, sizeof need));
}

/* Is an array of the file one that the model (or the optimizer) has? */
static bool is_expected(const ls_params *params, const char *path, size_t slots, const char *const *slot_names) {
    char own[512];
    for (size_t i = 0; i < ls_params_count(params); i++) {
        const ls_param *param = ls_params_at(params, i);
        ls__param_path(param, NULL, own, sizeof own);
        if (strcmp(own, path) == 0) return true;
        for (size_t slot = 0; slot < slots && param->offset < ls_params_trainable(params); slot++) {
            ls__param_path(param, slot_names[slot], own, sizeof own);
            if (strcmp(own, path) == 0) return true;
        }
    }
    return false;
}

static ls_status check_extras(ls_store *store, const ls_params *params, const char *group, size_t slots,
                              const char *const *slot_names, misfits *list) {
    if (!ls_store_exists(store, group)) return LS_OK;
    ls_arrays arrays;
    LS_TRY(ls_store_list(store, group, &arrays));
    ls_status status = LS_OK;
    for (size_t i = 0; status == LS_OK && i < arrays.count; i++)
        if (!is_expected(params, arrays.items[i]->path, slots, slot_names))
            status = note(list, arrays.items[i]->path, "has no counterpart", "", "");
    ls_arrays_free(&arrays);
    return status;
}

static ls_status check_all(ls_store *store, const ls_params *params, size_t slots, const char *const *slot_names,
                           bool with_slots, misfits *list) {
    for (size_t i = 0; i < ls_params_count(params); i++) {
        const ls_param *param = ls_params_at(params, i);
        LS_TRY(check_param(store, param, NULL, list));
        for (size_t slot = 0; slot < slots && param->offset < ls_params_trainable(params); slot++)
            LS_TRY(check_param(store, param, slot_names[slot], list));
    }
    LS_TRY(check_extras(store, params, "/parameters", slots, slot_names, list));
    return with_slots ? check_extras(store, params, "/optimizer", slots, slot_names, list) : LS_OK;
}

ls_status ls__checkpoint_check(ls_checkpoint *checkpoint, const ls_params *params, size_t slots,
                               const char *const *slot_names, bool with_slots) {
    misfits list = {0};
    ls_store *store = checkpoint->store;
    ls_status status = check_all(store, params, slots, slot_names, with_slots, &list);
    if (status == LS_OK && list.count > 0)
        status = LS_FAIL(LS_ERR_DATA, "%s: does not fit the model: %s%s", ls_store_path(store), list.text.bytes,
                         list.count > MOST_MISFITS ? "; ..." : "");
    ls_text_free(&list.text);
    return status;
}

ls_status ls__checkpoint_read_param(ls_checkpoint *checkpoint, const ls_param *param, const char *slot, float *values) {
    char path[512];
    const ls_array *array;
    ls__param_path(param, slot, path, sizeof path);
    LS_TRY(ls_store_find(checkpoint->store, path, &array));
    return ls_store_read_as(checkpoint->store, array, 0, array->rows, LS_DTYPE_F32, values);
}

ls_status ls_checkpoint_read_parameters(ls_checkpoint *checkpoint, const ls_params *params, float *arena) {
    LS_TRY(ls__checkpoint_check(checkpoint, params, 0, NULL, false));
    void *values;
    LS_TRY(ls_block_create(ls__largest_parameter(params), sizeof(float), "a parameter in file layout", &values));
    ls_status status = LS_OK;
    for (size_t i = 0; status == LS_OK && i < ls_params_count(params); i++) {
        status = ls__checkpoint_read_param(checkpoint, ls_params_at(params, i), NULL, values);
        if (status == LS_OK) ls_param_import(params, i, values, arena);
    }
    ls_block_destroy(values);
    return status;
}
