#include "model/families.h"

typedef struct options {
    size_t entries, size;
} options;

static const ls_option rows[] = {
    LS_OPTION_COUNT(options, entries, LS_REQUIRED, 1, 2147483647, "how many tokens there are"),
    LS_OPTION_COUNT(options, size, LS_REQUIRED, 1, INFINITY, "numbers that stand for a token"),
    LS_OPTION_END,
};

static ls_status build(ls_layer_build *build) {
    const options *choice = build->options;
    ls_param_use use;
    ls_layer_param weight = {.name = "weight",
                             .shape = {2, {choice->entries, choice->size}},
                             .role = LS_ROLE_WEIGHT,
                             .fan_in = choice->entries,
                             .fan_out = choice->size,
                             .normal = 1.0 / __builtin_sqrt((double)choice->size)};
    LS_TRY(ls_layer_add_param(build, &weight, &use));
    ls__layer_limit_indices(build, choice->entries);
    return ls_layer_add_node(build, &ls_op_embedding, NULL, 1, &use);
}

const ls_layer_type ls__layer_embedding = {
    .type = {.name = "embedding",
             .doc = "each integer of the input becomes a learnt vector",
             .rows = rows,
             .options_size = sizeof(options)},
    .input = LS_ELEMENT_INDEX,
    .build = build,
};
