"""An executed notebook as a page without a kernel: what somebody sees to whom it is sent."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import nbclient
import nbformat
import pytest
from nbconvert import HTMLExporter

pytestmark = [pytest.mark.notebook, pytest.mark.timeout(900)]

FOLDER = Path(__file__).parents[2] / "notebooks"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The first notebook after its run; as JupyterLab saves it, without the state of its widgets."""
    notebook = nbformat.read(FOLDER / "00_start_here.ipynb", as_version=4)
    folder = {"metadata": {"path": str(tmp_path_factory.mktemp("export"))}}
    nbclient.NotebookClient(notebook, timeout=300, store_widget_state=False, resources=folder).execute()
    return notebook


@pytest.fixture(scope="module")
def page(executed):
    return HTMLExporter().from_notebook_node(executed)[0]


def test_the_graph_is_there_as_a_picture(page):
    pictures = re.findall(r"<img [^>]*data:image/svg\+xml;base64,([\w+/=]+)", page)
    drawings = [base64.b64decode(picture).decode() for picture in pictures]
    assert [drawing.count(">MaxPool<") for drawing in drawings] == [3]


def test_the_playground_is_there_as_a_picture(executed, page):
    (cell,) = (cell for cell in executed.cells if cell.id == "playground")
    assert cell.outputs[0].data["image/png"][:1000].replace("\n", "") in page.replace("\n", "")


def test_no_widget_is_left_that_would_ask_another_host_for_its_code(page):
    assert "vnd.jupyter.widget-view+json" not in page


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_every_picture_has_a_text_of_its_own(executed):
    # Of nbconvert's templates, this one hands on the text that a cell's metadata gives its picture.
    page = HTMLExporter(template_name="classic").from_notebook_node(executed)[0]
    pictures = re.findall(r"<img\b[^>]*>", page)
    assert len(pictures) > 10
    for picture in pictures:
        if "svg+xml" not in picture:
            assert re.search(r"alt=([\"\'])(?!No description).+?\1", picture), picture[:100]
