#include "model/families.h"

typedef struct options {
    double epsilon, momentum;
} options;

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(options, epsilon, LS_KIND_REAL, "1e-5", 0, INFINITY, "added to the variance"), .open_low = true},
    LS_OPTION_REAL(options, momentum, "0.1", 0, 1, "share of the newest batch in the running averages"),
    LS_OPTION_END,
};

static ls_status build(ls_layer_build *build) {
    const options *choice = build->options;
    static const char *const names[4] = {"weight", "bias", "mean", "variance"};
    static const double starts[4] = {1, 0, 0, 1};
    char text[96];
    if (build->shape[0].rank != 1 && build->shape[0].rank != 3)
        return LS_FAIL(LS_ERR_CONFIG, "%s: its input has shape %s; expected a vector or (channels, height, width)",
                       build->name, ls_shape_text(build->shape[0], text, sizeof text));
    ls_param_use use[4];
    for (size_t p = 0; p < 4; p++) {
        ls_layer_param param = {.name = names[p],
                                .shape = {1, {build->shape[0].dim[0]}},
                                .start = starts[p],
                                .role = p < 2 ? LS_ROLE_NORM : LS_ROLE_STATISTIC,
                                .momentum = p < 2 ? 0 : choice->momentum};
        LS_TRY(ls_layer_add_param(build, &param, &use[p]));
    }
    ls_op_norm_options norm = {.epsilon = choice->epsilon};
    return ls_layer_add_node(build, &ls_op_batch_norm, &norm, 4, use);
}

const ls_layer_type ls__layer_batch_norm = {
    .type = {.name = "batch_norm",
             .doc = "each channel normalised over the micro-batch, then scaled and shifted",
             .rows = rows,
             .options_size = sizeof(options)},
    .build = build,
    .transparent = true,
};
