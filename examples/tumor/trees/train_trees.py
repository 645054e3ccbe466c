"""Train the tree version of the tumor classifier, and write the files that are committed in this folder.

Writes trees.onnx, scores.csv (scikit-learn's probability of `malignant` for each row of ../held-out.csv) and the expected
answers of the golden tests under tests/. Split, columns and the requests of the golden tests are those of ../train.py.

Seeded and single-threaded: with the versions in requirements.txt, each run writes the same bytes (README.md says on which
machines). Fails without writing anything if the file gives other scores on ONNX Runtime than scikit-learn.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent
sys.path.insert(0, str(EXAMPLE))
# Import it before numpy: it sets up numpy so that sums are the same on every machine.
import train

import numpy as np
import onnx
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split

# At most a hundred, because tract takes some 15 µs per tree and row.
GRID = {"n_estimators": (25, 50, 100), "max_depth": (1, 2, 3), "max_features": (None, "sqrt")}
# The oldest opset with all operators of the graph; a newer one would exclude older engines.
OPSETS = {"": 17, "ai.onnx.ml": 1}


def boost(rows: np.ndarray, malignant: np.ndarray) -> GradientBoostingClassifier:
    """Fit the trees; cross-validation on the same rows chooses their number, depth and random columns."""
    search = GridSearchCV(
        GradientBoostingClassifier(subsample=0.5, random_state=train.SEED),
        GRID,
        scoring="neg_log_loss",
        cv=StratifiedKFold(5, shuffle=True, random_state=train.SEED),
    )
    search.fit(rows, malignant)
    for tried, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"]):
        print(f"  {tried} log loss {-score:.4f}")
    print(f"  chosen: {search.best_params_}")
    return search.best_estimator_


def exported(trees: GradientBoostingClassifier, columns: int) -> bytes:
    """The trees as ONNX: `features` FP32 [-1, columns] -> `probabilities` FP32 [-1, 2]."""
    model = to_onnx(
        trees,
        initial_types=[("features", FloatTensorType([None, columns]))],
        options={"zipmap": False},
        target_opset=OPSETS,
    )
    # The next stage computes the labels.
    [labels] = [output for output in model.graph.output if output.name != "probabilities"]
    model.graph.output.remove(labels)
    [ensemble] = [node for node in model.graph.node if node.op_type == "TreeEnsembleClassifier"]
    fold_base_value(ensemble)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def fold_base_value(ensemble: onnx.NodeProto) -> None:
    """Add the base score to each leaf of the first tree.

    For two classes ONNX Runtime takes one base value, and tract requires two.
    """
    named = {attribute.name: attribute for attribute in ensemble.attribute}
    [base] = named["base_values"].floats
    weights = named["class_weights"].floats
    for leaf, tree in enumerate(named["class_treeids"].ints):
        if tree == 0:
            weights[leaf] += base
    ensemble.attribute.remove(named["base_values"])


def check(stored: bytes, rows: np.ndarray, scores: np.ndarray) -> None:
    """End the script if the file and the framework give different scores for these rows."""
    session = InferenceSession(stored, providers=["CPUExecutionProvider"])
    [probabilities] = session.run(["probabilities"], {"features": rows.astype(np.float32)})
    difference = np.abs(probabilities[:, 1] - scores).max()
    print(f"largest difference to the framework's scores, on ONNX Runtime: {difference:.1e}")
    if not difference <= train.LARGEST_DIFFERENCE:
        sys.exit(f"that is more than {train.LARGEST_DIFFERENCE}; nothing was written")


def main() -> None:
    rows, malignant, columns = train.read_data()
    train_rows, held_rows, train_malignant, held_malignant = train_test_split(
        rows, malignant, test_size=train.HELD_OUT, stratify=malignant, random_state=train.SEED
    )
    print("by 5-fold cross-validation on the training rows:")
    trees = boost(train_rows, train_malignant)
    stored = exported(trees, len(columns))
    # Trees compare 32-bit values, as clients send them.
    check(stored, rows, trees.predict_proba(rows)[:, 1])
    scores = trees.predict_proba(held_rows)[:, 1]
    train.report(scores, held_malignant)

    (HERE / "trees.onnx").write_bytes(stored)
    print(f"trees.onnx: {len(stored)} bytes")
    train.write_csv(HERE / "scores.csv", ["score"], [[score] for score in scores.tolist()])
    for name in ("row-benign", "row-malignant", "row-batch"):
        [asked] = json.loads((EXAMPLE / "tests" / f"{name}.json").read_text())["inputs"]
        answered = trees.predict_proba(np.reshape(asked["data"], asked["shape"]))[:, 1]
        train.write_json(HERE / "tests" / f"{name}.out.json", train.answer_body(answered))
        print(f"tests/{name}.out.json: score {', '.join(f'{score:.6f}' for score in answered)}")


if __name__ == "__main__":
    main()
