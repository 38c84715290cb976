#!/usr/bin/env python3
"""Training learns: the experiments in configs/ reach what their first lines promise.

The ravine and the line come with the program. Letters, houses, word windows and handwritten digits need the folder that
LOCKSTEP_TEST_DATA names; each is imported by the command that its configuration gives, and trained for fewer epochs.
"""
import os
import shlex
import shutil
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import arrays, checkpoint, claim, main, say  # noqa: E402


def configuration(program, name):
    """The configuration's path in the test's folder, with the data that stand beside it."""
    for file in (f"{name}.yaml", f"{name}.h5"):
        path = os.path.join(program.source, "configs", file)
        if os.path.exists(path):
            shutil.copy(path, program.inside(file))
    return f"{name}.yaml"


def import_data(program, name):
    """Runs the command that the configuration names; False where the data are not here."""
    folder = os.environ.get("LOCKSTEP_TEST_DATA")
    with open(os.path.join(program.source, "configs", f"{name}.yaml")) as file:
        line = next(line for line in file if line.startswith("# import: lockstep "))
    words = shlex.split(line[len("# import: lockstep "):])
    for i, word in enumerate(words):
        if word.startswith("configs/"):
            words[i] = os.path.basename(word)
        elif words[i - 1] != "-o" and "." in word and not word.replace(".", "").isdigit():
            words[i] = os.path.join(folder or "", word)
            if not folder or not os.path.exists(words[i]):
                say(f"{name}: skipped: LOCKSTEP_TEST_DATA has no {word}")
                return False
    program.run(*words)
    return True


def evaluations(program, directory, key, kind="eval"):
    return [e[key] for e in program.events(directory) if e["event"] == kind]


def ravine(program):
    config = configuration(program, "ravine")
    steps = {}
    for name, optimizer in (("sgd", "{sgd: {learning_rate: 0.0018}}"),
                            ("momentum", "{sgd: {learning_rate: 0.0018, momentum: 0.95}}"),
                            ("rmsprop", "{rmsprop: {learning_rate: 0.01}}"),
                            ("adam", "{adam: {learning_rate: 0.1}}")):
        program.train(config, name, f"optimizer={optimizer}")
        losses = evaluations(program, name, "loss", "epoch")
        claim(losses[-1] <= 1e-3, f"ravine: {name} ended at a loss of {losses[-1]}")
        claim(all(loss > 1e-3 for loss in losses[:-1]), f"ravine: {name} did not stop at the first loss of 1e-3")
        steps[name] = len(losses)
    for name in ("momentum", "rmsprop", "adam"):
        claim(steps[name] < steps["sgd"], f"ravine: {name} took {steps[name]} steps, sgd {steps['sgd']}")
    say("ravine: steps to a loss of 1e-3: " + ", ".join(f"{k} {v}" for k, v in steps.items()))


def line(program):
    program.train(configuration(program, "line"), "line")
    found = arrays(program.inside(checkpoint("line")))
    a, b = float(found["parameters/dense_1/weight"].item()), float(found["parameters/dense_1/bias"].item())
    rmse = evaluations(program, "line", "rmse")[-1]
    data = arrays(program.inside("line.h5"))
    x, y = data["train/x"].ravel().astype(np.float64), data["train/y"].ravel().astype(np.float64)
    fit = np.polyfit(x, y, 1)
    claim(abs(a - 2) < 0.3 and abs(b - 30) < 0.3, f"line: a = {a}, b = {b}, far from 2 and 30")
    claim(np.allclose((a, b), fit, rtol=0, atol=1e-3), f"line: a = {a}, b = {b} is not the least-squares fit {fit}")
    claim(abs(rmse - np.std(y - np.polyval(fit, x))) < 1e-3, f"line: the RMSE is {rmse}, not that of the fit")
    say(f"line: a = {a:.3f}, b = {b:.3f}, RMSE {rmse:.3f}")


def learn(program, name, key, least, *settings):
    if not import_data(program, name):
        return
    program.train(configuration(program, name), name, "run.tensorboard=false", *settings, ranks=2)
    best = max(evaluations(program, name, key))
    claim(best >= least, f"{name}: the best {key} is {best}, less than {least}")
    say(f"{name}: {key} {best:.4f}")


def letters(program):
    learn(program, "letters", "accuracy", 0.94, "stop.epochs=16", "schedule.0.step.every=5ep")


def housing(program):
    learn(program, "housing", "r2", 0.75, "stop.epochs=8", "schedule.0.cosine.epochs=8")


def windows(program):
    learn(program, "windows", "pair_accuracy", 0.80, "stop.epochs=1")


def mnist(program):
    learn(program, "mnist_cnn", "accuracy", 0.975, "stop.epochs=8", "schedule.0.cosine.epochs=8")


def nothing(program):
    """Each part makes its own data."""


main(nothing, ravine, line, letters, housing, windows, mnist)
