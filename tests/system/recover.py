#!/usr/bin/env python3
"""What a run leaves to be checked afterwards, and what it does when something goes wrong that need not end it.

The ledger, steps repeated and compared, batches that go bad, and saves that fail.
"""
import json
import os
import shutil
import signal
import subprocess
import sys

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from disk import empty, fill, small_disk  # noqa: E402
from program import checkpoint, claim, main, say, wait_for, write_blobs, write_group  # noqa: E402

SAMPLES, BATCH, STEPS = 200, 24, 9  # the last batch of an epoch is short

CONFIG = """
data: {train: "blobs.h5:/train", valid: "blobs.h5:/valid", preprocess: standardize}
model:
  - dense: {units: 12}
  - batch_norm
  - relu
  - dropout: {rate: 0.2}
  - dense: {units: 4}
loss: cross_entropy
metrics: [accuracy]
batch: 24
microbatch: 4
optimizer: {adam: {learning_rate: 0.01}}
schedule: [{plateau: {metric: valid.loss, factor: 0.5, patience: 1, delta: 0.05}}]
stop: {epochs: 4, early: {metric: valid.loss, patience: 3}}
run: {dir: none, tensorboard: false, threads: 1}
"""


# ---- the ledger

def ledger(program, name):
    with open(program.inside(name, "ledger.jsonl")) as file:
        return [json.loads(line) for line in file]


def claim_each_sample_once(lines, epochs, samples=SAMPLES):
    steps = [line["step"] for line in lines]
    claim(steps == list(range(1, epochs * STEPS + 1)), "the ledger lacks steps, or repeats some", steps)
    for epoch in range(epochs):
        used = [s for line in lines if line["epoch"] == epoch for s in line["samples"]]
        claim(sorted(used) == list(range(samples)), f"epoch {epoch} does not use each sample once", sorted(used))


def ledger_across_restarts(program):
    """Kills in the middle of epochs, and another number of ranks after each."""
    for ranks, step in ((3, 5), (None, 14), (5, 22)):
        program.train("config.yaml", "ledger", "run.ledger=true", "checkpoint.every=2st", f"stop.steps={step + 3}", ranks=ranks)
        # What a killed run leaves: its checkpoints, and lines that are newer than those.
        folder = program.inside("ledger/checkpoints")
        for name in os.listdir(folder):
            if name.startswith("step-") and int(name[5:14]) > step:
                os.remove(os.path.join(folder, name))
    program.train("config.yaml", "ledger", "run.ledger=true", ranks=2)
    claim_each_sample_once(ledger(program, "ledger"), 4)
    program.same_run("alone", "ledger")
    say("ledger.jsonl: every sample once in each epoch, across lost steps and 3, 1, 5 and 2 ranks")


# ---- steps repeated

def contents(folder):
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                found[path] = (os.stat(path).st_mtime_ns, file.read())
    return found


def verify_resume(program):
    before = contents(program.inside("alone"))
    scratch = program.inside("scratch")
    os.makedirs(scratch)
    program.environment["TMPDIR"] = scratch
    for ranks, steps, first in ((None, 1, 27), (None, 9, 27), (3, 10, 18)):
        result = program.run("train", "config.yaml", "--set=run.dir=alone", f"--verify-resume={steps}", ranks=ranks)
        claim(f"the steps from {first} to 36 repeat bit by bit" in result.out, "the repeated steps are not said", result)
    result = program.run("train", "config.yaml", "--set=run.dir=alone", "--verify-resume=30")
    claim("18 steps: the nearest checkpoint" in result.out, "that there is no older checkpoint is not said", result)
    claim(contents(program.inside("alone")) == before, "repeating steps changed the run's directory")
    claim(os.listdir(scratch) == [], "repeating steps left something behind", os.listdir(scratch))
    del program.environment["TMPDIR"]
    say("--verify-resume repeats the last steps on 1 and 3 ranks, and changes nothing")


