/* The reduced bits are those of the tree without ranks, for any ranks, nodes and batches; owners and copies fit. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/reducer.h"

static ls_comm *comm;

static const size_t groupings[] = {0, 1, 2, 3};
enum { GROUPINGS = sizeof groupings / sizeof *groupings };

/* ---- a model's parameters: several, one shared by two layers, running averages, one frozen ---- */

static void add_param(ls_params *params, const char *layer, size_t values, ls_role role, bool frozen, size_t *index) {
    ls_param param = {
        .layer = layer, .name = "weight", .shape = {1, {values}}, .role = role, .frozen = frozen, .groups = 1};
    assert_works(ls_params_add(params, &param, index));
}

static ls_params *make_params(void) {
    ls_params *params = NULL;
    size_t index, shared, use;
    assert_works(ls_params_create(ls_math_find("exact-scalar"), &params));
    add_param(params, "a", 9000, LS_ROLE_WEIGHT, false, &index);
    add_param(params, "b", 10, LS_ROLE_BIAS, false, &index);
    add_param(params, "shared", 5000, LS_ROLE_WEIGHT, false, &shared);
    add_param(params, "frozen", 3000, LS_ROLE_WEIGHT, true, &index);
    add_param(params, "c", 20000, LS_ROLE_WEIGHT, false, &index);
    assert_works(ls_params_share(params, shared, &use));
    add_param(params, "running", 1500, LS_ROLE_STATISTIC, false, &index);
    add_param(params, "d", 1024, LS_ROLE_NORM, false, &index);
    assert_works(ls_params_layout(params));
    return params;
}

/* ---- the serial definition ---- */

static float pattern(uint64_t step, size_t micro, size_t element) {
    double value = support_random(step * 1000 + micro, element);
    return (float)(value * (double)(1u << (element * 13 + micro * 5) % 24));
}

static float define(uint64_t step, size_t begin, size_t span, size_t total, size_t element) {
    if (span == 1) return pattern(step, begin, element);
    float left = define(step, begin, span / 2, total, element);
    if (begin + span / 2 >= total) return left;
    return left + define(step, begin + span / 2, span / 2, total, element);
}

static size_t span_of(size_t length) {
    size_t span = 1;
    while (span < length) span *= 2;
    return span;
}

/* ---- one step ---- */

static void fill_gradients(ls_reducer *r, const ls_microplan *plan, const ls_params *params, uint64_t step,
                           size_t samples, size_t low, size_t high) {
    size_t row[128], block[32], stride, total = ls_microplan_count(plan, samples);
    ls_microbatches micro = {0};
    ls_microplan_share(plan, samples, ls_comm_rank(comm), row, block, &micro);
    float *gradients = ls_reducer_gradients(r, &stride);
    assert_true(stride >= ls_params_gradient_arena(params));
    size_t first = micro.first_sample / plan->microbatch;
    for (size_t b = 0; b < micro.blocks; b++) {
        size_t begin = first + block[b], span = span_of(block[b + 1] - block[b]);
        for (size_t e = low; e < high; e++) gradients[b * stride + e] = define(step, begin, span, total, e);
    }
}

/* Backward: gradients become final in several marks, from the end of the arena to its begin. */
static void run_backward(ls_reducer *r, const ls_microplan *plan, const ls_params *params, uint64_t step,
                         size_t samples) {
    size_t high = ls_params_gradient_arena(params);
    assert_works(ls_reducer_start(r, samples));
    while (high > 0) {
        size_t low = high > 9 * LS_GRAIN ? high - 9 * LS_GRAIN : 0;
        fill_gradients(r, plan, params, step, samples, low, high);
        assert_works(ls_reducer_ready(r, low));
        assert_works(ls_reducer_poll(r));
        high = low;
    }
    assert_works(ls_reducer_finish(r));
}

