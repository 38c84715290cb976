#include <stdatomic.h>
#include <time.h>

#include "lockstep/tensor.h"
#include "support.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_part_is_called_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
