#include "support.h"

#include <stdio.h>
#include <string.h>

#include "lockstep/document.h"

static int make_pool(void **state) {
    ls_pool *pool = NULL;
    assert_works(ls_pool_create(&pool));
    *state = pool;
    return 0;
}

static int end_pool(void **state) {
    ls_pool_destroy(*state);
    return 0;
}

static ls_document *scalar(ls_pool *pool, const char *text) {
    ls_document *node = NULL;
    assert_works(ls_document_scalar(pool, (ls_place){"a.yaml", 1, 2}, text, false, &node));
    return node;
}

static void a_list_keeps_its_items_as_it_grows(void **state) {
    ls_document *list = NULL, *items[100];
    assert_works(ls_document_list(*state, (ls_place){0}, &list));
    for (size_t i = 0; i < 100; i++) {
        items[i] = scalar(*state, "x");
        assert_works(ls_document_add(*state, list, items[i]));
        assert_int_equal(list->count, i + 1);
        for (size_t j = 0; j <= i; j++) assert_ptr_equal(list->items[j], items[j]);
    }
}

static void a_map_finds_what_was_put(void **state) {
    static char keys[100][16];
    ls_document *map = NULL;
    assert_works(ls_document_map(*state, (ls_place){0}, &map));
    for (int i = 0; i < 100; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        assert_works(ls_document_put(*state, map, keys[i], (ls_place){"a.yaml", i + 1, 1}, scalar(*state, keys[i])));
    }
    assert_int_equal(map->count, 100);
    for (int i = 0; i < 100; i++) {
        assert_string_equal(ls_document_find(map, keys[i])->text, keys[i]);
        assert_int_equal(map->key_place[i].line, i + 1);
    }
    assert_null(ls_document_find(map, "k100"));
}

static void putting_again_replaces_in_place(void **state) {
    ls_document *map = NULL;
    assert_works(ls_document_map(*state, (ls_place){0}, &map));
    assert_works(ls_document_put(*state, map, "a", (ls_place){"a.yaml", 3, 1}, scalar(*state, "1")));
    assert_works(ls_document_put(*state, map, "b", (ls_place){"a.yaml", 4, 1}, scalar(*state, "2")));
    assert_works(ls_document_put(*state, map, "a", (ls_place){"--set a", 0, 0}, scalar(*state, "3")));
    assert_int_equal(map->count, 2);
    assert_string_equal(map->keys[0], "a");
    assert_string_equal(map->items[0]->text, "3");
    assert_int_equal(map->key_place[0].line, 3);
}

static void a_failure_says_as_much_of_its_place_as_there_is(void **state) {
    (void)state;
    ls_place none = {0}, option = {"--set a", 0, 0}, line = {"a.yaml", 12, 18};
    ls_status status = ls_document_fail(line, LS_ERR_CONFIG, "wrong: %d", 3);
    assert_string_equal(ls_status_message(status), "a.yaml:12:18: wrong: 3");
    ls_status_free(status);
    status = ls_document_fail(option, LS_ERR_CONFIG, "wrong");
    assert_string_equal(ls_status_message(status), "--set a: wrong");
    ls_status_free(status);
    status = ls_document_fail(none, LS_ERR_USAGE, "wrong");
    assert_string_equal(ls_status_message(status), "wrong");
    assert_int_equal(ls_status_code(status), LS_ERR_USAGE);
    ls_status_free(status);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_list_keeps_its_items_as_it_grows, make_pool, end_pool),
        cmocka_unit_test_setup_teardown(a_map_finds_what_was_put, make_pool, end_pool),
        cmocka_unit_test_setup_teardown(putting_again_replaces_in_place, make_pool, end_pool),
        cmocka_unit_test(a_failure_says_as_much_of_its_place_as_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
