#!/usr/bin/env python3
"""Data sets that were damaged, and numbers that are none: found before they come into a batch, in memory and streamed,
alone and on several ranks, with the rows in the message, once.
"""
import json
import os
import sys

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import checkpoint, claim, classes, main, say, wait_for, write_group  # noqa: E402

CONFIG = """
data: {train: "set.h5:/train", valid: "set.h5:/valid", shuffle: block, block: 4kB, window: 16kB, cache: 1MB}
model: [{dense: {units: 4, name: out}}]
loss: cross_entropy
batch: 32
microbatch: 4
optimizer: {sgd: {learning_rate: 0.1}}
stop: {epochs: 2}
run: {dir: none, tensorboard: false}
"""
STREAMED = "data.cache=60kB"
# Two windows fit in, or only one: then rows are read one by one.
STREAMING = ((STREAMED,), ("data.cache=5kB", "data.window=4kB"))
SAMPLES, FEATURES = 3000, 40  # rows of 160 bytes: a checksum each 102 rows
HURT = "set.h5:/train/x: rows 2040 to 2141 differ from their checksum"


def make_data(program):
    x, y = classes(SAMPLES, (FEATURES,), 4)
    for group, count in (("train", SAMPLES), ("valid", 300)):
        write_group(program.inside("plain.h5"), group, x=x[:count], y=y[:count])
    broken = x.copy()
    broken[2345, 7] = np.nan
    write_group(program.inside("nan.h5"), "train", x=broken, y=y)
    write_group(program.inside("nan.h5"), "valid", x=x[:300], y=y[:300])
    broken = x[:300].copy()
    broken[211, 3] = np.inf
    write_group(program.inside("late.h5"), "train", x=x, y=y)
    write_group(program.inside("late.h5"), "valid", x=broken, y=y[:300])
    program.write("config.yaml", CONFIG)
    program.run("repack", "plain.h5", "-o", "set.h5")


