"""A hand-written, fast FastAPI service: orjson, no validation by classes, raw bodies.

    POST /predict   {"features": rows} as JSON
    POST /floats    little-endian floats; their shape in the header X-Shape
    POST /jpeg      a JPEG

Long computations run on the thread pool, so that the event loop stays free and several cores are used.
"""

import numpy
import orjson
import steps
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

pipeline = steps.make()
app = FastAPI()


def answer(content, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


@app.exception_handler(steps.BadInput)
async def bad_input(_: Request, error: steps.BadInput) -> Response:
    return answer({"error": str(error)}, 400)


@app.post("/predict")
async def predict(request: Request) -> Response:
    try:
        rows = numpy.asarray(orjson.loads(await request.body())["features"], "f4")
    except (ValueError, KeyError, TypeError) as error:
        return answer({"error": f"features: {error}"}, 400)
    return answer(steps.to_lists(steps.run(pipeline, rows)))


@app.post("/floats")
async def floats(request: Request) -> Response:
    try:
        shape = [int(size) for size in request.headers["x-shape"].split(",")]
        tensor = numpy.frombuffer(await request.body(), "<f4").reshape(shape)
    except (ValueError, KeyError) as error:
        return answer({"error": f"body: {error}"}, 400)
    return answer(steps.to_lists(await run_in_threadpool(steps.run, pipeline, tensor)))


@app.post("/jpeg")
async def jpeg(request: Request) -> Response:
    body = await request.body()
    return answer(steps.to_lists(await run_in_threadpool(steps.run, pipeline, body)))
