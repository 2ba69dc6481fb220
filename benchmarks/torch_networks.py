"""Networks of well-known shapes with random weights, as torch modules with an example input each."""

from __future__ import annotations

import torch
from torch import nn


class Residual(nn.Module):
    """A residual block around `inner`, with a projection where the shape changes."""

    def __init__(self, inner: nn.Module, projection: nn.Module | None = None, relu: bool = True) -> None:
        super().__init__()
        self.inner, self.projection, self.relu = inner, projection or nn.Identity(), relu

    def forward(self, x):
        y = self.inner(x) + self.projection(x)
        return torch.relu(y) if self.relu else y


def conv(inputs, outputs, kernel, stride=1, groups=1, activation=nn.ReLU):
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([activation()] if activation else []))


def resnet(blocks, *, bottleneck, narrowest=64, classes=1000):
    """Return ResNet-18 for (2, 2, 2, 2), ResNet-50 for (3, 4, 6, 3) with bottlenecks."""
    layers = [conv(3, narrowest, 7, 2), nn.MaxPool2d(3, 2, 1)]
    inputs = narrowest
    for stage, count in enumerate(blocks):
        width = narrowest << stage
        outputs = 4 * width if bottleneck else width
        for index in range(count):
            stride = 2 if stage and not index else 1
            inner = (
                [
                    conv(inputs, width, 1),
                    conv(width, width, 3, stride),
                    conv(width, outputs, 1, activation=None),
                ]
                if bottleneck
                else [conv(inputs, width, 3, stride), conv(width, outputs, 3, activation=None)]
            )
            projection = (
                conv(inputs, outputs, 1, stride, activation=None)
                if (stride, inputs) != (1, outputs)
                else None
            )
            layers.append(Residual(nn.Sequential(*inner), projection))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def mobilenet():
    """Return MobileNetV2."""
    settings = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    layers, inputs = [conv(3, 32, 3, 2, activation=nn.ReLU6)], 32
    for expand, outputs, count, first_stride in settings:
        for index in range(count):
            stride, wide = (1 if index else first_stride), inputs * expand
            inner = [conv(inputs, wide, 1, activation=nn.ReLU6)] if expand > 1 else []
            inner += [conv(wide, wide, 3, stride, wide, nn.ReLU6), conv(wide, outputs, 1, activation=None)]
            block = nn.Sequential(*inner)
            layers.append(Residual(block, relu=False) if (stride, inputs) == (1, outputs) else block)
            inputs = outputs
    layers += [
        conv(inputs, 1280, 1, activation=nn.ReLU6),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(1280, 1000),
    ]
    return nn.Sequential(*layers)


def vgg16():
    layers, inputs = [], 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
        layers.append(nn.MaxPool2d(2))
    dense = [nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers, nn.Flatten(), *dense)


class Encoder(nn.Module):
    """A transformer's encoder as large as BERT's smaller one, without the embedding."""

    def __init__(self, layers=12, width=768, heads=12) -> None:
        super().__init__()
        self.heads = heads
        self.parts = nn.ModuleList(
            nn.ModuleList(
                [
                    *(nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)),
                    *(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)),
                ]
            )
            for _ in range(layers)
        )

    def forward(self, x):
        batch, length, width = x.shape
        for norm, to_qkv, out, norm2, up, down in self.parts:
            q, k, v = (
                t.reshape(batch, length, self.heads, -1).transpose(1, 2)
                for t in to_qkv(norm(x)).split(width, -1)
            )
            weights = torch.softmax(q @ k.transpose(-1, -2) / 8, -1)
            x = x + out((weights @ v).transpose(1, 2).reshape(batch, length, width))
            x = x + down(nn.functional.gelu(up(norm2(x))))
        return x


class UNet(nn.Module):
    """An encoder and decoder with skip connections: large values, few weights."""

    def __init__(self, width=32, depth=4) -> None:
        super().__init__()
        sizes = [width << i for i in range(depth)]
        self.down = nn.ModuleList(
            nn.Sequential(conv(a, b, 3), conv(b, b, 3)) for a, b in zip([3, *sizes], sizes, strict=False)
        )
        self.up = nn.ModuleList(conv(a + b, a, 3) for a, b in zip(sizes[-2::-1], sizes[:0:-1], strict=True))
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        skips = []
        for index, part in enumerate(self.down):
            x = part(nn.functional.max_pool2d(x, 2) if index else x)
            skips.append(x)
        for part, skip in zip(self.up, skips[-2::-1], strict=True):
            x = part(torch.cat([skip, nn.functional.interpolate(x, scale_factor=2)], 1))
        return self.head(x)


NETWORKS = {
    "ResNet-18": (lambda: resnet((2, 2, 2, 2), bottleneck=False), (1, 3, 224, 224)),
    "ResNet-50": (lambda: resnet((3, 4, 6, 3), bottleneck=True), (1, 3, 224, 224)),
    "MobileNetV2": (mobilenet, (1, 3, 224, 224)),
    "VGG-16": (vgg16, (1, 3, 224, 224)),
    "Encoder": (Encoder, (1, 128, 768)),
    "U-Net": (UNet, (1, 3, 256, 256)),
}


def calibrated(make, shape, seed=0):
    """Return a network with random weights whose normalization has seen such inputs, in eval mode."""
    torch.manual_seed(seed)
    module = make()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.2)
    with torch.no_grad():
        for _ in range(2):
            module.train()(torch.randn(4, *shape[1:]))
    return module.eval()
