/*
 * cross_entropy: of scores z and class y, with p = softmax(z), n classes, smoothing s and class weight c:
 *
 *     loss = c_y sum over j of q_j (-log p_j),   q_j = s / n, and 1 - s more for j = y
 *     dz_j = g c_y (p_j - q_j)
 *
 * Where class y is more likely than not, -log p_y is log(1 + others / p_y): it stays accurate as the loss goes to 0.
 */
#include "graph/ops.h"
#include "lockstep/elementary.h"

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__want_element(shapes, 0, LS_ELEMENT_REAL));
    LS_TRY(ls__want_element(shapes, 1, LS_ELEMENT_INDEX));
    LS_TRY(ls__want_rank(shapes, 0, 1, "(classes)"));
    LS_TRY(ls__want_rank(shapes, 1, 0, "one class a sample, ()"));
    shapes->output_element = LS_ELEMENT_LOSS;
    shapes->flops = 5.0 * (double)shapes->input[0].dim[0];
    return LS_OK;
}

static void memory(const ls_op_run *run, ls_op_memory *out) {
    out->cache = run->rows * (run->input[0].size + 1) * sizeof(real);
}

static double class_weight(const ls_op_run *run, int32_t class) {
    const ls_op_cross_entropy_options *options = run->options;
    return options->class_weights ? options->class_weights[class] : 1.0;
}

/* -log p_y of one row. */
static double surprise(size_t n, const real *p, const real *z, real log_sum, size_t y) {
    if (!(p[y] > (real)0.5)) return (double)log_sum - (double)z[y];
    double others = 0;
    for (size_t j = 0; j < n; j++) others += j == y ? 0.0 : (double)p[j];
    return ls_log1p(others / (double)p[y]);
}

static void take_losses(const ls_op_run *run, size_t first, size_t end) {
    const ls_op_cross_entropy_options *options = run->options;
    size_t n = run->input[0].size;
    const real *p = run->cache, *log_sum = p + run->rows * n;
    const int32_t *class = run->input[1].value;
    double s = options->label_smoothing, *loss = run->value;
    for (size_t r = first; r < end; r++) {
        const real *z = (const real *)run->input[0].value + r * n;
        loss[r] = surprise(n, p + r * n, z, log_sum[r], (size_t) class[r]);
        if (s > 0) {
            double all = 0;
            for (size_t j = 0; j < n; j++) all += (double)log_sum[r] - (double)z[j];
            loss[r] = (1.0 - s) * loss[r] + s * (all / (double)n);
        }
        loss[r] *= class_weight(run, class[r]);
    }
}

static ls_status forward(const ls_op_run *run) {
    size_t n = run->input[0].size;
    real *p = run->cache;
    LS_TRY(ls__want_classes(run, 1, n));
    LS_REAL(ls__kernels)(run)->softmax(run->team, run->rows, n, run->input[0].value, p, p + run->rows * n);
    ls__each_row(run, take_losses);
    return LS_OK;
}

static void spread(const ls_op_run *run, size_t first, size_t end) {
    const ls_op_cross_entropy_options *options = run->options;
    size_t n = run->input[0].size;
    const int32_t *class = run->input[1].value;
    const real *g = run->gradient;
    real share = (real)(options->label_smoothing / (double)n), most = (real)(1.0 - options->label_smoothing);
    for (size_t r = first; r < end; r++) {
        const real *p = (const real *)run->cache + r * n;
        real *dz = (real *)run->input[0].gradient + r * n;
        real factor = g[r] * (real)class_weight(run, class[r]);
        for (size_t j = 0; j < n; j++) dz[j] = factor * (p[j] - (j == (size_t) class[r] ? most + share : share));
    }
}

static void backward(const ls_op_run *run) {
    ls__each_row(run, spread);
}

static void example(uint64_t number, ls_op_example *out) {
    ls__example_classes(number, out);
    ls_op_cross_entropy_options *options = (ls_op_cross_entropy_options *)(void *)out->options;
    static const double weights[] = {0.5, 2, 1, 1.5, 0.25, 3, 1};
    options->label_smoothing = number % 2 ? 0.2 : 0;
    options->class_weights = number % 3 ? NULL : weights;
}

const ls_op LS_REAL(ls_op_cross_entropy) = {
    .name = "cross_entropy",
    .doc = "-log softmax(z) of the sample's class",
    .least_inputs = 2,
    .most_inputs = 2,
    .options_size = sizeof(ls_op_cross_entropy_options),
    .infer = infer,
    .memory = memory,
    .forward = forward,
    .backward = backward,
    .example = example,
    .twin = LS_TWIN(ls_op_cross_entropy),
};
