/*
 * csv: separated values, one sample a line. A column of numbers is a feature; a column of words becomes one feature per
 * word (one-hot) or the word's number; one column is the target. Means of missing values come from /train alone.
 */
#include <stdlib.h>
#include <string.h>

#include "data/formats/csv_table.h"

typedef enum missing { MISSING_MEAN, MISSING_DROP, MISSING_REFUSE } missing;
typedef enum categories { CATEGORIES_ONE_HOT, CATEGORIES_CODES } categories;
typedef enum task { TASK_AUTO, TASK_CLASSES, TASK_REGRESSION } task;

typedef struct csv_options {
    const char *target, *delimiter;
    int header, missing, categories, task;
    ls_texts skip, category;
} csv_options;

static const char *const header_words[] = {"auto", "yes", "no", NULL};
static const char *const missing_words[] = {"mean", "drop", "refuse", NULL};
static const char *const category_words[] = {"one_hot", "codes", NULL};
static const char *const task_words[] = {"auto", "classes", "regression", NULL};

static const ls_option rows[] = {
    LS_OPTION_TEXT(csv_options, target, "last",
                   "the column to predict: its name, its number from 1, first, last or none"),
    LS_OPTION_WORD(csv_options, task, "auto", task_words,
                   "what the target is; auto: classes if it is words or small whole numbers, else regression"),
    LS_OPTION_WORD(csv_options, header, "auto", header_words, "whether the first line names the columns"),
    LS_OPTION_TEXT(csv_options, delimiter, NULL,
                   "one character, or tab; found by itself among comma, semicolon and tab"),
    LS_OPTION_WORD(csv_options, missing, "mean", missing_words,
                   "an empty cell, NA, NaN, null or ?: put the training mean, drop the line, or refuse the file"),
    LS_OPTION_WORD(csv_options, categories, "one_hot", category_words, "how columns of words become numbers"),
    LS_OPTION_TEXTS(csv_options, category, NULL, "columns that hold words though some of them look like numbers"),
    LS_OPTION_TEXTS(csv_options, skip, NULL, "columns to leave out"),
    LS_OPTION_END};

enum { MOST_CATEGORIES = 1024, MOST_CLASSES = 65536, MOST_AUTO_CLASSES = 1000 };

typedef enum column_kind { COLUMN_NUMBER, COLUMN_WORDS, COLUMN_SKIPPED } column_kind;

typedef struct column {
    const char *name;
    column_kind kind;
    bool target, has_missing;
    bool whole; /* numbers: every one a whole number written without a point */
    double least, largest;
    double mean;           /* of the training part's numbers */
    size_t words;          /* distinct words */
    const csv_cell **word; /* sorted; in the memory below */
    ls_bytes memory;
    size_t first, width; /* features: their place in x */
} column;

/* What the steps of one import share. */
typedef struct work {
    const csv_options *options;
    ls_import *import;
    csv_table table;
    column *columns;
    size_t *kept; /* table rows that become samples */
    size_t samples;
    column *target; /* or NULL */
} work;

/* ---- which column is what ---- */

/* "3", "first", "last", or a name, which wins over the others. */
static ls_status find_column(const work *w, const char *text, const char *option, size_t *out) {
    for (size_t i = 0; i < w->table.columns; i++)
        if (w->table.header && strcmp(w->columns[i].name, text) == 0) {
            *out = i;
            return LS_OK;
        }
    size_t number = 0;
    if (strcmp(text, "first") == 0)
        number = 1;
    else if (strcmp(text, "last") == 0)
        number = w->table.columns;
    else if (!ls_parse_count(text, &number))
        number = 0;
    if (number >= 1 && number <= w->table.columns) {
        *out = number - 1;
        return LS_OK;
    }
    const char **names = calloc(w->table.columns + 1, sizeof *names);
    if (!names) return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu columns", w->table.columns);
    for (size_t i = 0; i < w->table.columns; i++) names[i] = w->columns[i].name;
    const char *near = w->table.header ? ls_nearest(text, names) : NULL;
    ls_status status = LS_FAIL(LS_ERR_USAGE, "%s: no column \"%s\" for --%s%s%s%s; there are %zu%s",
                               w->table.file->name, text, option, near ? "; did you mean \"" : "", near ? near : "",
                               near ? "\"?" : "", w->table.columns, w->table.header ? "" : ", without names");
    free(names);
    return status;
}

static ls_status name_columns(work *w) {
    for (size_t i = 0; i < w->table.columns; i++) {
        if (w->table.header)
            LS_TRY(ls__csv_text(&w->table, &w->table.header[i], w->import->pool, &w->columns[i].name));
        else
            LS_TRY(ls_pool_format(w->import->pool, &w->columns[i].name, "%zu", i + 1));
    }
    return LS_OK;
}

