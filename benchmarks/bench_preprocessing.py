"""Preprocessing of a folder of JPEGs against Pillow and numpy written by hand. Target: at least as fast."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from measure import in_turns, report
from PIL import Image

COUNT = 200

BY_HAND = """
batch = []
for path in sorted(pathlib.Path(FOLDER).iterdir()):
    with Image.open(path) as image:
        small = image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
    array = np.asarray(small, np.float32) / 255
    array = (array - np.array((0.485, 0.456, 0.406), np.float32)) / np.array((0.229, 0.224, 0.225), np.float32)
    batch.append(array.transpose(2, 0, 1))
batch = np.stack(batch)
"""

OURS = """
batch = ow.Preprocessing(size=(224, 224), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))(FOLDER)
"""


def write_pictures(folder: Path, *, height: int, width: int) -> None:
    """Write JPEGs of smooth random colour: they compress as photographs do."""
    generator = np.random.default_rng(0)
    for index in range(COUNT):
        small = generator.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(
            folder / f"{index:04d}.jpg", quality=90
        )


if __name__ == "__main__":
    for height, width in ((480, 640), (32, 32)):
        with tempfile.TemporaryDirectory() as name:
            write_pictures(Path(name), height=height, width=width)
            imports = (
                f"import pathlib, numpy as np, onnx_workbench as ow\nfrom PIL import Image\nFOLDER = {name!r}"
            )
            one = "\nimport os; os.sched_setaffinity(0, {next(iter(os.sched_getaffinity(0)))})"
            found = in_turns(
                {
                    "Pillow + numpy by hand": (imports, BY_HAND),
                    "Preprocessing": (imports, OURS),
                    "by hand, one core": (imports + one, BY_HAND),
                    "Preprocessing, one core": (imports + one, OURS),
                },
                runs=5,
            )
            title = f"{COUNT} JPEGs of {height} x {width} to (3, 224, 224)"
            report(title, found, ours="Preprocessing", peer="Pillow + numpy by hand")
            report("... on one core", found, ours="Preprocessing, one core", peer="by hand, one core")
