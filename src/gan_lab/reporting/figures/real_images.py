"""Figure 4-4: the real images of a data set under its classifiers."""

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
    """Draw Figure 4-4: mean C(x), and the distribution of H(C(x)) in every class of the data.

    Raises:
        UserError: no file of statistics is named, one is damaged, or they are of different images.
    """
    # statistics of the same images, by as many classifiers as there are files
    if not request.statistics:
        raise UserError(
            "figure 4-4 shows statistics of real images: add statistics=[FILE.json,...], written "
            "by scripts/evaluate.py data_statistics=true"
        )
    files = [_read(path) for path in request.statistics]
    hashes = {statistics["content_hash"] for statistics in files}
    if len(hashes) > 1:
        raise UserError(
            "figure 4-4: the statistics are of different images (content_hash); name those of one "
            "data set"
        )

    # a row for each classifier
    figure = new_figure(11, 4.2 * len(files) + 0.6)
    panels = figure.subplots(len(files), 2, squeeze=False, width_ratios=(1, 1.4))
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    for (left, right), statistics in zip(panels, files, strict=True):
        extractor = f"extractor {statistics['extractor']['name']}"
        _draw_marginal(left, statistics)
        left.set_title(f"{next(letters)}) mean C(x), {extractor}", fontsize=10)

        _draw_entropies(right, statistics)
        title = f"{next(letters)}) H(C(x)) of each class, {extractor}"
        right.set_title(f"{title}: {_share_below(statistics):.1%} below 0.05", fontsize=10)

    # the thesis's numbers, where the images are the thesis's
    dataset, split = files[0]["dataset"], files[0]["split"]
    title = f"{DATASETS.get(dataset, dataset)}, {split} images under classifiers"
    figure.suptitle(f"Figure 4-4: {title}")
    if dataset == "cifar10":
        figure.supxlabel(_PUBLISHED, fontsize=8)
    rows = [row for statistics in files for row in _rows(statistics)]
    return Drawing(figure, rows, [] if dataset == "cifar10" else [dataset])


def _read(path: Path) -> dict[str, Any]:
    """Read a file of statistics, and check it.

    Raises:
        UserError: names the file and its mistake.
    """
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); name a file of data_statistics=true"
        ) from None

    # every field, of the right type
    is_object = isinstance(content, dict)
    missing = [name for name in _FIELDS if not is_object or _get(content, name) is None]
    if missing:
        raise UserError(
            f"{path}: it has no {', '.join(missing)}; write it again with data_statistics=true"
        )
    shares = misfit(content["share_below_0.05"], list[Number], "share_below_0.05")
    if wrong := misfit(content, _Statistics) or shares:
        raise UserError(f"{path} is damaged: {wrong}; write it again with data_statistics=true")

    # sizes that fit each other: drawing would fail otherwise, with numpy's message
    classes, bins = len(content["class_names"]), len(content["entropies"]["edges"]) - 1
    histograms = content["entropies"]["histograms"]
    of_classes = (histograms, content["mean_entropy"], content["share_below_0.05"])
    fits = all(len(values) == classes for values in of_classes)
    fits = fits and all(len(row) == bins for row in histograms)
    if not fits or min(classes, bins, len(content["marginal"])) < 1:
        raise UserError(
            f"{path}: its entropies are not of {classes} classes and {bins} bins; write it again "
            "with data_statistics=true"
        )

    content["class_names"] = [brief(visible(name), 60) for name in content["class_names"]]
    return content


def _get(content: dict[str, Any], name: str) -> Any:
    return content.get(name) if name in content else field(content, name)


def _share_below(statistics: dict[str, Any]) -> float:
    """The share of all images whose H(C(x)) is below 0.05, from those of the classes."""
    sizes = np.array(statistics["entropies"]["histograms"], dtype=float).sum(axis=1)
    shares = np.array(statistics["share_below_0.05"], dtype=float)
    return float(np.dot(sizes, shares) / max(sizes.sum(), 1.0))


