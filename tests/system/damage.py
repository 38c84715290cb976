#!/usr/bin/env python3
"""Checkpoints that were cut, changed, exchanged, or are somebody else's: each is found out, the one before it is used,
and the run ends as the undisturbed one.
"""
import os
import shutil
import sys

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import Failure, checkpoint, claim, classes, main, say, write_group  # noqa: E402

CONFIG = """
data: {train: "blobs.h5:/train", valid: "blobs.h5:/valid", preprocess: standardize}
model: [{dense: {units: 300}}, batch_norm, relu, {dense: {units: 3}}]
loss: cross_entropy
batch: 16
microbatch: 8
optimizer: {adam: {learning_rate: 0.01}}
stop: {epochs: 4}
checkpoint: {every: 4st, keep: 3}
run: {dir: none, threads: 1, tensorboard: false}
"""
NEWEST, BEFORE = "step-000000012", "step-000000008"
POINTS = 8  # of each kind


def prepare(program):
    for group, count in (("train", 60), ("valid", 20)):
        x, y = classes(count, (4,), 3, seed=len(group))
        write_group(program.inside("blobs.h5"), group, x=x, y=y)
    program.write("config.yaml", CONFIG)
    program.train("config.yaml", "calm")
    program.train("config.yaml", "half", "stop.steps=12")


def continues(program, what, harm, words="passing over", used=BEFORE, settings=()):
    """Harms the newest checkpoint of a copy and goes on. `words` stand in what is said, once."""
    shutil.copytree(program.inside("half"), program.inside("harmed"), symlinks=True)
    try:
        harm(program.inside(checkpoint("harmed", NEWEST)))
        result = program.train("config.yaml", "harmed", *settings)
        said = [line for line in (result.out + result.err).splitlines() if words in line]
        claim(len(said) >= 1, f"nothing tells of \"{words}\"", result)
        going_on = f"going on from harmed/checkpoints/{used}.h5"
        claim(going_on in result.out + result.err, f"{used} is not the one used", result)
        program.same_run("calm", "harmed")
    except Failure as failure:
        raise Failure(f"{what}: {failure}") from None
    finally:
        program.remove("harmed")


def spread(first, last, count):
    return sorted({int(i) for i in np.linspace(first, last, count)})


def truncated(program):
    size = os.path.getsize(program.inside(checkpoint("half", NEWEST)))
    claim(size > 12 * 4096, f"a checkpoint of {size} bytes is too small for this test")
    points = [4096 * i for i in spread(0, size // 4096, POINTS)] + [1, size - 1]
    for point in points:
        continues(program, f"cut at byte {point} of {size}", lambda path, point=point: os.truncate(path, point))
    say(f"cut at {len(points)} places: found out each time")


def places(path):
    """Where the bytes of each dataset lie in the file."""
    found = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset) and item.id.get_offset() is not None and item.id.get_storage_size():
            found[name] = (item.id.get_offset(), item.id.get_storage_size())
    with h5py.File(path, "r") as file:
        file.visititems(note)
    return found


def flip(path, at, bit=3):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << bit)]))


def flipped(program):
    """One bit of each dataset, and bits between them. verify names the dataset."""
    path = program.inside(checkpoint("half", NEWEST))
    datasets = places(path)
    claim(len(datasets) > 20, f"only {len(datasets)} datasets are found", datasets)
    copy = program.inside("copy.h5")
    for name, (offset, size) in datasets.items():
        shutil.copy(path, copy)
        flip(copy, offset + size // 2)
        result = program.run("verify", copy, code=None)
        claim(result.code != 0, f"a flipped bit in /{name} is not found out", result)
        if not name.startswith("checksums/"):
            claim(f"/{name}" in result.out + result.err, f"that /{name} is damaged is not said", result)
    owned = np.zeros(os.path.getsize(path), dtype=bool)
    for offset, size in datasets.values():
        owned[offset:offset + size] = True
    structure = np.flatnonzero(~owned)
    for at in structure[spread(0, len(structure) - 1, 40)]:
        shutil.copy(path, copy)
        flip(copy, int(at))
        result = program.run("verify", copy, code=None)
        claim(result.code in (2, 74), f"a flipped bit at byte {at}, in the file's structure, is not found out", result)
    for name in list(datasets)[::max(1, len(datasets) // POINTS)]:
        offset, size = datasets[name]
        continues(program, f"a bit of /{name}", lambda path, at=offset + size // 2: flip(path, at))
    say(f"a bit flipped in each of {len(datasets)} datasets, and in 40 places between them: found out each time")


def exchanged(program):
    def swap(path):
        other = path.replace(NEWEST, BEFORE)
        os.rename(path, path + ".x")
        os.rename(other, path)
        os.rename(path + ".x", other)
    continues(program, "the two newest exchanged", swap, "not that of its name", used="step-000000004")

    def old_as_new(path):
        shutil.copy(path.replace(NEWEST, BEFORE), path)
    continues(program, "an older one under the newest name", old_as_new, "not that of its name")
    say("files exchanged or copied to another step's name: found out")


def of_others(program):
    program.train("config.yaml", "other", "optimizer.adam.learning_rate=0.02", "stop.steps=12")
    other = program.inside(checkpoint("other", NEWEST))
    continues(program, "another experiment's", lambda path: shutil.copy(other, path), "holds another experiment")
    continues(program, "no checkpoint", lambda path: shutil.copy(program.inside("blobs.h5"), path))
    continues(program, "no HDF5", lambda path: shutil.copy(program.inside("config.yaml"), path))
    continues(program, "a folder", lambda path: (os.remove(path), os.mkdir(path)))
    continues(program, "nothing behind a link", lambda path: (os.remove(path), os.symlink("nowhere.h5", path)))
    say("checkpoints that are another experiment's, or none: passed over")


def all_damaged(program):
    """Nothing is left to go on from: the run starts anew, and says so."""
    shutil.copytree(program.inside("half"), program.inside("ruined"), symlinks=True)
    folder = program.inside("ruined/checkpoints")
    names = [name for name in os.listdir(folder) if name.startswith("step-")]
    for name in names:
        os.truncate(os.path.join(folder, name), 5000)
    result = program.train("config.yaml", "ruined")
    claim((result.out + result.err).count("passing over") == len(names), "not all bad checkpoints are said", result)
    program.same_run("calm", "ruined")
    say("all checkpoints damaged: the run starts anew, to the same end")


main(prepare, truncated, flipped, exchanged, of_others, all_damaged)
