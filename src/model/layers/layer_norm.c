#include "model/families.h"

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(ls_op_norm_options, epsilon, LS_KIND_REAL, "1e-5", 0, INFINITY, "added to the variance"),
     .open_low = true},
    LS_OPTION_END,
};

static ls_status build(ls_layer_build *build) {
    ls_shape shape = build->shape[0];
    if (shape.rank == 0)
        return LS_FAIL(LS_ERR_CONFIG, "%s: its input is one number a sample; there is no axis to normalise",
                       build->name);
    ls_param_use use[2];
    for (size_t p = 0; p < 2; p++) {
        ls_layer_param param = {.name = p ? "bias" : "weight",
                                .shape = {1, {shape.dim[shape.rank - 1]}},
                                .role = LS_ROLE_NORM,
                                .start = p ? 0 : 1};
        LS_TRY(ls_layer_add_param(build, &param, &use[p]));
    }
    return ls_layer_add_node(build, &ls_op_layer_norm, build->options, 2, use);
}

const ls_layer_type ls__layer_layer_norm = {
    .type = {.name = "layer_norm",
             .doc = "the last axis of every sample normalised, then scaled and shifted",
             .rows = rows,
             .options_size = sizeof(ls_op_norm_options)},
    .build = build,
    .transparent = true,
};
