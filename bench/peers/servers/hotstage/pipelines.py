"""Hotstage's pipelines of the same steps: the graph run by ONNX Runtime, or the example's network in the sandbox.

    tabular, batch   scale → onnx → labels
    image            onnx → labels
    jpeg             image → onnx → labels
"""

import json
from pathlib import Path

from places import COMPONENTS, EXAMPLE, MODELS, PIPELINES
from workloads import Workload

STATE = PIPELINES / "state"
# The same preprocessing as in `common/steps.py`: stretched to the size, ImageNet's mean and deviation.
COLOURS = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
DECODE = {"output": "image", "resize": {"size": [224, 224]}, **COLOURS}


def stages(workload: Workload) -> list[dict]:
    engine = {"engine": "onnxruntime", "threads": 1}
    settings = json.loads((MODELS / f"{workload.model}.json").read_text())
    graph = {"name": "classify", "role": "model", "component": "onnx", "settings": engine,
             "files": {"model": str(MODELS / f"{workload.model}.onnx")}}
    label = {"name": "label", "role": "postprocess", "component": "labels", "settings": {"labels": settings["labels"]}}
    if workload.name == "image":
        return [graph, label]
    if workload.name == "jpeg":
        return [{"name": "decode", "role": "preprocess", "component": "image", "settings": DECODE}, graph, label]
    scaling = {"mean": settings["mean"], "std": settings["std"]}
    return [{"name": "scale", "role": "preprocess", "component": "scale", "settings": scaling}, graph, label]


def write(workload: Workload) -> Path:
    """The manifest. JSON is YAML."""
    document = {
        "apiVersion": "hotstage.dev/v1",
        "kind": "Pipeline",
        "metadata": {"name": "pipeline", "version": "1"},
        "spec": {"stages": stages(workload)},
    }
    PIPELINES.mkdir(parents=True, exist_ok=True)
    path = PIPELINES / f"{workload.name}.yaml"
    path.write_text(json.dumps(document, indent=1))
    return path


def missing(workload: Workload, sandboxed: bool) -> str | None:
    """The reason why it can't be served, or `None`."""
    needed = ["scale", "mlp", "labels"] if sandboxed else [stage["component"] for stage in stages(workload)]
    lacking = [name for name in needed if not (COMPONENTS / f"{name}.wasm").exists()]
    return f"no component {' or '.join(lacking)}" if lacking else None


def manifest(workload: Workload, sandboxed: bool) -> Path:
    return EXAMPLE / "tumor-v1.yaml" if sandboxed else write(workload)


def state(name: str) -> Path:
    """Its state directory, which keeps compiled components between starts, as in production."""
    STATE.mkdir(parents=True, exist_ok=True)
    return STATE / name
