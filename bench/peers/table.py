"""Records as Markdown tables, with columns that are aligned on a terminal too."""

from collections import defaultdict

from figures import Spread, ratio
from registry import SERVERS_BY_NAME
from workloads import WORKLOADS

HEADS = ("server", "body", "requests/s", "to Hotstage", "p50 ms", "p99 ms", "CPU s per 1,000", "memory MB", "start s")
OURS = ("hotstage", "hotstage-mlp")
Group = dict[str, list[dict]]


def groups(records: list[dict]) -> dict[str, Group]:
    """Successful records by workload, then by server, in the order of both lists."""
    found: dict[str, Group] = {}
    for workload in WORKLOADS:
        by_server = defaultdict(list)
        for record in records:
            if record["workload"] == workload and "per_second" in record:
                by_server[record["server"]].append(record)
        if by_server:
            found[workload] = {name: by_server[name] for name in SERVERS_BY_NAME if name in by_server}
    return found


def spread(rounds: list[dict], key: str) -> Spread:
    return Spread.of([record[key] for record in rounds])


def reference(group: Group) -> str | None:
    """The server that the others are compared with."""
    return next((name for name in OURS if name in group), None)


def rows(group: Group) -> list[list[str]]:
    ours = reference(group)
    return [cells(name, rounds, group.get(ours), is_ours=name == ours) for name, rounds in group.items()]


def cells(name: str, rounds: list[dict], ours: list[dict] | None, is_ours: bool) -> list[str]:
    per_second = spread(rounds, "per_second")
    compared = "" if is_ours or not ours else ratio(per_second, spread(ours, "per_second"))
    form, size = rounds[0]["form"], rounds[0]["bytes"]
    failed = sum(record["failed"] for record in rounds)
    return [
        name + (f" **{failed} failed**" if failed else ""),
        f"{form}, {size / 1000:,.1f} kB" if size else form,
        per_second.show(),
        compared,
        *(spread(rounds, key).show() for key in ("p50", "p99", "cpu")),
        spread(rounds, "memory").show(1e-6),
        spread(rounds, "start").show(),
    ]


def markdown(heads, lines: list[list[str]]) -> str:
    """Aligns the first two columns to the left and figures to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *lines)]

    def line(texts) -> str:
        padded = [
            text.ljust(width) if index < 2 else text.rjust(width)
            for index, (text, width) in enumerate(zip(texts, widths))
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if index < 2 else "-" * (width - 1) + ":" for index, width in enumerate(widths)]
    return "\n".join([line(heads), line(rule), *map(line, lines)])


def tables(records: list[dict]) -> str:
    return "\n\n".join(
        f"### {WORKLOADS[workload].title}\n\n{markdown(HEADS, rows(group))}"
        for workload, group in groups(records).items()
    )
