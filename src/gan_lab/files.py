"""Writing files so that a reader never sees half of one. Torch-free."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gan_lab.types import UserError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and takes the name `path`.

    After a kill or an error the old file, or none, stands at `path`. Two writers may race: the last one wins whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)  # whoever is told should know the file
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def asked_path(field: str, path: Path) -> Iterator[Path]:
    """`atomic_path` of a path that the user named with `field`: UserError where nothing can be written there."""
    try:
        with atomic_path(path) as temporary:
            yield temporary
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"{field}={path} cannot be written ({reason}): name another place") from None


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace the file at `path` by `content`, all or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def sha256_of(path: Path) -> str:
    """The hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_with_checksum(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write(temporary)` make the file, then publish it beside `<name>.sha256`.

    The checksum is published first, so a file that stands at `path` always has one.
    """
    with atomic_path(path) as temporary:
        write(temporary)
        write_atomically(checksum_path(path), sha256_of(temporary) + "\n")


def checksum_path(path: Path) -> Path:
    """Where the checksum of `path` stands."""
    return path.with_name(path.name + ".sha256")


def is_intact(path: Path) -> bool:
    """Whether the file and its checksum exist and agree."""
    try:
        return checksum_path(path).read_text().strip() == sha256_of(path)
    except (OSError, ValueError):  # ValueError: the checksum is no text
        return False


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
