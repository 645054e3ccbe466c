"""Writes the pictures in `samples/` and, with Pillow and OpenCV, the expected results of the preprocessor.

    pip install -r requirements.txt && python make.py

Writes `expected.json` in this folder. The script generates the pictures, so they have the project's licence. Each case of
`expected.json` has a picture, settings, the reference's levels (hexadecimal, in the order of the output), and the allowed
difference in levels of 255.
"""

import io
import json
import pathlib
import struct
import zlib

import cv2
import numpy as np
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent
SAMPLES = HERE / "samples"
RNG = np.random.default_rng(7)
HEIGHT, WIDTH = 24, 20

PILLOW = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
OPENCV = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
    "box": cv2.INTER_AREA,
}


def smooth():
    """Gradients and a disc, similar to a photograph."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    disc = (rows - 9) ** 2 + (columns - 11) ** 2 < 36
    picture = np.stack([rows * 10, columns * 12, 255 - rows * 4 - columns * 5], axis=-1)
    picture[disc] = (200, 60, 30)
    return picture.astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_by_hand(depth, colour, rows, between=b""):
    """PNG forms that Pillow does not write: 16 bits in colour, and interlacing."""
    height, width = rows.shape[:2]
    interlaced = between == b"interlaced"
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    parts = [rows[y::dy, x::dx] for x, y, dx, dy in passes] if interlaced else [rows]
    data = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")


def saved(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def turned(number):
    exif = Image.Exif()
    exif[0x0112] = number
    return exif.tobytes()


def files():
    """Name -> bytes."""
    colour = smooth()
    noise = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    bars = (np.mgrid[0:HEIGHT, 0:WIDTH][1] // 2 % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=-1)
    alpha = (np.mgrid[0:HEIGHT, 0:WIDTH][1] * 13).astype(np.uint8)
    rgb, grey = Image.fromarray(colour), Image.fromarray(colour[..., 1])
    rgba = Image.fromarray(np.dstack([colour, alpha]))
    deep = colour.astype(">u2") * 257 + RNG.integers(0, 200, colour.shape).astype(">u2") % 100
    made = {
        "colour.png": saved(rgb, "PNG"),
        "noise.png": saved(Image.fromarray(noise), "PNG"),
        "bars.png": saved(Image.fromarray(bars), "PNG"),
        "grey.png": saved(grey, "PNG"),
        "grey-alpha.png": saved(Image.merge("LA", (grey, Image.fromarray(alpha))), "PNG"),
        "alpha.png": saved(rgba, "PNG"),
        "palette.png": saved(rgb.quantize(7), "PNG"),
        "palette-transparent.png": saved(rgb.quantize(7), "PNG", transparency=2),
        "one-bit.png": saved(grey.point(lambda level: 255 * (level > 99)).convert("1"), "PNG"),
        "sixteen.png": png_by_hand(16, 2, deep.astype(">u2")),
        "interlaced.png": png_by_hand(8, 2, colour, b"interlaced"),
        "baseline.jpg": saved(rgb, "JPEG", quality=90),
        "full.jpg": saved(rgb, "JPEG", quality=95, subsampling=0),
        "progressive.jpg": saved(rgb, "JPEG", quality=90, progressive=True),
        "grey.jpg": saved(grey, "JPEG", quality=90),
        "cmyk.jpg": saved(rgb.convert("CMYK"), "JPEG", quality=95),
        "restarts.jpg": saved(rgb, "JPEG", quality=90, restart_marker_blocks=1),
        "lossy.webp": saved(rgb, "WEBP", quality=90),
        "lossless.webp": saved(rgb, "WEBP", lossless=True),
        "alpha.webp": saved(rgba, "WEBP", lossless=True, exact=True),
        "animated.webp": saved(
            rgb, "WEBP", lossless=True, save_all=True, append_images=[Image.fromarray(noise)], duration=100
        ),
        "colour.bmp": saved(rgb, "BMP"),
        "grey.bmp": saved(grey, "BMP"),
        "palette.bmp": saved(rgb.quantize(7), "BMP"),
        "alpha.bmp": saved(rgba, "BMP"),
    }
    for number in range(1, 9):
        made[f"turned-{number}.jpg"] = saved(rgb, "JPEG", quality=95, subsampling=0, exif=turned(number))
    made["turned-6.png"] = saved(rgb, "PNG", exif=turned(6))
    made["turned-8.webp"] = saved(rgb, "WEBP", lossless=True, exif=turned(8))
    return made


def opened(data, background=(255, 255, 255)):
    """Upright RGB, composited over the background."""
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if picture.mode in ("LA", "RGBA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        under = Image.new("RGB", picture.size, background)
        under.paste(picture, mask=picture.getchannel("A"))
        return under
    return picture.convert("RGB")


def case(name, settings, levels, within):
    settings = {"datatype": "uint8", **settings}
    levels = np.asarray(levels, dtype=np.uint8)
    levels = levels[None] if levels.ndim == 3 else levels[None, ..., None]
    if settings.get("layout") != "nhwc":
        levels = levels.transpose(0, 3, 1, 2)
    hexadecimal = np.ascontiguousarray(levels).tobytes().hex()
    return {"file": name, "settings": settings, "shape": levels.shape, "levels": hexadecimal, "within": within}


def cases(made):
    for name, data in made.items():
        # If chroma is coarser than luma, decoders differ in how they upsample it, most at a hard edge.
        coarse = name in ("baseline.jpg", "progressive.jpg", "restarts.jpg")
        lossy = name.endswith(".jpg") or name == "lossy.webp"
        yield case(name, {}, opened(data), 5 if coarse else 3 if lossy else 0)
    picture = opened(made["colour.png"])
    array = np.asarray(picture)
    yield case("colour.png", {"colour": "bgr"}, array[..., ::-1], 0)
    yield case("colour.png", {"colour": "grey"}, picture.convert("L"), 0)
    yield case("colour.png", {"colour": "rgb", "layout": "nhwc"}, picture, 0)
    yield case("turned-6.png", {"orient": False}, array, 0)
    yield case("alpha.png", {"background": [10, 200, 30]}, opened(made["alpha.png"], (10, 200, 30)), 0)
    yield case("alpha.png", {"alpha": "drop"}, array, 0)
    for name in ("noise.png", "bars.png"):
        picture = opened(made[name])
        array = np.asarray(picture)
        for height, width in ((16, 16), (9, 31), (40, 7)):
            for filter, number in PILLOW.items():
                settings = {"resize": {"size": [height, width], "filter": filter}}
                yield case(name, settings, picture.resize((width, height), number), 1)
            for filter, number in OPENCV.items():
                settings = {"resize": {"size": [height, width], "filter": filter, "convention": "opencv"}}
                yield case(name, settings, cv2.resize(array, (width, height), interpolation=number), 1)
    yield from framed(opened(made["noise.png"]))


def framed(picture):
    """24 × 20 in frames of other aspect ratios, and crops."""
    array = np.asarray(picture)
    yield case("noise.png", {"crop": [10, 9]}, array[7:17, 5:14], 0)
    resized = np.asarray(picture.resize((16, 19), Image.BILINEAR))
    yield case("noise.png", {"resize": {"shortest": 16}, "crop": [16, 16]}, resized[1:17], 1)
    resized = np.asarray(picture.resize((10, 12), Image.BILINEAR))
    yield case("noise.png", {"resize": {"size": [10, 10], "fit": "cover"}}, resized[1:11], 1)
    resized = np.asarray(picture.resize((10, 12), Image.BILINEAR))
    frame = np.full((12, 15, 3), (1, 2, 3), dtype=np.uint8)
    frame[:, 2:12] = resized
    settings = {"resize": {"size": [12, 15], "fit": "contain", "pad": [1, 2, 3]}}
    yield case("noise.png", settings, frame, 1)
    frame = np.zeros((12, 15, 3), dtype=np.uint8)
    frame[:, :10] = resized
    settings = {"resize": {"size": [12, 15], "fit": "contain", "place": "start"}}
    yield case("noise.png", settings, frame, 1)
    resized = picture.resize((32, 32), Image.BILINEAR)
    yield case("noise.png", {"resize": {"longest": 40, "multiple_of": 32}}, resized, 1)
    yield case("noise.png", {"resize": {"longest": 40, "enlarge": False}}, array, 0)
    yield case("noise.png", {"resize": {"shortest": 10, "shrink": False}}, array, 0)


def main():
    SAMPLES.mkdir(exist_ok=True)
    made = files()
    for name, data in made.items():
        (SAMPLES / name).write_bytes(data)
    lines = ",\n".join(json.dumps(each) for each in cases(made))
    (HERE / "expected.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
