"""Write features.json: the reference implementation's results for generated files.

    python features.py

A file is a list of parts, each some bytes (hexadecimal) and a repeat count. For each file the document has the type that
is known without the model, or the SHA-256 of the numbers for the model (32 bits each, little-endian). Writes the same
bytes each time.
"""

import hashlib
import io
import json
import struct
from pathlib import Path

from magika import Magika
from magika.types.seekable import Seekable

ALL = bytes(range(256)).hex()
SPACE = "090a0b0c0d20"
FILES = {
    "nothing": [],
    "one letter": [["61", 1]],
    "seven letters": [["61", 7]],
    "eight letters": [["61", 8]],
    "seven bytes of no text": [["ff", 7]],
    "seven bytes with half a character": [["616263646566c3", 1]],
    "eight bytes of no text": [["ff", 8]],
    "white space alone": [[SPACE, 4]],
    "white space alone, longer than a block": [[SPACE, 900]],
    "seven letters in white space": [[SPACE, 3], ["61", 7], [SPACE, 3]],
    "eight letters in white space": [[SPACE, 3], ["61", 8], [SPACE, 3]],
    "seven bytes of no text in white space": [["20", 100], ["fe", 7], ["0a", 100]],
    "letters behind a block of white space": [["20", 4096], ["61", 5000]],
    "seven letters at the end of a block of white space": [["20", 4089], ["61", 5000]],
    "eight letters at the end of a block of white space": [["20", 4088], ["61", 5000]],
    "a character cut by the block, behind white space": [["20", 4095], ["c3a4", 5000]],
    "a block of white space behind letters": [["61", 5000], ["0a", 4096]],
    "every white space and what is none": [["1c1d1e1f85a0", 1], [SPACE, 1], [ALL, 2], [SPACE, 1], ["1c1d1e1f85a0", 1]],
    "vertical tabs around": [["0b", 20], [ALL, 3], ["0b", 20]],
    "as long as a window": [[ALL, 4]],
    "one shorter than a window": [["62", 1], [ALL, 3], ["63", 254]],
    "one longer than a window": [[ALL, 4], ["64", 1]],
    "as long as a block": [[ALL, 16]],
    "one longer than a block": [[ALL, 16], ["65", 1]],
    "two blocks": [["000102030405060708", 1], [ALL, 31], ["ff", 247]],
    "long, white space on both ends": [["0d0a", 1500], [ALL, 300], ["20", 3500]],
    "zeros": [["00", 9000]],
    "text of many lines": [["7468652073616d65206c696e6520616761696e0a", 700]],
}


def known(magika: Magika, content: bytes) -> tuple[str, list[int] | None]:
    """The reference's own decision: a label, or the numbers for the model."""
    result, features = magika._get_result_or_features_from_seekable(Seekable(io.BytesIO(content)))
    if result is not None:
        return str(result.output.label), None
    return "", features.beg + features.end


def main() -> None:
    magika = Magika()
    cases = []
    for name, parts in FILES.items():
        label, numbers = known(magika, b"".join(bytes.fromhex(part) * times for part, times in parts))
        digest = hashlib.sha256(struct.pack(f"<{len(numbers)}i", *numbers)).hexdigest() if numbers else ""
        cases.append({"name": name, "parts": parts, "known": label, "sha256": digest})
    lines = ",\n".join(json.dumps(case) for case in cases)
    Path(__file__).with_name("features.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
