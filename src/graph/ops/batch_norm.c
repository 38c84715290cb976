/*
 * batch_norm: y = gain (x - mean) / sqrt(variance + epsilon) + shift, per channel.
 *
 * In training mean and variance are those of the micro-batch ("ghost batch norm": Hoffer et al., "Train longer,
 * generalize better", 2017), with n values per channel and the variance D / n; else, and in frozen layers, the running
 * averages.
 *
 * Backward, with xhat the normalised x:
 *     dshift = sum dy      dgain = sum dy xhat      dx = gain / sqrt(..) (dy - (dshift + xhat dgain) / n)
 * where the sums go over the micro-batch. Sums are double. ls_statistic_update() in graph.h says what rides to the
 * running averages.
 */
#include "graph/ops.h"

enum { GAIN, SHIFT, MEAN, VARIANCE };

/* What forward keeps of a channel in a micro-batch. */
typedef struct moments {
    double sum, deviations, mean, inverse;
} moments;

/* What backward sums over a channel in a micro-batch. */
typedef struct sums {
    double dy, dy_xhat;
} sums;

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__infer_same(shapes));
    if (shapes->input[0].rank != 1) LS_TRY(ls__want_rank(shapes, 0, 3, "a vector or (channels, height, width)"));
    for (size_t p = 0; p < shapes->params; p++) LS_TRY(ls__want_param(shapes, p, ls__vector(shapes->output.dim[0])));
    shapes->flops *= 8;
    return LS_OK;
}

static size_t channels(const ls_op_run *run) {
    return run->shape.dim[0];
}

static size_t pixels(const ls_op_run *run) {
    return run->size / channels(run);
}

/* Values per channel in micro-batch m. */
static double values(const ls_op_run *run, size_t m) {
    return (double)((run->micro->row[m + 1] - run->micro->row[m]) * pixels(run));
}

static bool takes_statistics(const ls_op_run *run) {
    return run->training && !run->param[MEAN].spec->frozen;
}

static void memory(const ls_op_run *run, ls_op_memory *out) {
    size_t n = channels(run);
    out->cache = run->microbatches * n * sizeof(moments);
    out->scratch = run->microbatches * n * sizeof(sums) + ls_microbatches_depth(run->microbatches) * n * sizeof(real);
}

static real *stack_of(const ls_op_run *run) {
    return (real *)((sums *)run->scratch + run->microbatches * channels(run));
}

/* Eight interleaved sums, joined in order: the compiler may keep them in vectors. */
enum { LANES = 8 };

static double join(const double lane[LANES]) {
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

static double sum_of(const real *x, size_t count) {
    double lane[LANES] = {0};
    size_t whole = count / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t l = 0; l < LANES; l++) lane[l] += (double)x[i + l];
    for (size_t i = whole; i < count; i++) lane[i - whole] += (double)x[i];
    return join(lane);
}

/* The sum of (x - mean)^2. */
static double sum_of_squares(const real *x, size_t count, double mean) {
    double lane[LANES] = {0};
    size_t whole = count / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t l = 0; l < LANES; l++) lane[l] += ((double)x[i + l] - mean) * ((double)x[i + l] - mean);
    for (size_t i = whole; i < count; i++) lane[i - whole] += ((double)x[i] - mean) * ((double)x[i] - mean);
    return join(lane);
}

/* The sums of dy and of dy (x - mean) inverse. */
static sums sums_of(const real *x, const real *dy, size_t count, real mean, real inverse) {
    double plain[LANES] = {0}, weighed[LANES] = {0};
    size_t whole = count / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            plain[l] += (double)dy[i + l];
            weighed[l] += (double)dy[i + l] * (double)((x[i + l] - mean) * inverse);
        }
    for (size_t i = whole; i < count; i++) {
        plain[i - whole] += (double)dy[i];
        weighed[i - whole] += (double)dy[i] * (double)((x[i] - mean) * inverse);
    }
    return (sums){.dy = join(plain), .dy_xhat = join(weighed)};
}