def verify_resume_finds(program):
    """An older checkpoint from which the run does not continue to the newest: one of another seed, with its own checksums."""
    shutil.copytree(program.inside("alone"), program.inside("changed"), symlinks=True)
    program.train("config.yaml", "changed", "seed=2", "run.dir=other")
    other, changed = (program.inside(checkpoint(name, "step-000000027")) for name in ("other", "changed"))
    shutil.copy(other, changed)
    result = program.run("train", "config.yaml", "--set=run.dir=changed", "--verify-resume=9", code=1)
    claim("differ: /parameters/" in result.err, "the first parameter that differs is not named", result)
    result = program.run("train", "config.yaml", "--set=run.dir=nowhere", "--verify-resume=9", code=2)
    claim("no checkpoint" in result.err, "an empty run is not refused", result)
    claim(not os.path.exists(program.inside("nowhere")), "a run directory was made")
    result = program.run("train", "config.yaml", "--verify-resume=0", code=64)
    say("--verify-resume names the first parameter that differs, with exit code 1")


def verify_resume_early(program):
    """After an early stop the newest checkpoint holds the best parameters: it would be compared with itself."""
    settings = ("stop.epochs=40", "stop.early.patience=1", "optimizer.adam.learning_rate=0.3")
    program.train("config.yaml", "early", *settings)
    with h5py.File(program.inside(checkpoint("early"))) as file:
        last, best = int(file["state/step"][()]), int(file["state/best_step"][()])
    claim(best < last < 40 * STEPS, f"the run does not stop early: step {last}, best {best}")
    arguments = ["train", "config.yaml", "--set=run.dir=early", *(f"--set={s}" for s in settings)]
    result = program.run(*arguments, f"--verify-resume={STEPS}")
    claim(f"the steps from {last - 2 * STEPS} to {last - STEPS} repeat bit by bit" in result.out and
          f"of step {last}, is left out" in result.out and f"of step {best}" in result.out,
          "what is compared, and what not, is not said", result)
    for name in os.listdir(program.inside("early/checkpoints")):
        if name.startswith("step-") and int(name[5:14]) not in (last, best):
            os.remove(program.inside("early/checkpoints", name))
    result = program.run(*arguments, "--verify-resume=1", code=2)
    claim("raise checkpoint.keep" in result.err, "that nothing can be compared is not said", result)

    # Killed before that checkpoint is made, the run has not ended yet.
    program.train("config.yaml", "twice", *settings)
    os.remove(program.inside("twice/checkpoints", f"step-{last:09d}.h5"))
    program.train("config.yaml", "twice", *settings, ranks=3)
    program.same_run("early", "twice")
    say("--verify-resume after an early stop compares steps that it has, and says what it leaves out")


def asked_at_the_end(program):
    """Asked to stop at the very step at which a condition of its own ends the run: it is over, and does not go past it."""
    program.write("train_only.yaml", CONFIG.replace(', valid: "blobs.h5:/valid"', "").replace("valid.loss", "train.loss"))
    # With a validation set its evaluation is put off to the next start, which then finds that the run is over.
    for config, metric, code in (("train_only.yaml", "train.loss", 0), ("config.yaml", "valid.loss", 75)):
        name, settings = f"asked_{metric}", (f"batch={SAMPLES}", f"stop.metric={metric} < 1000")
        program.train(config, name, *settings, options=("--max-time=1s",), code=code)  # that is: at its first step
        program.train(config, name, *settings)
        steps = [e["step"] for e in program.events(name) if e["event"] == "step"]
        claim(steps == [1], f"the run goes past its end: {steps}")
    say("asked to stop at the step at which it is over, a run is over")


# ---- numbers that go bad

BAD = """
data: {train: "bad.h5:/train"}
model: [{dense: {units: 8}}, relu, {dense: {units: 1}}]
loss: mse
batch: 16
microbatch: 4
optimizer: {sgd: {learning_rate: 0.01}}
stop: {epochs: 3}
checkpoint: {every: 1st, keep: 2}
run: {dir: none, tensorboard: false, ledger: true}
"""


