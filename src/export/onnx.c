#include "export/onnx.h"

#include <stdlib.h>
#include <string.h>

#include "lockstep/file.h"

#define IR_VERSION 7
#define OPSET 13

/* Marks what the output depends on: later nodes use earlier ones, so one walk down is enough. */
static ls_status mark_needed(ls__onnx *o) {
    const ls_graph *graph = o->what->graph;
    o->value[o->what->output] = "";
    for (size_t i = o->what->output + 1; i-- > 0;) {
        if (!o->value[i]) continue;
        const ls_graph_node *node = ls_graph_at(graph, i);
        for (size_t k = 0; k < node->inputs; k++) o->value[node->input[k]] = "";
        /* Names of nodes serve messages and may repeat. */
        bool first = ls_graph_find(graph, node->name) == i;
        if (first)
            o->value[i] = node->name;
        else
            LS_TRY(ls_pool_format(o->pool, &o->value[i], "%s_%zu", node->name, i));
    }
    return LS_OK;
}

/* A float or int64 value with a free first axis. */
static ls_status describe(ls__onnx *o, const char *name, ls_shape shape, bool tokens, Onnx__ValueInfoProto **out) {
    typedef struct parts {
        Onnx__ValueInfoProto info;
        Onnx__TypeProto type;
        Onnx__TypeProto__Tensor tensor;
        Onnx__TensorShapeProto shape;
        Onnx__TensorShapeProto__Dimension dim[1 + LS_MAX_RANK], *dims[1 + LS_MAX_RANK];
        char batch[8], name[];
    } parts;
    void *memory = NULL;
    LS_TRY(ls_pool_take(o->pool, sizeof(parts) + strlen(name) + 1, &memory));
    parts *p = memory;
    onnx__value_info_proto__init(&p->info);
    onnx__type_proto__init(&p->type);
    onnx__type_proto__tensor__init(&p->tensor);
    onnx__tensor_shape_proto__init(&p->shape);
    memcpy(p->name, name, strlen(name) + 1);
    memcpy(p->batch, "batch", sizeof "batch");
    p->info.name = p->name;
    p->info.type = &p->type;
    p->type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    p->type.tensor_type = &p->tensor;
    p->tensor.has_elem_type = true;
    p->tensor.elem_type = tokens ? ONNX__TENSOR_PROTO__DATA_TYPE__INT64 : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    p->tensor.shape = &p->shape;
    p->shape.n_dim = 1 + shape.rank;
    p->shape.dim = p->dims;
    for (size_t i = 0; i < p->shape.n_dim; i++) {
        p->dims[i] = &p->dim[i];
        onnx__tensor_shape_proto__dimension__init(&p->dim[i]);
        p->dim[i].value_case = i ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
                                 : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        if (i)
            p->dim[i].dim_value = (int64_t)shape.dim[i - 1];
        else
            p->dim[i].dim_param = p->batch;
    }
    *out = &p->info;
    return LS_OK;
}

static bool is_identity(const ls_export_affine *affine) {
    return !affine->shift && !affine->factor && !affine->matrix;
}

/* An input of the graph: a description, and its preprocessing, after which nodes know it by another name. */
static ls_status add_input(ls__onnx *o, size_t node, Onnx__ValueInfoProto **info) {
    const ls_graph_node *input = ls_graph_at(o->what->graph, node);
    LS_TRY(describe(o, o->value[node], input->shape, input->element == LS_ELEMENT_INDEX, info));
    for (size_t i = 0; i < o->what->input_count; i++) {
        const ls_export_input *listed = &o->what->inputs[i];
        if (listed->node != node || is_identity(&listed->preprocess)) continue;
        const char *raw = o->value[node];
        LS_TRY(ls__onnx_name(o, raw, "preprocessed", &o->value[node]));
        LS_TRY(ls__onnx_preprocess(o, &listed->preprocess, input->shape, raw, o->value[node]));
    }
    return LS_OK;
}