def _draw_marginal(axes: Axes, statistics: dict[str, Any]) -> None:
    # ImageNet has 1,000 classes: bars narrower than a pixel would vanish
    marginal = np.array(statistics["marginal"], dtype=float)
    few = len(marginal) <= 30
    if few:
        axes.bar(np.arange(len(marginal)), marginal, color=COLOURS["logistic"])
    else:
        axes.vlines(np.arange(len(marginal)), 0, marginal, linewidth=0.8, color=COLOURS["logistic"])
        axes.set_ylim(0, None)

    # beside the masses that a classifier of balanced data would have
    equal = 1 / len(marginal)
    axes.axhline(equal, color="0.4", linewidth=0.8, linestyle="--", label="equal masses")
    axes.set_xlabel(f"class of the classifier ({len(marginal)})")
    axes.set(ylabel="mean C(x)", xlim=(-0.6, len(marginal) - 0.4))

    # another data set's classes have no names here
    names = statistics["class_names"]
    if few and len(names) == len(marginal):
        rotation = 45 if max(map(len, names)) > 2 else 0
        axes.set_xticks(range(len(names)), names, rotation=rotation, fontsize=8)
    axes.legend(fontsize=8)
    plain_axes(axes)


def _draw_entropies(axes: Axes, statistics: dict[str, Any]) -> None:
    """Draw a column for each class, the darker the more of its images; dots are the means."""
    # shares, so that classes of different sizes can be compared; an empty bin stays white
    names = statistics["class_names"]
    edges = np.array(statistics["entropies"]["edges"], dtype=float)
    counts = np.array(statistics["entropies"]["histograms"], dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    visible_shares = np.ma.masked_equal(shares.T, 0)
    sides = np.arange(len(names) + 1) - 0.5
    mesh = axes.pcolormesh(sides, edges, visible_shares, cmap="Blues", vmin=0, rasterized=True)
    axes.figure.colorbar(mesh, ax=axes, label="share of the class in a bin")

    # the means, as numbers too where there is room for them
    means = np.array(statistics["mean_entropy"], dtype=float)
    axes.plot(np.arange(len(names)), means, "o", color=COLOURS["exp"], markersize=4, label="mean")

    if len(names) <= 12:
        box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
        style: dict[str, Any] = {"xytext": (0, 6), "textcoords": "offset points"}
        style |= {"ha": "center", "fontsize": 7, "bbox": box}
        for index, mean in enumerate(means):
            axes.annotate(f"{mean:.2f}", (index, mean), **style)

    # at most about 20 names, and no empty bins above the highest entropy
    rotation = 45 if max(map(len, map(str, names))) > 2 else 0
    shown = range(0, len(names), max(1, len(names) // 20))
    axes.set_xticks(
        list(shown), [str(names[index]) for index in shown], rotation=rotation, fontsize=8
    )

    highest = edges[1:][counts.sum(axis=0) > 0].max(initial=edges[1])
    axes.set(ylabel="H(C(x)), nats", ylim=(edges[0], highest))
    axes.legend(fontsize=8)
    plain_axes(axes)


def _rows(statistics: dict[str, Any]) -> list[dict[str, Any]]:
    """A row of the CSV for each number: its meaning, its class, and its bin."""
    extractor = statistics["extractor"]
    constant = {name: statistics[name] for name in ("dataset", "content_hash", "split")}
    constant |= {"extractor": extractor["name"]}
    constant |= {"weights_sha256": extractor.get("weights_sha256", "")}

    def row(
        quantity: str, of: str, value: float, low: float | str = "", high: float | str = ""
    ) -> dict[str, Any]:
        numbers = {"bin_low": low, "bin_high": high, "value": value}
        return constant | {"quantity": quantity, "class": of} | numbers

    # of the classifier's classes, which need not be the data's
    rows = [
        row("mean C(x) of the classifier's class", str(index), mass)
        for index, mass in enumerate(statistics["marginal"])
    ]

    # of the data's classes: two numbers, and one for each bin
    entropies = statistics["entropies"]
    bins = list(itertools.pairwise(entropies["edges"]))
    means, shares = statistics["mean_entropy"], statistics["share_below_0.05"]
    classes = zip(statistics["class_names"], entropies["histograms"], means, shares, strict=True)
    for name, counts, mean, share in classes:
        rows += [row("mean H(C(x))", name, mean), row("share of H(C(x)) below 0.05", name, share)]
        rows += [
            row("images", name, count, *ends) for count, ends in zip(counts, bins, strict=True)
        ]
    return rows
