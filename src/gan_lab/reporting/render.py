"""A sheet as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from gan_lab.reporting.sheet import Section, Sheet


def to_markdown(sheet: Sheet) -> str:
    """A heading, the lines above and a pipe table for each section."""
    blocks = [f"# {sheet.title}", sheet.source]
    for section in sheet.sections:
        blocks.append(f"## {section.title}")
        if section.above:
            blocks.append("\n".join(f"- {line}" for line in section.above))
        blocks.append(_pipes([section.header, ["---"] * len(section.header), *section.rows]))
    return "\n\n".join(blocks) + "\n"


def _pipes(lines: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(text.replace("|", r"\|") for text in line) + " |" for line in lines)


def to_csv(sheet: Sheet) -> str:
    """One line for each cell, unrounded; what a cell does not have is empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, sheet.fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(sheet.values)
    return file.getvalue()


def to_latex(sheet: Sheet) -> str:
    """One table environment for each section, for booktabs; what its columns leave out stands below the rules."""
    blocks = [f"% {sheet.title}. {sheet.source}", r"% needs \usepackage{booktabs}"]
    return "\n\n".join([*blocks, *map(_latex_table, sheet.sections)]) + "\n"


def _latex_table(section: Section) -> str:
    kept = [index for index, name in enumerate(section.header) if name not in section.left_out]
    lines = [" & ".join(_tex(section.header[index]) for index in kept)]
    for row, first in zip(section.rows, section.latex, strict=True):
        lines.append(" & ".join([first, *(_tex(row[index]) for index in kept[1:])]))
    head, *body = [line + r" \\" for line in lines]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\footnotesize",
            rf"\caption{{{_tex(section.caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(kept) - 1)}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par {_tex(line)}" for line in section.below),
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


def _tex(text: str) -> str:
    return re.sub("|".join(map(re.escape, _TEX)), lambda found: _TEX[found[0]], text)
