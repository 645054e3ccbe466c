"""Compare the served pipeline with the same steps in Python, and the graph with its formulas.

    python compare.py [http://127.0.0.1:8000]

Prints the largest differences. Exits with 1 if an element of the server's embeddings differs by more than 1e-4, or of
the graph's token embeddings by more than 1e-5.
"""

import sys

import numpy as np

import reference
from search import BATCH, ROOT, embed, paragraphs

SERVER_MAX = 1e-4
GRAPH_MAX = 1e-5
# Texts that documents rarely contain: non-Latin scripts, empty texts, texts that are too long.
ODD = ["", "?", "Größe und Straße", "港口比城市醒得早", "🙂 🚢", "a\u0301 e\u0308", "word " * 2000, "x" * 5000, "\ttabs\n"]


def main(server: str) -> None:
    texts = ODD + [paragraph.text for paragraph in paragraphs(ROOT / "README.md")]
    session = reference.session()
    tokens = reference.tokenise(texts[1:6])
    (hidden,) = session.run(["last_hidden_state"], tokens)
    counts = tokens["attention_mask"] == 1
    graph = np.abs(hidden - reference.forward(tokens))[counts].max()
    print(f"graph: largest difference to the formulas {graph:.1e}, in {counts.sum()} tokens (at most {GRAPH_MAX})")

    served, expected = [], []
    for start in range(0, len(texts), BATCH):
        served.append(embed(server, texts[start : start + BATCH]))
        expected.append(reference.embed(session, texts[start : start + BATCH]))
    served, expected = np.concatenate(served), np.concatenate(expected)
    pipeline = np.abs(served - expected).max()
    cosine = (served * expected).sum(1).min()
    print(f"served: largest difference to Python {pipeline:.1e}, in {len(texts)} texts (at most {SERVER_MAX})")
    print(f"served: smallest cosine to Python's embedding of the same text {cosine:.7f}")
    sys.exit(not (graph <= GRAPH_MAX and pipeline <= SERVER_MAX))


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:8000"]))
