#include "lockstep/memory.h"
#include "model/families.h"

typedef struct options {
    double label_smoothing;
    ls_reals class_weights;
    int class_word; /* CLASS_x + 1, 0: a list */
} options;

enum { CLASS_NONE, CLASS_BALANCED };
static const char *const words[] = {"none", "balanced", NULL};

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(options, label_smoothing, LS_KIND_REAL, "0", 0, 1, "share of the target spread over all classes"),
     .open_high = true},
    {LS_OPTION_NUMBER(options, class_weights, LS_KIND_REALS, "none", 0, INFINITY,
                      "weight of each class; balanced: samples / (classes * samples of the class)"),
     .words = words, .word_offset = offsetof(options, class_word)},
    LS_OPTION_END,
};

/* N / (K n_k): every class weighs the same in the whole training set. A class without samples weighs nothing. */
static ls_status balance(const ls_loss_build *build, double **out) {
    const ls_source *source = build->source;
    if (!source->class_counts || !source->classes)
        return LS_FAIL(LS_ERR_DATA, "%s: balanced class weights need the number of samples of each class in \"%s\"",
                       build->name, source->name);
    size_t all = 0;
    for (size_t k = 0; k < source->classes; k++) all += source->class_counts[k];
    for (size_t k = 0; k < source->classes; k++)
        if (source->class_counts[k])
            (*out)[k] = (double)all / ((double)source->classes * (double)source->class_counts[k]);
    return LS_OK;
}

static bool balances(const void *choice) {
    return ((const options *)choice)->class_word == CLASS_BALANCED + 1;
}

static ls_status build(ls_loss_build *build) {
    const options *choice = build->options;
    ls_op_cross_entropy_options op = {.label_smoothing = choice->label_smoothing};
    size_t outputs = ls_shape_size(build->shape);
    if (choice->class_word != CLASS_NONE + 1) {
        double *weights;
        LS_TRY(ls_pool_take(ls_model_pool(build->model), outputs * sizeof *weights, (void **)&weights));
        if (balances(choice)) {
            LS_TRY(balance(build, &weights));
        } else {
            if (choice->class_weights.count != outputs)
                return LS_FAIL(LS_ERR_CONFIG, "%s: class_weights has %zu numbers for %zu outputs", build->name,
                               choice->class_weights.count, outputs);
            for (size_t k = 0; k < outputs; k++) weights[k] = choice->class_weights.items[k];
        }
        op.class_weights = weights;
    }
    return ls_loss_add_node(build, &ls_op_cross_entropy, &op);
}

const ls_loss_type ls__loss_cross_entropy = {
    .type = {.name = "cross_entropy",
             .doc = "-log softmax(z) of the sample's class, from logits",
             .rows = rows,
             .options_size = sizeof(options)},
    .target = LS_LOSS_CLASSES,
    .build = build,
    .balances = balances,
};
