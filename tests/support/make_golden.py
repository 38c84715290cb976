#!/usr/bin/env python3
"""Write the golden runs of tests/system/golden, computed in float64 by PyTorch.

usage: make_golden.py OUT_DIR [SEED]

They cover what the reference cases in tests/system/cases do not. Each file stands alone:

  /config                      the whole experiment as YAML; FILE stands for the file itself
  /train/*, /valid/*           the data, consumed in their order
  /init/<layer>/<param>        the starting parameters
  /expected/parameters/..      what the last checkpoint holds, and
  /expected/statistics/..      what it holds of running averages
  /expected/step/<name>        the numbers of the step events of metrics.jsonl, (steps,)
  /expected/eval/<name>        those of the events of the validation set, (epochs,)
  /expected/prediction         what `predict` says of the validation set
  /tolerance                   relative error that a float32 program is expected to stay within

The formulas are written out here, not taken from torch.optim, where the program means to differ from it. Needs PyTorch,
numpy and h5py; on Debian 12: python3-torch python3-h5py.
"""
import math
import os
import sys

import h5py
import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

N, VALID, BATCH, EPOCHS = 44, 17, 12, 5  # the last of 4 steps an epoch has 8 samples


# ---- optimizers: update(w, g, state, t, rate, decay, options) -> the new w ----

def sgd(w, g, s, t, rate, decay, momentum=0.0, dampening=0.0, nesterov=False, rate_in_velocity=False):
    g = g + decay * w
    if rate_in_velocity:
        s["v"] = momentum * s.get("v", 0) - rate * (1 - dampening) * g
        return w + s["v"]
    s["v"] = momentum * s.get("v", 0) + (1 - dampening) * g
    return w - rate * (g + momentum * s["v"] if nesterov else s["v"])


def root(x, epsilon, inside):
    return torch.sqrt(x + epsilon) if inside else torch.sqrt(x) + epsilon


def adagrad(w, g, s, t, rate, decay, epsilon=1e-10, inside=False):
    g = g + decay * w
    s["c"] = s.get("c", 0) + g * g
    return w - rate * g / root(s["c"], epsilon, inside)


def rmsprop(w, g, s, t, rate, decay, rho=0.99, epsilon=1e-8, momentum=0.0, inside=False):
    g = g + decay * w
    s["c"] = rho * s.get("c", 0) + (1 - rho) * g * g
    s["b"] = momentum * s.get("b", 0) + g / root(s["c"], epsilon, inside)
    return w - rate * s["b"]


def adam_direction(g, s, t, beta1, beta2, epsilon, inside):
    s["m"] = beta1 * s.get("m", 0) + (1 - beta1) * g
    s["v"] = beta2 * s.get("v", 0) + (1 - beta2) * g * g
    return s["m"] / (1 - beta1 ** t) / root(s["v"] / (1 - beta2 ** t), epsilon, inside)


def adam(w, g, s, t, rate, decay, beta1=0.9, beta2=0.999, epsilon=1e-8, inside=False):
    return w - rate * adam_direction(g + decay * w, s, t, beta1, beta2, epsilon, inside)


def lars(w, g, s, t, rate, decay, trust=0.001, momentum=0.9):
    whole = g.norm() + decay * w.norm()
    ratio = trust * w.norm() / whole if w.norm() > 0 and whole > 0 else 1.0
    s["v"] = momentum * s.get("v", 0) + rate * ratio * (g + decay * w)
    return w - s["v"]


def lamb(w, g, s, t, rate, decay, beta1=0.9, beta2=0.999, epsilon=1e-6):
    d = adam_direction(g, s, t, beta1, beta2, epsilon, False) + decay * w
    ratio = w.norm() / d.norm() if w.norm() > 0 and d.norm() > 0 else 1.0
    return w - rate * ratio * d


# ---- layers ----

def dense(p, name, x):
    return F.linear(x.flatten(1), p[f"{name}/weight"], p.get(f"{name}/bias"))


def conv(p, name, x, **options):
    return F.conv2d(x, p[f"{name}/weight"], p.get(f"{name}/bias"), **options)


def dense_init(g, name, inputs, units, bias=True):
    out = {f"{name}/weight": 0.4 * torch.randn((units, inputs), generator=g)}
    if bias:
        out[f"{name}/bias"] = 0.4 * torch.randn((units,), generator=g)
    return out


def conv_init(g, name, filters, depth, kernel, bias=True):
    out = {f"{name}/weight": 0.4 * torch.randn((filters, depth) + kernel, generator=g)}
    if bias:
        out[f"{name}/bias"] = 0.4 * torch.randn((filters,), generator=g)
    return out


def norm_init(g, name, size):
    return {f"{name}/weight": 1 + 0.4 * torch.randn((size,), generator=g),
            f"{name}/bias": 0.4 * torch.randn((size,), generator=g)}


