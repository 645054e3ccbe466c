"""Runs the ONNX project's backend tests against a server, and reports the outcome of each.

`cargo xtask conformance` starts it in its own Python environment. Defaults: both engines, all vectors, two at a time.
Bound: 20 s per vector. It fails with 1 if a vector that passed before does not pass now, and on any wrong answer,
failure, crash or hang that `expected.json` does not name.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import sys
import time

import expected
import onnx
import outcomes
import report
import vectors
from server import Server

# Settings, limits and other keys of the stage, besides its name, role and file.
ENGINES = {
    "onnxruntime": {"component": "onnx", "settings": {"engine": "onnxruntime"}},
    "tract": {"component": "onnx", "settings": {"engine": "tract"}},
    # Weights are in the sandbox's own memory.
    "onnx-sandboxed": {"component": "onnx-sandboxed", "limits": {"time": "10s", "memory": "2GiB"}},
}
# Engines that every server contains.
DEFAULT = ["onnxruntime", "tract"]
# The Python package of each engine, which distinguishes the engine's limits from ours.
PACKAGES = {"onnxruntime": "onnxruntime", "tract": "tract", "onnx-sandboxed": "tract"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, help="the server's program")
    parser.add_argument("--components", required=True, help="the folder of components")
    parser.add_argument("--engine", action="append", choices=list(ENGINES), help="only these")
    parser.add_argument("--only", default="", help="only vectors whose folder.name contains this")
    parser.add_argument("--jobs", type=int, default=2, help="vectors at once")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="where results, logs and failures go")
    parser.add_argument("--update", type=pathlib.Path, help="a report to write anew, with what is expected")
    return parser.parse_args()


def stage(engine: str) -> dict:
    files = {"model": "./model.onnx"}
    return {"name": "graph", "role": "model", "files": files, "limits": {"time": "10s"}} | ENGINES[engine]


def first(engine: str, place: pathlib.Path) -> str:
    """A manifest with the component, and nothing else that could fail."""
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["x"], ["y"])], "first", value[:1], value[1:])
    opsets = [onnx.helper.make_opsetid("", 17)]
    place.mkdir(parents=True, exist_ok=True)
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), place / "model.onnx")
    pipeline = {"apiVersion": "hotstage.dev/v1", "kind": "Pipeline", "metadata": {"name": "first", "version": "1"}}
    manifest = place / "first.yaml"
    manifest.write_text(json.dumps(pipeline | {"spec": {"stages": [stage(engine)]}}))
    return str(manifest)


def one(engine: str, args: argparse.Namespace, chosen: list[vectors.Vector]) -> dict:
    """A run on one engine."""
    started = time.monotonic()
    place = args.output / engine
    # The server loads the package's library, so that both compute with the same.
    environment = os.environ | {"VIRTUAL_ENV": sys.prefix}
    server = Server(args.program, args.components, place, environment)
    try:
        done = outcomes.drive(server, first(engine, place / "first"), chosen, stage(engine), args.jobs)
    finally:
        server.stop()
    outcomes.judge(PACKAGES[engine], chosen, done, place / "failures")
    result = {
        "engine": engine,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "seconds": round(time.monotonic() - started),
        "versions": {package: importlib.metadata.version(package) for package in ("onnx", PACKAGES[engine])},
        "panics": server.panics(),
        "vectors": [report.row(vector, done[vector.pipeline]) for vector in chosen],
    }
    (args.output / f"{engine}.json").write_text(json.dumps(result, indent=1) + "\n")
    return result


def main() -> int:
    args = arguments()
    args.output.mkdir(parents=True, exist_ok=True)
    if args.update and args.only:
        raise SystemExit("--update writes what all vectors come to; leave out --only")
    chosen = [vector for vector in vectors.load() if args.only in vector.pipeline]
    bad = 0
    for engine in args.engine or DEFAULT:
        print(f"==> {len(chosen)} vectors on {engine}", file=sys.stderr)
        result = one(engine, args, chosen)
        print(report.summary(result))
        if args.update:
            expected.update(result)
        for line in expected.complaints(result):
            print(line)
            bad += 1
    if args.update:
        files = [args.output / f"{engine}.json" for engine in ENGINES]
        results = [json.loads(file.read_text()) for file in files if file.exists()]
        args.update.write_text(report.document(results, expected.read()))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
