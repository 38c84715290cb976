#include "model/families.h"

const ls_loss_type ls__loss_mae = {
    .type = {.name = "mae", .doc = "mean over outputs of the absolute difference"},
    .target = LS_LOSS_VALUES,
    .op = &ls_op_mae,
};
