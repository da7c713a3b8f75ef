"""Networks of many kinds through both exporters of PyTorch, and breakeven's loss, gradient and Hessian beside autograd's.

    python benches/peers/exports.py target/release/breakeven [NETWORK …] [--keep FOLDER]

needs torch, onnx, onnxscript, numpy. Every network is exported as a user would (no special options, dynamic batch axis); where
that folds what cannot be undone, again as the refusal advises. The run folder has the exported state_dict as .pt and, as the
snapshot that is measured, the same weights moved. The reference is float64 autograd on the module itself, one column of
reverse over reverse at a time: `torch.func.hessian` is wrong where a LayerNorm has a gain (its vmapped derivative, torch
2.15: 0.74 of max|H| on `layer_norm(x, (4,), w, b)`), and the fused attention kernel has no second derivative.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

warnings.filterwarnings("ignore")
torch.manual_seed(20261128)
torch.set_num_threads(1)


class Attention(nn.Module):
    def __init__(self, width, heads, causal=False, groups=None, rotary=False, bias=True):
        super().__init__()
        self.heads, self.groups, self.causal = heads, groups or heads, causal
        self.size = width // heads
        self.q = nn.Linear(width, width, bias)
        self.k = nn.Linear(width, self.groups * self.size, bias)
        self.v = nn.Linear(width, self.groups * self.size, bias)
        self.o = nn.Linear(width, width, bias)
        self.rotary = rotary
        if rotary:
            angle = torch.outer(torch.arange(8.0), 100.0 ** (-torch.arange(0, self.size, 2) / self.size))
            self.register_buffer("cos", torch.cat([angle, angle], -1).cos(), persistent=False)
            self.register_buffer("sin", torch.cat([angle, angle], -1).sin(), persistent=False)

    def turn(self, x):
        a, b = x.chunk(2, -1)
        return x * self.cos[: x.shape[2]] + torch.cat([-b, a], -1) * self.sin[: x.shape[2]]

    def forward(self, x):
        b, t, _ = x.shape
        split = lambda y, n: y.view(b, t, n, self.size).transpose(1, 2)
        q, k, v = split(self.q(x), self.heads), split(self.k(x), self.groups), split(self.v(x), self.groups)
        if self.rotary:
            q, k = self.turn(q), self.turn(k)
        if self.groups != self.heads:
            k, v = (y.repeat_interleave(self.heads // self.groups, 1) for y in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.o(y.transpose(1, 2).reshape(b, t, -1))


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class Bert(nn.Module):
    """Tied decoder with a bias of its own."""

    def __init__(self):
        super().__init__()
        self.word, self.pos = nn.Embedding(11, 8), nn.Embedding(6, 8)
        self.ln, self.att, self.ln1 = nn.LayerNorm(8), Attention(8, 2), nn.LayerNorm(8)
        self.up, self.down, self.ln2 = nn.Linear(8, 12), nn.Linear(12, 8), nn.LayerNorm(8)
        self.decoder = nn.Linear(8, 11)
        self.decoder.weight = self.word.weight
        self.register_buffer("ids", torch.arange(6).unsqueeze(0), persistent=False)

    def forward(self, x):
        h = self.ln(self.word(x) + self.pos(self.ids[:, : x.shape[1]]))
        h = self.ln1(h + self.att(h))
        h = self.ln2(h + self.down(F.gelu(self.up(h))))
        return self.decoder(h)


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.n1, self.n2, self.n3 = nn.Embedding(9, 8), RMSNorm(8), RMSNorm(8), RMSNorm(8)
        self.att = Attention(8, 4, causal=True, groups=2, rotary=True, bias=False)
        self.gate, self.up, self.down = nn.Linear(8, 12, False), nn.Linear(8, 12, False), nn.Linear(12, 8, False)
        self.head = nn.Linear(8, 9, False)

    def forward(self, x):
        h = self.embed(x)
        h = h + self.att(self.n1(h))
        z = self.n2(h)
        h = h + self.down(F.silu(self.gate(z)) * self.up(z))
        return self.head(self.n3(h))


class Conv1D(nn.Module):
    """GPT-2's: the weight is (in, out)."""

    def __init__(self, a, b):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(a, b) * 0.3), nn.Parameter(torch.zeros(b))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight).view(*x.shape[:-1], -1)


