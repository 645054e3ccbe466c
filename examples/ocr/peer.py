"""The Python package behind FastAPI, for bench.py: `POST /` with a picture as the body.

THREADS is the number of threads per network; default: the package's own, all cores.
"""

import os

from fastapi import FastAPI, Request
from rapidocr_onnxruntime import RapidOCR
from starlette.concurrency import run_in_threadpool

threads = int(os.environ.get("THREADS", "-1"))
ocr = RapidOCR(intra_op_num_threads=threads, inter_op_num_threads=threads)
app = FastAPI()


@app.post("/")
async def read(request: Request):
    lines, _ = await run_in_threadpool(ocr, await request.body())
    return [{"box": box, "text": text, "score": score} for box, text, score in lines or []]
