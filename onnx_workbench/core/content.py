"""What a file is, told from its first bytes: the reason why it is not an ONNX model."""

from __future__ import annotations

from collections.abc import Callable

HEAD_BYTES = 512

_MAGIC: tuple[tuple[bytes, int, str, str], ...] = (
    (
        b"version https://git-lfs",
        0,
        "a Git LFS pointer: the name of the model, not the model itself",
        "Fetch the content with `git lfs pull` in its repository, or download the file itself.",
    ),
    (
        b"PK\x03\x04",
        0,
        "a zip archive",
        "PyTorch (.pt) and Keras (.keras) files are zip archives: load them there.",
    ),
    (b"\x1f\x8b", 0, "a gzip archive", "Unpack it first."),
    (b"ustar", 257, "a tar archive", "Unpack it first."),
    (b"\x89HDF", 0, "an HDF5 file, as Keras writes it (.h5)", "Load it with Keras and export it to ONNX."),
    # Two zeros: a flatbuffer's start. In ONNX, the name of the producer may stand at byte 4.
    (b"\0\0TFL3", 2, "a TensorFlow Lite model", "Convert it with tf2onnx."),
    (
        b"\0\0ORTM",
        2,
        "a model in onnxruntime's own .ort format",
        "Open the .onnx file that it was made from.",
    ),
    (b"B\x00C\x00N\x00", 0, "a CNTK v1 model", "Open it with CNTK 2.7 and save it as a v2 model."),
    (b"\x93NUMPY", 0, "a NumPy array", "Give it to run() as an input."),
    (b"\x89PNG", 0, "a PNG picture", "Give it to classify() as a picture."),
    (b"\xff\xd8\xff", 0, "a JPEG picture", "Give it to classify() as a picture."),
    (b"GGUF", 0, "a GGUF model", "It holds weights for llama.cpp, not an ONNX graph."),
    (b"\x80\x02", 0, "a Python pickle", "Load it in the framework that wrote it, and export from there."),
    (b"\x80\x04", 0, "a Python pickle", "Load it in the framework that wrote it, and export from there."),
)


def _is_html(head: bytes) -> bool:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))


def _is_json(head: bytes) -> bool:
    return head.lstrip()[:1] == b"{" and b'"' in head


def _is_safetensors(head: bytes) -> bool:
    return head[8:10] == b'{"'


def _is_text(head: bytes) -> bool:
    return len(head) >= 16 and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)


_LOOKS: tuple[tuple[Callable[[bytes], bool], str, str], ...] = (
    (
        _is_html,
        "an HTML page",
        "A download link often gives the page about the file: take the link of the raw file.",
    ),
    (_is_safetensors, "a safetensors file", "It holds weights only; export the model from its framework."),
    (_is_json, "a JSON text", "An MXNet symbol file, perhaps; ONNX models are binary."),
    (_is_text, "a text file", "ONNX models are binary."),
)


def recognise(head: bytes) -> tuple[str, str] | None:
    """Return (what it is, what to do) for content that is known not to be ONNX, else None.

    Parameters
    ----------
    head
        The first `HEAD_BYTES` bytes.
    """
    if not head:
        return "an empty file", "The download or the export was cut off: fetch or export it again."
    if not head.strip(b"\x00"):
        return "a file of zeros", "The download or the disk failed: fetch it again."
    for magic, offset, what, remedy in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return what, remedy
    for looks, what, remedy in _LOOKS:
        if looks(head):
            return what, remedy
    return None
