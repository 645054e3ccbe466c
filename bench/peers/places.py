"""Paths: the code here, the builds, and all generated files in `target/peers`."""

import os
import shutil
import socket
from pathlib import Path

CODE = Path(__file__).resolve().parent
ROOT = CODE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
HOME = TARGET / "peers"
SERVERS = CODE / "servers"
EXAMPLE = ROOT / "examples/tumor"
DOCUMENTS = ROOT / "docs/bench"

MODELS = HOME / "models"
PIPELINES = HOME / "pipelines"
RESULTS = HOME / "results"
LOGS = HOME / "logs"
SCRATCH = HOME / "scratch"

# Set by `cargo xtask bench peers`; else where a build leaves them.
HOTSTAGE = Path(os.environ.get("HOTSTAGE_BIN") or TARGET / "release/hotstage")
COMPONENTS = Path(os.environ.get("HOTSTAGE_COMPONENTS") or TARGET / "components")
# Whether the distribution of `cargo xtask dist` is measured.
IS_DIST = HOTSTAGE.parent.name == "dist"
FLOOR = Path(os.environ.get("HOTSTAGE_BENCH") or TARGET / "release/hotstage-bench")


def python(environment: str) -> Path:
    return HOME / "venvs" / environment / "bin/python"


def packages(environment: str) -> Path:
    """The folder of an environment's packages."""
    return next((HOME / "venvs" / environment / "lib").glob("python3*/site-packages"))


def onnxruntime() -> Path:
    """The shared library that Hotstage loads: that of ONNX Runtime's Python package."""
    return next((packages("direct") / "onnxruntime/capi").glob("libonnxruntime.so.*"))


def wrk() -> str:
    found = shutil.which("wrk")
    if not found:
        raise SystemExit("error: wrk, the load generator, is missing; Debian and Ubuntu: apt-get install wrk")
    return found


def free_ports(count: int) -> list[int]:
    """Ports that are free now. Not every server accepts port 0 for all its ports."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
