#!/usr/bin/env python3
"""Training agrees with reference trajectories computed in float64 by PyTorch.

Each file of cases/ holds an experiment, its data, the starting parameters, loss and learning rate of every step, and
the final parameters. A norm of a difference over the norm of the reference must stay within the file's tolerance.
"""
import glob
import os
import sys

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import arrays, checkpoint, claim, main, say  # noqa: E402


def error(value, reference):
    value, reference = np.asarray(value, np.float64), np.asarray(reference, np.float64)
    claim(value.shape == reference.shape, f"the shapes {value.shape} and {reference.shape} differ")
    return np.linalg.norm(value - reference) / max(np.linalg.norm(reference), 1e-300)


def configuration(path, math):
    with h5py.File(path, "r") as file:
        text = file["config"][()].decode()
    return (f"{text}data: {{train: \"{path}:/train\", shuffle: none}}\ninit: {{from: \"{path}:/init\"}}\n"
            f"math: {math}\nrun: {{dir: none, tensorboard: false}}\n")


def compare_steps(events, reference, tolerance, name):
    steps = [e for e in events if e["event"] == "step"]
    losses, rates = reference["loss"], reference["learning_rate"]
    claim([e["step"] for e in steps] == list(range(1, len(losses) + 1)),
          f"{name}: metrics.jsonl does not hold steps 1 to {len(losses)}, each once")
    worst = 0.0
    for event, loss, rate in zip(steps, losses, rates):
        step = event["step"]
        worst = max(worst, error(event["loss"], loss))
        claim(error(event["loss"], loss) <= tolerance, f"{name}: step {step}: loss {event['loss']}, not {loss}")
        claim(error(event["learning_rate"], rate) <= 1e-12,
              f"{name}: step {step}: learning_rate {event['learning_rate']}, not {rate}")
    return worst


def compare_parameters(path, reference, tolerance, name):
    found = {k.split("/", 1)[1]: v for k, v in arrays(path).items() if k.startswith("parameters/")}
    wanted = {k.split("/", 1)[1]: v for k, v in reference.items() if k.startswith("final/")}
    claim(sorted(found) == sorted(wanted), f"{name}: the parameters are {sorted(found)}, not {sorted(wanted)}")
    worst = 0.0
    for key, value in wanted.items():
        difference = error(found[key], value)
        worst = max(worst, difference)
        claim(difference <= tolerance, f"{name}: {key} is off by {difference:.2e}, more than {tolerance:.2e}")
    return worst


def compare(program, path, math):
    name = f"{os.path.basename(path)[:-3]} ({math})"
    with h5py.File(path, "r") as file:
        tolerance = float(file.attrs["tolerance"])
    reference = arrays(path)
    config = program.write("config.yaml", configuration(path, math))
    program.remove("run")
    program.train(config, "run")
    loss = compare_steps(program.events("run"), reference, tolerance, name)
    parameters = compare_parameters(program.inside(checkpoint("run")), reference, tolerance, name)
    say(f"{name}: losses within {loss:.1e}, parameters within {parameters:.1e}, tolerance {tolerance:.1e}")


def test(program):
    cases = sorted(glob.glob(os.path.join(program.source, "tests/system/cases/*.h5")))
    claim(len(cases) == 30, f"cases/ holds {len(cases)} files, not 30")
    for math in ("exact", "blas"):
        for path in cases:
            compare(program, path, math)


main(test)
