#!/usr/bin/env python3
"""Whatever a table of the program names has the same bits on any number of ranks, with every stop but that by time.

The names are asked of the program: a new layer, loss, metric, optimizer, schedule, initialisation, preprocessing,
augmentation or stop is trained here without being told. One network has every layer; experiment i takes the i-th entry
of every other table, each as often as it takes to reach the end of the longest. An entry that cannot do without options
stands in OPTIONS; if a new one is missing there, the program's refusal says so.
"""
import os
import re
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from program import claim, classes, main, say, write_group  # noqa: E402

RANKS = (3, 2, 5)

# What an entry is given, where it needs or deserves something.
OPTIONS = {
    "model": {"dense": "units: 5", "conv2d": "filters: 4, kernel: 3, padding: 1, groups: 2", "max_pool": "size: 2",
              "avg_pool": "size: 3, stride: 2, padding: 1", "reshape": "shape: [2, 3]", "dropout": "rate: 0.3",
              "embedding": "entries: 20, size: 3", "power": "exponent: 2", "add": "from: [hidden, other]",
              "multiply": "from: [hidden, other, hidden]", "concat": "from: [hidden, other]"},
    "loss": {"cross_entropy": "label_smoothing: 0.1, class_weights: balanced"},
    "metrics": {"top_k": "k: 2"},
    "optimizer": {"sgd": "learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-3",
                  "rmsprop": "momentum: 0.5", "lars": "learning_rate: 1, trust: 0.01"},
    "schedule": {"exponential": "k: 0.1, per: step", "inverse_time": "k: 0.5", "step": "every: 2st, factor: 0.5",
                 "search_then_converge": "tau: 3st", "cosine": "epochs: 3", "polynomial": "epochs: 3, power: 2",
                 "warmup": "steps: 5", "plateau": "patience: 1, delta: 10"},
    "init.weight": {"normal": "std: 0.1", "uniform": "range: 0.3", "constant": "value: 0.02",
                    "from": "file: \"alone0/checkpoints/latest.h5:/parameters\", rest: he_normal"},
    "data.augment": {"noise": "std: 0.1", "shift": "pixels: 1"},
}
# Every stop with a value that holds at some step of four epochs; none for the one that depends on timing.
STOPS = {"metric": "\"train.loss > 0\"", "gradient_norm": "1e6", "epochs": "3",
         "plateau": "{patience: 1, delta: 1e6}", "early": "{metric: train.loss, patience: 1, delta: 1e6}", "steps": "7",
         "time": None}
# What a layer reads other than a vector; what a loss learns other than classes; what else a metric judges.
READS = {"conv2d": "x", "max_pool": "x", "avg_pool": "x", "global_avg_pool": "x", "flatten": "x", "embedding": "tokens"}
LEARNS = {"mse": "values", "mae": "values", "huber": "values", "binary_cross_entropy": "labels", "margin": "pairs"}
JUDGES = {"top_k": ["classes"], "pair_accuracy": ["pairs"], "mse": ["values"], "rmse": ["values"], "mae": ["values"],
          "r2": ["values"]}


def table(program, key):
    """The names that a key allows, in the program's own words."""
    said = program.run("config", "--explain", key).out
    allowed = re.search(r"allowed: (?:one or a list of: )?(.+)", said)
    claim(allowed, f"the program does not say what {key} allows", said)
    return allowed.group(1).split(", ")


def stops(program):
    """The conditions of `stop`: what stands in the first column of its explanation."""
    lines = program.run("config", "--explain", "stop").out.splitlines()[3:]
    names = [line.split()[0] for line in lines if line.startswith("    ") and line.strip()]
    claim(set(names) == set(STOPS), f"the stops are {names}; STOPS must have a value for each")
    return [name for name in STOPS if STOPS[name]]


def entry(key, name, *more):
    """A choice as it stands in a list: `relu`, or `{dense: {units: 5}}`."""
    options = [o for o in (OPTIONS.get(key, {}).get(name),) + more if o]
    return f"{{{name}: {{{', '.join(options)}}}}}" if options else name


