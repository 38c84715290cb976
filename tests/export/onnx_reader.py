"""Reads ONNX files independently of their writer: the onnx checker, and the operators in plain numpy.

usage: onnx_reader.py FOLDER    for every NAME.onnx there is a NAME.safetensors with the inputs ("input/...") and the
expected output ("output"). Exit 77 where the packages are missing.
"""
import glob
import json
import math
import sys

try:
    import numpy as np
    import onnx
    from onnx import numpy_helper
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)


def read_safetensors(path):
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        body = file.read()
    assert length % 8 == 0, "the header is padded to 8 bytes"
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32"
        first, end = entry["data_offsets"]
        arrays[name] = np.frombuffer(body[first:end], "<f4").reshape(entry["shape"])
    return arrays


def windows(x, kernel, attributes, fill):
    """(n, c, out_h, out_w, kernel_h, kernel_w) views of a padded image."""
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    stride, dilation = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    view = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    return view[:, :, ::stride[0], ::stride[1], ::dilation[0], ::dilation[1]]


def conv(a, x, weight, bias=None):
    group, filters = a.get("group", 1), weight.shape[0]
    parts = []
    for g in range(group):
        channels = slice(g * weight.shape[1], (g + 1) * weight.shape[1])
        rows = slice(g * filters // group, (g + 1) * filters // group)
        parts.append(np.einsum("nchwij,fcij->nfhw", windows(x[:, channels], weight.shape[2:], a, 0), weight[rows]))
    y = np.concatenate(parts, axis=1)
    return y if bias is None else y + bias[None, :, None, None]


def gemm(a, x, weight, bias=0):
    return x @ (weight.T if a.get("transB") else weight) + bias


def batch_normalization(a, x, gain, shift, mean, variance):
    across = (1, -1) + (1,) * (x.ndim - 2)
    gain, shift, mean, variance = (v.reshape(across) for v in (gain, shift, mean, variance))
    return (x - mean) / np.sqrt(variance + a["epsilon"]) * gain + shift


def softmax(a, x):
    e = np.exp(x - x.max(axis=a["axis"], keepdims=True))
    return e / e.sum(axis=a["axis"], keepdims=True)


def avg_pool(a, x):
    assert a["count_include_pad"] == 1
    return windows(x, a["kernel_shape"], a, 0).mean(axis=(4, 5))


OPERATORS = {
    "Gemm": gemm,
    "Conv": conv,
    "MaxPool": lambda a, x: windows(x, a["kernel_shape"], a, -np.inf).max(axis=(4, 5)),
    "AveragePool": avg_pool,
    "GlobalAveragePool": lambda a, x: x.mean(axis=(2, 3), keepdims=True),
    "Flatten": lambda a, x: x.reshape(x.shape[0], -1),
    "BatchNormalization": batch_normalization,
    "ReduceMean": lambda a, x: x.mean(axis=tuple(a["axes"]), keepdims=bool(a.get("keepdims", 1))),
    "ReduceSum": lambda a, x, axes: x.sum(axis=tuple(axes), keepdims=bool(a.get("keepdims", 1))),
    "Gather": lambda a, table, index: np.take(table, index, axis=a["axis"]),
    "Sum": lambda a, *x: sum(x),
    "Concat": lambda a, *x: np.concatenate(x, axis=a["axis"]),
    "Softmax": softmax,
    "MatMul": lambda a, x, y: x @ y,
    "Reshape": lambda a, x, shape: x.reshape(shape),
    "Identity": lambda a, x: x,
    "Sub": lambda a, x, y: x - y,
    "Mul": lambda a, x, y: x * y,
    "Add": lambda a, x, y: x + y,
    "Div": lambda a, x, y: x / y,
    "Sqrt": lambda a, x: np.sqrt(x),
    "Pow": lambda a, x, y: x ** y,
    "Clip": lambda a, x, low, high: np.clip(x, low, high),
    "Erf": lambda a, x: np.vectorize(math.erf)(x),
    "Sin": lambda a, x: np.sin(x),
    "Abs": lambda a, x: np.abs(x),
    "Sigmoid": lambda a, x: 1 / (1 + np.exp(-x)),
    "Tanh": lambda a, x: np.tanh(x),
    "Softsign": lambda a, x: x / (1 + np.abs(x)),
    "Relu": lambda a, x: np.maximum(x, 0),
    "LeakyRelu": lambda a, x: np.where(x > 0, x, a["alpha"] * x),
}


def double(array):
    return array.astype(np.float64) if array.dtype == np.float32 else array


def evaluate(model, inputs):
    values = {constant.name: double(numpy_helper.to_array(constant)) for constant in model.graph.initializer}
    for entry in model.graph.input:
        value = double(inputs["input/" + entry.name])
        tokens = entry.type.tensor_type.elem_type == onnx.TensorProto.INT64
        dims = entry.type.tensor_type.shape.dim
        assert dims[0].dim_param == "batch" and [d.dim_value for d in dims[1:]] == list(value.shape[1:])
        values[entry.name] = value.astype(np.int64) if tokens else value
    for node in model.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = OPERATORS[node.op_type](attributes, *[values[name] for name in node.input])
    (output,) = model.graph.output
    result = values[output.name]
    assert [d.dim_value for d in output.type.tensor_type.shape.dim[1:]] == list(result.shape[1:])
    return result


def main(folder):
    names = sorted(glob.glob(folder + "/*.onnx"))
    assert names, "no files"
    worst = 0
    for name in names:
        model = onnx.load(name)
        onnx.checker.check_model(model, full_check=True)
        assert model.ir_version == 7 and model.opset_import[0].version == 13
        arrays = read_safetensors(name[:-len("onnx")] + "safetensors")
        expected = arrays["output"]
        result = evaluate(model, arrays)
        assert result.shape == expected.shape, f"{name}: shape {result.shape}, expected {expected.shape}"
        error = np.max(np.abs(result - expected) / (1 + np.abs(expected)))
        assert error < 1e-5, f"{name}: wrong by {error}"
        worst = max(worst, error)
    print(f"{len(names)} networks, wrong by at most {worst:.1e}")


main(sys.argv[1])
