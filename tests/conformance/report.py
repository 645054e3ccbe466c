"""Prints the results as one line, and writes them to `docs/conformance.md`."""

import collections
import re

import outcomes
import vectors
from expected import OWN

HEAD = """# Conformance to ONNX

See which of ONNX's own tests each engine passes, and what it refuses. Run them again with:

```sh
cargo xtask conformance              # fails if a test that passed before fails, or on a new wrong answer
cargo xtask conformance --update     # also writes this page and tests/conformance/expected.json
```

The tests are the ONNX project's backend tests (`onnx.backend.test`, with its own runner's tolerances). Each is served as a
pipeline of one stage and called over HTTP with binary tensors. `tests/conformance/expected.json` records what passed, and
the reason for each known wrong answer.

| column | meaning |
| --- | --- |
| passed | every output as expected; for random outputs (`RandomNormal`, dropout in training), shape and type |
| not a tensor | refused at load: an input or output is a sequence, a map or an optional, or of float8, 4 bits, complex |
| unsupported | refused at load, and the engine's own package does not give the expected answer either |
| refused here | refused at load, though the engine's own package gives the expected answer |
| refused at call | 4xx for the vector's inputs |
| engine differs | not what the vector expects, and the engine's own Python package gives the same answer |
| wrong | neither what the vector expects nor what the engine's own package answers |
| failed | 5xx |
| crashed or hung | the server ended, or needed more than 20 s |
"""
# Reasons for a refusal, other than an operator.
ABOUT = {
    "needs version": "a version of the operators (opset) that is not known",
    "does not say which version": "a graph of other operators than ONNX's main ones",
    "has no tensors of": "a datatype that the engine has no tensors of",
    "has no shape": "an input or output without a declared shape",
    "is no tensor": "a value that is no tensor",
    "no datatype of the protocol": "a datatype that the protocol has not",
}


def row(vector: vectors.Vector, outcome: outcomes.Outcome) -> dict:
    """One vector of the results."""
    return {
        "vector": vector.pipeline,
        "category": outcome.category,
        "reason": outcome.reason,
        "operators": sorted(vector.operators),
        "about": _about(vector, outcome.reason),
    }


def _about(vector: vectors.Vector, reason: str) -> str | None:
    """The reason for a refusal, from its text: an operator of the graph, or of a function body that the engine inlined,
    or another known reason."""
    words = set(re.findall(r"\w+", reason))
    # The last error of a chain is its cause.
    named = sorted(vector.operators & words, key=lambda operator: reason.rfind(operator))
    if named:
        return named[-1]
    for known, what in ABOUT.items():
        if known in reason:
            return what
    inner = re.search(r'(?:implementation|kernel) for (\w+)\(|node #\d+ "[^"]*" (\w+)|(\w+)\(-1\)', reason)
    return f"{next(filter(None, inner.groups()))} (the engine's name)" if inner else None


def summary(result: dict) -> str:
    """One line for a terminal."""
    counts = collections.Counter(row["category"] for row in result["vectors"])
    summary = ", ".join(f"{counts[category]} {category}" for category in outcomes.CATEGORIES if counts[category])
    return f"{result['engine']}: {summary}; {result['seconds']} s"


def document(results: list[dict], expected: dict) -> str:
    """The whole document, with the reasons recorded in expected.json."""
    parts = [HEAD, *(_counts(result) for result in results)]
    for result in results:
        parts += [_operators(result), _each(result, expected.get(result["engine"], {}).get("known", {}))]
    return "\n".join(part for part in parts if part)


def _counts(result: dict) -> str:
    versions = ", ".join(f"{package} {version}" for package, version in result["versions"].items())
    lines = [f"## {result['engine']}", "", f"{result['date']}, with {versions}; `cargo xtask conformance --engine "]
    lines[-1] += f"{result['engine']}`, {result['seconds']} s."
    lines += ["", "| folder | vectors | " + " | ".join(outcomes.CATEGORIES) + " |"]
    lines.append("| --- " * (len(outcomes.CATEGORIES) + 2) + "|")
    for folder in [*vectors.FOLDERS, ""]:
        rows = [row for row in result["vectors"] if row["vector"].startswith(f"{folder}." if folder else "")]
        counts = collections.Counter(row["category"] for row in rows)
        cells = [folder or "all", str(len(rows)), *(str(counts[category]) for category in outcomes.CATEGORIES)]
        lines.append("| " + " | ".join(cells) + " |")
    if result["panics"]:
        lines += ["", f"{len(result['panics'])} panics are in the server's log."]
    return "\n".join(lines) + "\n"


def _operators(result: dict) -> str:
    refused = [row for row in result["vectors"] if row["category"] in (outcomes.UNSUPPORTED, outcomes.REFUSED_HERE)]
    if not refused:
        return ""
    costs: dict[str, list[dict]] = collections.defaultdict(list)
    for row in refused:
        costs[row["about"] or f"not named; the graph has {', '.join(row['operators'])}"].append(row)
    lines = [f"## What {result['engine']} refuses at load", "", "| what | vectors | of them refused here | such as |"]
    lines.append("| --- | --- | --- | --- |")
    for about, rows in sorted(costs.items(), key=lambda item: (-len(item[1]), item[0])):
        here = sum(row["category"] == outcomes.REFUSED_HERE for row in rows)
        lines.append(f"| {about} | {len(rows)} | {here} | {_cell(rows[0]['reason'], 160)} |")
    return "\n".join(lines) + "\n"


def _each(result: dict, known: dict[str, str]) -> str:
    shown = [outcomes.REFUSED_HERE, outcomes.REFUSED, outcomes.DIFFERS, outcomes.WRONG, outcomes.FAILED, outcomes.GONE]
    rows = [row for row in result["vectors"] if row["category"] in shown]
    if not rows:
        return ""
    rows.sort(key=lambda row: (-outcomes.CATEGORIES.index(row["category"]), row["vector"]))
    lines = [f"## Each vector that {result['engine']} does not answer as expected, other than unsupported ones", ""]
    lines += ["| vector | what | reason |", "| --- | --- | --- |"]
    for row in rows:
        why = known.get(row["vector"], OWN)
        why = "" if why == OWN else f"{why}: "
        lines.append(f"| {row['vector']} | {row['category']} | {_cell(why + row['reason'], 240)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str, length_max: int) -> str:
    text = text if len(text) <= length_max else text[: length_max - 1] + "…"
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
