"""Tests of the harness itself, without a server: figures, bodies, answers, processes, the table and the picture.

    python3 -m unittest discover bench/peers
"""

import json
import struct
import subprocess
import sys
import time
import unittest
import xml.etree.ElementTree
from unittest import mock

import document
import process
import workloads
from figures import Spread, percentile, ratio, show
from plot import svg
from table import markdown, tables
from workloads import HEADER_LENGTH, WORKLOADS, read_answer, wrong

ROW = struct.pack("<30f", *range(30))
RIGHT = {"label": "malignant", "score": 0.75}


def record(server: str, per_second: float, **more) -> dict:
    return {
        "server": server, "workload": "tabular", "form": "JSON", "bytes": 300, "per_second": per_second, "p50": 1.0,
        "p99": 2.0, "cpu": 0.1, "memory": 5e7, "start": 0.5, "failed": 0, **more,
    }


RECORDS = [record("hotstage", 100), record("hotstage", 110), record("fastapi", 10), record("fastapi", 12)]


class Figures(unittest.TestCase):
    def test_a_percentile_is_a_sample(self):
        samples = [float(value) for value in range(100, 0, -1)]
        self.assertEqual([percentile(samples, percent) for percent in (0, 50, 99, 100)], [1, 51, 100, 100])
        self.assertEqual(percentile([7.0], 99), 7)

    def test_ranges_that_touch_say_nothing(self):
        slow, fast = Spread.of([1.0, 2.0, 3.0]), Spread.of([4.0, 5.0])
        self.assertEqual(ratio(slow, fast), "× 0.44")
        self.assertEqual(ratio(slow, Spread.of([3.0, 9.0])), "≈")
        self.assertEqual(ratio(Spread.of([1.0]), Spread.of([2.0])), "(× 0.50)")

    def test_numbers_have_three_digits_or_so(self):
        shown = [show(value) for value in (12345.6, 12.34, 0.456, 0.0456)]
        self.assertEqual(shown, ["12,346", "12.3", "0.46", "0.046"])
        self.assertEqual(Spread.of([1.0, 2.0, 4.0]).show(), "2.00 (1.00–4.00)")


class Bodies(unittest.TestCase):
    def test_a_number_is_the_shortest_that_reads_back(self):
        for value in (0.1, 1 / 3, 16777217.0, 1e-7):
            (narrow,) = struct.unpack("<f", struct.pack("<f", value))
            self.assertEqual(struct.pack("<f", workloads.shortest(narrow)), struct.pack("<f", narrow))
        self.assertEqual(workloads.shortest(struct.unpack("<f", struct.pack("<f", 0.1))[0]), 0.1)

    def test_every_form_holds_the_row(self):
        tabular = WORKLOADS["tabular"]
        with mock.patch.object(workloads, "floats", lambda *_: ROW):
            text = json.loads(workloads.protocol_json("/", tabular).body)["inputs"][0]
            self.assertEqual((text["shape"], text["data"][29]), ([1, 30], 29))
            self.assertEqual(json.loads(workloads.plain_json("/", tabular, "features").body)["features"][0][29], 29)
            self.assertEqual(workloads.raw_floats("/", tabular).headers["X-Shape"], "1,30")
        binary = workloads.protocol_binary("/", tabular, ROW)
        self.assertEqual(binary.body[int(binary.headers[HEADER_LENGTH]) :], ROW)


