/* Checksums of blocks of rows: what they cover, what they find, and that they are the same however rows are written. */
#include "support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "datasets.h"
#include "lockstep/store.h"

/* Rows of 132 bytes make blocks of 124, the last short; rows of 20,000 bytes are blocks of their own. */
enum { ROWS = 300, COLUMNS = 33, BLOCK = 124, WIDE_ROWS = 5, WIDE = 5000 };

static char *folder;
static float narrow[ROWS * COLUMNS], wide[WIDE_ROWS * WIDE];

static int set_up(void **state) {
    (void)state;
    folder = support_make_folder();
    for (size_t i = 0; i < ROWS * COLUMNS; i++) narrow[i] = (float)support_random(1, i);
    for (size_t i = 0; i < WIDE_ROWS * WIDE; i++) wide[i] = (float)support_random(2, i);
    const support_array arrays[] = {{"/train/x", LS_DTYPE_F32, 2, {ROWS, COLUMNS}, narrow},
                                    {"/train/w", LS_DTYPE_F32, 2, {WIDE_ROWS, WIDE}, wide},
                                    {0}};
    support_write_checked_arrays(support_path(folder, "a.h5"), arrays);
    support_write_arrays(support_path(folder, "none.h5"), arrays);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    support_remove_folder(folder);
    return 0;
}

static void copy_to(const char *name) {
    char command[2048];
    snprintf(command, sizeof command, "cp %s %s", support_path(folder, "a.h5"), support_path(folder, name));
    assert_int_equal(system(command), 0);
}

static ls_store *open_store(const char *name, const char *path, const ls_array **array) {
    ls_store *store = NULL;
    assert_works(ls_store_open(support_path(folder, name), &store));
    assert_works(ls_store_find(store, path, array));
    return store;
}

static void check_rows(ls_store *store, const ls_array *array, const char *expected, size_t first, size_t count) {
    char *rows = malloc(count * array->row_bytes + 1);
    assert_non_null(rows);
    rows[count * array->row_bytes] = 77;
    assert_works(ls_store_read_checked(store, array, first, count, rows));
    assert_memory_equal(rows, expected + first * array->row_bytes, count * array->row_bytes);
    assert_int_equal(rows[count * array->row_bytes], 77);
    free(rows);
}

static void any_rows_come_back(void **state) {
    (void)state;
    const struct {
        const char *file, *path;
        const float *values;
        size_t block_rows;
    } arrays[] = {
        {"a.h5", "/train/x", narrow, BLOCK}, {"a.h5", "/train/w", wide, 1}, {"none.h5", "/train/x", narrow, 0}};
    for (size_t a = 0; a < 3; a++) {
        const ls_array *array;
        ls_store *store = open_store(arrays[a].file, arrays[a].path, &array);
        assert_int_equal(array->block_rows, arrays[a].block_rows);
        for (size_t first = 0; first < array->rows; first++)
            for (size_t count = 0; first + count <= array->rows; count += 1 + count / 2)
                check_rows(store, array, (const char *)arrays[a].values, first, count);
        for (size_t first = 0; first <= array->rows; first++)
            check_rows(store, array, (const char *)arrays[a].values, first, array->rows - first);
        ls_store_close(store);
    }
}

/* Anyone can compute them: that is part of the format. */
static void a_checksum_is_that_of_the_rows_bytes(void **state) {
    (void)state;
    const ls_array *table;
    uint64_t words[4];
    ls_store *store = open_store("a.h5", "/checksums/blocks/train/x", &table);
    assert_int_equal(table->rows, 4);
    assert_int_equal(table->block_rows, 0);
    assert_works(ls_store_read(store, table, 0, 4, words));
    assert_int_equal(words[0], BLOCK);
    for (size_t i = 0; i < 3; i++) {
        size_t first = i * BLOCK, rows = first + BLOCK < ROWS ? BLOCK : ROWS - first;
        assert_true(words[1 + i] == XXH3_64bits(narrow + first * COLUMNS, rows * COLUMNS * sizeof *narrow));
    }
    ls_store_close(store);
}

