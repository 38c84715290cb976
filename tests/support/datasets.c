#include "datasets.h"

#include <stdlib.h>

#include "support.h"

void support_write_arrays(const char *path, const support_array *arrays) {
    ls_store_writer *writer = NULL;
    size_t index[16] = {0}, count = 0;
    assert_works(ls_store_create(path, NULL, &writer));
    for (const support_array *a = arrays; a->path; a++, count++)
        assert_works(ls_store_add(writer, a->path, a->dtype, a->rank, a->dim, LS_PART_STATE, &index[count]));
    assert_works(ls_store_seal(writer));
    for (size_t i = 0; i < count; i++) {
        const support_array *a = &arrays[i];
        size_t bytes = ls_dtype_size(a->dtype);
        for (size_t k = 0; k < a->rank; k++) bytes *= a->dim[k];
        assert_works(ls_store_fill(writer, index[i], 0, a->bytes, bytes));
    }
    assert_works(ls_store_commit(writer, NULL, NULL));
    ls_store_writer_destroy(writer);
}

ls_data_options support_data_options(ls_pool *pool, ...) {
    const ls_place place = {"test.yaml", 1, 1};
    ls_document *map = NULL;
    ls_data_options options = {0};
    assert_works(ls_document_map(pool, place, &map));
    va_list pairs;
    va_start(pairs, pool);
    for (const char *key = va_arg(pairs, const char *); key; key = va_arg(pairs, const char *)) {
        ls_document *value = NULL;
        assert_works(ls_document_scalar(pool, place, va_arg(pairs, const char *), false, &value));
        assert_works(ls_document_put(pool, map, key, place, value));
    }
    va_end(pairs);
    assert_works(ls_options_bind(ls_data_rows, "data", map, pool, &options));
    return options;
}
