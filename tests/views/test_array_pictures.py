from __future__ import annotations

import io
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image

from onnx_workbench.views.array_pictures import (
    DIVERGING,
    GAP,
    ODD_COLOUR,
    SEQUENTIAL,
    TALLEST,
    WIDTH,
    as_numbers,
    colour_picture,
    colour_tiles,
    matrix_picture,
    resized,
    scale_of,
    tile_picture,
    vector_picture,
)


def pixels(address: str) -> np.ndarray:
    """Return a data address as (row, column, RGBA), decoded by Pillow."""
    assert address.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(b64decode(address.split(",")[1]))).convert("RGBA"))


def colour_at(shown: np.ndarray, row: int, column: int) -> tuple[int, ...]:
    return tuple(map(int, shown[row, column, :3]))


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def tile(tiles, number: int) -> np.ndarray:
    top, left = number // tiles.columns * tiles.height, number % tiles.columns * tiles.width
    return pixels(tiles.address)[top : top + tiles.height - GAP, left : left + tiles.width - GAP]


def test_numbers_of_both_signs_are_coloured_about_zero():
    planes = np.array([[[-4.0, 0.0], [4.0, 2.0]]])
    tiles = tile_picture(planes, alike=True)
    shown = tile(tiles, 0)
    half = shown.shape[0] // 2
    assert colour_at(shown, 0, 0) == rgb(DIVERGING[0])
    assert colour_at(shown, 0, -1) == pytest.approx(rgb(DIVERGING[3]), abs=3)
    assert colour_at(shown, -1, 0) == rgb(DIVERGING[-1])
    assert shown[half + 2, -1, 0] > shown[half + 2, -1, 2], "positive is red"


def test_numbers_of_one_sign_go_from_the_lowest_to_the_highest():
    shown = pixels(matrix_picture(np.array([[1.0, 3.0]]))[0])
    assert colour_at(shown, 0, 0) == rgb(SEQUENTIAL[0])
    assert colour_at(shown, 0, -1) == rgb(SEQUENTIAL[-1])


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [8, 900])
def test_what_is_not_finite_is_marked_however_small_the_picture(odd, size):
    plane = np.random.default_rng(0).normal(size=(1, size, size))
    plane[0, size // 2, size // 3] = odd
    tiles = tile_picture(plane, alike=True)
    shown = tile(tiles, 0)[..., :3].reshape(-1, 3)
    assert (shown == rgb(ODD_COLOUR)).all(axis=1).any()
    assert tiles.scale.odd
    assert np.isfinite(tiles.scale.highest)


def test_nothing_finite_at_all_is_one_colour():
    shown = pixels(matrix_picture(np.full((3, 5), np.nan))[0])
    assert set(map(tuple, shown[..., :3].reshape(-1, 3))) == {rgb(ODD_COLOUR)}


def test_tiles_stand_in_order_with_nothing_after_the_last():
    planes = np.stack([np.full((5, 5), float(number)) for number in range(11)])
    tiles = tile_picture(planes, alike=True)
    assert (tiles.columns, tiles.count) == (4, 11)
    greens = [int(tile(tiles, number)[0, 0, 1]) for number in range(11)]
    assert greens == sorted(greens)
    assert len(set(greens)) == 11
    assert (tile(tiles, 11)[..., 3] == 0).all()


def test_channels_share_one_scale_or_have_each_their_own():
    planes = np.stack([np.array([[0.0, 1.0]]), np.array([[0.0, 100.0]])])
    alike, own = tile_picture(planes, alike=True), tile_picture(planes, alike=False)
    assert colour_at(tile(alike, 0), 0, -1) == pytest.approx(rgb(SEQUENTIAL[0]), abs=8)
    assert colour_at(tile(own, 0), 0, -1) == colour_at(tile(own, 1), 0, -1) == rgb(SEQUENTIAL[-1])
    assert own.scale is None


def test_a_plane_of_one_sign_among_others_is_coloured_about_zero_as_they_are():
    planes = np.stack([np.array([[-1.0, 1.0]]), np.array([[0.0, 5.0]])])
    own = tile_picture(planes, alike=False)
    assert colour_at(tile(own, 1), 0, 0) == pytest.approx(rgb(DIVERGING[3]), abs=3)
    assert colour_at(tile(own, 1), 0, -1) == rgb(DIVERGING[-1])


def test_what_is_made_smaller_becomes_the_mean_of_what_falls_together():
    plane = np.arange(64.0).reshape(8, 8)
    expected = plane.reshape(2, 4, 2, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(resized(plane, (2, 2)), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(64, 1000, 3), (64, 3, 1000), (64, 500, 500), (1, 1, 1), (64, 1, 9000)])
def test_pictures_stay_small(shape):
    tiles = tile_picture(np.random.default_rng(0).normal(size=shape), alike=True)
    high, wide = pixels(tiles.address).shape[:2]
    assert wide <= WIDTH
    assert high <= WIDTH + 8 * GAP
    assert len(tiles.address) < 300_000


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (3000, 3000), (1, 1)])
def test_matrices_of_any_shape_have_a_picture(shape):
    high, wide = pixels(matrix_picture(np.ones(shape))[0]).shape[:2]
    assert 1 <= high <= TALLEST
    assert 1 <= wide <= WIDTH


