"""The same as client.py with Triton's own client: tensors are sent as raw bytes after a short JSON header.

    pip install 'tritonclient[http]==2.73.0'
    python3 client_triton.py 127.0.0.1:8000
"""

import sys

import numpy as np
import tritonclient.http as triton

from client import held_out


def main(server: str) -> None:
    rows, truth = held_out()
    features = triton.InferInput("features", [len(rows), len(rows[0])], "FP32")
    features.set_data_from_numpy(np.array(rows, dtype=np.float32), binary_data=True)
    wanted = [triton.InferRequestedOutput(name, binary_data=True) for name in ("label", "score")]
    with triton.InferenceServerClient(server) as client:
        answer = client.infer("tumor", [features], outputs=wanted)

    scores = answer.as_numpy("score")
    accuracy = float(np.mean(answer.as_numpy("label").astype(str) == np.array(truth)))
    print(f"{len(truth)} rows, scores from {scores.min():.6f} to {scores.max():.6f}: accuracy {accuracy:.4f}")
    sys.exit(accuracy < 0.96)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["127.0.0.1:8000"]))
