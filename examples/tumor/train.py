"""Train both versions of the tumor classifier and write the generated files of this example.

Writes held-out.csv, the requests of the golden tests under tests/, and for each version N: weights-vN.safetensors,
scores-vN.csv, the expected answers under tests/, and the numbers of the `scale` stage in tumor-vN.yaml (the three lists
between brackets; the rest of that file is maintained by hand).

Seeded and single-threaded: with the versions in requirements.txt, each run writes the same bytes (README.md says on
which machines). Fails without writing anything if the weights of a version, rounded to the stored 32 bits, do not
reproduce the framework's scores.
"""

import os

# Set before numpy is imported. With several threads, or kernels for another processor, sums are added in another order;
# their last bits differ, and after some hundred training steps so do the weights. Prescott's kernels run on any x86-64.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_CORETYPE"] = "Prescott"

import csv
import json
import re
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load, save
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).resolve().parent
SEED = 1995
HELD_OUT = 0.25
ALPHAS = (0.01, 0.1, 1.0, 3.0, 10.0, 30.0)
LABELS = ("benign", "malignant")
THRESHOLD = 0.5
LARGEST_DIFFERENCE = 1e-5


class Version(NamedTuple):
    """The search space of one version, before training."""

    number: str
    layouts: tuple[tuple[int, ...], ...]
    """Candidates for the widths of the hidden layers."""
    answer: str
    """The name of a golden test's expected answer, with {} for the name of its request."""


VERSIONS = (
    Version("1", ((16, 8),), "{}.out.json"),
    Version("2", ((4,), (8,), (16,), (32,)), "{}.v2.out.json"),
)


class Model(NamedTuple):
    """The result of training a version."""

    scaler: StandardScaler
    stored: bytes
    """The weights as a safetensors file."""
    scores: np.ndarray
    """The framework's own probability of `malignant` for each held-out row."""


def read_data() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The measurements in raw units, 1 where the tumor is malignant, and the names of the columns."""
    data = load_breast_cancer()
    # In scikit-learn malignant is class 0; here a higher score means malignant.
    malignant = (data.target_names[data.target] == "malignant").astype(np.int64)
    return data.data, malignant, [str(name).replace(" ", "_") for name in data.feature_names]


def train(layouts: tuple, rows: np.ndarray, malignant: np.ndarray) -> tuple[StandardScaler, MLPClassifier]:
    """Fit scaler and network; cross-validation on the same rows chooses the layout and the weight decay."""
    network = MLPClassifier(activation="relu", solver="lbfgs", max_iter=5000, random_state=SEED)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), network),
        {"mlpclassifier__hidden_layer_sizes": layouts, "mlpclassifier__alpha": ALPHAS},
        scoring="neg_log_loss",
        cv=StratifiedKFold(5, shuffle=True, random_state=SEED),
    )
    search.fit(rows, malignant)

    def shown(tried: dict) -> str:
        layout = "-".join(str(width) for width in tried["mlpclassifier__hidden_layer_sizes"])
        return f"hidden {layout:<5} alpha {tried['mlpclassifier__alpha']:<4}"

    for tried, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"]):
        print(f"  {shown(tried)} log loss {-score:.4f}")
    print(f"  chosen: {shown(search.best_params_).strip()}")
    return search.best_estimator_[0], search.best_estimator_[1]


def tensors(network: MLPClassifier) -> dict[str, np.ndarray]:
    """The weights by layer as `N.weight` [out, in] and `N.bias` [out]; scikit-learn keeps them as [in, out]."""
    named = {}
    for layer, (weight, bias) in enumerate(zip(network.coefs_, network.intercepts_)):
        named[f"{layer}.weight"] = np.ascontiguousarray(weight.T, dtype=np.float32)
        named[f"{layer}.bias"] = bias.astype(np.float32)
    return named


def forward(weights: dict[str, np.ndarray], scaler: StandardScaler, rows: np.ndarray, dtype: type) -> np.ndarray:
    """Compute the pipeline in plain numpy: scale, the network's layers, sigmoid; all in `dtype`."""
    hidden = (rows.astype(dtype) - scaler.mean_.astype(dtype)) / scaler.scale_.astype(dtype)
    last = len(weights) // 2 - 1
    for layer in range(last + 1):
        hidden = hidden @ weights[f"{layer}.weight"].astype(dtype).T + weights[f"{layer}.bias"].astype(dtype)
        if layer < last:
            hidden = np.maximum(hidden, 0)
    return 1 / (1 + np.exp(-hidden[:, 0]))