class BatchNorm:
    """Statistics over micro-batches; one running update a step, of the batch's sums."""

    def __init__(self, name, size, micro, momentum=0.1, epsilon=1e-5):
        self.__dict__.update(locals())
        self.mean, self.variance = torch.zeros(size), torch.ones(size)

    def __call__(self, p, x, training):
        shape = (1, -1) + (1,) * (x.dim() - 2)
        scale = [p[f"{self.name}/{k}"].reshape(shape) for k in ("weight", "bias")]
        if not training:
            xhat = (x - self.mean.reshape(shape)) / torch.sqrt(self.variance.reshape(shape) + self.epsilon)
            return scale[0] * xhat + scale[1]
        axes = [0] + list(range(2, x.dim()))
        out, mean, variance = [], 0, 0
        for part in x.split(self.micro):
            m = part.mean(axes)
            v = ((part - m.reshape(shape)) ** 2).mean(axes)
            out.append((part - m.reshape(shape)) / torch.sqrt(v.reshape(shape) + self.epsilon))
            values = part.numel() // self.size
            share = len(part) / len(x)
            mean = mean + share * m.detach()
            variance = variance + share * v.detach() * values / max(values - 1, 1)
        self.mean = (1 - self.momentum) * self.mean + self.momentum * mean
        self.variance = (1 - self.momentum) * self.variance + self.momentum * variance
        return scale[0] * torch.cat(out) + scale[1]

    def statistics(self):
        return {f"{self.name}/mean": self.mean, f"{self.name}/variance": self.variance}


# ---- metrics ----

def class_metrics(z, y):
    """Of scores and classes: accuracy, error, top_k of 2, and the macro averages over the classes that occur."""
    right = z.argmax(1)
    out = {"accuracy": (right == y).double().mean(), "error": (right != y).double().mean(),
           "top_k": (z.topk(2, 1).indices == y[:, None]).any(1).double().mean()}
    out.update(macro([(right == c, y == c) for c in range(z.shape[1])]))
    return out


def macro(pairs):
    precision, recall, f1 = [], [], []
    for said, is_so in pairs:
        hits, predicted, actual = [float(v.double().sum()) for v in (said & is_so, said, is_so)]
        if predicted + actual == 0:
            continue
        precision.append(hits / predicted if predicted else 0)
        recall.append(hits / actual if actual else 0)
        f1.append(2 * hits / (predicted + actual))
    return {"precision": np.mean(precision), "recall": np.mean(recall), "f1": np.mean(f1)}


def value_metrics(out, y, weights=None):
    w = torch.ones(len(y)) if weights is None else weights
    w = w / w.sum()
    residual = out - y
    mean = (w[:, None] * y).sum(0)
    explained = 1 - (w[:, None] * residual ** 2).sum(0) / (w[:, None] * (y - mean) ** 2).sum(0)
    mse = (w * (residual ** 2).mean(1)).sum()
    return {"mse": mse, "rmse": mse.sqrt(), "mae": (w * residual.abs().mean(1)).sum(), "r2": explained.mean()}


# ---- a case ----

class Case:
    """One experiment. Subclasses give data(g), init(g), and loss(p, data, training) -> (mean loss, named numbers)."""

    update, options, rate, decay = staticmethod(sgd), {}, 0.05, 0.0
    tolerance, batch, epochs, clip = 1e-5, BATCH, EPOCHS, 0.0
    yaml, metrics, frozen, spared = "", "", (), ()
    rate_factors, decay_factors = {}, {}

    def factor(self, epoch, step, history):
        return 1.0

    def fan_in(self, name, w):
        return 1.0

    def prepare(self, data):
        """What preprocessing makes of raw data, learnt from the training set."""
        return data

    def output(self, p, data):
        return None

    def statistics(self):
        return {}


def rows(data, low, high):
    return {k: v[low:high] for k, v in data.items()}


def single(data):
    """Data as a file holds them exactly."""
    return {k: v.to(torch.float32).double() if v.is_floating_point() else v for k, v in data.items()}


def decays(case, name):
    return name not in case.spared


