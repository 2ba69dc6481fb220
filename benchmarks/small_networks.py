"""Small networks of many kinds, with random but sound weights: what faults are planted in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from torch_networks import Encoder, Residual, UNet, conv, resnet


class Squeeze(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(width, width // 4, 1), nn.Conv2d(width // 4, width, 1)

    def forward(self, x):
        scale = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.up(functional.silu(self.down(scale))))


def depthwise() -> nn.Module:
    """Return a CNN of inverted residuals with squeeze and excitation, hard-swish, ReLU6 and grouped convolutions."""
    layers, inputs = [conv(3, 16, 3, 2, activation=nn.Hardswish)], 16
    for outputs, kernel, stride, act in ((16, 3, 1, nn.ReLU6), (24, 5, 2, nn.SiLU), (24, 3, 1, nn.Hardswish)):
        wide = 4 * inputs
        block = nn.Sequential(
            conv(inputs, wide, 1, activation=act),
            conv(wide, wide, kernel, stride, wide, act),
            Squeeze(wide),
            conv(wide, outputs, 1, activation=None),
        )
        layers.append(Residual(block, relu=False) if (inputs, stride) == (outputs, 1) else block)
        inputs = outputs
    layers += [conv(inputs, 32, 3, 1, 4, nn.ReLU6), nn.AvgPool2d(3, 1, 1), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(32, 10))


class Text(nn.Module):
    """A transformer by torch's own layers, as text classifiers are: tokens and a padding mask come in."""

    def __init__(self, width: int = 32, words: int = 50, length: int = 16) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.places = nn.Parameter(torch.randn(length, width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, 4, 2 * width, activation="gelu", batch_first=True, norm_first=first
            )
            for first in (False, True)
        )
        self.head = nn.Linear(width, 5)

    def forward(self, tokens, padding):
        x = self.words(tokens) + self.places
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        kept = (~padding).to(x.dtype).unsqueeze(-1)
        return self.head((x * kept).sum(1) / kept.sum(1))


class Fused(nn.Module):
    """Attention in one operation of torch, with tanh's GELU and RMS normalization, as language models have it."""

    def __init__(self, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm2 = nn.RMSNorm(width), nn.LayerNorm(width)
        self.to_qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = self.to_qkv(self.norm(x)).chunk(3, -1)
        q, k, v = (t.reshape(batch, length, self.heads, -1).transpose(1, 2) for t in (q, k, v))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
        gate, value = self.up(self.norm2(x)).chunk(2, -1)
        return x + self.down(torch.cat([functional.gelu(gate, approximate="tanh"), torch.tanh(value)], -1))


class Recurrent(nn.Module):
    """Words through an LSTM in both directions and a GRU."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.words = nn.Embedding(40, width)
        self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(2 * width, width, batch_first=True)
        self.head = nn.Linear(width, 6)

    def forward(self, tokens):
        x, _ = self.lstm(self.words(tokens))
        x, last = self.gru(x)
        return self.head(x[:, -1] + last[0])


class Preactivated(nn.Module):
    """Normalization before convolutions, so that no exporter folds it; branches, and every other activation."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(width), nn.BatchNorm2d(width), nn.BatchNorm2d(width)])
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(3))
        self.group, self.instance = nn.GroupNorm(4, width), nn.InstanceNorm2d(width, affine=True)
        self.acts = nn.ModuleList([nn.LeakyReLU(0.2), nn.ELU(), nn.PReLU(width)])
        self.left, self.right = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.head = nn.Linear(2 * width, 8)

    def forward(self, image):
        x = self.stem(image)
        for norm, act, convolution in zip(self.norms, self.acts, self.convs, strict=True):
            x = x + convolution(act(norm(x)))
        x = functional.avg_pool2d(functional.softplus(self.group(x)), 3, 2, 1)
        x = self.instance(functional.max_pool2d(x, 3, 1, 1))
        x = torch.cat([self.left(x), self.right(x)], 1)
        return torch.log_softmax(self.head(x.amax((2, 3)) + x.mean((2, 3))), -1)


