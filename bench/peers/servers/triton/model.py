"""Triton's Python backend: all steps in one model, or the one step that the model's configuration names.

Requests that Triton batches are computed together. Triton's interpreter ignores PYTHONPATH, so
`steps.py` is linked beside this file.
"""

import json

import numpy
import triton_python_backend_utils as triton

from . import steps


class TritonPythonModel:
    def initialize(self, arguments):
        config = json.loads(arguments["model_config"])
        pipeline = steps.make()
        self.given = config["input"][0]["name"]
        self.made = [output["name"] for output in config["output"]]
        self.call = {
            "all": lambda x: tensors(steps.run(pipeline, unwrap(x))),
            "before": lambda x: [pipeline.before(unwrap(x))],
            "infer": lambda x: [pipeline.infer(x)],
            "after": lambda x: tensors(pipeline.after(x)),
        }[config["parameters"]["step"]["string_value"]]

    def execute(self, requests):
        given = [triton.get_input_tensor_by_name(request, self.given).as_numpy() for request in requests]
        try:
            made = self.call(given[0] if len(given) == 1 else numpy.concatenate(given))
        except steps.BadInput as error:
            refusal = triton.TritonError(str(error), triton.TritonError.INVALID_ARG)
            return [triton.InferenceResponse([], refusal) for _ in requests]
        responses, start = [], 0
        for rows in map(len, given):
            mine = [triton.Tensor(name, array[start : start + rows]) for name, array in zip(self.made, made)]
            responses.append(triton.InferenceResponse(mine))
            start += rows
        return responses


def unwrap(array):
    """The bytes of the only element, if the array is not numeric."""
    return array.item() if array.dtype == object else array


def tensors(answer):
    """Adds the second dimension that Triton expects: one row for each row of the batch."""
    label = numpy.array([text.encode() for text in answer["label"]], object)
    return [label[:, None], answer["score"][:, None]]
