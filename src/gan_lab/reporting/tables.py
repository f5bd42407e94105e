"""Table 2-2 from records: ours and the published numbers side by side, as data; render.py writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gan_lab.reporting import published
from gan_lab.reporting.cells import (
    Cell,
    Protocol,
    belongs,
    canonical,
    cell,
    check_comparable,
    protocol,
    runs_of,
    score_name,
)
from gan_lab.reporting.collection import Record, field
from gan_lab.types import UserError


@dataclass(frozen=True)
class Part:
    """The table of one data set.

    is_published: whether the thesis has this data set, so that its numbers stand beside ours.
    small_scale: in what the runs are smaller than the thesis's; empty where they are not, or where there are none.
    data: name, sizes and hash; code: the commits that the runs ran from.
    """

    dataset: str
    title: str
    is_published: bool
    small_scale: str
    data: str
    data_content_hash: str
    code: str
    inception_score: Protocol | None
    frechet_distance: Protocol | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table of the thesis. published_apart: data sets whose published numbers stand under a heading of their own,
    because `parts` has data sets that were not published."""

    title: str
    parts: tuple[Part, ...]
    published_apart: tuple[str, ...]


def table_2_2(
    found: Sequence[Record],
    datasets: Sequence[str] | None = None,
    inception_score: str | None = None,
    frechet_distance: str | None = None,
) -> Table:
    """IS and FID of six objectives with MaxGP, and of WGAN-GP.

    datasets: those to show; None: the thesis's two and every other one that has runs. inception_score,
    frechet_distance: the names of the scores, where the runs have several. Raises UserError where runs of a data set
    differ in more than loss, penalty weight and seed (cells.check_comparable).
    """
    lines = list(published.TABLE_2_2.values())
    mine = [record for record in found if any(belongs(record, line) for line in lines)]
    if datasets is None:
        others = sorted({canonical(record["dataset"]["name"]) for record in mine} - set(published.DATASETS))
        datasets = [*published.DATASETS, *others]
    names = list(dict.fromkeys(canonical(name) for name in datasets))
    if not names:
        raise UserError("datasets is empty: name at least one, for example datasets=[digits]")
    parts = tuple(part(name, runs_of(mine, name), inception_score, frechet_distance) for name in names)
    unpublished = any(not one.is_published for one in parts)
    apart = tuple(name for name in published.DATASETS if unpublished and name not in names)
    return Table("Table 2-2: objectives on unsupervised image generation", parts, apart)


def part(dataset: str, runs: Sequence[Record], inception_score: str | None, frechet_distance: str | None) -> Part:
    """The table of one data set from its runs."""
    lines = list(published.TABLE_2_2.values())
    is_name = score_name(runs, "is_", "", inception_score, "scores", "inception_score")
    fid_name = score_name(runs, "fid_", "_train", frechet_distance, "scores", "frechet_distance")
    check_comparable(runs, lines, [f"scores.{name}.extractor" for name in (is_name, fid_name)])
    return Part(
        dataset=dataset,
        title=published.DATASETS.get(dataset, dataset),
        is_published=dataset in published.DATASETS,
        small_scale=small_scale(runs, is_name or fid_name),
        data=_data(runs),
        data_content_hash=runs[0]["dataset"]["content_hash"] if runs else "",
        code=", ".join(sorted({_code(record) for record in runs})),
        inception_score=protocol(runs, is_name),
        frechet_distance=protocol(runs, fid_name),
        cells=tuple(cell(line, runs, is_name, fid_name) for line in lines),
    )


def small_scale(runs: Sequence[Record], score: str | None) -> str:
    """In what comparable runs differ from the thesis's scale, as "1,000 generator steps (thesis: 200,000), ..."."""
    if not runs:
        return ""
    config = runs[0]["config"]
    extractor = score.split("_")[1] if score else None  # <score>_<extractor>_...
    found = {
        "generator steps": (config.get("max_generator_steps"), published.MAX_GENERATOR_STEPS),
        "channels": (field(runs[0], "config.architecture.channels"), published.CHANNELS),
    }
    different = [f"{a:,} {name} (thesis: {b:,})" for name, (a, b) in found.items() if a is not None and a != b]
    if extractor not in (None, published.EXTRACTOR):
        different.append(f"extractor {extractor} (thesis: {published.EXTRACTOR})")
    return ", ".join(different)


def _data(runs: Sequence[Record]) -> str:
    if not runs:
        return ""
    dataset = runs[0]["dataset"]
    sizes = ", ".join(f"{name} {size:,}" for name, size in (dataset.get("splits") or {}).items())
    return f"{dataset['name']} ({sizes}), content hash {dataset['content_hash'][:12]}"


def _code(record: Record) -> str:
    git = record["git"]
    return f"{str(git.get('sha'))[:9]}" + ("" if git.get("dirty") is False else " (dirty)")
