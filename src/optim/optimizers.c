#include "optim/optimizer.h"

#include <assert.h>
#include <stddef.h>

#include "lockstep/sum.h"

static const ls_type *const types[] = {
    &ls__optimizer_sgd.type,   &ls__optimizer_adagrad.type, &ls__optimizer_rmsprop.type, &ls__optimizer_adam.type,
    &ls__optimizer_adamw.type, &ls__optimizer_lars.type,    &ls__optimizer_lamb.type,    NULL,
};

const ls_family ls_optimizer_family = {.noun = "optimizer", .types = types};

const char *const ls__decay_words[] = {"all", "weights", NULL};

#define WEIGHT_DECAY_ROWS(preset)                                                                                      \
    {                                                                                                                  \
        {LS_OPTION_NUMBER(ls_weight_decay, value, LS_KIND_REAL, preset, 0, INFINITY, "times the weight"),              \
         .main = true, .given_offset = offsetof(ls_weight_decay, value_given)},                                        \
            {LS_OPTION_NUMBER(ls_weight_decay, lambda, LS_KIND_REAL, NULL, 0, INFINITY,                                \
                              "instead of the value: lambda over the number of training samples"),                     \
             .given_offset = offsetof(ls_weight_decay, lambda_given)},                                                 \
            LS_OPTION_END                                                                                              \
    }

const ls_option ls__weight_decay_none[] = WEIGHT_DECAY_ROWS("0");
const ls_option ls__weight_decay_some[] = WEIGHT_DECAY_ROWS("0.01");

/* The options that all have stand first in the option struct of each. */
static const ls_optimizer_options *common_options(const ls_choice *optimizer) {
    return optimizer->options;
}

ls_status ls_optimizer_check(const ls_choice *optimizer) {
    const ls_weight_decay *decay = &common_options(optimizer)->weight_decay;
    if (decay->value_given && decay->lambda_given)
        return ls_document_fail(optimizer->place, LS_ERR_CONFIG,
                                "weight_decay has both a value and lambda; give one of them");
    const ls_optimizer_type *type = ls_optimizer_of(optimizer);
    return type->check ? type->check(optimizer->options, optimizer->place) : LS_OK;
}

size_t ls_optimizer_slots(const ls_choice *optimizer, const char *names[LS_OPTIMIZER_SLOTS]) {
    return ls_optimizer_of(optimizer)->slots(optimizer->options, names);
}

double ls_optimizer_rate(const ls_choice *optimizer, const ls_param *param, double factor) {
    const ls_optimizer_options *options = common_options(optimizer);
    double rate = options->learning_rate * factor * param->learning_rate_factor;
    bool scaled = options->fan_in_scaling && param->role == LS_ROLE_WEIGHT && param->fan_in > 0;
    return scaled ? rate / __builtin_sqrt((double)param->fan_in) : rate;
}

double ls_optimizer_decay(const ls_choice *optimizer, const ls_param *param, uint64_t samples) {
    const ls_optimizer_options *options = common_options(optimizer);
    if (options->decay == LS_DECAY_WEIGHTS && param->role != LS_ROLE_WEIGHT) return 0;
    const ls_weight_decay *decay = &options->weight_decay;
    assert(!decay->lambda_given || samples > 0);
    double value = decay->lambda_given ? decay->lambda / (double)samples : decay->value;
    return value * param->decay_factor;
}

void ls_optimizer_update(const ls_choice *optimizer, const ls_update *update) {
    ls_optimizer_of(optimizer)->update(optimizer->options, update);
}

double ls_clip_factor(double norm, double limit) {
    return norm > limit ? limit / norm : 1.0;
}

void ls__add_squares(ls_sum *sum, size_t count, const float *values) {
    for (size_t from = 0; from < count; from += LS_GRAIN)
        ls_sum_add(sum, ls_block_squares(count - from < LS_GRAIN ? count - from : LS_GRAIN, values + from));
}
