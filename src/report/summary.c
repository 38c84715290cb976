#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "report/json.h"

/* ---- report.json -------------------------------------------------------------------------------------------- */

static void write_best(ls__json *json, const ls_summary *s) {
    if (!s->best_metric) {
        ls__json_text(json, "best", NULL);
        return;
    }
    ls__json_open(json, "best", '{');
    ls__json_text(json, "metric", s->best_metric);
    ls__json_number(json, "value", s->best);
    ls__json_count(json, "step", s->best_step);
    ls__json_text(json, "checkpoint", s->best_checkpoint);
    ls__json_close(json, '}');
}

static void write_sections(ls__json *json, const ls_summary *s) {
    ls__json_open(json, "sections", '{');
    for (size_t i = 0; i < s->section_count; i++) {
        const ls_report_section *section = &s->sections[i];
        ls__json_open(json, section->name, '{');
        ls__json_number(json, "min", section->least);
        ls__json_number(json, "avg", section->mean);
        ls__json_number(json, "max", section->most);
        ls__json_number(json, "share", section->share);
        ls__json_count(json, "calls", section->calls);
        ls__json_close(json, '}');
    }
    ls__json_close(json, '}');
}

static void write_sets(ls__json *json, const ls_summary *s) {
    ls__json_open(json, "final", '{');
    for (size_t i = 0; i < s->set_count; i++) {
        ls__json_open(json, s->sets[i].name, '{');
        ls__json_count(json, "samples", s->sets[i].samples);
        for (size_t v = 0; v < s->sets[i].count; v++) ls__json_value(json, &s->sets[i].values[v]);
        ls__json_close(json, '}');
    }
    ls__json_close(json, '}');
}

static void write_confusion(ls__json *json, const ls_summary *s) {
    if (!s->classes) return;
    ls__json_open(json, "confusion", '{');
    ls__json_text(json, "set", s->confusion_set);
    ls__json_open(json, "counts", '[');
    for (size_t actual = 0; actual < s->classes; actual++) {
        ls__json_open(json, NULL, '[');
        for (size_t predicted = 0; predicted < s->classes; predicted++)
            ls__json_count(json, NULL, s->confusion[actual * s->classes + predicted]);
        ls__json_close(json, ']');
    }
    ls__json_close(json, ']');
    ls__json_close(json, '}');
}

static void write_summary(ls__json *json, const ls_summary *s) {
    ls__json_open(json, NULL, '{');
    ls__json_text(json, "result", s->result);
    ls__json_text(json, "stop_reason", s->stop_reason);
    ls__json_count(json, "steps", s->steps);
    ls__json_count(json, "updates", s->updates);
    ls__json_count(json, "epochs", s->epochs);
    write_best(json, s);
    write_sets(json, s);
    ls__json_number(json, "samples_per_second", s->samples_per_second);
    ls__json_number(json, "seconds", s->seconds);
    ls__json_count(json, "ranks", s->ranks);
    ls__json_count(json, "nodes", s->nodes);
    ls__json_count(json, "threads", s->threads);
    ls__json_count(json, "parameters", s->parameters);
    ls__json_text(json, "math", s->math);
    ls__json_text(json, "last_checkpoint", s->last_checkpoint);
    write_sections(json, s);
    ls__json_open(json, "memory", '{');
    for (size_t i = 0; i < s->memory_count; i++) ls__json_count(json, s->memory[i].name, (uint64_t)s->memory[i].number);
    ls__json_close(json, '}');
    write_confusion(json, s);
    for (size_t i = 0; i < s->extra_count; i++) ls__json_value(json, &s->extra[i]);
    ls__json_close(json, '}');
}

ls_status ls_summary_write_json(const char *path, const ls_summary *summary) {
    ls__json json = {.pretty = true};
    write_summary(&json, summary);
    ls_status status = ls__json_finish(&json);
    if (status == LS_OK) status = ls__replace_file(path, &json.text, true);
    ls_text_free(&json.text);
    return status;
}

/* ---- report.txt --------------------------------------------------------------------------------------------- */

static ls_status print_values(ls_text *out, size_t count, const ls_value *values) {
    for (size_t i = 0; i < count; i++) {
        LS_TRY(ls_text_add(out, "%s%s ", i ? "  " : "", values[i].name));
        if (values[i].text)
            LS_TRY(ls_text_add(out, "%s", values[i].text));
        else
            LS_TRY(ls_text_add(out, "%.6g", values[i].number));
    }
    return ls_text_add(out, "\n");
}

