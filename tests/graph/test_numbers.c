/*
 * Every operator against numbers from elsewhere: computed in double by PyTorch 1.13, whose definitions agree with ours
 * where they are used here (hinge is its multi_margin_loss without the division by the number of classes).
 */
#include <math.h>
#include <string.h>

#include "graphs.h"

enum { MOST = 128, OPERATORS = 26 };

typedef struct trial {
    const ls_op *op;
    size_t rows;
    struct {
        ls_shape shape;
        bool index;
        double values[MOST];
    } inputs[2];
    struct {
        ls_param param;
        double values[MOST];
    } params[4];
    double expected[MOST];
    size_t count;
} trial;

static void run(const trial *t, const void *options, ls_precision precision, double tolerance) {
    support_graph g = support_graph_create(precision, "exact");
    size_t inputs = t->op->least_inputs, params = 0, input[2];
    ls_param_use use[4];
    while (params < 4 && t->params[params].param.name) {
        use[params] = support_param(&g, t->params[params].param);
        params++;
    }
    for (size_t i = 0; i < inputs; i++)
        input[i] = support_input(&g, "x", t->inputs[i].shape, t->inputs[i].index ? LS_ELEMENT_INDEX : LS_ELEMENT_REAL);
    size_t node = support_node(&g, t->op, t->op->name, options, inputs, input, params, use);
    ls_graph_keep(g.graph, node);
    support_graph_ready(&g, &(ls_plan){.rows = t->rows, .microbatches = 1, .training = true}, 1);
    for (size_t p = 0; p < params; p++) support_set_param(&g, use[p].index, t->params[p].values);
    for (size_t i = 0; i < inputs; i++)
        for (size_t k = 0; k < t->rows * ls_shape_size(t->inputs[i].shape); k++) {
            void *values = ls_graph_value(g.graph, input[i]);
            if (t->inputs[i].index)
                ((int32_t *)values)[k] = (int32_t)t->inputs[i].values[k];
            else
                support_set(&g, values, k, t->inputs[i].values[k]);
        }
    support_micro cut;
    support_cut(&cut, t->rows, t->rows);
    assert_works(ls_graph_forward(g.graph, &cut.micro, true, NULL, NULL));
    bool loss = ls_graph_at(g.graph, node)->element == LS_ELEMENT_LOSS;
    assert_int_equal(t->count, t->rows * ls_shape_size(ls_graph_at(g.graph, node)->shape));
    for (size_t k = 0; k < t->count; k++) {
        const void *values = ls_graph_value(g.graph, node);
        double got = loss ? ((const double *)values)[k] : support_get(&g, values, k);
        if (!(fabs(got - t->expected[k]) <= tolerance * fmax(1, fabs(t->expected[k]))))
            fail_msg("%s, element %zu: %.15g is not %.15g", t->op->name, k, got, t->expected[k]);
    }
    support_graph_destroy(&g);
}

static void check(const trial *t, const void *options) {
    run(t, options, LS_PRECISION_DOUBLE, 1e-13);
    run(t, options, LS_PRECISION_FLOAT, 4e-6);
}

static const trial dense_trial = {
    .op = &ls_op_dense,
    .rows = 2,
    .inputs =
        {
            {.shape = {1, {3}}, .values = {-1.11, 1.48, -1.17, 1.67, -0.05, 0.45}},
        },
    .params =
        {
            {{.layer = "op",
              .name = "weight",
              .shape = {2, {4, 3}},
              .layout = LS_LAYOUT_DENSE,
              .role = LS_ROLE_WEIGHT,
              .groups = 1},
             {1.06, 0.07, -0.81, -1.25, -1.68, 0.95, -0.23, -1.37, 1.52, -0.9, -0.34, -0.82}},
            {{.layer = "op",
              .name = "bias",
              .shape = {1, {4}},
              .layout = LS_LAYOUT_PLAIN,
              .role = LS_ROLE_BIAS,
              .groups = 1},
             {0.52, 0.32, 0.4, -0.94}},
        },
    .expected = {0.3947, -1.8904, -3.1507, 0.5152, 1.9222, -1.256, 0.7684, -2.795},
    .count = 8,
};

static void dense_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&dense_trial, NULL);
}

