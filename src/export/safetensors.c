#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/export.h"
#include "lockstep/file.h"

/*
 * A safetensors file: the length of the header (8 bytes, little-endian), the header, which is JSON, and the numbers of
 * all arrays one after the other. Offsets count from the end of the header, which is padded with spaces to 8 bytes.
 */

static json_t *shape_of(ls_shape shape) {
    json_t *list = json_array();
    for (size_t i = 0; i < shape.rank; i++) json_array_append_new(list, json_integer((json_int_t)shape.dim[i]));
    return list;
}

static size_t bytes_of(const ls_export_array *array) {
    return ls_shape_size(array->shape) * sizeof *array->values;
}

/* The header as text, to be freed; NULL: no memory. */
static char *make_header(size_t count, const ls_export_array *arrays, size_t note_count, const char *const *notes) {
    json_t *header = json_object();
    if (note_count) {
        json_t *metadata = json_object();
        for (size_t i = 0; i < note_count; i++)
            json_object_set_new(metadata, notes[2 * i], json_string(notes[2 * i + 1]));
        json_object_set_new(header, "__metadata__", metadata);
    }
    size_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        size_t end = offset + bytes_of(&arrays[i]);
        json_object_set_new(header, arrays[i].name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape_of(arrays[i].shape),
                                      "data_offsets", (json_int_t)offset, (json_int_t)end));
        offset = end;
    }
    bool whole = json_object_size(header) == count + (note_count > 0);
    char *text = whole ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    return text;
}

static ls_status write_header(ls_new_file *file, const char *header) {
    static const char spaces[8] = "        ";
    size_t length = strlen(header), padded = ls_round_up(length, sizeof spaces);
    unsigned char little[8];
    for (size_t i = 0; i < sizeof little; i++) little[i] = (unsigned char)(padded >> (8 * i));
    LS_TRY(ls_new_file_write(file, little, sizeof little));
    LS_TRY(ls_new_file_write(file, header, length));
    return ls_new_file_write(file, spaces, padded - length);
}

static ls_status write_all(ls_new_file *file, const char *header, size_t count, const ls_export_array *arrays) {
    LS_TRY(write_header(file, header));
    for (size_t i = 0; i < count; i++) LS_TRY(ls_new_file_write(file, arrays[i].values, bytes_of(&arrays[i])));
    return LS_OK;
}

ls_status ls_export_arrays(const char *path, size_t count, const ls_export_array *arrays, size_t note_count,
                           const char *const *notes) {
    char *header = make_header(count, arrays, note_count, notes);
    if (!header) return LS_FAIL(LS_ERR_DATA, "%s: names of arrays must be different, and UTF-8", path);
    ls_new_file file;
    ls_status status = ls_new_file_open(&file, path);
    if (status == LS_OK) status = ls_new_file_finish(&file, write_all(&file, header, count, arrays), true);
    free(header);
    return status;
}

/* ---- a model ------------------------------------------------------------------------------------------------ */

/* Arrays that grow in number; what they point to lives in the pool. */
typedef struct collection {
    ls_pool *pool;
    ls_export_array *arrays;
    size_t count;
} collection;

/* Preprocessing adds at most so many arrays. */
enum { AFFINE_ARRAYS = 3 };

static ls_status add_affine(collection *c, const char *name, ls_shape shape, const ls_export_affine *affine) {
    size_t size = ls_shape_size(shape);
    const float *values[AFFINE_ARRAYS] = {affine->shift, affine->factor, affine->matrix};
    static const char *const words[AFFINE_ARRAYS] = {"shift", "factor", "matrix"};
    for (size_t i = 0; i < AFFINE_ARRAYS; i++) {
        if (!values[i]) continue;
        ls_export_array *array = &c->arrays[c->count++];
        *array = (ls_export_array){.shape = shape, .values = values[i]};
        if (values[i] == affine->matrix) array->shape = (ls_shape){2, {size, size}};
        LS_TRY(ls_pool_format(c->pool, &array->name, "preprocess/%s/%s", name, words[i]));
    }
    return LS_OK;
}

static ls_status add_params(collection *c, const ls_export *what) {
    const ls_params *params = ls_graph_params(what->graph);
    for (size_t i = 0; i < ls_params_count(params); i++) {
        const ls_param *param = ls_params_at(params, i);
        ls_export_array *array = &c->arrays[c->count++];
        void *values = NULL;
        LS_TRY(ls_pool_take(c->pool, ls_shape_size(param->shape) * sizeof(float), &values));
        ls_param_export(params, i, what->weights, values);
        array->shape = param->shape;
        array->values = values;
        LS_TRY(ls_pool_format(c->pool, &array->name, "%s/%s", param->layer, param->name));
    }
    return LS_OK;
}

static ls_status collect(collection *c, const ls_export *what) {
    size_t most = ls_params_count(ls_graph_params(what->graph)) + AFFINE_ARRAYS * (what->input_count + 1);
    void *arrays = NULL;
    LS_TRY(ls_pool_take(c->pool, most * sizeof *c->arrays, &arrays));
    c->arrays = arrays;
    LS_TRY(add_params(c, what));
    for (size_t i = 0; i < what->input_count; i++) {
        const ls_graph_node *node = ls_graph_at(what->graph, what->inputs[i].node);
        LS_TRY(add_affine(c, node->name, node->shape, &what->inputs[i].preprocess));
    }
    return add_affine(c, "target", ls_graph_at(what->graph, what->output)->shape, &what->target);
}

ls_status ls_export_safetensors(const char *path, const ls_export *what) {
    collection c = {0};
    LS_TRY(ls_pool_create(&c.pool));
    ls_status status = collect(&c, what);
    const char *const notes[] = {"format", "pt", "producer", "lockstep", "producer_version", LOCKSTEP_VERSION};
    if (status == LS_OK) status = ls_export_arrays(path, c.count, c.arrays, 3, notes);
    ls_pool_destroy(c.pool);
    return status;
}
