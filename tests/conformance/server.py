"""A server under test: starts it, sends requests, and restarts it after a vector ended it."""

import hashlib
import http.client
import json
import pathlib
import re
import shutil
import subprocess
import threading
import time

import numpy as np
import wire

# Includes compiling the component, on threads with the lowest priority.
START_SECONDS_MAX = 600
# For one vector, from its upload to its last answer.
VECTOR_SECONDS_MAX = 20


class Gone(Exception):
    """The server ended, or did not answer in time."""


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status, self.message = status, message


class Server:
    """One process at a time, on a state directory that keeps compiled code across restarts."""

    def __init__(self, program: str, components: str, place: pathlib.Path, environment: dict[str, str]):
        self.program, self.components, self.environment = program, components, environment
        self.state, self.log = place / "state", place / "server.log"
        place.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        self.process = None
        self.lock = threading.Lock()
        self.http = self.admin = self.token = ""

    def start(self, first: str) -> None:
        """Starts it with one manifest, so that its component is compiled before the first vector."""
        self.stop()
        for left in self.state.glob("*"):
            if left.name not in ("cache", "cache.key", "hotstage.json"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        command = [self.program, "serve", "--stop-grace", "0", "-f", first, "--state", str(self.state), "--components", self.components]
        command += ["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=self.environment)
        waiting = threading.Timer(START_SECONDS_MAX, self.process.kill)
        waiting.start()
        ready = self.process.stdout.readline().decode()
        waiting.cancel()
        places = re.findall(r"http://(\S+)", ready)
        if len(places) != 2:
            raise SystemExit(f"the server did not become ready; {self.log} says why")
        self.http, self.admin = (place.rstrip(";,") for place in places)
        self.token = (self.state / "admin-token").read_text().strip()

    def stop(self) -> None:
        """Kills it."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def is_running(self) -> bool:
        """Whether the process is running."""
        return self.process is not None and self.process.poll() is None

    def panics(self) -> list[str]:
        """The panics of its threads in the log, without those of guests, which are in the answers."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if "panicked at" in line and " guest: " not in line]


class Client:
    """One caller's connections to the server."""

    def __init__(self, server: Server):
        self.server = server
        self.connections: dict[str, http.client.HTTPConnection] = {}
        self.ends = 0.0

    def begin(self) -> None:
        """Starts a vector's time limit."""
        self.ends = time.monotonic() + VECTOR_SECONDS_MAX

    def apply(self, name: str, model: bytes, stage: dict) -> None:
        """Serves a graph as a pipeline of one stage."""
        digest = "sha256:" + hashlib.sha256(model).hexdigest()
        self._upload(digest, model)
        manifest = {
            "apiVersion": "hotstage.dev/v1",
            "kind": "Pipeline",
            "metadata": {"name": name, "version": "1"},
            "spec": {"stages": [stage]},
        }
        document = {"file": "vector.yaml", "text": json.dumps(manifest), "paths": {"./model.onnx": digest}}
        self._admin("POST", "/v1/apply", json.dumps({"documents": [document]}).encode())

    def infer(self, name: str, names: list[str], arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
        """The answer to a data set, keyed by output name."""
        body, head_bytes = wire.request(names, arrays)
        headers = {"inference-header-content-length": str(head_bytes), "content-type": "application/octet-stream"}
        reply, answer = self._ask(self.server.http, "POST", f"/v2/models/{name}/infer", body, headers)
        return wire.answer(answer, int(reply.getheader("inference-header-content-length") or len(answer)))

    def close(self) -> None:
        """Closes connections to an earlier server process."""
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()

    def _upload(self, digest: str, content: bytes) -> None:
        headers = {"upload-offset": "0", "upload-complete": "?1"}
        while True:
            try:
                return self._admin("PATCH", f"/v1/uploads/{digest}", content, headers)
            except Refused as refused:
                # Another vector uploads the same graph.
                if refused.status != 409:
                    raise
                time.sleep(0.05)

    def _admin(self, method: str, path: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        headers = {"authorization": f"Bearer {self.server.token}", "content-type": "application/json"} | (headers or {})
        self._ask(self.server.admin, method, path, body, headers)

    def _ask(self, place: str, method: str, path: str, body: bytes, headers: dict[str, str]):
        left = self.ends - time.monotonic()
        if left <= 0:
            raise Gone("took too long")
        connection = self.connections.setdefault(place, http.client.HTTPConnection(place))
        connection.timeout = left
        if connection.sock:
            connection.sock.settimeout(left)
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            answer = reply.read()
        except TimeoutError as error:
            self.close()
            raise Gone(f"hung: no answer to {method} {path} within {VECTOR_SECONDS_MAX} s") from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Gone(f"crashed: {type(error).__name__} during {method} {path}") from error
        if reply.status != 200:
            raise Refused(reply.status, _message(answer))
        return reply, answer


def _message(answer: bytes) -> str:
    text = answer.decode(errors="replace")
    try:
        return str(json.loads(text).get("error", text))
    except ValueError:
        return text
