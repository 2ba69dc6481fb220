"""Make the sign classifier that comes with the package: ``python -m onnx_workbench.training.make_signs_model``."""

from __future__ import annotations

import sys
from pathlib import Path

from onnx.helper import set_model_props

from onnx_workbench.core.model import Model
from onnx_workbench.core.provenance_record import RECORD_KEY
from onnx_workbench.core.reading import read_proto
from onnx_workbench.sources.open import open_model
from onnx_workbench.training.dataset import Dataset
from onnx_workbench.training.fitting import fit
from onnx_workbench.training.networks import small_convnet
from onnx_workbench.training.road_signs import signs
from onnx_workbench.training.shipped_model import SIGNS_MODEL

DATA_SEED = 1


def make(data: Dataset | None = None, *, epochs: int = 16) -> Model:
    """Return the classifier, trained anew, without what the exporter notes of this machine."""
    data = data or signs(6400, 800, seed=DATA_SEED)
    network = fit(small_convnet(data, width=10), data, epochs=epochs)
    model = open_model(network, example_inputs=data.example, input_names=["image"])
    proto = model.to_proto()
    proto.doc_string = "Road signs, 8 classes, 32 x 32 RGB. Made by onnx_workbench.training.make_signs_model."
    for node in proto.graph.node:
        del node.metadata_props[:]  # stack traces with the paths of the machine that exported it
        node.doc_string = ""
    kept = {entry.key: entry.value for entry in proto.metadata_props if entry.key != RECORD_KEY}
    set_model_props(proto, kept)
    del proto.graph.metadata_props[:]
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        del value.metadata_props[:]
    return read_proto(proto)


def main(target: Path = SIGNS_MODEL) -> None:
    """Train, and write the file."""
    make().save(target)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
