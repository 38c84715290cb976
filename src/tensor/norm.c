#include "tensor/clones.h"

#include <assert.h>

#include "lockstep/tensor.h"

enum { LANES = 16 };

/* Element j goes to lane j mod 16; the lanes are joined in halves. Squares of floats are exact in double. */
LS_CLONES double ls_block_squares(size_t count, const float *values) {
    assert(count <= LS_GRAIN);
    double lane[LANES] = {0};
    size_t whole = count / LANES * LANES;
    for (size_t j = 0; j < whole; j += LANES)
        for (size_t l = 0; l < LANES; l++) lane[l] += (double)values[j + l] * (double)values[j + l];
    for (size_t j = whole; j < count; j++) lane[j - whole] += (double)values[j] * (double)values[j];
    for (size_t half = LANES / 2; half; half /= 2)
        for (size_t l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}
