/* Who takes part, agreement, broadcasts, gathers, shared memory and the exchange, on any number of ranks. */
#include "support.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/comm.h"
#include "lockstep/memory.h"

static ls_comm *comm;

/* Every test below runs for nodes as they are and for imposed ones; all ranks walk through them together. */
static const size_t groupings[] = {0, 1, 2, 3};
enum { GROUPINGS = sizeof groupings / sizeof *groupings };

static void ranks_are_numbered_node_by_node(void **state) {
    (void)state;
    size_t size = ls_comm_size(comm), rank = ls_comm_rank(comm);
    assert_true(rank < size);
    for (size_t g = 0; g < GROUPINGS; g++) {
        assert_works(ls_comm_group(comm, groupings[g]));
        size_t nodes = ls_comm_nodes(comm), node = ls_comm_node(comm);
        assert_int_equal(ls_comm_node_first(comm, 0), 0);
        assert_int_equal(ls_comm_node_first(comm, nodes), size);
        assert_int_equal(ls_comm_node_first(comm, node) + ls_comm_node_rank(comm), rank);
        assert_int_equal(ls_comm_node_first(comm, node + 1) - ls_comm_node_first(comm, node), ls_comm_node_size(comm));
        if (groupings[g]) {
            assert_true(nodes >= (size + groupings[g] - 1) / groupings[g]); /* more where hosts are several */
            assert_true(ls_comm_node_size(comm) <= groupings[g]);
        }
    }
    assert_works(ls_comm_group(comm, 0));
    assert_true(strlen(ls_comm_host(comm, size - 1)) > 0);
}

static void agreement_on_success_is_success(void **state) {
    (void)state;
    assert_works(ls_comm_agree(comm, LS_OK));
}

static void rank_0_gets_the_words_and_others_the_exit_code(void **state) {
    (void)state;
    size_t last = ls_comm_size(comm) - 1, rank = ls_comm_rank(comm);
    ls_status mine = rank == last ? LS_FAIL(LS_ERR_IO, "disk of %zu is full", last) : LS_OK;
    ls_status status = ls_comm_agree(comm, mine);
    assert_int_equal(ls_status_exit(status), 74);
    if (rank == 0) {
        assert_int_equal(ls_status_code(status), LS_ERR_IO);
        char words[64];
        snprintf(words, sizeof words, last ? "rank %zu on " : "disk of %zu is full", last);
        assert_ptr_equal(strstr(ls_status_message(status), words), ls_status_message(status));
        assert_non_null(strstr(ls_status_message(status), "is full"));
    } else {
        assert_int_equal(ls_status_code(status), LS_ERR_REPORTED);
    }
    ls_status_free(status);
}

static void the_lowest_failing_rank_wins_and_the_told_ones_come_last(void **state) {
    (void)state;
    size_t rank = ls_comm_rank(comm);
    ls_status status = ls_comm_agree(comm, LS_FAIL(rank ? LS_ERR_IO : LS_ERR_CONFIG, "each has its own trouble"));
    assert_int_equal(ls_status_exit(status), 2);
    if (rank == 0) assert_string_equal(ls_status_message(status), "each has its own trouble");
    ls_status_free(status);
    bool last = rank + 1 == ls_comm_size(comm);
    status = ls_comm_agree(comm, last ? LS_FAIL(LS_ERR_NUMERIC, "loss is nan") : ls_status_reported(74));
    assert_int_equal(ls_status_exit(status), 3);
    ls_status_free(status);
    status = ls_comm_agree(comm, rank == 0 ? ls_status_reported(74) : LS_OK);
    assert_int_equal(ls_status_code(status), LS_ERR_REPORTED);
    assert_int_equal(ls_status_exit(status), 74);
    ls_status_free(status);
}

static void the_least_of_all_reaches_everybody(void **state) {
    (void)state;
    size_t rank = ls_comm_rank(comm), last = ls_comm_size(comm) - 1, least = 0;
    assert_works(ls_comm_least(comm, 7 + rank, &least));
    assert_int_equal(least, 7);
    assert_works(ls_comm_least(comm, rank == last ? 5 : SIZE_MAX, &least));
    assert_int_equal(least, 5);
}

