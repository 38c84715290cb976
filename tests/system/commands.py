#!/usr/bin/env python3
"""The program's commands as a user meets them: what they do, what they refuse, in which words and with which exit code.

usage: commands.py BUILD_DIR SOURCE_DIR
"""
import glob
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib

try:
    import h5py
    import numpy
except ImportError:
    print("skipped: python3-h5py is not installed")
    sys.exit(77)

PROGRAM = os.path.join(os.path.abspath(sys.argv[1]), "lockstep")
RANKS = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
         "OMPI_MCA_btl_vader_single_copy_mechanism": "none", "OMPI_MCA_hwloc_base_binding_policy": "none"}
USAGE, DATA, NUMERIC, IO, STOPPED = 64, 2, 3, 74, 75


class Problem(Exception):
    pass


def check(condition, words):
    if not condition:
        raise Problem(words)


def command(arguments, ranks):
    return (["mpirun", "--quiet", "-n", str(ranks)] if ranks else []) + [PROGRAM] + [str(a) for a in arguments]


def lockstep(*arguments, code=0, says=None, errors=None, ranks=0, path=None):
    """Runs the program; returns what it printed. `says`: words that must be on either stream; `errors`: a list to which
    standard error is added."""
    environment = dict(os.environ, **RANKS)
    if ranks:
        # Open MPI's threads may end while leaks are looked for, which ends the looking. The rank tests look for them.
        environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    if path is not None:
        environment["PATH"] = path
    done = subprocess.run(command(arguments, ranks), capture_output=True, text=True, timeout=300, env=environment)
    told = f"lockstep {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    if errors is not None:
        errors.append(done.stderr)
    check(done.returncode == code, f"expected exit {code}; {told}")
    for words in [says] if isinstance(says, str) else says or []:
        check(words in done.stdout + done.stderr, f"expected \"{words}\"; {told}")
    if code and code not in (1, STOPPED):
        check(done.stderr.count("lockstep: error:") == 1, f"expected one error; {told}")
    return done.stdout


# ---- what the tests work on ----

CLASSIFY = """
data: {train: "set.h5:/train", valid: "set.h5:/valid", preprocess: standardize}
model: [{dense: {units: 16}}, relu, {dense: {units: 3}}]
loss: cross_entropy
metrics: [accuracy]
batch: 20
microbatch: 5
optimizer: {sgd: {learning_rate: 0.1, momentum: 0.9}}
stop: {epochs: 4}
run: {dir: RUN, tensorboard: false}
"""
REGRESS = """
data: {train: "set.h5:/train", y: price, preprocess: standardize, preprocess_y: standardize}
model: [{dense: {units: 16}}, tanh, {dense: {units: 2}}]
loss: mse
batch: 20
microbatch: 5
optimizer: {adam: {learning_rate: 0.02}}
stop: {epochs: 30}
run: {dir: RUN, tensorboard: false}
"""
LABEL = REGRESS.replace("y: price", "y: tags").replace(", preprocess_y: standardize", "").replace("mse", "binary_cross_entropy")

BOTH = CLASSIFY.replace("{dense: {units: 3}}]", "{dense: {units: 3, name: kind}}, {dense: {units: 2, from: relu_1, name: tag}}]").replace(
    "loss: cross_entropy", "loss: [{cross_entropy: {of: kind}}, {binary_cross_entropy: {of: tag, target: tags}}]")


def make_data():
    draw = numpy.random.default_rng(5)
    with h5py.File("set.h5", "w") as file:
        for name, samples in ("train", 200), ("valid", 47):
            x = draw.normal(3, 2, (samples, 6)).astype("f4")
            group = file.create_group(name)
            group["x"] = x
            group["y"] = (x[:, 0] > 3).astype("i4") + (x[:, 1] > 4).astype("i4")
            group["price"] = (1000 + 50 * x[:, :2]).astype("f4")
            group["tags"] = (x[:, :2] > 3).astype("f4")
        file.create_group("new")["x"] = file["valid/x"][:]


def write_config(name, text):
    with open(f"{name}.yaml", "w") as file:
        file.write(text.replace("RUN", f"runs/{name}"))
    return f"{name}.yaml"


def prepare():
    make_data()
    for name, text in ("classify", CLASSIFY), ("regress", REGRESS), ("label", LABEL), ("both", BOTH):
        lockstep("train", "-q", write_config(name, text))


def checkpoint(name, which="latest"):
    return f"runs/{name}/checkpoints/{which}.h5"


def forward(path, x, activation):
    """The two dense layers of a checkpoint, in numpy."""
    with h5py.File(path) as file:
        mean, deviation = file["statistics/x/mean"][:], file["statistics/x/deviation"][:]
        a = (x - mean) / deviation
        first, second = file["parameters/dense_1"], file["parameters/dense_2"]
        return activation(a @ first["weight"][:].T + first["bias"][:]) @ second["weight"][:].T + second["bias"][:]


def close(a, b, what):
    error = numpy.abs(a - b).max()
    check(a.shape == b.shape and error < 1e-4 * max(1, numpy.abs(b).max()), f"{what}: {a.shape}, off by {error}")


# ---- the command line itself ----

