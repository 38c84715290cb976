/* From configurations to models: names, shapes, parameters, refusals; then running them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check_rows.h"
#include "models.h"

static const ls_shape vector4 = {1, {4}}, image = {3, {2, 6, 6}};

static void rows_keep_their_promises(void **state) {
    (void)state;
    support_check_rows("init", ls_init_rows);
    support_check_family(&ls_layer_family);
    support_check_family(&ls_loss_family);
    support_check_family(&ls_init_family);
}

static const char mlp[] = "model:\n"
                          "  - dense: {units: 8}\n"
                          "  - relu\n"
                          "  - dense: {units: 3, name: logits}\n"
                          "loss: cross_entropy\n";

static void layers_are_named_and_shaped(void **state) {
    (void)state;
    support_model m;
    support_model_setup(&m, vector4, 3);
    assert_works(support_model_build(&m, mlp));
    const ls_params *params = ls_model_params(m.model);
    assert_int_equal(ls_params_count(params), 4);
    assert_string_equal(ls_params_at(params, 0)->layer, "dense_1");
    assert_string_equal(ls_params_at(params, 3)->layer, "logits");
    assert_string_equal(ls_params_at(params, 3)->name, "bias");
    assert_true(ls_shape_equal(ls_params_at(params, 2)->shape, (ls_shape){2, {3, 8}}));
    assert_true(ls_params_at(params, 0)->feeds_rectifier && !ls_params_at(params, 2)->feeds_rectifier);
    assert_int_equal(ls_params_values(params), 8 * 4 + 8 + 3 * 8 + 3);
    assert_int_equal(ls_model_slots(m.model), 2);
    assert_string_equal(ls_model_slot(m.model, 0)->name, "x");
    assert_string_equal(ls_model_slot(m.model, 1)->name, "y");
    assert_int_equal(ls_model_slot(m.model, 1)->element, LS_ELEMENT_INDEX);
    assert_int_equal(ls_model_slot(m.model, 1)->entries, 3);
    const ls_model_loss *loss = ls_model_loss_at(m.model, 0);
    assert_string_equal(loss->name, "cross_entropy");
    assert_string_equal(loss->of, "logits");
    assert_int_equal(loss->target, 1);
    assert_true(ls_model_layer(m.model, "relu_1") != LS_NO_NODE && ls_model_layer(m.model, "relu_2") == LS_NO_NODE);
    ls_text table = {0};
    assert_works(ls_graph_print(ls_model_graph(m.model), &table));
    assert_non_null(strstr(table.bytes, "logits"));
    assert_works(ls_graph_print_dot(ls_model_graph(m.model), &table));
    assert_non_null(strstr(table.bytes, "digraph"));
    ls_text_free(&table);
    support_model_free(&m);
}

/* What is wrong, and the words that must be said. All have the place. */
static void mistakes_are_refused_with_their_place(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *words;
        ls_code code;
    } cases[] = {
        {"model: [{dense: {units: 3, name: a}}, {relu: {name: a}}]\nloss: cross_entropy\n",
         "model.yaml:1:40: there are two layers called \"a\"", LS_ERR_CONFIG},
        {"model: [{dense: {units: 3, name: x}}]\nloss: cross_entropy\n", "called like an input", LS_ERR_CONFIG},
        {"model:\n - dense: {units: 3}\n - relu: {from: dense_2}\nloss: cross_entropy\n",
         "model.yaml:3:4: relu_1: from: there is no layer or input \"dense_2\" (did you mean \"dense_1\"?)",
         LS_ERR_CONFIG},
        {"model:\n - relu: {from: dense_1}\n - dense: {units: 3}\nloss: cross_entropy\n", "there is no earlier layer",
         LS_ERR_CONFIG},
        {"model:\n - dense: {units: 3, share: dens_1}\nloss: cross_entropy\n", "share: there is no layer",
         LS_ERR_CONFIG},
        {"model:\n - dense: {units: 3}\n - dense: {units: 3, share: dense_1}\nloss: cross_entropy\n",
         "model.yaml:3:4: dense_2: it shares dense_1/weight of shape (3, 4), but needs (3, 3)", LS_ERR_CONFIG},
        {"model:\n - dense: {units: 4}\n - dense: {units: 4, share: dense_1, freeze: true}\nloss: cross_entropy\n",
         "freeze, init and factors belong to dense_1", LS_ERR_CONFIG},
        {"model:\n - dense: {units: 4}\n - dense: {units: 4, share: dense_1, decay_factor: 0}\nloss: cross_entropy\n",
         "freeze, init and factors belong to dense_1", LS_ERR_CONFIG},
        {"model:\n - relu\n - dense: {units: 3, share: relu_1}\nloss: cross_entropy\n", "is of kind relu, not dense",
         LS_ERR_CONFIG},
        {"model:\n - dense: {units: 2}\nloss: cross_entropy\n",
         "model.yaml:3:7: cross_entropy: dataset \"y\" has 3 classes, but dense_1 has 2 outputs", LS_ERR_CONFIG},
        {"model:\n - dense: {units: 3}\nloss: {mse: {of: dense_2}}\n",
         "of: there is no layer \"dense_2\" (did you mean", LS_ERR_CONFIG},
        {"model:\n - dense: {units: 3}\nloss: {mse: {target: z}}\n", "the data have no dataset \"z\"", LS_ERR_DATA},
        {"model:\n - dense: {units: 3}\nloss: {mse: {target: t}}\n", "the target (2); expected the same number",
         LS_ERR_CONFIG},
        {"model:\n - dense: {units: 3}\nloss: {cross_entropy: {target: u}}\n", "needs integers", LS_ERR_DATA},
        {"model:\n - conv2d: {filters: 3, kernel: 3}\nloss: cross_entropy\n",
         "model.yaml:2:4: conv2d_1: its input has shape (4); expected (channels, height, width)", LS_ERR_CONFIG},
        {"model:\n - add: {from: [x, dense_1]}\nloss: cross_entropy\n", "add_1: from: there is no layer",
         LS_ERR_CONFIG},
        {"model:\n - add\nloss: cross_entropy\n", "add_1: takes at least 2 inputs, not 1", LS_ERR_CONFIG},
        {"model:\n - embedding: {entries: 5, size: 2}\nloss: cross_entropy\n", "needs integers", LS_ERR_DATA},
        {"model:\n - dense: {units: 1}\nloss: margin\n", "data.x_c names no dataset", LS_ERR_DATA},
        {"model:\n - dense: {units: 3}\nloss: {cross_entropy: {class_weights: [1, 2]}}\n",
         "class_weights has 2 numbers for 3 outputs", LS_ERR_CONFIG},
        {"model:\n - dense: {units: 3}\nloss: {cross_entropy: {class_weights: balanced}}\n",
         "balanced class weights need", LS_ERR_DATA},
        {"model:\n - relu: {from: tokens}\n - dense: {units: 3}\nloss: cross_entropy\n", NULL, LS_ERR_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        support_model m;
        support_model_setup(&m, vector4, 3);
        if (cases[i].code == LS_ERR_NONE)
            assert_works(support_model_build(&m, cases[i].yaml));
        else {
            ls_status status = support_model_build(&m, cases[i].yaml);
            if (!strstr(ls_status_message(status), "model.yaml:")) fail_msg("no place: %s", ls_status_message(status));
            assert_refuses(status, cases[i].code, cases[i].words);
        }
        support_model_free(&m);
    }
}

