"""In what recorded runs differ from the thesis's recipe: settings, the grid of λ, and how they were
scored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gan_lab.reporting.collection import Record, field
from gan_lab.reporting.scores import samples_and_extractor, sizes
from gan_lab.reporting.thesis.cells import canonical
from gan_lab.reporting.thesis.design import DATASETS, Design, Kind, Setting


def small_scale(
    design: Design,
    runs: Sequence[Record],
    names: Mapping[str, str | None],
    kinds: Collection[Kind] | None = None,
) -> str:
    """In what runs differ from the thesis's, as "1,000 generator steps (thesis: 200,000), ...";
    empty: in nothing.

    Args:
        design: whose recipe is compared, whatever data set the runs are of.
        runs: comparable ones, of one data set.
        names: of the scores shown, by Kind.key: extractor, samples and variants are read from them.
        kinds: of these scores, where they are not the design's own, as over training.
    """
    if not runs:
        return ""
    shown = {
        kind: name for kind in kinds or design.kinds if (name := names.get(kind.key)) is not None
    }
    different = [*_data(design, runs), *_settings(design.recipe, runs), *_grid(design, runs)]
    return ", ".join([*different, *_scoring(shown, runs)])


def _data(design: Design, runs: Sequence[Record]) -> list[str]:
    dataset = canonical(str(runs[0]["dataset"]["name"]))
    thesis = " and ".join(DATASETS[name] for name in design.datasets)
    return [] if dataset in design.datasets else [f"data set {dataset} (thesis: {thesis})"]


def _settings(recipe: Sequence[Setting], runs: Sequence[Record]) -> list[str]:
    """The settings of which some run has another value; one that a run does not have is passed
    over."""
    found = []
    for setting in recipe:
        mine = [
            record
            for record in runs
            if all(field(record, key) == value for key, value in setting.where.items())
        ]
        values = [value for record in mine if (value := field(record, setting.dotted)) is not None]
        others = list(dict.fromkeys(_text(value) for value in values if value != setting.thesis))
        if others:
            ours, thesis = " and ".join(others), _text(setting.thesis)
            said = f"{ours} {setting.words}" if setting.words else f"{setting.name} {ours}"
            found.append(f"{said} (thesis: {thesis})")
    return found


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
        ", ".join(f"{one:g}" for one in sorted(grid)) for grid in (weights, design.grid)
    )
    return [f"λ of {{{ours}}} (thesis: {{{thesis}}})"]


def _scoring(shown: Mapping[Kind, str], runs: Sequence[Record]) -> list[str]:
    """How scores were taken otherwise than the thesis's, scores with the same difference
    together."""
    facts: dict[
        tuple[str, str, str], list[str]
    ] = {}  # (of what, ours, the thesis's): titles of the scores
    for kind, name in shown.items():
        for fact in _differences(kind, name, runs):
            facts.setdefault(fact, []).append(kind.title)
    found = []
    for (what, ours, thesis), titles in facts.items():
        of = "" if len(titles) == len(shown) else f" of {' and '.join(titles)}"
        found.append(f"{what}{of} {ours} (thesis: {thesis})")
    return found


def _differences(kind: Kind, name: str, runs: Sequence[Record]) -> list[tuple[str, str, str]]:
    """(of what, ours, the thesis's) of one score."""
    found = []
    extractor, samples = samples_and_extractor(name)
    network = next((one for record in runs if (one := _network(record, name))), None)
    if kind.extractor is not None and extractor != kind.extractor:
        found.append(("extractor", extractor, kind.extractor))
    elif kind.architecture is not None and network is not None and kind.architecture not in network:
        found.append(("network", network, kind.architecture))
    if kind.samples is not None and samples != kind.samples:
        found.append(("samples", samples, kind.samples))
    elif kind.parts is not None and (parts := sizes(name)[1]) != kind.parts:
        found.append(("parts", str(parts), str(kind.parts)))
    for variant in kind.variants:
        if (ours := variant.of(name)) != variant.thesis:
            found.append((variant.title, ours, variant.thesis))
    counts = kind.counts_of(name)
    found += [
        (what, str(ours), str(kind.counts[what]))
        for what, ours in counts.items()
        if ours != kind.counts[what]
    ]
    return found


def _network(record: Record, name: str) -> str | None:
    """The extractor's network: of a score after training, else of one over training."""
    places = (f"scores.{name}.extractor", f"history_about.{name}.extractor", "extractor")
    return next(
        (one for place in places if (one := field(record, f"{place}.architecture.name"))), None
    )
