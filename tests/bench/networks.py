"""The networks that the benchmarks train, and one timed run of the program."""
import json
import os
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

CNN = ["conv2d: {filters: 32, kernel: 3, padding: 1}", "relu", "max_pool: {size: 2}",
       "conv2d: {filters: 64, kernel: 3, padding: 1}", "relu", "max_pool: {size: 2}", "flatten",
       "dense: {units: 128}", "relu", "dense: {units: 10}"]


def mlp(*sizes):
    layers = []
    for units in sizes[1:-1]:
        layers += [f"dense: {{units: {units}}}", "relu"]
    return layers + [f"dense: {{units: {sizes[-1]}}}"]


NETWORKS = {
    "784-512-512-10": ((784,), mlp(784, 512, 512, 10)),
    "784-128-64-10": ((784,), mlp(784, 128, 64, 10)),
    "784-1024-1024-10": ((784,), mlp(784, 1024, 1024, 10)),
    "3072-4096-4096-10": ((3072,), mlp(3072, 4096, 4096, 10)),
    "cnn": ((1, 28, 28), CNN),
}


def environment():
    return dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                OMPI_MCA_btl_vader_single_copy_mechanism="none", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")


def write_experiment(folder, name, batch, settings):
    """Random data of 16 batches, and a configuration; settings are lines of YAML that are added."""
    shape, layers = NETWORKS[name]
    rng = np.random.default_rng(1)
    with h5py.File(os.path.join(folder, "data.h5"), "w") as f:
        f["train/x"] = rng.standard_normal((batch * 16,) + shape, dtype=np.float32)
        f["train/y"] = rng.integers(0, 10, batch * 16).astype(np.uint8)
    lines = ["data: {train: 'data.h5:/train'}", "model:"] + [f"  - {layer}" for layer in layers]
    lines += ["loss: cross_entropy", f"batch: {batch}", f"run: {{dir: {folder}/run, tensorboard: false, threads: 1}}"]
    path = os.path.join(folder, "run.yaml")
    with open(path, "w") as f:
        f.write("\n".join(lines + settings) + "\n")
    return path


def train(build, name, steps, ranks=1, samples=64, microbatch=32, math="exact", every="1000000ep", bind="core",
          optimizer="sgd: {learning_rate: 0.01, momentum: 0.9}"):
    """Trains and returns the end report, with the seconds of the whole run as `wall`."""
    settings = [f"microbatch: {microbatch}", f"math: {math}", f"optimizer: {{{optimizer}}}", f"stop: {{steps: {steps}}}",
                f"checkpoint: {{every: {every}}}"]
    with tempfile.TemporaryDirectory() as folder:
        config = write_experiment(folder, name, samples * ranks, settings)
        command = ["mpirun", "--quiet", "-n", str(ranks), "--bind-to", bind, os.path.join(build, "lockstep"), "train",
                   config, "-q"]
        start = time.perf_counter()
        done = subprocess.run(command, env=environment(), capture_output=True, text=True)
        wall = time.perf_counter() - start
        if done.returncode:
            sys.exit(f"lockstep failed: {done.stderr}")
        with open(os.path.join(folder, "run/report.json")) as f:
            return dict(json.load(f), wall=wall)


def rate(*arguments, **settings):
    """Samples per second in training steps."""
    return train(*arguments, **settings)["samples_per_second"]
