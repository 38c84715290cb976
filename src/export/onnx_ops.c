#include "export/onnx.h"

/*
 * One function for each operator that needs more than a name; all others are one line of the table at the end. Values
 * in an ONNX graph have the batch as their first axis, so axis k of a sample is axis k + 1 there.
 */
typedef ls_status conversion(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in);

/* A value as (batch, size). A sample of one axis is so already. */
static ls_status flat(ls__onnx *o, const ls_graph_node *input, const char *out, const char **in) {
    const char *name = NULL;
    if (input->shape.rank == 1) return LS_OK;
    LS_TRY(ls__onnx_name(o, out, "flat", &name));
    LS_TRY(ls__onnx_add(o, "Flatten", name, LS__INPUTS(*in), LS__ATTRIBUTES(LS__INT("axis", 1))));
    *in = name;
    return LS_OK;
}

static const ls_graph_node *input_of(const ls__onnx *o, const ls_graph_node *node, size_t which) {
    return ls_graph_at(o->what->graph, node->input[which]);
}

static ls_status dense(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    const char *x = in[0], *weight = NULL, *bias = NULL;
    LS_TRY(flat(o, input_of(o, node, 0), out, &x));
    LS_TRY(ls__onnx_param(o, node, 0, &weight));
    if (node->params == 1)
        return ls__onnx_add(o, "Gemm", out, LS__INPUTS(x, weight), LS__ATTRIBUTES(LS__INT("transB", 1)));
    LS_TRY(ls__onnx_param(o, node, 1, &bias));
    return ls__onnx_add(o, "Gemm", out, LS__INPUTS(x, weight, bias), LS__ATTRIBUTES(LS__INT("transB", 1)));
}

/* ONNX names the padding of all sides: top, left, bottom, right. */
#define PADS(p) LS__INTS("pads", (int64_t)(p)[0], (int64_t)(p)[1], (int64_t)(p)[0], (int64_t)(p)[1])
#define PAIR(key, p) LS__INTS(key, (int64_t)(p)[0], (int64_t)(p)[1])

static ls_status conv2d(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    const ls_op_conv2d_options *c = node->options;
    const char *input[3] = {in[0]};
    for (size_t p = 0; p < node->params; p++) LS_TRY(ls__onnx_param(o, node, p, &input[1 + p]));
    return ls__onnx_add(o, "Conv", out, 1 + node->params, input,
                        LS__ATTRIBUTES(PAIR("strides", c->stride), PADS(c->padding), PAIR("dilations", c->dilation),
                                       LS__INT("group", c->groups)));
}

static ls_status max_pool(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    const ls_op_pool_options *p = node->options;
    return ls__onnx_add(o, "MaxPool", out, LS__INPUTS(in[0]),
                        LS__ATTRIBUTES(PAIR("kernel_shape", p->size), PAIR("strides", p->stride), PADS(p->padding)));
}

static ls_status avg_pool(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    const ls_op_pool_options *p = node->options;
    return ls__onnx_add(o, "AveragePool", out, LS__INPUTS(in[0]),
                        LS__ATTRIBUTES(PAIR("kernel_shape", p->size), PAIR("strides", p->stride), PADS(p->padding),
                                       LS__INT("count_include_pad", 1)));
}

static ls_status global_avg_pool(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    (void)node;
    const char *mean = NULL;
    LS_TRY(ls__onnx_name(o, out, "mean", &mean));
    LS_TRY(ls__onnx_add(o, "GlobalAveragePool", mean, LS__INPUTS(in[0]), 0, NULL));
    return ls__onnx_add(o, "Flatten", out, LS__INPUTS(mean), LS__ATTRIBUTES(LS__INT("axis", 1)));
}

static ls_status flatten(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    (void)node;
    return ls__onnx_add(o, "Flatten", out, LS__INPUTS(in[0]), LS__ATTRIBUTES(LS__INT("axis", 1)));
}

static ls_status reshape(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    int64_t dims[1 + LS_MAX_RANK] = {-1};
    const char *shape = NULL;
    for (size_t i = 0; i < node->shape.rank; i++) dims[1 + i] = (int64_t)node->shape.dim[i];
    LS_TRY(ls__onnx_name(o, out, "shape", &shape));
    LS_TRY(ls__onnx_ints(o, shape, 1 + node->shape.rank, dims));
    return ls__onnx_add(o, "Reshape", out, LS__INPUTS(in[0], shape), 0, NULL);
}

