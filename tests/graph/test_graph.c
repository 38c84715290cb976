/* Building, planning and looking at graphs; what dropout draws; what an operator refuses. */
#include <math.h>
#include <string.h>

#include "graphs.h"

static ls_status try_node(support_graph *g, const ls_op *op, const char *name, const void *options, size_t inputs,
                          const size_t *input, size_t params, const ls_param_use *param) {
    size_t node;
    ls_node_spec spec = {op, name, options, inputs, input, params, param};
    size_t before = ls_graph_count(g->graph);
    ls_status status = ls_graph_add(g->graph, &spec, &node);
    assert_int_equal(ls_graph_count(g->graph), before + (status == LS_OK));
    return status;
}

static void what_does_not_fit_is_refused_by_name(void **state) {
    (void)state;
    support_graph g = support_graph_create(LS_PRECISION_FLOAT, NULL);
    size_t vector = support_input(&g, "vector", (ls_shape){1, {5}}, LS_ELEMENT_REAL);
    size_t other = support_input(&g, "other", (ls_shape){1, {4}}, LS_ELEMENT_REAL);
    size_t image = support_input(&g, "image", (ls_shape){3, {3, 4, 4}}, LS_ELEMENT_REAL);
    size_t token = support_input(&g, "token", (ls_shape){0}, LS_ELEMENT_INDEX);
    ls_param_use weight =
        support_param(&g, (ls_param){.layer = "d", .name = "weight", .shape = {2, {3, 4}}, .layout = LS_LAYOUT_DENSE});
    ls_param_use filter = support_param(
        &g, (ls_param){.layer = "c", .name = "weight", .shape = {4, {2, 3, 5, 5}}, .layout = LS_LAYOUT_CONV});
    ls_op_conv2d_options conv = {{1, 1}, {0, 0}, {1, 1}, 1};
    ls_op_pool_options pool = {{2, 2}, {2, 2}, {2, 0}};

    assert_refuses(try_node(&g, &ls_op_dense, "d", NULL, 1, &vector, 1, &weight), LS_ERR_CONFIG,
                   "d: parameter d/weight has shape (3, 4); this input needs (3, 5)");
    assert_refuses(try_node(&g, &ls_op_dense, "d", NULL, 1, &token, 1, &weight), LS_ERR_CONFIG,
                   "d: input 1 holds integers (classes or tokens); expected numbers");
    assert_refuses(try_node(&g, &ls_op_add, "s", NULL, 2, (size_t[]){vector, other}, 0, NULL), LS_ERR_CONFIG,
                   "s: input 2 has shape (4), input 1 has (5); expected equal shapes");
    assert_refuses(try_node(&g, &ls_op_concat, "c", NULL, 2, (size_t[]){image, other}, 0, NULL), LS_ERR_CONFIG,
                   "only the first axis may differ");
    assert_refuses(try_node(&g, &ls_op_conv2d, "c", &conv, 1, &vector, 1, &filter), LS_ERR_CONFIG,
                   "c: input 1 has shape (5); expected (channels, height, width)");
    assert_refuses(try_node(&g, &ls_op_conv2d, "c", &conv, 1, &image, 1, &filter), LS_ERR_CONFIG,
                   "c: a window of (5, 5), dilation (1, 1), does not fit into the input (3, 4, 4) with padding (0, 0)");
    assert_refuses(try_node(&g, &ls_op_max_pool, "p", &pool, 1, &image, 0, NULL), LS_ERR_CONFIG,
                   "padding (2, 0) must be smaller than the window (2, 2)");
    assert_refuses(try_node(&g, &ls_op_relu, "r", NULL, 2, (size_t[]){vector, other}, 0, NULL), LS_ERR_CONFIG,
                   "r: takes 1 inputs, not 2");
    assert_refuses(try_node(&g, &ls_op_mse, "m", NULL, 2, (size_t[]){vector, other}, 0, NULL), LS_ERR_CONFIG,
                   "m: the output has shape (5), the target (4)");
    assert_refuses(try_node(&g, &ls_op_cross_entropy, "l", &(ls_op_cross_entropy_options){0}, 2,
                            (size_t[]){vector, other}, 0, NULL),
                   LS_ERR_CONFIG, "expected integers");
    conv.padding[0] = conv.padding[1] = 1;
    assert_works(try_node(&g, &ls_op_conv2d, "c", &conv, 1, &image, 1, &filter));
    assert_true(ls_shape_equal(ls_graph_at(g.graph, ls_graph_find(g.graph, "c"))->shape, (ls_shape){3, {2, 2, 2}}));
    assert_int_equal(ls_graph_find(g.graph, "nobody"), LS_NO_NODE);
    support_graph_destroy(&g);
}

