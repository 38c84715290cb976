#include "model/families.h"

static const ls_option rows[] = {
    {LS__OPTION_VALUE("delta", "1", "where it becomes linear"), .low = 0, .high = INFINITY, .open_low = true},
    LS_OPTION_END,
};

const ls_loss_type ls__loss_huber = {
    .type = {.name = "huber",
             .doc = "squared near 0, linear beyond delta, mean over outputs",
             .rows = rows,
             .options_size = sizeof(ls_op_number_options)},
    .target = LS_LOSS_VALUES,
    .op = &ls_op_huber,
};
