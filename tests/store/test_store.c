#include "support.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lockstep/store.h"

static char *folder;

static int make_folder(void **state) {
    (void)state;
    folder = support_make_folder();
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    support_remove_folder(folder);
    return 0;
}

/* ---- files to test with ------------------------------------------------------------------------------------- */

enum { ROWS = 300, COLUMNS = 33 };

/* A file of several arrays; `seed` decides the values, `host` the provenance. */
static void write_sample(const char *path, uint64_t seed, const char *host) {
    static float weights[ROWS * COLUMNS];
    static double slots[1000];
    for (size_t i = 0; i < ROWS * COLUMNS; i++) weights[i] = (float)support_random(seed, i);
    for (size_t i = 0; i < 1000; i++) slots[i] = support_random(seed + 1, i);
    uint64_t step = 12 + seed;
    ls_store_writer *writer;
    size_t w, s, t, h, c;
    assert_works(ls_store_create(path, NULL, &writer));
    assert_works(ls_store_add(writer, "/parameters/dense_1/weight", LS_DTYPE_F32, 2, (size_t[]){ROWS, COLUMNS},
                              LS_PART_STATE, &w));
    assert_works(ls_store_add_blocks(writer, w));
    assert_works(ls_store_add(writer, "/optimizer/velocity/dense_1/weight", LS_DTYPE_F64, 1, (size_t[]){1000},
                              LS_PART_STATE, &s));
    assert_works(ls_store_add(writer, "/state/step", LS_DTYPE_U64, 0, NULL, LS_PART_STATE, &t));
    assert_works(ls_store_add_text(writer, "/config", 5, 0, LS_PART_STATE, &c));
    assert_works(ls_store_add_text(writer, "/provenance/host", strlen(host), 0, LS_PART_OTHER, &h));
    assert_works(ls_store_seal(writer));
    assert_works(ls_store_append(writer, w, weights, 100));
    assert_works(ls_store_append(writer, w, weights + 100 * COLUMNS, ROWS - 100));
    assert_works(ls_store_fill(writer, s, 4000, (char *)slots + 4000, 4000));
    assert_works(ls_store_fill(writer, s, 0, slots, 4000));
    assert_works(ls_store_fill(writer, t, 0, &step, sizeof step));
    assert_works(ls_store_fill(writer, c, 0, "a: 1\n", 5));
    if (*host) assert_works(ls_store_fill(writer, h, 0, host, strlen(host)));
    assert_works(ls_store_commit(writer, NULL, NULL));
    ls_store_writer_destroy(writer);
}

static char *read_all(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    char *all = malloc(*bytes + 1);
    assert_non_null(all);
    assert_int_equal(fread(all, 1, *bytes, file), *bytes);
    fclose(file);
    return all;
}

static void write_all(const char *path, const void *bytes, size_t count) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    fclose(file);
}

static uint64_t state_of(const char *path) {
    ls_store *store;
    uint64_t state;
    assert_works(ls_store_open(path, &store));
    assert_works(ls_store_state(store, &state));
    ls_store_close(store);
    return state;
}

/* ---- round trips -------------------------------------------------------------------------------------------- */

enum { KINDS = 3 };
static const size_t kind_rank[KINDS] = {0, 3, 2}, kind_dim[KINDS][3] = {{0}, {2, 3, 4}, {0, 5}};

static const char *array_name(int dtype, size_t kind) {
    static char name[64];
    snprintf(name, sizeof name, "/%s/%zu", ls_dtype_name((ls_dtype)dtype), kind);
    return name;
}

