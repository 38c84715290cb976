#include "optim/adam.h"

static const ls_option rows[] = {LS__ADAM_ROWS(ls__weight_decay_none, "1e-8")};

static void update(const void *options, const ls_update *u) {
    ls__adam_step(u, ls__adam_prepare(options, u, false));
}

const ls_optimizer_type ls__optimizer_adam = {
    .type = {"adam", "Steps along the average gradient over the root of the average square.", rows,
             sizeof(ls__adam_options)},
    .slots = ls__adam_slots,
    .update = update,
};
