"""Runs an engine's official Python package on vectors that the server did not answer as expected.

`python reference.py ENGINE` reads folder names, one per line, with `model.onnx` and `input_N.pb`; it writes
`reference_N.pb` into them and prints one JSON line each: `{}`, or `{"error": reason}`. It is a separate process, because
an engine may crash it.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import numpy_helper


def onnxruntime(model: pathlib.Path, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """ONNX Runtime on the CPU."""
    import onnxruntime as ort

    ort.set_default_logger_severity(4)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    values = {name: _ort_value(value) for name, value in inputs.items()}
    return [answer.numpy() for answer in session.run_with_ort_values(None, values)]


def _ort_value(array: np.ndarray):
    from onnxruntime import OrtValue

    if array.dtype.name == "bfloat16":
        return OrtValue.ortvalue_from_numpy_with_onnx_type(array, onnx.TensorProto.BFLOAT16)
    return OrtValue.ortvalue_from_numpy(array)


def tract(model: pathlib.Path, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """tract."""
    import tract as engine

    runnable = engine.Onnx().load(str(model)).into_model().into_runnable()
    return [answer.to_numpy() for answer in runnable.run([np.ascontiguousarray(value) for value in inputs.values()])]


def compute(engine: str, place: pathlib.Path) -> None:
    """One vector."""
    model = onnx.load(place / "model.onnx")
    names = json.loads((place / "inputs.json").read_text())
    values = [
        numpy_helper.to_array(onnx.TensorProto.FromString((place / f"input_{index}.pb").read_bytes()))
        for index in range(len(names))
    ]
    answers = {"onnxruntime": onnxruntime, "tract": tract}[engine](
        place / "model.onnx", dict(zip(names, values, strict=True))
    )
    for index, (answer, output) in enumerate(zip(answers, model.graph.output, strict=True)):
        declared = onnx.helper.tensor_dtype_to_np_dtype(output.type.tensor_type.elem_type)
        # tract has its own type for sizes, and NumPy has no bfloat16.
        if answer.dtype != declared and answer.dtype.kind in "iu" and declared.kind in "iu":
            answer = answer.astype(declared)
        elif answer.dtype != declared and declared.name == "bfloat16" and answer.dtype.itemsize == 2:
            answer = answer.view(declared)
        (place / f"reference_{index}.pb").write_bytes(numpy_helper.from_array(answer).SerializeToString())


def main() -> None:
    for line in sys.stdin:
        try:
            compute(sys.argv[1], pathlib.Path(line.strip()))
            said = {}
        except BaseException as error:  # noqa: BLE001  a panic of tract comes as one, too
            said = {"error": " ".join(str(error).split())[:2000] or type(error).__name__}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
