#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "choose.h"
#include "graphs.h"
#include "lockstep/export.h"

enum { EXAMPLES = 6, ROWS = 3, INPUTS = 4 };

static int set_up(void **state) {
    *state = support_make_folder();
    return 0;
}

static int tear_down(void **state) {
    support_remove_folder(*state);
    return 0;
}

static void needs_onnx(void) {
    if (!ls_export_onnx_missing()) return;
    print_message("skipped: %s\n", ls_export_onnx_missing());
    skip();
}

/* Lets the reader beside this file check and evaluate every network of a folder. */
static void assert_reads_back(const char *folder) {
    char source[4096], command[16384];
    snprintf(source, sizeof source, "%s", __FILE__);
    *strrchr(source, '/') = '\0';
    snprintf(command, sizeof command, "ASAN_OPTIONS= /usr/bin/python3 '%s/onnx_reader.py' '%s' 1>&2", source, folder);
    int result = system(command);
    if (WIFEXITED(result) && (WEXITSTATUS(result) == 77 || WEXITSTATUS(result) == 127)) skip();
    assert_int_equal(result, 0);
}

/* The values of a node over all rows, as an array with the batch as its first axis. */
static ls_export_array array_of(const support_graph *g, size_t node, const char *name, float *room) {
    const ls_graph_node *n = ls_graph_at(g->graph, node);
    ls_export_array array = {.name = name, .values = room, .shape = {1 + n->shape.rank, {ROWS}}};
    for (size_t i = 0; i < n->shape.rank; i++) array.shape.dim[1 + i] = n->shape.dim[i];
    const void *values = ls_graph_value(g->graph, node);
    for (size_t k = 0; k < ls_shape_size(array.shape); k++)
        room[k] = n->element == LS_ELEMENT_INDEX ? (float)((const int32_t *)values)[k] : ((const float *)values)[k];
    return array;
}

/* Writes inputs and output for the reader. Inputs after the first are called "x_1" ... in the ONNX file. */
static void write_values(const support_graph *g, const char *folder, const char *name, size_t inputs,
                         const size_t *input, size_t output) {
    enum { ROOM = 8192 };
    static float room[INPUTS + 1][ROOM];
    static char names[INPUTS][32];
    char file[256];
    ls_export_array arrays[INPUTS + 1];
    for (size_t i = 0; i < inputs; i++) {
        const char *dataset = ls_graph_at(g->graph, input[i])->name;
        bool first = ls_graph_find(g->graph, dataset) == input[i];
        snprintf(names[i], sizeof names[i], first ? "input/%s" : "input/%s_%zu", dataset, input[i]);
        arrays[i] = array_of(g, input[i], names[i], room[i]);
    }
    arrays[inputs] = array_of(g, output, "output", room[INPUTS]);
    snprintf(file, sizeof file, "%s.safetensors", name);
    assert_works(ls_export_arrays(support_path(folder, file), inputs + 1, arrays, 0, NULL));
}

static void fill(const support_graph *g, size_t node, uint64_t seed, double low, double high, size_t classes) {
    const ls_graph_node *n = ls_graph_at(g->graph, node);
    void *values = ls_graph_value(g->graph, node);
    for (size_t k = 0; k < ROWS * ls_shape_size(n->shape); k++) {
        double unit = 0.5 * (1 + support_random(seed, k));
        if (n->element == LS_ELEMENT_INDEX)
            ((int32_t *)values)[k] = (int32_t)(unit * (double)classes);
        else
            ((float *)values)[k] = (float)(low + (high - low) * unit);
    }
}

/* One operator alone. False where it is a loss, which no file holds. */
static bool export_operator(const char *folder, const ls_op *op, uint64_t number) {
    support_graph g = support_graph_create(LS_PRECISION_FLOAT, NULL);
    ls_op_example example = {0};
    op->example(number, &example);
    ls_param_use uses[INPUTS];
    size_t input[INPUTS];
    for (size_t p = 0; p < example.params; p++) uses[p] = support_param(&g, example.param[p]);
    for (size_t i = 0; i < example.inputs; i++) input[i] = support_input(&g, "x", example.input[i], example.element[i]);
    size_t node = support_node(&g, op, op->name, example.options, example.inputs, input, example.params, uses);
    ls_graph_keep(g.graph, node);
    support_graph_ready(&g, &(ls_plan){.rows = ROWS, .microbatches = 1}, 0);
    support_draw_params(&g, number, 0.2, 1.2);
    char name[64], path[128];
    snprintf(name, sizeof name, "%s_%d", op->name, (int)number);
    snprintf(path, sizeof path, "%s.onnx", name);
    const ls_export what = {.graph = g.graph, .weights = g.weights, .output = node};
    bool loss = ls_graph_at(g.graph, node)->element == LS_ELEMENT_LOSS;
    if (loss) {
        assert_refuses(ls_export_onnx(support_path(folder, path), &what), LS_ERR_DATA, "cannot be written as ONNX");
        assert_int_not_equal(access(support_path(folder, path), F_OK), 0);
    } else {
        for (size_t i = 0; i < example.inputs; i++)
            fill(&g, input[i], 100 * number + i, example.low, example.high, example.classes[i]);
        support_micro cut;
        support_cut(&cut, ROWS, ROWS);
        assert_works(ls_graph_forward(g.graph, &cut.micro, false, NULL, NULL));
        assert_works(ls_export_onnx(support_path(folder, path), &what));
        write_values(&g, folder, name, example.inputs, input, node);
    }
    support_graph_destroy(&g);
    return !loss;
}

