"""Write the golden tests: files that JSON can represent, and the official package's answers.

    python golden.py

Writes tests/kinds.json, tests/short.json and the expected answers beside them; the same bytes each time.

The files of kinds.json fill the model's windows. For a file that leaves most of them empty, the score depends on the
order of summation (README.md explains why), so the answers of one processor would not be a valid test on another. Fails
without writing more if the package's scores alone and in a batch differ by more than SPREAD.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from magika import Magika

HERE = Path(__file__).resolve().parent
SPREAD = 1e-5

SOURCE = """
class Stage{n}(Base):
    def infer(self, inputs: dict[str, list[float]]) -> list[float]:
        rows = [row * {n} for row in inputs["x{n}"] if row is not None]
        if len(rows) > {n}00:
            raise ValueError(f"{n}00 rows at most, got {{len(rows)}}")
        return sorted(rows, key=lambda row: -row)
"""
RUST = """
/// Multiplies by {n}.
pub fn times_{n}(values: &mut [f32]) -> Result<usize, Error> {{
    for (index, value) in values.iter_mut().enumerate().filter(|(index, _)| index % {n} == 0) {{
        *value = value.mul_add({n}.0, index as f32);
    }}
    values.len().checked_mul({n}).ok_or(Error::TooMany)
}}
"""
PAGE = """
<h2 id="part-{n}">Part {n}</h2>
<p class="lead">What part {n} is <em>about</em>, in a sentence or two; see <a href="/part/{n}.html">there</a>.</p>
<ul><li>first of {n}</li><li>second of {n}</li></ul>
"""
PROSE = """It was in the year 18{n} that the old lighthouse went dark for the first time. Nobody in the village, which
had {n} houses then, knew why; the keeper had gone to sea with the oil, some said, and others that he never was there.
"""
STEP = """
echo "step {n}: $(date +%s)" >&2
if [ ! -d "$root/part-{n}" ]; then
  mkdir -p "$root/part-{n}" && cp -r "$1"/*.{n} "$root/part-{n}/" || exit {n}
fi
"""
OBJECT = "{n} 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 {n}92] /Contents {n}1 0 R >>\nendobj\n"


def several(text: str, before: str = "", after: str = "") -> str:
    """Repeats the part until it fills the windows."""
    whole = before
    for n in range(11, 99):
        if len(whole) > 2500:
            break
        whole += text.format(n=n)
    return whole + after


KINDS = {
    "python": several(SOURCE, "import json\nfrom base import Base\n\n"),
    "rust": several(RUST, "use std::io;\n\nuse crate::Error;\n"),
    "json": json.dumps([{"name": f"stage {n}", "rows": n * n, "ready": n % 3 == 0} for n in range(32)], indent=2),
    "html": several(PAGE, "<!DOCTYPE html>\n<html>\n<head><title>Parts</title></head>\n<body>", "</body>\n</html>\n"),
    "shell": several(STEP, "#!/bin/sh\nset -eu\nroot=/srv/parts\n"),
    "prose": several(PROSE),
    "csv": "row,name,share\n" + "".join(f"{n},name {n * n},{n / 7:.4f}\n" for n in range(120)),
    "pdf": several(OBJECT, "%PDF-1.4\n", "trailer\n<< /Root 1 0 R /Size 40 >>\nstartxref\n4711\n%%EOF\n"),
}

# Classified without the model.
SHORT = {
    "nothing": "",
    "seven letters": "letters",
    "white space alone": " \t\r\n\x0b\x0c" * 50,
    "seven letters behind white space": "\n\n\n  letters",
    "two characters that are not ASCII": "äö",
}


def write(name: str, files: dict[str, str], magika: Magika) -> None:
    alone = [magika.identify_bytes(text.encode()) for text in files.values()]
    with TemporaryDirectory() as folder:
        paths = [Path(folder, str(index)) for index in range(len(files))]
        for path, text in zip(paths, files.values()):
            path.write_bytes(text.encode())
        together = magika.identify_paths(paths)
    for kind, one, other in zip(files, alone, together):
        if abs(one.score - other.score) > SPREAD or one.output.label != other.output.label:
            sys.exit(f"{kind}: {one.score} alone and {other.score} in a batch; take a file that fills the windows")
    labels = [str(result.output.label) for result in together]
    shape = [len(files)]
    request = {"inputs": [{"name": "bytes", "datatype": "BYTES", "shape": shape, "data": list(files.values())}]}
    answer = {"outputs": [
        {"name": "label", "datatype": "BYTES", "shape": shape, "data": labels},
        {"name": "score", "datatype": "FP32", "shape": shape, "data": [result.score for result in together]},
    ]}
    (HERE / "tests" / f"{name}.json").write_text(json.dumps(request) + "\n")
    (HERE / "tests" / f"{name}.out.json").write_text(json.dumps(answer) + "\n")


def main() -> None:
    magika = Magika()
    write("kinds", KINDS, magika)
    write("short", SHORT, magika)


if __name__ == "__main__":
    main()
