/*
 * plan.c: decides where everything lies, then allocates it.
 *
 * The plan is a rehearsal: nodes are walked in the order in which they will run, and every value and gradient takes a
 * slot when it comes into being and gives it back after its last reader. In training all values live until backward; a
 * gradient lives from the first consumer that assigns it to the backward of its own node.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "graph/internal.h"

typedef struct slot {
    size_t bytes;
    bool taken;
    size_t offset; /* after slots_place() */
} slot;

typedef struct slots {
    size_t count, space;
    slot *items;
} slots;

/* A slot of at least `bytes`: the tightest free one, else the largest free one made larger, else a new one. */
static ls_status slots_take(slots *pool, size_t bytes, size_t *out) {
    size_t best = LS_NO_SLOT, largest = LS_NO_SLOT;
    for (size_t i = 0; i < pool->count; i++) {
        const slot *s = &pool->items[i];
        if (s->taken) continue;
        if (s->bytes >= bytes && (best == LS_NO_SLOT || s->bytes < pool->items[best].bytes)) best = i;
        if (largest == LS_NO_SLOT || s->bytes > pool->items[largest].bytes) largest = i;
    }
    if (best == LS_NO_SLOT) best = largest;
    if (best == LS_NO_SLOT) {
        if (pool->count == pool->space) {
            size_t space = pool->space ? 2 * pool->space : 32;
            slot *items = realloc(pool->items, space * sizeof *items);
            if (!items) return LS_FAIL(LS_ERR_MEMORY, "no memory to plan %zu buffers", space);
            pool->items = items;
            pool->space = space;
        }
        best = pool->count++;
        pool->items[best] = (slot){0};
    }
    if (pool->items[best].bytes < bytes) pool->items[best].bytes = bytes;
    pool->items[best].taken = true;
    *out = best;
    return LS_OK;
}

static void slots_give(slots *pool, size_t which) {
    assert(pool->items[which].taken);
    pool->items[which].taken = false;
}

/* Places all slots one after the other; returns the bytes of all. */
static size_t slots_place(slots *pool) {
    size_t offset = 0;
    for (size_t i = 0; i < pool->count; i++) {
        pool->items[i].offset = offset;
        offset += ls_round_up(pool->items[i].bytes, LS_ALIGNMENT);
    }
    return offset;
}

typedef struct planner {
    ls_graph *graph;
    slots values, gradients;
    size_t caches, scratch;
    size_t *readers; /* inputs of other nodes that still have to read a value */
} planner;

static bool is_trained(const ls_param *param) {
    return !param->frozen && param->role != LS_ROLE_STATISTIC;
}

/* Which nodes have a gradient: those above something trained (or wanted) and below a loss (or seed). */
static ls_status find_active(ls_graph *graph) {
    for (size_t i = 0; i < graph->count; i++) {
        ls__node *node = &graph->nodes[i];
        node->consumers = 0;
        node->active = node->descends = false;
        for (size_t p = 0; p < node->view.params; p++)
            if (is_trained(ls_params_at(graph->setup.params, node->view.param[p].index))) node->descends = true;
        for (size_t j = 0; j < node->view.inputs; j++) {
            ls__node *input = &graph->nodes[node->view.input[j]];
            input->consumers++;
            if (input->view.needs_gradient) node->descends = true;
        }
        node->view.needs_gradient = (node->wanted || node->descends) && node->view.element != LS_ELEMENT_INDEX;
    }
    for (size_t i = graph->count; i-- > 0;) {
        ls__node *node = &graph->nodes[i];
        bool reaches = node->active || node->loss || node->seeded;
        node->active = reaches && node->view.needs_gradient;
        node->descends = node->descends && node->active;
        if (!node->descends) continue;
        if (!node->op->backward)
            return LS_FAIL(LS_ERR_CONFIG, "%s: %s has no derivative, and something below it is trained",
                           node->view.name, node->op->name);
        for (size_t j = 0; j < node->view.inputs; j++) {
            ls__node *input = &graph->nodes[node->view.input[j]];
            if (input->view.needs_gradient) input->active = true;
        }
    }
    return LS_OK;
}

/* A product whose only reader is an activation that it can apply itself writes that one's value. */
static void fuse(ls_graph *graph) {
    for (size_t i = 0; i < graph->count; i++) {
        graph->nodes[i].fused_into = LS_NO_NODE;
        graph->nodes[i].view.fused = false;
    }
    if (graph->plan.unfused) return;
    for (size_t i = 0; i < graph->count; i++) {
        ls__node *node = &graph->nodes[i];
        if (!node->op || !node->op->activation || node->view.inputs != 1) continue;
        ls__node *product = &graph->nodes[node->view.input[0]];
        bool fits = product->op && product->op->fuses && product->consumers == 1 && !product->keep && !product->wanted;
        if (!fits) continue;
        product->fused_into = i;
        node->view.fused = true;
    }
}

