#!/usr/bin/env python3
"""A run that was stopped and continued, on other numbers of ranks and past damaged files, ends as the undisturbed one.

Compared are the parameters, the checksum of the whole state, and metrics.jsonl: every step once, the same numbers.
"""
import json
import os
import shutil
import sys
import time

import h5py

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import arrays, checkpoint, claim, main, say  # noqa: E402

# 23 steps an epoch. Much state to carry: moments, running averages, masks by position, a schedule with a memory, an
# epoch's gradient sum, stops that count.
CONFIG = """
data: {train: "configs/digits.h5:/train", valid: "configs/digits.h5:/test", preprocess: standardize}
model:
  - dense: {units: 24}
  - batch_norm
  - relu
  - dropout: {rate: 0.2}
  - dense: {units: 10}
loss: cross_entropy
metrics: [accuracy]
batch: 64
microbatch: 8
optimizer: {adam: {learning_rate: 0.01}}
schedule: [{exponential: {k: 0.01, per: step}}, {plateau: {metric: valid.loss, factor: 0.5, patience: 1, delta: 0.05}}]
stop: {epochs: 4, gradient_norm: 1e-9, plateau: {metric: valid.accuracy, patience: 50}}
run: {dir: none, tensorboard: false}
"""
LAST = 4 * 23


def contents(folder):
    """Every file below a run directory, with its bytes or where it links to."""
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            if os.path.islink(path):
                found[os.path.relpath(path, folder)] = os.readlink(path)
            else:
                with open(path, "rb") as file:
                    found[os.path.relpath(path, folder)] = file.read()
    return found


def claim_untouched(before, after, sentence):
    """A start may raise the generation of run.lock, write to log.txt and say how it is; nothing else."""
    changed = [k for k in sorted(set(before) | set(after)) if before.get(k) != after.get(k)]
    changed = [k for k in changed if k not in ("run.lock", "log.txt", "status.json")]
    claim(not changed, f"{sentence} changed {', '.join(changed)}")


def claim_steps(events, last):
    steps = [e["step"] for e in events if e["event"] == "step"]
    claim(steps == list(range(1, last + 1)), f"metrics.jsonl does not hold every step to {last} once", steps)


def in_mid_epoch(program):
    """In an epoch, at its end, and twice; each start has its own number of ranks."""
    for name, starts in (("mid", [(2, 31), (3, LAST)]), ("end", [(3, 46), (1, LAST)]),
                         ("twice", [(1, 1), (5, 47), (2, LAST)]))[:1 if program.sanitized else None]:
        for ranks, last in starts:
            stop = (f"stop.steps={last}",) if last < LAST else ()
            program.train("config.yaml", name, *stop, ranks=ranks)
            claim_steps(program.events(name), last)
        program.same_run("alone", name)
        say(f"stopped and continued ({', '.join(f'to step {s} on {r}' for r, s in starts)}): as if never stopped")


def finished(program):
    before = contents(program.inside("mid"))
    result = program.train("config.yaml", "mid", ranks=2)
    claim("over" in result.out or "done" in result.out, "a finished run does not say that it is done", result)
    claim_untouched(before, contents(program.inside("mid")), "starting a finished run again")
    say("a finished run started again: done, and nothing changed")


def another_experiment(program):
    before = contents(program.inside("mid"))
    for settings, keys in ((["batch=32"], ["batch: 64 -> 32"]),
                           (["optimizer.adam.learning_rate=0.02", "seed=3"],
                            ["learning_rate: 0.01 -> 0.02", "seed: 1 -> 3"]),
                           (["model.0.dense.units=25"], ["units: 24 -> 25"])):
        for ranks in (None,) if program.sanitized else (None, 2):
            result = program.train("config.yaml", "mid", *settings, ranks=ranks, code=2)
            claim(len(result.errors) == 1, "not exactly one error is reported", result)
            claim("holds another experiment" in result.err, "the refusal does not say why", result)
            for key in keys:
                claim(key in result.err, f"the refusal does not show \"{key}\"", result)
            claim_untouched(before, contents(program.inside("mid")), "a refused start")
    result = program.train("config.yaml", "mid", options=["--resume=never"], code=2)
    claim("holds a run already" in result.err, "--resume never goes over a run without a word", result)
    program.same_run("alone", "mid")
    say("another experiment in the same directory: refused with the keys that differ, and nothing changed")


def free_keys(program):
    """What may differ between starts does not stop them, nor change what is computed."""
    program.train("config.yaml", "free", "stop.steps=31")
    os.makedirs(program.inside("elsewhere"), exist_ok=True)
    shutil.copy(program.inside("configs/digits.h5"), program.inside("elsewhere/copy.h5"))
    program.train("config.yaml", "free", "checkpoint.every=7st", "checkpoint.keep=2", "run.threads=2",
                  "metrics=[accuracy, error]", "run.log_every=1s", "topology.ranks_per_node=1",
                  "data.train=elsewhere/copy.h5:/train", ranks=2)
    result = program.run("diff", checkpoint("alone"), checkpoint("free"), code=None)
    claim(result.code == 0, "other metrics, saves, threads and paths changed the parameters", result)
    say("metrics, saves, threads, nodes and paths may differ between starts")


def parameter_offset(path):
    with h5py.File(path, "r") as file:
        return file["parameters/dense_1/weight"].id.get_offset()


def flip(path):
    offset = parameter_offset(path)
    with open(path, "r+b") as file:
        file.seek(offset + 5)
        byte = file.read(1)[0]
        file.seek(offset + 5)
        file.write(bytes([byte ^ 0x10]))


