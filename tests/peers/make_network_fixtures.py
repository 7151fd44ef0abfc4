"""Makes tests/data/networks: tiny networks of the families that people train,
as torch exports them, each with inputs x and the logits y of onnxruntime in an
.npz.

    python3 tests/peers/make_network_fixtures.py tests/data/networks

Made with torch 2.15.0, onnx 1.23.2, onnxruntime 1.31.1, numpy 2.4.6. Weights
are drawn by torch from a fixed seed; batch normalization has statistics of its
own. The suffix _script marks the older exporter (torch.jit.trace), the others
come from the one that is the default (torch.export).
SPDX-License-Identifier: GPL-3.0-or-later
"""
import io
import os
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn import functional as F

OUT = sys.argv[1]
IMAGES = 3
CLASSES = 4


class Block(nn.Module):
    """Residual (He et al. 2016)."""

    def __init__(self, c, o, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c, o, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(o)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(o)
        self.down = nn.Conv2d(c, o, 1, stride, bias=False) if stride > 1 else None

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.down is None else self.down(x)))


class Head(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc = nn.Linear(c, CLASSES)

    def forward(self, x):
        return self.fc(x.mean((2, 3)))


def residual():
    return nn.Sequential(nn.Conv2d(2, 4, 3, 1, 1), Block(4, 4, 1),
                         Block(4, 6, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(6, CLASSES))


class Inverted(nn.Module):
    """Inverted residual with squeeze and excite (Howard et al. 2019)."""

    def __init__(self, c, wide):
        super().__init__()
        self.expand = nn.Conv2d(c, wide, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.depthwise = nn.Conv2d(wide, wide, 3, 1, 1, groups=wide, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.squeeze = nn.Conv2d(wide, 2, 1)
        self.excite = nn.Conv2d(2, wide, 1)
        self.project = nn.Conv2d(wide, c, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c)

    def forward(self, x):
        y = F.hardswish(self.bn1(self.expand(x)))
        y = F.hardswish(self.bn2(self.depthwise(y)))
        s = F.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1)))
        y = y * F.hardsigmoid(self.excite(s))
        return x + self.bn3(self.project(y))


class Mobile(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, 2, 1)
        self.block = Inverted(4, 8)
        self.head = Head(4)

    def forward(self, x):
        return self.head(F.silu(self.block(F.relu6(self.stem(x)))))


class Dense(nn.Module):
    """Densely connected (Huang et al. 2017)."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, 1, 1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4 + 3 * i) for i in range(3))
        self.convs = nn.ModuleList(
            nn.Conv2d(4 + 3 * i, 3, 3, 1, 1, bias=False) for i in range(3))
        self.transition = nn.Conv2d(13, 6, 1)
        self.head = Head(6)

    def forward(self, x):
        x = self.stem(x)
        for norm, conv in zip(self.norms, self.convs):
            x = torch.cat([x, conv(F.relu(norm(x)))], 1)
        return self.head(F.relu(F.avg_pool2d(self.transition(x), 2)))


class Inception(nn.Module):
    """Parallel branches (Szegedy et al. 2015)."""

    def __init__(self):
        super().__init__()
        self.b1 = nn.Conv2d(2, 3, 1)
        self.b2 = nn.Sequential(nn.Conv2d(2, 2, 1), nn.ELU(),
                                nn.Conv2d(2, 3, (1, 3), padding=(0, 1)),
                                nn.Conv2d(3, 3, (3, 1), padding=(1, 0)))
        self.b3 = nn.Conv2d(2, 2, 5, padding=2)
        self.b4 = nn.Conv2d(2, 2, 1)
        self.head = Head(10)

    def forward(self, x):
        pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        y = torch.cat([self.b1(x), self.b2(x), self.b3(x), self.b4(pooled)], 1)
        return self.head(F.mish(F.max_pool2d(y, 3, 2, ceil_mode=True)))


class Unet(nn.Module):
    """U-shaped (Ronneberger et al. 2015), one step up learned, one bilinear."""

    def __init__(self):
        super().__init__()
        self.d1 = nn.Conv2d(2, 3, 3, 1, 1)
        self.d2 = nn.Conv2d(3, 4, 3, 1, 1)
        self.d3 = nn.Conv2d(4, 4, 3, 1, 1)
        self.norm = nn.GroupNorm(2, 4)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)
        self.u2 = nn.Conv2d(8, 3, 3, 1, 1)
        self.u1 = nn.Conv2d(6, 2, 3, 1, 1)
        self.slope = nn.PReLU(3)
        self.head = Head(2)

    def forward(self, x):
        a = self.slope(self.d1(x))
        b = F.softplus(self.norm(self.d2(F.max_pool2d(a, 2))))
        c = F.leaky_relu(self.d3(F.max_pool2d(b, 2)))
        b = torch.cat([b, self.up(c)], 1)
        b = F.interpolate(F.instance_norm(self.u2(b)), scale_factor=2,
                          mode="bilinear", align_corners=False)
        return self.head(F.selu(self.u1(torch.cat([a, b], 1))))


class Layer(nn.Module):
    """Transformer layer (Vaswani et al. 2017); pre: normalizes first."""

    def __init__(self, width, heads, pre, gelu, causal=False):
        super().__init__()
        self.heads, self.pre, self.gelu, self.causal = heads, pre, gelu, causal
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.n1 = nn.LayerNorm(width)
        self.n2 = nn.LayerNorm(width)
        self.f1 = nn.Linear(width, 2 * width)
        self.f2 = nn.Linear(2 * width, width)

    def attend(self, x):
        b, t, w = x.shape
        q, k, v = (p.reshape(b, t, self.heads, w // self.heads).transpose(1, 2)
                   for p in self.qkv(x).chunk(3, -1))
        s = q @ k.transpose(2, 3) / (w // self.heads) ** 0.5
        if self.causal:
            late = torch.ones(t, t, dtype=torch.bool).triu(1)
            s = s.masked_fill(late, -1e9)
        y = s.softmax(-1) @ v
        return self.out(y.transpose(1, 2).reshape(b, t, w))

    def feed(self, x):
        return self.f2(F.gelu(self.f1(x), approximate=self.gelu))

    def forward(self, x):
        if self.pre:
            x = x + self.attend(self.n1(x))
            return x + self.feed(self.n2(x))
        x = self.n1(x + self.attend(x))
        return self.n2(x + self.feed(x))


class Vit(nn.Module):
    """Vision transformer (Dosovitskiy et al. 2021)."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(2, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8) * 0.5)
        self.place = nn.Parameter(torch.randn(1, 5, 8) * 0.5)
        self.layer = Layer(8, 2, True, "none")
        self.norm = nn.LayerNorm(8)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        return self.fc(self.norm(self.layer(x + self.place))[:, 0])


class Bert(nn.Module):
    """Encoder from embeddings on (Devlin et al. 2019): words are rows of
    one-hot numbers, positions are gathered."""

    def __init__(self):
        super().__init__()
        self.words = nn.Linear(12, 8, bias=False)
        self.places = nn.Embedding(6, 8)
        self.norm = nn.LayerNorm(8, eps=1e-12)
        self.layer = Layer(8, 2, False, "none")
        self.pool = nn.Linear(8, 8)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.words(x) + self.places(torch.arange(6))
        x = self.layer(self.norm(x))
        return self.fc(torch.tanh(self.pool(x[:, 0])))


class Encoder(nn.Module):
    """torch's own layer, with its attention."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, activation="gelu",
                                                norm_first=True,
                                                batch_first=True)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.fc(self.layer(x[..., :8]).mean(1))


class Rms(nn.Module):
    """Root mean square normalization (Zhang and Sennrich 2019)."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(1 + 0.2 * torch.randn(width))

    def forward(self, x):
        r = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)
        return x * r * self.weight


