/**
 * export.h: a trained network for other programs: ONNX files, and safetensors.
 *
 *     lockstep export onnx runs/digits/checkpoints/best.h5 -o digits.onnx
 *
 * An ONNX file holds the whole way from raw inputs to predictions in original units: preprocessing, the nodes of the
 * graph that the output depends on, and what was done to the targets, undone. Losses, dropout and the taking of
 * statistics are left behind. A safetensors file holds named arrays only, in file layout.
 *
 *      x --(x - shift) factor--> dense_1 --> relu_1 --> dense_2 --(y / factor + shift)--> prediction
 *        |___ ls_export_affine ___|      nodes of the graph      |__ ls_export_affine __|
 *
 * Files are written beside their target and renamed: it is the old file or the new one, whole. All functions are local.
 */
#ifndef LOCKSTEP_EXPORT_H
#define LOCKSTEP_EXPORT_H

#include "lockstep/data.h"
#include "lockstep/graph.h"

/**
 * What preprocessing does to the `size` numbers of a sample: z = (x - shift) factor, or, where there is a matrix,
 * z = (x - shift) matrix. What is NULL is left out. Borrowed.
 */
typedef struct ls_export_affine {
    const float *shift;  /* (size) */
    const float *factor; /* (size) */
    const float *matrix; /* (size, size), row-major */
} ls_export_affine;

/** That of a preprocessing; NULL, or `none`, does nothing. Borrows from it. */
ls_export_affine ls_export_affine_of(const ls_preprocess *preprocess);

/** An input of the graph whose values are preprocessed. Inputs that are not listed are taken as they are. */
typedef struct ls_export_input {
    size_t node;
    ls_export_affine preprocess;
} ls_export_input;

typedef struct ls_export {
    const ls_graph *graph; /* in float */
    const float *weights;  /* the parameter arena */
    size_t input_count;
    const ls_export_input *inputs;
    size_t output;           /* the node whose value is wanted */
    ls_export_affine target; /* of the targets: undone on the output, y = z / factor + shift; factor 0: y = shift */
    const char *name;        /* of the network, for programs that show it; NULL: "lockstep" */
} ls_export;

/** NULL where ONNX can be written, else a sentence that says what the program was built without. */
const char *ls_export_onnx_missing(void);

/**
 * Writes an ONNX file (ir_version 7, opset 13). Its inputs are float, or int64 for tokens, with a free first axis
 * called "batch"; names are those of the graph, weights are called "dense_1/weight". LS_ERR_DATA where the output
 * depends on an operator that ONNX has no words for, naming it, or the network exceeds the format's 2 GB.
 */
ls_status ls_export_onnx(const char *path, const ls_export *what) LS_MUST_USE;

/** An array of a safetensors file. Borrowed. */
typedef struct ls_export_array {
    const char *name;
    ls_shape shape;
    const float *values;
} ls_export_array;

/**
 * Writes a safetensors file of float32 arrays, sorted as given; `notes` (or NULL) is a list of `note_count` names and
 * texts for its metadata: name, text, name, text, ...
 */
ls_status ls_export_arrays(const char *path, size_t count, const ls_export_array *arrays, size_t note_count,
                           const char *const *notes) LS_MUST_USE;

/**
 * Writes all parameters and statistics of a model ("dense_1/weight" (out, in)) as safetensors, and the preprocessing of
 * inputs and targets where there is one ("preprocess/x/shift", "preprocess/target/factor").
 */
ls_status ls_export_safetensors(const char *path, const ls_export *what) LS_MUST_USE;

#endif
