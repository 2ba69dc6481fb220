"""Netron's page as this package changes it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from html.parser import HTMLParser

import pytest

from onnx_workbench.core.errors import MissingPackageError, RunError
from onnx_workbench.server import netron_page
from onnx_workbench.server.netron_page import InstalledNetron, check_netron, find_netron, page


class Tags(HTMLParser):
    """Collects (tag, attributes) as a browser's parser would see them."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def metas(self):
        return {
            attrs["name"]: attrs.get("content")
            for tag, attrs in self.found
            if tag == "meta" and "name" in attrs
        }


@pytest.fixture
def netron_copy(tmp_path):
    """The installed Netron's page and scripts, to be changed."""
    installed = find_netron()
    for name in ("index.html", "browser.js", "view.js"):
        shutil.copy(installed.folder / name, tmp_path)
    return InstalledNetron(tmp_path, "99.1.0")


def test_the_installed_netron_has_what_the_host_builds_on():
    check_netron(find_netron())


def test_netron_is_found_without_being_imported():
    assert find_netron().version == importlib.metadata.version("netron")
    assert (find_netron().folder / "index.html").is_file()


def test_the_page_poses_as_a_build_from_source_and_keeps_the_true_version_aside():
    metas = Tags(page(find_netron(), name="signs", nonce="n")).metas()
    assert metas["version"] == "0.0.0"
    assert metas["netron-version"] == importlib.metadata.version("netron")
    assert metas["identifier"] == "signs.onnx"


def test_the_only_script_is_our_host_with_the_nonce():
    scripts = [
        attrs for tag, attrs in Tags(page(find_netron(), name="signs", nonce="n0")).found if tag == "script"
    ]
    assert scripts == [{"type": "module", "nonce": "n0", "src": "onnx_workbench_host.js"}]


@pytest.mark.parametrize(
    "name", ['"><script>alert(1)</script>', "' onload='x", "<img src=x onerror=alert(1)>", r"\1\g<0>"]
)
def test_a_name_cannot_leave_its_attribute(name):
    plain, odd = (Tags(page(find_netron(), name=n, nonce="n")) for n in ("plain", name))
    assert [tag for tag, _ in odd.found] == [tag for tag, _ in plain.found]
    assert odd.metas()["name"] == name


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("index.html", '<script type="text/javascript" src="index.js"></script>'),
        ("index.html", 'id="target"'),
        ("browser.js", "export const Host"),
        ("browser.js", "_openModel("),
        ("view.js", "export const View"),
    ],
)
def test_a_netron_with_other_internals_is_named_with_the_version_to_install(netron_copy, file, text):
    path = netron_copy.folder / file
    assert text in path.read_text()
    path.write_text(path.read_text().replace(text, ""))
    with pytest.raises(
        RunError, match=r"Netron 99\.1\.0 is installed, and this view was made for Netron 8\.8 to 9\.3"
    ):
        check_netron(netron_copy)


def test_without_netron_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingPackageError, match=r"pip install 'onnx-workbench\[notebook\]'"):
        find_netron()


def test_the_host_script_is_shipped_and_says_that_netron_is_modified():
    text = netron_page.HOST_SCRIPT_PATH.read_text()
    assert "MIT licence" in text
    assert "modified" in text
