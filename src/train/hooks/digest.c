/*
 * Nodes keep a copy of the weights each, which must stay equal. Every run.digest_every steps they compare digests, so
 * that a memory or a network that flips a bit ends the run soon, and its next start goes back to the last checkpoint.
 */
#include "train/trainer.h"

static ls_status step(ls_trainer *t, void *state) {
    (void)state;
    uint64_t every = (uint64_t)t->experiment->run.digest_every.value;
    if (ls_comm_nodes(t->comm) == 1 || every == 0 || t->state.step % every != 0) return LS_OK;
    ls_comm_note(t->comm, "digest", t->state.step);
    return ls_saver_compare_nodes(t->saver, NULL);
}

const ls_hook ls__hook_digest = {.name = "digest", .doc = "Compares the weights of the nodes.", .step = step};