/* Whatever is in the table of operators is written, read by others and computes the same; losses are refused. */
static void every_operator_reads_back(void **state) {
    needs_onnx();
    size_t written = 0;
    for (size_t i = 0; ls_ops[i]; i++)
        for (uint64_t number = 0; number < EXAMPLES; number++) written += export_operator(*state, ls_ops[i], number);
    assert_true(written > 20 * EXAMPLES);
    assert_reads_back(*state);
}

/* ---- a network ---------------------------------------------------------------------------------------------- */

typedef struct network {
    support_graph g;
    size_t x, left, output;
    float shift[18], factor[18], matrix[16], target_shift[2], target_factor[2];
} network;

static ls_param param(const char *layer, const char *name, ls_role role, ls_layout layout, ls_shape shape) {
    return (ls_param){.layer = layer,
                      .name = name,
                      .shape = shape,
                      .role = role,
                      .layout = layout,
                      .groups = 1,
                      .learning_rate_factor = 1,
                      .decay_factor = 1};
}

/* x (2, 3, 3) -> conv -> flatten -> dense -+-> concat -> dense (2);  left (4) -> dense, shared twice; a loss beside it.
 */
static void make_network(network *n) {
    n->g = support_graph_create(LS_PRECISION_FLOAT, NULL);
    support_graph *g = &n->g;
    n->x = support_input(g, "x", (ls_shape){3, {2, 3, 3}}, LS_ELEMENT_REAL);
    n->left = support_input(g, "left", (ls_shape){1, {4}}, LS_ELEMENT_REAL);
    size_t y = support_input(g, "y", (ls_shape){1, {2}}, LS_ELEMENT_REAL);
    const ls_op_conv2d_options conv = {{1, 1}, {1, 1}, {1, 1}, 1};
    ls_param_use filters[] = {
        support_param(g, param("conv2d_1", "weight", LS_ROLE_WEIGHT, LS_LAYOUT_CONV, (ls_shape){4, {3, 2, 2, 2}})),
        support_param(g, param("conv2d_1", "bias", LS_ROLE_BIAS, LS_LAYOUT_PLAIN, (ls_shape){1, {3}}))};
    size_t image = support_node(g, &ls_op_conv2d, "conv2d_1", &conv, 1, &n->x, 2, filters);
    size_t active = support_node(g, &ls_op_relu, "relu_1", NULL, 1, &image, 0, NULL);
    size_t flat = support_node(g, &ls_op_flatten, "flatten_1", NULL, 1, &active, 0, NULL);
    ls_param_use shared[] = {
        support_param(g, param("dense_1", "weight", LS_ROLE_WEIGHT, LS_LAYOUT_DENSE, (ls_shape){2, {4, 4}}))};
    size_t first = support_node(g, &ls_op_dense, "dense_1", NULL, 1, &n->left, 1, shared);
    ls_param_use again = shared[0];
    assert_works(ls_params_share(g->params, shared[0].index, &again.use));
    size_t second = support_node(g, &ls_op_dense, "dense_2", NULL, 1, &first, 1, &again);
    size_t both[] = {flat, second};
    size_t joined = support_node(g, &ls_op_concat, "concat_1", NULL, 2, both, 0, NULL);
    ls_param_use last[] = {
        support_param(g, param("dense_3", "weight", LS_ROLE_WEIGHT, LS_LAYOUT_DENSE, (ls_shape){2, {2, 52}})),
        support_param(g, param("dense_3", "bias", LS_ROLE_BIAS, LS_LAYOUT_PLAIN, (ls_shape){1, {2}}))};
    n->output = support_node(g, &ls_op_dense, "dense_3", NULL, 1, &joined, 2, last);
    ls_graph_keep(g->graph, n->output);
    size_t judged[] = {n->output, y};
    ls_graph_loss(g->graph, support_node(g, &ls_op_mse, "mse_1", NULL, 2, judged, 0, NULL), 1, LS_NO_NODE);
    support_graph_ready(g, &(ls_plan){.rows = ROWS, .microbatches = 1}, 0);
    support_draw_params(g, 5, -1, 1);
    for (size_t i = 0; i < 18; i++) n->shift[i] = (float)support_random(1, i), n->factor[i] = 0.5f + (float)i / 18;
    for (size_t i = 0; i < 16; i++) n->matrix[i] = (float)support_random(2, i);
    n->target_shift[0] = 3, n->target_shift[1] = -4;
    n->target_factor[0] = 0.25f, n->target_factor[1] = 0; /* the second target was constant */
}

