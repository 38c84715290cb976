#!/usr/bin/env python3
"""What a run does when it is told something from outside, or when a rank falls silent.

USR1 saves and goes on; USR2, TERM without a launcher, and the file `stop` save and end with 75, also in an evaluation,
which is made up for, and while the run starts; a rank that is stopped ends the job at the deadline, named. Whatever it
was, the run then goes on to the same end as an undisturbed one.
"""
import fcntl
import os
import signal
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import arrays, checkpoint, claim, classes, main, ranks_of, say, wait_for, write_group  # noqa: E402

# Endless but for a signal, and without a checkpoint but for one.
CONFIG = """
data: {train: "configs/digits.h5:/train", preprocess: standardize}
model: [{dense: {units: 64}}, tanh, {dropout: {rate: 0.1}}, {dense: {units: 10}}]
loss: cross_entropy
batch: 24
microbatch: 4
optimizer: {sgd: {learning_rate: 0.01, momentum: 0.9}}
stop: {epochs: 1000000}
checkpoint: {every: 1000000ep}
run: {dir: none, tensorboard: false}
"""


# A step an epoch, and an evaluation of many: whatever comes, comes in an evaluation.
EVALUATING = CONFIG.replace("configs/digits.h5:/train", "large.h5:/train").replace(
    "preprocess:", 'valid: "large.h5:/valid", preprocess:') + "metrics: [accuracy]\n"


def begin(program, directory, *settings, ranks=None, config="config.yaml"):
    """A run that has made its first steps."""
    words = [f"--set={s}" for s in (f"run.dir={directory}",) + settings]
    process = program.start("train", config, "--progress=none", *words, ranks=ranks)
    journal = program.inside(directory, "metrics.jsonl")
    wait_for(lambda: os.path.exists(journal) and os.path.getsize(journal) > 0, f"first steps of {directory}", process)
    return process


def step_of(program, directory):
    return int(arrays(program.inside(checkpoint(directory)))["state/step"])


def claim_goes_on(program, directory, ranks, config="config.yaml", steps=20):
    """Continued for a few steps it is the undisturbed run."""
    last = f"stop.steps={step_of(program, directory) + steps}"
    program.train(config, directory, last, ranks=ranks)
    program.train(config, directory + "_alone", last)
    program.same_run(directory, directory + "_alone")


def prepare(program):
    os.symlink(os.path.join(program.source, "configs"), program.inside("configs"))
    program.write("config.yaml", CONFIG)
    program.write("evaluating.yaml", EVALUATING)
    x, y = classes(50000, (200,), 10)
    write_group(program.inside("large.h5"), "train", x=x[:24], y=y[:24])
    write_group(program.inside("large.h5"), "valid", x=x, y=y)


def usr1_and_usr2(program):
    process = begin(program, "usr", ranks=2)
    latest = program.inside(checkpoint("usr"))
    claim(not os.path.exists(latest), "a checkpoint was made before it was asked for")
    process.send_signal(signal.SIGUSR1)
    wait_for(lambda: os.path.exists(latest), "a checkpoint after USR1", process)
    saved = step_of(program, "usr")
    time.sleep(0.2)
    claim(process.poll() is None, "USR1 ended the run")
    process.send_signal(signal.SIGUSR2)
    result = program.finish(process)
    claim(result.code == 75, "USR2 does not end the run with 75", result)
    stopped = step_of(program, "usr")
    claim(stopped > saved, f"after USR1 at step {saved} nothing was done until USR2 at step {stopped}", result)
    claim(not result.errors, "a wish is reported as an error", result)
    claim_goes_on(program, "usr", 3)
    say(f"USR1 saved at step {saved} and went on; USR2 saved at step {stopped} and ended with 75")


def alone(program):
    """Without a launcher, TERM and INT are wishes as well."""
    for number in (signal.SIGTERM, signal.SIGINT):
        name = signal.Signals(number).name
        process = begin(program, name)
        process.send_signal(number)
        result = program.finish(process)
        claim(result.code == 75, f"{name} does not end the run with 75", result)
        claim_goes_on(program, name, 2)
        say(f"{name} to a run on one rank: saved, 75")


