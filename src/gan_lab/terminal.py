"""What a person reads: text as it is, on any terminal, and commands that work
when they are pasted. Torch-free."""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

# C0 and C1 but tab and newline, and the marks that turn the direction of text around
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]"
)
_WORDS = {"true", "false", "null", "nan", "inf"}  # values of their own in Hydra's grammar


def visible(text: str) -> str:
    """`text` with control characters as Python writes them: an escape
    sequence in a name is read, not obeyed."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def brief(text: str, length: int) -> str:
    """At most so many characters, and "…" where there were more."""
    return text if len(text) <= length else f"{text[:length]}…"


def console(*, quiet: bool = False, stderr: bool = False) -> Console:
    """Where programs write. No text is markup, and what cannot be written is
    left out: output never ends a run."""
    accept_any_text()
    return _PlainConsole(quiet=quiet, stderr=stderr, markup=False, highlight=False, emoji=False)


def tell(text: str, *, error: bool = False) -> None:
    """Print text as it is, to stderr where `error`; a stream that has gone is passed over."""
    accept_any_text()
    stream = sys.stderr if error else sys.stdout
    try:
        print(visible(text), file=stream, flush=True)
    except (OSError, ValueError):  # ValueError: it is closed
        _write_nowhere(stream)


def prepare() -> None:
    """What a program does first, so that the same holds for what Hydra
    prints and for every line of a log."""
    accept_any_text()
    logging.setLogRecordFactory(_VisibleRecord)

    # a handler whose stream has gone would write a traceback for every line
    logging.raiseExceptions = False


def accept_any_text() -> None:
    """Let stdout and stderr replace the characters that their encoding lacks, as ± in ASCII."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not one that a test or a notebook put in its place
            stream.reconfigure(errors="replace")


def quoted(value: object) -> str:
    """A value as Hydra's command line takes it; a text or path is in quotes unless
    it is plainly a name or a path."""
    if isinstance(value, list):
        return f"[{','.join(map(quoted, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{quoted(item)}' for key, item in value.items())}}}"
    if value is None or isinstance(value, int | float):
        return json.dumps(value)
    text = str(value)
    if re.fullmatch(r"(\.{0,2}/|[A-Za-z_])[A-Za-z0-9_./-]*", text) and text.lower() not in _WORDS:
        return text

    # a backslash stands for itself but before a quote; the shell's quotes are the single ones
    escaped = re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + ('\\"' if found[2] else ""), text)
    return f'"{escaped}"'


def pasted(field: str, value: object) -> str:
    """ "field=value" for a command that is printed to be pasted: quoted for Hydra, and for the
    shell."""
    return shlex.quote(f"{field}={quoted(value)}")


def progress(where: Console) -> Progress:
    """A bar that goes when its work is done; nothing where there is no terminal."""
    columns = (
        *(TextColumn("{task.description}", markup=False), BarColumn(bar_width=20)),
        *(TextColumn("{task.percentage:.0f}%"), TimeRemainingColumn()),
    )
    return Progress(*columns, console=where, transient=True, disable=not where.is_terminal)


class _PlainConsole(Console):
    """Every text is shown as it is; a terminal that has gone, or a full
    disk behind it, is passed over."""

    def print(self, *objects: Any, soft_wrap: bool | None = None, **options: Any) -> None:
        """Lines of text are not broken; tables are as wide as the terminal."""
        if soft_wrap is None:
            soft_wrap = all(isinstance(one, str) for one in objects)
        super().print(*objects, soft_wrap=soft_wrap, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Whatever it was made of (a Text in a cell is no string), only rich's own controls act."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)

    def _check_buffer(self) -> None:
        try:
            super()._check_buffer()
        except (OSError, ValueError):  # ValueError: it is closed
            self._leave()

    def on_broken_pipe(self) -> None:
        self._leave()

    def _leave(self) -> None:
        self.quiet = True
        del self._buffer[:]
        _write_nowhere(sys.stderr if self.stderr else sys.stdout)


class _VisibleRecord(logging.LogRecord):
    def getMessage(self) -> str:
        return visible(super().getMessage())


def _write_nowhere(stream: TextIO) -> None:
    """Send a stream that cannot be written to nowhere: Python would fail at its
    end over what it could not flush."""
    with suppress(OSError, ValueError):  # it has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
