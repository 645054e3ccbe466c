"""Send all held-out rows to a running server in one request, with Python's standard library only.

    python3 client.py http://127.0.0.1:8000

Exits with 1 if fewer than 96 % of the rows are classified correctly.
"""

import csv
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path


def held_out() -> tuple[list[list[float]], list[str]]:
    """The measurements of each held-out row in raw units, and its true diagnosis."""
    with (Path(__file__).parent / "held-out.csv").open(newline="") as file:
        _header, *rows = csv.reader(file)
    return [[float(value) for value in row[:-1]] for row in rows], [row[-1] for row in rows]


def main(server: str) -> None:
    rows, truth = held_out()
    body = {"inputs": [{
        "name": "features",
        "datatype": "FP32",
        "shape": [len(rows), len(rows[0])],
        "data": [value for row in rows for value in row],
    }]}
    request = urllib.request.Request(
        f"{server.rstrip('/')}/v2/models/tumor/infer",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            outputs = {output["name"]: output["data"] for output in json.load(response)["outputs"]}
    except urllib.error.HTTPError as error:
        sys.exit(f"{server} answered {error.code}: {error.read().decode()}")
    except urllib.error.URLError as error:
        sys.exit(f"{server}: {error.reason}")

    print(f"{'row':>3}  {'diagnosis':<9}  {'answer':<9}  score")
    for row, (said, label, score) in enumerate(zip(truth, outputs["label"], outputs["score"], strict=True), 1):
        if row <= 8:
            print(f"{row:>3}  {said:<9}  {label:<9}  {score:.6f}")
    right = sum(said == label for said, label in zip(truth, outputs["label"]))
    print(f"{right} of {len(truth)} rows right: accuracy {right / len(truth):.4f}")
    sys.exit(right < 0.96 * len(truth))


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:8000"]))
