"""What there is to know of a server: how it is started, what it is asked, which workloads it takes."""

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
    # Whose packages and versions; none for what the project builds.
    venv: str | None
    launch: Callable[[Workload, list[int]], Launch]
    request: Callable[[Workload], Request]
    workloads: tuple[str, ...] = EVERYTHING
    # Why it can't be measured, if so.
    missing: Callable[[Workload], str | None] = lambda workload: None
    # Not a server: asked over its stdin.
    is_loop: bool = False
