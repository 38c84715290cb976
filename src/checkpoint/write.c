#include <signal.h>
#include <string.h>

#include "checkpoint/saver.h"
#include "lockstep/clock.h"

/* Everything here may run in the thread: plain system calls, neither HDF5 nor MPI. */

/* A part goes through the core's cache: it is translated, hashed and handed to the disk while it lies there. */
static const size_t part_bytes = (size_t)512 << 10;

static size_t rows_of(const ls_param *param) {
    return param->shape.rank ? param->shape.dim[0] : 1;
}

size_t ls__job_row_bytes(const ls_params *params, size_t index) {
    const ls_param *param = ls_params_at(params, index);
    return ls_shape_size(param->shape) / rows_of(param) * sizeof(float);
}

size_t ls__job_part_rows(const ls_params *params, size_t index) {
    size_t rows = rows_of(ls_params_at(params, index)), least = ls_param_part_rows(params, index);
    size_t many = part_bytes / ls__job_row_bytes(params, index) / least * least;
    if (many < least) many = least;
    return many < rows ? many : rows;
}

/*
 * One array of a parameter's size: out of an arena, into file layout, to its place, part by part. What does not fill a
 * page waits for the next part, so that all but the last end at a page.
 */
static ls_status write_param(const ls_saver *saver, ls__job *job, size_t param, const float *arena, size_t index) {
    size_t rows = rows_of(ls_params_at(saver->params, param)), row_bytes = ls__job_row_bytes(saver->params, param);
    size_t step = ls__job_part_rows(saver->params, param), done = 0, waiting = 0;
    for (size_t first = 0, count; first < rows; first += count) {
        count = rows - first < step ? rows - first : step;
        ls_param_export_rows(saver->params, param, first, count, arena, (float *)(void *)(saver->values + waiting));
        waiting += count * row_bytes;
        size_t part = first + count < rows ? waiting / LS_STORE_PAGE * LS_STORE_PAGE : waiting;
        LS_TRY(ls_store_fill(job->writer, index, done, saver->values, part));
        done += part;
        waiting -= part;
        memmove(saver->values, saver->values + part, waiting);
        job->progress++;
    }
    return LS_OK;
}

static ls_status write_params(const ls_saver *saver, ls__job *job) {
    size_t count = ls_params_count(saver->params);
    for (size_t i = 0; i < count; i++) LS_TRY(write_param(saver, job, i, saver->snapshot.weights, job->param_index[i]));
    for (size_t slot = 0; slot < saver->slots; slot++)
        for (size_t i = 0; i < count; i++) {
            size_t index = job->slot_index[slot * count + i];
            if (index == LS_NOT_FOUND) continue;
            LS_TRY(write_param(saver, job, i, saver->snapshot.slots + slot * saver->snapshot.trainable, index));
        }
    return LS_OK;
}

static ls_status write_items(const ls_saver *saver, ls__job *job) {
    for (size_t i = 0; i < ls_items_count(job->items); i++) {
        const ls_item *item = ls_items_at(job->items, i);
        if (item->bytes) LS_TRY(ls_store_fill(job->writer, job->item_index[i], 0, item->data, item->bytes));
    }
    size_t length = strlen(saver->config);
    return length ? ls_store_fill(job->writer, job->config_index, 0, saver->config, length) : LS_OK;
}

typedef struct permission {
    const ls_run_lock *lock;
    bool *superseded;
} permission;

/* Asked just before the rename. */
static ls_status permit(void *argument) {
    permission *asked = argument;
    if (!asked->lock) return LS_OK;
    ls_status status = ls_run_lock_check(asked->lock);
    *asked->superseded = ls_status_code(status) == LS_ERR_RUNTIME;
    return status;
}

/* The checkpoint is there, whatever becomes of links and older files. What best.h5 should name is not deleted. */
static ls_status tidy(const ls_saver *saver, const ls__job *job) {
    ls_status status = ls__folder_link(saver->folder, "latest.h5", job->step, saver->tag);
    if (job->best) LS_TRY(ls_status_first(status, ls__folder_link(saver->folder, "best.h5", job->step, saver->tag)));
    return ls_status_first(status, ls__folder_retain(saver->folder, job->step, saver->keep));
}

static ls_status write_checkpoint(const ls_saver *saver, ls__job *job) {
    permission asked = {saver->lock, &job->outcome.superseded};
    LS_TRY(write_params(saver, job));
    LS_TRY(write_items(saver, job));
    LS_TRY(ls_store_commit(job->writer, permit, &asked));
    job->outcome.state = ls_store_writer_state(job->writer);
    job->outcome.bytes = ls_store_writer_bytes(job->writer);
    job->outcome.seconds = ls_clock_now() - job->began;
    job->progress++;
    job->outcome.untidy = tidy(saver, job);
    return LS_OK;
}

static void *run(void *argument) {
    const ls_saver *saver = argument;
    ls__job *job = saver->job;
    job->outcome.status = write_checkpoint(saver, job);
    job->done = true;
    return NULL;
}

/* Signals are the main thread's. */
static bool start_thread(ls_saver *saver) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&saver->job->thread, NULL, run, saver) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void ls__job_launch(ls_saver *saver) {
    saver->job->launched = true;
    if (saver->job->outcome.status != LS_OK) {
        saver->job->done = true;
        return;
    }
    saver->job->has_thread = start_thread(saver);
    if (!saver->job->has_thread) run(saver);
}
