"""Who writes in a run directory: one process at a time. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gan_lab.errors import UserError
from gan_lab.records import folder

_SECONDS = 1.0  # who only asks whether somebody writes holds the lock for a moment


@contextmanager
def only_writer(run_dir: Path) -> Iterator[None]:
    """Inside, no other process trains or scores the run in `run_dir`.

    Raises:
        UserError: while one does.
    """
    # the system drops the lock of a process that was killed
    lock = FileLock(run_dir / folder.LOCK, timeout=_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(
            f"{run_dir} is being trained by another process: wait for it, or end it"
        ) from None

    # the file goes before the lock: who comes between makes a new one
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def has_writer(run_dir: Path) -> bool:
    """Whether a process of this machine is at work in `run_dir`."""
    path = run_dir / folder.LOCK
    if not path.exists():
        return False

    # a file alone is what a killed process left
    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # somebody else's folder
        return False
    lock.release()
    return False