static ls_status assign_columns(work *w) {
    size_t at = 0;
    if (strcmp(w->options->target, "none") != 0) {
        LS_TRY(find_column(w, w->options->target, "target", &at));
        w->target = &w->columns[at];
        w->target->target = true;
    }
    for (size_t i = 0; i < w->options->category.count; i++) {
        LS_TRY(find_column(w, w->options->category.items[i], "category", &at));
        w->columns[at].kind = COLUMN_WORDS;
    }
    for (size_t i = 0; i < w->options->skip.count; i++) {
        LS_TRY(find_column(w, w->options->skip.items[i], "skip", &at));
        if (w->columns[at].target)
            return LS_FAIL(LS_ERR_USAGE, "column \"%s\" is the target and cannot be skipped", w->columns[at].name);
        w->columns[at].kind = COLUMN_SKIPPED;
    }
    return LS_OK;
}

static bool written_whole(const csv_table *table, const csv_cell *cell) {
    for (size_t i = 0; i < cell->length; i++)
        if (memchr(".eE", table->file->bytes[cell->at + i], 3)) return false;
    return true;
}

/* What to do about a column that is of no use, in two words: "%s%s". */
#define WAY_OUT(c) (c)->target ? "choose another --target" : "--skip ", (c)->target ? "" : (c)->name

static ls_status fail_word(const work *w, const column *c, const csv_cell *word) {
    const char *text = NULL;
    LS_TRY(ls__csv_text(&w->table, word, w->import->pool, &text));
    bool first_line = !w->table.header && word < w->table.cells + w->table.columns;
    return ls__file_fail(
        w->table.file, word->at,
        "\"%.40s\" is no number, but column \"%s\" has numbers; if they are categories: --category %s%s", text, c->name,
        c->name, first_line ? "; if the first line names the columns: --header yes" : "");
}

static ls_status fail_large(const work *w, const column *c, const csv_cell *cell) {
    const char *text = NULL;
    LS_TRY(ls__csv_text(&w->table, cell, w->import->pool, &text));
    return ls__file_fail(w->table.file, cell->at,
                         "%.40s in column \"%s\" is beyond the range of float32 (3.4e38); %s%s", text, c->name,
                         WAY_OUT(c));
}

/* Counts numbers and words of a column, and keeps the first of each for messages. */
static ls_status inspect_column(work *w, size_t at) {
    column *c = &w->columns[at];
    const csv_cell *word = NULL, *large = NULL;
    size_t numbers = 0;
    c->whole = true;
    for (size_t r = 0; r < w->table.rows; r++) {
        const csv_cell *cell = ls__csv_cell(&w->table, r, at);
        double value = 0;
        if (ls__csv_missing(&w->table, cell)) {
            c->has_missing = true;
        } else if (!ls__csv_number(&w->table, cell, &value)) {
            if (!word) word = cell;
        } else {
            if (numbers == 0 || value < c->least) c->least = value;
            if (numbers == 0 || value > c->largest) c->largest = value;
            if (!large && fabs(value) > 3.4028234e38) large = cell;
            c->whole = c->whole && written_whole(&w->table, cell);
            numbers++;
        }
    }
    if (c->kind == COLUMN_WORDS) return LS_OK;
    if (word && numbers > 0) return fail_word(w, c, word);
    if (word)
        c->kind = COLUMN_WORDS;
    else if (numbers == 0)
        return ls__file_fail(w->table.file, ls__csv_cell(&w->table, 0, at)->at, "column \"%s\" is empty; %s%s", c->name,
                             WAY_OUT(c));
    else if (large)
        return fail_large(w, c, large);
    return LS_OK;
}

/* ---- words ---- */

typedef struct sort_context {
    const csv_table *table;
} sort_context;

static int compare_cells(const void *a, const void *b, void *context) {
    return ls__csv_compare(((const sort_context *)context)->table, *(const csv_cell *const *)a,
                           *(const csv_cell *const *)b);
}