def train(case, p, train_set, valid_set):
    state, step, history = {k: {} for k in p}, 0, []
    steps, evals = {}, {}

    def note(table, numbers):
        for key, value in numbers.items():
            table.setdefault(key, []).append(float(value))

    for epoch in range(case.epochs):
        total = 0.0
        for low in range(0, N, case.batch):
            part = rows(train_set, low, low + case.batch)
            loss, numbers = case.loss(p, part, True)
            gradients = dict(zip(p, torch.autograd.grad(loss, list(p.values()), allow_unused=True)))
            trained = [k for k in p if k not in case.frozen]
            rate = case.rate * case.factor(epoch, step, history)
            numbers = dict(numbers, loss=loss, learning_rate=rate)
            if case.decay:
                numbers["penalty"] = sum(0.5 * case.decay * case.decay_factors.get(k, 1) * (p[k] ** 2).sum()
                                         for k in trained if decays(case, k))
            scale = 1.0
            if case.clip:
                norm = math.sqrt(sum(float((gradients[k] ** 2).sum()) for k in trained))
                numbers["gradient_norm"] = norm
                scale = min(1.0, case.clip / norm)
            note(steps, numbers)
            total += float(loss) * len(next(iter(part.values())))
            with torch.no_grad():
                for k in trained:
                    own = rate * case.rate_factors.get(k, 1) / case.fan_in(k, p[k])
                    decay = case.decay * case.decay_factors.get(k, 1) if decays(case, k) else 0.0
                    new = case.update(p[k].detach(), scale * gradients[k], state[k], step + 1, own, decay,
                                      **case.options)
                    p[k] = new.requires_grad_()
            step += 1
        history.append(total / N)
        with torch.no_grad():
            loss, numbers = case.loss(p, valid_set, False)
            note(evals, dict(numbers, loss=loss, **case.measure(p, valid_set)))
    return steps, evals


def put(file, path, values):
    """A dataset without a data block of its own, which would take more room than its few numbers."""
    values = np.asarray(values)
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.COMPACT)
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    space = h5py.h5s.create_simple(values.shape)
    kind = h5py.h5t.py_create(values.dtype)
    h5py.h5d.create(file.id, path.encode(), kind, space, layout, links).write(h5py.h5s.ALL, h5py.h5s.ALL, values)


def write(case, folder, seed):
    g = torch.Generator().manual_seed(seed)
    raw_train, raw_valid = single(case.data(g, N)), single(case.data(g, VALID))
    p = single(case.init(g))
    init = {k: v.clone() for k, v in p.items()}
    for v in p.values():
        v.requires_grad_()
    case.fit(raw_train)
    steps, evals = train(case, p, case.prepare(raw_train), case.prepare(raw_valid))
    text = (f"data: {{train: \"FILE:/train\", valid: \"FILE:/valid\", shuffle: none{case.data_yaml}}}\n"
            f"init: {{from: \"FILE:/init\"}}\n{case.yaml.strip()}\nbatch: {case.batch}\n"
            f"stop: {{epochs: {case.epochs}}}\nrun: {{dir: none, tensorboard: false}}\n")
    with h5py.File(os.path.join(folder, case.name + ".h5"), "w", libver="latest") as f:
        put(f, "config", np.bytes_(text))
        put(f, "tolerance", case.tolerance)
        for group, data in (("train", raw_train), ("valid", raw_valid)):
            for k, v in data.items():
                put(f, f"{group}/{k}", v.numpy().astype(np.float32 if v.is_floating_point() else np.int32))
        for k, v in init.items():
            put(f, f"init/{k}", v.detach().numpy().astype(np.float32))
            put(f, f"expected/parameters/{k}", p[k].detach().numpy().astype(np.float32))
        for k, v in case.statistics().items():
            put(f, f"expected/statistics/{k}", v)
        for group, table in (("step", steps), ("eval", evals)):
            for k, v in table.items():
                put(f, f"expected/{group}/{k}", v)
        with torch.no_grad():
            prediction = case.output(p, case.prepare(raw_valid))
        if prediction is not None:
            put(f, "expected/prediction", prediction.numpy().astype(np.float32))


# ---- the same small network for all that is not about layers ----

class Dense(Case):
    """6 numbers -> 9 tanh -> layer norm where asked -> 4 scores."""

    data_yaml, norm = "", False
    loss_yaml = "loss: cross_entropy\nmetrics: [accuracy, error, {top_k: {k: 2}}, precision, recall, f1]"
    optimizer_yaml = "optimizer: {sgd: {learning_rate: 0.05}}"
    schedule_yaml, extra = "", ""

    def __init__(self, name, **settings):
        self.name = name
        self.__dict__.update(settings)
        norm = "  - layer_norm\n" if self.norm else ""
        self.yaml = (f"model:\n  - dense: {{units: 9}}\n  - tanh\n{norm}  - dense: {{units: 4}}\n"
                     f"{self.loss_yaml}\n{self.optimizer_yaml}\n{self.schedule_yaml}\n{self.extra}")

    def data(self, g, n):
        return {"x": torch.randn((n, 6), generator=g), "y": torch.randint(0, 4, (n,), generator=g)}

    def init(self, g):
        out = {**dense_init(g, "dense_1", 6, 9), **dense_init(g, "dense_2", 9, 4)}
        return {**out, **norm_init(g, "layer_norm_1", 9)} if self.norm else out

    def fit(self, data):
        pass

    def output(self, p, data):
        h = torch.tanh(dense(p, "dense_1", data["x"]))
        if self.norm:
            h = F.layer_norm(h, (9,), p["layer_norm_1/weight"], p["layer_norm_1/bias"])
        return dense(p, "dense_2", h)

    def judge(self, out, data):
        return F.cross_entropy(out, data["y"])

    def loss(self, p, data, training):
        return self.judge(self.output(p, data), data), {}

    def measure(self, p, data):
        return class_metrics(self.output(p, data), data["y"])


