/**
 * model.h: from the `model`, `loss` and `init` of a configuration to a graph with parameters.
 *
 * A layer is a function that builds a subgraph: it adds parameters and nodes and says which node is its result. So is a
 * loss, whose result is one number a sample. Both are plain descriptors, one file each (src/model/layers,
 * src/model/losses), listed by one line in a family's table; programs may bring their own.
 *
 *     model:                                  dense_1/weight (64, 784)   dense_1/bias (64)
 *       - dense: {units: 64}                  x --dense--> relu --dense--> cross_entropy <-- y
 *       - relu                                dense_2/weight (10, 64)    dense_2/bias (10)
 *       - dense: {units: 10}
 *     loss: cross_entropy
 *
 * The life of a model (what can fail stands within LS_TRY):
 *
 *     ls_model_create(&options, &setup, &model);          // everything about the configuration is checked here
 *     ls_model_plan(model, &plan);                        // allocates activations; parameters are the caller's
 *     ls_model_bind(model, weights, gradients, stride);
 *     ls_model_initialise(model, rank, size, weights);    // each rank of a node its share
 *     for every step {
 *         fill ls_model_slot(model, i)->values            // rows of x, y, ...
 *         ls_model_forward(model, &micro, true);
 *         ls_model_backward(model, &micro, ready, context);
 *     }
 *
 * A layer's name is given, or its kind and an ordinal (dense_1, dense_2) that counts all layers of the kind, named ones
 * too.
 *
 * All functions are local.
 */
#ifndef LOCKSTEP_MODEL_H
#define LOCKSTEP_MODEL_H

#include "lockstep/graph.h"
#include "lockstep/logger.h"

typedef struct ls_model ls_model;

/* ---- options ------------------------------------------------------------------------------------------------ */

/** `init`: a choice for weights and one for biases. type NULL: the layer's default. */
typedef struct ls_init_options {
    ls_choice weight, bias;
} ls_init_options;

/** What every layer takes. */
typedef struct ls_layer_options {
    const char *name;  /* NULL: kind_ordinal */
    ls_texts from;     /* earlier layers or inputs; empty: the previous layer, for the first the input */
    const char *share; /* the earlier layer of the same kind whose parameters this one uses */
    bool freeze;
    ls_init_options init;
    double learning_rate_factor, decay_factor;
} ls_layer_options;

/** What every loss takes. */
typedef struct ls_loss_options {
    const char *of;     /* layer; NULL: the last */
    const char *target; /* dataset; NULL: "y" */
    double weight;
} ls_loss_options;

/** The keys `model`, `loss` and `init` of a configuration. */
typedef struct ls_model_options {
    ls_choices model, loss;
    ls_init_options init;
} ls_model_options;

extern const ls_option ls_init_rows[];
extern const ls_family ls_layer_family, ls_loss_family, ls_init_family;

/* ---- create ------------------------------------------------------------------------------------------------- */

/** A dataset that the data offer: an input, a target, or the corrupt twin of an input. */
typedef struct ls_source {
    const char *name;           /* "x", "y", "x_c", or a name of data.inputs */
    ls_shape shape;             /* of one sample */
    bool integral;              /* stored as integers: may hold classes or tokens */
    size_t classes;             /* integral targets of shape (): how many there are; else 0 */
    const size_t *class_counts; /* samples of each class in the training set, for balanced weights; NULL: unknown */
} ls_source;

typedef struct ls_model_setup {
    const ls_source *inputs; /* the first is the default of the first layer */
    size_t input_count;
    const ls_source *targets;
    size_t target_count;
    const ls_source *corrupt; /* x_c, the corrupt twin of the first input, for pairs; NULL: none */
    bool weighted;            /* samples have weights */
    bool inference;           /* build no losses: for predictions, which need no targets */
    const char *folder;       /* that the files of `init: {from: ..}` are relative to; NULL: the working directory */
    const ls_math *math;
    ls_team *team; /* borrowed */
    ls_precision precision;
    uint64_t seed;
    ls_logger *logger; /* warnings; may be NULL */
} ls_model_setup;

