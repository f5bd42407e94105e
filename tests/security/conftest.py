"""Trusts no package of the person who types, and watches over files."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gan_lab.config import trust


@pytest.fixture(autouse=True)
def _no_own_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "OWN", ())


def _state(folder: Path, but: Path) -> dict[Path, tuple[int, int, bytes | None]]:
    """Everything below `folder` and not below `but`: kind, time of change, content."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        if path not in (but, *but.parents) and but not in path.parents:
            about = path.lstat()
            content = path.read_bytes() if path.is_file() and about.st_size < 10**7 else None
            found[path] = (about.st_mode, about.st_mtime_ns, content)
    return found


@pytest.fixture
def only_in(tmp_path: Path) -> Callable[[Path], AbstractContextManager[None]]:
    """only_in(folder): whatever happens inside, nothing else in tmp_path may have changed
    afterwards."""

    @contextlib.contextmanager
    def watch(folder: Path) -> Iterator[None]:
        before = _state(tmp_path, folder)
        yield
        assert _state(tmp_path, folder) == before

    return watch
