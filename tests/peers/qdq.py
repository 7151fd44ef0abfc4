"""Runs a quantized file in ONNX Runtime and compares with hawq-bench's outputs.

    hawq-bench FILE.onnx --data IMAGES.npz --outputs OUTPUTS.npy
    python3 tests/peers/qdq.py FILE.onnx IMAGES.npz OUTPUTS.npy

onnx.checker must pass. A unit is 1/255 of the range that the outputs have on all
images. Wanted: at most one unit apart in 99.9 % of the values, and another
arg max in at most 0.1 % of the images, with the graph as it stands (every node
in float between its rounding) and as ONNX Runtime fuses it into integer
operators. Exit code 1 if not.

Used with onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6.
SPDX-License-Identifier: GPL-3.0-or-later
"""
import sys

import numpy as np
import onnx
import onnxruntime


def run(path, x, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    # Without it, processors without VNNI add products of 8-bit weights in 16
    # bits that saturate.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"])
    name, shape = session.get_inputs()[0].name, session.get_inputs()[0].shape
    step = shape[0] if isinstance(shape[0], int) else 100
    parts = [session.run(None, {name: x[i:i + step]})[0]
             for i in range(0, len(x), step)]
    return np.concatenate(parts).reshape(len(x), -1)


path, images, outputs = sys.argv[1:4]
onnx.checker.check_model(path, full_check=True)
x = np.load(images)["x"].astype(np.float32)
want = np.load(outputs)
x = x[:len(want)]
unit = (want.max() - want.min()) / 255
levels = onnxruntime.GraphOptimizationLevel
bad = False
for name, level in (("plain", levels.ORT_DISABLE_ALL),
                    ("fused", levels.ORT_ENABLE_ALL)):
    got = run(path, x, level)
    apart = np.abs(got - want) / unit
    other = np.mean(got.argmax(1) != want.argmax(1))
    beyond = np.mean(apart > 1)
    print(f"{path}: {name}: at most {apart.max():.2f} units apart, "
          f"{100 * beyond:.3f} % of {want.size} values by more than one, "
          f"another arg max in {100 * other:.2f} % of {len(want)} images")
    bad |= beyond > 0.001 or other > 0.001
sys.exit(bool(bad))
