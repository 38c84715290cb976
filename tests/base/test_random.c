#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/random.h"

/* The counter and key of Philox as ls_random lays them out: the purpose is folded into the key's high word. */
static ls_draw philox(const uint32_t counter[4], const uint32_t key[2], ls_purpose purpose) {
    uint32_t high = key[1] ^ ((uint32_t)purpose * 0x9E3779B1u);
    uint64_t seed = (uint64_t)high << 32 | key[0];
    return ls_random(seed, purpose, counter[3], (uint64_t)counter[1] << 32 | counter[0], counter[2]);
}

/* Known answers of Philox4x32-10, published with Random123 (kat_vectors). */
static void draws_are_philox(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], answer[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (ls_purpose purpose = LS_PURPOSE_INIT; purpose <= LS_PURPOSE_TEST; purpose++) {
            ls_draw draw = philox(known[i].counter, known[i].key, purpose);
            assert_memory_equal(draw.word, known[i].answer, sizeof draw.word);
        }
}

static void every_part_of_the_address_counts(void **state) {
    (void)state;
    ls_draw draws[] = {
        ls_random(1, LS_PURPOSE_INIT, 0, 0, 0),    ls_random(2, LS_PURPOSE_INIT, 0, 0, 0),
        ls_random(1, LS_PURPOSE_SHUFFLE, 0, 0, 0), ls_random(1, LS_PURPOSE_INIT, 1, 0, 0),
        ls_random(1, LS_PURPOSE_INIT, 0, 1, 0),    ls_random(1, LS_PURPOSE_INIT, 0, UINT64_C(1) << 32, 0),
        ls_random(1, LS_PURPOSE_INIT, 0, 0, 1),    ls_random(UINT64_C(1) << 63, LS_PURPOSE_INIT, 0, 0, 0),
    };
    size_t count = sizeof draws / sizeof *draws;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++) assert_memory_not_equal(&draws[i], &draws[j], sizeof draws[i]);
    ls_draw again = ls_random(1, LS_PURPOSE_INIT, 0, 0, 0);
    assert_memory_equal(&again, &draws[0], sizeof again);
}

static void units_stay_below_one(void **state) {
    (void)state;
    assert_true(ls_random_unit(0) == 0.0F);
    assert_true(ls_random_unit(UINT32_MAX) == 1.0F - 0x1p-24F);
    assert_true(ls_random_unit_double(0, 0) == 0.0);
    assert_true(ls_random_unit_double(UINT32_MAX, UINT32_MAX) == 1.0 - 0x1p-53);
}

static void below_stays_below_and_favours_nobody(void **state) {
    (void)state;
    enum { DRAWS = 70000, BOUND = 7 };
    size_t counts[BOUND] = {0};
    for (uint64_t i = 0; i < DRAWS; i++) {
        uint64_t value = ls_random_below(ls_random(3, LS_PURPOSE_TEST, 0, i, 0), BOUND);
        assert_true(value < BOUND);
        counts[value]++;
    }
    /* Chi squared with 6 degrees of freedom: above 22.5 once in a thousand; the draws are always the same. */
    double chi = 0, expected = (double)DRAWS / BOUND;
    for (size_t i = 0; i < BOUND; i++)
        chi += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
    assert_true(chi < 22.5);
    ls_draw least = {{0}}, most = {{UINT32_MAX, UINT32_MAX, 0, 0}};
    uint64_t bounds[] = {1, 2, 3, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        assert_true(ls_random_below(least, bounds[i]) == 0);
        assert_true(ls_random_below(most, bounds[i]) == bounds[i] - 1);
    }
}

static void normals_have_the_moments_of_the_normal(void **state) {
    (void)state;
    enum { PAIRS = 100000 };
    double sums[5] = {0}, product = 0;
    size_t within = 0;
    for (uint64_t i = 0; i < PAIRS; i++) {
        double pair[2];
        ls_random_normal(ls_random(11, LS_PURPOSE_TEST, 0, i, 0), pair);
        product += pair[0] * pair[1];
        for (int j = 0; j < 2; j++) {
            double power = 1;
            for (int k = 1; k <= 4; k++) sums[k] += power *= pair[j];
            within += fabs(pair[j]) < 1.0;
        }
    }
    double n = 2.0 * PAIRS; /* bounds are about four standard errors */
    assert_true(fabs(sums[1] / n) < 4 / sqrt(n));
    assert_true(fabs(sums[2] / n - 1) < 4 * sqrt(2 / n));
    assert_true(fabs(sums[3] / n) < 4 * sqrt(15 / n));
    assert_true(fabs(sums[4] / n - 3) < 4 * sqrt(96 / n));
    assert_true(fabs(product / PAIRS) < 4 / sqrt(PAIRS));
    assert_true(fabs((double)within / n - 0.6826894921) < 4 * sqrt(0.2166 / n));
}

