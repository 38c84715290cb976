#!/usr/bin/env python3
"""`lockstep check` finds what only a look at all the data or at all the machines can find, and draws the network."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import checkpoint, claim, classes, main, say, write_group  # noqa: E402

CONFIG = """
data: {train: "data.h5:/train", valid: 0.1, shuffle: block, block: 4kB, window: 16kB, cache: 40kB}
model: [{dense: {units: 4, name: out}}]
loss: cross_entropy
batch: 32
microbatch: 4
optimizer: {sgd: {learning_rate: 0.1}}
stop: {epochs: 1}
run: {dir: none, tensorboard: false}
"""
TOKENS = CONFIG.replace("/train", "/tokens").replace("[{dense", "[{embedding: {entries: 50, size: 2}}, {dense")


def make_data(program):
    x, y = classes(3000, (40,), 4)
    path = program.inside("data.h5")
    write_group(path, "train", x=x, y=y)
    x = x.copy()
    x[2345, 7] = np.nan
    write_group(path, "broken", x=x, y=y)
    x = x.astype(np.float64)
    x[2345, 7] = -1e200
    write_group(path, "large", x=x, y=y)
    tokens = np.random.default_rng(1).integers(0, 50, (3000, 40)).astype(np.int32)
    write_group(path, "tokens", x=tokens, y=y)
    tokens = tokens.copy()
    tokens[1234, 5] = 50
    write_group(path, "wrong", x=tokens, y=y)
    program.write("config.yaml", CONFIG)
    program.write("broken.yaml", CONFIG.replace("/train", "/broken"))
    program.write("large.yaml", CONFIG.replace("/train", "/large"))
    program.write("tokens.yaml", TOKENS)
    program.write("wrong.yaml", TOKENS.replace("/tokens", "/wrong"))


def full(program):
    for ranks in (None, 3):
        for config in ("config.yaml", "tokens.yaml"):
            found = program.run("check", "--full", config, ranks=ranks).out
            claim("all data were read (480.0 kB of them streamed)" in found, "check --full did not read all", found)
        for config, place, words in (("broken.yaml", "data.h5:/broken/x: sample 2345", "not finite"),
                                     ("large.yaml", "data.h5:/large/x: sample 2345", "too large for float32"),
                                     ("wrong.yaml", "data.h5:/wrong/x: sample 1234", "is 50; allowed: 0 .. 49")):
            program.run("check", config, ranks=ranks)
            result = program.run("check", "--full", config, ranks=ranks, code=2)
            claim(len(result.errors) == 1 and place in result.errors[0] and words in result.errors[0],
                  "check --full does not name what is wrong", result)
    say("--full reads streamed data on 1 and 3 ranks and names the sample that is wrong")


def small_disk(program):
    """Better said before the first step than at the last save: a million checkpoints of 200 MB and more."""
    result = program.run("check", "config.yaml", "--set=model=[{dense: {units: 8192}}, {dense: {units: 8192}}, {dense: 4}]",
                         "--set=checkpoint.keep=1000000", "--set=run.dir=not/yet/there", code=74)
    claim(len(result.errors) == 1 and "run.dir: not/yet/there has " in result.errors[0] and "need 2" in result.errors[0],
          "check does not say that the disk is too small", result)
    say("checkpoints that do not fit the disk are refused")


def cluster(program):
    result = program.run("check", "--cluster", "config.yaml", ranks=2)
    claim("within node 0" in result.out and "latency" in result.out, "there is no table", result)
    result = program.run("check", "--cluster", "config.yaml", "--set=topology.ranks_per_node=1", ranks=3)
    rows = [line.split() for line in result.out.splitlines() if line[:2] in ("0 ", "1 ", "2 ")]
    claim(len(rows) == 3 and all(row[2] == "1" for row in rows), "three nodes of one rank make no three rows", result)
    claim(all(float(row[6]) > 0 and float(row[7]) > 0 for row in rows[1:]), "nothing was measured", result)
    say("--cluster compares the ranks and measures the ways between them")


def mixed_cores(program):
    """Ranks whose OpenBLAS has kernels of another core: refused for math: blas, of no matter for math: exact."""
    path, program.path = program.path, "sh"
    script = program.write("mixed.sh", 'exec mpirun --quiet -n 1 env OPENBLAS_CORETYPE=Nehalem "$@" : '
                                       '-n 1 env OPENBLAS_CORETYPE=Haswell "$@"\n')
    try:
        for command in (["train", "config.yaml", "--progress=none"], ["check", "--cluster", "config.yaml"]):
            words = [script, path] + command
            result = program.run(*words, "--set=run.dir=mixed", "--set=math=blas", code=2)
            claim(len(result.errors) == 1 and "Nehalem" in result.errors[0] and "rank 1" in result.errors[0],
                  "mixed types of cores are not named", result)
            program.run(*words, "--set=run.dir=mixed", "--set=math=exact")
    finally:
        program.path = path
    say("types of cores that differ are refused for math: blas, and do not matter to math: exact")


def drawing(program):
    program.train("config.yaml", "run")
    drawn = program.run("check", "--dot", "config.yaml").out
    claim(drawn.startswith("digraph") and drawn.rstrip().endswith("}") and "out" in drawn, "no graph is drawn", drawn)
    drawn = program.run("info", "--dot", checkpoint("run")).out
    claim(drawn.startswith("digraph") and "out\\ndense (4)" in drawn, "info draws no graph", drawn)
    told = program.run("info", checkpoint("run")).out
    claim("flop/sample" in told and "164" in told, "info does not print the network", told)
    say("check and info print the network and draw it for Graphviz")


main(make_data, full, small_disk, cluster, mixed_cores, drawing)
