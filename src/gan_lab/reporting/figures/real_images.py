"""Figure 4-4: what classifiers make of the real images of a data set."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from gan_lab.errors import UserError
from gan_lab.files import read_json
from gan_lab.reading.schema import Count, Number, misfit
from gan_lab.reporting.collection import field
from gan_lab.reporting.figures.drawing import Drawing, new_figure, plain_axes
from gan_lab.reporting.figures.request import COLOURS, Request
from gan_lab.reporting.thesis.design import DATASETS
from gan_lab.terminal import brief, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_FIELDS = (
    *("dataset", "content_hash", "extractor.name", "split", "class_names", "marginal"),
    *("entropies.edges", "entropies.histograms", "mean_entropy", "share_below_0.05"),
)


class _Entropies(TypedDict):
    edges: list[float]
    histograms: list[list[Count]]


class _Of(TypedDict):
    name: str


class _Statistics(TypedDict):
    """A file of data_statistics=true; it has more."""

    dataset: str
    content_hash: str
    extractor: _Of
    split: str
    class_names: list[str]
    marginal: list[float]
    entropies: _Entropies
    mean_entropy: list[Number]


_PUBLISHED = (
    "Published, under Inception: mean H(C(x)) 2.14 of trucks and 3.80 of birds; under the CIFAR-10 "
    "classifier 99.6% of H(C(x)) below 0.05."
)


def entropies(request: Request) -> Drawing:
    """Figure 4-4: for each file of statistics, mean C(x) and the distribution of H(C(x)) in every
    class of the data."""
    if not request.statistics:
        raise UserError(
            "figure 4-4 shows statistics of real images: add statistics=[FILE.json,...], written "
            "by "
            "scripts/evaluate.py data_statistics=true"
        )
    found = [_read(path) for path in request.statistics]
    hashes = {one["content_hash"] for one in found}
    if len(hashes) > 1:
        raise UserError(
            "figure 4-4: the statistics are of different images (content_hash); name those of one "
            "data set"
        )
    figure = new_figure(11, 4.2 * len(found) + 0.6)
    panels = figure.subplots(len(found), 2, squeeze=False, width_ratios=(1, 1.4))
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    for (left, right), one in zip(panels, found, strict=True):
        extractor = f"extractor {one['extractor']['name']}"
        _draw_marginal(left, one)
        left.set_title(f"{next(letters)}) mean C(x), {extractor}", fontsize=10)
        _draw_entropies(right, one)
        below = f"{_share_below(one):.1%} below 0.05"
        right.set_title(
            f"{next(letters)}) H(C(x)) of each class, {extractor}: {below}", fontsize=10
        )
    dataset = found[0]["dataset"]
    figure.suptitle(
        f"Figure 4-4: {DATASETS.get(dataset, dataset)}, {found[0]['split']} images under "
        "classifiers"
    )
    if dataset == "cifar10":
        figure.supxlabel(_PUBLISHED, fontsize=8)
    return Drawing(
        figure,
        [row for one in found for row in _rows(one)],
        [] if dataset == "cifar10" else [dataset],
    )


def _read(path: Path) -> dict[str, Any]:
    """A file of statistics, checked. Raises UserError that names the file and what is wrong with
    it."""
    try:
        found = read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); name a file of data_statistics=true"
        ) from None
    missing = [name for name in _FIELDS if not isinstance(found, dict) or _get(found, name) is None]
    if missing:
        raise UserError(
            f"{path}: it has no {', '.join(missing)}; write it again with data_statistics=true"
        )
    shares = misfit(found["share_below_0.05"], list[Number], "share_below_0.05")
    if wrong := misfit(found, _Statistics) or shares:
        raise UserError(f"{path} is damaged: {wrong}; write it again with data_statistics=true")
    classes, bins = len(found["class_names"]), len(found["entropies"]["edges"]) - 1
    histograms = found["entropies"]["histograms"]
    fits = all(len(found[name]) == classes for name in ("mean_entropy", "share_below_0.05"))
    if (
        not fits
        or min(classes, bins, len(found["marginal"])) < 1
        or len(histograms) != classes
        or any(len(row) != bins for row in histograms)
    ):
        raise UserError(
            f"{path}: its entropies are not of {classes} classes and {bins} bins; write it again "
            "with "
            "data_statistics=true"
        )
    found["class_names"] = [brief(visible(name), 60) for name in found["class_names"]]
    return found


def _get(found: dict[str, Any], name: str) -> Any:
    return found.get(name) if name in found else field(found, name)


def _share_below(one: dict[str, Any]) -> float:
    """The share of all images whose H(C(x)) is below 0.05, from those of the classes and their
    sizes."""
    sizes = np.array(one["entropies"]["histograms"], dtype=float).sum(axis=1)
    return float(
        np.dot(sizes, np.array(one["share_below_0.05"], dtype=float)) / max(sizes.sum(), 1.0)
    )


def _draw_marginal(axes: Axes, one: dict[str, Any]) -> None:
    marginal = np.array(one["marginal"], dtype=float)
    names = one["class_names"]
    few = len(marginal) <= 30
    if few:
        axes.bar(np.arange(len(marginal)), marginal, color=COLOURS["logistic"])
    else:  # bars narrower than a pixel would vanish
        axes.vlines(np.arange(len(marginal)), 0, marginal, linewidth=0.8, color=COLOURS["logistic"])
        axes.set_ylim(0, None)
    axes.axhline(
        1 / len(marginal), color="0.4", linewidth=0.8, linestyle="--", label="equal masses"
    )
    axes.set(
        xlabel=f"class of the classifier ({len(marginal)})",
        ylabel="mean C(x)",
        xlim=(-0.6, len(marginal) - 0.4),
    )
    if few and len(names) == len(marginal):
        axes.set_xticks(
            range(len(names)), names, rotation=45 if max(map(len, names)) > 2 else 0, fontsize=8
        )
    axes.legend(fontsize=8)
    plain_axes(axes)


def _draw_entropies(axes: Axes, one: dict[str, Any]) -> None:
    """A column for each class, the darker the more of its images; dots are the means."""
    names, edges = one["class_names"], np.array(one["entropies"]["edges"], dtype=float)
    counts = np.array(one["entropies"]["histograms"], dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    sides = np.arange(len(names) + 1) - 0.5
    mesh = axes.pcolormesh(
        sides, edges, np.ma.masked_equal(shares.T, 0), cmap="Blues", vmin=0, rasterized=True
    )
    axes.figure.colorbar(mesh, ax=axes, label="share of the class in a bin")
    means = np.array(one["mean_entropy"], dtype=float)
    axes.plot(np.arange(len(names)), means, "o", color=COLOURS["exp"], markersize=4, label="mean")
    if len(names) <= 12:
        said: dict[str, Any] = {
            "xytext": (0, 6),
            "textcoords": "offset points",
            "ha": "center",
            "fontsize": 7,
        }
        said["bbox"] = {
            "boxstyle": "round,pad=0.1",
            "facecolor": "white",
            "edgecolor": "none",
            "alpha": 0.8,
        }
        for index, mean in enumerate(means):
            axes.annotate(f"{mean:.2f}", (index, mean), **said)
    rotation = 45 if max(map(len, map(str, names))) > 2 else 0
    shown = range(0, len(names), max(1, len(names) // 20))
    axes.set_xticks(
        list(shown), [str(names[index]) for index in shown], rotation=rotation, fontsize=8
    )
    highest = edges[1:][counts.sum(axis=0) > 0].max(initial=edges[1])
    axes.set(ylabel="H(C(x)), nats", ylim=(edges[0], highest))
    axes.legend(fontsize=8)
    plain_axes(axes)


def _rows(one: dict[str, Any]) -> list[dict[str, Any]]:
    """A line for each number: what it is, of which class, and in which bin."""
    constant = {
        "dataset": one["dataset"],
        "content_hash": one["content_hash"],
        "split": one["split"],
        "extractor": one["extractor"]["name"],
        "weights_sha256": one["extractor"].get("weights_sha256", ""),
    }

    def row(
        quantity: str, of: str, value: float, low: float | str = "", high: float | str = ""
    ) -> dict[str, Any]:
        return constant | {
            "quantity": quantity,
            "class": of,
            "bin_low": low,
            "bin_high": high,
            "value": value,
        }

    names, edges = one["class_names"], one["entropies"]["edges"]
    found = [
        row("mean C(x) of the classifier's class", str(index), p)
        for index, p in enumerate(one["marginal"])
    ]
    for name, counts, mean, share in zip(
        names,
        one["entropies"]["histograms"],
        one["mean_entropy"],
        one["share_below_0.05"],
        strict=True,
    ):
        found += [row("mean H(C(x))", name, mean), row("share of H(C(x)) below 0.05", name, share)]
        found += [
            row("images", name, count, *pair)
            for count, pair in zip(counts, itertools.pairwise(edges), strict=True)
        ]
    return found
