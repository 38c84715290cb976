#include "optim/adam.h"

#include "lockstep/sum.h"

/* You et al.: Large batch optimization for deep learning: training BERT in 76 minutes, 2019, algorithm 2, phi(x) = x.
 */

static const ls_option rows[] = {LS__ADAM_ROWS(ls__weight_decay_some, "1e-6")};

enum { OF_WEIGHTS, OF_DIRECTION };

static void measure(const void *options, const ls_update *u, ls_sum *sums) {
    ls__adam_terms terms = ls__adam_prepare(options, u, true);
    ls__add_squares(&sums[OF_WEIGHTS], u->count, u->weights);
    for (size_t from = 0; from < u->count; from += LS_GRAIN) {
        float direction[LS_GRAIN];
        size_t count = u->count - from < LS_GRAIN ? u->count - from : LS_GRAIN;
        ls__adam_direction(u, terms, from, count, direction);
        ls_sum_add(&sums[OF_DIRECTION], ls_block_squares(count, direction));
    }
}

/* norm(w) / norm(d); 1 where either is 0, so that parameters that begin at 0 can leave it. */
static double trust(const void *options, const ls_update *u, const double *squares) {
    (void)options, (void)u;
    bool both = squares[OF_WEIGHTS] > 0 && squares[OF_DIRECTION] > 0;
    return both ? __builtin_sqrt(squares[OF_WEIGHTS]) / __builtin_sqrt(squares[OF_DIRECTION]) : 1;
}

static void update(const void *options, const ls_update *u) {
    ls__adam_terms terms = ls__adam_prepare(options, u, true);
    terms.rate = (float)(u->learning_rate * u->trust);
    ls__adam_step(u, terms);
}

const ls_optimizer_type ls__optimizer_lamb = {
    .type = {"lamb", "Adamw's direction, scaled to the norm of each parameter.", rows, sizeof(ls__adam_options)},
    .slots = ls__adam_slots,
    .update = update,
    .measure = measure,
    .trust = trust,
};
