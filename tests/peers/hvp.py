"""Hessian products, gradients and inference against PyTorch and ONNX Runtime,
interleaved.

    python tests/peers/hvp.py BENCH_HVP FOLDER [NETWORK ...] [--rounds 11]
                              [--threads 2] [--fold]

NETWORKs are those of hvp_networks.py (default: all but resnet50, which is for
memory); their ONNX files are made in FOLDER where they are missing. bench_hvp,
torch and onnxruntime each run in a process of their own with --threads threads,
and take turns: per round and kind of work one measurement each, whose ratio is
one sample. Printed are the medians and quartiles of the ratios, above 1 where
bench_hvp is faster; the share of the fused multiply-add peak, probed with
registers alone in every round; the ratio of processor time, which other work
on the machine disturbs less; and the peak of resident memory after readings and
after Hessian products (torch: less what it takes before the network is made;
it drops each product, bench_hvp keeps all of the batch).

    product     Hv, a batch of PROBES sharing its primal sweeps, per probe,
                against torch.autograd.grad of the kept gradient graph, alone
    with graph  the same, torch's forward pass and gradient graph included
    reading     what estimates tr(H_l) of every layer and channel from v without
                forming Hv (src/graph/reading.h), against product and v * Hv
    single      one probe, primal sweeps and gradient graph included
    gradient, forward

torch runs BatchNormalization in evaluation mode as the network has it, or,
with --fold, folded into the convolutions first, as bench_hvp does. Its threads
wait by spinning: where other work takes processors away, compare with
--threads 1.

SPDX-License-Identifier: GPL-3.0-or-later
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import hvp_networks

TORCH_PROBES = 2  # measured; all cost the same


# --- the peers: a command per line, the seconds it took in answer ----------


def fold(net):
    """BatchNormalization that follows a convolution, into it."""
    from torch import nn
    for m in net.modules():
        for name in ("1", "2"):
            if hasattr(m, "bn" + name):
                conv = nn.utils.fusion.fuse_conv_bn_eval(getattr(m, "conv" + name),
                                                         getattr(m, "bn" + name))
                setattr(m, "conv" + name, conv)
                setattr(m, "bn" + name, nn.Identity())
        if isinstance(m, nn.Sequential):
            for i in range(len(m) - 1):
                if isinstance(m[i], nn.Conv2d) and isinstance(m[i + 1], nn.BatchNorm2d):
                    m[i] = nn.utils.fusion.fuse_conv_bn_eval(m[i], m[i + 1])
                    m[i + 1] = nn.Identity()
    return net


class Torch:
    def __init__(self, name, images, threads, folded):
        import torch
        self.torch = torch
        torch.set_num_threads(threads)
        self.net = hvp_networks.make(name)
        if folded:
            fold(self.net)
        _, shape, classes, _, _ = hvp_networks.NETWORKS[name]
        self.x = torch.randn(images, *shape)
        self.y = torch.randint(0, classes, (images,))
        self.w = [m.weight for m in self.net.modules()
                  if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]

    def forward(self):
        with self.torch.no_grad():
            self.net(self.x)

    def gradient(self, graph=False):
        loss = self.torch.nn.functional.cross_entropy(self.net(self.x), self.y)
        return self.torch.autograd.grad(loss, self.w, create_graph=graph)

    def direction(self):
        return [self.torch.randint(0, 2, w.shape).float() * 2 - 1 for w in self.w]

    def products(self, n, read):
        """Seconds of the gradient's graph, and of one product."""
        v = [self.direction() for _ in range(n)]
        t0 = time.perf_counter()
        g = self.gradient(True)
        t1 = time.perf_counter()
        for row in v:
            h = self.torch.autograd.grad(g, self.w, grad_outputs=row, retain_graph=True)
            if read:
                [float((a * b).sum()) for a, b in zip(row, h)]
        return t1 - t0, (time.perf_counter() - t1) / n


class Ort:
    def __init__(self, path, shape, images, threads):
        import numpy
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(path, options)
        self.x = numpy.random.default_rng(1).standard_normal((images, *shape), numpy.float32)

    def forward(self):
        self.session.run(None, {"x": self.x})


def serve(o):
    name, images = o.networks[0], int(o.rounds)
    if o.worker == "torch":
        import torch  # noqa: F401  counted before the network is
        print(resident(os.getpid()), flush=True)
        peer = Torch(name, images, o.threads, o.fold)
    else:
        print(0, flush=True)
        shape = hvp_networks.NETWORKS[name][1]
        peer = Ort(hvp_networks.save(name, o.folder), shape, images, o.threads)
    for line in sys.stdin:
        word, *n = line.split()
        t0 = time.perf_counter()
        if word in ("products", "readings"):
            print(*peer.products(int(n[0]), word == "readings"), flush=True)
            continue
        getattr(peer, word)()
        print(time.perf_counter() - t0, flush=True)


# --- the driver -------------------------------------------------------------


def resident(pid, field="VmHWM"):
    """MB"""
    with open(f"/proc/{pid}/status") as f:
        return next(float(s.split()[1]) for s in f if s.startswith(field)) / 1024