static ls_status batch_norm(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    enum { PARAMS = 4 }; /* gain, shift, mean, variance: ONNX has the same order */
    const char *input[1 + PARAMS] = {in[0]};
    for (size_t p = 0; p < PARAMS; p++) LS_TRY(ls__onnx_param(o, node, p, &input[1 + p]));
    double epsilon = ((const ls_op_norm_options *)node->options)->epsilon;
    return ls__onnx_add(o, "BatchNormalization", out, 1 + PARAMS, input, LS__ATTRIBUTES(LS__FLOAT("epsilon", epsilon)));
}

/* Opset 13 has no word for it: d = x - mean x, y = d / sqrt(mean d^2 + epsilon) gain + shift, over the last axis. */
static ls_status layer_norm(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    const char *mean, *d, *square, *variance, *sum, *root, *xhat, *scaled, *epsilon, *gain, *shift;
    LS_TRY(ls__onnx_name(o, out, "mean", &mean));
    LS_TRY(ls__onnx_name(o, out, "centered", &d));
    LS_TRY(ls__onnx_name(o, out, "square", &square));
    LS_TRY(ls__onnx_name(o, out, "variance", &variance));
    LS_TRY(ls__onnx_name(o, out, "sum", &sum));
    LS_TRY(ls__onnx_name(o, out, "root", &root));
    LS_TRY(ls__onnx_name(o, out, "normalised", &xhat));
    LS_TRY(ls__onnx_name(o, out, "scaled", &scaled));
    LS_TRY(ls__onnx_number(o, out, "epsilon", ((const ls_op_norm_options *)node->options)->epsilon, &epsilon));
    LS_TRY(ls__onnx_param(o, node, 0, &gain));
    LS_TRY(ls__onnx_param(o, node, 1, &shift));
    LS_TRY(ls__onnx_add(o, "ReduceMean", mean, LS__INPUTS(in[0]), LS__ATTRIBUTES(LS__INTS("axes", -1))));
    LS_TRY(ls__onnx_add(o, "Sub", d, LS__INPUTS(in[0], mean), 0, NULL));
    LS_TRY(ls__onnx_add(o, "Mul", square, LS__INPUTS(d, d), 0, NULL));
    LS_TRY(ls__onnx_add(o, "ReduceMean", variance, LS__INPUTS(square), LS__ATTRIBUTES(LS__INTS("axes", -1))));
    LS_TRY(ls__onnx_add(o, "Add", sum, LS__INPUTS(variance, epsilon), 0, NULL));
    LS_TRY(ls__onnx_add(o, "Sqrt", root, LS__INPUTS(sum), 0, NULL));
    LS_TRY(ls__onnx_add(o, "Div", xhat, LS__INPUTS(d, root), 0, NULL));
    LS_TRY(ls__onnx_add(o, "Mul", scaled, LS__INPUTS(xhat, gain), 0, NULL));
    return ls__onnx_add(o, "Add", out, LS__INPUTS(scaled, shift), 0, NULL);
}

static ls_status embedding(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    const char *weight = NULL;
    LS_TRY(ls__onnx_param(o, node, 0, &weight));
    return ls__onnx_add(o, "Gather", out, LS__INPUTS(weight, in[0]), LS__ATTRIBUTES(LS__INT("axis", 0)));
}

/* ONNX multiplies two at a time. */
static ls_status multiply(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    const char *product = in[0];
    for (size_t i = 1; i < node->inputs; i++) {
        const char *name = out;
        if (i + 1 < node->inputs) LS_TRY(ls_pool_format(o->pool, &name, "%s/product_%zu", out, i));
        LS_TRY(ls__onnx_add(o, "Mul", name, LS__INPUTS(product, in[i]), 0, NULL));
        product = name;
    }
    return LS_OK;
}

static ls_status concat(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    void *memory = NULL;
    LS_TRY(ls_pool_take(o->pool, node->inputs * sizeof(char *), &memory));
    const char **values = memory;
    for (size_t i = 0; i < node->inputs; i++) {
        values[i] = in[i];
        if (input_of(o, node, i)->shape.rank > 0) continue;
        LS_TRY(ls_pool_format(o->pool, &values[i], "%s/vector_%zu", out, i));
        LS_TRY(ls__onnx_add(o, "Flatten", values[i], LS__INPUTS(in[i]), LS__ATTRIBUTES(LS__INT("axis", 1))));
    }
    return ls__onnx_add(o, "Concat", out, node->inputs, values, LS__ATTRIBUTES(LS__INT("axis", 1)));
}

