/*
 * Runs over the table of operators: what is in the table is checked without being asked. Each operator makes random
 * small instances of itself (ls_op.example); backward must agree with differences, micro-batches with their tree.
 */
#include <stdlib.h>
#include <string.h>

#include "graphs.h"
#include "lockstep/random.h"

enum { EXAMPLES = 12, ROWS = 7, GRAIN = 2 };

/* A graph around one instance of an operator, filled with draws. */
typedef struct instance {
    support_graph g;
    ls_op_example example;
    support_micro cut;
    size_t input[4], node;
} instance;

static void fill_inputs(instance *it, uint64_t number) {
    for (size_t i = 0; i < it->example.inputs; i++) {
        void *values = ls_graph_value(it->g.graph, it->input[i]);
        size_t count = ROWS * ls_shape_size(it->example.input[i]);
        for (size_t k = 0; k < count; k++) {
            double unit = 0.5 * (1 + support_random(100 * number + i, k));
            if (it->example.element[i] == LS_ELEMENT_INDEX)
                ((int32_t *)values)[k] = (int32_t)(unit * (double)it->example.classes[i]);
            else if (it->example.ones && i > 0)
                support_set(&it->g, values, k, unit < 0.5 ? 0 : 1);
            else
                support_set(&it->g, values, k, it->example.low + (it->example.high - it->example.low) * unit);
        }
    }
}

static void seed(instance *it, uint64_t number) {
    if (ls_graph_at(it->g.graph, it->node)->element == LS_ELEMENT_LOSS) return;
    size_t count = ROWS * ls_shape_size(ls_graph_at(it->g.graph, it->node)->shape);
    void *seeds = ls_graph_gradient(it->g.graph, it->node);
    for (size_t k = 0; k < count; k++) support_set(&it->g, seeds, k, support_random(number + 77, k));
}

static void make(instance *out, const ls_op *op, uint64_t number, ls_precision precision, const char *math) {
    instance it = {.g = support_graph_create(precision, math)};
    assert_non_null(op->example);
    op->example(number, &it.example);
    ls_param_use uses[4];
    for (size_t p = 0; p < it.example.params; p++) uses[p] = support_param(&it.g, it.example.param[p]);
    for (size_t i = 0; i < it.example.inputs; i++) {
        it.input[i] = support_input(&it.g, "x", it.example.input[i], it.example.element[i]);
        if (it.example.element[i] == LS_ELEMENT_REAL) ls_graph_want_gradient(it.g.graph, it.input[i]);
    }
    it.node =
        support_node(&it.g, op, op->name, it.example.options, it.example.inputs, it.input, it.example.params, uses);
    if (ls_graph_at(it.g.graph, it.node)->element == LS_ELEMENT_LOSS)
        ls_graph_loss(it.g.graph, it.node, 0.7, LS_NO_NODE);
    else
        ls_graph_want_seed(it.g.graph, it.node);
    support_cut(&it.cut, ROWS, GRAIN);
    support_graph_ready(&it.g, &(ls_plan){.rows = ROWS, .microbatches = it.cut.micro.count, .training = true}, 1);
    support_draw_params(&it.g, number, 0.2, 1.2);
    fill_inputs(&it, number);
    seed(&it, number);
    *out = it;
    support_cut(&out->cut, ROWS, GRAIN); /* it points into itself */
}

static void every_descriptor_is_complete(void **state) {
    (void)state;
    for (size_t i = 0; ls_ops[i]; i++) {
        const ls_op *op = ls_ops[i];
        assert_true(op->name && op->doc && op->infer && op->forward && op->backward && op->example && op->twin);
        assert_ptr_not_equal(op, op->twin);
        assert_ptr_equal(op->twin->twin, op->twin);
        assert_string_equal(op->name, op->twin->name);
        assert_ptr_equal(ls_op_find(op->name), op);
    }
    assert_null(ls_op_find("transformer"));
}

