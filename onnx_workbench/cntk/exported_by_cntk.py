"""What CNTK wrote into ONNX in a sense of its own, and reads back in it, written as ONNX means it."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto

_TO_THE_END = np.iinfo(np.int64).max


def mend(proto: ModelProto) -> None:
    """Mend a model that CNTK exported, before its opset is raised; others are left as they are.

    Slices that begin behind end at 0, where CNTK means the end, and ONNX the beginning: nothing would be left.
    """
    if proto.producer_name != "CNTK":
        return
    for node in proto.graph.node:
        limits = {one.name: one.ints for one in node.attribute if one.name in {"starts", "ends"}}
        if node.op_type == "Slice" and len(limits) == 2:
            pairs = list(zip(limits["starts"], limits["ends"], strict=True))
            limits["ends"][:] = [_TO_THE_END if start < 0 == end else end for start, end in pairs]
