"""Says by how much what hawq-analyze computes of random inputs differs from
onnxruntime: the root of the mean squared difference of the first float output.
Fails beyond 1e-5 of the output's size, or of 1 where that is less: a probability
is off by what its unit is off.

    python3 tests/peers/compare_forward.py HAWQ_ANALYZE NETWORK.onnx \
        [input=576] [state=2x1x128] [sr:=16000] [--images N]

NAME=SHAPE is the shape of an input, of the first one without the batch, where
the file leaves it free. Inputs but the first become constants, drawn once, or
the number behind NAME:=. Used with onnx 1.23.2, onnxruntime 1.32.0, numpy
2.4.6.
SPDX-License-Identifier: GPL-3.0-or-later
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

program, path, *rest = sys.argv[1:]
images, shapes, numbers = 8, {}, {}
while rest:
    word = rest.pop(0)
    if word == "--images":
        images = int(rest.pop(0))
    elif ":=" in word:
        name, value = word.split(":=")
        numbers[name] = float(value)
    else:
        name, value = word.split("=")
        shapes[name] = [int(d) for d in value.split("x")]

rng = np.random.default_rng(7)
model = onnx.load(path)
graph = model.graph
known = {t.name for t in graph.initializer}
inputs = [v for v in graph.input if v.name not in known]
first, others = inputs[0], inputs[1:]
for v in others:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(v.type.tensor_type.elem_type)
    value = (np.array(numbers[v.name]) if v.name in numbers
             else rng.standard_normal(shapes[v.name]) * 0.3)
    graph.initializer.append(numpy_helper.from_array(value.astype(dtype),
                                                     v.name))
    graph.input.remove(v)
dims = first.type.tensor_type.shape.dim
shape = shapes.get(first.name, [d.dim_value for d in dims][1:])
for d, n in zip(list(dims)[1:], shape):
    d.ClearField("dim_param")
    d.dim_value = n
if others:  # their batch is 1
    dims[0].ClearField("dim_param")
    dims[0].dim_value = 1
x = rng.standard_normal([images, *shape]).astype(np.float32) * 0.3
with tempfile.TemporaryDirectory() as folder:
    net, data = (os.path.join(folder, f) for f in ("net.onnx", "data.npz"))
    onnx.save(model, net)
    session = onnxruntime.InferenceSession(
        net, providers=["CPUExecutionProvider"])
    output = next(o.name for o in session.get_outputs() if "float" in o.type)
    y = np.concatenate([session.run([output], {first.name: x[i:i + 1]})[0]
                        for i in range(images)])
    np.savez(data, x=x, y=y.astype(np.float32))
    done = subprocess.run(
        [program, net, "--data", data, "--loss", "mse", "--metric", "depth",
         "--bits", "8", "--db", os.path.join(folder, "db"), "--quiet",
         "--format", "json"], capture_output=True, text=True)
if done.returncode:
    sys.exit(done.stderr)
error = np.sqrt(json.loads(done.stdout)["loss_value"])
size = np.sqrt(np.mean(np.square(y)))
print(f"{os.path.basename(path)}: output {output} of size {size:.2g}, {images} "
      f"images, differs by {error:.1e}")
sys.exit(bool(error > 1e-5 * max(1, size)))
