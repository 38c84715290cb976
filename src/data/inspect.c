/* Looking at data that are not in memory, before training does: `check --full`. */
#include "data/dataset.h"
#include "data/pack.h"

enum { INSPECT_BYTES = 4 << 20 };

typedef struct inspection {
    const ls_loader_plan *plan;
    size_t step; /* rows read at once */
    unsigned char *rows;
    int32_t *indices; /* of one row */
} inspection;

/* The first of these rows that training could not take; `first` is the number of the one at `rows`. */
static ls_status look_at(const inspection *in, const ls_loader_field *f, const ls_column *column, size_t first,
                         size_t count) {
    const ls_storage *s = in->plan->dataset->storage;
    size_t size = ls_shape_size(column->shape), misfit = 0;
    bool sizes = f->buffer == LS_BUFFER_FLOAT && ls__packs_as_stored(f->preprocess);
    if (f->buffer == LS_BUFFER_FLOAT && ls__rows_finite(column, in->rows, count) &&
        (!sizes || ls__rows_fit_floats(column, in->rows, count)))
        return LS_OK;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *row = in->rows + i * column->row_bytes;
        if (f->buffer == LS_BUFFER_FLOAT && !ls__rows_finite(column, row, 1))
            return ls__row_fail(s, column, first + i, "holds a number that is not finite (NaN or infinity)");
        if (sizes && !ls__rows_fit_floats(column, row, 1)) return ls__large_fail(s, column, first + i);
        if (f->buffer == LS_BUFFER_INDEX &&
            !ls__pack_indices(column->dtype, size, row, f->entries, in->indices, &misfit))
            return ls__index_fail(s, column, first + i, row + misfit * ls_dtype_size(column->dtype), f->entries);
    }
    return LS_OK;
}

static ls_status inspect_share(inspection *in, const ls_loader_field *f, const ls_column *column, uint64_t *bytes) {
    const ls_storage *s = in->plan->dataset->storage;
    size_t first, end;
    ls__rows_share(s->rows, ls_comm_rank(in->plan->comm), ls_comm_size(in->plan->comm), &first, &end);
    for (size_t at = first; at < end; at += in->step) {
        size_t count = end - at < in->step ? end - at : in->step;
        ls_comm_beat(in->plan->comm);
        LS_TRY(ls__storage_read(s, column, at, count, in->rows));
        LS_TRY(look_at(in, f, column, at, count));
        *bytes += count * column->row_bytes;
    }
    return LS_OK;
}

static ls_status inspect_field(const ls_loader_plan *plan, const ls_loader_field *f, uint64_t *bytes) {
    const ls_column *column = ls__dataset_column(plan->dataset, f->field);
    if (column->rows) return LS_OK;
    inspection in = {.plan = plan, .step = column->row_bytes < INSPECT_BYTES ? INSPECT_BYTES / column->row_bytes : 1};
    void *rows = NULL, *indices = NULL;
    ls_status status = ls_block_create(in.step, column->row_bytes, "a piece of the data", &rows);
    if (status == LS_OK)
        status = ls_block_create(ls_shape_size(column->shape), sizeof *in.indices, "a row of the data", &indices);
    in.rows = rows;
    in.indices = indices;
    if (status == LS_OK) status = inspect_share(&in, f, column, bytes);
    ls_block_destroy(rows);
    ls_block_destroy(indices);
    return status;
}

ls_status ls_loader_inspect(const ls_loader_plan *plan, uint64_t *bytes) {
    uint64_t mine = 0;
    ls_exchange *total = NULL;
    for (size_t i = 0; i < plan->field_count; i++)
        LS_TRY(ls_comm_agree(plan->comm, inspect_field(plan, &plan->fields[i], &mine)));
    if (!bytes) return LS_OK;
    LS_TRY(ls_exchange_create(plan->comm, 1, 0, &total));
    ls_exchange_clear(total);
    ls_sum_add(ls_exchange_sum(total, 0), (double)mine);
    ls_status status = ls_exchange_run(total);
    *bytes = (uint64_t)ls_sum_value(ls_exchange_sum(total, 0));
    ls_exchange_destroy(total);
    return status;
}
