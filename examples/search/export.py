"""Write model.onnx: the graph of a BERT encoder, built node by node around the weights in model.safetensors.

    python export.py FOLDER

reads FOLDER/model.safetensors and writes FOLDER/model.onnx. It needs no training framework, and each run writes the
same bytes; the script prints their SHA-256 and fails if fetch.toml has a different one.

Inputs `input_ids`, `attention_mask` and `token_type_ids`, INT64 [batch, sequence]; output `last_hidden_state`, FP32
[batch, sequence, 384]. It uses operators of opset 13, in the patterns that runtimes recognise and fuse: layer
normalisation and GELU are composed of basic operators.
"""

import hashlib
import sys
import tomllib
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper
from safetensors.numpy import load_file

HERE = Path(__file__).resolve().parent
OPSET, IR = 13, 8
LAYERS, HEADS, WIDTH = 6, 12, 384
EPSILON = 1e-12
# Added to the scores of masked tokens. exp(-10000) is 0 in every precision.
HIDDEN = -10_000.0


class Graph:
    """Nodes and constants, in the order in which they are added."""

    def __init__(self, weights: dict[str, np.ndarray]):
        self.weights, self.nodes, self.constants, self.known = weights, [], [], set()

    def constant(self, name: str, array: np.ndarray) -> str:
        """Adds a constant, unless one of this name exists."""
        if name not in self.known:
            self.known.add(name)
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def scalar(self, value: float) -> str:
        return self.constant(f"float_{value}", np.array(value, np.float32))

    def integers(self, *values: int) -> str:
        return self.constant("int64_" + "_".join(map(str, values)), np.array(values, np.int64))

    def weight(self, name: str, transposed: bool = False) -> str:
        array = self.weights[name]
        return self.constant(name, array.T if transposed else array)

    def node(self, operator: str, *inputs: str, to: str, **attributes) -> str:
        """Adds a node and returns the name of its output."""
        self.nodes.append(helper.make_node(operator, list(inputs), [to], name=to, **attributes))
        return to

    def cast(self, given: str, to: str) -> str:
        # The attribute has the name `to`, too.
        self.nodes.append(helper.make_node("Cast", [given], [to], name=to, to=TensorProto.FLOAT))
        return to

    def linear(self, given: str, weights: str, to: str) -> str:
        product = self.node("MatMul", given, self.weight(f"{weights}.weight", transposed=True), to=f"{to}.product")
        return self.node("Add", product, self.weight(f"{weights}.bias"), to=to)

    def layer_norm(self, given: str, weights: str, to: str) -> str:
        mean = self.node("ReduceMean", given, to=f"{to}.mean", axes=[-1], keepdims=1)
        centred = self.node("Sub", given, mean, to=f"{to}.centred")
        squares = self.node("Pow", centred, self.scalar(2.0), to=f"{to}.squares")
        variance = self.node("ReduceMean", squares, to=f"{to}.variance", axes=[-1], keepdims=1)
        above_zero = self.node("Add", variance, self.scalar(EPSILON), to=f"{to}.above_zero")
        deviation = self.node("Sqrt", above_zero, to=f"{to}.deviation")
        scaled = self.node("Div", centred, deviation, to=f"{to}.scaled")
        weighted = self.node("Mul", scaled, self.weight(f"{weights}.weight"), to=f"{to}.weighted")
        return self.node("Add", weighted, self.weight(f"{weights}.bias"), to=to)

    def gelu(self, given: str, to: str) -> str:
        """x · (1 + erf(x / √2)) / 2"""
        fraction = self.node("Div", given, self.scalar(float(np.sqrt(np.float32(2)))), to=f"{to}.fraction")
        erf = self.node("Erf", fraction, to=f"{to}.erf")
        weight = self.node("Add", erf, self.scalar(1.0), to=f"{to}.weight")
        product = self.node("Mul", given, weight, to=f"{to}.product")
        return self.node("Mul", product, self.scalar(0.5), to=to)


def embeddings(graph: Graph) -> str:
    """The sum of the word, segment and position embeddings of each token."""
    words = graph.node(
        "Gather", graph.weight("embeddings.word_embeddings.weight"), "input_ids", to="embeddings.words", axis=0)
    kinds = graph.node(
        "Gather", graph.weight("embeddings.token_type_embeddings.weight"), "token_type_ids", to="embeddings.kinds",
        axis=0)
    # One position for each token of the row.
    shape = graph.node("Shape", "input_ids", to="embeddings.shape")
    length = graph.node("Slice", shape, graph.integers(1), graph.integers(2), graph.integers(0), to="embeddings.length")
    places = graph.node(
        "Slice", graph.weight("embeddings.position_embeddings.weight"), graph.integers(0), length, graph.integers(0),
        to="embeddings.places")
    both = graph.node("Add", words, kinds, to="embeddings.words_and_kinds")
    return graph.layer_norm(
        graph.node("Add", both, places, to="embeddings.sum"), "embeddings.LayerNorm", to="embeddings.out")


