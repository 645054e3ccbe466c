"""Write golden.json: scores, settings, and the answers that NumPy and SciPy give, in 64 bits.

Seeded: with the versions in requirements.txt, each run writes the same bytes. The component's tests compare its answers
with these, to 1e-6.
"""

import json
from pathlib import Path

import numpy as np
from scipy.special import expit, softmax

ACTIVATIONS = {"none": lambda scores: scores, "softmax": lambda scores: softmax(scores, axis=1), "sigmoid": expit}


def logits(random, rows, columns):
    """Scores of every magnitude, with equal ones, and some whose exponentials overflow in 32 bits."""
    scores = random.normal(scale=4.0, size=(rows, columns)).astype(np.float32)
    scores[1] *= 40
    scores[2, : columns // 2 + 1] = scores[2, 0]
    scores[3] = -200.0
    scores[4] = np.linspace(-150.0, 150.0, columns)
    return scores


def ranked(scores, names, settings):
    """The answer for mutually exclusive labels."""
    top_k = settings.get("top_k", 1)
    # Ranked by the scores, because the last probabilities all round to 0. Stable, so equal ones keep their order.
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
    probabilities = ACTIVATIONS[settings.get("activation", "none")](scores.astype(np.float64))
    score = np.take_along_axis(probabilities, order, axis=1)
    thresholds = settings.get("thresholds") or [settings.get("threshold", 0.5)] * len(names)
    below = "below" in settings and score < np.array(thresholds)[order]
    label = np.where(below, settings.get("below"), np.array(names, dtype=object)[order])
    if top_k == 1:
        label, score = label[:, 0], score[:, 0]
    return {"label": label.tolist(), "score": score.tolist(), "scores": probabilities.tolist()}


def each(scores, names, settings):
    """The answer for independent labels."""
    probabilities = ACTIVATIONS[settings["activation"]](scores.astype(np.float64))
    thresholds = settings.get("thresholds") or [settings.get("threshold", 0.5)] * len(names)
    return {"label": (probabilities >= np.array(thresholds)).tolist(), "score": probabilities.tolist()}


def main():
    random = np.random.default_rng(7)
    animals = ["cat", "dog", "eel", "fox", "gnu"]
    cases = []
    for settings in [
        {"labels": animals, "activation": "softmax", "outputs": {"scores": "scores"}},
        {"labels": animals, "activation": "softmax", "top_k": 3, "outputs": {"scores": "scores"}},
        {"labels": animals, "activation": "softmax", "top_k": 5, "threshold": 0.2, "below": "other"},
        {"labels": animals, "activation": "sigmoid", "top_k": 2, "thresholds": [0.1, 0.9, 0.5, 0.99, 0.7], "below": ""},
        {"values": [0, 90, 180, 270], "activation": "softmax", "threshold": 0.9, "below": -1},
        {"labels": animals, "activation": "sigmoid", "multi_label": True},
        {"labels": animals, "activation": "sigmoid", "multi_label": True, "thresholds": [0.1, 0.9, 0.5, 0.99, 0.7]},
    ]:
        names = settings.get("labels") or settings["values"]
        scores = logits(random, 7, len(names))
        answer = (each if settings.get("multi_label") else ranked)(scores, names, settings)
        cases.append({"settings": settings, "columns": len(names), "scores": scores.ravel().tolist(), "answer": answer})
    # One column: the first label's probability is the complement of the second one's.
    seconds = np.array([[-30.0], [-2.0], [0.0], [0.5], [9.0]], dtype=np.float32)
    settings = {"labels": ["no", "yes"], "activation": "sigmoid", "threshold": 0.8, "below": "unsure"}
    answer = ranked(np.hstack([-seconds, seconds]), settings["labels"], settings)
    cases.append({"settings": settings, "columns": 1, "scores": seconds.ravel().tolist(), "answer": answer})
    lines = ",\n".join(json.dumps(case) for case in cases)
    Path(__file__).with_name("golden.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
