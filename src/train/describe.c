/* What `check` prints: the plan of a run, before anything is allocated. */
#include <stdio.h>

#include "train/trainer.h"

static const char *size_text(double bytes, char out[32]) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    while (bytes >= 1000 && unit < 4) {
        bytes /= 1000;
        unit++;
    }
    snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return out;
}

static ls_status describe_data(const ls_trainer *t, ls_text *out) {
    const ls_dataset *const sets[] = {t->data.train, t->data.valid, t->data.test};
    static const char *const names[] = {"train", "valid", "test"};
    for (size_t i = 0; i < 3; i++) {
        char size[32];
        if (!sets[i]) continue;
        LS_TRY(ls_text_add(out, "%-10s %s: %zu samples, %s\n", names[i], ls_dataset_name(sets[i]),
                           ls_dataset_samples(sets[i]), size_text((double)ls_dataset_bytes(sets[i]), size)));
    }
    return LS_OK;
}

static ls_status describe_steps(const ls_trainer *t, ls_text *out) {
    uint64_t last = t->samples - (t->steps_per_epoch - 1) * t->plan.batch;
    LS_TRY(ls_text_add(out, "%-10s %llu steps an epoch of %zu samples", "batch", (unsigned long long)t->steps_per_epoch,
                       t->plan.batch));
    if (last != t->plan.batch) LS_TRY(ls_text_add(out, " (the last of %llu)", (unsigned long long)last));
    LS_TRY(ls_text_add(out, ", micro-batches of %zu: at most %zu ranks\n", t->plan.microbatch,
                       ls_microplan_count(&t->plan, t->plan.batch)));
    if (!t->last_step) return LS_OK;
    return ls_text_add(out, "%-10s %llu steps at most\n", "stop", (unsigned long long)t->last_step);
}

static ls_status describe_memory(const ls_trainer *t, const ls_microplan *plan, size_t ranks_per_node, ls_text *out) {
    const char *names[LS_OPTIMIZER_SLOTS + 1];
    char a[32], b[32], c[32], d[32], e[32];
    size_t slots = ls__slot_names(t->experiment, names);
    size_t snapshot = ls_saver_measure(ls_model_params(t->model), slots).snapshot;
    size_t on_node = ranks_per_node ? ranks_per_node : plan->ranks;
    ls_reducer_memory memory = {0};
    LS_TRY(ls_reducer_measure(plan, ranks_per_node, ls_model_params(t->model), slots,
                              (ls_wire)t->experiment->topology.wire, &memory));
    ls_wave_plan wave = {0};
    LS_TRY(ls__waves_plan(t, plan, on_node, &wave));
    double node = (double)(memory.node + snapshot) + (double)on_node * (double)(wave.bytes + memory.rank);
    LS_TRY(ls_text_add(out,
                       "%-10s %s on a node of %zu rank%s: weights %s (once), gradients %s, optimizer %s, "
                       "snapshot for checkpoints %s\n",
                       "memory", size_text(node, a), on_node, on_node == 1 ? "" : "s",
                       size_text((double)memory.weights, b), size_text((double)memory.gradients, c),
                       size_text((double)memory.slots, d), size_text((double)snapshot, e)));
    LS_TRY(ls_text_add(out, "%-10s %s on each rank: activations for %zu samples at once, and %zu gradient block%s\n",
                       "", size_text((double)wave.bytes, a), wave.rows, memory.blocks, memory.blocks == 1 ? "" : "s"));
    size_t better = ls_microplan_better_ranks(plan);
    if (memory.blocks > 1)
        LS_TRY(ls_text_add(out, "%-10s %zu ranks would need one gradient block each instead of %zu\n", "advice", better,
                           memory.blocks));
    return LS_OK;
}

static ls_status describe_checkpoint(const ls_trainer *t, ls_text *out) {
    const char *names[LS_OPTIMIZER_SLOTS + 1], *folder = t->experiment->run.dir;
    char size[32], room[32];
    uint64_t available = 0;
    size_t kept = t->experiment->checkpoint.keep + 2;
    double bytes = (double)ls_saver_measure(ls_model_params(t->model), ls__slot_names(t->experiment, names)).file;
    LS_TRY(ls__folder_check(&t->experiment->run));
    LS_TRY(ls_checkpoint_free_space(folder, &available));
    LS_TRY(ls_text_add(out, "%-10s %s each, at most %zu kept; %s free in %s\n", "checkpoint", size_text(bytes, size),
                       kept, size_text((double)available, room), folder));
    if (bytes * (double)kept <= (double)available) return LS_OK;
    return ls_document_fail(t->experiment->run.dir_place, LS_ERR_IO,
                            "run.dir: %s has %s free, and the checkpoints need %s: make room, or lower checkpoint.keep",
                            folder, room, size_text(bytes * (double)kept, size));
}

