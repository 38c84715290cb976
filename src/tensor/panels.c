/* panels.c: compiled for float and for double. */
#include "tensor/panels.h"

void LS_REAL(ls__panels_import)(size_t out, size_t in, const real *rows, real *weight) {
    for (size_t first = 0; first < out; first += LS_PANEL) {
        size_t width = ls__panel_width(out, first);
        real *panel = weight + first * in;
        for (size_t o = 0; o < width; o++)
            for (size_t i = 0; i < in; i++) panel[i * width + o] = first + o < out ? rows[(first + o) * in + i] : 0;
    }
}

void LS_REAL(ls__panels_export)(size_t out, size_t in, const real *weight, real *rows) {
    /* By tiles of LS_LANES squared: each line of both layouts is moved once. */
    for (size_t o = 0; o < out; o += LS_LANES) {
        size_t o_end = out - o < LS_LANES ? out : o + LS_LANES, width = ls__panel_width(out, o / LS_PANEL * LS_PANEL);
        for (size_t i = 0; i < in; i += LS_LANES) {
            size_t i_end = in - i < LS_LANES ? in : i + LS_LANES;
            const real *tile = weight + ls__panels_at(out, in, o, i);
            for (size_t t = o; t < o_end; t++)
                for (size_t s = i; s < i_end; s++) rows[t * in + s] = tile[(s - i) * width + (t - o)];
        }
    }
}

void LS_REAL(ls__conv_panels_import)(const ls_window *window, const real *rows, real *weight) {
    size_t filters = ls__group_filters(window), taps = ls__group_taps(window), size = ls__group_size(window);
    for (size_t g = 0; g < window->groups; g++)
        LS_REAL(ls__panels_import)(filters, taps, rows + g * filters * taps, weight + g * size);
}

void LS_REAL(ls__conv_panels_export)(const ls_window *window, const real *weight, real *rows) {
    size_t filters = ls__group_filters(window), taps = ls__group_taps(window), size = ls__group_size(window);
    for (size_t g = 0; g < window->groups; g++)
        LS_REAL(ls__panels_export)(filters, taps, weight + g * size, rows + g * filters * taps);
}