static const trial conv2d_trial = {
    .op = &ls_op_conv2d,
    .rows = 2,
    .inputs =
        {
            {.shape = {3, {2, 5, 4}},
             .values = {-0.86, -0.99, -0.69, -1.42, -1.34, 1.86,  1.84, -1.25, -1.9,  -1.18, 0.8,   1.12,  -1.91, 0.31,
                        -1.99, 0.06,  0.56,  1.94,  -0.96, 1.21,  1.48, 1.69,  -1.99, -0.12, 1.93,  -0.4,  1.25,  0.19,
                        1.08,  -0.06, -1.88, -1.65, -1.55, -1,    1.86, 0.53,  1.27,  0.26,  0.54,  1.25,  1.71,  1.65,
                        1.3,   -1.62, -0.56, -1.86, 0.19,  1.18,  -1.8, -1.25, -0.54, -1.02, 1.18,  -0.59, 0.56,  -0.03,
                        0.33,  1.76,  1.77,  -1.55, 1.37,  -0.62, -1.6, -0.47, 0.04,  1.84,  -0.51, -1.95, 1.44,  -1.56,
                        -0.09, 1.4,   0.06,  -0.21, 1.2,   -1.92, 0.29, -0.35, 1.94,  1.21}},
        },
    .params =
        {
            {{.layer = "op",
              .name = "weight",
              .shape = {4, {4, 1, 3, 2}},
              .layout = LS_LAYOUT_CONV,
              .role = LS_ROLE_WEIGHT,
              .groups = 2},
             {-1.78, -1.24, -0.19, 0.81, -0.67, -0.56, 1.69, 1.81, -0.37, 1.59, -0.68, -1.67,
              0.11,  0.64,  1.57,  1.86, 1.08,  1.04,  0.84, 0.81, 1.07,  1.9,  -0.51, -1.67}},
            {{.layer = "op",
              .name = "bias",
              .shape = {1, {4}},
              .layout = LS_LAYOUT_PLAIN,
              .role = LS_ROLE_BIAS,
              .groups = 1},
             {-1.04, -1.11, -0.55, 1.24}},
        },
    .expected = {-1.5681,
                 -2.5483,
                 2.4667,
                 -1.9107,
                 3.9434,
                 -1.0547,
                 -4.0505,
                 -2.1788,
                 6.5529,
                 1.6773,
                 -9.6734,
                 0.7286,
                 1.4566,
                 1.6457,
                 -1.0785,
                 -4.1644,
                 3.4682,
                 2.4124,
                 -4.0292,
                 2.707,
                 -0.858399999999999,
                 -2.5164,
                 3.8295,
                 3.4825,
                 -0.0430999999999999,
                 -2.0803,
                 -1.4784,
                 0.631,
                 -2.4638,
                 -1.5425,
                 0.3878,
                 -5.0021,
                 -3.6427,
                 -2.8256,
                 4.59,
                 -5.2771,
                 -1.8623,
                 -2.4384,
                 2.5342,
                 -3.6644,
                 4.2883,
                 -0.1008,
                 0.4972,
                 2.0017,
                 0.1957,
                 5.5104,
                 6.2587,
                 1.4329},
    .count = 48,
};

static void conv2d_has_the_value_of_its_definition(void **state) {
    (void)state;
    ls_op_conv2d_options options = {{2, 1}, {1, 0}, {1, 2}, 2};
    check(&conv2d_trial, &options);
}

