#include "model/families.h"

const ls_loss_type ls__loss_mse = {
    .type = {.name = "mse", .doc = "mean over outputs of the squared difference"},
    .target = LS_LOSS_VALUES,
    .op = &ls_op_mse,
};
