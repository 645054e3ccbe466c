"""Converts the package's networks for the pipeline. `cargo xtask fetch ocr` runs it with the folder `fetched`.

- `alphabet.txt`: the reader's symbols, from the metadata of its file.
- `detector.onnx` and `reader.onnx`: the same functions with fewer passes over memory. In the exported graphs, up to
  eight operations that read and write the whole tensor follow every convolution: a scale, a shift,
  `x · clip(x + 3, 0, 6) / 6` in four steps, and another scale and shift. Engines do not fuse them. This script folds
  scales and shifts into the weights of adjacent convolutions, and turns the rest into 1 × 1 convolutions, which engines
  keep in the same layout. Answers change only by rounding.
"""

import math
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper


class Graph:
    """A graph with its constants, and an index from each value to its users."""

    def __init__(self, model):
        self.graph = model.graph
        self.constants = {item.name: numpy_helper.to_array(item) for item in self.graph.initializer}
        for node in self.graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        self.nodes = [node for node in self.graph.node if node.op_type != "Constant"]
        self.drop_identities()
        self.index()

    def drop_identities(self):
        names, outputs = {}, {output.name for output in self.graph.output}
        for node in [node for node in self.nodes if node.op_type == "Identity"]:
            if node.output[0] not in outputs:
                names[node.output[0]] = names.get(node.input[0], node.input[0])
                self.nodes.remove(node)
        for node in self.nodes:
            node.input[:] = [names.get(name, name) for name in node.input]

    def index(self):
        self.makers = {name: node for node in self.nodes for name in node.output}
        self.users = {}
        for node in self.nodes:
            for name in node.input:
                self.users.setdefault(name, []).append(node)

    def scalar(self, name):
        """The value of a scalar constant, or None."""
        value = self.constants.get(name)
        return float(value.ravel()[0]) if value is not None and value.size == 1 else None

    def next(self, name, operation):
        """The node and the scalar, if the only user applies this operator with a scalar."""
        users = self.users.get(name, [])
        if len(users) != 1 or users[0].op_type != operation or any(name == output.name for output in self.graph.output):
            return None
        other = [self.scalar(given) for given in users[0].input if given != name]
        return (users[0], other[0]) if len(other) == 1 and other[0] is not None else None

    def constant(self, name, value):
        self.constants[name] = np.asarray(value, np.float32)
        return name

    def finish(self, model):
        used = {name for node in self.nodes for name in node.input}
        del self.graph.node[:], self.graph.initializer[:]
        self.graph.node.extend(self.nodes)
        self.graph.initializer.extend(
            numpy_helper.from_array(value, name) for name, value in self.constants.items() if name in used
        )
        onnx.checker.check_model(model)


def weights(graph, conv):
    """A convolution's weights and shifts as private copies that can be changed."""
    weight = graph.constants[conv.input[1]].astype(np.float64)
    shift = graph.constants[conv.input[2]].astype(np.float64) if len(conv.input) > 2 else np.zeros(weight.shape[0])
    return weight, shift


def put(graph, conv, weight, shift):
    name = conv.output[0]
    conv.input[1:] = [graph.constant(f"{name}.weight", weight), graph.constant(f"{name}.shift", shift)]


def attribute(node, name, default):
    return next((helper.get_attribute_value(item) for item in node.attribute if item.name == name), default)


def join(graph, conv):
    """Folds the normalisation, scales and shifts after a convolution into it."""
    while True:
        name = conv.output[0]
        weight, shift = weights(graph, conv)
        followers = graph.users.get(name, [])
        if len(followers) == 1 and followers[0].op_type == "BatchNormalization":
            node = followers[0]
            gain, offset, mean, variance = (graph.constants[given].astype(np.float64) for given in node.input[1:5])
            factor = gain / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
            weight, shift = weight * factor.reshape(-1, 1, 1, 1), (shift - mean) * factor + offset
        elif found := graph.next(name, "Mul"):
            node, factor = found
            weight, shift = weight * factor, shift * factor
        elif (found := graph.next(name, "Add")) and not is_activation(graph, name):
            node, offset = found
            shift = shift + offset
        else:
            return
        conv.output[0] = node.output[0]
        put(graph, conv, weight, shift)
        graph.nodes.remove(node)
        graph.index()