static const trial max_pool_trial = {
    .op = &ls_op_max_pool,
    .rows = 2,
    .inputs =
        {
            {.shape = {3, {2, 4, 5}},
             .values = {-1.76, -0.2,  1.25,  -0.94, -1.75, -1.03, -1.66, 1.23,  -1.32, -1.22, 1.26,  1.24,
                        0.36,  1.66,  -1.76, 1.86,  0.28,  -0.79, 1.3,   0.64,  1.95,  -1.57, 0.32,  -0.11,
                        0.61,  -1.03, -1.88, 0.18,  -0.54, 1.57,  -0.16, -0.33, 0.53,  0.11,  1.84,  1.16,
                        -0.01, -1.16, 0.42,  0.99,  1.02,  1.97,  -1.13, -0.3,  -0.3,  -0.73, -0.54, -0.09,
                        0.17,  -0.94, -1.46, -0.79, -1.45, -0.73, 0.72,  0.41,  1.99,  0.24,  0.19,  0.57,
                        0.91,  0.46,  0.35,  0.42,  -0.58, 1.11,  0.42,  -0.76, -1.02, -1.71, -0.61, -1.95,
                        -1.34, -1.76, -0.89, -0.61, 0.36,  1.1,   0.5,   -1.36}},
        },
    .expected = {-0.2, 1.25, -0.94, -0.2, 1.25, -0.94, 1.26,  1.66, 1.66,  1.86, 1.66, 1.66, 1.86, 1.3,  1.3,
                 1.95, 0.32, 0.61,  1.95, 0.32, 1.57,  -0.16, 0.53, 1.84,  1.16, 0.53, 1.84, 1.16, 0.42, 0.99,
                 1.97, 1.97, -0.3,  1.97, 1.97, 0.17,  -0.54, 0.17, 0.72,  1.99, 1.99, 0.72, 1.99, 1.99, 0.57,
                 0.91, 0.46, 0.42,  1.11, 0.46, 0.42,  1.11,  0.42, -0.89, 0.36, 1.1,  0.5,  0.36, 1.1,  0.5},
    .count = 60,
};

static void max_pool_has_the_value_of_its_definition(void **state) {
    (void)state;
    ls_op_pool_options options = {{2, 3}, {1, 2}, {1, 1}};
    check(&max_pool_trial, &options);
}

static const trial avg_pool_trial = {
    .op = &ls_op_avg_pool,
    .rows = 2,
    .inputs =
        {
            {.shape = {3, {2, 4, 5}},
             .values = {-1.76, -0.2,  1.25,  -0.94, -1.75, -1.03, -1.66, 1.23,  -1.32, -1.22, 1.26,  1.24,
                        0.36,  1.66,  -1.76, 1.86,  0.28,  -0.79, 1.3,   0.64,  1.95,  -1.57, 0.32,  -0.11,
                        0.61,  -1.03, -1.88, 0.18,  -0.54, 1.57,  -0.16, -0.33, 0.53,  0.11,  1.84,  1.16,
                        -0.01, -1.16, 0.42,  0.99,  1.02,  1.97,  -1.13, -0.3,  -0.3,  -0.73, -0.54, -0.09,
                        0.17,  -0.94, -1.46, -0.79, -1.45, -0.73, 0.72,  0.41,  1.99,  0.24,  0.19,  0.57,
                        0.91,  0.46,  0.35,  0.42,  -0.58, 1.11,  0.42,  -0.76, -1.02, -1.71, -0.61, -1.95,
                        -1.34, -1.76, -0.89, -0.61, 0.36,  1.1,   0.5,   -1.36}},
        },
    .expected = {-0.326666666666667,
                 0.0183333333333334,
                 -0.448333333333333,
                 -0.775,
                 -0.273333333333333,
                 -0.871666666666667,
                 -0.0316666666666667,
                 0.251666666666667,
                 -0.44,
                 0.773333333333333,
                 0.675,
                 0.306666666666667,
                 0.356666666666667,
                 0.131666666666667,
                 0.323333333333333,
                 0.0633333333333333,
                 -0.226666666666667,
                 0.0833333333333333,
                 -0.421666666666667,
                 -0.6,
                 0.255,
                 -0.566666666666667,
                 -0.321666666666667,
                 0.496666666666667,
                 0.11,
                 -0.0733333333333333,
                 0.56,
                 0.191666666666667,
                 -0.125,
                 0.235,
                 0.498333333333333,
                 0.09,
                 -0.1,
                 0.286666666666667,
                 0.0133333333333333,
                 -0.228333333333333,
                 -0.586666666666667,
                 -0.571666666666667,
                 -0.13,
                 0.025,
                 -0.0916666666666667,
                 0.125,
                 0.4,
                 0.403333333333333,
                 0.126666666666667,
                 0.228333333333333,
                 0.205,
                 -0.0266666666666667,
                 0.483333333333333,
                 -0.0216666666666667,
                 -0.481666666666667,
                 -0.171666666666667,
                 -1.06833333333333,
                 -0.896666666666667,
                 -0.468333333333333,
                 -0.515,
                 -0.585,
                 -0.0416666666666667,
                 0.326666666666667,
                 -0.143333333333333},
    .count = 60,
};

