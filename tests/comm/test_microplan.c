/* Which micro-batches are whose, and the tree over them, for up to 17 ranks and 70 micro-batches. */
#include "support.h"

#include <string.h>

#include "comm/add.h"
#include "comm/cut.h"
#include "comm/tree.h"
#include "lockstep/reducer.h"

enum { MOST_RANKS = 17, MOST_MICRO = 70, MOST_BLOCKS = 24 };

/* The definition, in doubles as names: values that tell every order of additions apart. */
static float leaf_value(size_t m) {
    return (float)support_random(5, m) * (float)(1 << (m * 7 % 20));
}

static float define(size_t begin, size_t span, size_t total) {
    if (span == 1) return leaf_value(begin);
    float left = define(begin, span / 2, total);
    return begin + span / 2 >= total ? left : left + define(begin + span / 2, span / 2, total);
}

static size_t span_of(size_t length) {
    size_t span = 1;
    while (span < length) span *= 2;
    return span;
}

static bool is_node(size_t begin, size_t end, size_t total) {
    for (size_t span = 1; span < 2 * total; span *= 2)
        if (begin % span == 0 && end == (begin + span < total ? begin + span : total)) return true;
    return false;
}

static void covers_are_the_fewest_whole_nodes(void **state) {
    (void)state;
    for (size_t total = 1; total <= MOST_MICRO; total++) {
        for (size_t begin = 0; begin < total; begin++) {
            for (size_t end = begin; end <= total; end++) {
                size_t bound[MOST_BLOCKS + 1];
                size_t count = ls__tree_cover(begin, end, total, bound);
                assert_int_equal(count, ls__tree_cover(begin, end, total, NULL));
                assert_int_equal(bound[0], begin);
                assert_int_equal(bound[count], end);
                for (size_t b = 0; b < count; b++) {
                    assert_true(is_node(bound[b], bound[b + 1], total));
                    /* Maximal: no larger node within the run begins here. */
                    for (size_t longer = bound[b + 1] + 1; longer <= end; longer++)
                        assert_false(is_node(bound[b], longer, total));
                }
            }
        }
    }
}

static void every_micro_batch_has_one_rank(void **state) {
    (void)state;
    size_t row[MOST_MICRO + 1], block[MOST_BLOCKS + 1];
    for (size_t microbatch = 1; microbatch <= 3; microbatch++) {
        for (size_t batch = 1; batch <= MOST_MICRO * microbatch; batch += 1 + microbatch / 2) {
            for (size_t ranks = 1; ranks <= MOST_RANKS; ranks++) {
                ls_microplan plan = {batch, microbatch, ranks};
                size_t full = ls_microplan_count(&plan, batch);
                assert_int_equal(ls_microplan_fits(&plan), ranks <= full);
                if (!ls_microplan_fits(&plan) || full > MOST_MICRO) continue;
                for (size_t samples = batch; samples > 0; samples = samples > 7 ? samples - 7 : samples - 1) {
                    size_t total = ls_microplan_count(&plan, samples), next = 0, sample = 0;
                    for (size_t r = 0; r < ranks; r++) {
                        ls_microbatches micro = {.epoch = 3, .position = 8};
                        ls_microplan_share(&plan, samples, r, row, block, &micro);
                        assert_true(micro.count <= ls_microplan_max_count(&plan));
                        assert_true(micro.blocks <= ls_microplan_max_blocks(&plan));
                        assert_true(row[micro.count] <= ls_microplan_max_rows(&plan));
                        assert_int_equal(micro.batch, samples);
                        assert_int_equal(micro.epoch, 3);
                        assert_int_equal(row[0], 0);
                        assert_int_equal(block[0], 0);
                        assert_int_equal(block[micro.blocks], micro.count);
                        if (samples == batch) assert_true(micro.count >= full / ranks);
                        if (micro.count == 0) continue;
                        assert_int_equal(micro.first_sample, sample);
                        assert_int_equal(ls_microplan_first(&plan, r), next); /* the same rank as in a full batch */
                        for (size_t m = 0; m < micro.count; m++) {
                            size_t rows = row[m + 1] - row[m];
                            assert_true(rows == microbatch || (next + m + 1 == total && rows > 0 && rows < microbatch));
                        }
                        next += micro.count;
                        sample += row[micro.count];
                    }
                    assert_int_equal(next, total);
                    assert_int_equal(sample, samples);
                }
            }
        }
    }
}

