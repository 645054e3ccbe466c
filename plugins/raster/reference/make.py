"""Writes resize.json: small pictures, and the results of OpenCV's INTER_LINEAR. Runs with opencv-python 5.0.0.93."""

import json
from pathlib import Path

import cv2
import numpy as np

rng = np.random.default_rng(1)
cases = []
for width, height, to_width, to_height in [
    (7, 5, 16, 9), (16, 12, 8, 6), (16, 12, 9, 5), (5, 9, 5, 20), (13, 3, 4, 3), (1, 4, 6, 6), (24, 10, 31, 4),
]:  # fmt: skip
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    resized = cv2.resize(picture, (to_width, to_height))
    cases.append({
        "from": [width, height], "to": [to_width, to_height],
        "levels": picture.ravel().tolist(), "resized": resized.ravel().tolist(),
    })  # fmt: skip
Path(__file__).with_name("resize.json").write_text(json.dumps(cases) + "\n")