/* Weights of classes are written before the shape of the output is looked at. */
static void an_image_of_fewer_outputs_than_classes_is_refused(void **state) {
    (void)state;
    enum { CLASSES = 50000 };
    static size_t counts[CLASSES];
    for (size_t k = 0; k < CLASSES; k++) counts[k] = 1;
    support_model m;
    support_model_setup(&m, vector4, CLASSES);
    m.targets[0].class_counts = counts;
    assert_refuses(support_model_build(&m, "model: [{dense: 2}, {reshape: [1, 1, 2]}]\n"
                                           "loss: {cross_entropy: {class_weights: balanced}}\n"),
                   LS_ERR_CONFIG, "has 50000 classes, but reshape_1 has 2 outputs");
    support_model_free(&m);
}

/* One small model for every layer and loss of the tables; a new one without a line here fails the test. */
static const struct {
    const char *kind, *yaml;
} samples[] = {
    {"dense", "model: [flatten, {dense: {units: 3, bias: false}}]\nloss: cross_entropy\n"},
    {"conv2d", "model: [{conv2d: {filters: 4, kernel: 3, padding: 1, groups: 2}}, tanh, flatten, {dense: {units: 3}}]\n"
               "loss: cross_entropy\n"},
    {"max_pool",
     "model: [{conv2d: {filters: 2, kernel: 3}}, {max_pool: 2}, flatten, {dense: {units: 3}}]\nloss: cross_entropy\n"},
    {"avg_pool",
     "model: [{conv2d: {filters: 2, kernel: 3}}, {avg_pool: {size: 2, stride: 1}}, flatten, {dense: {units: 3}}]\n"
     "loss: cross_entropy\n"},
    {"global_avg_pool",
     "model: [{conv2d: {filters: 3, kernel: [2, 3], stride: [1, 2]}}, global_avg_pool]\nloss: cross_entropy\n"},
    {"flatten", "model: [flatten, {dense: {units: 3}}]\nloss: cross_entropy\n"},
    {"reshape",
     "model: [flatten, {dense: {units: 8}}, {reshape: [2, 2, 2]}, {conv2d: {filters: 3, kernel: 2}}, flatten]\n"
     "loss: cross_entropy\n"},
    {"batch_norm",
     "model: [{conv2d: {filters: 2, kernel: 3}}, {batch_norm: {epsilon: 0.01}}, relu, flatten, {dense: {units: 3}}, "
     "batch_norm]\nloss: cross_entropy\n"},
    {"layer_norm", "model: [flatten, {dense: {units: 5}}, layer_norm, {dense: {units: 3}}]\nloss: cross_entropy\n"},
    {"dropout", "model: [flatten, {dropout: 0.5}, {dense: {units: 3}}, {dropout: 0.25}]\nloss: cross_entropy\n"},
    {"embedding",
     "model: [{embedding: {entries: 7, size: 2, from: tokens}}, flatten, {dense: {units: 3}}]\nloss: cross_entropy\n"},
    {"add", "model: [flatten, {dense: {units: 3, name: a}}, {dense: {units: 3, name: b, from: flatten_1}}, {add: "
            "{from: [a, b]}}]\n"
            "loss: cross_entropy\n"},
    {"multiply", "model: [flatten, {dense: {units: 3, name: a}}, {sigmoid: {name: b}}, {multiply: {from: [a, b, a]}}]\n"
                 "loss: cross_entropy\n"},
    {"concat", "model: [flatten, {dense: {units: 2, name: a}}, {dense: {units: 1, from: flatten_1, name: b}}, "
               "{concat: {from: [b, a]}}]\nloss: cross_entropy\n"},
    {"softmax", "model: [flatten, {dense: {units: 2}}, softmax]\nloss: {mse: {target: t}}\n"},
    {"power", "model: [flatten, {dense: {units: 2}}, {power: 2}]\nloss: {mae: {target: t}}\n"},
    {"sin", "model: [flatten, {dense: {units: 2}}, sin]\nloss: {huber: {target: t, delta: 0.5}}\n"},
    {"abs", "model: [flatten, {dense: {units: 2}}, abs]\nloss: {binary_cross_entropy: {target: t}}\n"},
    {"sigmoid", "model: [flatten, {dense: {units: 3}}, sigmoid]\nloss: {hinge: {margin: 0.5}}\n"},
    {"tanh", "model: [flatten, {dense: {units: 3}}, tanh]\nloss: {cross_entropy: {label_smoothing: 0.1, class_weights: "
             "[1, 2, 0.5]}}\n"},
    {"hard_tanh", "model: [flatten, {dense: {units: 3}}, hard_tanh]\nloss: cross_entropy\n"},
    {"softsign", "model: [flatten, {dense: {units: 3}}, softsign]\nloss: cross_entropy\n"},
    {"relu", "model: [flatten, {dense: {units: 6}}, relu, {dense: {units: 3}}]\nloss: cross_entropy\n"},
    {"leaky_relu", "model: [flatten, {dense: {units: 3}}, {leaky_relu: 0.2}]\nloss: cross_entropy\n"},
    {"gelu", "model: [flatten, {dense: {units: 3}}, gelu]\nloss: [{cross_entropy: {weight: 0.5}}, {mse: {of: dense_1, "
             "target: v}}]\n"},
    {"cross_entropy", "model: [flatten, {dense: {units: 3}}]\nloss: {cross_entropy: {class_weights: balanced}}\n"},
    {"binary_cross_entropy", "model: [flatten, {dense: {units: 2}}]\nloss: {binary_cross_entropy: {target: t}}\n"},
    {"mse", "model: [flatten, {dense: {units: 1}}]\nloss: {mse: {target: u}}\n"},
    {"mae", "model: [flatten, {dense: {units: 1}}]\nloss: {mae: {target: u}}\n"},
    {"huber", "model: [flatten, {dense: {units: 1}}]\nloss: {huber: {target: u}}\n"},
    {"hinge", "model: [flatten, {dense: {units: 3}}]\nloss: hinge\n"},
    {"margin",
     "model: [{conv2d: {filters: 2, kernel: 3}}, {batch_norm: {epsilon: 0.1}}, tanh, flatten, {dense: {units: 1}}]\n"
     "loss: margin\n"},
};

