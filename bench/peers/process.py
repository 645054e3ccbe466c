"""A server's processes: starts them, measures them, and ends them with all their children."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
# Indexes of fields in /proc/PID/stat, counted from the state after the program's name.
PARENT, SESSION, USER, SYSTEM, STARTED = 1, 3, 11, 12, 19
PATIENCE = 15


def stat(pid: int) -> list[str] | None:
    try:
        # The program's name, in parentheses, may contain any character.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def family(root: int) -> dict[int, str]:
    """A process, its descendants and the rest of its session, each with its start time."""
    found = {int(entry): stat(int(entry)) for entry in os.listdir("/proc") if entry.isdigit()}
    alive = {pid: fields for pid, fields in found.items() if fields}
    members = {pid for pid, fields in alive.items() if pid == root or int(fields[SESSION]) == root}
    while True:
        more = {pid for pid, fields in alive.items() if int(fields[PARENT]) in members} - members
        if not more:
            return {pid: alive[pid][STARTED] for pid in members}
        members |= more


def lives(pid: int, began: str) -> bool:
    """Whether this is the process that started then, and not a later one with the same id."""
    fields = stat(pid)
    return fields is not None and fields[STARTED] == began and fields[0] != "Z"


def cpu_seconds(pids) -> float:
    """CPU seconds so far, in user space and in the kernel."""
    return sum(int(fields[USER]) + int(fields[SYSTEM]) for fields in map(stat, pids) if fields) / TICKS


def memory(pids) -> int:
    """Bytes in memory; a shared page counts once (PSS)."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024


class Process:
    """A server in its own session."""

    def __init__(self, command, environment, folder, log, piped: bool = False):
        folder.mkdir(parents=True, exist_ok=True)
        self.began = time.monotonic()
        pipe = subprocess.PIPE
        self.child = subprocess.Popen(
            [str(word) for word in command], cwd=folder, env={**os.environ, **environment}, stderr=log, text=True,
            stdin=pipe if piped else subprocess.DEVNULL, stdout=pipe if piped else log, start_new_session=True,
        )

    def pids(self) -> list[int]:
        return list(family(self.child.pid))

    def stop(self) -> None:
        """Sends SIGTERM, then SIGKILL to what remains."""
        started = family(self.child.pid)
        self.child.terminate()
        try:
            self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pass
        started |= family(self.child.pid)
        end = time.monotonic() + PATIENCE
        while (left := [pid for pid, began in started.items() if lives(pid, began)]) and time.monotonic() < end:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        self.child.wait(PATIENCE)


class Weight:
    """CPU time and peak memory of a server while the block runs."""

    def __init__(self, process: Process, every: float = 1.0):
        self.process, self.every = process, every
        self.cpu, self.memory = 0.0, 0
        self.ended = threading.Event()

    def __enter__(self):
        self.before = cpu_seconds(self.process.pids())
        self.watcher = threading.Thread(target=self.watch)
        self.watcher.start()
        return self

    def watch(self) -> None:
        while not self.ended.wait(self.every):
            self.memory = max(self.memory, memory(self.process.pids()))

    def __exit__(self, *_):
        pids = self.process.pids()
        self.cpu = cpu_seconds(pids) - self.before
        self.ended.set()
        self.watcher.join()
        self.memory = max(self.memory, memory(pids))