class Answers(unittest.TestCase):
    def check(self, body: bytes, complaint: str | None, head_length: str | None = None):
        found = wrong(WORKLOADS["tabular"], read_answer(body, head_length), RIGHT)
        self.assertEqual(found, complaint and f"expected malignant, 0.750000; got {complaint}")

    def test_every_form_is_understood(self):
        outputs = [{"name": "label", "data": ["malignant"]}, {"name": "score", "data": [0.75]}]
        self.check(json.dumps({"outputs": outputs}).encode(), None)
        self.check(b'{"label": ["malignant"], "score": [0.75]}', None)
        self.check(b'[{"label": "malignant", "score": 0.75}]', None)
        self.check(b'{"outputs": [{"name": "scores", "data": [[0.75]]}]}', None)

    def test_binary_outputs_are_read_in_order(self):
        def sized(name: str, datatype: str, size: int) -> dict:
            return {"name": name, "datatype": datatype, "parameters": {"binary_data_size": size}}

        head = json.dumps({"outputs": [sized("label", "BYTES", 13), sized("score", "FP32", 4)]}).encode()
        self.check(head + b"\x09\0\0\0malignant" + struct.pack("<f", 0.75), None, str(len(head)))
        self.check(head + b"\x09\0\0\0malignant" + struct.pack("<f", 0.5), "malignant, 0.500000", str(len(head)))

    def test_a_wrong_answer_is_said(self):
        self.check(b'{"label": ["benign"], "score": [0.75]}', "benign, 0.750000")
        self.check(b'{"outputs": [{"name": "scores", "data": [0.25]}]}', "benign, 0.250000")
        self.check(b'{"error": "no"}', "None, 0.000000")


class Processes(unittest.TestCase):
    def test_children_are_weighed_and_ended(self):
        code = "import subprocess, time; subprocess.Popen(['sleep', '60']); print('up', flush=True); time.sleep(60)"
        null = subprocess.DEVNULL
        server = process.Process([sys.executable, "-c", code], {}, process.Path("/tmp"), null, piped=True)
        server.child.stdout.readline()
        with process.Weight(server, every=0.01) as weight:
            time.sleep(0.05)
        started = process.family(server.child.pid)
        self.assertEqual(len(started), 2)
        self.assertGreater(weight.memory, 1e6)
        self.assertGreaterEqual(weight.cpu, 0)
        server.stop()
        server.child.stdout.close()
        server.child.stdin.close()
        self.assertEqual([pid for pid, began in started.items() if process.lives(pid, began)], [])


class Reports(unittest.TestCase):
    def test_columns_are_aligned(self):
        table = markdown(("a", "b", "c"), [["long", "x", "1"], ["s", "y", "1000"]])
        self.assertEqual(len({len(line) for line in table.splitlines()}), 1)
        self.assertTrue(table.splitlines()[1].endswith("---: |"))

    def test_a_row_has_the_median_the_range_and_the_ratio(self):
        table = tables(RECORDS)
        self.assertRegex(table, r"\| hotstage +\| JSON, 0\.3 kB \| +105 \(100–110\)")
        self.assertRegex(table, r"\| fastapi .* 11\.0 \(10\.0–12\.0\) \| +× 0\.10 ")

    def test_failures_stand_in_the_row(self):
        self.assertIn("fastapi **3 failed**", tables([*RECORDS, record("fastapi", 11, failed=3)]))

    def test_what_has_no_figures_has_no_row(self):
        self.assertEqual(tables([{"server": "fastapi", "workload": "tabular", "error": "it broke"}]), "")

    def test_a_page_says_what_is_missing(self):
        records = [*RECORDS, {"server": "bentoml", "workload": "tabular", "error": "it broke"}]
        run = {"command": "x", "machine": document.machine(), "versions": {"wrk": {"wrk": "4"}}, "notes": ["busy"]}
        page = document.page(run | {"records": records})
        self.assertIn("- busy\n- bentoml could not be measured in tabular\n", page)
        self.assertIn("- `fastapi`: written by hand", page)
        self.assertIn(tables(RECORDS), page)

    def test_the_picture_has_a_bar_for_each_server_and_figure(self):
        root = xml.etree.ElementTree.fromstring(svg(RECORDS))
        # Two servers, two figures, and the background.
        self.assertEqual(len(root.findall("{*}rect")), 5)
        widths = [float(each.get("width")) for each in root.findall("{*}rect")[1:3]]
        self.assertAlmostEqual(widths[0] / widths[1], 105 / 11, places=1)


if __name__ == "__main__":
    unittest.main()
