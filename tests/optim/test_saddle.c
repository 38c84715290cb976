#include <math.h>

#include "choose.h"
#include "lockstep/optim.h"
#include "support.h"

/*
 * f(w) = w^4 + 2 w^3 has a flat saddle at 0, where f' = 4 w^3 + 6 w^2 vanishes without a change of sign, and its only
 * minimum at -3/2. Descent from the right comes to rest at the saddle; a velocity carries the weight across.
 */
enum { STEPS = 4000 };

static float descend(ls_choice choice) {
    float w = 1, velocity = 0, other = 0;
    float *slots[LS_OPTIMIZER_SLOTS] = {&velocity, &other};
    for (uint64_t t = 1; t <= STEPS; t++) {
        float gradient = 4 * w * w * w + 6 * w * w;
        ls_update update = {.count = 1,
                            .weights = &w,
                            .gradient = &gradient,
                            .slots = slots,
                            .learning_rate = 0.01,
                            .gradient_scale = 1,
                            .number = t,
                            .trust = 1};
        ls_optimizer_update(&choice, &update);
    }
    return w;
}

static void momentum_passes_where_plain_descent_stays(void **state) {
    (void)state;
    ls_pool *pool = NULL;
    assert_works(ls_pool_create(&pool));
    float plain = descend(support_choose(pool, &ls_optimizer_family, "sgd", NULL));
    assert_true(plain > 0 && plain < 0.01f);
    float carried = descend(support_choose(pool, &ls_optimizer_family, "sgd", "momentum", "0.9", NULL));
    assert_true(fabsf(carried + 1.5f) < 1e-4f);
    float looked_ahead =
        descend(support_choose(pool, &ls_optimizer_family, "sgd", "momentum", "0.9", "nesterov", "true", NULL));
    assert_true(fabsf(looked_ahead + 1.5f) < 1e-4f);
    ls_pool_destroy(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(momentum_passes_where_plain_descent_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
