#!/usr/bin/env python3
"""Writes the graphs and the reference answers of the tests. Seeded: every run writes the same graphs.

    pip install -r requirements.txt
    python make.py                      # src/tests/golden/*.onnx and answers.json
    python make.py --mobilenet FILE     # a graph of MobileNetV2's shape with random weights, for measuring speed

The answers come from ONNX Runtime, on its CPU provider. The graphs are generated here and have this repository's licence.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

GOLDEN = Path(__file__).parent.parent / "src" / "tests" / "golden"
OPSET, IR_VERSION, SEED = 17, 8, 20260101
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


class Graph:
    """A graph under construction: nodes, and weights drawn from one seed."""

    def __init__(self, name, opset=OPSET):
        self.name, self.opset = name, opset
        self.random = np.random.default_rng(SEED)
        self.nodes, self.weights, self.inputs, self.outputs = [], [], [], []

    def input(self, name, kind, shape):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name, kind, shape):
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def weight(self, array, dtype="f4"):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def drawn(self, *shape):
        scale = np.sqrt(2.0 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
        return self.weight(self.random.standard_normal(shape) * scale)

    def node(self, kind, *inputs, outputs=1, to=None, **attributes):
        names = to or [f"t{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=f"{kind}_{len(self.nodes)}", **attributes))
        return names[0] if len(names) == 1 else names

    def model(self):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], producer_name="hotstage")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model


def perceptron():
    """Two dense layers over any number of rows; outputs a class, a decision and the probabilities."""
    g = Graph("perceptron")
    x = g.input("x", FLOAT, ["rows", 6])
    hidden = g.node("Relu", g.node("Gemm", x, g.drawn(8, 6), g.drawn(8), transB=1))
    logits = g.node("Add", g.node("MatMul", hidden, g.drawn(8, 3)), g.drawn(3))
    g.node("Softmax", logits, to=["probabilities"], axis=1)
    g.node("ArgMax", logits, to=["class"], axis=1, keepdims=0)
    sure = g.node("ReduceMax", "probabilities", axes=[1], keepdims=0)
    g.node("Greater", sure, g.weight(0.5), to=["sure"])
    g.output("probabilities", FLOAT, ["rows", 3])
    g.output("class", INT64, ["rows"])
    g.output("sure", BOOL, ["rows"])
    return g, {"x": g.random.standard_normal((5, 6))}


def convolutions():
    """A plain, a depthwise and a strided convolution, with a residual sum and a pooled end."""
    g = Graph("convolutions")
    x = g.input("image", FLOAT, [1, 3, 12, 12])
    six = (g.weight(0.0), g.weight(6.0))
    y = g.node("Clip", g.node("Conv", x, g.drawn(8, 3, 3, 3), g.drawn(8), pads=[1] * 4), *six)
    z = g.node("Clip", g.node("Conv", y, g.drawn(8, 1, 3, 3), g.drawn(8), pads=[1] * 4, group=8), *six)
    y = g.node("Add", y, g.node("Conv", z, g.drawn(8, 8, 1, 1), g.drawn(8)))
    y = g.node("Conv", y, g.drawn(4, 8, 3, 3), g.drawn(4), strides=[2, 2], pads=[1] * 4)
    y = g.node("BatchNormalization", y, *[g.weight(np.abs(g.random.standard_normal(4)) + 0.5) for _ in range(4)])
    y = g.node("MaxPool", g.node("Sigmoid", y), kernel_shape=[2, 2], strides=[2, 2])
    g.node("Flatten", g.node("GlobalAveragePool", y), to=["features"])
    g.output("features", FLOAT, [1, 4])
    return g, {"image": g.random.standard_normal((1, 3, 12, 12))}


def attention():
    """An embedding and one attention layer over sentences of any number and length, with a mask."""
    g = Graph("attention")
    width, heads, words = 8, 2, 11
    tokens, mask = g.input("tokens", INT64, ["batch", "length"]), g.input("mask", BOOL, ["batch", "length"])
    x = g.node("Gather", g.drawn(words, width), tokens)
    split = g.weight([0, 0, heads, width // heads], "i8")

    def project():
        y = g.node("Reshape", g.node("MatMul", x, g.drawn(width, width)), split)
        return g.node("Transpose", y, perm=[0, 2, 1, 3])

    query, key, value = project(), project(), project()
    scores = g.node("MatMul", query, g.node("Transpose", key, perm=[0, 1, 3, 2]))
    scores = g.node("Div", scores, g.weight(np.sqrt(width // heads)))
    shown = g.node("Unsqueeze", mask, g.weight([1, 2], "i8"))
    scores = g.node("Where", shown, scores, g.weight(-1e9))
    y = g.node("Transpose", g.node("MatMul", g.node("Softmax", scores, axis=-1), value), perm=[0, 2, 1, 3])
    y = g.node("Add", x, g.node("Reshape", y, g.weight([0, 0, width], "i8")))
    y = g.node("LayerNormalization", y, g.weight(np.ones(width)), g.weight(np.zeros(width)), axis=-1)
    half = g.node("Mul", y, g.node("Add", g.node("Erf", g.node("Div", y, g.weight(np.sqrt(2)))), g.weight(1.0)))
    g.node("ReduceMean", half, to=["sentence"], axes=[1], keepdims=0)
    g.output("sentence", FLOAT, ["batch", width])
    tokens = g.random.integers(0, words, (2, 4))
    return g, {"tokens": tokens, "mask": np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)}


def numbers():
    """Whole numbers, doubles and half floats: casts, comparisons, indices, and a shape as an output."""
    g = Graph("numbers")
    a, b = g.input("a", INT64, ["n"]), g.input("b", INT64, ["n"])
    d, h = g.input("d", TensorProto.DOUBLE, [2, 3]), g.input("h", TensorProto.FLOAT16, [4])
    g.node("Div", a, b, to=["quotient"])
    g.node("Mod", a, b, to=["remainder"])
    g.node("And", g.node("Less", a, b), g.node("Not", g.node("Equal", a, g.weight(7, "i8"))), to=["less"])
    g.node("Sqrt", g.node("Abs", d), to=["root"])
    g.node("Mul", h, h, to=["square"])
    g.node("Shape", a, to=["length"])
    for name, kind, shape in [
        ("quotient", INT64, ["n"]),
        ("remainder", INT64, ["n"]),
        ("less", BOOL, ["n"]),
        ("root", TensorProto.DOUBLE, [2, 3]),
        ("square", TensorProto.FLOAT16, [4]),
        ("length", INT64, [1]),
    ]:
        g.output(name, kind, shape)
    draw = g.random.standard_normal
    return g, {"a": [7, 8, 9, 100], "b": [2, 3, 4, 200], "d": draw((2, 3)), "h": draw(4)}


def lstm():
    """A recurrent layer, whose state must not leak into the next call."""
    g = Graph("lstm")
    x = g.input("x", FLOAT, ["length", 1, 3])
    weights = [g.drawn(1, 16, 3), g.drawn(1, 16, 4), g.drawn(1, 32)]
    hidden = g.node("LSTM", x, *weights, to=["all", "last"], hidden_size=4)[1]
    assert hidden == "last"
    g.output("last", FLOAT, [1, 1, 4])
    return g, {"x": g.random.standard_normal((5, 1, 3))}


# Expansion, channels out, repeats, stride of the first: the table of the paper (Sandler et al., 2018).
MOBILENET = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


def mobilenet(batch=1):
    """MobileNetV2 at 224 x 224 with batch normalisation folded in, 3.5 million random weights."""
    g = Graph("mobilenetv2")
    six = (g.weight(0.0), g.weight(6.0))

    def conv(x, channels, out, kernel, stride, group=1, clip=True):
        weights = g.drawn(out, channels // group, kernel, kernel), g.drawn(out)
        y = g.node("Conv", x, *weights, strides=[stride] * 2, pads=[kernel // 2] * 4, group=group)
        return g.node("Clip", y, *six) if clip else y

    x, channels = conv(g.input("image", FLOAT, [batch, 3, 224, 224]), 3, 32, 3, 2), 32
    for expansion, out, repeats, stride in MOBILENET:
        for repeat in range(repeats):
            stride = stride if repeat == 0 else 1
            hidden = channels * expansion
            y = conv(x, channels, hidden, 1, 1) if expansion != 1 else x
            y = conv(y, hidden, hidden, 3, stride, group=hidden)
            y = conv(y, hidden, out, 1, 1, clip=False)
            x = g.node("Add", x, y) if stride == 1 and channels == out else y
            channels = out
    x = g.node("Flatten", g.node("GlobalAveragePool", conv(x, channels, 1280, 1, 1)))
    logits = g.node("Gemm", x, g.drawn(1000, 1280), g.drawn(1000), transB=1)
    g.node("Softmax", logits, to=["scores"], axis=1)
    g.output("scores", FLOAT, [batch, 1000])
    return g


NUMPY = {FLOAT: "f4", INT64: "i8", BOOL: "?", TensorProto.DOUBLE: "f8", TensorProto.FLOAT16: "f2"}


def tensor(name, array):
    return {"name": name, "shape": list(array.shape), "data": array.ravel().tolist()}


def golden(build):
    g, given = build()
    model = g.model()
    kinds = {value.name: NUMPY[value.type.tensor_type.elem_type] for value in model.graph.input}
    given = {name: np.asarray(array, kinds[name]) for name, array in given.items()}
    content = model.SerializeToString()
    (GOLDEN / f"{g.name}.onnx").write_bytes(content)
    names = [output.name for output in model.graph.output]
    answers = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(names, given)
    return {
        "graph": g.name,
        "inputs": [tensor(*item) for item in given.items()],
        "outputs": [tensor(*item) for item in zip(names, answers)],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mobilenet", type=Path, metavar="FILE")
    parser.add_argument("--batch", default=1, help="its batch: a number, or a name for any")
    arguments = parser.parse_args()
    if arguments.mobilenet:
        batch = int(arguments.batch) if str(arguments.batch).isdigit() else arguments.batch
        onnx.save(mobilenet(batch).model(), arguments.mobilenet)
        return
    GOLDEN.mkdir(parents=True, exist_ok=True)
    cases = [golden(build) for build in (perceptron, convolutions, attention, numbers, lstm)]
    (GOLDEN / "answers.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
