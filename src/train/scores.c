#include <stdio.h>
#include <string.h>

#include "train/trainer.h"

static ls_status add_set(ls_trainer *t, const char *set) {
    for (size_t i = 0; i < t->tally.values; i++) {
        ls_score *score = &t->scores[t->score_count];
        int length = snprintf(score->name, sizeof score->name, "%s.%s", set, t->tally.names[i]);
        if (length < 0 || (size_t)length >= sizeof score->name)
            return LS_FAIL(LS_ERR_CONFIG, "the name \"%s.%s\" is too long", set, t->tally.names[i]);
        score->higher = t->tally.higher[i];
        t->score_count++;
    }
    return LS_OK;
}

ls_status ls__scores_create(ls_trainer *t) {
    void *scores = NULL;
    LS_TRY(ls_pool_take(t->pool, 3 * t->tally.values * sizeof *t->scores, &scores));
    t->scores = scores;
    LS_TRY(add_set(t, "train"));
    if (t->data.valid) LS_TRY(add_set(t, "valid"));
    if (t->data.test) LS_TRY(add_set(t, "test"));
    return LS_OK;
}

void ls__scores_set(ls_trainer *t, const char *set, const double *values) {
    size_t length = strlen(set), next = 0;
    for (size_t i = 0; i < t->score_count && next < t->tally.values; i++) {
        if (strncmp(t->scores[i].name, set, length) != 0 || t->scores[i].name[length] != '.') continue;
        t->scores[i].value = values[next++];
        t->scores[i].known = true;
    }
}

const ls_score *ls__score(const ls_trainer *t, const char *name) {
    for (size_t i = 0; i < t->score_count; i++)
        if (strcmp(t->scores[i].name, name) == 0) return &t->scores[i];
    return NULL;
}

ls_status ls__score_check(const ls_trainer *t, const char *name, ls_place place, const char *what) {
    if (ls__score(t, name)) return LS_OK;
    const char *names[256] = {0};
    ls_text list = {0};
    ls_status status = LS_OK;
    for (size_t i = 0; i < t->score_count && i < 255 && status == LS_OK; i++) {
        names[i] = t->scores[i].name;
        status = ls_text_add(&list, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = ls_nearest(name, names);
    if (status == LS_OK)
        status = ls_document_fail(place, LS_ERR_CONFIG, "%s: there is no \"%s\"%s%s%s; known here: %s", what, name,
                                  near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "", list.bytes);
    ls_text_free(&list);
    return status;
}