/* A product's gradients cost as much as the product, each: of the inputs where they need it, of the parameters. */
double ls_trainer_flops(const ls_trainer *t) {
    const ls_graph *graph = ls_model_graph(t->model);
    const ls_params *params = ls_model_params(t->model);
    double flops = 0;
    for (size_t i = 0; i < ls_graph_count(graph); i++) {
        const ls_graph_node *node = ls_graph_at(graph, i);
        bool inputs = false, trained = false;
        for (size_t k = 0; k < node->inputs; k++) inputs = inputs || ls_graph_at(graph, node->input[k])->needs_gradient;
        for (size_t k = 0; k < node->params; k++)
            trained = trained || !ls_params_at(params, node->param[k].index)->frozen;
        flops += node->flops * (1 + (inputs ? 1 : 0) + (trained ? 1 : 0));
    }
    return flops;
}

/* Statistics over few values are noise: a channel of a batch_norm sees the samples of one micro-batch only. */
static void warn_of_small_norms(const ls_trainer *t) {
    enum { FEWEST_VALUES = 16 };
    const ls_graph *graph = ls_model_graph(t->model);
    for (size_t i = 0; i < ls_graph_count(graph); i++) {
        const ls_graph_node *node = ls_graph_at(graph, i);
        if (node->op != &ls_op_batch_norm) continue;
        size_t values = t->plan.microbatch * ls_shape_size(node->shape) / node->shape.dim[0];
        if (values < FEWEST_VALUES)
            ls_logger_say(t->logger, LS_LOG_WARNING,
                          "%s: statistics over %zu values a channel (one micro-batch) are noise; raise microbatch",
                          node->name, values);
    }
}

ls_status ls_trainer_check_data(ls_trainer *t, ls_text *out) {
    const ls_data_options *options = &t->experiment->data;
    const struct {
        const ls_dataset *set;
        const ls_texts *paths; /* a fraction: its rows are the training set's, which were looked at */
    } others[] = {{t->data.valid, &options->valid}, {t->data.test, &options->test}};
    uint64_t bytes = 0, all = 0;
    size_t sets = 1, checked = ls_dataset_has_checksums(t->data.train);
    double share;
    ls_feed_plan plan = ls__training_feed(t);
    LS_TRY(ls__feed_inspect(&plan, &bytes));
    all += bytes;
    for (size_t i = 0; i < 2; i++) {
        if (!others[i].set || ls_data_fraction(others[i].paths, &share)) continue;
        plan = ls__evaluator_plan(t, others[i].set);
        LS_TRY(ls__feed_inspect(&plan, &bytes));
        all += bytes;
        sets++;
        checked += ls_dataset_has_checksums(others[i].set);
    }
    char size[32];
    LS_TRY(ls_text_add(out,
                       "%-10s all data were read (%s of them streamed): every number is finite, every label fits\n",
                       "full", size_text((double)all, size)));
    if (checked == 0) return LS_OK;
    return ls_text_add(out, "%-10s every block of rows agrees with its checksum (%zu of %zu sets carry them)\n",
                       "checksums", checked, sets);
}

ls_status ls_trainer_print_dot(ls_trainer *t, ls_text *out) {
    return ls_graph_print_dot(ls_model_graph(t->model), out);
}

ls_status ls_trainer_describe(ls_trainer *t, size_t ranks, size_t ranks_per_node, ls_text *out) {
    ls_microplan plan = t->plan;
    plan.ranks = ranks;
    LS_TRY(ls__plan_check(t->experiment, &plan));
    LS_TRY(ls_model_check_start(t->model));
    warn_of_small_norms(t);
    LS_TRY(describe_data(t, out));
    LS_TRY(ls_graph_print(ls_model_graph(t->model), out));
    LS_TRY(ls_text_add(out, "%-10s %zu\n", "parameters", ls_params_values(ls_model_params(t->model))));
    LS_TRY(describe_steps(t, out));
    LS_TRY(describe_memory(t, &plan, ranks_per_node, out));
    return describe_checkpoint(t, out);
}