static ls_status add_node(ls__onnx *o, size_t index) {
    const ls_graph_node *node = ls_graph_at(o->what->graph, index);
    void *memory = NULL;
    LS_TRY(ls_pool_take(o->pool, node->inputs * sizeof(char *), &memory));
    const char **input = memory;
    for (size_t i = 0; i < node->inputs; i++) input[i] = o->value[node->input[i]];
    return ls__onnx_convert(o, node, o->value[index], input);
}

/* Fills the graph: inputs, nodes, constants, output. */
static ls_status build(ls__onnx *o, Onnx__GraphProto *graph) {
    size_t count = o->what->output + 1;
    void *memory = NULL;
    LS_TRY(ls_pool_take(o->pool, count * sizeof *graph->input, &memory));
    graph->input = memory;
    for (size_t i = 0; i < count; i++) {
        if (!o->value[i]) continue;
        if (ls_graph_at(o->what->graph, i)->op)
            LS_TRY(add_node(o, i));
        else
            LS_TRY(add_input(o, i, &graph->input[graph->n_input++]));
    }
    const ls_graph_node *last = ls_graph_at(o->what->graph, o->what->output);
    const char *result = o->value[o->what->output];
    if (!is_identity(&o->what->target)) {
        const char *restored = NULL;
        LS_TRY(ls__onnx_name(o, result, "restored", &restored));
        LS_TRY(ls__onnx_restore(o, &o->what->target, last->shape, result, restored));
        result = restored;
    }
    LS_TRY(ls_pool_take(o->pool, sizeof *graph->output, &memory));
    graph->output = memory;
    graph->n_output = 1;
    return describe(o, result, last->shape, false, &graph->output[0]);
}

/* Packs a model around the graph and writes it. */
static ls_status write_model(const char *path, Onnx__GraphProto *graph) {
    char domain[] = "", producer[] = "lockstep", version[] = LOCKSTEP_VERSION;
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets[] = {&opset};
    opset.domain = domain;
    opset.has_version = true;
    opset.version = OPSET;
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    model.has_ir_version = true;
    model.ir_version = IR_VERSION;
    model.n_opset_import = 1;
    model.opset_import = opsets;
    model.producer_name = producer;
    model.producer_version = version;
    model.graph = graph;
    size_t size = onnx__model_proto__get_packed_size(&model);
    void *bytes = NULL;
    LS_TRY(ls_block_create(size, 1, "the ONNX file", &bytes));
    onnx__model_proto__pack(&model, bytes);
    ls_new_file file;
    ls_status status = ls_new_file_open(&file, path);
    if (status == LS_OK) status = ls_new_file_finish(&file, ls_new_file_write(&file, bytes, size), true);
    ls_block_destroy(bytes);
    return status;
}

static ls_status export_with(ls__onnx *o, const char *path) {
    void *memory = NULL;
    LS_TRY(ls_pool_take(o->pool, ls_graph_count(o->what->graph) * sizeof *o->value, &memory));
    o->value = memory;
    LS_TRY(ls_pool_take(o->pool, ls_params_count(ls_graph_params(o->what->graph)) * sizeof *o->written, &memory));
    o->written = memory;
    LS_TRY(mark_needed(o));
    Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
    LS_TRY(build(o, &graph));
    const char *name = o->what->name ? o->what->name : "lockstep";
    LS_TRY(ls_pool_take(o->pool, strlen(name) + 1, &memory));
    graph.name = memcpy(memory, name, strlen(name) + 1);
    graph.n_node = o->nodes.count;
    graph.node = (Onnx__NodeProto **)o->nodes.items;
    graph.n_initializer = o->constants.count;
    graph.initializer = (Onnx__TensorProto **)o->constants.items;
    return write_model(path, &graph);
}

const char *ls_export_onnx_missing(void) {
    return NULL;
}

ls_status ls_export_onnx(const char *path, const ls_export *what) {
    ls__onnx o = {.what = what};
    LS_TRY(ls_pool_create(&o.pool));
    ls_status status = export_with(&o, path);
    free(o.nodes.items);
    free(o.constants.items);
    ls_pool_destroy(o.pool);
    return status;
}