static ls_status sum(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    const char *x = in[0], *axes = NULL;
    static const int64_t second = 1;
    LS_TRY(flat(o, input_of(o, node, 0), out, &x));
    LS_TRY(ls__onnx_name(o, out, "axes", &axes));
    LS_TRY(ls__onnx_ints(o, axes, 1, &second));
    return ls__onnx_add(o, "ReduceSum", out, LS__INPUTS(x, axes), LS__ATTRIBUTES(LS__INT("keepdims", 0)));
}

static ls_status softmax(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    (void)node;
    return ls__onnx_add(o, "Softmax", out, LS__INPUTS(in[0]), LS__ATTRIBUTES(LS__INT("axis", -1)));
}

static ls_status power(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    const char *exponent = NULL;
    LS_TRY(ls__onnx_number(o, out, "exponent", ((const ls_op_number_options *)node->options)->value, &exponent));
    return ls__onnx_add(o, "Pow", out, LS__INPUTS(in[0], exponent), 0, NULL);
}

static ls_status hard_tanh(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    (void)node;
    const char *low = NULL, *high = NULL;
    LS_TRY(ls__onnx_number(o, out, "low", -1, &low));
    LS_TRY(ls__onnx_number(o, out, "high", 1, &high));
    return ls__onnx_add(o, "Clip", out, LS__INPUTS(in[0], low, high), 0, NULL);
}

static ls_status leaky_relu(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    double slope = ((const ls_op_number_options *)node->options)->value;
    return ls__onnx_add(o, "LeakyRelu", out, LS__INPUTS(in[0]), LS__ATTRIBUTES(LS__FLOAT("alpha", slope)));
}

/* Opset 13 has no word for it: z/2 (1 + erf(z / sqrt 2)). */
static ls_status gelu(ls__onnx *o, const ls_graph_node *node, const char *out, const char *const *in) {
    (void)node;
    const char *factor, *one, *half, *scaled, *erf, *sum_of, *halved;
    LS_TRY(ls__onnx_number(o, out, "factor", 0.7071067811865476, &factor));
    LS_TRY(ls__onnx_number(o, out, "one", 1, &one));
    LS_TRY(ls__onnx_number(o, out, "half", 0.5, &half));
    LS_TRY(ls__onnx_name(o, out, "scaled", &scaled));
    LS_TRY(ls__onnx_name(o, out, "erf", &erf));
    LS_TRY(ls__onnx_name(o, out, "sum", &sum_of));
    LS_TRY(ls__onnx_name(o, out, "halved", &halved));
    LS_TRY(ls__onnx_add(o, "Mul", scaled, LS__INPUTS(in[0], factor), 0, NULL));
    LS_TRY(ls__onnx_add(o, "Erf", erf, LS__INPUTS(scaled), 0, NULL));
    LS_TRY(ls__onnx_add(o, "Add", sum_of, LS__INPUTS(erf, one), 0, NULL));
    LS_TRY(ls__onnx_add(o, "Mul", halved, LS__INPUTS(in[0], half), 0, NULL));
    return ls__onnx_add(o, "Mul", out, LS__INPUTS(halved, sum_of), 0, NULL);
}

/* The words of ONNX: a name that takes the same inputs, or a function. */
static const struct {
    const ls_op *op;
    const char *name;
    conversion *convert;
} table[] = {
    {&ls_op_dense, NULL, dense},
    {&ls_op_conv2d, NULL, conv2d},
    {&ls_op_max_pool, NULL, max_pool},
    {&ls_op_avg_pool, NULL, avg_pool},
    {&ls_op_global_avg_pool, NULL, global_avg_pool},
    {&ls_op_flatten, NULL, flatten},
    {&ls_op_reshape, NULL, reshape},
    {&ls_op_batch_norm, NULL, batch_norm},
    {&ls_op_layer_norm, NULL, layer_norm},
    {&ls_op_dropout, "Identity", NULL},
    {&ls_op_embedding, NULL, embedding},
    {&ls_op_add, "Sum", NULL},
    {&ls_op_multiply, NULL, multiply},
    {&ls_op_concat, NULL, concat},
    {&ls_op_sum, NULL, sum},
    {&ls_op_softmax, NULL, softmax},
    {&ls_op_power, NULL, power},
    {&ls_op_sin, "Sin", NULL},
    {&ls_op_abs, "Abs", NULL},
    {&ls_op_sigmoid, "Sigmoid", NULL},
    {&ls_op_tanh, "Tanh", NULL},
    {&ls_op_hard_tanh, NULL, hard_tanh},
    {&ls_op_softsign, "Softsign", NULL},
    {&ls_op_relu, "Relu", NULL},
    {&ls_op_leaky_relu, NULL, leaky_relu},
    {&ls_op_gelu, NULL, gelu},
};

