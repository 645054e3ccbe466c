"""Draws the pages of text that compare.py and bench.py use.

Fonts are DejaVu, which comes with matplotlib, and Noto's Chinese one, which comes with mplfonts.
"""

import importlib.util
import io
import random
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

DEJAVU = Path(matplotlib.get_data_path()) / "fonts/ttf"
# Located without importing the package, because its import needs more dependencies.
NOTO = Path(importlib.util.find_spec("mplfonts").origin).parent / "fonts/NotoSansCJKsc-Regular.otf"

WORDS = (
    "invoice amount total received from the northern harbour on Tuesday please keep this copy for your records "
    "quarter engine filter pressure valve open closed morning ticket platform train delayed minutes gate number "
    "Chapter seven describes how light bends when it meets glass and why the sky is blue at noon but red at dusk"
).split()
CHINESE = [
    "今天天气很好我们去公园散步",
    "请在周五之前提交您的报告",
    "北京大学图书馆开放时间上午八点",
    "本产品保修期为一年自购买之日起计算",
    "高速列车将于下午三点二十分到达",
]


def font(name, size):
    path = NOTO if name == "Noto" else DEJAVU / f"{name}.ttf"
    return ImageFont.truetype(str(path), size)


def phrase(rng, words):
    return " ".join(rng.choice(WORDS) for _ in range(words))


def figures(rng):
    number, day, month = rng.randint(1000, 99999), rng.randint(1, 28), rng.randint(1, 12)
    return f"No. {number}  {day:02}.{month:02}.2025  {rng.random() * 900:.2f} EUR"


def column(draw, lines, face, at, gap, ink):
    for number, line in enumerate(lines):
        draw.text((at[0], at[1] + number * gap), line, font=face, fill=ink)


def sheet(size, paper, lines, face, at=(40, 40), gap=48, ink="black"):
    page = Image.new("RGB", size, paper)
    column(ImageDraw.Draw(page), lines, face, at, gap, ink)
    return page


def file(page, kind="PNG"):
    buffer = io.BytesIO()
    page.save(buffer, kind, **({"quality": 95, "subsampling": 0} if kind == "JPEG" else {}))
    return buffer.getvalue()


def plain(rng):
    for name, size in [
        ("DejaVuSans", 24), ("DejaVuSerif", 30), ("DejaVuSansMono", 20), ("DejaVuSans-Bold", 36),
        ("DejaVuSerif-Italic", 26),
    ]:  # fmt: skip
        lines = [phrase(rng, 5) if row % 3 else figures(rng) for row in range(8)]
        yield f"{name} {size}", sheet((900, 640), "white", lines, font(name, size), gap=int(size * 2.2))


def turned(rng):
    for degrees in (-6, -3, 2, 5):
        lines = [phrase(rng, 4) for _ in range(7)]
        page = sheet((860, 620), "white", lines, font("DejaVuSans", 28), at=(60, 70), gap=66)
        yield f"turned by {degrees}°", page.rotate(degrees, Image.Resampling.BICUBIC, fillcolor="white")
    page = sheet((860, 620), "white", [phrase(rng, 4) for _ in range(7)], font("DejaVuSans", 28), gap=70)
    yield "upside down", page.transpose(Image.Transpose.ROTATE_180)
    page = sheet((860, 420), "white", [phrase(rng, 4) for _ in range(4)], font("DejaVuSerif", 30), gap=70)
    page.paste(page.crop((0, 100, 860, 250)).transpose(Image.Transpose.ROTATE_180), (0, 100))
    yield "some lines upside down", page
    page = sheet((640, 420), "white", [phrase(rng, 3) for _ in range(4)], font("DejaVuSans", 32), gap=80)
    yield "on its side", page.transpose(Image.Transpose.ROTATE_90)


def coloured(rng):
    for name, paper, ink in [
        ("light on dark", "#202028", "#f0f0e8"),
        ("yellow on blue", "#203a80", "#ffe070"),
        ("pale", "#e8e8e8", "#808080"),
    ]:
        yield (
            name,
            sheet((800, 560), paper, [phrase(rng, 4) for _ in range(7)], font("DejaVuSans", 28), gap=66, ink=ink),
        )
    page = Image.linear_gradient("L").resize((900, 500)).convert("RGB")
    column(
        ImageDraw.Draw(page), [phrase(rng, 4) for _ in range(5)], font("DejaVuSans-Bold", 34), (40, 40), 84, "#c03030"
    )
    yield "on a gradient", page


def layouts(rng):
    page = Image.new("RGB", (1200, 760), "white")
    for left in (40, 640):
        lines = [phrase(rng, 4) for _ in range(10)]
        column(ImageDraw.Draw(page), lines, font("DejaVuSerif", 24), (left, 40), 66, "black")
    yield "two columns", page
    page = Image.new("RGB", (1000, 700), "white")
    draw = ImageDraw.Draw(page)
    for row in range(9):
        for place, text in zip(
            (40, 420, 720), (phrase(rng, 2), str(rng.randint(10, 99999)), f"{rng.random() * 900:.2f}")
        ):
            draw.text((place, 40 + row * 70), text, font=font("DejaVuSans", 26), fill="black")
    yield "a table", page
    page = Image.new("RGB", (1000, 700), "white")
    at = 30
    for size in (14, 18, 24, 32, 44, 60):
        ImageDraw.Draw(page).text((40, at), phrase(rng, 3), font=font("DejaVuSans", size), fill="black")
        at += int(size * 1.9) + 20
    yield "many sizes", page
    yield "one line", sheet((900, 60), "white", [phrase(rng, 7)], font("DejaVuSans", 28), at=(20, 12))
    yield "one low line", sheet((420, 28), "white", [phrase(rng, 3)], font("DejaVuSans", 18), at=(10, 2))
    yield "one word", sheet((160, 70), "white", ["42 km"], font("DejaVuSans", 32), at=(20, 14))
    yield (
        "a large page",
        sheet(
            (2600, 1800), "white", [phrase(rng, 7) for _ in range(14)], font("DejaVuSerif", 60), at=(100, 100), gap=116
        ),
    )
    yield "nothing", Image.new("RGB", (640, 480), "white")


def chinese(rng):
    for size in (26, 34, 44):
        lines = [rng.choice(CHINESE)[: 420 // (size // 2)] for _ in range(5)] + [phrase(rng, 2), figures(rng)]
        yield f"Chinese {size}", sheet((1000, 760), "white", lines, font("Noto", size), gap=int(size * 2.2))
    yield (
        "Chinese, turned",
        sheet((900, 560), "#f4f0e0", CHINESE, font("Noto", 32), gap=84).rotate(
            4, Image.Resampling.BICUBIC, fillcolor="#f4f0e0"
        ),
    )


def pages(seed=1):
    """(name, bytes of a file), for each page."""
    rng = random.Random(seed)
    for group in (plain, turned, coloured, layouts, chinese):
        for number, (name, page) in enumerate(group(rng)):
            yield name, file(page, "JPEG" if number % 2 else "PNG")
