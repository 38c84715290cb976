#include "comm/comm.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "comm/transport.h"
#include "lockstep/memory.h"

/*
 * Numbers travel packed, in words of 8 bytes: the flags, the maxima, then of each sum one word that says which digits
 * follow and whether the counts of what was not finite do. Two banks of slots take turns, so that one barrier an
 * exchange is enough within a node: who writes bank A again has passed the barrier of bank B, hence all have read A.
 *
 *      node's block   [ bank 0: slot of rank 0 | rank 1 | .. | the job's result ][ bank 1: likewise ]
 */
struct ls_exchange {
    ls_comm *comm;
    const ls__grouping *grouping;
    size_t sum_count, max_count;
    ls_sum *sums;
    double *maxima;
    uint64_t flags;
    size_t slot_words; /* of the largest message */
    ls_comm_memory *memory;
    uint64_t *slots;
    unsigned bank;
    uint64_t *message; /* from another node */
};

/* Exchanges and the reducer never talk at the same time, but a tag of its own costs nothing. */
enum { EXCHANGE_TAG = 1 };

static const uint64_t has_counts = (uint64_t)1 << 32;

static size_t message_words(size_t sums, size_t maxima) {
    return 1 + maxima + sums * (1 + LS_SUM_DIGITS + 3);
}

ls_status ls_exchange_create(ls_comm *comm, size_t sums, size_t maxima, ls_exchange **out) {
    *out = NULL;
    ls_exchange *x = calloc(1, sizeof *x);
    if (!x) return LS_FAIL(LS_ERR_MEMORY, "no memory for the exchange");
    *x = (ls_exchange){.comm = comm, .grouping = comm->grouping, .sum_count = sums, .max_count = maxima};
    x->slot_words = ls_round_up(message_words(sums, maxima), LS_ALIGNMENT / sizeof *x->slots);
    void *block = NULL;
    ls_status status = LS_OK;
    LS_TRY_ELSE(status, ls_block_create(sums + 1, sizeof *x->sums, "the exchange", &block), failed);
    x->sums = block;
    LS_TRY_ELSE(status, ls_block_create(maxima + 1, sizeof *x->maxima, "the exchange", &block), failed);
    x->maxima = block;
    LS_TRY_ELSE(status, ls_block_create(x->slot_words, sizeof *x->message, "the exchange", &block), failed);
    x->message = block;
    size_t slots = 2 * (x->grouping->size + 1);
    LS_TRY_ELSE(
        status,
        ls_comm_memory_create(comm, slots * x->slot_words * sizeof *x->slots, "the exchange", &block, &x->memory),
        failed);
    x->slots = block;
failed:
    status = ls_comm_agree(comm, status);
    if (status != LS_OK) {
        ls_exchange_destroy(x);
        return status;
    }
    ls_exchange_clear(x);
    *out = x;
    return LS_OK;
}

void ls_exchange_destroy(ls_exchange *x) {
    if (!x) return;
    ls_comm_memory_destroy(x->memory);
    ls_block_destroy(x->sums);
    ls_block_destroy(x->maxima);
    ls_block_destroy(x->message);
    free(x);
}

void ls_exchange_clear(ls_exchange *x) {
    for (size_t i = 0; i < x->sum_count; i++) ls_sum_clear(&x->sums[i]);
    for (size_t i = 0; i < x->max_count; i++) x->maxima[i] = -INFINITY;
    x->flags = 0;
}

ls_sum *ls_exchange_sum(ls_exchange *x, size_t index) {
    assert(index < x->sum_count);
    return &x->sums[index];
}

double *ls_exchange_max(ls_exchange *x, size_t index) {
    assert(index < x->max_count);
    return &x->maxima[index];
}

uint64_t *ls_exchange_flags(ls_exchange *x) {
    return &x->flags;
}

/* ---- packing ------------------------------------------------------------------------------------------------ */

/* The exchange's numbers in `out`; how many words they take. */
static size_t pack(ls_exchange *x, uint64_t *out) {
    uint64_t *word = out;
    *word++ = x->flags;
    memcpy(word, x->maxima, x->max_count * sizeof *word);
    word += x->max_count;
    for (size_t i = 0; i < x->sum_count; i++) {
        ls_sum *sum = &x->sums[i];
        size_t first, last;
        ls_sum_normalise(sum, &first, &last);
        bool counts = !ls_sum_finite(sum);
        *word++ = first | last << 16 | (counts ? has_counts : 0);
        memcpy(word, sum->word + first, (last - first) * sizeof *word);
        word += last - first;
        if (!counts) continue;
        *word++ = (uint64_t)sum->nan;
        *word++ = (uint64_t)sum->plus_infinity;
        *word++ = (uint64_t)sum->minus_infinity;
    }
    return (size_t)(word - out);
}

