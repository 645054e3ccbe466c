"""Earlier outcomes of each engine, in `expected.json`; a later run reports regressions.

`passed` lists names; `known` has a reason for each vector with a known wrong answer. A run with `--update` adds those to
which the engine's own package gives the same answer; all others must be added by hand.
"""

import json
import pathlib

import outcomes

FILE = pathlib.Path(__file__).with_name("expected.json")
# The reason if no other is recorded.
OWN = "the engine's own package answers the same"
BAD = (outcomes.DIFFERS, outcomes.WRONG, outcomes.FAILED, outcomes.GONE)


def read() -> dict:
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def complaints(result: dict) -> list[str]:
    """Regressions, and wrong answers that are not known."""
    before = read().get(result["engine"], {"passed": {}, "known": {}})
    passed = {f"{folder}.test_{name}" for folder, names in before["passed"].items() for name in names.split()}
    lines = []
    for row in result["vectors"]:
        name, category = row["vector"], row["category"]
        if category in BAD and name not in before["known"]:
            lines.append(f"{name}: {category}: {row['reason']}")
        elif category != outcomes.PASSED and name in passed:
            lines.append(f"{name}: passed before, now {category}: {row['reason']}")
    lines.extend(f"the server's log: {panic}" for panic in result["panics"])
    return lines


def update(result: dict) -> None:
    """Records this engine's outcomes; of the wrong answers only those that its own package gives as well."""
    all_engines = read()
    known = dict(all_engines.get(result["engine"], {}).get("known", {}))
    passed: dict[str, list[str]] = {}
    for row in result["vectors"]:
        name, category = row["vector"], row["category"]
        if category not in BAD:
            known.pop(name, None)
        if category == outcomes.PASSED:
            folder, _, rest = name.partition(".")
            passed.setdefault(folder, []).append(rest.removeprefix("test_"))
        if category == outcomes.DIFFERS:
            known.setdefault(name, OWN)
    engine = {"passed": {folder: " ".join(names) for folder, names in passed.items()}, "known": known}
    all_engines[result["engine"]] = engine
    FILE.write_text(json.dumps(all_engines, indent=1) + "\n")
