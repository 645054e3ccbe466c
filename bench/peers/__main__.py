"""`cargo xtask bench peers`: compares Hotstage with other model servers on the same work.

Environments, models and results are in `target/peers`. Every server is first started once to check its answers. In each
round every server is started again and measured. Exit code 1 if a request failed or an answer was wrong.
"""

import argparse
import json
import signal
import sys
import time

import document
from environments import make_models, prepare
from measure import Effort, measure
from places import IS_DIST, RESULTS
from registry import SERVERS_BY_NAME
from server import Server
from table import tables
from workloads import WORKLOADS, Workload


def names(known):
    def parse(text: str) -> list[str]:
        picked = text.split(",")
        for name in picked:
            if name not in known:
                raise argparse.ArgumentTypeError(f"`{name}` is unknown; there are {', '.join(known)}")
        return picked

    return parse


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="cargo xtask bench peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="servers:\n" + "\n".join(f"  {each.name:16} {each.about}" for each in SERVERS_BY_NAME.values()),
    )
    add = parser.add_argument
    add("--only", type=names(SERVERS_BY_NAME), default=list(SERVERS_BY_NAME), metavar="NAMES",
        help="servers to measure, separated by commas [default: all]")
    add("--workload", type=names(WORKLOADS), default=list(WORKLOADS), metavar="NAMES",
        help=f"workloads of {', '.join(WORKLOADS)}, separated by commas [default: all]")
    add("--seconds", type=int, default=5, help="seconds of load in a round [default: 5]")
    add("--warm-up", type=int, default=2, metavar="SECONDS", help="seconds of load before a round [default: 2]")
    add("--repeat", type=int, default=5, metavar="ROUNDS", help="number of rounds [default: 5]")
    add("--docs", action="store_true", help="also write docs/bench/peers.md and peers.svg")
    add("--note", action="append", default=[], metavar="TEXT", help="note about the run for its readers; repeatable")
    add("--from", dest="file", metavar="FILE", help="print the results of an earlier run; measure nothing")
    return parser.parse_args()


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    plan = arguments()
    # Ends the running server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if plan.file:
        with open(plan.file) as file:
            run = json.load(file)
    else:
        run = measure_all(plan)
    run["notes"] += plan.note
    print(tables(run["records"]))
    for note in run["notes"]:
        print(f"note: {note}")
    if plan.docs:
        document.write(run)
    bad = [record for record in run["records"] if "error" in record or record.get("failed")]
    for record in bad:
        log(f"error: {record['server']}, {record['workload']}: {record.get('error') or 'requests failed'}")
    return int(bool(bad))


def measure_all(plan: argparse.Namespace) -> dict:
    servers = [SERVERS_BY_NAME[name] for name in plan.only]
    for venv in dict.fromkeys(["direct", *(server.venv for server in servers if server.venv)]):
        prepare(venv)
    make_models()
    # Read before this run's own load.
    machine = document.machine()
    run = {
        "command": " ".join(["cargo xtask bench", *(["--dist"] if IS_DIST else []), "peers", *sys.argv[1:]]),
        "machine": machine,
        "versions": document.all_versions(plan.only),
        "notes": ["Hotstage and the floor as `cargo xtask dist --with-bench` builds them"] if IS_DIST else [],
        "records": [],
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / time.strftime("%Y-%m-%d-%H%M%S.json")
    for workload in (WORKLOADS[name] for name in plan.workload):
        rounds(plan, servers, workload, run)
        # Saved after each workload, so that an interrupted run keeps its results.
        path.write_text(json.dumps(run, indent=1))
    log(f"results: {path}")
    return run


def rounds(plan: argparse.Namespace, servers: list[Server], workload: Workload, run: dict) -> None:
    sound = []
    for server in servers:
        if workload.name not in server.workloads:
            continue
        if why := server.missing(workload):
            run["notes"].append(f"{server.name} is left out of {workload.name}: {why}")
            continue
        record = measure(server, workload, None)
        if "error" in record:
            run["records"].append(record)
            log(f"{workload.name}: {server.name}: {record['error']}")
        else:
            sound.append(server)
    for number in range(1, plan.repeat + 1):
        for server in sound:
            record = measure(server, workload, Effort(plan.seconds, plan.warm_up))
            run["records"].append(record | {"round": number})
            rate = record.get("error") or f"{record['per_second']:9,.1f} requests/s"
            log(f"{workload.name} {number}/{plan.repeat}  {server.name:16} {rate}")


if __name__ == "__main__":
    sys.exit(main())