static void every_type_and_shape_comes_back(void **state) {
    (void)state;
    const char *path = support_path(folder, "types.h5");
    unsigned char bytes[2 * 3 * 4 * 8], back[sizeof bytes];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 37 + 11);
    ls_store_writer *writer;
    size_t index[LS_DTYPE_TEXT][KINDS];
    assert_works(ls_store_create(path, "g1", &writer));
    for (int dtype = 0; dtype < LS_DTYPE_TEXT; dtype++)
        for (size_t kind = 0; kind < KINDS; kind++)
            assert_works(ls_store_add(writer, array_name(dtype, kind), (ls_dtype)dtype, kind_rank[kind], kind_dim[kind],
                                      LS_PART_STATE, &index[dtype][kind]));
    assert_works(ls_store_seal(writer));
    for (int dtype = 0; dtype < LS_DTYPE_TEXT; dtype++) {
        size_t size = ls_dtype_size((ls_dtype)dtype);
        assert_works(ls_store_append(writer, index[dtype][0], bytes, 1));
        assert_works(ls_store_append(writer, index[dtype][1], bytes, 1));
        assert_works(ls_store_append(writer, index[dtype][1], bytes + 12 * size, 1));
    }
    assert_works(ls_store_commit(writer, NULL, NULL));
    ls_store_writer_destroy(writer);
    assert_works(ls_store_verify(path, NULL));

    ls_store *store;
    ls_arrays all;
    assert_works(ls_store_open(path, &store));
    assert_works(ls_store_list(store, "/", &all));
    assert_int_equal(all.count, KINDS * LS_DTYPE_TEXT + 3);
    ls_arrays_free(&all);
    for (int dtype = 0; dtype < LS_DTYPE_TEXT; dtype++) {
        const ls_array *array;
        size_t size = ls_dtype_size((ls_dtype)dtype);
        assert_works(ls_store_find(store, array_name(dtype, 0), &array));
        assert_int_equal(array->rank, 0);
        assert_works(ls_store_read(store, array, 0, 1, back));
        assert_memory_equal(back, bytes, size);
        assert_works(ls_store_find(store, array_name(dtype, 1), &array));
        assert_int_equal(array->dtype, dtype);
        assert_int_equal(array->rank, 3);
        assert_int_equal(array->row_bytes, 12 * size);
        assert_true(array->direct);
        assert_works(ls_store_read(store, array, 0, 2, back));
        assert_memory_equal(back, bytes, 24 * size);
        assert_works(ls_store_read(store, array, 1, 1, back));
        assert_memory_equal(back, bytes + 12 * size, 12 * size);
        assert_works(ls_store_find(store, array_name(dtype, 2), &array));
        assert_int_equal(array->rows, 0);
        assert_works(ls_store_read(store, array, 0, 0, back));
    }
    ls_store_close(store);
}

static void texts_come_back(void **state) {
    (void)state;
    const char *path = support_path(folder, "texts.h5");
    ls_store_writer *writer;
    size_t one, none, list;
    assert_works(ls_store_create(path, NULL, &writer));
    assert_works(ls_store_add_text(writer, "/one", 6, 0, LS_PART_STATE, &one));
    assert_works(ls_store_add_text(writer, "/none", 0, 0, LS_PART_STATE, &none));
    assert_works(ls_store_add_text(writer, "/list", 4, 3, LS_PART_STATE, &list));
    assert_works(ls_store_seal(writer));
    assert_works(ls_store_fill(writer, one, 0, "gr\xc3\xbc\xc3\x9f", 6));
    assert_works(ls_store_fill(writer, list, 0, "cat\0doge\0\0\0\0", 12));
    assert_works(ls_store_commit(writer, NULL, NULL));
    ls_store_writer_destroy(writer);
    ls_store *store;
    const ls_array *array;
    ls_text text = {0};
    assert_works(ls_store_open(path, &store));
    assert_works(ls_store_get_text(store, "/one", &text));
    assert_string_equal(text.bytes, "gr\xc3\xbc\xc3\x9f");
    assert_works(ls_store_get_text(store, "/none", &text));
    assert_int_equal(text.length, 6);
    assert_works(ls_store_find(store, "/list", &array));
    assert_int_equal(array->rows, 3);
    assert_works(ls_store_read_text(store, array, 1, &text));
    assert_string_equal(text.bytes + 6, "doge");
    double real;
    assert_refuses(ls_store_get_real(store, "/one", &real), LS_ERR_DATA, "holds text where numbers are needed");
    assert_refuses(ls_store_get_text(store, "/list", &text), LS_ERR_DATA, "holds 3 items where one is needed");
    ls_text_free(&text);
    ls_store_close(store);
}

