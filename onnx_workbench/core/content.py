"""What a file is, told from its first bytes: the reason why it is not an ONNX model."""

from __future__ import annotations

from collections.abc import Callable

HEAD_BYTES = 512

_MAGIC: tuple[tuple[bytes, int, str, str], ...] = (
    (
        b"version https://git-lfs",
        0,
        "a Git LFS pointer: the name of a content, not the content itself",
        "Fetch the content with `git lfs pull` in its repository, or download the file itself.",
    ),
    (
        b"/annex/objects/",
        0,
        "a git-annex pointer: the name of a content, not the content itself",
        "Fetch the content with `git annex get` in its repository, or download the file itself.",
    ),
    (
        b"PK\x03\x04",
        0,
        "a zip archive",
        "PyTorch (.pt) and Keras (.keras) files are zip archives: load them there.",
    ),
    (b"\x1f\x8b", 0, "a gzip archive", "Unpack it first."),
    (b"BZh", 0, "a bzip2 archive", "Unpack it first."),
    (b"\xfd7zXZ\0", 0, "an xz archive", "Unpack it first."),
    (b"\x28\xb5\x2f\xfd", 0, "a Zstandard archive", "Unpack it first."),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive", "Unpack it first."),
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
    *(
        (start, 0, "a Python pickle", "Load it in the framework that wrote it, and export from there.")
        for start in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
    ),
)


_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MODEL_TAGS = b'"(2:Br'  # what can be typed of the bytes that begin a ModelProto's fields


def _is_html(head: bytes) -> bool:
    start = head.lstrip().lower()
    if start.startswith((b"<!--", b"<?xml")):
        return b"<!doctype html" in start or b"<html" in start
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))


def _is_xml(head: bytes) -> bool:
    return head.lstrip().startswith(b"<?xml")


def _is_utf16(head: bytes) -> bool:
    return head.startswith((b"\xff\xfe", b"\xfe\xff"))


def _is_json(head: bytes) -> bool:
    return head.lstrip()[:1] == b"{" and b'"' in head


def _is_safetensors(head: bytes) -> bool:
    return head[8:10] == b'{"'


def _is_text(head: bytes) -> bool:
    enough = len(head) >= 16 or (len(head) >= 4 and head[0] not in _MODEL_TAGS)
    return enough and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)


_LOOKS: tuple[tuple[Callable[[bytes], bool], str, str], ...] = (
    (
        _is_html,
        "an HTML page",
        "A download link often gives the page about the file: take the link of the raw file.",
    ),
    (
        _is_xml,
        "an XML text",
        "A download link often answers with an error in XML: read it, and take a link that still holds.",
    ),
    (
        _is_utf16,
        "a text in UTF-16",
        "A pointer or a page that went through a Windows terminal, perhaps: fetch the file itself.",
    ),
    (_is_safetensors, "a safetensors file", "It holds weights only; export the model from its framework."),
    (_is_json, "a JSON text", "An MXNet symbol file, perhaps; ONNX models are binary."),
    (
        _is_text,
        "a text file",
        "ONNX models are binary. If it was downloaded, read it: it may be an error message.",
    ),
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
    head = head.removeprefix(_BYTE_ORDER_MARK)
    for magic, offset, what, remedy in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return what, remedy
    for looks, what, remedy in _LOOKS:
        if looks(head):
            return what, remedy
    return None
