"""requests, as typical scripts use it, and the health checks of KServe's client.

KServe's package has some thirty dependencies (Kubernetes, pandas, gRPC's compiler), too many for a test; its REST client
is httpx and these lines: `is_server_ready` returns `response.json().get("ready")`, `is_server_live` the same with
`live`, `is_model_ready` whether the status is 2xx; each on the paths below.
"""

import gzip

import numpy as np
import requests

from common import SERVER, held_out, run, scores

URL = f"http://{SERVER}"
ROWS, TRUTH = held_out()


def request() -> dict:
    return {"inputs": [{"name": "features", "shape": list(ROWS.shape), "datatype": "FP32", "data": ROWS.tolist()}]}


def is_right(response: requests.Response) -> None:
    outputs = {output["name"]: output for output in response.json()["outputs"]}
    np.testing.assert_allclose(outputs["score"]["data"], scores(), rtol=0, atol=1e-5)
    assert np.mean(np.array(outputs["label"]["data"]) == TRUTH) >= 0.96


def kserve_finds_it_ready() -> None:
    assert requests.get(f"{URL}/v2/health/ready").json().get("ready") is True
    assert requests.get(f"{URL}/v2/health/live").json().get("live") is True
    assert requests.get(f"{URL}/v2/models/tumor/ready").ok
    assert not requests.get(f"{URL}/v2/models/zebra/ready").ok


def all_rows_are_right_with_a_session() -> None:
    with requests.Session() as session:
        for _ in range(3):
            is_right(session.post(f"{URL}/v2/models/tumor/infer", json=request()))


def a_body_may_come_from_a_generator() -> None:
    body = requests.Request("POST", URL, json=request()).prepare().body
    pieces = (body[at : at + 1000] for at in range(0, len(body), 1000))
    is_right(requests.post(f"{URL}/v2/models/tumor/infer", data=pieces))


def a_body_may_be_compressed() -> None:
    body = requests.Request("POST", URL, json=request()).prepare().body
    response = requests.post(
        f"{URL}/v2/models/tumor/infer", data=gzip.compress(body), headers={"Content-Encoding": "gzip"}
    )
    # requests accepts compression by default, and decompresses.
    assert response.headers["Content-Encoding"] == "gzip", response.headers
    is_right(response)


def a_refusal_is_json() -> None:
    response = requests.post(f"{URL}/v2/models/tumor/infer", json={})
    assert response.status_code == 400 and response.json() == {"error": "inputs is missing"}, response.text


run(
    kserve_finds_it_ready,
    all_rows_are_right_with_a_session,
    a_body_may_come_from_a_generator,
    a_body_may_be_compressed,
    a_refusal_is_json,
)
