"""Small networks of many kinds, as people train them, each with a batch and a loss."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


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


class Encoder(nn.Module):
    """The library's own encoder, norms first."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True, activation="gelu", norm_first=True)
        self.embed, self.encoder, self.out = nn.Embedding(9, 8), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(8, 9)

    def forward(self, x):
        return self.out(self.encoder(self.embed(x)))


class Multihead(nn.Module):
    def __init__(self):
        super().__init__()
        self.att, self.out = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.att(x, x, x, need_weights=False)[0].mean(1))


class RmsMish(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.norm, self.out = nn.Linear(5, 6), nn.RMSNorm(6, eps=1e-6), nn.Linear(6, 3)

    def forward(self, x):
        return self.out(self.norm(F.mish(self.up(x))))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(7, 1, 1)
        self.norm = nn.InstanceNorm2d(4, affine=True)

    def forward(self, x):
        u = F.elu(self.a(x))
        v = F.leaky_relu(self.norm(self.b(F.avg_pool2d(u, 2))))
        return self.c(torch.cat([u, v.repeat_interleave(2, 2).repeat_interleave(2, 3)], 1)).flatten(1)


class WeightNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.l, self.o = nn.utils.parametrizations.weight_norm(nn.Linear(4, 5)), nn.Linear(5, 3)

    def forward(self, x):
        return self.o(torch.tanh(self.l(x)))


class Bilinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = nn.Bilinear(4, 4, 3)

    def forward(self, x):
        return self.b(x, x)


class Conv1d(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv1d(2, 4, 3, padding=2, dilation=2, padding_mode="circular")
        self.d, self.o = nn.Conv1d(4, 4, 3, groups=2), nn.Linear(4, 3)

    def forward(self, x):
        return self.o(F.softplus(self.d(F.glu(torch.cat([self.c(x)] * 2, 1), 1))).amax(-1))


class SqueezeExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.a, self.b, self.o = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1), nn.Linear(4, 3)

    def forward(self, x):
        h = F.hardswish(self.c(x))
        h = h * torch.sigmoid(self.b(F.relu(self.a(F.adaptive_avg_pool2d(h, 1)))))
        return self.o(F.max_pool2d(h, 2).flatten(2).mean(2))


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
    conv = nn.Sequential(nn.Conv2d(1, 4, 3), nn.PReLU(4), nn.Conv2d(4, 4, 3), nn.PReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    yield "prelu_conv", conv, torch.randn(5, 1, 8, 8), torch.randint(3, (5,)), {"kind": "cross_entropy"}
    yield "lists", Weighted(), torch.randn(7, 5), torch.randn(7, 5), {"kind": "mse"}
    yield "encoder", Encoder(), *tokens(9, 3, 5), {"kind": "cross_entropy"}
    yield "multihead", Multihead(), torch.randn(4, 5, 8), torch.randint(3, (4,)), {"kind": "cross_entropy"}
    yield "rms_mish", RmsMish(), torch.randn(6, 5), torch.randint(3, (6,)), {"kind": "cross_entropy"}
    yield "unet", UNet(), torch.randn(3, 1, 4, 4), torch.randn(3, 16), {"kind": "mse"}
    yield "weight_norm", WeightNorm(), torch.randn(6, 4), torch.randint(3, (6,)), {"kind": "cross_entropy"}
    yield "bilinear", Bilinear(), torch.randn(6, 4), torch.randint(3, (6,)), {"kind": "cross_entropy"}
    yield "conv1d", Conv1d(), torch.randn(4, 2, 9), torch.randint(3, (4,)), {"kind": "cross_entropy"}
    norm = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3))
    norm[1].running_mean.normal_(0, 0.2), norm[1].running_var.uniform_(0.5, 2)
    yield "batchnorm1d", norm, torch.randn(6, 4), torch.randint(3, (6,)), {"kind": "cross_entropy"}
    yield "squeeze_excite", SqueezeExcite(), torch.randn(4, 1, 8, 8), torch.randint(3, (4,)), {"kind": "cross_entropy"}