class FanIn(Dense):
    def fan_in(self, name, w):
        return math.sqrt(w.shape[1]) if w.dim() > 1 else 1.0


class Scheduled(Dense):
    def factor(self, epoch, step, history):
        return self.function(epoch, step, history)


class Smoothed(Dense):
    """c_y (sum over j of q_j (-log p_j)), q the smoothed target, mean over the samples of the batch."""

    def fit(self, data):
        if self.weights == "balanced":
            counts = torch.bincount(data["y"], minlength=4)
            self.weights = N / (4 * counts)
        self.weights = torch.as_tensor(self.weights, dtype=torch.float64)

    def judge(self, out, data):
        q = (1 - self.smoothing) * F.one_hot(data["y"], 4) + self.smoothing / 4
        return (self.weights[data["y"]] * -(q * F.log_softmax(out, 1)).sum(1)).mean()


class Labels(Dense):
    """binary_cross_entropy of several labels a sample."""

    def data(self, g, n):
        return {"x": torch.randn((n, 6), generator=g), "y": torch.randint(0, 2, (n, 4), generator=g).double()}

    def judge(self, out, data):
        return F.binary_cross_entropy_with_logits(out, data["y"])

    def measure(self, p, data):
        said, so = self.output(p, data) > 0, data["y"] > 0.5
        right = (said == so).double().mean()
        return {"accuracy": right, "error": 1 - right, **macro([(said[:, j], so[:, j]) for j in range(4)])}


class Values(Dense):
    """A regression, with weights of samples where asked."""

    weighted = False

    def data(self, g, n):
        out = {"x": torch.randn((n, 6), generator=g), "y": 2 * torch.randn((n, 4), generator=g)}
        return {**out, "w": 0.1 + 3 * torch.rand((n,), generator=g)} if self.weighted else out

    def fit(self, data):
        self.scale = 1 / data["w"].mean() if self.weighted else None

    def judge(self, out, data):
        each = self.each(out, data["y"]).mean(1)
        return (each * data["w"] * self.scale).mean() if self.weighted else each.mean()

    def measure(self, p, data):
        return value_metrics(self.output(p, data), data["y"], data.get("w"))


def squares(out, y):
    return (out - y) ** 2


def absolute(out, y):
    return (out - y).abs()


def huber(delta):
    return lambda out, y: F.huber_loss(out, y, reduction="none", delta=delta)


class Prepared(Values):
    """Preprocessing of inputs, which are correlated and of unlike scale, and of targets."""

    def data(self, g, n):
        mix = torch.tensor([[3, 0, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0], [0, 1, 0.5, 0, 0, 0], [2, 0, 0, 7, 0, 0],
                            [0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0]], dtype=torch.float64)
        x = torch.randn((n, 6), generator=g) @ mix.T + torch.arange(6.0)  # the last feature is constant
        return {"x": x, "y": 50 + 20 * torch.randn((n, 4), generator=g) * torch.tensor([1.0, 2, 3, 4])}

    def fit(self, data):
        x, y = data["x"], data["y"]
        self.y_mean, self.y_deviation = y.mean(0), y.std(0, unbiased=False)
        self.mean, deviation = x.mean(0), x.std(0, unbiased=False)
        span = x.max(0).values - x.min(0).values
        if self.kind == "whiten":
            _, s, vt = np.linalg.svd((x - self.mean).numpy(), full_matrices=False)
            sign = np.sign(vt[np.arange(len(vt)), np.abs(vt).argmax(1)])
            keep = s >= 1e-5 * s[0]
            factor = np.where(keep, math.sqrt(N - 1) / np.where(keep, s, 1), 0)
            matrix = torch.from_numpy((sign * factor)[:, None] * vt).T
            self.transform = lambda x: (x - self.mean) @ matrix
        elif self.kind == "range":
            least = x.min(0).values
            self.transform = lambda x: torch.where(span > 0, (x - least) / torch.where(span > 0, span, 1), 0 * x)
        elif self.kind == "center":
            self.transform = lambda x: x - self.mean
        elif self.kind == "scale":
            self.transform = lambda x: torch.where(span > 0, x / torch.where(span > 0, deviation, 1), 0 * x)
        else:
            divisor = torch.where(span > 0, deviation, 1)
            self.transform = lambda x: torch.where(span > 0, (x - self.mean) / divisor, 0 * x)

    def prepare(self, data):
        return {"x": self.transform(data["x"]), "y": (data["y"] - self.y_mean) / self.y_deviation}

    def output(self, p, data):
        return super().output(p, data) * self.y_deviation + self.y_mean

    def loss(self, p, data, training):
        scaled = (self.output(p, data) - self.y_mean) / self.y_deviation
        return self.judge(scaled, data), {}

    def measure(self, p, data):
        return value_metrics(self.output(p, data), data["y"] * self.y_deviation + self.y_mean)


