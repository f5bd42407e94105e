"""Differences of recorded runs from the thesis: settings, the grid of λ, and their scoring."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gan_lab.records.score_name import samples_word
from gan_lab.reporting.collection import Record, field
from gan_lab.reporting.scores import fields_of
from gan_lab.reporting.thesis.cells import canonical
from gan_lab.reporting.thesis.design import DATASETS, Design, Kind, RecipeField


def small_scale(
    design: Design,
    runs: Sequence[Record],
    names: Mapping[str, str | None],
    kinds: Collection[Kind] | None = None,
) -> str:
    """Say in what runs differ from the thesis's; an empty text: in nothing.

    Args:
        design: whose recipe is compared, whatever data set the runs are of.
        runs: comparable ones, of one data set.
        names: of the scores shown, by Kind.key: extractor, samples and variants are read from them.
        kinds: of these scores, where they are not the design's own, as over training.

    Returns:
        The differences, as "1,000 generator steps (thesis: 200,000), ...".
    """
    if not runs:
        return ""

    # how the runs were trained, then how the scores that are shown were taken
    different = [*_data(design, runs), *_settings(design.recipe, runs), *_grid(design, runs)]
    shown = {
        kind: name for kind in kinds or design.kinds if (name := names.get(kind.key)) is not None
    }
    return ", ".join([*different, *_scoring(shown, runs)])


def _data(design: Design, runs: Sequence[Record]) -> list[str]:
    dataset = canonical(str(runs[0]["dataset"]["name"]))
    thesis = " and ".join(DATASETS[name] for name in design.datasets)
    return [] if dataset in design.datasets else [f"data set {dataset} (thesis: {thesis})"]


def _settings(recipe: Sequence[RecipeField], runs: Sequence[Record]) -> list[str]:
    """The settings of which some run has another value, in words."""
    differences = []
    for setting in recipe:
        # a run without the field (another penalty's, or an option's) says nothing of it
        mine = [
            record
            for record in runs
            if all(field(record, key) == value for key, value in setting.where.items())
        ]
        values = [value for record in mine if (value := field(record, setting.dotted)) is not None]

        # each other value once, in the order of the runs
        others = list(dict.fromkeys(_text(value) for value in values if value != setting.thesis))
        if others:
            ours, thesis = " and ".join(others), _text(setting.thesis)
            text = f"{ours} {setting.words}" if setting.words else f"{setting.name} {ours}"
            differences.append(f"{text} (thesis: {thesis})")
    return differences


def _text(value: Any) -> str:
    """1,000 for numbers of things, 0.0004 for rates, true and false as they are typed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (
        isinstance(value, float) and value.is_integer() and abs(value) >= 1
    ):
        return f"{int(value):,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _grid(design: Design, runs: Sequence[Record]) -> list[str]:
    """The searched weights where the thesis searched more."""
    weights = {
        float(field(record, "config.penalty.weight"))
        for record in runs
        if record["choices"]["penalty"] == design.grid_of
        and field(record, "config.penalty.weight") is not None
    }
    if not weights or weights >= set(design.grid):
        return []

    ours, thesis = (
        ", ".join(f"{weight:g}" for weight in sorted(grid)) for grid in (weights, design.grid)
    )
    return [f"λ of {{{ours}}} (thesis: {{{thesis}}})"]


def _scoring(shown: Mapping[Kind, str], runs: Sequence[Record]) -> list[str]:
    """The differences in how scores were taken, in words."""
    # scores with the same difference together: {(of what, ours, the thesis's): their titles}
    by_difference: dict[tuple[str, str, str], list[str]] = {}
    for kind, name in shown.items():
        for difference in _differences(kind, name, runs):
            by_difference.setdefault(difference, []).append(kind.title)

    # one that all of them have needs no titles
    differences = []
    for (what, ours, thesis), titles in by_difference.items():
        of = "" if len(titles) == len(shown) else f" of {' and '.join(titles)}"
        differences.append(f"{what}{of} {ours} (thesis: {thesis})")
    return differences


def _differences(kind: Kind, name: str, runs: Sequence[Record]) -> list[tuple[str, str, str]]:
    """(of what, ours, the thesis's) of one score."""
    # a record of somebody else may have a score of which nothing is known
    ours = fields_of(runs, name)
    if ours is None:
        return [("extractor", "unknown", str(kind.extractor))]

    # another extractor has another network anyway
    differences = []
    network = next((network for record in runs if (network := _network(record, name))), None)
    if kind.extractor is not None and ours.extractor != kind.extractor:
        differences.append(("extractor", ours.extractor, kind.extractor))
    elif kind.architecture is not None and network is not None and kind.architecture not in network:
        differences.append(("network", network, kind.architecture))

    # other samples make parts of another size anyway
    if kind.samples is not None and ours.samples != kind.samples:
        differences.append(("samples", samples_word(ours.samples), samples_word(kind.samples)))
    elif kind.parts is not None and ours.parts != kind.parts:
        differences.append(("parts", str(ours.parts), str(kind.parts)))

    # further words of the name
    for variant in kind.variants:
        if (word := variant.of(name)) != variant.thesis:
            differences.append((variant.title, word, variant.thesis))
    for what, count in kind.counts_of(name).items():
        if count != kind.counts[what]:
            differences.append((what, str(count), str(kind.counts[what])))
    return differences


def _network(record: Record, name: str) -> str | None:
    """The extractor's network: of a score after training, else of one over training."""
    places = (f"scores.{name}.extractor", f"history_about.{name}.extractor", "extractor")
    names = (field(record, f"{place}.architecture.name") for place in places)
    return next(filter(None, names), None)
