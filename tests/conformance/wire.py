"""Converts arrays to binary tensors of the Open Inference Protocol and back, and compares arrays."""

import json
import struct

import ml_dtypes
import numpy as np

DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def is_text(array: np.ndarray) -> bool:
    """Whether its elements are strings."""
    return array.dtype.kind in "OSUT"


def request(names: list[str], arrays: list[np.ndarray]) -> tuple[bytes, int]:
    """A request's body, and the length of its JSON."""
    inputs, parts = [], []
    for name, array in zip(names, arrays, strict=True):
        array = np.asarray(array)
        data = _texts(array) if is_text(array) else np.ascontiguousarray(array).tobytes()
        datatype = "BYTES" if is_text(array) else NAMES[array.dtype]
        about = {"name": name, "datatype": datatype, "shape": list(array.shape)}
        inputs.append(about | {"parameters": {"binary_data_size": len(data)}})
        parts.append(data)
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    return b"".join([head, *parts]), len(head)


def answer(body: bytes, head_bytes: int) -> dict[str, np.ndarray]:
    """The outputs of an answer, by name."""
    outputs = {}
    at = head_bytes
    for output in json.loads(body[:head_bytes])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        data, at = body[at : at + size], at + size
        if output["datatype"] == "BYTES":
            flat = np.array(_elements(data) + [None], dtype=object)[:-1]
        else:
            flat = np.frombuffer(data, dtype=DTYPES[output["datatype"]])
        outputs[output["name"]] = flat.reshape(output["shape"])
    if at != len(body):
        raise ValueError(f"{len(body) - at} bytes are left over behind the last output")
    return outputs


def difference(expected: np.ndarray, got: np.ndarray, rtol: float, atol: float, is_drawn: bool) -> str | None:
    """The difference of two arrays, by the rules of the ONNX project's runner."""
    expected, got = np.asarray(expected), np.asarray(got)
    if got.shape != expected.shape:
        return f"shape {list(got.shape)}, {list(expected.shape)} is expected"
    if is_text(expected) or is_text(got):
        same = is_text(expected) and is_text(got) and _strings(expected) == _strings(got)
        return None if same else f"{_strings(got)[:4]}, {_strings(expected)[:4]} is expected"
    if got.dtype != expected.dtype:
        return f"{got.dtype}, {expected.dtype} is expected"
    if is_drawn:
        return None
    if expected.dtype == DTYPES["BF16"]:
        rtol = max(rtol, 2**-6)
        expected, got = expected.astype(np.float32), got.astype(np.float32)
    with np.errstate(all="ignore"):
        close = np.isclose(got, expected, rtol=rtol, atol=atol, equal_nan=True)
    if close.all():
        return None
    first = tuple(int(place) for place in np.argwhere(~close)[0])
    count = int((~close).sum())
    text = f"{count} of {close.size} elements, first {list(first)}: {got[first]}, {expected[first]} is expected"
    return f"by rounding alone, {text}" if _is_rounding(expected, got) else text


def _is_rounding(expected: np.ndarray, got: np.ndarray) -> bool:
    """Whether every difference is within the last few digits of the largest element: if sums cancel out, as in a Fourier
    transform, an element near 0 has no significant digits."""
    if expected.dtype.kind != "f" or not (np.isfinite(expected).all() and np.isfinite(got).all()):
        return False
    expected, got, epsilon = expected.astype(np.float64), got.astype(np.float64), np.finfo(expected.dtype).eps
    return bool(np.abs(got - expected).max() <= 16 * epsilon * np.abs(expected).max())


def _strings(array: np.ndarray) -> list[str]:
    return [item.decode() if isinstance(item, bytes) else str(item) for item in array.reshape(-1).tolist()]


def _texts(array: np.ndarray) -> bytes:
    encoded = [text.encode() for text in _strings(array)]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)


def _elements(data: bytes) -> list[bytes]:
    elements, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        elements.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return elements
