"""ONNX Runtime called directly: no server and no codec, one thread per core runs all steps in a loop.

Each line on stdin is a number of seconds: the loop runs that long and prints its results as a line of JSON. The first
line that it prints is its first answer.
"""

import json
import os
import sys
import threading
import time

import numpy
import steps

from figures import percentile


def main() -> None:
    pipeline, given = steps.make(), read(steps.WORKLOAD)
    say(steps.to_lists(steps.run(pipeline, given)))
    for line in sys.stdin:
        took: list[float] = []
        start = time.perf_counter()
        end = start + float(line)
        threads = [threading.Thread(target=work, args=(pipeline, given, end, took)) for _ in range(os.cpu_count() or 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        per_second = len(took) / (time.perf_counter() - start)
        p50, p99 = (percentile(took, percent) * 1e3 for percent in (50, 99))
        say({"requests": len(took), "per_second": per_second, "p50": p50, "p99": p99, "failed": 0})


def read(workload: str):
    if workload == "jpeg":
        return (steps.MODELS / "photograph.jpg").read_bytes()
    return numpy.frombuffer((steps.MODELS / "image.f32").read_bytes(), "<f4").reshape(1, 3, steps.SIDE, steps.SIDE)


def work(pipeline, given, end: float, took: list[float]) -> None:
    now = time.perf_counter()
    while now < end:
        steps.run(pipeline, given)
        now, began = time.perf_counter(), now
        took.append(now - began)


def say(value: dict) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
