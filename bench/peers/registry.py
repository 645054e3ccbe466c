"""The servers, in a table's order: how each is started, its requests and its workloads.

One worker process and one thread per call of ONNX Runtime, in each server's own way. For images, whose graph keeps a
core busy, there are as many workers or instances as cores, unless a server uses several cores by itself.
"""

import os

from environments import make_triton
from places import COMPONENTS, FLOOR, HOTSTAGE, MODELS, ROOT, SCRATCH, SERVERS, onnxruntime, packages, python
from server import EVERYTHING, Launch, Server
from servers.hotstage import pipelines
from servers.triton import repository
from workloads import (
    Request, Workload, floats, photograph, plain_json, protocol_base64, protocol_binary, protocol_json, raw_floats,
    raw_jpeg,
)

CORES = os.cpu_count() or 1
ROWS = ("tabular", "batch")
INFER = "/v2/models/pipeline/infer"
TUMOR = "/v2/models/tumor/infer"


def of_python(workload: Workload, folder: str) -> dict[str, str]:
    return {
        "PEERS_MODELS": str(MODELS),
        "PEERS_WORKLOAD": workload.name,
        "PEERS_WORKERS": str(workers(workload)),
        "PYTHONPATH": f"{SERVERS / 'common'}:{SERVERS / folder}",
    }


def workers(workload: Workload) -> int:
    return CORES if workload.model == "image" else 1


def protocol(workload: Workload, path: str = INFER) -> Request:
    """The protocol format for the workload: JSON for rows, binary for tensors and pictures."""
    if workload.name == "jpeg":
        picture = photograph()
        return protocol_binary(path, workload, len(picture).to_bytes(4, "little") + picture, "BYTES")
    if workload.name == "image":
        return protocol_binary(path, workload, floats(workload))
    return protocol_json(path, workload)


def hotstage(sandboxed: bool) -> Server:
    def launch(workload: Workload, ports: list[int]) -> Launch:
        manifest, state = pipelines.manifest(workload, sandboxed), pipelines.state(name)
        command = [HOTSTAGE, "serve", "--admin", "none", "-f", manifest, "--state", state, "--components", COMPONENTS]
        # An earlier run may have served another manifest there; its compiled code is reused.
        command += ["--allow-path", MODELS, "--replace", "--http", f"127.0.0.1:{ports[0]}"]
        return Launch(command, {} if sandboxed else {"HOTSTAGE_ONNXRUNTIME": str(onnxruntime())})

    def request(workload: Workload) -> Request:
        if workload.name == "jpeg":
            return raw_jpeg(INFER)
        return protocol(workload, TUMOR if sandboxed else INFER)

    def missing(workload: Workload) -> str | None:
        if not HOTSTAGE.exists():
            return "the server was not built"
        return pipelines.missing(workload, sandboxed)

    name = "hotstage-mlp" if sandboxed else "hotstage"
    about = "its network as a component, in the sandbox" if sandboxed else "stages in sandboxes around ONNX Runtime"
    return Server(name, about, None, launch, request, ROWS if sandboxed else EVERYTHING, missing)


def floor() -> Server:
    return Server(
        "floor", "the same steps and network as plain Rust behind hyper", None,
        lambda workload, ports: Launch([FLOOR, "floor", "--port", ports[0]], folder=ROOT),
        lambda workload: protocol_json(TUMOR, workload), ROWS,
        lambda workload: None if FLOOR.exists() else "it was not built",
    )


def direct() -> Server:
    def launch(workload: Workload, ports: list[int]) -> Launch:
        environment = of_python(workload, "direct")
        environment["PYTHONPATH"] += f":{SERVERS.parent}"
        return Launch([python("direct"), SERVERS / "direct/loop.py"], environment)

    about = "ONNX Runtime in a loop of Python, a thread per core, no server"
    return Server("direct", about, "direct", launch, lambda _: Request("", b"", {}, "none"), ("image", "jpeg"),
                  is_loop=True)


