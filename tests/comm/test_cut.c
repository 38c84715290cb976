/* How the gradient arena is cut into buckets, lanes and parts. */
#include "support.h"

#include <stdio.h>

#include "comm/cut.h"

enum { MOST_NODES = 70, NOT_SHARED = 1000 };

/* Layer `shared` is used a second time behind the last one; NOT_SHARED: none is. */
static ls_params *make_params(size_t layers, const size_t *count, size_t shared) {
    ls_params *params = NULL;
    size_t use;
    assert_works(ls_params_create(ls_math_find("exact-scalar"), &params));
    for (size_t i = 0; i < layers; i++) {
        char name[32];
        size_t index;
        snprintf(name, sizeof name, "layer%zu", i);
        assert_works(ls_params_add(
            params,
            &(ls_param){.layer = name, .name = "weight", .role = LS_ROLE_WEIGHT, .shape = {1, {count[i]}}, .groups = 1},
            &index));
    }
    if (shared < layers) assert_works(ls_params_share(params, shared, &use));
    assert_works(ls_params_layout(params));
    return params;
}

static void cut_nodes(const ls_params *params, size_t nodes, size_t each, size_t elements, ls__cut *cut) {
    static size_t first[MOST_NODES + 1];
    for (size_t n = 0; n <= nodes; n++) first[n] = n * each;
    assert_works(ls__cut_create(params, nodes, first, elements, cut));
}

/* Buckets from the top of the arena down, without gaps; every element trained by one rank. */
static void check_whole(const ls_params *params, const ls__cut *cut) {
    size_t end = ls_params_gradient_arena(params), owned = 0;
    for (size_t b = 0; b < cut->buckets; b++) {
        ls__range range = cut->bucket[b].range;
        assert_int_equal(range.end, end);
        assert_true(range.begin < range.end);
        assert_int_equal(range.begin % LS_GRAIN, 0);
        end = range.begin;
    }
    assert_int_equal(end, 0);
    for (size_t r = 0; r < cut->first[cut->nodes]; r++) owned += ls__cut_owned(cut, r);
    for (size_t p = 0; p < ls_params_count(params); p++) owned -= ls_params_at(params, p)->count;
    assert_int_equal(owned, 0);
}

static bool begins_bucket(const ls__cut *cut, size_t offset) {
    for (size_t b = 0; b < cut->buckets; b++)
        if (cut->bucket[b].range.begin == offset) return true;
    return false;
}

/* All uses of an element have one owner. */
static void check_uses(const ls_params *params, const ls__cut *cut, size_t shared) {
    if (shared == NOT_SHARED) return;
    const ls_param *param = ls_params_at(params, shared);
    size_t first = param->use_offset[0], second = param->use_offset[1];
    for (size_t at = 0; at < param->count; at += LS_GRAIN)
        assert_int_equal(begins_bucket(cut, first + at), begins_bucket(cut, second + at));
    assert_true(begins_bucket(cut, first) && begins_bucket(cut, first + param->count));
}

static void buckets_are_the_arena(void **state) {
    (void)state;
    static const size_t layers[] = {9000, 10, 70000, 1, 1, 1024, 40000, 3000, 16384, 16385, 500, 200000};
    enum { LAYERS = sizeof layers / sizeof *layers };
    for (size_t count = 1; count <= LAYERS; count++) {
        size_t shared = count % 3 == 2 ? count / 2 : NOT_SHARED;
        ls_params *params = make_params(count, layers, shared);
        for (size_t nodes = 1; nodes <= MOST_NODES; nodes = nodes * 2 + 1) {
            for (size_t elements = 0; elements <= 64 * LS_GRAIN; elements = elements * 3 + 2 * LS_GRAIN) {
                ls__cut cut;
                cut_nodes(params, nodes, 1 + nodes % 3, elements, &cut);
                check_whole(params, &cut);
                check_uses(params, &cut, shared);
                ls__cut_destroy(&cut);
            }
        }
        ls_params_destroy(params);
    }
}

/* What backward finishes last, and nothing hides, does not wait for a large layer's bucket or the other way round. */
static void the_lowest_layers_travel_on_their_own(void **state) {
    (void)state;
    static const size_t layers[] = {288, 32, 18432, 64, 401408, 128, 1280, 10};
    ls_params *params = make_params(8, layers, NOT_SHARED);
    size_t large = ls_params_at(params, 4)->offset;
    ls__cut cut;
    cut_nodes(params, 16, 1, 0, &cut);
    assert_int_equal(cut.buckets, 3);
    assert_int_equal(cut.bucket[2].range.begin, 0);
    assert_int_equal(cut.bucket[2].range.end, large);
    ls__cut_destroy(&cut);
    ls_params_destroy(params);
}

/* One layer alone has nothing that would be final earlier: more buckets would only be more messages. */
static void a_small_layer_is_one_bucket(void **state) {
    (void)state;
    static const size_t layers[] = {100352, 128, 8192, 64};
    ls_params *params = make_params(4, layers, NOT_SHARED);
    ls__cut cut;
    cut_nodes(params, 4, 1, 0, &cut);
    assert_int_equal(cut.buckets, 1);
    ls__cut_destroy(&cut);
    ls_params_destroy(params);
}

/* Cutting at layers leaves nobody with much more than his share of a large network. */
static void shares_are_nearly_even(void **state) {
    (void)state;
    size_t layers[64];
    for (size_t i = 0; i < 64; i++) layers[i] = i % 2 ? 1000 : 50000 + 7000 * i;
    ls_params *params = make_params(64, layers, NOT_SHARED);
    for (size_t nodes = 2; nodes <= 64; nodes *= 2) {
        ls__cut cut;
        cut_nodes(params, nodes, 1, 0, &cut);
        size_t mean = ls_params_trainable(params) / nodes;
        for (size_t r = 0; r < nodes; r++) {
            assert_true(ls__cut_owned(&cut, r) < mean + mean / 4);
            assert_true(ls__cut_owned(&cut, r) > mean - mean / 4);
        }
        ls__cut_destroy(&cut);
    }
    ls_params_destroy(params);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_the_arena),
        cmocka_unit_test(the_lowest_layers_travel_on_their_own),
        cmocka_unit_test(a_small_layer_is_one_bucket),
        cmocka_unit_test(shares_are_nearly_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
