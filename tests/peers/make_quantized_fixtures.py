"""Makes tests/data/quantized: a small network as ONNX Runtime's tools quantize
it, in all their ways, and as they halve it; beside each file in an .npz inputs
x and the outputs y that ONNX Runtime gives.

    python3 tests/peers/make_quantized_fixtures.py tests/data/quantized

qdq_*: pairs of QuantizeLinear and DequantizeLinear; operators_*: QLinearConv
and its like; dynamic_*: DynamicQuantizeLinear and ConvInteger or MatMulInteger;
half: float16. u8 and s8 are the types of activations and weights; _channels:
a scale for each channel of the weights.

Made with onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6.
SPDX-License-Identifier: GPL-3.0-or-later
"""
import os
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat,
                                      QuantType, quantize_dynamic,
                                      quantize_static)
from onnxruntime.transformers.float16 import convert_float_to_float16

OUT = sys.argv[1]
IMAGES = 12
U8, S8 = QuantType.QUInt8, QuantType.QInt8
random = np.random.default_rng(7)


class Images(CalibrationDataReader):
    def __init__(self):
        self.left = 30

    def get_next(self):
        self.left -= 1
        x = random.standard_normal((1, 2, 8, 8)).astype(np.float32)
        return {"x": x} if self.left >= 0 else None


def network():
    constants = []

    def constant(name, *shape, size):
        values = (random.standard_normal(shape) * size).astype(np.float32)
        constants.append(numpy_helper.from_array(values, name))
        return name

    def node(op, inputs, out, **attributes):
        return helper.make_node(op, inputs, [out], out + "_node", **attributes)

    nodes = [
        node("Conv", ["x", constant("w1", 8, 2, 3, 3, size=0.3),
                      constant("b1", 8, size=0.1)], "c1", pads=[1] * 4),
        node("Relu", ["c1"], "r1"),
        node("Conv", ["r1", constant("w2", 8, 1, 3, 3, size=0.3),
                      constant("b2", 8, size=0.1)], "c2", pads=[1] * 4,
             group=8),
        node("Add", ["c2", "r1"], "a"),
        node("Relu", ["a"], "r2"),
        node("MaxPool", ["r2"], "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Sigmoid", ["p"], "s"),
        node("Mul", ["p", "s"], "m"),
        node("GlobalAveragePool", ["m"], "g"),
        node("Flatten", ["g"], "f"),
        node("MatMul", ["f", constant("w3", 8, 6, size=0.5)], "d"),
        node("Add", ["d", constant("b3", 6, size=0.1)], "e"),
        node("Relu", ["e"], "r3"),
        node("Gemm", ["r3", constant("w4", 4, 6, size=0.5),
                      constant("b4", 4, size=0.1)], "y", transB=1),
    ]
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("x", 1, ["N", 2, 8, 8])],
        [helper.make_tensor_value_info("y", 1, ["N", 4])], constants)
    model = helper.make_model(graph,
                              opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def answers(path):
    options = onnxruntime.SessionOptions()
    # Without it, processors without VNNI add products of 8-bit weights in 16
    # bits that saturate.
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).standard_normal((IMAGES, 2, 8, 8))
    x = x.astype(np.float32)
    kind = np.float16 if "16" in session.get_inputs()[0].type else np.float32
    y = [session.run(None, {"x": x[i:i + 1].astype(kind)})[0]
         for i in range(IMAGES)]
    np.savez(path.replace(".onnx", ".npz"), x=x,
             y=np.concatenate(y).astype(np.float32))


def named(name):
    return os.path.join(OUT, name + ".onnx")


os.makedirs(OUT, exist_ok=True)
with tempfile.TemporaryDirectory() as folder:
    whole = os.path.join(folder, "whole.onnx")
    onnx.save(network(), whole)
    QDQ, OPERATORS = QuantFormat.QDQ, QuantFormat.QOperator
    made = []
    for name, form, x_type, w_type, channels in (
            ("qdq_u8s8", QDQ, U8, S8, False),
            ("qdq_s8s8_channels", QDQ, S8, S8, True),
            ("qdq_u8u8", QDQ, U8, U8, False),
            ("operators_u8s8_channels", OPERATORS, U8, S8, True),
            ("operators_u8u8", OPERATORS, U8, U8, False)):
        quantize_static(whole, named(name), Images(), quant_format=form,
                        activation_type=x_type, weight_type=w_type,
                        per_channel=channels)
        made.append(name)
    for name, w_type, channels in (("dynamic_s8_channels", S8, True),
                                   ("dynamic_u8", U8, False)):
        quantize_dynamic(whole, named(name), weight_type=w_type,
                         per_channel=channels)
        made.append(name)
    onnx.save(convert_float_to_float16(onnx.load(whole), keep_io_types=True),
              named("half"))
for name in made + ["half"]:
    answers(named(name))
