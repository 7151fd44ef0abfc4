"""The networks that tests/peers/hvp.py measures, as torch modules, each with the
shape of one input and the number of images of a batch. Weights are random;
batch normalization has the statistics of random images.

SPDX-License-Identifier: GPL-3.0-or-later
"""

import os
import warnings

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """Residual (He et al. 2016); on CIFAR the shortcut pads with zeros."""

    def __init__(self, c, o, stride, project):
        super().__init__()
        self.conv1 = nn.Conv2d(c, o, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(o), nn.BatchNorm2d(o)
        self.pad = (o - c) // 2
        self.down = shortcut(c, o, stride) if project and stride > 1 else None

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.down:
            x = self.down(x)
        elif self.pad:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(x + y)


class Bottleneck(nn.Module):
    def __init__(self, c, o, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(c, o, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(),
            nn.Conv2d(o, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(),
            nn.Conv2d(o, 4 * o, 1, bias=False), nn.BatchNorm2d(4 * o))
        self.down = shortcut(c, 4 * o, stride) if c != 4 * o else nn.Identity()

    def forward(self, x):
        return F.relu(self.down(x) + self.body(x))


def shortcut(c, o, stride):
    return nn.Sequential(nn.Conv2d(c, o, 1, stride, bias=False), nn.BatchNorm2d(o))


def cifar_resnet(n):
    layers, c = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for o in (16, 32, 64):
        for _ in range(n):
            layers.append(Block(c, o, 2 if c != o else 1, False))
            c = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def image_resnet(counts, bottleneck):
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
              nn.MaxPool2d(3, 2, 1)]
    c = 64
    for stage, count in enumerate(counts):
        o = 64 << stage
        for i in range(count):
            stride = 2 if stage and not i else 1
            layers.append(Bottleneck(c, o, stride) if bottleneck else Block(c, o, stride, True))
            c = 4 * o if bottleneck else o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 1000))


class Layer(nn.Module):
    """Encoder layer (Vaswani et al. 2017), normalized after each half."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.f1, self.f2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, w = x.shape
        q, k, v = (f(x).reshape(b, t, self.heads, w // self.heads).transpose(1, 2)
                   for f in (self.q, self.k, self.v))
        s = (q @ k.transpose(2, 3) / (w // self.heads) ** 0.5).softmax(-1)
        x = self.n1(x + self.out((s @ v).transpose(1, 2).reshape(b, t, w)))
        return self.n2(x + self.f2(F.gelu(self.f1(x))))


class Bert(nn.Module):
    """Encoder from the sum of the embeddings on (Devlin et al. 2019)."""

    def __init__(self, layers=4, width=256, heads=4, classes=4):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.layers = nn.Sequential(*(Layer(width, heads) for _ in range(layers)))
        self.pool, self.fc = nn.Linear(width, width), nn.Linear(width, classes)

    def forward(self, x):
        return self.fc(torch.tanh(self.pool(self.layers(self.norm(x))[:, 0])))


# name: module, shape of an input, classes, images, probes
NETWORKS = {
    "resnet20": (lambda: cifar_resnet(3), (3, 32, 32), 10, 128, 8),
    "resnet56": (lambda: cifar_resnet(9), (3, 32, 32), 10, 128, 8),
    "resnet18": (lambda: image_resnet((2, 2, 2, 2), False), (3, 224, 224), 1000, 8, 8),
    "bert": (Bert, (128, 256), 4, 16, 8),
    "resnet50": (lambda: image_resnet((3, 4, 6, 3), True), (3, 224, 224), 1000, 32, 1),
}


def make(name):
    torch.manual_seed(1)
    module, shape = NETWORKS[name][:2]
    net = module()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = 1.0
    with torch.no_grad():
        net.train()(torch.randn(4, *shape))
    return net.eval()


def save(name, folder):
    """The path of the network's ONNX file in folder; made if it is not there."""
    path = os.path.join(folder, name + ".onnx")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        warnings.simplefilter("ignore")
        torch.onnx.export(make(name), (torch.randn(2, *NETWORKS[name][1]),), path,
                          dynamo=True, opset_version=20, external_data=False,
                          input_names=["x"], output_names=["y"], verbose=False,
                          dynamic_shapes=[{0: torch.export.Dim("N")}])
    return path
