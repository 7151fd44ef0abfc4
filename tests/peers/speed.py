"""Integer networks beside ONNX Runtime's, interleaved.

    python3 tests/peers/speed.py BENCH-NETWORK DATA [ROUNDS [NETWORK...]]

DATA is a folder with models/*.onnx, cifar10/ and kws/. Each network is quantized
with onnxruntime.quantization (static, QDQ, unsigned 8-bit activations, signed
8-bit weights per channel) and timed at batch 1 and 32 on one thread, as ours is
with 8- and 4-bit weights and in float32. A round runs all of them one after the
other, each for some 50 ms, so that they meet the same clock and the same
neighbours; times are those of the processor, so that what others do on the
machine hardly counts. A round's time is the median of its repetitions, its ratio
theirs divided by ours (above 1, ours is faster); the table has the medians of
the times, and the medians and quartiles of the ratios.

On processors without VNNI, ONNX Runtime adds products of these types in 16 bits
that saturate; ours are exact.

Used with onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6.
SPDX-License-Identifier: GPL-3.0-or-later
"""
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat,
                                      QuantType, quantize_static)
from onnxruntime.quantization.shape_inference import quant_pre_process

ROUND_US = 50e3
BATCHES = (1, 32)
IMAGES = 32
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def cifar(data, scale, mean, std):
    raw = np.fromfile(data / "cifar10" / "test_batch.bin", np.uint8,
                      3073 * IMAGES).reshape(-1, 3073)[:, 1:]
    x = raw.reshape(-1, 3, 32, 32).astype(np.float32) * scale
    return (x - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))


def networks(data):
    """name: (file, images), as the networks want them"""
    rng = np.random.default_rng(1)
    return {
        "ResNet20": ("resnet20_cifar10.onnx", cifar(data, 1 / 255, MEAN, STD)),
        "ResNet8": ("resnet8_cifar10.onnx",
                    cifar(data, 1, (0, 0, 0), (1, 1, 1))),
        "KWS": ("kws_dscnn_float.onnx",
                np.load(data / "kws" / "kws1000.npz")["x"][:IMAGES]),
        "MobileNetV1-0.25": ("mobilenet_v1_0.25_224_bn.onnx",
                             rng.uniform(-1, 1, (IMAGES, 3, 224, 224))),
    }


class Reader(CalibrationDataReader):
    def __init__(self, name, x):
        self.rest = iter([{name: x[i:i + 1]} for i in range(len(x))])

    def get_next(self):
        return next(self.rest, None)


def session_of(path, threads=1):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options,
                                        providers=["CPUExecutionProvider"])


def quantize(model, x, folder):
    prepared, quantized = folder / "prepared.onnx", folder / "quantized.onnx"
    quant_pre_process(str(model), str(prepared))
    graph = onnx.load(str(prepared)).graph
    quantize_static(str(prepared), str(quantized),
                    Reader(graph.input[0].name, x),
                    quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8)
    return session_of(quantized)


def median_us(session, feed, n):
    times = []
    for _ in range(n):
        start = time.process_time()
        session.run(None, feed)
        times.append(time.process_time() - start)
    return 1e6 * float(np.median(times))


class Ours:
    def __init__(self, bench, model, candidate, batch):
        self.process = subprocess.Popen(
            [bench, model, candidate, str(batch)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.kernels = self.process.stdout.readline().strip()

    def median_us(self, what, n):
        self.process.stdin.write(f"{what} {n}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def quartiles(ratios):
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def measure(bench, name, model, session, x, rounds):
    eight, four = (Ours(bench, model, c, len(x)) for c in ("w8", "w4"))
    feed = {session.get_inputs()[0].name: x}
    runs = (lambda n: eight.median_us("integer", n),
            lambda n: median_us(session, feed, n),
            lambda n: four.median_us("integer", n),
            lambda n: eight.median_us("float", n))
    counts = [int(min(max(ROUND_US / run(3), 3), 1000)) for run in runs]
    t = np.array([[run(n) for run, n in zip(runs, counts)]
                  for _ in range(rounds)])
    mine, theirs, narrow, floats = np.median(t, 0)
    print(f"| {name} | {len(x)} | {eight.kernels} | {mine:.0f} | {theirs:.0f} "
          f"| {narrow:.0f} | {floats:.0f} | {quartiles(t[:, 1] / t[:, 0])} | "
          f"{quartiles(t[:, 1] / t[:, 2])} | {quartiles(t[:, 3] / t[:, 0])} |",
          flush=True)
    eight.close()
    four.close()


def main():
    bench, data = sys.argv[1], pathlib.Path(sys.argv[2])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 15
    print(f"ONNX Runtime {onnxruntime.__version__}, one thread, {rounds} "
          "rounds; microseconds a batch\n\n| network | batch | kernels | w8 | "
          "ORT int8 | w4 | our float32 | ORT / w8 | ORT / w4 | float32 / w8 |\n"
          "|---|---|---|---|---|---|---|---|---|---|")
    for name, (file, x) in networks(data).items():
        if len(sys.argv) > 4 and name not in sys.argv[4:]:
            continue
        x = x.astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            session = quantize(data / "models" / file, x, pathlib.Path(folder))
        for batch in BATCHES:
            measure(bench, name, data / "models" / file, session, x[:batch],
                    rounds)


main()
