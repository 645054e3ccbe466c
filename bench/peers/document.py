"""The run as a page: the machine, the tables, the picture, and how to read them."""

import os
import platform
import subprocess
import time
from pathlib import Path

from environments import versions
from places import DOCUMENTS, HOTSTAGE, wrk
from plot import svg
from registry import SERVERS_BY_NAME
from table import tables

READING = """\
How to read it:

- Each figure is the median of the rounds, with the lowest and the highest. Every round measures each server once, newly
  started, so that disturbances by other processes affect all of them. **To Hotstage** is the ratio of requests/s; `≈`
  means that the ranges overlap, so neither server counts as faster. A ratio in parentheses comes from a single round
  and is unreliable. Compare rows of one table only.
- The load is `wrk`, one thread on the same cores, each connection with one request in flight. p50 and p99 follow from
  connections and requests/s.
- CPU is that of all the server's processes, in user space and in the kernel; a busy machine disturbs this figure least.
  Memory is PSS under load: a shared page counts once. Start is from the process's start to the first right answer, with
  warm caches (compiled code, Python's bytecode).
- Before and after its load every server gets one request and must return the right label and score. Responses other
  than 2xx and broken connections are counted and printed in the row; the exit code is then 1.
- One worker process per server and one thread per call of ONNX Runtime; in `image` and `jpeg` as many workers or
  instances as cores (FastAPI: its thread pool), since one would leave a core idle. No server logs its requests.
- MLServer and BentoML take tensors as JSON only, so their `image` rows include parsing 1.6 MB of text.
- Triton is the server in NVIDIA's wheel, whose only backend is Python; its ONNX backend comes in a container image only
  and is not measured here.
"""


def machine() -> dict:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "memory": f"{gibibytes:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {' '.join(platform.libc_ver())}",
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "date": time.strftime("%Y-%m-%d %H:%M %Z"),
    }


def all_versions(names: list[str]) -> dict[str, dict[str, str]]:
    found = {"wrk": {"wrk": first_line([wrk(), "--version"]).split(" ")[1]}}
    for venv in dict.fromkeys(SERVERS_BY_NAME[name].venv for name in names):
        if venv:
            found[venv] = versions(venv)
    if any(name.startswith("hotstage") for name in names):
        found["hotstage"] = {"hotstage": first_line([HOTSTAGE, "--version"]).split(" ")[1]}
    return found


def first_line(command) -> str:
    # wrk prints its version and exits with 1.
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().splitlines()[0]


def page(run: dict) -> str:
    listed = "\n".join(f"- {key}: {value}" for key, value in run["machine"].items())
    servers = "\n".join(
        f"- `{name}`: {server.about}" for name, server in SERVERS_BY_NAME.items()
        if any(record["server"] == name for record in run["records"])
    )
    pins = "\n".join(
        f"- {name}: {', '.join(f'{package} {version}' for package, version in found.items())}"
        for name, found in run["versions"].items()
    )
    unmeasured = {(record["server"], record["workload"]) for record in run["records"] if "error" in record}
    failed = [f"{server} could not be measured in {workload}" for server, workload in sorted(unmeasured)]
    notes = "".join(f"- {note}\n" for note in [*run["notes"], *failed])
    return (
        "# Beside other servers\n\n"
        "Hotstage and other model servers with the same pipeline, on the same ONNX file, the same rows and the same "
        f"machine.\n\n```\n{run['command']}\n```\n\n![Requests per second and CPU time](peers.svg)\n\n"
        f"{tables(run['records'])}\n\n{READING}\n## The servers\n\n{servers}\n\n"
        f"## The run\n\n{listed}\n{notes}\n## Versions\n\n{pins}\n"
    )


def write(run: dict) -> None:
    DOCUMENTS.mkdir(parents=True, exist_ok=True)
    (DOCUMENTS / "peers.md").write_text(page(run))
    (DOCUMENTS / "peers.svg").write_text(svg(run["records"]))