class Arithmetic(nn.Module):
    """Plain arithmetic on two square inputs: what swapped operands, axes and slices spoil without changing a shape."""

    def __init__(self, size: int = 12) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.rand(size) + 0.5), nn.Parameter(torch.randn(size, size))
        self.register_buffer("order", torch.randperm(size))
        self.inner = nn.Linear(size, 3 * size)

    def forward(self, left, right):
        a, b, c = self.inner(left).split(left.shape[-1], -1)
        mixed = torch.softmax(a @ b.transpose(1, 2) / 3.0, -1) @ c
        centred = mixed - mixed.mean(-1, keepdim=True)
        scaled = centred / torch.sqrt(centred.square().mean(-1, keepdim=True) + 1e-3) * self.scale
        padded = functional.pad(scaled, (1, 1, 0, 0))
        near = padded[..., 2:] - padded[..., :-2]
        chosen = torch.where(right > 0, near, right.exp() + self.shift)
        turned = chosen.index_select(1, self.order).transpose(1, 2)
        return (turned @ right).clamp(-4, 4), torch.maximum(turned, left).abs().sum(-1), chosen.argmax(-1)


class Upsampling(nn.Module):
    """A decoder: transposed convolution, bilinear and nearest resizing, pixel shuffle."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first, self.transposed = nn.Conv2d(3, width, 3, 2, 1), nn.ConvTranspose2d(width, width, 2, 2)
        self.second, self.third = nn.Conv2d(width, 4 * width, 3, padding=1), nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, image):
        x = functional.gelu(self.transposed(torch.tanh(self.first(image))))
        half = functional.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False)
        x = functional.pixel_shuffle(self.second(half), 2) + functional.interpolate(half, scale_factor=2.0)
        return torch.sigmoid(self.third(functional.pad(x, (1, 1, 1, 1), mode="reflect")))[..., 1:-1, 1:-1]


@dataclass(frozen=True)
class Network:
    """A network and how its inputs are drawn."""

    make: Callable[[], nn.Module]
    draw: Callable[[], tuple[torch.Tensor, ...]]
    exporters: tuple[str, ...] = ("dynamo", "torchscript", "workbench")

    def built(self, dtype: torch.dtype, seed: int = 0) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
        """Return (module in eval mode, its normalization calibrated; inputs), floats of that type."""
        torch.manual_seed(seed)
        module = self.make()
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = None
            if hasattr(part, "weight") and "Norm" in type(part).__name__:
                nn.init.uniform_(part.weight, 0.5, 1.5)
                if getattr(part, "bias", None) is not None:
                    nn.init.normal_(part.bias, std=0.2)
        with torch.no_grad():
            for _ in range(4):
                module.train()(*self.draw())
        inputs = tuple(x.to(dtype) if x.is_floating_point() else x for x in self.draw())
        return module.eval().to(dtype), inputs


def _images(size: int, count: int = 2) -> Callable[[], tuple[torch.Tensor, ...]]:
    return lambda: (torch.randn(count, 3, size, size + 4),)


def _padding(length: int) -> torch.Tensor:
    return torch.arange(length) >= torch.tensor([[length], [length - 5]])


SMALL = {
    "residual": Network(
        lambda: resnet((2, 2), bottleneck=False, narrowest=8, classes=10),
        lambda: (torch.randn(2, 3, 40, 40),),
    ),
    "depthwise": Network(depthwise, _images(32)),
    "encoder": Network(lambda: Encoder(2, 32, 4), lambda: (torch.randn(2, 8, 32),)),
    "text": Network(Text, lambda: (torch.randint(50, (2, 16)), _padding(16))),
    "fused": Network(
        Fused, lambda: (torch.randn(2, 8, 32),), ("dynamo", "workbench")
    ),  # the other knows no RMSNorm
    "recurrent": Network(Recurrent, lambda: (torch.randint(40, (2, 9)),)),
    "preactivated": Network(Preactivated, _images(16)),
    "arithmetic": Network(Arithmetic, lambda: (torch.randn(2, 12, 12), torch.randn(2, 12, 12))),
    "unet": Network(lambda: UNet(8, 3), lambda: (torch.randn(1, 3, 32, 32),)),
    "upsampling": Network(Upsampling, _images(16)),
}