/* Sums of ranks' blocks, then of the blocks: bit by bit the tree without ranks. */
static void programs_give_the_bits_of_the_tree(void **state) {
    (void)state;
    static float blocks[MOST_RANKS * MOST_BLOCKS][LS_GRAIN], stack[16 * LS_GRAIN], out[LS_GRAIN];
    for (size_t total = 1; total <= MOST_MICRO; total++) {
        for (size_t ranks = 1; ranks <= MOST_RANKS && ranks <= total; ranks++) {
            ls_microplan plan = {total, 1, ranks};
            for (size_t samples = total; samples > 0; samples -= samples > 1 ? (samples + 1) / 2 : 1) {
                size_t row[MOST_MICRO + 1], block[MOST_BLOCKS + 1], count = 0;
                ls__range range[MOST_RANKS * MOST_BLOCKS];
                ls__leaf leaf[MOST_RANKS * MOST_BLOCKS];
                for (size_t r = 0; r < ranks; r++) {
                    ls_microbatches micro = {0};
                    ls_microplan_share(&plan, samples, r, row, block, &micro);
                    for (size_t b = 0; b < micro.blocks; b++, count++) {
                        range[count] = (ls__range){micro.first_sample + block[b], micro.first_sample + block[b + 1]};
                        size_t span = span_of(range[count].end - range[count].begin);
                        for (size_t i = 0; i < LS_GRAIN; i++)
                            blocks[count][i] = i == 77 ? define(range[count].begin, span, samples) : 0;
                        leaf[count] = (ls__leaf){blocks[count], 4096};
                    }
                }
                int32_t ops[2 * MOST_RANKS * MOST_BLOCKS];
                ls__program program = {.ops = ops};
                ls__tree_program(range, 0, count, &program);
                assert_int_equal(program.count, 2 * count - 1);
                assert_true(ls__tree_depth(total) <= 16);
                ls__program_run(&program, leaf, 4096, stack, out);
                float expected = define(0, span_of(samples), samples);
                assert_memory_equal(&out[77], &expected, sizeof expected);
            }
        }
    }
}

static void one_block_is_enough_for_powers_of_two(void **state) {
    (void)state;
    for (size_t ranks = 1; ranks <= MOST_RANKS; ranks++)
        for (size_t each = 1; each * ranks <= MOST_MICRO; each *= 2)
            assert_int_equal(ls_microplan_max_blocks(&(ls_microplan){each * ranks, 1, ranks}), 1);
    ls_microplan three = {64, 1, 3};
    assert_true(ls_microplan_max_blocks(&three) > 1);
    assert_int_equal(ls_microplan_better_ranks(&three), 2);
    assert_int_equal(ls_microplan_better_ranks(&(ls_microplan){64, 1, 8}), 8);
    assert_int_equal(ls_microplan_better_ranks(&(ls_microplan){64, 1, 1}), 1);
}

static void advice_fits(void **state) {
    (void)state;
    assert_int_equal(ls_microplan_advice(64, 8), 8);
    assert_int_equal(ls_microplan_advice(3, 4), 0);
    for (size_t batch = 1; batch < 100; batch++)
        for (size_t ranks = 1; ranks <= batch; ranks++)
            assert_true(ls_microplan_fits(&(ls_microplan){batch, ls_microplan_advice(batch, ranks), ranks}));
}

static void bf16_rounds_to_nearest_even(void **state) {
    (void)state;
    static float from[LS_GRAIN], back[LS_GRAIN];
    static uint16_t wire[LS_GRAIN];
    const float in[] = {1.0f,        -2.5f,           0x1.01p0f, 0x1.03p0f, 0x1.010002p0f,
                        0x1.fep127f, 0x1.fffffep127f, 0.0f,      -0.0f,     0x1p-149f};
    const float expected[] = {1.0f, -2.5f, 1.0f, 0x1.04p0f, 0x1.02p0f, 0x1.fep127f, __builtin_inff(),
                              0.0f, -0.0f, 0.0f};
    memcpy(from, in, sizeof in);
    from[100] = __builtin_nanf("");
    uint32_t bits = 0x7F800001u; /* a NaN whose kept bits alone would be infinity */
    memcpy(&from[101], &bits, sizeof bits);
    ls__to_bf16(LS_GRAIN, from, wire);
    ls__from_bf16(LS_GRAIN, wire, back);
    assert_memory_equal(back, expected, sizeof expected);
    assert_true(__builtin_isnan(back[100]) && __builtin_isnan(back[101]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(covers_are_the_fewest_whole_nodes),
        cmocka_unit_test(every_micro_batch_has_one_rank),
        cmocka_unit_test(programs_give_the_bits_of_the_tree),
        cmocka_unit_test(one_block_is_enough_for_powers_of_two),
        cmocka_unit_test(advice_fits),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