def hiding(graph: Graph) -> str:
    """[batch, 1, 1, sequence]: 0 for a token, a large negative number for padding."""
    mask = graph.node("Unsqueeze", "attention_mask", graph.integers(1, 2), to="mask.widened")
    mask = graph.cast(mask, to="mask.float")
    gaps = graph.node("Sub", graph.scalar(1.0), mask, to="mask.gaps")
    return graph.node("Mul", gaps, graph.scalar(HIDDEN), to="mask.hiding")


def attention(graph: Graph, given: str, mask: str, weights: str, to: str) -> str:
    """Self-attention with twelve heads."""

    def heads(kind: str, order: list[int]) -> str:
        made = graph.linear(given, f"{weights}.self.{kind}", to=f"{to}.{kind}")
        # A size of 0 keeps the input's size.
        parted = graph.node("Reshape", made, graph.integers(0, 0, HEADS, WIDTH // HEADS), to=f"{to}.{kind}.parted")
        return graph.node("Transpose", parted, to=f"{to}.{kind}.heads", perm=order)

    query, key, value = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
    products = graph.node("MatMul", query, key, to=f"{to}.products")
    scores = graph.node("Div", products, graph.scalar(float(np.sqrt(np.float32(WIDTH // HEADS)))), to=f"{to}.scores")
    masked = graph.node("Add", scores, mask, to=f"{to}.masked")
    shares = graph.node("Softmax", masked, to=f"{to}.shares", axis=-1)
    seen = graph.node("MatMul", shares, value, to=f"{to}.seen")
    turned = graph.node("Transpose", seen, to=f"{to}.turned", perm=[0, 2, 1, 3])
    joined = graph.node("Reshape", turned, graph.integers(0, 0, WIDTH), to=f"{to}.joined")
    out = graph.linear(joined, f"{weights}.output.dense", to=f"{to}.out")
    return graph.layer_norm(
        graph.node("Add", out, given, to=f"{to}.sum"), f"{weights}.output.LayerNorm", to=f"{to}.norm")


def layer(graph: Graph, given: str, mask: str, number: int, to: str) -> str:
    weights = f"encoder.layer.{number}"
    seen = attention(graph, given, mask, f"{weights}.attention", to=f"layer{number}.attention")
    wide = graph.linear(seen, f"{weights}.intermediate.dense", to=f"layer{number}.wide")
    bent = graph.gelu(wide, to=f"layer{number}.gelu")
    narrow = graph.linear(bent, f"{weights}.output.dense", to=f"layer{number}.narrow")
    total = graph.node("Add", narrow, seen, to=f"layer{number}.sum")
    return graph.layer_norm(total, f"{weights}.output.LayerNorm", to=to)


def build(weights: dict[str, np.ndarray]) -> ModelProto:
    graph = Graph(weights)
    hidden, mask = embeddings(graph), hiding(graph)
    for number in range(LAYERS):
        last = number == LAYERS - 1
        hidden = layer(graph, hidden, mask, number, to="last_hidden_state" if last else f"layer{number}.out")
    tokens = ["batch", "sequence"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, tokens)
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    outputs = [helper.make_tensor_value_info(hidden, TensorProto.FLOAT, [*tokens, WIDTH])]
    made = helper.make_graph(graph.nodes, "bert", inputs, outputs, initializer=graph.constants)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(made, opset_imports=[opset], ir_version=IR, producer_name="hotstage example search")
    checker.check_model(model, full_check=True)
    return model


def main(folder: Path) -> None:
    written = build(load_file(folder / "model.safetensors")).SerializeToString(deterministic=True)
    (folder / "model.onnx").write_bytes(written)
    digest = hashlib.sha256(written).hexdigest()
    print(f"model.onnx: {len(written)} bytes, sha256 {digest}")
    scripts = tomllib.loads((HERE / "fetch.toml").read_text())["script"]
    expected = {made["file"]: made["sha256"] for script in scripts for made in script["makes"]}
    if digest != expected["model.onnx"]:
        sys.exit(f"fetch.toml says {expected['model.onnx']}: install export-requirements.txt as it is")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
