"""Pictures of a graph without a browser: SVG as text, PNG through matplotlib. Both draw the same positions."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from PIL import Image

from onnx_workbench.core.errors import require
from onnx_workbench.core.formatting import clean_text, escape
from onnx_workbench.views.drawn_graph import LABEL_SIZE, LINE_SIZE, TITLE_SIZE, DrawnGraph
from onnx_workbench.views.edge_curves import Point, arrow_head, path_data, strokes
from onnx_workbench.views.overlay import NOT_FINITE, RAMP, PaintedOverlay
from onnx_workbench.views.picture import LEGEND_FIELD, LINE_GREY, MARGIN, NOTICE, TEXT_GREY, Box, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
PNG_PIXELS = 40e6
_LONGEST_PNG_SIDE = 30_000
_FEW_COLOURS = 48


def svg(picture: Picture) -> str:
    """Return the picture as an SVG document; it has no scripts, no styles, no identifiers and no links."""
    width, height = picture.size
    boxes = list(picture.boxes())
    pieces = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{FONT}">',
        f"<title>Graph of {escape(picture.caption)}</title>",
        f"<desc>{escape(_description(picture.graph), limit=600)}</desc>",
        *_svg_head(picture),
        *_svg_frames(picture),
        *_svg_edges(picture),
        *_svg_boxes(boxes),
        "</svg>",
    ]
    return "".join(pieces)


def _description(graph: DrawnGraph) -> str:
    ends = [
        f"{node.kind} {node.title} {node.line}" for node in graph.nodes if node.kind in {"input", "output"}
    ]
    flow = " → ".join(node.title for node in graph.nodes if node.kind not in {"input", "output"})
    return " ".join(filter(None, [graph.notice, "; ".join(ends) + ".", flow]))


def _svg_head(picture: Picture) -> Iterator[str]:
    for x, y, width, fill in _legend_swatches(picture):
        yield f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="10" fill="{fill}"/>'
    yield f'<g fill="{TEXT_GREY}">'
    for (x, y), text, size, anchor in _head_texts(picture):
        weight = ' font-weight="600"' * (size == TITLE_SIZE)
        yield f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}"{weight}>'
        yield f"{escape(text)}</text>"
    yield "</g>"


def _legend_top(picture: Picture) -> float:
    return MARGIN + 28 + (NOTICE if picture.graph.notice else 0)


def _legend_swatches(picture: Picture) -> Iterator[tuple[float, float, float, str]]:
    """Yield x, y, width and colour of the legend's fields."""
    if picture.overlay:
        y = _legend_top(picture)
        for step, colours in enumerate(RAMP):
            yield MARGIN + step * LEGEND_FIELD, y, LEGEND_FIELD, colours.fill
        if -1 in picture.overlay.shown.steps:
            yield MARGIN + LEGEND_FIELD * len(RAMP) + 10, y + 14, 10, NOT_FINITE.fill


def _head_texts(picture: Picture) -> Iterator[tuple[Point, str, int, str]]:
    """Yield place, text, font size and anchor of the lines above the graph."""
    yield (MARGIN, MARGIN + 12), picture.caption, TITLE_SIZE, "start"
    if picture.graph.notice:
        yield (MARGIN, MARGIN + 30), picture.graph.notice, LINE_SIZE, "start"
    if picture.overlay:
        yield from _legend_texts(picture.overlay, _legend_top(picture))


def _legend_texts(overlay: PaintedOverlay, y: float) -> Iterator[tuple[Point, str, int, str]]:
    end = MARGIN + LEGEND_FIELD * len(RAMP)
    shades = overlay.shown
    yield (MARGIN, y + 22), f"{shades.lowest:.3g}", LABEL_SIZE, "start"
    yield (end, y + 22), f"{shades.highest:.3g}", LABEL_SIZE, "end"
    meaning = ". ".join(filter(None, [overlay.meaning, overlay.note]))
    yield (end + 10, y + 9), meaning, LABEL_SIZE, "start"
    if -1 in shades.steps:
        yield (end + 24, y + 23), "NaN or infinite", LABEL_SIZE, "start"


def _svg_frames(picture: Picture) -> Iterator[str]:
    frames = list(picture.module_frames())
    if not frames:
        return
    yield f'<g fill="{LINE_GREY}" fill-opacity=".07" stroke="{LINE_GREY}" stroke-dasharray="4 3">'
    for (x, y, width, height), _, _ in frames:
        yield f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="6"/>'
    yield f'</g><g fill="{TEXT_GREY}" font-size="{LINE_SIZE}">'
    for _, (x, y), title in frames:
        yield f'<text x="{x:.1f}" y="{y:.1f}">{escape(title)}</text>'
    yield "</g>"


def _svg_edges(picture: Picture) -> Iterator[str]:
    routes = [route for route in picture.routes() if route]
    lines = "".join(path_data(route) for route in routes)
    heads = "".join(f"M{a[0]:.1f} {a[1]:.1f}h7l-3.5 6.5z" for a, _, _ in (arrow_head(r[-1]) for r in routes))
    yield f'<path d="{lines}" fill="none" stroke="{LINE_GREY}" stroke-width="1.4"/>'
    yield f'<path d="{heads}" fill="{LINE_GREY}"/>'
    yield f'<g font-size="{LABEL_SIZE}" fill="{TEXT_GREY}">'
    for (x, y), text in picture.labels():
        yield f'<text x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
    yield "</g>"


