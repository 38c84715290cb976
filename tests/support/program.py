"""What the whole-program tests share: the program as a user runs it, alone or under mpirun, and what it leaves behind.

A test is given the build and the source directory, says each claim that it checks, and ends with 0, with 1 at the first
claim that does not hold, or with 77 where it cannot run here.
"""
import contextlib
import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

# As tests/CMakeLists.txt sets it, so that a test can also be started by hand.
ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_orte_abort_print_stack": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "ASAN_OPTIONS": "detect_leaks=1:fast_unwind_on_malloc=0",
}
LONGEST = 240  # seconds that a single run may take before the test gives up on it


class Failure(Exception):
    """A claim that does not hold."""


def claim(holds, sentence, *details):
    """Fails with the sentence and its details unless it holds."""
    if not holds:
        raise Failure("\n".join([sentence] + [str(d) for d in details]))


def say(sentence):
    print(sentence, flush=True)


def skip(sentence):
    print("skipped: " + sentence)
    sys.exit(77)


class Result:
    """How a run ended: exit code, standard output and standard error."""

    def __init__(self, words, code, out, err):
        self.words, self.code, self.out, self.err = words, code, out, err

    @property
    def errors(self):
        """The lines that report an error, wherever mpirun let them come out."""
        return [line for line in (self.out + self.err).splitlines() if line.startswith("lockstep: error:")]

    def __str__(self):
        return f"$ {' '.join(self.words)}\nexit code {self.code}\n{self.out}{self.err}"


def is_sanitized(build):
    """Is it a build that looks for mistakes and takes its time? Then a test may do with fewer ranks and cases."""
    with contextlib.suppress(OSError), open(os.path.join(build, "CMakeCache.txt")) as file:
        return "CMAKE_BUILD_TYPE:STRING=Sanitize" in file.read()
    return False


