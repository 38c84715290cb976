#include "model/families.h"

static const ls_option rows[] = {
    {LS__OPTION_VALUE("margin", "1", "by how much the right class must win"), .low = 0, .high = INFINITY},
    LS_OPTION_END,
};

const ls_loss_type ls__loss_hinge = {
    .type = {.name = "hinge",
             .doc = "sum over wrong classes of max(0, margin + s_j - s_y)",
             .rows = rows,
             .options_size = sizeof(ls_op_number_options)},
    .target = LS_LOSS_CLASSES,
    .op = &ls_op_hinge,
};
