"""Code that the client scripts share: the server's address, the example's rows, and a runner of checks.

`tests/all/clients.rs` runs each script as `python SCRIPT HOST:PORT EXAMPLE`; a script prints one line per check.
"""

import csv
import pathlib
import sys
import traceback

import numpy as np

SERVER, EXAMPLE = sys.argv[1], pathlib.Path(sys.argv[2])


def held_out() -> tuple[np.ndarray, np.ndarray]:
    """The features of the held-out rows, and their true labels."""
    with (EXAMPLE / "held-out.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return np.array([row[:-1] for row in rows], dtype=np.float32), np.array([row[-1] for row in rows])


def scores() -> np.ndarray:
    """The training framework's scores of the same rows."""
    with (EXAMPLE / "scores-v1.csv").open(newline="") as file:
        return np.array([row[0] for row in list(csv.reader(file))[1:]], dtype=np.float64)


def run(*checks) -> None:
    """Runs all checks, prints the result of each, and fails if one fails."""
    failed = 0
    for check in checks:
        try:
            check()
            print(f"ok {check.__name__}")
        except Exception:
            failed += 1
            print(f"FAILED {check.__name__}\n{traceback.format_exc()}")
    sys.exit(failed > 0)
