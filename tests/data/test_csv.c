/* Separated values: what good files become, and what bad ones are told. */
#include <math.h>
#include <stdio.h>
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

static ls_status read_text(const char *text, const ls_choice *csv) {
    const ls_file file = {.name = "t.csv", .bytes = (const unsigned char *)text, .length = strlen(text)};
    return support_import(csv, &file, 1, &import);
}

static const ls_import_field *field(const char *name) {
    for (size_t i = 0; i < import.fields; i++)
        if (strcmp(import.field[i].name, name) == 0) return &import.field[i];
    fail_msg("no field %s", name);
    return NULL;
}

static void check_bytes(const char *name, const unsigned char *expected, size_t count) {
    const ls_import_field *f = field(name);
    assert_int_equal(f->dtype, LS_DTYPE_U8);
    assert_int_equal(f->rows.count, count);
    assert_memory_equal(f->rows.items, expected, count);
}

static void check_floats(const char *name, const float *expected, size_t count) {
    const ls_import_field *f = field(name);
    assert_int_equal(f->dtype, LS_DTYPE_F32);
    assert_int_equal(f->rows.count, count * sizeof *expected);
    assert_memory_equal(f->rows.items, expected, count * sizeof *expected);
}

static const ls_texts *words(const char *name) {
    for (size_t i = 0; i < import.lists; i++)
        if (strcmp(import.list[i].name, name) == 0) return &import.list[i].words;
    fail_msg("no words %s", name);
    return NULL;
}

static void whole_numbers_are_bytes_and_classes(void **state) {
    (void)state;
    ls_choice csv = support_choose(pool, &ls_format_family, "csv", NULL);
    assert_works(read_text("0,16,2\n 7 ,255,0\r\n\n+1,007,1", &csv));
    check_bytes("x", (const unsigned char[]){0, 16, 7, 255, 1, 7}, 6);
    check_bytes("y", (const unsigned char[]){2, 0, 1}, 3);
    assert_int_equal(import.lists, 0);
}

static void a_header_names_features_and_target(void **state) {
    (void)state;
    ls_choice csv = support_choose(pool, &ls_format_family, "csv", "target", "kind", NULL);
    assert_works(read_text("\xef\xbb\xbfkind;size;\"a;\"\"b\"\"\"\nT;.5;-3\nA;1e1;4.\n", &csv));
    check_floats("x", (const float[]){0.5f, -3, 10, 4}, 4);
    check_bytes("y", (const unsigned char[]){1, 0}, 2);
    assert_string_equal(words("classes")->items[0], "A");
    assert_string_equal(words("classes")->items[1], "T");
    assert_string_equal(words("features")->items[1], "a;\"b\"");
}

/* In as many digits as one likes. */
static void numbers_may_be_written_in_many_ways(void **state) {
    (void)state;
    ls_choice csv = support_choose(pool, &ls_format_family, "csv", NULL);
    const char text[] = "+.5,0\n-007.,1\n0."
                        "2500000000000000000000000000000000000000000000000000000000000000000000000000000000000000,0\n"
                        "1E+2,1\n";
    assert_works(read_text(text, &csv));
    check_floats("x", (const float[]){0.5f, -7, 0.25f, 100}, 4);
}

static void categories_become_one_hot_or_codes(void **state) {
    (void)state;
    const char text[] = "a\tb\tc\n1\tred\t0.5\n2\tblue\t1.5\n3\tred\t2.5\n";
    ls_choice csv = support_choose(pool, &ls_format_family, "csv", NULL);
    assert_works(read_text(text, &csv));
    check_bytes("x", (const unsigned char[]){1, 0, 1, 2, 1, 0, 3, 0, 1}, 9);
    check_floats("y", (const float[]){0.5f, 1.5f, 2.5f}, 3);
    assert_string_equal(words("features")->items[1], "b=blue");
    ls__import_free(&import);
    csv = support_choose(pool, &ls_format_family, "csv", "categories", "codes", "skip", "a", NULL);
    assert_works(read_text(text, &csv));
    check_bytes("x", (const unsigned char[]){1, 0, 1}, 3);
}

static void a_category_may_look_like_a_number(void **state) {
    (void)state;
    ls_choice csv = support_choose(pool, &ls_format_family, "csv", "category", "1", NULL);
    assert_works(read_text("7,0\n12a,1\n7,0\n", &csv));
    check_bytes("x", (const unsigned char[]){0, 1, 1, 0, 0, 1}, 6);
}