static void equal_contents_give_equal_files(void **state) {
    (void)state;
    size_t a, b;
    write_sample(support_path(folder, "a.h5"), 1, "host");
    write_sample(support_path(folder, "b.h5"), 1, "host");
    char *first = read_all(support_path(folder, "a.h5"), &a), *second = read_all(support_path(folder, "b.h5"), &b);
    assert_int_equal(a, b);
    assert_memory_equal(first, second, a);
    free(first);
    free(second);
}

static void the_state_checksum_passes_over_provenance(void **state) {
    (void)state;
    write_sample(support_path(folder, "a.h5"), 1, "host");
    write_sample(support_path(folder, "b.h5"), 1, "another host");
    write_sample(support_path(folder, "c.h5"), 2, "host");
    write_sample(support_path(folder, "d.h5"), 1, "");
    uint64_t a = state_of(support_path(folder, "a.h5"));
    assert_int_equal(a, state_of(support_path(folder, "b.h5")));
    assert_int_equal(a, state_of(support_path(folder, "d.h5")));
    assert_int_not_equal(a, state_of(support_path(folder, "c.h5")));
    ls_store_report report = {0};
    assert_works(ls_store_verify(support_path(folder, "b.h5"), &report));
    assert_int_equal(report.arrays, 5);
    assert_int_equal(report.damaged, 0);
    assert_int_equal(report.state, a);
    assert_true(report.has_checksums);
    ls_store_report_free(&report);
}

typedef struct filler {
    ls_store_writer *writer;
    size_t index, first;
    const char *bytes;
} filler;

static void *fill_part(void *argument) {
    const filler *part = argument;
    for (size_t i = 0; i < 1000; i++)
        assert_works(ls_store_fill(part->writer, part->index, part->first + 64 * i, part->bytes, 64));
    return NULL;
}

