"""Says whether a saved network is valid ONNX and, in onnxruntime, computes what
the original computes: largest difference relative to the largest output, for
batches of 1 and 5 (of the fixed size where there is one).

    python3 tests/peers/compare_saved.py ORIGINAL.onnx SAVED.onnx

Used with onnx 1.23.2, onnxruntime 1.31.1, numpy 2.4.6.
SPDX-License-Identifier: GPL-3.0-or-later
"""
import sys

import numpy as np
import onnx
import onnxruntime


def run(path, x):
    session = onnxruntime.InferenceSession(
        path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


original, saved = sys.argv[1:]
onnx.checker.check_model(saved, full_check=True)
shape = onnxruntime.InferenceSession(
    saved, providers=["CPUExecutionProvider"]).get_inputs()[0].shape
fixed = isinstance(shape[0], int)
worst = 0
for n in ([shape[0]] if fixed else [1, 5]):
    x = np.random.RandomState(n).uniform(0, 1, [n, *shape[1:]])
    a, b = (run(p, x.astype(np.float32)) for p in (original, saved))
    worst = max(worst, np.abs(a - b).max() / np.abs(a).max())
print(f"{saved}: batch {shape[0]}, differs by {worst:.1e}")
sys.exit(bool(worst > 1e-5))