static void check_sums(ls_reducer *r, const ls_microplan *plan, const ls_params *params, uint64_t step,
                       size_t samples) {
    const ls_piece *pieces;
    size_t count, total = ls_microplan_count(plan, samples);
    ls_reducer_pieces(r, &pieces, &count);
    for (size_t p = 0; p < count; p++) {
        const ls_param *param = ls_params_at(params, pieces[p].param);
        for (size_t e = 0; e < pieces[p].count; e++) {
            size_t inside = pieces[p].offset - param->offset + e;
            float sum = define(step, 0, span_of(total), total, param->use_offset[0] + inside);
            for (size_t u = 1; u < param->uses; u++)
                sum += define(step, 0, span_of(total), total, param->use_offset[u] + inside);
            if (memcmp(&sum, &pieces[p].gradient[e], sizeof sum) != 0)
                fail_msg("rank %zu, %s[%zu]: %a is not %a", ls_comm_rank(comm), param->layer, inside,
                         (double)pieces[p].gradient[e], (double)sum);
        }
        assert_true(pieces[p].finite);
        for (size_t g = 0; g < pieces[p].count / LS_GRAIN; g++)
            assert_true(pieces[p].norms[g] == ls_block_squares(LS_GRAIN, pieces[p].gradient + g * LS_GRAIN));
    }
}

/* What an owner writes to its weights: another number for every element and step. */
static float new_weight(uint64_t step, size_t element) {
    return (float)support_random(step + 77, element);
}

/* Frozen parameters are nobody's, and nothing writes the padding between parameters. */
static float expected_weight(const ls_params *params, uint64_t step, size_t element) {
    for (size_t i = 0; i < ls_params_count(params); i++) {
        const ls_param *param = ls_params_at(params, i);
        if (element >= param->offset && element < param->offset + param->count)
            return param->frozen ? 0 : new_weight(step, element);
    }
    return 0;
}

static void update_and_distribute(ls_reducer *r, const ls_params *params, uint64_t step) {
    const ls_piece *pieces;
    size_t count;
    ls_reducer_pieces(r, &pieces, &count);
    for (size_t p = 0; p < count; p++)
        for (size_t e = 0; e < pieces[p].count; e++) pieces[p].weights[e] = new_weight(step, pieces[p].offset + e);
    assert_works(ls_reducer_distribute(r));
    /* What else ranks do together may come while weights are on their way, on some of them not yet begun. */
    if (step % 2) assert_works(ls_comm_barrier(comm));
    const float *weights = ls_reducer_weights(r);
    for (size_t low = 0, arena = ls_params_arena(params), high; low < arena; low = high) {
        high = low + 7 * LS_GRAIN < arena ? low + 7 * LS_GRAIN : arena;
        assert_works(ls_reducer_await(r, high));
        assert_true(ls_reducer_has(r, high));
        for (size_t e = low; e < high; e++) assert_true(weights[e] == expected_weight(params, step, e));
    }
    assert_works(ls_reducer_barrier(r)); /* nobody overwrites what others still compare */
}

static void run_steps(size_t batch, size_t microbatch, size_t grouping, size_t bucket) {
    ls_params *params = make_params();
    ls_reducer *r = NULL;
    const ls_microplan plan = {batch, microbatch, ls_comm_size(comm)};
    if (ls_microplan_fits(&plan)) {
        const ls_reducer_options options = {
            .params = params, .batch = batch, .microbatch = microbatch, .slots = 2, .bucket = bucket};
        assert_works(ls_comm_group(comm, grouping));
        assert_works(ls_reducer_create(comm, &options, &r));
        assert_works(ls_reducer_selftest(r));
        /* Full batches, short ones that leave ranks without work, and one micro-batch alone. */
        const size_t samples[] = {batch, batch, (batch + 1) / 2, 1, batch};
        for (uint64_t step = 0; step < sizeof samples / sizeof *samples; step++) {
            run_backward(r, &plan, params, step, samples[step]);
            check_sums(r, &plan, params, step, samples[step]);
            update_and_distribute(r, params, step);
        }
        ls_reducer_destroy(r);
    }
    ls_params_destroy(params);
    assert_works(ls_comm_group(comm, 0));
}

static void sums_are_those_of_the_tree(void **state) {
    (void)state;
    const size_t batches[][2] = {{8, 1}, {5, 1}, {13, 2}, {12, 1}, {21, 1}};
    for (size_t g = 0; g < GROUPINGS; g++)
        for (size_t b = 0; b < sizeof batches / sizeof *batches; b++)
            run_steps(batches[b][0], batches[b][1], groupings[g], 8 * LS_GRAIN);
}

