"""The workloads, the request bodies in all formats, and the check of an answer."""

import base64
import json
import struct
from dataclasses import dataclass

from places import MODELS

HEADER_LENGTH = "Inference-Header-Content-Length"
JSON = {"Content-Type": "application/json"}
BYTES = {"Content-Type": "application/octet-stream"}
# Tolerances: between two libraries' exponentials and sums, and between two JPEG decoders.
TOLERANCE = {"tabular": 1e-5, "batch": 1e-5, "image": 1e-3, "jpeg": 0.1}


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    connections: int
    # The model's file, its input, and the shape of a request.
    model: str
    tensor: str
    shape: tuple[int, ...]


TABLE = ("tabular", "features", (1, 30))
PICTURE = ("image", "image", (1, 3, 224, 224))
WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("tabular", "Tabular: scale → network → label, one row of 30 floats, 16 connections", 16, *TABLE),
        Workload("image", "Image: MobileNetV2's shape → label, a tensor of 602 KB, 4 connections", 4, *PICTURE),
        Workload("jpeg", "JPEG: decode → MobileNetV2's shape → label, 640 × 480 pixels, 4 connections", 4, *PICTURE),
        Workload("batch", "Batches: as tabular, 64 connections, batching where a server has it", 64, *TABLE),
    )
}


@dataclass
class Request:
    """One POST request."""

    path: str
    body: bytes
    headers: dict[str, str]
    # The name of the body's format in a table.
    form: str


def floats(workload: Workload, scaled: bool = False) -> bytes:
    name = {"features": "scaled" if scaled else "row", "image": "image"}[workload.tensor]
    return (MODELS / f"{name}.f32").read_bytes()


def numbers(workload: Workload, scaled: bool = False) -> list[float]:
    return [shortest(value) for value, in struct.iter_unpack("<f", floats(workload, scaled))]


def shortest(value: float) -> float:
    """The shortest decimal that is read back as the same FP32."""
    tries = (float(f"{value:.{digits}g}") for digits in range(6, 10))
    return next(number for number in tries if struct.pack("<f", number) == struct.pack("<f", value))


def protocol_json(path: str, workload: Workload, scaled: bool = False) -> Request:
    """The Open Inference Protocol in JSON."""
    data = numbers(workload, scaled)
    tensor = {"name": workload.tensor, "datatype": "FP32", "shape": workload.shape, "data": data}
    return Request(path, dumps({"inputs": [tensor]}), JSON, "protocol, JSON")


def protocol_base64(path: str, data: bytes) -> Request:
    """The same with one BYTES element in base64, as MLServer's codec expects it."""
    text = base64.b64encode(data).decode()
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1, 1], "data": [text]}
    tensor["parameters"] = {"content_type": "base64"}
    return Request(path, dumps({"inputs": [tensor]}), JSON, "protocol, base64")


def protocol_binary(path: str, workload: Workload, data: bytes, datatype: str = "FP32") -> Request:
    """The protocol's binary tensor extension, for the request and the answer: a JSON head, then the tensor's bytes."""
    shape = workload.shape if datatype == "FP32" else (1, 1)
    tensor = {"name": workload.tensor, "datatype": datatype, "shape": shape}
    tensor["parameters"] = {"binary_data_size": len(data)}
    head = dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    return Request(path, head + data, {**BYTES, HEADER_LENGTH: str(len(head))}, "protocol, binary")


def plain_json(path: str, workload: Workload, key: str) -> Request:
    """Rows under one key."""
    data, size = numbers(workload), 1
    for dimension in reversed(workload.shape[1:]):
        size = dimension
        data = [data[at : at + size] for at in range(0, len(data), size)]
    return Request(path, dumps({key: data}), JSON, "JSON")


def raw_floats(path: str, workload: Workload) -> Request:
    """Only the floats; the shape is in a header."""
    shape = ",".join(map(str, workload.shape))
    return Request(path, floats(workload), {**BYTES, "X-Shape": shape}, "raw floats")


def photograph() -> bytes:
    return (MODELS / "photograph.jpg").read_bytes()


def raw_jpeg(path: str) -> Request:
    return Request(path, photograph(), {"Content-Type": "image/jpeg"}, "raw JPEG")


def dumps(value) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def expected(workload: Workload) -> dict:
    answers = json.loads((MODELS / "expected.json").read_text())
    return answers["tabular" if workload.name == "batch" else workload.name]


def read_answer(body: bytes, head_length: str | None) -> dict[str, list]:
    """Outputs by name, for each format of answers."""
    head = json.loads(body if head_length is None else body[: int(head_length)])
    if isinstance(head, list):
        return {name: [row[name] for row in head] for name in head[0]}
    if "outputs" not in head:
        return head
    rest, outputs = body[int(head_length or 0) :], {}
    for output in head["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            outputs[output["name"]] = output["data"]
        else:
            outputs[output["name"]] = unpack(rest[:size], output["datatype"])
            rest = rest[size:]
    return outputs


def unpack(data: bytes, datatype: str) -> list:
    if datatype == "FP32":
        return [value for value, in struct.iter_unpack("<f", data)]
    elements = []
    while data:
        (length,) = struct.unpack_from("<I", data)
        elements.append(data[4 : 4 + length].decode())
        data = data[4 + length :]
    return elements


def wrong(workload: Workload, answer: dict[str, list], right: dict) -> str | None:
    """What is wrong with an answer, or `None`. If only the model is served, this adds the last step."""
    if "scores" in answer and "label" not in answer:
        scores = flat(answer["scores"])
        score = max(scores)
        if len(scores) == 1:
            label = "malignant" if score >= 0.5 else "benign"
        else:
            label = f"class {scores.index(score)}"
    else:
        label, score = flat(answer.get("label", [None]))[0], flat(answer.get("score", [0.0]))[0]
    if label == right["label"] and abs(score - right["score"]) <= TOLERANCE[workload.name]:
        return None
    return f"expected {right['label']}, {right['score']:.6f}; got {label}, {score:.6f}"


def flat(values) -> list:
    return [leaf for value in values for leaf in flat(value)] if isinstance(values, list) else [values]