class Program:
    """The built program. `folder` is where it runs: relative paths of run.dir are below it."""

    def __init__(self, build, source, folder):
        self.path = os.path.join(os.path.abspath(build), "lockstep")
        self.source = os.path.abspath(source)
        self.folder = folder
        self.hosts = None  # as in mpirun -H: "n1:2,n2:1"
        self.environment = dict(ENVIRONMENT)
        leaks = os.path.join(self.source, "tests/support/leaks.supp")
        self.environment["LSAN_OPTIONS"] = f"suppressions={leaks}:print_suppressions=0"
        self.environment.update(os.environ)
        self.sanitized = is_sanitized(build)
        if not os.access(self.path, os.X_OK):
            skip(f"{self.path} is not built")

    def words(self, arguments, ranks=None):
        """`ranks`: None without mpirun, a number, or a list of (number, program) where not all run the same build."""
        arguments = [str(a) for a in arguments]
        if not ranks:
            return [self.path] + arguments
        parts = ranks if isinstance(ranks, list) else [(ranks, self.path)]
        words = ["mpirun", "--quiet"] + (["-H", self.hosts] if self.hosts else [])
        for count, path in parts:
            words += ["-n", str(count), path] + arguments + [":"]
        return words[:-1]

    def start(self, *arguments, ranks=None):
        """Starts the program and returns its process; finish() waits for it."""
        return self.start_words(*self.words(arguments, ranks), ranks=ranks)

    def start_words(self, *words, ranks=1):
        """The same for any command, such as the supervisor."""
        environment = dict(self.environment)
        if ranks:
            # Open MPI's threads may end while leaks are looked for, which ends the looking. The rank tests look for them.
            environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        # Files, not pipes: a run with much to say must not wait for a reader.
        streams = [tempfile.TemporaryFile("w+", errors="replace") for _ in range(2)]
        process = subprocess.Popen(words, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=streams[0], stderr=streams[1], start_new_session=True)
        process.words, process.streams = words, streams
        process.said = lambda: "".join(os.pread(s.fileno(), 1 << 24, 0).decode(errors="replace") for s in streams)
        return process

    def finish(self, process):
        try:
            process.wait(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise Failure(f"did not end within {LONGEST} s: {' '.join(process.words)}\n{process.said()}") from None
        said = []
        for stream in process.streams:
            stream.seek(0)
            said.append(stream.read())
            stream.close()
        return Result(process.words, process.returncode, *said)

    def run(self, *arguments, ranks=None, code=0):
        """Runs the program to its end. `code` is the exit code that it must have, None for any."""
        result = self.finish(self.start(*arguments, ranks=ranks))
        claim(code is None or result.code == code, f"the exit code is not {code}", result)
        return result

    def train(self, config, directory, *settings, ranks=None, code=0, options=()):
        """`lockstep train`, with settings as KEY=VALUE."""
        overrides = [f"--set={s}" for s in (f"run.dir={directory}",) + settings]
        return self.run("train", config, "--progress=none", *overrides, *options, ranks=ranks, code=code)

    def ranks(self):
        """The processes of the program that run in this test's folder, whoever started them: ours, and nobody else's."""
        found = []
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit() and os.readlink(f"/proc/{entry}/cwd") == self.folder:
                    if os.readlink(f"/proc/{entry}/exe") == self.path:
                        found.append(int(entry))
        return sorted(found)

    def state(self, directory, name="latest"):
        """The checksum of all that defines the run; fails where the checkpoint is damaged."""
        return json.loads(self.run("verify", "--json", checkpoint(directory, name)).out)["state"]

    def same_run(self, a, b):
        """Two runs that must have ended alike: parameters, state, and every recorded number."""
        result = self.run("diff", checkpoint(a), checkpoint(b), code=None)
        claim(result.code == 0 and "identical" in result.out, f"the parameters of {a} and {b} differ", result)
        claim(self.state(a) == self.state(b), f"the states of {a} and {b} differ",
              *state_differences(self.inside(checkpoint(a)), self.inside(checkpoint(b))))
        claim_same_events(self.events(a), self.events(b), f"{a} and {b}")

    def events(self, directory):
        """metrics.jsonl without what depends on timing."""
        with open(self.inside(directory, "metrics.jsonl")) as file:
            events = [json.loads(line) for line in file]
        for event in events:
            event.pop("samples_per_second", None)
        return events

    def inside(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, text):
        with open(self.inside(name), "w") as file:
            file.write(text)
        return name

    def remove(self, *names):
        for name in names:
            shutil.rmtree(self.inside(name), ignore_errors=True)


def checkpoint(directory, name="latest"):
    return os.path.join(directory, "checkpoints", f"{name}.h5")


def claim_same_events(a, b, who):
    for first, second in zip(a, b):
        claim(first == second, f"metrics.jsonl of {who} differ", first, second)
    claim(len(a) == len(b), f"metrics.jsonl of {who} hold {len(a)} and {len(b)} events")


def step_of(program, directory):
    """The step of a run's newest checkpoint, 0 where there is none."""
    path = program.inside(checkpoint(directory))
    if not os.path.exists(path):
        return 0
    with h5py.File(path) as file:
        return int(file["state/step"][()])


def claim_ledger(program, directory, steps):
    """ledger.jsonl has each step once, and each sample once in an epoch. Gives the number of whole epochs."""
    used, samples, last = {}, set(), 0
    with open(program.inside(directory, "ledger.jsonl")) as file:
        for last, line in enumerate(map(json.loads, file), 1):
            claim(line["step"] == last, f"the ledger lacks step {last}, or repeats one", line["step"])
            used.setdefault(line["epoch"], []).extend(line["samples"])
    claim(last == steps, f"the ledger ends at step {last}, not {steps}")
    for epoch, drawn in used.items():
        samples = samples or set(drawn)
        claim(len(drawn) == len(set(drawn)), f"epoch {epoch} uses a sample twice")
        claim(set(drawn) == samples or (epoch == max(used) and set(drawn) < samples), f"epoch {epoch} lacks samples")
    return len(used) - 1


def arrays(path):
    """Every dataset of an HDF5 file by its path."""
    found = {}
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def state_differences(a, b):
    """For a person who reads the failure: which arrays of two checkpoints differ."""
    first, second = arrays(a), arrays(b)
    for name in sorted(set(first) | set(second)):
        if name.startswith("provenance/"):
            continue
        x, y = first.get(name), second.get(name)
        if x is None or y is None or np.asarray(x).tobytes() != np.asarray(y).tobytes():
            yield f"  /{name} differs"


def wait_for(condition, what, process=None, seconds=LONGEST):
    """Waits until condition() is true; it is an error if the process ends before."""
    end = time.monotonic() + seconds
    while not condition():
        claim(process is None or process.poll() is None, f"the run ended before {what}")
        claim(time.monotonic() < end, f"{seconds} s without {what}")
        time.sleep(0.01)


def ranks_of(process):
    """The program's processes below mpirun: {rank: pid}."""
    found = {}
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
            with open(f"/proc/{int(entry)}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
            if parent != process.pid:
                continue
            with open(f"/proc/{entry}/environ", "rb") as file:
                variables = dict(v.partition(b"=")[::2] for v in file.read().split(b"\0"))
            found[int(variables[b"OMPI_COMM_WORLD_RANK"])] = int(entry)
    return found


def write_group(path, group, **datasets):
    """Writes datasets (numpy arrays) as FILE:/GROUP."""
    with h5py.File(path, "a") as file:
        for name, values in datasets.items():
            file[f"{group}/{name}"] = values


def classes(samples, shape, count, seed=1):
    """Images or vectors in `count` classes that a small network can tell apart."""
    random = np.random.default_rng(seed)
    y = random.integers(0, count, samples)
    centres = np.random.default_rng(0).normal(size=(count,) + shape)
    return (centres[y] + random.normal(size=(samples,) + shape)).astype(np.float32), y.astype(np.int32)


@contextlib.contextmanager
def nodes(program, count):
    """The program on `count` nodes n1, n2, ... of support/netns.sh, for `hosts`; None where this machine cannot."""
    script = os.path.join(program.source, "tests/support/netns.sh")
    keeper = subprocess.Popen(["bash", "-c", f". {script}; (nodes_or_skip) || exit 77; nodes_create {count}; "
                               "env | grep ^OMPI_MCA_; echo; read -r"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
    try:
        settings = {}
        for line in keeper.stdout:
            if line == "\n":
                break
            name, _, value = line.rstrip("\n").partition("=")
            settings[name] = value
        ready = keeper.poll() is None and "OMPI_MCA_plm_rsh_agent" in settings
        spread = copy.copy(program) if ready else None
        if spread:
            spread.environment = dict(program.environment, **settings)
            # What tests on one machine set is no setting for nodes.
            spread.environment.pop("OMPI_MCA_rmaps_base_oversubscribe", None)
        yield spread
    finally:
        keeper.stdin.close()
        keeper.wait()


def write_blobs(program, shape, count, **groups):
    """blobs.h5 with samples of `count` classes: groups=samples."""
    for group, samples in groups.items():
        x, y = classes(samples, shape, count, seed=len(group))
        write_group(program.inside("blobs.h5"), group, x=x, y=y)


@contextlib.contextmanager
def opened():
    """A Program for the script's arguments, in a folder that is removed at the end."""
    if len(sys.argv) < 3:
        sys.exit(f"usage: {sys.argv[0]} BUILD_DIR SOURCE_DIR")
    with tempfile.TemporaryDirectory(prefix="lockstep-test-") as folder:
        yield Program(sys.argv[1], sys.argv[2], folder)


def main(prepare, *parts):
    """Runs prepare(program), then each part(program); a part that fails does not keep the others from running."""
    failures = 0
    with opened() as program:
        for part in (prepare,) + parts:
            try:
                part(program)
            except Failure as failure:
                say(f"FAILED: {part.__name__}: {failure}")
                failures += 1
                if part is prepare:
                    break
    sys.exit(1 if failures else 0)
