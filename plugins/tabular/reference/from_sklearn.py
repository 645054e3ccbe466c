"""Converts a fitted ColumnTransformer of scikit-learn to the equivalent settings of `tabular`.

    import joblib, json, from_sklearn
    print(json.dumps(from_sklearn.settings(joblib.load("columns.joblib")), indent=2))

JSON is YAML, so the output can be pasted into a manifest. Supports SimpleImputer, StandardScaler, OneHotEncoder,
OrdinalEncoder, FunctionTransformer of log and log1p, pipelines of them, "passthrough" and "drop", on named columns.
Raises ValueError for anything else, because a guess would give wrong answers in production.
"""

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler


def settings(transformer):
    """The settings, with one entry for each input column of each transformer, in order."""
    columns = []
    for name, step, names in transformer.transformers_:
        if isinstance(step, str) and step == "drop":
            continue
        if not all(isinstance(column, str) for column in names):
            raise ValueError(f"transformer {name}: its columns have no names; fit it on a DataFrame, by names")
        entries = [{"name": column} for column in names]
        for part in [part for _, part in step.steps] if isinstance(step, Pipeline) else [step]:
            for index, entry in enumerate(entries):
                add(part, index, entry)
        columns += entries
    return {"columns": columns}


def add(step, index, entry):
    """Adds the settings of a step for its column with this index."""
    if isinstance(step, str) and step == "passthrough" or is_identity(step):
        return
    if isinstance(step, SimpleImputer) and not step.add_indicator and list(entry) == ["name"]:
        entry["impute"] = plain(step.statistics_[index])
    elif isinstance(step, StandardScaler):
        mean = 0.0 if step.mean_ is None else step.mean_[index]
        entry["standardise"] = {"mean": plain(mean), "std": 1.0 if step.scale_ is None else plain(step.scale_[index])}
    elif isinstance(step, FunctionTransformer) and step.func in (np.log, np.log1p) and "standardise" not in entry:
        entry["log"] = step.func.__name__
    elif isinstance(step, OneHotEncoder) and step.handle_unknown in ("error", "ignore") and step.min_frequency is None:
        if step.max_categories is not None or not (step.drop is None or isinstance(step.drop, str)):
            raise ValueError(f"column {entry['name']}: drops infrequent or listed categories, as no setting does")
        entry["one_hot"] = {"categories": plain(step.categories_[index]), "unknown": step.handle_unknown}
        if step.drop is not None:
            entry["one_hot"]["drop"] = step.drop
    elif isinstance(step, OrdinalEncoder):
        known = [category for category in plain(step.categories_[index]) if category is not None]
        entry["ordinal"] = {"categories": known}
        if step.handle_unknown == "use_encoded_value":
            entry["ordinal"]["unknown"] = plain(step.unknown_value)
        if len(known) < len(step.categories_[index]):
            entry["ordinal"]["missing"] = plain(step.encoded_missing_value)
    else:
        raise ValueError(f"column {entry['name']}: no settings do what {step} does")


def is_identity(step):
    return isinstance(step, FunctionTransformer) and step.func is None


def plain(value):
    """A NumPy value for JSON; a NaN becomes null."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list):
        return [plain(element) for element in value]
    return None if isinstance(value, float) and np.isnan(value) else value
