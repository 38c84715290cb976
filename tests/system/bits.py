#!/usr/bin/env python3
"""The same bits on any number of ranks, nodes and threads, on any processor, in waves or at once, streamed or not.

Two networks with whatever could tell: dropout, batch norm, augmentation, short last batches. Each trains alone, then in
a set of arrangements in which every way to run meets most others; compared are the parameters, the checksum of the whole
state, and every loss, metric and rate. Then a few experiments whose batches or data are shared out unevenly.
"""
import copy
import json
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import checkpoint, claim, classes, main, nodes, say, write_group  # noqa: E402

# 218 samples in batches of 40 and 8 micro-batches of 5: the last batch has 18 samples in 4.
MLP = """
data: {train: "data.h5:/vectors", valid: "data.h5:/more_vectors", preprocess: standardize, augment: {noise: 0.05},
       shuffle: block, block: 800B, window: 7200B}
model:
  - dense: {units: 70}
  - batch_norm
  - relu
  - dropout: 0.3
  - dense: {units: 20}
  - batch_norm
  - tanh
  - dense: {units: 4}
loss: cross_entropy
metrics: [accuracy, f1, {top_k: {k: 2}}]
batch: 40
microbatch: 5
clip_norm: 1
optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4}}
schedule: {exponential: {k: 0.1}}
stop: {epochs: 2}
run: {dir: none, tensorboard: false}
"""
CNN = """
data: {train: "data.h5:/images", valid: "data.h5:/more_images", augment: [{shift: 1}, flip, {noise: 0.5}],
       preprocess: {standardize: {per: channel}}, shuffle: block, block: 640B, window: 5760B}
model:
  - conv2d: {filters: 4, kernel: 3, padding: 1}
  - batch_norm
  - relu
  - max_pool: 2
  - conv2d: {filters: 6, kernel: 3, groups: 2, stride: 2}
  - batch_norm
  - gelu
  - flatten
  - dropout: 0.25
  - dense: {units: 4}
loss: {cross_entropy: {label_smoothing: 0.1, class_weights: balanced}}
metrics: [accuracy, precision, recall]
batch: 40
microbatch: 5
optimizer: {adam: {learning_rate: 0.01}}
stop: {epochs: 2}
run: {dir: none, tensorboard: false}
"""
# Memory for data, as a share of the set: room for all of it, for two windows (read ahead), or for one (one by one).
CACHE = {"whole": None, "ahead": 0.6, "one by one": 0.3}
BEST, AVX2, SCALAR, MIXED = "best kernels", "avx2", "scalar", "mixed kernels"

# ranks, ranks per node, threads, kernels, waves, data
ARRANGEMENTS = [
    (1, "auto", 2, AVX2, True, "ahead"),
    (1, "auto", 1, SCALAR, True, "one by one"),
    (2, "auto", 2, SCALAR, False, "whole"),
    (2, 1, 1, BEST, True, "ahead"),
    (3, "auto", 1, MIXED, True, "ahead"),
    (4, 2, 1, AVX2, False, "one by one"),
    (5, 2, 2, BEST, True, "whole"),
    (6, 3, 1, SCALAR, False, "ahead"),
    (7, 1, 1, MIXED, False, "one by one"),
    (8, "auto", 1, BEST, False, "ahead"),
]
# Nodes without common memory: equal and powers of two, where reduction is by halves, and others.
HOSTS = ["n1:1,n2:1", "n1:2,n2:2,n3:2,n4:2", "n1:2,n2:1,n3:2"]

