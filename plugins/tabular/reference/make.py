"""Write golden.json: rows, the settings of a fitted ColumnTransformer, and its matrix for the rows.

Seeded: with the versions in requirements.txt, each run writes the same bytes. The component's tests compare its matrix
with this one, to 1e-6, for the rows as CSV, as JSON lines and as tensors.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

import from_sklearn

ROWS = 200
SHOWN = 16


def table(random):
    """A table of tickets: numbers of all magnitudes, categories, and missing values."""
    frame = pd.DataFrame({
        "age": random.normal(40, 15, ROWS).round(1),
        "fare": random.lognormal(3, 1.2, ROWS).round(2),
        "port": random.choice(["C", "Q", "S", "Sankt \"Pölten\", AT"], ROWS),
        "class": random.choice([1, 2, 3], ROWS),
        "size": random.choice(["small", "medium", "large"], ROWS),
        "flag": random.choice(["no", "yes, of course"], ROWS),
        "siblings": random.integers(0, 6, ROWS).astype(float),
    })
    for column, share in {"age": 0.3, "fare": 0.1, "port": 0.2, "siblings": 0.2}.items():
        frame.loc[random.random(ROWS) < share, column] = np.nan
    return frame


def fit(frame):
    """A typical training pipeline."""
    ordinal = OrdinalEncoder(
        categories=[["small", "medium", "large"]], handle_unknown="use_encoded_value", unknown_value=-1
    )
    steps = [
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["age", "siblings"]),
        (
            "fare",
            make_pipeline(
                SimpleImputer(strategy="mean"),
                FunctionTransformer(np.log1p, feature_names_out="one-to-one"),
                StandardScaler(),
            ),
            ["fare"],
        ),
        (
            "port",
            make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
            ["port"],
        ),
        ("class", OneHotEncoder(drop="first", handle_unknown="error"), ["class"]),
        ("flag", OneHotEncoder(drop="if_binary", handle_unknown="ignore"), ["flag"]),
        ("again", OneHotEncoder(), ["port"]),
        ("size", make_pipeline(ordinal, StandardScaler()), ["size"]),
        ("raw", "passthrough", ["class"]),
    ]
    return ColumnTransformer(steps, sparse_threshold=0).fit(frame)


def main():
    frame = table(np.random.default_rng(11))
    transformer = fit(frame)
    shown = frame.head(SHOWN).copy()
    # Values that training has never seen.
    shown.loc[3, "size"] = "giant"
    shown.loc[4, "flag"] = "?"
    shown.loc[5, "fare"] = 1e9
    golden = {
        "settings": from_sklearn.settings(transformer),
        "rows": [from_sklearn.plain(list(row)) for row in shown.astype(object).to_numpy()],
        "names": list(shown.columns),
        "csv": shown.to_csv(index=False),
        "matrix": np.asarray(transformer.transform(shown), dtype=np.float64).tolist(),
    }
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in golden.items())
    Path(__file__).with_name("golden.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