static void avg_pool_has_the_value_of_its_definition(void **state) {
    (void)state;
    ls_op_pool_options options = {{2, 3}, {1, 2}, {1, 1}};
    check(&avg_pool_trial, &options);
}

static const trial global_avg_pool_trial = {
    .op = &ls_op_global_avg_pool,
    .rows = 2,
    .inputs =
        {
            {.shape = {3, {2, 4, 5}},
             .values = {-1.76, -0.2,  1.25,  -0.94, -1.75, -1.03, -1.66, 1.23,  -1.32, -1.22, 1.26,  1.24,
                        0.36,  1.66,  -1.76, 1.86,  0.28,  -0.79, 1.3,   0.64,  1.95,  -1.57, 0.32,  -0.11,
                        0.61,  -1.03, -1.88, 0.18,  -0.54, 1.57,  -0.16, -0.33, 0.53,  0.11,  1.84,  1.16,
                        -0.01, -1.16, 0.42,  0.99,  1.02,  1.97,  -1.13, -0.3,  -0.3,  -0.73, -0.54, -0.09,
                        0.17,  -0.94, -1.46, -0.79, -1.45, -0.73, 0.72,  0.41,  1.99,  0.24,  0.19,  0.57,
                        0.91,  0.46,  0.35,  0.42,  -0.58, 1.11,  0.42,  -0.76, -1.02, -1.71, -0.61, -1.95,
                        -1.34, -1.76, -0.89, -0.61, 0.36,  1.1,   0.5,   -1.36}},
        },
    .expected = {-0.0675, 0.1445, -0.059, -0.348},
    .count = 4,
};

static void global_avg_pool_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&global_avg_pool_trial, NULL);
}

static const trial batch_norm_trial = {
    .op = &ls_op_batch_norm,
    .rows = 4,
    .inputs =
        {
            {.shape = {3, {2, 2, 1}},
             .values = {1.58, 0.92, -0.01, 0.57, 0.04, -1.33, 0.57, 1.95, 1.08, -1.27, -1.52, 1.72, 1.64, 1, 1.04,
                        -1.43}},
        },
    .params =
        {
            {{.layer = "op",
              .name = "weight",
              .shape = {1, {2}},
              .layout = LS_LAYOUT_PLAIN,
              .role = LS_ROLE_NORM,
              .groups = 1},
             {1.25, -1.23}},
            {{.layer = "op",
              .name = "bias",
              .shape = {1, {2}},
              .layout = LS_LAYOUT_PLAIN,
              .role = LS_ROLE_NORM,
              .groups = 1},
             {-1.38, -0.37}},
            {{.layer = "op",
              .name = "mean",
              .shape = {1, {2}},
              .layout = LS_LAYOUT_PLAIN,
              .role = LS_ROLE_STATISTIC,
              .groups = 1},
             {0, 0}},
            {{.layer = "op",
              .name = "variance",
              .shape = {1, {2}},
              .layout = LS_LAYOUT_PLAIN,
              .role = LS_ROLE_STATISTIC,
              .groups = 1},
             {1, 1}},
        },
    .expected = {-0.124237457372913, -0.862592270855209, 0.00466312902761402, -0.580669166826975, -1.84706535549827,
                 -3.37971095318122, -0.580669166826975, -1.97335635351548, -0.683597164556471, -3.31258778831919,
                 1.52854548547663, -1.74124182240073, -0.0571142925108866, -0.77309471770584, -1.0549901651919,
                 1.43771806025781},
    .count = 16,
};

static void batch_norm_has_the_value_of_its_definition(void **state) {
    (void)state;
    ls_op_norm_options options = {0.01};
    check(&batch_norm_trial, &options);
}

