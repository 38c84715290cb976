#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint/saver.h"

static ls_status add_param(ls__job *job, const ls_param *param, const char *slot, size_t *index) {
    char path[512];
    ls__param_path(param, slot, path, sizeof path);
    return ls_store_add(job->writer, path, LS_DTYPE_F32, param->shape.rank, param->shape.dim, LS_PART_STATE, index);
}

static ls_status add_params(const ls_saver *saver, ls__job *job) {
    size_t count = ls_params_count(saver->params);
    for (size_t i = 0; i < count; i++)
        LS_TRY(add_param(job, ls_params_at(saver->params, i), NULL, &job->param_index[i]));
    for (size_t slot = 0; slot < saver->slots; slot++)
        for (size_t i = 0; i < count; i++) {
            const ls_param *param = ls_params_at(saver->params, i);
            size_t *index = &job->slot_index[slot * count + i];
            *index = LS_NOT_FOUND;
            if (param->offset < saver->snapshot.trainable)
                LS_TRY(add_param(job, param, saver->slot_names[slot], index));
        }
    return LS_OK;
}

static ls_status add_items(ls__job *job) {
    for (size_t i = 0; i < ls_items_count(job->items); i++) {
        const ls_item *item = ls_items_at(job->items, i);
        if (item->dtype == LS_DTYPE_TEXT)
            LS_TRY(ls_store_add_text(job->writer, item->path, item->bytes, 0, item->part, &job->item_index[i]));
        else
            LS_TRY(ls_store_add(job->writer, item->path, item->dtype, item->rank, item->dim, item->part,
                                &job->item_index[i]));
    }
    return LS_OK;
}

static ls_status lay_out(const ls_saver *saver, ls__job *job) {
    size_t count = ls_params_count(saver->params);
    job->param_index = calloc(count + 1, sizeof(size_t));
    job->slot_index = calloc(count * saver->slots + 1, sizeof(size_t));
    job->item_index = calloc(ls_items_count(job->items) + 1, sizeof(size_t));
    if (!job->param_index || !job->slot_index || !job->item_index)
        return LS_FAIL(LS_ERR_MEMORY, "no memory for a checkpoint's layout");
    LS_TRY(ls_store_create(job->outcome.path, saver->tag, &job->writer));
    LS_TRY(add_params(saver, job));
    LS_TRY(add_items(job));
    /* Not part of the state: it names the run's folder, and some of its keys may change when a run goes on. */
    LS_TRY(ls_store_add_text(job->writer, "/config", strlen(saver->config), 0, LS_PART_OTHER, &job->config_index));
    return ls_store_seal(job->writer);
}

/* A folder that has vanished, with the run's or without, is told as a failed save, and is there for the next one. */
void ls__job_lay_out(const ls_saver *saver, ls__job *job) {
    job->outcome.status = lay_out(saver, job);
    if (job->outcome.status == LS_OK || access(saver->folder, F_OK) == 0) return;
    ls_status made = ls__folder_prepare(saver->folder, 0);
    if (made == LS_OK)
        job->outcome.status = ls_status_prefix(job->outcome.status, "%s had vanished, and is made anew", saver->folder);
    ls_status_free(made);
}

void ls__job_destroy(ls__job *job) {
    if (!job) return;
    ls_store_writer_destroy(job->writer);
    ls_items_destroy(job->items);
    free(job->param_index);
    free(job->slot_index);
    free(job->item_index);
    free(job);
}
