/**
 * data.h: from files to batches.
 *
 *     files --open--> ls_dataset --ls_sampler--> which sample stands at a position --ls_loader--> buffers of a batch
 *                        |                                                             ^
 *                        +--fit (training set only)--> ls_preprocess ------------------+
 *
 * A data set is an HDF5 group whose datasets have samples along their first axis (README, "Data"). A training run
 * reads up to three of them, opened together:
 *
 *     ls_data data;
 *     LS_TRY(ls_data_open(&options, folder, seed, NULL, comm, log, &data));       // train, valid, test; validated
 *     size_t x = ls_dataset_find(data.train, "x");
 *     LS_TRY(ls_preprocess_create(&options.preprocess, ls_dataset_field(data.train, x)->shape, &standard));
 *     LS_TRY(ls_preprocess_fit(standard, data.train, x, comm));                   // collective
 *     ls_sampler sampler = ls_sampler_make(&options, data.train, seed);
 *     LS_TRY(ls_loader_create(&plan, &loader));
 *     LS_TRY(ls_loader_seek(loader, epoch, position));                            // collective
 *     LS_TRY(ls_loader_fill(loader, epoch, position, count, &batch));             // local, allocates nothing
 *
 * Invariants
 *  - Which sample stands where is a function of (seed, epoch, position), and what is done to it one of (seed, epoch,
 *    position, sample): never of ranks, threads, caches or restarts.
 *  - Data that fit in `data.cache` lie in memory once per node, in their stored type; they are converted while a batch
 *    is packed. Otherwise blocks of rows are read ahead by a thread which never calls MPI.
 *  - Everything that can be wrong with data is found by ls_data_open() and ls_loader_create(), before training, and is
 *    reported with file, dataset and sample. Streamed sets are looked at as they are read: nothing that is wrong comes
 *    into a batch.
 *  - Where a file carries checksums of blocks of rows (imports write them: store.h), no row is used that differs from
 *    its own: LS_ERR_IO names file, dataset and rows. Files without are taken as they are.
 */
#ifndef LOCKSTEP_DATA_H
#define LOCKSTEP_DATA_H

#include "lockstep/comm.h"
#include "lockstep/logger.h"
#include "lockstep/options.h"
#include "lockstep/store.h"
#include "lockstep/tensor.h"

/* ---- options: the `data:` section ----------------------------------------------------------------------------- */

typedef enum ls_shuffle {
    LS_SHUFFLE_AUTO,   /* full where x has at most 4 GiB, else block */
    LS_SHUFFLE_FULL,   /* any permutation */
    LS_SHUFFLE_BLOCK,  /* blocks of neighbouring samples are permuted, then the samples of a window of blocks */
    LS_SHUFFLE_NONE,   /* file order */
    LS_SHUFFLE_SAMPLE, /* independent uniform draws, with replacement */
} ls_shuffle;

typedef struct ls_data_options {
    ls_texts train;       /* FILE:/GROUP, several of them, or globs (sorted bytewise) */
    ls_texts valid, test; /* the same, or one number: a fraction split off train */
    ls_place train_place, valid_place, test_place, fold_place, cache_place;
    size_t fold;          /* where fold_given: which of the 1 / valid parts of train is the validation set */
    bool fold_given;
    const char *x, *y, *x_c, *weight; /* names of datasets in the group; weight may be NULL */
    bool x_given, y_given, x_c_given; /* by the user: then they must exist */
    ls_pairs inputs;                  /* further inputs: name in the model -> dataset */
    ls_choice preprocess, preprocess_y;
    int shuffle; /* ls_shuffle */
    size_t block, window;
    size_t cache; /* bytes of memory per node; 0: a quarter of the node's */
    int cache_word;
    size_t limit; /* samples; 0: all */
    ls_choices augment;
    bool eval_train;
    const char *import; /* no key: the command that makes the data, for the message where they are missing; or NULL */
} ls_data_options;

extern const ls_option ls_data_rows[];

/** True where `texts` is one number, strictly between 0 and 1: a fraction of the training set. Pure. */
bool ls_data_fraction(const ls_texts *texts, double *out);

/* ---- data sets ------------------------------------------------------------------------------------------------ */