class Gpt(nn.Module):
    """Decoder (Radford et al. 2019) with a causal mask and RMS norms."""

    def __init__(self):
        super().__init__()
        self.words = nn.Linear(12, 8, bias=False)
        self.places = nn.Parameter(torch.randn(6, 8) * 0.5)
        self.layer = Layer(8, 2, True, "tanh", causal=True)
        self.norm = Rms(8)
        self.fc = nn.Linear(8, CLASSES, bias=False)

    def forward(self, x):
        x = self.layer(self.words(x) + self.places)
        return F.log_softmax(self.fc(self.norm(x)[:, -1]), -1)


IMAGE, WORDS = (2, 8, 8), (6, 12)
NETWORKS = {"residual": (residual, IMAGE), "mobile": (Mobile, IMAGE),
            "dense": (Dense, IMAGE), "inception": (Inception, IMAGE),
            "unet": (Unet, IMAGE), "vit": (Vit, IMAGE), "bert": (Bert, WORDS),
            "gpt": (Gpt, WORDS), "encoder": (Encoder, WORDS)}


def statistics(net):
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.3)
            m.running_var.uniform_(0.5, 1.5)
        if isinstance(m, (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)):
            nn.init.normal_(m.weight, 1, 0.2)
            nn.init.normal_(m.bias, 0, 0.2)


def export(net, x, script):
    if script:
        f = io.BytesIO()
        torch.onnx.export(net, (x,), f, dynamo=False, opset_version=14,
                          input_names=["x"], output_names=["y"],
                          dynamic_axes={"x": {0: "N"}, "y": {0: "N"}})
        return onnx.load_from_string(f.getvalue())
    program = torch.onnx.export(net, (x,), dynamo=True, opset_version=20,
                                input_names=["x"], output_names=["y"],
                                dynamic_shapes=[{0: torch.export.Dim("N")}])
    return program.model_proto


def strip(m):
    """What only people read: an exporter's notes are larger than the net."""
    m.ClearField("metadata_props")
    m.ClearField("functions")
    g = m.graph
    for field in ("value_info", "metadata_props", "doc_string"):
        g.ClearField(field)
    for n in list(g.node) + list(g.initializer) + list(g.input) + list(g.output):
        n.ClearField("metadata_props")
        n.ClearField("doc_string")
    return m


def main():
    warnings.simplefilter("ignore")
    os.makedirs(OUT, exist_ok=True)
    for name, (make, shape) in NETWORKS.items():
        torch.manual_seed(1)
        net = make()
        statistics(net)
        net.eval()
        torch.manual_seed(2)
        x = torch.randn(IMAGES, *shape)
        for script in (False, True):
            m = strip(export(net, x, script))
            path = os.path.join(OUT, name + "_script" * script)
            onnx.save(m, path + ".onnx")
            session = onnxruntime.InferenceSession(path + ".onnx")
            y = session.run(["y"], {"x": x.numpy()})[0]
            np.savez(path + ".npz", x=x.numpy(), y=y)
            ops = sorted({n.op_type for n in m.graph.node})
            print(name, script, os.path.getsize(path + ".onnx"),
                  len(m.graph.node), *ops)


main()
