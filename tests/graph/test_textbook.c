/* Derivatives that are known from textbooks. */
#include <math.h>

#include "graphs.h"

typedef struct fixture {
    support_graph g;
    support_micro cut;
} fixture;

static fixture start(void) {
    fixture f = {.g = support_graph_create(LS_PRECISION_DOUBLE, NULL)};
    support_cut(&f.cut, 1, 1);
    return f;
}

static void ready(fixture *f) {
    support_graph_ready(&f->g, &(ls_plan){.rows = 1, .microbatches = 1, .training = true}, 1);
    support_cut(&f->cut, 1, 1);
}

static void fill(fixture *f, size_t node, size_t count, const double *values) {
    for (size_t i = 0; i < count; i++) support_set(&f->g, ls_graph_value(f->g.graph, node), i, values[i]);
}

static size_t real_input(fixture *f, const char *name, ls_shape shape) {
    size_t node = support_input(&f->g, name, shape, LS_ELEMENT_REAL);
    ls_graph_want_gradient(f->g.graph, node);
    return node;
}

static size_t number_node(fixture *f, const ls_op *op, const char *name, double number, size_t input) {
    ls_op_number_options options = {number};
    return support_node(&f->g, op, name, &options, 1, &input, 0, NULL);
}

/* y = a (a + b) at (3, 4): 21, with gradient (10, 3). */
static void a_node_used_twice_receives_the_sum(void **state) {
    (void)state;
    fixture f = start();
    size_t a = real_input(&f, "a", (ls_shape){0}), b = real_input(&f, "b", (ls_shape){0});
    size_t s = support_node(&f.g, &ls_op_add, "s", NULL, 2, (size_t[]){a, b}, 0, NULL);
    size_t y = support_node(&f.g, &ls_op_multiply, "y", NULL, 2, (size_t[]){a, s}, 0, NULL);
    ls_graph_want_seed(f.g.graph, y);
    ready(&f);
    fill(&f, a, 1, (double[]){3});
    fill(&f, b, 1, (double[]){4});
    double slope;
    assert_works(ls_graph_jacobian(f.g.graph, &f.cut.micro, y, a, 0, &slope));
    assert_true(slope == 10);
    assert_works(ls_graph_jacobian(f.g.graph, &f.cut.micro, y, b, 0, &slope));
    assert_true(slope == 3);
    assert_true(support_get(&f.g, ls_graph_value(f.g.graph, y), 0) == 21);
    support_graph_destroy(&f.g);
}

/* One consumer twice: y = a a a at 2 has the slope 12. */
static void a_node_used_twice_by_one_consumer_too(void **state) {
    (void)state;
    fixture f = start();
    size_t a = real_input(&f, "a", (ls_shape){0});
    size_t y = support_node(&f.g, &ls_op_multiply, "y", NULL, 3, (size_t[]){a, a, a}, 0, NULL);
    ls_graph_want_seed(f.g.graph, y);
    ready(&f);
    fill(&f, a, 1, (double[]){2});
    double slope;
    assert_works(ls_graph_jacobian(f.g.graph, &f.cut.micro, y, a, 0, &slope));
    assert_true(slope == 12);
    support_graph_destroy(&f.g);
}

/* d/dx sin(x^3) at 2 is 12 cos 8. */
static void the_chain_rule(void **state) {
    (void)state;
    fixture f = start();
    size_t x = real_input(&f, "x", (ls_shape){0});
    size_t cube = number_node(&f, &ls_op_power, "cube", 3, x);
    size_t y = support_node(&f.g, &ls_op_sin, "y", NULL, 1, &cube, 0, NULL);
    ls_graph_want_seed(f.g.graph, y);
    ready(&f);
    fill(&f, x, 1, (double[]){2});
    double slope;
    assert_works(ls_graph_jacobian(f.g.graph, &f.cut.micro, y, x, 0, &slope));
    assert_true(fabs(slope - 12 * cos(8)) < 1e-14);
    support_graph_destroy(&f.g);
}

static const double A[9] = {1, 2, 3, 4, 5, 6, 7, 8, 10};

