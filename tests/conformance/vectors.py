"""The ONNX project's backend tests, as they come with its Python package: a graph, inputs, and what must come out.

`node` has one or more vectors for each operator, made by the package's own code, here from a fixed seed; `simple`,
`pytorch-converted` and `pytorch-operator` lie in the package as files; `light` has nine well-known networks with
weights that are all alike, whose input the package's own runner makes as is done here.
"""

import dataclasses
import functools
import pathlib
import warnings
from collections.abc import Iterator

import numpy as np
import onnx
import onnx.backend.test
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

FOLDERS = ["node", "simple", "pytorch-converted", "pytorch-operator", "light"]
DATA = pathlib.Path(onnx.backend.test.__file__).parent / "data"
# Whose answers are drawn: the shape and the type are what can be compared.
DRAWN = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
DATATYPES = {
    onnx.TensorProto.BOOL: "BOOL",
    onnx.TensorProto.UINT8: "UINT8",
    onnx.TensorProto.UINT16: "UINT16",
    onnx.TensorProto.UINT32: "UINT32",
    onnx.TensorProto.UINT64: "UINT64",
    onnx.TensorProto.INT8: "INT8",
    onnx.TensorProto.INT16: "INT16",
    onnx.TensorProto.INT32: "INT32",
    onnx.TensorProto.INT64: "INT64",
    onnx.TensorProto.FLOAT16: "FP16",
    onnx.TensorProto.BFLOAT16: "BF16",
    onnx.TensorProto.FLOAT: "FP32",
    onnx.TensorProto.DOUBLE: "FP64",
    onnx.TensorProto.STRING: "BYTES",
}


@dataclasses.dataclass
class Vector:
    """One backend test."""

    folder: str
    name: str
    model: onnx.ModelProto
    # Pairs of inputs and expected outputs, in the graph's order.
    data: list[tuple[list, list]]
    rtol: float
    atol: float

    @property
    def pipeline(self) -> str:
        """What it is served as."""
        return f"{self.folder}.{self.name}"

    @functools.cached_property
    def operators(self) -> set[str]:
        """All that its graph uses, those of bodies and local functions too."""
        found = set(_operators(self.model.graph.node))
        for function in self.model.functions:
            found |= set(_operators(function.node))
        return found

    @functools.cached_property
    def is_drawn(self) -> bool:
        """Whether chance decides what comes out."""
        training = "training_dropout" in self.name and "zero_ratio" not in self.name
        return bool(self.operators & DRAWN) or training

    @functools.cached_property
    def not_a_tensor(self) -> str | None:
        """What flows in or out that the protocol has no datatype for."""
        for side, values in (("input", self.model.graph.input), ("output", self.model.graph.output)):
            for value in values:
                kind = value.type.WhichOneof("value")
                if kind != "tensor_type":
                    return f"{side} `{value.name}` is {(kind or 'of no type').removesuffix('_type')}"
                if value.type.tensor_type.elem_type not in DATATYPES:
                    name = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)
                    return f"{side} `{value.name}` is {name}"
        return None

    def input_names(self, count: int) -> list[str]:
        """The names of a data set's inputs: of those without a value of their own, when that many are given."""
        names = [value.name for value in self.model.graph.input]
        valued = {tensor.name for tensor in self.model.graph.initializer}
        asked = [name for name in names if name not in valued]
        return asked if len(asked) == count else names[:count]


def load() -> list[Vector]:
    """All vectors, in their folders' order and by name."""
    np.random.seed(0)
    with warnings.catch_warnings():
        # Infinities are what several vectors are about.
        warnings.simplefilter("ignore")
        nodes = [
            Vector("node", case.name, case.model, _arrays(case.data_sets), case.rtol, case.atol)
            for case in load_model_tests(kind="node")
        ]
    vectors = sorted(nodes, key=lambda vector: vector.name)
    for folder in FOLDERS[1:-1]:
        cases = sorted(load_model_tests(kind=folder), key=lambda case: case.name)
        vectors.extend(_from_files(folder, case) for case in cases)
    vectors.extend(_light(case) for case in sorted(load_model_tests(kind="real"), key=lambda case: case.name))
    return vectors


def _operators(nodes) -> Iterator[str]:
    for node in nodes:
        yield node.op_type
        for attribute in node.attribute:
            yield from _operators(attribute.g.node)
            for graph in attribute.graphs:
                yield from _operators(graph.node)


def _arrays(sets) -> list[tuple[list, list]]:
    def array(value):
        return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value

    return [([array(value) for value in inputs], [array(value) for value in outputs]) for inputs, outputs in sets]


def _from_files(folder: str, case) -> Vector:
    place = pathlib.Path(case.model_dir)
    model = onnx.load(place / "model.onnx")
    data = []
    for of_set in sorted(place.glob("test_data_set_*")):
        inputs = _read(of_set, "input", model.graph.input)
        data.append((inputs, _read(of_set, "output", model.graph.output)))
    return Vector(folder, case.name, model, data, case.rtol, case.atol)


def _read(place: pathlib.Path, side: str, infos) -> list:
    count = len(list(place.glob(f"{side}_*.pb")))
    values = []
    for index in range(count):
        content = (place / f"{side}_{index}.pb").read_bytes()
        if infos[index].type.HasField("tensor_type"):
            values.append(numpy_helper.to_array(onnx.TensorProto.FromString(content)))
        else:
            # It is told apart by its type before anybody looks at it.
            values.append(None)
    return values


def _light(case) -> Vector:
    file = DATA / "light" / pathlib.Path(case.url).name
    model = onnx.load(file)
    valued = {tensor.name for tensor in model.graph.initializer}
    inputs = []
    for value in model.graph.input:
        if value.name not in valued:
            shape = [size.dim_value or 1 for size in value.type.tensor_type.shape.dim]
            count = int(np.prod(shape))
            inputs.append((np.arange(count).reshape(shape) / count).astype(np.float32))
    expected = onnx.TensorProto.FromString(file.with_name(f"{file.stem}_output_0.pb").read_bytes())
    return Vector("light", case.name, model, [(inputs, [numpy_helper.to_array(expected)])], case.rtol, case.atol)
