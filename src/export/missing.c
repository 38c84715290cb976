/*
 * missing.c: in place of the files onnx*.c where the program is built without protobuf-c.
 */
#include "lockstep/export.h"

const char *ls_export_onnx_missing(void) {
    return "ONNX files need protobuf-c and ONNX's message definitions (libprotobuf-c-dev, protobuf-c-compiler, "
           "libonnx-dev), which this program was built without";
}

ls_status ls_export_onnx(const char *path, const ls_export *what) {
    (void)what;
    return LS_FAIL(LS_ERR_RUNTIME, "%s: %s", path, ls_export_onnx_missing());
}