static ls_status print_head(ls_text *out, const ls_summary *s) {
    char time[24];
    LS_TRY(ls_text_add(out, "result      %s", s->result ? s->result : "?"));
    LS_TRY(s->stop_reason ? ls_text_add(out, " (%s)\n", s->stop_reason) : ls_text_add(out, "\n"));
    LS_TRY(ls_text_add(out, "trained     %" PRIu64 " steps, %" PRIu64 " epochs, %s\n", s->steps, s->epochs,
                       ls_report_seconds(s->seconds, time)));
    if (isfinite(s->samples_per_second))
        LS_TRY(ls_text_add(out, "speed       %.0f samples/s\n", s->samples_per_second));
    LS_TRY(ls_text_add(out, "machine     %" PRIu64 " rank%s on %" PRIu64 " node%s, %" PRIu64 " thread%s each%s%s\n",
                       s->ranks, s->ranks == 1 ? "" : "s", s->nodes, s->nodes == 1 ? "" : "s", s->threads,
                       s->threads == 1 ? "" : "s", s->math ? ", " : "", s->math ? s->math : ""));
    LS_TRY(ls_text_add(out, "parameters  %" PRIu64 "\n", s->parameters));
    if (s->best_metric)
        LS_TRY(ls_text_add(out, "best        %s %.6g at step %" PRIu64 "\n", s->best_metric, s->best, s->best_step));
    if (s->last_checkpoint) LS_TRY(ls_text_add(out, "checkpoint  %s\n", s->last_checkpoint));
    for (size_t i = 0; i < s->set_count; i++) {
        LS_TRY(ls_text_add(out, "%-11s ", s->sets[i].name));
        LS_TRY(print_values(out, s->sets[i].count, s->sets[i].values));
    }
    return LS_OK;
}

static ls_status print_sections(ls_text *out, const ls_summary *s) {
    if (!s->section_count) return LS_OK;
    LS_TRY(ls_text_add(out, "\n%-20s %9s %9s %9s %7s\n", "section (seconds)", "min", "avg", "max", "share"));
    for (size_t i = 0; i < s->section_count; i++) {
        const ls_report_section *section = &s->sections[i];
        LS_TRY(ls_text_add(out, "%-20s %9.3f %9.3f %9.3f %5.1f %%\n", section->name, section->least, section->mean,
                           section->most, 100 * section->share));
    }
    return LS_OK;
}

static ls_status print_memory(ls_text *out, const ls_summary *s) {
    if (!s->memory_count) return LS_OK;
    LS_TRY(ls_text_add(out, "\n%-20s %9s\n", "memory", "MB"));
    for (size_t i = 0; i < s->memory_count; i++)
        LS_TRY(ls_text_add(out, "%-20s %9.1f\n", s->memory[i].name, s->memory[i].number / 1e6));
    return LS_OK;
}

static ls_status print_confusion(ls_text *out, const ls_summary *s) {
    if (!s->classes) return LS_OK;
    LS_TRY(ls_text_add(out, "\nconfusion (%s): rows are actual, columns predicted classes\n",
                       s->confusion_set ? s->confusion_set : "?"));
    LS_TRY(ls_text_add(out, "%6s", ""));
    for (size_t predicted = 0; predicted < s->classes; predicted++) LS_TRY(ls_text_add(out, " %6zu", predicted));
    for (size_t actual = 0; actual < s->classes; actual++) {
        LS_TRY(ls_text_add(out, "\n%6zu", actual));
        for (size_t predicted = 0; predicted < s->classes; predicted++)
            LS_TRY(ls_text_add(out, " %6" PRIu64, s->confusion[actual * s->classes + predicted]));
    }
    return ls_text_add(out, "\n");
}

static ls_status print_short(ls_text *out, const ls_summary *s) {
    LS_TRY(print_head(out, s));
    return print_sections(out, s);
}

static ls_status print_whole(ls_text *out, const ls_summary *s) {
    LS_TRY(print_short(out, s));
    LS_TRY(print_memory(out, s));
    LS_TRY(print_confusion(out, s));
    if (!s->extra_count) return LS_OK;
    LS_TRY(ls_text_add(out, "\n"));
    return print_values(out, s->extra_count, s->extra);
}

ls_status ls_summary_write_text(const char *path, const ls_summary *summary) {
    ls_text text = {0};
    ls_status status = print_whole(&text, summary);
    if (status == LS_OK) status = ls__replace_file(path, &text, true);
    ls_text_free(&text);
    return status;
}

ls_status ls_summary_print(FILE *output, const ls_summary *summary) {
    ls_text text = {0};
    ls_status status = print_short(&text, summary);
    if (status == LS_OK && (fputs(text.bytes, output) < 0 || fflush(output) != 0))
        status = LS_FAIL(LS_ERR_IO, "the report cannot be printed: %s", strerror(errno));
    ls_text_free(&text);
    return status;
}
