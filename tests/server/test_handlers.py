"""The routes of the server extension: what they serve, and all that they refuse."""

from __future__ import annotations

import os
import re

import onnx
import pytest

from onnx_workbench.server.handlers import frame_ancestors
from onnx_workbench.views import netron_registration

ROUTES = ["", "status", "data/", "data/first.bin", "view.js", "onnx_workbench_host.js"]


@pytest.mark.parametrize("route", ROUTES)
def test_each_route_answers_a_visitor_who_is_logged_in(jupyter, address, route):
    assert jupyter.fetch(address + route).status == 200


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_answers_without_a_login(jupyter, address, route):
    reply = jupyter.fetch(address + route, token=False)
    assert reply.status in {302, 403}
    assert b"Netron" not in reply.body


def test_the_graph_is_served_as_it_was_written(jupyter, address, model):
    served = onnx.load_model_from_string(jupyter.fetch(f"{address}data/").body)
    assert [node.op_type for node in served.graph.node] == ["Add", "Add"]
    assert served == model.proto


def test_files_that_the_model_names_are_served_byte_for_byte(jupyter, address, tmp_path):
    assert jupyter.fetch(f"{address}data/first.bin").body == (tmp_path / "first.bin").read_bytes()
    second = jupyter.fetch(f"{address}data/weights/second%20%232.bin").body
    assert second == (tmp_path / "weights/second #2.bin").read_bytes()


@pytest.mark.parametrize(
    "route",
    [
        "data/secret.txt",
        "data/sums.onnx",
        "data/./first.bin",
        "data/weights/../first.bin",
        "data/../registration.json",
        "data/..%2Fregistration.json",
        "data/%2Fetc%2Fpasswd",
        "data//etc/passwd",
        "registration.json",
        "model.onnx",
        "..%2F..%2Fetc%2Fpasswd",
        "server.py",
        "__init__.py",
        "no_such_file.js",
        ".hidden.js",
    ],
)
def test_nothing_else_can_be_reached(jupyter, address, route):
    reply = jupyter.fetch(address + route)
    assert reply.status == 404
    assert b"not yours" not in reply.body
    assert b"root:" not in reply.body


@pytest.mark.parametrize("wrong", ["0" * 32, "../" * 3, "0" * 31, "A" * 32, "%2e%2e"])
def test_an_id_that_no_kernel_gave_out_is_unknown(jupyter, wrong):
    assert jupyter.fetch(f"onnx-workbench/netron/{wrong}/data/first.bin").status == 404


def test_an_unknown_model_is_explained(jupyter):
    unknown = f"onnx-workbench/netron/{'0' * 32}/"
    assert "Run the cell again" in jupyter.fetch(unknown).text
    assert "Run the cell again" in jupyter.fetch(f"{unknown}status").text


def test_a_weights_file_that_changed_is_no_longer_served(jupyter, address, tmp_path):
    os.utime(tmp_path / "first.bin", ns=(1, 1))
    assert jupyter.fetch(f"{address}data/first.bin").status == 404


def test_a_link_put_in_the_place_of_a_weights_file_is_not_followed(jupyter, address, tmp_path):
    file, stat = tmp_path / "first.bin", (tmp_path / "first.bin").stat()
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"not yours".ljust(stat.st_size))
    os.utime(secret, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    file.unlink()
    file.symlink_to(secret)
    assert jupyter.fetch(f"{address}data/first.bin").status == 404


def test_weights_are_streamed_with_their_length(jupyter, model, monkeypatch, tmp_path):
    monkeypatch.setattr(netron_registration, "_INLINE_LIMIT_BYTES", 0)
    size = 150 << 20
    with (tmp_path / "first.bin").open("r+b") as file:
        file.truncate(size)  # sparse: 150 MiB of address, not of disk
    registration = netron_registration.register(model)
    memory = resident_bytes_of_server(jupyter)
    reply = jupyter.fetch(f"onnx-workbench/netron/{registration.id}/data/first.bin")
    assert len(reply.body) == size == int(reply.headers["Content-Length"])
    assert resident_bytes_of_server(jupyter) - memory < 40 << 20


def resident_bytes_of_server(jupyter):
    import psutil

    listening = jupyter.origin.rsplit(":", 1)[1]
    for child in psutil.Process().children():
        if any(argument.endswith(f"port={listening}") for argument in child.cmdline()):
            return child.memory_info().rss
    raise AssertionError("the server is no child of this process")


def test_the_page_runs_only_scripts_that_carry_its_one_time_word(jupyter, address):
    first, second = jupyter.fetch(address), jupyter.fetch(address)
    policy = first.headers["Content-Security-Policy"]
    (nonce,) = re.findall(r"script-src 'nonce-([\w-]{22})'(?:;|$)", policy)
    assert f'nonce="{nonce}"' in first.text
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert nonce not in second.text


@pytest.fixture
def cookie(jupyter):
    """The cookie that a browser holds after the login."""
    login = jupyter.fetch(f"api/status?token={jupyter.token}", token=False)
    return re.findall(r"[\w-]+=[^;,\s]+", login.headers["Set-Cookie"])[0]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
        ({"Referer": "HERE/user/x/lab"}, 200),
        ({"Origin": "HERE"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Referer": "http://evil.example/"}, 403),
        ({"Origin": "http://evil.example"}, 403),
    ],
)
def test_only_pages_of_this_server_may_use_the_visitors_cookie(
    jupyter, address, cookie, route, headers, status
):
    sent = {name: value.replace("HERE", jupyter.origin) for name, value in headers.items()}
    reply = jupyter.fetch(address + route, token=False, headers={"Cookie": cookie, **sent})
    assert reply.status == status


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ("frame-ancestors 'self'; report-uri /x/api/security/csp-report", "frame-ancestors 'self'"),
        ("frame-ancestors 'none'; report-uri /hub/security/csp-report", "frame-ancestors 'self'"),
        ("frame-ancestors https://portal.example 'self'", "frame-ancestors 'self' https://portal.example"),
        ("default-src 'self'", "frame-ancestors 'self'"),
        ("", "frame-ancestors 'self'"),
    ],
)
def test_the_page_may_be_framed_by_jupyterlab_and_by_what_may_frame_that(configured, expected):
    assert frame_ancestors(configured) == expected


def test_other_methods_are_refused(jupyter, address):
    assert jupyter.fetch(address, method="DELETE").status == 405


def test_the_server_says_at_its_start_that_the_extension_is_loaded(jupyter):
    assert "onnx_workbench.server.extension | extension was successfully loaded" in jupyter.log


def test_the_server_loads_no_framework_for_the_extension():
    import subprocess
    import sys

    code = (
        "import sys, onnx_workbench.server.extension;"
        "print([m for m in ('torch', 'onnxruntime', 'matplotlib', 'ipywidgets', 'netron') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