def fastapi() -> Server:
    def launch(workload: Workload, ports: list[int]) -> Launch:
        command = [python("fastapi"), "-m", "uvicorn", "app:app", "--port", ports[0], "--log-level", "warning"]
        return Launch(command, of_python(workload, "fastapi"))

    def request(workload: Workload) -> Request:
        if workload.name == "jpeg":
            return raw_jpeg("/jpeg")
        return raw_floats("/floats", workload) if workload.name == "image" else plain_json(
            "/predict", workload, "features")

    return Server("fastapi", "written by hand on uvicorn, one process", "fastapi", launch, request)


def mlserver(in_process: bool) -> Server:
    def launch(workload: Workload, ports: list[int]) -> Launch:
        settings = {
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": str(ports[0]),
            "MLSERVER_GRPC_PORT": str(ports[1]),
            "MLSERVER_METRICS_PORT": str(ports[2]),
            "MLSERVER_PARALLEL_WORKERS": "0" if in_process else str(workers(workload)),
            "MLSERVER_DEBUG": "false",
        }
        if workload.name == "batch":
            settings |= {"MLSERVER_MODEL_MAX_BATCH_SIZE": "64", "MLSERVER_MODEL_MAX_BATCH_TIME": "0.001"}
        command = [python("mlserver").parent / "mlserver", "start", SERVERS / "mlserver"]
        return Launch(command, of_python(workload, "mlserver") | settings)

    def request(workload: Workload) -> Request:
        # Its HTTP API does not support binary tensors.
        return protocol_base64(INFER, photograph()) if workload.name == "jpeg" else protocol_json(INFER, workload)

    name, about = ("mlserver-inproc", "without a worker process") if in_process else ("mlserver", "its default")
    return Server(name, about, "mlserver", launch, request, ROWS if in_process else EVERYTHING)


def bentoml() -> Server:
    def launch(workload: Workload, ports: list[int]) -> Launch:
        command = [python("bentoml").parent / "bentoml", "serve", "service:Pipeline", "--working-dir",
                   SERVERS / "bentoml", "--host", "127.0.0.1", "--port", ports[0]]
        quiet = {"BENTOML_HOME": str(SCRATCH / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
        return Launch(command, of_python(workload, "bentoml") | quiet)

    def request(workload: Workload) -> Request:
        return raw_jpeg("/jpeg") if workload.name == "jpeg" else plain_json("/predict", workload, "features")

    return Server("bentoml", "a service of its own kind", "bentoml", launch, request)


def triton(layout: str, about: str, workloads: tuple[str, ...] = EVERYTHING) -> Server:
    def launch(workload: Workload, ports: list[int]) -> Launch:
        wheel = packages("triton") / "pytriton/tritonserver"
        command = [
            wheel / "bin/tritonserver",
            f"--model-repository={repository.write(layout, workload, CORES)}",
            f"--backend-directory={make_triton()}",
            f"--cache-directory={wheel / 'caches'}",
            "--http-address=127.0.0.1", f"--http-port={ports[0]}",
            "--grpc-address=127.0.0.1", f"--grpc-port={ports[1]}",
            "--metrics-address=127.0.0.1", f"--metrics-port={ports[2]}",
            "--allow-gpu-metrics=false",
        ]
        # Its interpreter finds numpy through the first Python in PATH.
        path = f"{python('triton').parent}:{os.environ['PATH']}"
        libraries = {"PATH": path, "LD_LIBRARY_PATH": str(packages("triton") / "nvidia_pytriton.libs")}
        return Launch(command, of_python(workload, "triton") | libraries)

    def request(workload: Workload) -> Request:
        if layout == "model" and workload.name in ROWS:
            return protocol_json(INFER, workload, scaled=True)
        return protocol(workload)

    return Server(f"triton-{layout}", about, "triton", launch, request, workloads)


SERVERS_BY_NAME = {
    server.name: server
    for server in (
        floor(),
        direct(),
        hotstage(sandboxed=False),
        hotstage(sandboxed=True),
        triton("model", "the graph alone, in a Python model; rows come scaled", ("tabular", "image", "batch")),
        triton("single", "all steps in one Python model"),
        triton("ensemble", "a Python model per step"),
        fastapi(),
        mlserver(in_process=False),
        mlserver(in_process=True),
        bentoml(),
    )
}
