"""One virtual environment per peer with its pinned requirements, and the files that must be assembled in it.

An environment is made again when its requirements change. Triton's Python backend embeds the interpreter's shared
library, which a distribution's Python provides; `PYTHON` selects another interpreter.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from places import CODE, HOME, MODELS, SERVERS, packages, python

SYSTEM = Path("/usr/bin/python3")


def interpreter() -> str:
    return os.environ.get("PYTHON") or (str(SYSTEM) if SYSTEM.exists() else sys.executable)


def prepare(name: str) -> None:
    wanted = SERVERS / name / "requirements.txt"
    folder = HOME / "venvs" / name
    # Written last: an interrupted installation leaves none and is repeated.
    stamp = folder / "installed.txt"
    if stamp.exists() and stamp.read_bytes() == wanted.read_bytes():
        return
    print(f"==> installing {name}", file=sys.stderr)
    subprocess.run([interpreter(), "-m", "venv", "--clear", folder], check=True)
    pip = [python(name), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", wanted], check=True)
    shutil.copy(wanted, stamp)


def make_models() -> None:
    """Makes the ONNX files, bodies and expected answers; seeded, so that every run makes the same."""
    script = CODE / "models.py"
    stamp = MODELS / "made-by.py"
    if not stamp.exists() or stamp.read_bytes() != script.read_bytes():
        print("==> making the models", file=sys.stderr)
        environment = {**os.environ, "PYTHONPATH": str(SERVERS / "common"), "PEERS_MODELS": str(MODELS)}
        subprocess.run([python("direct"), script], check=True, env=environment)
        shutil.copy(script, stamp)


def make_triton() -> Path:
    """Assembles Triton's backend folder: the wheel has the Python backend in parts, with a stub per Python version."""
    wheel = packages("triton") / "pytriton/tritonserver"
    folder = HOME / "triton/backends/python"
    folder.mkdir(parents=True, exist_ok=True)
    version = packages("triton").parent.name.removeprefix("python")
    for part in (
        "backends/python/libtriton_python.so",
        "backends/python/triton_python_backend_utils.py",
        f"python_backend_stubs/{version}/triton_python_backend_stub",
    ):
        target = folder / Path(part).name
        if not target.exists():
            shutil.copy(wheel / part, target)
    return folder.parent


def versions(name: str) -> dict[str, str]:
    """The installed versions of the required packages."""
    lines = (SERVERS / name / "requirements.txt").read_text().splitlines()
    names = [line.split("=")[0].split("<")[0].split("[")[0] for line in lines if line and line[0] != "#"]
    code = "import sys; from importlib.metadata import version; [print(version(name)) for name in sys.argv[1:]]"
    found = subprocess.run([python(name), "-c", code, *names], capture_output=True, text=True, check=True)
    return dict(zip(names, found.stdout.split()))
