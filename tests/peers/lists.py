"""Gives the lists of hawq-search --export-as to the toolkits they are for.

    python3 tests/peers/lists.py BUILD [NAME...]

In an empty folder, BUILD/hawq-analyze and hawq-search make an allocation of the
shipped network: two layers of 4 bits and one in float32 among 8 bits, or, for
lists that have no other widths, one in float32. Each toolkit reads its list and
does with it what its users do; what it then has of every layer (the widths of
the quantizers or integers that it made) is read back and compared. A list is
left out, with a line, where its toolkit is not installed. Exit code 1 if a
layer has other widths than the list.

Used with onnxruntime 1.32.0, compressed-tensors 0.20.1, nncf 3.4.0, openvino
2026.4.1, aimet-onnx 2.42.0, ai-edge-quantizer 0.10.0, esp-ppq 1.3.12,
nvidia-modelopt 0.47.0, torch 2.15.0, onnx 1.23.2, PyYAML 6.0.4.
SPDX-License-Identifier: GPL-3.0-or-later
"""
import json
import os
import shlex
import subprocess
import sys
import tempfile

import numpy as np
import onnx

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
MODEL = os.path.join(ROOT, "tests/data/fashion_resnet8.onnx")
FOUR, FLOAT = ("layer2.0.conv1", "layer3.0.conv2"), ("fc",)
IMAGES = 32


def export(build, name, path):
    """The list, and the bits of each layer as hawq-search reports them."""
    mixed = "weight-size=9x --pin *=8 --pin fc=float"
    if name in MIXED:
        mixed += "".join(f" --pin {layer}=4" for layer in FOUR)
    out = subprocess.run(
        [f"{build}/hawq-search", MODEL, "--metric", "sqnr", "--budget",
         *mixed.split(), "--format", "json", "--quiet",
         "--export-as", f"{name}={path}"],
        check=True, capture_output=True, text=True).stdout
    return {layer["name"]: layer["weight_bits"]
            for layer in json.loads(out)["layers"]}


class Network:
    """The file: its nodes with constant weights, by the layers' names."""

    def __init__(self):
        self.model = onnx.load(MODEL)
        constants = {t.name: t for t in self.model.graph.initializer}
        self.node, self.weight = {}, {}
        for node in self.model.graph.node:
            if node.op_type in ("Conv", "Gemm", "MatMul"):
                name = node.input[1].removesuffix(".weight")
                self.node[name] = node
                self.weight[name] = constants[node.input[1]]
        self.input = self.model.graph.input[0].name

    def images(self):
        return np.load("images.npz")["x"]


def ort(path, network):
    from onnxruntime.quantization import (CalibrationDataReader, QuantFormat,
                                          QuantType, quantize_static)

    class Reader(CalibrationDataReader):
        left = iter([{network.input: x[None]} for x in network.images()])

        def get_next(self):
            return next(self.left, None)

    text = json.load(open(path))
    for entries in text["TensorQuantOverrides"].values():
        for entry in entries:  # JSON has the name of the type
            entry["quant_type"] = QuantType.from_string(entry["quant_type"])
    quantize_static(
        onnx.version_converter.convert_version(network.model, 21), "out.onnx",
        Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        nodes_to_exclude=text.get("nodes_to_exclude", []),
        extra_options={"TensorQuantOverrides": text["TensorQuantOverrides"]})
    out = onnx.load("out.onnx").graph
    kinds = {t.name: onnx.TensorProto.DataType.Name(t.data_type)
             for t in out.initializer}
    bits = {}
    for name in network.node:
        kind = kinds.get(network.weight[name].name + "_quantized", "FLOAT32")
        bits[name] = int(kind.lstrip("UINTFLOA"))
    return bits


def compressed_tensors(path, network):
    import torch
    from compressed_tensors.quantization import (QuantizationConfig,
                                                 apply_quantization_config)
    model = torch.nn.Module()  # of Linear: it quantizes nothing else
    for name, weight in network.weight.items():
        at = model
        *parents, last = name.split(".")
        for parent in parents:
            if not hasattr(at, parent):
                at.add_module(parent, torch.nn.Module())
            at = getattr(at, parent)
        at.add_module(last, torch.nn.Linear(weight.dims[1], weight.dims[0]))
    apply_quantization_config(
        model, QuantizationConfig.model_validate(json.load(open(path))))
    bits = {}
    for name in network.node:
        scheme = getattr(model.get_submodule(name), "quantization_scheme", None)
        bits[name] = scheme.weights.num_bits if scheme else 32
    return bits


def openvino(path, network):
    import nncf
    data = nncf.Dataset([{network.input: x[None]} for x in network.images()])
    out = nncf.quantize(network.model, data, preset=nncf.QuantizationPreset.MIXED,
                        ignored_scope=nncf.IgnoredScope(**json.load(open(path))))
    made = {o: node for node in out.graph.node for o in node.output}
    after = {node.name: node for node in out.graph.node}
    return {name: 8 if after[node.name].input[1] in made and
            made[after[node.name].input[1]].op_type == "DequantizeLinear"
            else 32 for name, node in network.node.items()}


