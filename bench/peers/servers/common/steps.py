"""The steps that every Python server runs, each a plain function of arrays.

    tabular, batch   scale → graph → label      columns standardised as in the example's manifest
    image            graph → label
    jpeg             decode → graph → label     a JPEG decoded, made 224 × 224, standardised per channel

`PEERS_MODELS` is the folder of the models, `PEERS_WORKLOAD` the workload. ONNX Runtime gets one thread per call,
because requests run in parallel.
"""

import io
import json
import os
from pathlib import Path

import numpy
import onnxruntime
from PIL import Image, UnidentifiedImageError

MODELS = Path(os.environ["PEERS_MODELS"])
WORKLOAD = os.environ.get("PEERS_WORKLOAD", "tabular")
SIDE = 224
# The mean and deviation of ImageNet, as used in training image classifiers.
MEAN = numpy.array([0.485, 0.456, 0.406], "f4").reshape(3, 1, 1)
STD = numpy.array([0.229, 0.224, 0.225], "f4").reshape(3, 1, 1)


class BadInput(ValueError):
    """A client error; the text says what is wrong."""


def open_graph(name: str):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(MODELS / f"{name}.onnx", options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0].name
    return lambda x: session.run(None, {given: x})[0]


class Tabular:
    """One row of 30 floats, or more."""

    def __init__(self):
        settings = json.loads((MODELS / "tabular.json").read_text())
        self.mean = numpy.array(settings["mean"])
        self.std = numpy.array(settings["std"])
        self.labels = settings["labels"]
        self.infer = open_graph("tabular")

    def before(self, features):
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise BadInput(f"features: shape [rows, {len(self.mean)}] is needed")
        if not numpy.isfinite(features).all():
            raise BadInput("features: finite numbers are needed")
        return ((features - self.mean) / self.std).astype("f4")

    def after(self, scores):
        score = scores[:, 0]
        return {"label": [self.labels[int(s >= 0.5)] for s in score], "score": score}


class Tensor:
    """A tensor that needs no preprocessing."""

    def __init__(self):
        self.labels = json.loads((MODELS / "image.json").read_text())["labels"]
        self.infer = open_graph("image")

    def before(self, image):
        if image.ndim != 4 or image.shape[1:] != (3, SIDE, SIDE):
            raise BadInput(f"image: shape [rows, 3, {SIDE}, {SIDE}] is needed")
        return image

    def after(self, scores):
        best = scores.argmax(1)
        return {"label": [self.labels[i] for i in best], "score": scores[numpy.arange(len(best)), best]}


class Jpeg(Tensor):
    """A JPEG's bytes."""

    def before(self, body):
        try:
            picture = Image.open(io.BytesIO(body)).convert("RGB")
        except UnidentifiedImageError as error:
            raise BadInput("image: no JPEG") from error
        return self.standardise(picture)

    def standardise(self, picture):
        picture = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        planes = numpy.asarray(picture, "f4").transpose(2, 0, 1) / 255
        return numpy.ascontiguousarray((planes - MEAN) / STD)[None]


KINDS = {"tabular": Tabular, "batch": Tabular, "image": Tensor, "jpeg": Jpeg}


def make(workload: str = WORKLOAD):
    return KINDS[workload]()


def run(steps, given) -> dict:
    """All steps: `label`, a list of texts, and `score`, an array."""
    return steps.after(steps.infer(steps.before(given)))


def to_lists(answer: dict) -> dict:
    return {"label": answer["label"], "score": answer["score"].tolist()}
