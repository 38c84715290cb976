/*
 * csv_table.h: a text of separated values as a table of cells (RFC 4180, with any delimiter). Cells point into the
 * text.
 */
#ifndef LOCKSTEP_DATA_CSV_TABLE_H
#define LOCKSTEP_DATA_CSV_TABLE_H

#include "data/import.h"

typedef struct csv_cell {
    size_t at;     /* its first byte in the file, inside the quotes */
    size_t length; /* without quotes and surrounding blanks */
    bool quoted;   /* doubled quotes stand for one */
} csv_cell;

typedef struct csv_table {
    const ls_file *file;
    size_t rows, columns;   /* data rows: a header line is not among them */
    const csv_cell *cells;  /* rows x columns */
    const csv_cell *header; /* columns; NULL where there is no header line */
    ls_bytes memory;
} csv_table;

typedef enum csv_header { CSV_HEADER_AUTO, CSV_HEADER_YES, CSV_HEADER_NO } csv_header;

/**
 * Cuts a file into cells; every line has as many as the first one, blank lines are passed over. `delimiter` 0: the one
 * of comma, semicolon and tab that the first line has most of. The file must outlive the table: ls__csv_free().
 */
ls_status ls__csv_read(const ls_file *file, char delimiter, csv_header header, csv_table *out) LS_MUST_USE;
void ls__csv_free(csv_table *table);

static inline const csv_cell *ls__csv_cell(const csv_table *table, size_t row, size_t column) {
    return &table->cells[row * table->columns + column];
}

/** True where the cell is one finite decimal number, as in C but without hexadecimals. */
bool ls__csv_number(const csv_table *table, const csv_cell *cell, double *out);
/** True where the cell says that there is no value: empty, NA, N/A, NaN, null, ? (in any case). */
bool ls__csv_missing(const csv_table *table, const csv_cell *cell);
/** The cell's text, in the pool. */
ls_status ls__csv_text(const csv_table *table, const csv_cell *cell, ls_pool *pool, const char **out) LS_MUST_USE;
/** Bytewise order of two cells, as they stand. */
int ls__csv_compare(const csv_table *table, const csv_cell *a, const csv_cell *b);

#endif