def layers(program, outputs):
    """x goes into every layer there is, and all of them into the last, which has so many outputs."""
    lines, ends = ["{flatten: {name: row, from: x}}", "{dense: {units: 6, name: hidden}}",
                   "{dense: {units: 6, name: other, from: row}}"], []
    for kind in table(program, "model"):
        source = "" if "from:" in OPTIONS["model"].get(kind, "") else f"from: {READS.get(kind, 'hidden')}"
        lines.append(entry("model", kind, source, f"name: the_{kind}"))
        lines.append(f"{{flatten: {{from: the_{kind}, name: of_{kind}}}}}")
        ends.append(f"of_{kind}")
    lines.append(f"{{concat: {{from: [{', '.join(ends)}], name: all}}}}")
    lines.append(f"{{dense: {{units: {outputs}, name: out}}}}")
    return "".join(f"  - {line}\n" for line in lines)


def make_data(program):
    random = np.random.default_rng(3)
    x, y = classes(94, (2, 6, 6), 4)
    tokens = random.integers(0, 20, (94, 3)).astype(np.int32)
    path = program.inside("data.h5")
    write_group(path, "classes", x=x, y=y, tokens=tokens)
    write_group(path, "labels", x=x, y=random.integers(0, 2, (94, 4)).astype(np.float32), tokens=tokens)
    write_group(path, "values", x=x, y=random.normal(size=(94, 4)).astype(np.float32), tokens=tokens,
                w=random.uniform(0.5, 2, 94).astype(np.float32))
    write_group(path, "pairs", x=x, x_c=x[random.permutation(94)], tokens=tokens)


def experiment(program, chosen):
    """94 samples in batches of 40: the third is short."""
    target = LEARNS.get(chosen["loss"], "classes")
    metrics = [entry("metrics", m) for m in table(program, "metrics") if target in JUDGES.get(m, ["classes", "labels"])]
    augments = [entry("data.augment", a) for a in table(program, "data.augment")]
    stop = {"epochs": "4", chosen["stop"]: STOPS[chosen["stop"]]}
    return f"""
data: {{train: "data.h5:/{target}", inputs: {{tokens: tokens}}, eval_train: true, augment: [{', '.join(augments)}],
       preprocess: {entry("data.preprocess", chosen["data.preprocess"])}{', weight: w' * (target == "values")}}}
model:
{layers(program, 1 if target == "pairs" else 4)}loss: {entry("loss", chosen["loss"], "of: out")}
metrics: [{', '.join(metrics)}]
init: {entry("init.weight", chosen["init.weight"])}
batch: 40
microbatch: 7
clip_norm: 5
optimizer: {entry("optimizer", chosen["optimizer"])}
schedule: {entry("schedule", chosen["schedule"])}
stop: {{{', '.join(f"{key}: {value}" for key, value in stop.items())}}}
checkpoint: {{best: train.loss}}
run: {{dir: none, tensorboard: false}}
"""


def every_entry(program):
    tables = {key: table(program, key) for key in ("loss", "optimizer", "schedule", "init.weight", "data.preprocess")}
    tables["stop"] = stops(program)
    experiments = max(len(names) for names in tables.values())
    for number in range(1 if program.sanitized else experiments):
        chosen = {key: names[number % len(names)] for key, names in tables.items()}
        config = program.write("config.yaml", experiment(program, chosen))
        program.train(config, f"alone{number}", "run.threads=1")
        losses = [e["loss"] for e in program.events(f"alone{number}") if e["event"] == "step"]
        claim(len(set(losses)) == len(losses) and None not in losses, f"{chosen}: the losses are {losses}")
        ranks = RANKS[number % len(RANKS)]
        program.train(config, f"many{number}", "run.threads=1", ranks=ranks)
        program.same_run(f"alone{number}", f"many{number}")
        say(f"{', '.join(chosen.values())}: the same bits on 1 and {ranks} ranks, {len(losses)} steps")


main(make_data, every_entry)