typedef enum ls_field_role {
    LS_FIELD_INPUT,
    LS_FIELD_TARGET,
    LS_FIELD_WEIGHT, /* one number a sample, not negative */
} ls_field_role;

/** What a caller wants of a group. */
typedef struct ls_field_request {
    const char *name;    /* as the model calls it: "x", "y", "x_c", "weight", "left" */
    const char *dataset; /* in the group */
    ls_field_role role;
    bool optional; /* may be missing (targets, when predicting) */
} ls_field_request;

/** One dataset of an open data set. Borrowed from it, constant. */
typedef struct ls_field {
    const char *name;
    const char *dataset;
    ls_field_role role;
    ls_shape shape;   /* of one sample; of rank 0 for one number a sample, stored as (samples) or (samples, 1) */
    ls_dtype dtype;   /* as stored */
    bool integral;    /* stored as integers */
    size_t row_bytes; /* of one sample, as stored */
    int64_t least;    /* integral fields in memory: the range of values over the whole data set; else 0 */
    int64_t largest;
    size_t classes; /* integral targets of rank 0, up to LS_MOST_CLASSES: largest + 1; else 0 */
} ls_field;

/** Labels beyond are no classes but mistakes: the loader names them. */
enum { LS_MOST_CLASSES = 1 << 20 };

typedef struct ls_dataset ls_dataset;

typedef struct ls_dataset_source {
    const ls_texts *paths;
    ls_place place;     /* of the option, for messages */
    const char *folder; /* that relative paths start from; NULL: the working directory */
    const char *import; /* see ls_data_options */
    const ls_field_request *fields;
    size_t field_count;
    size_t limit; /* only the first samples; 0: all */
    size_t cache; /* bytes on each node for this set; what does not fit on one of them is streamed. SIZE_MAX: any size;
                     0: a quarter of the node's memory */
} ls_dataset_source;

/**
 * Opens, validates and, where it fits, loads. Collective: all ranks succeed, or all fail and one says why. LS_ERR_DATA:
 * a file or group is missing (with the nearest name), lengths or shapes differ, a type is unusable, an integer target
 * is negative, a number in memory is not finite. LS_ERR_IO: rows in memory differ from their checksum. LS_ERR_CONFIG:
 * no file matches. Yours: ls_dataset_destroy(), also collective (memory of the node goes with it).
 */
ls_status ls_dataset_open(const ls_dataset_source *source, ls_comm *comm, ls_logger *log,
                          ls_dataset **out) LS_MUST_USE;
void ls_dataset_destroy(ls_dataset *dataset);

/**
 * Splits off `fraction` of the samples, chosen by the seed: stratified where field "y" has classes (every class gives
 * its share to within one sample), else uniformly. Both parts keep file order and share memory with `whole`, which
 * must outlive them. Collective; a function of (seed, data, fraction) alone. LS_ERR_CONFIG where a part would be
 * empty.
 */
ls_status ls_dataset_split(const ls_dataset *whole, double fraction, uint64_t seed, ls_dataset **rest,
                           ls_dataset **part) LS_MUST_USE;

/**
 * As ls_dataset_split(), for cross-validation: part `fold` of `folds` parts, which together are the whole; in each part
 * every class has its share to within one sample.
 */
ls_status ls_dataset_fold(const ls_dataset *whole, size_t folds, size_t fold, uint64_t seed, ls_dataset **rest,
                          ls_dataset **part) LS_MUST_USE;

/** Refuses a set that is to be evaluated where it does not show the fields of the training set. */
ls_status ls_dataset_check_fields(const ls_dataset *train, const ls_dataset *set) LS_MUST_USE;