# name, what stands in the configuration beside `run` and `stop: {epochs: 2}`, on how many ranks beside one
AT_ONCE, WAVES = "", "run.memory=1kB"
EXPERIMENTS = [
    ("batches that reach over many windows of streamed data", """
data: {train: "data.h5:/vectors", shuffle: block, block: 160B, window: 1920B, cache: 8kB}
model: [{dense: {units: 4}}]
loss: cross_entropy
batch: 40
microbatch: 5
optimizer: {sgd: {learning_rate: 0.1}}
""", ((2, WAVES), (3, AT_ONCE))),
    ("micro-batches of 3, 3 and 1", """
data: {train: "data.h5:/vectors", limit: 60}
model: [{dense: {units: 9}}, layer_norm, sigmoid, {dropout: 0.5}, {dense: {units: 4}}]
loss: cross_entropy
batch: 7
microbatch: 3
optimizer: {lamb: {learning_rate: 0.02}}
""", ((2, AT_ONCE), (3, WAVES))),
    ("the whole set as one batch, more micro-batches than samples share evenly", """
data: {train: "data.h5:/vectors", shuffle: none, limit: 97}
model: [{dense: {units: 8}}, softmax, {dense: {units: 4}}]
loss: cross_entropy
batch: full
microbatch: 9
stop: {steps: 4}
optimizer: {sgd: {learning_rate: 0.1, momentum: 0.5, nesterov: true}}
""", ((3, WAVES), (5, AT_ONCE))),
    ("embedding, shared layers, a frozen layer, a set in two parts", """
data: {train: "data.h5:/tokens", valid: 0.2}
model:
  - embedding: {entries: 20, size: 6}
  - flatten
  - dense: {units: 18, name: twice}
  - sigmoid
  - dense: {units: 18, share: twice}
  - softsign
  - dense: {units: 9, freeze: true}
  - dense: {units: 4}
loss: cross_entropy
batch: 33
microbatch: 4
optimizer: {adagrad: {learning_rate: 0.05}}
""", ((5, WAVES),)),
    ("regression on floats, two losses, targets and sample weights", """
data: {train: "data.h5:/numbers", valid: 0.25, weight: w, preprocess: center, preprocess_y: standardize}
model:
  - dense: {units: 12, name: hidden}
  - leaky_relu: {slope: 0.1}
  - dense: {units: 2, name: out}
loss: [{mse: {of: out, target: y, weight: 0.5}}, {huber: {of: out, target: y}}]
metrics: [rmse, mae, r2]
batch: 24
microbatch: 3
optimizer: {rmsprop: {learning_rate: 0.01, momentum: 0.5}}
""", ((3, AT_ONCE),)),
    ("draws with replacement, the kernels of OpenBLAS", """
data: {train: "data.h5:/vectors", shuffle: sample}
math: blas
model: [{dense: {units: 33}}, batch_norm, tanh, {dense: {units: 4}}]
loss: cross_entropy
batch: 56
microbatch: 7
optimizer: {adamw: {learning_rate: 0.01}}
""", ((3, WAVES), (8, AT_ONCE))),
    ("convolutions by OpenBLAS", """
data: {train: "data.h5:/images"}
math: blas
model: [{conv2d: {filters: 6, kernel: 3, dilation: 2}}, relu, flatten, {dense: {units: 4}}]
loss: hinge
batch: 40
microbatch: 5
optimizer: {lars: {learning_rate: 1, trust: 0.02}}
""", ((5, AT_ONCE),)),
]


def make_data(program):
    random = np.random.default_rng(7)
    path = program.inside("data.h5")
    x, y = classes(258, (2, 8, 8), 4)
    x = (40 * x + 128).clip(0, 255).astype(np.uint8)
    write_group(path, "images", x=x[:218], y=y[:218])
    write_group(path, "more_images", x=x[218:], y=y[218:])
    x, y = classes(258, (40,), 4)
    write_group(path, "vectors", x=x[:218], y=y[:218])
    write_group(path, "more_vectors", x=x[218:], y=y[218:])
    x = random.integers(0, 20, (120, 3)).astype(np.int32)
    write_group(path, "tokens", x=x, y=(x.sum(axis=1) % 4).astype(np.int32))
    x = random.normal(size=(150, 7)).astype(np.float32)
    y = (x @ random.normal(size=(7, 2)) * 50 + 1000).astype(np.float32)
    write_group(path, "numbers", x=x, y=y, w=random.uniform(0.5, 2, 150).astype(np.float32))


def build_of(program, kernels):
    """The program whose `math: exact` is of a lesser processor; None where there is none, or this one is less."""
    with open("/proc/cpuinfo") as file:
        flags = file.read().split()
    path = os.path.join(os.path.dirname(program.path), "tests", f"lockstep_{kernels}")
    found = os.access(path, os.X_OK) and (kernels == SCALAR or {"avx2", "fma"} <= set(flags))
    return path if found else None


def ranks_of_kernels(program, ranks, kernels):
    """(program, ranks) for Program.train: one build for all ranks, or a different one for each third of them."""
    if kernels == BEST:
        return program, ranks if ranks > 1 else None
    if kernels == MIXED:
        third = ranks // 3
        paths = [build_of(program, AVX2), program.path, build_of(program, SCALAR)]
        return program, [(n, path or program.path) for n, path in zip((third, ranks - 2 * third, third), paths)]
    other = copy.copy(program)
    other.path = build_of(program, kernels) or program.path
    return other, ranks if ranks > 1 else None


