#!/usr/bin/env python3
"""Networks learn: the digits of configs/ to 95 %, and images imported from IDX files as they are to 94 %, on 2 ranks.

The second needs t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz in the folder that LOCKSTEP_TEST_DATA names.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import claim, main, say  # noqa: E402

MNIST = """
data: {train: "mnist.h5:/train", valid: "mnist.h5:/test", preprocess: range}
model:
  - dense: {units: 128}
  - relu
  - dense: {units: 10}
loss: cross_entropy
metrics: [accuracy]
batch: 32
optimizer: {adam: {learning_rate: 0.002}}
stop: {epochs: 8}
run: {dir: none, tensorboard: false}
"""
IMAGES, LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


def accuracy(program, directory):
    """Of the validation set after the last epoch, as metrics.jsonl and `lockstep eval` tell it."""
    return [e["accuracy"] for e in program.events(directory) if e["event"] == "eval" and e["set"] == "valid"][-1]


def digits(program):
    program.train(os.path.join(program.source, "configs/digits.yaml"), "digits", ranks=2)
    reached = accuracy(program, "digits")
    claim(reached >= 0.95, f"configs/digits.yaml reaches an accuracy of {reached:.4f} only")
    say(f"configs/digits.yaml: accuracy {reached:.4f} on 2 ranks")


def mnist(program):
    folder = os.environ.get("LOCKSTEP_TEST_DATA", "")
    files = [os.path.join(folder, name) for name in (IMAGES, LABELS)]
    if not folder or not all(os.path.exists(file) for file in files):
        say(f"not checked: LOCKSTEP_TEST_DATA names no folder with {IMAGES} and {LABELS}")
        return
    program.run("import", "idx", *files, "--flat", "--split=0.2", "-o", "mnist.h5")
    program.train(program.write("mnist.yaml", MNIST), "mnist", ranks=2)
    reached = accuracy(program, "mnist")
    claim(reached >= 0.94, f"784-128-10 on 8,000 images reaches an accuracy of {reached:.4f} only")
    say(f"784-128-10 on 8,000 imported images: accuracy {reached:.4f} on 2 ranks")


main(digits, mnist)
