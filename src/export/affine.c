#include "lockstep/export.h"

ls_export_affine ls_export_affine_of(const ls_preprocess *preprocess) {
    ls_export_affine affine = {0};
    if (preprocess) ls_preprocess_tables(preprocess, &affine.shift, &affine.factor, &affine.matrix);
    return affine;
}
