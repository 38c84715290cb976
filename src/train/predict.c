/*
 * What a checkpoint's model says of the samples of a data set. The set is walked in chunks, each shared among the ranks
 * as an evaluation's are; rank 0 collects the parts, which follow each other in the order of the ranks, and writes
 * them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/elementary.h"
#include "train/trainer.h"

/* Which arrays of the file there are, and their numbers in it. */
typedef struct column {
    bool wanted;
    size_t index;
} column;

typedef struct prediction {
    ls_trainer *view;
    const ls_dataset *dataset;
    ls_loader *feed;
    ls_preprocess *units; /* of the targets; NULL: predictions are in original units already */
    const float *output;  /* of the last layer, (rows, outputs) */
    ls_shape shape;
    size_t outputs;
    float *mine; /* this rank's part of a chunk, in original units */
    /* on rank 0, for a chunk of all ranks: */
    float *all, *probability;
    int32_t *class;
    ls_store_writer *writer;
    column values, classes, probabilities;
    bool softmax; /* else sigmoid */
    bool labels;  /* a class per output */
} prediction;

/* ---- what the loss makes of the output ----------------------------------------------------------------------- */

static ls_status restore_units(prediction *p, const char *path) {
    ls_checkpoint *checkpoint = NULL;
    LS_TRY(ls_checkpoint_open(path, &checkpoint));
    ls_status status =
        ls__units_restore(p->view->experiment, p->view->model, ls_checkpoint_items(checkpoint), &p->units);
    ls_checkpoint_close(checkpoint);
    return status;
}

static ls_status read_loss(prediction *p, const char *checkpoint) {
    p->output = ls_model_output(p->view->model, &p->shape);
    p->outputs = ls_shape_size(p->shape);
    p->values.wanted = true;
    const ls_choice *loss = ls__judging_loss(p->view->experiment, p->view->model);
    if (!loss) return LS_OK;
    const ls_loss_type *type = (const ls_loss_type *)(const void *)loss->type;
    if (type->target == LS_LOSS_VALUES) return restore_units(p, checkpoint);
    p->softmax = strcmp(type->type.name, "cross_entropy") == 0;
    p->labels = type->target == LS_LOSS_LABELS;
    p->classes.wanted = p->labels || type->target == LS_LOSS_CLASSES;
    p->probabilities.wanted = p->labels || p->softmax;
    return LS_OK;
}

/* Stable: the largest exponent is 0. */
static void softmax(size_t outputs, const float *logit, float *probability) {
    double largest = logit[ls_metric_argmax(logit, outputs)], sum = 0;
    for (size_t j = 0; j < outputs; j++) sum += ls_exp((double)logit[j] - largest);
    for (size_t j = 0; j < outputs; j++) probability[j] = (float)(ls_exp((double)logit[j] - largest) / sum);
}

static void interpret(prediction *p, size_t rows) {
    for (size_t r = 0; r < rows; r++) {
        const float *score = p->all + r * p->outputs;
        if (p->classes.wanted && !p->labels) p->class[r] = (int32_t)ls_metric_argmax(score, p->outputs);
        if (p->softmax) softmax(p->outputs, score, p->probability + r * p->outputs);
    }
    if (!p->labels) return;
    for (size_t i = 0; i < rows * p->outputs; i++) {
        p->class[i] = p->all[i] > 0;
        p->probability[i] = (float)(1 / (1 + ls_exp(-(double)p->all[i])));
    }
}

/* ---- the file ------------------------------------------------------------------------------------------------ */

static ls_status add_column(prediction *p, const char *path, ls_dtype dtype, bool per_output, column *of) {
    if (!of->wanted) return LS_OK;
    size_t dim[1 + LS_MAX_RANK] = {ls_dataset_samples(p->dataset)};
    for (size_t i = 0; i < p->shape.rank; i++) dim[1 + i] = p->shape.dim[i];
    return ls_store_add(p->writer, path, dtype, per_output ? 1 + p->shape.rank : 1, dim, LS_PART_STATE, &of->index);
}

static ls_status create_file(prediction *p, const char *path) {
    LS_TRY(ls_store_create(path, NULL, &p->writer));
    LS_TRY(add_column(p, "/prediction", LS_DTYPE_F32, true, &p->values));
    LS_TRY(add_column(p, "/class", LS_DTYPE_I32, p->labels, &p->classes));
    LS_TRY(add_column(p, "/probability", LS_DTYPE_F32, true, &p->probabilities));
    return ls_store_seal(p->writer);
}

static ls_status write_rows(prediction *p, size_t rows) {
    LS_TRY(ls_store_append(p->writer, p->values.index, p->all, rows));
    if (p->classes.wanted) LS_TRY(ls_store_append(p->writer, p->classes.index, p->class, rows));
    if (p->probabilities.wanted) LS_TRY(ls_store_append(p->writer, p->probabilities.index, p->probability, rows));
    return LS_OK;
}

/* ---- the walk ------------------------------------------------------------------------------------------------ */

static ls_status take(size_t count, void *out) {
    void *block = NULL;
    LS_TRY(ls_block_create(count, sizeof(float), "predictions", &block));
    memcpy(out, &block, sizeof block);
    return LS_OK;
}

