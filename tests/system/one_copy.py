#!/usr/bin/env python3
"""One copy of the weights and of the optimizer's state on a node: four ranks hold what one does.

Counted is the memory that the ranks of a node share, page by page, against what `check` plans for one rank.
"""
import os
import re
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import claim, main, ranks_of, say, skip, wait_for, write_group  # noqa: E402

RANKS = 4
CONFIG = """
data: {train: "data.h5:/train"}
model: [{dense: 512}, relu, {dense: 512}, relu, {dense: 10}]
loss: cross_entropy
batch: 64
microbatch: 8
optimizer: {adam: {learning_rate: 1e-6}}
stop: {epochs: 1000000}
checkpoint: {every: 1000000ep}
run: {dir: none, tensorboard: false, threads: 1}
"""
UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def planned(program, ranks):
    """{weights, gradients, optimizer}: bytes on a node of so many ranks, as `check` says them."""
    said = program.run("check", "config.yaml", f"--ranks={ranks}").out
    found = re.findall(r"(weights|gradients|optimizer) ([0-9.]+) (\w+)", said)
    claim(len(found) == 3, "check does not say what a node's memory holds", said)
    return {name: float(value) * UNITS[unit] for name, value, unit in found}


def shared(pid):
    """Bytes of the program's shared segments that are this process's part, pages that others hold too by share."""
    total, ours = 0, False
    with open(f"/proc/{pid}/smaps") as file:
        for line in file:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                ours = "lockstep." in line and "(deleted)" in line
            elif ours and line.startswith("Pss:"):
                total += 1024 * int(line.split()[1])
    return total


def steps(program):
    try:
        return len(program.events("run"))
    except (OSError, ValueError):
        return 0


def one_copy(program):
    random = np.random.default_rng(1)
    x, y = random.integers(0, 256, (256, 512)).astype(np.uint8), random.integers(0, 10, 256).astype(np.int32)
    write_group(program.inside("data.h5"), "train", x=x, y=y)
    program.write("config.yaml", CONFIG)
    alone, many = planned(program, 1), planned(program, RANKS)
    one = alone["weights"] + alone["optimizer"]
    claim(many["weights"] + many["optimizer"] <= 1.05 * one, "check plans more than one copy", alone, many)
    process = program.start("train", "config.yaml", "--progress=none", "--set=run.dir=run", ranks=RANKS)
    try:
        # By the third step every page was touched, but for the copies that saves are made of.
        wait_for(lambda: steps(program) > 2, "the third step", process)
        measured = sum(shared(pid) for pid in ranks_of(process).values())
    finally:
        program.write("run/stop", "")
        result = program.finish(process)
    if measured == 0:
        skip("this machine shares no memory in segments of the program")
    data = x.nbytes + y.nbytes
    rest = measured - many["gradients"] - data
    claim(0.9 * one < rest <= 1.05 * one, f"{RANKS} ranks hold {rest / one:.3f} times what one does", measured, many, result)
    say(f"{RANKS} ranks hold {rest / one:.3f} times the weights and optimizer state of one")


main(one_copy)
