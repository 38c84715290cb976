#include "tensor/tables.h"

#if defined(LS_VECTOR)

#include "tensor/vector.h"

const ls_kernels ls__avx2_kernels = {.name = "avx2", VECTOR_PRODUCTS, ROWWISE_KERNELS};
const ls_kernels ls__avx2_blas_kernels = {.name = "OpenBLAS", BLAS_PRODUCTS, ROWWISE_KERNELS};

#endif
