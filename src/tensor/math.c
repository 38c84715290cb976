/*
 * math.c: which arithmetics there are, and which of them this processor can do.
 */
#include <cblas.h>
#include <string.h>

#include "lockstep/tensor.h"
#include "tensor/tables.h"

struct ls_math {
    const char *name;        /* as the user writes it */
    const char *description; /* NULL: OpenBLAS describes itself */
    const ls_kernels *kernels;
    bool (*supported)(void);
};

static bool always(void) {
    return true;
}

#if defined(LS_VECTOR)
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && has_avx2();
}
#endif

/* Of several rows with the same name the first that is supported counts: best first. */
static const ls_math maths[] = {
#if defined(LS_VECTOR)
    {"exact", "exact-avx512", &ls__avx512_kernels, has_avx512},
    {"exact", "exact-avx2", &ls__avx2_kernels, has_avx2},
    {"exact-avx512", "exact-avx512", &ls__avx512_kernels, has_avx512},
    {"exact-avx2", "exact-avx2", &ls__avx2_kernels, has_avx2},
    {"blas", NULL, &ls__avx512_blas_kernels, has_avx512},
    {"blas", NULL, &ls__avx2_blas_kernels, has_avx2},
#endif
    {"exact", "exact-scalar", &ls__scalar_kernels, always},
    {"exact-scalar", "exact-scalar", &ls__scalar_kernels, always},
    {"blas", NULL, &ls__scalar_blas_kernels, always},
};

const ls_math *ls_math_find(const char *name) {
    for (size_t i = 0; i < sizeof maths / sizeof *maths; i++) {
        if (strcmp(maths[i].name, name) != 0 || !maths[i].supported()) continue;
        if (!maths[i].description) openblas_set_num_threads(1);
        return &maths[i];
    }
    return NULL;
}

const char *ls_math_name(const ls_math *math) {
    return math->name;
}

const char *ls_math_description(const ls_math *math) {
    return math->description ? math->description : openblas_get_config();
}

const ls_kernels *ls_math_kernels(const ls_math *math) {
    return math->kernels;
}

const ls_kernels *ls__exact_kernels(void) {
    return ls_math_find("exact")->kernels;
}
