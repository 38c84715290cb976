/*
 * networks.h: the networks whose scaling is simulated. bench.profile measures them, bench.simulate replays them; both
 * build the same model, so that marks and parameters agree.
 */
#ifndef LOCKSTEP_BENCH_NETWORKS_H
#define LOCKSTEP_BENCH_NETWORKS_H

#include <string.h>

#include "models.h"

enum { SAMPLES = 64, MICROBATCH = 32, CLASSES = 10 };

typedef struct bench_network {
    const char *name;
    ls_shape input;
    const char *yaml;
} bench_network;

static const bench_network networks[] = {
    {"cnn",
     {3, {1, 28, 28}},
     "model: [{conv2d: {filters: 32, kernel: 3, padding: 1}}, relu, {max_pool: {size: 2}},\n"
     "        {conv2d: {filters: 64, kernel: 3, padding: 1}}, relu, {max_pool: {size: 2}},\n"
     "        flatten, {dense: 128}, relu, {dense: 10}]\n"
     "loss: cross_entropy\n"},
    {"dense",
     {1, {784}},
     "model: [{dense: 1024}, relu, {dense: 1024}, relu, {dense: 10}]\n"
     "loss: cross_entropy\n"},
};

static inline const bench_network *find_network(const char *name) {
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
        if (strcmp(networks[i].name, name) == 0) return &networks[i];
    return NULL;
}

#endif
