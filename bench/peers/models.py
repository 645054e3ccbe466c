"""Makes the inputs of all measurements: two ONNX files, the request bodies, and the right answers.

    tabular.onnx   features [rows, 30] → scores [rows, 1]: the network and the weights of `examples/tumor`, version 1
    image.onnx     image [rows, 3, 224, 224] → scores [rows, 1000]: the shape of MobileNetV2, seeded weights

Run in the environment `direct`, with `PEERS_MODELS` set. The second model has random weights and meaningless labels,
but costs as much as a real one. The photograph is made of waves and noise, so that it compresses like a real one.
"""

import json
import re
import struct

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import steps
from places import EXAMPLE

MODELS = steps.MODELS
SEED = 20
OPSET = 17
CLASSES = 1000
PHOTOGRAPH = (640, 480)
# Expansion, channels, repeats and first stride, as in table 2 of Sandler et al., "MobileNetV2", 2018.
BLOCKS = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


class Graph:
    """A chain of nodes; each takes the output of the one before, unless it names another input."""

    def __init__(self, given: str):
        self.nodes, self.weights, self.last = [], [], given

    def weight(self, array) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(numpy.asarray(array, "f4"), name))
        return name

    def then(self, kind: str, *more: str, **attributes) -> str:
        made = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.last, *more], [made], **attributes))
        self.last = made
        return made

    def save(self, name: str, given: tuple[str, list], columns: int) -> None:
        self.nodes[-1].output[0] = "scores"
        inputs = [helper.make_tensor_value_info(given[0], TensorProto.FLOAT, ["rows", *given[1]])]
        outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["rows", columns])]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, MODELS / f"{name}.onnx")


def safetensors(path) -> dict:
    """The format is a length, a JSON head and the bytes."""
    data = path.read_bytes()
    start = 8 + struct.unpack_from("<Q", data)[0]
    tensors = {}
    for name, about in json.loads(data[8:start]).items():
        begin, end = about["data_offsets"]
        tensors[name] = numpy.frombuffer(data[start + begin : start + end], "<f4").reshape(about["shape"])
    return tensors


def make_tabular() -> None:
    manifest = (EXAMPLE / "tumor-v1.yaml").read_text()
    numbers = {key: json.loads(re.search(rf"\b{key}: (\[[^]]*])", manifest)[1]) for key in ("mean", "std")}
    settings = {**numbers, "labels": ["benign", "malignant"]}
    (MODELS / "tabular.json").write_text(json.dumps(settings))
    weights = safetensors(EXAMPLE / "weights-v1.safetensors")
    graph = Graph("features")
    layers = len(weights) // 2
    for layer in range(layers):
        names = [graph.weight(weights[f"{layer}.{kind}"]) for kind in ("weight", "bias")]
        graph.then("Gemm", *names, transB=1)
        graph.then("Relu" if layer + 1 < layers else "Sigmoid")
    graph.save("tabular", ("features", [30]), 1)


class MobileNet(Graph):
    def __init__(self):
        super().__init__("image")
        self.random = numpy.random.default_rng(SEED)
        self.zero, self.six = self.weight(0.0), self.weight(6.0)
        channels = self.convolve(3, 32, kernel=3, stride=2)
        for expansion, out, repeats, stride in BLOCKS:
            for repeat in range(repeats):
                channels = self.block(channels, out, 1 if repeat else stride, expansion)
        channels = self.convolve(channels, 1280)
        self.then("GlobalAveragePool")
        self.then("Flatten")
        draw = self.random.standard_normal((channels, CLASSES)) / 8
        self.then("Gemm", self.weight(draw), self.weight(numpy.zeros(CLASSES)))
        self.then("Softmax", axis=1)

    def convolve(self, given: int, made: int, kernel=1, stride=1, groups=1, bounded=True) -> int:
        shape = (made, given // groups, kernel, kernel)
        # Scaled so that activations neither grow nor vanish over fifty layers.
        scale = numpy.sqrt((2 if bounded else 1) / numpy.prod(shape[1:]))
        weight = self.weight(self.random.standard_normal(shape) * scale)
        bias = self.weight(self.random.standard_normal(made) / 100)
        self.then("Conv", weight, bias, strides=[stride] * 2, pads=[kernel // 2] * 4, group=groups)
        if bounded:
            self.then("Clip", self.zero, self.six)
        return made

    def block(self, given: int, made: int, stride: int, expansion: int) -> int:
        before, hidden = self.last, given * expansion
        if expansion > 1:
            self.convolve(given, hidden)
        self.convolve(hidden, hidden, kernel=3, stride=stride, groups=hidden)
        self.convolve(hidden, made, bounded=False)
        if stride == 1 and given == made:
            self.then("Add", before)
        return made


def photograph() -> Image.Image:
    random = numpy.random.default_rng(SEED)
    y, x = numpy.mgrid[: PHOTOGRAPH[1], : PHOTOGRAPH[0]]
    planes = []
    for _ in range(3):
        waves = sum(
            numpy.sin(x * random.normal(0, 0.3 / n) + y * random.normal(0, 0.3 / n) + random.uniform(0, 6)) * n
            for n in range(1, 12)
        )
        planes.append(128 + 90 * waves / abs(waves).max() + random.normal(0, 6, waves.shape))
    return Image.fromarray(numpy.stack(planes, -1).clip(0, 255).astype("u1"))


def expect(workload: str, given) -> dict:
    answer = steps.to_lists(steps.run(steps.make(workload), given))
    return {name: values[0] for name, values in answer.items()}


def main() -> None:
    MODELS.mkdir(parents=True, exist_ok=True)
    make_tabular()
    MobileNet().save("image", ("image", [3, steps.SIDE, steps.SIDE]), CLASSES)
    (MODELS / "image.json").write_text(json.dumps({"labels": [f"class {index}" for index in range(CLASSES)]}))
    photograph().save(MODELS / "photograph.jpg", quality=90)

    row = json.loads((EXAMPLE / "tests/row-malignant.json").read_text())["inputs"][0]["data"]
    jpeg = (MODELS / "photograph.jpg").read_bytes()
    image = steps.make("jpeg").before(jpeg)
    tabular = steps.make("tabular")
    scaled = tabular.before(numpy.array([row], "f4"))
    (MODELS / "row.f32").write_bytes(numpy.array(row, "<f4").tobytes())
    (MODELS / "scaled.f32").write_bytes(scaled.tobytes())
    (MODELS / "image.f32").write_bytes(image.tobytes())
    expected = {
        "tabular": expect("tabular", numpy.array([row], "f4")),
        "image": expect("image", image),
        "jpeg": expect("jpeg", jpeg),
    }
    (MODELS / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main()
