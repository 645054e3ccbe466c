"""Write labels.json: the reference implementation's answer for each type that the model can predict.

    python labels.py

The document has the part of the model's tables that the rules need, and for each prediction mode and each type of the
model: the answer for the lowest score, the answer for the highest one, and the lowest 32-bit score that gets the latter.
Writes the same bytes each time.
"""

import json
import struct
from pathlib import Path

from magika import Magika, PredictionMode

MODES = {
    "high-confidence": PredictionMode.HIGH_CONFIDENCE,
    "medium-confidence": PredictionMode.MEDIUM_CONFIDENCE,
    "best-guess": PredictionMode.BEST_GUESS,
}
HERE = Path(__file__).parent


def score(bits: int) -> float:
    """The 32-bit float with these bits, which sort like the numbers if those are not negative."""
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def rule(magika: Magika, taken_for: str) -> list:
    """The answers for 0 and for 1, and the lowest score with the same answer as 1."""
    def answer(bits: int) -> str:
        return str(magika._get_output_label_from_dl_label_and_score(taken_for, score(bits))[0])

    low, high = 0, struct.unpack("<I", struct.pack("<f", 1.0))[0]
    lowest, highest = answer(low), answer(high)
    if lowest == highest:
        return [lowest, highest, 0.0]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if answer(middle) == highest else (middle, high)
    return [lowest, highest, score(high)]


def main() -> None:
    magika = Magika()
    config = magika._model_config
    labels = config.target_labels_space
    answered = sorted(set(map(str, labels)) | set(map(str, config.overwrite_map.values())))
    document = {
        "licence": "config and types are from the package magika 1.0.3, Apache-2.0",
        "config": {
            "target_labels_space": labels,
            "medium_confidence_threshold": config.medium_confidence_threshold,
            "thresholds": config.thresholds,
            "overwrite_map": config.overwrite_map,
        },
        "types": {label: {"is_text": magika._cts_infos[label].is_text} for label in answered},
    }
    for name, mode in MODES.items():
        magika = Magika(prediction_mode=mode)
        document[name] = [rule(magika, label) for label in labels]
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in document.items())
    (HERE / "labels.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