static void backward_agrees_with_differences(void **state) {
    (void)state;
    for (size_t i = 0; ls_ops[i]; i++)
        for (uint64_t number = 0; number < EXAMPLES; number++) {
            instance it;
            make(&it, ls_ops[i], number, LS_PRECISION_DOUBLE, NULL);
            ls_gradient_report report;
            ls_status status = ls_gradient_check(it.g.graph, &it.cut.micro, 0, &report);
            if (status != LS_OK) print_error("%s, example %d\n", ls_ops[i]->name, (int)number);
            assert_works(status);
            assert_true(report.checked > 0 || report.skipped > 0);
            if (report.skipped > report.checked + 1)
                fail_msg("%s, example %d: %zu skipped, %zu checked", ls_ops[i]->name, (int)number, report.skipped,
                         report.checked);
            support_graph_destroy(&it.g);
        }
}

/* At 0, where padding and biases begin, and where the slope of some operators has a kink. */
static void backward_agrees_with_differences_at_zero(void **state) {
    (void)state;
    for (size_t i = 0; ls_ops[i]; i++) {
        instance it;
        make(&it, ls_ops[i], 1, LS_PRECISION_DOUBLE, NULL);
        for (size_t k = 0; k < it.example.inputs; k++)
            if (it.example.element[k] == LS_ELEMENT_REAL && it.example.low <= 0)
                memset(ls_graph_value(it.g.graph, it.input[k]), 0,
                       ROWS * ls_shape_size(it.example.input[k]) * sizeof(double));
        ls_gradient_report report;
        ls_status status = ls_gradient_check(it.g.graph, &it.cut.micro, 0, &report);
        if (status != LS_OK) print_error("%s\n", ls_ops[i]->name);
        assert_works(status);
        support_graph_destroy(&it.g);
    }
}

/* An operator whose backward is wrong by 1 % in one of its results. */
static const ls_op *honest;
static size_t lied_about; /* an input, or, from 100 on, a parameter */

static void lying_backward(const ls_op_run *run) {
    honest->backward(run);
    if (lied_about < 100) {
        double *dx = run->input[lied_about].gradient;
        for (size_t k = 0; k < run->rows * run->input[lied_about].size; k++) dx[k] *= 1.01;
        return;
    }
    double *dw = run->param[lied_about - 100].gradient;
    for (size_t k = 0; k < run->param[lied_about - 100].spec->count; k++) dw[k] *= 1.01;
}

/* Does the check catch it in one of the examples? (In some the gradient is 0, or all is skipped.) */
static bool is_caught(const ls_op *op, size_t about) {
    ls_op liar = *op->twin;
    honest = op->twin;
    lied_about = about;
    liar.backward = lying_backward;
    liar.twin = &liar;
    bool caught = false;
    for (uint64_t number = 0; number < EXAMPLES && !caught; number++) {
        instance it;
        make(&it, &liar, number, LS_PRECISION_DOUBLE, NULL);
        bool exists = about < 100
                          ? about < it.example.inputs && it.example.element[about] == LS_ELEMENT_REAL
                          : about - 100 < it.example.params && it.example.param[about - 100].role != LS_ROLE_STATISTIC;
        ls_gradient_report report;
        if (exists) {
            ls_status status = ls_gradient_check(it.g.graph, &it.cut.micro, 0, &report);
            caught = ls_status_code(status) == LS_ERR_NUMERIC;
            ls_status_free(status);
        }
        support_graph_destroy(&it.g);
    }
    return caught;
}

static void an_error_of_one_percent_is_caught_in_every_backward(void **state) {
    (void)state;
    for (size_t i = 0; ls_ops[i]; i++) {
        ls_op_example example = {0};
        ls_ops[i]->example(1, &example);
        for (size_t j = 0; j < example.inputs; j++)
            if (example.element[j] == LS_ELEMENT_REAL && !is_caught(ls_ops[i], j))
                fail_msg("%s: 1 %% in the gradient of input %zu goes unnoticed", ls_ops[i]->name, j);
        for (size_t p = 0; p < example.params; p++)
            if (example.param[p].role != LS_ROLE_STATISTIC && !is_caught(ls_ops[i], 100 + p))
                fail_msg("%s: 1 %% in the gradient of parameter %zu goes unnoticed", ls_ops[i]->name, p);
    }
}

