"""A table as text: what render.py writes as Markdown, CSV and LaTeX, whatever table it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """One table with its heading. latex: how LaTeX writes the first column. left_out, below: the
    columns that LaTeX leaves out, and the lines below its table that say what stood there. above:
    the lines above it in Markdown. bold: (row, column), counted from 0, of what is printed in
    bold."""

    title: str
    caption: str
    above: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    latex: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    bold: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Sheet:
    """A whole table. source: how its numbers came about. fields, values: of the CSV, unrounded, in
    its order."""

    title: str
    source: str
    sections: tuple[Section, ...]
    fields: tuple[str, ...]
    values: tuple[Mapping[str, object], ...]
