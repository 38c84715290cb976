/*
 * Damaged files of other programs do not bring our code down: mutations of a data set, each in a process of its own,
 * since the HDF5 library has crashes and endless loops of its own on such files. Those are counted and told; what
 * happens in our own code fails the test. What lockstep wrote is refused before HDF5 sees it: checkpoint/test_bytes.c.
 */
#include "support.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <hdf5.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"
#include "lockstep/random.h"

enum { MUTATIONS = 400, LONGEST = 5, EXIT_IN_HDF5 = 42, EXIT_IN_OURS = 43 };

static char *folder;

static int set_up(void **state) {
    (void)state;
    folder = support_make_folder();
    return setenv("TMPDIR", folder, 1); /* what a child leaves that does not come to its end */
}

static int tear_down(void **state) {
    (void)state;
    support_remove_folder(folder);
    return unsetenv("TMPDIR");
}

/* ---- a good file ------------------------------------------------------------------------------------------------ */

/* As other programs write them: chunks, compression, strings of any length, groups. */
static void write_data_set(const char *path) {
    static const float x[64][5];
    static const char *const names[] = {"zero", "one", "two"};
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t group = H5Gcreate2(file, "train", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(2, (hsize_t[]){64, 5}, NULL), three = H5Screate_simple(1, (hsize_t[]){3}, NULL);
    hid_t chunks = H5Pcreate(H5P_DATASET_CREATE), text = H5Tcopy(H5T_C_S1);
    H5Pset_chunk(chunks, 2, (hsize_t[]){16, 5});
    H5Pset_deflate(chunks, 1);
    H5Tset_size(text, H5T_VARIABLE);
    const struct {
        const char *name;
        hid_t type, memory, space, plist;
        const void *data;
    } sets[] = {
        {"x", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, space, chunks, x},
        {"y", H5T_IEEE_F64BE, H5T_NATIVE_FLOAT, space, H5P_DEFAULT, x},
        {"names", text, text, three, H5P_DEFAULT, names},
    };
    for (size_t i = 0; i < 3; i++) {
        hid_t set =
            H5Dcreate2(group, sets[i].name, sets[i].type, sets[i].space, H5P_DEFAULT, sets[i].plist, H5P_DEFAULT);
        assert_true(H5Dwrite(set, sets[i].memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, sets[i].data) >= 0);
        H5Dclose(set);
    }
    H5Tclose(text);
    H5Pclose(chunks);
    H5Sclose(space);
    H5Sclose(three);
    H5Gclose(group);
    H5Fclose(file);
}

/* ---- one file in a process of its own --------------------------------------------------------------------------- */

/* Of the address sanitizer, where the build has it: it ends the process by itself. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

/* Whose code is it? The first frame that is neither of the C library nor of the two handlers tells. */
static void tell(void) {
    void *frames[64];
    int count = backtrace(frames, 64);
    /* Before them stands the sanitizer's own backtrace(). */
    for (int i = __sanitizer_set_death_callback ? 3 : 2; i < count; i++) {
        Dl_info info;
        if (!dladdr(frames[i], &info) || !info.dli_fname) continue;
        if (strstr(info.dli_fname, "libhdf5") || strstr(info.dli_fname, "libz.so")) _exit(EXIT_IN_HDF5);
        if (!strstr(info.dli_fname, "/libc.so") && !strstr(info.dli_fname, "san.so")) break;
    }
    _exit(EXIT_IN_OURS);
}

static void on_signal(int number) {
    (void)number;
    tell();
}

static void on_report(void) {
    tell();
}

static int try_in_child(const uint8_t *bytes, size_t length) {
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGALRM};
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        void *first[2];
        backtrace(first, 2); /* loads what it needs while all is well */
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) signal(numbers[i], on_signal);
        if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(on_report);
        alarm(LONGEST);
        _exit(LLVMFuzzerTestOneInput(bytes, length));
    }
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    return WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
}

/* Mostly the bytes that are structure, and values that lengths and addresses break at. */
static void mutate(uint64_t seed, uint8_t *bytes, size_t length) {
    static const uint8_t spice[] = {0, 1, 2, 7, 0x10, 0x7f, 0x80, 0xfe, 0xff};
    uint32_t next = 0;
    size_t changes = 1 + ls_random_below(ls_random(seed, LS_PURPOSE_TEST, 1, 0, next++), 4);
    for (size_t i = 0; i < changes; i++) {
        size_t at = ls_random_below(ls_random(seed, LS_PURPOSE_TEST, 1, 0, next++), length);
        uint64_t how = ls_random_below(ls_random(seed, LS_PURPOSE_TEST, 1, 0, next++), 4);
        uint64_t which = ls_random_below(ls_random(seed, LS_PURPOSE_TEST, 1, 0, next++), 256);
        if (how == 0)
            bytes[at] ^= (uint8_t)(1u << which % 8);
        else if (how == 1)
            bytes[at] = (uint8_t)which;
        else
            bytes[at] = spice[which % sizeof spice];
    }
}

static uint8_t *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *length = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*length);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *length, file), *length);
    fclose(file);
    return bytes;
}

static void try_mutations(const char *path) {
    size_t length, in_hdf5 = 0, in_ours = 0;
    uint8_t *bytes = read_file(path, &length), *work = malloc(length);
    assert_non_null(work);
    assert_true(support_read_store(path) >= 3); /* the whole file is read */
    for (uint64_t seed = 0; seed < MUTATIONS; seed++) {
        memcpy(work, bytes, length);
        mutate(seed, work, length);
        int code = try_in_child(work, seed % 16 == 15 ? length * (seed % 61) / 61 : length);
        in_hdf5 += code == EXIT_IN_HDF5;
        if (code == 0 || code == EXIT_IN_HDF5) continue;
        in_ours++;
        print_error("mutation %d: ends with %d\n", (int)seed, code);
    }
    if (in_hdf5) print_message("%zu of %d mutations end in the HDF5 library\n", in_hdf5, MUTATIONS);
    assert_int_equal(in_ours, 0);
    free(bytes);
    free(work);
}

static void damaged_data_sets_are_refused(void **state) {
    (void)state;
    write_data_set(support_path(folder, "data.h5"));
    try_mutations(support_path(folder, "data.h5"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(damaged_data_sets_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