static void bucket_sizes_change_nothing(void **state) {
    (void)state;
    run_steps(9, 1, 2, 1);
    run_steps(9, 1, 1, 3 * LS_GRAIN);
    run_steps(9, 1, 0, 0);
}

static void every_element_has_one_owner(void **state) {
    (void)state;
    for (size_t g = 0; g < GROUPINGS; g++) {
        ls_params *params = make_params();
        ls_reducer *r = NULL;
        const ls_reducer_options options = {
            .params = params, .batch = 16, .microbatch = 1, .slots = 1, .bucket = 4 * LS_GRAIN};
        assert_works(ls_comm_group(comm, groupings[g]));
        assert_works(ls_reducer_create(comm, &options, &r));
        size_t grains = ls_params_arena(params) / LS_GRAIN, count;
        double *owners = calloc(grains, sizeof *owners);
        const ls_piece *pieces;
        ls_reducer_pieces(r, &pieces, &count);
        ls_exchange *x = NULL;
        assert_works(ls_exchange_create(comm, grains, 0, &x));
        for (size_t p = 0; p < count; p++) {
            const ls_param *param = ls_params_at(params, pieces[p].param);
            assert_int_equal(pieces[p].offset % LS_GRAIN, 0);
            assert_int_equal(pieces[p].count % LS_GRAIN, 0);
            assert_true(pieces[p].count > 0);
            assert_true(pieces[p].offset >= param->offset);
            assert_true(pieces[p].offset + pieces[p].count <= param->offset + param->count);
            assert_true(p == 0 || pieces[p].offset + pieces[p].count <= pieces[p - 1].offset);
            assert_int_equal(pieces[p].slots == NULL, param->role == LS_ROLE_STATISTIC);
            for (size_t e = 0; pieces[p].slots && e < pieces[p].count; e++) {
                assert_true(pieces[p].slots[0][e] == 0);
                pieces[p].slots[0][e] = (float)p + 1; /* would show in another piece that shares it */
            }
            for (size_t k = 0; k < pieces[p].count / LS_GRAIN; k++)
                ls_sum_add(ls_exchange_sum(x, pieces[p].offset / LS_GRAIN + k), 1);
        }
        for (size_t p = 0; p < count; p++)
            for (size_t e = 0; pieces[p].slots && e < pieces[p].count; e++)
                assert_true(pieces[p].slots[0][e] == (float)p + 1);
        assert_works(ls_exchange_run(x));
        for (size_t i = 0; i < ls_params_count(params); i++) {
            const ls_param *param = ls_params_at(params, i);
            for (size_t k = 0; k < param->count / LS_GRAIN; k++)
                assert_true(ls_sum_value(ls_exchange_sum(x, param->offset / LS_GRAIN + k)) == (param->frozen ? 0 : 1));
        }
        free(owners);
        ls_exchange_destroy(x);
        ls_reducer_destroy(r);
        ls_params_destroy(params);
    }
    assert_works(ls_comm_group(comm, 0));
}

static void a_bad_number_is_seen_by_its_owner(void **state) {
    (void)state;
    ls_params *params = make_params();
    ls_reducer *r = NULL;
    const ls_microplan plan = {8, 1, ls_comm_size(comm)};
    const ls_reducer_options options = {.params = params, .batch = 8, .microbatch = 1, .bucket = 4 * LS_GRAIN};
    assert_works(ls_reducer_create(comm, &options, &r));
    assert_works(ls_reducer_start(r, 8));
    fill_gradients(r, &plan, params, 1, 8, 0, ls_params_gradient_arena(params));
    size_t stride, bad = ls_params_at(params, 4)->offset + 1234;
    if (ls_comm_rank(comm) + 1 == ls_comm_size(comm)) ls_reducer_gradients(r, &stride)[bad] = __builtin_inff();
    assert_works(ls_reducer_ready(r, 0));
    assert_works(ls_reducer_finish(r));
    const ls_piece *pieces;
    size_t count;
    ls_reducer_pieces(r, &pieces, &count);
    for (size_t p = 0; p < count; p++)
        assert_int_equal(pieces[p].finite, bad < pieces[p].offset || bad >= pieces[p].offset + pieces[p].count);
    assert_works(ls_reducer_distribute(r));
    ls_reducer_destroy(r);
    ls_params_destroy(params);
}