static const trial layer_norm_trial = {
    .op = &ls_op_layer_norm,
    .rows = 2,
    .inputs =
        {
            {.shape = {2, {2, 4}},
             .values = {-2, 1.38, -1.36, 0.96, 0.33, 1.08, 0.4, 1.85, -0.48, -0.01, -0.65, 0.97, -0.8, 1.2, -1.66,
                        -1.06}},
        },
    .params =
        {
            {{.layer = "op",
              .name = "weight",
              .shape = {1, {4}},
              .layout = LS_LAYOUT_PLAIN,
              .role = LS_ROLE_NORM,
              .groups = 1},
             {-0.25, -1.5, -1.19, 1.37}},
            {{.layer = "op",
              .name = "bias",
              .shape = {1, {4}},
              .layout = LS_LAYOUT_PLAIN,
              .role = LS_ROLE_NORM,
              .groups = 1},
             {-0.51, -1.13, 1.38, 0.3}},
        },
    .expected = {-0.209948509336717, -2.81682242029043, 2.28441881409211, 1.4448726848907, -0.274974935504076,
                 -1.52773472453156, 2.36485545829967, 2.35849816318669, -0.338486754275217, -1.20644590380876,
                 2.51363394894253, 2.47517998606619, -0.459008456309547, -3.60540766642744, 2.57153330819945,
                 -0.309673438742578},
    .count = 16,
};

static void layer_norm_has_the_value_of_its_definition(void **state) {
    (void)state;
    ls_op_norm_options options = {0.01};
    check(&layer_norm_trial, &options);
}

static const trial embedding_trial = {
    .op = &ls_op_embedding,
    .rows = 2,
    .inputs =
        {
            {.shape = {1, {3}}, .index = true, .values = {2, 0, 1, 1, 1, 3}},
        },
    .params =
        {
            {{.layer = "op",
              .name = "weight",
              .shape = {2, {4, 2}},
              .layout = LS_LAYOUT_PLAIN,
              .role = LS_ROLE_WEIGHT,
              .groups = 1},
             {0.53, 1.56, 0.86, -0.94, -1.96, 0.2, 0.83, 1.22}},
        },
    .expected = {-1.96, 0.2, 0.53, 1.56, 0.86, -0.94, 0.86, -0.94, 0.86, -0.94, 0.83, 1.22},
    .count = 12,
};

static void embedding_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&embedding_trial, NULL);
}

static const trial softmax_trial = {
    .op = &ls_op_softmax,
    .rows = 2,
    .inputs =
        {
            {.shape = {1, {6}}, .values = {-1.24, 0.54, 1.75, -0.97, -0.83, -0.3, 0.28, 1.96, 0.35, 1.55, 0.62, -0.11}},
        },
    .expected = {0.0310633263340408, 0.184201065044703, 0.617715444610597, 0.0406918532191194, 0.0468067725848971,
                 0.0795215382066428, 0.0764472154717003, 0.41018181344983, 0.0819902640275025, 0.272217263097349,
                 0.107404331182261, 0.0517591127713572},
    .count = 12,
};

static void softmax_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&softmax_trial, NULL);
}

static const trial sigmoid_trial = {
    .op = &ls_op_sigmoid,
    .rows = 2,
    .inputs =
        {
            {.shape = {1, {6}}, .values = {-1.24, 0.54, 1.75, -0.97, -0.83, -0.3, 0.28, 1.96, 0.35, 1.55, 0.62, -0.11}},
        },
    .expected = {0.224435985730927, 0.631812417736102, 0.851952801968311, 0.274880502210177, 0.303645070176166,
                 0.425557483188341, 0.569546223939229, 0.876532952434776, 0.58661757891733, 0.82491373183596,
                 0.650218548573827, 0.472527695655406},
    .count = 12,
};

static void sigmoid_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&sigmoid_trial, NULL);
}

static const trial tanh_trial = {
    .op = &ls_op_tanh,
    .rows = 2,
    .inputs =
        {
            {.shape = {1, {6}}, .values = {-1.24, 0.54, 1.75, -0.97, -0.83, -0.3, 0.28, 1.96, 0.35, 1.55, 0.62, -0.11}},
        },
    .expected = {-0.84545559572668, 0.492987966675324, 0.941375538497287, -0.748704286969309, -0.680476006112662,
                 -0.291312612451591, 0.272905080563133, 0.961089830863614, 0.336375544336332, 0.913785490117828,
                 0.551128028538147, -0.10955847021443},
    .count = 12,
};

static void tanh_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&tanh_trial, NULL);
}

static const trial hard_tanh_trial = {
    .op = &ls_op_hard_tanh,
    .rows = 2,
    .inputs =
        {
            {.shape = {1, {6}}, .values = {-1.24, 0.54, 1.75, -0.97, -0.83, -0.3, 0.28, 1.96, 0.35, 1.55, 0.62, -0.11}},
        },
    .expected = {-1, 0.54, 1, -0.97, -0.83, -0.3, 0.28, 1, 0.35, 1, 0.62, -0.11},
    .count = 12,
};