# ---- layers ----

class Network(Case):
    data_yaml, schedule_yaml, optimizer_yaml = "", "", "optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}"
    loss_yaml = "loss: cross_entropy\nmetrics: [accuracy]"
    options = {"momentum": 0.9}
    shape, classes = (6,), 4

    def __init__(self, name):
        self.name = name
        self.yaml = f"model:\n{self.model}{self.loss_yaml}\n{self.optimizer_yaml}\n{self.schedule_yaml}"

    def data(self, g, n):
        return {"x": torch.randn((n,) + self.shape, generator=g),
                "y": torch.randint(0, self.classes, (n,), generator=g)}

    def fit(self, data):
        pass

    def output(self, p, data):
        return self.forward(p, data["x"], False)

    def loss(self, p, data, training):
        return F.cross_entropy(self.forward(p, data["x"], training), data["y"]), {}

    def measure(self, p, data):
        return {"accuracy": (self.output(p, data).argmax(1) == data["y"]).double().mean()}


class GhostNorm(Network):
    """Batch norms over images and vectors, by micro-batches of 5, 5, 2 and, in the short batch, 5 and 3."""

    shape, micro = (2, 4, 4), 5
    model = ("  - conv2d: {filters: 3, kernel: 3, padding: 1, bias: false}\n  - batch_norm\n  - relu\n  - flatten\n"
             "  - dense: 5\n  - batch_norm: {epsilon: 1e-3, momentum: 0.3}\n  - sigmoid\n  - dense: 4\n")
    schedule_yaml = "microbatch: 5"

    def init(self, g):
        return {**conv_init(g, "conv2d_1", 3, 2, (3, 3), False), **norm_init(g, "batch_norm_1", 3),
                **dense_init(g, "dense_1", 48, 5), **norm_init(g, "batch_norm_2", 5), **dense_init(g, "dense_2", 5, 4)}

    def fit(self, data):
        self.norms = BatchNorm("batch_norm_1", 3, 5), BatchNorm("batch_norm_2", 5, 5, 0.3, 1e-3)

    def forward(self, p, x, training):
        h = torch.relu(self.norms[0](p, conv(p, "conv2d_1", x, padding=1), training))
        return dense(p, "dense_2", torch.sigmoid(self.norms[1](p, dense(p, "dense_1", h), training)))

    def statistics(self):
        return {**self.norms[0].statistics(), **self.norms[1].statistics()}


class Convolutions(Network):
    """Groups, dilation, uneven kernels, strides and paddings; depthwise; the average over each channel."""

    shape = (4, 6, 5)
    model = ("  - conv2d: {filters: 6, kernel: [3, 2], groups: 2, dilation: [2, 1], padding: [2, 1], stride: [1, 2]}\n"
             "  - tanh\n  - conv2d: {filters: 6, kernel: 3, groups: 6, padding: 1, bias: false}\n  - softsign\n"
             "  - conv2d: {filters: 8, kernel: 1}\n  - leaky_relu: {slope: 0.2}\n  - global_avg_pool\n  - dense: 4\n")

    def init(self, g):
        return {**conv_init(g, "conv2d_1", 6, 2, (3, 2)), **conv_init(g, "conv2d_2", 6, 1, (3, 3), False),
                **conv_init(g, "conv2d_3", 8, 6, (1, 1)), **dense_init(g, "dense_1", 8, 4)}

    def forward(self, p, x, training):
        h = torch.tanh(conv(p, "conv2d_1", x, groups=2, dilation=(2, 1), padding=(2, 1), stride=(1, 2)))
        h = F.softsign(conv(p, "conv2d_2", h, groups=6, padding=1))
        return dense(p, "dense_1", F.leaky_relu(conv(p, "conv2d_3", h), 0.2).mean((2, 3)))


class Pools(Network):
    """Pooling with padding, overlap and uneven windows; a layer norm over the last axis of an image."""

    shape = (1, 7, 6)
    model = ("  - max_pool: {size: [3, 2], stride: [2, 2], padding: 1}\n  - layer_norm: {epsilon: 1e-3}\n"
             "  - avg_pool: {size: 2, stride: 1, padding: 1}\n  - flatten\n  - dense: 4\n")

    def init(self, g):
        return {**norm_init(g, "layer_norm_1", 4), **dense_init(g, "dense_1", 25, 4)}

    def forward(self, p, x, training):
        h = F.max_pool2d(x, (3, 2), (2, 2), 1)
        h = F.layer_norm(h, (4,), p["layer_norm_1/weight"], p["layer_norm_1/bias"], 1e-3)
        return dense(p, "dense_1", F.avg_pool2d(h, 2, 1, 1))


