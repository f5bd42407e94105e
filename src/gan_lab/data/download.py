"""Fetching raw files through torchvision: a missing network is told in one line, at once."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from tarfile import TarError

from gan_lab.errors import UserError, one_line

PROBE_SECONDS = 10.0
STALL_SECONDS = 30.0
_ARCHIVES = frozenset({".gz", ".tgz"})


def missing_files(folder: Path, names: Sequence[str]) -> list[str]:
    """Those of `names` that are not in `folder`."""
    return [name for name in names if not (folder / name).exists()]


def require(folder: Path, names: Sequence[str], remedy: str) -> None:
    """Check that a folder holds all files of some names.

    Args:
        folder: the folder.
        names: the files, by their paths below it.
        remedy: what else the user can do.

    Raises:
        UserError: where one is missing.
    """
    if missing := missing_files(folder, names):
        raise UserError(f"{folder} has no {missing[0]}: put {', '.join(names)} there, {remedy}")


def fetch(
    folder: Path, names: Sequence[str], download: Callable[[Path], object], inner: str, url: str
) -> None:
    """Make sure that a folder holds all files of some names: download them where one is missing.

    Files come into a temporary folder and then take their places one by one: an interrupted
    download leaves nothing, and two at once do no harm.

    Args:
        folder: the folder.
        names: the files, by their paths below it.
        download: `download(temporary)` fills `temporary / inner`.
        inner: the folder that it fills.
        url: is asked first whether it answers, for at most PROBE_SECONDS.

    Raises:
        UserError: naming the files, where they cannot be had.
    """
    # torchvision tries for minutes where there is no network
    if not missing_files(folder, names):
        return

    remedy = "or set dataset.root=FOLDER to where they are"
    if problem := _unreachable(url):
        raise UserError(
            f"{folder} has no {missing_files(folder, names)[0]} and {url} cannot be reached "
            f"({problem}): put {', '.join(names)} there, {remedy}"
        )

    # the temporary folder lies inside, so that files move within one file system
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as temporary,
            _socket_timeout(),
        ):
            download(Path(temporary))
            _publish(Path(temporary, inner), folder)

    except (OSError, RuntimeError, ValueError, EOFError, HTTPException, TarError) as error:
        raise UserError(
            f"{folder} cannot be filled from {url} ({one_line(error)}): "
            f"put {', '.join(names)} there, {remedy}"
        ) from error

    require(folder, names, remedy)


def _unreachable(url: str) -> str:
    """Why an address does not answer; "" where it does.

    Name look-ups have no time limit of their own: hence the thread.
    """
    answer: list[str] = []
    thread = threading.Thread(target=_probe, args=(url, answer), daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return answer[0] if answer else f"no answer within {PROBE_SECONDS:g} s"


def _probe(url: str, answer: list[str]) -> None:
    """Ask an address for its header, and append why it does not answer, or ""."""
    request = urllib.request.Request(url, method="HEAD")
    try:  # the address is a constant of a data source
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS):  # nosec B310
            answer.append("")
    except urllib.error.HTTPError as error:  # some servers refuse HEAD: they are there
        answer.append(f"HTTP status {error.code}" if error.code >= 500 else "")
    except (OSError, HTTPException, ValueError) as error:
        answer.append(one_line(error))


@contextmanager
def _socket_timeout() -> Iterator[None]:
    """Inside, connections have a time limit: torchvision's have none, and a dead one would hang."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _publish(source: Path, folder: Path) -> None:
    """Move all files below `source` to their places below `folder`, but for archives."""
    for path in sorted(source.rglob("*")):
        target = folder / path.relative_to(source)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        elif path.suffix not in _ARCHIVES:
            os.replace(path, target)