/* Sorts a column's words bytewise and keeps one of each. */
static ls_status gather_words(work *w, column *c, size_t at, size_t most) {
    void *room = NULL;
    LS_TRY(ls__bytes_grow(&c->memory, w->samples * sizeof *c->word, &room));
    c->word = room;
    for (size_t i = 0; i < w->samples; i++) c->word[i] = ls__csv_cell(&w->table, w->kept[i], at);
    sort_context context = {&w->table};
    qsort_r(c->word, w->samples, sizeof *c->word, compare_cells, &context);
    for (size_t i = 0; i < w->samples; i++)
        if (c->words == 0 || ls__csv_compare(&w->table, c->word[c->words - 1], c->word[i]) != 0)
            c->word[c->words++] = c->word[i];
    if (c->words > most)
        return ls__file_fail(w->table.file, ls__csv_cell(&w->table, 0, at)->at,
                             "column \"%s\" has %zu different words, at most %zu will do; %s%s", c->name, c->words,
                             most, WAY_OUT(c));
    return LS_OK;
}

static uint32_t code_of(const work *w, const column *c, const csv_cell *cell) {
    sort_context context = {&w->table};
    size_t low = 0, high = c->words;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (compare_cells(&c->word[middle], &cell, &context) <= 0)
            low = middle;
        else
            high = middle;
    }
    return (uint32_t)low;
}

/* ---- which rows ---- */

/* Lines without a target value say nothing; lines with other gaps are the option's. */
static ls_status keep_rows(work *w) {
    int how = w->options->missing;
    for (size_t r = 0; r < w->table.rows; r++) {
        bool keep = true;
        for (size_t i = 0; i < w->table.columns && keep; i++) {
            const column *c = &w->columns[i];
            if (!c->has_missing || c->kind == COLUMN_SKIPPED) continue;
            const csv_cell *cell = ls__csv_cell(&w->table, r, i);
            if (!ls__csv_missing(&w->table, cell)) continue;
            if (how == MISSING_REFUSE || (c->target && how == MISSING_MEAN))
                return ls__file_fail(w->table.file, cell->at, "no value in column \"%s\"%s", c->name,
                                     c->target ? ", the target; --missing drop leaves such lines out"
                                               : "; --missing mean or drop deals with it");
            if (how == MISSING_DROP) keep = false;
        }
        if (keep) w->kept[w->samples++] = r;
    }
    if (w->samples == 0) return ls__file_fail(w->table.file, 0, "no line is complete, and --missing is drop");
    if (w->samples < w->table.rows)
        ls_logger_say(w->import->log, LS_LOG_WARNING, "%s: %zu of %zu lines have missing values and were dropped",
                      w->table.file->name, w->table.rows - w->samples, w->table.rows);
    return LS_OK;
}

/* ---- the target ---- */

static bool is_class_column(const work *w, const column *c) {
    if (w->options->task != TASK_AUTO) return w->options->task == TASK_CLASSES;
    return c->kind == COLUMN_WORDS || (c->whole && c->least >= 0 && c->largest < MOST_AUTO_CLASSES);
}

static ls_status import_values(work *w, size_t at) {
    ls_import_field *y = NULL;
    void *out = NULL;
    if (w->target->kind == COLUMN_WORDS)
        return ls__file_fail(w->table.file, ls__csv_cell(&w->table, 0, at)->at,
                             "--task regression wants numbers, but column \"%s\" holds words", w->target->name);
    LS_TRY(ls__import_field(w->import, "y", LS_DTYPE_F32, (ls_shape){0}, &y));
    LS_TRY(ls__import_rows(y, w->samples, &out));
    for (size_t i = 0; i < w->samples; i++) {
        double value = 0;
        ls__csv_number(&w->table, ls__csv_cell(&w->table, w->kept[i], at), &value);
        ((float *)out)[i] = (float)value;
    }
    return ls__import_split(w->import, w->samples, NULL, 0);
}

static ls_status check_class_numbers(const work *w, size_t at) {
    for (size_t i = 0; i < w->samples; i++) {
        const csv_cell *cell = ls__csv_cell(&w->table, w->kept[i], at);
        double value = -1;
        if (!ls__csv_number(&w->table, cell, &value) || value < 0 || value >= MOST_CLASSES || value != floor(value))
            return ls__file_fail(w->table.file, cell->at, "%g is no class: classes are whole numbers 0 .. %d", value,
                                 MOST_CLASSES - 1);
    }
    return LS_OK;
}

static ls_status class_labels(work *w, size_t at, uint32_t *labels, size_t *classes) {
    column *c = w->target;
    if (c->kind == COLUMN_NUMBER) {
        LS_TRY(check_class_numbers(w, at));
        *classes = (size_t)c->largest + 1;
    } else {
        LS_TRY(gather_words(w, c, at, MOST_CLASSES));
        *classes = c->words;
    }
    for (size_t i = 0; i < w->samples; i++) {
        const csv_cell *cell = ls__csv_cell(&w->table, w->kept[i], at);
        double value = 0;
        if (c->kind == COLUMN_NUMBER && ls__csv_number(&w->table, cell, &value))
            labels[i] = (uint32_t)value;
        else
            labels[i] = code_of(w, c, cell);
    }
    return LS_OK;
}