/* x -> a chain of `length` sigmoids -> sum. */
static size_t chain(support_graph *g, size_t length) {
    size_t node = support_input(g, "x", (ls_shape){1, {100}}, LS_ELEMENT_REAL);
    ls_graph_want_gradient(g->graph, node);
    for (size_t i = 0; i < length; i++) node = support_node(g, &ls_op_sigmoid, "s", NULL, 1, &node, 0, NULL);
    node = support_node(g, &ls_op_sum, "total", NULL, 1, &node, 0, NULL);
    ls_graph_want_seed(g->graph, node);
    return node;
}

static void dead_buffers_are_used_again(void **state) {
    (void)state;
    support_graph g = support_graph_create(LS_PRECISION_FLOAT, NULL);
    chain(&g, 20);
    assert_works(ls_params_layout(g.params));
    ls_graph_memory training, inference;
    size_t value = 10 * 100 * sizeof(float);
    assert_works(ls_graph_measure(g.graph, &(ls_plan){.rows = 10, .microbatches = 1, .training = true}, &training));
    assert_works(ls_graph_measure(g.graph, &(ls_plan){.rows = 10, .microbatches = 1}, &inference));
    assert_in_range(training.values, 21 * value, 22 * value);
    assert_in_range(training.gradients, 2 * value, 3 * value); /* two that take turns */
    assert_in_range(inference.values, 3 * value, 4 * value);
    assert_int_equal(inference.gradients, 0);
    support_graph_destroy(&g);
}

/* The same values, whether buffers are used again or not; and again after a second plan. */
static void plans_may_change(void **state) {
    (void)state;
    support_graph g = support_graph_create(LS_PRECISION_FLOAT, NULL);
    size_t total = chain(&g, 7);
    support_micro cut;
    float sums[3][4];
    support_graph_ready(&g, &(ls_plan){.rows = 4, .microbatches = 2, .training = true}, 1);
    for (size_t round = 0; round < 3; round++) {
        if (round)
            assert_works(ls_graph_plan(g.graph, &(ls_plan){.rows = 4, .microbatches = 2, .training = round == 2}));
        ls_graph_bind(g.graph, g.weights, g.gradients, g.stride);
        for (size_t k = 0; k < 400; k++) support_set(&g, ls_graph_value(g.graph, 0), k, support_random(1, k));
        support_cut(&cut, 4, 2);
        assert_works(ls_graph_forward(g.graph, &cut.micro, round != 1, NULL, NULL));
        memcpy(sums[round], ls_graph_value(g.graph, total), sizeof sums[round]);
    }
    assert_memory_equal(sums[0], sums[1], sizeof sums[0]);
    assert_memory_equal(sums[0], sums[2], sizeof sums[0]);
    support_graph_destroy(&g);
}

