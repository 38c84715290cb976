#include "model/families.h"

static double draw(const void *choice, const ls_param *param, uint64_t seed, uint32_t number, uint64_t index) {
    (void)choice, (void)param, (void)seed, (void)number, (void)index;
    return 0;
}

const ls_init_type ls__init_zeros = {
    .type = {.name = "zeros", .doc = "0"},
    .draw = draw,
};
