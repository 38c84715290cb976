#include "sample_rows.h"

static const ls_option sgd_rows[] = {
    {LS_OPTION_NUMBER(sample_sgd_options, learning_rate, LS_KIND_REAL, "0.01", 0, INFINITY, "step size"),
     .open_low = true},
    {LS_OPTION_NUMBER(sample_sgd_options, momentum, LS_KIND_REAL, "0", 0, 1, "share of the velocity that is kept"),
     .open_high = true},
    LS_OPTION_BOOL(sample_sgd_options, nesterov, "false", "look ahead"),
    LS_OPTION_END};

static const ls_option dense_rows[] = {
    {LS_OPTION_NUMBER(sample_dense_options, units, LS_KIND_COUNT, LS_REQUIRED, 1, 64, "number of outputs"),
     .main = true},
    LS_OPTION_BOOL(sample_dense_options, bias, "true", "add a bias"),
    LS_OPTION_END};

static const ls_option normal_rows[] = {
    LS_OPTION_REAL(sample_normal_options, std, "0.01", 0, INFINITY, "standard deviation"), LS_OPTION_END};

static const ls_option constant_rows[] = {
    {LS_OPTION_ROW(sample_constant_options, value, LS_KIND_REAL, LS_REQUIRED, "the value"), .main = true},
    LS_OPTION_END};

static const ls_option common_rows[] = {LS_OPTION_NAME(sample_common, name, NULL, "its name"), LS_OPTION_END};

const ls_type sample_sgd = {"sgd", "gradient descent", sgd_rows, sizeof(sample_sgd_options)};
const ls_type sample_plain = {"plain", "without options", NULL, 0};
const ls_type sample_dense = {"dense", "fully connected", dense_rows, sizeof(sample_dense_options)};
const ls_type sample_relu = {"relu", "max(0, z)", NULL, 0};
const ls_type sample_normal = {"normal", "normally distributed", normal_rows, sizeof(sample_normal_options)};
const ls_type sample_constant = {"constant", "one value", constant_rows, sizeof(sample_constant_options)};
const ls_type sample_zeros = {"zeros", "all zero", NULL, 0};

static const ls_type *const optimizers[] = {&sample_sgd, &sample_plain, NULL};
static const ls_type *const layers[] = {&sample_dense, &sample_relu, NULL};
static const ls_type *const inits[] = {&sample_normal, &sample_constant, &sample_zeros, NULL};

const ls_family sample_optimizers = {.noun = "optimizer", .types = optimizers};
const ls_family sample_layers = {"layer", layers, common_rows, sizeof(sample_common)};
const ls_family sample_inits = {.noun = "initialisation", .types = inits};

static const char *const full[] = {"full", NULL};
static const char *const automatic[] = {"auto", NULL};
static const char *const shuffles[] = {"auto", "full", "none", NULL};

static const ls_option init_rows[] = {
    {LS_OPTION_ROW(sample_init, weight, LS_KIND_CHOICE, "{normal: {std: 0.1}}", "of weights"), .family = &sample_inits,
     .main = true},
    LS_OPTION_CHOICE(sample_init, bias, NULL, &sample_inits, "of biases"),
    LS_OPTION_END};

static const ls_option decay_rows[] = {
    {LS_OPTION_NUMBER(sample_decay, value, LS_KIND_REAL, "0", 0, INFINITY, "the factor"), .main = true},
    LS_OPTION_REAL(sample_decay, lambda, NULL, 0, INFINITY, "the factor over the samples"),
    LS_OPTION_END};

static const ls_option early_rows[] = {
    LS_OPTION_COUNT(sample_early, patience, LS_REQUIRED, 1, INFINITY, "epochs to wait"),
    LS_OPTION_REAL(sample_early, delta, "0.5", 0, INFINITY, "least improvement"), LS_OPTION_END};

static const ls_option run_rows[] = {
    LS_OPTION_TEXT(sample_run, dir, LS_REQUIRED, "where the run writes"),
    {LS_OPTION_NUMBER(sample_run, threads, LS_KIND_COUNT, "auto", 1, INFINITY, "threads of a rank"), .words = automatic,
     .word_offset = offsetof(sample_run, threads_word)},
    LS_OPTION_END};

const ls_option sample_rows[] = {
    {LS_OPTION_NUMBER(sample, batch, LS_KIND_COUNT, LS_REQUIRED, 1, INFINITY, "samples per step"), .words = full,
     .word_offset = offsetof(sample, batch_word), .given_offset = offsetof(sample, batch_given)},
    {LS_OPTION_NUMBER(sample, microbatch, LS_KIND_COUNT, "32", 1, INFINITY, "the grain of a step"),
     .given_offset = offsetof(sample, microbatch_given), .place_offset = offsetof(sample, microbatch_place)},
    {LS_OPTION_ROW(sample, seed, LS_KIND_SEED, "1", "start of all randomness")},
    {LS_OPTION_NUMBER(sample, shift, LS_KIND_INTEGER, NULL, -100, 100, "a shift")},
    LS_OPTION_BYTES(sample, cache, "1MB", 0, INFINITY, "memory"),
    LS_OPTION_WORD(sample, shuffle, "auto", shuffles, "the order"),
    LS_OPTION_TEXT(sample, greeting, "\"hello, \\\"you\\\"\"", "any text"),
    LS_OPTION_TEXT(sample, note, NULL, "another text"),
    LS_OPTION_DURATION(sample, every, "1ep", 1u << LS_UNIT_EPOCHS | 1u << LS_UNIT_STEPS, "how often"),
    LS_OPTION_DURATION(sample, pause, NULL, 1u << LS_UNIT_NONE | 1u << LS_UNIT_SECONDS, "how long"),
    {LS_OPTION_NUMBER(sample, scales, LS_KIND_REALS, "[1, 0.5]", 0, 1, "factors")},
    LS_OPTION_COUNTS2(sample, kernel, "[3, 5]", 1, INFINITY, "height and width"),
    LS_OPTION_TEXTS(sample, files, NULL, "files"),
    {LS_OPTION_ROW(sample, inputs, LS_KIND_PAIRS, NULL, "named inputs")},
    LS_OPTION_TABLE(sample, init, "{}", init_rows, "initial values"),
    LS_OPTION_TABLE(sample, decay, "{}", decay_rows, "weight decay"),
    {LS_OPTION_ROW(sample, early, LS_KIND_TABLE, NULL, "stop early"), .rows = early_rows,
     .given_offset = offsetof(sample, early_given)},
    LS_OPTION_CHOICES(sample, model, LS_REQUIRED, &sample_layers, "the layers"),
    LS_OPTION_CHOICE(sample, optimizer, LS_REQUIRED, &sample_optimizers, "the optimizer"),
    LS_OPTION_TABLE(sample, run, LS_REQUIRED, run_rows, "the run"),
    LS_OPTION_END};