def control(program, config):
    """What these tests compare does differ where the runs do: another seed has other bits everywhere."""
    program.train(config, "other", "seed=2", "run.threads=1")
    program.run("diff", checkpoint("alone"), checkpoint("other"), code=1)
    claim(program.state("alone") != program.state("other"), "another seed has the same state")
    pairs = zip(program.events("alone"), program.events("other"))
    claim(all(a["loss"] != b["loss"] for a, b in pairs), "another seed has the same losses")
    say("another seed has other bits")


def arrangement(program, config, size, ranks, per_node, threads, kernels, waves, data):
    settings = [f"topology.ranks_per_node={per_node}", f"run.threads={threads}"]
    if waves:
        settings.append("run.memory=1kB")
    if CACHE[data]:
        settings.append(f"data.cache={int(size * CACHE[data])}B")
    who, how_many = ranks_of_kernels(program, ranks, kernels)
    program.remove("run")
    result = who.train(config, "run", *settings, ranks=how_many)
    name = f"{ranks} rank{'s'[:ranks > 1]}, {per_node} a node, {threads} threads, {kernels}, {'waves' if waves else 'at once'}, {data}"
    claim(("at once" in result.out) == waves, f"{name}: waves where there should be none, or none", result)
    claim(("one by one" in result.out + result.err) == (data == "one by one"), f"{name}: the data are read otherwise",
          result)
    if kernels in (AVX2, SCALAR) and who.path != program.path:
        claim(f"; exact-{kernels};" in result.out, f"{name}: other kernels ran", result)
    program.same_run("alone", "run")
    say(f"{name}: the same bits as alone")


def arranged(program, text, size):
    config = program.write("network.yaml", text)
    program.remove("alone", "other")
    program.train(config, "alone", "run.threads=1")
    losses = [e["loss"] for e in program.events("alone") if e["event"] == "step"]
    claim(len(losses) == 12 and None not in losses, f"the losses are {losses}")
    control(program, config)
    for chosen in ARRANGEMENTS[4:6] if program.sanitized else ARRANGEMENTS:
        arrangement(program, config, size, *chosen)
    evaluated(program, "alone")


def evaluated(program, directory):
    """`eval` of the last checkpoint, on some ranks, finds what training found at its end."""
    wanted = [e for e in program.events(directory) if e["event"] == "eval" and e["set"] == "valid"][-1]
    found = json.loads(program.run("eval", "--json", checkpoint(directory), ranks=3).out)
    for name, value in found.items():
        claim(name == "samples" or value == wanted[name], f"eval says {found}, training {wanted}")
    say(f"{directory}: eval on 3 ranks says what training said")


def mlp(program):
    arranged(program, MLP, 218 * 40 * 4)


def cnn(program):
    arranged(program, CNN, 218 * 128)


def on_nodes(program):
    """Of cnn(), which has left `alone`: ranks that share no memory, which talk TCP."""
    if program.sanitized:
        return
    with nodes(program, 4) as spread:
        if not spread:
            say("not tried: nodes, since this machine has no network namespaces")
            return
        for hosts in HOSTS:
            spread.hosts = hosts
            ranks = sum(int(host.partition(":")[2]) for host in hosts.split(","))
            program.remove("run")
            result = spread.train("network.yaml", "run", "run.threads=1", ranks=ranks)
            count = len(hosts.split(","))
            claim(f"on {count} nodes" in result.out, f"not on {count} nodes", result)
            program.same_run("alone", "run")
            say(f"{ranks} ranks on {count} nodes: the same bits as alone")


def experiments(program):
    for index, (name, text, many) in enumerate(EXPERIMENTS):
        stop = "" if "stop:" in text else "stop: {epochs: 2}\n"
        config = program.write(f"experiment{index}.yaml", f"{text}{stop}run: {{dir: none, tensorboard: false}}\n")
        program.train(config, f"e{index}r1")
        losses = [e["loss"] for e in program.events(f"e{index}r1")]
        claim(len(set(losses)) > 2 and None not in losses, f"{name}: the losses are {losses}")
        for ranks, memory in many[:1] if program.sanitized else many:
            settings = [memory] if memory else []
            program.train(config, f"e{index}r{ranks}", "run.threads=1", *settings, ranks=ranks)
            program.same_run(f"e{index}r1", f"e{index}r{ranks}")
            say(f"{name}: the same bits on 1 and {ranks} ranks{', in waves' if memory else ''}")
        if "valid:" in text:
            evaluated(program, f"e{index}r1")


main(make_data, mlp, cnn, on_nodes, experiments)
