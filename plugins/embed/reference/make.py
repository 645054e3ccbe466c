"""Write golden.json, embeddings pooled by numpy, as the reference for the stage `embed`.

    pip install -r requirements.txt && python make.py

Each run writes the same bytes: the inputs come from a seed, and everything is computed in float64 and rounded once.
"""

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
TEXTS, TOKENS, WIDTH = 4, 6, 10
# Padded on the right, on the left, not at all, and with a gap.
MASK = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [0, 1, 0, 1, 1, 0]])


def pool(embeddings: np.ndarray, mask: np.ndarray, pooling: str) -> np.ndarray:
    """Pools one row of token embeddings into the text's embedding."""
    seen = embeddings[mask != 0]
    return {"mean": seen.mean(0), "cls": seen[0], "max": seen.max(0), "last": seen[-1]}[pooling]


def listed(array: np.ndarray) -> list[float]:
    """The shortest decimals of these FP32 values."""
    return [float(str(number)) for number in array.astype(np.float32).ravel()]


def main() -> None:
    random = np.random.Generator(np.random.PCG64(1995))
    given = random.normal(0, 1.5, (TEXTS, TOKENS, WIDTH)).astype(np.float32)
    # Masked tokens must not matter, whatever their values.
    given[MASK == 0] = 1e30
    cases = []
    for pooling in ("mean", "cls", "max", "last"):
        for dimensions in (None, WIDTH, 3):
            for normalise in (True, False):
                pooled = np.stack([pool(row, mask, pooling) for row, mask in zip(given.astype(np.float64), MASK)])
                pooled = pooled[:, :dimensions]
                if normalise:
                    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
                settings = {"pooling": pooling, "normalise": normalise}
                if dimensions is not None:
                    settings["dimensions"] = dimensions
                cases.append({"settings": settings, "width": pooled.shape[1], "embedding": listed(pooled)})
    golden = {
        "shape": [TEXTS, TOKENS, WIDTH], "last_hidden_state": listed(given), "attention_mask": MASK.ravel().tolist(),
        "cases": cases,
    }
    (HERE / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"golden.json: {len(cases)} cases")


if __name__ == "__main__":
    main()