def flip(program, name="set.h5", row=2100):
    """Turns one bit of a row of /train/x, or turns it back."""
    with h5py.File(program.inside(name), "r") as file:
        at = file["train/x"].id.get_offset() + 4 * FEATURES * row + 9
    with open(program.inside(name), "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 8]))


def refused(result, *words):
    claim(len(result.errors) == 1, f"{len(result.errors)} errors are told, not one", result)
    for word in words:
        claim(word in result.errors[0], f"the error does not say \"{word}\"", result)


def carried(program):
    """Imports and repacks write them; other readers see the same data; sets without go on as before."""
    with h5py.File(program.inside("plain.h5")) as plain, h5py.File(program.inside("set.h5")) as packed:
        for name in ("train/x", "train/y", "valid/x", "valid/y"):
            claim(np.array_equal(plain[name], packed[name]), f"repacking changed {name}")
        claim(packed["checksums/blocks/train/x"][0] == 102 and len(packed["checksums/blocks/train/x"]) == 31,
              "the table of blocks is another one", packed["checksums/blocks/train/x"][...])
    program.write("table.csv", "a,b,kind\n" + "".join(f"{i},{i * i},{'xy'[i % 2]}\n" for i in range(50)))
    program.run("import", "csv", "table.csv", "--target=kind", "-o", "table.h5")
    program.run("repack", "table.h5", "-o", "again.h5")
    for name in ("set.h5", "table.h5", "again.h5"):
        claim("checksums of " in program.run("info", name).out, f"info does not show the checksums of {name}")
        arrays = json.loads(program.run("info", "--json", name).out)["arrays"]
        blocks = [a["path"] for a in arrays if "block_rows" in a]
        claim("/train/x" in blocks and "/train/y" in blocks, "info --json does not show them", arrays)
        claim("blocks of rows" in program.run("verify", name).out, f"verify does not tell of the blocks of {name}")
    claim("checksums of " not in program.run("info", "plain.h5").out, "a set without checksums is said to have some")
    for name, sets in (("set.h5", 2), ("plain.h5", 0)):
        for cache in ("data.cache=1MB", STREAMED):
            out = program.run("check", "--full", "config.yaml", f"--set=data.train={name}:/train",
                              f"--set=data.valid={name}:/valid", f"--set={cache}").out
            told = f"every block of rows agrees with its checksum ({sets} of 2 sets carry them)"
            claim((told in out) == (sets > 0), f"check --full of {name} tells something else of checksums", out)
    program.train("config.yaml", "packed")
    program.train("config.yaml", "plain", "data.train=plain.h5:/train", "data.valid=plain.h5:/valid", STREAMED, ranks=3)
    result = program.run("diff", checkpoint("packed"), checkpoint("plain"), code=None)
    claim("identical" in result.out, "a set with checksums trains another network", result)
    say("imports and repacks write checksums of blocks; info, verify and check tell of them")


def texts_stay_with_their_samples(program):
    """Shuffling moves the texts of samples along, and no list of words; empty lists of texts are left out."""
    with h5py.File(program.inside("texts.h5"), "w") as file:
        file["train/x"] = np.arange(40, dtype="f4").reshape(40, 1)
        file["train/name"] = np.array([b"%02d" % i for i in range(40)])
        file["classes"] = np.array([b"c%02d" % i for i in range(40)])
        file.create_dataset("remarks", shape=(0,), dtype="S5")
    program.run("repack", "--shuffle", "texts.h5", "-o", "moved.h5")
    with h5py.File(program.inside("moved.h5")) as file:
        x, names = file["train/x"][:, 0], file["train/name"][...]
        claim(sorted(x) == list(range(40)) and any(x != range(40)), "nothing was shuffled", x)
        claim([int(name) for name in names] == list(x), "texts were torn from their samples", names)
        claim([int(word[1:]) for word in file["classes"]] == list(range(40)), "the classes were shuffled")
        claim("remarks" not in file, "an empty list of texts came along")
    say("a shuffle moves the texts of samples along")


def sizes_that_wrap(program):
    """A file of a few kB may claim samples by which the bytes of its arrays add up to none."""
    with h5py.File(program.inside("huge.h5"), "w") as file:
        file.create_dataset("train/x", shape=(2**61, 4), maxshape=(None, 4), chunks=(1024, 4), dtype="u1")
        file.create_dataset("train/y", shape=(2**61,), maxshape=(None,), chunks=(1024,), dtype="f4")
    refused(program.run("check", "config.yaml", "--set=data.train=huge.h5:/train", "--set=loss=mse", code=2),
            "huge.h5: claims more bytes than a computer can hold")
    say("sizes whose sum wraps round are refused")


def damaged(program):
    """One bit: whoever opens the set refuses it."""
    flip(program)
    for cache in ("data.cache=1MB", STREAMED):
        for ranks in (None, 3):
            refused(program.train("config.yaml", "none", cache, ranks=ranks, code=74), HURT, "import it again")
            refused(program.run("check", "--full", "config.yaml", f"--set={cache}", ranks=ranks, code=74), HURT)
    refused(program.run("eval", checkpoint("packed"), "set.h5:/train", code=74), HURT)
    refused(program.run("repack", "set.h5", "-o", "mended.h5", code=74), HURT)
    claim(not os.path.exists(program.inside("mended.h5")), "damaged data were repacked")
    result = program.run("verify", "set.h5", code=74)
    claim("/train/x: rows 2040 to 2141 differ" in result.out, "verify does not name the rows", result)
    with h5py.File(program.inside("set.h5"), "r+") as file:
        del file["checksums"]
    program.run("check", "--full", "config.yaml")
    flip(program)
    program.run("repack", "set.h5", "-o", "set.h5")
    claim("intact" in program.run("verify", "set.h5").out, "what was mended is not intact")
    say("a flipped bit is found in memory and streamed, on 1 and 3 ranks, and its rows are named")


def damaged_later(program):
    """A bit that turns while the run goes on, which nobody but the reader of a streamed set can notice."""
    for ranks in (None, 3):
        for settings in STREAMING:
            options = [f"--set={s}" for s in settings + ("run.dir=late", "stop.epochs=1000000",
                                                         "checkpoint.every=1000000ep")]
            process = program.start("train", "config.yaml", "--progress=none", *options, ranks=ranks)
            wait_for(lambda: os.path.exists(program.inside("late/metrics.jsonl")), "the first epoch", process)
            flip(program)
            result = program.finish(process)
            flip(program)
            claim(result.code == 74, "the exit code is not 74", result)
            refused(result, HURT)
            program.remove("late")
    say("a bit that turns during a run is found as its block is read, on 1 and 3 ranks")


def not_finite(program):
    """Streamed sets are not looked at before; in the training set a rank of several meets it alone."""
    for name, place in (("nan.h5", "nan.h5:/train/x: sample 2345"), ("late.h5", "late.h5:/valid/x: sample 211")):
        for ranks in (None, 3):
            for streaming in STREAMING:
                settings = (f"data.train={name}:/train", f"data.valid={name}:/valid") + streaming
                refused(program.train("config.yaml", "none", *settings, ranks=ranks, code=2), place, "not finite")
                program.remove("none")
    say("a number that is not finite is named as it is streamed, and ends the run, on 1 and 3 ranks")


main(make_data, carried, texts_stay_with_their_samples, sizes_that_wrap, damaged, damaged_later, not_finite)