def bad_batches(program):
    """One sample overflows float; the step that has it changes no weight."""
    random = np.random.default_rng(3)
    x = random.normal(size=(64, 5)).astype(np.float32)
    x[37] = 3e38
    write_group(program.inside("bad.h5"), "train", x=x, y=x[:, :1] * 0)
    program.write("bad.yaml", BAD)
    for ranks in (None, 3):
        name = f"bad{ranks}"
        result = program.train("bad.yaml", name, ranks=ranks, code=3)
        found = [f for f in os.listdir(program.inside(name)) if f.startswith("nonfinite-step-")]
        claim(len(found) == 1, "not one batch is left for replay", found, result)
        with open(program.inside(name, found[0])) as file:
            batch = json.load(file)
        step = batch["step"]
        claim(37 in batch["samples"] and len(batch["samples"]) == 16, "the batch is not the one with the bad sample", batch)
        claim(found[0] == f"nonfinite-step-{step}.json", "the file's name is another step's", batch)
        claim(all(word in result.err for word in ("dense_1", f"step {step}", "rank", "sample")),
              "layer, step, rank and sample are not all named", result)
        claim(batch["message"] in result.err, "the file has another message", batch, result)
        if step:
            latest = os.readlink(program.inside(checkpoint(name)))
            claim(latest == f"step-{step:09d}.h5", "the last good checkpoint is not there", latest)
            program.run("verify", checkpoint(name))
    say(f"a number that goes bad (step {step}): exit code 3, layer, rank and sample; the batch is left for replay")


def skipped(program):
    settings = ("run.on_nonfinite=skip",)
    for ranks in (None, 2, 3):
        program.train("bad.yaml", f"skip{ranks or 1}", *settings, ranks=ranks)
    with open(program.inside("skip1/report.json")) as file:
        report = file.read()
    claim('"skipped_updates": 3' in report and '"updates": 9' in report, "skipped updates are not counted", report)
    with h5py.File(program.inside(checkpoint("skip1"))) as file:
        claim(all(np.isfinite(p[()]).all() for p in file["parameters/dense_1"].values()), "a skipped step changed weights")
    program.same_run("skip1", "skip2")
    program.same_run("skip1", "skip3")
    lines = ledger(program, "skip1")
    claim(len(lines) == 12 and all(37 in sum((l["samples"] for l in lines if l["epoch"] == e), []) for e in range(3)),
          "the ledger lacks skipped steps")
    say("on_nonfinite: skip goes on, counts, and has the same bits on 1, 2 and 3 ranks")


# ---- saves that fail

def vanished(program):
    """The folder of the checkpoints, or of the run, goes away under a run: said once, made anew."""
    for name, part, log in (("vanished", "checkpoints", "vanished/log.txt"), ("gone", "", "away/log.txt")):
        process = endless(program, name)
        latest = program.inside(checkpoint(name))
        wait_for(lambda: os.path.lexists(latest), "a first checkpoint", process)
        os.rename(program.inside(name, part), program.inside("away"))
        wait_for(lambda: os.path.lexists(latest), "a checkpoint after that", process)
        end(program, process, 75)
        lines = [line for line in read(program.inside(log)).splitlines() if "was not made" in line]
        # Twice where one was under way.
        claim(1 <= len(lines) <= 2 and "vanished" in lines[-1], "it is not said once", lines)
        claim("the next try is at step" in lines[0], "it is not said when the next try is", lines)
        program.run("verify", checkpoint(name))
        program.remove("away")
    say("a folder of checkpoints, or of a run, that vanishes: one warning, made anew")


def limited(program):
    """A file that may not grow so far is no reason to be killed by the system."""
    words = program.words(["train", "config.yaml", "--progress=none", "--set=run.dir=limited"])
    result = program.finish(program.start_words("prlimit", "--fsize=12288", *words))
    claim(result.code == 74, "the exit code is not 74", result)
    claim("the last checkpoint was not made" in result.err and "File too large" in result.err, "it is not said why", result)
    program.train("config.yaml", "limited")
    program.same_run("alone", "limited")
    say("a limit on the size of files: saves fail with a warning, and the run goes on")


def harmed(harm, folder, holds):
    """Harms the disk again (a deleted checkpoint leaves room) until what must follow from it holds."""
    def look():
        if not holds():
            harm(folder)
        return holds()
    return look


def turn(how):
    def remount(folder):
        words = ["mount", "-o", f"remount,{how}", folder]
        # It is refused while a file is open for writing.
        wait_for(lambda: subprocess.run(words, capture_output=True).returncode == 0, f"a disk that is {how}")
    return remount


ENDLESS = ("stop.epochs=1000000", "stop.early.patience=1000000", "checkpoint.every=20st", "run.ledger=true")


