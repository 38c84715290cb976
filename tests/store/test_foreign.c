/* Files as other programs write them: what can be read is, and what cannot is called by its name. */
#include "support.h"

#include <hdf5.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/store.h"

enum { ROWS = 50, COLUMNS = 7 };

static char *folder;
static const char *path;
static ls_store *store;

/* ---- a file of many kinds ------------------------------------------------------------------------------------- */

static void put(hid_t file, const char *name, hid_t type, hid_t memory, hid_t space, hid_t plist, const void *data) {
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    assert_true(dataset >= 0);
    if (data) assert_true(H5Dwrite(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(dataset);
}

static hid_t half_type(void) {
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, 10, 5, 0, 10);
    H5Tset_size(type, 2);
    H5Tset_ebias(type, 15);
    return type;
}

static void put_layouts(hid_t file) {
    static float x[ROWS][COLUMNS];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++) x[i][j] = (float)(i * 100 + j);
    hid_t space = H5Screate_simple(2, (hsize_t[]){ROWS, COLUMNS}, NULL);
    put(file, "plain", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, space, H5P_DEFAULT, x);
    put(file, "big_endian", H5T_IEEE_F32BE, H5T_NATIVE_FLOAT, space, H5P_DEFAULT, x);
    put(file, "never_written", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, space, H5P_DEFAULT, NULL);
    hid_t half = half_type();
    put(file, "half", half, H5T_NATIVE_FLOAT, space, H5P_DEFAULT, x);
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 2, (hsize_t[]){16, 4});
    put(file, "chunked", H5T_IEEE_F64BE, H5T_NATIVE_FLOAT, space, plist, x);
    H5Pset_deflate(plist, 4);
    put(file, "gzip", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, space, plist, x);
    H5Pclose(plist);
    plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(plist, H5D_COMPACT);
    put(file, "compact", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, space, plist, x);
    H5Pclose(plist);
    H5Tclose(half);
    H5Sclose(space);
}

static void put_types(hid_t file) {
    hid_t scalar = H5Screate(H5S_SCALAR), none = H5Screate(H5S_NULL), three = H5Screate_simple(1, (hsize_t[]){3}, NULL);
    hid_t boolean = H5Tenum_create(H5T_NATIVE_INT8);
    signed char no = 0, yes = 1;
    H5Tenum_insert(boolean, "FALSE", &no);
    H5Tenum_insert(boolean, "TRUE", &yes);
    put(file, "boolean", boolean, boolean, three, H5P_DEFAULT, (signed char[]){1, 0, 1});
    put(file, "answer", H5T_STD_I16BE, H5T_NATIVE_INT, scalar, H5P_DEFAULT, &(int){42});
    hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, H5T_VARIABLE);
    put(file, "words", text, text, three, H5P_DEFAULT, (const char *[]){"one", "", "three"});
    put(file, "word", text, text, scalar, H5P_DEFAULT, (const char *[]){"alone"});
    hid_t pair = H5Tcreate(H5T_COMPOUND, 8);
    H5Tinsert(pair, "re", 0, H5T_NATIVE_FLOAT);
    H5Tinsert(pair, "im", 4, H5T_NATIVE_FLOAT);
    put(file, "complex", pair, pair, three, H5P_DEFAULT, NULL);
    hid_t odd = H5Tcopy(H5T_STD_I32LE);
    H5Tset_precision(odd, 20);
    put(file, "odd", odd, odd, three, H5P_DEFAULT, NULL);
    put(file, "empty", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, none, H5P_DEFAULT, NULL);
    H5Lcreate_soft("/plain", file, "link", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/nowhere", file, "dangling", H5P_DEFAULT, H5P_DEFAULT);
    H5Tclose(odd);
    H5Tclose(pair);
    H5Tclose(text);
    H5Tclose(boolean);
    H5Sclose(three);
    H5Sclose(none);
    H5Sclose(scalar);
}

/* Arrays of another file. What stands there under the links' own names is something else. */
static void put_links(hid_t file) {
    static float x[ROWS][COLUMNS], wide[2][200000];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++) x[i][j] = (float)(i * 100 + j);
    wide[1][7] = 17;
    hid_t other = H5Fcreate(support_path(folder, "other.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(2, (hsize_t[]){ROWS, COLUMNS}, NULL);
    put(other, "there", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, space, H5P_DEFAULT, x);
    H5Sclose(space);
    space = H5Screate_simple(2, (hsize_t[]){2, 200000}, NULL);
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 2, (hsize_t[]){2, 200000});
    put(other, "wide_there", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, space, plist, wide);
    put(other, "wide_link", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, space, plist, NULL);
    H5Pclose(plist);
    H5Sclose(space);
    H5Fclose(other);
    H5Lcreate_external("other.h5", "/there", file, "external", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/wide_there", file, "wide_link", H5P_DEFAULT, H5P_DEFAULT);
}

/* With a user block before HDF5's own structures, as MATLAB has. */
static int write_file(void **state) {
    (void)state;
    folder = support_make_folder();
    path = support_path(folder, "foreign.h5");
    hid_t creation = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_userblock(creation, 512);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, creation, H5P_DEFAULT);
    H5Pclose(creation);
    put_layouts(file);
    put_types(file);
    put_links(file);
    H5Fclose(file);
    ls_status status = ls_store_open(path, &store);
    if (status != LS_OK) print_error("%s\n", ls_status_message(status));
    return status != LS_OK;
}

static int remove_file(void **state) {
    (void)state;
    ls_store_close(store);
    support_remove_folder(folder);
    return 0;
}

/* ---- reading it ------------------------------------------------------------------------------------------------- */

