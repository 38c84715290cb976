/* Binary inputs, IDX and NumPy: what good files become, and what bad ones are told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"
#include "fuzz.h"
#include "imports.h"
#include "support.h"

static ls_pool *pool;
static ls_import import;

static int set_up(void **state) {
    (void)state;
    import = (ls_import){0};
    assert_works(ls_pool_create(&pool));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ls__import_free(&import);
    ls_pool_destroy(pool);
    return 0;
}

#define BYTES(name_, text)                                                                                             \
    { .name = (name_), .bytes = (const unsigned char *)(text), .length = sizeof(text) - 1 }

/* Two images of 2 x 3 bytes. */
#define IMAGES                                                                                                         \
    "\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x03"                                                                       \
    "abcdefghijkl"
#define LABELS                                                                                                         \
    "\0\0\x08\x01\0\0\0\x02"                                                                                           \
    "\x09\x04"

static void images_and_labels_are_read(void **state) {
    (void)state;
    const ls_file files[] = {BYTES("images", IMAGES), BYTES("labels", LABELS)};
    ls_choice idx = support_choose(pool, &ls_format_family, "idx", NULL);
    assert_works(support_import(&idx, files, 2, &import));
    assert_int_equal(import.fields, 2);
    assert_true(ls_shape_equal(import.field[0].shape, (ls_shape){3, {1, 2, 3}}));
    assert_memory_equal(import.field[0].rows.items, "abcdefghijkl", 12);
    assert_int_equal(import.field[1].shape.rank, 0);
    assert_memory_equal(import.field[1].rows.items, "\x09\x04", 2);
    ls__import_free(&import);
    idx = support_choose(pool, &ls_format_family, "idx", "flat", "true", NULL);
    assert_works(support_import(&idx, files, 1, &import));
    assert_true(ls_shape_equal(import.field[0].shape, (ls_shape){1, {6}}));
}

static void big_endian_numbers_are_turned(void **state) {
    (void)state;
    const ls_file file = BYTES("f", "\0\0\x0d\x02\0\0\0\x01\0\0\0\x02"
                                    "\x3f\x80\0\0\xc0\0\0\0");
    ls_choice idx = support_choose(pool, &ls_format_family, "idx", NULL);
    assert_works(support_import(&idx, &file, 1, &import));
    const float expected[] = {1, -2};
    assert_memory_equal(import.field[0].rows.items, expected, sizeof expected);
}

typedef struct bad_pair {
    ls_file files[2];
    const char *says;
} bad_pair;

static const bad_pair bad_pairs[] = {
    {{BYTES("i", "\0\0\x08")}, "i: byte 0: the file has 3 bytes, too few for IDX"},
    {{BYTES("i", "\x89PNG....")}, "i: byte 0: an IDX file starts with two zero bytes, this one with 137, 80"},
    {{BYTES("i", "\0\0\x07\x01\0\0\0\x01x")}, "i: byte 2: unknown element type 7"},
    {{BYTES("i", "\0\0\x08\0")}, "i: byte 3: 0 axes; allowed: 1 to 5"},
    {{BYTES("i", "\0\0\x08\x03\0\0\0\x01")}, "i: byte 8: the file ends within its 3 sizes"},
    {{BYTES("i", "\0\0\x08\x01\0\0\0\0")}, "i: byte 4: axis 0 has size 0"},
    {{BYTES("i", "\0\0\x08\x02\0\0\0\x02\0\0\0\x02xyz")}, "i: byte 12: 3 bytes follow, but the sizes ask for 4"},
    {{BYTES("i", "\0\0\x0e\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")},
     "too large to be true"},
    {{BYTES("i", IMAGES), BYTES("l", "\0\0\x08\x01\0\0\0\x01"
                                     "\x09")},
     "l: byte 4: 1 labels, but i has 2 images"},
    {{BYTES("i", LABELS), BYTES("l", IMAGES)},
     "l: byte 3: labels have one axis, this file has 3 (are the two swapped?)"},
};

static void bad_files_are_told_where_and_what(void **state) {
    (void)state;
    ls_choice idx = support_choose(pool, &ls_format_family, "idx", NULL);
    for (size_t i = 0; i < sizeof bad_pairs / sizeof *bad_pairs; i++) {
        size_t count = bad_pairs[i].files[1].name ? 2 : 1;
        assert_refuses(support_import(&idx, bad_pairs[i].files, count, &import), LS_ERR_DATA, bad_pairs[i].says);
        ls__import_free(&import);
    }
}

/* ---- NumPy ---- */

#define NPY(header) "\x93NUMPY\x01\0\x40\0" header

/* Headers of 64 bytes. */
#define X_HEADER "{'descr': '>i2', 'fortran_order': False, 'shape': (2, 3), }    \n"
#define Y_HEADER "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }      \n"

