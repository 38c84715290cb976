/* Any bytes are refused or are a checkpoint; HDF5 sees none that were not verified. */
#include "fuzz.h"
#include "lockstep/checkpoint.h"
#include "lockstep/store.h"

static void open_checkpoint(const char *path) {
    ls_checkpoint *checkpoint = NULL;
    ls_store_report report = {0};
    ls_status_free(ls_store_verify(path, &report));
    ls_store_report_free(&report);
    ls_status_free(ls_checkpoint_open(path, &checkpoint));
    ls_checkpoint_close(checkpoint);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    support_fuzz_file(bytes, length, open_checkpoint);
    return 0;
}
