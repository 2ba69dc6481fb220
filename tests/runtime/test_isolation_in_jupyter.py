"""Isolation in a notebook's kernel, which has its own ideas about signals, streams and the main module."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

jupyter_client = pytest.importorskip("jupyter_client")
pytest.importorskip("ipykernel")


@pytest.fixture
def kernel():
    manager, client = jupyter_client.manager.start_new_kernel(kernel_name="python3")
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def replies(client, code: str) -> str:
    """Run a cell and return what it printed, or the name of its error."""
    said: list[str] = []

    def hook(message):
        content = message["content"]
        if message["msg_type"] == "stream":
            said.append(content["text"])

    reply = client.execute_interactive(
        code, timeout=60, output_hook=hook, allow_stdin=False, stop_on_error=False
    )
    return "".join(said) if reply["content"]["status"] == "ok" else str(reply["content"]["ename"])


def test_a_kernel_survives_crash_loop_and_interrupt(kernel, tmp_path):
    manager, client = kernel
    note = tmp_path / "pid"
    assert (
        replies(
            client,
            f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
            "import misbehaviour\nfrom onnx_workbench.runtime.isolation import isolated, Limits, Worker\n"
            "def own(): pass\nprint(isolated(abs, -3))",
        )
        == "3\n"
    )
    assert replies(client, "isolated(own)") == "InputError"
    assert replies(client, "isolated(misbehaviour.segfault)") == "CrashError"
    assert replies(client, "isolated(misbehaviour.loop_in_native_code, time_s=0.5)") == "TimeLimitError"
    client.execute(
        f"isolated(misbehaviour.announce_and, {str(note)!r}, 'loop_in_native_code', time_s=None)",
        stop_on_error=False,
    )
    deadline = time.monotonic() + 30
    while not note.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    manager.interrupt_kernel()
    while True:
        message = client.get_shell_msg(timeout=30)
        if message["content"].get("ename"):
            assert message["content"]["ename"] == "KeyboardInterrupt"
            break
    assert replies(client, "print(isolated(abs, -4))") == "4\n"