class Functions(Network):
    """Several consumers of a node, and every layer that is a function."""

    classes = 5
    model = ("  - dense: {units: 5, name: a}\n  - sigmoid: {name: s}\n  - power: {exponent: 2.5, name: p}\n"
             "  - sin: {from: a, name: n}\n  - abs: {from: a, name: b}\n  - add: {from: [p, n, b], name: sum}\n"
             "  - multiply: {from: [sum, s], name: product}\n  - softmax: {from: a, name: soft}\n"
             "  - concat: {from: [product, soft, n], name: all}\n  - gelu\n  - dense: 5\n")

    def init(self, g):
        return {**dense_init(g, "a", 6, 5), **dense_init(g, "dense_2", 15, 5)}

    def forward(self, p, x, training):
        a = dense(p, "a", x)
        s = torch.sigmoid(a)
        product = (s ** 2.5 + torch.sin(a) + a.abs()) * s
        return dense(p, "dense_2", F.gelu(torch.cat([product, torch.softmax(a, 1), torch.sin(a)], 1)))


class Shared(Network):
    """One layer used three times, a frozen layer, and factors of the rates and decays of others."""

    update, rate, decay, options = staticmethod(adam), 0.01, 0.02, {}
    model = ("  - dense: {units: 6, name: twice}\n  - tanh\n  - dense: {units: 6, share: twice}\n  - relu\n"
             "  - dense: {units: 6, share: twice, name: third}\n  - tanh\n"
             "  - dense: {units: 7, freeze: true, name: still}\n"
             "  - hard_tanh\n  - dense: {units: 4, learning_rate_factor: 3, decay_factor: 0.5, name: out}\n")
    optimizer_yaml = "optimizer: {adam: {learning_rate: 0.01, weight_decay: 0.02}}"
    frozen = ("still/weight", "still/bias")
    rate_factors = {"out/weight": 3, "out/bias": 3}
    decay_factors = {"out/weight": 0.5, "out/bias": 0.5}

    def init(self, g):
        return {**dense_init(g, "twice", 6, 6), **dense_init(g, "still", 6, 7), **dense_init(g, "out", 7, 4)}

    def forward(self, p, x, training):
        h = torch.relu(dense(p, "twice", torch.tanh(dense(p, "twice", x))))
        h = F.hardtanh(dense(p, "still", torch.tanh(dense(p, "twice", h))))
        return dense(p, "out", h)


class Pairs(Network):
    """The max-margin scorer of word windows, whose words repeat."""

    model = ("  - embedding: {entries: 11, size: 3}\n  - flatten\n  - dense: 6\n  - sigmoid\n"
             "  - dense: {units: 1, bias: false}\n")
    loss_yaml = "loss: {margin: {margin: 0.7}}\nmetrics: [pair_accuracy]"
    optimizer_yaml = "optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9, weight_decay: 0.003}}"
    decay = 0.003

    def data(self, g, n):
        x = torch.randint(0, 11, (n, 5), generator=g)
        corrupt = x.clone()
        corrupt[:, 2] = torch.randint(0, 11, (n,), generator=g)
        return {"x": x, "x_c": corrupt}

    def init(self, g):
        return {"embedding_1/weight": torch.randn((11, 3), generator=g), **dense_init(g, "dense_1", 15, 6),
                **dense_init(g, "dense_2", 6, 1, False)}

    def score(self, p, x):
        return dense(p, "dense_2", torch.sigmoid(dense(p, "dense_1", F.embedding(x, p["embedding_1/weight"]))))

    def output(self, p, data):
        return self.score(p, data["x"])

    def loss(self, p, data, training):
        return torch.relu(0.7 + self.score(p, data["x_c"]) - self.score(p, data["x"])).mean(), {}

    def measure(self, p, data):
        return {"pair_accuracy": (self.score(p, data["x"]) > self.score(p, data["x_c"])).double().mean()}