def endless(program, name):
    settings = (*ENDLESS, f"run.dir={name}")
    return program.start("train", "config.yaml", "--progress=none", *(f"--set={s}" for s in settings))


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def end(program, process, code):
    process.send_signal(signal.SIGUSR2)
    result = program.finish(process)
    claim(result.code == code, f"the exit code is not {code}", result)
    return result


def claim_goes_on(program, name):
    """Continued, the run is the one that nothing happened to."""
    with h5py.File(program.inside(checkpoint(name))) as file:
        steps = int(file["state/step"][()]) + 50
    ends = ENDLESS + (f"stop.steps={steps}",)
    program.train("config.yaml", name, *ends)
    program.train("config.yaml", "calm", *ends)
    program.same_run("calm", name)
    claim(ledger(program, "calm") == ledger(program, name), "the ledger is another one")
    program.remove("calm")


def saves_fail(program):
    """The disk of the checkpoints fills up, or turns read-only, and is well again; or not."""
    for what, harm, heal in (("full", fill, empty), ("readonly", turn("ro"), turn("rw"))):
        folder, log = program.inside(what, "checkpoints"), program.inside(what, "log.txt")
        latest = os.path.join(folder, "latest.h5")
        with small_disk(folder) as mounted:
            if not mounted:
                return
            process = endless(program, what)
            wait_for(lambda: os.path.lexists(latest), "a first checkpoint", process)
            wait_for(harmed(harm, folder, lambda: "was not made" in read(log)), "a failed save", process)
            before = os.readlink(latest)
            program.run("verify", checkpoint(what))
            heal(folder)
            wait_for(lambda: os.readlink(latest) != before, "a save after the failed ones", process)
            end(program, process, 75)
            claim_goes_on(program, what)

            process = endless(program, what)
            wait_for(lambda: read(log).count("going on from") == 2, "its start", process)
            said = read(log).count("was not made")
            wait_for(harmed(harm, folder, lambda: read(log).count("was not made") > said), "a failed save", process)
            result = end(program, process, 74)
            claim("the last checkpoint was not made" in result.err, "the end does not say what is missing", result)
            claim("No space" in result.err or "Read-only" in result.err, "the end does not say why", result)
            claim("the next try is at step" in read(log), "it is not said when the next try is")
            heal(folder)
            program.run("verify", checkpoint(what))
            claim_goes_on(program, what)
        say(f"saves on a {what} disk fail with a warning; the run goes on, and ends with 74 only if the last one fails")


def lines_wait(program):
    """The whole run directory is on a disk that is full for a while: no line of metrics.jsonl or the ledger is lost."""
    folder = program.inside("lines")
    with small_disk(folder, "200M") as mounted:
        if not mounted:
            return
        process = endless(program, "lines")
        metrics = os.path.join(folder, "metrics.jsonl")
        wait_for(lambda: os.path.lexists(os.path.join(folder, "checkpoints/latest.h5")), "a first checkpoint", process)
        wait_for(harmed(fill, folder, lambda: "wait in memory" in process.said()), "lines that wait", process)
        size = os.path.getsize(metrics)
        empty(folder)
        wait_for(lambda: os.path.getsize(metrics) > size, "lines after the disk was full", process)
        result = end(program, process, 75)
        claim("wait in memory" in result.out + result.err, "that lines wait is not said", result)
        events = program.events("lines")
        steps = [e["step"] for e in events if e["event"] == "step"]
        claim(steps == list(range(1, len(steps) + 1)), "lines of metrics.jsonl are lost or torn")
        claim([line["step"] for line in ledger(program, "lines")] == steps, "lines of the ledger are lost or torn")
    say("a full disk: lines of metrics.jsonl and the ledger wait, and all are there in the end")


def prepare(program):
    write_blobs(program, (6,), 4, train=SAMPLES, valid=60)
    program.write("config.yaml", CONFIG)
    program.train("config.yaml", "alone", "run.ledger=true")
    claim_each_sample_once(ledger(program, "alone"), 4)


main(prepare, ledger_across_restarts, verify_resume, verify_resume_finds, verify_resume_early, asked_at_the_end,
     bad_batches, skipped, vanished, limited, saves_fail, lines_wait)
