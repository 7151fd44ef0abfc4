"""Makes tests/data/inputs: tiny networks whose inputs are several, integers, of
free size, or have their images along another axis than the first, each with an
.npz of arrays by the inputs' names and the outputs y of onnxruntime.

    python3 tests/peers/make_input_fixtures.py tests/data/inputs

Made with onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6. Same versions, same
bytes: weights come from numpy.random.RandomState(1).
SPDX-License-Identifier: GPL-3.0-or-later
"""
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T
from onnx import helper, numpy_helper

OUT = sys.argv[1]
rng = np.random.RandomState(1)


def w(name, *shape):
    return numpy_helper.from_array(
        rng.uniform(-0.5, 0.5, shape).astype(np.float32), name)


def i64(name, values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), [output], name=output,
                            **attributes)


def save(name, nodes, inputs, constants, arrays, rank=2, store=None):
    """inputs: (name, type, dims); arrays: what onnxruntime is fed; store: what
    the .npz holds of them."""
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info(n, t, d) for n, t, d in inputs],
        [helper.make_tensor_value_info("y", T.FLOAT, [None] * rank)],
        initializer=constants)
    model = helper.make_model(
        graph, producer_name="fixtures", ir_version=8,
        opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model)
    onnx.save(model, os.path.join(OUT, name + ".onnx"))
    y = onnxruntime.InferenceSession(
        model.SerializeToString(),
        providers=["CPUExecutionProvider"]).run(None, arrays)[0]
    np.savez(os.path.join(OUT, name + ".npz"), **(store or arrays), y=y)


os.makedirs(OUT, exist_ok=True)

# token ids and a mask: every operator on run-time integers
ids = rng.randint(0, 20, (5, 6)).astype(np.int64)
mask = (rng.uniform(size=(5, 6)) < 0.7).astype(np.int32)
mask[:, 0] = 1
save("tokens", [
    node("Gather", "table ids", "words"),
    node("Gather", "places range", "positions"),
    node("Equal", "ids three", "is_three"),
    node("Greater", "ids seven", "is_late"),
    node("Not", "is_late", "is_early"),
    node("Cast", "is_early", "is_kind", to=T.INT64),
    node("Where", "is_three two is_kind", "kind"),
    node("Gather", "kinds kind", "kind_words"),
    node("Sub", "ids seven", "shifted"),
    node("Div", "shifted three", "third"),  # truncates toward zero
    node("Add", "third three", "pair"),
    node("Gather", "numbers pair", "number"),  # of a table of integers
    node("Gather", "table number", "more_words"),
    node("Concat", "ids number", "both", axis=1),
    node("Cast", "both", "both_float", to=T.FLOAT),
    node("MatMul", "both_float both_weight", "both_sum"),
    node("Add", "words positions", "a"),
    node("Add", "a kind_words", "b"),
    node("Add", "b more_words", "c"),
    node("Cast", "mask", "mask_float", to=T.FLOAT),
    node("Unsqueeze", "mask_float last", "mask_column"),
    node("Mul", "c mask_column", "masked"),
    node("ReduceMean", "masked", "mean", axes=[1], keepdims=0),
    node("Add", "mean both_sum", "d"),
    node("Tanh", "d", "e"),
    node("Gemm", "e fc.weight fc.bias", "y", transB=1)],
    [("ids", T.INT64, ["N", 6]), ("mask", T.INT32, ["N", 6])],
    [w("table", 20, 4), w("places", 6, 4), w("kinds", 3, 4),
     i64("range", range(6)), i64("three", 3), i64("seven", 7), i64("two", [2]),
     i64("numbers", [3, 1, 4, 1, 5, 9, 2, 6]), i64("last", [-1]),
     w("both_weight", 12, 4), w("fc.weight", 3, 4), w("fc.bias", 3)],
    {"ids": ids, "mask": mask})
# images second in one input, a value for all in two others
x = rng.uniform(-1, 1, (7, 5)).astype(np.float32)
state = rng.uniform(-1, 1, (2, 7, 3)).astype(np.float32)
save("several", [
    node("MatMul", "x w1", "a"),
    node("Mul", "a scale", "b"),
    node("Relu", "b", "c"),
    node("Transpose", "state", "d", perm=[1, 0, 2]),
    node("Flatten", "d", "e"),
    node("Concat", "c e", "f", axis=1),
    node("Cast", "rate", "g", to=T.FLOAT),
    node("Div", "g thousand", "h"),
    node("Mul", "f h", "i"),
    node("Gemm", "i fc.weight fc.bias", "y", transB=1)],
    [("x", T.FLOAT, ["batch", 5]), ("state", T.FLOAT, [2, "batch", 3]),
     ("scale", T.FLOAT, [1]), ("rate", T.INT64, [])],
    [w("w1", 5, 4), w("fc.weight", 3, 10), w("fc.bias", 3),
     numpy_helper.from_array(np.float32(1000), "thousand")],
    {"x": x, "state": state, "scale": np.array([0.75], np.float32),
     "rate": np.array(1600, np.int64)})

# height and width as the data has them
x = rng.uniform(-1, 1, (4, 2, 6, 8)).astype(np.float32)
save("free_size", [
    node("Conv", "x conv.weight", "a", pads=[1, 1, 1, 1]),
    node("Relu", "a", "b"),
    node("Shape", "b", "shape"),
    node("Gather", "shape zero", "images"),
    node("Concat", "images minus", "target", axis=0),
    node("Reshape", "b target", "flat"),
    node("ReduceMean", "flat", "c", axes=[2], keepdims=0),
    node("Gemm", "c fc.weight fc.bias", "y", transB=1)],
    [("x", T.FLOAT, ["N", 2, "height", "width"])],
    [w("conv.weight", 3, 2, 3, 3), i64("zero", [0]), i64("minus", [3, -1]),
     w("fc.weight", 3, 3), w("fc.bias", 3)],
    {"x": x})

# classes along the second axis, a label for every pixel, some of none
x = rng.uniform(-1, 1, (5, 2, 4, 3)).astype(np.float32)
save("segments", [
    node("Conv", "x conv1.weight", "a", pads=[1, 1, 1, 1]),
    node("Relu", "a", "b"),
    node("Conv", "b conv2.weight", "y")],
    [("x", T.FLOAT, ["N", 2, 4, 3])],
    [w("conv1.weight", 3, 2, 3, 3), w("conv2.weight", 4, 3, 1, 1)],
    {"x": x}, rank=4)
z = np.load(os.path.join(OUT, "segments.npz"))["y"].astype(np.float64)
label = rng.randint(0, 4, (5, 4, 3))
label[rng.uniform(size=label.shape) < 0.3] = -100
label[2] = -100  # a whole image
z -= np.log(np.exp(z).sum(1, keepdims=True))
rows = np.moveaxis(z, 1, -1)[label >= 0]
loss = -rows[np.arange(len(rows)), label[label >= 0]].mean()
hits = (rows.argmax(-1) == label[label >= 0]).mean()
np.savez(os.path.join(OUT, "segments.npz"), x=x, y=label,
         loss=np.float64(loss), accuracy=np.float64(hits))
