#include "lockstep/tensor.h"

#include <stdlib.h>
#include <string.h>

#include "lockstep/memory.h"
#include "support.h"

static ls_param dense(const char *layer, size_t out, size_t in) {
    ls_shape shape = {2, {out, in}};
    return (ls_param){.layer = layer, .name = "weight", .shape = shape, .layout = LS_LAYOUT_DENSE, .groups = 1};
}

static ls_param plain(const char *layer, const char *name, size_t size, ls_role role) {
    return (ls_param){.layer = layer, .name = name, .shape = {1, {size}}, .role = role, .groups = 1};
}

static size_t add(ls_params *params, ls_param param) {
    size_t index = 0;
    assert_works(ls_params_add(params, &param, &index));
    return index;
}

static void a_shape_prints_as_a_tuple(void **state) {
    (void)state;
    char text[96];
    assert_string_equal(ls_shape_text((ls_shape){3, {1, 28, 28}}, text, sizeof text), "(1, 28, 28)");
    assert_string_equal(ls_shape_text((ls_shape){0, {0}}, text, sizeof text), "()");
    assert_string_equal(ls_shape_text((ls_shape){1, {7}}, text, 3), "(7");
    assert_true(ls_shape_equal((ls_shape){2, {3, 4}}, (ls_shape){2, {3, 4}}));
    assert_false(ls_shape_equal((ls_shape){2, {3, 4}}, (ls_shape){2, {4, 3}}));
    assert_false(ls_shape_equal((ls_shape){2, {3, 4}}, (ls_shape){1, {3}}));
}

/* Trainable ones by first use, a second use where it happens, then statistics, then what is frozen. */
static void offsets_follow_the_uses(void **state) {
    (void)state;
    ls_params *params = NULL;
    assert_works(ls_params_create(ls_math_find("exact"), &params));
    size_t first = add(params, dense("dense_1", 10, 20));
    size_t mean = add(params, plain("norm", "mean", 10, LS_ROLE_STATISTIC));
    ls_param still = plain("still", "bias", 3, LS_ROLE_BIAS);
    still.frozen = true;
    size_t frozen = add(params, still);
    size_t second = add(params, plain("dense_2", "bias", 1025, LS_ROLE_BIAS));
    size_t use = 0;
    assert_works(ls_params_share(params, first, &use));
    assert_int_equal(use, 1);
    size_t frozen_use = 0;
    assert_works(ls_params_share(params, frozen, &frozen_use));
    size_t third = add(params, plain("dense_3", "bias", 4, LS_ROLE_BIAS));
    assert_works(ls_params_layout(params));

    assert_int_equal(ls_params_at(params, first)->offset, 0);
    assert_int_equal(ls_params_at(params, first)->count, 1024);
    assert_int_equal(ls_params_at(params, second)->offset, 1024);
    assert_int_equal(ls_params_at(params, second)->count, 2048);
    assert_int_equal(ls_params_at(params, first)->use_offset[0], 0);
    assert_int_equal(ls_params_at(params, first)->use_offset[1], 3072);
    assert_int_equal(ls_params_at(params, third)->offset, 4096);
    assert_int_equal(ls_params_trainable(params), 5120);
    assert_int_equal(ls_params_at(params, mean)->offset, 5120);
    assert_int_equal(ls_params_gradient_arena(params), 6144);
    assert_int_equal(ls_params_at(params, frozen)->offset, 6144);
    assert_int_equal(ls_params_at(params, frozen)->use_offset[frozen_use], 6144);
    assert_int_equal(ls_params_arena(params), 7168);
    assert_int_equal(ls_params_values(params), 200 + 3 + 1025 + 4);
    assert_int_equal(ls_params_find(params, "dense_2", "bias"), second);
    assert_int_equal(ls_params_find(params, "dense_2", "weight"), LS_NOT_FOUND);
    ls_params_destroy(params);
}

/* Values come back, also from the double arena, and everything else of the range is 0. */
static void import_and_export_are_inverse(const char *math) {
    const ls_param kinds[] = {
        dense("a", 10, 7),
        dense("b", 64, 33),
        dense("c", 138, 5),
        plain("d", "bias", 5, LS_ROLE_BIAS),
        {.layer = "e", .name = "weight", .shape = {4, {18, 2, 3, 2}}, .layout = LS_LAYOUT_CONV, .groups = 3},
    };
    size_t count = sizeof kinds / sizeof *kinds;
    ls_params *params = NULL;
    assert_works(ls_params_create(ls_math_find(math), &params));
    for (size_t i = 0; i < count; i++) add(params, kinds[i]);
    assert_works(ls_params_layout(params));
    void *arena = NULL, *arena_double = NULL;
    assert_works(ls_block_create(ls_params_arena(params), sizeof(float), "arena", &arena));
    assert_works(ls_block_create(ls_params_arena(params), sizeof(double), "arena", &arena_double));
    for (size_t i = 0; i < count; i++) {
        const ls_param *param = ls_params_at(params, i);
        size_t size = ls_shape_size(param->shape), nonzero = 0;
        float values[2200], back[2200];
        double values_double[2200], back_double[2200];
        assert_true(size <= 2200);
        for (size_t j = 0; j < size; j++) {
            values[j] = (float)j + 1;
            values_double[j] = (double)j + 1;
        }
        memset((float *)arena + param->offset, 0xff, param->count * sizeof(float));
        ls_param_import(params, i, values, arena);
        ls_param_export(params, i, arena, back);
        assert_memory_equal(values, back, size * sizeof *values);
        size_t rows = param->shape.rank ? param->shape.dim[0] : 1, step = ls_param_part_rows(params, i);
        memset(back, 0, size * sizeof *back);
        for (size_t row = 0; row < rows; row += step)
            ls_param_export_rows(params, i, row, step < rows - row ? step : rows - row, arena,
                                 back + row * size / rows);
        assert_memory_equal(values, back, size * sizeof *values);
        for (size_t j = 0; j < param->count; j++) nonzero += ((float *)arena)[param->offset + j] != 0;
        assert_int_equal(nonzero, size);
        ls_param_import_double(params, i, values_double, arena_double);
        ls_param_export_double(params, i, arena_double, back_double);
        assert_memory_equal(values_double, back_double, size * sizeof *values_double);
    }
    ls_block_destroy(arena);
    ls_block_destroy(arena_double);
    ls_params_destroy(params);
}

static void layouts_translate_both_ways(void **state) {
    (void)state;
    import_and_export_are_inverse("exact");
    import_and_export_are_inverse("exact-scalar");
    import_and_export_are_inverse("blas");
}

static void arithmetics_have_names(void **state) {
    (void)state;
    assert_string_equal(ls_math_name(ls_math_find("exact")), "exact");
    assert_memory_equal(ls_math_description(ls_math_find("exact")), "exact-", 6);
    assert_string_equal(ls_math_description(ls_math_find("exact-scalar")), "exact-scalar");
    assert_memory_equal(ls_math_description(ls_math_find("blas")), "OpenBLAS", 8);
    assert_null(ls_math_find("fast"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shape_prints_as_a_tuple),
        cmocka_unit_test(offsets_follow_the_uses),
        cmocka_unit_test(layouts_translate_both_ways),
        cmocka_unit_test(arithmetics_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