static void numpy_arrays_are_read(void **state) {
    (void)state;
    const ls_file files[] = {BYTES("x.npy", NPY(X_HEADER) "\0\1\0\2\0\3\xff\xff\1\0\0\0"),
                             BYTES("y.npy", NPY(Y_HEADER) "\0\1")};
    ls_choice npy = support_choose(pool, &ls_format_family, "npy", NULL);
    assert_works(support_import(&npy, files, 2, &import));
    const int16_t expected[] = {1, 2, 3, -1, 256, 0};
    assert_int_equal(import.field[0].dtype, LS_DTYPE_I16);
    assert_memory_equal(import.field[0].rows.items, expected, sizeof expected);
    assert_int_equal(import.field[1].dtype, LS_DTYPE_U8);
}

static void half_floats_become_single_ones(void **state) {
    (void)state;
    const ls_file file = BYTES("x", NPY("{'descr': '>f2', 'fortran_order': False, 'shape': (3, 1), }    \n") "\x3c\0"
                                                                                                             "\xc0\0"
                                                                                                             "\x34\0");
    ls_choice npy = support_choose(pool, &ls_format_family, "npy", NULL);
    assert_works(support_import(&npy, &file, 1, &import));
    assert_int_equal(import.field[0].dtype, LS_DTYPE_F32);
    assert_int_equal(import.field[0].rows.count, 3 * sizeof(float));
    assert_memory_equal(import.field[0].rows.items, ((const float[]){1, -2, 0.25f}), 3 * sizeof(float));
}

static const bad_pair bad_arrays[] = {
    {{BYTES("x", "PK\3\4.........")}, "x: byte 0: this is no NumPy array"},
    {{BYTES("x", "\x93NUMPY\x01\0\xff\xff....")}, "x: byte 8: the file ends within its header"},
    {{BYTES("x", NPY("{'descr': '|O8', 'fortran_order': False, 'shape': (2, 3), }    \n"))},
     "element type '|O8' is not supported; allowed: b1, u1 to u8"},
    {{BYTES("x", NPY("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0), }    \n"))}, "axis 1 has size 0"},
    {{BYTES("x", NPY("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }     \n"))}, "Fortran order"},
    {{BYTES("x", NPY("{'descr': '<f4', 'fortran_order': False, 'shape': (), }        \n") "1234")},
     "the array is one number"},
    {{BYTES("x", NPY("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }     \n"))}, "an axis that is no size"},
    {{BYTES("x", NPY("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }      \n") "1234")},
     "4 bytes follow, but the shape asks for 8"},
    {{BYTES("x", NPY("{'fortran_order': False, 'shape': (2,), }                      \n"))},
     "names no simple element type"},
    {{BYTES("x", NPY(Y_HEADER) "12"),
      BYTES("y", NPY("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }      \n") "1")},
     "y: byte 0: 1 samples, but x has 2"},
};

static void bad_arrays_are_told_where_and_what(void **state) {
    (void)state;
    ls_choice npy = support_choose(pool, &ls_format_family, "npy", NULL);
    for (size_t i = 0; i < sizeof bad_arrays / sizeof *bad_arrays; i++) {
        size_t count = bad_arrays[i].files[1].name ? 2 : 1;
        assert_refuses(support_import(&npy, bad_arrays[i].files, count, &import), LS_ERR_DATA, bad_arrays[i].says);
        ls__import_free(&import);
    }
}

static int import_numpy(const uint8_t *bytes, size_t length) {
    const ls_file file = {.name = "x", .bytes = bytes, .length = length};
    ls_choice npy = support_choose(pool, &ls_format_family, "npy", NULL);
    ls_status_free(support_import(&npy, &file, 1, &import));
    ls__import_free(&import);
    return 0;
}

/* Behind the file there is nothing to read, which a sanitizer sees. */
static void a_header_may_end_anywhere(void **state) {
    (void)state;
    static const char whole[] = NPY(X_HEADER);
    for (size_t length = 12; length < sizeof whole - 1; length++) {
        uint8_t *exact = malloc(length);
        assert_non_null(exact);
        memcpy(exact, whole, length);
        exact[8] = (uint8_t)(length - 10);
        import_numpy(exact, length);
        free(exact);
    }
}

static void mutations_neither_crash_nor_leak(void **state) {
    (void)state;
    static const char pair[] = "\xb6" IMAGES LABELS, array[] = NPY(X_HEADER) "\0\1\0\2\0\3\xff\xff\1\0\0\0";
    support_fuzz(pair, sizeof pair - 1, 4000, LLVMFuzzerTestOneInput);
    support_fuzz(array, sizeof array - 1, 2000, import_numpy);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(images_and_labels_are_read),        TEST(big_endian_numbers_are_turned),
        TEST(bad_files_are_told_where_and_what), TEST(numpy_arrays_are_read),
        TEST(half_floats_become_single_ones),    TEST(bad_arrays_are_told_where_and_what),
        TEST(a_header_may_end_anywhere),         TEST(mutations_neither_crash_nor_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
