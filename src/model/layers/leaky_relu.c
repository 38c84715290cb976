#include "model/families.h"

static const ls_option rows[] = {
    {LS__OPTION_VALUE("slope", "0.01", "slope for z < 0"), .low = 0, .high = 1, .open_low = true, .open_high = true},
    LS_OPTION_END,
};

const ls_layer_type ls__layer_leaky_relu = {
    .type = {.name = "leaky_relu",
             .doc = "max(z, slope z)",
             .rows = rows,
             .options_size = sizeof(ls_op_number_options)},
    .op = &ls_op_leaky_relu,
    .rectifier = true,
};
