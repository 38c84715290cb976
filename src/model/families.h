/*
 * families.h: every layer, loss and initialisation, so that the tables can list them.
 */
#ifndef LOCKSTEP_MODEL_FAMILIES_H
#define LOCKSTEP_MODEL_FAMILIES_H

#include "lockstep/model.h"

extern const ls_layer_type ls__layer_dense, ls__layer_conv2d, ls__layer_max_pool, ls__layer_avg_pool,
    ls__layer_global_avg_pool, ls__layer_flatten, ls__layer_reshape, ls__layer_batch_norm, ls__layer_layer_norm,
    ls__layer_dropout, ls__layer_embedding, ls__layer_add, ls__layer_multiply, ls__layer_concat, ls__layer_softmax,
    ls__layer_power, ls__layer_sin, ls__layer_abs, ls__layer_sigmoid, ls__layer_tanh, ls__layer_hard_tanh,
    ls__layer_softsign, ls__layer_relu, ls__layer_leaky_relu, ls__layer_gelu;

extern const ls_loss_type ls__loss_cross_entropy, ls__loss_binary_cross_entropy, ls__loss_mse, ls__loss_mae,
    ls__loss_huber, ls__loss_hinge, ls__loss_margin;

extern const ls_init_type ls__init_xavier_uniform, ls__init_xavier_normal, ls__init_he_uniform, ls__init_he_normal,
    ls__init_normal, ls__init_uniform, ls__init_constant, ls__init_zeros, ls__init_from;

/* The inside of the row for the one number of ls_op_number_options, by the name that it has in this layer or loss. */
#define LS__OPTION_VALUE(word, preset, sentence)                                                                       \
    .key = (word), .kind = LS_KIND_REAL, .offset = offsetof(ls_op_number_options, value), .fallback = (preset),        \
    .main = true, .doc = (sentence)

/* Pooling: the rows of ls_op_pool_options, and the layer of an operator that takes them. */
extern const ls_option ls__pool_rows[];
ls_status ls__pool_build(ls_layer_build *build, const ls_op *op) LS_MUST_USE;

/* `init: {from: ..}`. */
typedef struct ls__from_options {
    const char *file; /* FILE:/GROUP */
    ls_texts layers;  /* only these; empty: all */
    ls_choice rest;   /* weights of the others */
} ls__from_options;

/* What an embedding says of its tokens: they lie below `entries`. */
void ls__layer_limit_indices(ls_layer_build *build, size_t entries);

/* Refuses a loss on classes with fewer outputs than classes; warns of more. */
ls_status ls__loss_fit_classes(const ls_loss_build *build) LS_MUST_USE;

/* Draws for initialisations: uniform in [-1, 1), and of the standard normal distribution. */
double ls__init_draw_uniform(uint64_t seed, uint32_t number, uint64_t index);
double ls__init_draw_normal(uint64_t seed, uint32_t number, uint64_t index);

#endif