/** "digits.h5:/train", or "a.h5:/train and 3 more". Borrowed. */
const char *ls_dataset_name(const ls_dataset *dataset);
size_t ls_dataset_samples(const ls_dataset *dataset);
size_t ls_dataset_fields(const ls_dataset *dataset);
const ls_field *ls_dataset_field(const ls_dataset *dataset, size_t index);
/** The number of the field called `name`, or LS_NOT_FOUND. */
size_t ls_dataset_find(const ls_dataset *dataset, const char *name);
/** Bytes of all fields, as stored; and how many of them lie in this node's memory. */
uint64_t ls_dataset_bytes(const ls_dataset *dataset);
uint64_t ls_dataset_cached(const ls_dataset *dataset);
/** XXH3 of shapes, types and 1,024 evenly spread pieces of 64 KiB of each field; not of names and paths. */
uint64_t ls_dataset_digest(const ls_dataset *dataset);
/** Whether every field carries checksums of blocks of rows, in every file. */
bool ls_dataset_has_checksums(const ls_dataset *dataset);

/** Number of samples in which class c of an integral target stands, for all c < classes: `counts` has that many. */
void ls_dataset_count_classes(const ls_dataset *dataset, size_t field, size_t *counts);

/** "a.h5:/train/y, sample 17": where a sample of a field stands in its own file. Appended to `out`. */
ls_status ls_dataset_place(const ls_dataset *dataset, size_t field, size_t sample, ls_text *out) LS_MUST_USE;

/** The word of a class label, where the first file has a list of them, /classes; else its number. Appended to `out`. */
ls_status ls_dataset_class_name(const ls_dataset *dataset, size_t label, ls_text *out) LS_MUST_USE;

/** The data of a run: valid and test are NULL where the configuration has none. */
typedef struct ls_data {
    ls_dataset *train, *valid, *test;
    ls_dataset *whole, *middle; /* what train was split from, first and again; or NULL */
} ls_data;

/**
 * Opens all that the options name: fields x, y, x_c and weight where given, those of `inputs`, and the targets in
 * `targets` (datasets that losses name; NULL-terminated, may be NULL), each called by its dataset's name. y and x_c may
 * be missing unless the user or `targets` named them; so may x where there are `inputs`. Validation and test sets must
 * show the same fields, shapes and kinds as the training set. Collective.
 */
ls_status ls_data_open(const ls_data_options *options, const char *folder, uint64_t seed, const char *const *targets,
                       ls_comm *comm, ls_logger *log, ls_data *out) LS_MUST_USE;
void ls_data_close(ls_data *data);

/* ---- order ---------------------------------------------------------------------------------------------------- */

/** Which sample stands at a position of an epoch. A plain value; all that decides it is in here. */
typedef struct ls_sampler {
    ls_shuffle shuffle; /* resolved: never auto */
    uint64_t seed;
    uint64_t samples; /* positions in an epoch */
    uint64_t block;   /* samples in a block; block shuffling and streaming */
    uint64_t window;  /* blocks in a window */
} ls_sampler;

/** The order that `options` ask for; auto is decided from the data set. */
ls_sampler ls_sampler_make(const ls_data_options *options, const ls_dataset *dataset, uint64_t seed);
/** File order, for evaluation. */
ls_sampler ls_sampler_sequential(const ls_data_options *options, const ls_dataset *dataset);

/** The sample at `position` (< samples) of `epoch`. Pure. */
uint64_t ls_sampler_at(const ls_sampler *sampler, uint32_t epoch, uint64_t position);
/** The samples at positions first .. first + count - 1: as many calls of ls_sampler_at(), only faster. */
void ls_sampler_run(const ls_sampler *sampler, uint32_t epoch, uint64_t first, size_t count, uint64_t *out);

/* ---- preprocessing -------------------------------------------------------------------------------------------- */

extern const ls_family ls_preprocess_family; /* none, center, scale, standardize, range, whiten */

/** What was learnt from the training set: goes to a checkpoint as /statistics/<layer>/<name> and comes back from it. */
typedef struct ls_statistic {
    const char *name; /* "mean", "factor", ... */
    ls_shape shape;
    double *values; /* the preprocessing's own: fill them and call ls_preprocess_ready() to restore */
} ls_statistic;

typedef struct ls_preprocess ls_preprocess;

/** For samples of one shape. LS_ERR_CONFIG: `per: channel` without channels, whitening of too many features. */
ls_status ls_preprocess_create(const ls_choice *choice, ls_shape shape, ls_preprocess **out) LS_MUST_USE;
void ls_preprocess_destroy(ls_preprocess *preprocess);