static void bytes_and_texts_reach_everybody(void **state) {
    (void)state;
    for (size_t root = 0; root < ls_comm_size(comm); root++) {
        bool mine = ls_comm_rank(comm) == root;
        double numbers[3] = {mine ? 1.5 : 0, mine ? -2 : 0, (double)root};
        assert_works(ls_comm_broadcast(comm, root, numbers, sizeof numbers));
        assert_true(numbers[0] == 1.5 && numbers[1] == -2);
        char *text = NULL;
        assert_works(ls_comm_broadcast_text(comm, root, mine ? "seed: 7" : NULL, &text));
        assert_string_equal(text, "seed: 7");
        free(text);
        assert_works(ls_comm_broadcast_text(comm, root, mine ? "" : NULL, &text));
        assert_string_equal(text, "");
        free(text);
        assert_works(ls_comm_broadcast_text(comm, root, NULL, &text));
        assert_null(text);
    }
    assert_works(ls_comm_broadcast(comm, 0, NULL, 0));
    assert_works(ls_comm_barrier(comm));
}

static void rank_0_gathers_in_rank_order(void **state) {
    (void)state;
    typedef struct line {
        uint64_t rank;
        double square;
    } line;
    size_t rank = ls_comm_rank(comm), size = ls_comm_size(comm);
    line mine = {rank, (double)(rank * rank)}, *all = calloc(size, sizeof *all);
    assert_works(ls_comm_gather(comm, &mine, sizeof mine, rank == 0 ? all : NULL));
    for (size_t r = 0; rank == 0 && r < size; r++) {
        assert_int_equal(all[r].rank, r);
        assert_true(all[r].square == (double)(r * r));
    }
    free(all);
}

static unsigned char byte_of(size_t rank, size_t i) {
    return (unsigned char)(i * 31 + i / 251 + rank * 97);
}

static void large_parts_arrive_bit_by_bit(void **state) {
    (void)state;
    size_t rank = ls_comm_rank(comm), size = ls_comm_size(comm);
    /* No part, less than a message, several messages and a rest. */
    size_t bytes = (rank % 3) * 1300000 + (rank % 3 == 1 ? 5 : 0);
    unsigned char *mine = malloc(bytes + 1);
    for (size_t i = 0; i < bytes; i++) mine[i] = byte_of(rank, i);
    size_t *sizes = calloc(size, sizeof *sizes);
    void **into = calloc(size, sizeof *into);
    for (size_t r = 0; r < size; r++) {
        sizes[r] = (r % 3) * 1300000 + (r % 3 == 1 ? 5 : 0);
        if (rank == 0) into[r] = calloc(1, sizes[r] + 1);
    }
    ls_collect *collect = NULL;
    assert_works(ls_collect_create(comm, mine, bytes, rank == 0 ? sizes : NULL, rank == 0 ? into : NULL, &collect));
    bool done = false;
    for (int i = 0; i < 3 && !done; i++) assert_works(ls_collect_test(collect, &done));
    assert_works(ls_collect_wait(collect));
    ls_collect_destroy(collect);
    for (size_t r = 0; rank == 0 && r < size; r++) {
        for (size_t i = 0; i < sizes[r]; i++) assert_int_equal(((unsigned char *)into[r])[i], byte_of(r, i));
        free(into[r]);
    }
    free(mine);
    free(sizes);
    free(into);
}