def activation(graph, name):
    """The four nodes of `x · clip(x + 3, 0, 6) / 6` after `name`, if they are its only users."""
    users = graph.users.get(name, [])
    add = next((node for node in users if node.op_type == "Add"), None)
    product = next((node for node in users if node.op_type == "Mul"), None)
    if len(users) != 2 or add is None or product is None or 3.0 not in [graph.scalar(given) for given in add.input]:
        return None
    clip = graph.users.get(add.output[0], [None])[0]
    if clip is None or clip.op_type != "Clip" or [graph.scalar(given) for given in clip.input[1:]] != [0.0, 6.0]:
        return None
    divide = graph.next(product.output[0], "Div")
    if clip.output[0] not in product.input or divide is None or divide[1] != 6.0:
        return None
    return add, clip, product, divide[0]


def is_activation(graph, name):
    return activation(graph, name) is not None


def each(graph, source, output, factor, shift, channels):
    """A 1 × 1 convolution: `factor · x + shift`."""
    weight = graph.constant(f"{output}.weight", np.full((channels, 1, 1, 1), factor))
    shift = graph.constant(f"{output}.shift", np.full(channels, shift))
    return helper.make_node("Conv", [source, weight, shift], [output], group=channels, kernel_shape=[1, 1])


def shorten(graph, conv):
    """Rewrites an activation and the operations after it as at most three passes."""
    found = activation(graph, conv.output[0])
    if found is None:
        return
    name, channels = conv.output[0], graph.constants[conv.input[1]].shape[0]
    add, clip, product, divide = found
    gone, last, factor, shift = [add, divide], divide.output[0], 1 / 6, 0.0
    for operation in ("Mul", "Add"):
        if follower := graph.next(last, operation):
            gone.append(follower[0])
            last = follower[0].output[0]
            factor, shift = (factor * follower[1], shift) if operation == "Mul" else (factor, shift + follower[1])
    users = graph.users.get(last, [])
    all_convs = users and all(user.op_type == "Conv" and user.input[0] == last for user in users)
    padded = any(any(attribute(user, "pads", [0])) for user in users)
    made = [each(graph, name, add.output[0], 1.0, 3.0, channels)]
    if all_convs and (shift == 0.0 or not padded):
        for user in users:
            weight, bias = weights(graph, user)
            if attribute(user, "group", 1) == 1 or shift == 0.0:
                bias = bias + shift * np.array([math.fsum(taps.ravel()) for taps in weight])
                put(graph, user, weight * factor, bias)
                user.input[0] = product.output[0]
    if any(user.input[0] == last for user in users) or last in {output.name for output in graph.graph.output}:
        made.append(each(graph, product.output[0], last, factor, shift, channels))
    graph.nodes = [node for node in graph.nodes if not any(node is other for other in gone)]
    graph.nodes.insert(next(i for i, node in enumerate(graph.nodes) if node is conv) + 1, made[0])
    for node in made[1:]:
        graph.nodes.insert(next(i for i, node in enumerate(graph.nodes) if node is product) + 1, node)
    graph.index()


def shortened(path):
    model = onnx.load(path)
    graph = Graph(model)
    convs = [node for node in graph.nodes if node.op_type == "Conv"]
    for conv in convs:
        join(graph, conv)
    for conv in convs:
        shorten(graph, conv)
    graph.finish(model)
    return model


def main():
    fetched = Path(sys.argv[1])
    reader = onnx.load(fetched / "original-reader.onnx")
    symbols = next(item.value for item in reader.metadata_props if item.key == "character").splitlines()
    (fetched / "alphabet.txt").write_bytes("".join(f"{symbol}\n" for symbol in symbols).encode())
    for name in ("detector", "reader"):
        model = shortened(fetched / f"original-{name}.onnx")
        (fetched / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
