#!/usr/bin/env python3
"""Whitened training data have covariance I in the directions that are kept, and are 0 in the others.

The data hold what makes matrices singular: constants, duplicates, sums of features, features of very unlike scale, and
fewer samples than features. A layer of identity weights lets `predict` write the whitened data themselves, as the
network gets them; the statistics in the checkpoint must whiten to the same numbers.
"""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import arrays, checkpoint, claim, main, say, write_group  # noqa: E402

CONFIG = """
data: {{train: "data.h5:/{name}", preprocess: whiten, shuffle: none}}
model: [{{dense: {{units: {size}, bias: false}}}}]
init: {{from: "data.h5:/init_{name}"}}
loss: mse
batch: 50
optimizer: {{sgd: {{learning_rate: 0}}}}
stop: {{steps: 1}}
run: {{dir: none, tensorboard: false}}
"""


def sets():
    random = np.random.default_rng(5)
    mixed = random.normal(size=(400, 10)) @ random.normal(size=(10, 10)) + 100
    yield "full_rank", mixed, 10
    constant, double = np.full((400, 2), [7.0, 0.1]), mixed[:, [0, 3]]
    yield "singular", np.concatenate([mixed, constant, double, mixed[:, [4]] - mixed[:, [5]]], 1), 10
    yield "few_samples", random.normal(size=(12, 30)), 11
    spread = random.normal(size=(400, 6)) * [1, 1e4, 1e-2, 3, 0.5, 20]
    yield "unlike_scales", spread, 5  # a singular value of 1e-6 of the largest is dropped
    turned = random.normal(size=(400, 8)) * [3e3, 1, 1, 1, 1, 1, 1, 1]
    turned = turned @ np.linalg.qr(random.normal(size=(8, 8)))[0]  # the large direction is no feature's own
    yield "turned", turned, 8
    yield "images", np.where(random.random((1500, 784)) < 0.3, random.random((1500, 784)), 0) * (np.arange(784) % 9 > 0), 696


def whitened_by(statistics, x):
    size = x.shape[1]
    deviation = statistics["statistics/x/deviation"].ravel()
    vectors = statistics["statistics/x/vectors"].reshape(size, size)
    z = (x - statistics["statistics/x/mean"].ravel()) @ vectors.T
    return np.divide(z, deviation, out=np.zeros_like(z), where=deviation > 0), deviation > 0, vectors


def check(program, name, x, rank):
    size = x.shape[1]
    x = x.astype(np.float32)
    write_group(program.inside("data.h5"), name, x=x, y=np.zeros((len(x), size), np.float32))
    write_group(program.inside("data.h5"), f"init_{name}/dense_1", weight=np.eye(size, dtype=np.float32))
    program.write("config.yaml", CONFIG.format(name=name, size=size))
    program.train("config.yaml", name)
    program.run("predict", checkpoint(name), f"data.h5:/{name}", "-o", f"{name}.h5")
    z = arrays(program.inside(f"{name}.h5"))["prediction"].astype(np.float64)
    expected, kept, vectors = whitened_by(arrays(program.inside(checkpoint(name))), x.astype(np.float64))
    claim(kept.sum() == rank, f"{name}: {kept.sum()} directions are kept, not {rank}")
    claim(np.all(z[:, ~kept] == 0), f"{name}: a direction that was dropped is not 0")
    off = np.abs(np.cov(z[:, kept].T) - np.eye(rank)).max()
    claim(off <= 1e-3, f"{name}: the covariance of what the network gets is off by {off:.1e}")
    off_stored = np.abs(np.cov(expected[:, kept].T) - np.eye(rank)).max()
    claim(off_stored <= 1e-6, f"{name}: by the stored statistics the covariance is off by {off_stored:.1e}")
    largest = vectors[np.arange(size), np.abs(vectors).argmax(1)]
    claim(np.all(largest[kept] > 0), f"{name}: the sign of a direction is not fixed")
    say(f"{name}: {rank} of {size} directions kept, covariance within {off:.1e}, by the statistics {off_stored:.1e}")


def test(program):
    for name, x, rank in sets():
        check(program, name, x, rank)


main(test)
