"""The browser harness itself: JupyterLab opens, runs cells, and stays at home."""

from __future__ import annotations

import pytest
from patience import becomes

pytestmark = pytest.mark.browser


def test_a_notebook_runs_and_its_outputs_are_read(lab):
    lab.write_notebook("basics.ipynb", "print(6 * 7)", "'a' + 'b'", "%matplotlib inline")
    lab.open_notebook("basics.ipynb")
    lab.run_all()
    assert lab.errors() == []
    assert lab.page.query_selector("text=Jupyter news") is None
    assert "42" in lab.text()
    assert "'ab'" in lab.text()


def test_an_error_in_a_cell_is_reported(lab):
    lab.write_notebook("broken.ipynb", "1 / 0")
    lab.open_notebook("broken.ipynb")
    lab.run_all()
    assert lab.errors() == ["ZeroDivisionError: division by zero"]


def test_code_runs_in_the_kernel_outside_any_cell(lab):
    lab.write_notebook("kernel.ipynb", "answer = 42")
    lab.open_notebook("kernel.ipynb")
    lab.run_all()
    assert "42" in lab.kernel("print(answer)")


def test_a_request_to_another_host_is_noticed(lab):
    lab.write_notebook("outside.ipynb")
    lab.open_notebook("outside.ipynb")
    lab.page.evaluate("fetch('http://192.0.2.1/').catch(() => {})")
    becomes(lab.page, lambda: lab.outside_requests, ["http://192.0.2.1/"])
    lab.outside_requests.clear()


def test_the_server_refuses_visitors_without_a_login(server):
    assert server.fetch("api/contents", token=False).status == 403
    assert server.fetch("api/contents").status == 200
