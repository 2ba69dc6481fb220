"""Processor time of the graph's layout, and time until 10,000 nodes are seen, and seen in other colours.

Run with ``python benchmarks/bench_graph_view.py``. The shapes are those of the study: a chain of residual blocks,
a chain with an edge 40 blocks long from every block, and transformer blocks that all read one mask. The layout's
peer is fast-sugiyama, the fastest layered layout found, in Rust (``pip install fast-sugiyama``; for 1,000 nodes
only, as its time grows with the square).

What is seen is timed in a real Chromium, with every module open and as large graphs begin, closed: from opening a
page with the widget to the painted graph, and from choosing other numbers to their colours. Beside it stands what
the kernel takes to make the cell's output, or other colours; of that, processor time is given, which depends less
on who else computes. The peer is Netron, on the page that the package serves, with the same file.

Targets: layout of 10,000 nodes under 1 s, first paint under 2 s, other colours under 0.2 s.
"""

from __future__ import annotations

import gc
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto, helper

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import graph_shapes
from graphs_in_chromium import chromium, netron_ms, page_ms

from onnx_workbench.sources.open import open_model
from onnx_workbench.views.graph_layout import lay_out
from onnx_workbench.views.graph_pane import GraphPane
from onnx_workbench.views.overlay import overlays_from
from onnx_workbench.views.view import view

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SHAPES = {"chain": graph_shapes.chain, "skip": graph_shapes.skip, "transformer": graph_shapes.transformer}
SIZES = (1_000, 5_000, 10_000)
LARGEST_FOR_PEER = 1_000
STAGES = 12
NODES_PER_BLOCK = 20
LAYOUT_MS, PAINT_MS, COLOURS_MS = 1000, 2000, 200


def best_ms(action: Callable[[], object], repeats: int = 5) -> float:
    times = []
    for _ in range(repeats):
        gc.collect()
        start = time.process_time()
        action()
        times.append((time.process_time() - start) * 1000)
    return min(times)


def module_of(node: int, count: int) -> str:
    """Return the module around a node, as exporters write it into names: stages of blocks."""
    return f"/stage{node * STAGES // count}/block{node // NODES_PER_BLOCK}"


def proto_of(count: int, edges: list[tuple[int, int]]) -> onnx.ModelProto:
    reads: dict[int, list[str]] = {}
    for source, target in edges:
        reads.setdefault(target, []).append(f"v{source}")
    nodes = [
        helper.make_node("Sum", reads.get(i, ["x"]), [f"v{i}"], name=f"{module_of(i, count)}/n{i}")
        for i in range(count)
    ]
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


def seen(browser: Browser, name: str, *, collapsed: bool) -> tuple[float, float, float]:
    """Print one line; return the milliseconds of the cell's output, of its first paint, and of other colours."""
    count, edges = SHAPES[name](SIZES[-1])
    model = open_model(proto_of(count, edges))
    numbers = {f"v{i}": float(i % 977) for i in range(count)}
    others = {label: {name: number * number for name, number in numbers.items()} for label in ("ms", "error")}
    shown = view(model, collapsed=collapsed)
    output = best_ms(shown._repr_mimebundle_, repeats=1)
    recolour = best_ms(lambda: shown.overlay(numbers))
    pane = GraphPane(model)
    pane.begin_folded(collapsed)
    pane.colour_by(overlays_from(others))
    painted, changed = page_ms(browser, pane)
    state = "closed" if collapsed else "open"
    print(
        f"{name:12} {count:6,} {state:8} {len(shown.drawn.nodes):6,} {output:8.0f} ms {painted:8.0f} ms "
        f"{recolour:8.0f} ms {changed:8.0f} ms"
    )
    return output, painted, recolour + changed


def in_chromium(browser: Browser) -> None:
    """Print the second table, and the peer's figure."""
    print(f"\n{'':35}{'--- first seen ---':>23} {'-- other colours --':>23}")
    print(
        f"{'shape':12} {'nodes':>6} {'modules':8} {'boxes':>6} {'kernel':>11} {'page':>11} {'kernel':>11} {'page':>11}"
    )
    figures = {
        (name, collapsed): seen(browser, name, collapsed=collapsed)
        for name in SHAPES
        for collapsed in (True, False)
    }
    slowest = max(page for _, page, _ in figures.values())
    print(verdict("slowest first paint of the page", slowest, PAINT_MS))
    begins = max(kernel + page for (_, collapsed), (kernel, page, _) in figures.items() if collapsed)
    print(verdict("slowest graph as it begins, closed, kernel and page", begins, PAINT_MS))
    colours = max(colours for _, _, colours in figures.values())
    print(verdict("slowest other colours, kernel and page", colours, COLOURS_MS))
    netron = netron_ms(browser, open_model(proto_of(*graph_shapes.chain(SIZES[-1]))))
    ours = sum(figures["chain", False][:2])
    print(
        f"Netron, chain of {SIZES[-1]:,} nodes: {netron:.0f} ms; ours, open, kernel and page: {ours / netron:.2f} of it"
    )


def verdict(what: str, found_ms: float, target_ms: float) -> str:
    return f"{what} {found_ms:.0f} ms, target {target_ms} ms: {'met' if found_ms < target_ms else 'MISSED'}"


def main() -> None:
    print(f"{'shape':12} {'nodes':>6} {'layout':>11} {'cell output':>13} {'peer':>11} {'ratio':>7}")
    slowest = max(measure(name, size) for name in SHAPES for size in SIZES)
    print(verdict("slowest layout", slowest, LAYOUT_MS))
    with chromium() as browser:
        if browser is None:
            print("Chromium or playwright is missing: what is seen is not timed.")
        else:
            in_chromium(browser)


if __name__ == "__main__":
    main()
