/* Mutations of a configuration are refused, or resolve to a text that resolves to itself. */
#include <string.h>

#include "fuzz.h"
#include "support.h"

static const char good[] = "data: {train: \"a b.h5:/train\", valid: 0.2, preprocess: standardize, shuffle: none}\n"
                           "model: [{conv2d: {filters: 4, kernel: 3}}, relu, flatten, {dense: {units: 2, name: x}}]\n"
                           "loss: cross_entropy\n"
                           "metrics: [accuracy, {top_k: {k: 2}}]\n"
                           "batch: 64\n"
                           "optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}\n"
                           "schedule: [{exponential: {k: 0.02}}]\n"
                           "stop: {epochs: 30, time: 2h}\n"
                           "run: {dir: \"runs/\\u00e9\", deadline: 5min, memory: 2GB}\n";

static void mutations_resolve_or_are_refused(void **state) {
    (void)state;
    assert_int_equal(LLVMFuzzerTestOneInput((const uint8_t *)good, strlen(good)), 0);
    support_fuzz(good, strlen(good), 2000, LLVMFuzzerTestOneInput);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(mutations_resolve_or_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