static ls_status keep_words(work *w, const column *c, const char *list) {
    void *room = NULL;
    LS_TRY(ls_pool_take(w->import->pool, c->words * sizeof(char *), &room));
    ls_texts words = {.count = c->words, .items = room};
    for (size_t i = 0; i < c->words; i++) LS_TRY(ls__csv_text(&w->table, c->word[i], w->import->pool, &words.items[i]));
    ls__import_words(w->import, list, words);
    return LS_OK;
}

static ls_status import_classes(work *w, size_t at) {
    uint32_t *labels = calloc(w->samples, sizeof *labels);
    if (!labels) return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu labels", w->samples);
    size_t classes = 0;
    ls_import_field *y = NULL;
    void *out = NULL;
    ls_status status = LS_OK;
    LS_TRY_ELSE(status, class_labels(w, at, labels, &classes), done);
    LS_TRY_ELSE(status, ls__import_field(w->import, "y", ls__dtype_for(classes - 1), (ls_shape){0}, &y), done);
    LS_TRY_ELSE(status, ls__import_rows(y, w->samples, &out), done);
    for (size_t i = 0; i < w->samples; i++) ls__dtype_store(y->dtype, labels[i], (char *)out + i * y->row_bytes);
    LS_TRY_ELSE(status, ls__import_split(w->import, w->samples, labels, classes), done);
    if (w->target->kind == COLUMN_WORDS) status = keep_words(w, w->target, "classes");
done:
    free(labels);
    return status;
}

static ls_status import_target(work *w) {
    if (!w->target) return ls__import_split(w->import, w->samples, NULL, 0);
    size_t at = (size_t)(w->target - w->columns);
    return is_class_column(w, w->target) ? import_classes(w, at) : import_values(w, at);
}

/* ---- the features ---- */

static void find_mean(work *w, column *c, size_t at) {
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < w->samples; i++) {
        double value = 0;
        if (w->import->part[i] || !ls__csv_number(&w->table, ls__csv_cell(&w->table, w->kept[i], at), &value)) continue;
        sum += value;
        count++;
    }
    c->mean = count ? sum / (double)count : 0;
}

/* Lays the features out in x, and gives them names: a column's own, or COLUMN=WORD. */
static ls_status plan_features(work *w, size_t *features, bool *bytes) {
    size_t next = 0, filled = 0;
    *bytes = true;
    for (size_t i = 0; i < w->table.columns; i++) {
        column *c = &w->columns[i];
        if (c->target || c->kind == COLUMN_SKIPPED) continue;
        c->first = next;
        c->width = 1;
        if (c->kind == COLUMN_WORDS) {
            LS_TRY(gather_words(w, c, i, MOST_CATEGORIES));
            ls_logger_say(w->import->log, LS_LOG_INFO, "%s: column \"%s\" holds %zu different words",
                          w->table.file->name, c->name, c->words);
            if (w->options->categories == CATEGORIES_ONE_HOT)
                c->width = c->words;
            else
                *bytes = *bytes && c->words <= 256;
        } else {
            bool gaps = c->has_missing && w->options->missing == MISSING_MEAN;
            *bytes = *bytes && c->whole && c->least >= 0 && c->largest <= 255 && !gaps;
            if (gaps) find_mean(w, c, i);
        }
        next += c->width;
    }
    *features = next;
    if (next == 0)
        return LS_FAIL(LS_ERR_USAGE, "%s: no column is left for x%s", w->table.file->name,
                       w->target ? "; --target none counts the target among them" : "");
    void *room = NULL;
    LS_TRY(ls_pool_take(w->import->pool, next * sizeof(char *), &room));
    ls_texts names = {.count = next, .items = room};
    for (size_t i = 0; i < w->table.columns; i++) {
        column *c = &w->columns[i];
        for (size_t k = 0; k < c->width; k++, filled++) {
            const char *word = NULL;
            names.items[filled] = c->name;
            if (c->kind != COLUMN_WORDS || w->options->categories == CATEGORIES_CODES) continue;
            LS_TRY(ls__csv_text(&w->table, c->word[k], w->import->pool, &word));
            LS_TRY(ls_pool_format(w->import->pool, &names.items[filled], "%s=%s", c->name, word));
        }
    }
    if (w->table.header) ls__import_words(w->import, "features", names);
    return LS_OK;
}

