#!/usr/bin/env python3
"""The same bits on any number of ranks, nodes and threads: parameters, state, every loss, metric and rate.

The digits train for three epochs whose last batch is short, on 1, 2, 3, 5 and 8 ranks, on nodes of one or two ranks,
with one or two threads. Then one small experiment for each kind of thing whose sums could depend on how samples are
shared out.
"""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import checkpoint, claim, classes, main, say, write_group  # noqa: E402

DIGITS = """
data: {train: "configs/digits.h5:/train", valid: "configs/digits.h5:/test", preprocess: standardize}
model:
  - dense: {units: 32}
  - relu
  - dense: {units: 10}
loss: cross_entropy
metrics: [accuracy, f1, {top_k: {k: 3}}]
batch: 64
microbatch: 8
optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4}}
schedule: {exponential: {k: 0.1}}
stop: {epochs: 3}
run: {dir: none, tensorboard: false}
"""

# ranks, ranks per node, threads
ARRANGEMENTS = [(2, "auto", 1), (3, "auto", 1), (5, "auto", 1), (8, "auto", 1), (2, 1, 1), (3, 1, 2), (3, 2, 1),
                (5, 2, 2), (8, 2, 1)]

# name, what stands in the configuration beside `run` and `stop: {epochs: 1}`
EXPERIMENTS = [
    ("convolutions, batch norm, dropout, augmentation, adam", """
data: {train: "data.h5:/images", valid: 0.2, augment: [{shift: {pixels: 1}}, flip, {noise: {std: 0.05}}]}
model:
  - conv2d: {filters: 4, kernel: 3, padding: 1}
  - batch_norm
  - relu
  - max_pool: {size: 2}
  - conv2d: {filters: 6, kernel: 3, groups: 2, stride: 2}
  - tanh
  - flatten
  - dropout: {rate: 0.25}
  - dense: {units: 4}
loss: {cross_entropy: {label_smoothing: 0.1, class_weights: balanced}}
metrics: [accuracy, precision, recall]
batch: 40
microbatch: 5
optimizer: {adam: {learning_rate: 0.01}}
"""),
    ("layer norm, whitening, lamb, clipping, several schedules", """
data: {train: "data.h5:/vectors", valid: "data.h5:/vectors", preprocess: whiten, shuffle: full}
model: [{dense: {units: 24}}, layer_norm, gelu, {dense: {units: 4, decay_factor: 0}}]
loss: hinge
metrics: [error]
batch: 36
microbatch: 5
clip_norm: 0.5
optimizer: {lamb: {learning_rate: 0.02, weight_decay: 0.01}}
schedule: [{warmup: {steps: 3}}, {cosine: {epochs: 5st}}]
"""),
    ("embedding, shared layers, adagrad, a frozen layer", """
data: {train: "data.h5:/tokens"}
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
"""),
    ("regression on floats, two losses, rmsprop, targets and sample weights", """
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
"""),
    ("blocks of images that do not fit the cache, read ahead, lars", """
data: {train: "data.h5:/images", shuffle: block, block: 512B, window: 6kB, cache: 14kB}
model: [flatten, {dense: {units: 16}}, hard_tanh, {dense: {units: 4}}]
loss: cross_entropy
batch: 40
microbatch: 8
optimizer: {lars: {learning_rate: 1, trust: 0.02, momentum: 0.9}}
"""),
    ("the same read one by one, as the cache holds one window", """
data: {train: "data.h5:/images", shuffle: block, block: 512B, window: 6kB, cache: 7kB}
model: [flatten, {dense: {units: 16}}, hard_tanh, {dense: {units: 4}}]
loss: cross_entropy
batch: 40
microbatch: 8
optimizer: {lars: {learning_rate: 1, trust: 0.02, momentum: 0.9}}
"""),
    ("draws with replacement, adamw, the kernels of OpenBLAS", """
data: {train: "data.h5:/vectors", shuffle: sample}
math: blas
model: [{dense: {units: 33}}, tanh, {dense: {units: 4}}]
loss: cross_entropy
batch: 56
microbatch: 7
optimizer: {adamw: {learning_rate: 0.01}}
"""),
    ("the whole set as one batch, more micro-batches than samples share evenly", """
data: {train: "data.h5:/vectors", shuffle: none, limit: 97}
model: [{dense: {units: 8}}, softmax, {dense: {units: 4}}]
loss: cross_entropy
batch: full
microbatch: 9
stop: {steps: 4}
optimizer: {sgd: {learning_rate: 0.1, momentum: 0.5, nesterov: true}}
"""),
]


