"""Makes tests/data/onnx: tiny networks in the forms that exporters write, each
with inputs x and the outputs y of onnxruntime in an .npz, and bad_*.onnx that
must be refused.

    python3 tests/peers/make_onnx_fixtures.py tests/data/onnx

Made with onnx 1.23.2, onnxruntime 1.31.1, numpy 2.4.6. Same versions, same
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


def w(*shape):
    return rng.uniform(-0.5, 0.5, shape).astype(np.float32)


def const(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def typed(name, data_type, dims, values):
    """An initializer in the typed arrays instead of raw bytes."""
    return helper.make_tensor(name, data_type, dims, values)


def i64(name, *values):
    return const(name, np.array(values, np.int64))


def node(op, inputs, outputs, name=None, **attributes):
    return helper.make_node(op, inputs.split() if inputs else [],
                            outputs.split(), name=name or outputs.split()[0],
                            **attributes)


def model(nodes, shape, constants, opset, output="y", out_rank=2, ir=8,
          batch="N", inputs=(), outputs=(), **more):
    x = helper.make_tensor_value_info("x", T.FLOAT, [batch, *shape])
    y = helper.make_tensor_value_info(output, T.FLOAT, [None] * out_rank)
    graph = helper.make_graph(nodes, "g", [x, *inputs], [y, *outputs],
                              initializer=constants)
    m = helper.make_model(graph, producer_name="fixtures", ir_version=ir,
                          opset_imports=[helper.make_opsetid("", opset)],
                          **more)
    return m


def save(name, m, shape, n=3, check=True):
    """Writes NAME.onnx and NAME.npz."""
    path = os.path.join(OUT, name + ".onnx")
    onnx.save(m, path)
    x = rng.uniform(-1, 1, (n, *shape)).astype(np.float32)
    session = onnxruntime.InferenceSession(
        path, providers=["CPUExecutionProvider"])
    output = session.get_outputs()[0].name
    fixed = session.get_inputs()[0].shape[0]
    step = fixed if isinstance(fixed, int) else n
    y = np.concatenate([session.run([output], {"x": x[i:i + step]})[0]
                        for i in range(0, n, step)])
    np.savez_compressed(os.path.join(OUT, name + ".npz"), x=x, y=y)
    assert os.path.getsize(path) < 20000, name
    assert np.isfinite(y).all() and np.abs(y).max() > 1e-3, name


def bn(c):
    return [const("gamma", w(c) + 1), const("beta", w(c)), const("mean", w(c)),
            const("var", w(c) + 1)]


# --- networks that run --------------------------------------------------

def batch_norm():
    for opset in (7, 9, 14, 22):
        extra = {"momentum": 0.9} if opset < 14 else {"training_mode": 0}
        save(f"batch_norm_opset{opset}", model([
            node("Conv", "x conv1.weight", "c", pads=[1, 1, 1, 1],
                 kernel_shape=[3, 3]),
            node("BatchNormalization", "c gamma beta mean var", "b",
                 epsilon=1e-3, **extra),
            node("Relu", "b", "r"),
            node("BatchNormalization", "r gamma beta mean var", "s"),
            node("Flatten", "s", "f"),
            node("Gemm", "f fc.weight fc.bias", "y", transB=1),
        ], (2, 5, 5), [const("conv1.weight", w(4, 2, 3, 3)), *bn(4),
                       const("fc.weight", w(3, 100)), const("fc.bias", w(3))],
            opset), (2, 5, 5))


def auto_pad():
    for kind, opset in (("SAME_UPPER", 7), ("SAME_LOWER", 11), ("VALID", 13),
                        ("SAME_LOWER", 22)):
        shape = (2, 7, 6)
        save(f"auto_pad_{kind.lower()}_opset{opset}", model([
            node("Conv", "x w1", "a", auto_pad=kind, strides=[2, 2]),
            node("MaxPool", "a", "p", kernel_shape=[2, 2], auto_pad=kind),
            node("Conv", "p w2 b2", "c", auto_pad=kind),
            node("GlobalAveragePool", "c", "g"),
            node("Flatten", "g", "y"),
        ], shape, [const("w1", w(3, 2, 2, 3)), const("w2", w(4, 3, 1, 1)),
                   const("b2", w(4))], opset), shape)


def geometry():
    shape = (4, 9, 8)
    save("asymmetric_pads", model([
        node("Conv", "x w1", "a", pads=[0, 1, 2, 3], strides=[2, 1]),
        node("AveragePool", "a", "p", kernel_shape=[3, 2], pads=[0, 0, 1, 1],
             strides=[2, 2]),
        node("AveragePool", "p", "q", kernel_shape=[2, 2], pads=[1, 1, 0, 0],
             count_include_pad=1),
        node("Flatten", "q", "y"),
    ], shape, [const("w1", w(3, 4, 3, 2))], 13), shape)
    save("groups_dilation", model([
        node("Conv", "x w1 b1", "a", group=2, pads=[1, 1, 1, 1]),
        node("Conv", "a w2", "b", group=6, dilations=[2, 1],
             pads=[2, 0, 2, 0]),
        node("Conv", "b w3", "c", dilations=[1, 3], strides=[1, 2]),
        node("ReduceMean", "c", "y", axes=[2, 3], keepdims=0),
    ], shape, [const("w1", w(6, 2, 3, 3)), const("b1", w(6)),
               const("w2", w(6, 1, 3, 3)), const("w3", w(5, 6, 2, 2))], 17),
        shape)


def reshape_chain():
    """x.view(x.size(0), -1) as torch writes it."""
    shape = (2, 3, 4)
    for opset in (9, 13):
        unsqueeze = (node("Unsqueeze", "n", "n1", axes=[0]) if opset < 13 else
                     node("Unsqueeze", "n axis0", "n1"))
        save(f"reshape_chain_opset{opset}", model([
            node("Relu", "x", "r"),
            node("Shape", "r", "s"),
            node("Constant", "", "zero", value=const("", np.int64(0))),
            node("Gather", "s zero", "n", axis=0),
            unsqueeze,
            node("Concat", "n1 minus1", "t", axis=0),
            node("Reshape", "r t", "f"),
            node("MatMul", "f w", "m"),
            node("Add", "m b", "y"),
        ], shape, [i64("minus1", -1), const("w", w(24, 5)), const("b", w(5)),
                   *([i64("axis0", 0)] if opset >= 13 else [])], opset), shape)


def shortcut():
    """Option-A shortcut, F.pad as torch writes it: the list of paddings is
    filled up by ConstantOfShape, reversed by a Slice with step -1, cast."""
    shape = (2, 6, 6)
    save("shortcut_pad", model([
        node("Slice", "x starts ends axes steps", "h"),
        node("ConstantOfShape", "count", "zeros",
             value=const("", np.zeros(1, np.int64))),
        node("Concat", "given zeros", "all", axis=0),
        node("Reshape", "all two", "pairs"),
        node("Slice", "pairs last first axis0 back", "reversed"),
        node("Transpose", "reversed", "columns", perm=[1, 0]),
        node("Reshape", "columns flat", "list"),
        node("Cast", "list", "pads", to=T.INT64),
        node("Pad", "h pads value", "p", mode="constant"),
        node("Conv", "x w1", "c", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Add", "c p", "s"),
        node("Slice", "s s1 e1 a1 b1", "q"),
        node("Flatten", "q", "y"),
    ], shape, [i64("starts", 0, 0), i64("ends", 2**63 - 1, 100),
               i64("axes", 2, 3), i64("steps", 2, 2), i64("count", 2),
               i64("given", 0, 0, 0, 0, 1, 1), i64("two", -1, 2), i64("last", -1),
               i64("first", -2**63), i64("axis0", 0), i64("back", -1),
               i64("flat", -1), const("value", np.float32(0)),
               const("w1", w(4, 2, 3, 3)), i64("s1", -1), i64("e1", -2**63),
               i64("a1", 3), i64("b1", -1)], 11), shape)
    save("channel_pad", model([
        node("Slice", "x starts ends axes steps", "h"),
        node("Pad", "h pads", "p"),
        node("Conv", "x w1", "c", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Add", "p c", "s"),
        node("Flatten", "s", "y"),
    ], shape, [i64("starts", 0, 0), i64("ends", 6, 6), i64("axes", -2, -1),
               i64("steps", 2, 2), i64("pads", 0, 1, 0, 0, 0, 1, 0, 0),
               const("w1", w(4, 2, 3, 3))], 13), shape)


def old_forms():
    """Attributes that later became inputs."""
    shape = (2, 6, 5)
    save("forms_opset7", model([
        node("Pad", "x", "p", mode="constant", pads=[0, 0, 1, 0, 0, 0, 0, 1],
             value=0.25),
        node("Slice", "p", "s", axes=[2, 3], starts=[1, -5], ends=[6, 1000]),
        node("Conv", "s w1", "c", kernel_shape=[3, 3]),
        node("Clip", "c", "k", min=-0.5, max=0.75),
        node("Dropout", "k", "d", ratio=0.5),
        node("ReduceMean", "d", "m", axes=[2], keepdims=1),
        node("Squeeze", "m", "q", axes=[2]),
        node("Unsqueeze", "q", "u", axes=[1]),
        node("Flatten", "u", "f"),
        node("Gemm", "f w2 b2", "y", alpha=0.5, beta=2.0),
    ], shape, [const("w1", w(3, 2, 3, 3)), const("w2", w(9, 4)),
               const("b2", w(4))], 7, ir=4), shape)
    save("forms_opset13", model([
        node("Pad", "x pads pad_value", "p"),
        node("Conv", "p w1", "c"),
        node("Clip", "c low high", "k"),
        helper.make_node("Clip", ["k", "", "top"], ["k2"], name="k2"),
        node("ReduceMean", "k2", "m", axes=[-1], keepdims=1),
        node("Squeeze", "m axis3", "q"),
        node("Unsqueeze", "q axis1", "u"),
        node("Flatten", "u", "f", axis=-3),
        node("Gemm", "f w2", "y"),
    ], shape, [i64("pads", 0, 0, 0, 1, 0, 0, 1, 0),
               const("pad_value", np.float32(-0.5)),
               const("w1", w(3, 2, 3, 3)), const("low", np.float32(-0.4)),
               const("high", np.float32(np.inf)),
               const("top", np.float32(0.5)), i64("axis3", 3), i64("axis1", 1),
               const("w2", w(15, 4))], 13), shape)
    save("forms_opset22", model([
        node("Pad", "x pads pad_value pad_axes", "p"),
        node("Conv", "p w1", "c"),
        node("Relu", "c", "k"),
        node("ReduceMean", "k axes23", "m", keepdims=0),
        node("Constant", "", "target", value_ints=[0, -1]),
        node("Reshape", "m target", "f", allowzero=0),
        node("Gemm", "f w2", "y"),
    ], shape, [i64("pads", 1, 0, 0, 1), const("pad_value", np.float32(0.5)),
               i64("pad_axes", 2, 3), const("w1", w(3, 2, 3, 3)),
               i64("axes23", 2, 3), const("w2", w(3, 4))], 22, ir=10), shape)


def encodings():
    """Every way of writing numbers, through Casts, times x."""
    shape = (4,)
    half = np.array([0.5, -1.25, 2.0 ** -24, -65504], np.float16)
    kinds = [
        typed("float_data", T.FLOAT, [4], w(4).tolist()),
        typed("double_data", T.DOUBLE, [4], w(4).astype(np.float64).tolist()),
        typed("half_data", T.FLOAT16, [4], half.tolist()),
        typed("int32_data", T.INT32, [4], [1, -2, 3, -2**31]),
        typed("int64_data", T.INT64, [4], [5, -6, 2**40, 8]),
        typed("int8_data", T.INT8, [4], [-128, 127, 0, -1]),
        typed("uint8_data", T.UINT8, [4], [255, 0, 1, 128]),
        typed("bool_data", T.BOOL, [4], [1, 0, 0, 1]),
        const("half_raw", half[::-1].copy()),
        const("double_raw", w(4).astype(np.float64)),
        const("int32_raw", np.array([7, -8, 9, 2**31 - 1], np.int32)),
        const("int64_raw", np.array([-7, 8, -9, 10], np.int64)),
        const("int8_raw", np.array([1, -1, 127, -128], np.int8)),
        const("uint8_raw", np.array([200, 100, 50, 25], np.uint8)),
        const("bool_raw", np.array([True, False, True, False])),
        helper.make_tensor("brain_raw", T.BFLOAT16, [4],
                           np.array([0x3f80, 0xc049, 0x0001, 0x4780],
                                    np.uint16).tobytes(), raw=True),
    ]
    nodes, parts = [node("Mul", "x w", "s")], ["s"]
    for k in kinds:
        nodes.append(node("Cast", k.name, k.name + "_f", to=T.FLOAT))
        nodes.append(node("Mul", f"x {k.name}_f", k.name + "_x"))
        parts.append(k.name + "_x")
    nodes.append(node("Concat", " ".join(parts), "y", axis=1))
    save("encodings", model(nodes, shape, kinds + [const("w", w(1, 4))], 13),
         shape)


def float16_weights():
    shape = (2, 5, 5)
    save("float16_weights", model([
        node("Cast", "w1", "w1f", to=T.FLOAT),
        node("Cast", "w2", "w2f", to=T.FLOAT),
        node("Conv", "x w1f", "c"),
        node("Relu", "c", "r"),
        node("Flatten", "r", "f"),
        node("MatMul", "f w2f", "y"),
    ], shape, [const("w1", w(3, 2, 3, 3).astype(np.float16)),
               const("w2", w(27, 4).astype(np.float16))], 13), shape)


def external_data():
    shape = (6,)
    data = os.path.join(OUT, "external_data.bin")
    if os.path.exists(data):
        os.remove(data)  # onnx would append to it
    m = model([node("Gemm", "x w1 b1", "h"), node("Relu", "h", "r"),
               node("MatMul", "r w2", "y")],
              shape, [const("w1", w(6, 8)), const("b1", w(8)),
                      const("w2", w(8, 3))], 13)
    for t in m.graph.initializer[:]:
        if t.name != "b1":
            onnx.external_data_helper.set_external_data(
                t, "external_data.bin")
    save("external_data", m, shape)
    os.chmod(data, 0o644)


def oddities():
    """Initializers among the inputs, no node names, Constants of every kind,
    a dead branch and a second output that nobody could run."""
    shape = (4,)
    info = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Constant", [], ["c1"], value_float=0.5),
        helper.make_node("Constant", [], ["c2"],
                         value_floats=[1.0, 2.0, 3.0, 4.0]),
        helper.make_node("Constant", [], ["c3"], value_int=2),
        helper.make_node("Cast", ["c3"], ["c4"], to=T.FLOAT),
        helper.make_node("Mul", ["x", "c2"], ["a"]),
        helper.make_node("Mul", ["a", "c1"], ["b"]),
        helper.make_node("Mul", ["b", "c4"], ["c"]),
        helper.make_node("Det", ["dead"], ["unused"]),
        helper.make_node("Gemm", ["c", "w1", "b1"], ["y"]),
        helper.make_node("ArgMax", ["y"], ["label"], axis=1),
    ]
    m = model(nodes, shape, [
        const("w1", w(4, 5)), const("b1", w(5)),
        const("dead", w(2, 2))], 12, ir=3,
        inputs=[info("w1", T.FLOAT, [4, 5]), info("b1", T.FLOAT, [5]),
                info("dead", T.FLOAT, [2, 2])])
    m.graph.output.insert(0, info("label", T.INT64, ["N", 1]))
    path = os.path.join(OUT, "oddities.onnx")
    onnx.save(m, path)
    x = rng.uniform(-1, 1, (3, *shape)).astype(np.float32)
    y = onnxruntime.InferenceSession(
        path, providers=["CPUExecutionProvider"]).run(["y"], {"x": x})[0]
    np.savez_compressed(os.path.join(OUT, "oddities.npz"), x=x, y=y)


def two_outputs():
    m = model([node("Gemm", "x fc.weight", "y", transB=1),
               node("Gemm", "x aux.weight", "aux", transB=1),
               node("Relu", "aux", "more")], (4,),
              [const("fc.weight", w(3, 4)), const("aux.weight", w(2, 4))], 13,
              outputs=[helper.make_tensor_value_info(n, T.FLOAT, [None, 2])
                       for n in ("aux", "more")])
    save("two_outputs", m, (4,))


def fixed_batch():
    save("fixed_batch", model([
        node("Reshape", "x target", "f"), node("MatMul", "f w", "y")],
        (2, 2), [i64("target", 2, 4), const("w", w(4, 3))], 13, batch=2),
        (2, 2), n=4)


# --- networks that must be refused --------------------------------------

def refuse(name, m):
    onnx.save(m, os.path.join(OUT, "bad_" + name + ".onnx"))


def gemm(weight=None, opset=13, nodes=None, constants=(), **more):
    weight = weight if weight is not None else const("fc.weight", w(4, 3))
    nodes = nodes or [node("MatMul", "x fc.weight", "y", name="fc")]
    return model(nodes, (4,), [weight, *constants], opset, **more)


def external(**entries):
    t = const("fc.weight", w(4, 3))
    t.ClearField("raw_data")
    t.data_location = T.EXTERNAL
    for key, value in entries.items():
        t.external_data.add(key=key, value=str(value))
    return gemm(t)


def refused():
    bad = w(4, 3)
    bad[1, 1] = np.nan
    refuse("nan_weight", gemm(const("fc.weight", bad)))
    bad[1, 1] = -np.inf
    refuse("infinite_weight", gemm(const("fc.weight", bad)))
    refuse("opset5", gemm(opset=5))
    short = const("fc.weight", w(4, 3))
    short.raw_data = short.raw_data[:-4]
    refuse("short_weight", gemm(short))
    huge = const("fc.weight", w(4, 3))
    huge.dims[0] = 2**40
    huge.dims[1] = 2**40
    refuse("huge_weight", gemm(huge))
    refuse("string_weight", gemm(typed("fc.weight", T.STRING, [1], [b"a"])))
    refuse("operator", gemm(nodes=[
        node("MatMul", "x fc.weight", "h", name="fc"),
        node("Det", "h", "y", name="sum")]))
    refuse("attribute", gemm(nodes=[
        node("MatMul", "x fc.weight", "h", name="fc"),
        node("Relu", "h", "y", name="act", slope=2.0)]))
    refuse("domain", gemm(nodes=[
        node("MatMul", "x fc.weight", "h", name="fc"),
        node("Gelu", "h", "y", name="act", domain="com.microsoft")]))
    branch = helper.make_graph(
        [node("Identity", "h", "b")], "branch", [],
        [helper.make_tensor_value_info("b", T.FLOAT, None)])
    refuse("subgraph", gemm(nodes=[
        node("MatMul", "x fc.weight", "h", name="fc"),
        node("ReduceMax", "h", "top", keepdims=0),
        node("Greater", "top zero", "flag"),
        node("If", "flag", "y", name="choose", then_branch=branch,
             else_branch=branch)],
        constants=[const("zero", np.array(0, np.float32))]))
    m = gemm(nodes=[node("Twice", "x", "h", name="twice", domain="own"),
                    node("MatMul", "h fc.weight", "y", name="fc")])
    m.functions.append(helper.make_function(
        "own", "Twice", ["a"], ["b"], [node("Add", "a a", "b")],
        [helper.make_opsetid("", 13)]))
    refuse("function", m)
    m = gemm(nodes=[node("MatMul", "x sparse", "y", name="fc")])
    m.graph.sparse_initializer.append(helper.make_sparse_tensor(
        const("sparse", np.ones(2, np.float32)),
        const("at", np.array([1, 5], np.int64)), [4, 3]))
    refuse("sparse", m)
    m = gemm()
    m.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "width"
    refuse("free_width", m)
    m = gemm()
    m.graph.input[0].type.tensor_type.ClearField("shape")
    refuse("no_shape", m)
    refuse("undefined", gemm(nodes=[
        node("MatMul", "q fc.weight", "h", name="fc"),
        node("Add", "h x", "y")]))
    refuse("shape", gemm(const("fc.weight", w(5, 3))))
    refuse("constant_output", gemm(nodes=[
        node("Relu", "fc.weight", "y")]))
    refuse("external_missing", external(location="nowhere.bin"))
    refuse("external_escape", external(location="../onnx/external_data.bin"))
    refuse("external_absolute", external(location="/etc/passwd"))
    refuse("external_short", external(location="external_data.bin",
                                      offset=2**62))
    refuse("external_length", external(location="external_data.bin",
                                       length=44))
    refuse("external_offset", external(location="external_data.bin",
                                       offset="-4"))


os.makedirs(OUT, exist_ok=True)
batch_norm()
auto_pad()
geometry()
reshape_chain()
shortcut()
old_forms()
encodings()
float16_weights()
external_data()
oddities()
fixed_batch()
refused()
two_outputs()
