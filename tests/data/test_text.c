/* Running text: tokens, windows, pairs. */
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

static ls_status read_text(const char *text, const ls_choice *format) {
    const ls_file file = {.name = "t.txt", .bytes = (const unsigned char *)text, .length = strlen(text)};
    return support_import(format, &file, 1, &import);
}

/* A row of tokens as the words they stand for. */
static void check_row(size_t field, size_t row, const char *expected) {
    const ls_import_field *f = &import.field[field];
    ls_text text = {0};
    for (size_t i = 0; i < ls_shape_size(f->shape); i++)
        assert_works(ls_text_add(&text, "%s|", import.list[0].words.items[f->rows.items[row * f->row_bytes + i]]));
    assert_string_equal(text.bytes, expected);
    ls_text_free(&text);
}

static void words_predict_the_next(void **state) {
    (void)state;
    ls_choice text = support_choose(pool, &ls_format_family, "text", "window", "2", "lower", "true", NULL);
    assert_works(read_text("The cat, the dog;\nthe end", &text));
    assert_string_equal(import.list[0].name, "vocabulary");
    assert_string_equal(import.list[0].words.items[0], "the");
    assert_int_equal(import.list[0].words.count, 6);
    assert_int_equal(import.field[0].rows.count, 12);
    check_row(0, 0, "the|cat|");
    check_row(1, 0, ",|");
    check_row(0, 5, ";|the|");
    check_row(1, 5, "end|");
}

static void characters_may_have_several_bytes(void **state) {
    (void)state;
    ls_choice text =
        support_choose(pool, &ls_format_family, "text", "window", "2", "tokens", "characters", "stride", "2", NULL);
    assert_works(read_text("a\xc3\xa4\xe2\x82\xac"
                           "b\xff",
                           &text));
    assert_int_equal(import.list[0].words.count, 5);
    check_row(0, 0, "a|\xc3\xa4|");
    check_row(1, 0, "\xe2\x82\xac|");
    check_row(0, 1, "\xe2\x82\xac|b|");
    check_row(1, 1, "\xff|");
}

static void a_corrupt_window_differs_in_the_middle_alone(void **state) {
    (void)state;
    ls_choice text =
        support_choose(pool, &ls_format_family, "text", "window", "5", "pairs", "corrupt", "tokens", "bytes", NULL);
    assert_works(read_text("abcdefghijklmnopqrstuvwxyz", &text));
    assert_string_equal(import.field[1].name, "x_c");
    const unsigned char *x = import.field[0].rows.items, *twin = import.field[1].rows.items;
    for (size_t i = 0; i < import.field[0].rows.count; i++) assert_int_equal(x[i] == twin[i], i % 5 != 2);
}

static void rare_words_share_a_number(void **state) {
    (void)state;
    ls_choice text = support_choose(pool, &ls_format_family, "text", "window", "1", "vocabulary", "2", NULL);
    assert_works(read_text("a b a c a d", &text));
    assert_int_equal(import.list[0].words.count, 2);
    check_row(0, 1, "<rare>|");
    check_row(1, 1, "a|");
}

static void what_holds_no_sample_is_refused(void **state) {
    (void)state;
    ls_choice text = support_choose(pool, &ls_format_family, "text", "window", "3", NULL);
    assert_refuses(read_text("one two three", &text), LS_ERR_DATA,
                   "t.txt:1:1: the text has 3 tokens, a sample needs 4");
    ls__import_free(&import);
    assert_refuses(read_text("", &text), LS_ERR_DATA, "the text has 0 tokens");
    ls__import_free(&import);
    assert_refuses(read_text("a a a a a a", &text), LS_ERR_DATA, "one distinct token");
}

static void mutations_neither_crash_nor_leak(void **state) {
    (void)state;
    static const char example[] =
        "\xc3The cat, the dog; 'tis the end of \xc3\xa4 \xe2\x82\xac and of it.\n\nThe cat again";
    for (int options = 0; options < 256; options += 23) {
        char input[sizeof example];
        memcpy(input, example, sizeof example);
        input[0] = (char)options;
        support_fuzz(input, sizeof example - 1, 300, LLVMFuzzerTestOneInput);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(words_predict_the_next),
        TEST(characters_may_have_several_bytes),
        TEST(a_corrupt_window_differs_in_the_middle_alone),
        TEST(rare_words_share_a_number),
        TEST(what_holds_no_sample_is_refused),
        TEST(mutations_neither_crash_nor_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
