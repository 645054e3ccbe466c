"""Classify hundreds of files with a running server, and compare each answer with that of the official package.

    python compare.py http://127.0.0.1:8000 [FOLDER…]

Takes files of all kinds from the folders (default: /usr/share, /usr/lib, this repository and Python's packages), at
most --each per extension, in a seeded order. Adds generated files: archives, pictures, tables, tiny files, empty files,
white space. The server and the package classify each file twice: alone (here as a raw body), and in a batch (here as an
element of a tensor). Prints the agreement for each type; exits with 1 if a label differs, or a score differs by more
than 1e-4. For a short file the package gives one score alone and another in a batch (README.md explains why); in a
batch, either is accepted.
"""

import argparse
import json
import os
import random
import struct
import sys
import sysconfig
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Iterator, NamedTuple

from magika import Magika, MagikaResult

from made import made

REPOSITORY = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-4
# A batch ends at either bound.
BATCH_FILES = 32
BATCH_BYTES = 16 << 20
# For a larger file only both ends are sent; the answer is the same.
WHOLE_BYTES = 1 << 20
BLOCK = 4096


class Answer(NamedTuple):
    label: str
    score: float


def walk(folders: list[str], each: int, most: int, seed: int) -> Iterator[Path]:
    """Readable files in a random order, at most `each` with one extension and `most` in all."""
    paths = []
    for folder in folders:
        for place, names, files in os.walk(folder):
            names[:] = sorted(name for name in names if name not in ("target", ".git"))
            paths += [Path(place, name) for name in sorted(files)]
    random.Random(seed).shuffle(paths)
    had = Counter()
    for path in paths:
        extension = path.suffix.lower()
        if had[extension] >= (each if extension else 4 * each) or had.total() >= most:
            continue
        if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
            had[extension] += 1
            yield path


def sent(path: Path) -> bytes:
    """A file's bytes, or its ends."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE_BYTES:
            return file.read()
        first = file.read(BLOCK)
        file.seek(size - BLOCK)
        return first + file.read(BLOCK)


def made_in(folder: str) -> Iterator[Path]:
    """The generated files."""
    for name, content in made().items():
        path = Path(folder, name)
        path.write_bytes(content)
        yield path


def batches(paths: list[Path]) -> Iterator[list[Path]]:
    batch, size = [], 0
    for path in paths:
        length = min(path.stat().st_size, WHOLE_BYTES)
        if batch and (len(batch) == BATCH_FILES or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += length
    yield batch


def expected(results: list[MagikaResult]) -> list[Answer]:
    return [Answer(str(result.output.label), result.score) for result in results]


def ask(server: str, body: bytes, headers: dict[str, str]) -> list[Answer]:
    request = urllib.request.Request(f"{server.rstrip('/')}/v2/models/file-type/infer", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            outputs = {output["name"]: output["data"] for output in json.load(response)["outputs"]}
    except urllib.error.HTTPError as error:
        sys.exit(f"{server} answered {error.code}: {error.read().decode()}")
    except urllib.error.URLError as error:
        sys.exit(f"{server}: {error.reason}")
    return [Answer(*pair) for pair in zip(outputs["label"], outputs["score"], strict=True)]


def ask_batch(server: str, batch: list[Path]) -> list[Answer]:
    """All files in one binary tensor: a JSON header, then each file with its length before it."""
    contents = [sent(path) for path in batch]
    data = b"".join(struct.pack("<I", len(content)) + content for content in contents)
    header = json.dumps({
        "inputs": [{
            "name": "bytes", "datatype": "BYTES", "shape": [len(batch)], "parameters": {"binary_data_size": len(data)},
        }],
    }).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(header))}
    return ask(server, header + data, headers)


def ask_alone(server: str, path: Path) -> list[Answer]:
    """The file as a raw body."""
    return ask(server, sent(path), {"content-type": "application/octet-stream"})


class Way(NamedTuple):
    """One request form: for each file the accepted answers, and the server's answer."""
    name: str
    right: list[tuple[Answer, ...]]
    got: list[Answer]


def report(paths: list[Path], ways: list[Way]) -> bool:
    """Prints the differences and the agreement for each type; returns whether all agree."""
    rows = {}
    largest = 0.0
    for way, index in ((way, index) for index in range(len(paths)) for way in ways):
        right, got = way.right[index], way.got[index]
        difference = min(abs(got.score - answer.score) for answer in right)
        largest = max(largest, difference)
        agree = any(got.label == answer.label and abs(got.score - answer.score) <= TOLERANCE for answer in right)
        if not agree:
            print(f"{paths[index]}, {way.name}: expected {' or '.join(map(str, right))}, got {got}")
        row = rows.setdefault(ways[0].right[index][0].label, Counter())
        row[way.name] += agree
        row["files"] += way is ways[0]
    columns = ["files"] + [way.name for way in ways]
    rows = {"type": columns} | {label: [row[column] for column in columns] for label, row in sorted(rows.items())}
    for label, row in rows.items():
        print(f"{label:<16}" + "".join(f"{value:>10}" for value in row))
    del rows["type"]
    count, *agreed = (sum(column) for column in zip(*rows.values()))
    said = ", ".join(f"{number} agree {way.name}" for number, way in zip(agreed, ways))
    print(f"{len(rows)} types, {count} files: {said}; largest difference of a score: {largest:.1e}")
    return all(number == count for number in agreed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("server", nargs="?", default="http://127.0.0.1:8000")
    parser.add_argument("folders", nargs="*", metavar="FOLDER", default=[
        "/usr/share", "/usr/lib", str(REPOSITORY), sysconfig.get_paths()["purelib"],
    ])
    parser.add_argument("--each", type=int, default=5, help="maximum files per extension (default: 5)")
    parser.add_argument("--most", type=int, default=1200, help="maximum files from the folders (default: 1200)")
    parser.add_argument("--seed", type=int, default=1, help="seed for the selection of files (default: 1)")
    arguments = parser.parse_args()

    with TemporaryDirectory() as folder:
        paths = list(walk(arguments.folders, arguments.each, arguments.most, arguments.seed)) + list(made_in(folder))
        random.Random(arguments.seed).shuffle(paths)
        print(f"asking about {len(paths)} files", file=sys.stderr)
        magika = Magika()
        groups = list(batches(paths))
        by_itself = [answer for path in paths for answer in expected([magika.identify_path(path)])]
        together = [answer for group in groups for answer in expected(magika.identify_paths(group))]
        alone = Way("alone", [(answer,) for answer in by_itself], [])
        batch = Way("in batch", list(zip(together, by_itself, strict=True)), [])
        for path in paths:
            alone.got.extend(ask_alone(arguments.server, path))
        for group in groups:
            batch.got.extend(ask_batch(arguments.server, group))
        sys.exit(not report(paths, [alone, batch]))


if __name__ == "__main__":
    main()