static const ls_array *find(const char *name) {
    const ls_array *array;
    assert_works(ls_store_find(store, name, &array));
    return array;
}

static void rows_come_whatever_the_layout(void **state) {
    (void)state;
    const char *names[] = {"/plain", "/big_endian", "/half", "/chunked", "/gzip", "/compact", "/link", "/external"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        const ls_array *array = find(names[n]);
        double rows[20][COLUMNS];
        assert_int_equal(array->rows, ROWS);
        assert_works(ls_store_read_as(store, array, 13, 20, LS_DTYPE_F64, rows));
        for (int i = 0; i < 20; i++)
            for (int j = 0; j < COLUMNS; j++) {
                double value = (i + 13) * 100 + j;
                /* A half has 11 bits. */
                if (strcmp(names[n], "/half") == 0)
                    assert_true(rows[i][j] <= value + 2 && rows[i][j] >= value - 2);
                else
                    assert_true(rows[i][j] == value);
            }
    }
}

static void what_lies_plain_is_read_directly(void **state) {
    (void)state;
    float row[COLUMNS];
    assert_true(find("/plain")->direct);
    assert_true(find("/plain")->offset > 512);
    assert_works(ls_store_read(store, find("/plain"), 49, 1, row));
    assert_true(row[6] == 4906.0f);
    assert_true(find("/half")->direct);
    assert_int_equal(find("/half")->dtype, LS_DTYPE_F16);
    assert_false(find("/big_endian")->direct);
    assert_false(find("/chunked")->direct);
    assert_int_equal(find("/chunked")->chunk_rows, 16);
    assert_false(find("/chunked")->filtered);
    assert_true(find("/gzip")->filtered);
    assert_false(find("/compact")->direct);
    assert_false(find("/external")->direct);
    assert_false(find("/never_written")->direct);
    assert_works(ls_store_read(store, find("/never_written"), 0, 1, row));
    assert_true(row[0] == 0.0f);
}

static void booleans_scalars_and_texts_are_read(void **state) {
    (void)state;
    signed char flags[3];
    const ls_array *boolean = find("/boolean");
    assert_int_equal(boolean->dtype, LS_DTYPE_I8);
    assert_works(ls_store_read(store, boolean, 0, 3, flags));
    assert_true(flags[0] == 1 && flags[1] == 0 && flags[2] == 1);
    int64_t answer;
    assert_works(ls_store_get_integer(store, "/answer", &answer));
    assert_int_equal(answer, 42);
    ls_text text = {0};
    assert_int_equal(find("/words")->item_bytes, 0);
    for (size_t i = 0; i < 3; i++) assert_works(ls_store_read_text(store, find("/words"), i, &text));
    assert_works(ls_store_get_text(store, "/word", &text));
    assert_string_equal(text.bytes, "onethreealone");
    ls_text_free(&text);
}

static void what_cannot_be_read_is_called_by_its_name(void **state) {
    (void)state;
    char row[64];
    assert_refuses(ls_store_read(store, find("/complex"), 0, 1, row), LS_ERR_DATA, "/complex holds a compound type");
    assert_refuses(ls_store_read(store, find("/odd"), 0, 1, row), LS_ERR_DATA, "neither IEEE nor of a whole number");
    assert_refuses(ls_store_read(store, find("/empty"), 0, 1, row), LS_ERR_DATA, "/empty is empty");
    const ls_array *array;
    assert_refuses(ls_store_find(store, "/dangling", &array), LS_ERR_DATA,
                   "/dangling not found: /dangling is a link that leads nowhere");
    assert_refuses(ls_store_verify(path, NULL), LS_ERR_DATA, "was not written by lockstep");
}

static void all_are_listed_also_what_cannot_be_read(void **state) {
    (void)state;
    ls_arrays list;
    assert_works(ls_store_list(store, "/", &list));
    assert_int_equal(list.count, 14);
    for (size_t i = 1; i < list.count; i++) assert_true(strcmp(list.items[i - 1]->path, list.items[i]->path) < 0);
    ls_arrays_free(&list);
}

static void links_lead_to_what_they_name(void **state) {
    (void)state;
    static float wide[2][200000];
    assert_works(ls_store_read(store, find("/wide_link"), 0, 2, wide));
    assert_true(wide[1][7] == 17.0f);
    ls_text link = {0};
    assert_works(ls_store_find_link(store, &link));
    assert_string_equal(link.bytes, "/dangling");
    ls_text_free(&link);
}

static void *read_much(void *argument) {
    float row[COLUMNS];
    double doubles[COLUMNS];
    for (size_t i = 0; i < 2000; i++) {
        const ls_array *array;
        assert_works(ls_store_find(store, i % 2 ? "/gzip" : "/plain", &array));
        assert_works(ls_store_read(store, array, i % ROWS, 1, row));
        assert_true(row[2] == (float)(i % ROWS * 100 + 2));
        assert_works(ls_store_read_as(store, find("/chunked"), i % ROWS, 1, LS_DTYPE_F64, doubles));
        assert_true(doubles[3] == (double)(i % ROWS * 100 + 3));
    }
    return argument;
}

static void several_threads_read_one_file(void **state) {
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, read_much, NULL), 0);
    for (size_t i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_whatever_the_layout),
        cmocka_unit_test(what_lies_plain_is_read_directly),
        cmocka_unit_test(booleans_scalars_and_texts_are_read),
        cmocka_unit_test(what_cannot_be_read_is_called_by_its_name),
        cmocka_unit_test(all_are_listed_also_what_cannot_be_read),
        cmocka_unit_test(links_lead_to_what_they_name),
        cmocka_unit_test(several_threads_read_one_file),
    };
    return cmocka_run_group_tests(tests, write_file, remove_file);
}