def help_is_printed_once():
    for words in (["--help"], ["help"], []):
        text = lockstep(*words, code=0 if words else USAGE)
    text = lockstep("--help")
    for name in ("train check eval predict info verify diff average export import repack plot status stop sweep bench "
                 "config").split():
        check(re.search(rf"^  {name} ", text, re.M), f"--help does not list {name}")
        own = lockstep(name, "--help", says=f"lockstep {name}")
        check(own.count("Usage:") == 1, f"{name} --help has no usage")
    for words in ["--help"], ["train", "--help"], ["predict", "--help"], ["--version"]:
        alone, both = lockstep(*words), lockstep(*words, ranks=2)
        check(alone == both, f"{words} under mpirun is not printed once")


def words_that_nobody_knows_are_refused():
    lockstep("trian", code=USAGE, says='did you mean "train"')
    lockstep("frobnicate", code=USAGE, says="see lockstep --help")
    lockstep("predict", "--ouput=x", code=USAGE, says="did you mean --output")
    lockstep("sweep", "a.yaml", "--vary", code=USAGE, says="--vary needs a value")
    lockstep("trian", code=USAGE, says='did you mean "train"', ranks=2)
    lockstep("eval", "--color=red", "x", code=USAGE, says="allowed are auto, always, never")
    for words, says in ((["predict"], "which checkpoint"), (["predict", "a"], "which data"),
                        (["predict", "a", "b"], "where to"), (["predict", "a", "b", "c"], 'unexpected argument "c"'),
                        (["average", "a", "-o", "b"], "two checkpoints or more"), (["average", "a", "b"], "where to"),
                        (["export"], "which format"), (["export", "onx"], 'did you mean "onnx"'),
                        (["export", "onnx"], "which checkpoint"), (["export", "onnx", "a"], "where to"),
                        (["export", "onnx", "a", "-o"], "-o needs a value"),
                        (["plot"], "which run"), (["plot", "r", "-o", "a.pdf"], "ends with .svg or .png"),
                        (["status"], "which run"), (["stop"], "which run"), (["sweep"], "which configuration"),
                        (["sweep", "a.yaml"], "nothing to vary"), (["sweep", "a.yaml", "--seeds=0"], "from 1"),
                        (["sweep", "a.yaml", "--folds=1"], "from 2"), (["bench", "--samples=none"], "from 1 to"),
                        (["diff", "a"], "two checkpoints"), (["info"], "which file"), (["verify"], "which file"),
                        (["config", "a"], "lockstep check"), (["train"], "which configuration")):
        lockstep(*words, code=USAGE, says=says)


def mistakes_have_their_exit_codes():
    lockstep("train", "none.yaml", code=DATA, says="none.yaml")
    bad = write_config("bad", CLASSIFY.replace("units: 16", "unts: 16"))
    lockstep("train", bad, code=DATA, says=["bad.yaml:3:", 'did you mean "units"'])
    lockstep("check", bad, code=DATA, says="bad.yaml:3:")
    check(not os.path.exists("runs/bad"), "a bad configuration made a directory")
    lockstep("train", "-q", write_config("wild", CLASSIFY), "--set", "optimizer.sgd.learning_rate=1e6", code=NUMERIC,
             says=["step", "not finite"])
    lockstep("info", "none.h5", code=IO, says="none.h5")
    lockstep("verify", "none.h5", code=IO, says="none.h5")
    lockstep("info", "classify.yaml", code=DATA, says="classify.yaml")
    lockstep("eval", "set.h5", code=DATA, says="set.h5")
    lockstep("predict", "set.h5", "set.h5:/new", "-o", "p.h5", code=DATA, says="set.h5")


def configurations_are_checked():
    alone = lockstep("check", "classify.yaml", "--gradients", says=["no mistake found", "parameters"])
    both = lockstep("check", "classify.yaml", "--gradients", ranks=2)
    check(alone.count("no mistake") == both.count("no mistake") == 1, f"check on two ranks: {both}")
    planned = lockstep("check", "classify.yaml", "--ranks=2", says="on a node of 2 ranks")
    real = lockstep("check", "classify.yaml", ranks=2, says="on a node of 2 ranks")
    check(planned == real, f"two ranks are planned otherwise than they are: {planned}{real}")
    lockstep("check", "classify.yaml", "--ranks=50", code=DATA, says="50 ranks cannot share")
    lockstep("check", "classify.yaml", "--set", "data.train=set.h5:/trian", code=DATA, says="train", ranks=2)


# ---- looking at files ----

