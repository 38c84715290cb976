#include "model/families.h"

static const ls_option rows[] = {
    {.key = "margin",
     .kind = LS_KIND_REAL,
     .offset = offsetof(ls_op_number_options, value),
     .fallback = "1",
     .low = 0,
     .high = INFINITY,
     .main = true,
     .doc = "by how much the right class must win"},
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
