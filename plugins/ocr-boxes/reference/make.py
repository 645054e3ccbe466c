"""Writes boxes.json: a map with slanted bars, a ring and specks, a page, and RapidOCR's results for both.

Runs with rapidocr-onnxruntime 1.4.4 (Apache-2.0) and opencv-python 5.0.0.93.
"""

import json
from pathlib import Path

import cv2
import numpy as np
from rapidocr_onnxruntime import RapidOCR
from rapidocr_onnxruntime.ch_ppocr_det.utils import DBPostProcess

HEIGHT, WIDTH = 96, 128
PAGE_HEIGHT, PAGE_WIDTH = 72, 100


def made(rng):
    """A map and a page, both generated."""
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _ in range(5):
        place = (float(rng.integers(10, WIDTH - 10)), float(rng.integers(10, HEIGHT - 10)))
        size = (float(rng.integers(15, 50)), float(rng.integers(4, 14)))
        corners = cv2.boxPoints((place, size, float(rng.integers(-90, 90) if rng.random() < 0.6 else 0)))
        cv2.fillPoly(picture, [corners.astype(np.int32)], int(rng.integers(110, 255)))
    cv2.circle(picture, (int(rng.integers(12, 100)), int(rng.integers(12, 80))), 9, 220, 2)
    cv2.rectangle(picture, (2, 2), (3, 3), 200, -1)
    picture = cv2.GaussianBlur(picture, (5, 5), 0.8) // 32 * 32  # few levels, long runs
    levels = rng.integers(0, 256, (PAGE_HEIGHT // 6, PAGE_WIDTH // 6, 3), dtype=np.uint8)
    return picture, cv2.resize(levels, (PAGE_WIDTH, PAGE_HEIGHT), interpolation=cv2.INTER_CUBIC)


def packed(array):
    """Runs of equal bytes, to keep the file small: [byte, times, byte, times, ...]."""
    flat, runs = array.ravel().tolist(), []
    for byte in flat:
        if runs and runs[-2] == byte:
            runs[-1] += 1
        else:
            runs += [byte, 1]
    return runs


ocr = RapidOCR()
find = DBPostProcess(0.3, 0.5, 1000, 1.6, "fast", True)
cases = []
for seed in range(8):
    picture, page = made(np.random.default_rng(seed))
    score = picture.astype(np.float32) / np.float32(255)
    boxes, _ = find(score[None, None], (PAGE_HEIGHT, PAGE_WIDTH))
    boxes = ocr.sorted_boxes(ocr.text_det.filter_tag_det_res(boxes, (PAGE_HEIGHT, PAGE_WIDTH)))
    crops = ocr.get_crop_img_list(page, boxes)
    case = {
        "map": packed(picture),
        "boxes": [[int(number) for number in box.ravel()] for box in boxes],
        "sizes": [list(crop.shape[:2]) for crop in crops],
    }
    if seed == 4:
        case["page"] = page.ravel().tolist()
        case["crops"] = [level for crop in crops for level in crop.ravel().tolist()]
    cases.append(case)
Path(__file__).with_name("boxes.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
