#include "optim/adam.h"

static const ls_option rows[] = {LS__ADAM_ROWS(ls__weight_decay_some, "1e-8")};

static void update(const void *options, const ls_update *u) {
    ls__adam_step(u, ls__adam_prepare(options, u, true));
}

const ls_optimizer_type ls__optimizer_adamw = {
    .type = {"adamw", "Adam with weight decay apart from the gradient.", rows, sizeof(ls__adam_options)},
    .slots = ls__adam_slots,
    .update = update,
};
