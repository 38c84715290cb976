#include "model/families.h"

static const ls_option rows[] = {
    {.key = "exponent",
     .kind = LS_KIND_REAL,
     .offset = offsetof(ls_op_number_options, value),
     .fallback = LS_REQUIRED,
     .main = true,
     .doc = "the power"},
    LS_OPTION_END,
};

const ls_layer_type ls__layer_power = {
    .type = {.name = "power",
             .doc = "z to a constant power",
             .rows = rows,
             .options_size = sizeof(ls_op_number_options)},
    .op = &ls_op_power,
};