static const char *sample_of(const char *kind) {
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        if (strcmp(samples[i].kind, kind) == 0) return samples[i].yaml;
    fail_msg("no sample model for %s", kind);
    return NULL;
}

static void build_sample_in(support_model *m, const char *kind, ls_precision precision, const char *math) {
    static const size_t counts[3] = {5, 10, 1};
    support_model_setup(m, image, 3);
    m->targets[0].class_counts = counts;
    m->targets[2] = (ls_source){.name = strstr(sample_of(kind), "target: v") ? "v" : "u"};
    if (strstr(sample_of(kind), "target: v")) m->targets[2].shape = (ls_shape){1, {3}};
    if (strcmp(kind, "margin") == 0) m->setup.corrupt = &m->corrupt;
    m->setup.precision = precision;
    m->setup.math = ls_math_find(math);
    m->setup.weighted = kind[0] % 2;
    assert_works(support_model_build(m, sample_of(kind)));
}

static void build_sample(support_model *m, const char *kind, ls_precision precision) {
    build_sample_in(m, kind, precision, "exact");
}

enum { ROWS = 7, GRAIN = 2 };

static void a_gradient_check_passes(const char *kind) {
    support_model m;
    support_micro cut;
    build_sample(&m, kind, LS_PRECISION_DOUBLE);
    support_cut(&cut, ROWS, GRAIN);
    support_model_ready(&m, ROWS, cut.micro.count, 1);
    support_model_fill(&m, 5, 0, ROWS);
    ls_gradient_report report;
    assert_works(ls_gradient_check(ls_model_graph(m.model), &cut.micro, 40, &report));
    assert_true(report.checked > 5 || strcmp(kind, "relu") == 0);
    support_model_free(&m);
}

