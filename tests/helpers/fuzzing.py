"""Files of a run with something odd in them, and the bar for whoever reads them."""

from __future__ import annotations

import copy
import ctypes
import math
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from gan_lab.errors import UserError

SECONDS, MEGABYTES = 5, 500  # at most, for one file
QUICK, WHOLE = 15, 400  # files of one kind; seven kinds
MANY = pytest.mark.parametrize(
    "files", [QUICK, pytest.param(WHOLE, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
DEEP: list[Any] = []
for _ in range(200):
    DEEP = [DEEP]
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 3, 1.5, -0.0, 1e300, math.inf, -math.inf, math.nan, 2**63, 10**400, "", "abc", "nan",
    "0", "../../up", "/dev/zero", "\ud800", "\x1b[31mred", "[red]", "a\nb", "\x00", "x" * 5000, [], {}, [1], [[]],
    {"a": 1}, [None, "x"], {"": {}}, [[1, 2, 3]], [1] * 300, {str(i): i for i in range(50)}, DEEP,
    {"_target_": "os.system"},
]  # fmt: skip


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything in nested containers."""
    items = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    items = items if len(path) < 20 else ()
    return [path, *(one for key, item in items for one in places(item, (*path, key)))]


def mutated(data: DataObject, content: Any, odd: SearchStrategy[Any]) -> Any:
    """A copy with one to three places replaced, removed or repeated under another name."""
    made = {"": copy.deepcopy(content)}
    for _ in range(data.draw(st.integers(1, 3))):
        *parents, last = data.draw(st.sampled_from(places(made)[1:]))
        node: Any = made
        for key in parents:
            node = node[key]
        kind = data.draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
        if kind == "remove" and parents:
            del node[last]
        elif kind == "add" and isinstance(node, dict):
            node[data.draw(st.sampled_from(["odd", "", "../up", "_target_", "x" * 300]))] = (
                copy.deepcopy(data.draw(odd))
            )
        else:
            node[last] = copy.deepcopy(data.draw(odd))
        if not places(made)[1:]:
            break
    return made.get("")


FILLINGS = [b"", b"\x00", b"\xff" * 9, b"9" * 10**4, b"\n", b"[" * 10**5, b'{"a":' * 10**5]


def torn(data: DataObject, content: bytes) -> bytes:
    """Bytes cut off, altered, repeated, or filled with others."""
    at = data.draw(st.integers(0, len(content)))
    until = data.draw(st.integers(at, len(content)))
    filling = data.draw(st.sampled_from(FILLINGS))
    return content[:at] + filling + content[until if data.draw(st.booleans()) else at :]


def fuzz(files: int, one: Callable[[DataObject], object]) -> None:
    """Call `one` for so many files: each ends in a result or one line of UserError, in bounded time
    and memory."""

    @settings(
        max_examples=files,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def each(data: DataObject) -> None:
        _give_freed_memory_back()
        before, began = _memory("VmRSS"), time.process_time()  # of this process: others may be busy
        with suppress(OSError):  # the peak is counted from here on
            Path("/proc/self/clear_refs").write_text("5")
        with suppress(UserError):
            _in_one_line(lambda: one(data))
        assert time.process_time() - began < SECONDS
        assert _memory("VmHWM") - before < MEGABYTES

    each()


def _in_one_line(action: Callable[[], object]) -> None:
    try:
        action()
    except UserError as error:
        text = str(error)
        if "\n" in text or len(text) > 4000:
            raise AssertionError(f"not one line: {text}") from error
        raise


def _give_freed_memory_back() -> None:
    """To the system: a run in this process makes the C library keep it, and what a file takes of it
    would not show."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _memory(name: str) -> float:
    """Of this process, in MB; 0 where the system does not say."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
    return 0.0