/* Bytes of a part's values and input gradients must be those of the whole. */
static void same_rows(const instance *whole, const instance *part, const void *all, const void *some, size_t size) {
    size_t bytes = size * (whole->g.precision == LS_PRECISION_DOUBLE ? sizeof(double) : sizeof(float));
    size_t rows = part->cut.row[part->cut.micro.count];
    assert_memory_equal((const char *)all + part->cut.micro.first_sample * bytes, some, rows * bytes);
}

/* Copies the rows of `part` from the filled whole. */
static void take_rows(const instance *whole, instance *part) {
    size_t first = part->cut.micro.first_sample, rows = part->cut.row[part->cut.micro.count];
    for (size_t i = 0; i < whole->example.inputs; i++) {
        size_t bytes = ls_shape_size(whole->example.input[i]) * sizeof(float);
        memcpy(ls_graph_value(part->g.graph, part->input[i]),
               (const char *)ls_graph_value(whole->g.graph, whole->input[i]) + first * bytes, rows * bytes);
    }
    if (ls_graph_at(whole->g.graph, whole->node)->element == LS_ELEMENT_LOSS) return;
    size_t bytes = ls_shape_size(ls_graph_at(whole->g.graph, whole->node)->shape) * sizeof(float);
    memcpy(ls_graph_gradient(part->g.graph, part->node),
           (const char *)ls_graph_gradient(whole->g.graph, whole->node) + first * bytes, rows * bytes);
}

/* Four micro-batches on one rank, or two and two on two ranks: the same rows, and the tree's two halves make the whole.
 */
static void a_cut_batch_gives_the_same_bits(const char *math) {
    for (size_t i = 0; ls_ops[i]; i++)
        for (uint64_t number = 0; number < 6; number++) {
            instance whole;
            make(&whole, ls_ops[i], number, LS_PRECISION_FLOAT, math);
            assert_works(ls_graph_forward(whole.g.graph, &whole.cut.micro, true, NULL, NULL));
            instance half[2];
            for (size_t h = 0; h < 2; h++) {
                make(&half[h], ls_ops[i], number, LS_PRECISION_FLOAT, math);
                support_cut_part(&half[h].cut, ROWS, GRAIN, 2 * h, 2 * h + 2);
                assert_int_equal(half[h].cut.micro.blocks, 1);
                take_rows(&whole, &half[h]);
                assert_works(ls_graph_forward(half[h].g.graph, &half[h].cut.micro, true, NULL, NULL));
                assert_works(ls_graph_backward(half[h].g.graph, &half[h].cut.micro, NULL, NULL));
            }
            assert_works(ls_graph_backward(whole.g.graph, &whole.cut.micro, NULL, NULL));
            const ls_graph_node *node = ls_graph_at(whole.g.graph, whole.node);
            for (size_t h = 0; h < 2; h++) {
                size_t width = node->element == LS_ELEMENT_LOSS ? 2 : ls_shape_size(node->shape);
                same_rows(&whole, &half[h], ls_graph_value(whole.g.graph, whole.node),
                          ls_graph_value(half[h].g.graph, half[h].node), width);
                for (size_t j = 0; j < whole.example.inputs; j++)
                    if (whole.example.element[j] == LS_ELEMENT_REAL)
                        same_rows(&whole, &half[h], ls_graph_gradient(whole.g.graph, whole.input[j]),
                                  ls_graph_gradient(half[h].g.graph, half[h].input[j]),
                                  ls_shape_size(whole.example.input[j]));
            }
            const float *all = whole.g.gradients, *left = half[0].g.gradients, *right = half[1].g.gradients;
            for (size_t k = 0; k < whole.g.stride; k++) {
                float sum = left[k] + right[k];
                if (memcmp(&sum, &all[k], sizeof sum) != 0)
                    fail_msg("%s, example %d, element %zu: %a + %a is not %a", ls_ops[i]->name, (int)number, k,
                             (double)left[k], (double)right[k], (double)all[k]);
            }
            for (size_t h = 0; h < 2; h++) support_graph_destroy(&half[h].g);
            support_graph_destroy(&whole.g);
        }
}

