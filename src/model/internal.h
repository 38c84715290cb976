/*
 * internal.h: the model as its own files see it: layers.c and losses.c resolve names and build, initialise.c draws,
 * model.c is the rest of its life.
 */
#ifndef LOCKSTEP_MODEL_INTERNAL_H
#define LOCKSTEP_MODEL_INTERNAL_H

#include "lockstep/memory.h"
#include "lockstep/model.h"

#define LS_NONE ((size_t)-1)

/* Where a layer reads: an earlier layer, or an input of the data. */
typedef struct ls__reference {
    bool is_source;
    size_t index;
} ls__reference;

/* A parameter of a layer, by its name there. */
typedef struct ls__named_param {
    const char *name;
    size_t index;
} ls__named_param;

enum { LS_LAYER_PARAMS = 8, LS_BRANCHES = 2 };

typedef struct ls__layer {
    const ls_choice *choice;
    const ls_layer_type *type;
    const ls_layer_options *common;
    const char *name;
    size_t inputs;
    ls__reference *input;
    size_t owner; /* the layer whose parameters it uses: itself, unless it shares */
    bool used;    /* by a layer, a loss, or as the output */
    bool feeds_rectifier;
    size_t node[LS_BRANCHES]; /* results: for x and for x_c */
    size_t params;            /* of an owner, once they are added */
    ls__named_param param[LS_LAYER_PARAMS];
} ls__layer;

/* What initialisation needs to know of a parameter beside what ls_param says. */
typedef struct ls__start {
    double start;  /* norms and statistics */
    double normal; /* default: normal with this sd, where not 0 */
} ls__start;

struct ls_model {
    const ls_model_options *options;
    ls_model_setup setup;
    ls_pool *pool;
    ls_params *params;
    ls_graph *graph;
    size_t layers;
    ls__layer *layer;
    size_t branch;    /* that is being built: 0 reads x, 1 its corrupt twin */
    bool has_corrupt; /* branch 1 is built */
    size_t starts, start_space;
    ls__start *start; /* one a parameter */
    size_t slots, slot_space;
    ls_slot *slot;
    size_t *slot_node;
    size_t losses;
    ls_model_loss *loss;
    size_t *loss_node, *loss_output, *loss_corrupt;
};

/* The node that holds `source` as `element`; made with its slot when first asked for. */
ls_status ls__model_source_node(ls_model *model, const ls_source *source, ls_slot_role role, ls_element element,
                                size_t entries, size_t *node) LS_MUST_USE;

/* Builds all layers for one branch. */
ls_status ls__model_build_layers(ls_model *model, size_t branch) LS_MUST_USE;
/* Resolves names and `from` of all layers. */
ls_status ls__model_resolve(ls_model *model) LS_MUST_USE;
/* Builds all losses. */
ls_status ls__model_build_losses(ls_model *model) LS_MUST_USE;

/* The words " (did you mean ..?)" where a name is near, else "". */
ls_status ls__model_hint(const ls_model *model, const char *word, const char *const *candidates,
                         const char **out) LS_MUST_USE;

static inline bool ls__init_is_from(const ls_choice *choice) {
    return choice->type && !((const ls_init_type *)(const void *)choice->type)->draw;
}

#endif