static void every_layer_and_loss_passes_the_gradient_check(void **state) {
    (void)state;
    for (size_t i = 0; ls_layer_family.types[i]; i++) a_gradient_check_passes(ls_layer_family.types[i]->name);
    for (size_t i = 0; ls_loss_family.types[i]; i++) a_gradient_check_passes(ls_loss_family.types[i]->name);
}

/* Runs micro-batches [first, end) and leaves gradient blocks and losses in the model. */
static support_micro run_part(support_model *m, size_t first, size_t end) {
    support_micro cut;
    support_cut_part(&cut, ROWS, GRAIN, first, end);
    size_t rows = cut.row[cut.micro.count];
    support_model_fill(m, 5, cut.micro.first_sample, rows);
    assert_works(ls_model_forward(m->model, &cut.micro, true, NULL, NULL));
    assert_works(ls_model_backward(m->model, &cut.micro, NULL, NULL));
    return cut;
}

/* The losses of a part are those of the whole from its first sample on. */
static void same_losses(const support_model *whole, const support_model *part, const support_micro *cut) {
    for (size_t i = 0; i < ls_model_losses(whole->model); i++) {
        const double *all = ls_model_loss_at(whole->model, i)->values + cut->micro.first_sample;
        assert_memory_equal(all, ls_model_loss_at(part->model, i)->values, cut->row[cut->micro.count] * sizeof *all);
    }
}

/* Four micro-batches as one rank's, as two and two, and as one and three: the latter's are two blocks, {1} and {2, 3}.
 */
static void the_cut_does_not_show(const char *kind, const char *math) {
    support_model whole, part[4];
    static const size_t bounds[4][2] = {{0, 2}, {2, 4}, {0, 1}, {1, 4}};
    build_sample_in(&whole, kind, LS_PRECISION_FLOAT, math);
    support_model_ready(&whole, ROWS, 4, 1);
    run_part(&whole, 0, 4);
    for (size_t h = 0; h < 4; h++) {
        build_sample_in(&part[h], kind, LS_PRECISION_FLOAT, math);
        support_model_ready(&part[h], ROWS, 4, 2);
        support_micro cut = run_part(&part[h], bounds[h][0], bounds[h][1]);
        assert_int_equal(cut.micro.blocks, h == 3 ? 2 : 1);
        same_losses(&whole, &part[h], &cut);
    }
    const float *all = whole.gradients, *first = part[0].gradients, *second = part[1].gradients;
    const float *one = part[2].gradients, *three = part[3].gradients;
    for (size_t k = 0; k < whole.stride; k++) {
        float halves = first[k] + second[k], thirds = (one[k] + three[k]) + three[whole.stride + k];
        if (memcmp(&halves, &all[k], sizeof halves) != 0) fail_msg("%s (%s), element %zu differs", kind, math, k);
        if (memcmp(&thirds, &all[k], sizeof thirds) != 0) fail_msg("%s (%s), element %zu differs", kind, math, k);
    }
    support_model_free(&whole);
    for (size_t h = 0; h < 4; h++) support_model_free(&part[h]);
}

static void no_model_shows_how_a_batch_was_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        the_cut_does_not_show(samples[i].kind, "exact");
        the_cut_does_not_show(samples[i].kind, "blas");
    }
}

