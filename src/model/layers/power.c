#include "model/families.h"

static const ls_option rows[] = {
    {LS__OPTION_VALUE("exponent", LS_REQUIRED, "the power")},
    LS_OPTION_END,
};

const ls_layer_type ls__layer_power = {
    .type = {.name = "power",
             .doc = "z to a constant power",
             .rows = rows,
             .options_size = sizeof(ls_op_number_options)},
    .op = &ls_op_power,
};