/* Joins a packed message to the exchange's numbers. */
static void merge(ls_exchange *x, const uint64_t *word) {
    x->flags |= *word++;
    for (size_t i = 0; i < x->max_count; i++) {
        double theirs;
        memcpy(&theirs, word++, sizeof theirs);
        if (isnan(theirs) || isnan(x->maxima[i]))
            x->maxima[i] = NAN;
        else if (theirs > x->maxima[i])
            x->maxima[i] = theirs;
    }
    for (size_t i = 0; i < x->sum_count; i++) {
        ls_sum *sum = &x->sums[i];
        uint64_t head = *word++;
        size_t first = head & 0xFFFF, last = (head >> 16) & 0xFFFF;
        for (size_t k = first; k < last; k++) sum->word[k] += (int64_t)*word++;
        sum->pending += last > first;
        if (!(head & has_counts)) continue;
        sum->nan += (int64_t)*word++;
        sum->plus_infinity += (int64_t)*word++;
        sum->minus_infinity += (int64_t)*word++;
    }
}

/* ---- between nodes ------------------------------------------------------------------------------------------ */

static ls_status send_to(ls_exchange *x, uint64_t *slot, size_t node) {
    ls__request request;
    size_t words = pack(x, slot);
    LS_TRY(ls__send(x->comm, slot, words * sizeof *slot, x->grouping->first[node], EXCHANGE_TAG, &request));
    return ls__await(x->comm, 1, &request, "the decision");
}

static ls_status receive_from(ls_exchange *x, size_t node) {
    ls__request request;
    LS_TRY(ls__receive(x->comm, x->message, x->slot_words * sizeof *x->message, x->grouping->first[node], EXCHANGE_TAG,
                       &request));
    return ls__await(x->comm, 1, &request, "the decision");
}

/* Both ways at once with one partner: what comes is merged. */
static ls_status swap_with(ls_exchange *x, uint64_t *slot, size_t node) {
    ls__request requests[2];
    size_t words = pack(x, slot), partner = x->grouping->first[node];
    LS_TRY(ls__receive(x->comm, x->message, x->slot_words * sizeof *slot, partner, EXCHANGE_TAG, &requests[0]));
    LS_TRY(ls__send(x->comm, slot, words * sizeof *slot, partner, EXCHANGE_TAG, &requests[1]));
    LS_TRY(ls__await(x->comm, 2, requests, "the decision"));
    merge(x, x->message);
    return LS_OK;
}

/*
 * Leaders of nodes, by recursive doubling over the largest power of two; the nodes beyond it hand their numbers to a
 * partner first and receive the result last. Integer sums, ORs and maxima do not care for the order.
 */
static ls_status exchange_between_nodes(ls_exchange *x, uint64_t *slot) {
    size_t nodes = x->grouping->nodes, node = x->grouping->node, power = 1;
    while (power * 2 <= nodes) power *= 2;
    if (node >= power) {
        LS_TRY(send_to(x, slot, node - power));
        LS_TRY(receive_from(x, node - power));
        ls_exchange_clear(x);
        merge(x, x->message);
        return LS_OK;
    }
    if (node + power < nodes) {
        LS_TRY(receive_from(x, node + power));
        merge(x, x->message);
    }
    for (size_t step = 1; step < power; step *= 2) LS_TRY(swap_with(x, slot, node ^ step));
    return node + power < nodes ? send_to(x, slot, node + power) : LS_OK;
}

/* ---- the exchange ------------------------------------------------------------------------------------------- */

ls_status ls_exchange_run(ls_exchange *x) {
    const ls__grouping *node = x->grouping;
    uint64_t *bank = x->slots + x->bank * (node->size + 1) * x->slot_words;
    uint64_t *mine = bank + node->rank * x->slot_words, *result = bank + node->size * x->slot_words;
    x->bank ^= 1;
    for (size_t i = 0; i < x->max_count; i++)
        if (isnan(x->maxima[i])) x->maxima[i] = NAN; /* one NaN for all */
    pack(x, mine);
    LS_TRY(ls_comm_memory_barrier(x->memory));
    if (node->nodes == 1 || node->rank == 0)
        for (size_t r = 0; r < node->size; r++)
            if (r != node->rank) merge(x, bank + r * x->slot_words);
    if (node->nodes == 1) return LS_OK;
    if (node->rank == 0) {
        LS_TRY(exchange_between_nodes(x, mine));
        pack(x, result);
    }
    LS_TRY(ls_comm_memory_barrier(x->memory));
    if (node->rank > 0) {
        ls_exchange_clear(x);
        merge(x, result);
    }
    return LS_OK;
}