static void sample_features(const work *w, size_t row, float *x) {
    for (size_t i = 0; i < w->table.columns; i++) {
        const column *c = &w->columns[i];
        if (c->width == 0) continue;
        const csv_cell *cell = ls__csv_cell(&w->table, row, i);
        double value = c->mean;
        if (c->kind == COLUMN_NUMBER) {
            ls__csv_number(&w->table, cell, &value);
            x[c->first] = (float)value;
        } else if (w->options->categories == CATEGORIES_CODES) {
            x[c->first] = (float)code_of(w, c, cell);
        } else {
            for (size_t k = 0; k < c->width; k++) x[c->first + k] = 0;
            x[c->first + code_of(w, c, cell)] = 1;
        }
    }
}

static ls_status import_features(work *w) {
    size_t features = 0;
    bool bytes = false;
    LS_TRY(plan_features(w, &features, &bytes));
    ls_import_field *x = NULL;
    ls_shape shape = {.rank = 1, .dim = {features}};
    void *out = NULL, *row = NULL;
    LS_TRY(ls__import_field(w->import, "x", bytes ? LS_DTYPE_U8 : LS_DTYPE_F32, shape, &x));
    LS_TRY(ls__import_rows(x, w->samples, &out));
    LS_TRY(ls_block_create(features, sizeof(float), "a line of features", &row));
    for (size_t i = 0; i < w->samples; i++) {
        sample_features(w, w->kept[i], row);
        unsigned char *to = (unsigned char *)out + i * x->row_bytes;
        if (!bytes) memcpy(to, row, x->row_bytes);
        for (size_t k = 0; bytes && k < features; k++) to[k] = (unsigned char)((const float *)row)[k];
    }
    ls_block_destroy(row);
    return LS_OK;
}

/* ---- the whole ---- */

static ls_status delimiter_of(const csv_options *options, char *out) {
    *out = 0;
    if (!options->delimiter) return LS_OK;
    *out = strcmp(options->delimiter, "tab") == 0 ? '\t' : options->delimiter[0];
    if ((*out != '\t' && strlen(options->delimiter) != 1) || *out == '"' || *out == '\n')
        return LS_FAIL(LS_ERR_USAGE, "--delimiter \"%s\": one character or the word tab is wanted", options->delimiter);
    return LS_OK;
}

/* Where all columns hold words, nothing tells a header line from a sample. */
static void warn_of_header(const work *w) {
    if (w->options->header != CSV_HEADER_AUTO) return;
    for (size_t i = 0; i < w->table.columns; i++)
        if (w->columns[i].kind == COLUMN_NUMBER) return;
    ls_logger_say(w->import->log, LS_LOG_WARNING,
                  "%s: no column has numbers, so the first line counts as a sample; --header says what it is",
                  w->table.file->name);
}

static ls_status import_table(work *w) {
    LS_TRY(name_columns(w));
    LS_TRY(assign_columns(w));
    for (size_t i = 0; i < w->table.columns; i++)
        if (w->columns[i].kind != COLUMN_SKIPPED) LS_TRY(inspect_column(w, i));
    warn_of_header(w);
    LS_TRY(keep_rows(w));
    LS_TRY(import_target(w));
    return import_features(w);
}

static ls_status import_file(work *w, const ls_file *file) {
    char delimiter = 0;
    LS_TRY(delimiter_of(w->options, &delimiter));
    LS_TRY(ls__csv_read(file, delimiter, (csv_header)w->options->header, &w->table));
    w->columns = calloc(w->table.columns, sizeof *w->columns);
    w->kept = calloc(w->table.rows, sizeof *w->kept);
    ls_status status =
        w->columns && w->kept ? import_table(w) : LS_FAIL(LS_ERR_MEMORY, "no memory for %zu lines", w->table.rows);
    for (size_t i = 0; w->columns && i < w->table.columns; i++) free(w->columns[i].memory.items);
    free(w->columns);
    free(w->kept);
    ls__csv_free(&w->table);
    return status;
}

static ls_status import_csv(const void *options, const ls_texts *inputs, ls_import *import) {
    if (inputs->count != 1) return LS_FAIL(LS_ERR_USAGE, "import csv takes one file, not %zu", inputs->count);
    work w = {.options = options, .import = import};
    ls_file file;
    LS_TRY(ls__import_read(import, inputs->items[0], &file));
    ls_status status = import_file(&w, &file);
    ls__import_release(import, &file);
    return status;
}

const ls_format_type ls_format_csv = {
    .type = {"csv", "separated values, plain or gzip, one sample a line", rows, sizeof(csv_options)},
    .usage = "FILE",
    .import = import_csv};
