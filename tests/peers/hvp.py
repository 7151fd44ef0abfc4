"""Hessian products against PyTorch's double backward, interleaved.

    python tests/peers/hvp.py BENCH_HVP MODEL.onnx [IMAGES [PROBES [ROUNDS]]]

MODEL is a CIFAR ResNet of depth 6n + 2 (its depth is read off the number of
convolutions); the same architecture is built in torch, with random weights and
BatchNormalization in evaluation mode. Per round: torch's products (graph kept,
one after another), then bench_hvp's; the ratio of the two. Prints the median
and the quartiles of the ratios. Two threads each.

SPDX-License-Identifier: GPL-3.0-or-later
"""

import statistics
import subprocess
import sys
import time

import onnx
import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, c, o, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c, o, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(o), nn.BatchNorm2d(o)
        self.pad = (o - c) // 2

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.pad:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(x + y)


class ResNet(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        blocks, c = [], 16
        for o in (16, 32, 64):
            for i in range(n):
                blocks.append(Block(c, o, 2 if c != o else 1))
                c = o
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(64, 10)

    def forward(self, x):
        x = self.blocks(F.relu(self.bn(self.conv(x))))
        return self.fc(x.mean((2, 3)))


def torch_round(model, x, y, params, probes):
    t0 = time.perf_counter()
    with torch.no_grad():
        model(x)
    t1 = time.perf_counter()
    loss = F.cross_entropy(model(x), y)
    grads = torch.autograd.grad(loss, params, create_graph=True)
    t2 = time.perf_counter()
    for _ in range(probes):
        v = [torch.randint(0, 2, p.shape).float() * 2 - 1 for p in params]
        torch.autograd.grad(grads, params, grad_outputs=v, retain_graph=True)
    t3 = time.perf_counter()
    return t1 - t0, t2 - t1, t3 - t2


def report(name, ratios):
    q = statistics.quantiles(ratios, n=4)
    print(f"{name:<34} {q[1]:6.2f}x  (quartiles {q[0]:.2f} to {q[2]:.2f})")


def main():
    bench, path = sys.argv[1:3]
    images, probes, rounds = (
        int(v) for v in (sys.argv[3:] + ["128", "8", "11"][len(sys.argv) - 3:])
    )
    torch.set_num_threads(2)
    convs = sum(n.op_type == "Conv" for n in onnx.load(path).graph.node)
    model = ResNet((convs - 1) // 6).eval()
    x, y = torch.randn(images, 3, 32, 32), torch.randint(0, 10, (images,))
    params = [m.weight for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    ours = subprocess.Popen([bench, path, str(images), str(probes), "2"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    print(ours.stdout.readline().strip())
    ours.stdout.readline()
    ours.stdout.readline()
    torch_round(model, x, y, params, 1)
    ratios = ([], [], [])
    for _ in range(rounds):
        a = torch_round(model, x, y, params, probes)
        ours.stdin.write("\n")
        ours.stdin.flush()
        b = [float(v) for v in ours.stdout.readline().split()]
        for i in range(3):
            ratios[i].append(a[i] / b[i])
        print("torch %.3f %.3f %.3f   ours %.3f %.3f %.3f s" % (*a, *b), flush=True)
    print(f"torch {torch.__version__}, {images} images, {probes} probes, "
          f"{rounds} rounds; times faster than torch:")
    for name, r in zip(("forward", "gradient (torch: with its graph)", "Hessian product"), ratios):
        report(name, r)


main()
