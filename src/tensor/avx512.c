#include "tensor/tables.h"

#if defined(LS_VECTOR)

#include "tensor/vector.h"

const ls_kernels ls__avx512_kernels = {.name = "avx512", VECTOR_PRODUCTS, ROWWISE_KERNELS};
const ls_kernels ls__avx512_blas_kernels = {.name = "OpenBLAS", BLAS_PRODUCTS, ROWWISE_KERNELS};

#endif