/* What stays the same from run to run: shapes and specifications. */
static void fill_inputs(ls_graph *graph) {
    for (size_t i = 0; i < graph->count; i++) {
        ls__node *node = &graph->nodes[i];
        for (size_t j = 0; j < node->view.inputs; j++) {
            const ls__node *input = &graph->nodes[node->view.input[j]];
            node->in[j] = (ls_op_input){.shape = input->view.shape, .size = input->size};
        }
        for (size_t p = 0; p < node->view.params; p++)
            node->par[p] = (ls_op_param){.spec = ls_params_at(graph->setup.params, node->view.param[p].index)};
    }
}

/*
 * After a node's backward everything from the highest gradient below it upwards is final. Its own weights lie where
 * their first use put them.
 */
static void set_marks(ls_graph *graph) {
    size_t mark = 0;
    for (size_t i = 0; i < graph->count; i++) {
        ls__node *node = &graph->nodes[i];
        node->mark = mark;
        node->need = 0;
        for (size_t p = 0; p < node->view.params; p++) {
            const ls_param *param = node->par[p].spec;
            if (is_trained(param) && param->offset + param->count > node->need)
                node->need = param->offset + param->count;
        }
        if (!node->active) continue;
        for (size_t p = 0; p < node->view.params; p++) {
            const ls_param *param = node->par[p].spec;
            if (!is_trained(param)) continue;
            size_t end = param->use_offset[node->view.param[p].use] + param->count;
            if (end > mark) mark = end;
        }
    }
    graph->top_mark = ls_params_trainable(graph->setup.params);
}

static size_t value_bytes(const ls_graph *graph, const ls__node *node) {
    return graph->plan.rows * node->size * ls__element_bytes(graph, node->view.element);
}

static size_t gradient_bytes(const ls_graph *graph, const ls__node *node) {
    return graph->plan.rows * node->size * graph->numbers->bytes;
}

/* Gives a value back that nobody will read again; only where no backward follows. */
static void release_value(planner *plan, ls__node *node) {
    bool passed_on = node->fused_into != LS_NO_NODE;
    if (plan->graph->plan.training || node->keep || !node->op || passed_on) return;
    slots_give(&plan->values, node->value_slot);
}

static ls_status plan_values(planner *plan) {
    ls_graph *graph = plan->graph;
    /* Inputs are filled before the first node runs, so theirs come first. */
    for (size_t i = 0; i < graph->count; i++)
        if (!graph->nodes[i].op)
            LS_TRY(slots_take(&plan->values, value_bytes(graph, &graph->nodes[i]), &graph->nodes[i].value_slot));
    for (size_t i = 0; i < graph->count; i++) {
        ls__node *node = &graph->nodes[i];
        plan->readers[i] = node->consumers;
        if (!node->op) continue;
        if (node->view.fused)
            node->value_slot = graph->nodes[node->view.input[0]].value_slot;
        else
            LS_TRY(slots_take(&plan->values, value_bytes(graph, node), &node->value_slot));
        for (size_t j = 0; j < node->view.inputs; j++) {
            size_t input = node->view.input[j];
            if (--plan->readers[input] == 0) release_value(plan, &graph->nodes[input]);
        }
        if (node->consumers == 0) release_value(plan, node);
    }
    return LS_OK;
}

/* Each input's gradient is assigned by its first consumer in the walk; further contributions wait in a slot of their
 * own. */
static ls_status plan_contributions(planner *plan, ls__node *node) {
    ls_graph *graph = plan->graph;
    for (size_t j = 0; j < node->view.inputs; j++) {
        ls__node *input = &graph->nodes[node->view.input[j]];
        node->partial_slot[j] = LS_NO_SLOT;
        if (!input->active) continue;
        size_t *place = input->gradient_slot == LS_NO_SLOT ? &input->gradient_slot : &node->partial_slot[j];
        LS_TRY(slots_take(&plan->gradients, gradient_bytes(graph, input), place));
    }
    for (size_t j = 0; j < node->view.inputs; j++)
        if (node->partial_slot[j] != LS_NO_SLOT) slots_give(&plan->gradients, node->partial_slot[j]);
    return LS_OK;
}

static ls_status plan_gradients(planner *plan) {
    ls_graph *graph = plan->graph;
    for (size_t i = 0; i < graph->count; i++) {
        ls__node *node = &graph->nodes[i];
        node->gradient_slot = LS_NO_SLOT;
        /* What the caller writes or may read, whether or not anything flows there, is nobody else's. */
        if (graph->plan.training && (node->seeded || (node->wanted && !node->active)))
            LS_TRY(slots_take(&plan->gradients, gradient_bytes(graph, node), &node->gradient_slot));
    }
    if (!graph->plan.training) return LS_OK;
    for (size_t i = graph->count; i-- > 0;) {
        ls__node *node = &graph->nodes[i];
        if (!node->active) continue;
        if (node->loss && node->gradient_slot == LS_NO_SLOT)
            LS_TRY(slots_take(&plan->gradients, gradient_bytes(graph, node), &node->gradient_slot));
        LS_TRY(plan_contributions(plan, node));
        if (!node->wanted && !node->seeded) slots_give(&plan->gradients, node->gradient_slot);
    }
    return LS_OK;
}

