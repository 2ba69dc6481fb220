"""Processor time of the graph's layout, and of everything up to the cell's output. Target: 10,000 nodes under 1 s.

Run with ``python benchmarks/bench_graph_view.py``. The shapes are those of the study: a chain of residual blocks,
a chain with an edge 40 blocks long from every block, and transformer blocks that all read one mask. The peer is
fast-sugiyama, the fastest layered layout found, in Rust (``pip install fast-sugiyama``; for 1,000 nodes only,
as its time grows with the square).
"""

from __future__ import annotations

import gc
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path

import onnx
from onnx import TensorProto, helper

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import graph_shapes

from onnx_workbench.sources.open import open_model
from onnx_workbench.views.graph_layout import lay_out
from onnx_workbench.views.view import view

SHAPES = {"chain": graph_shapes.chain, "skip": graph_shapes.skip, "transformer": graph_shapes.transformer}
SIZES = (1_000, 5_000, 10_000)
LARGEST_FOR_PEER = 1_000


def best_ms(action: Callable[[], object], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        gc.collect()
        start = time.process_time()
        action()
        times.append((time.process_time() - start) * 1000)
    return min(times)


def proto_of(count: int, edges: list[tuple[int, int]]) -> onnx.ModelProto:
    reads: dict[int, list[str]] = {}
    for source, target in edges:
        reads.setdefault(target, []).append(f"v{source}")
    nodes = [helper.make_node("Sum", reads.get(i, ["x"]), [f"v{i}"], name=f"n{i}") for i in range(count)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 16])
    y = helper.make_tensor_value_info(f"v{count - 1}", TensorProto.FLOAT, ["N", 16])
    return helper.make_model(helper.make_graph(nodes, "bench", [x], [y]))


def peer_ms(edges: list[tuple[int, int]]) -> float | None:
    if importlib.util.find_spec("fast_sugiyama") is None:
        return None
    import fast_sugiyama

    return best_ms(lambda: fast_sugiyama.from_edges(edges), repeats=1)


def measure(name: str, size: int) -> float:
    """Print one line; return the milliseconds of the layout."""
    count, edges = SHAPES[name](size)
    proto = proto_of(count, edges)
    layout = best_ms(lambda: lay_out([(100.0, 40.0)] * count, edges))
    output = best_ms(lambda: view(open_model(proto))._repr_mimebundle_(), repeats=1)
    peer = peer_ms(edges) if size <= LARGEST_FOR_PEER else None
    compared = f"{peer:8.0f} ms {layout / peer:7.2f}" if peer else f"{'-':>11} {'-':>7}"
    print(f"{name:12} {count:6,} {layout:8.0f} ms {output:10.0f} ms {compared}")
    return layout


def main() -> None:
    print(f"{'shape':12} {'nodes':>6} {'layout':>11} {'cell output':>13} {'peer':>11} {'ratio':>7}")
    slowest = max(measure(name, size) for name in SHAPES for size in SIZES)
    print(f"slowest layout {slowest:.0f} ms, target 1000 ms: {'met' if slowest < 1000 else 'MISSED'}")


if __name__ == "__main__":
    main()
