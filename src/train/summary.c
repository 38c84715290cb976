/* The end report: results, and where the time went on all ranks. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

static const char *const section_names[LS_SECTION_COUNT] = {[LS_SECTION_DATA] = "data",
                                                            [LS_SECTION_FORWARD] = "forward",
                                                            [LS_SECTION_BACKWARD] = "backward",
                                                            [LS_SECTION_WAIT] = "wait",
                                                            [LS_SECTION_REDUCE] = "reduce",
                                                            [LS_SECTION_DECIDE] = "decide",
                                                            [LS_SECTION_UPDATE] = "update",
                                                            [LS_SECTION_DISTRIBUTE] = "distribute",
                                                            [LS_SECTION_HOOKS] = "hooks",
                                                            [LS_SECTION_EVALUATE] = "evaluate",
                                                            [LS_SECTION_SAVE] = "save"};

const char *ls__section_name(ls_section section) {
    return section_names[section];
}

static void fill_sections(const ls_trainer *t, const double *all, ls_report_section *sections) {
    size_t ranks = ls_comm_size(t->comm);
    double total = 0;
    for (size_t s = 0; s < LS_SECTION_COUNT; s++) {
        ls_report_section *section = &sections[s];
        *section = (ls_report_section){.name = section_names[s], .least = INFINITY, .calls = t->calls[s]};
        for (size_t r = 0; r < ranks; r++) {
            double seconds = all[r * LS_SECTION_COUNT + s];
            section->least = fmin(section->least, seconds);
            section->most = fmax(section->most, seconds);
            section->mean += seconds / (double)ranks;
        }
        total += section->mean;
    }
    for (size_t s = 0; s < LS_SECTION_COUNT; s++) sections[s].share = total > 0 ? sections[s].mean / total : 0;
}

static ls_status gather_sections(ls_trainer *t, ls_report_section *sections) {
    void *all = NULL;
    ls_status status = LS_OK;
    if (ls_comm_first(t->comm))
        status = ls_block_create(ls_comm_size(t->comm) * LS_SECTION_COUNT, sizeof(double), "the report", &all);
    LS_TRY(ls_comm_agree(t->comm, status));
    status = ls_comm_gather(t->comm, t->seconds, sizeof t->seconds, all);
    if (status == LS_OK && all) fill_sections(t, all, sections);
    ls_block_destroy(all);
    return status;
}

static size_t list_sets(ls_trainer *t, ls_report_set *sets, ls_value *values) {
    size_t count = 0;
    for (size_t i = 0; i < t->evaluators; i++) {
        const ls_evaluator *e = &t->evaluator[i];
        if (!e->done) continue;
        for (size_t v = 0; v < t->tally.values; v++) values[v] = (ls_value){t->tally.names[v], e->values[v], NULL};
        sets[count++] = (ls_report_set){e->set, ls_dataset_samples(e->dataset), t->tally.values, values};
        values += t->tally.values;
    }
    return count;
}

/* The confusion matrix of the last validation, the ranks' parts added on rank 0; none where there was no validation. */
static ls_status gather_confusion(ls_trainer *t, ls_summary *summary) {
    const ls_evaluator *valid = NULL;
    for (size_t i = 0; i < t->evaluators; i++)
        if (strcmp(t->evaluator[i].set, "valid") == 0 && t->evaluator[i].done) valid = &t->evaluator[i];
    if (!valid || !valid->classes) return LS_OK;
    size_t cells = valid->classes * valid->classes, ranks = ls_comm_first(t->comm) ? ls_comm_size(t->comm) : 0;
    void *memory = NULL;
    ls_status status = ls_pool_take(t->pool, (ranks + 1) * cells * sizeof(uint64_t), &memory);
    LS_TRY(ls_comm_agree(t->comm, status));
    uint64_t *sum = memory, *all = sum + cells;
    LS_TRY(ls_comm_gather(t->comm, valid->confusion, cells * sizeof *sum, ranks ? all : NULL));
    for (size_t i = 0; i < ranks * cells; i++) sum[i % cells] += all[i];
    summary->classes = valid->classes;
    summary->confusion = sum;
    summary->confusion_set = valid->set;
    return LS_OK;
}