def aimet(path, network):
    import aimet_onnx
    from aimet_onnx.quantsim import QuantizationSimModel, load_encodings_to_sim
    sim = QuantizationSimModel(network.model)
    load_encodings_to_sim(sim, path, strict=False,
                          disable_missing_quantizers=False)
    sim.compute_encodings([{network.input: network.images()}])
    bits = {}
    for name in network.node:
        quantizer = sim.qc_quantize_op_dict[network.weight[name].name]
        floats = "float" in str(quantizer.data_type)
        bits[name] = 32 if floats else quantizer.bitwidth
        if not floats:
            found = quantizer.get_encodings()
            assert len(found) == network.weight[name].dims[0], name
            # computed there: the list has only ones
            assert any(e.delta != 1 for e in found), name
    return bits


def litert(path, network):
    from ai_edge_quantizer import qtyping, recipe_manager
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(json.load(open(path)))
    names, bits = qtyping.TFLOperationName, {}
    for name, node in network.node.items():
        op = names.CONV_2D if node.op_type == "Conv" else names.FULLY_CONNECTED
        # as converters call what a module computes: its name in a longer one
        key, config = manager.get_quantization_configs(
            op, f"net/{name}/out;")
        assert (key == "no_quantize") == (config.weight_tensor_config is None)
        bits[name] = (config.weight_tensor_config.num_bits
                      if config.weight_tensor_config else 32)
    return bits


def esp_ppq(path, network):
    import torch
    from esp_ppq import QuantizationSettingFactory, TargetPlatform
    from esp_ppq.api import quantize_onnx_model
    setting = QuantizationSettingFactory.espdl_setting()
    for entry in json.load(open(path))["dispatchings"].items():
        setting.dispatching_table.append(*entry)
    graph = quantize_onnx_model(
        onnx_import_file=MODEL,
        calib_dataloader=[torch.from_numpy(x[None]) for x in network.images()],
        calib_steps=8, input_shape=[1, *network.images().shape[1:]],
        setting=setting, platform=TargetPlatform.ESPDL_INT8, device="cpu",
        verbose=0)
    bits = {}
    for name, node in network.node.items():
        operation = graph.operations[node.name]
        config = getattr(operation, "config", None)
        bits[name] = (config.input_quantization_config[1].num_of_bits
                      if config else 32)
    return bits


def modelopt(path, network):
    from modelopt.onnx.quantization import quantize
    text = json.load(open(path))
    quantize(MODEL, output_path="out.onnx", calibration_data=network.images(),
             calibration_eps=["cpu"], high_precision_dtype="fp32", **text)
    out = onnx.load("out.onnx").graph
    made = {o: node for node in out.node for o in node.output}
    after = {node.name: node for node in out.node}
    return {name: 8 if made.get(after[node.name].input[1], node).op_type ==
            "DequantizeLinear" else 32 for name, node in network.node.items()}


def rknn(path, network):
    """No toolkit: as YAML, which its quantization.cfg is."""
    import yaml
    custom = yaml.safe_load(open(path))["custom_quantize_layers"]
    return {name: {"float16": 32}[custom[node.output[0]]]
            if node.output[0] in custom else 8
            for name, node in network.node.items()}


def trtexec(path, network):
    """No toolkit: as a shell and trtexec divide it."""
    words = shlex.split(open(path).read())
    value = [w for w in words if w.startswith("--layerPrecisions=")][0]
    of = dict(pair.rsplit(":", 1) for pair in value.split("=", 1)[1].split(","))
    return {name: {"int8": 8, "fp32": 32}[of[node.name]]
            for name, node in network.node.items()}


TOOLS = {"ort": ort, "compressed-tensors": compressed_tensors, "aimet": aimet,
         "litert": litert, "openvino": openvino, "esp-ppq": esp_ppq,
         "modelopt": modelopt, "rknn": rknn, "trtexec": trtexec}
MIXED = ("ort", "compressed-tensors", "aimet", "litert")

build = os.path.abspath(sys.argv[1])
bad = False
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    rng = np.random.default_rng(0)
    np.savez("images.npz", y=rng.integers(0, 10, IMAGES),
             x=rng.standard_normal((IMAGES, 1, 28, 28)).astype(np.float32))
    subprocess.run([f"{build}/hawq-analyze", MODEL, "--data", "images.npz",
                    "--metric", "sqnr", "--bits", "8,4", "--quiet"],
                   check=True, stdout=subprocess.DEVNULL)
    network = Network()
    for name in sys.argv[2:] or TOOLS:
        want = export(build, name, "list")
        try:
            got = TOOLS[name]("list", network)
        except ImportError as error:
            print(f"{name}: left out: {error}".split("\n")[0])
            continue
        wrong = [f"{layer}: {got.get(layer)} bits, not {bits}"
                 for layer, bits in want.items() if got.get(layer) != bits]
        counts = ", ".join(f"{n} of {bits if bits < 32 else 'float'}"
                           for bits in (4, 8, 32)
                           if (n := list(got.values()).count(bits)))
        print(f"{name}: {'; '.join(wrong) if wrong else 'as listed'} ({counts})")
        bad |= bool(wrong) or set(got) != set(want)
sys.exit(bad)
