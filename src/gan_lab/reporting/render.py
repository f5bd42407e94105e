"""A table as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re

from gan_lab.reporting import published
from gan_lab.reporting.cells import Cell
from gan_lab.reporting.published import Line
from gan_lab.reporting.tables import Part, Table
from gan_lab.reporting.text import (
    NO_RUN,
    grid,
    headings,
    notes,
    published_heading,
    published_rows,
    rows,
    run_ids,
    weight_text,
)

# Markdown -------------------------------------------------------------------------------------------------------------


def to_markdown(table: Table) -> str:
    """One section for each data set, then the published numbers of those that have none of their own here."""
    blocks = [f"# {table.title}", published_heading(table)]
    for part in table.parts:
        blocks.append(f"## {part.title}")
        blocks.append("\n".join(f"- {line}" for line in headings(part)) or f"- {NO_RUN}")
        blocks.append(_pipes(*rows(part)))
    for dataset in table.published_apart:
        blocks.append(f"## {_apart_title(dataset)}")
        blocks.append(_pipes(["objective", "published IS", "published FID"], published_rows(dataset)))
    return "\n\n".join(blocks) + "\n"


def _apart_title(dataset: str) -> str:
    return f"{published.DATASETS[dataset]}, published (other data than above: not a comparison)"


def _pipes(header: list[str], lines: list[list[str]]) -> str:
    table = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(text.replace("|", r"\|") for text in line) + " |" for line in table)


# CSV ------------------------------------------------------------------------------------------------------------------

_SCORE_FIELDS = ("protocol", "extractor", "weights_sha256", "n_samples", "mean", "interval95", "chunk_std")
CSV_HEADER = [
    *("dataset", "data_content_hash", "small_scale", "objective", "loss", "penalty", "weight", "weights_searched"),
    *("seeds", "status"),
    *(f"is_{name}" for name in _SCORE_FIELDS),
    *("is_published", "is_published_std"),
    *(f"fid_{name}" for name in _SCORE_FIELDS),
    *("fid_published", "fid_published_std", "run_ids", "notes"),
]


def to_csv(table: Table) -> str:
    """One line for each cell, unrounded; published numbers of other data sets are lines with status "published"."""
    file = io.StringIO()
    writer = csv.DictWriter(file, CSV_HEADER, restval="", lineterminator="\n")
    writer.writeheader()
    for part in table.parts:
        for cell in part.cells:
            writer.writerow(_csv_row(part, cell))
    for dataset in table.published_apart:
        for line in published.TABLE_2_2.values():
            if dataset in line.inception_score:
                writer.writerow(_csv_line(line, dataset) | {"dataset": dataset, "status": "published"})
    return file.getvalue()


def _csv_line(line: Line, dataset: str) -> dict[str, object]:
    found: dict[str, object] = {"objective": line.text, "loss": line.loss, "penalty": line.penalty}
    for name, numbers in (("is", line.inception_score), ("fid", line.frechet_distance)):
        if dataset in numbers:
            found |= {f"{name}_published": numbers[dataset].value, f"{name}_published_std": numbers[dataset].std}
    return found


def _csv_row(part: Part, cell: Cell) -> dict[str, object]:
    chosen = cell.chosen
    found = _csv_line(cell.line, part.dataset) | {
        "dataset": part.dataset,
        "data_content_hash": part.data_content_hash,
        "small_scale": part.small_scale,
        "weights_searched": " ".join(weight_text(one.weight) for one in cell.searched),
        "status": "scored" if chosen else "no score" if cell.searched else NO_RUN,
        "notes": notes(cell),
    }
    if chosen:
        found |= {"weight": chosen.weight, "seeds": len(chosen.scored), "run_ids": run_ids(chosen.scored)}
    both = (
        ("is", cell.inception_score, part.inception_score),
        ("fid", cell.frechet_distance, part.frechet_distance),
    )
    for name, score, protocol in both:
        if score and protocol:
            taken = [protocol.score, protocol.extractor, protocol.weights_sha256, protocol.n_samples]
            values = [*taken, score.estimate.mean, score.estimate.half_width, score.spread]
            found |= {f"{name}_{key}": value for key, value in zip(_SCORE_FIELDS, values, strict=True)}
    return found


# LaTeX ----------------------------------------------------------------------------------------------------------------


def to_latex(table: Table) -> str:
    """One table environment for each data set, for booktabs; grids, runs and notes stand below the rules."""
    blocks = [f"% {table.title}. {published_heading(table)}", r"% needs \usepackage{booktabs}"]
    for part in table.parts:
        blocks.append(_latex_part(part))
    for dataset in table.published_apart:
        header = ["objective", "published IS", "published FID"]
        lines = [
            _with_formula(row, line) for row, line in zip(published_rows(dataset), _lines_of(dataset), strict=True)
        ]
        blocks.append(_latex_table(_apart_title(dataset), header, lines, []))
    return "\n\n".join(blocks) + "\n"


def _latex_part(part: Part) -> str:
    header, lines = rows(part)
    kept = [index for index, name in enumerate(header) if name not in ("λ searched", "runs", "notes")]
    below = [*headings(part)]
    for cell in part.cells:
        if cell.searched:
            runs = f"runs {run_ids(cell.chosen.scored)}" if cell.chosen else "no run is shown"
            said = f"λ of {grid(cell.searched)}; {runs}" + (f"; {notes(cell)}" if notes(cell) else "")
            below.append(f"{cell.line.text}: {said}.")
    short = [[line[index] for index in kept] for line in lines]
    short = [_with_formula(row, cell.line) for row, cell in zip(short, part.cells, strict=True)]
    return _latex_table(f"Table 2-2, {part.title}", [header[index] for index in kept], short, below)


def _latex_table(caption: str, header: list[str], lines: list[list[str]], below: list[str]) -> str:
    body = [[_tex(text) for text in header], *lines]
    first, *others = [" & ".join(line) + r" \\" for line in body]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\footnotesize",
            rf"\caption{{{_tex(caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"\toprule",
            first,
            r"\midrule",
            *others,
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par {_tex(line)}" for line in below),
            r"\end{table}",
        ]
    )


def _with_formula(row: list[str], line: Line) -> list[str]:
    return [line.latex, *(_tex(text) for text in row[1:])]


def _lines_of(dataset: str) -> list[Line]:
    return [line for line in published.TABLE_2_2.values() if dataset in line.inception_score]


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