class Gpt2(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(9, 8), nn.Embedding(7, 8)
        self.ln1, self.ln2, self.lnf = nn.LayerNorm(8), nn.LayerNorm(8), nn.LayerNorm(8)
        self.c_attn, self.c_proj, self.fc, self.out = Conv1D(8, 24), Conv1D(8, 8), Conv1D(8, 16), Conv1D(16, 8)
        self.head = nn.Linear(8, 9, False)
        self.head.weight = self.wte.weight
        self.register_buffer("bias", torch.tril(torch.ones(7, 7, dtype=torch.bool)), persistent=False)

    def forward(self, x):
        b, t = x.shape
        h = self.wte(x) + self.wpe(torch.arange(t))
        q, k, v = (y.view(b, t, 2, 4).transpose(1, 2) for y in self.c_attn(self.ln1(h)).split(8, 2))
        w = (q @ k.transpose(-1, -2) / math.sqrt(4)).masked_fill(~self.bias[:t, :t], float("-inf")).softmax(-1)
        h = h + self.c_proj((w @ v).transpose(1, 2).reshape(b, t, 8))
        h = h + self.out(F.gelu(self.fc(self.ln2(h)), approximate="tanh"))
        return self.head(self.lnf(h))


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(1, 8, 4, 4)
        self.cls, self.pos = nn.Parameter(torch.randn(1, 1, 8) * 0.1), nn.Parameter(torch.randn(1, 5, 8) * 0.1)
        self.n1, self.att, self.n2 = nn.LayerNorm(8), Attention(8, 2), nn.LayerNorm(8)
        self.mlp, self.head = nn.Sequential(nn.Linear(8, 12), nn.GELU(), nn.Linear(12, 8)), nn.Linear(8, 4)

    def forward(self, x):
        h = self.patch(x).flatten(2).transpose(1, 2)
        h = torch.cat([self.cls.expand(x.shape[0], -1, -1), h], 1) + self.pos
        h = h + self.att(self.n1(h))
        return self.head((h + self.mlp(self.n2(h)))[:, 0])


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.n1, self.n2 = nn.Linear(6, 8), nn.LayerNorm(8), nn.LayerNorm(8)
        self.t1, self.t2, self.c1, self.c2 = nn.Linear(5, 7), nn.Linear(7, 5), nn.Linear(8, 10), nn.Linear(10, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        h = self.embed(x)
        h = h + self.t2(F.gelu(self.t1(self.n1(h).transpose(1, 2)))).transpose(1, 2)
        h = h + self.c2(F.gelu(self.c1(self.n2(h))))
        return self.head(h.mean(1))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.c2, self.b2 = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.down, self.bd = nn.Conv2d(4, 6, 1, stride=2, bias=False), nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        h = F.silu(self.b1(self.c1(x)))
        h = F.silu(h + self.b2(self.c2(h)))
        return self.fc(F.adaptive_avg_pool2d(self.bd(self.down(h)), 1).flatten(1))


class Depthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.d, self.p = nn.Conv2d(2, 4, 3, stride=2), nn.Conv2d(4, 4, 3, groups=4, padding=1), nn.Conv2d(4, 6, 1)
        self.g, self.fc = nn.GroupNorm(2, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(F.silu(self.g(self.p(self.d(self.c(x))))).mean((2, 3)))


def mlp(*sizes, act=nn.Tanh):
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), act()]
    return nn.Sequential(*layers[:-1])


class OwnLoss(nn.Module):
    """A module that returns its loss."""

    def __init__(self):
        super().__init__()
        self.net = mlp(4, 6, 2, act=nn.Softplus)

    def forward(self, x, y):
        return ((self.net(x) - y) ** 2).mean()


class Weighted(nn.Module):
    """Three layers that look alike, named by no module: parameters of a list, an einsum, a gain."""

    def __init__(self):
        super().__init__()
        self.ws = nn.ParameterList([nn.Parameter(torch.randn(5, 5) * 0.4) for _ in range(3)])
        self.gain = nn.Parameter(torch.rand(5) + 0.5)

    def forward(self, x):
        for w in self.ws:
            x = torch.einsum("bi,oi->bo", torch.tanh(x), w)
        return x * self.gain


def tokens(n, b, t):
    x = torch.randint(n, (b, t))
    return x, torch.randint(n, (b, t))


def networks():
    """Name to module, input, target, loss.json."""
    x, y = tokens(11, 4, 6)
    y[torch.rand(y.shape) < 0.5] = -100
    yield "bert_tied", Bert(), x, y, {"kind": "cross_entropy", "ignore_index": -100}
    yield "llama", Llama(), *tokens(9, 3, 8), {"kind": "cross_entropy", "label_smoothing": 0.1}
    yield "gpt2_conv1d", Gpt2(), *tokens(9, 3, 7), {"kind": "cross_entropy"}
    yield "vit", ViT(), torch.randn(5, 1, 8, 8), torch.randint(4, (5,)), {"kind": "cross_entropy", "reduction": "sum"}
    yield "mixer", Mixer(), torch.randn(6, 5, 6), torch.randint(3, (6,)), {"kind": "cross_entropy"}
    resnet = ResNet()
    for m in resnet.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.2), m.running_var.uniform_(0.5, 2), m.weight.data.uniform_(0.5, 1.5), m.bias.data.normal_(0, 0.2)
    yield "resnet_bn", resnet, torch.randn(5, 1, 6, 6), torch.randint(3, (5,)), {"kind": "cross_entropy"}
    yield "depthwise", Depthwise(), torch.randn(5, 2, 9, 9), torch.randint(3, (5,)), {"kind": "cross_entropy"}
    yield "mse_sum", mlp(4, 6, 3), torch.randn(7, 4), torch.randn(7, 3), {"kind": "mse", "reduction": "sum"}
    yield "mse_3d", mlp(4, 6, 3, act=nn.GELU), torch.randn(4, 3, 4), torch.randn(4, 3, 3), {"kind": "mse"}
    yield "bce", mlp(4, 6, 3, act=nn.ELU), torch.randn(7, 4), (torch.rand(7, 3) < 0.4).float(), {"kind": "bce_with_logits"}
    yield "own_loss", OwnLoss(), torch.randn(7, 4), torch.randn(7, 2), {"kind": "output"}
    yield "prelu", mlp(4, 6, 3, act=nn.PReLU), torch.randn(7, 4), torch.randint(3, (7,)), {"kind": "cross_entropy"}
    yield "lists", Weighted(), torch.randn(7, 5), torch.randn(7, 5), {"kind": "mse"}