/* The mean is that of the samples that are not tested, whichever those are. */
static void missing_values_get_the_training_mean(void **state) {
    (void)state;
    ls_choice csv = support_choose(pool, &ls_format_family, "csv", "task", "regression", "split", "0.4", NULL);
    assert_works(read_text("1,0\n2,0\n,0\n4,0\nNA,0\n16,0\n32,0\n?,0\n128,0\n256,0\n", &csv));
    const float *x = (const float *)(const void *)field("x")->rows.items;
    const double values[] = {1, 2, NAN, 4, NAN, 16, 32, NAN, 128, 256};
    double sum = 0, count = 0;
    for (size_t i = 0; i < 10; i++)
        if (!import.part[i] && !isnan(values[i])) {
            sum += values[i];
            count++;
        }
    for (size_t i = 0; i < 10; i++) assert_true(x[i] == (float)(isnan(values[i]) ? sum / count : values[i]));
}

static void lines_with_gaps_can_be_dropped(void **state) {
    (void)state;
    ls_choice csv = support_choose(pool, &ls_format_family, "csv", "missing", "drop", NULL);
    assert_works(read_text("1,0\n,1\n3,\n4,1\n", &csv));
    check_bytes("x", (const unsigned char[]){1, 4}, 2);
    check_bytes("y", (const unsigned char[]){0, 1}, 2);
}

static void a_split_is_stratified(void **state) {
    (void)state;
    ls_text text = {0};
    for (int i = 0; i < 1000; i++)
        assert_works(ls_text_add(&text, "%d,%d\n", i % 256, i % 10 == 0 ? 1 : i % 3 ? 0 : 2));
    ls_choice csv = support_choose(pool, &ls_format_family, "csv", "split", "0.2", NULL);
    assert_works(read_text(text.bytes, &csv));
    const unsigned char *y = field("y")->rows.items;
    int all[3] = {0}, tested[3] = {0};
    for (size_t i = 0; i < 1000; i++) {
        all[y[i]]++;
        tested[y[i]] += import.part[i];
    }
    assert_int_equal(tested[0] + tested[1] + tested[2], 200);
    for (int c = 0; c < 3; c++) assert_true(fabs(tested[c] - 0.2 * all[c]) < 1);
    ls_text_free(&text);
}

typedef struct bad_file {
    const char *text, *key, *value, *says;
    ls_code code;
} bad_file;

/* Every bad input beside the message that it must give. */
static const bad_file bad_files[] = {
    {"", NULL, NULL, "t.csv:1:1: the file has no lines", LS_ERR_DATA},
    {"  \n\n", NULL, NULL, "t.csv:1:1: the file has no lines", LS_ERR_DATA},
    {"a,b\n", "header", "yes", "t.csv:1:1: the file has a header line and nothing below it", LS_ERR_DATA},
    {"1,2\n3\n", NULL, NULL, "t.csv:2:1: 1 cells where the first line has 2", LS_ERR_DATA},
    {"1,2\n3,4,5\n", NULL, NULL, "t.csv:2:1: 3 cells where the first line has 2", LS_ERR_DATA},
    {"1,2\n\"3,4\n", NULL, NULL, "t.csv:2:1: this quote is never closed", LS_ERR_DATA},
    {"1,\"2\"x\n", NULL, NULL, "t.csv:1:6: \"x\" behind a closing quote", LS_ERR_DATA},
    {"a,b\n1,2\n3x,4\n", NULL, NULL, "t.csv:3:1: \"3x\" is no number, but column \"a\" has numbers", LS_ERR_DATA},
    {"1,2\n3,inf\n", NULL, NULL, "t.csv:2:3: \"inf\" is no number", LS_ERR_DATA},
    {"1,2\n0x10,2\n", NULL, NULL, "t.csv:2:1: \"0x10\" is no number", LS_ERR_DATA},
    {"1,2\n1..5,2\n", NULL, NULL, "t.csv:2:1: \"1..5\" is no number", LS_ERR_DATA},
    {"1,2\n1.2.,2\n", NULL, NULL, "t.csv:2:1: \"1.2.\" is no number", LS_ERR_DATA},
    {"1,2\n+-5,2\n", NULL, NULL, "t.csv:2:1: \"+-5\" is no number", LS_ERR_DATA},
    {"a,7\n1,2\n", NULL, NULL,
     "t.csv:1:1: \"a\" is no number, but column \"1\" has numbers; if they are categories: "
     "--category 1; if the first line names the columns: --header yes",
     LS_ERR_DATA},
    {"1,2\r3,4\r", NULL, NULL, "t.csv:1:4: a carriage return alone ends no line", LS_ERR_DATA},
    {"1,2\n1e999,2\n", NULL, NULL, "t.csv:2:1: \"1e999\" is no number", LS_ERR_DATA},
    {"1,2\n-1e39,2\n", NULL, NULL, "t.csv:2:1: -1e39 in column \"1\" is beyond the range of float32", LS_ERR_DATA},
    {",2\n,3\n", NULL, NULL, "t.csv:1:1: column \"1\" is empty; --skip 1", LS_ERR_DATA},
    {"1,\n2,\n", NULL, NULL, "t.csv:1:3: column \"2\" is empty; choose another --target", LS_ERR_DATA},
    {"1,2\n,3\n", "missing", "refuse", "t.csv:2:1: no value in column \"1\"", LS_ERR_DATA},
    {"1,2\n4,\n", NULL, NULL, "t.csv:2:3: no value in column \"2\", the target", LS_ERR_DATA},
    {"1,\n,2\n", "missing", "drop", "no line is complete", LS_ERR_DATA},
    {"1,2\n", "target", "3", "no column \"3\" for --target; there are 2, without names", LS_ERR_USAGE},
    {"size,kind\n1,2\n", "target", "knid", "did you mean \"kind\"?", LS_ERR_USAGE},
    {"1,2\n", "skip", "last", "column \"2\" is the target and cannot be skipped", LS_ERR_USAGE},
    {"1,2\n", "skip", "1", "t.csv: no column is left for x", LS_ERR_USAGE},
    {"1,2\n", "delimiter", "::", "one character or the word tab is wanted", LS_ERR_USAGE},
    {"1,-2\n", "task", "classes", "t.csv:1:3: -2 is no class", LS_ERR_DATA},
    {"1,2.5\n", "task", "classes", "t.csv:1:3: 2.5 is no class", LS_ERR_DATA},
    {"1,A\n2,B\n", "task", "regression", "t.csv:1:3: --task regression wants numbers", LS_ERR_DATA},
    {"1,0\n2,1\n", "split", "0.9", "--split 0.9 of 2 samples leaves /train empty", LS_ERR_USAGE},
};

