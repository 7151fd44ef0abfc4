"""Compares the outputs of a quantized file in other runtimes with hawq-bench's.

    hawq-bench FILE.onnx --data IMAGES.npz --outputs OUTPUTS.npy
    python3 tests/peers/qdq.py FILE.onnx IMAGES.npz OUTPUTS.npy [IMAGES]

onnx.checker must pass. A unit is 1/255 of the range that the outputs have on
all images. Wanted: at most one unit apart in 99.9 % of the values, and another
arg max in at most 0.1 % of the images. One line for each of

    exact    what the file says: onnx's reference evaluator in float64, on the
             first IMAGES (default 8; it is slow)
    plain    ONNX Runtime, every node in float32 between its rounding
    fused    ONNX Runtime, nodes fused into integer operators
    default  the same without session.x64quantprecision: on a processor without
             VNNI, ONNX Runtime then adds pairs of products of unsigned and
             signed bytes in 16 bits, which saturate
    itself   plain and fused from each other

Exit code 1 if exact, plain or fused misses. Where plain or fused does and exact
does not, the file is as the program computes, and the runtime rounds otherwise:
a sum in float32 that falls on the other side of a half is a unit, and every
layer behind makes more of it. `itself` tells how much that is.

Used with onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6.
SPDX-License-Identifier: GPL-3.0-or-later
"""
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper, version_converter
from onnx.reference import ReferenceEvaluator

LEVELS = onnxruntime.GraphOptimizationLevel


def run(path, x, level, precise):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    if precise:
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"])
    name, shape = session.get_inputs()[0].name, session.get_inputs()[0].shape
    step = shape[0] if isinstance(shape[0], int) else 100
    parts = [session.run(None, {name: x[i:i + step]})[0]
             for i in range(0, len(x), step)]
    return np.concatenate(parts).reshape(len(x), -1)


def run_exactly(path, x):
    """The file with float64 in place of float32."""
    model = onnx.load(path)
    if model.opset_import[0].version < 21:  # the evaluator has no older ones
        model = version_converter.convert_version(model, 21)
    for t in model.graph.initializer:
        if t.data_type == onnx.TensorProto.FLOAT:
            wide = numpy_helper.to_array(t).astype(np.float64)
            t.CopyFrom(numpy_helper.from_array(wide, t.name))
    session = ReferenceEvaluator(model)
    given = model.graph.input[0]
    fixed = given.type.tensor_type.shape.dim[0].dim_value or 1
    parts = [session.run(None, {given.name: x[i:i + fixed].astype(np.float64)})
             for i in range(0, len(x), fixed)]
    return np.concatenate([p[0] for p in parts]).reshape(len(x), -1)


def tell(name, got, want, unit):
    """Prints the line; True if it misses."""
    want = want.reshape(len(want), -1)
    apart = np.abs(got - want) / unit
    other = np.mean(got.argmax(1) != want.argmax(1))
    beyond = np.mean(apart > 1)
    print(f"{path}: {name}: at most {apart.max():.2f} units apart, "
          f"{100 * beyond:.3f} % of {want.size} values by more than one, "
          f"another arg max in {100 * other:.2f} % of {len(want)} images")
    return beyond > 0.001 or other > 0.001


path, images, outputs = sys.argv[1:4]
few = int(sys.argv[4]) if len(sys.argv) > 4 else 8
onnx.checker.check_model(path, full_check=True)
x = np.load(images)["x"].astype(np.float32)
want = np.load(outputs)
x = x[:len(want)]
unit = (want.max() - want.min()) / 255
plain = run(path, x, LEVELS.ORT_DISABLE_ALL, True)
fused = run(path, x, LEVELS.ORT_ENABLE_ALL, True)
bad = tell("exact", run_exactly(path, x[:few]), want[:few], unit)
bad |= tell("plain", plain, want, unit)
bad |= tell("fused", fused, want, unit)
tell("default", run(path, x, LEVELS.ORT_ENABLE_ALL, False), want, unit)
tell("itself", plain, fused, unit)
sys.exit(bool(bad))