def stop_file(program):
    process = begin(program, "file", ranks=3)
    open(program.inside("file/stop"), "w").close()
    result = program.finish(process)
    claim(result.code == 75, "the file stop does not end the run with 75", result)
    claim_goes_on(program, "file", 2)
    claim(not os.path.exists(program.inside("file/stop")), "the file stop is still there")
    with open(program.inside("file/run.lock"), "r+") as lock:
        open(program.inside("file/stop"), "w").close()
        fcntl.fcntl(lock, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        program.train("config.yaml", "file", code=74)
        claim(os.path.exists(program.inside("file/stop")), "a start that is refused takes another run's wish to stop away")
    say("the file stop: saved, 75, and gone when the run goes on")


def stop_file_before_the_start(program):
    """It waits for the run that begins: that one ends at its first step, and takes the file with it."""
    os.makedirs(program.inside("waiting"))
    for steps in (1, 2):
        open(program.inside("waiting/stop"), "w").close()
        program.train("config.yaml", "waiting", code=75)
        claim(step_of(program, "waiting") == steps, f"the run did not end at step {steps}")
        claim(not os.path.exists(program.inside("waiting/stop")), "the file stop is still there")
    say("the file stop before a start: one step, 75, and gone")


def stop_in_an_evaluation(program, directory, ranks, ask):
    """Starts the run and asks it to stop until it did so within an evaluation, where it spends most of its time."""
    for _ in range(20):
        going_on = os.path.exists(program.inside(directory))
        before = step_of(program, directory) if going_on else 0
        process = begin(program, directory, ranks=ranks, config="evaluating.yaml")
        if going_on:
            wait_for(lambda: "going on" in process.said(), "the start", process)
        ask(process)
        result = program.finish(process)
        claim(result.code == 75 and not result.errors, "a stop does not end with 75", result)
        state = arrays(program.inside(checkpoint(directory)))
        claim(state["state/step"] >= before, "steps were lost", result)
        if state["state/epoch_samples"] == 24:  # of an epoch that is over
            claim(state["state/step"] == state["state/epoch"] > 0, "the run did not stop in an evaluation", result)
            return result, state
    claim(False, "20 stops, and none in an evaluation")


def during_evaluation(program):
    """The evaluation is given up and made up for; also several times in a row, by a signal and by the file stop."""
    for ranks, number in ((None, signal.SIGTERM), (3, signal.SIGUSR2), (2, None)):
        directory = f"evaluating{ranks or 1}"

        def ask(process):
            if number:
                process.send_signal(number)
            else:
                open(program.inside(directory, "stop"), "w").close()
        for _ in range(2):
            result, state = stop_in_an_evaluation(program, directory, ranks, ask)
        evaluated = [e for e in program.events(directory) if e["event"] == "eval"]
        claim(len(evaluated) < state["state/step"], "an evaluation that was given up is recorded", result)
        if ranks:
            out = program.train("evaluating.yaml", directory, options=("--verify-resume=1",), code=None)
            claim("repeat bit by bit" in out.out, "a step whose evaluation was put off is not repeated", out)
        claim_goes_on(program, directory, 2 if ranks is None else None, "evaluating.yaml", 2)
        say(f"a stop during an evaluation on {ranks or 1} ranks: saved, 75, and the evaluation made up for")


def during_start(program):
    """As soon as wishes are heard they count: nothing is lost where nothing was done."""
    process = program.start("train", "evaluating.yaml", "--progress=none", "--set=run.dir=start")

    def hears():
        with open(f"/proc/{process.pid}/status") as file:
            caught = next(line for line in file if line.startswith("SigCgt"))
        return int(caught.split()[1], 16) >> (signal.SIGUSR2 - 1) & 1
    wait_for(hears, "the wish can be heard", process)
    process.send_signal(signal.SIGUSR2)
    result = program.finish(process)
    claim(result.code == 75 and not result.errors, "a stop during the start does not end with 75", result)
    program.train("evaluating.yaml", "start", "stop.steps=2")
    program.train("evaluating.yaml", "start_alone", "stop.steps=2")
    program.same_run("start", "start_alone")
    say("a stop during the start: 75, and the next start is the undisturbed run")


def silent_rank(program):
    for silent in (1, 0):
        directory = f"silent{silent}"
        process = begin(program, directory, "run.deadline=3s", "checkpoint.every=100st", ranks=3)
        wait_for(lambda: os.path.exists(program.inside(checkpoint(directory))), "a checkpoint", process)
        pid = ranks_of(process)[silent]
        os.kill(pid, signal.SIGSTOP)
        result = program.finish(process)
        claim(result.code == 1, "a silent rank does not end the job with 1", result)
        claim(result.errors and f"rank {silent}" in result.err, f"rank {silent} is not named", result)
        claim(len(result.errors) == 1, f"{len(result.errors)} errors are reported", result)
        claim_goes_on(program, directory, 2)
        say(f"rank {silent} stopped: named at the deadline, exit code 1, and the run goes on from its checkpoint")


main(prepare, usr1_and_usr2, alone, stop_file, stop_file_before_the_start, during_evaluation, during_start, silent_rank)
