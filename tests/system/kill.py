#!/usr/bin/env python3
"""Nothing is lost: lockstep-run keeps a run going whose ranks are killed at random moments, now and then mpirun or
lockstep-run itself. Each start has another number of ranks; in the end the run is the one that nothing happened to.

usage: kill.py BUILD_DIR SOURCE_DIR [KILLS [SEED]]
"""
import os
import random
import re
import signal
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import checkpoint, claim, claim_ledger, main, say, step_of, wait_for  # noqa: E402

CONFIG = """
data: {train: "configs/digits.h5:/train", valid: "configs/digits.h5:/test", preprocess: standardize}
model: [{dense: {units: 100}}, relu, {dropout: {rate: 0.1}}, {dense: {units: 10}}]
loss: cross_entropy
metrics: [accuracy]
batch: 64
microbatch: 8
optimizer: {adam: {learning_rate: 0.001}}
stop: {steps: 100000000}
checkpoint: {every: 10st, keep: 2}
run: {dir: none, tensorboard: false, threads: 1, ledger: true}
"""
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 5
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else random.SystemRandom().randrange(1 << 30)
EARLY_IN_A_ROW = 3  # lockstep-run takes the fifth death before a first step for a failure that stays


class Supervisor:
    """lockstep-run, which reads the number of ranks from a file of hosts at each start."""

    def __init__(self, program):
        self.program, self.said, self.process = program, "", None

    def choose_ranks(self, ranks):
        self.program.write("hosts.new", f"localhost slots={ranks}\n")
        os.rename(self.program.inside("hosts.new"), self.program.inside("hosts"))

    def start(self):
        self.process = self.program.start_words(
            os.path.join(self.program.source, "launch/lockstep-run"), "--lockstep", self.program.path,
            "--hostfile", "hosts", "--backoff=0.1", "--max-backoff=0.2", "--max-restarts=100000", "--same-step=0",
            "train", "config.yaml", "--progress=none", "--set=run.dir=wild")

    def mpirun(self):
        """mpirun leads the session of its job; the supervisor is its parent."""
        return [int(p) for p in os.listdir("/proc") if p.isdigit() and parent_of(p) == self.process.pid
                and os.getsid(int(p)) == int(p) and name_of(p) in ("mpirun", "orterun")]

    def finish(self, code):
        result = self.program.finish(self.process)
        claim(result.code == code, f"lockstep-run ends with {result.code}, not {code}", result)
        self.said += result.err

    def end(self):
        """Whatever has happened: its watchdog ends the job."""
        if self.process.poll() is None:
            say(self.process.said())
            self.process.kill()


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def status_time(program):
    try:
        return os.stat(program.inside("wild/status.json")).st_mtime_ns
    except OSError:
        return 0


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def kill(program, supervisor, dice):
    """Kills a process of the job, or its supervisor, which is then started again. Gives its kind."""
    ranks, mpirun = program.ranks(), supervisor.mpirun()
    kind = dice.choice(("rank",) * 6 + ("mpirun", "supervisor"))
    if kind == "rank" and ranks:
        send(dice.choice(ranks), signal.SIGKILL)
    elif kind == "mpirun" and mpirun:
        send(mpirun[0], signal.SIGKILL)
    elif kind == "supervisor":
        supervisor.process.send_signal(signal.SIGKILL)
        supervisor.finish(-signal.SIGKILL)
    else:  # the job has come to an end of its own: none may
        claim(False, f"there is no {kind} to kill", supervisor.process.said())
    # The next start may be there sooner than the last process is looked for.
    wait_for(lambda: not set(ranks) & set(program.ranks()), "the end of the ranks that had company")
    if kind == "supervisor":
        supervisor.start()
    return kind


def prepare(program):
    say(f"seed {SEED}, {KILLS} kills")
    os.symlink(os.path.join(program.source, "configs"), program.inside("configs"))
    program.write("config.yaml", CONFIG)


def kills(program):
    dice = random.Random(SEED)
    supervisor = Supervisor(program)
    supervisor.choose_ranks(dice.randint(1, 5))
    supervisor.start()
    try:
        report(*kill_often(program, supervisor, dice), supervisor.said)
    finally:
        supervisor.end()


def kill_often(program, supervisor, dice):
    """Gives the kinds of what was killed, and the seconds from kills to the next steps."""
    counts, seconds, early, told, killed_at = {}, [], 0, 0, None
    for _ in range(KILLS):
        wait_for(program.ranks, "ranks", supervisor.process)
        too_early = dice.random() < 0.25 and early < EARLY_IN_A_ROW
        early = early + 1 if too_early else 0
        if not too_early:
            wait_for(lambda: status_time(program) > told, "a step", supervisor.process)
            seconds += [time.monotonic() - killed_at] if killed_at else []
        time.sleep(dice.uniform(0, 0.3))
        supervisor.choose_ranks(dice.randint(1, 5))
        wait_for(lambda: program.ranks() and supervisor.mpirun(), "ranks", supervisor.process)
        killed_at = time.monotonic() if not too_early else None
        kind = kill(program, supervisor, dice) + (" before its first step" if too_early else "")
        counts[kind] = counts.get(kind, 0) + 1
        told = status_time(program)
    wait_for(lambda: status_time(program) > told, "a step", supervisor.process)
    supervisor.process.send_signal(signal.SIGTERM)
    supervisor.finish(75)
    return counts, seconds


def report(counts, seconds, said):
    restarts = len(re.findall(r"; restart \d+ of", said))
    pauses = [float(s) for s in re.findall(r"running again after ([0-9.]+) s at step", said)]
    others = sum(n for kind, n in counts.items() if not kind.startswith("supervisor"))
    claim(restarts >= others, f"{others} deaths, but {restarts} restarts", said)
    claim("giving up" not in said and pauses, "lockstep-run gave up, or never told of a recovery", said)
    say(f"killed: {counts}; {restarts} restarts; lockstep-run: running again after {statistics.median(pauses):.1f} s "
        f"(median; longest {max(pauses):.1f})")
    if seconds:
        say(f"from a kill to the next step: {statistics.median(seconds):.1f} s (median; longest {max(seconds):.1f})")


def undisturbed(program):
    last = step_of(program, "wild") + 20
    program.train("config.yaml", "wild", f"stop.steps={last}", ranks=2)
    program.train("config.yaml", "calm", f"stop.steps={last}")
    program.same_run("calm", "wild")
    program.run("verify", checkpoint("wild"))
    say(f"step {last}: parameters, state and metrics are those of the undisturbed run")
    say(f"the ledger: each sample once in each of {claim_ledger(program, 'wild', last)} epochs")


main(prepare, kills, undisturbed)
