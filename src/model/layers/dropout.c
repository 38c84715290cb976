#include "model/families.h"

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(ls_op_dropout_options, rate, LS_KIND_REAL, LS_REQUIRED, 0, 1,
                      "probability that a unit is dropped"),
     .open_high = true, .main = true},
    LS_OPTION_END,
};

const ls_layer_type ls__layer_dropout = {
    .type = {.name = "dropout",
             .doc = "in training a share of the units is set to 0 and the rest scaled up",
             .rows = rows,
             .options_size = sizeof(ls_op_dropout_options)},
    .op = &ls_op_dropout,
    .transparent = true,
};
