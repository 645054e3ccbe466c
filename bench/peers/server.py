"""The description of a server: how it is started, its requests and its workloads."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from places import SCRATCH
from workloads import Request, Workload

EVERYTHING = ("tabular", "image", "jpeg", "batch")


@dataclass(frozen=True)
class Launch:
    """A command line; the server listens on the first of the ports."""

    command: list
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = SCRATCH


@dataclass(frozen=True)
class Server:
    name: str
    about: str
    # Environment with its packages; `None` for programs that the project builds.
    venv: str | None
    launch: Callable[[Workload, list[int]], Launch]
    request: Callable[[Workload], Request]
    workloads: tuple[str, ...] = EVERYTHING
    # The reason why it can't be measured, or `None`.
    missing: Callable[[Workload], str | None] = lambda workload: None
    # Not a server: a loop that is controlled over its stdin.
    is_loop: bool = False
