/*
 * onnx.h: building an ONNX graph node by node.
 *
 * A builder collects nodes and initializers (constants) as messages of protobuf-c; everything lives in its pool. Names
 * are names of values: a node's output is what later nodes name as their input.
 */
#ifndef LOCKSTEP_EXPORT_ONNX_H
#define LOCKSTEP_EXPORT_ONNX_H

#include "lockstep/export.h"
#include "onnx.pb-c.h"

typedef struct ls__list {
    void **items;
    size_t count, space;
} ls__list;

typedef struct ls__onnx {
    ls_pool *pool;
    const ls_export *what;
    ls__list nodes, constants;
    const char **value; /* of each node of the graph: the name of its value; NULL: not needed */
    bool *written;      /* each parameter: is it among the constants? */
    size_t bytes;       /* of all constants */
} ls__onnx;

/* An attribute of a node: `ints` where it is not NULL, else `f` where `is_float`, else `i`. */
typedef struct ls__attribute {
    const char *name;
    const int64_t *ints;
    size_t count;
    bool is_float;
    float f;
    int64_t i;
} ls__attribute;

/* "count, array" of a list of inputs or attributes. */
#define LS__INPUTS(...) sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__}
#define LS__ATTRIBUTES(...)                                                                                            \
    sizeof((ls__attribute[]){__VA_ARGS__}) / sizeof(ls__attribute), (ls__attribute[]){__VA_ARGS__}
#define LS__INT(key, value) {.name = (key), .i = (int64_t)(value)}
#define LS__FLOAT(key, value) {.name = (key), .is_float = true, .f = (float)(value)}
#define LS__INTS(key, ...)                                                                                             \
    {.name = (key), .ints = (int64_t[]){__VA_ARGS__}, .count = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)}

/* Adds a node; its one output is called `output`. */
ls_status ls__onnx_add(ls__onnx *o, const char *op, const char *output, size_t inputs, const char *const *input,
                       size_t attributes, const ls__attribute *attribute) LS_MUST_USE;

/* A name for something within a node: "dense_1/flat". */
ls_status ls__onnx_name(ls__onnx *o, const char *node, const char *part, const char **out) LS_MUST_USE;

/* Adds a constant. */
ls_status ls__onnx_floats(ls__onnx *o, const char *name, ls_shape shape, const float *values) LS_MUST_USE;
ls_status ls__onnx_ints(ls__onnx *o, const char *name, size_t count, const int64_t *values) LS_MUST_USE;
/* Adds a constant number, called "node/part". */
ls_status ls__onnx_number(ls__onnx *o, const char *node, const char *part, double value, const char **out) LS_MUST_USE;

/* The constant of a parameter of a node; adds it at its first use. */
ls_status ls__onnx_param(ls__onnx *o, const ls_graph_node *node, size_t which, const char **out) LS_MUST_USE;

/* Adds the nodes for a node of the graph, whose value will be called `output`; `input` are the names of its inputs. */
ls_status ls__onnx_convert(ls__onnx *o, const ls_graph_node *node, const char *output,
                           const char *const *input) LS_MUST_USE;

/* z = (x - shift) factor or (x - shift) matrix, from value `in` to value `out`. And the way back. */
ls_status ls__onnx_preprocess(ls__onnx *o, const ls_export_affine *affine, ls_shape shape, const char *in,
                              const char *out) LS_MUST_USE;
ls_status ls__onnx_restore(ls__onnx *o, const ls_export_affine *affine, ls_shape shape, const char *in,
                           const char *out) LS_MUST_USE;

#endif
