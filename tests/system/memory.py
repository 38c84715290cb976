#!/usr/bin/env python3
"""A run takes no more memory after hundreds of saves than after the first ones.

What is counted is memory of a rank's own (smaps' Anonymous): neither files that it has mapped nor what ranks share.
"""
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import checkpoint, claim, main, ranks_of, say, skip, wait_for, write_blobs  # noqa: E402

CONFIG = """
data: {train: "blobs.h5:/train", valid: "blobs.h5:/valid"}
model: [{dense: {units: 40}}, relu, {dense: {units: 3}}]
loss: cross_entropy
metrics: [accuracy]
batch: 16
microbatch: 8
optimizer: {adam: {learning_rate: 0.001}}
stop: {epochs: 1000000}
checkpoint: {every: 1st, keep: 2}
run: {dir: none, threads: 1, tensorboard: false}
"""
ALLOWED = 1 << 20  # bytes; measured: 8 KiB in 900 saves


def prepare(program):
    if program.sanitized:
        skip("a sanitizer keeps memory that was freed")
    write_blobs(program, (8,), 3, train=64, valid=16)
    program.write("config.yaml", CONFIG)


def own_memory(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return 1024 * int(re.search(r"^Anonymous: +(\d+) kB", file.read(), re.MULTILINE).group(1))


def grows_little(program, directory, first, last, *settings):
    words = [f"--set={s}" for s in (f"run.dir={directory}",) + settings]
    process = program.start("train", "config.yaml", "--progress=none", *words, ranks=2)
    latest = program.inside(checkpoint(directory))

    def saved():
        return int(re.search(r"\d+", os.readlink(latest)).group()) if os.path.islink(latest) else 0

    memory = []
    for save in (first, last):
        wait_for(lambda: saved() >= save, f"the checkpoint of step {save}", process)
        memory.append({rank: own_memory(pid) for rank, pid in ranks_of(process).items()})
    process.send_signal(signal.SIGUSR2)
    result = program.finish(process)
    claim(result.code == 75, "USR2 did not end the run with 75", result)
    growth = {rank: memory[1][rank] - memory[0][rank] for rank in memory[0]}
    claim(len(growth) == 2, f"two ranks are measured, not {growth}")
    claim(max(growth.values()) <= ALLOWED, f"bytes that a rank grew by from step {first} to {last}: {growth}")
    say(f"{directory}: from step {first} to {last}, with a save at every step that can have one, the ranks grew by "
        f"{sorted(growth.values())} bytes")


def small_states_are_written_at_once(program):
    grows_little(program, "small", 100, 500)


def large_states_are_written_by_a_thread(program):
    grows_little(program, "large", 20, 120, "model.0.dense.units=200000")


main(prepare, small_states_are_written_at_once, large_states_are_written_by_a_thread)