def test_numbers_near_the_end_of_the_range_are_still_told_apart():
    scale = scale_of(np.array([-1.7e308, 0.0, 1.7e308]))
    assert scale.indices(np.array([[-1.7e308, 0.0, 1.7e308]])).tolist() == [[0, 126, 253]]
    assert resized(np.array([[1.7e308, 1.7e308]]), (1, 1))[0, 0] == pytest.approx(1.7e308)


def test_a_long_vector_is_shown_in_rows_with_its_last_row_open():
    vector = np.arange(100.0)
    address, _, row = vector_picture(vector)
    shown = pixels(address)
    size = shown.shape[1] // row
    cells = shown[size // 2 :: size, size // 2 :: size]
    assert row == 15
    assert tuple(cells[0, 0, :3]) == rgb(SEQUENTIAL[0])
    assert tuple(cells[6, 9, :3]) == rgb(SEQUENTIAL[-1])
    assert (cells[6, 10:, 3] == 0).all()


def test_three_planes_become_red_green_and_blue():
    planes = np.zeros((3, 2, 2))
    planes[0, 0, 0], planes[1, 0, 1], planes[2, 1, 0], planes[:, 1, 1] = 1, 1, 1, np.nan
    shown = pixels(colour_picture(planes))
    assert [colour_at(shown, y, x) for y, x in ((0, 0), (0, -1), (-1, 0), (-1, -1))] == [
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        rgb(ODD_COLOUR),
    ]


def test_kernels_of_three_channels_are_tiles_in_colour():
    kernels = np.zeros((5, 3, 3, 3))
    kernels[2, 1] = 1.0
    shown = pixels(colour_tiles(kernels))
    assert shown.shape[1] == shown.shape[0] * 3 // 2 + 1
    assert tuple(shown[0, -1]) == (0, 255, 0, 255)
    assert shown[-1, -1, 3] == 0


@pytest.mark.parametrize(
    ("array", "numbers"),
    [
        (np.array([True, False]), [1.0, 0.0]),
        (np.array([1, 2], np.uint8), [1.0, 2.0]),
        (np.array([0.5, 2], np.float16), [0.5, 2.0]),
        (np.array(["a"]), None),
        (np.array([1j]), None),
        (np.array([object()]), None),
    ],
)
def test_numbers_are_what_can_be_ordered(array, numbers):
    found = as_numbers(array)
    assert (found if found is None else found.tolist()) == numbers


def test_small_floats_are_numbers():
    import ml_dtypes

    assert as_numbers(np.array([1, 2], ml_dtypes.bfloat16)).tolist() == [1.0, 2.0]