static void hard_tanh_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&hard_tanh_trial, NULL);
}

static const trial softsign_trial = {
    .op = &ls_op_softsign,
    .rows = 2,
    .inputs =
        {
            {.shape = {1, {6}}, .values = {-1.24, 0.54, 1.75, -0.97, -0.83, -0.3, 0.28, 1.96, 0.35, 1.55, 0.62, -0.11}},
        },
    .expected = {-0.553571428571428, 0.350649350649351, 0.636363636363636, -0.49238578680203, -0.453551912568306,
                 -0.230769230769231, 0.21875, 0.662162162162162, 0.259259259259259, 0.607843137254902,
                 0.382716049382716, -0.0990990990990991},
    .count = 12,
};

static void softsign_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&softsign_trial, NULL);
}

static const trial relu_trial = {
    .op = &ls_op_relu,
    .rows = 2,
    .inputs =
        {
            {.shape = {1, {6}}, .values = {-1.24, 0.54, 1.75, -0.97, -0.83, -0.3, 0.28, 1.96, 0.35, 1.55, 0.62, -0.11}},
        },
    .expected = {0, 0.54, 1.75, 0, 0, 0, 0.28, 1.96, 0.35, 1.55, 0.62, 0},
    .count = 12,
};

static void relu_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&relu_trial, NULL);
}

static const trial gelu_trial = {
    .op = &ls_op_gelu,
    .rows = 2,
    .inputs =
        {
            {.shape = {1, {6}}, .values = {-1.24, 0.54, 1.75, -0.97, -0.83, -0.3, 0.28, 1.96, 0.35, 1.55, 0.62, -0.11}},
        },
    .expected = {-0.133284744372488, 0.380916801243523, 1.67989647548832, -0.161042548681624, -0.168713595217297,
                 -0.114626573343314, 0.170873149315623, 1.91100412550949, 0.222890727911467, 1.45611532509681,
                 0.454070086049231, -0.0501825156203452},
    .count = 12,
};

static void gelu_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&gelu_trial, NULL);
}

static const trial sin_trial = {
    .op = &ls_op_sin,
    .rows = 2,
    .inputs =
        {
            {.shape = {1, {6}}, .values = {-1.24, 0.54, 1.75, -0.97, -0.83, -0.3, 0.28, 1.96, 0.35, 1.55, 0.62, -0.11}},
        },
    .expected = {-0.945783999449539, 0.514135991653113, 0.983985946873937, -0.82488571333845, -0.737931371109963,
                 -0.29552020666134, 0.276355648564114, 0.925211520788168, 0.342897807455451, 0.999783764189357,
                 0.581035160537305, -0.109778300837175},
    .count = 12,
};

static void sin_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&sin_trial, NULL);
}

static const trial abs_trial = {
    .op = &ls_op_abs,
    .rows = 2,
    .inputs =
        {
            {.shape = {1, {6}}, .values = {-1.24, 0.54, 1.75, -0.97, -0.83, -0.3, 0.28, 1.96, 0.35, 1.55, 0.62, -0.11}},
        },
    .expected = {1.24, 0.54, 1.75, 0.97, 0.83, 0.3, 0.28, 1.96, 0.35, 1.55, 0.62, 0.11},
    .count = 12,
};

static void abs_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&abs_trial, NULL);
}

static const trial leaky_relu_trial = {
    .op = &ls_op_leaky_relu,
    .rows = 2,
    .inputs =
        {
            {.shape = {1, {6}}, .values = {-1.24, 0.54, 1.75, -0.97, -0.83, -0.3, 0.28, 1.96, 0.35, 1.55, 0.62, -0.11}},
        },
    .expected = {-0.372, 0.54, 1.75, -0.291, -0.249, -0.09, 0.28, 1.96, 0.35, 1.55, 0.62, -0.033},
    .count = 12,
};

static void leaky_relu_has_the_value_of_its_definition(void **state) {
    (void)state;
    ls_op_number_options options = {0.3};
    check(&leaky_relu_trial, &options);
}

