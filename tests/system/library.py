#!/usr/bin/env python3
"""The library, installed, serves programs of others: one with an optimizer of its own, with the same bits on any ranks."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import checkpoint, claim, main, say  # noqa: E402

CONFIG = """
data: {train: "configs/digits.h5:/train", valid: "configs/digits.h5:/test", preprocess: standardize}
model: [dense: {units: 32}, relu, dense: {units: 10}]
loss: cross_entropy
metrics: [accuracy]
batch: 64
optimizer: {sgd: {learning_rate: 0.01}}
stop: {epochs: 5}
run: {dir: RUN, tensorboard: false}
"""


def done(program, *words, **options):
    result = subprocess.run(words, cwd=program.folder, env=dict(program.environment, **options), text=True,
                            capture_output=True, stdin=subprocess.DEVNULL)
    claim(result.returncode == 0, f"{' '.join(words)}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def prepare(program):
    os.symlink(os.path.join(program.source, "configs"), program.inside("configs"))
    done(program, "cmake", "--install", os.path.dirname(program.path), "--prefix", program.inside("prefix"))


def own_optimizer(program):
    found = subprocess.run(["find", program.inside("prefix"), "-name", "lockstep.pc"], capture_output=True, text=True)
    flags = done(program, "pkg-config", "--cflags", "--libs", "lockstep",
                 PKG_CONFIG_PATH=os.path.dirname(found.stdout.strip())).split()
    sanitizers = ["-fsanitize=address,undefined"] if program.sanitized else []
    done(program, "cc", "-std=c11", "-Wall", "-Werror", "-o", "own",
         os.path.join(program.source, "tests/system/own_optimizer.c"), *sanitizers, *flags)
    for ranks in (1, 3):
        program.write(f"own{ranks}.yaml", CONFIG.replace("RUN", f"own{ranks}"))
        done(program, "mpirun", "--quiet", "-n", str(ranks), "./own", f"own{ranks}.yaml",
             ASAN_OPTIONS="detect_leaks=0")
    program.run("diff", checkpoint("own1"), checkpoint("own3"))
    accuracy = [e["accuracy"] for e in program.events("own3") if e["event"] == "eval"][-1]
    claim(accuracy > 0.9, f"steps along the sign reach {accuracy} only")
    say(f"a program with an optimizer of its own: accuracy {accuracy:.3f}, the same bits on 1 and 3 ranks")


main(prepare, own_optimizer)
