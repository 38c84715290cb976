#!/usr/bin/env python3
"""Checkpoints that were cut, changed, exchanged, or are somebody else's: each is found out, the one before it is used,
and the run ends as the undisturbed one.

With --every-byte behind the two folders, by hand: every byte of the files' structure is flipped, which takes minutes.
"""
import ctypes
import os
import re
import shutil
import struct
import sys

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import Failure, checkpoint, claim, main, say, write_blobs  # noqa: E402

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
STRUCTURE = "the file's structure or size differs from its checksum"
SEAL = b" lockstep seal 1\n"  # the end of the file's last line


def prepare(program):
    write_blobs(program, (4,), 3, train=60, valid=20)
    program.write("config.yaml", CONFIG)
    program.train("config.yaml", "calm")
    program.train("config.yaml", "half", "stop.steps=12")


def points(program):
    """How often a whole run goes on from a damaged file, of each kind."""
    return 2 if program.sanitized else 8


def continues(program, what, harm, words, used=BEFORE):
    """Harms the newest checkpoint of a copy and goes on. One line says so, with `words`, and nothing crashes."""
    shutil.copytree(program.inside("half"), program.inside("harmed"), symlinks=True)
    try:
        harm(program.inside(checkpoint("harmed", NEWEST)))
        result = program.train("config.yaml", "harmed")
        said = [line for line in (result.out + result.err).splitlines() if "passing over" in line and NEWEST in line]
        claim(len(said) == 1 and words in said[0], f"no one line tells of \"{words}\"", *said, result)
        going_on = f"going on from harmed/checkpoints/{used}.h5"
        claim(going_on in result.out + result.err, f"{used} is not the one used", result)
        program.same_run("calm", "harmed")
    except Failure as failure:
        raise Failure(f"{what}: {failure}") from None
    finally:
        program.remove("harmed")


def refused(program, what, path, words):
    """verify refuses the file in one line, and does not crash."""
    result = program.run("verify", path, code=None)
    claim(result.code in (2, 74), f"{what}: not refused", result)
    claim(len(result.errors) == 1 and words in result.errors[0], f"{what}: no one line tells of \"{words}\"", result)


def spread(first, last, count):
    return sorted({int(i) for i in np.linspace(first, last, count)})


# ---- cut ----

def said_of_a_cut(at, size, end):
    """`end` is where HDF5's part ends and the seal begins."""
    if at < 8:
        return "it is empty" if at == 0 else "not an HDF5 file"
    if at > end:
        return f"damaged: the {at - end} bytes behind byte {end} are no seal"
    return f"truncated: it ends at byte {at} of {end}" if at >= 36 else "damaged"


def truncated(program):
    path, copy = program.inside(checkpoint("half", NEWEST)), program.inside("copy.h5")
    size, end = os.path.getsize(path), seal_of(open(path, "rb").read())[-1]
    claim(size > 12 * 4096, f"a checkpoint of {size} bytes is too small for this test")
    cuts = sorted({*range(0, size, 4096), 1, 20, end - 1, end + 1, size - 1} - {end})
    shutil.copy(path, copy)
    for at in reversed(cuts):
        os.truncate(copy, at)
        refused(program, f"cut at byte {at} of {size}", copy, said_of_a_cut(at, size, end))
    for at in spread(0, size - 1, points(program)):
        continues(program, f"cut at byte {at} of {size}", lambda path, at=at: os.truncate(path, at),
                  said_of_a_cut(at, size, end))
    # What HDF5 leaves where another program opened the file for writing: all arrays, which have their checksums.
    shutil.copy(path, copy)
    os.truncate(copy, end)
    program.run("verify", copy)
    say(f"cut at {len(cuts)} places: found out each time")


# ---- a bit ----

def places(path):
    """Where the bytes of each dataset lie in the file."""
    found = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset) and item.id.get_offset() is not None and item.id.get_storage_size():
            found[name] = (item.id.get_offset(), item.id.get_storage_size())
    with h5py.File(path, "r") as file:
        file.visititems(note)
    return found


def structure_of(path):
    """All bytes that belong to no array of the user."""
    owned = np.zeros(os.path.getsize(path), dtype=bool)
    for name, (offset, size) in places(path).items():
        owned[offset:offset + size] = not name.startswith("checksums/")
    return np.flatnonzero(~owned)


def flip(path, at, bit=3):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << bit)]))


def said_of(name):
    return STRUCTURE if name.startswith("checksums/") else f"/{name}: its bytes differ from its checksum"


def said_of_structure(path, at):
    """The seal is read first, and may make no sense."""
    seal = seal_of(open(path, "rb").read())[-1]
    return STRUCTURE if 8 <= at < seal else ""


