#include "model/families.h"

const ls_layer_type ls__layer_global_avg_pool = {
    .type = {.name = "global_avg_pool", .doc = "the mean of each channel"},
    .op = &ls_op_global_avg_pool,
    .transparent = true,
};
