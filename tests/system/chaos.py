#!/usr/bin/env python3
"""Ranks are killed, stopped and asked to end at any moment, and each start has another number of them; after many of
these the run must be the one that nothing happened to: its state, its metrics, and its ledger.

usage: chaos.py BUILD_DIR SOURCE_DIR [SEED [TIMES]]
"""
import json
import os
import random
import signal
import sys
import time

import h5py

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import checkpoint, claim, classes, main, say, wait_for, write_group  # noqa: E402

SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 20240229
TIMES = int(sys.argv[4]) if len(sys.argv) > 4 else 6
SAMPLES, BATCH = 1000, 96

CONFIG = f"""
data: {{train: "blobs.h5:/train", valid: "blobs.h5:/valid", preprocess: standardize}}
model:
  - dense: {{units: 96}}
  - batch_norm
  - relu
  - dropout: {{rate: 0.2}}
  - dense: {{units: 5}}
loss: cross_entropy
metrics: [accuracy]
batch: {BATCH}
microbatch: 8
optimizer: {{adam: {{learning_rate: 0.001}}}}
schedule: [{{plateau: {{metric: valid.loss, factor: 0.9, patience: 2}}}}]
stop: {{steps: 100000000}}
checkpoint: {{every: 25st, keep: 2}}
run: {{dir: none, tensorboard: false, threads: 1, ledger: true, deadline: 3s}}
"""


def ranks_of(program):
    """The processes of the program that run in this test's folder: ours, and nobody else's."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.readlink(f"/proc/{entry}/cwd") == program.folder:
                if os.readlink(f"/proc/{entry}/exe") == program.path:
                    found.append(int(entry))
        except OSError:
            pass
    return sorted(found)


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def harm(program, process, dice):
    """Does something bad to a running job. Gives its name."""
    ranks = ranks_of(program)
    one = [dice.choice(ranks)] if ranks else [process.pid]  # too early: then it is mpirun's turn
    what = dice.choice(("kill a rank", "kill a rank", "kill all", "stop a rank", "ask a rank", "ask mpirun"))
    if what == "stop a rank" and len(ranks) < 2:  # nobody waits for it, so nobody notices
        what = "kill a rank"
    if what == "kill a rank":
        send(one, signal.SIGKILL)
    elif what == "kill all":
        send([process.pid] + ranks, signal.SIGKILL)
    elif what == "stop a rank":
        send(one, signal.SIGSTOP)
    elif what == "ask a rank":
        send(one, dice.choice((signal.SIGTERM, signal.SIGUSR2)))
    else:
        send([process.pid], dice.choice((signal.SIGTERM, signal.SIGUSR2)))
    if what.startswith("ask"):  # it may have come before anybody listened
        within(process, 4)
        send([process.pid] + ranks_of(program), signal.SIGKILL)
    return what


def within(process, seconds):
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    return process.poll() is not None


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path) as file:
        return file.read()


def started(program, before):
    """Has the newest start said anything? `before` is the length of log.txt before it."""
    return len(read(program.inside("wild/log.txt"))) > before


def step_of(program, name):
    path = program.inside(checkpoint(name))
    if not os.path.exists(path):
        return 0
    with h5py.File(path) as file:
        return int(file["state/step"][()])


def prepare(program):
    say(f"seed {SEED}, {TIMES} times")
    for group, count in (("train", SAMPLES), ("valid", 200)):
        x, y = classes(count, (40,), 5, seed=len(group))
        write_group(program.inside("blobs.h5"), group, x=x, y=y)
    program.write("config.yaml", CONFIG)


def disturbed(program):
    dice = random.Random(SEED)
    counts = {}
    for time_number in range(TIMES):
        ranks = dice.randint(1, 5)
        before = len(read(program.inside("wild/log.txt")))
        process = program.start("train", "config.yaml", "--progress=none", "--set=run.dir=wild", ranks=ranks)
        longest = dice.choice((0.5, 1.0, 2.0))
        time.sleep(dice.uniform(0.05, longest))
        if process.poll() is not None:
            claim(False, "the run ended by itself", program.finish(process))
        what = harm(program, process, dice)
        ended = within(process, 6) or (started(program, before) and within(process, 20))
        send([process.pid] + ranks_of(program), signal.SIGKILL)
        result = program.finish(process)
        # Open MPI's own start has no deadline, and mpirun may miss the death of a rank there.
        claim(ended or not started(program, before), f"the run does not end after \"{what}\"", result)
        what += "" if ended else " in MPI_Init"
        wait_for(lambda: not ranks_of(program), "the end of all ranks", seconds=20)
        claim(result.code != 0, f"after \"{what}\" the run says that it is done", result)
        for words in ("Assertion", "another job runs", "passing over a bad checkpoint", "Sanitizer"):
            claim(words not in result.out + result.err, f"{words}: time {time_number}, {ranks} ranks, {what}", result)
        counts[what] = counts.get(what, 0) + 1
    say(f"{TIMES} times: {counts}")


def undisturbed(program):
    last = step_of(program, "wild") + 20
    program.train("config.yaml", "wild", f"stop.steps={last}", ranks=2)
    program.train("config.yaml", "calm", f"stop.steps={last}")
    program.same_run("calm", "wild")
    say(f"step {last}: parameters, state and metrics are those of the undisturbed run")


def ledger(program):
    with open(program.inside("wild/ledger.jsonl")) as file:
        lines = [json.loads(line) for line in file]
    claim([line["step"] for line in lines] == list(range(1, len(lines) + 1)), "the ledger lacks steps, or repeats some")
    used = {}
    for line in lines:
        used.setdefault(line["epoch"], []).extend(line["samples"])
    last = max(used)
    for epoch, samples in used.items():
        claim(len(samples) == len(set(samples)), f"epoch {epoch} uses a sample twice")
        claim(epoch == last or sorted(samples) == list(range(SAMPLES)), f"epoch {epoch} lacks samples")
    say(f"the ledger: each sample once in each of {last} epochs")


main(prepare, disturbed, undisturbed, ledger)
