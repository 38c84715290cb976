#!/usr/bin/env python3
"""What the reference cases do not cover agrees with golden runs computed in float64 by PyTorch.

tests/support/make_golden.py wrote golden/*.h5 and says what they hold: losses, penalties, norms and rates of every step,
metrics of every epoch, the final parameters and running averages, and predictions.
"""
import glob
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import arrays, checkpoint, claim, main, say  # noqa: E402


def error(value, reference):
    value, reference = np.asarray(value, np.float64), np.asarray(reference, np.float64)
    claim(value.shape == reference.shape, f"the shapes {value.shape} and {reference.shape} differ")
    return np.linalg.norm(value - reference) / max(np.linalg.norm(reference), 1e-12)


class Comparison:
    """Golden values of one file against those of a run, with the worst difference so far."""

    def __init__(self, path):
        self.name = os.path.basename(path)[:-3]
        self.golden = {k[len("expected/"):]: v for k, v in arrays(path).items() if k.startswith("expected/")}
        self.worst = 0.0

    def values(self, what):
        return {k[len(what) + 1:]: v for k, v in self.golden.items() if k.startswith(what + "/")}

    def check(self, what, found, wanted, tolerance):
        difference = error(found, wanted)
        claim(difference <= tolerance, f"{self.name}: {what} is off by {difference:.1e}, more than {tolerance:.1e}",
              f"found {found}", f"wanted {wanted}")
        self.worst = max(self.worst, difference)

    def events(self, kind, events, tolerance):
        chosen = [e for e in events if e["event"] == kind]
        for key, wanted in self.values(kind).items():
            claim(all(key in e for e in chosen), f"{self.name}: there is no {key} in the events of {kind}", chosen[:1])
            exact = key == "learning_rate"
            self.check(f"{kind} {key}", [e[key] for e in chosen], wanted, 1e-12 if exact else tolerance)
        for key in chosen[0]:
            known = key in self.values(kind) or key in ("event", "step", "epoch", "set")
            claim(known, f"{self.name}: the events of {kind} hold {key}, which has no golden value")

    def checkpoint(self, found, tolerance):
        for group in ("parameters", "statistics"):
            for key, wanted in self.values(group).items():
                claim(f"{group}/{key}" in found, f"{self.name}: the checkpoint has no {group}/{key}", sorted(found))
                self.check(key, found[f"{group}/{key}"], wanted, tolerance)


def compare(program, path):
    golden = Comparison(path)
    file = arrays(path)
    tolerance = float(file["tolerance"])
    config = program.write("config.yaml", file["config"].decode().replace("FILE", path))
    program.remove("run")
    program.train(config, "run")
    golden.events("step", program.events("run"), tolerance)
    golden.events("eval", program.events("run"), tolerance)
    golden.checkpoint(arrays(program.inside(checkpoint("run"))), tolerance)
    if "prediction" in golden.golden:
        program.run("predict", checkpoint("run"), f"{path}:/valid", "-o", "out.h5")
        found = arrays(program.inside("out.h5"))["prediction"]
        wanted = golden.golden["prediction"]
        golden.check("prediction", found.reshape(wanted.shape), wanted, tolerance)
    say(f"{golden.name}: within {golden.worst:.1e}, tolerance {tolerance:.1e}")


def test(program):
    paths = sorted(glob.glob(os.path.join(program.source, "tests/system/golden/*.h5")))
    claim(len(paths) > 30, f"golden/ holds {len(paths)} files")
    for path in paths:
        compare(program, path)


main(test)
