/*
 * Any bytes, as an HDF5 file, are refused, or can be listed, read and verified, and opened as a checkpoint. Much of
 * what runs here is the HDF5 library, whose own crashes and endless loops on damaged files are not ours to mend; the
 * program reads nothing of a checkpoint before its checksums agree but through ls_store_verify().
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "lockstep/checkpoint.h"
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

static void read_all(const char *path) {
    ls_store *store = NULL;
    ls_arrays arrays = {0};
    ls_status status = ls_store_open(path, &store);
    if (status == LS_OK) status = ls_store_list(store, "/", &arrays);
    for (size_t i = 0; status == LS_OK && i < arrays.count; i++) read_array(store, arrays.items[i]);
    ls_status_free(status);
    ls_arrays_free(&arrays);
    ls_store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    char path[64];
    ls_checkpoint *checkpoint = NULL;
    ls_store_report report = {0};
    int fd = memfd_create("fuzz", 0);
    if (fd < 0 || write(fd, bytes, length) != (ssize_t)length) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_all(path);
    ls_status_free(ls_store_verify(path, &report));
    ls_store_report_free(&report);
    ls_status_free(ls_checkpoint_open(path, &checkpoint));
    ls_checkpoint_close(checkpoint);
    close(fd);
    return 0;
}
