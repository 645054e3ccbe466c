"""The outcome of a vector: sends its requests, compares the answers, and classifies differences."""

import dataclasses
import json
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import threading

import numpy as np
import onnx
import wire
from onnx import numpy_helper
from server import Client, Gone, Refused
from vectors import Vector

# In the order of the report's columns.
PASSED = "passed"
NO_TENSOR = "not a tensor"
UNSUPPORTED = "unsupported"
# Refused at load, though the engine's own package gives the expected answer.
REFUSED_HERE = "refused here"
REFUSED = "refused at call"
DIFFERS = "engine differs"
WRONG = "wrong"
FAILED = "failed"
GONE = "crashed or hung"
CATEGORIES = [PASSED, NO_TENSOR, UNSUPPORTED, REFUSED_HERE, REFUSED, DIFFERS, WRONG, FAILED, GONE]


@dataclasses.dataclass
class Outcome:
    """The outcome of one vector."""

    category: str
    reason: str = ""
    # The last data set, and the answer to it.
    data_set: int = 0
    got: list[np.ndarray] | None = None


def ask(client: Client, vector: Vector, stage: dict) -> Outcome:
    """Serves the vector's graph and compares the answers to all of its data sets."""
    client.begin()
    try:
        client.apply(vector.pipeline, vector.model.SerializeToString(), stage)
    except Refused as refused:
        return _not_served(vector, refused)
    if vector.not_a_tensor:
        return Outcome(WRONG, f"it is served, though {vector.not_a_tensor}")
    for number, (inputs, expected) in enumerate(vector.data):
        try:
            answer = client.infer(vector.pipeline, vector.input_names(len(inputs)), inputs)
        except Refused as refused:
            category = REFUSED if refused.status < 500 else FAILED
            return Outcome(category, f"{refused.status}: {_line(refused.message)}", number)
        names = [output.name for output in vector.model.graph.output][: len(expected)]
        missing = [name for name in names if name not in answer]
        if missing:
            return Outcome(WRONG, f"there is no output `{missing[0]}` in the answer", number)
        got = [answer[name] for name in names]
        wrong = compare(vector, expected, got)
        if wrong:
            return Outcome(WRONG, wrong, number, got)
    return Outcome(PASSED)


def compare(vector: Vector, expected: list, got: list) -> str | None:
    """The first output that differs from the expected one, and the difference."""
    for output, want, have in zip(vector.model.graph.output, expected, got, strict=False):
        wrong = wire.difference(want, have, vector.rtol, vector.atol, vector.is_drawn)
        if wrong:
            return f"output `{output.name}`: {wrong}"
    return None


def _not_served(vector: Vector, refused: Refused) -> Outcome:
    if refused.status >= 500:
        return Outcome(FAILED, f"{refused.status} when it is applied: {_line(refused.message)}")
    # Without the position in the manifest, which is the same for all.
    reason = re.sub(r"^\S+ \S+ (file )?`model`: ", "", _line(refused.message))
    return Outcome(NO_TENSOR if vector.not_a_tensor else UNSUPPORTED, reason)


def _line(message: str) -> str:
    return " ".join(message.split())


def drive(server, first: str, vectors: list[Vector], stage: dict, jobs: int) -> dict[str, Outcome]:
    """Runs all vectors, `jobs` at once. Vectors in progress when the server ends are run again, one at a time."""
    outcomes: dict[str, Outcome] = {}
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for vector in vectors:
        waiting.put(vector)
    suspects: list[Vector] = []
    server.start(first)

    def work() -> None:
        client = Client(server)
        while True:
            try:
                vector = waiting.get_nowait()
            except queue.Empty:
                return client.close()
            process = server.process
            try:
                outcomes[vector.pipeline] = ask(client, vector, stage)
            except Gone:
                client.close()
                suspects.append(vector)
                with server.lock:
                    if server.process is process:
                        server.start(first)

    threads = [threading.Thread(target=work) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for vector in suspects:
        client = Client(server)
        try:
            outcomes[vector.pipeline] = ask(client, vector, stage)
        except Gone as gone:
            outcomes[vector.pipeline] = Outcome(GONE, str(gone))
            server.start(first)
        client.close()
    return outcomes


def judge(engine: str, vectors: list[Vector], outcomes: dict[str, Outcome], place: pathlib.Path) -> None:
    """Distinguishes the engine's limits from ours, by running its own package on the same vectors."""
    shutil.rmtree(place, ignore_errors=True)
    doubtful = (UNSUPPORTED, REFUSED, WRONG, FAILED)
    asked = [vector for vector in vectors if outcomes[vector.pipeline].category in doubtful]
    reference = None
    for vector in asked:
        outcome = outcomes[vector.pipeline]
        folder = place / vector.pipeline
        _write(vector, outcome, folder)
        if reference is None or reference.poll() is not None:
            command = [sys.executable, str(pathlib.Path(__file__).with_name("reference.py")), engine]
            reference = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        reference.stdin.write(f"{folder}\n")
        reference.stdin.flush()
        patience = threading.Timer(60, reference.kill)
        patience.start()
        said = reference.stdout.readline()
        patience.cancel()
        error = json.loads(said).get("error") if said else "it ended"
        _weigh(vector, outcome, folder, error)
    if reference:
        reference.stdin.close()
        reference.wait()


def _weigh(vector: Vector, outcome: Outcome, folder: pathlib.Path, error: str | None) -> None:
    expected = vector.data[outcome.data_set][1]
    if error:
        if outcome.category in (REFUSED, FAILED):
            outcome.reason += "; the engine's own package fails as well"
        return
    own = [
        numpy_helper.to_array(onnx.TensorProto.FromString((folder / f"reference_{index}.pb").read_bytes()))
        for index in range(len(expected))
    ]
    is_right = compare(vector, expected, own) is None
    if outcome.category == WRONG and outcome.got is not None and compare(vector, own, outcome.got) is None:
        outcome.category = DIFFERS
    elif outcome.category == UNSUPPORTED and is_right:
        outcome.category = REFUSED_HERE
    elif outcome.category in (REFUSED, FAILED):
        outcome.reason += f"; the engine's own package answers {'as expected' if is_right else 'something else'}"


def _write(vector: Vector, outcome: Outcome, folder: pathlib.Path) -> None:
    folder.mkdir(parents=True)
    inputs, expected = vector.data[outcome.data_set]
    (folder / "model.onnx").write_bytes(vector.model.SerializeToString())
    (folder / "inputs.json").write_text(json.dumps(vector.input_names(len(inputs))))
    for side, arrays in (("input", inputs), ("output", expected), ("got", outcome.got or [])):
        for index, array in enumerate(arrays):
            proto = numpy_helper.from_array(np.asarray(array))
            (folder / f"{side}_{index}.pb").write_bytes(proto.SerializeToString())