class Several(Network):
    """Two inputs, two outputs, three losses with weights, of which two judge one layer."""

    data_yaml = ", inputs: {left: x1, right: x2}"
    model = ("  - dense: {units: 5, from: left, name: l}\n  - dense: {units: 4, from: right, name: r}\n"
             "  - concat: {from: [l, r]}\n  - tanh: {name: joined}\n  - dense: {units: 3, name: classes}\n"
             "  - dense: {units: 2, from: joined, name: values}\n")
    loss_yaml = ("loss: [{cross_entropy: {of: classes, target: y}}, {mae: {of: values, target: t, weight: 0.3}},\n"
                 "       {huber: {of: values, target: t, weight: 0.5, delta: 0.8}}]\nmetrics: [accuracy]")

    def data(self, g, n):
        return {"x1": torch.randn((n, 4), generator=g), "x2": torch.randn((n, 3), generator=g),
                "y": torch.randint(0, 3, (n,), generator=g), "t": torch.randn((n, 2), generator=g)}

    def init(self, g):
        return {**dense_init(g, "l", 4, 5), **dense_init(g, "r", 3, 4), **dense_init(g, "classes", 9, 3),
                **dense_init(g, "values", 9, 2)}

    def both(self, p, data):
        joined = torch.tanh(torch.cat([dense(p, "l", data["x1"]), dense(p, "r", data["x2"])], 1))
        return dense(p, "classes", joined), dense(p, "values", joined)

    def output(self, p, data):
        return self.both(p, data)[1]

    def loss(self, p, data, training):
        z, values = self.both(p, data)
        one, two = F.cross_entropy(z, data["y"]), absolute(values, data["t"]).mean()
        three = huber(0.8)(values, data["t"]).mean()
        return one + 0.3 * two + 0.5 * three, {"loss.classes": one, "loss.values.mae": two, "loss.values.huber": three}

    def measure(self, p, data):
        return {"accuracy": (self.both(p, data)[0].argmax(1) == data["y"]).double().mean()}


class ChannelScaled(Network):
    """Images standardized by channel."""

    shape, data_yaml = (3, 3, 2), ", preprocess: {standardize: {per: channel}}"
    model = "  - flatten\n  - dense: 4\n"

    def data(self, g, n):
        out = super().data(g, n)
        scale, shift = [torch.tensor(v).reshape(3, 1, 1) for v in ([1.0, 30, 0.1], [5.0, -3, 0])]
        out["x"] = scale * out["x"] + shift
        return out

    def init(self, g):
        return dense_init(g, "dense_1", 18, 4)

    def fit(self, data):
        self.mean = data["x"].mean((0, 2, 3), keepdim=True)
        self.deviation = data["x"].std((0, 2, 3), unbiased=False, keepdim=True)

    def prepare(self, data):
        return dict(data, x=(data["x"] - self.mean) / self.deviation)

    def forward(self, p, x, training):
        return dense(p, "dense_1", x)


# ---- the list ----

def plateau(factor, patience, delta):
    """The factor from the history of epoch losses."""
    def function(epoch, step, history):
        best, waited, out = None, 0, 1.0
        for value in history:
            if best is None or best - value > delta:
                best, waited = value, 0
                continue
            waited += 1
            if waited == patience:
                out, waited = out * factor, 0
        return out
    return function


def optimizer_cases():
    def case(name, update, options, decay=0.0, spared=(), kind=Dense, **settings):
        text = settings.pop("text")
        return kind(name, update=update, options=options, decay=decay, spared=spared,
                    optimizer_yaml=f"optimizer: {{{text}}}", **settings)

    biases = ("dense_1/bias", "dense_2/bias", "layer_norm_1/weight", "layer_norm_1/bias")
    yield case("sgd_rate_in_velocity", sgd, {"momentum": 0.8, "rate_in_velocity": True}, kind=Scheduled, rate=0.1,
               text="sgd: {learning_rate: 0.1, momentum: 0.8, rate_in_velocity: true}",
               schedule_yaml="schedule: {exponential: {k: 0.2, per: step}}",
               function=lambda e, s, h: math.exp(-0.2 * s))
    yield case("sgd_decay_weights", sgd, {"momentum": 0.9, "dampening": 0.5}, 0.05, biases, norm=True,
               text="sgd: {momentum: 0.9, dampening: 0.5, learning_rate: 0.05, weight_decay: 0.05, decay: weights}")
    yield case("sgd_lambda_fan_in", sgd, {"momentum": 0.5, "nesterov": True}, 5 / N, kind=FanIn, rate=0.2,
               text="sgd: {learning_rate: 0.2, momentum: 0.5, nesterov: true, weight_decay: {lambda: 5}, "
                    "fan_in_scaling: true}")
    yield case("adagrad_epsilon_inside", adagrad, {"epsilon": 0.01, "inside": True}, rate=0.1,
               text="adagrad: {learning_rate: 0.1, epsilon: 0.01, epsilon_inside: true}")
    yield case("rmsprop_momentum", rmsprop, {"rho": 0.9, "momentum": 0.7, "epsilon": 1e-4}, 0.01, rate=0.005,
               text="rmsprop: {learning_rate: 0.005, decay: 0.9, momentum: 0.7, epsilon: 1e-4, weight_decay: 0.01}")
    yield case("rmsprop_epsilon_inside", rmsprop, {"epsilon": 0.001, "inside": True}, 0.1, biases, rate=0.005,
               norm=True, text="rmsprop: {learning_rate: 0.005, epsilon: 0.001, epsilon_inside: true, "
                               "weight_decay: 0.1, decay: weights}")
    yield case("adam_epsilon_inside", adam, {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3, "inside": True}, 0.02,
               rate=0.01, clip=0.3, extra="clip_norm: 0.3",
               text="adam: {learning_rate: 0.01, beta1: 0.8, beta2: 0.95, epsilon: 1e-3, epsilon_inside: true, "
                    "weight_decay: 0.02}")
    yield case("lars", lars, {"trust": 0.02, "momentum": 0.9}, 0.01, rate=1.0,
               text="lars: {learning_rate: 1, trust: 0.02, momentum: 0.9, weight_decay: 0.01}")
    yield case("lamb", lamb, {}, 0.1, biases, rate=0.02, norm=True,
               text="lamb: {learning_rate: 0.02, weight_decay: 0.1, decay: weights}")


