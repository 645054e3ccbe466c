"""Search this project's own documents by meaning, with the pipeline `search`.

    python search.py [--server http://127.0.0.1:8000] QUESTION…

Splits the documents into paragraphs, requests their embeddings in batches, and prints for each question the paragraphs
with the most similar embeddings. Needs Python's standard library and numpy.
"""

import argparse
import json
import sys
import textwrap
import time
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BATCH = 16
SHOWN = 3
# Shorter ones are headings and labels.
CHARACTERS_MIN = 60


class Paragraph(NamedTuple):
    place: str
    text: str


def paragraphs(path: Path) -> list[Paragraph]:
    """The prose of a Markdown file, without code, tables and headings."""
    found, lines, start, code = [], [], 1, False
    for number, line in enumerate([*path.read_text().splitlines(), ""], 1):
        code ^= line.startswith("```")
        if not code and line and not line.startswith(("|", "#", "```")):
            start = start if lines else number
            lines.append(line.strip())
            continue
        text = " ".join(lines)
        if len(text) >= CHARACTERS_MIN:
            found.append(Paragraph(f"{path.relative_to(ROOT)}:{start}", text))
        lines = []
    return found


def embed(server: str, texts: list[str]) -> np.ndarray:
    """One row for each text."""
    body = {"inputs": [{"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}]}
    request = Request(
        f"{server}/v2/models/search/infer", json.dumps(body).encode(), {"content-type": "application/json"})
    with urlopen(request) as answer:
        (output,) = json.load(answer)["outputs"]
    return np.array(output["data"], np.float32).reshape(output["shape"])


def index(server: str, corpus: list[Paragraph]) -> np.ndarray:
    """The embeddings of all paragraphs."""
    # A batch is padded to its longest row, so texts of similar length are batched together.
    order = sorted(range(len(corpus)), key=lambda number: len(corpus[number].text))
    rows = [None] * len(corpus)
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        for number, row in zip(batch, embed(server, [corpus[number].text for number in batch])):
            rows[number] = row
    return np.stack(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Search this project's own documents by meaning.")
    parser.add_argument("--server", default="http://127.0.0.1:8000")
    parser.add_argument("question", nargs="+")
    given = parser.parse_args()
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    corpus = [paragraph for path in documents for paragraph in paragraphs(path)]
    begun = time.perf_counter()
    embeddings = index(given.server, corpus)
    taken = time.perf_counter() - begun
    print(f"{len(corpus)} paragraphs of {len(documents)} documents embedded in {taken:.1f} s")
    for question, row in zip(given.question, embed(given.server, given.question)):
        print(f"\n{question}")
        # Both have length 1, so this is their cosine.
        cosines = embeddings @ row
        for number in np.argsort(-cosines)[:SHOWN]:
            place, text = corpus[number]
            print(f"  {cosines[number]:.3f}  {place}")
            print(textwrap.fill(textwrap.shorten(text, 220, placeholder=" …"), 110, initial_indent=" " * 9,
                                subsequent_indent=" " * 9))


if __name__ == "__main__":
    try:
        main()
    except HTTPError as error:
        sys.exit(f"{error.url} answered {error.code}: {error.read().decode(errors='replace')}")
    except URLError as error:
        sys.exit(f"no answer: {error.reason}")