/**
 * Learns the statistics from field `field` of the training set. Collective. Sums go over at most 64 leaves of
 * ceil(samples/64) samples in file order, each leaf by one rank, then over the leaves in a fixed tree: the bits are the
 * same on any number of ranks.
 */
ls_status ls_preprocess_fit(ls_preprocess *preprocess, const ls_dataset *train, size_t field,
                            ls_comm *comm) LS_MUST_USE;

size_t ls_preprocess_statistics(const ls_preprocess *preprocess);
const ls_statistic *ls_preprocess_statistic(const ls_preprocess *preprocess, size_t index);
/** Statistics have been restored: they hold from now on. LS_ERR_DATA where they make no sense. */
ls_status ls_preprocess_ready(ls_preprocess *preprocess) LS_MUST_USE;

/** True for `none`: nothing to do. */
bool ls_preprocess_is_identity(const ls_preprocess *preprocess);

/** z = f(x) for `rows` samples; in place is fine. Local, pure. */
void ls_preprocess_apply(const ls_preprocess *preprocess, size_t rows, const float *x, float *z);
/** x = f^-1(z): predictions and targets in original units. A constant feature comes back as its constant. */
void ls_preprocess_invert(const ls_preprocess *preprocess, size_t rows, const float *z, float *x);

/**
 * The numbers behind apply, to be written elsewhere: z = (x - shift) factor, one of each per element of a sample, or,
 * where `matrix` is not NULL, z = (x - shift) matrix, (size, size) row-major. All are NULL for `none`. Borrowed.
 */
void ls_preprocess_tables(const ls_preprocess *preprocess, const float **shift, const float **factor,
                          const float **matrix);

/* ---- augmentation --------------------------------------------------------------------------------------------- */

extern const ls_family ls_augment_family; /* flip, shift, noise */

/* ---- batches -------------------------------------------------------------------------------------------------- */

typedef enum ls_buffer { LS_BUFFER_FLOAT, LS_BUFFER_INDEX } ls_buffer; /* float, int32_t */

/** One buffer of a batch: a field, and as what the model wants it. */
typedef struct ls_loader_field {
    size_t field; /* of the data set */
    ls_buffer buffer;
    const ls_preprocess *preprocess; /* or NULL; floats only */
    bool augment;                    /* the options' augmentations hold for this field */
    size_t entries; /* indices: all must lie below (classes, entries of an embedding); 0: any not negative */
    void *into;     /* where the rows go: capacity x shape of four bytes each; NULL: a buffer of the loader */
} ls_loader_field;

typedef struct ls_loader_plan {
    const ls_dataset *dataset;
    ls_sampler sampler;
    const ls_loader_field *fields;
    size_t field_count;
    const ls_choices *augment; /* or NULL */
    uint64_t seed;             /* of augmentation */
    double weight_scale;       /* of fields with the role of weights: ls_dataset_weight_scale() of the training set */
    size_t capacity;           /* most rows that this rank asks for at once */
    size_t batch;              /* and all ranks together between two waits for each other, be it in several calls;
                                  0: the largest capacity times the ranks */
    bool ahead;                /* a thread packs what ls_loader_expect() announces */
    size_t cache;              /* bytes per node for streaming, 0: a quarter of it; holds one window, better two */
    ls_place cache_place;      /* of the option, for messages */
    ls_comm *comm;
    ls_logger *log;
} ls_loader_plan;

/** Samples in the order of their positions. Borrowed from the loader until the next ls_loader_fill(). */
typedef struct ls_batch {
    size_t rows;
    void *const *field;     /* in the order of the plan: rows x shape, aligned to LS_ALIGNMENT */
    const uint64_t *sample; /* which samples these are */
} ls_batch;

typedef struct ls_loader ls_loader;

/**
 * Plans buffers and, for streamed sets, the node's window. Collective. LS_ERR_DATA: an index is negative, not an
 * integer or not below `entries`; a number in memory that is not preprocessed is too large for a float (file, dataset
 * and sample are named). LS_ERR_CONFIG: the cache is smaller than a window.
 */
