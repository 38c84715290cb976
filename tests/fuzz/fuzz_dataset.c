/*
 * Any bytes, as an HDF5 file, are refused, or can be listed and read. Much of what runs here is the HDF5 library, whose
 * own crashes and endless loops on damaged files are not ours to mend; files with a seal it does not see.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "lockstep/store.h"

enum { MOST_BYTES = 1 << 20 };

static void read_array(ls_store *store, const ls_array *array) {
    ls_text text = {0};
    if (array->refusal) return;
    if (array->dtype == LS_DTYPE_TEXT) {
        size_t items = array->item_bytes ? array->bytes / array->item_bytes : array->rows;
        if (items) ls_status_free(ls_store_read_text(store, array, 0, &text));
        ls_text_free(&text);
        return;
    }
    size_t rows =
        array->row_bytes && array->rows > MOST_BYTES / array->row_bytes ? MOST_BYTES / array->row_bytes : array->rows;
    void *values = malloc(rows * array->row_bytes + 1);
    if (values && rows) ls_status_free(ls_store_read(store, array, array->rows - rows, rows, values));
    free(values);
    double number;
    ls_status_free(ls_store_get_real(store, array->path, &number));
}

size_t support_read_store(const char *path) {
    ls_store *store = NULL;
    ls_arrays arrays = {0};
    ls_status status = ls_store_open(path, &store);
    if (status == LS_OK) status = ls_store_list(store, "/", &arrays);
    size_t count = status == LS_OK ? arrays.count : 0;
    for (size_t i = 0; i < count; i++) read_array(store, arrays.items[i]);
    ls_status_free(status);
    ls_arrays_free(&arrays);
    ls_store_close(store);
    return count;
}

static void read_all(const char *path) {
    support_read_store(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    support_fuzz_file(bytes, length, read_all);
    return 0;
}