static void take_moments(const ls_op_run *run, size_t m, size_t first, size_t end) {
    const ls_op_norm_options *options = run->options;
    const real *x = run->input[0].value;
    moments *channel = (moments *)run->cache + m * channels(run);
    double n = values(run, m);
    for (size_t c = first; c < end; c++) channel[c] = (moments){0};
    for (size_t r = run->micro->row[m]; r < run->micro->row[m + 1]; r++)
        for (size_t c = first; c < end; c++) channel[c].sum += sum_of(x + r * run->size + c * pixels(run), pixels(run));
    for (size_t c = first; c < end; c++) channel[c].mean = channel[c].sum / n;
    for (size_t r = run->micro->row[m]; r < run->micro->row[m + 1]; r++)
        for (size_t c = first; c < end; c++)
            channel[c].deviations += sum_of_squares(x + r * run->size + c * pixels(run), pixels(run), channel[c].mean);
    for (size_t c = first; c < end; c++)
        channel[c].inverse = 1.0 / __builtin_sqrt(channel[c].deviations / n + options->epsilon);
}

static void take_running(const ls_op_run *run, size_t m, size_t first, size_t end) {
    const ls_op_norm_options *options = run->options;
    const real *mean = run->param[MEAN].value, *variance = run->param[VARIANCE].value;
    moments *channel = (moments *)run->cache + m * channels(run);
    for (size_t c = first; c < end; c++)
        channel[c] =
            (moments){.mean = (double)mean[c], .inverse = 1.0 / __builtin_sqrt((double)variance[c] + options->epsilon)};
}

static void normalise(const ls_op_run *run, size_t m, size_t first, size_t end) {
    const real *gain = run->param[GAIN].value, *shift = run->param[SHIFT].value;
    const moments *channel = (const moments *)run->cache + m * channels(run);
    for (size_t r = run->micro->row[m]; r < run->micro->row[m + 1]; r++)
        for (size_t c = first; c < end; c++) {
            const real *x = (const real *)run->input[0].value + r * run->size + c * pixels(run);
            real *y = (real *)run->value + r * run->size + c * pixels(run);
            real mean = (real)channel[c].mean, inverse = (real)channel[c].inverse;
            for (size_t i = 0; i < pixels(run); i++) y[i] = gain[c] * ((x[i] - mean) * inverse) + shift[c];
        }
}

static void forward_part(void *argument, size_t part, size_t parts) {
    const ls_op_run *run = argument;
    size_t first = channels(run) * part / parts, end = channels(run) * (part + 1) / parts;
    for (size_t m = 0; m < run->micro->count; m++) {
        if (takes_statistics(run))
            take_moments(run, m, first, end);
        else
            take_running(run, m, first, end);
        normalise(run, m, first, end);
    }
}

static void mean_leaf(const void *context, size_t m, real *out) {
    const ls_op_run *run = context;
    const moments *channel = (const moments *)run->cache + m * channels(run);
    double all = (double)(run->micro->batch * pixels(run));
    for (size_t c = 0; c < channels(run); c++) out[c] = (real)(channel[c].sum / all);
}

static void variance_leaf(const void *context, size_t m, real *out) {
    const ls_op_run *run = context;
    const moments *channel = (const moments *)run->cache + m * channels(run);
    double all = (double)(run->micro->batch * pixels(run)), n = values(run, m), least = n > 1 ? n - 1 : 1;
    for (size_t c = 0; c < channels(run); c++) out[c] = (real)(channel[c].deviations / all * (n / least));
}

static ls_status forward(const ls_op_run *run) {
    ls_op_run copy = *run;
    ls_team_run(run->team, ls_team_size(run->team), forward_part, &copy);
    if (!takes_statistics(run) || !run->param[MEAN].gradient) return LS_OK;
    LS_REAL(ls__sum_tree)(run->micro, channels(run), mean_leaf, run, LS_REAL(ls__gradient)(run, MEAN), stack_of(run));
    LS_REAL(ls__sum_tree)
    (run->micro, channels(run), variance_leaf, run, LS_REAL(ls__gradient)(run, VARIANCE), stack_of(run));
    return LS_OK;
}