static void sample_weights_multiply_losses_and_gradients(void **state) {
    (void)state;
    support_model plain, weighted;
    support_micro cut;
    support_cut(&cut, ROWS, ROWS);
    support_model *both[2] = {&plain, &weighted};
    for (size_t i = 0; i < 2; i++) {
        support_model_setup(both[i], vector4, 3);
        both[i]->setup.weighted = i;
        assert_works(support_model_build(both[i], mlp));
        support_model_ready(both[i], ROWS, 1, 1);
        support_model_fill(both[i], 5, 0, ROWS);
    }
    float *weights = ls_model_slot(weighted.model, 2)->values;
    assert_int_equal(ls_model_slot(weighted.model, 2)->role, LS_SLOT_WEIGHT);
    for (size_t r = 0; r < ROWS; r++) weights[r] = 2;
    for (size_t i = 0; i < 2; i++) {
        assert_works(ls_model_forward(both[i]->model, &cut.micro, true, NULL, NULL));
        assert_works(ls_model_backward(both[i]->model, &cut.micro, NULL, NULL));
    }
    for (size_t r = 0; r < ROWS; r++)
        assert_true(ls_model_loss_at(weighted.model, 0)->values[r] == 2 * ls_model_loss_at(plain.model, 0)->values[r]);
    for (size_t k = 0; k < plain.stride; k++)
        assert_true(((float *)weighted.gradients)[k] == 2 * ((float *)plain.gradients)[k]);
    support_model_free(&plain);
    support_model_free(&weighted);
}

/* A product that applies the activation itself, and one that does not, give the same bits. */
static void fusion_does_not_show(void **state) {
    (void)state;
    static const char *const kinds[] = {"relu", "tanh", "conv2d", "leaky_relu", "hard_tanh", "softsign", "sigmoid"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        support_model m;
        build_sample(&m, kinds[i], LS_PRECISION_FLOAT);
        support_model_ready(&m, ROWS, 4, 1);
        run_part(&m, 0, 4);
        size_t fused = 0, bytes = m.stride * sizeof(float);
        for (size_t k = 0; k < ls_graph_count(ls_model_graph(m.model)); k++)
            fused += ls_graph_at(ls_model_graph(m.model), k)->fused;
        assert_int_equal(fused, 1);
        double *losses = malloc(ROWS * sizeof *losses);
        float *gradients = malloc(bytes);
        assert_true(losses && gradients);
        memcpy(losses, ls_model_loss_at(m.model, 0)->values, ROWS * sizeof *losses);
        memcpy(gradients, m.gradients, bytes);
        memset(m.gradients, 0, bytes);
        assert_works(
            ls_model_plan(m.model, &(ls_plan){.rows = ROWS, .microbatches = 4, .training = true, .unfused = true}));
        ls_model_bind(m.model, m.weights, m.gradients, m.stride);
        run_part(&m, 0, 4);
        assert_memory_equal(losses, ls_model_loss_at(m.model, 0)->values, ROWS * sizeof *losses);
        assert_memory_equal(gradients, m.gradients, bytes);
        free(losses);
        free(gradients);
        support_model_free(&m);
    }
}

/* A model that is ready to run on its data. */
static void start_sample(support_model *m, support_micro *cut, const char *kind) {
    build_sample(m, kind, LS_PRECISION_FLOAT);
    support_model_ready(m, ROWS, 4, 1);
    support_cut(cut, ROWS, GRAIN);
    support_model_fill(m, 5, 0, ROWS);
}

/* What backward said was final, against what is final. */
typedef struct witness {
    const float *gradients;
    float *seen;
    size_t size, last, calls;
} witness;

static ls_status note_ready(void *context, size_t mark) {
    witness *w = context;
    assert_true(mark <= w->last);
    memcpy(w->seen + mark, w->gradients + mark, (w->last - mark) * sizeof *w->seen);
    w->last = mark;
    w->calls++;
    return LS_OK;
}

static void marks_fall_and_what_lies_above_is_final(void **state) {
    (void)state;
    static const char *const kinds[] = {"batch_norm", "concat", "multiply", "margin", "relu", "gelu"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        support_model m;
        support_micro cut;
        start_sample(&m, &cut, kinds[i]);
        witness w = {.gradients = m.gradients, .size = m.stride, .last = m.stride};
        w.seen = calloc(m.stride, sizeof *w.seen);
        assert_non_null(w.seen);
        assert_works(ls_model_forward(m.model, &cut.micro, true, NULL, NULL));
        assert_works(ls_model_backward(m.model, &cut.micro, note_ready, &w));
        assert_int_equal(w.last, 0);
        assert_true(w.calls > 2);
        assert_memory_equal(w.seen, m.gradients, m.stride * sizeof *w.seen);
        free(w.seen);
        support_model_free(&m);
    }
}