class Process:
    def __init__(self, *command):
        self.p = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)

    def line(self):
        line = self.p.stdout.readline()
        if not line:
            sys.exit("a measured process ended")
        return line.strip()

    def ask(self, *words):
        print(*words, file=self.p.stdin, flush=True)
        return [float(v) for v in self.line().split()]

    def processor(self):
        """Seconds of processor time so far, all threads."""
        with open(f"/proc/{self.p.pid}/stat") as f:
            fields = f.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def busy(self, *words):
        """The answer, and processor time by time of the clock."""
        wall, cpu = time.perf_counter(), self.processor()
        answer = self.ask(*words)
        return answer, (self.processor() - cpu) / (time.perf_counter() - wall)

    def end(self):
        self.p.stdin.close()
        self.p.wait()


def ours(o, path, images, probes):
    """The process, multiply-adds of a forward pass, and what computes."""
    p = Process(o.bench, path, images, probes, o.threads)
    head = p.line()
    macs = float(head.split(", ")[1].split()[0])
    return p, macs * 1e6 * images, head


def add(kinds, kind, ours_s, ours_busy, peer_s, peer_busy):
    """Seconds by the clock, and of processor time."""
    kinds[kind].append((ours_s, peer_s, ours_s * ours_busy, peer_s * peer_busy))


def measure(o, name, rounds):
    """Per kind of work what add() keeps of each round, and the peaks."""
    _, _, _, images, probes = hvp_networks.NETWORKS[name]
    path = hvp_networks.save(name, o.folder)
    a, macs, head = ours(o, path, images, probes)
    here = [sys.executable, os.path.abspath(__file__), o.bench, o.folder, name,
            "--rounds", images, "--threads", o.threads] + ["--fold"] * o.fold
    b = Process(*here, "--worker", "torch")
    base = float(b.line())
    print(f"\n{name}: {images} images, {probes} probes; {head}", flush=True)
    b.ask("products", min(TORCH_PROBES, probes))
    memory = [resident(b.p.pid) - base]
    for word in ("readings", "products"):
        a.ask(word, probes)
        memory.append(resident(a.p.pid))
    c = Process(*here, "--worker", "ort")
    c.line()
    for p in (a, b, c):
        p.ask("forward")
    kinds = {k: [] for k in ("product", "with graph", "reading", "single", "gradient",
                             "forward", "forward, onnxruntime")}
    peaks = []
    for _ in range(rounds):
        peaks.append(a.ask("peak")[0])
        [t], ours_busy = a.busy("products", probes)
        (graph, each), busy = b.busy("products", min(TORCH_PROBES, probes))
        add(kinds, "product", t / probes, ours_busy, each, busy)
        add(kinds, "with graph", t / probes, ours_busy, each + graph / probes, busy)
        [t], ours_busy = a.busy("readings", probes)
        if t >= 0:
            (_, each), busy = b.busy("readings", min(TORCH_PROBES, probes))
            add(kinds, "reading", t / probes, ours_busy, each, busy)
        if probes > 1:
            peaks.append(a.ask("peak")[0])
            [t], ours_busy = a.busy("products", 1)
            both, busy = b.busy("products", 1)
            add(kinds, "single", t, ours_busy, sum(both), busy)
        for kind in ("gradient", "forward"):
            [t], ours_busy = a.busy(kind)
            [peer], busy = b.busy(kind)
            add(kinds, kind, t, ours_busy, peer, busy)
        [peer], busy = c.busy("forward")
        add(kinds, "forward, onnxruntime", t, ours_busy, peer, busy)
    for p in (a, b, c):
        p.end()
    return kinds, peaks, macs, probes, memory


def quartiles(values, form="%.2f"):
    q = statistics.quantiles(values, n=4)
    return f"{form} ({form} to {form})" % (q[1], q[0], q[2])


def report(kinds, peaks, macs, probes, memory):
    # multiply-adds in units of a forward pass: primal 3, a product 6
    cost = {"product": 6 + 3 / probes, "with graph": 6 + 3 / probes, "single": 9,
            "gradient": 3, "forward": 1}
    peak = statistics.median(peaks)
    print(f"  peak of fused multiply-adds {quartiles(peaks, '%.0f')} GFLOP/s")
    print(f"  {'':22} {'ours ms':>9} {'peer ms':>9}   times faster (quartiles)   "
          "processor time   of peak")
    for kind, pairs in kinds.items():
        if not pairs:
            continue
        ms = [1e3 * statistics.median(p[i] for p in pairs) for i in (0, 1)]
        share = 2e-9 * macs * cost[kind] / (1e-3 * ms[0]) / peak if kind in cost else None
        print(f"  {kind:22} {ms[0]:9.1f} {ms[1]:9.1f}   "
              f"{quartiles([p[1] / p[0] for p in pairs]):24}  "
              f"{sum(p[3] for p in pairs) / sum(p[2] for p in pairs):14.2f}"
              + (f" {100 * share:7.0f} %" if share else ""))
    print("  peak memory: torch %.0f MB; ours %.0f MB after readings, %.0f MB after "
          "products, all of them kept in double" % tuple(memory), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("bench")
    p.add_argument("folder")
    p.add_argument("networks", nargs="*", metavar="NETWORK")
    p.add_argument("--rounds", type=int, default=11)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--fold", action="store_true")
    p.add_argument("--worker", help=argparse.SUPPRESS)
    o = p.parse_args()
    if o.worker:
        serve(o)
        return
    names = o.networks or [n for n in hvp_networks.NETWORKS if n != "resnet50"]
    print(f"{o.rounds} rounds, {o.threads} threads, BatchNormalization in torch "
          + ("folded" if o.fold else "in evaluation mode"))
    for name in names:
        report(*measure(o, name, o.rounds))


main()