def loss_of(module, x, y, kind):
    """The loss as PyTorch defines it."""
    out = module(x, y) if kind["kind"] == "output" else module(x)
    mean = kind.get("reduction", "mean")
    if kind["kind"] == "output":
        return out
    if kind["kind"] == "mse":
        return F.mse_loss(out, y, reduction=mean)
    if kind["kind"] == "bce_with_logits":
        return F.binary_cross_entropy_with_logits(out, y, reduction=mean)
    smoothing, ignored = kind.get("label_smoothing", 0.0), kind.get("ignore_index", -100)
    return F.cross_entropy(out.flatten(0, -2), y.flatten(), reduction=mean, label_smoothing=smoothing, ignore_index=ignored)


def reference(module, x, y, kind):
    """Names, loss, gradient and Hessian in float64, tied parameters once."""
    module = module.double()
    x, y = (v.double() if v.dtype == torch.float32 else v for v in (x, y))
    # the tensors of the snapshot: running statistics too
    named = dict(module.named_parameters()) | {k: b for k, b in module.named_buffers() if b.is_floating_point() and k in module.state_dict()}
    named = {k: v.detach().clone().requires_grad_() for k, v in named.items()}
    names, params = zip(*named.items())
    kept, F.batch_norm = F.batch_norm, normalised
    try:
        return names, [p.shape for p in params], *derivatives(module, named, params, x, y, kind)
    finally:
        F.batch_norm = kept


def normalised(x, mean, variance, weight, bias, training, momentum, eps):
    """Batch normalisation with the running statistics, differentiable in them too (torch's is not)."""
    shape = (1, -1) + (1,) * (x.dim() - 2)
    # exporters store ε in single precision
    scale = weight / torch.sqrt(variance + float(np.float32(eps)))
    return (x - mean.view(shape)) * scale.view(shape) + bias.view(shape)


def derivatives(module, named, params, x, y, kind):
    with sdpa_kernel(SDPBackend.MATH):
        call = lambda *given: torch.func.functional_call(module, named, given)
        loss = loss_of(call, x, y, kind)
        grads = torch.autograd.grad(loss, params, create_graph=True)
        g = torch.cat([v.reshape(-1) for v in grads])
        rows = []
        for one in g:
            row = torch.autograd.grad(one, params, retain_graph=True, allow_unused=True)
            rows.append(torch.cat([torch.zeros_like(p).reshape(-1) if r is None else r.reshape(-1) for r, p in zip(row, params)]))
    return loss.item(), g.detach().numpy(), torch.stack(rows).numpy()


