#include "train/metric.h"

typedef struct top_k_options {
    size_t k;
} top_k_options;

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(top_k_options, k, LS_KIND_COUNT, "5", 1, INFINITY, "how many classes are looked at"),
     .main = true},
    LS_OPTION_END};

/* 1 where fewer than k classes are ahead of the right one; of equal scores the lower index is ahead. */
static double row_success(const ls_metric_view *view, size_t row, size_t k) {
    const float *scores = view->prediction + row * view->outputs;
    size_t right = (size_t)view->classes[row], ahead = 0;
    if (isnan(scores[right])) return 0;
    for (size_t j = 0; j < view->outputs; j++)
        ahead += scores[j] > scores[right] || (scores[j] >= scores[right] && j < right);
    return ahead < k;
}

static void accumulate(const void *options, const ls_metric_view *view, ls_sum *sums) {
    ls__mean_accumulate(view, row_success, ((const top_k_options *)options)->k, sums);
}

const ls_metric_type ls__metric_top_k = {
    .type = {"top_k", "Share of samples whose class is among the k that score highest.", rows, sizeof(top_k_options)},
    .higher_is_better = true,
    .targets = LS_LOSS_CLASSES,
    .sums = ls__mean_sums,
    .accumulate = accumulate,
    .value = ls__mean_value,
};
