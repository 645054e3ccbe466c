"""Files that compare.py generates: formats that a machine may lack, and edge cases of the rules."""

import bz2
import gzip
import io
import lzma
import pickle
import random
import sqlite3
import struct
import tarfile
import wave
import zipfile
import zlib


def made() -> dict[str, bytes]:
    """Contents by name."""
    return formats() | edges()


def formats() -> dict[str, bytes]:
    prose = b"A sentence that is long enough to be worth a second look.\n" * 200
    noise = random.Random(7).randbytes(9000)
    rows = "\n".join(f"{row},{row * row},name {row},{row / 7:.3f}" for row in range(400))
    return {
        "prose.txt": prose,
        "noise.bin": noise,
        "letters.txt": "".join(random.Random(8).choices("abcdefghij \n", k=5000)).encode(),
        "prose.gz": gzip.compress(prose, mtime=0),
        "prose.bz2": bz2.compress(prose),
        "prose.xz": lzma.compress(prose),
        "prose.zlib": zlib.compress(noise),
        "prose.zip": archive({"a/prose.txt": prose, "b/noise.bin": noise}),
        "document.epub": archive({"mimetype": b"application/epub+zip", "content.opf": prose}),
        "package.jar": archive({
            "META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\n", "A.class": b"\xca\xfe\xba\xbe" + noise,
        }),
        "prose.tar": tape(prose),
        "rows.csv": f"row,square,name,share\n{rows}\n".encode(),
        "rows.tsv": rows.replace(",", "\t").encode(),
        "rows.jsonl": b'{"row": 1, "name": "one"}\n{"row": 2, "name": "two"}\n' * 40,
        "object.pickle": pickle.dumps({"rows": [(row, str(row)) for row in range(300)]}),
        "silence.wav": sound(),
        "picture.png": picture(),
        "picture.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 12342, 0, 0, 54, 40, 64, 64, 1, 24, 0, 12288, 0, 0, 0, 0)
        + b"\x10\x80\xf0" * 4096,
        "table.sqlite": database(),
        "message.eml": b"From: a@example.org\r\nTo: b@example.org\r\nSubject: Files\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain\r\n\r\n" + prose,
        "patch.diff": b"--- a/file\n+++ b/file\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n" * 5,
    }


def edges() -> dict[str, bytes]:
    """Files with lengths around the limits of the rules, with and without white space, UTF-8 or not."""
    space = b" \t\r\n\x0b\x0c"
    files = {"nothing": b"", "white space": space * 20, "a block of white space": b" " * 4096}
    for length in (1, 2, 6, 7, 8, 9, 15):
        files[f"{length} letters"] = b"a" * length
        files[f"{length} bytes"] = b"\xff" * length
        files[f"{length} letters in white space"] = space + b"a" * length + space
        files[f"{length} bytes in white space"] = space + b"\xfe" * length + space
        files[f"{length} letters at the end of a block"] = b"\n" * (4096 - length) + b"b" * 2000
    for length in (1023, 1024, 1025, 4095, 4096, 4097, 8191, 8192, 8193):
        files[f"{length} bytes of noise"] = random.Random(length).randbytes(length)
        files[f"{length} characters"] = ("ä" * length).encode()
        files[f"{length} white spaces, then text"] = b" " * length + b"def f(x):\n    return x\n" * 300
        files[f"text, then {length} white spaces"] = b"def f(x):\n    return x\n" * 300 + b"\n" * length
    return files


def archive(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in members.items():
            target.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def tape(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as target:
        member = tarfile.TarInfo("prose.txt")
        member.size = len(content)
        target.addfile(member, io.BytesIO(content))
    return file.getvalue()


def sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as target:
        target.setparams((1, 2, 8000, 0, "NONE", ""))
        target.writeframes(b"\0\0" * 8000)
    return file.getvalue()


def picture() -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    lines = b"".join(b"\0" + bytes((line * column) % 256 for column in range(64)) for line in range(64))
    head = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table rows (row integer primary key, name text)")
    connection.executemany("insert into rows (name) values (?)", [(f"row {row}",) for row in range(500)])
    connection.commit()
    return connection.serialize()