static void several_threads_may_fill_one_file(void **state) {
    (void)state;
    const char *path = support_path(folder, "threads.h5");
    ls_store_writer *writer;
    size_t index;
    char bytes[4][64];
    for (int i = 0; i < 4; i++) memset(bytes[i], 'a' + i, 64);
    assert_works(ls_store_create(path, NULL, &writer));
    assert_works(ls_store_add(writer, "/x", LS_DTYPE_U8, 1, (size_t[]){4 * 64000}, LS_PART_STATE, &index));
    assert_works(ls_store_seal(writer));
    pthread_t threads[4];
    filler parts[4];
    for (size_t i = 0; i < 4; i++) {
        parts[i] = (filler){writer, index, 64000 * i, bytes[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, fill_part, &parts[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    assert_works(ls_store_commit(writer, NULL, NULL));
    ls_store_writer_destroy(writer);
    assert_works(ls_store_verify(path, NULL));
}

/* ---- refusals ----------------------------------------------------------------------------------------------- */

static void what_is_no_file_of_ours_is_named(void **state) {
    (void)state;
    ls_store *store;
    const struct {
        const char *name, *bytes;
        size_t count;
        const char *words;
    } others[] = {
        {"empty", "", 0, "not an HDF5 file: it is empty"},
        {"d.csv", "1,2,3\n4,5,6\n7,8,9\n", 18, "looks like text"},
        {"d.gz", "\x1f\x8b\x08\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, "compressed by gzip"},
        {"d.npz", "PK\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0", 16, "zip archive"},
        {"d.npy", "\x93NUMPY\x01\0v\0{'descr'", 18, "lockstep import npy"},
        {"d-idx", "\0\0\x08\x03\0\0\x27\x10\0\0\0\x1c\0\0\0\x1c", 16, "lockstep import idx"},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *path = support_path(folder, others[i].name);
        write_all(path, others[i].bytes, others[i].count);
        assert_refuses(ls_store_open(path, &store), LS_ERR_DATA, others[i].words);
        assert_null(store);
    }
    write_all(support_path(folder, "short.h5"), "\211HDF\r\n\032\n", 8);
    assert_refuses(ls_store_open(support_path(folder, "short.h5"), &store), LS_ERR_IO, "short.h5: ");
    assert_refuses(ls_store_open(support_path(folder, "none.h5"), &store), LS_ERR_IO, "No such file");
    assert_refuses(ls_store_open(folder, &store), LS_ERR_DATA, "is a folder");
}

static void what_is_missing_is_named_with_its_neighbours(void **state) {
    (void)state;
    const char *path = support_path(folder, "a.h5");
    write_sample(path, 1, "host");
    ls_store *store;
    const ls_array *array;
    ls_arrays list;
    double real;
    assert_works(ls_store_open(path, &store));
    assert_refuses(
        ls_store_find(store, "/train/x", &array), LS_ERR_DATA,
        "/train/x not found; the file holds /checksums, /config, /optimizer, /parameters, /provenance, /state");
    assert_refuses(ls_store_find(store, "/parameters/dense_1/wieght", &array), LS_ERR_DATA,
                   "; /parameters/dense_1 holds weight; did you mean /parameters/dense_1/weight?");
    assert_refuses(ls_store_find(store, "/parameters", &array), LS_ERR_DATA,
                   "/parameters is a group, not an array; /parameters holds dense_1");
    assert_refuses(ls_store_find(store, "/config/x", &array), LS_ERR_DATA, "/config is an array, not a group");
    assert_refuses(ls_store_list(store, "/config", &list), LS_ERR_DATA, "/config is an array; a group is needed");
    assert_refuses(ls_store_list(store, "/nothing", &list), LS_ERR_DATA, "/nothing not found; the file holds");
    assert_refuses(ls_store_get_real(store, "/parameters/dense_1/weight", &real), LS_ERR_DATA, "9900 items");
    assert_true(ls_store_exists(store, "/parameters//dense_1/"));
    assert_true(ls_store_exists(store, "/"));
    assert_false(ls_store_exists(store, "/parameters/dense_2/weight"));
    assert_works(ls_store_list(store, "/parameters", &list));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0]->path, "/parameters/dense_1/weight");
    assert_works(ls_store_find(store, "//parameters/dense_1/weight", &array));
    assert_ptr_equal(array, list.items[0]);
    ls_arrays_free(&list);
    ls_store_close(store);
}

static void a_folder_that_does_not_exist_is_refused(void **state) {
    (void)state;
    ls_store_writer *writer;
    assert_refuses(ls_store_create(support_path(folder, "no/such/a.h5"), NULL, &writer), LS_ERR_IO, "No such file");
    assert_null(writer);
}

/* ---- conversion --------------------------------------------------------------------------------------------- */

static void numbers_convert_or_say_which_does_not(void **state) {
    (void)state;
    const double reals[4] = {1.0, -3.0, 2.5, 4.0};
    const uint64_t words[2] = {7, UINT64_MAX};
    const uint16_t halves[6] = {0x3c00, 0xc000, 0x0001, 0x7c00, 0x3555, 0x8000};
    int64_t integers[4];
    float floats[6];
    size_t misfit = 99;
    assert_true(ls_dtype_convert(LS_DTYPE_F64, reals, LS_DTYPE_I64, integers, 2, &misfit));
    assert_int_equal(integers[1], -3);
    assert_false(ls_dtype_convert(LS_DTYPE_F64, reals, LS_DTYPE_I64, integers, 4, &misfit));
    assert_int_equal(misfit, 2);
    assert_false(ls_dtype_convert(LS_DTYPE_U64, words, LS_DTYPE_I64, integers, 2, &misfit));
    assert_int_equal(misfit, 1);
    assert_true(ls_dtype_convert(LS_DTYPE_F16, halves, LS_DTYPE_F32, floats, 6, NULL));
    assert_true(floats[0] == 1.0f && floats[1] == -2.0f && floats[2] == 0x1p-24f && floats[3] > 1e38f);
    assert_true(floats[4] == 0x1.554p-2f && floats[5] == 0.0f && 1.0f / floats[5] < 0.0f);
}

static void rows_convert_in_parts(void **state) {
    (void)state;
    const char *path = support_path(folder, "big.h5");
    enum { N = 700000 };
    int16_t *numbers = malloc(N * sizeof *numbers);
    double *back = malloc(N * sizeof *back);
    for (size_t i = 0; i < N; i++) numbers[i] = (int16_t)(i * 7);
    ls_store_writer *writer;
    size_t index;
    assert_works(ls_store_create(path, NULL, &writer));
    assert_works(ls_store_add(writer, "/x", LS_DTYPE_I16, 2, (size_t[]){N / 7, 7}, LS_PART_STATE, &index));
    assert_works(ls_store_seal(writer));
    assert_works(ls_store_append(writer, index, numbers, N / 7));
    assert_works(ls_store_commit(writer, NULL, NULL));
    ls_store_writer_destroy(writer);
    ls_store *store;
    const ls_array *array;
    assert_works(ls_store_open(path, &store));
    assert_works(ls_store_find(store, "/x", &array));
    assert_works(ls_store_read_as(store, array, 3, N / 7 - 3, LS_DTYPE_F64, back));
    for (size_t i = 21; i < N; i++) assert_true(back[i - 21] == numbers[i]);
    ls_store_close(store);
    free(numbers);
    free(back);
}

static void a_path_splits_at_its_last_colon_and_slash(void **state) {
    (void)state;
    ls_pool *pool;
    const char *file, *group;
    assert_works(ls_pool_create(&pool));
    assert_works(ls_store_split(pool, "a:/b.h5:/train/x", &file, &group));
    assert_string_equal(file, "a:/b.h5");
    assert_string_equal(group, "/train/x");
    assert_works(ls_store_split(pool, "b.h5", &file, &group));
    assert_string_equal(file, "b.h5");
    assert_string_equal(group, "/");
    ls_pool_destroy(pool);
}

/* ---- damage ------------------------------------------------------------------------------------------------- */

static bool is_intact(const char *path, ls_store_report *report) {
    ls_status status = ls_store_verify(path, report);
    bool intact = status == LS_OK;
    ls_status_free(status);
    return intact;
}

static void a_flipped_bit_in_an_array_is_found_and_the_array_named(void **state) {
    (void)state;
    const char *path = support_path(folder, "a.h5");
    write_sample(path, 1, "host");
    ls_store *store;
    ls_arrays list;
    assert_works(ls_store_open(path, &store));
    assert_works(ls_store_list(store, "/", &list));
    size_t bytes;
    char *all = read_all(path, &bytes);
    for (size_t i = 0; i < list.count; i++) {
        const ls_array *array = list.items[i];
        size_t at = array->offset + array->bytes / 2;
        all[at] ^= 16;
        write_all(support_path(folder, "bad.h5"), all, bytes);
        all[at] ^= 16;
        ls_store_report report = {0};
        assert_false(is_intact(support_path(folder, "bad.h5"), &report));
        if (strncmp(array->path, "/checksums/", 11) != 0) {
            assert_int_equal(report.damaged, 1);
            assert_memory_equal(report.findings.bytes, array->path, strlen(array->path));
        }
        ls_store_report_free(&report);
    }
    free(all);
    ls_arrays_free(&list);
    ls_store_close(store);
}

static void a_flipped_bit_anywhere_is_found(void **state) {
    (void)state;
    const char *path = support_path(folder, "a.h5"), *bad = support_path(folder, "bad.h5");
    write_sample(path, 1, "host");
    size_t bytes;
    char *all = read_all(path, &bytes);
    write_all(bad, all, bytes);
    int fd = open(bad, O_RDWR);
    assert_true(fd >= 0);
    /* All of the first and last page, where HDF5's structures are dense, and a prime stride between. */
    for (size_t at = 0; at < bytes; at += at < 4096 || at + 4096 > bytes ? 1 : 97) {
        char damaged = (char)(all[at] ^ (1 << (at % 8)));
        assert_int_equal(pwrite(fd, &damaged, 1, (off_t)at), 1);
        if (is_intact(bad, NULL)) fail_msg("a flipped bit in byte %zu of %zu is not found", at, bytes);
        assert_int_equal(pwrite(fd, &all[at], 1, (off_t)at), 1);
    }
    close(fd);
    assert_works(ls_store_verify(bad, NULL));
    free(all);
}

static void a_file_cut_or_grown_anywhere_is_found(void **state) {
    (void)state;
    const char *path = support_path(folder, "a.h5"), *bad = support_path(folder, "bad.h5");
    write_sample(path, 1, "host");
    size_t bytes;
    char *all = read_all(path, &bytes);
    for (size_t at = 0; at < bytes; at += 4096) {
        write_all(bad, all, at);
        assert_false(is_intact(bad, NULL));
    }
    write_all(bad, all, bytes - 1);
    assert_false(is_intact(bad, NULL));
    all[bytes] = 0;
    write_all(bad, all, bytes + 1);
    assert_false(is_intact(bad, NULL));
    free(all);
}

/* HDF5 leaves it so where another program has opened it for writing. */
static void without_its_seal_each_array_is_still_compared(void **state) {
    (void)state;
    const char *path = support_path(folder, "a.h5"), *cut = support_path(folder, "cut.h5");
    write_sample(path, 1, "host");
    size_t bytes;
    char *all = read_all(path, &bytes);
    const char *seal = memmem(all, bytes, " lockstep seal 1\n", 17);
    assert_non_null(seal);
    size_t end = strtoull(seal - 16, NULL, 16);
    ls_store *store;
    const ls_array *x;
    assert_works(ls_store_open(path, &store));
    assert_works(ls_store_find(store, "/parameters/dense_1/weight", &x));
    write_all(cut, all, end);
    assert_true(is_intact(cut, NULL));
    all[x->offset] ^= 1;
    write_all(cut, all, end);
    ls_store_report report = {0};
    assert_false(is_intact(cut, &report));
    assert_int_equal(report.damaged, 1);
    assert_memory_equal(report.findings.bytes, x->path, strlen(x->path));
    ls_store_report_free(&report);
    ls_store_close(store);
    free(all);
}

/* ---- past the page cache ------------------------------------------------------------------------------------ */

/* A file of one array of `count` bytes, filled in parts of `part` bytes. */
static void write_bytes(const char *path, const char *bytes, size_t count, size_t part) {
    ls_store_writer *writer;
    size_t index;
    assert_works(ls_store_create(path, NULL, &writer));
    assert_works(ls_store_add(writer, "/x", LS_DTYPE_U8, 1, &count, LS_PART_STATE, &index));
    assert_works(ls_store_seal(writer));
    for (size_t at = 0; at < count; at += part)
        assert_works(ls_store_fill(writer, index, at, bytes + at, part < count - at ? part : count - at));
    assert_works(ls_store_commit(writer, NULL, NULL));
    ls_store_writer_destroy(writer);
}

static void whole_pages_give_the_same_file(void **state) {
    (void)state;
    enum { BYTES = 5 * 64 * 4096 + 4095 };
    char *pages = aligned_alloc(LS_STORE_PAGE, ls_round_up(BYTES, LS_STORE_PAGE)), *askew = malloc(BYTES + 1);
    assert_true(pages && askew);
    for (size_t i = 0; i < BYTES; i++) pages[i] = askew[i + 1] = (char)(support_random(3, i) * 100);
    write_bytes(support_path(folder, "askew.h5"), askew + 1, BYTES, 1000);
    size_t bytes, again;
    char *wanted = read_all(support_path(folder, "askew.h5"), &bytes);
    /* All at once, in parts of pages, in parts that begin within a page, in parts too small for it. */
    const size_t parts[] = {BYTES, 64 * 4096, 16 * 4096, 17 * 4096 + 100, 4096};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        write_bytes(support_path(folder, "pages.h5"), pages, BYTES, parts[i]);
        char *got = read_all(support_path(folder, "pages.h5"), &again);
        assert_int_equal(again, bytes);
        assert_memory_equal(got, wanted, bytes);
        free(got);
    }
    free(wanted);
    free(pages);
    free(askew);
}

/* ---- permission --------------------------------------------------------------------------------------------- */

static ls_status refuse(void *argument) {
    return LS_FAIL(LS_ERR_RUNTIME, "%s", (const char *)argument);
}

static void a_refused_commit_leaves_the_old_file_and_nothing_else(void **state) {
    (void)state;
    const char *path = support_path(folder, "a.h5");
    write_sample(path, 1, "host");
    uint64_t before = state_of(path);
    ls_store_writer *writer;
    size_t index;
    assert_works(ls_store_create(path, "g7", &writer));
    assert_works(ls_store_add(writer, "/x", LS_DTYPE_U8, 1, (size_t[]){3}, LS_PART_STATE, &index));
    assert_works(ls_store_seal(writer));
    assert_works(ls_store_fill(writer, index, 0, "abc", 3));
    assert_int_equal(access(support_path(folder, ".a.h5.g7.tmp"), F_OK), 0);
    char words[] = "stale";
    assert_refuses(ls_store_commit(writer, refuse, words), LS_ERR_RUNTIME, "stale");
    assert_int_not_equal(access(support_path(folder, ".a.h5.g7.tmp"), F_OK), 0);
    ls_store_writer_destroy(writer);
    assert_int_equal(before, state_of(path));
}

static void a_writer_that_is_dropped_leaves_nothing(void **state) {
    (void)state;
    ls_store_writer *writer;
    size_t index;
    assert_works(ls_store_create(support_path(folder, "a.h5"), "g7", &writer));
    assert_works(ls_store_add(writer, "/x", LS_DTYPE_U8, 1, (size_t[]){3}, LS_PART_STATE, &index));
    ls_store_writer_destroy(writer);
    assert_int_not_equal(access(support_path(folder, ".a.h5.g7.tmp"), F_OK), 0);
    assert_int_not_equal(access(support_path(folder, "a.h5"), F_OK), 0);
    ls_store_writer_destroy(NULL);
    ls_store_close(NULL);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(every_type_and_shape_comes_back),
        WITH_FOLDER(texts_come_back),
        WITH_FOLDER(equal_contents_give_equal_files),
        WITH_FOLDER(the_state_checksum_passes_over_provenance),
        WITH_FOLDER(several_threads_may_fill_one_file),
        WITH_FOLDER(what_is_no_file_of_ours_is_named),
        WITH_FOLDER(what_is_missing_is_named_with_its_neighbours),
        WITH_FOLDER(a_folder_that_does_not_exist_is_refused),
        WITH_FOLDER(numbers_convert_or_say_which_does_not),
        WITH_FOLDER(rows_convert_in_parts),
        WITH_FOLDER(a_path_splits_at_its_last_colon_and_slash),
        WITH_FOLDER(a_flipped_bit_in_an_array_is_found_and_the_array_named),
        WITH_FOLDER(a_flipped_bit_anywhere_is_found),
        WITH_FOLDER(a_file_cut_or_grown_anywhere_is_found),
        WITH_FOLDER(whole_pages_give_the_same_file),
        WITH_FOLDER(without_its_seal_each_array_is_still_compared),
        WITH_FOLDER(a_refused_commit_leaves_the_old_file_and_nothing_else),
        WITH_FOLDER(a_writer_that_is_dropped_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