static void a_node_shares_zeroed_aligned_memory(void **state) {
    (void)state;
    for (size_t g = 0; g < GROUPINGS; g++) {
        assert_works(ls_comm_group(comm, groupings[g]));
        size_t count = 100000, node_rank = ls_comm_node_rank(comm), node_size = ls_comm_node_size(comm);
        void *base = NULL;
        ls_comm_memory *memory = NULL;
        assert_works(ls_comm_memory_create(comm, count * sizeof(uint32_t), "a test", &base, &memory));
        assert_int_equal((uintptr_t)base % LS_ALIGNMENT, 0);
        assert_int_equal(ls_comm_memory_rank(memory), node_rank);
        assert_int_equal(ls_comm_memory_size(memory), node_size);
        uint32_t *numbers = base, seed = (uint32_t)(1000 * (ls_comm_node(comm) + 1));
        for (size_t i = 0; i < count; i++) assert_int_equal(numbers[i], 0);
        assert_works(ls_comm_memory_barrier(memory));
        for (size_t i = node_rank; i < count; i += node_size) numbers[i] = seed + (uint32_t)node_rank;
        assert_works(ls_comm_memory_barrier(memory));
        for (size_t i = 0; i < count; i++) assert_int_equal(numbers[i], seed + i % node_size);
        ls_comm_memory_destroy(memory);
    }
    assert_works(ls_comm_group(comm, 0));
}

static void memory_that_is_too_large_is_refused_on_all(void **state) {
    (void)state;
    void *base = NULL;
    ls_comm_memory *memory = NULL;
    ls_status status = ls_comm_memory_create(comm, (size_t)1 << 46, "a far too large cache", &base, &memory);
    if (ls_comm_node_size(comm) > 1) {
        assert_refuses(status, LS_ERR_MEMORY, "a far too large cache");
        assert_null(memory);
    } else {
        ls_status_free(status); /* private memory may be promised and never touched */
        ls_comm_memory_destroy(memory);
    }
    assert_works(ls_comm_barrier(comm));
}

static void an_exchange_gives_all_the_same_bits(void **state) {
    (void)state;
    size_t rank = ls_comm_rank(comm), size = ls_comm_size(comm);
    for (size_t g = 0; g < GROUPINGS; g++) {
        assert_works(ls_comm_group(comm, groupings[g]));
        ls_exchange *x = NULL;
        assert_works(ls_exchange_create(comm, 3, 2, &x));
        for (uint64_t round = 0; round < 20; round++) {
            ls_sum exact;
            ls_sum_clear(&exact);
            for (uint64_t r = 0; r < size; r++) ls_sum_add(&exact, support_random(round, r) * exp2((double)(r * 90)));
            ls_exchange_clear(x);
            ls_sum_add(ls_exchange_sum(x, 0), support_random(round, rank) * exp2((double)(rank * 90)));
            ls_sum_add(ls_exchange_sum(x, 1), rank ? -(double)rank : 0x1p-1074);
            ls_sum_add(ls_exchange_sum(x, 2), rank + 1 == size && round == 7 ? NAN : 1.0);
            *ls_exchange_flags(x) = (uint64_t)1 << (rank + round);
            *ls_exchange_max(x, 0) = support_random(99, rank);
            *ls_exchange_max(x, 1) = rank == 0 && round == 3 ? NAN : -(double)rank;
            assert_works(ls_exchange_run(x));
            assert_true(ls_sum_value(ls_exchange_sum(x, 0)) == ls_sum_value(&exact));
            double whole = -(double)(size * (size - 1) / 2);
            assert_true(ls_sum_value(ls_exchange_sum(x, 1)) == (size > 1 ? whole : 0x1p-1074));
            assert_int_equal(ls_sum_finite(ls_exchange_sum(x, 2)), round != 7);
            if (round != 7) assert_true(ls_sum_value(ls_exchange_sum(x, 2)) == (double)size);
            assert_int_equal(*ls_exchange_flags(x), (((uint64_t)1 << size) - 1) << round);
            double most = -INFINITY;
            for (uint64_t r = 0; r < size; r++) most = fmax(most, support_random(99, r));
            assert_true(*ls_exchange_max(x, 0) == most);
            assert_true(round == 3 ? isnan(*ls_exchange_max(x, 1)) : *ls_exchange_max(x, 1) == 0);
        }
        ls_exchange_destroy(x);
    }
    assert_works(ls_comm_group(comm, 0));
}

static void an_exchange_works_in_the_nodes_it_was_made_with(void **state) {
    (void)state;
    ls_exchange *x = NULL;
    assert_works(ls_exchange_create(comm, 1, 0, &x));
    assert_works(ls_comm_group(comm, 1));
    for (int i = 0; i < 5; i++) {
        ls_exchange_clear(x);
        ls_sum_add(ls_exchange_sum(x, 0), 0.5);
        assert_works(ls_exchange_run(x));
        assert_true(ls_sum_value(ls_exchange_sum(x, 0)) == 0.5 * (double)ls_comm_size(comm));
    }
    ls_exchange_destroy(x);
    assert_works(ls_comm_group(comm, 0));
}

