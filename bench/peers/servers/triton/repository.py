"""Triton's model repositories: one model with all steps, an ensemble of a model per step, or the graph alone."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from places import HOME, SERVERS
from workloads import Workload

CODE = (SERVERS / "triton/model.py", SERVERS / "common/steps.py")


@dataclass(frozen=True)
class Tensor:
    name: str
    kind: str
    # Without the batch dimension.
    dimensions: list[int]


ANSWER = [Tensor("label", "STRING", [1]), Tensor("score", "FP32", [1])]


@dataclass(frozen=True)
class Step:
    name: str
    given: Tensor
    made: list[Tensor]


def chain(workload: Workload) -> list[Step]:
    """The steps of a workload; a tensor workload has none before the graph."""
    ready = Tensor("ready", "FP32", list(workload.shape[1:]))
    scores = Tensor("scores", "FP32", [1 if workload.model == "tabular" else 1000])
    client = Tensor(workload.tensor, *(("STRING", [1]) if workload.name == "jpeg" else ("FP32", ready.dimensions)))
    if workload.name == "image":
        return [Step("infer", client, [scores]), Step("after", scores, ANSWER)]
    return [Step("before", client, [ready]), Step("infer", ready, [scores]), Step("after", scores, ANSWER)]


def write(layout: str, workload: Workload, cores: int) -> Path:
    """Writes a repository with the layout `single`, `ensemble` or `model`; returns its folder."""
    folder = HOME / "triton" / layout / workload.name
    shutil.rmtree(folder, ignore_errors=True)
    steps = chain(workload)
    count = cores if workload.model == "image" else 1
    if layout == "single":
        one = Step("pipeline", steps[0].given, ANSWER)
        write_model(folder, one, python(workload, "all", count))
    elif layout == "model":
        graph = Tensor(workload.tensor, "FP32", list(workload.shape[1:]))
        scores = next(step for step in steps if step.name == "infer").made
        write_model(folder, Step("pipeline", graph, scores), python(workload, "infer", count))
    else:
        for step in steps:
            write_model(folder, step, python(workload, step.name, count))
        whole = Step("pipeline", steps[0].given, ANSWER)
        write_model(folder, whole, ensemble(steps), code=())
    return folder


def python(workload: Workload, step: str, count: int) -> str:
    # Batching pays for rows only; an image keeps a core busy by itself.
    batching = "dynamic_batching { }\n" if workload.model == "tabular" else ""
    return (
        'backend: "python"\n'
        f"instance_group [{{ kind: KIND_CPU count: {count} }}]\n"
        f'parameters {{ key: "step" value: {{ string_value: "{step}" }} }}\n{batching}'
    )


def ensemble(steps: list[Step]) -> str:
    def pairs(key: str, tensors: list[Tensor]) -> str:
        return "".join(f' {key} {{ key: "{tensor.name}" value: "{tensor.name}" }}' for tensor in tensors)

    lines = [
        f' {{ model_name: "{step.name}" model_version: -1{pairs("input_map", [step.given])}'
        f"{pairs('output_map', step.made)} }}"
        for step in steps
    ]
    return 'platform: "ensemble"\nensemble_scheduling { step [\n' + ",\n".join(lines) + "\n] }\n"


def write_model(folder: Path, step: Step, how: str, code=CODE) -> None:
    def listed(key: str, tensors: list[Tensor]) -> str:
        lines = [f' {{ name: "{t.name}" data_type: TYPE_{t.kind} dims: {t.dimensions} }}' for t in tensors]
        return f"{key} [\n" + ",\n".join(lines) + "\n]\n"

    version = folder / step.name / "1"
    version.mkdir(parents=True)
    tensors = listed("input", [step.given]) + listed("output", step.made)
    config = f'name: "{step.name}"\n{how}max_batch_size: 64\n{tensors}'
    (folder / step.name / "config.pbtxt").write_text(config)
    for file in code:
        (version / file.name).symlink_to(file)
