#include "model/families.h"

typedef struct options {
    size_t units;
    bool bias;
} options;

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(options, units, LS_KIND_COUNT, LS_REQUIRED, 1, INFINITY, "outputs"), .main = true},
    LS_OPTION_BOOL(options, bias, "true", "add a bias to each output"),
    LS_OPTION_END,
};

static ls_status build(ls_layer_build *build) {
    const options *choice = build->options;
    size_t in = ls_shape_size(build->shape[0]), out = choice->units;
    ls_layer_param weight = {.name = "weight", .shape = {2, {out, in}}, .role = LS_ROLE_WEIGHT};
    ls_layer_param bias = {.name = "bias", .shape = {1, {out}}, .role = LS_ROLE_BIAS};
    weight.layout = LS_LAYOUT_DENSE;
    weight.fan_in = bias.fan_in = in;
    weight.fan_out = bias.fan_out = out;
    ls_param_use use[2] = {{0}};
    LS_TRY(ls_layer_add_param(build, &weight, &use[0]));
    if (choice->bias) LS_TRY(ls_layer_add_param(build, &bias, &use[1]));
    return ls_layer_add_node(build, &ls_op_dense, NULL, choice->bias ? 2 : 1, use);
}

const ls_layer_type ls__layer_dense = {
    .type = {.name = "dense",
             .doc = "x W^T + b, every output from every input",
             .rows = rows,
             .options_size = sizeof(options)},
    .build = build,
};