static void exact_arithmetic_does_not_see_the_cut(void **state) {
    (void)state;
    a_cut_batch_gives_the_same_bits("exact");
}

static void blas_arithmetic_does_not_see_the_cut(void **state) {
    (void)state;
    a_cut_batch_gives_the_same_bits("blas");
}

/* A thread more or less changes nothing. */
static void the_team_does_not_show(void **state) {
    (void)state;
    for (size_t i = 0; ls_ops[i]; i++) {
        instance one, three;
        make(&one, ls_ops[i], 1, LS_PRECISION_FLOAT, "exact");
        three = one;
        ls_team *team;
        assert_works(ls_team_create(3, &team));
        three.g = (support_graph){.precision = LS_PRECISION_FLOAT, .team = team};
        assert_works(ls_params_create(ls_math_find("exact"), &three.g.params));
        ls_graph_setup setup = {.params = three.g.params, .math = ls_math_find("exact"), .team = team, .seed = 7};
        assert_works(ls_graph_create(&setup, &three.g.graph));
        ls_param_use uses[4];
        for (size_t p = 0; p < one.example.params; p++) uses[p] = support_param(&three.g, one.example.param[p]);
        for (size_t j = 0; j < one.example.inputs; j++) {
            three.input[j] = support_input(&three.g, "x", one.example.input[j], one.example.element[j]);
            if (one.example.element[j] == LS_ELEMENT_REAL) ls_graph_want_gradient(three.g.graph, three.input[j]);
        }
        three.node = support_node(&three.g, ls_ops[i], "op", one.example.options, one.example.inputs, three.input,
                                  one.example.params, uses);
        if (ls_graph_at(one.g.graph, one.node)->element == LS_ELEMENT_LOSS)
            ls_graph_loss(three.g.graph, three.node, 0.7, LS_NO_NODE);
        else
            ls_graph_want_seed(three.g.graph, three.node);
        support_cut(&three.cut, ROWS, GRAIN);
        support_graph_ready(&three.g, &(ls_plan){.rows = ROWS, .microbatches = 4, .training = true}, 1);
        support_draw_params(&three.g, 1, 0.2, 1.2);
        fill_inputs(&three, 1);
        seed(&three, 1);
        instance *both[2] = {&one, &three};
        for (size_t k = 0; k < 2; k++) {
            assert_works(ls_graph_forward(both[k]->g.graph, &both[k]->cut.micro, true, NULL, NULL));
            assert_works(ls_graph_backward(both[k]->g.graph, &both[k]->cut.micro, NULL, NULL));
        }
        assert_memory_equal(one.g.gradients, three.g.gradients, one.g.stride * sizeof(float));
        size_t bytes = ls_graph_at(one.g.graph, one.node)->element == LS_ELEMENT_LOSS ? sizeof(double) : sizeof(float);
        assert_memory_equal(ls_graph_value(one.g.graph, one.node), ls_graph_value(three.g.graph, three.node),
                            ROWS * bytes * ls_shape_size(ls_graph_at(one.g.graph, one.node)->shape));
        support_graph_destroy(&one.g);
        support_graph_destroy(&three.g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_descriptor_is_complete),
        cmocka_unit_test(backward_agrees_with_differences),
        cmocka_unit_test(backward_agrees_with_differences_at_zero),
        cmocka_unit_test(an_error_of_one_percent_is_caught_in_every_backward),
        cmocka_unit_test(exact_arithmetic_does_not_see_the_cut),
        cmocka_unit_test(blas_arithmetic_does_not_see_the_cut),
        cmocka_unit_test(the_team_does_not_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