def write_csv(path: Path, header: list[str], rows: list[list]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_json(path: Path, body: dict) -> None:
    path.write_text(json.dumps(body) + "\n")


def request_body(rows: np.ndarray) -> dict:
    """A request in the Open Inference Protocol."""
    return {"inputs": [
        {"name": "features", "shape": list(rows.shape), "datatype": "FP32", "data": rows.ravel().tolist()},
    ]}


def answer_body(scores: np.ndarray) -> dict:
    """The expected answer, with scores as the shortest FP32 decimals."""
    count = len(scores)
    return {"outputs": [
        {"name": "label", "datatype": "BYTES", "shape": [count], "data": [LABELS[int(s >= THRESHOLD)] for s in scores]},
        {"name": "score", "datatype": "FP32", "shape": [count], "data": [float(str(np.float32(s))) for s in scores]},
    ]}


def fill_manifest(path: Path, lists: dict[str, list]) -> None:
    """Replace the bracketed list of each key; keep every other byte of the manifest."""
    text = path.read_text()
    for key, values in lists.items():
        items = [str(value) for value in values]
        lines = [", ".join(items[start:start + 5]) for start in range(0, len(items), 5)]
        block = "[\n          " + ",\n          ".join(lines) + "]"
        text, found = re.subn(rf"^(        {key}: )\[[^\]]*\]", lambda m: m[1] + block, text, flags=re.MULTILINE)
        if found != 1:
            sys.exit(f"{path.name}: expected one list `{key}:` to fill, found {found}")
    path.write_text(text)


def make(version: Version, train_rows: np.ndarray, train_malignant: np.ndarray, held_rows: np.ndarray) -> Model:
    """Train a version, and check that its stored weights give the framework's scores of the held-out rows."""
    print(f"\nversion {version.number}, by 5-fold cross-validation on the training rows:")
    scaler, network = train(version.layouts, train_rows, train_malignant)
    # A client sends FP32, so the framework gets the same rounded numbers.
    sent = held_rows.astype(np.float32).astype(np.float64)
    scores = network.predict_proba(scaler.transform(sent))[:, 1]
    stored = save(tensors(network))
    weights = load(stored)
    for dtype in (np.float64, np.float32):
        difference = np.abs(forward(weights, scaler, sent, dtype) - scores).max()
        print(f"largest difference to the framework's scores, in {dtype.__name__}: {difference:.1e}")
        if difference > LARGEST_DIFFERENCE:
            sys.exit(f"that is more than {LARGEST_DIFFERENCE}; nothing was written")
    print(f"largest weight {max(np.abs(w).max() for w in weights.values()):.2f}")
    return Model(scaler, stored, scores)


def report(scores: np.ndarray, malignant: np.ndarray) -> None:
    """Print the accuracy and other figures of these scores on the held-out rows."""
    said = scores >= THRESHOLD
    (true_benign, false_alarm), (missed, true_malignant) = confusion_matrix(malignant, said)
    print(f"held-out accuracy {np.mean(said == malignant):.4f} ({true_benign + true_malignant} of {len(scores)} "
          f"right, {missed} malignant missed, {false_alarm} false alarms)")
    print(f"held-out log loss {log_loss(malignant, scores):.4f}, ROC AUC {roc_auc_score(malignant, scores):.4f}")
    edges = (0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1)
    for low, high, count in zip(edges, edges[1:], np.histogram(scores, edges)[0]):
        print(f"  score {low:>5} to {high:<5} {count:>3} rows")
    print(f"scores from {scores.min():.3g} to {scores.max():.6f}")


def golden_rows(scores: np.ndarray, malignant: np.ndarray) -> dict[str, list[int]]:
    """Held-out rows by the name of their golden test.

    Correctly classified, and far enough from 0 and 1 that any wrong digit changes the score.
    """
    right = np.flatnonzero((scores >= THRESHOLD) == malignant)

    def nearest(score: float) -> int:
        return int(right[np.argmin(np.abs(scores[right] - score))])

    return {
        "row-benign": [nearest(0.1)],
        "row-malignant": [nearest(0.9)],
        "row-batch": [nearest(0.001), nearest(0.6), nearest(0.99)],
    }


def main() -> None:
    warnings.simplefilter("error", ConvergenceWarning)
    rows, malignant, columns = read_data()
    train_rows, held_rows, train_malignant, held_malignant = train_test_split(
        rows, malignant, test_size=HELD_OUT, stratify=malignant, random_state=SEED
    )
    print(f"{len(train_rows)} rows to train on, {len(held_rows)} held out ({held_malignant.sum()} malignant)")
    models = [make(version, train_rows, train_malignant, held_rows) for version in VERSIONS]

    write_csv(HERE / "held-out.csv", [*columns, "diagnosis"],
              [[*row, LABELS[truth]] for row, truth in zip(held_rows.tolist(), held_malignant)])
    # All versions use the same rows, chosen for the first version.
    golden = golden_rows(models[0].scores, held_malignant)
    for name, chosen in golden.items():
        write_json(HERE / "tests" / f"{name}.json", request_body(held_rows[chosen]))

    for version, (scaler, stored, scores) in zip(VERSIONS, models):
        print(f"\nversion {version.number}:")
        report(scores, held_malignant)
        fill_manifest(HERE / f"tumor-v{version.number}.yaml", {
            "columns": columns, "mean": scaler.mean_.tolist(), "std": scaler.scale_.tolist(),
        })
        (HERE / f"weights-v{version.number}.safetensors").write_bytes(stored)
        write_csv(HERE / f"scores-v{version.number}.csv", ["score"], [[score] for score in scores.tolist()])
        for name, chosen in golden.items():
            write_json(HERE / "tests" / version.answer.format(name), answer_body(scores[chosen]))
            print(f"tests/{name}.json: held-out row(s) {', '.join(str(row + 1) for row in chosen)}, "
                  f"score {', '.join(f'{score:.6f}' for score in scores[chosen])}")


if __name__ == "__main__":
    main()
