#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "lockstep/memory.h"
#include "support.h"
#include "tensor/kernels.h"

enum { PARTS = 37 };

typedef struct counts {
    atomic_int part[PARTS];
} counts;

static void count_part(void *argument, size_t part, size_t parts) {
    counts *c = argument;
    assert_int_equal(parts, PARTS);
    atomic_fetch_add(&c->part[part], 1);
}

/* Every part once, run after run, also after the threads have fallen asleep. */
static void every_part_is_called_once(void **state) {
    (void)state;
    for (size_t size = 1; size <= 4; size++) {
        ls_team *team = NULL;
        counts c = {0};
        assert_works(ls_team_create(size, &team));
        assert_int_equal(ls_team_size(team), size);
        for (int run = 1; run <= 500; run++) {
            if (run % 100 == 0) nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
            ls_team_run(team, PARTS, count_part, &c);
            for (int i = 0; i < PARTS; i++) assert_int_equal(atomic_load(&c.part[i]), run);
        }
        ls_team_run(team, 0, count_part, &c);
        ls_team_destroy(team);
    }
    ls_team_destroy(NULL);
}

typedef struct pokes {
    pthread_t thread;
    size_t count;
} pokes;

static void count_poke(void *poked) {
    pokes *p = poked;
    assert_true(pthread_equal(p->thread, pthread_self()));
    p->count++;
}

/* A product of some size is interrupted between its parts, by the thread that asked for it. */
static void long_work_is_poked_on_its_own_thread(void **state) {
    (void)state;
    enum { ROWS = 64, IN = 400, PANELS = 10, OUT = PANELS * 64 };
    const ls_math *math = ls_math_find("exact-avx2");
    if (!math) skip(); /* the scalar kernels are the oracle, and not made to be interrupted */
    const ls_kernels *kernels = ls_math_kernels(math);
    size_t row[] = {0, ROWS}, block[] = {0, 1};
    const ls_microbatches micro = {.count = 1, .row = row, .blocks = 1, .block = block};
    for (size_t size = 1; size <= 3; size++) {
        ls_team *team = NULL;
        pokes p = {.thread = pthread_self()};
        float *x = calloc(ROWS * IN, sizeof *x), *y = calloc(ROWS * OUT, sizeof *y);
        void *weights = NULL, *scratch = NULL;
        assert_works(ls_team_create(size, &team));
        assert_works(ls_block_create(kernels->weight_size(OUT, IN), sizeof(float), "weights", &weights));
        assert_works(ls_block_create(kernels->dense_scratch(team, ROWS, 1, OUT, IN), 1, "scratch", &scratch));
        ls_team_set_poke(team, count_poke, &p);
        kernels->dense_forward(team, &micro, OUT, IN, x, weights, NULL, LS_ACTIVATION_NONE, 0, y, scratch);
        assert_true(size > 1 ? p.count > 0 : p.count >= PANELS);
        p.count = 0;
        ls_team_set_poke(team, NULL, NULL);
        kernels->dense_forward(team, &micro, OUT, IN, x, weights, NULL, LS_ACTIVATION_NONE, 0, y, scratch);
        assert_int_equal(p.count, 0);
        free(x);
        free(y);
        ls_block_destroy(weights);
        ls_block_destroy(scratch);
        ls_team_destroy(team);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_is_called_once),
        cmocka_unit_test(long_work_is_poked_on_its_own_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
