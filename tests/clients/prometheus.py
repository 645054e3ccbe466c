"""Prometheus' official parsers on `/metrics`, in both formats."""

import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from common import SERVER, held_out, run

URL = f"http://{SERVER}"


def answered(families) -> float:
    samples = [sample for family in families for sample in family.samples]
    return sum(
        sample.value
        for sample in samples
        if sample.name == "hotstage_requests_total"
        and (sample.labels["pipeline"], sample.labels["outcome"]) == ("tumor", "answered")
    )


def scrape(parse, accept: str, content_type: str):
    response = requests.get(f"{URL}/metrics", headers={"Accept": accept})
    assert response.headers["Content-Type"].startswith(content_type), response.headers
    return list(parse(response.text))


def openmetrics():
    return scrape(parse_open, "application/openmetrics-text; version=1.0.0", "application/openmetrics-text")


def plain():
    return scrape(parse_plain, "text/plain", "text/plain")


def both_formats_are_parsed_to_the_same_families() -> None:
    families = [{family.name: family.type for family in parsed()} for parsed in (openmetrics, plain)]
    # OpenMetrics requires a suffix on counters that Triton's names lack, so their type is not declared there.
    for name, kind in families[0].items():
        if name.startswith("nv_") and kind == "unknown":
            families[0][name] = "counter"
    assert families[0] == families[1] and len(families[0]) > 8, families
    assert families[0]["hotstage_request_duration_seconds"] == "histogram", families[0]
    assert families[0]["hotstage_requests"] == "counter", families[0]


def requests_are_counted() -> None:
    rows, _ = held_out()
    body = {"inputs": [{"name": "features", "shape": [1, 30], "datatype": "FP32", "data": rows[0].tolist()}]}
    before = answered(openmetrics())
    for _ in range(3):
        assert requests.post(f"{URL}/v2/models/tumor/infer", json=body).ok
    assert (answered(openmetrics()) - before, answered(plain()) - before) == (3, 3)


run(both_formats_are_parsed_to_the_same_families, requests_are_counted)