static void add_ones(ls_comm *some) {
    ls_exchange *x = NULL;
    assert_works(ls_exchange_create(some, 1, 0, &x));
    ls_exchange_clear(x);
    ls_sum_add(ls_exchange_sum(x, 0), 1);
    assert_works(ls_exchange_run(x));
    assert_true(ls_sum_value(ls_exchange_sum(x, 0)) == (double)ls_comm_size(some));
    ls_exchange_destroy(x);
}

static void the_first_ranks_can_work_by_themselves(void **state) {
    (void)state;
    for (size_t ranks = 1; ranks <= ls_comm_size(comm); ranks++) {
        ls_comm *some = NULL;
        assert_works(ls_comm_first_ranks(comm, ranks, &some));
        assert_int_equal(some != NULL, ls_comm_rank(comm) < ranks);
        if (some) {
            assert_int_equal(ls_comm_size(some), ranks);
            assert_int_equal(ls_comm_rank(some), ls_comm_rank(comm));
            for (size_t r = 0; r < ranks; r++) {
                assert_string_equal(ls_comm_host(some, r), ls_comm_host(comm, r));
                assert_int_equal(ls_comm_machine_first(some, r), ls_comm_machine_first(comm, r));
            }
            add_ones(some);
            assert_works(ls_comm_group(some, 1));
            assert_int_equal(ls_comm_nodes(some), ranks);
            add_ones(some);
            assert_works(ls_comm_agree(some, LS_OK));
        }
        ls_comm_finish(some);
        add_ones(comm);
    }
}

/* Rank 1, where it shares rank 0's machine, comes to the barrier when it sees that rank 0 waits there. */
static void waiting_is_counted(void **state) {
    (void)state;
    enum { HERE = 4711 };
    double before = ls_comm_waited(comm);
    size_t rank = ls_comm_rank(comm);
    bool seen = ls_comm_size(comm) > 1 && ls_comm_machine_first(comm, 1) == 0;
    const ls__line *first = comm->lines;
    if (rank == 0) ls_comm_note(comm, "barrier", HERE);
    while (seen && rank == 1 && (atomic_load(&first->step) != HERE || !atomic_load(&first->looked))) sched_yield();
    assert_works(ls_comm_barrier(comm));
    if (seen && rank == 0) assert_true(ls_comm_waited(comm) > before);
    if (ls_comm_size(comm) == 1) assert_true(ls_comm_waited(comm) == before);
}

int main(void) {
    const ls_comm_options options = {.deadline = 120};
    ls_status status = ls_comm_start(&options, &comm);
    if (status != LS_OK) {
        fprintf(stderr, "%s\n", ls_status_message(status));
        return ls_status_exit(status);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_are_numbered_node_by_node),
        cmocka_unit_test(agreement_on_success_is_success),
        cmocka_unit_test(rank_0_gets_the_words_and_others_the_exit_code),
        cmocka_unit_test(the_lowest_failing_rank_wins_and_the_told_ones_come_last),
        cmocka_unit_test(the_least_of_all_reaches_everybody),
        cmocka_unit_test(bytes_and_texts_reach_everybody),
        cmocka_unit_test(rank_0_gathers_in_rank_order),
        cmocka_unit_test(large_parts_arrive_bit_by_bit),
        cmocka_unit_test(a_node_shares_zeroed_aligned_memory),
        cmocka_unit_test(memory_that_is_too_large_is_refused_on_all),
        cmocka_unit_test(an_exchange_gives_all_the_same_bits),
        cmocka_unit_test(an_exchange_works_in_the_nodes_it_was_made_with),
        cmocka_unit_test(the_first_ranks_can_work_by_themselves),
        cmocka_unit_test(waiting_is_counted),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ls_comm_finish(comm);
    return failed;
}