def _svg_boxes(boxes: list[Box]) -> Iterator[str]:
    """Yield the boxes by colour and the texts by style: what they share is then said once."""
    for colours in dict.fromkeys(box.colours for box in boxes):
        own = [box for box in boxes if box.colours == colours]
        yield f'<g fill="{colours.fill}" stroke="{colours.border}" stroke-width="1.3">'
        for box in own:
            yield (
                f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.0f}" '
                f'rx="{box.radius:.0f}"/>'
            )
        yield f'</g><g fill="{colours.ink}" text-anchor="middle" font-size="{TITLE_SIZE}" font-weight="600">'
        for box in own:
            yield f'<text x="{box.middle:.1f}" y="{box.baselines[0]:.1f}">{escape(box.node.title)}</text>'
        yield f'</g><g fill="{colours.ink}" fill-opacity=".78" text-anchor="middle" font-size="{LINE_SIZE}">'
        for box in own:
            if box.node.line:
                yield f'<text x="{box.middle:.1f}" y="{box.baselines[1]:.1f}">{escape(box.node.line)}</text>'
        yield "</g>"


def png(picture: Picture, *, scale: float = 2.0) -> bytes:
    """Return the picture as PNG on white, `scale` pixels to a unit; less if it would be more than 40 megapixels."""
    require("matplotlib", purpose="to draw a PNG picture", extra="notebook")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = picture.size
    scale = min(scale, (PNG_PIXELS / (width * height)) ** 0.5, _LONGEST_PNG_SIDE / max(width, height))
    figure = Figure(figsize=(width / 72, height / 72), dpi=72 * scale, facecolor="white")
    axes = figure.add_axes(
        (0, 0, 1, 1), frameon=False, xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[]
    )
    _matplotlib_edges(axes, picture)
    _matplotlib_boxes(axes, picture)
    _matplotlib_texts(axes, picture)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Names may hold characters that the font lacks; they become empty boxes, which says enough.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        FigureCanvasAgg(figure)
        figure.savefig(buffer, format="png", dpi=figure.dpi)
    return buffer.getvalue()


def small_png(picture: Picture) -> bytes:
    """Return the picture as a PNG of few colours, about a quarter of the size, to be stored in notebooks."""
    image = Image.open(io.BytesIO(png(picture, scale=1.0))).convert("RGB")
    buffer = io.BytesIO()
    image.quantize(_FEW_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
        buffer, "PNG", optimize=True
    )
    return buffer.getvalue()


def _matplotlib_edges(axes: Axes, picture: Picture) -> None:
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    codes = {"M": (Path.MOVETO,), "L": (Path.LINETO,), "Q": (Path.CURVE3,) * 2, "C": (Path.CURVE4,) * 3}
    for route in picture.routes():
        if not route:
            continue
        steps = strokes(route)
        vertices = [point for _, points in steps for point in points]
        path = Path(vertices, [code for command, _ in steps for code in codes[command]])
        axes.add_patch(PathPatch(path, facecolor="none", edgecolor=LINE_GREY, linewidth=1.4))
        axes.add_patch(Polygon(arrow_head(route[-1]), facecolor=LINE_GREY, edgecolor="none"))


def _matplotlib_boxes(axes: Axes, picture: Picture) -> None:
    from matplotlib.patches import FancyBboxPatch, Rectangle

    for x, y, width, fill in _legend_swatches(picture):
        axes.add_patch(Rectangle((x, y), width, 10, facecolor=fill, edgecolor="none"))
    for (x, y, width, height), _, _ in picture.module_frames():
        axes.add_patch(
            Rectangle((x, y), width, height, facecolor="none", edgecolor=LINE_GREY, linestyle=(0, (4, 3)))
        )
    for box in picture.boxes():
        axes.add_patch(
            FancyBboxPatch(
                (box.x, box.y),
                box.width,
                box.height,
                boxstyle=f"round,pad=0,rounding_size={box.radius}",
                facecolor=box.colours.fill,
                edgecolor=box.colours.border,
                linewidth=1.3,
            )
        )


def _matplotlib_texts(axes: Axes, picture: Picture) -> None:
    anchors = {"start": "left", "end": "right", "middle": "center"}

    def write(place: Point, text: str, size: int, anchor: str, ink: str) -> None:
        # DejaVu Sans, matplotlib's own face, is wider than the faces of a browser: a little smaller, it fits.
        axes.text(
            *place,
            clean_text(text),
            fontsize=size * 0.92,
            fontweight="bold" if size == TITLE_SIZE else "normal",
            color=ink,
            horizontalalignment=anchors[anchor],
            parse_math=False,
        )

    for place, text, size, anchor in _head_texts(picture):
        write(place, text, size, anchor, TEXT_GREY)
    for place, text in picture.labels():
        write(place, text, LABEL_SIZE, "start", TEXT_GREY)
    for _, beginning, module in picture.module_frames():
        write(beginning, module, LINE_SIZE, "start", TEXT_GREY)
    for box in picture.boxes():
        title, line = box.baselines
        write((box.middle, title), box.node.title, TITLE_SIZE, "middle", box.colours.ink)
        if box.node.line:
            write((box.middle, line), box.node.line, LINE_SIZE, "middle", box.colours.ink)
