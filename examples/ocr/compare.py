"""Reads the same pages with a running server and the Python package, and prints where they differ.

    python compare.py http://127.0.0.1:8000

A page agrees if both read the same lines in the same order: the same texts, corners at most 2 pixels apart, and scores
at most 0.005 apart (0.05 in a JPEG, because two decoders give pixel values that differ by one). Exits with 1 if a page
does not agree.
"""

import argparse
import json
import sys
import urllib.request

import numpy as np
from pages import pages
from rapidocr_onnxruntime import RapidOCR

SCORES_APART = {"PNG": 0.005, "JPEG": 0.05}
PIXELS_APART = 2.0


def ask(server, page):
    """The server's lines: (text, score, corners) for each."""
    headers = {"content-type": "application/octet-stream"}
    request = urllib.request.Request(f"{server}/v2/models/ocr/infer", page, headers)
    with urllib.request.urlopen(request) as answer:
        outputs = {output["name"]: output for output in json.load(answer)["outputs"]}
    boxes = np.reshape(outputs["box"]["data"], outputs["box"]["shape"])
    return list(zip(outputs["text"]["data"], outputs["score"]["data"], boxes))


def differences(ours, theirs, kind):
    """The differences in words, and the largest differences of scores and corners."""
    if [text for text, _, _ in ours] != [text for text, _, _ in theirs]:
        mine, other = [text for text, _, _ in ours], [text for text, _, _ in theirs]
        pairs = [(a, b) for a, b in zip(mine, other) if a != b][:3]
        return [f"{len(mine)} lines and {len(other)}: {pairs}"], 0.0, 0.0
    score = max((abs(a[1] - b[1]) for a, b in zip(ours, theirs)), default=0.0)
    place = max((float(np.abs(a[2] - b[2]).max()) for a, b in zip(ours, theirs)), default=0.0)
    found = [f"scores are {score:.4f} apart"] if score > SCORES_APART[kind] else []
    return found + ([f"corners are {place:.1f} pixels apart"] if place > PIXELS_APART else []), score, place


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", nargs="?", default="http://127.0.0.1:8000")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="each draws other pages")
    options = parser.parse_args()
    package = RapidOCR()
    rows = []
    print(f"{'page':24}{'kind':6}{'lines':>6}{'score apart':>13}{'pixels apart':>14}")
    for seed in options.seeds:
        for name, page in pages(seed):
            theirs = [(text, score, np.array(corners)) for corners, text, score in package(page)[0] or []]
            kind = "PNG" if page.startswith(b"\x89PNG") else "JPEG"
            wrong, score, place = differences(ask(options.server, page), theirs, kind)
            print(f"{name:24}{kind:6}{len(theirs):6}{score:13.5f}{place:14.1f}  {'; '.join(wrong)}")
            rows.append((len(theirs), bool(wrong), score, place))
    lines, wrong, score, place = (sum(row[0] for row in rows), sum(row[1] for row in rows), *np.max(rows, 0)[2:])
    print(f"{len(rows)} pages, {lines} lines: {len(rows) - wrong} pages agree; scores at most {score:.5f} apart, "
          f"corners at most {place:.1f} pixels")  # fmt: skip
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