static const trial power_trial = {
    .op = &ls_op_power,
    .rows = 2,
    .inputs =
        {
            {.shape = {1, {6}}, .values = {-1.24, 0.54, 1.75, -0.97, -0.83, -0.3, 0.28, 1.96, 0.35, 1.55, 0.62, -0.11}},
        },
    .expected = {-1.906624, 0.157464, 5.359375, -0.912673, -0.571787, -0.027, 0.021952, 7.529536, 0.042875, 3.723875,
                 0.238328, -0.001331},
    .count = 12,
};

static void power_has_the_value_of_its_definition(void **state) {
    (void)state;
    ls_op_number_options options = {3};
    check(&power_trial, &options);
}

static const trial cross_entropy_trial = {
    .op = &ls_op_cross_entropy,
    .rows = 3,
    .inputs =
        {
            {.shape = {1, {4}},
             .values = {-0.78, -0.6, 1.11, -1.29, -1.45, -1.15, 0.68, -0.51, -1.17, -0.68, -1.67, -0.25}},
            {.shape = {0}, .index = true, .values = {2, 0, 3}},
        },
    .expected = {0.352525234110321, 2.58961998386991, 0.828875849212821},
    .count = 3,
};

static void cross_entropy_has_the_value_of_its_definition(void **state) {
    (void)state;
    ls_op_cross_entropy_options options = {0, NULL};
    check(&cross_entropy_trial, &options);
}

static const trial cross_entropy_smooth_trial = {
    .op = &ls_op_cross_entropy,
    .rows = 3,
    .inputs =
        {
            {.shape = {1, {4}},
             .values = {-0.78, -0.6, 1.11, -1.29, -1.45, -1.15, 0.68, -0.51, -1.17, -0.68, -1.67, -0.25}},
            {.shape = {0}, .index = true, .values = {2, 0, 3}},
        },
    .expected = {0.502525234110321, 1.25268499193495, 1.34718877381923},
    .count = 3,
};

static void cross_entropy_smooth_has_the_value_of_its_definition(void **state) {
    (void)state;
    static const double weights[4] = {0.5, 2, 1, 1.5};
    ls_op_cross_entropy_options options = {0.1, weights};
    check(&cross_entropy_smooth_trial, &options);
}

static const trial binary_cross_entropy_trial = {
    .op = &ls_op_binary_cross_entropy,
    .rows = 3,
    .inputs =
        {
            {.shape = {1, {4}},
             .values = {-0.78, -0.6, 1.11, -1.29, -1.45, -1.15, 0.68, -0.51, -1.17, -0.68, -1.67, -0.25}},
            {.shape = {1, {4}}, .values = {1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0}},
        },
    .expected = {0.853209457672403, 0.341495900216174, 0.819648131924122},
    .count = 3,
};

static void binary_cross_entropy_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&binary_cross_entropy_trial, NULL);
}

static const trial mse_trial = {
    .op = &ls_op_mse,
    .rows = 3,
    .inputs =
        {
            {.shape = {1, {4}},
             .values = {-0.78, -0.6, 1.11, -1.29, -1.45, -1.15, 0.68, -0.51, -1.17, -0.68, -1.67, -0.25}},
            {.shape = {1, {4}},
             .values = {1.24, -0.22, -0.21, -1.89, -0.88, -1.7, -1.81, 1.45, 0.86, 1.32, -1.47, -0.54}},
        },
    .expected = {1.5818, 2.667275, 2.06125},
    .count = 3,
};

static void mse_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&mse_trial, NULL);
}

static const trial mae_trial = {
    .op = &ls_op_mae,
    .rows = 3,
    .inputs =
        {
            {.shape = {1, {4}},
             .values = {-0.78, -0.6, 1.11, -1.29, -1.45, -1.15, 0.68, -0.51, -1.17, -0.68, -1.67, -0.25}},
            {.shape = {1, {4}},
             .values = {1.24, -0.22, -0.21, -1.89, -0.88, -1.7, -1.81, 1.45, 0.86, 1.32, -1.47, -0.54}},
        },
    .expected = {1.08, 1.3925, 1.13},
    .count = 3,
};

static void mae_has_the_value_of_its_definition(void **state) {
    (void)state;
    check(&mae_trial, NULL);
}

