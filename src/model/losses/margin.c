#include "model/families.h"

static const ls_option rows[] = {
    {LS__OPTION_VALUE("margin", "1", "by how much the true input must win"), .low = 0, .high = INFINITY},
    LS_OPTION_END,
};

const ls_loss_type ls__loss_margin = {
    .type = {.name = "margin",
             .doc = "max(0, margin + s_c - s) of a true input x and a corrupt one x_c",
             .rows = rows,
             .options_size = sizeof(ls_op_number_options)},
    .target = LS_LOSS_PAIRS,
    .op = &ls_op_margin,
};