static ls_status allocate(prediction *p) {
    size_t part = p->view->wave.rows * p->outputs, whole = part * ls_comm_size(p->view->comm);
    LS_TRY(take(part, &p->mine));
    if (!ls_comm_first(p->view->comm)) return LS_OK;
    LS_TRY(take(whole, &p->all));
    if (p->classes.wanted) LS_TRY(take(whole, &p->class));
    return p->probabilities.wanted ? take(whole, &p->probability) : LS_OK;
}

/* This rank's part of the chunk at `first`. */
static ls_status predict_part(prediction *p, uint64_t first, size_t chunk) {
    ls_trainer *t = p->view;
    ls_microbatches micro = {.position = first};
    ls_microplan_share(&t->plan, chunk, ls_comm_rank(t->comm), t->row, t->block, &micro);
    size_t rows = micro.count ? micro.row[micro.count] : 0;
    LS_TRY(ls_loader_fill(p->feed, 0, first + micro.first_sample, rows, NULL));
    if (rows == 0) return LS_OK;
    LS_TRY(ls_model_forward(t->model, &micro, false, NULL, NULL));
    if (p->units)
        ls_preprocess_invert(p->units, rows, p->output, p->mine);
    else
        memcpy(p->mine, p->output, rows * p->outputs * sizeof(float));
    return LS_OK;
}

/* The ranks' parts, each in a place of its own size, moved together: they are in the order of the samples. */
static void join_parts(prediction *p, size_t chunk) {
    ls_trainer *t = p->view;
    size_t joined = 0;
    for (size_t rank = 0; rank < ls_comm_size(t->comm); rank++) {
        ls_microbatches micro = {0};
        ls_microplan_share(&t->plan, chunk, rank, t->row, t->block, &micro);
        size_t rows = micro.count ? micro.row[micro.count] : 0;
        memmove(p->all + joined * p->outputs, p->all + rank * t->wave.rows * p->outputs,
                rows * p->outputs * sizeof(float));
        joined += rows;
    }
}

static ls_status walk(prediction *p) {
    ls_trainer *t = p->view;
    size_t part = t->wave.rows * p->outputs * sizeof(float);
    uint64_t samples = ls_dataset_samples(p->dataset);
    ls_status written = LS_OK;
    LS_TRY(ls_loader_seek(p->feed, 0, 0));
    ls_comm_note(t->comm, "predict", 0);
    for (uint64_t first = 0; first < samples; first += t->plan.batch) {
        size_t chunk = samples - first < t->plan.batch ? (size_t)(samples - first) : t->plan.batch;
        /* What rank 0 could not write before is everybody's failure now. */
        if (written == LS_OK) written = predict_part(p, first, chunk);
        LS_TRY(ls_comm_agree(t->comm, written));
        LS_TRY(ls_comm_gather(t->comm, p->mine, part, p->all));
        if (!ls_comm_first(t->comm)) continue;
        join_parts(p, chunk);
        interpret(p, chunk);
        written = write_rows(p, chunk);
    }
    if (written == LS_OK && p->writer) written = ls_store_commit(p->writer, NULL, NULL);
    return ls_comm_agree(t->comm, written);
}

static ls_status prepare(prediction *p, const char *checkpoint, const char *output) {
    LS_TRY(read_loss(p, checkpoint));
    LS_TRY(allocate(p));
    return ls_comm_first(p->view->comm) ? create_file(p, output) : LS_OK;
}

static ls_status create_feed(prediction *p) {
    ls_trainer *t = p->view;
    const ls_data_options *data = &t->experiment->data;
    ls_feed_plan plan = {.model = t->model,
                         .dataset = p->dataset,
                         .transforms = &t->transforms,
                         .data = data,
                         .sampler = ls_sampler_sequential(data, p->dataset),
                         .rows = t->wave.rows,
                         .batch = t->plan.batch,
                         .seed = t->experiment->seed,
                         .comm = t->comm,
                         .logger = t->logger};
    return ls__feed_create(&plan, &p->feed);
}

ls_status ls_predict(const ls_experiment *experiment, const char *checkpoint, const char *data, const char *output,
                     ls_comm *comm, ls_logger *logger, uint64_t *samples) {
    prediction p = {0};
    ls_status status = ls__view_create(experiment, comm, logger, &p.view);
    if (status == LS_OK) status = ls__view_open(p.view, checkpoint, data, true, &p.dataset);
    if (status == LS_OK) status = prepare(&p, checkpoint, output);
    status = ls_comm_agree(comm, status);
    if (status == LS_OK) status = create_feed(&p);
    if (status == LS_OK) status = walk(&p);
    if (status == LS_OK && samples) *samples = ls_dataset_samples(p.dataset);
    ls_store_writer_destroy(p.writer);
    ls_loader_destroy(p.feed);
    ls_preprocess_destroy(p.units);
    ls_block_destroy(p.mine);
    ls_block_destroy(p.all);
    ls_block_destroy(p.class);
    ls_block_destroy(p.probability);
    ls_trainer_destroy(p.view);
    return status;
}