ls_status ls_loader_create(const ls_loader_plan *plan, ls_loader **out) LS_MUST_USE;
/** Refuses what ls_loader_create() would, and takes no memory of size. Local. */
ls_status ls_loader_check(const ls_loader_plan *plan) LS_MUST_USE;
/**
 * Reads every row of the plan's fields that are streamed, and refuses what ls_loader_fill() would meet: rows that
 * differ from their checksum, a number that is not finite (also as a float, where it is not preprocessed), an integer
 * that is no index; the first is named. Fields in memory were looked at when they were opened. `bytes` (or NULL)
 * receives how many all ranks have read. Collective: each rank reads its share.
 */
ls_status ls_loader_inspect(const ls_loader_plan *plan, uint64_t *bytes) LS_MUST_USE;
void ls_loader_destroy(ls_loader *loader); /* collective */

/**
 * All ranks will go on from this position: at the start, at every new pass of an evaluation, after a resume. Collective
 * for streamed sets, free for those in memory.
 */
ls_status ls_loader_seek(ls_loader *loader, uint32_t epoch, uint64_t position) LS_MUST_USE;

/**
 * Packs positions first .. first + count - 1 of an epoch (count <= capacity). Every rank calls it for every batch, with
 * count 0 where it has no share: other ranks of the node wait until it has left a window of streamed data. Positions
 * of one rank must not go backwards between seeks, except to the last ones again. Local. `out` may be NULL
 * where every field has a place of its own.
 *
 * LS_ERR_IO: rows that are not in memory differ from their checksum. LS_ERR_DATA: a number of them is not finite, or
 * no index; or one of 64 bits, wherever it lies, is too large for a float after its preprocessing. File, dataset and
 * sample are named. Ranks of the node which would wait for this one fail with its words.
 */
ls_status ls_loader_fill(ls_loader *loader, uint32_t epoch, uint64_t first, size_t count, ls_batch *out) LS_MUST_USE;

/** What the next fill will ask for: packed meanwhile where the plan says `ahead`, else nothing happens. Local. */
void ls_loader_expect(ls_loader *loader, uint32_t epoch, uint64_t first, size_t count);

/**
 * samples / sum of the weights of a set: all loaders of a run multiply weights with that of the training set, which
 * makes their mean 1 there. Local: weights lie in memory. LS_ERR_DATA where one is negative or all are 0.
 */
ls_status ls_dataset_weight_scale(const ls_dataset *train, size_t field, double *out) LS_MUST_USE;

/* ---- import: other formats into data sets --------------------------------------------------------------------- */

/** Options that every import takes. */
typedef struct ls_import_common {
    double split;  /* fraction that goes to /test; 0: none */
    uint64_t seed; /* of the split and of drawn pairs */
    const char *source; /* kept as /source; or NULL */
} ls_import_common;

/** A format: how its files become fields. */
typedef struct ls_import ls_import;
typedef struct ls_format_type {
    ls_type type;
    const char *usage; /* the inputs: "IMAGES LABELS" */
    ls_status (*import)(const void *options, const ls_texts *inputs, ls_import *import);
} ls_format_type;

extern const ls_family ls_format_family; /* csv, idx, text, images, npy */

/**
 * Reads `inputs` and writes `output`: groups /train and /test (by `split`, stratified where y has classes), or /train
 * alone; each field with checksums of blocks of its rows, which ls_dataset_open() and ls_loader_fill() compare. What
 * was found is said to the log. Failures name FILE:LINE:COLUMN or FILE and byte, and the value. Local.
 */
ls_status ls_import_run(const ls_choice *format, const ls_texts *inputs, const char *output,
                        ls_logger *log) LS_MUST_USE;

typedef struct ls_repack_options {
    bool shuffle; /* lay samples (arrays as long as their group's x, or its longest) down in a random order */
    uint64_t seed;
} ls_repack_options;

extern const ls_option ls_repack_rows[];

/**
 * Writes a data set anew: contiguous, native, uncompressed, what is read fastest, and with checksums of blocks as after
 * an import. Every array of the file but empty lists of texts; LS_ERR_DATA where one has several names, or a link leads
 * to it. LS_ERR_IO where rows differ from a checksum they had. Local.
 */
ls_status ls_repack(const ls_repack_options *options, const char *input, const char *output,
                    ls_logger *log) LS_MUST_USE;

#endif
