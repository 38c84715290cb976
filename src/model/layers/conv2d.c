#include <string.h>

#include "model/families.h"

typedef struct options {
    size_t filters;
    size_t kernel[2], stride[2], padding[2], dilation[2], groups;
    bool bias;
} options;

static const ls_option rows[] = {
    LS_OPTION_COUNT(options, filters, LS_REQUIRED, 1, INFINITY, "output channels"),
    LS_OPTION_COUNTS2(options, kernel, LS_REQUIRED, 1, INFINITY, "height and width of the filters"),
    LS_OPTION_COUNTS2(options, stride, "1", 1, INFINITY, "steps of the filters"),
    LS_OPTION_COUNTS2(options, padding, "0", 0, INFINITY, "rows and columns of zeros added on each side"),
    LS_OPTION_COUNTS2(options, dilation, "1", 1, INFINITY, "distance between the taps of a filter"),
    LS_OPTION_COUNT(options, groups, "1", 1, INFINITY, "channels and filters fall into so many groups"),
    LS_OPTION_BOOL(options, bias, "true", "add a bias to each filter"),
    LS_OPTION_END,
};

static ls_status build(ls_layer_build *build) {
    const options *choice = build->options;
    ls_op_conv2d_options window = {.groups = choice->groups};
    memcpy(window.stride, choice->stride, sizeof window.stride);
    memcpy(window.padding, choice->padding, sizeof window.padding);
    memcpy(window.dilation, choice->dilation, sizeof window.dilation);
    char text[96];
    size_t channels = build->shape[0].rank == 3 ? build->shape[0].dim[0] : 0;
    if (!channels)
        return LS_FAIL(LS_ERR_CONFIG, "%s: its input has shape %s; expected (channels, height, width)", build->name,
                       ls_shape_text(build->shape[0], text, sizeof text));
    if (channels % choice->groups || choice->filters % choice->groups)
        return LS_FAIL(LS_ERR_CONFIG, "%s: %zu channels and %zu filters do not both divide into %zu groups",
                       build->name, channels, choice->filters, choice->groups);
    size_t taps = choice->kernel[0] * choice->kernel[1], depth = channels / choice->groups;
    ls_layer_param weight = {.name = "weight", .role = LS_ROLE_WEIGHT, .layout = LS_LAYOUT_CONV};
    ls_layer_param bias = {.name = "bias", .role = LS_ROLE_BIAS, .shape = {1, {choice->filters}}};
    weight.shape = (ls_shape){4, {choice->filters, depth, choice->kernel[0], choice->kernel[1]}};
    weight.groups = choice->groups;
    weight.fan_in = bias.fan_in = depth * taps;
    weight.fan_out = bias.fan_out = choice->filters * taps;
    ls_param_use use[2] = {{0}};
    LS_TRY(ls_layer_add_param(build, &weight, &use[0]));
    if (choice->bias) LS_TRY(ls_layer_add_param(build, &bias, &use[1]));
    return ls_layer_add_node(build, &ls_op_conv2d, &window, choice->bias ? 2 : 1, use);
}

const ls_layer_type ls__layer_conv2d = {
    .type = {.name = "conv2d",
             .doc = "cross-correlation of (channels, height, width) with filters",
             .rows = rows,
             .options_size = sizeof(options)},
    .build = build,
};