/* Weights come while forward goes on; until then they are no numbers. */
typedef struct arrival {
    const float *from;
    float *to;
    size_t trained;
    bool refuse;
} arrival;

static ls_status let_arrive(void *context, size_t end) {
    arrival *a = context;
    if (a->refuse) return LS_FAIL(LS_ERR_IO, "nothing arrives");
    assert_true(end <= a->trained);
    memcpy(a->to, a->from, end * sizeof *a->to);
    return LS_OK;
}

static void forward_reads_no_weight_before_it_says_so(void **state) {
    (void)state;
    static const char *const kinds[] = {"batch_norm", "concat", "conv2d", "embedding", "margin", "relu"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        support_model m;
        support_micro cut;
        start_sample(&m, &cut, kinds[i]);
        const ls_params *params = ls_model_params(m.model);
        size_t trained = ls_params_trainable(params), bytes = ls_params_arena(params) * sizeof(float);
        float *weights = malloc(bytes), *gradients = malloc(m.stride * sizeof *gradients);
        assert_true(weights && gradients && trained > 0);
        memcpy(weights, m.weights, bytes);
        assert_works(ls_model_forward(m.model, &cut.micro, true, NULL, NULL));
        assert_works(ls_model_backward(m.model, &cut.micro, NULL, NULL));
        memcpy(gradients, m.gradients, m.stride * sizeof *gradients);

        arrival a = {.from = weights, .to = m.weights, .trained = trained};
        for (size_t k = 0; k < trained; k++) a.to[k] = NAN;
        assert_works(ls_model_forward(m.model, &cut.micro, true, let_arrive, &a));
        assert_works(ls_model_backward(m.model, &cut.micro, NULL, NULL));
        assert_memory_equal(gradients, m.gradients, m.stride * sizeof *gradients);
        a.refuse = true;
        assert_refuses(ls_model_forward(m.model, &cut.micro, true, let_arrive, &a), LS_ERR_IO, "nothing arrives");
        free(weights);
        free(gradients);
        support_model_free(&m);
    }
}

static void a_rank_without_samples_has_nothing_to_say(void **state) {
    (void)state;
    support_model m;
    build_sample(&m, "batch_norm", LS_PRECISION_FLOAT);
    support_model_ready(&m, ROWS, 4, 1);
    size_t none = 0;
    ls_microbatches micro = {.count = 0, .row = &none, .block = &none, .batch = ROWS};
    witness w = {.gradients = m.gradients, .size = m.stride, .last = m.stride};
    w.seen = calloc(m.stride, sizeof *w.seen);
    assert_non_null(w.seen);
    assert_works(ls_model_forward(m.model, &micro, true, NULL, NULL));
    assert_works(ls_model_backward(m.model, &micro, note_ready, &w));
    assert_int_equal(w.last, 0);
    for (size_t k = 0; k < m.stride; k++) assert_true(w.gradients[k] == 0);
    free(w.seen);
    support_model_free(&m);
}

static void shared_parameters_have_a_gradient_for_each_use(void **state) {
    (void)state;
    support_model m;
    support_model_setup(&m, vector4, 3);
    assert_works(support_model_build(&m,
                                     "model: [{dense: {units: 4}}, tanh, {dense: {units: 4, share: dense_1}}, tanh, "
                                     "{dense: {units: 3}}]\nloss: cross_entropy\n"));
    const ls_params *params = ls_model_params(m.model);
    assert_int_equal(ls_params_count(params), 4);
    assert_int_equal(ls_params_at(params, 0)->uses, 2);
    support_model_free(&m);
    support_model_setup(&m, vector4, 3);
    m.setup.precision = LS_PRECISION_DOUBLE;
    assert_works(support_model_build(&m,
                                     "model: [{dense: {units: 4}}, tanh, {dense: {units: 4, share: dense_1}}, tanh, "
                                     "{dense: {units: 3}}]\nloss: cross_entropy\n"));
    support_micro cut;
    support_cut(&cut, ROWS, GRAIN);
    support_model_ready(&m, ROWS, 4, 1);
    support_model_fill(&m, 5, 0, ROWS);
    ls_gradient_report report;
    assert_works(ls_gradient_check(ls_model_graph(m.model), &cut.micro, 0, &report));
    assert_int_equal(report.checked, 4 * 4 + 4 + 3 * 4 + 3);
    support_model_free(&m);
}

