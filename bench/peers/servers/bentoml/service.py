"""A BentoML service: rows as JSON, in batches where the workload is `batch`; a JPEG as an upload, read by Pillow."""

import os

import bentoml
import numpy
import steps
from bentoml.exceptions import InvalidArgument
from PIL import Image

WORKERS = int(os.environ["PEERS_WORKERS"])
BATCHING = {"batchable": True, "max_batch_size": 64, "max_latency_ms": 1000} if steps.WORKLOAD == "batch" else {}


# No log line per request, as with the other servers.
@bentoml.service(workers=WORKERS, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Pipeline:
    def __init__(self):
        self.steps = steps.make()

    @bentoml.api(**BATCHING)
    def predict(self, features: numpy.ndarray) -> list[dict]:
        try:
            answer = steps.to_lists(steps.run(self.steps, features.astype("f4", copy=False)))
        except steps.BadInput as error:
            raise InvalidArgument(str(error)) from error
        return [{"label": label, "score": score} for label, score in zip(answer["label"], answer["score"])]

    @bentoml.api
    def jpeg(self, image: Image.Image, /) -> dict:
        scores = self.steps.infer(self.steps.standardise(image.convert("RGB")))
        return steps.to_lists(self.steps.after(scores))
