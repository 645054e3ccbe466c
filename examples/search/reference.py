"""The same embeddings without the server, as the reference for compare.py.

`embed` follows the usage that the model's authors publish: tokenizer, graph, mean over the tokens, length 1. `forward`
computes the graph in plain numpy and float64, directly from the weights.

    python reference.py

writes the golden test's request and answer under tests/.
"""

import json
from math import erf, sqrt
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from safetensors.numpy import load_file
from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent
FETCHED = HERE / "fetched"
TOKENS_MAX = 256
HEADS = 12


def tokenise(texts: list[str]) -> dict[str, np.ndarray]:
    """Rows of tokens, padded to the longest one."""
    tokenizer = Tokenizer.from_file(str(FETCHED / "tokenizer.json"))
    tokenizer.enable_truncation(TOKENS_MAX)
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    rows = tokenizer.encode_batch(texts)
    return {
        "input_ids": np.array([row.ids for row in rows], np.int64),
        "attention_mask": np.array([row.attention_mask for row in rows], np.int64),
        "token_type_ids": np.array([row.type_ids for row in rows], np.int64),
    }


def session() -> InferenceSession:
    return InferenceSession(str(FETCHED / "model.onnx"), providers=["CPUExecutionProvider"])


def embed(session: InferenceSession, texts: list[str]) -> np.ndarray:
    """One row of length 1 for each text."""
    tokens = tokenise(texts)
    (hidden,) = session.run(["last_hidden_state"], tokens)
    mask = tokens["attention_mask"][:, :, None]
    pooled = (hidden * mask).sum(1, dtype=np.float64) / mask.sum(1)
    return (pooled / np.linalg.norm(pooled, axis=1, keepdims=True)).astype(np.float32)


def forward(tokens: dict[str, np.ndarray]) -> np.ndarray:
    """`last_hidden_state`, by the formulas of the paper."""
    weights = {name: array.astype(np.float64) for name, array in load_file(FETCHED / "model.safetensors").items()}

    def linear(given: np.ndarray, name: str) -> np.ndarray:
        return given @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(given: np.ndarray, name: str) -> np.ndarray:
        centred = given - given.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * weights[f"{name}.LayerNorm.weight"] + weights[f"{name}.LayerNorm.bias"]

    def softmax(scores: np.ndarray) -> np.ndarray:
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)

    def attention(given: np.ndarray, name: str) -> np.ndarray:
        def heads(kind: str) -> np.ndarray:
            made = linear(given, f"{name}.self.{kind}")
            return made.reshape(*made.shape[:2], HEADS, -1).transpose(0, 2, 1, 3)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.transpose(0, 1, 3, 2) / sqrt(query.shape[-1])
        seen = softmax(np.where(tokens["attention_mask"][:, None, None, :] == 1, scores, -np.inf)) @ value
        return seen.transpose(0, 2, 1, 3).reshape(given.shape)

    gelu = np.vectorize(lambda x: x * (1 + erf(x / sqrt(2))) / 2)
    places = np.arange(tokens["input_ids"].shape[1])
    hidden = (
        weights["embeddings.word_embeddings.weight"][tokens["input_ids"]]
        + weights["embeddings.token_type_embeddings.weight"][tokens["token_type_ids"]]
        + weights["embeddings.position_embeddings.weight"][places]
    )
    hidden = norm(hidden, "embeddings")
    for layer in range(6):
        name = f"encoder.layer.{layer}"
        seen = linear(attention(hidden, f"{name}.attention"), f"{name}.attention.output.dense")
        hidden = norm(seen + hidden, f"{name}.attention.output")
        bent = gelu(linear(hidden, f"{name}.intermediate.dense"))
        hidden = norm(linear(bent, f"{name}.output.dense") + hidden, f"{name}.output")
    return hidden


def write_test(texts: list[str]) -> None:
    """The golden test of search.yaml."""
    embedding = embed(session(), texts)
    answer = [float(str(number)) for number in embedding.ravel()]
    bodies = {
        "three-texts.json": {
            "inputs": [{"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}],
        },
        "three-texts.out.json": {
            "outputs": [
                {"name": "embedding", "shape": list(embedding.shape), "datatype": "FP32", "data": answer},
            ],
        },
    }
    for name, body in bodies.items():
        (HERE / "tests" / name).write_text(json.dumps(body, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write_test(["How do I go back?", "A version that is taken back answers nobody any more.", "Größe, 港 and 🙂"])