static void frozen_layers_stay_out_of_the_gradient(void **state) {
    (void)state;
    support_model m;
    support_model_setup(&m, vector4, 3);
    assert_works(support_model_build(&m,
                                     "model: [{dense: {units: 4, freeze: true}}, {batch_norm: {freeze: true}}, relu, "
                                     "{dense: {units: 3}}]\nloss: cross_entropy\n"));
    const ls_params *params = ls_model_params(m.model);
    assert_true(ls_params_at(params, 0)->frozen && ls_params_at(params, 5)->frozen);
    assert_int_equal(ls_params_gradient_arena(params), 2 * LS_GRAIN);
    support_model_ready(&m, ROWS, 4, 1);
    run_part(&m, 0, 4);
    support_model_free(&m);
}

static void a_bad_number_is_located(void **state) {
    (void)state;
    support_model m;
    support_micro cut;
    support_model_setup(&m, vector4, 3);
    assert_works(support_model_build(&m, mlp));
    support_model_ready(&m, ROWS, 4, 1);
    support_cut_part(&cut, ROWS, GRAIN, 1, 4);
    support_model_fill(&m, 5, 2, 5);
    ((float *)ls_model_slot(m.model, 0)->values)[3 * 4 + 1] = INFINITY;
    assert_works(ls_model_forward(m.model, &cut.micro, true, NULL, NULL));
    ls_graph_check_finite(ls_model_graph(m.model), true);
    assert_refuses(ls_model_forward(m.model, &cut.micro, true, NULL, NULL), LS_ERR_NUMERIC,
                   "x: its input is not finite (inf) in row 3, sample 5 of the batch");
    support_model_fill(&m, 5, 2, 5);
    assert_works(ls_model_forward(m.model, &cut.micro, true, NULL, NULL));
    ((float *)m.weights)[ls_params_at(ls_model_params(m.model), 2)->offset] = NAN;
    assert_refuses(ls_model_forward(m.model, &cut.micro, true, NULL, NULL), LS_ERR_NUMERIC,
                   "logits: its value is not finite (");
    support_model_free(&m);
}

static void data_out_of_range_are_refused(void **state) {
    (void)state;
    support_model m;
    support_micro cut;
    support_model_setup(&m, vector4, 3);
    assert_works(support_model_build(&m, mlp));
    support_model_ready(&m, ROWS, 4, 1);
    support_cut(&cut, ROWS, GRAIN);
    support_model_fill(&m, 5, 0, ROWS);
    ((int32_t *)ls_model_slot(m.model, 1)->values)[4] = 3;
    assert_refuses(ls_model_forward(m.model, &cut.micro, true, NULL, NULL), LS_ERR_DATA,
                   "cross_entropy: sample 4 of the batch holds 3; expected 0 to 2");
    ((int32_t *)ls_model_slot(m.model, 1)->values)[4] = -1;
    assert_refuses(ls_model_forward(m.model, &cut.micro, true, NULL, NULL), LS_ERR_DATA, "holds -1");
    support_model_free(&m);
}

/* Running averages: one update after a step equals the formula over the whole batch of one micro-batch. */
static void running_averages_follow_the_batches(void **state) {
    (void)state;
    support_model m;
    support_micro cut;
    support_model_setup(&m, vector4, 3);
    assert_works(
        support_model_build(&m, "model: [{batch_norm: {momentum: 0.25}}, {dense: {units: 3}}]\nloss: cross_entropy\n"));
    support_model_ready(&m, 6, 1, 1);
    support_cut(&cut, 6, 6);
    support_model_fill(&m, 5, 0, 6);
    assert_works(ls_model_forward(m.model, &cut.micro, true, NULL, NULL));
    const float *x = ls_model_slot(m.model, 0)->values;
    for (size_t which = 2; which < 4; which++) {
        const ls_param *param = ls_params_at(ls_model_params(m.model), which);
        assert_int_equal(param->role, LS_ROLE_STATISTIC);
        float *running = (float *)m.weights + param->offset;
        assert_true(running[0] == (which == 2 ? 0.0f : 1.0f));
        ls_statistic_update(param, param->count, (float *)m.gradients + param->offset, running);
        for (size_t c = 0; c < 4; c++) {
            double mean = 0, variance = 0;
            for (size_t r = 0; r < 6; r++) mean += (double)x[4 * r + c] / 6;
            for (size_t r = 0; r < 6; r++) variance += pow((double)x[4 * r + c] - mean, 2) / 5;
            double expected = which == 2 ? 0.25 * mean : 0.75 + 0.25 * variance;
            assert_true(fabs((double)running[c] - expected) < 1e-6);
        }
        assert_true(running[4] == 0);
    }
    /* In evaluation the averages are used, and a sample's output depends on nothing else. */
    ls_shape shape;
    assert_works(ls_model_forward(m.model, &cut.micro, false, NULL, NULL));
    float alone = ((const float *)ls_model_output(m.model, &shape))[3 * 2 + 1];
    support_cut(&cut, 1, 1);
    support_model_fill(&m, 5, 2, 1);
    assert_works(ls_model_forward(m.model, &cut.micro, false, NULL, NULL));
    assert_true(alone == ((const float *)ls_model_output(m.model, &shape))[1]);
    support_model_free(&m);
}

