"""Requests to a server: one, repeated until it answers, or as many as `wrk` can send over some connections."""

import http.client
import json
import os
import subprocess
import tempfile
import time

from places import CODE, wrk
from process import Process
from workloads import HEADER_LENGTH, Request, Workload, expected, read_answer, wrong

POLL = 0.005
# Hotstage compiles a component once, at the lowest priority: on a busy machine that takes minutes.
PATIENCE = 600


class Failed(Exception):
    """The reason why a server could not be measured."""


def ask(port: int, request: Request) -> tuple[int, bytes, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", request.path, request.body, request.headers)
        response = connection.getresponse()
        return response.status, response.read(), response.getheader(HEADER_LENGTH)
    finally:
        connection.close()


def first_answer(process: Process, port: int, request: Request, workload: Workload) -> float:
    """Seconds from the process's start to its first answer, which must be right. Earlier requests may fail."""
    last = "it never listened"
    while time.monotonic() - process.began < PATIENCE:
        if process.child.poll() is not None:
            raise Failed(f"the server ended with {process.child.returncode}; {last}")
        try:
            status, body, head_length = ask(port, request)
        except (OSError, http.client.HTTPException) as error:
            last = f"last failure: {error}"
        else:
            if status == 200:
                took = time.monotonic() - process.began
                check(workload, body, head_length)
                return took
            last = f"last answer: {status} {body[:300].decode(errors='replace')}"
        time.sleep(POLL)
    raise Failed(f"no answer in {PATIENCE} s; {last}")


def another_answer(port: int, request: Request, workload: Workload) -> None:
    """Sends one more request, whose answer must be right too."""
    status, body, head_length = ask(port, request)
    if status != 200:
        raise Failed(f"after the load it answered {status} {body[:300].decode(errors='replace')}")
    check(workload, body, head_length)


def check(workload: Workload, body: bytes, head_length: str | None) -> None:
    complaint = wrong(workload, read_answer(body, head_length), expected(workload))
    if complaint:
        raise Failed(f"a wrong answer: {complaint}")


def run(port: int, request: Request, connections: int, seconds: float) -> dict:
    """The results of wrk: one thread, each connection with one request in flight."""
    headers = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    with tempfile.NamedTemporaryFile() as body:
        body.write(request.body)
        body.flush()
        command = [wrk(), "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "30s", "-s", CODE / "post.lua"]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}{request.path}"], capture_output=True, text=True,
            env={**os.environ, "BODY": body.name, "HEADERS": headers},
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise Failed(f"wrk: {(done.stdout + done.stderr)[-300:].strip()}")
    return json.loads(lines[-1])
