/* Damaged checkpoints never bring the program down: no byte of them reaches HDF5 before all are verified. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"
#include "lockstep/checkpoint.h"

enum { MUTATIONS = 4000 };

static char *folder;
static uint8_t *bytes;
static size_t length;

static void write_good_checkpoint(const char *path) {
    static const float weights[40][3];
    const uint64_t numbers[] = {7, LS_CHECKPOINT_FORMAT};
    ls_store_writer *writer;
    size_t index[5];
    assert_works(ls_store_create(path, NULL, &writer));
    assert_works(ls_store_add(writer, "/state/step", LS_DTYPE_U64, 0, NULL, LS_PART_STATE, &index[0]));
    assert_works(ls_store_add(writer, "/provenance/format", LS_DTYPE_U64, 0, NULL, LS_PART_OTHER, &index[1]));
    assert_works(ls_store_add(writer, "/parameters/dense_1/weight", LS_DTYPE_F32, 2, (size_t[]){40, 3}, LS_PART_STATE,
                              &index[2]));
    assert_works(ls_store_add_text(writer, "/config", 12, 0, LS_PART_OTHER, &index[3]));
    assert_works(ls_store_add_text(writer, "/state/ended_by", 4, 0, LS_PART_STATE, &index[4]));
    assert_works(ls_store_seal(writer));
    assert_works(ls_store_fill(writer, index[0], 0, &numbers[0], sizeof numbers[0]));
    assert_works(ls_store_fill(writer, index[1], 0, &numbers[1], sizeof numbers[1]));
    assert_works(ls_store_fill(writer, index[2], 0, weights, sizeof weights));
    assert_works(ls_store_fill(writer, index[3], 0, "batch: 16000", 12));
    assert_works(ls_store_fill(writer, index[4], 0, "time", 4));
    assert_works(ls_store_commit(writer, NULL, NULL));
    ls_store_writer_destroy(writer);
}

static int set_up(void **state) {
    (void)state;
    folder = support_make_folder();
    write_good_checkpoint(support_path(folder, "step.h5"));
    FILE *file = fopen(support_path(folder, "step.h5"), "rb");
    if (!file) return -1;
    fseek(file, 0, SEEK_END);
    length = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(length);
    size_t got = bytes ? fread(bytes, 1, length, file) : 0;
    fclose(file);
    return got == length ? setenv("TMPDIR", folder, 1) : -1;
}

static int tear_down(void **state) {
    (void)state;
    support_remove_folder(folder);
    free(bytes);
    return unsetenv("TMPDIR");
}

static void mutations_are_refused(void **state) {
    (void)state;
    support_fuzz(bytes, length, MUTATIONS, LLVMFuzzerTestOneInput);
}

/* A bit of every byte, and all bits of the seal's last lines, which are read unverified. */
static void a_flipped_bit_is_found(void **state) {
    (void)state;
    const char *path = support_path(folder, "step.h5");
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    setbuf(file, NULL);
    for (size_t bit = 0; bit < 8 * length; bit += bit < 8 * (length - 140) ? 9 : 1) {
        ls_checkpoint *checkpoint;
        fseek(file, (long)(bit / 8), SEEK_SET);
        fputc(bytes[bit / 8] ^ 1 << bit % 8, file);
        ls_status status = ls_checkpoint_open(path, &checkpoint);
        if (status == LS_OK) fail_msg("a flipped bit %zu in byte %zu of %zu is not found", bit % 8, bit / 8, length);
        ls_status_free(status);
        fseek(file, (long)(bit / 8), SEEK_SET);
        fputc(bytes[bit / 8], file);
    }
    fclose(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(mutations_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flipped_bit_is_found, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