/* Of a node whose own inputs have none: there is no backward to run. */
static void the_gradient_of_any_node_may_be_wanted(void **state) {
    (void)state;
    support_graph g = support_graph_create(LS_PRECISION_FLOAT, NULL);
    ls_op step = ls_op_relu;
    step.backward = NULL;
    size_t x = support_input(&g, "x", (ls_shape){1, {3}}, LS_ELEMENT_REAL);
    size_t a = support_node(&g, &step, "a", NULL, 1, &x, 0, NULL);
    size_t y = support_node(&g, &ls_op_sigmoid, "y", NULL, 1, &a, 0, NULL);
    ls_graph_want_gradient(g.graph, a);
    ls_graph_want_seed(g.graph, y);
    support_graph_ready(&g, &(ls_plan){.rows = 1, .microbatches = 1, .training = true}, 1);
    support_micro cut;
    support_cut(&cut, 1, 1);
    for (size_t k = 0; k < 3; k++) {
        support_set(&g, ls_graph_value(g.graph, x), k, -1);
        support_set(&g, ls_graph_gradient(g.graph, y), k, 4);
    }
    assert_works(ls_graph_forward(g.graph, &cut.micro, true, NULL, NULL));
    assert_works(ls_graph_backward(g.graph, &cut.micro, NULL, NULL));
    for (size_t k = 0; k < 3; k++) assert_true(support_get(&g, ls_graph_gradient(g.graph, a), k) == 1);
    support_graph_destroy(&g);
}

static void what_has_no_derivative_cannot_be_trained(void **state) {
    (void)state;
    support_graph g = support_graph_create(LS_PRECISION_FLOAT, NULL);
    ls_op step = ls_op_abs;
    step.name = "step";
    step.backward = NULL;
    step.twin = &step;
    size_t x = support_input(&g, "x", (ls_shape){1, {3}}, LS_ELEMENT_REAL);
    size_t y = support_node(&g, &step, "y", NULL, 1, &x, 0, NULL);
    ls_graph_want_seed(g.graph, y);
    assert_works(ls_params_layout(g.params));
    assert_works(ls_graph_plan(g.graph, &(ls_plan){.rows = 1, .microbatches = 1, .training = true}));
    ls_graph_want_gradient(g.graph, x);
    assert_refuses(ls_graph_plan(g.graph, &(ls_plan){.rows = 1, .microbatches = 1, .training = true}), LS_ERR_CONFIG,
                   "y: step has no derivative");
    support_graph_destroy(&g);
}

/* ---- dropout -------------------------------------------------------------------------------------------------- */

enum { UNITS = 1000, ROWS = 8 };

typedef struct dropped {
    float first[ROWS * UNITS], second[ROWS * UNITS];
} dropped;

static void run_dropout(dropped *out, double rate, uint32_t epoch, size_t first_sample, bool training) {
    support_graph g = support_graph_create(LS_PRECISION_FLOAT, NULL);
    ls_op_dropout_options options = {rate};
    size_t x = support_input(&g, "x", (ls_shape){1, {UNITS}}, LS_ELEMENT_REAL);
    size_t a = support_node(&g, &ls_op_dropout, "a", &options, 1, &x, 0, NULL);
    size_t b = support_node(&g, &ls_op_dropout, "b", &options, 1, &x, 0, NULL);
    ls_graph_keep(g.graph, a);
    ls_graph_keep(g.graph, b);
    support_graph_ready(&g, &(ls_plan){.rows = ROWS, .microbatches = 1, .training = true}, 1);
    for (size_t k = 0; k < ROWS * UNITS; k++) support_set(&g, ls_graph_value(g.graph, x), k, 3);
    support_micro cut;
    support_cut(&cut, ROWS, ROWS);
    cut.micro.epoch = epoch;
    cut.micro.first_sample = first_sample;
    assert_works(ls_graph_forward(g.graph, &cut.micro, training, NULL, NULL));
    memcpy(out->first, ls_graph_value(g.graph, a), sizeof out->first);
    memcpy(out->second, ls_graph_value(g.graph, b), sizeof out->second);
    support_graph_destroy(&g);
}