static void bad_files_are_told_where_and_what(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
        const bad_file *bad = &bad_files[i];
        ls_choice csv = support_choose(pool, &ls_format_family, "csv", bad->key, bad->value, NULL);
        assert_refuses(read_text(bad->text, &csv), bad->code, bad->says);
        ls__import_free(&import);
    }
}

static void a_zero_byte_is_no_text(void **state) {
    (void)state;
    ls_choice csv = support_choose(pool, &ls_format_family, "csv", NULL);
    const ls_file file = {.name = "t.csv", .bytes = (const unsigned char *)"1,2\n\0,2\n", .length = 8};
    assert_refuses(support_import(&csv, &file, 1, &import), LS_ERR_DATA, "t.csv:2:1: a zero byte");
}

static void too_many_words_are_refused(void **state) {
    (void)state;
    ls_text text = {0};
    for (int i = 0; i < 1025; i++) assert_works(ls_text_add(&text, "w%d,%d\n", i, i % 2));
    ls_choice csv = support_choose(pool, &ls_format_family, "csv", NULL);
    assert_refuses(read_text(text.bytes, &csv), LS_ERR_DATA,
                   "column \"1\" has 1025 different words, at most 1024 will do");
    ls_text_free(&text);
}

static void mutations_neither_crash_nor_leak(void **state) {
    (void)state;
    static const char example[] =
        "\5kind,size,note,value\nA,1,\"x \"\"y\"\"\",0.5\nB,,plain,1e3\nA,3,NA,-2.\nC,4,z,7\n";
    support_fuzz(example, sizeof example - 1, 3000, LLVMFuzzerTestOneInput);
    support_fuzz("\1"
                 "1;2;3\n4;5;6\n",
                 13, 1000, LLVMFuzzerTestOneInput);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(whole_numbers_are_bytes_and_classes), TEST(a_header_names_features_and_target),
        TEST(numbers_may_be_written_in_many_ways), TEST(categories_become_one_hot_or_codes),
        TEST(a_category_may_look_like_a_number),   TEST(missing_values_get_the_training_mean),
        TEST(lines_with_gaps_can_be_dropped),      TEST(a_split_is_stratified),
        TEST(bad_files_are_told_where_and_what),   TEST(a_zero_byte_is_no_text),
        TEST(too_many_words_are_refused),          TEST(mutations_neither_crash_nor_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
