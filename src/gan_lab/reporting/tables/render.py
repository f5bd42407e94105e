"""A sheet as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gan_lab.files import write_atomically
from gan_lab.reporting.tables.sheet import Section, Sheet
from gan_lab.terminal import visible

# where GitHub would begin a link in a plain text
_BARE_LINK = re.compile(r"(?=://)|(?<=www)(?=\.)", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)


def write_sheet(sheet: Sheet, place: Path) -> str:
    """Write a sheet as <place>.md, <place>.csv and <place>.tex.

    Returns:
        The three names in one, "<place>.{md,csv,tex}".
    """
    renderers = {"md": to_markdown, "csv": to_csv, "tex": to_latex}
    for suffix, render in renderers.items():
        write_atomically(place.with_name(f"{place.name}.{suffix}"), render(sheet))
    return f"{place}.{{{','.join(renderers)}}}"


def to_markdown(sheet: Sheet) -> str:
    """Write a heading, the lines above and a pipe table for each section.

    Names in records are text: they make no HTML and no links.
    """
    blocks = [f"# {_plain(sheet.title)}", _not_a_block(_plain(sheet.source))]
    for section in sheet.sections:
        blocks.append(f"## {_plain(section.title)}")
        if section.above:
            blocks.append("\n".join(f"- {_not_a_block(_plain(line))}" for line in section.above))
        blocks.append(_pipe_table(section))
    return "\n\n".join(blocks) + "\n"


def _pipe_table(section: Section) -> str:
    lines = [
        [_in_a_cell(_plain(text)) for text in line] for line in (section.header, *section.rows)
    ]
    for row, column in section.bold:
        lines[row + 1][column] = f"**{lines[row + 1][column]}**"
    lines.insert(1, ["---"] * len(section.header))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _in_a_cell(text: str) -> str:
    """Backslashes before a bar are doubled: they would take the one that keeps it in its cell."""
    return re.sub(r"(\\*)\|", r"\1\1\|", text)


def _not_a_block(text: str) -> str:
    """Keep a line from beginning a heading, a quotation, code, a rule or a list within the list."""
    return re.sub(r"^\s*(\d+(?=[.)]\s)|(?=[#>`~*+=_\[-]))", r"\1\\", text)


def _plain(text: str) -> str:
    """Text within one line of Markdown, without HTML and links."""
    return _BARE_LINK.sub(r"\\", _in_one_line(text).replace("<", "&lt;").replace("](", r"]\("))


def _in_one_line(text: str) -> str:
    return visible(text).replace("\n", r"\n").replace("\t", r"\t")


def to_csv(sheet: Sheet) -> str:
    """One line for each cell, unrounded; what a cell does not have is empty."""
    return csv_text(sheet.fields, sheet.values)


def csv_text(fields: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Rows as CSV; no text is a spreadsheet's formula."""
    file = io.StringIO()
    writer = csv.DictWriter(file, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _no_formula(value) for name, value in row.items()} for row in rows)
    return file.getvalue()


def _no_formula(value: object) -> object:
    """A text that a spreadsheet would calculate has an apostrophe before it."""
    if not isinstance(value, str):
        return value
    text = _in_one_line(value)
    is_formula = text.startswith(("=", "+", "-", "@")) and not _NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text


def to_latex(sheet: Sheet) -> str:
    """Write one table environment for each section, for booktabs.

    What its columns omit stands below the rules.
    """
    blocks = [
        f"% {_in_one_line(sheet.title)}. {_in_one_line(sheet.source)}",
        r"% needs \usepackage{booktabs}",
    ]
    return "\n\n".join([*blocks, *map(_latex_table, sheet.sections)]) + "\n"


def _latex_table(section: Section) -> str:
    # the columns that a page has room for
    kept = [index for index, name in enumerate(section.header) if name not in section.left_out]
    lines = [" & ".join(latex_text(section.header[index]) for index in kept)]

    # the first column is LaTeX already, a formula; every other text could hold a command
    for number, (row, first) in enumerate(zip(section.rows, section.latex, strict=True)):
        cells = {index: latex_text(row[index]) for index in kept[1:]}
        cells |= {
            index: rf"\textbf{{{text}}}"
            for index, text in cells.items()
            if (number, index) in section.bold
        }
        lines.append(" & ".join([first, *cells.values()]))

    # booktabs: three rules and no others
    head, *body = [line + r" \\" for line in lines]

    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\footnotesize",
            rf"\caption{{{latex_text(section.caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(kept) - 1)}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par {latex_text(line)}" for line in section.below),
            r"\end{table}",
        ]
    )


_TEX = {
    "\\": r"\textbackslash{}",
    **{character: "\\" + character for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "λ": r"$\lambda$",
    "σ": r"$\sigma$",
    "²": r"\textsuperscript{2}",
    "–": "--",
}


def latex_text(text: str) -> str:
    r"""Text in which LaTeX finds no command.

    Examples:
        >>> print(latex_text("penalty_weight 50% ± 1"))
        penalty\_weight 50\% $\pm$ 1
    """
    return re.sub("|".join(map(re.escape, _TEX)), lambda match: _TEX[match[0]], _in_one_line(text))