/**
 * Builds graph and parameters. LS_ERR_CONFIG, at the place of the layer or loss: a name twice, an unknown `from`,
 * `share` or `of` (with the nearest name), shapes that do not fit, fewer outputs than classes; LS_ERR_DATA: an unknown
 * dataset, or one of the wrong kind. Warns of layers that nothing uses. `options` and what it points to must outlive
 * the model.
 */
ls_status ls_model_create(const ls_model_options *options, const ls_model_setup *setup, ls_model **out) LS_MUST_USE;
void ls_model_destroy(ls_model *model);

/** Graph and parameters: to look at, export, plan by hand. Borrowed. */
ls_graph *ls_model_graph(ls_model *model);
ls_params *ls_model_params(ls_model *model);

/* ---- initial values ----------------------------------------------------------------------------------------- */

/**
 * Writes the initial values of every parameter whose number is `rank` modulo `size` (ranks of a node share the work; 0
 * of 1 does all). A value is a function of (seed, number of the parameter, index in file order). `weights` is a
 * parameter arena in the model's precision. Fails where `init: {from: ..}` cannot be read, or does not fit: every
 * mismatch is listed by name and shape, on any rank.
 */
ls_status ls_model_initialise(const ls_model *model, size_t rank, size_t size, void *weights) LS_MUST_USE;
/** Refuses what ls_model_initialise() would, and reads no values. Local. */
ls_status ls_model_check_start(const ls_model *model) LS_MUST_USE;

/* ---- run ---------------------------------------------------------------------------------------------------- */

ls_status ls_model_measure(ls_model *model, const ls_plan *plan, ls_graph_memory *out) LS_MUST_USE;
ls_status ls_model_plan(ls_model *model, const ls_plan *plan) LS_MUST_USE;
/** See ls_graph_bind(). */
void ls_model_bind(ls_model *model, const void *weights, void *gradients, size_t stride);

typedef enum ls_slot_role { LS_SLOT_INPUT, LS_SLOT_TARGET, LS_SLOT_CORRUPT, LS_SLOT_WEIGHT } ls_slot_role;

/** A buffer to fill before forward: one dataset that the model reads. Datasets that it does not use have no slot. */
typedef struct ls_slot {
    const char *name; /* of the dataset: "x", "y", "x_c", "weight", ... */
    ls_slot_role role;
    ls_element element; /* as what the model wants it: LS_ELEMENT_REAL (the model's precision) or LS_ELEMENT_INDEX */
    ls_shape shape;     /* of one sample */
    size_t entries;     /* indices lie below this; 0: reals */
    void *values;       /* (rows, shape), after ls_model_plan() */
} ls_slot;

size_t ls_model_slots(const ls_model *model);
const ls_slot *ls_model_slot(const ls_model *model, size_t index);

ls_status ls_model_forward(ls_model *model, const ls_microbatches *micro, bool training, ls_need need,
                           void *context) LS_MUST_USE;
ls_status ls_model_backward(ls_model *model, const ls_microbatches *micro, ls_ready ready, void *context) LS_MUST_USE;

/** What a loss compares its output with: decides which metrics make sense. */
typedef enum ls_loss_target {
    LS_LOSS_CLASSES = 1, /* one class a sample; the output holds a score per class */
    LS_LOSS_LABELS = 2,  /* 0 or 1 per output; the output holds logits */
    LS_LOSS_VALUES = 4,  /* a number per output */
    LS_LOSS_PAIRS = 8,   /* none: a true and a corrupt input, one score each */
} ls_loss_target;

/** A loss of the model, and what it looks at. Arrays hold after forward; borrowed. */
typedef struct ls_model_loss {
    const char *name; /* "cross_entropy_1" */
    const ls_choice *choice;
    ls_loss_target target_kind;
    double weight;        /* the total is the sum of weight * loss */
    const double *values; /* (rows) losses, already times the sample's weight where there is one */
    const char *of;       /* the layer whose output it looks at */
    ls_shape shape;       /* of that output */
    const void *output;   /* (rows, shape) real */
    const void *corrupt;  /* (rows, shape) the same for x_c; NULL but for pairs */
    size_t target;        /* slot; LS_NOT_FOUND for pairs */
} ls_model_loss;

