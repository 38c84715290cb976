#include "train/trainer.h"

extern const ls_hook ls__hook_evaluate, ls__hook_plateau, ls__hook_record, ls__hook_ledger, ls__hook_digest,
    ls__hook_stop, ls__hook_save, ls__hook_display, ls__hook_trace;

/* In the order in which they are called: results first, then what records them, decides on them and saves. */
const ls_hook *const ls__hooks[] = {
    &ls__hook_evaluate, &ls__hook_plateau, &ls__hook_record,  &ls__hook_ledger, &ls__hook_digest,
    &ls__hook_stop,     &ls__hook_save,    &ls__hook_display, &ls__hook_trace,  NULL,
};

ls_status ls__hooks_check(const ls_trainer *t) {
    for (size_t i = 0; ls__hooks[i]; i++)
        if (ls__hooks[i]->check) LS_TRY(ls__hooks[i]->check(t));
    return LS_OK;
}

ls_status ls__hooks_start(ls_trainer *t) {
    for (size_t i = 0; ls__hooks[i]; i++)
        if (ls__hooks[i]->start) LS_TRY(ls__hooks[i]->start(t, &t->hook_state[i]));
    return LS_OK;
}

ls_status ls__hooks_step(ls_trainer *t) {
    for (size_t i = 0; ls__hooks[i]; i++)
        if (ls__hooks[i]->step && (ls__hooks[i]->replays || !t->replaying))
            LS_TRY(ls__hooks[i]->step(t, t->hook_state[i]));
    return LS_OK;
}

ls_status ls__hooks_finish(ls_trainer *t, const ls_summary *summary) {
    ls_status status = LS_OK;
    for (size_t i = 0; ls__hooks[i]; i++)
        if (ls__hooks[i]->finish) status = ls_status_first(status, ls__hooks[i]->finish(t, t->hook_state[i], summary));
    return status;
}

void ls__hooks_destroy(ls_trainer *t) {
    for (size_t i = 0; ls__hooks[i]; i++)
        if (ls__hooks[i]->destroy && t->hook_state[i]) ls__hooks[i]->destroy(t->hook_state[i]);
}