def flipped(program):
    """One bit of each dataset, and bits between them. The dataset is named."""
    path, copy = program.inside(checkpoint("half", NEWEST)), program.inside("copy.h5")
    datasets = places(path)
    claim(len(datasets) > 20, f"only {len(datasets)} datasets are found", datasets)
    shutil.copy(path, copy)
    for name, (offset, size) in datasets.items():
        flip(copy, offset + size // 2)
        refused(program, f"a bit of /{name}", copy, said_of(name))
        flip(copy, offset + size // 2)
    structure = structure_of(path)
    chosen = structure if "--every-byte" in sys.argv else structure[spread(0, len(structure) - 1, 5 * points(program))]
    for at in map(int, chosen):
        flip(copy, at, at % 8)
        refused(program, f"a bit of byte {at}, in the structure", copy, said_of_structure(path, at))
        flip(copy, at, at % 8)
    program.run("verify", copy)
    for name in list(datasets)[::max(1, len(datasets) // points(program))]:
        offset, size = datasets[name]
        continues(program, f"a bit of /{name}", lambda path, at=offset + size // 2: flip(path, at), said_of(name))
    for at in map(int, structure[spread(0, len(structure) - 1, points(program))]):
        continues(program, f"a bit of byte {at}, in the structure", lambda path, at=at: flip(path, at, at % 8),
                  said_of_structure(path, at))
    say(f"a bit flipped in each of {len(datasets)} datasets, and in {len(chosen)} bytes between: found out each time")


# ---- exchanged, or another's ----

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

    def pipe(path):
        os.remove(path)
        os.mkfifo(path)
    continues(program, "a pipe under the newest name", pipe, "is no file")
    say("files exchanged or copied to another step's name: found out")


def seal_of(file):
    """The seal's two numbers: where the checksum of the file lies, and where the seal begins."""
    claim(file.endswith(SEAL), "the file has no seal")
    return [int(word, 16) for word in file[-len(SEAL) - 33:-len(SEAL)].split()]


def seal_anew(path, name, values):
    """Changes a scalar of 64 bits so that all checksums agree: as src/store/seal.h and store.h say, by other means."""
    xxhash = ctypes.CDLL("libxxhash.so.0")
    xxhash.XXH3_64bits.restype = ctypes.c_uint64
    xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    at, (datasets, length) = places(path)[name][0], places(path)["checksums/datasets"]
    with open(path, "rb") as stream:
        file = bytearray(stream.read())
    whole, _ = seal_of(bytes(file))
    file[at:at + 8] = values
    hashed = f"/{name}\nuint64 8 rank 0:\0".encode() + values
    line = re.search(rb"[0-9a-f]{16} - /" + name.encode() + rb"\n", file[datasets:datasets + length])
    checksum = f"{xxhash.XXH3_64bits(hashed, len(hashed)):016x}".encode()
    file[datasets + line.start():datasets + line.start() + 16] = checksum
    file[whole:whole + 8] = bytes(8)
    outside = struct.pack("<Q", len(file)) + bytes(np.frombuffer(file, np.uint8)[structure_of(path)])
    file[whole:whole + 8] = struct.pack("<Q", xxhash.XXH3_64bits(outside, len(outside)))
    with open(path, "wb") as stream:
        stream.write(file)


def of_others(program):
    program.train("config.yaml", "other", "optimizer.adam.learning_rate=0.02", "stop.steps=12")
    other = program.inside(checkpoint("other", NEWEST))

    def later(path):
        seal_anew(path, "provenance/format", struct.pack("<Q", 2))
        program.run("verify", path)

    def sealed_later(path):
        with open(path, "r+b") as file:
            file.seek(-2, os.SEEK_END)
            file.write(b"2")

    def edited(path):
        with h5py.File(path, "r+") as file:
            file["parameters/dense_1/bias"][0] = 1

    def linked(path):
        os.remove(path)
        os.symlink("nowhere.h5", path)
    continues(program, "another experiment's", lambda path: shutil.copy(other, path), "holds another experiment")
    continues(program, "a later format", later, "format 2, written by a later lockstep")
    continues(program, "a later seal", sealed_later, "sealed by a later lockstep")
    continues(program, "changed by HDF5", edited, "/parameters/dense_1/bias: its bytes differ from its checksum")
    continues(program, "no checkpoint", lambda path: shutil.copy(program.inside("blobs.h5"), path), "was not written by")
    continues(program, "no HDF5", lambda path: shutil.copy(program.inside("config.yaml"), path), "not an HDF5 file")
    continues(program, "a folder", lambda path: (os.remove(path), os.mkdir(path)), "is a folder")
    continues(program, "nothing behind a link", linked, "cannot open")
    say("checkpoints that are another experiment's, a later version's, or none: passed over")


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