def schedule_cases():
    def linear(x, length, power=1.0, end=0.0):
        return end + (1 - end) * (1 - min(x, length) / length) ** power

    def case(name, text, function):
        return Scheduled(name, schedule_yaml=f"schedule: {text}", function=function)

    yield case("schedule_polynomial", "{polynomial: {epochs: 4, power: 2, end: 0.1}}",
               lambda e, s, h: linear(e, 4, 2, 0.1))
    yield case("schedule_product", "[{warmup: {steps: 6}}, {cosine: {epochs: 15st}}, {constant: {}}]",
               lambda e, s, h: min(1, (s + 1) / 6) * (1 + math.cos(math.pi * min(s, 15) / 15)) / 2)
    yield case("schedule_per_step", "[{inverse_time: {k: 0.1, per: step}}, {step: {every: 7st, factor: 0.5}}]",
               lambda e, s, h: 1 / (0.1 * s + 1) * 0.5 ** (s // 7))
    yield case("schedule_search_per_step",
               "[{search_then_converge: {tau: 5, per: step}}, {polynomial: {epochs: 3ep, end: 0.5}}]",
               lambda e, s, h: 5 / max(s, 5) * linear(e, 3, 1, 0.5))
    yield case("schedule_plateau", "{plateau: {metric: train.loss, factor: 0.3, patience: 1, delta: 0.05}}",
               plateau(0.3, 1, 0.05))


def loss_cases():
    scores = "metrics: [accuracy, error, {top_k: {k: 2}}, precision, recall, f1]"
    values = "metrics: [mse, rmse, mae, r2]"
    yield Smoothed("loss_label_smoothing", smoothing=0.2, weights=[1.0] * 4,
                   loss_yaml="loss: {cross_entropy: {label_smoothing: 0.2}}\n" + scores)
    yield Smoothed("loss_class_weights", smoothing=0.1, weights=[0.5, 2, 1, 3],
                   loss_yaml="loss: {cross_entropy: {label_smoothing: 0.1, class_weights: [0.5, 2, 1, 3]}}\n" + scores)
    yield Smoothed("loss_balanced", smoothing=0, weights="balanced",
                   loss_yaml="loss: {cross_entropy: {class_weights: balanced}}\n" + scores)
    yield Labels("loss_binary_cross_entropy",
                 loss_yaml="loss: binary_cross_entropy\nmetrics: [accuracy, error, precision, recall, f1]")
    yield Values("loss_mae", each=absolute, loss_yaml="loss: mae\n" + values)
    yield Values("loss_huber", each=huber(0.6), loss_yaml="loss: {huber: {delta: 0.6}}\n" + values)
    yield Values("sample_weights", each=squares, weighted=True, data_yaml=", weight: w",
                 loss_yaml="loss: mse\n" + values)


def cases():
    yield from optimizer_cases()
    yield from schedule_cases()
    yield from loss_cases()
    for kind in ("center", "scale", "standardize", "range", "whiten"):
        yield Prepared(f"prepared_{kind}", kind=kind, each=squares,
                       loss_yaml="loss: mse\nmetrics: [mse, rmse, mae, r2]",
                       data_yaml=f", preprocess: {kind}, preprocess_y: standardize")
    for kind, name in ((GhostNorm, "batch_norm"), (Convolutions, "conv2d_groups_dilation"), (Pools, "pools"),
                       (Functions, "functions"), (Shared, "shared_frozen"), (Pairs, "margin_embedding"),
                       (Several, "several_losses"), (ChannelScaled, "standardize_channels")):
        yield kind(name)


def main():
    folder = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    os.makedirs(folder, exist_ok=True)
    count = 0
    for case in cases():
        write(case, folder, seed)
        count += 1
    print(f"{count} files in {folder}")


main()