static void a_flipped_bit_is_found_by_whoever_reads_its_block(void **state) {
    (void)state;
    copy_to("hurt.h5");
    support_flip(support_path(folder, "hurt.h5"), "/train/x", 130 * COLUMNS * sizeof(float));
    support_flip(support_path(folder, "hurt.h5"), "/train/w", 3 * WIDE * sizeof(float));
    static float rows[ROWS * COLUMNS];
    const ls_array *array;
    ls_store *store = open_store("hurt.h5", "/train/x", &array);
    const size_t bad[][2] = {{0, 300}, {130, 1}, {124, 1}, {247, 1}, {200, 100}, {0, 125}, {123, 2}, {124, 124}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refuses(ls_store_read_checked(store, array, bad[i][0], bad[i][1], rows), LS_ERR_IO,
                       "hurt.h5:/train/x: rows 124 to 247 differ from their checksum");
    check_rows(store, array, (const char *)narrow, 0, 124);
    check_rows(store, array, (const char *)narrow, 248, 52);
    assert_works(ls_store_read(store, array, 130, 1, rows));
    ls_store_close(store);
    store = open_store("hurt.h5", "/train/w", &array);
    assert_refuses(ls_store_read_checked(store, array, 3, 1, rows), LS_ERR_IO, "hurt.h5:/train/w: rows 3 to 3 differ");
    check_rows(store, array, (const char *)wide, 0, 3);
    check_rows(store, array, (const char *)wide, 4, 1);
    ls_store_close(store);
}

static void verifying_names_the_rows(void **state) {
    (void)state;
    ls_store_report report = {0};
    assert_works(ls_store_verify(support_path(folder, "a.h5"), &report));
    assert_int_equal(report.blocks, 3 + WIDE_ROWS);
    ls_store_report_free(&report);
    copy_to("last.h5");
    support_flip(support_path(folder, "last.h5"), "/train/x", ROWS * COLUMNS * sizeof(float) - 1);
    assert_refuses(ls_store_verify(support_path(folder, "last.h5"), &report), LS_ERR_IO,
                   "/train/x: rows 248 to 299 differ from their checksum");
    assert_int_equal(report.damaged, 1);
    ls_store_report_free(&report);
    support_flip(support_path(folder, "last.h5"), "/train/x", 0);
    assert_refuses(ls_store_verify(support_path(folder, "last.h5"), NULL), LS_ERR_IO,
                   "/train/x: rows 0 to 123, and others, differ from their checksum");
    copy_to("table.h5");
    support_flip(support_path(folder, "table.h5"), "/checksums/blocks/train/x", 2 * sizeof(uint64_t));
    assert_refuses(ls_store_verify(support_path(folder, "table.h5"), NULL), LS_ERR_IO,
                   "/checksums/file: the file's structure or size differs from its checksum");
}

/*
 * How many rows a block has is the table's first number; any that does not go with the rest of it is refused. A sealed
 * file is refused whole, so this one has lost its seal.
 */
static void a_table_that_does_not_fit_is_refused(void **state) {
    (void)state;
    const uint64_t wrong[] = {0, 1, 99, 125 * 1000, UINT64_MAX};
    float row[COLUMNS];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        copy_to("misfit.h5");
        const ls_array *array;
        ls_store *store = open_store("misfit.h5", "/checksums/blocks/train/x", &array);
        int fd = open(support_path(folder, "misfit.h5"), O_RDWR);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, &wrong[i], sizeof wrong[i], (off_t)array->offset), sizeof wrong[i]);
        assert_int_equal(ftruncate(fd, (off_t)ls_store_bytes(store) - 1), 0);
        close(fd);
        ls_store_close(store);
        store = open_store("misfit.h5", "/train/x", &array);
        assert_refuses(ls_store_read_checked(store, array, 0, 1, row), LS_ERR_IO,
                       "/checksums/blocks/train/x does not fit /train/x");
        ls_store_close(store);
    }
}

static void write_in_pieces(const char *name, size_t piece) {
    ls_store_writer *writer;
    size_t x;
    assert_works(ls_store_create(support_path(folder, name), NULL, &writer));
    assert_works(ls_store_add(writer, "/x", LS_DTYPE_F32, 2, (size_t[]){ROWS, COLUMNS}, LS_PART_STATE, &x));
    assert_works(ls_store_add_blocks(writer, x));
    assert_works(ls_store_seal(writer));
    for (size_t at = 0; at < sizeof narrow; at += piece)
        assert_works(ls_store_fill(writer, x, at, (const char *)narrow + at,
                                   sizeof narrow - at < piece ? sizeof narrow - at : piece));
    assert_works(ls_store_commit(writer, NULL, NULL));
    ls_store_writer_destroy(writer);
}

static void the_pieces_of_writing_do_not_matter(void **state) {
    (void)state;
    write_in_pieces("whole.h5", sizeof narrow);
    const size_t pieces[] = {1, 100, COLUMNS * sizeof *narrow, 16 << 10, 20000};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        char command[2048];
        write_in_pieces("pieces.h5", pieces[i]);
        assert_works(ls_store_verify(support_path(folder, "pieces.h5"), NULL));
        snprintf(command, sizeof command, "cmp %s %s", support_path(folder, "whole.h5"),
                 support_path(folder, "pieces.h5"));
        assert_int_equal(system(command), 0);
    }
}

static void an_empty_array_needs_none(void **state) {
    (void)state;
    const support_array arrays[] = {{"/x", LS_DTYPE_F32, 2, {0, 3}, narrow}, {0}};
    const ls_array *array;
    support_write_checked_arrays(support_path(folder, "empty.h5"), arrays);
    ls_store *store = open_store("empty.h5", "/x", &array);
    assert_int_equal(array->block_rows, 0);
    assert_false(ls_store_exists(store, "/checksums/blocks"));
    ls_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_rows_come_back),
        cmocka_unit_test(a_checksum_is_that_of_the_rows_bytes),
        cmocka_unit_test(a_flipped_bit_is_found_by_whoever_reads_its_block),
        cmocka_unit_test(verifying_names_the_rows),
        cmocka_unit_test(a_table_that_does_not_fit_is_refused),
        cmocka_unit_test(the_pieces_of_writing_do_not_matter),
        cmocka_unit_test(an_empty_array_needs_none),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