static void normals_are_finite_at_the_edges(void **state) {
    (void)state;
    static const ls_draw edges[] = {{{0, 0, 0, 0}}, {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}}};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        double pair[2];
        ls_random_normal(edges[i], pair);
        assert_true(isfinite(pair[0]) && isfinite(pair[1]));
    }
}

/* Walks the whole permutation; true where every image below `count` occurs exactly once, and leads back. */
static bool is_bijection(const ls_permutation *permutation, uint64_t count) {
    uint8_t *seen = calloc(count ? count : 1, 1);
    assert_non_null(seen);
    bool good = true;
    for (uint64_t i = 0; i < count && good; i++) {
        uint64_t image = ls_permutation_at(permutation, i);
        good = image < count && !seen[image]++ && ls_permutation_find(permutation, image) == i;
    }
    free(seen);
    return good;
}

static void permutations_are_bijections(void **state) {
    (void)state;
    static const uint64_t large[] = {1023, 1024, 1025, 4096, 4097, 60000, 65536, 65537};
    for (uint64_t count = 1; count <= 300; count++) {
        for (uint64_t seed = 0; seed < 3; seed++) {
            ls_permutation p = ls_permutation_make(seed, LS_PURPOSE_SHUFFLE, (uint32_t)seed, count);
            if (!is_bijection(&p, count)) fail_msg("not a bijection of %d", (int)count);
        }
    }
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        ls_permutation p = ls_permutation_make(9, LS_PURPOSE_SHUFFLE, 2, large[i]);
        assert_true(is_bijection(&p, large[i]));
    }
}

static void a_run_of_images_is_that_of_each(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    ls_permutation p = ls_permutation_make(4, LS_PURPOSE_SHUFFLE, 1, COUNT);
    uint64_t images[COUNT];
    for (size_t count = 0; count <= 40; count++) {
        size_t first = 13 * count;
        ls_permutation_run(&p, first, count, images);
        for (size_t i = 0; i < count; i++) assert_true(images[i] == ls_permutation_at(&p, first + i));
    }
}

static void huge_permutations_stay_below_their_count(void **state) {
    (void)state;
    static const uint64_t counts[] = {(UINT64_C(1) << 32) + 1, (UINT64_C(1) << 62) + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        ls_permutation p = ls_permutation_make(5, LS_PURPOSE_SHUFFLE, 0, counts[i]);
        for (uint64_t k = 0; k < 100; k++) {
            uint64_t index = k * (counts[i] / 100), image = ls_permutation_at(&p, index);
            assert_true(image < counts[i] && ls_permutation_find(&p, image) == index);
        }
    }
}

static void permutations_differ_by_seed_purpose_and_epoch(void **state) {
    (void)state;
    enum { COUNT = 100 };
    ls_permutation all[] = {
        ls_permutation_make(1, LS_PURPOSE_SHUFFLE, 0, COUNT), ls_permutation_make(2, LS_PURPOSE_SHUFFLE, 0, COUNT),
        ls_permutation_make(1, LS_PURPOSE_SPLIT, 0, COUNT), ls_permutation_make(1, LS_PURPOSE_SHUFFLE, 1, COUNT)};
    for (size_t a = 0; a < 4; a++) {
        for (size_t b = 0; b < a; b++) {
            size_t equal = 0;
            for (uint64_t i = 0; i < COUNT; i++)
                equal += ls_permutation_at(&all[a], i) == ls_permutation_at(&all[b], i);
            assert_true(equal < 10); /* one is expected of independent ones */
        }
    }
}

/* Where an index goes is close to uniform over the seeds, also for few samples. */
static void permutations_favour_no_place(void **state) {
    (void)state;
    enum { COUNT = 10, SEEDS = 20000 };
    double expected = (double)SEEDS / COUNT;
    for (uint64_t index = 0; index < COUNT; index += 3) {
        size_t counts[COUNT] = {0};
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            ls_permutation p = ls_permutation_make(seed, LS_PURPOSE_SHUFFLE, 0, COUNT);
            counts[ls_permutation_at(&p, index)]++;
        }
        double chi = 0;
        for (size_t i = 0; i < COUNT; i++)
            chi += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
        assert_true(chi < 27.9); /* 9 degrees of freedom: once in a thousand */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_philox),
        cmocka_unit_test(every_part_of_the_address_counts),
        cmocka_unit_test(units_stay_below_one),
        cmocka_unit_test(below_stays_below_and_favours_nobody),
        cmocka_unit_test(normals_have_the_moments_of_the_normal),
        cmocka_unit_test(normals_are_finite_at_the_edges),
        cmocka_unit_test(permutations_are_bijections),
        cmocka_unit_test(a_run_of_images_is_that_of_each),
        cmocka_unit_test(huge_permutations_stay_below_their_count),
        cmocka_unit_test(permutations_differ_by_seed_purpose_and_epoch),
        cmocka_unit_test(permutations_favour_no_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