def truncate(path):
    os.truncate(path, os.path.getsize(path) * 2 // 3)


def empty(path):
    os.truncate(path, 0)


def overwrite(path):
    with open(path, "r+b") as file:
        file.write(b"\0" * 512)


def damaged(program):
    program.train("config.yaml", "whole", "stop.steps=31", ranks=2)
    damages = ((3, flip), (1, truncate), (2, empty), (1, overwrite))
    for ranks, damage in damages[:2] if program.sanitized else damages:
        name = f"damaged_{damage.__name__}"
        shutil.copytree(program.inside("whole"), program.inside(name), symlinks=True)
        newest = program.inside(checkpoint(name, "step-000000031"))
        damage(newest)
        code = program.run("verify", newest, code=None).code
        claim(code != 0, f"verify finds nothing wrong with a file after {damage.__name__}()")
        result = program.train("config.yaml", name, ranks=ranks)
        lines = [line for line in (result.out + result.err).splitlines() if "passing over" in line]
        claim(len(lines) == 1 and "step-000000031.h5" in lines[0], f"{len(lines)} lines tell of the damage", result)
        claim_steps(program.events(name), LAST)
        program.same_run("alone", name)
        say(f"newest checkpoint damaged ({damage.__name__}): passed over with one line, the same end")


def links(program):
    """latest.h5 is the newest, best.h5 the best of the metric, and so many files are kept."""
    program.train("config.yaml", "links", "checkpoint.every=10st", "checkpoint.keep=2", "stop.steps=85",
                  "optimizer.adam.learning_rate=0.2", "schedule=[]", ranks=2)
    folder = program.inside("links/checkpoints")
    evaluations = [e for e in program.events("links") if e["event"] == "eval" and e["set"] == "valid"]
    best = min(evaluations, key=lambda e: (e["loss"], e["step"]))
    claim(os.readlink(f"{folder}/latest.h5") == "step-000000085.h5", "latest.h5 is not that of the last step")
    claim(os.readlink(f"{folder}/best.h5") == f"step-{best['step']:09d}.h5", "best.h5 is not the best", best)
    kept = {name for name in os.listdir(folder) if name.startswith("step-")}
    wanted = {f"step-{s:09d}.h5" for s in (80, 85, best["step"])}
    claim(kept == wanted, f"kept are {sorted(kept)}, not {sorted(wanted)}")
    state = arrays(f"{folder}/latest.h5")
    claim(state["state/best"] == best["loss"] and state["state/best_step"] == best["step"],
          "the state does not hold the best")
    with open(program.inside("links/report.json")) as file:
        report = json.load(file)
    claim(report["steps"] == 85 and report["best"]["step"] == best["step"] and report["result"] == "done",
          "report.json says something else", report)
    say("latest.h5, best.h5 and checkpoint.keep hold what they say")


def from_file(program):
    """--resume FILE goes on from a checkpoint of another directory."""
    file = program.inside(checkpoint("whole", "step-000000023"))
    program.train("config.yaml", "branch", options=[f"--resume={file}"], ranks=2)
    result = program.run("diff", checkpoint("alone"), checkpoint("branch"), code=None)
    claim(result.code == 0 and program.state("alone") == program.state("branch"),
          "a run that went on from a file ended differently", result)
    say("--resume FILE: the same end in another directory")


def max_time(program):
    """--max-time saves and leaves with 75; wherever that was, the run goes on as if it had not."""
    far = ("stop.epochs=1000000", "stop.plateau.patience=1000000000", "batch=16", "microbatch=2")
    program.train("config.yaml", "timed", *far, options=["--max-time=2s"], ranks=2, code=75)
    stopped = int(arrays(program.inside(checkpoint("timed")))["state/step"])
    claim(stopped > 0, "nothing was done in the time")
    ends = far + (f"stop.steps={stopped + 100}",)
    program.train("config.yaml", "timed", *ends, ranks=3)
    program.train("config.yaml", "untimed", *ends)
    claim_steps(program.events("timed"), stopped + 100)
    program.same_run("untimed", "timed")
    say(f"--max-time ended the run with 75 at step {stopped}; continued, it is the undisturbed one")


def start_counts(program):
    """The start is a part of --max-time: here the configuration is slow to come."""
    os.mkfifo(program.inside("slow.yaml"))
    process = program.start("train", "slow.yaml", "--progress=none", "--set=run.dir=slow", "--max-time=4s")
    with open(program.inside("slow.yaml"), "w") as file:  # once the program reads
        time.sleep(4)
        file.write(CONFIG)
    result = program.finish(process)
    claim(result.code == 75, "--max-time does not end the run with 75", result)
    claim(int(arrays(program.inside(checkpoint("slow")))["state/step"]) == 1, "the run does not stop at once", result)
    say("--max-time counts from the program's start")


def stop_time(program):
    """A run that stop.time ended is over; with more time it goes on."""
    far = ("stop.epochs=1000000", "stop.plateau.patience=1000000000")
    for limit in ("1s", "2s"):
        program.train("config.yaml", "by_time", *far, f"stop.time={limit}", ranks=2)
        stopped, before = program.events("by_time")[-1]["step"], contents(program.inside("by_time"))
        program.train("config.yaml", "by_time", *far, f"stop.time={limit}", ranks=3)
        claim_untouched(before, contents(program.inside("by_time")), "starting a run again that stop.time ended")
    claim_steps(program.events("by_time"), stopped)
    say("stop.time: a run that it ended is over, and goes on when it gets more")


def undisturbed(program):
    os.symlink(os.path.join(program.source, "configs"), program.inside("configs"))
    program.write("config.yaml", CONFIG)
    program.train("config.yaml", "alone", "run.threads=1")
    claim_steps(program.events("alone"), LAST)


main(undisturbed, in_mid_epoch, finished, another_experiment, free_keys, damaged, links, from_file, max_time,
     start_counts, stop_time)