static ls_status memory_in_use(const ls_trainer *t, ls_value *values, size_t *count) {
    const char *names[LS_OPTIMIZER_SLOTS + 1];
    ls_reducer_memory memory = {0};
    LS_TRY(ls_reducer_measure(&t->plan, ls_comm_node_size(t->comm), ls_model_params(t->model),
                              ls__slot_names(t->experiment, names), (ls_wire)t->experiment->topology.wire, &memory));
    values[(*count)++] = (ls_value){"weights", (double)memory.weights, NULL};
    values[(*count)++] = (ls_value){"gradients", (double)memory.gradients, NULL};
    values[(*count)++] = (ls_value){"optimizer", (double)memory.slots, NULL};
    values[(*count)++] = (ls_value){"data", (double)ls_dataset_cached(t->data.train), NULL};
    return LS_OK;
}

static ls_status write_files(ls_trainer *t, const ls_summary *summary) {
    if (!ls_comm_first(t->comm)) return LS_OK;
    char path[4096];
    snprintf(path, sizeof path, "%s/report.json", t->experiment->run.dir);
    LS_TRY(ls_summary_write_json(path, summary));
    snprintf(path, sizeof path, "%s/report.txt", t->experiment->run.dir);
    LS_TRY(ls_summary_write_text(path, summary));
    return ls_logger_speaks(t->logger) && !t->quiet ? ls_summary_print(stdout, summary) : LS_OK;
}

ls_status ls__summarise(ls_trainer *t) {
    ls_report_section sections[LS_SECTION_COUNT] = {{0}};
    ls_report_set sets[3];
    ls_value memory[8], extra[2];
    size_t memory_count = 0;
    void *values = NULL;
    LS_TRY(gather_sections(t, sections));
    LS_TRY(ls_pool_take(t->pool, 3 * t->tally.values * sizeof(ls_value), &values));
    LS_TRY(memory_in_use(t, memory, &memory_count));
    extra[0] = (ls_value){"skipped_updates", (double)t->state.skipped, NULL};
    ls_summary summary = {
        .result = t->failure       ? "failed"
                  : t->interrupted ? "stopped"
                                   : "done",
        .stop_reason = t->failure ? ls_status_message(t->failure) : t->stop_reason,
        .steps = t->state.step,
        .updates = t->state.updates,
        .epochs = ls__epoch(t),
        .best_metric = t->state.best_step ? ls__best_metric(t) : NULL,
        .best = t->state.best_step ? t->state.best : NAN,
        .best_step = t->state.best_step,
        .best_checkpoint = t->state.best_step ? "checkpoints/best.h5" : NULL,
        .last_checkpoint = t->newest[0] ? t->newest : NULL,
        .samples_per_second = ls__speed_value(&t->speed),
        .seconds = ls_clock_now() - t->started,
        .ranks = ls_comm_size(t->comm),
        .nodes = ls_comm_nodes(t->comm),
        .threads = ls_team_size(t->team),
        .parameters = ls_params_values(ls_model_params(t->model)),
        .math = ls_math_description(t->math),
        .section_count = LS_SECTION_COUNT,
        .sections = sections,
        .memory_count = memory_count,
        .memory = memory,
        .set_count = list_sets(t, sets, values),
        .sets = sets,
        .extra_count = t->state.skipped ? 1 : 0,
        .extra = extra,
    };
    LS_TRY(gather_confusion(t, &summary));
    ls_status status = ls__hooks_finish(t, &summary);
    if (status == LS_OK) status = write_files(t, &summary);
    return ls_comm_agree(t->comm, status);
}