static void inference_needs_no_targets_and_less_memory(void **state) {
    (void)state;
    support_model m, p;
    build_sample(&m, "batch_norm", LS_PRECISION_FLOAT);
    support_model_ready(&m, ROWS, 4, 1);
    support_micro cut;
    support_cut(&cut, ROWS, GRAIN);
    support_model_fill(&m, 5, 0, ROWS);
    assert_works(ls_model_forward(m.model, &cut.micro, false, NULL, NULL));
    support_model_setup(&p, image, 0);
    p.setup.target_count = 0;
    p.setup.inference = true;
    assert_works(support_model_build(&p, sample_of("batch_norm")));
    assert_int_equal(ls_model_losses(p.model), 0);
    assert_int_equal(ls_model_slots(p.model), 1);
    ls_graph_memory training, inference;
    assert_works(ls_model_measure(p.model, &(ls_plan){.rows = ROWS, .microbatches = 4, .training = true}, &training));
    assert_works(ls_model_measure(p.model, &(ls_plan){.rows = ROWS, .microbatches = 4}, &inference));
    assert_true(inference.values < training.values && inference.gradients == 0);
    assert_works(ls_model_plan(p.model, &(ls_plan){.rows = ROWS, .microbatches = 4}));
    ls_model_bind(p.model, m.weights, NULL, 0);
    support_model_fill(&p, 5, 0, ROWS);
    assert_works(ls_model_forward(p.model, &cut.micro, false, NULL, NULL));
    ls_shape shape;
    const void *expected = ls_model_output(m.model, &shape), *got = ls_model_output(p.model, &shape);
    assert_memory_equal(expected, got, ROWS * 3 * sizeof(float));
    support_model_free(&m);
    support_model_free(&p);
}

/* A step or two hundred of plain gradient descent learn a rule. */
static void a_small_network_learns(void **state) {
    (void)state;
    support_model m;
    support_micro cut;
    support_model_setup(&m, vector4, 3);
    assert_works(support_model_build(&m, mlp));
    enum { BATCH = 32 };
    support_model_ready(&m, BATCH, 4, 1);
    support_cut(&cut, BATCH, 8);
    double first = 0, last = 0;
    for (size_t step = 0; step < 300; step++) {
        support_model_fill(&m, 5, step % 8 * BATCH, BATCH);
        const float *x = ls_model_slot(m.model, 0)->values;
        int32_t *y = ls_model_slot(m.model, 1)->values;
        for (size_t r = 0; r < BATCH; r++) y[r] = x[4 * r] * x[4 * r + 1] > 0 ? (x[4 * r] > 0 ? 2 : 1) : 0;
        assert_works(ls_model_forward(m.model, &cut.micro, true, NULL, NULL));
        assert_works(ls_model_backward(m.model, &cut.micro, NULL, NULL));
        last = support_model_loss(&m, BATCH) / BATCH;
        if (step == 0) first = last;
        for (size_t k = 0; k < m.stride; k++) ((float *)m.weights)[k] -= 0.5f * ((float *)m.gradients)[k];
    }
    assert_true(first > 0.9 && last < 0.35);
    support_model_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_keep_their_promises),
        cmocka_unit_test(layers_are_named_and_shaped),
        cmocka_unit_test(mistakes_are_refused_with_their_place),
        cmocka_unit_test(an_image_of_fewer_outputs_than_classes_is_refused),
        cmocka_unit_test(every_layer_and_loss_passes_the_gradient_check),
        cmocka_unit_test(no_model_shows_how_a_batch_was_cut),
        cmocka_unit_test(sample_weights_multiply_losses_and_gradients),
        cmocka_unit_test(fusion_does_not_show),
        cmocka_unit_test(marks_fall_and_what_lies_above_is_final),
        cmocka_unit_test(forward_reads_no_weight_before_it_says_so),
        cmocka_unit_test(a_rank_without_samples_has_nothing_to_say),
        cmocka_unit_test(shared_parameters_have_a_gradient_for_each_use),
        cmocka_unit_test(frozen_layers_stay_out_of_the_gradient),
        cmocka_unit_test(a_bad_number_is_located),
        cmocka_unit_test(data_out_of_range_are_refused),
        cmocka_unit_test(running_averages_follow_the_batches),
        cmocka_unit_test(inference_needs_no_targets_and_less_memory),
        cmocka_unit_test(a_small_network_learns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
