#!/usr/bin/env python3
"""Nothing is lost: ranks are killed at random moments, and the run, started again, ends as if undisturbed.

usage: kill.py BUILD_DIR SOURCE_DIR [KILLS [SEED]]
"""
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import claim, main, ranks_of, say, wait_for  # noqa: E402

CONFIG = """
data: {train: "configs/digits.h5:/train", valid: "configs/digits.h5:/test", preprocess: standardize}
model: [{dense: {units: 100}}, relu, {dropout: {rate: 0.1}}, {dense: {units: 10}}]
loss: cross_entropy
metrics: [accuracy]
batch: 64
microbatch: 8
optimizer: {adam: {learning_rate: 0.001}}
stop: {epochs: 60}
checkpoint: {every: 10st, keep: 2}
run: {dir: none, tensorboard: false, threads: 1}
"""
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 4
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else random.SystemRandom().randrange(1 << 30)


def start_and_kill(program, directory, chance):
    """Starts the run and kills one rank at some moment; returns whether the run was over before."""
    ranks = chance.choice((2, 3, 5))
    process = program.start("train", "config.yaml", "--progress=none", f"--set=run.dir={directory}", ranks=ranks)
    wait_for(lambda: process.poll() is not None or len(ranks_of(process)) == ranks, "all ranks")
    victim, delay = chance.randrange(ranks), chance.uniform(0, 1.5)
    time.sleep(delay)
    pid = ranks_of(process).get(victim)
    if pid:
        os.kill(pid, signal.SIGKILL)
    result = program.finish(process)
    say(f"  rank {victim} of {ranks} killed after {delay:.3f} s: exit code {result.code}")
    claim(result.code in (0, 137), "the job ends with neither 0 nor 137", result)
    return result.code == 0


def prepare(program):
    os.symlink(os.path.join(program.source, "configs"), program.inside("configs"))
    program.write("config.yaml", CONFIG)
    program.train("config.yaml", "alone")


def kills(program):
    chance = random.Random(SEED)
    say(f"seed {SEED}")
    done, runs = 0, 0
    while done < KILLS:
        directory = f"run{runs}"
        over = False
        # A run is killed a few times, and then may end.
        for _ in range(min(KILLS - done, chance.randint(2, 6))):
            over = over or start_and_kill(program, directory, chance)
            done += 1
        ranks = chance.choice((1, 2, 3, 5))
        program.train("config.yaml", directory, ranks=ranks)
        program.same_run("alone", directory)
        program.remove(directory)
        runs += 1
        say(f"run {runs}, {done} kills, ended on {ranks} ranks: as if nothing had happened")


main(prepare, kills)