/* With bf16 between nodes only nearly the same; and every rank must still get the same weights. */
static void the_short_wire_is_near(void **state) {
    (void)state;
    for (size_t g = 1; g < GROUPINGS; g++) {
        ls_params *params = make_params();
        ls_reducer *r = NULL;
        const ls_microplan plan = {13, 1, ls_comm_size(comm)};
        const ls_reducer_options options = {
            .params = params, .batch = 13, .microbatch = 1, .wire = LS_WIRE_BF16, .bucket = 8 * LS_GRAIN};
        assert_works(ls_comm_group(comm, groupings[g]));
        assert_works(ls_reducer_create(comm, &options, &r));
        assert_works(ls_reducer_selftest(r));
        for (uint64_t step = 0; step < 2; step++) {
            run_backward(r, &plan, params, step, 13 - 6 * step);
            const ls_piece *pieces;
            size_t count, total = 13 - 6 * step;
            ls_reducer_pieces(r, &pieces, &count);
            for (size_t p = 0; p < count; p++) {
                if (ls_params_at(params, pieces[p].param)->uses > 1) continue;
                for (size_t e = 0; e < pieces[p].count; e++) {
                    double exact = 0, size = 0;
                    for (size_t m = 0; m < total; m++) {
                        double part = (double)pattern(step, m, pieces[p].offset + e);
                        exact += part;
                        size += part < 0 ? -part : part;
                    }
                    double error = (double)pieces[p].gradient[e] - exact;
                    assert_true((error < 0 ? -error : error) <= size * 0x1p-6);
                }
            }
            update_and_distribute(r, params, step);
        }
        ls_reducer_destroy(r);
        ls_params_destroy(params);
    }
    assert_works(ls_comm_group(comm, 0));
}

static void weights_are_counted_once_a_node(void **state) {
    (void)state;
    ls_params *params = make_params();
    ls_reducer_memory one, four, spread;
    size_t gradients = ls_params_gradient_arena(params) * sizeof(float), slots = 3 * sizeof(float);
    assert_works(ls_reducer_measure(&(ls_microplan){8, 1, 1}, 0, params, 3, LS_WIRE_FLOAT32, &one));
    assert_works(ls_reducer_measure(&(ls_microplan){8, 1, 4}, 0, params, 3, LS_WIRE_FLOAT32, &four));
    assert_works(ls_reducer_measure(&(ls_microplan){8, 1, 4}, 1, params, 3, LS_WIRE_FLOAT32, &spread));
    assert_int_equal(one.weights, ls_params_arena(params) * sizeof(float));
    assert_int_equal(four.weights, one.weights);
    assert_int_equal(one.gradients, gradients);
    assert_int_equal(four.gradients, 4 * gradients);
    assert_int_equal(spread.gradients, gradients);
    /* Trainable elements without the second use of the shared parameter, whose state exists once. */
    size_t owned = ls_params_trainable(params) - ls_params_at(params, 2)->count;
    assert_int_equal(one.slots, owned * slots);
    assert_int_equal(four.slots, owned * slots);
    assert_true(spread.slots < owned * slots / 2);
    assert_true(four.node >= four.weights + four.gradients + four.slots);
    assert_true(four.node <= four.weights + four.gradients + four.slots + 4096);
    ls_params_destroy(params);
}

int main(void) {
    const ls_comm_options start = {.deadline = 240};
    ls_status status = ls_comm_start(&start, &comm);
    if (status != LS_OK) {
        fprintf(stderr, "%s\n", ls_status_message(status));
        return ls_status_exit(status);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_the_tree),  cmocka_unit_test(bucket_sizes_change_nothing),
        cmocka_unit_test(every_element_has_one_owner), cmocka_unit_test(a_bad_number_is_seen_by_its_owner),
        cmocka_unit_test(the_short_wire_is_near),      cmocka_unit_test(weights_are_counted_once_a_node),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ls_comm_finish(comm);
    return failed;
}
