#!/usr/bin/env python3
"""Every call that changes a file of a run fails, or is the last thing that the program does; then the run is continued.

It must end as the undisturbed one. Of the calls so many are tried as there is time for, evenly spread: a third argument
gives their number (0: all).
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import Failure, claim, main, say, write_blobs  # noqa: E402

TRIED = int(sys.argv[3]) if len(sys.argv) > 3 else 12

CONFIG = """
data: {train: "blobs.h5:/train", valid: "blobs.h5:/valid"}
model: [{dense: {units: 5}}, relu, {dense: {units: 3}}]
loss: cross_entropy
batch: 16
microbatch: 8
optimizer: {sgd: {learning_rate: 0.1, momentum: 0.9}}
stop: {epochs: 3}
checkpoint: {every: 2st, keep: 2}
run: {dir: none, threads: 1, ledger: true}
"""


def prepare(program):
    write_blobs(program, (4,), 3, train=60, valid=20)
    program.write("config.yaml", CONFIG)
    program.train("config.yaml", "calm")
    library = program.inside("faults.so")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "faults_preload.c")
    options = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"]
    built = subprocess.run(["cc", *options, "-o", library, source, "-ldl"], capture_output=True, text=True)
    claim(built.returncode == 0, "the library of faults does not build", built.stderr)
    # A sanitizer's runtime wants to be the first library, and is asked not to insist.
    program.environment["ASAN_OPTIONS"] = program.environment.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"


def disturbed(program, name, kind, call, folder, *settings):
    """A run whose call number `call` on files below `folder` meets its fate. Gives the result and the number of calls."""
    counts = program.inside("count")
    added = {"LD_PRELOAD": program.inside("faults.so"), "FAULTS_FOLDER": folder, "FAULTS_KIND": kind,
             "FAULTS_CALL": str(call), "FAULTS_COUNT": counts}
    program.environment.update(added)
    try:
        result = program.train("config.yaml", name, *settings, code=None)
    finally:
        for key in added:
            program.environment.pop(key)
    if not os.path.exists(counts):
        return result, None
    with open(counts) as file:
        calls = int(file.read())
    os.remove(counts)
    return result, calls


def spread(count):
    """Evenly spread numbers below `count`."""
    if TRIED == 0 or count <= TRIED:
        return range(count)
    return sorted({i * count // TRIED for i in range(TRIED)})


def no_temporaries(program, name):
    folder = program.inside(name, "checkpoints")
    left = [f for f in os.listdir(folder) if f.endswith(".tmp")]
    claim(not left, "temporary files are left", left)


def each_call(program, kind, codes, folder):
    name = f"run_{kind}"
    program.remove(name)
    result, calls = disturbed(program, name, "count", -1, f"{name}{folder}")
    claim(result.code == 0 and calls and calls > 20, f"calls are not counted: {calls}", result)
    program.same_run("calm", name)
    ended = {}
    for call in spread(calls):
        program.remove(name)
        result, _ = disturbed(program, name, kind, call, f"{name}{folder}")
        where = f"{kind} at call {call} of {calls} on files of {name}{folder}"
        claim(result.code in codes, f"{where}: the exit code is {result.code}, none of {codes}", result)
        ended[result.code] = ended.get(result.code, 0) + 1
        try:
            program.train("config.yaml", name)
            program.same_run("calm", name)
            no_temporaries(program, name)
        except Failure as failure:
            raise Failure(f"{where}: {failure}\nthe disturbed run:\n{result}") from None
    return calls, ended


def tell(what, calls, ended):
    tried = sum(ended.values())
    say(f"{what}: {tried} of {calls} calls tried, and continued: the same end; exit codes {ended}")


def killed(program):
    """Also outside of saves: the lock, configuration, metrics, ledger, reports."""
    tell("killed at a call on any file of the run", *each_call(program, "kill", (-9, 137), "/"))


def failing(program):
    """A save that fails is not the end: only where it is the last one does the program say so with 74."""
    calls, ended = each_call(program, "fail", (0, 74), "/checkpoints/")
    claim(0 in ended, "no run outlived a failed save")
    tell("a call of a save fails", calls, ended)


def full(program):
    """Then the last save fails as well, but for its very last calls, which take no room."""
    calls, ended = each_call(program, "full", (0, 74), "/checkpoints/")
    claim(74 in ended, "a disk that is full to the end is not told")
    tell("no room from a call of a save on", calls, ended)


def failing_anywhere(program):
    tell("a call on any file of the run fails", *each_call(program, "fail", (0, 74), "/"))


def slow(program):
    """stop.time leaves time for the last save: as much again as the slowest took, twice."""
    result, _ = disturbed(program, "slow", "slow", 10, "slow/checkpoints/", "stop.time=4s")
    claim(result.code == 0 and "done at step 3 (stop.time)" in result.out, "the run does not end in time", result)
    say("a save that takes 2 s: stop.time ends the run 4 s earlier")


main(prepare, killed, failing, full, failing_anywhere, slow)
