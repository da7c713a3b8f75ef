"""Networks of many kinds through both exporters of PyTorch, and breakeven's loss, gradient and Hessian beside autograd's.

    python benches/peers/exports.py target/release/breakeven [NETWORK …] [--keep FOLDER]

needs torch, onnx, onnxscript, numpy. Every network is exported as a user would (no special options, dynamic batch axis); where
that folds what cannot be undone, again as the refusal advises. The run folder has the exported state_dict as .pt and, as the
snapshot that is measured, the same weights moved. The reference is float64 autograd on the module itself, one column of
reverse over reverse at a time: `torch.func.hessian` is wrong where a LayerNorm has a gain (its vmapped derivative, torch
2.15: 0.74 of max|H| on `layer_norm(x, (4,), w, b)`), and the fused attention kernel has no second derivative. Where
autograd's Hessian is not symmetric (its second derivative of weight_norm is wrong, torch 2.15: 0.6 of max|H|), central
differences of its gradient take its place, and a line on stderr says so.
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
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from networks import networks

warnings.filterwarnings("ignore")
torch.manual_seed(20261128)
torch.set_num_threads(1)


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
        h = torch.stack(rows).numpy()
        if np.abs(h - h.T).max() > 1e-9 * np.abs(h).max():
            h = differences(call, params, x, y, kind)
    return loss.item(), g.detach().numpy(), h


def differences(call, params, x, y, kind, step=1e-5):
    """Central differences of the gradient, one parameter at a time."""
    print("autograd's Hessian is not symmetric: central differences, good to about 1e-8", file=sys.stderr)

    def gradient():
        grads = torch.autograd.grad(loss_of(call, x, y, kind), params)
        return torch.cat([v.reshape(-1) for v in grads])

    rows = []
    for p, i in [(p, i) for p in params for i in range(p.numel())]:
        values, at = p.data.view(-1), p.data.view(-1)[i].item()
        values[i] = at + step
        above = gradient()
        values[i] = at - step
        below = gradient()
        values[i] = at
        rows.append((above - below) / (2 * step))
    h = torch.stack(rows).numpy()
    return (h + h.T) / 2


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
                label = ("dynamo" if dynamo else "legacy") + (", as advised" if advised else "")
                try:
                    export(module, x, y, kind, os.path.join(folder, "model.onnx"), dynamo, advised)
                except Exception as error:
                    print(f"| {name} |  |  | {label} | torch does not export it: {str(error).strip().splitlines()[0]} |", file=out, flush=True)
                    continue
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
