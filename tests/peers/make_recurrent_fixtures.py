"""Makes the recurrent networks and those with control flow in
tests/data/networks: each with inputs x and the outputs y of onnxruntime in an
.npz, which are also onnx's own reference implementation's where that knows the
attributes.

    python3 tests/peers/make_recurrent_fixtures.py tests/data/networks

Made with onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6. Weights are drawn from a
fixed seed.
SPDX-License-Identifier: GPL-3.0-or-later
"""
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

OUT = sys.argv[1]
IMAGES, STEPS, INPUTS, HIDDEN, CLASSES = 3, 5, 3, 4, 4
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
rng = np.random.default_rng(11)


def draw(*shape):
    return (rng.standard_normal(shape) * 0.6).astype(np.float32)


def const(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def node(op, ins, outs, name="", **attributes):
    return helper.make_node(op, ins.split(), outs.split(), name=name,
                            **attributes)


def weights(op, inputs=INPUTS, directions=1, prefix=""):
    g = GATES[op] * HIDDEN
    return [const(prefix + "W", draw(directions, g, inputs)),
            const(prefix + "R", draw(directions, g, HIDDEN)),
            const(prefix + "B", draw(directions, 2 * g))]


def head(inputs):
    return [const("fc.weight", draw(CLASSES, inputs)),
            const("fc.bias", draw(CLASSES))]


def save(name, nodes, constants, opset=17, reference=True):
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, name, [info("x", T.FLOAT, ["N", STEPS, INPUTS])],
        [info("y", T.FLOAT, ["N", CLASSES])], constants)
    model = helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", opset)])
    onnx.checker.check_model(model)
    x = draw(IMAGES, STEPS, INPUTS) * 2
    y = onnxruntime.InferenceSession(
        model.SerializeToString(),
        providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    if reference:
        other = ReferenceEvaluator(model).run(None, {"x": x})[0]
        assert np.allclose(other, y, atol=1e-6), (name, other, y)
    onnx.save(model, os.path.join(OUT, name + ".onnx"))
    np.savez(os.path.join(OUT, name + ".npz"), x=x, y=y)
    print(name, y[0])


first = [node("Transpose", "x", "xt", perm=[1, 0, 2])]
AX0 = const("ax0", np.array([0], np.int64))
AX1 = const("ax1", np.array([1], np.int64))

# The last state, as torch exports a classifier; constants with made-up names.
w = weights("LSTM", prefix="onnx::LSTM_")
lstm = helper.make_node("LSTM", ["xt", "onnx::LSTM_W", "onnx::LSTM_R",
                                 "onnx::LSTM_B"], ["", "hn"],
                        name="/rnn/LSTM", hidden_size=HIDDEN)
save("lstm", first + [lstm, node("Squeeze", "hn ax0", "s"),
                      node("Gemm", "s fc.weight fc.bias", "y", transB=1)],
     w + [AX0] + head(HIDDEN))

# Two directions, peepholes, an initial state that is learned, all outputs.
sizes = [node("Shape", "x", "shape"),
         node("Gather", "shape zero", "n", axis=0),
         node("Concat", "two n wide", "state_shape", axis=0),
         node("Expand", "h0 state_shape", "h0n"),
         node("Expand", "c0 state_shape", "c0n")]
bi = helper.make_node(
    "LSTM", ["xt", "W", "R", "B", "", "h0n", "c0n", "P"], ["all", "hn", "cn"],
    name="bi", hidden_size=HIDDEN, direction="bidirectional")
save("bilstm", first + sizes + [
    bi, node("ReduceMean", "all", "m", axes=[0], keepdims=0),
    node("Add", "m hn", "mh"), node("Add", "mh cn", "s"),
    node("Transpose", "s", "st", perm=[1, 0, 2]),
    node("Flatten", "st", "f"),
    node("Gemm", "f fc.weight fc.bias", "y", transB=1)],
    weights("LSTM", directions=2) + head(2 * HIDDEN) + [
        const("P", draw(2, 3 * HIDDEN)), const("h0", draw(2, 1, HIDDEN)),
        const("c0", draw(2, 1, HIDDEN)), const("zero", np.array([0], np.int64)),
        const("two", np.array([2], np.int64)),
        const("wide", np.array([HIDDEN], np.int64))], reference=False)

# Other activations with numbers of their own, a clip, coupled gates, sequences
# that end early.
clipped = helper.make_node(
    "LSTM", ["xt", "W", "R", "B", "len"], ["all", "hn"], name="clipped",
    hidden_size=HIDDEN, clip=0.9, input_forget=1,
    activations=["HardSigmoid", "ScaledTanh", "Softsign"],
    activation_alpha=[0.3, 1.2], activation_beta=[0.4, 0.8])
save("clipped", first + [
    node("Shape", "x", "shape"), node("Gather", "shape zero", "n", axis=0),
    node("Expand", "four n", "len"), clipped,
    node("Squeeze", "all ax1", "sq"),
    node("ReduceSum", "sq ax0", "sum", keepdims=0),
    node("Squeeze", "hn ax0", "last"), node("Add", "sum last", "s"),
    node("Gemm", "s fc.weight fc.bias", "y", transB=1)],
    weights("LSTM") + head(HIDDEN) + [
        AX0, AX1, const("zero", np.array([0], np.int64)),
        const("four", np.array([4], np.int32))], reference=False)

# Two of them on top of each other, as torch has them.
save("gru", first + [
    node("GRU", "xt W R B", "a", name="rnn.0", hidden_size=HIDDEN,
         linear_before_reset=1),
    node("Squeeze", "a ax1", "b"),
    helper.make_node("GRU", ["b", "2W", "2R", "2B"], ["", "hn"], name="rnn.1",
                     hidden_size=HIDDEN, linear_before_reset=1),
    node("Squeeze", "hn ax0", "s"),
    node("Gemm", "s fc.weight fc.bias", "y", transB=1)],
    weights("GRU") + weights("GRU", HIDDEN, prefix="2") + head(HIDDEN) +
    [AX0, AX1])

# The other form of a GRU, backwards.
save("gru_reverse", first + [
    helper.make_node("GRU", ["xt", "W", "R", "B"], ["all", "hn"], name="gru",
                     hidden_size=HIDDEN, direction="reverse"),
    node("Squeeze", "all ax1", "b"), node("ReduceMean", "b", "m", axes=[0],
                                          keepdims=0),
    node("Squeeze", "hn ax0", "last"), node("Add", "m last", "s"),
    node("Gemm", "s fc.weight fc.bias", "y", transB=1)],
    weights("GRU") + head(HIDDEN) + [AX0, AX1], reference=False)

# Opset 12, where axes are attributes.
save("rnn", first + [
    helper.make_node("RNN", ["xt", "W", "R", "B"], ["all", "hn"], name="rnn",
                     hidden_size=HIDDEN, direction="bidirectional",
                     activations=["Tanh", "LeakyRelu"],
                     activation_alpha=[0.2]),
    node("ReduceMean", "all", "m", axes=[0], keepdims=0),
    node("Add", "m hn", "s"), node("Transpose", "s", "st", perm=[1, 0, 2]),
    node("Flatten", "st", "f"),
    node("Gemm", "f fc.weight fc.bias", "y", transB=1)],
    weights("RNN", directions=2) + head(2 * HIDDEN), opset=12,
    reference=False)


# Control flow that is known: a loop whose passes share a weight and swap two
# states, a scan, and a branch that follows from a shape.
def value(name, kind=T.FLOAT, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


swap = helper.make_graph(
    [node("MatMul", "a V", "av"), node("Tanh", "av", "at"),
     node("Cast", "i", "fi", to=T.FLOAT), node("Mul", "fi tenth", "ft"),
     node("Add", "at ft", "a2"), node("Identity", "go", "go2"),
     node("Identity", "b", "next_a"), node("Sub", "a2 b", "next_b"),
     node("Identity", "a2", "seen")],
    "swap", [value("i", T.INT64, []), value("go", T.BOOL, []), value("a"),
             value("b")],
    [value("go2", T.BOOL, []), value("next_a"), value("next_b"),
     value("seen")],
    [const("tenth", np.array(0.1, np.float32))])
scan = helper.make_graph(
    [node("MatMul", "step U", "su"), node("Add", "state su", "t"),
     node("Sigmoid", "t", "state2"), node("Mul", "state2 su", "put")],
    "scan", [value("state"), value("step")], [value("state2"), value("put")])
then = helper.make_graph([node("Neg", "r", "yes")], "then", [], [value("yes")])
other = helper.make_graph([node("Det", "r", "no")], "else", [], [value("no")])
save("control", [
    node("Gather", "x zero", "x0", axis=1),
    node("MatMul", "x0 V0", "start"),
    node("Scan", "start x", "state_n puts", name="scan", body=scan,
         num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[1],
         scan_input_directions=[1]),
    node("ReduceMean", "puts", "put_mean", axes=[1], keepdims=0),
    node("Loop", "three true start put_mean", "la lb seen_n", name="loop",
         body=swap),
    node("ReduceMean", "seen_n", "seen_mean", axes=[0], keepdims=0),
    node("Add", "la lb", "ab"), node("Add", "ab seen_mean", "abs"),
    node("Add", "abs state_n", "r"),
    node("Shape", "r", "rs"), node("Gather", "rs one", "rw", axis=0),
    node("Equal", "rw four", "flag"),
    node("If", "flag", "s", name="choose", then_branch=then,
         else_branch=other),
    node("Gemm", "s fc.weight fc.bias", "y", transB=1)],
    head(HIDDEN) + [
        const("V", draw(HIDDEN, HIDDEN)), const("V0", draw(INPUTS, HIDDEN)),
        const("U", draw(INPUTS, HIDDEN)), const("true", np.array(True)),
        const("zero", np.array(0, np.int64)),
        const("one", np.array(1, np.int64)),
        const("three", np.array(3, np.int64)),
        const("four", np.array(HIDDEN, np.int64))], reference=False)

# Attention as the newest exporters write it, which guards against NaN.
save("guarded", [
    node("MatMul", "x q", "xq"), node("MatMul", "x k", "xk"),
    node("Transpose", "xk", "kt", perm=[0, 2, 1]),
    node("MatMul", "xq kt", "scores"),
    node("Where", "mask scores low", "masked"),
    node("Softmax", "masked", "p", axis=-1), node("IsNaN", "p", "nan"),
    node("Where", "nan zero p", "pp"), node("MatMul", "pp x", "mix"),
    node("ReduceMean", "mix", "m", axes=[1], keepdims=0),
    node("Gemm", "m fc.weight fc.bias", "y", transB=1)],
    head(INPUTS) + [
        const("q", draw(INPUTS, INPUTS) * 2), const("k", draw(INPUTS, INPUTS) * 2),
        const("zero", np.array(0, np.float32)),
        const("low", np.array(-np.inf, np.float32)),
        const("mask", np.tril(np.ones((STEPS, STEPS), bool)))])
