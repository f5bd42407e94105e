"""A table as text, whatever table it is: render.py writes it as Markdown, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """One table with its heading.

    Args:
        title: its heading in Markdown.
        caption: in LaTeX.
        above: the lines above it in Markdown.
        header: of the columns.
        rows: their texts.
        latex: how LaTeX writes the first column of each row.
        left_out: the columns that LaTeX omits.
        below: the lines below LaTeX's table, which say what stood in these columns.
        bold: (row, column), counted from 0, of what is printed in bold.
    """

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
    """A whole table.

    Args:
        title: its heading.
        source: how its numbers came about.
        sections: its tables.
        fields: the columns of the CSV.
        values: the rows of the CSV, unrounded.
    """

    title: str
    source: str
    sections: tuple[Section, ...]
    fields: tuple[str, ...]
    values: tuple[Mapping[str, object], ...]
