/*
 * sample_rows.h: a small configuration with one row of every kind, for the tests of options and of the YAML reader.
 */
#ifndef LOCKSTEP_TESTS_SAMPLE_ROWS_H
#define LOCKSTEP_TESTS_SAMPLE_ROWS_H

#include "lockstep/options.h"

typedef struct sample_sgd_options {
    double learning_rate, momentum;
    bool nesterov;
} sample_sgd_options;

typedef struct sample_dense_options {
    size_t units;
    bool bias;
} sample_dense_options;

typedef struct sample_normal_options {
    double std;
} sample_normal_options;

typedef struct sample_constant_options {
    double value;
} sample_constant_options;

typedef struct sample_common {
    const char *name;
} sample_common;

extern const ls_type sample_sgd, sample_plain, sample_dense, sample_relu, sample_normal, sample_constant, sample_zeros;
extern const ls_family sample_optimizers, sample_layers, sample_inits;
extern const ls_option sample_rows[];

typedef struct sample_init {
    ls_choice weight, bias;
} sample_init;

typedef struct sample_decay {
    double value, lambda;
} sample_decay;

typedef struct sample_early {
    size_t patience;
    double delta;
} sample_early;

typedef struct sample_run {
    const char *dir;
    size_t threads;
    int threads_word;
} sample_run;

typedef struct sample {
    size_t batch, microbatch;
    int batch_word;
    bool batch_given, microbatch_given, early_given;
    ls_place microbatch_place;
    uint64_t seed;
    int64_t shift;
    size_t cache;
    int shuffle;
    const char *greeting, *note;
    ls_duration every, pause;
    ls_reals scales;
    size_t kernel[2];
    ls_texts files;
    ls_pairs inputs;
    sample_init init;
    sample_decay decay;
    sample_early early;
    ls_choices model;
    ls_choice optimizer;
    sample_run run;
} sample;

#endif
