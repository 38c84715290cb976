#!/usr/bin/env python3
"""Ranks are killed, stopped and asked to end at any moment, also while the disk is full, and each start has another
number of them; after many of these the run must be the one that nothing happened to: its state, metrics and ledger.

usage: chaos.py BUILD_DIR SOURCE_DIR [TIMES [SEED]]
"""
import contextlib
import os
import random
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from disk import empty, fill, small_disk  # noqa: E402
from program import claim, claim_ledger, main, say, step_of, wait_for, write_blobs  # noqa: E402

TIMES = int(sys.argv[3]) if len(sys.argv) > 3 else 6
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else 20240229
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


def send(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def harm(program, process, dice):
    """Does something bad to a running job. Gives its name."""
    ranks = program.ranks()
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
        send([process.pid] + program.ranks(), signal.SIGKILL)
    return what


def within(process, seconds):
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    return process.poll() is not None


class Disk:
    """What the run's directory lies on: it may be full for a while, also when the run is started."""

    def __init__(self, folder, mounted, dice):
        self.folder, self.mounted, self.dice, self.full = folder, mounted, dice, False

    def harm(self):
        if self.mounted and not self.full and self.dice.random() < 0.25:
            fill(self.folder)
            self.full = True
            time.sleep(self.dice.uniform(0, 0.5))
            return "full disk, "
        return ""

    def heal(self, chance=1.0):
        if self.full and self.dice.random() < chance:
            empty(self.folder)
            self.full = False


def prepare(program):
    say(f"seed {SEED}, {TIMES} times")
    write_blobs(program, (40,), 5, train=SAMPLES, valid=200)
    program.write("config.yaml", CONFIG)


def claim_nothing_bad(result, where):
    for words in ("Assertion", "another job runs", "passing over a bad checkpoint", "Sanitizer"):
        claim(words not in result.out + result.err, f"{words}: {where}", result)


def once(program, disk, dice):
    """Starts the run and harms it. Gives what was done."""
    # In lockstep-run's place: the program makes a file here as soon as its own deadline holds.
    job = program.environment["LOCKSTEP_JOB"] = program.inside(os.path.basename(program.folder))
    shutil.rmtree(job, ignore_errors=True)
    os.mkdir(job)
    ranks, at_full_disk = dice.randint(1, 5), disk.full
    process = program.start("train", "config.yaml", "--progress=none", "--set=run.dir=wild", ranks=ranks)
    longest = dice.choice((0.5, 1.0, 2.0))
    time.sleep(dice.uniform(0.05, longest))
    if at_full_disk:
        # Such a start may fail, and say so. It may also be about to: then there is no one left to harm.
        over = within(process, dice.choice((0, 5)))
        disk.heal()
        if over:
            result = program.finish(process)
            claim(result.code == 74 and "No space" in result.err, "a start on a full disk does not say so", result)
            return "start on a full disk"
    claim(process.poll() is None or at_full_disk, "the run ended by itself", process.said())
    what = disk.harm() + harm(program, process, dice)
    started = os.path.exists(os.path.join(job, "started"))
    ended = within(process, 6) or (started and within(process, 20))
    send([process.pid] + program.ranks(), signal.SIGKILL)
    result = program.finish(process)
    # Open MPI's own start has no deadline, and mpirun may miss the death of a rank there: lockstep-run has a limit.
    claim(ended or not started, f"the run does not end after \"{what}\"", result)
    wait_for(lambda: not program.ranks(), "the end of all ranks", seconds=20)
    claim(result.code != 0, f"after \"{what}\" the run says that it is done", result)
    claim_nothing_bad(result, f"{ranks} ranks, {what}")
    return what + ("" if ended else " in MPI_Init")


def remove_segments(program):
    """What ranks left that were killed before they had unlinked their shared memory; it bears the name of their job."""
    name = os.path.basename(program.folder)
    left = [f for f in os.listdir("/dev/shm") if f.startswith(name + ".")]
    for file in left:
        os.remove(os.path.join("/dev/shm", file))
    return len(left)


def undisturbed(program):
    last = step_of(program, "wild") + 20
    program.train("config.yaml", "wild", f"stop.steps={last}", ranks=2)
    program.train("config.yaml", "calm", f"stop.steps={last}")
    program.same_run("calm", "wild")
    say(f"step {last}: parameters, state and metrics are those of the undisturbed run")
    say(f"the ledger: each sample once in each of {claim_ledger(program, 'wild', last)} epochs")


def disturbed(program):
    dice = random.Random(SEED)
    counts = {}
    try:
        with small_disk(program.inside("wild"), "256M") as mounted:
            disk = Disk(program.inside("wild"), mounted, dice)
            for _ in range(TIMES):
                what = once(program, disk, dice)
                counts[what] = counts.get(what, 0) + 1
                disk.heal(chance=0.5)
            disk.heal()
            undisturbed(program)
    finally:
        left = remove_segments(program)
    say(f"{TIMES} times: {counts}; {left} segments of shared memory left by killed ranks")


main(prepare, disturbed)
