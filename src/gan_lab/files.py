"""Files: reading those that other people made, and writing so that a reader
never sees half of one. Torch-free."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any

from gan_lab.errors import UserError

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")  # of `atomic_path`
JSON_BYTES = 8 * 2**20  # more than any record; its values take at most some 30 times as much memory
_NAME_BYTES = 160  # of 255 that file systems take; a suffix and `atomic_path` add to it


def safe_name(said: object) -> str:
    """A file's name from anything that a file or a person says: one part of a path, never a folder
    or a hidden file.

    Letters, digits and _ . + - stay; everything else, and a dot at the beginning, becomes "-". What
    is too long is cut and told from others by a hash.
    """
    name = re.sub(r"[^\w.+-]|\A\.", "-", str(said)) or "-"
    if len(name.encode()) <= _NAME_BYTES:
        return name
    digest = hashlib.sha256(str(said).encode(errors="backslashreplace")).hexdigest()[:12]
    return f"{name.encode()[:_NAME_BYTES].decode(errors='ignore')}-{digest}"


def program_root() -> Path:
    """The folder that holds train.py, scripts/ and conf/: the checkout, or the copies in an
    installed package, which setup.py makes while it builds."""
    package = Path(__file__).resolve().parent
    checkout = package.parents[1]
    is_checkout = package.parent.name == "src" and (checkout / "conf" / "train.yaml").is_file()
    return checkout if is_checkout else package / "installed"


@contextmanager
def open_regular(path: Path, at_most: int | None = None) -> Iterator[BufferedReader]:
    """Open a file that somebody else may have made, without waiting at a pipe or
    reading a device that never ends.

    Args:
        path: links are followed.
        at_most: the largest size in bytes; None for any.

    Raises:
        UserError: where it is no regular file, or a larger one.
        OSError: where it cannot be opened.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise UserError(f"{path} is no regular file: remove it, or name another")
        if at_most is not None and state.st_size > at_most:
            raise UserError(
                f"{path} has {state.st_size:,} bytes, and at most {at_most:,} are read: "
                "it is damaged, or not what its name says; restore it"
            )
        yield file


def read_json(path: Path, at_most: int = JSON_BYTES) -> Any:
    """The value of a JSON file that somebody else may have made.

    Args:
        path: links are followed.
        at_most: the largest size in bytes.

    Raises:
        ValueError: (UserError among them) where it is too large, no regular
            file, no JSON or nested too deeply.
        OSError: where it cannot be read.
    """
    with open_regular(path, at_most) as file:
        return parse_json(file.read())


def parse_json(content: str | bytes) -> Any:
    """The value of a JSON text that somebody else may have written.

    Raises:
        ValueError: for what is no JSON, or is nested too deeply.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


# in which W&B keeps links of its own, and writes only into folders that it makes
_WITH_LINKS = "wandb"


def refuse_links(run_dir: Path) -> None:
    """Refuse a link in a run directory, at any depth: what is written or deleted
    there would be of somebody else.

    The run directory itself may be reached through links; what W&B keeps
    in its folder is not looked at.

    Raises:
        UserError: names the link, or a folder that cannot be read.
    """
    # strings and scandir, not rglob: status.py looks at the runs of a whole sweep every two seconds
    folders = [str(run_dir)] if run_dir.is_dir() else []
    passed_over = str(run_dir / _WITH_LINKS)

    # folder by folder; what cannot be looked at may hold a link, so it is refused too
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        raise UserError(
                            f"{entry.path} is a link, and a run directory holds none: "
                            "remove it, or put a copy of what it leads to in its place"
                        )
                    if entry.is_dir(follow_symlinks=False) and entry.path != passed_over:
                        folders.append(entry.path)

        except OSError as error:
            raise UserError(
                f"{folder} cannot be read ({error.strerror}): restore it, or remove it"
            ) from None


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to
    disk and takes the name `path`.

    After a kill or an error the old file, or none, stands at `path`. Two writers may race: the last
    one wins whole. What a kill leaves of the temporary one is for `clear_abandoned`.
    """
    # beside it: a rename is atomic only within a file system
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with _shared(path.parent):
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
            _flush(path.parent)

    # whoever is told should know the file, not what it was called for a moment
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def clear_abandoned(folder: Path) -> None:
    """Remove the temporary files that killed writers left in a folder; nothing where somebody
    writes there now."""
    with suppress(OSError):  # no such folder, no locks there, or it is in use
        if names := list(filter(_TEMPORARY.fullmatch, os.listdir(folder))):
            with _opened(folder) as descriptor:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for name in names:
                    (folder / name).unlink(missing_ok=True)


@contextmanager
def writing_cache(folder: Path) -> Iterator[None]:
    """Inside, something is written below the data cache `folder`.

    Raises:
        UserError: where it cannot be.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"data_cache={folder} cannot be written ({error.strerror or error}): set "
            "data_cache=FOLDER"
        ) from error


@contextmanager
def asked_path(field: str, path: Path) -> Iterator[Path]:
    """`atomic_path` of a path that the user named with `field`: UserError
    where nothing can be written there."""
    try:
        with atomic_path(path) as temporary:
            yield temporary
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(
            f"{field}={path} cannot be written ({reason}): name another place"
        ) from None


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace the file at `path` by `content`, all or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def sha256_of(path: Path) -> str:
    """The hex SHA-256 of a file's bytes."""
    with open_regular(path) as file:
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
        with open_regular(checksum_path(path), at_most=1000) as file:
            return file.read().decode().strip() == sha256_of(path)
    except (OSError, ValueError):  # ValueError: no regular file, or the checksum is no text
        return False


def _open_at_once(path: str, flags: int) -> int:
    """A descriptor of a file; of a pipe too, without waiting for its writer."""
    return os.open(path, flags | os.O_NONBLOCK)


@contextmanager
def _shared(folder: Path) -> Iterator[None]:
    """`clear_abandoned` leaves the folder alone meanwhile. The system drops the
    lock of a process that was killed."""
    with _opened(folder) as descriptor:
        # a file system without locks: `clear_abandoned` gets none there, either
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


def _flush(path: Path) -> None:
    with _opened(path) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
