#!/usr/bin/env python3
"""Samples per second of lockstep against PyTorch DistributedDataParallel (gloo), alternating in one run, pinned alike.

usage: peer.py BUILD_DIR [--networks mlp512,cnn] [--ranks 2] [--samples 64] [--alternations 5] [--seconds 4] [--math exact]

Both train the same network with the same batches per rank and momentum SGD on random data that lie in memory; both
leave out their first steps. The result is the ratio of the two in each pair, and its median: single numbers depend on
the machine's mood.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

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

TORCH = r'''
import json, os, re, sys, time
rank, ranks, samples, seconds = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
os.sched_setaffinity(0, {rank % os.cpu_count()})
os.environ["OMP_NUM_THREADS"] = "1"
import torch
import torch.distributed as dist
import torch.nn as nn
from torch.nn.parallel import DistributedDataParallel
torch.set_num_threads(1)
torch.manual_seed(1)
shape, layers = json.loads(sys.argv[5])
dist.init_process_group("gloo", init_method="file://" + sys.argv[6], rank=rank, world_size=ranks)
net, size = [], list(shape)
for text in layers:
    kind = re.match(r"\w+", text).group()
    option = {k: int(v) for k, v in re.findall(r"(\w+): (\d+)", text)}
    if kind == "dense":
        net.append(nn.Linear(size[0], option["units"])); size = [option["units"]]
    elif kind == "relu":
        net.append(nn.ReLU())
    elif kind == "conv2d":
        net.append(nn.Conv2d(size[0], option["filters"], option["kernel"], padding=option["padding"]))
        size[0] = option["filters"]
    elif kind == "max_pool":
        net.append(nn.MaxPool2d(option["size"])); size = [size[0], size[1] // 2, size[2] // 2]
    elif kind == "flatten":
        net.append(nn.Flatten()); size = [size[0] * size[1] * size[2]]
model = nn.Sequential(*net)
if ranks > 1:
    model = DistributedDataParallel(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
loss_of = nn.CrossEntropyLoss()
x = torch.randn([samples * 16] + shape)
y = torch.randint(0, 10, (samples * 16,))
def step(i):
    lo = (i % 16) * samples
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(model(x[lo:lo + samples]), y[lo:lo + samples])
    loss.backward()
    optimizer.step()
for i in range(10):
    step(i)
start = time.perf_counter(); step(0); step(1); each = (time.perf_counter() - start) / 2
count = torch.tensor([max(20, int(seconds / each))])
dist.broadcast(count, 0)
dist.barrier()
start = time.perf_counter()
for i in range(int(count)):
    step(i)
taken = time.perf_counter() - start
if rank == 0:
    print(json.dumps({"rate": ranks * samples * int(count) / taken, "torch": torch.__version__}))
'''


def environment():
    return dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                OMPI_MCA_btl_vader_single_copy_mechanism="none", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")


def write_experiment(folder, shape, layers, arguments, steps):
    batch = arguments.samples * arguments.ranks
    rng = np.random.default_rng(1)
    with h5py.File(os.path.join(folder, "data.h5"), "w") as f:
        f["train/x"] = rng.standard_normal((batch * 16,) + shape, dtype=np.float32)
        f["train/y"] = rng.integers(0, 10, batch * 16).astype(np.uint8)
    lines = ["data: {train: 'data.h5:/train'}", "model:"] + [f"  - {layer}" for layer in layers]
    lines += ["loss: cross_entropy", f"batch: {batch}", "microbatch: 32", f"math: {arguments.math}",
              "optimizer: {sgd: {learning_rate: 0.01, momentum: 0.9}}", f"stop: {{steps: {steps}}}",
              "checkpoint: {every: 1000000ep}",
              f"run: {{dir: {folder}/run, tensorboard: false, threads: 1}}"]
    path = os.path.join(folder, "run.yaml")
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
    return path


def run_lockstep(arguments, shape, layers, steps):
    with tempfile.TemporaryDirectory() as folder:
        config = write_experiment(folder, shape, layers, arguments, steps)
        command = ["mpirun", "--quiet", "-n", str(arguments.ranks), "--bind-to", "core",
                   os.path.join(arguments.build, "lockstep"), "train", config, "-q"]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"lockstep failed: {done.stderr}")
        with open(os.path.join(folder, "run/report.json")) as f:
            return json.load(f)["samples_per_second"]


def run_torch(arguments, python, shape, layers):
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "peer.py")
        with open(script, "w") as f:
            f.write(TORCH)
        words = [str(arguments.ranks), str(arguments.samples), str(arguments.seconds), json.dumps([list(shape), layers]),
                 os.path.join(folder, "meet")]
        ranks = [subprocess.Popen([python, script, str(r)] + words, env=environment(), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True) for r in range(arguments.ranks)]
        outputs = [rank.communicate() for rank in ranks]
        if any(rank.returncode for rank in ranks):
            sys.exit("PyTorch failed: " + outputs[0][1])
        return json.loads(outputs[0][0].splitlines()[-1])


def compare(arguments, python, name):
    shape, layers = NETWORKS[name]
    # One short run tells how many steps fill the time.
    rate = run_lockstep(arguments, shape, layers, 40)
    steps = max(50, int(rate * arguments.seconds / (arguments.samples * arguments.ranks)))
    ratios, ours, theirs = [], [], []
    for _ in range(arguments.alternations):
        mine = run_lockstep(arguments, shape, layers, steps)
        other = run_torch(arguments, python, shape, layers)
        ours.append(mine)
        theirs.append(other["rate"])
        ratios.append(mine / other["rate"])
    print(f"{name:20s} {arguments.ranks} ranks  lockstep {statistics.median(ours):10.0f}/s  torch {other['torch']} "
          f"{statistics.median(theirs):10.0f}/s  ratio {statistics.median(ratios):5.2f} "
          f"({min(ratios):.2f} .. {max(ratios):.2f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("build")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--samples", type=int, default=64, help="per rank and step")
    parser.add_argument("--alternations", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--math", default="exact")
    parser.add_argument("--python", default="/usr/bin/python3", help="whose torch to compare with")
    arguments = parser.parse_args()
    for name in arguments.networks.split(","):
        compare(arguments, arguments.python, name)


main()