static ls_export describe(const network *n, ls_export_input inputs[2]) {
    inputs[0] = (ls_export_input){n->x, {n->shift, n->factor, NULL}};
    inputs[1] = (ls_export_input){n->left, {n->shift, NULL, n->matrix}};
    return (ls_export){.graph = n->g.graph,
                       .weights = n->g.weights,
                       .input_count = 2,
                       .inputs = inputs,
                       .output = n->output,
                       .target = {n->target_shift, n->target_factor, NULL},
                       .name = "test"};
}

/* What training does before the graph, and predict after it. */
static void preprocess(const network *n, const float *x, const float *left) {
    float *z = ls_graph_value(n->g.graph, n->x), *zl = ls_graph_value(n->g.graph, n->left);
    for (size_t k = 0; k < (size_t)ROWS * 18; k++) z[k] = (x[k] - n->shift[k % 18]) * n->factor[k % 18];
    for (size_t r = 0; r < ROWS; r++)
        for (size_t j = 0; j < 4; j++) {
            zl[r * 4 + j] = 0;
            for (size_t i = 0; i < 4; i++) zl[r * 4 + j] += (left[r * 4 + i] - n->shift[i]) * n->matrix[i * 4 + j];
        }
}

static void a_network_reads_back_from_raw_inputs_to_original_units(void **state) {
    needs_onnx();
    network n;
    make_network(&n);
    float x[ROWS * 18], left[ROWS * 4], predicted[ROWS * 2];
    for (size_t k = 0; k < ROWS * 18; k++) x[k] = (float)support_random(8, k);
    for (size_t k = 0; k < ROWS * 4; k++) left[k] = (float)support_random(9, k);
    preprocess(&n, x, left);
    support_micro cut;
    support_cut(&cut, ROWS, ROWS);
    assert_works(ls_graph_forward(n.g.graph, &cut.micro, false, NULL, NULL));
    const float *output = ls_graph_value(n.g.graph, n.output);
    for (size_t r = 0; r < ROWS; r++) {
        predicted[2 * r] = output[2 * r] / n.target_factor[0] + n.target_shift[0];
        predicted[2 * r + 1] = n.target_shift[1];
    }
    ls_export_input inputs[2];
    ls_export what = describe(&n, inputs);
    assert_works(ls_export_onnx(support_path(*state, "network.onnx"), &what));
    const ls_export_array arrays[] = {{"input/x", {4, {ROWS, 2, 3, 3}}, x},
                                      {"input/left", {2, {ROWS, 4}}, left},
                                      {"output", {2, {ROWS, 2}}, predicted}};
    assert_works(ls_export_arrays(support_path(*state, "network.safetensors"), 3, arrays, 0, NULL));
    support_graph_destroy(&n.g);
    assert_reads_back(*state);
}

static void targets_that_were_whitened_are_refused(void **state) {
    needs_onnx();
    network n;
    make_network(&n);
    ls_export_input inputs[2];
    ls_export what = describe(&n, inputs);
    what.target.matrix = n.matrix;
    assert_refuses(ls_export_onnx(support_path(*state, "network.onnx"), &what), LS_ERR_DATA, "whitened");
    what.target.matrix = NULL;
    assert_refuses(ls_export_onnx(support_path(*state, "no/network.onnx"), &what), LS_ERR_IO, "no/network.onnx");
    support_graph_destroy(&n.g);
}