static void sum_gradients(const ls_op_run *run, size_t m, size_t first, size_t end) {
    const moments *channel = (const moments *)run->cache + m * channels(run);
    sums *sum = (sums *)run->scratch + m * channels(run);
    for (size_t c = first; c < end; c++) sum[c] = (sums){0};
    for (size_t r = run->micro->row[m]; r < run->micro->row[m + 1]; r++)
        for (size_t c = first; c < end; c++) {
            const real *x = (const real *)run->input[0].value + r * run->size + c * pixels(run);
            const real *dy = (const real *)run->gradient + r * run->size + c * pixels(run);
            sums part = sums_of(x, dy, pixels(run), (real)channel[c].mean, (real)channel[c].inverse);
            sum[c].dy += part.dy;
            sum[c].dy_xhat += part.dy_xhat;
        }
}

static void spread(const ls_op_run *run, size_t m, size_t first, size_t end) {
    const real *gain = run->param[GAIN].value;
    const moments *channel = (const moments *)run->cache + m * channels(run);
    const sums *sum = (const sums *)run->scratch + m * channels(run);
    double n = values(run, m);
    for (size_t r = run->micro->row[m]; r < run->micro->row[m + 1]; r++)
        for (size_t c = first; c < end; c++) {
            size_t at = r * run->size + c * pixels(run);
            const real *x = (const real *)run->input[0].value + at, *dy = (const real *)run->gradient + at;
            real *dx = (real *)run->input[0].gradient + at;
            real mean = (real)channel[c].mean, inverse = (real)channel[c].inverse, scale = gain[c] * inverse;
            real plain = takes_statistics(run) ? (real)(sum[c].dy / n) : 0;
            real weighed = takes_statistics(run) ? (real)(sum[c].dy_xhat / n) : 0;
            for (size_t i = 0; i < pixels(run); i++)
                dx[i] = scale * (dy[i] - (plain + (x[i] - mean) * inverse * weighed));
        }
}

static void backward_part(void *argument, size_t part, size_t parts) {
    const ls_op_run *run = argument;
    size_t first = channels(run) * part / parts, end = channels(run) * (part + 1) / parts;
    for (size_t m = 0; m < run->micro->count; m++) {
        sum_gradients(run, m, first, end);
        if (run->input[0].gradient) spread(run, m, first, end);
    }
}

static void gain_leaf(const void *context, size_t m, real *out) {
    const ls_op_run *run = context;
    const sums *sum = (const sums *)run->scratch + m * channels(run);
    for (size_t c = 0; c < channels(run); c++) out[c] = (real)sum[c].dy_xhat;
}

static void shift_leaf(const void *context, size_t m, real *out) {
    const ls_op_run *run = context;
    const sums *sum = (const sums *)run->scratch + m * channels(run);
    for (size_t c = 0; c < channels(run); c++) out[c] = (real)sum[c].dy;
}

static void backward(const ls_op_run *run) {
    ls_op_run copy = *run;
    ls_team_run(run->team, ls_team_size(run->team), backward_part, &copy);
    if (!run->param[GAIN].gradient) return;
    LS_REAL(ls__sum_tree)(run->micro, channels(run), gain_leaf, run, LS_REAL(ls__gradient)(run, GAIN), stack_of(run));
    LS_REAL(ls__sum_tree)(run->micro, channels(run), shift_leaf, run, LS_REAL(ls__gradient)(run, SHIFT), stack_of(run));
}

static void example(uint64_t number, ls_op_example *out) {
    static const char *const names[] = {"weight", "bias", "mean", "variance"};
    ls__example_any(number, out);
    out->params = 4;
    for (size_t p = 0; p < 4; p++)
        out->param[p] = ls__example_param(names[p], p < MEAN ? LS_ROLE_NORM : LS_ROLE_STATISTIC, LS_LAYOUT_PLAIN,
                                          ls__vector(out->input[0].dim[0]));
    ls__example_number(1e-2, out);
}

const ls_op LS_REAL(ls_op_batch_norm) = {
    .name = "batch_norm",
    .doc = "each channel normalised over the micro-batch, or by running averages, then scaled and shifted",
    .least_inputs = 1,
    .most_inputs = 1,
    .least_params = 4,
    .most_params = 4,
    .options_size = sizeof(ls_op_norm_options),
    .infer = infer,
    .memory = memory,
    .forward = forward,
    .backward = backward,
    .example = example,
    .twin = LS_TWIN(ls_op_batch_norm),
};
