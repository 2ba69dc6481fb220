"""How many functions the blocks of a native file hold when all of them are opened: files can make that any number."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from onnx_workbench.core.errors import ModelFileError

_MOST_FUNCTIONS = 30_000
"""More than the file has, with blocks opened; the largest networks that CNTK's users published have some 5,000."""
_MOST_STEPS = 2_000_000
_DEEPEST = 500


def check_opened_size(reads: Mapping[str, list[str]], inside: Callable[[str], str | None], root: str) -> None:
    """Refuse a file whose blocks share their insides so often that opening them would take for ever.

    Parameters
    ----------
    reads
        Functions that each function reads, by uid.
    inside
        Returns the root of what is inside a block; None for what is no block.
    root
        The root of the whole.

    Raises
    ------
    ModelFileError
        If there are 30,000 functions more than the file has, each counted as often as the blocks around it are used.
    """
    sizes: dict[str, int] = {}
    steps = 0

    def size(start: str, depth: int) -> int:
        nonlocal steps
        if start in sizes:
            return sizes[start]
        if depth > _DEEPEST:
            raise ModelFileError("its blocks are nested too deep")
        total, seen, waiting = 0, {start}, [start]
        while waiting:
            steps += 1
            uid = waiting.pop()
            inner = inside(uid)
            total += 1 + (0 if inner is None else size(inner, depth + 1))
            if total > _MOST_FUNCTIONS + len(reads) or steps > _MOST_STEPS:
                raise ModelFileError(
                    f"its blocks hold more than {_MOST_FUNCTIONS + len(reads):,} functions when they are opened, of "
                    f"the {len(reads):,} in the file: some are used over and over, which CNTK never writes"
                )
            for other in reads.get(uid, ()):
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        sizes[start] = total
        return total

    size(root, 0)