/* What apply computes is what the tables say. */
static void tables_are_those_of_the_preprocessing(void **state) {
    (void)state;
    ls_pool *pool = NULL;
    assert_works(ls_pool_create(&pool));
    for (const ls_type *const *type = ls_preprocess_family.types; *type; type++) {
        enum { SIZE = 3 };
        ls_choice choice = support_choose(pool, &ls_preprocess_family, (*type)->name, NULL);
        ls_preprocess *p = NULL;
        assert_works(ls_preprocess_create(&choice, (ls_shape){1, {SIZE}}, &p));
        for (size_t s = 0; s < ls_preprocess_statistics(p); s++) {
            const ls_statistic *statistic = ls_preprocess_statistic(p, s);
            for (size_t i = 0; i < ls_shape_size(statistic->shape); i++)
                statistic->values[i] = 1 + (double)s + 0.3 * (double)i;
        }
        assert_works(ls_preprocess_ready(p));
        const float x[SIZE] = {0.5f, -2, 7};
        float expected[SIZE], z[SIZE];
        ls_preprocess_apply(p, 1, x, expected);
        ls_export_affine affine = ls_export_affine_of(p);
        for (size_t j = 0; j < SIZE; j++) {
            z[j] = affine.matrix ? 0 : x[j] - (affine.shift ? affine.shift[j] : 0);
            if (affine.factor) z[j] *= affine.factor[j];
            for (size_t k = 0; affine.matrix && k < SIZE; k++)
                z[j] += (x[k] - affine.shift[k]) * affine.matrix[k * SIZE + j];
        }
        assert_memory_equal(z, expected, sizeof z);
        ls_preprocess_destroy(p);
    }
    assert_null(ls_export_affine_of(NULL).shift);
    ls_pool_destroy(pool);
}

/* ---- safetensors -------------------------------------------------------------------------------------------- */

static char *read_whole(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = calloc(1, 65536);
    assert_non_null(bytes);
    *length = fread(bytes, 1, 65535, file);
    fclose(file);
    return bytes;
}

static void safetensors_are_header_and_numbers(void **state) {
    const char *path = support_path(*state, "two.safetensors");
    const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {7};
    const ls_export_array arrays[] = {{"dense_1/weight", {2, {2, 3}}, a}, {"scale", {0}, b}};
    const char *const notes[] = {"format", "pt"};
    assert_works(ls_export_arrays(path, 2, arrays, 1, notes));
    size_t length = 0;
    char *bytes = read_whole(path, &length);
    static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                                 "\"dense_1/weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                                 "\"scale\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[24,28]}}";
    size_t padded = (sizeof header - 1 + 7) / 8 * 8;
    assert_int_equal((unsigned char)bytes[0], padded);
    assert_memory_equal(bytes + 8, header, sizeof header - 1);
    assert_memory_equal(bytes + 8 + padded, a, sizeof a);
    assert_memory_equal(bytes + 8 + padded + sizeof a, b, sizeof b);
    assert_int_equal(length, 8 + padded + 28);
    free(bytes);
}

static void a_model_lists_parameters_and_preprocessing(void **state) {
    const char *path = support_path(*state, "model.safetensors");
    network n;
    make_network(&n);
    ls_export_input inputs[2];
    ls_export what = describe(&n, inputs);
    assert_works(ls_export_safetensors(path, &what));
    size_t length = 0;
    char *bytes = read_whole(path, &length);
    static const char *const names[] = {"\"conv2d_1/weight\":{\"dtype\":\"F32\",\"shape\":[3,2,2,2]",
                                        "\"dense_3/bias\":{\"dtype\":\"F32\",\"shape\":[2]",
                                        "\"preprocess/x/factor\":{\"dtype\":\"F32\",\"shape\":[2,3,3]",
                                        "\"preprocess/left/matrix\":{\"dtype\":\"F32\",\"shape\":[4,4]",
                                        "\"preprocess/target/shift\":{\"dtype\":\"F32\",\"shape\":[2]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert_non_null(strstr(bytes + 8, names[i]));
    free(bytes);
    support_graph_destroy(&n.g);
}

static void names_must_differ(void **state) {
    const char *path = support_path(*state, "twice.safetensors");
    const float a[] = {1};
    const ls_export_array arrays[] = {{"a", {0}, a}, {"a", {0}, a}};
    assert_refuses(ls_export_arrays(path, 2, arrays, 0, NULL), LS_ERR_DATA, "names of arrays must be different");
    assert_refuses(ls_export_arrays(support_path(*state, "no/a"), 1, arrays, 0, NULL), LS_ERR_IO, "no/a");
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_operator_reads_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_network_reads_back_from_raw_inputs_to_original_units, set_up, tear_down),
        cmocka_unit_test_setup_teardown(targets_that_were_whitened_are_refused, set_up, tear_down),
        cmocka_unit_test(tables_are_those_of_the_preprocessing),
        cmocka_unit_test_setup_teardown(safetensors_are_header_and_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_lists_parameters_and_preprocessing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_must_differ, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
