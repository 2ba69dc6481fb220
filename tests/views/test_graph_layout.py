from __future__ import annotations

import random
import sys
from itertools import combinations, pairwise

import graph_shapes as shapes
import pytest

from onnx_workbench.views.edge_curves import strokes
from onnx_workbench.views.graph_layout import Layout, lay_out
from onnx_workbench.views.layout.crossings import make_rows

NETWORKS = {
    "line": shapes.line(30),
    "residual chain": shapes.chain(80),
    "skip connections": shapes.skip(240),
    "transformer": shapes.transformer(122),
    "inception": shapes.inception(4),
    "fan": shapes.fan(40),
    **{f"scattered {seed}": shapes.scattered(70, seed) for seed in range(6)},
}


def sizes_for(count: int, seed: int = 0) -> list[tuple[float, float]]:
    chance = random.Random(seed)
    return [(chance.uniform(50, 190), chance.choice((30.0, 46.0))) for _ in range(count)]


@pytest.fixture(params=NETWORKS)
def drawn(request) -> tuple[Layout, list[tuple[float, float]], list[tuple[int, int]]]:
    count, edges = NETWORKS[request.param]
    sizes = sizes_for(count)
    return lay_out(sizes, edges), sizes, edges


def box_of(layout, sizes, node):
    (x, y), (width, height) = layout.centres[node], sizes[node]
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def points_on(route):
    """Walk along a route as a pen would: De Casteljau's construction, independent of the drawing code."""
    points, here = [], None
    for _, ends in strokes(route):
        control = [here, *ends] if here else list(ends)
        for step in range(17):
            line = control
            while len(line) > 1:
                share = step / 16
                line = [
                    (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share) for a, b in pairwise(line)
                ]
            points.append(line[0])
        here = ends[-1]
    return points


def test_no_two_boxes_overlap(drawn):
    layout, sizes, _ = drawn
    boxes = [box_of(layout, sizes, node) for node in range(len(sizes))]
    for a, b in combinations(boxes, 2):
        assert a[2] <= b[0] + 0.2 or b[2] <= a[0] + 0.2 or a[3] <= b[1] + 0.2 or b[3] <= a[1] + 0.2


def test_every_edge_leads_downwards_from_the_bottom_of_its_source_to_the_top_of_its_target(drawn):
    layout, sizes, edges = drawn
    for (source, target), route in zip(edges, layout.routes, strict=True):
        from_box, to_box = box_of(layout, sizes, source), box_of(layout, sizes, target)
        assert route[0] == pytest.approx((layout.centres[source][0], from_box[3]), abs=0.2)
        assert route[-1][1] == pytest.approx(to_box[1], abs=0.2)
        assert to_box[0] <= route[-1][0] <= to_box[2]
        assert all(a[1] <= b[1] + 1e-6 for a, b in pairwise(route))


def test_no_edge_passes_behind_a_box(drawn):
    layout, sizes, edges = drawn
    boxes = [box_of(layout, sizes, node) for node in range(len(sizes))]
    for edge, route in zip(edges, layout.routes, strict=True):
        points = points_on(route)
        for node, (left, top, right, bottom) in enumerate(boxes):
            inside = [
                p for p in points if left + 0.3 < p[0] < right - 0.3 and top + 0.3 < p[1] < bottom - 0.3
            ]
            assert not inside, (edge, node)


def test_everything_lies_within_the_picture(drawn):
    layout, sizes, _ = drawn
    boxes = [box_of(layout, sizes, node) for node in range(len(sizes))]
    xs = [x for box in boxes for x in box[::2]] + [p[0] for route in layout.routes for p in points_on(route)]
    ys = [y for box in boxes for y in box[1::2]] + [p[1] for route in layout.routes for p in points_on(route)]
    assert min(xs) == pytest.approx(0, abs=0.2)
    assert min(ys) == pytest.approx(0, abs=0.2)
    assert max(xs) == pytest.approx(layout.width, abs=0.2)
    assert max(ys) == pytest.approx(layout.height, abs=0.2)


def test_the_same_graph_is_laid_out_the_same_again(drawn):
    layout, sizes, edges = drawn
    assert lay_out(sizes, edges) == layout


def test_a_chain_is_one_straight_line_whatever_the_widths():
    count, edges = shapes.line(50)
    layout = lay_out(sizes_for(count), edges)
    assert len({x for x, _ in layout.centres}) == 1
    assert all(len(route) == 2 and route[0][0] == route[1][0] for route in layout.routes)