def export(module, x, y, kind, path, dynamo, advised):
    args, names = ((x, y), ["x", "y"]) if kind["kind"] == "output" else ((x,), ["x"])
    if dynamo:
        batch = torch.export.Dim("batch", min=2, max=4096)
        shapes = tuple({0: batch} for _ in args)
        torch.onnx.export(module, args, path, input_names=names, output_names=["out"], dynamo=True, dynamic_shapes=shapes,
                          external_data=False, verbose=False, optimize=not advised)
    else:
        more = {"do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE} if advised else {}
        torch.onnx.export(module, args, path, input_names=names, output_names=["out"], dynamo=False, opset_version=17,
                          dynamic_axes={n: {0: "batch"} for n in names}, **more)


def compare(program, folder, names, shapes, loss, gradient, hessian):
    """Errors of loss, gradient and Hessian of the snapshot `moved_0001`, and how parameters were placed."""
    matrix = os.path.join(folder, "kept", "H.npy")
    os.makedirs(os.path.dirname(matrix), exist_ok=True)
    command = [program, "measure", folder, "--snapshots", "moved*", "--scope", "full", "--quiet", "--threads", "1"]
    ended = subprocess.run(command + ["--export-hessian", matrix, "--format", "json"], capture_output=True, text=True)
    if ended.returncode:
        return None, f"exit {ended.returncode}: " + " ".join(ended.stderr.split())
    about, h = json.load(open(matrix + ".json")), np.load(matrix)
    at, place = {}, 0
    for name, shape in zip(names, shapes):
        at[name] = place
        place += math.prod(shape)
    index = np.concatenate([np.arange(at[b["name"]], at[b["name"]] + b["size"]) for b in about["block"]])
    assert len(index) == place, (len(index), place)
    top = lambda a: max(np.abs(a).max(), 1e-300)
    errors = [
        abs(about["loss"] / loss - 1),
        np.abs(np.array(about["gradient"]) - gradient[index]).max() / top(gradient),
        np.abs(h - hessian[np.ix_(index, index)]).max() / top(hessian),
    ]
    shown = subprocess.run([program, "inspect", folder, "--format", "json", "--quiet"], capture_output=True, text=True)
    by = {}
    for p in json.loads(shown.stdout)["parameters"]:
        by[p["placed_by"]] = by.get(p["placed_by"], 0) + 1
    return errors, ", ".join(f"{n} by {rule}" for rule, n in sorted(by.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--keep", help="keep the run folders here")
    a = parser.parse_args()
    print("| network | N | loss | exporter | loss, rel. | gradient / max | Hessian / max | placed |\n|---|---|---|---|---|---|---|---|")
    failed = False
    for name, module, x, y, kind in networks():
        if a.networks and name not in a.networks:
            continue
        module.eval()
        for dynamo, advised in [(False, False), (True, False), (False, True), (True, True)]:
            with tempfile.TemporaryDirectory() as temporary:
                folder = temporary if not a.keep else os.path.join(a.keep, f"{name}_{'dynamo' if dynamo else 'legacy'}{'_advised' if advised else ''}")
                os.makedirs(folder, exist_ok=True)
                module.float()
                start = {k: v.clone() for k, v in module.state_dict().items()}
                quiet = open(os.devnull, "w")
                out, sys.stdout = sys.stdout, quiet
                try:
                    export(module, x, y, kind, os.path.join(folder, "model.onnx"), dynamo, advised)
                finally:
                    sys.stdout = out
                torch.save(start, os.path.join(folder, "init_0000.pt"))
                with torch.no_grad():
                    for p in module.parameters():
                        p.add_(torch.randn_like(p) * 0.1)
                    for k, b in module.named_buffers():
                        if "running" in k:
                            b.mul_(1.1)
                torch.save(module.state_dict(), os.path.join(folder, "moved_0001.pt"))
                np.savez(os.path.join(folder, "batch.npz"), x=x.numpy(), y=y.numpy())
                json.dump(kind, open(os.path.join(folder, "loss.json"), "w"))
                errors, told = compare(a.program, folder, *reference(module, x, y, kind))
                n = sum(p.numel() for p in module.parameters()) + sum(b.numel() for k, b in module.named_buffers() if "running" in k)
                module.float()
                module.load_state_dict(start)
            label = ("dynamo" if dynamo else "legacy") + (", as advised" if advised else "")
            kinds = ", ".join(f"{k} {v}" if k != "kind" else str(v) for k, v in kind.items())
            if errors is None:
                print(f"| {name} | {n} | {kinds} | {label} | refused: {told} |", flush=True)
                failed |= advised
                continue
            failed |= errors[0] > 1e-6 or max(errors[1:]) > 1e-5
            print(f"| {name} | {n} | {kinds} | {label} | " + " | ".join(f"{e:.1e}" for e in errors) + f" | {told} |", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
