/*
 * panels.h: how the exact tables lay out a weight (out, in): panels of 64 outputs, the last one narrower.
 *
 *      out = 138, in = 784          one panel                      a row of a panel
 *      |panel 0  |panel 1  |2  |    |in 0: out 0 .. 63|in 1|..|    64 floats, four AVX-512 registers
 *       64        64        16 (10 and 6 of padding)
 *
 * A row of a panel is what the product y = x W^T loads for one k, and a panel is read from end to end: weights stream,
 * whatever power of two the layer's size is. Gradients have the same layout. A convolution weight is, group by group, a
 * weight (filters / groups, channels / groups * kh * kw).
 */
#ifndef LOCKSTEP_TENSOR_PANELS_H
#define LOCKSTEP_TENSOR_PANELS_H

#include "lockstep/memory.h"
#include "tensor/kernels.h"

#define LS_PANEL ((size_t)64) /* outputs of a full panel */
#define LS_LANES ((size_t)16) /* a panel's width is a multiple of this */

/* Outputs of the panel that starts at output `first`, padding included. */
static inline size_t ls__panel_width(size_t out, size_t first) {
    size_t left = ls_round_up(out - first, LS_LANES);
    return left < LS_PANEL ? left : LS_PANEL;
}

static inline size_t ls__panels_size(size_t out, size_t in) {
    return ls_round_up(out, LS_LANES) * in;
}

/* Element (o, i). */
static inline size_t ls__panels_at(size_t out, size_t in, size_t o, size_t i) {
    size_t first = o / LS_PANEL * LS_PANEL;
    return first * in + i * ls__panel_width(out, first) + (o - first);
}

/* A convolution as seen by one of its groups. */
static inline size_t ls__group_filters(const ls_window *window) {
    return window->filters / window->groups;
}
static inline size_t ls__group_channels(const ls_window *window) {
    return window->channels / window->groups;
}
static inline size_t ls__group_taps(const ls_window *window) {
    return ls__group_channels(window) * window->kernel[0] * window->kernel[1];
}
static inline size_t ls__group_size(const ls_window *window) {
    return ls__panels_size(ls__group_filters(window), ls__group_taps(window));
}
static inline size_t ls__conv_panels_size(const ls_window *window) {
    return window->groups * ls__group_size(window);
}

/* From and to the rows of files, (out, in) and (filters, channels / groups, kh, kw); import writes the padding too. */
void LS_REAL(ls__panels_import)(size_t out, size_t in, const real *rows, real *weight);
void LS_REAL(ls__panels_export)(size_t out, size_t in, const real *weight, real *rows);
void LS_REAL(ls__conv_panels_import)(const ls_window *window, const real *rows, real *weight);
void LS_REAL(ls__conv_panels_export)(const ls_window *window, const real *weight, real *rows);

#endif