def test_the_trunk_of_a_residual_network_stays_straight_and_its_skips_stay_at_the_side():
    count, edges = shapes.chain(80)
    layout = lay_out(sizes_for(count), edges)
    assert len({x for x, _ in layout.centres}) == 1
    skips = [route for (a, b), route in zip(edges, layout.routes, strict=True) if b - a > 1]
    assert len(skips) == 19
    assert all(len({x for x, _ in route}) > 1 for route in skips)


def test_the_branches_of_an_inception_block_stand_around_its_centre():
    count, edges = shapes.inception(3)
    layout = lay_out([(100.0, 40.0)] * count, edges)
    for entry in (0, 10, 20):
        branches = [layout.centres[target][0] for source, target in edges if source == entry]
        assert layout.centres[entry][0] == pytest.approx((min(branches) + max(branches)) / 2, abs=1)


def test_a_source_stands_just_above_its_first_reader():
    count, edges = shapes.line(20)
    layout = lay_out([(80.0, 40.0)] * (count + 2), [*edges, (20, 21), (21, 15)])
    assert (layout.ranks[15], layout.ranks[21], layout.ranks[20]) == (15, 14, 13)


def test_the_long_edges_of_one_source_share_a_lane_beside_everything_that_they_pass():
    count, edges = shapes.line(60)
    readers = [25, 40, 55]
    layout = lay_out([(80.0, 40.0)] * count, [*edges, *((0, reader) for reader in readers)])
    lanes = {
        max(route, key=lambda point: abs(point[0] - layout.centres[0][0]))[0] for route in layout.routes[-3:]
    }
    assert len(lanes) == 1
    assert abs(lanes.pop() - layout.centres[0][0]) > 40


def test_nested_skips_lie_one_inside_the_other_as_in_a_u_net():
    count, edges = shapes.line(80)
    skips = [(10, 70), (15, 65), (20, 60)]
    layout = lay_out([(80.0, 40.0)] * count, [*edges, *skips])
    trunk = layout.centres[0][0]
    outer, middle, inner = (max(abs(x - trunk) for x, _ in route) for route in layout.routes[-3:])
    assert outer > middle > inner > 40


def test_a_cycle_is_drawn_with_an_edge_that_leads_upwards():
    layout = lay_out([(80.0, 40.0)] * 4, [(0, 1), (1, 2), (2, 1), (2, 3), (3, 3)])
    tops = [y for _, y in layout.centres]
    assert tops == sorted(tops)
    back = layout.routes[2]
    assert back[0][1] > back[-1][1]
    assert layout.routes[4][0][1] > layout.routes[4][-1][1]


def test_parts_that_are_not_connected_stand_beside_each_other():
    layout = lay_out([(80.0, 40.0)] * 6, [(0, 1), (2, 3), (4, 5)])
    assert layout.centres[0][1] == layout.centres[2][1] == layout.centres[4][1]
    assert len({layout.centres[node][0] for node in (0, 2, 4)}) == 3


def test_edges_that_repeat_arrive_beside_each_other():
    layout = lay_out([(80.0, 40.0)] * 2, [(0, 1), (0, 1), (0, 1)])
    assert len({route[-1] for route in layout.routes}) == 3


def test_a_label_below_a_box_keeps_its_room_from_the_neighbours_line():
    edges = [(0, 1), (0, 2), (1, 3), (2, 3)]
    tight = lay_out([(40.0, 30.0)] * 4, edges)
    roomy = lay_out([(40.0, 30.0)] * 4, edges, label_reaches=[0, 150, 150, 0])
    gaps = [abs(layout.centres[1][0] - layout.centres[2][0]) for layout in (tight, roomy)]
    assert gaps[0] < 150 <= gaps[1]


def test_nothing_at_all_has_no_size():
    assert lay_out([], []) == Layout((), (), (), 0.0, 0.0)


@pytest.mark.parametrize("shape", [shapes.line, shapes.chain, shapes.skip, shapes.transformer, shapes.fan])
def test_the_work_grows_in_step_with_the_graph(shape):
    def work(count: int) -> int:
        boxes, edges = shape(count)
        sizes = [(80.0, 40.0)] * boxes
        calls = 0

        def count_calls(*_: object) -> None:
            nonlocal calls
            calls += 1

        sys.setprofile(count_calls)
        try:
            lay_out(sizes, edges)
        finally:
            sys.setprofile(None)
        return calls

    assert work(4000) < 2.6 * work(2000)


@pytest.mark.parametrize("shape", [shapes.skip, shapes.transformer, shapes.fan])
def test_the_bends_of_ten_thousand_nodes_stay_within_their_budget(shape):
    count, edges = shape(10_000)
    ranks = lay_out([(80.0, 40.0)] * count, edges).ranks
    assert len(make_rows(list(ranks), edges).rank) <= 3 * count + 200