static void plan_operators(planner *plan) {
    ls_graph *graph = plan->graph;
    for (size_t i = 0; i < graph->count; i++) {
        ls__node *node = &graph->nodes[i];
        node->cache_offset = plan->caches;
        node->cache_bytes = 0;
        if (!node->op || !node->op->memory) continue;
        ls_op_run run = ls__graph_run(graph, node, NULL, graph->plan.training);
        ls_op_memory memory = {0};
        node->op->memory(&run, &memory);
        node->cache_bytes = memory.cache;
        plan->caches += ls_round_up(memory.cache, LS_ALIGNMENT);
        if (memory.scratch > plan->scratch) plan->scratch = memory.scratch;
    }
}

static ls_status rehearse(planner *plan) {
    ls_graph *graph = plan->graph;
    LS_TRY(ls_block_create(graph->count, sizeof *plan->readers, "the plan", (void **)&plan->readers));
    LS_TRY(find_active(graph));
    fuse(graph);
    fill_inputs(graph);
    set_marks(graph);
    LS_TRY(plan_values(plan));
    LS_TRY(plan_gradients(plan));
    plan_operators(plan);
    return LS_OK;
}

static void planner_free(planner *plan) {
    free(plan->values.items);
    free(plan->gradients.items);
    ls_block_destroy(plan->readers);
}

static ls_graph_memory totals(planner *plan) {
    return (ls_graph_memory){.values = slots_place(&plan->values),
                             .gradients = slots_place(&plan->gradients),
                             .caches = plan->caches,
                             .scratch = plan->scratch};
}

ls_status ls_graph_measure(ls_graph *graph, const ls_plan *request, ls_graph_memory *out) {
    *out = (ls_graph_memory){0};
    graph->plan = *request;
    graph->planned = false;
    planner plan = {.graph = graph};
    ls_status status = rehearse(&plan);
    if (status == LS_OK) *out = totals(&plan);
    planner_free(&plan);
    return status;
}

static ls_status allocate(ls_graph *graph, const ls_graph_memory *memory) {
    ls_block_destroy(graph->values);
    ls_block_destroy(graph->gradients);
    ls_block_destroy(graph->caches);
    ls_block_destroy(graph->scratch);
    graph->values = graph->gradients = graph->caches = graph->scratch = NULL;
    LS_TRY(ls_block_create(memory->values, 1, "activations", &graph->values));
    LS_TRY(ls_block_create(memory->gradients, 1, "gradients of activations", &graph->gradients));
    LS_TRY(ls_block_create(memory->caches, 1, "what operators keep for backward", &graph->caches));
    return ls_block_create(memory->scratch, 1, "scratch memory of operators", &graph->scratch);
}

static void *slot_at(void *base, const slots *pool, size_t which) {
    return which == LS_NO_SLOT ? NULL : (char *)base + pool->items[which].offset;
}

static void place_nodes(planner *plan) {
    ls_graph *graph = plan->graph;
    for (size_t i = 0; i < graph->count; i++) {
        ls__node *node = &graph->nodes[i];
        node->value = slot_at(graph->values, &plan->values, node->value_slot);
        node->gradient = slot_at(graph->gradients, &plan->gradients, node->gradient_slot);
        node->cache = (char *)graph->caches + node->cache_offset;
    }
    for (size_t i = 0; i < graph->count; i++) {
        ls__node *node = &graph->nodes[i];
        for (size_t j = 0; j < node->view.inputs; j++) {
            const ls__node *input = &graph->nodes[node->view.input[j]];
            node->in[j].value = input->value;
            node->partial[j] = NULL;
            if (!graph->plan.training || !node->active || !input->active) continue;
            node->partial[j] = slot_at(graph->gradients, &plan->gradients, node->partial_slot[j]);
            node->in[j].gradient = node->partial[j] ? node->partial[j] : input->gradient;
        }
    }
}

ls_status ls_graph_plan(ls_graph *graph, const ls_plan *request) {
    graph->plan = *request;
    graph->planned = false;
    planner plan = {.graph = graph};
    ls_status status = rehearse(&plan);
    if (status == LS_OK) {
        ls_graph_memory memory = totals(&plan);
        status = allocate(graph, &memory);
    }
    if (status == LS_OK) {
        place_nodes(&plan);
        graph->planned = true;
    }
    planner_free(&plan);
    return status;
}
