#include "lockstep/tensor.h"

#include <stdio.h>

bool ls_shape_fits(ls_shape shape) {
    size_t size = 1;
    for (size_t i = 0; i < shape.rank; i++) {
        if (shape.dim[i] && size > LS_MAX_SIZE / shape.dim[i]) return false;
        size *= shape.dim[i];
    }
    return true;
}

bool ls_shape_equal(ls_shape a, ls_shape b) {
    if (a.rank != b.rank) return false;
    for (size_t i = 0; i < a.rank; i++)
        if (a.dim[i] != b.dim[i]) return false;
    return true;
}

const char *ls_shape_text(ls_shape shape, char *out, size_t size) {
    size_t length = 0;
    for (size_t i = 0; i < shape.rank && length < size; i++) {
        int wrote = snprintf(out + length, size - length, "%s%zu", i ? ", " : "(", shape.dim[i]);
        length += wrote > 0 ? (size_t)wrote : 0;
    }
    if (length < size) snprintf(out + length, size - length, "%s", shape.rank ? ")" : "()");
    return out;
}
