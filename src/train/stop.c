#include "train/stop.h"

#include <stdio.h>
#include <string.h>

bool ls__stop_metric_parse(const char *text, ls_stop_metric *out) {
    *out = (ls_stop_metric){0};
    char comparison[3] = "", number[64] = "";
    int end = 0;
    if (sscanf(text, " %63[A-Za-z0-9_.] %2[<>=] %63s %n", out->name, comparison, number, &end) != 3 || text[end])
        return false;
    if (comparison[0] == '=' || (comparison[1] && comparison[1] != '=') || !strchr(out->name, '.')) return false;
    out->at_least = comparison[0] == '>';
    out->strict = comparison[1] != '=';
    return ls_parse_real(number, &out->bound);
}

bool ls__stop_metric_holds(const ls_stop_metric *condition, double value) {
    if (condition->at_least) return condition->strict ? value > condition->bound : value >= condition->bound;
    return condition->strict ? value < condition->bound : value <= condition->bound;
}

bool ls__watch_observe(ls_watch *watch, double value, bool higher_is_better, double delta, size_t patience) {
    double gain = higher_is_better ? value - watch->best : watch->best - value;
    bool first = watch->seen == 0;
    watch->seen += 1;
    /* NaN is never an improvement, and anything is better than a NaN seen first. */
    if (first || gain > delta || (watch->best != watch->best && value == value)) {
        watch->best = value;
        watch->since = 0;
        return false;
    }
    watch->since += 1;
    return watch->since >= (double)patience;
}
