"""Measures one server on one workload: starts it, checks an answer, runs the load, and stops it."""

import json
import time
from dataclasses import dataclass
from http.client import HTTPException

import load
from load import Failed
from places import LOGS, free_ports
from process import Process, Weight
from server import Server
from workloads import Request, Workload, expected, wrong


@dataclass(frozen=True)
class Effort:
    seconds: float
    warm_up: float


def measure(server: Server, workload: Workload, effort: Effort | None) -> dict:
    """The results; without an effort, only whether it starts and gives the right answer."""
    record = {"server": server.name, "workload": workload.name}
    ports = free_ports(3)
    # Done before the start, because the start is timed.
    request = server.request(workload)
    LOGS.mkdir(parents=True, exist_ok=True)
    with open(LOGS / f"{server.name}-{workload.name}.log", "w") as log:
        launch = server.launch(workload, ports)
        try:
            process = Process(launch.command, launch.environment, launch.folder, log, piped=server.is_loop)
        except OSError as error:
            return record | {"error": f"can't start {launch.command[0]}: {error.strerror}"}
        try:
            if server.is_loop:
                return record | loop(process, workload, effort)
            return record | serve(process, request, ports[0], workload, effort)
        except (Failed, OSError, HTTPException, ValueError) as error:
            return record | {"error": f"{error} (log: {log.name})"}
        finally:
            process.stop()


def serve(process: Process, request: Request, port: int, workload: Workload, effort: Effort | None) -> dict:
    started = load.first_answer(process, port, request, workload)
    about = {"form": request.form, "bytes": len(request.body), "start": started}
    if effort is None:
        return about
    if effort.warm_up:
        load.run(port, request, workload.connections, effort.warm_up)
    with Weight(process) as weight:
        counted = load.run(port, request, workload.connections, effort.seconds)
    load.another_answer(port, request, workload)
    return about | counted | weigh(weight, counted["requests"])


def loop(process: Process, workload: Workload, effort: Effort | None) -> dict:
    first = json.loads(process.child.stdout.readline() or "{}")
    started = time.monotonic() - process.began
    complaint = wrong(workload, first, expected(workload))
    if complaint:
        raise Failed(f"a wrong answer: {complaint}")
    about = {"form": "none", "bytes": 0, "start": started}
    if effort is None:
        return about
    if effort.warm_up:
        work(process, effort.warm_up)
    with Weight(process) as weight:
        counted = work(process, effort.seconds)
    return about | counted | weigh(weight, counted["requests"])


def work(process: Process, seconds: float) -> dict:
    process.child.stdin.write(f"{seconds}\n")
    process.child.stdin.flush()
    return json.loads(process.child.stdout.readline())


def weigh(weight: Weight, requests: int) -> dict:
    return {"cpu": weight.cpu * 1000 / max(requests, 1), "memory": weight.memory}
