#!/usr/bin/env python3
"""Every mistake is refused before training starts, once, with what is wrong and where, and leaves nothing behind.

bad/NAME.yaml is a configuration with one mistake (or a good one, where the command line, the data or the number of
ranks is the mistake), bad/NAME.expect the refusal, one word and its value a line:

    exit N          the exit code
    says TEXT       a part of the message
    arguments WORDS what is added to the command line
    ranks N         N ranks start as well; where N is more than 2, the mistake is one of so many ranks only
    train           the mistake is one of train's alone; else check finds it as well, in the same words

refusals.py BUILD_DIR SOURCE_DIR NAME... runs these cases only, and prints the messages.
"""
import concurrent.futures
import glob
import os
import re
import sys

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import Failure, Program, claim, classes, main, say, write_group  # noqa: E402

GOOD = """
data: {train: "data.h5:/train", valid: "data.h5:/valid"}
model: [{dense: {units: 6}}, relu, {dense: {units: 4}}]
loss: cross_entropy
batch: 16
microbatch: 4
optimizer: {sgd: {learning_rate: 0.1}}
stop: {epochs: 1}
run: {dir: run, tensorboard: false}
"""


class Expected:
    """What a file bad/NAME.expect says."""

    def __init__(self, path):
        self.name = os.path.basename(path)[: -len(".expect")]
        self.code, self.says, self.arguments, self.ranks, self.train_only = None, [], [], None, False
        with open(path) as file:
            for line in file:
                word, _, value = line.rstrip("\n").partition(" ")
                if word == "exit":
                    self.code = int(value)
                elif word == "says":
                    self.says.append(value)
                elif word == "arguments":
                    self.arguments += value.split()
                elif word == "ranks":
                    self.ranks = int(value)
                elif word == "train":
                    self.train_only = True
                else:
                    raise Failure(f"{path}: what is \"{word}\"?")
        claim(self.code and self.says, f"{path}: an exit code and a part of the message are needed")


def make_data(program):
    path = program.inside("data.h5")
    x, y = classes(40, (5,), 4)
    y[:4] = range(4)
    weights = np.linspace(-1, 1, 40).astype(np.float32)
    write_group(path, "train", x=x, y=y, w=weights)
    write_group(path, "valid", x=x, y=y, w=weights)
    write_group(path, "images", x=np.zeros((40, 1, 8, 9), np.uint8), y=y)
    write_group(path, "numbers", x=x, y=np.zeros((40, 3), np.float32))
    write_group(path, "tokens", x=np.arange(80, dtype=np.int32).reshape(40, 2), y=y)
    write_group(path, "no_y", x=x)
    write_group(path, "far_labels", x=x, y=np.where(np.arange(40) == 3, 1 << 40, y))
    write_group(path, "unequal", x=x, y=y[:39])
    write_group(path, "empty", x=x[:0], y=y[:0])
    write_group(path, "scalar", x=np.float32(1), y=y)
    write_group(path, "text", x=np.array([b"a"] * 40), y=y)
    for name, value in (("nan", np.nan), ("infinite", -np.inf)):
        other = x.copy()
        other[17, 2] = value
        write_group(path, name, x=other, y=y)
    write_group(path, "negative", x=x, y=np.where(np.arange(40) == 9, -1, y).astype(np.int32))
    write_group(path, "fractions", x=x, y=y + np.float32(0.5))
    write_group(path, "two_axes", x=x, y=np.stack([y, y], axis=1))
    write_group(path, "narrow", x=x[:, :3], y=y)
    write_group(path, "more_classes", x=x, y=np.where(np.arange(40) == 9, 4, y).astype(np.int32))
    write_group(path, "init/dense_1", weight=np.zeros((6, 4), np.float32), bias=np.zeros(6, np.float32))
    write_group(path, "init/dense_2", weight=np.zeros((4, 6), np.float32), bias=np.zeros(4, np.float32))
    program.write("text.h5", "This is no HDF5 file.\n")
    with open(path, "rb") as file, open(program.inside("short.h5"), "wb") as short:
        short.write(file.read()[:-3000])


def check_refusal(result, expected):
    claim(result.code == expected.code, f"the exit code is not {expected.code}", result)
    claim(len(result.errors) == 1, f"{len(result.errors)} errors are reported", result)
    if expected.code == 2 and not expected.arguments and ".h5" not in result.errors[0]:
        claim(re.match(rf"lockstep: error: {expected.name}\.yaml:\d+:\d+: ", result.errors[0]),
              "the message does not say where in the configuration the mistake stands", result)
    for part in expected.says:
        claim(part in result.err, f"the message lacks: {part}", result)
    claim("(null)" not in result.err, "the message names what nobody named", result)
    return "\n".join(line for line in result.err.splitlines() if line.strip())


def ways_to_start(file, expected, sanitized):
    """Words and ranks of each."""
    of_many = expected.ranks is not None and expected.ranks > 2
    if not of_many:
        yield ["train", file] + expected.arguments, None
    if not expected.train_only:
        yield ["check", file] + expected.arguments + ([f"--ranks={expected.ranks}"] if of_many else []), None
    if expected.ranks and (of_many or not sanitized):
        yield ["train", file] + expected.arguments, expected.ranks


def refuse(program, expected):
    """One case, in a folder of its own: every way to start refuses it alike; then a good configuration runs there."""
    folder = program.inside(expected.name)
    os.mkdir(folder)
    for name in ("data.h5", "text.h5", "short.h5"):
        os.symlink(program.inside(name), os.path.join(folder, name))
    here = Program(os.path.dirname(program.path), program.source, folder)
    file = expected.name + ".yaml"
    with open(os.path.join(program.source, "tests/system/bad", file)) as text:
        here.write(file, text.read())
    starts = list(ways_to_start(file, expected, program.sanitized))
    messages = [check_refusal(here.run(*words, ranks=ranks, code=None), expected) for words, ranks in starts]
    for start, message in zip(starts, messages):
        claim(message == messages[0], f"{starts[0]} and {start} are refused in other words", messages[0], message)
    left = os.listdir(here.inside("run")) if os.path.isdir(here.inside("run")) else []
    claim(not set(left) - {"log.txt", "run.lock", "checkpoints"}, f"what is left is {left}")
    here.train(here.write("good.yaml", GOOD), "run")
    return messages[0]


def refusals(program):
    make_data(program)
    names = sys.argv[3:] or ["*"]
    folder = os.path.join(program.source, "tests/system/bad")
    paths = [p for n in names for p in sorted(glob.glob(os.path.join(folder, n + ".expect")))]
    claim(paths, "bad/ holds no such file")
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        cases = [(e, pool.submit(refuse, program, e)) for e in map(Expected, paths)]
        for expected, future in cases:
            try:
                message = future.result()
                say(f"{expected.name}: refused" + (f"\n{message}" if sys.argv[3:] else ""))
            except Failure as failure:
                say(f"FAILED: {expected.name}: {failure}")
                failures += 1
    claim(not failures, f"{failures} of {len(paths)} mistakes are not refused as they should be")


main(refusals)