static ls_param_use constant(fixture *f) {
    return support_param(
        &f->g,
        (ls_param){.layer = "A", .name = "weight", .shape = {2, {3, 3}}, .layout = LS_LAYOUT_DENSE, .frozen = true});
}

/* The Jacobian of A x is A, and the gradient of x^T A x is (A + A^T) x. */
static void products_with_a_matrix(void **state) {
    (void)state;
    fixture f = start();
    size_t x = real_input(&f, "x", (ls_shape){1, {3}});
    ls_param_use a = constant(&f);
    size_t ax = support_node(&f.g, &ls_op_dense, "Ax", NULL, 1, &x, 1, &a);
    size_t products = support_node(&f.g, &ls_op_multiply, "products", NULL, 2, (size_t[]){x, ax}, 0, NULL);
    size_t form = support_node(&f.g, &ls_op_sum, "form", NULL, 1, &products, 0, NULL);
    ls_graph_want_seed(f.g.graph, ax);
    ls_graph_want_seed(f.g.graph, form);
    ready(&f);
    support_set_param(&f.g, a.index, A);
    const double point[3] = {0.5, -1, 2};
    fill(&f, x, 3, point);
    double jacobian[9], gradient[3];
    assert_works(ls_graph_jacobian(f.g.graph, &f.cut.micro, ax, x, 0, jacobian));
    for (size_t i = 0; i < 9; i++) assert_true(jacobian[i] == A[i]);
    assert_works(ls_graph_jacobian(f.g.graph, &f.cut.micro, form, x, 0, gradient));
    for (size_t i = 0; i < 3; i++) {
        double expected = 0;
        for (size_t j = 0; j < 3; j++) expected += (A[3 * i + j] + A[3 * j + i]) * point[j];
        assert_true(fabs(gradient[i] - expected) < 1e-13);
    }
    support_graph_destroy(&f.g);
}

/* f = (x^2 y, 5x + sin y) has the Jacobian ((2xy, x^2), (5, cos y)). */
static void a_jacobian_of_two_functions(void **state) {
    (void)state;
    fixture f = start();
    size_t x = real_input(&f, "x", (ls_shape){0}), y = real_input(&f, "y", (ls_shape){0});
    size_t five = support_input(&f.g, "five", (ls_shape){0}, LS_ELEMENT_REAL);
    size_t square = number_node(&f, &ls_op_power, "square", 2, x);
    size_t first = support_node(&f.g, &ls_op_multiply, "first", NULL, 2, (size_t[]){square, y}, 0, NULL);
    size_t linear = support_node(&f.g, &ls_op_multiply, "linear", NULL, 2, (size_t[]){five, x}, 0, NULL);
    size_t wave = support_node(&f.g, &ls_op_sin, "wave", NULL, 1, &y, 0, NULL);
    size_t second = support_node(&f.g, &ls_op_add, "second", NULL, 2, (size_t[]){linear, wave}, 0, NULL);
    size_t both = support_node(&f.g, &ls_op_concat, "both", NULL, 2, (size_t[]){first, second}, 0, NULL);
    ls_graph_want_seed(f.g.graph, both);
    ready(&f);
    fill(&f, x, 1, (double[]){1.5});
    fill(&f, y, 1, (double[]){0.7});
    fill(&f, five, 1, (double[]){5});
    double dx[2], dy[2];
    assert_works(ls_graph_jacobian(f.g.graph, &f.cut.micro, both, x, 0, dx));
    assert_works(ls_graph_jacobian(f.g.graph, &f.cut.micro, both, y, 0, dy));
    assert_true(fabs(dx[0] - 2 * 1.5 * 0.7) < 1e-15 && dx[1] == 5);
    assert_true(fabs(dy[0] - 2.25) < 1e-15 && fabs(dy[1] - cos(0.7)) < 1e-15);
    support_graph_destroy(&f.g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_used_twice_receives_the_sum),
        cmocka_unit_test(a_node_used_twice_by_one_consumer_too),
        cmocka_unit_test(the_chain_rule),
        cmocka_unit_test(products_with_a_matrix),
        cmocka_unit_test(a_jacobian_of_two_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
