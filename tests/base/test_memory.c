#include "support.h"

#include <string.h>

#include "lockstep/memory.h"

static void blocks_are_zeroed_and_aligned(void **state) {
    (void)state;
    static const size_t counts[] = {0, 1, 15, 16, 17, 1000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        void *block = NULL;
        assert_works(ls_block_create(counts[i], sizeof(float), "a test", &block));
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % LS_ALIGNMENT, 0);
        for (size_t k = 0; k < counts[i]; k++) assert_true(((const float *)block)[k] == 0.0F);
        ls_block_destroy(block);
    }
    ls_block_destroy(NULL);
}

static void sizes_that_overflow_are_refused(void **state) {
    (void)state;
    void *block = &block;
    assert_refuses(ls_block_create(SIZE_MAX / 2, 8, "the weights", &block), LS_ERR_MEMORY, "no memory for the weights");
    assert_null(block);
    assert_refuses(ls_block_create(SIZE_MAX - 8, 1, "the weights", &block), LS_ERR_MEMORY, "the weights");
    ls_pool *pool = NULL;
    assert_works(ls_pool_create(&pool));
    assert_refuses(ls_pool_take(pool, SIZE_MAX - 8, &block), LS_ERR_MEMORY, "no memory for 18446744073709551607 bytes");
    assert_null(block);
    ls_pool_destroy(pool);
}

static void a_pool_hands_out_apart_and_zeroed(void **state) {
    (void)state;
    enum { COUNT = 500 };
    static unsigned char *items[COUNT];
    ls_pool *pool = NULL;
    assert_works(ls_pool_create(&pool));
    for (size_t i = 0; i < COUNT; i++) {
        void *item = NULL;
        size_t bytes = i * 37 % 700;
        assert_works(ls_pool_take(pool, bytes, &item));
        assert_int_equal((uintptr_t)item % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < bytes; k++) assert_int_equal(((const unsigned char *)item)[k], 0);
        memset(item, (int)(i % 251) + 1, bytes);
        items[i] = item;
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 0; k < i * 37 % 700; k++) assert_int_equal(items[i][k], i % 251 + 1);
    void *large = NULL;
    assert_works(ls_pool_take(pool, 1 << 20, &large));
    memset(large, 1, 1 << 20);
    ls_pool_destroy(pool);
    ls_pool_destroy(NULL);
}

static void a_pool_keeps_texts(void **state) {
    (void)state;
    ls_pool *pool = NULL;
    const char *copy = NULL, *formatted = NULL;
    char original[] = "momentum";
    assert_works(ls_pool_create(&pool));
    assert_works(ls_pool_text(pool, original, &copy));
    original[0] = 'M';
    assert_string_equal(copy, "momentum");
    assert_works(ls_pool_format(pool, &formatted, "%s_%d", copy, 2));
    assert_string_equal(formatted, "momentum_2");
    ls_pool_destroy(pool);
}

static void a_text_grows(void **state) {
    (void)state;
    ls_text text = {0};
    for (int i = 0; i < 1000; i++) assert_works(ls_text_add(&text, "%d,", i % 10));
    assert_int_equal(text.length, 2000);
    assert_int_equal(strlen(text.bytes), 2000);
    assert_memory_equal(text.bytes + 1990, "5,6,7,8,9,", 10);
    assert_works(ls_text_add_bytes(&text, "a\0b", 3));
    assert_int_equal(text.length, 2003);
    assert_memory_equal(text.bytes + 2000, "a\0b", 4);
    ls_text_free(&text);
    assert_null(text.bytes);
    ls_text_free(&text);
}

static void sizes_round_up(void **state) {
    (void)state;
    assert_int_equal(ls_round_up(0, 64), 0);
    assert_int_equal(ls_round_up(1, 64), 64);
    assert_int_equal(ls_round_up(64, 64), 64);
    assert_int_equal(ls_round_up(65, 64), 128);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_zeroed_and_aligned),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(a_pool_hands_out_apart_and_zeroed),
        cmocka_unit_test(a_pool_keeps_texts),
        cmocka_unit_test(a_text_grows),
        cmocka_unit_test(sizes_round_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