size_t ls_model_losses(const ls_model *model);
const ls_model_loss *ls_model_loss_at(const ls_model *model, size_t index);

/** The output of the last layer: what `predict` writes. (rows, shape) real; kept in every plan. */
const void *ls_model_output(const ls_model *model, ls_shape *shape);
/** The node behind it. */
size_t ls_model_output_node(const ls_model *model);
/** The node that is the result of the layer called `name`, or LS_NO_NODE. */
size_t ls_model_layer(const ls_model *model, const char *name);

/* ---- for those who add a layer, a loss or an initialisation --------------------------------------------------- */

/** What a layer's build function works on. */
typedef struct ls_layer_build {
    ls_model *model;
    const char *name;
    const void *options; /* of the layer's own rows */
    size_t inputs;
    const size_t *input;           /* nodes */
    const ls_shape *shape;         /* of the inputs */
    const struct ls__layer *layer; /* the model's own record */
    size_t result;                 /* to be set: the node that is the layer's output */
} ls_layer_build;

typedef struct ls_layer_type {
    ls_type type;
    ls_element input; /* LS_ELEMENT_INDEX where it reads tokens */
    bool rectifier;   /* relu and kin: a weight that feeds it starts by he_normal */
    bool transparent; /* passes its input on (norms, dropout, pooling): what follows it counts as fed by what is before
                       */
    const ls_op *op;  /* a layer that is one operator without parameters, its options being the operator's */
    ls_status (*build)(ls_layer_build *build); /* any other */
} ls_layer_type;

/** A parameter that a layer wants: shape and role, the rest follows from the layer's common options. */
typedef struct ls_layer_param {
    const char *name;
    ls_shape shape; /* in files */
    ls_role role;
    ls_layout layout;
    size_t groups; /* 0 counts as 1 */
    size_t fan_in, fan_out;
    double momentum; /* of statistics */
    double start;    /* norms and statistics: the initial value */
    double normal;   /* default initialisation is normal with this sd, where not 0 */
} ls_layer_param;

/** Adds the parameter, or, in a layer that shares, finds that of the other layer and notes one more use. */
ls_status ls_layer_add_param(ls_layer_build *build, const ls_layer_param *param, ls_param_use *use) LS_MUST_USE;

/** Adds a node on the layer's inputs, named as the layer, and makes it the result. */
ls_status ls_layer_add_node(ls_layer_build *build, const ls_op *op, const void *options, size_t params,
                            const ls_param_use *param) LS_MUST_USE;

/** What a loss's build function works on. */
typedef struct ls_loss_build {
    ls_model *model;
    const char *name;
    const void *options;
    size_t output; /* node whose value is judged */
    ls_shape shape;
    size_t target;           /* node; LS_NO_NODE for pairs */
    const ls_source *source; /* of the target */
    size_t corrupt;          /* node of the same layer for x_c, for pairs */
    size_t result;           /* to be set: a node of LS_ELEMENT_LOSS */
} ls_loss_build;

typedef struct ls_loss_type {
    ls_type type;
    ls_loss_target target;
    const ls_op *op;                          /* a loss that is one operator, its options being the operator's */
    ls_status (*build)(ls_loss_build *build); /* any other */
    bool (*balances)(const void *options);    /* does it read the counts of classes? NULL: no */
} ls_loss_type;

/** Adds the loss's node on (output, target), or (output, corrupt) for pairs, and makes it the result. */
ls_status ls_loss_add_node(ls_loss_build *build, const ls_op *op, const void *options) LS_MUST_USE;
/** Memory that lives as long as the model. */
ls_pool *ls_model_pool(ls_model *model);

/** An initialisation: element `index` (file order) of parameter number `number` is draw(...). NULL: `from`, a file. */
typedef struct ls_init_type {
    ls_type type;
    double (*draw)(const void *options, const ls_param *param, uint64_t seed, uint32_t number, uint64_t index);
} ls_init_type;

#endif