def files_are_told_and_compared():
    text = lockstep("info", checkpoint("classify"))
    check("/parameters/dense_1/weight" in text and "(16, 6)" in text, "info does not list the first weight")
    arrays = json.loads(lockstep("info", checkpoint("classify"), "--json"))["arrays"]
    weight = [a for a in arrays if a["path"] == "/parameters/dense_1/weight"][0]
    check(weight["shape"] == [16, 6] and weight["type"] == "float32", f"info --json: {weight}")
    check("dense" in lockstep("info", "--config", checkpoint("classify")), "info --config does not print it")
    check(json.loads(lockstep("verify", checkpoint("classify"), "--json"))["intact"], "verify: not intact")
    shutil.copy(checkpoint("classify"), 'a "name".h5')
    check(json.loads(lockstep("verify", 'a "name".h5', "--json"))["file"] == 'a "name".h5', "verify --json: the file")
    lockstep("verify", "set.h5", code=DATA, says="checksums")

    shutil.copy(checkpoint("classify"), "hurt.h5")
    with h5py.File("hurt.h5") as file:
        place = file["parameters/dense_1/weight"].id.get_offset()
    with open("hurt.h5", "r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 1]))
    for words in ("verify", "info --config", "eval", f"diff {checkpoint('classify')}"):
        lockstep(*words.split(), "hurt.h5", code=IO, says="/parameters/dense_1/weight: its bytes differ")

    lockstep("diff", checkpoint("classify"), checkpoint("classify"), says="identical")
    earlier = sorted(glob.glob("runs/classify/checkpoints/step-*.h5"))[0]
    lockstep("diff", checkpoint("classify"), earlier, code=1, says="/parameters/dense_1/weight")
    told = json.loads(lockstep("diff", checkpoint("classify"), earlier, "--json", code=1))
    check(told["differing"] > 0 and not told["identical"], f"diff --json: {told}")


def keys_are_explained():
    lockstep("config", "--explain", "optimizer.sgd.momentum", says="momentum")
    lockstep("config", "--explain", "optimizer.sgd.momentm", code=USAGE, says="momentum")
    check(len(lockstep("config", "--reference").splitlines()) > 100, "the reference is short")


def tables_are_imported():
    with open("table.csv", "w") as file:
        file.write("a,b,kind\n" + "".join(f"{i},{i * 0.5},{'odd' if i % 2 else 'even'}\n" for i in range(20)))
    lockstep("import", "csv", "table.csv", "--target=kind", "-o", "table.h5")
    with h5py.File("table.h5") as file:
        check(file["train/x"].shape == (20, 2) and list(file["train/y"][:4]) in ([0, 1, 0, 1], [1, 0, 1, 0]),
              "the imported table is another one")
    lockstep("import", "-o", "text", "csv", "table.csv", "--target=kind")
    check(os.path.exists("text"), "an output that is called like a format is taken for one")
    with open("table.csv", "a") as file:
        file.write("1,two,odd\n")
    lockstep("import", "csv", "table.csv", "--target=kind", "-o", "bad.h5", code=DATA, says=["table.csv:22", "two"])
    check(not os.path.exists("bad.h5"), "a failed import left a file")
    lockstep("import", "csv", "none.csv", "-o", "bad.h5", code=IO, says="none.csv")
    lockstep("import", "cvs", "table.csv", "-o", "bad.h5", code=USAGE, says='did you mean "csv"')


def lines_of_words_are_told():
    with open("words.csv", "w") as file:
        file.write("colour,kind\nred,a\ngreen,b\n")
    says = "words.csv: no column has numbers, so the first line counts as a sample"
    lockstep("import", "csv", "words.csv", "-o", "words.h5", says=[says, 'column "1" holds 3 different words'])
    check(says not in lockstep("import", "csv", "words.csv", "--header=yes", "-o", "words.h5"), "told with a header")
    with h5py.File("words.h5") as file:
        check(file["train/x"].shape == (2, 2), "a header became a sample")


def arrays_are_split_by_class():
    """Whatever integers they are: NumPy's own are of 64 bits."""
    y = numpy.arange(1000) % 10
    numpy.save("y.npy", y)
    numpy.save("x.npy", y.astype("f4"))
    lockstep("import", "npy", "x.npy", "y.npy", "--split=0.2", "-o", "npy.h5")
    with h5py.File("npy.h5") as file:
        check((numpy.bincount(file["test/y"][:]) == 20).all(), "classes have other shares in /test")
        check((file["test/x"][:] == file["test/y"][:]).all(), "x and y come apart")


def deep_images_keep_their_values():
    """16 bits of gray: 8 of them are left, in proportion."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 4, 1, 16, 0, 0, 0, 0)
    os.mkdir("deep")
    with open("deep/1.png", "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
                   + chunk(b"IDAT", zlib.compress(struct.pack(">B4H", 0, 0, 21845, 43690, 65535))) + chunk(b"IEND", b""))
    told = subprocess.run(command(["import", "images", "deep", "-o", "deep.h5"], 0), capture_output=True, text=True)
    if "this build has no libpng" in told.stderr:
        return
    check(told.returncode == 0, told.stderr)
    with h5py.File("deep.h5") as file:
        check(list(file["train/x"][0, 0, 0]) == [0, 85, 170, 255], f"16 bits became {file['train/x'][0, 0, 0]}")


def sets_are_repacked():
    """Shuffled: all that belongs to a sample goes with it, and nothing else moves."""
    x = numpy.arange(100)
    names = [f"sample {i}".encode() for i in x]
    with h5py.File("loose.h5", "w") as file:
        file["train/x"], file["train/names"], file["train/scale"] = x, names, numpy.arange(7)
        file["train/half"] = x.astype("f2")
        file["classes"] = [b"a", b"b", b"c"]
    lockstep("repack", "loose.h5", "--shuffle", "-o", "packed.h5")
    with h5py.File("packed.h5") as file:
        order = file["train/x"][:]
        check(sorted(order) == list(x) and (order != x).sum() > 80, f"shuffled: {order}")
        check([names[i] for i in order] == list(file["train/names"][:]), "names come apart from their samples")
        check((file["train/half"][:] == order).all(), "half floats come apart from their samples")
        check(list(file["train/scale"][:]) == list(range(7)), "what is no sample was shuffled")
        check(list(file["classes"][:]) == [b"a", b"b", b"c"], "the names of classes were shuffled")


def links_are_not_lost():
    with h5py.File("far.h5", "w") as file:
        file["x"] = numpy.arange(5.0)
    for link in h5py.SoftLink("/x"), h5py.ExternalLink("far.h5", "/x"), None:
        with h5py.File("linked.h5", "w") as file:
            file["x"] = numpy.arange(5.0)
            file["y"] = file["x"] if link is None else link
        first = "/y" if link else "/x"
        lockstep("repack", "linked.h5", "-o", "unlinked.h5", code=DATA, says=f"{first} is a link, or one of several names")
    check(not os.path.exists("unlinked.h5"), "a refused repack left a file")


# ---- a checkpoint put to use ----

def evaluations_are_those_of_training():
    for name in "both", "classify":
        values = json.loads(lockstep("eval", checkpoint(name), "set.h5:/valid", "--json"))
        with open(f"runs/{name}/report.json") as file:
            final = json.load(file)["final"]["valid"]
        check(values["samples"] == 47 and all(values[key] == final[key] for key in final),
              f"eval: {values}, the report {final}")
        check(json.loads(lockstep("eval", checkpoint(name), "--json")) == values, "eval without data")
    check(json.loads(lockstep("eval", checkpoint("classify"), "set.h5:/valid", "--json", ranks=3)) == values, "eval, 3 ranks")
    lockstep("eval", checkpoint("classify"), "set.h5:/vlid", code=DATA, says="valid")


WEIGHTED = """
data: {train: "set.h5:/train", valid: "0.2", fold: 1, weight: w, preprocess: standardize}
model: [{dense: {units: 5}}, {tanh: {name: h}}, {dense: {units: 3, name: z}}, {dense: {units: 2, from: h, name: p}}]
loss: [{cross_entropy: {of: z, class_weights: balanced}}, {mse: {of: p, target: price, weight: 1e-6}}]
batch: 20
microbatch: 5
optimizer: {sgd: {}}
stop: {epochs: 1}
run: {dir: RUN, tensorboard: false}
"""


def evaluations_of_other_sets_scale_weights_by_the_training_set():
    shutil.copy("set.h5", "own.h5")
    with h5py.File("own.h5", "a") as file:
        for name in "train", "valid":
            file[f"{name}/w"] = file[f"{name}/x"][:, 0] ** 2
        for name in "x", "y", "price", "w":
            file[f"half/{name}"] = file[f"valid/{name}"][::2]
            file[f"rest/{name}"] = file[f"valid/{name}"][1::2]
    lockstep("train", "-q", write_config("weighted", WEIGHTED.replace("set.h5", "own.h5")))
    sets = {name: json.loads(lockstep("eval", checkpoint("weighted"), f"own.h5:/{name}", "--json", ranks=ranks))
            for name, ranks in (("valid", 0), ("half", 2), ("rest", 0))}
    for loss in "loss", "loss.z", "loss.p":
        whole, *parts = [values["samples"] * values[loss] for values in sets.values()]
        check(abs(sum(parts) / whole - 1) < 1e-6, f"{loss} of the parts {parts} is not that of the whole {whole}")
    os.rename("own.h5", "moved.h5")
    for ranks in 0, 2:
        lockstep("eval", checkpoint("weighted"), "moved.h5:/valid", ranks=ranks, says="for want of the training set")


def classes_are_predicted():
    with h5py.File("set.h5") as file:
        x = file["new/x"][:]
    lockstep("predict", checkpoint("classify"), "set.h5:/new", "-o", "p1.h5", says="47 samples")
    lockstep("predict", checkpoint("classify"), "set.h5:/valid", "-o", "with-y.h5")
    for ranks in 2, 3:
        lockstep("predict", checkpoint("classify"), "set.h5:/new", "-o", f"p{ranks}.h5", ranks=ranks)
    logits = forward(checkpoint("classify"), x, lambda z: numpy.maximum(z, 0))
    with h5py.File("p1.h5") as file:
        close(file["prediction"][:], logits, "prediction")
        softmax = numpy.exp(logits - logits.max(1, keepdims=True))
        close(file["probability"][:], softmax / softmax.sum(1, keepdims=True), "probability")
        check((file["class"][:] == logits.argmax(1)).all(), "class is not the largest logit")
    with open("p1.h5", "rb") as one:
        content = one.read()
    for name in "p2.h5", "p3.h5", "with-y.h5":
        with open(name, "rb") as other:
            check(content == other.read(), f"p1.h5 and {name} differ")
    lockstep("verify", "p1.h5", says="intact")


def values_are_predicted_in_their_units():
    with h5py.File("set.h5") as file:
        x, price = file["valid/x"][:], file["valid/price"][:]
    lockstep("predict", checkpoint("regress"), "set.h5:/new", "-o", "price.h5")
    with h5py.File(checkpoint("regress")) as file:
        mean, deviation = file["statistics/y/mean"][:], file["statistics/y/deviation"][:]
    with h5py.File("price.h5") as file:
        check(sorted(k for k in file if k != "checksums") == ["prediction"], "values have no classes")
        close(file["prediction"][:], forward(checkpoint("regress"), x, numpy.tanh) * deviation + mean, "prices")
        check(numpy.abs(file["prediction"][:] - price).mean() < 40, "the predictions are far off")


def labels_are_predicted():
    with h5py.File("set.h5") as file:
        x = file["valid/x"][:]
    lockstep("predict", checkpoint("label"), "set.h5:/new", "-o", "tags.h5")
    logits = forward(checkpoint("label"), x, numpy.tanh)
    with h5py.File("tags.h5") as file:
        close(file["probability"][:], 1 / (1 + numpy.exp(-logits)), "probability of labels")
        check(((file["class"][:] == 1) == (file["probability"][:] > 0.5)).all(), "class of labels")


def predictions_are_refused_where_they_cannot_be():
    with h5py.File("narrow.h5", "w") as file:
        file["x"] = numpy.zeros((3, 5), "f4")
    lockstep("predict", checkpoint("classify"), "narrow.h5:/", "-o", "no.h5", code=DATA, says="dense_1")
    lockstep("predict", checkpoint("classify"), "none.h5:/x", "-o", "no.h5", code=DATA, says="none.h5")
    lockstep("predict", checkpoint("classify"), "set.h5:/new", "-o", "none/no.h5", code=IO, says="none/")
    lockstep("predict", checkpoint("classify"), "set.h5:/new", "-o", "none/no.h5", code=IO, says="none/", ranks=2)
    check(not os.path.exists("no.h5"), "a refused prediction left a file")


def checkpoints_are_averaged():
    steps = sorted(n for n in os.listdir("runs/classify/checkpoints") if n.startswith("step-"))
    inputs = [f"runs/classify/checkpoints/{n}" for n in steps[-2:]]
    lockstep("average", *inputs, "-o", "mean.h5", says="2 checkpoints")
    with h5py.File("mean.h5") as mean, h5py.File(inputs[0]) as a, h5py.File(inputs[1]) as b:
        for name in "parameters/dense_1/weight", "parameters/dense_2/bias":
            half = ((a[name][:].astype("f8") + b[name][:]) / 2).astype("f4")
            check((mean[name][:] == half).all(), f"{name} is not the mean")
        check("optimizer" not in mean, "an average has no state of an optimizer")
    lockstep("verify", "mean.h5", says="intact")
    lockstep("eval", "mean.h5", "set.h5:/valid", says="accuracy")
    lockstep("average", inputs[0], checkpoint("label"), "-o", "no.h5", code=DATA, says="dense_")
    lockstep("average", inputs[0], "none.h5", "-o", "no.h5", code=IO, says="none.h5")
    check(not os.path.exists("no.h5"), "a refused average left a file")


def networks_are_exported():
    os.rename("set.h5", "away.h5")  # an export needs no data
    try:
        lockstep("export", "safetensors", checkpoint("classify"), "-o", "net.safetensors", says="safetensors")
        with open("net.safetensors", "rb") as file:
            size = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(size))
            begin, end = header["dense_1/weight"]["data_offsets"]
            file.seek(8 + size + begin)
            weight = numpy.frombuffer(file.read(end - begin), "<f4").reshape(16, 6)
        with h5py.File(checkpoint("classify")) as file:
            check((weight == file["parameters/dense_1/weight"][:]).all(), "the exported weight is another one")
        if lockstep_lacks_onnx():
            return
        lockstep("export", "onnx", checkpoint("regress"), "-o", "net.onnx", says="onnx")
    finally:
        os.rename("away.h5", "set.h5")
    lockstep("export", "onnx", "set.h5", "-o", "no.onnx", code=DATA, says="set.h5")
    try:
        import onnx
    except ImportError:
        return
    model = onnx.load("net.onnx")
    onnx.checker.check_model(model)
    check(len(model.graph.input) == 1 and model.graph.input[0].name == "x", "the network's input is not x")


def lockstep_lacks_onnx():
    done = subprocess.run(command(["export", "onnx", checkpoint("regress"), "-o", "net.onnx"], 0), capture_output=True,
                          text=True, timeout=60)
    return done.returncode == 1 and "onnx" in done.stderr.lower()


# ---- runs seen from outside ----

def curves_are_drawn():
    odd = "runs/it's \"a\" $(run) `x`"
    shutil.copytree("runs/classify", odd)
    empty = tempfile.mkdtemp(dir=".")
    lockstep("plot", "runs/classify", code=1, says="gnuplot is not installed", path=os.path.abspath(empty))
    check(not os.path.exists("runs/classify/curves.svg"), "a failed plot left a picture")
    lockstep("plot", "runs/classify", "-m", "acuracy", code=DATA, says='did you mean "accuracy"')
    lockstep("plot", empty, code=DATA, says="no directory of a run")
    lockstep("plot", "runs/none", code=IO, says="runs/none")
    if not shutil.which("gnuplot"):
        return
    lockstep("plot", "runs/classify", says="runs/classify/curves.svg")
    with open("runs/classify/curves.svg") as file:
        check("<svg" in file.read(), "curves.svg is no SVG")
    lockstep("plot", "runs/classify", odd, "runs/regress", "-o", "two.svg", "--metric=loss,accuracy")
    with open("two.svg") as file:
        check("$(run)" in file.read(), "the legend does not show the run's name")
    lockstep("plot", "runs/classify", "-o", "one.png")
    with open("one.png", "rb") as file:
        check(file.read(4) == b"\x89PNG", "one.png is no PNG")
    lockstep("plot", "runs/classify", "-o", "none/one.png", code=IO, says="none/one.png")
    lockstep("train", "classify.yaml", "-q", "--set=run.dir=runs/short", "--set=stop.epochs=1")
    errors = []
    lockstep("plot", "runs/short", errors=errors)
    check(errors == [""], f"a curve of one point: {errors}")


def a_run_is_watched_and_stopped():
    config = write_config("long", CLASSIFY)
    lockstep("status", "runs/none", code=IO, says="runs/none")
    lockstep("stop", ".", code=DATA, says="no directory of a run")
    check(not os.path.exists("stop"), "a refused stop left a file")
    run = subprocess.Popen(command(["train", config, "--set", "stop.epochs=10000000", "--set", "checkpoint.every=1h",
                                    "--set", "checkpoint.best=train.accuracy", "--progress=none"], 0),
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=dict(os.environ, **RANKS))
    try:
        for _ in range(600):
            if os.path.exists("runs/long/status.json") or run.poll() is not None:
                break
            time.sleep(0.1)
        check(run.poll() is None, f"the long run ended: {run.stderr.read() if run.poll() is not None else ''}")
        told = json.loads(lockstep("status", "runs/long", "--json"))
        check(told["phase"] == "training" and not told["over"] and not told["stale"], f"status: {told}")
        lockstep("status", "runs/long", says=["training", "epoch", "ago"])
        lockstep("stop", "runs/long", says=["runs/long/stop", "75"])
        check(run.wait(timeout=60) == STOPPED, f"a stopped run has exit {run.returncode}")
    finally:
        if run.poll() is None:
            run.send_signal(signal.SIGKILL)
            run.wait()
        run.stderr.close()
    lockstep("status", "runs/long", "--watch", says="stopped")
    lockstep("stop", "runs/long", says="over already")
    check(json.loads(lockstep("status", "runs/long", "--json"))["over"], "a stopped run is not over")


def the_test_set_is_looked_at_once():
    """At the end, with the best parameters: in the report and in metrics.jsonl; also where the run was stopped before."""
    sets = 'valid: 0.2, test: "set.h5:/valid"'
    config = write_config("tested", CLASSIFY.replace('valid: "set.h5:/valid"', sets).replace("epochs: 4", "epochs: 12"))
    words = ["train", "-q", config, "--set", "optimizer.sgd.learning_rate=1"]
    os.makedirs("runs/tested")
    open("runs/tested/stop", "w").close()
    lockstep(*words, code=STOPPED)
    for _ in range(2):
        lockstep(*words)
    with open("runs/tested/metrics.jsonl") as file:
        tests = [event for event in map(json.loads, file) if event.get("set") == "test"]
    with open("runs/tested/report.json") as file:
        report = json.load(file)
    final = report["final"]["test"]
    check(len(tests) == 1 and tests[0]["event"] == "eval" and tests[0]["step"] == report["steps"], f"events: {tests}")
    check(final["loss"] == tests[0]["loss"], f"{final}, but the event says {tests[0]}")
    best, last = (json.loads(lockstep("eval", "--json", checkpoint("tested", which), "set.h5:/valid"))
                  for which in ("best", "latest"))
    check(final == best, f"the test's result is {final}, that of the best parameters {best}")
    check(last != best, "the last parameters are the best, so that they cannot be told apart")


def a_trace_tells_when_each_rank_did_what():
    config = write_config("traced", CLASSIFY)
    lockstep("train", "-q", config, "--set", "run.trace=true", ranks=2)
    with open("runs/traced/trace.json") as file:
        events = json.load(file)["traceEvents"]
    for rank in 0, 1:
        spans = [e for e in events if e["tid"] == rank and e["ph"] == "X"]
        for section in "data", "forward", "backward", "reduce", "decide", "update", "distribute", "hooks":
            steps = [e["args"]["step"] for e in spans if e["name"] == section]
            check(steps == list(range(1, 41)), f"rank {rank}: {section} is traced of the steps {steps}")
        for name, times in ("evaluate", 4), ("save", 4):
            count = sum(e["name"] == name for e in spans)
            check(count == times, f"rank {rank}: {name} is traced {count} times")
        ends = [0] + [e["ts"] + e["dur"] for e in spans]
        check(all(e["ts"] >= end - 0.2 for e, end in zip(spans, ends)), f"rank {rank} did two things at once")
    check(not os.path.exists("runs/classify/trace.json"), "a trace was written that nobody asked for")


def a_silent_run_is_called_so():
    shutil.copytree("runs/classify", "runs/silent")
    with open("runs/silent/status.json") as file:
        state = json.load(file)
    state.update(phase="training", updated="2020-01-01T00:00:00Z")
    with open("runs/silent/status.json", "w") as file:
        json.dump(state, file)
    lockstep("status", "runs/silent", says="no word for")
    check(json.loads(lockstep("status", "runs/silent", "--json"))["stale"], "not stale")
    lockstep("stop", "runs/silent", says="may be dead")
    check(os.path.exists("runs/silent/stop"), "no file was made")


# ---- several runs ----

def sweep(folder, *words, **how):
    return lockstep("sweep", "classify.yaml", "--set", f"run.dir={folder}", "--set", "stop.epochs=2", "--vary",
                    "optimizer.sgd.learning_rate=0.2,1e-4,1e9", "--seeds=2", *words, **how)


def settings_are_ranked():
    text = sweep("runs/sweep", says=["6/6", "rank", "2 of 2 failed", "best: runs/sweep/best"])
    check("finished before" not in text, "nothing was finished before")
    with open("runs/sweep/sweep.json") as file:
        first = file.read()
    told = json.loads(first)
    means = [s["mean"] for s in told["settings"]]
    check(told["by"] == "valid.loss" and not told["higher_is_better"], f"by {told['by']}")
    check(means[0] < means[1] and means[2] is None, f"means {means}")
    check([s["keys"]["optimizer.sgd.learning_rate"] for s in told["settings"]] == [0.2, 1e-4, 1e9], "the order")
    check([r["result"] for r in told["settings"][2]["runs"]] == ["failed", "failed"], "failures are not marked")
    runs = told["settings"][0]["runs"]
    check(abs(sum(r["value"] for r in runs) / 2 - means[0]) < 1e-12, "the mean")
    check(sorted(r["seed"] for r in runs) == [1, 2], "the seeds")
    best = min(runs, key=lambda r: r["value"])["name"]
    check(told["best"] == best and os.readlink("runs/sweep/best") == best, "the best run")
    value = json.loads(lockstep("eval", "runs/sweep/best/checkpoints/best.h5", "set.h5:/valid", "--json"))["loss"]
    check(value == min(r["value"] for r in runs), "the best run's value")

    text = sweep("runs/sweep", says="finished before")
    check(text.count("finished before") == 6, "a finished run was trained again")
    again = json.loads(sweep("runs/sweep", "--json"))
    check(again == told, "a second time it is another result")
    check(json.loads(sweep("runs/sweep-2", "--json", ranks=2)) == told, "what two ranks print is another result")
    with open("runs/sweep-2/sweep.json") as file:
        check(file.read() == first, "two ranks have another result")


def a_sweep_does_not_hide_a_run():
    lockstep("train", "-q", "classify.yaml", "--set=run.dir=both")
    lockstep("sweep", "-q", "classify.yaml", "--set=run.dir=both", "--set=stop.epochs=1", "--vary=seed=5")
    lockstep("status", "both", says="done")
    os.rename("both/run.lock", "both/no.lock")
    os.remove("both/status.json")
    lockstep("status", "both", code=DATA, says="both is the directory of a sweep; name one of its runs")


def folds_are_run():
    config = write_config("folded", CLASSIFY.replace('valid: "set.h5:/valid", ', ""))
    lockstep("sweep", config, "--folds=3", "--by=valid.accuracy", says=["3/3", "valid.accuracy"])
    with open("runs/folded/sweep.json") as file:
        told = json.load(file)
    check(told["higher_is_better"] and sorted(r["fold"] for r in told["settings"][0]["runs"]) == [0, 1, 2], f"{told}")
    lockstep("sweep", "classify.yaml", "--folds=3", code=USAGE, says="data.valid names files")


def sweeps_are_refused_before_they_start():
    for words, code, says in ((["--vary", "optimizer.sgd.lerning_rate=1,2"], DATA, 'did you mean "learning_rate"'),
                              (["--vary", "optimizer.sgd.learning_rate=0.1,fast"], DATA, '"fast" is not a number'),
                              (["--vary", "batch"], USAGE, "KEY.PATH=VALUE"), (["--vary", "batch=1,,2"], USAGE, "empty"),
                              (["--vary", "batch=10,10"], USAGE, "twice"),
                              (["--vary", "model=[relu,{dense: {units: 3}"], USAGE, "no partner"),
                              (["--vary", "run.dir=a,b"], USAGE, "the sweep itself"),
                              (["--seeds=2", "--vary", "seed=1,2"], USAGE, "exclude each other"),
                              (["--seeds=2", "--by=test.loss"], USAGE, "test set"),
                              (["--seeds=2", "--by=valid.acuracy"], USAGE, 'did you mean "accuracy"'),
                              (["--seeds=2", "--by=loss"], USAGE, "SET.NAME")):
        lockstep("sweep", "classify.yaml", "--set", "run.dir=runs/refused", *words, code=code, says=says)
    check(not os.path.exists("runs/refused"), "a refused sweep made a directory")


def lists_and_choices_are_varied():
    lockstep("sweep", "classify.yaml", "--set", "run.dir=runs/choices", "--set", "stop.epochs=1", "--vary",
             "optimizer={sgd: {learning_rate: 0.1, momentum: 0.5}},{adam: {learning_rate: 0.01}}", says="2/2")
    with open("runs/choices/sweep.json") as file:
        keys = {s["keys"]["optimizer"] for s in json.load(file)["settings"]}
    check(keys == {"{sgd: {learning_rate: 0.1, momentum: 0.5}}", "{adam: {learning_rate: 0.01}}"}, f"{keys}")


# ---- threads ----

def threads_follow_the_cores():
    """Ranks of a machine share its cores, also where they are nodes of their own; a crowd is warned of once."""
    cores = len(os.sched_getaffinity(0))
    each, words, errors = max(1, cores // 2), ["train", "classify.yaml", "--progress=none"], []
    for setting in "auto", 1:
        told = lockstep(*words, "--set", f"run.dir=runs/threads-{setting}", "--set",
                        f"topology.ranks_per_node={setting}", ranks=2, errors=errors)
        check(f"{each} thread{'s' if each > 1 else ''} each" in told, f"{cores} cores for two ranks; {told}")
    check("".join(errors).count(" share ") == (2 if cores < 2 else 0), f"{cores} cores for two ranks; {errors}")
    errors.clear()
    lockstep(*words, "--set", "run.dir=runs/crowd", "--set", f"run.threads={cores}", ranks=2, errors=errors)
    check(errors[0].count("warning") == 1 and f"{2 * cores} threads of 2 ranks share {cores} core" in errors[0],
          f"one warning is wanted: {errors}")


# ---- speed ----

def the_machine_is_measured():
    folder = os.path.abspath(tempfile.mkdtemp(dir="."))
    os.environ["TMPDIR"] = folder
    try:
        told = json.loads(lockstep("bench", "--quick", "--samples=32", "--threads=1", "--json", ranks=2))
    finally:
        del os.environ["TMPDIR"]
    check(told["ranks"] == 2 and told["peak_flops"] > 0, "the machine")
    check(told["copy_bytes_per_second_all_ranks"] > 0 and told["reduction_bytes_per_second"] > 0, "memory")
    check(len(told["networks"]) == 4, "four networks")
    for network in told["networks"]:
        check([p["ranks"] for p in network["scaling"]] == [1, 2], f"scaling: {network}")
        alone, together = [p["samples_per_second"] for p in network["scaling"]]
        check(together == network["samples_per_second"], f"scaling: {network}")
        check(abs(network["scaling"][1]["efficiency"] - together / alone / 2) < 1e-9, f"scaling: {network}")
        check(set(network["sections"]) == {"data", "forward", "backward", "wait", "reduce", "decide", "update",
                                           "distribute"}, f"{network}")
        check(network["samples_per_step"] == 64 and network["samples_per_second"] > 0, f"{network}")
        check(network["flop_per_sample"] > 0 and network["share_of_peak"] > 0, f"{network}")
        total = sum(network["sections"].values())
        check(abs(total - network["seconds_per_step"]) < 1e-9, f"the sections do not sum up: {network}")
    # 2 FLOP a weight in forward and in each gradient; the first layer's inputs need none.
    dense = told["networks"][0]["flop_per_sample"]
    least = 2 * (2 * 784 * 512 + 3 * 512 * 512 + 3 * 512 * 10)
    check(least <= dense < 1.02 * least, f"{dense} operations a sample, not about {least}")
    left = os.listdir(folder)
    check(not [n for n in left if n.startswith("lockstep-bench")], f"bench left {left}")


def main():
    tests = [help_is_printed_once, words_that_nobody_knows_are_refused, mistakes_have_their_exit_codes,
             configurations_are_checked, files_are_told_and_compared, keys_are_explained, tables_are_imported,
             lines_of_words_are_told, arrays_are_split_by_class, deep_images_keep_their_values, sets_are_repacked,
             links_are_not_lost, evaluations_are_those_of_training,
             evaluations_of_other_sets_scale_weights_by_the_training_set,
             classes_are_predicted, values_are_predicted_in_their_units, labels_are_predicted,
             predictions_are_refused_where_they_cannot_be, checkpoints_are_averaged, networks_are_exported,
             the_test_set_is_looked_at_once, a_trace_tells_when_each_rank_did_what, curves_are_drawn,
             a_run_is_watched_and_stopped, a_silent_run_is_called_so, settings_are_ranked, a_sweep_does_not_hide_a_run,
             folds_are_run,
             sweeps_are_refused_before_they_start, lists_and_choices_are_varied, threads_follow_the_cores,
             the_machine_is_measured]
    chosen = sys.argv[3:]
    folder = tempfile.mkdtemp(prefix="lockstep-commands-")
    os.chdir(folder)
    failed = 0
    try:
        prepare()
        for test in tests:
            if chosen and test.__name__ not in chosen:
                continue
            start = time.time()
            try:
                test()
                print(f"ok      {test.__name__} ({time.time() - start:.1f} s)", flush=True)
            except (Problem, subprocess.TimeoutExpired, OSError, ValueError, KeyError) as problem:
                failed += 1
                print(f"FAILED  {test.__name__}: {type(problem).__name__} {problem}", flush=True)
    finally:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


sys.exit(main())
