"""The Netron view's widget: an address without secrets, bounded disk use, text for readers without widgets."""

from __future__ import annotations

import re

import onnx
import pytest

from onnx_workbench.core.errors import MissingPackageError
from onnx_workbench.core.reading import read_proto
from onnx_workbench.views import netron_frame
from onnx_workbench.views.netron_registration import find_registration
from onnx_workbench.views.netron_view import netron_view


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))


@pytest.fixture
def model():
    return read_proto(
        onnx.parser.parse_model(
            '<ir_version: 10, opset_import: ["" : 21]> relu (float[N] x) => (float[N] y) { y = Relu(x) }'
        )
    )


def id_of(view):
    return view.path.split("/")[-2]


def test_the_address_is_below_the_base_url_and_ends_in_a_slash(model):
    view = netron_view(model)
    assert re.fullmatch(r"onnx-workbench/netron/[0-9a-f]{32}/", view.path)


def test_a_model_is_served_until_its_view_is_closed(model):
    view = netron_view(model)
    assert find_registration(id_of(view)) is not None
    view.close()
    assert find_registration(id_of(view)) is None


def test_a_view_that_nobody_holds_stays_open_in_the_page(model):
    assert find_registration(id_of(netron_view(model))) is not None


def test_two_views_of_one_model_have_addresses_of_their_own(model):
    assert netron_view(model).path != netron_view(model).path


def test_the_oldest_views_give_way(model, monkeypatch):
    monkeypatch.setattr(netron_frame, "_MOST_SERVED", 2)
    views = [netron_view(model) for _ in range(4)]
    assert [find_registration(id_of(view)) is not None for view in views] == [False, False, True, True]


def test_a_reader_without_widgets_gets_a_line_of_text(model):
    assert netron_view(model)._repr_mimebundle_()[0]["text/plain"].startswith("Netron view of 'relu'")


def test_without_anywidget_the_error_names_the_extra(model, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(MissingPackageError, match=r"onnx-workbench\[notebook\]"):
        netron_view(model)
