"""Triton's HTTP client, unmodified."""

import numpy as np
import tritonclient.http as triton
from ml_dtypes import bfloat16
from tritonclient.utils import InferenceServerException

from common import SERVER, held_out, run, scores

ROWS, TRUTH = held_out()


def features(rows: np.ndarray, binary: bool) -> list:
    tensor = triton.InferInput("features", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    return [tensor]


def wanted(binary: bool) -> list:
    return [triton.InferRequestedOutput(name, binary_data=binary) for name in ("label", "score")]


def is_right(answer) -> None:
    """All held-out rows: the framework's scores, and the same accuracy."""
    np.testing.assert_allclose(answer.as_numpy("score"), scores(), rtol=0, atol=1e-5)
    labels = answer.as_numpy("label")
    # Bytes if the answer is binary, text if it is JSON.
    labels = np.array([label.decode() if isinstance(label, bytes) else label for label in labels])
    assert labels.shape == TRUTH.shape, labels.shape
    accuracy = float(np.mean(labels == TRUTH))
    assert accuracy >= 0.96, accuracy


def server_and_model_are_live_and_ready() -> None:
    with triton.InferenceServerClient(SERVER) as client:
        assert client.is_server_live() and client.is_server_ready()
        assert client.is_model_ready("tumor") and client.is_model_ready("tumor", "1")
        assert not client.is_model_ready("zebra") and not client.is_model_ready("tumor", "2")


def metadata_is_understood() -> None:
    with triton.InferenceServerClient(SERVER) as client:
        server = client.get_server_metadata()
        assert server["name"] == "hotstage" and "binary_tensor_data" in server["extensions"], server
        model = client.get_model_metadata("tumor", "1")
        assert model["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 30]}], model
        assert [output["name"] for output in model["outputs"]] == ["label", "score"], model


def all_rows_are_right_in_every_form() -> None:
    with triton.InferenceServerClient(SERVER) as client:
        for binary_in in (True, False):
            for outputs in (None, wanted(True), wanted(False)):
                is_right(client.infer("tumor", features(ROWS, binary_in), outputs=outputs))
        is_right(client.infer("tumor", features(ROWS, True), model_version="1"))


def all_rows_are_right_compressed_both_ways() -> None:
    with triton.InferenceServerClient(SERVER) as client:
        for sent in (None, "gzip", "deflate"):
            for received in (None, "gzip", "deflate"):
                for binary in (True, False):
                    is_right(
                        client.infer(
                            "tumor",
                            features(ROWS, binary),
                            outputs=wanted(binary),
                            request_compression_algorithm=sent,
                            response_compression_algorithm=received,
                        )
                    )


def many_at_once_are_right() -> None:
    with triton.InferenceServerClient(SERVER, concurrency=8) as client:
        pending = [client.async_infer("tumor", features(ROWS, n % 2 == 0), outputs=wanted(True)) for n in range(32)]
        for request in pending:
            is_right(request.get_result())


def an_id_and_parameters_are_taken() -> None:
    with triton.InferenceServerClient(SERVER) as client:
        answer = client.infer("tumor", features(ROWS[:1], True), request_id="7", parameters={"mine": "yes"}, timeout=5)
        assert answer.get_response()["id"] == "7", answer.get_response()


def every_datatype_comes_back() -> None:
    texts = np.array([b"", b"a\0b", "é😀".encode(), b"\xff\xfe"], dtype=np.object_)
    arrays = {
        "bool": np.array([True, False]),
        **{f"uint{bits}": np.array([0, 2**bits - 1], dtype=f"uint{bits}") for bits in (8, 16, 32, 64)},
        **{f"int{bits}": np.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1], dtype=f"int{bits}") for bits in (8, 16, 32, 64)},
        "fp16": np.array([1.5, -np.inf, np.nan], dtype=np.float16),
        "bf16": np.array([1.5, -2.0, np.inf], dtype=bfloat16),
        "fp32": np.array([np.finfo(np.float32).max, np.nan, -0.0], dtype=np.float32),
        "fp64": np.array([np.finfo(np.float64).tiny, -np.inf], dtype=np.float64),
        "bytes": texts,
    }
    inputs = []
    for name, array in arrays.items():
        tensor = triton.InferInput(name, list(array.shape), name.upper())
        tensor.set_data_from_numpy(array, binary_data=True)
        inputs.append(tensor)
    with triton.InferenceServerClient(SERVER) as client:
        answer = client.infer("identity", inputs)
        for name, array in arrays.items():
            np.testing.assert_array_equal(answer.as_numpy(name), array, err_msg=name)
        # In JSON, without the last one, which is not text.
        inputs[-1] = triton.InferInput("bytes", [3], "BYTES")
        inputs[-1].set_data_from_numpy(texts[:3], binary_data=False)
        texts_only = [triton.InferRequestedOutput("bytes", binary_data=False)]
        answer = client.infer("identity", inputs, outputs=texts_only).as_numpy("bytes")
        assert [text if isinstance(text, str) else text.decode() for text in answer] == ["", "a\0b", "é😀"], answer


def mistakes_are_told_in_our_words() -> None:
    with triton.InferenceServerClient(SERVER) as client:
        for ask, status, words in [
            (lambda: client.infer("tumor", features(ROWS[:, :29].copy(), True)), "400", "expected shape [-1, 30], given [143, 29]"),
            (lambda: client.infer("tumour", features(ROWS, True)), "404", "did you mean `tumor`?"),
            (lambda: client.infer("tumor", features(ROWS, True), model_version="2"), "404", "has no version `2`"),
            (lambda: client.get_model_metadata("zebra"), "404", "there is no model `zebra`"),
        ]:
            try:
                ask()
            except InferenceServerException as error:
                assert words in error.message() and error.status() == status, (error.status(), error.message())
            else:
                raise AssertionError(f"nothing was said, instead of: {words}")


run(
    server_and_model_are_live_and_ready,
    metadata_is_understood,
    all_rows_are_right_in_every_form,
    all_rows_are_right_compressed_both_ways,
    many_at_once_are_right,
    an_id_and_parameters_are_taken,
    every_datatype_comes_back,
    mistakes_are_told_in_our_words,
)
