"""The run as a page: what it ran on, the tables, the picture, and what has to be known to read them."""

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

- Each figure is the median of the rounds, with the lowest and the highest. Servers take turns, each started anew in
  each round, so whatever else the machine does, it does to all. **To Hotstage** is the ratio of requests/s; `≈` stands
  where the ranges touch: then nothing is said. A ratio in parentheses is of one round, and says little. Compare rows
  of one table only.
- The load is `wrk`, one thread on the same cores, each connection with one request under way. p50 and p99 follow from
  connections and requests/s.
- CPU is that of all the server's processes, in user space and in the kernel, and the figure that a busy machine
  disturbs least. Memory is PSS under load: a page that processes share counts once. Start is from the process's start
  to the first right answer, with caches (compiled code, Python's bytecode) warm.
- Before and after its load every server is asked once and must say the right label and score; what is not 2xx and what
  broke off is counted, printed in the row, and ends the run with 1.
- One worker process per server and one thread per call of ONNX Runtime; in `image` and `jpeg` as many workers or
  instances as cores (FastAPI: its thread pool), since one would leave a core idle. No server logs its requests.
- MLServer and BentoML take tensors as JSON only, so their `image` rows hold the reading of 1.6 MB of text.
- Triton is its real server out of NVIDIA's wheel, whose only backend is Python; its own ONNX backend comes in a
  container image only and is not measured here.
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
    # wrk says its version and ends with 1.
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
        "Hotstage and what people serve the same pipeline with today, on the same ONNX file, the same rows, the same "
        f"machine, in turns.\n\n```\n{run['command']}\n```\n\n![Requests per second and CPU time](peers.svg)\n\n"
        f"{tables(run['records'])}\n\n{READING}\n## The servers\n\n{servers}\n\n"
        f"## The run\n\n{listed}\n{notes}\n## Versions\n\n{pins}\n"
    )


def write(run: dict) -> None:
    DOCUMENTS.mkdir(parents=True, exist_ok=True)
    (DOCUMENTS / "peers.md").write_text(page(run))
    (DOCUMENTS / "peers.svg").write_text(svg(run["records"]))