def make_data(program):
    random = np.random.default_rng(7)
    path = program.inside("data.h5")
    x, y = classes(123, (2, 8, 8), 4)
    write_group(path, "images", x=(40 * x + 128).clip(0, 255).astype(np.uint8), y=y)
    x, y = classes(190, (12,), 4)
    write_group(path, "vectors", x=x, y=y)
    x = random.integers(0, 20, (120, 3)).astype(np.int32)
    write_group(path, "tokens", x=x, y=(x.sum(axis=1) % 4).astype(np.int32))
    x = random.normal(size=(150, 7)).astype(np.float32)
    y = (x @ random.normal(size=(7, 2)) * 50 + 1000).astype(np.float32)
    write_group(path, "numbers", x=x, y=y, w=random.uniform(0.5, 2, 150).astype(np.float32))


def control(program, config):
    """What these tests compare does differ where the runs do: another seed has other bits everywhere."""
    program.train(config, "other", "seed=2", "run.threads=1")
    program.run("diff", checkpoint("alone"), checkpoint("other"), code=1)
    claim(program.state("alone") != program.state("other"), "another seed has the same state")
    pairs = zip(program.events("alone"), program.events("other"))
    claim(all(a["loss"] != b["loss"] for a, b in pairs), "another seed has the same losses")
    say("digits: another seed has other bits")


def digits(program):
    os.symlink(os.path.join(program.source, "configs"), program.inside("configs"))
    config = program.write("digits.yaml", DIGITS)
    program.train(config, "alone", "run.threads=1")
    control(program, config)
    for ranks, per_node, threads in [(3, 2, 1), (5, 1, 2)] if program.sanitized else ARRANGEMENTS:
        name = f"r{ranks}n{per_node}t{threads}"
        program.train(config, name, f"topology.ranks_per_node={per_node}", f"run.threads={threads}", ranks=ranks)
        program.same_run("alone", name)
        say(f"digits: {ranks} ranks, {per_node} a node, {threads} threads each: the same bits as alone")


def experiments(program):
    for index, (name, text) in enumerate(EXPERIMENTS):
        stop = "" if "stop:" in text else "stop: {epochs: 1}\n"
        config = program.write(f"experiment{index}.yaml", f"{text}{stop}run: {{dir: none, tensorboard: false}}\n")
        result = program.train(config, f"e{index}r1")
        one_by_one = "one by one" in result.out + result.err
        claim(one_by_one == ("one by one" in name), f"{name}: the data are not read as they should be", result)
        losses = [e["loss"] for e in program.events(f"e{index}r1")]
        claim(len(set(losses)) > 2 and None not in losses, f"{name}: the losses are {losses}")
        many = (3,) if program.sanitized else (2, 3, 5)
        for ranks in many:
            program.train(config, f"e{index}r{ranks}", "run.threads=1", ranks=ranks)
            program.same_run(f"e{index}r1", f"e{index}r{ranks}")
        say(f"{name}: the same bits on 1 and {', '.join(map(str, many))} ranks")


def read_ahead(program):
    """How data are read decides nothing."""
    one_by_one = [i for i, (name, _) in enumerate(EXPERIMENTS) if "one by one" in name][0]
    program.same_run(f"e{one_by_one - 1}r1", f"e{one_by_one}r1")
    say("read ahead or one by one: the same bits")


main(make_data, digits, experiments, read_ahead)
