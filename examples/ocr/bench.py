"""Measure pages per second of a running server and of the Python package behind FastAPI, alternately.

    python bench.py http://127.0.0.1:8000

This script starts the package in one uvicorn process, once with its default number of threads and once with one thread
per network. It uses the same ONNX Runtime as the server if the server was started with that library (`--onnxruntime`).
While one is measured, the others idle. Each round sends every page once, from `--concurrency` callers. With `--pid` (the
server's process id) it also prints the CPU time per page, which is more meaningful on a busy machine.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pages import pages


def ask(url, page):
    begin = time.perf_counter()
    request = urllib.request.Request(url, page, {"content-type": "application/octet-stream"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        answer.read()
    return time.perf_counter() - begin


def worked(pid):
    """The CPU seconds of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serve(threads):
    """Starts the package's server and returns its address and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "peer:app", "--port", str(port), "--log-level", "error"]
    process = subprocess.Popen(command, cwd=Path(__file__).parent, env=os.environ | {"THREADS": str(threads)})
    for _ in range(300):
        time.sleep(0.1)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return f"http://127.0.0.1:{port}/", process
    process.kill()
    raise SystemExit("the package's server did not start")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", nargs="?", default="http://127.0.0.1:8000")
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pid", type=int)
    options = parser.parse_args()
    files = [page for _, page in pages()]
    subjects = {"hotstage": f"{options.server}/v2/models/ocr/infer"}
    processes, pids = [], {"hotstage": options.pid} if options.pid else {}
    for name, threads in [("package, its own threads", -1), ("package, 1 thread a network", 1)]:
        subjects[name], process = serve(threads)
        processes.append(process)
        pids[name] = process.pid
    try:
        seconds, waits, work = ({name: [] for name in subjects} for _ in range(3))
        with ThreadPoolExecutor(options.concurrency) as callers:
            for number in range(options.rounds + 1):
                for name, url in subjects.items():
                    begin, had = time.perf_counter(), worked(pids[name]) if name in pids else 0.0
                    round_waits = list(callers.map(lambda page: ask(url, page), files))
                    if number:  # the first round is a warm-up
                        seconds[name].append(time.perf_counter() - begin)
                        waits[name] += round_waits
                        work[name].append((worked(pids[name]) - had) / len(files) if name in pids else float("nan"))
    finally:
        for process in processes:
            process.terminate()
    rates = {name: len(files) / statistics.median(took) for name, took in seconds.items()}
    rounds, cores = options.rounds, os.cpu_count()
    print(f"{len(files)} pages, {options.concurrency} callers, median of {rounds} rounds, {cores} cores")
    for name, rate in rates.items():
        spent = statistics.median(work[name])
        print(f"{name:28}{rate:6.2f} pages/s, {rates['hotstage'] / rate:.2f} times that by hotstage;"
              f" median wait {statistics.median(waits[name]):.2f} s; {spent:.2f} s of processors a page,"
              f" {spent / statistics.median(work['hotstage']):.2f} times those of hotstage")  # fmt: skip


if __name__ == "__main__":
    main()
