/*
 * embedding: each token t of the input becomes row t of the weight (entries, size); (s) gives (s, size), () gives
 * (size).
 *
 * Backward: the gradient of row t is the sum of dy over all places where t stands, in the order of samples within a
 * micro-batch, then in the tree of the micro-batches. Only places of t are looked at: where it does not occur a
 * micro-batch would add +0, and as no sum that starts from +0 is ever -0, that changes no bit.
 */
#include <string.h>

#include "graph/ops.h"

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__want_element(shapes, 0, LS_ELEMENT_INDEX));
    ls_shape tokens = shapes->input[0], weight = shapes->param[0]->shape;
    if (tokens.rank >= LS_MAX_RANK || weight.rank != 2) return ls__want_rank(shapes, 0, 1, "a vector of tokens");
    shapes->output = tokens;
    shapes->output.dim[shapes->output.rank++] = weight.dim[1];
    return LS_OK;
}

static size_t entries(const ls_op_run *run) {
    return run->param[0].spec->shape.dim[0];
}

static size_t width(const ls_op_run *run) {
    return run->param[0].spec->shape.dim[1];
}

/* Places of a block in the order of their tokens: those of token t are place[start[t]] to place[start[t + 1] - 1]. */
typedef struct occurrences {
    uint32_t *start; /* entries + 2 */
    uint32_t *place; /* one a token of the block */
    real *stack;     /* for each thread */
} occurrences;

static size_t stack_size(const ls_op_run *run) {
    return ls_microbatches_depth(run->microbatches) * width(run);
}

static occurrences occurrences_of(const ls_op_run *run) {
    occurrences at = {.stack = run->scratch};
    at.start = (uint32_t *)(at.stack + ls_team_size(run->team) * stack_size(run));
    at.place = at.start + entries(run) + 2;
    return at;
}

static void memory(const ls_op_run *run, ls_op_memory *out) {
    size_t indices = entries(run) + 2 + run->rows * run->input[0].size;
    out->scratch = ls_team_size(run->team) * stack_size(run) * sizeof(real) + indices * sizeof(uint32_t);
}

static void look_up(const ls_op_run *run, size_t first, size_t end) {
    const int32_t *token = run->input[0].value;
    const real *weight = run->param[0].value;
    real *y = run->value;
    for (size_t i = first * run->input[0].size; i < end * run->input[0].size; i++)
        memcpy(y + i * width(run), weight + (size_t)token[i] * width(run), width(run) * sizeof *y);
}

static ls_status forward(const ls_op_run *run) {
    LS_TRY(ls__want_classes(run, 0, entries(run)));
    ls__each_row(run, look_up);
    return LS_OK;
}

/* A counting sort of the places [first, end) by token, which keeps their order. */
static void sort_places(const ls_op_run *run, size_t first, size_t end) {
    const int32_t *token = run->input[0].value;
    occurrences at = occurrences_of(run);
    memset(at.start, 0, (entries(run) + 2) * sizeof *at.start);
    for (size_t i = first; i < end; i++) at.start[token[i] + 2]++;
    for (size_t t = 2; t < entries(run) + 2; t++) at.start[t] += at.start[t - 1];
    for (size_t i = first; i < end; i++) at.place[at.start[token[i] + 1]++] = (uint32_t)i;
}

/* The sum over places [first, end) that lie in micro-batches [m, m + size) of the block, size being a power of two. */
static void sum_subtree(const ls_op_run *run, const uint32_t *first, const uint32_t *end, size_t m, size_t size,
                        real *out) {
    const real *dy = run->gradient;
    size_t n = width(run), tokens = run->input[0].size;
    if (size == 1) {
        for (size_t j = 0; j < n; j++) out[j] = 0;
        for (; first < end; first++)
            for (size_t j = 0; j < n; j++) out[j] += dy[*first * n + j];
        return;
    }
    size_t middle = m + size / 2, bound = middle < run->micro->count ? run->micro->row[middle] * tokens : SIZE_MAX;
    const uint32_t *split = first;
    while (split < end && *split < bound) split++;
    if (split == end || split == first) {
        sum_subtree(run, first, end, split == end ? m : middle, size / 2, out);
        return;
    }
    sum_subtree(run, first, split, m, size / 2, out);
    sum_subtree(run, split, end, middle, size / 2, out + n);
    for (size_t j = 0; j < n; j++) out[j] += out[n + j];
}

typedef struct block_sum {
    const ls_op_run *run;
    size_t block;
} block_sum;

static void sum_tokens(void *argument, size_t part, size_t parts) {
    const block_sum *job = argument;
    const ls_op_run *run = job->run;
    size_t n = width(run), m = run->micro->block[job->block], size = 1;
    while (m + size < run->micro->block[job->block + 1]) size *= 2;
    occurrences at = occurrences_of(run);
    real *stack = at.stack + part * stack_size(run);
    real *out = (real *)run->param[0].gradient + job->block * run->stride;
    for (size_t t = entries(run) * part / parts; t < entries(run) * (part + 1) / parts; t++) {
        if (at.start[t] == at.start[t + 1]) {
            memset(out + t * n, 0, n * sizeof *out);
            continue;
        }
        sum_subtree(run, at.place + at.start[t], at.place + at.start[t + 1], m, size, stack);
        memcpy(out + t * n, stack, n * sizeof *out);
    }
}

static void backward(const ls_op_run *run) {
    for (size_t b = 0; run->param[0].gradient && b < run->micro->blocks; b++) {
        block_sum job = {run, b};
        size_t tokens = run->input[0].size;
        sort_places(run, run->micro->row[run->micro->block[b]] * tokens,
                    run->micro->row[run->micro->block[b + 1]] * tokens);
        ls_team_run(run->team, ls_team_size(run->team), sum_tokens, &job);
    }
}

static void example(uint64_t number, ls_op_example *out) {
    out->inputs = 1;
    out->input[0] = ls__vector(ls__pick(number, 0, 1, 4));
    out->element[0] = LS_ELEMENT_INDEX;
    out->classes[0] = ls__pick(number, 1, 2, 6);
    out->params = 1;
    out->param[0] = ls__example_param("weight", LS_ROLE_WEIGHT, LS_LAYOUT_PLAIN,
                                      (ls_shape){2, {out->classes[0], ls__pick(number, 2, 1, 5)}});
}

const ls_op LS_REAL(ls_op_embedding) = {
    .name = "embedding",
    .doc = "each token becomes its row of the weight",
    .least_inputs = 1,
    .most_inputs = 1,
    .least_params = 1,
    .most_params = 1,
    .infer = infer,
    .memory = memory,
    .forward = forward,
    .backward = backward,
    .example = example,
    .twin = LS_TWIN(ls_op_embedding),
};
