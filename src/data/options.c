/* The `data:` section. */
#include "data/augment.h"
#include "lockstep/data.h"

static const char *const shuffle_words[] = {"auto", "full", "block", "none", "sample", NULL};
static const char *const cache_words[] = {"auto", NULL};

#define PLACE(field) .place_offset = offsetof(ls_data_options, field)
#define GIVEN(field) .given_offset = offsetof(ls_data_options, field)

const ls_option ls_data_rows[] = {
    {LS_OPTION_ROW(ls_data_options, train, LS_KIND_TEXTS, LS_REQUIRED, "training set: FILE:/GROUP, a list, or a glob"),
     PLACE(train_place)},
    {LS_OPTION_ROW(ls_data_options, valid, LS_KIND_TEXTS, NULL,
                   "validation set: the same, or a fraction split off train by the seed, stratified for classes"),
     PLACE(valid_place)},
    {LS_OPTION_NUMBER(ls_data_options, fold, LS_KIND_COUNT, NULL, 0, 1e6,
                      "cross-validation: where valid is 1/K, part fold (0 to K-1) of K is the validation set"),
     GIVEN(fold_given), PLACE(fold_place)},
    {LS_OPTION_ROW(ls_data_options, test, LS_KIND_TEXTS, NULL,
                   "test set, evaluated once at the end: the same, or a fraction split off train"),
     PLACE(test_place)},
    {LS_OPTION_ROW(ls_data_options, x, LS_KIND_TEXT, "x", "dataset of the inputs, in the group"), GIVEN(x_given)},
    {LS_OPTION_ROW(ls_data_options, y, LS_KIND_TEXT, "y",
                   "dataset of the targets: integers for classes, floats for regression"),
     GIVEN(y_given)},
    {LS_OPTION_ROW(ls_data_options, x_c, LS_KIND_TEXT, "x_c", "dataset of the corrupt inputs of the margin loss"),
     GIVEN(x_c_given)},
    LS_OPTION_TEXT(ls_data_options, weight, NULL, "dataset of the sample weights, scaled to mean 1"),
    {LS_OPTION_ROW(ls_data_options, inputs, LS_KIND_PAIRS, NULL, "further inputs: name in the model, dataset")},
    LS_OPTION_CHOICE(ls_data_options, preprocess, "none", &ls_preprocess_family,
                     "what is done to real inputs, fitted on the training set"),
    LS_OPTION_CHOICE(ls_data_options, preprocess_y, "none", &ls_preprocess_family,
                     "what is done to regression targets; metrics and predictions are in original units"),
    LS_OPTION_WORD(ls_data_options, shuffle, "auto", shuffle_words,
                   "sample order of an epoch; auto: full up to 4 GiB of x, else block"),
    LS_OPTION_BYTES(ls_data_options, block, "1MB", 1, 1e12, "block shuffling: size of a block of neighbouring samples"),
    LS_OPTION_BYTES(ls_data_options, window, "256MB", 1, 1e15,
                    "block shuffling: samples are mixed within a window of so many bytes"),
    {LS_OPTION_NUMBER(ls_data_options, cache, LS_KIND_BYTES, "auto", 0, 1e18,
                      "memory per node for data; auto: a quarter of the node's; never changes the order"),
     .words = cache_words, .word_offset = offsetof(ls_data_options, cache_word), PLACE(cache_place)},
    {LS_OPTION_NUMBER(ls_data_options, limit, LS_KIND_COUNT, NULL, 1, 1e18, "use only the first samples of train")},
    LS_OPTION_CHOICES(ls_data_options, augment, NULL, &ls_augment_family,
                      "random changes to training inputs, drawn anew for each sample and epoch"),
    LS_OPTION_BOOL(ls_data_options, eval_train, "false", "also evaluate the training set at each epoch's end"),
    LS_OPTION_END};

bool ls_data_fraction(const ls_texts *texts, double *out) {
    double value = 0;
    if (texts->count != 1 || !ls_parse_real(texts->items[0], &value) || value <= 0 || value >= 1) return false;
    *out = value;
    return true;
}
