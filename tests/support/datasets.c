#include "datasets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

static void write_arrays(const char *path, const support_array *arrays, bool blocks) {
    ls_store_writer *writer = NULL;
    size_t index[16] = {0}, count = 0;
    assert_works(ls_store_create(path, NULL, &writer));
    for (const support_array *a = arrays; a->path; a++, count++) {
        assert_works(ls_store_add(writer, a->path, a->dtype, a->rank, a->dim, LS_PART_STATE, &index[count]));
        if (blocks) assert_works(ls_store_add_blocks(writer, index[count]));
    }
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

void support_write_arrays(const char *path, const support_array *arrays) {
    write_arrays(path, arrays, false);
}

void support_write_checked_arrays(const char *path, const support_array *arrays) {
    write_arrays(path, arrays, true);
}

void support_flip(const char *file, const char *array, size_t at) {
    ls_store *store = NULL;
    const ls_array *found = NULL;
    unsigned char byte = 0;
    assert_works(ls_store_open(file, &store));
    assert_works(ls_store_find(store, array, &found));
    assert_true(found->direct && at < found->bytes);
    off_t offset = (off_t)(found->offset + at);
    ls_store_close(store);
    int fd = open(file, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
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