static void dropout_drops_its_share_by_global_position(void **state) {
    (void)state;
    static dropped base, later, epoch, still;
    run_dropout(&base, 0.25, 0, 0, true);
    size_t zeros = 0;
    for (size_t k = 0; k < ROWS * UNITS; k++) {
        zeros += base.first[k] == 0;
        assert_true(base.first[k] == 0 || base.first[k] == 4);
    }
    assert_in_range(zeros, 1880, 2120);
    assert_true(memcmp(base.first, base.second, sizeof base.first) != 0);
    run_dropout(&later, 0.25, 0, 3, true);
    assert_memory_equal(base.first + 3 * UNITS, later.first, (ROWS - 3) * UNITS * sizeof(float));
    run_dropout(&epoch, 0.25, 1, 0, true);
    assert_true(memcmp(base.first, epoch.first, sizeof base.first) != 0);
    run_dropout(&still, 0.25, 0, 0, false);
    for (size_t k = 0; k < ROWS * UNITS; k++) assert_true(still.first[k] == 3);
}

/* Also among more nodes than a draw's last coordinate has room for. */
static void every_dropout_has_a_mask_of_its_own(void **state) {
    (void)state;
    enum { NODES = 258 };
    support_graph g = support_graph_create(LS_PRECISION_FLOAT, NULL);
    const ls_op_dropout_options options = {0.5};
    size_t x = support_input(&g, "x", (ls_shape){1, {UNITS}}, LS_ELEMENT_REAL), node[NODES];
    for (size_t i = 0; i < NODES; i++) {
        node[i] = support_node(&g, &ls_op_dropout, "drop", &options, 1, &x, 0, NULL);
        ls_graph_keep(g.graph, node[i]);
    }
    support_graph_ready(&g, &(ls_plan){.rows = 1, .microbatches = 1, .training = true}, 1);
    for (size_t k = 0; k < UNITS; k++) support_set(&g, ls_graph_value(g.graph, x), k, 1);
    support_micro cut;
    support_cut(&cut, 1, 1);
    assert_works(ls_graph_forward(g.graph, &cut.micro, true, NULL, NULL));
    const float *last = ls_graph_value(g.graph, node[NODES - 1]);
    for (size_t i = 0; i + 1 < NODES; i++)
        assert_true(memcmp(ls_graph_value(g.graph, node[i]), last, UNITS * sizeof *last) != 0);
    support_graph_destroy(&g);
}

/* ---- losses --------------------------------------------------------------------------------------------------- */

/* A loss that goes to 0 stays accurate: the other scores are 1e-9 as likely. */
static void a_small_cross_entropy_keeps_its_digits(void **state) {
    (void)state;
    support_graph g = support_graph_create(LS_PRECISION_FLOAT, NULL);
    ls_op_cross_entropy_options options = {0};
    size_t z = support_input(&g, "z", (ls_shape){1, {3}}, LS_ELEMENT_REAL);
    size_t y = support_input(&g, "y", (ls_shape){0}, LS_ELEMENT_INDEX);
    size_t loss = support_node(&g, &ls_op_cross_entropy, "loss", &options, 2, (size_t[]){z, y}, 0, NULL);
    support_graph_ready(&g, &(ls_plan){.rows = 2, .microbatches = 1}, 1);
    const float scores[6] = {20, 0, -80, 0, 30, 0};
    memcpy(ls_graph_value(g.graph, z), scores, sizeof scores);
    ((int32_t *)ls_graph_value(g.graph, y))[0] = 0;
    ((int32_t *)ls_graph_value(g.graph, y))[1] = 2;
    support_micro cut;
    support_cut(&cut, 2, 2);
    assert_works(ls_graph_forward(g.graph, &cut.micro, false, NULL, NULL));
    const double *losses = ls_graph_value(g.graph, loss);
    assert_true(fabs(losses[0] / exp(-20) - 1) < 1e-5);
    assert_true(fabs(losses[1] - 30) < 1e-5);
    support_graph_destroy(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(dead_buffers_are_used_again),
        cmocka_unit_test(plans_may_change),
        cmocka_unit_test(the_gradient_of_any_node_may_be_wanted),
        cmocka_unit_test(what_has_no_derivative_cannot_be_trained),
        cmocka_unit_test(dropout_drops_its_share_by_global_position),
        cmocka_unit_test(every_dropout_has_a_mask_of_its_own),
        cmocka_unit_test(a_small_cross_entropy_keeps_its_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
