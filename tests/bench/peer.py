#!/usr/bin/env python3
"""Samples per second of lockstep against PyTorch DistributedDataParallel (gloo), alternating in one run, pinned alike.

usage: peer.py BUILD_DIR [--networks 784-512-512-10,cnn] [--ranks 2] [--samples 64] [--alternations 5] [--seconds 4]
               [--math exact] [--python /usr/bin/python3]

Both train the same network with the same batches per rank and momentum SGD on random data that lie in memory; both
leave out their first steps. The result is the ratio of the two in each pair, and its median: single numbers depend on
the machine's mood.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

from networks import NETWORKS, environment, rate

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
    print(json.dumps({"rate": ranks * samples * int(count) / taken, "torch": torch.__version__}), flush=True)
dist.barrier()
os._exit(0)  # threads of some versions end badly
'''


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
    setting = {"ranks": arguments.ranks, "samples": arguments.samples, "math": arguments.math}
    steps = max(50, int(rate(arguments.build, name, 40, **setting) * arguments.seconds /
                        (arguments.samples * arguments.ranks)))
    ratios, ours, theirs = [], [], []
    for _ in range(arguments.alternations):
        mine = rate(arguments.build, name, steps, **setting)
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