ls_status ls__onnx_convert(ls__onnx *o, const ls_graph_node *node, const char *output, const char *const *input) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].op != node->op) continue;
        if (table[i].convert) return table[i].convert(o, node, output, input);
        return ls__onnx_add(o, table[i].name, output, node->inputs, input, 0, NULL);
    }
    return LS_FAIL(LS_ERR_DATA, "%s: the operator %s cannot be written as ONNX", node->name, node->op->name);
}

/* ---- preprocessing ------------------------------------------------------------------------------------------ */

/* in * matrix for samples of any shape: as vectors, and back. */
static ls_status transform(ls__onnx *o, const float *matrix, ls_shape shape, const char *in, const char *out) {
    const char *flat_in, *flat_out, *back, *constant;
    size_t size = ls_shape_size(shape);
    LS_TRY(ls__onnx_name(o, out, "flat", &flat_in));
    LS_TRY(ls__onnx_name(o, out, "transformed", &flat_out));
    LS_TRY(ls__onnx_name(o, out, "shape", &back));
    LS_TRY(ls__onnx_name(o, out, "matrix", &constant));
    LS_TRY(ls__onnx_floats(o, constant, (ls_shape){2, {size, size}}, matrix));
    int64_t dims[1 + LS_MAX_RANK] = {-1}; /* the batch is what is left */
    for (size_t i = 0; i < shape.rank; i++) dims[1 + i] = (int64_t)shape.dim[i];
    LS_TRY(ls__onnx_ints(o, back, 1 + shape.rank, dims));
    LS_TRY(ls__onnx_add(o, "Flatten", flat_in, LS__INPUTS(in), LS__ATTRIBUTES(LS__INT("axis", 1))));
    LS_TRY(ls__onnx_add(o, "MatMul", flat_out, LS__INPUTS(flat_in, constant), 0, NULL));
    return ls__onnx_add(o, "Reshape", out, LS__INPUTS(flat_out, back), 0, NULL);
}

/* out = in OP constant, elementwise. */
static ls_status apply(ls__onnx *o, const char *op, const float *values, ls_shape shape, const char *part,
                       const char *in, const char *out) {
    const char *constant = NULL;
    LS_TRY(ls__onnx_name(o, out, part, &constant));
    LS_TRY(ls__onnx_floats(o, constant, shape, values));
    return ls__onnx_add(o, op, out, LS__INPUTS(in, constant), 0, NULL);
}

ls_status ls__onnx_preprocess(ls__onnx *o, const ls_export_affine *affine, ls_shape shape, const char *in,
                              const char *out) {
    const char *centered = in;
    bool more = affine->factor || affine->matrix;
    if (affine->shift) {
        centered = out;
        if (more) LS_TRY(ls__onnx_name(o, out, "centered", &centered));
        LS_TRY(apply(o, "Sub", affine->shift, shape, "shift", in, centered));
    }
    if (affine->matrix) return transform(o, affine->matrix, shape, centered, out);
    if (affine->factor) return apply(o, "Mul", affine->factor, shape, "factor", centered, out);
    return more || affine->shift ? LS_OK : ls__onnx_add(o, "Identity", out, LS__INPUTS(in), 0, NULL);
}

ls_status ls__onnx_restore(ls__onnx *o, const ls_export_affine *affine, ls_shape shape, const char *in,
                           const char *out) {
    if (affine->matrix) return LS_FAIL(LS_ERR_DATA, "targets that were whitened cannot be restored in ONNX");
    const char *scaled = in;
    if (affine->factor) {
        size_t size = ls_shape_size(shape);
        void *memory = NULL;
        LS_TRY(ls_pool_take(o->pool, size * sizeof(float), &memory));
        float *inverse = memory;
        for (size_t i = 0; i < size; i++) inverse[i] = affine->factor[i] != 0 ? 1 / affine->factor[i] : 0;
        scaled = out;
        if (affine->shift) LS_TRY(ls__onnx_name(o, out, "scaled", &scaled));
        LS_TRY(apply(o, "Mul", inverse, shape, "factor", in, scaled));
    }
    return affine->shift ? apply(o, "Add", affine->shift, shape, "shift", scaled, out) : LS_OK;
}
