#include "model/families.h"

const ls_loss_type ls__loss_binary_cross_entropy = {
    .type = {.name = "binary_cross_entropy",
             .doc = "cross entropy of logits with targets in [0, 1], mean over outputs"},
    .target = LS_LOSS_LABELS,
    .op = &ls_op_binary_cross_entropy,
};