static const trial huber_trial = {
    .op = &ls_op_huber,
    .rows = 3,
    .inputs =
        {
            {.shape = {1, {4}},
             .values = {-0.78, -0.6, 1.11, -1.29, -1.45, -1.15, 0.68, -0.51, -1.17, -0.68, -1.67, -0.25}},
            {.shape = {1, {4}},
             .values = {1.24, -0.22, -0.21, -1.89, -0.88, -1.7, -1.81, 1.45, 0.86, 1.32, -1.47, -0.54}},
        },
    .expected = {0.57105, 0.808425, 0.6615125},
    .count = 3,
};

static void huber_has_the_value_of_its_definition(void **state) {
    (void)state;
    ls_op_number_options options = {0.8};
    check(&huber_trial, &options);
}

static const trial hinge_trial = {
    .op = &ls_op_hinge,
    .rows = 3,
    .inputs =
        {
            {.shape = {1, {4}},
             .values = {-0.78, -0.6, 1.11, -1.29, -1.45, -1.15, 0.68, -0.51, -1.17, -0.68, -1.67, -0.25}},
            {.shape = {0}, .index = true, .values = {2, 0, 3}},
        },
    .expected = {0, 5.47, 0.27},
    .count = 3,
};

static void hinge_has_the_value_of_its_definition(void **state) {
    (void)state;
    ls_op_number_options options = {0.7};
    check(&hinge_trial, &options);
}

static const trial margin_trial = {
    .op = &ls_op_margin,
    .rows = 3,
    .inputs =
        {
            {.shape = {0}, .values = {1.65, -0.27, 1.7}},
            {.shape = {0}, .values = {1.85, -1.97, -0.27}},
        },
    .expected = {1.2, 0, 0},
    .count = 3,
};

static void margin_has_the_value_of_its_definition(void **state) {
    (void)state;
    ls_op_number_options options = {1};
    check(&margin_trial, &options);
}
/* An operator that is new to the table needs numbers here. */
static void every_operator_has_a_trial(void **state) {
    (void)state;
    static const char *const without[] = {"flatten", "reshape", "dropout", "add", "multiply", "concat", "sum"};
    size_t exempt = 0, all = 0;
    for (; ls_ops[all]; all++)
        for (size_t i = 0; i < sizeof without / sizeof *without; i++) exempt += !strcmp(without[i], ls_ops[all]->name);
    assert_int_equal(all - exempt, OPERATORS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_has_the_value_of_its_definition),
        cmocka_unit_test(conv2d_has_the_value_of_its_definition),
        cmocka_unit_test(max_pool_has_the_value_of_its_definition),
        cmocka_unit_test(avg_pool_has_the_value_of_its_definition),
        cmocka_unit_test(global_avg_pool_has_the_value_of_its_definition),
        cmocka_unit_test(batch_norm_has_the_value_of_its_definition),
        cmocka_unit_test(layer_norm_has_the_value_of_its_definition),
        cmocka_unit_test(embedding_has_the_value_of_its_definition),
        cmocka_unit_test(softmax_has_the_value_of_its_definition),
        cmocka_unit_test(sigmoid_has_the_value_of_its_definition),
        cmocka_unit_test(tanh_has_the_value_of_its_definition),
        cmocka_unit_test(hard_tanh_has_the_value_of_its_definition),
        cmocka_unit_test(softsign_has_the_value_of_its_definition),
        cmocka_unit_test(relu_has_the_value_of_its_definition),
        cmocka_unit_test(gelu_has_the_value_of_its_definition),
        cmocka_unit_test(sin_has_the_value_of_its_definition),
        cmocka_unit_test(abs_has_the_value_of_its_definition),
        cmocka_unit_test(leaky_relu_has_the_value_of_its_definition),
        cmocka_unit_test(power_has_the_value_of_its_definition),
        cmocka_unit_test(cross_entropy_has_the_value_of_its_definition),
        cmocka_unit_test(cross_entropy_smooth_has_the_value_of_its_definition),
        cmocka_unit_test(binary_cross_entropy_has_the_value_of_its_definition),
        cmocka_unit_test(mse_has_the_value_of_its_definition),
        cmocka_unit_test(mae_has_the_value_of_its_definition),
        cmocka_unit_test(huber_has_the_value_of_its_definition),
        cmocka_unit_test(hinge_has_the_value_of_its_definition),
        cmocka_unit_test(margin_has_the_value_of_its_definition),
        cmocka_unit_test(every_operator_has_a_trial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
