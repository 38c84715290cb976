#include <stdlib.h>
#include <string.h>

#include "export/onnx.h"

/* Protocol buffers hold at most 2 GB. */
#define MOST_BYTES ((size_t)2000 << 20)

static ls_status append(ls__list *list, void *item) {
    if (list->count == list->space) {
        size_t space = list->space ? 2 * list->space : 64;
        void **items = realloc(list->items, space * sizeof *items);
        if (!items) return LS_FAIL(LS_ERR_MEMORY, "no memory for the ONNX graph");
        list->items = items;
        list->space = space;
    }
    list->items[list->count++] = item;
    return LS_OK;
}

/* A text that protobuf-c may point to: it asks for char *, and only reads. */
static ls_status copy_text(ls__onnx *o, const char *text, char **out) {
    void *copy = NULL;
    LS_TRY(ls_pool_take(o->pool, strlen(text) + 1, &copy));
    memcpy(copy, text, strlen(text) + 1);
    *out = copy;
    return LS_OK;
}

static ls_status copy_texts(ls__onnx *o, size_t count, const char *const *texts, char ***out) {
    void *list = NULL;
    LS_TRY(ls_pool_take(o->pool, count * sizeof(char *), &list));
    *out = list;
    for (size_t i = 0; i < count; i++) LS_TRY(copy_text(o, texts[i], &(*out)[i]));
    return LS_OK;
}

static ls_status make_attribute(ls__onnx *o, const ls__attribute *from, Onnx__AttributeProto **out) {
    void *memory = NULL;
    LS_TRY(ls_pool_take(o->pool, sizeof **out, &memory));
    Onnx__AttributeProto *to = *out = memory;
    onnx__attribute_proto__init(to);
    LS_TRY(copy_text(o, from->name, &to->name));
    to->has_type = true;
    if (from->ints) {
        to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
        to->n_ints = from->count;
        LS_TRY(ls_pool_take(o->pool, from->count * sizeof *to->ints, &memory));
        to->ints = memcpy(memory, from->ints, from->count * sizeof *to->ints);
        return LS_OK;
    }
    to->type =
        from->is_float ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT : ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    to->has_f = from->is_float;
    to->f = from->f;
    to->has_i = !from->is_float;
    to->i = from->i;
    return LS_OK;
}

ls_status ls__onnx_add(ls__onnx *o, const char *op, const char *output, size_t inputs, const char *const *input,
                       size_t attributes, const ls__attribute *attribute) {
    void *memory = NULL;
    LS_TRY(ls_pool_take(o->pool, sizeof(Onnx__NodeProto), &memory));
    Onnx__NodeProto *node = memory;
    onnx__node_proto__init(node);
    LS_TRY(copy_text(o, op, &node->op_type));
    LS_TRY(copy_text(o, output, &node->name));
    node->n_output = 1;
    LS_TRY(copy_texts(o, 1, &output, &node->output));
    node->n_input = inputs;
    LS_TRY(copy_texts(o, inputs, input, &node->input));
    LS_TRY(ls_pool_take(o->pool, attributes * sizeof *node->attribute, &memory));
    node->attribute = memory;
    node->n_attribute = attributes;
    for (size_t i = 0; i < attributes; i++) LS_TRY(make_attribute(o, &attribute[i], &node->attribute[i]));
    return append(&o->nodes, node);
}

ls_status ls__onnx_name(ls__onnx *o, const char *node, const char *part, const char **out) {
    return ls_pool_format(o->pool, out, "%s/%s", node, part);
}

/* Adds a constant with room for its values, which are to be written in the machine's order (little-endian). */
static ls_status add_constant(ls__onnx *o, const char *name, ls_shape shape, int type, size_t item_bytes,
                              void **values) {
    void *memory = NULL;
    size_t bytes = ls_shape_size(shape) * item_bytes;
    o->bytes += bytes;
    if (o->bytes > MOST_BYTES)
        return LS_FAIL(LS_ERR_DATA, "the network exceeds the 2 GB that an ONNX file can hold; export safetensors");
    LS_TRY(ls_pool_take(o->pool, sizeof(Onnx__TensorProto), &memory));
    Onnx__TensorProto *tensor = memory;
    onnx__tensor_proto__init(tensor);
    LS_TRY(copy_text(o, name, &tensor->name));
    LS_TRY(ls_pool_take(o->pool, shape.rank * sizeof *tensor->dims, &memory));
    tensor->dims = memory;
    tensor->n_dims = shape.rank;
    for (size_t i = 0; i < shape.rank; i++) tensor->dims[i] = (int64_t)shape.dim[i];
    tensor->has_data_type = true;
    tensor->data_type = type;
    LS_TRY(ls_pool_take(o->pool, bytes, values));
    tensor->has_raw_data = true;
    tensor->raw_data = (ProtobufCBinaryData){bytes, *values};
    return append(&o->constants, tensor);
}

ls_status ls__onnx_floats(ls__onnx *o, const char *name, ls_shape shape, const float *values) {
    void *to = NULL;
    LS_TRY(add_constant(o, name, shape, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, sizeof *values, &to));
    memcpy(to, values, ls_shape_size(shape) * sizeof *values);
    return LS_OK;
}

ls_status ls__onnx_ints(ls__onnx *o, const char *name, size_t count, const int64_t *values) {
    void *to = NULL;
    LS_TRY(add_constant(o, name, (ls_shape){1, {count}}, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, sizeof *values, &to));
    memcpy(to, values, count * sizeof *values);
    return LS_OK;
}

ls_status ls__onnx_number(ls__onnx *o, const char *node, const char *part, double value, const char **out) {
    float single = (float)value;
    LS_TRY(ls__onnx_name(o, node, part, out));
    return ls__onnx_floats(o, *out, (ls_shape){0}, &single);
}

ls_status ls__onnx_param(ls__onnx *o, const ls_graph_node *node, size_t which, const char **out) {
    const ls_params *params = ls_graph_params(o->what->graph);
    size_t index = node->param[which].index;
    const ls_param *param = ls_params_at(params, index);
    LS_TRY(ls__onnx_name(o, param->layer, param->name, out));
    if (o->written[index]) return LS_OK;
    o->written[index] = true;
    void *values = NULL;
    LS_TRY(add_constant(o, *out, param->shape, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, sizeof(float), &values));
    ls_param_export(params, index, o->what->weights, values);
    return LS_OK;
}
