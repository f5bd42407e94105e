"""Figures of chapters 2 and 3 in which no GAN was trained: from the records of studies."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gan_lab.reporting.collection import Record, setting, studied_data
from gan_lab.reporting.comparable import check_same_config, check_seeds
from gan_lab.reporting.figures.drawing import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PALETTE,
    PURPLE,
    SKY,
    VERMILION,
    Drawing,
    log_scale,
    new_figure,
    plain_axes,
)
from gan_lab.reporting.figures.request import NothingRecorded, Request
from gan_lab.reporting.figures.series import Series, common_steps, mean_over_seeds
from gan_lab.reporting.scores import score_value
from gan_lab.reporting.thesis.optimizer_names import OPTIMIZERS
from gan_lab.reporting.thesis.unconstrained_critics import SETTINGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FAKE, REAL = ORANGE, BLUE
ROWS = 6  # of images in a panel, the first of them


def _of_study(request: Request, study: str, **fields: Any) -> list[Record]:
    """The finished records of a study with these fields, by seed. Raises NothingRecorded."""
    found = [
        record
        for record in request.studies
        if record["choices"].get("study") == study
        and record["status"] == "finished"
        and record.get("drawn")
        and all(setting(record, name.replace("__", ".")) == value for name, value in fields.items())
    ]
    if not found:
        wanted = ", ".join(f"{name.replace('__', '.')}={value}" for name, value in fields.items())
        raise NothingRecorded(
            f"no study {study} is recorded{f' with {wanted}' if wanted else ''}: run "
            f"python scripts/study.py sweep={study}, and collect its records"
        )
    return sorted(found, key=lambda record: int(record["seed"]))


def _by(records: Sequence[Record], name: str) -> dict[Any, Record]:
    """The record of the lowest seed for each value of a field, in the order of the values. Raises
    UserError as `_example`."""
    by_value = {
        value: [record for record in records if setting(record, name) == value]
        for value in _values(records, name)
    }
    return {value: _example(f"{name} {value}", mine) for value, mine in by_value.items()}


def _example(where: str, records: Sequence[Record]) -> Record:
    """The record of the lowest seed.

    Args:
        where: named in the error.
        records: by seed.

    Raises:
        UserError: where several records are of that seed.
    """
    first = records[0]
    twins = [record for record in records if record["seed"] == first["seed"]]
    _check_seeds_alone(where, twins)
    return first


def _check_seeds_alone(where: str, records: Sequence[Record]) -> None:
    """Refuse records that are no seeds of each other, or are of one seed. Raises UserError."""
    check_same_config(records, {"config.seed"})
    check_seeds(where, records)


def _values(records: Sequence[Record], name: str) -> list[Any]:
    """The values of a field, in order."""
    return sorted({setting(record, name) for record in records}, key=str)


def _lines(records: Sequence[Record], by: Sequence[str]) -> dict[str, list[Record]]:
    """The records of each line of a figure, one of every seed, by its label.

    Args:
        records: by seed.
        by: the fields in which lines differ; an optimizer's name is its own label.

    Raises:
        UserError: records of a line that differ in more than their seed, or are of one seed; lines
            that differ in more than their optimizer.
    """
    found: dict[str, list[Record]] = {}
    for record in records:
        values = {name: setting(record, name) for name in by}
        label = ", ".join(
            str(value) if name == "optimizer" else f"{name.split('.')[-1]} {_typed(value)}"
            for name, value in values.items()
        )
        found.setdefault(label, []).append(record)

    # other networks, data or steps are no seeds of one line, and no comparison of optimizers
    for label, seeds in found.items():
        _check_seeds_alone(label, seeds)
    check_same_config(records, {"config.seed", "config.optimizer"})
    return dict(sorted(found.items()))


def _array(values: Any) -> NDArray[np.float64]:
    """Numbers of a record, which writes those that are not finite as text; NaN for None."""
    return np.array(values, dtype=np.float64)


def _typed(value: Any) -> str:
    """A value of a config as it is typed."""
    return "null" if value is None else str(value)


# Chapter 2 ----------------------------------------------------------------------------------------


def uninformative_gradient(request: Request, name: str, number: int) -> Drawing:
    """Draw the critic of least squares, its optimum and its gradient in three layouts."""
    records = _of_study(request, "gradient_uninformativeness", study__setting=number)
    panels_of = _by(records, "study.layout")

    # a column for each layout: values above, slopes below
    figure = new_figure(max(7.0, 4.2 * len(panels_of)), 4.9)
    panels = figure.subplots(2, len(panels_of), squeeze=False, sharex=True)
    numbers: list[dict[str, Any]] = []
    for column, (layout, record) in enumerate(panels_of.items()):
        drawn = record["drawn"]
        x = _array(drawn["x"])
        upper, lower = panels[0][column], panels[1][column]
        optimum = _array(drawn["optimum"])

        # the two laws behind, the critic and its optimum before
        for law, colour, label in (("fake", FAKE, "P_g"), ("real", REAL, "P_r")):
            density = _array(drawn[f"{law}_density"])
            upper.fill_between(x, 0, density, color=colour, alpha=0.25, label=label, linewidth=0)
        upper.plot(x, _array(drawn["value"]), color=VERMILION, label="critic f")
        upper.plot(x, optimum, color=BLACK, linestyle="--", linewidth=1, label="optimum f*")
        lower.plot(x, _array(drawn["gradient"]), color=VERMILION)
        lower.axhline(0, color=BLACK, linewidth=0.6)
        upper.set_title(f"{layout}, seed {record['seed']}")
        lower.set_xlabel("x")
        for axes in (upper, lower):
            plain_axes(axes)

        # a row of the CSV for each point of the line
        numbers += [
            {"layout": layout, "seed": record["seed"], "x": at, "f": f, "gradient": slope}
            for at, f, slope in zip(drawn["x"], drawn["value"], drawn["gradient"], strict=True)
        ]

    # each text once
    panels[0][0].set_ylabel("f")
    panels[1][0].set_ylabel("f'")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles))
    steps = setting(records[0], "study.max_steps")
    figure.suptitle(f"Figure {name}: least squares, {SETTINGS[number]}, {steps:,} steps")
    return Drawing(figure, numbers)


def lipschitz_methods(request: Request) -> Drawing:
    """Draw Figure 2-2: the gradient at two fakes over training, by method."""
    methods = _by(_without_memory(_of_study(request, "lipschitz_methods", seed=0)), "penalty")
    steps = next(iter(methods.values()))["drawn"]["steps"]

    # a row for each method, a column for each step that was kept
    figure = new_figure(2.1 * len(steps), 2.3 * len(methods))
    panels = figure.subplots(len(methods), len(steps), squeeze=False, sharex=True, sharey=True)
    numbers: list[dict[str, Any]] = []
    for row, (method, record) in zip(panels, methods.items(), strict=True):
        drawn = record["drawn"]
        fake, real = _array(drawn["fake"]), _array(drawn["real"])

        # the optimum's direction behind the critic's
        for axes, step, gradient in zip(row, drawn["steps"], drawn["gradients"], strict=True):
            _points(axes, fake, real)
            _arrows(axes, fake, _array(drawn["directions"]), "0.7", share=0.35)
            _arrows(axes, fake, _array(gradient), VERMILION, share=0.35)
            axes.set_title(f"{method}, {step:,}", fontsize="small")
            numbers += [
                {"penalty": method, "step": step, "x": x, "y": y, "gradient_x": a, "gradient_y": b}
                for (x, y), (a, b) in zip(fake, gradient, strict=True)
            ]

    figure.suptitle(
        "Figure 2-2: gradient at the fakes (orange) over training; grey: the optimum; blue: reals"
    )
    return Drawing(figure, numbers)


def _without_memory(records: Sequence[Record]) -> list[Record]:
    """The records whose penalty has no S_max."""
    return [record for record in records if not setting(record, "penalty.memory")]


def gradient_direction(request: Request) -> Drawing:
    """Draw Figure 2-4: critic and gradient at the fakes, by loss."""
    losses = _by(_of_study(request, "gradient_direction"), "loss")

    # a panel for each loss
    figure = new_figure(4.0 * len(losses), 3.9)
    panels = figure.subplots(1, len(losses), squeeze=False, sharex=True, sharey=True)[0]
    numbers: list[dict[str, Any]] = []
    for axes, (loss, record) in zip(panels, losses.items(), strict=True):
        drawn = record["drawn"]
        fake, gradient = _array(drawn["fake"]), _array(drawn["gradient"])

        # the critic's levels, the points, and where the gradient leads
        axes.contour(
            drawn["grid"], drawn["grid"], _array(drawn["values"]), 20, colors="0.8", linewidths=0.7
        )
        _points(axes, fake, _array(drawn["real"]))
        _arrows(axes, fake, gradient, VERMILION, share=0.06)
        cosine = score_value(record, "cosine")
        axes.set_title(f"{loss}: cosine with the optimum {cosine:.3f}", fontsize="medium")
        numbers += [
            {"loss": loss, "x": x, "y": y, "gradient_x": a, "gradient_y": b}
            for (x, y), (a, b) in zip(fake, gradient, strict=True)
        ]
    figure.suptitle("Figure 2-4: the gradient at fakes (orange) points to reals (blue)")
    return Drawing(figure, numbers)


def _points(axes: Axes, fake: NDArray[np.float64], real: NDArray[np.float64]) -> None:
    axes.scatter(real[:, 0], real[:, 1], color=REAL, s=14, zorder=3)
    axes.scatter(fake[:, 0], fake[:, 1], color=FAKE, s=14, zorder=3)
    axes.set_aspect("equal")
    axes.margins(0.45)
    plain_axes(axes)


def _arrows(
    axes: Axes,
    at: NDArray[np.float64],
    gradient: NDArray[np.float64],
    colour: str,
    *,
    share: float,
) -> None:
    """All of one length, a share of the panel's width: the direction is what counts."""
    length = np.linalg.norm(gradient, axis=1, keepdims=True)
    units = gradient / np.where(length == 0, 1, length)
    axes.quiver(
        *(*at.T, *units.T),
        color=colour,
        width=share / 25,
        scale=1 / share,
        scale_units="width",
        zorder=4,
    )


def ten_images(request: Request, name: str, by: str, **fixed: str) -> Drawing:
    """Draw Figure 2-3 (by penalty) or 2-5 (by loss): from noise along the gradient.

    Args:
        request: with records of studies.
        name: of the figure.
        by: what the panels differ in.
        fixed: what they have in common.
    """
    cells = _by(_ten_images(request, continuous=False, **fixed), by)

    # a panel for each cell, a row of it for each fake
    figure = new_figure(4.4 * len(cells), 4.4)
    panels = figure.subplots(1, len(cells), squeeze=False)[0]
    numbers: list[dict[str, Any]] = []
    for axes, (value, record) in zip(panels, cells.items(), strict=True):
        _draw_walks(axes, record, f"{by} {value}")
        numbers += _walk_rows(record, by, value)
    figure.suptitle(f"Figure {name}: noise, gradient, four steps along it, nearest real")
    return Drawing(figure, numbers, of=[studied_data(_any(cells))])


def images_and_a_law(request: Request) -> Drawing:
    """Draw Figure 2-19: P_g is a Gaussian, by loss.

    Above noise and gradient beside each other, below the way along the gradient.
    """
    cells = _by(
        _ten_images(request, continuous=True, penalty="maxgp", study__noise="normal"), "loss"
    )

    # a column for each loss
    figure = new_figure(4.4 * len(cells), 5.9)
    panels = figure.subplots(2, len(cells), squeeze=False, height_ratios=[2, ROWS])
    numbers: list[dict[str, Any]] = []
    for (upper, lower), (loss, record) in zip(panels.T, cells.items(), strict=True):
        _draw_walks(lower, record, str(loss))
        numbers += _walk_rows(record, "loss", loss)

        # two rows of pairs
        drawn = record["drawn"]
        pairs = [image for row in drawn["rows"] for image in row[:2]]
        half = len(pairs) // 4 * 2
        _show(upper, [pairs[:half], pairs[half : 2 * half]], drawn["shape"])
        cosine = score_value(record, "cosine")
        upper.set_title(f"{loss}: cosine with the sample's optimum {cosine:.2f}")
    figure.suptitle(
        "Figure 2-19: P_g a Gaussian. Above: noise, gradient, noise, ...\n"
        "Below: noise, gradient, four steps along it, nearest real"
    )
    return Drawing(figure, numbers, of=[studied_data(_any(cells))])


def _ten_images(request: Request, *, continuous: bool, **fixed: str) -> list[Record]:
    """The records of ten_images in which P_g is a law, or is not. Raises NothingRecorded."""
    records = [
        record
        for record in _of_study(request, "ten_images", **fixed)
        if bool(setting(record, "study.continuous")) == continuous
    ]
    if not records:
        sweep = "ten_images_continuous" if continuous else "ten_images"
        raise NothingRecorded(
            f"no study ten_images is recorded with study.continuous={str(continuous).lower()}: run "
            f"python scripts/study.py sweep={sweep}, and collect its records"
        )
    return records


def _draw_walks(axes: Axes, record: Record, title: str) -> None:
    """Draw a row for each of some fakes: it, its gradient, the way along it, the nearest real."""
    drawn = record["drawn"]
    rows = [
        [*row, drawn["real"][nearest]]
        for row, nearest in zip(drawn["rows"], drawn["nearest"], strict=True)
    ]
    _show(axes, rows[:ROWS], drawn["shape"])
    left = score_value(record, "left_over")
    axes.set_title(f"{title}: {left:.0%} of the way left")


def _show(axes: Axes, rows: Sequence[Sequence[str]], shape: Sequence[int]) -> None:
    # the pictures of a panel are one sheet; noise makes large files
    axes.imshow(_sheet(rows, shape), "gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_axis_off()


def _walk_rows(record: Record, by: str, value: Any) -> list[dict[str, Any]]:
    """A row of the CSV for each fake that is shown."""
    drawn = record["drawn"]
    pairs = zip(drawn["nearest"], drawn["partners"], strict=True)
    return [
        {by: value, "fake": i, "nearest": nearest, "own": own}
        for i, (nearest, own) in enumerate(pairs)
    ]


def _any(cells: dict[Any, Record]) -> Record:
    return next(iter(cells.values()))


def _sheet(rows: Sequence[Sequence[str]], shape: Sequence[int]) -> NDArray[np.uint8]:
    """Images as hex digits, channels first, beside and below each other, with white between."""
    channels, height, width = shape
    sheet = np.full(
        (len(rows) * (height + 1), len(rows[0]) * (width + 1), channels), 255, dtype=np.uint8
    )
    for i, row in enumerate(rows):
        for j, text in enumerate(row):
            image = np.frombuffer(bytes.fromhex(text), np.uint8).reshape(channels, height, width)
            top, left = i * (height + 1), j * (width + 1)
            sheet[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return sheet[:, :, 0] if channels == 1 else sheet


# Chapter 3 ----------------------------------------------------------------------------------------


def counterexample(request: Request) -> Drawing:
    """Draw Figure 3-1: θ over the steps, by optimizer."""
    record = _example("figure 3-1", _of_study(request, "counterexample"))
    drawn = record["drawn"]

    # the optimizers of 3-1a, and Adam with larger rates beside
    figure = new_figure(11, 4.2)
    panels = figure.subplots(1, 2)
    numbers: list[dict[str, Any]] = []
    for axes, letter in zip(panels, "ab", strict=True):
        for colour, optimizer in zip(itertools.cycle(PALETTE), drawn[letter], strict=False):
            curve = drawn["curves"][optimizer]
            millions = np.array(curve["steps"]) / 1e6
            axes.plot(millions, _array(curve["theta"]), color=colour, label=optimizer)
            numbers += [
                {"panel": letter, "optimizer": optimizer, "step": step, "theta": theta}
                for step, theta in zip(curve["steps"], curve["theta"], strict=True)
            ]

        # θ should go down without end
        axes.axhline(0, color=BLACK, linewidth=0.6)
        axes.set(xlabel="million steps", ylabel="θ (down is right)", title=f"{letter})")
        axes.legend()
        plain_axes(axes)

    C, delta = (setting(record, f"study.{name}") for name in ("C", "delta"))
    figure.suptitle(f"Figure 3-1: C = {C:g}, δ = {delta:g}, seed {record['seed']}")
    return Drawing(figure, numbers)


def critical_betas(request: Request) -> Drawing:
    """Draw Figure 3-8: θ and the critical C over β1 and β2."""
    record = _example("figure 3-8", _of_study(request, "critical_betas"))
    drawn = record["drawn"]
    betas = drawn["betas"]

    C, steps = (setting(record, f"study.{name}") for name in ("C", "max_steps"))
    titles = {
        "sequential_theta": f"a) sequential, d = C = {C}: θ after {steps:,} steps",
        "critical_period": "b) sequential: smallest d = C that Adam answers wrongly",
        "stochastic_theta": f"c) stochastic, C = {C}: mean θ after {steps:,} steps",
        "critical_C": "d) stochastic: C above which Adam is wrong (white: none)",
    }

    # θ in two colours around 0; what may be any size by its logarithm
    figure = new_figure(11, 8.4)
    numbers: list[dict[str, Any]] = []
    for axes, (field, title) in zip(figure.subplots(2, 2).flat, titles.items(), strict=True):
        values = _array(drawn[field])
        is_theta = field.endswith("theta")
        most = np.abs(values).max()
        shown = values if is_theta else np.log10(values)
        limits = {"vmin": -most, "vmax": most, "cmap": "RdBu_r"} if is_theta else {}

        image = axes.pcolormesh(betas, betas, shown, **limits)
        figure.colorbar(image, ax=axes, label="θ" if is_theta else "log10")
        axes.set(xlabel="β2", ylabel="β1", title=title)

        # a row of the CSV for each cell of the grid
        numbers += [
            {"panel": field, "beta1": first, "beta2": second, "value": float(values[i, j])}
            for i, first in enumerate(betas)
            for j, second in enumerate(betas)
        ]

    figure.suptitle("Figure 3-8: Adam over β1 and β2; θ below 0 (blue) is right")
    return Drawing(figure, numbers)


_COLOURS = {
    "sgd": SKY,
    "adam": VERMILION,
    "amsgrad": BLUE,
    "adashift_none": GREEN,
    "adashift": PURPLE,
    "nadam": ORANGE,
    "adam_spatial": BLACK,
}


def classification(
    request: Request,
    name: str,
    networks: Sequence[str],
    sweeps: Sequence[str],
    dataset: str | None = None,
    by: Sequence[str] = ("optimizer",),
) -> Drawing:
    """Draw Figures 3-2 to 3-6 and 3-9 to 3-20: training loss and test accuracy.

    Args:
        request: with records of studies.
        name: of the figure.
        networks: a row of panels each, where one is recorded.
        sweeps: of conf/sweep, or how their names begin. Of a figure's own ("figure_...") one must
            be recorded: a table's runs stand beside them.
        dataset: the part of its name that the data set's has to have; None: any.
        by: in what the lines differ.
    """
    records = [
        record
        for record in _of_study(request, "classification")
        if setting(record, "study.network") in networks
        and (dataset is None or dataset in studied_data(record))
        and _is_of(record, sweeps)
    ]

    own = [sweep for sweep in sweeps if sweep.startswith("figure_")] or sweeps
    if not any(_is_of(record, own) for record in records):
        raise NothingRecorded(
            f"no study classification is recorded with study.network={', '.join(networks)}"
            f"{f' on {dataset}' if dataset else ''}: run the sweeps of conf/sweep whose names "
            f"begin with {' or '.join(sweeps)}"
        )

    # a row for each network on each data set
    rows = sorted({_workload(record) for record in records})
    figure = new_figure(11, 4.0 * len(rows))
    panels = figure.subplots(len(rows), 2, squeeze=False)
    numbers: list[dict[str, Any]] = []
    for row, workload in zip(panels, rows, strict=True):
        of_row = [record for record in records if _workload(record) == workload]

        # training loss on the left, test accuracy on the right
        for label, seeds in _lines(of_row, by).items():
            curves = (
                ("training loss", _series(seeds, "steps", "train_loss")),
                ("test accuracy", _series(seeds, "epoch_steps", "test_accuracy")),
            )
            for axes, (curve, series) in zip(row, curves, strict=True):
                numbers += _line(axes, label, curve, series, workload)

        # losses of optimizers differ by powers of ten
        log_scale(row[0])
        row[0].legend(fontsize="small")
        for axes in row:
            axes.set_title(", ".join(workload))

    figure.suptitle(f"Figure {name}: {', '.join(by)}; {_bands(numbers)}")
    return Drawing(figure, numbers, of=sorted({workload[1] for workload in rows}))


def _is_of(record: Record, sweeps: Sequence[str]) -> bool:
    """Whether a record belongs to a sweep whose name begins with one of these."""
    return str(record["choices"].get("sweep") or "").startswith(tuple(sweeps))


def translation(
    request: Request, name: str, sweeps: Sequence[str], by: Sequence[str] = ("optimizer",)
) -> Drawing:
    """Draw Figures 3-7b and 3-17: training loss and accuracy of a translator.

    Args:
        request: with records of studies.
        name: of the figure.
        sweeps: see `classification`.
        by: in what the lines differ.
    """
    records = [record for record in _of_study(request, "translation") if _is_of(record, sweeps)]
    if not records:
        raise NothingRecorded(
            f"no study translation is recorded of {', '.join(sweeps)}: conf/sweep has it"
        )

    # training loss on the left, words and sentences that are right beside it
    figure = new_figure(14, 4.0)
    panels = figure.subplots(1, 3)
    numbers: list[dict[str, Any]] = []
    for label, seeds in _lines(records, by).items():
        curves = (
            ("training loss", _series(seeds, "steps", "train_loss")),
            ("words that are right", _series(seeds, "test_steps", "word_accuracy")),
            ("sentences that are right", _series(seeds, "test_steps", "sentence_accuracy")),
        )
        for axes, (curve, series) in zip(panels, curves, strict=True):
            numbers += _line(axes, label, curve, series, ("translation",))

    # a loss falls over decades; shares of what is right do not
    log_scale(panels[0])
    panels[0].legend(fontsize="small")
    figure.suptitle(f"Figure {name}, on a made-up language: {', '.join(by)}; {_bands(numbers)}")
    return Drawing(figure, numbers)


def critic_only(request: Request) -> Drawing:
    """Draw Figure 3-7a: the loss of a critic whose generator is frozen, by optimizer."""
    records = _of_study(request, "critic_only")
    datasets = sorted({studied_data(record) for record in records})

    # a panel for each data set, a line for each optimizer
    figure = new_figure(5.5 * len(datasets), 4.0)
    panels = figure.subplots(1, len(datasets), squeeze=False)[0]
    numbers: list[dict[str, Any]] = []
    for axes, dataset in zip(panels, datasets, strict=True):
        of_set = [record for record in records if studied_data(record) == dataset]
        for optimizer, seeds in _lines(of_set, ["optimizer"]).items():
            whole = zip(
                _series(seeds, "steps", "critic_loss"),
                _series(seeds, "steps", "penalty"),
                strict=True,
            )

            # J_D with the penalty: what the optimizer lowers
            series = [
                [(step, loss + added) for (step, loss), (_, added) in zip(*both, strict=True)]
                for both in whole
            ]
            numbers += _line(axes, optimizer, "J_D", series, (dataset,))

        axes.set_title(dataset)
        axes.legend(fontsize="small")
    figure.suptitle(f"Figure 3-7a: a critic alone, loss with penalty\n{_bands(numbers)}")
    return Drawing(figure, numbers, of=datasets)


def _workload(record: Record) -> tuple[str, str]:
    """Network and data set."""
    return str(setting(record, "study.network")), studied_data(record)


def _series(seeds: Sequence[Record], steps: str, values: str) -> list[list[tuple[int, float]]]:
    """A curve that studies drew, for each seed."""
    return [
        list(zip(record["drawn"][steps], record["drawn"][values], strict=True)) for record in seeds
    ]


def _line(
    axes: Axes,
    label: str,
    curve: str,
    series: Sequence[Series],
    of: Sequence[str],
) -> list[dict[str, Any]]:
    """Draw the mean over seeds, and its band; the numbers that were drawn.

    The band of a training loss, whose axis is logarithmic, is from the least to the greatest seed:
    an interval around its mean reaches below 0.
    """
    shown = mean_over_seeds(series)
    if shown is None:
        return []

    if curve == "training loss" and shown.n > 1:
        _, values = common_steps(series)
        shown = replace(shown, low=values.min(0), high=values.max(0), band="least to greatest")

    # the mean, and the band in its colour
    colour = _COLOURS.get(label)
    (line,) = axes.plot(shown.steps, shown.mean, color=colour, label=OPTIMIZERS.get(label, label))
    axes.fill_between(
        shown.steps, shown.low, shown.high, color=line.get_color(), alpha=0.2, linewidth=0
    )
    axes.set(xlabel="step", ylabel=curve)
    plain_axes(axes)

    # a row of numbers for each step
    columns = zip(shown.steps, shown.mean, shown.low, shown.high, strict=True)
    of_line = {"of": " ".join(of), "optimizer": label, "curve": curve}
    return [
        {
            **of_line,
            "step": int(step),
            "mean": float(mean),
            "low": float(low),
            "high": float(high),
            "n": shown.n,
            "band": shown.band,
        }
        for step, mean, low, high in columns
    ]


def _bands(numbers: Sequence[dict[str, Any]]) -> str:
    """What lines and bands are, for a title."""
    counts = sorted({row["n"] for row in numbers})
    if counts == [1]:
        return "one seed"
    seeds = " or ".join(map(str, counts))
    bands = ", of losses ".join(sorted({row["band"] for row in numbers if row["band"]}))
    return f"mean over {seeds} seeds, band: {bands}"


# Computed -----------------------------------------------------------------------------------------

_DIVERGENCES = {  # as they are called in a legend
    "total_variation": "TV",
    "jensen_shannon": "JS",
    "wasserstein": "W1",
    "kl_real_fake": "KL",
}


def divergences(request: Request) -> Drawing:
    """Draw what divergences say of two parallel lines and of two normal laws, by their distance."""
    record = _example("figure divergences", _of_study(request, "divergences"))
    drawn = record["drawn"]

    # two lines on the left, where KL is infinite but at 0; two normal laws on the right
    figure = new_figure(10.5, 6.6)
    panels = figure.subplots(2, 2)
    numbers: list[dict[str, Any]] = []
    for axes, (laws, title) in zip(
        panels[0],
        {"lines": "parallel lines", "normals": "N(0, 0.3²) and N(shift, 0.3²)"}.items(),
        strict=True,
    ):
        curves = drawn[laws]
        for colour, (name, text) in zip(PALETTE[1:], _DIVERGENCES.items(), strict=False):
            # KL is None where it is infinite, and nan leaves a gap in a line
            values = _array(curves[name])
            jumps = laws == "lines" and name != "wasserstein"
            axes.plot(
                curves["shift"],
                values,
                color=colour,
                label=text,
                marker="." if jumps else None,
                linestyle="" if jumps else "-",
            )
            numbers += [
                {"laws": laws, "divergence": name, "shift": at, "value": value}
                for at, value in zip(curves["shift"], curves[name], strict=True)
            ]

        axes.set(title=title, xlabel="shift", ylim=(-0.1, 2.6))
        plain_axes(axes)
    panels[0][0].legend(title="KL: infinite but at 0", loc="upper center", ncols=2)

    # two normal laws far apart and overlapping, each with its divergences
    for axes, (name, density) in zip(panels[1], drawn["densities"].items(), strict=True):
        for law, colour, text in (("real", REAL, "P_r"), ("fake", FAKE, "P_g")):
            axes.fill_between(density["x"], 0, density[law], color=colour, alpha=0.4, label=text)
        said = {
            text: score_value(record, f"{text.lower()}_{name}") for text in _DIVERGENCES.values()
        }
        axes.set_title(", ".join(f"{text} {value:.3f}" for text, value in said.items()))
        axes.set(xlabel="x")
        plain_axes(axes)
    panels[1][0].legend()
    figure.suptitle("Only W1 tells how far apart two laws are that do not meet")
    return Drawing(figure, numbers)


def games(request: Request) -> Drawing:
    """Draw the way of each game under each update, around its stationary point."""
    records = _of_study(request, "games")
    by_game = {
        game: _by([one for one in records if setting(one, "study.game") == game], "study.method")
        for game in _values(records, "study.game")
    }
    methods = _values(records, "study.method")

    # a row for each game, a column for each update
    figure = new_figure(2.5 * len(methods), 2.6 * len(by_game))
    panels = figure.subplots(len(by_game), len(methods), squeeze=False)
    numbers: list[dict[str, Any]] = []
    for row, (game, by_method) in zip(panels, by_game.items(), strict=True):
        for axes, method in zip(row, methods, strict=True):
            if method not in by_method:
                axes.set_axis_off()
                continue
            numbers += _way(axes, game, method, by_method[method])

    # the axes have one meaning in all panels
    figure.supxlabel("u, the generator's")
    figure.supylabel("v, the critic's")
    figure.suptitle(
        "Games from near a stationary point (cross; start: circle): growth a step, observed "
        "(largest eigenvalue)"
    )
    return Drawing(figure, numbers)


def _way(axes: Axes, game: str, method: str, record: Record) -> list[dict[str, Any]]:
    """Draw one way; its points."""
    way, stationary = (_array(record["drawn"][name]) for name in ("way", "stationary"))
    axes.plot(*way.T, color=VERMILION, linewidth=0.8)
    axes.plot(*way[0], "o", color=VERMILION, markersize=4)
    axes.plot(*stationary, "x", color=BLACK)
    axes.tick_params(labelsize="x-small")
    axes.locator_params(nbins=4)
    plain_axes(axes)

    growth, radius = (score_value(record, name) for name in ("growth", "spectral_radius"))
    axes.set_title(f"{game}, {method}\n{growth:.4f} ({radius:.4f})", fontsize="small")
    return [{"game": game, "method": method, "u": u, "v": v} for u, v in way]


def lipschitz_estimates(request: Request) -> Drawing:
    """Draw critics that are trained by different methods, and both bounds of their constants."""
    records = _of_study(request, "lipschitz_estimates")
    methods = _values(records, "penalty")

    # the critics of the first seed on the left
    figure = new_figure(10.5, 4.2)
    left, right = figure.subplots(1, 2)
    numbers: list[dict[str, Any]] = []
    for place, (colour, method) in enumerate(zip(itertools.cycle(PALETTE), methods, strict=False)):
        of_method = [one for one in records if setting(one, "penalty") == method]
        _check_seeds_alone(f"penalty {method}", of_method)
        drawn = of_method[0]["drawn"]
        value = _array(drawn["value"])
        left.plot(drawn["x"], value - value[len(value) // 2], color=colour, label=method)

        # the bounds of every seed on the right, each a line from the lower to the upper one
        for i, record in enumerate(of_method):
            scores = {name: _defined(entry["value"]) for name, entry in record["scores"].items()}
            at = place + 0.12 * (i - (len(of_method) - 1) / 2)
            right.plot([at, at], [scores["lower"], scores["upper"]], color=colour, marker="_")
            numbers.append({"penalty": method, "seed": record["seed"], **scores})
        _mark(
            right, place, numbers[-1]["seed_004"], "D", "printed in an introduction", filled=False
        )
        _mark(right, place, numbers[-1]["optimal_slope"], "x", "optimum, mean slope", filled=True)

    # each text once
    left.set(xlabel="x", ylabel="f(x) - f(0)", title=f"seed {records[0]['seed']}")
    left.legend(fontsize="small")
    right.set_yscale("log")
    right.yaxis.set_major_formatter("{x:g}")
    right.set_xticks(range(len(methods)), methods)
    right.set(title="k(f): lower to upper bound, a line a seed")
    handles, labels = right.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    right.legend(once.values(), once.keys(), fontsize="small")
    for axes in (left, right):
        plain_axes(axes)
    return Drawing(figure, numbers)


def _defined(value: float | str | None) -> float | None:
    """A score, None where the record has none: it holds NaN as text."""
    number = float("nan") if value is None else float(value)
    return None if np.isnan(number) else number


def _mark(
    axes: Axes, at: float, value: float | None, marker: str, label: str, *, filled: bool
) -> None:
    """Draw a number that a method may lack."""
    if value is None:
        return
    face = BLACK if filled else "none"
    axes.plot(
        at, value, marker, color=BLACK, markerfacecolor=face, label=label, markersize=7, zorder=4
    )


_TABLES: tuple[tuple[str, Sequence[str], str | None, str], ...] = (
    ("3-2", ["logistic"], None, "table_3_5"),
    ("3-3", ["mlp", "mlp_linear"], None, "table_3_6"),
    ("3-4", ["resnet18"], None, "table_3_9"),
    ("3-5", ["densenet"], None, "table_3_9"),
    ("3-6", ["densenet"], "tiny", "table_3_9"),
)
"""Figures of the runs of a table: name, networks, data set, how the table's sweeps begin."""
_PARTS = ["table_3_9", "figure_3_9"]
_MORE = ["table_3_9", "figure_3_9_spatial", "figure_3_18"]
_OPTIMIZER = ["optimizer"]
_VARIANTS: tuple[tuple[str, str, str | None, Sequence[str], Sequence[str]], ...] = (
    ("3-9", "resnet18", None, _PARTS, _OPTIMIZER),
    ("3-10", "densenet", None, _PARTS, _OPTIMIZER),
    ("3-11", "resnet18", None, ["figure_3_11"], ["optimizer.lr"]),
    ("3-12", "densenet", None, ["figure_3_11"], ["optimizer.lr"]),
    ("3-13", "resnet18", None, ["figure_3_13"], ["optimizer.betas"]),
    ("3-14", "densenet", None, ["figure_3_13"], ["optimizer.betas"]),
    ("3-15", "densenet", None, ["figure_3_15"], ["optimizer.n"]),
    ("3-16", "densenet", None, ["figure_3_16"], ["optimizer.m"]),
    ("3-18", "resnet18", None, _MORE, _OPTIMIZER),
    ("3-19", "densenet", None, _MORE, _OPTIMIZER),
    ("3-20", "densenet", "tiny", _MORE, _OPTIMIZER),
)
"""Figures of Table 3-9's networks in other settings: name, network, data set, sweeps, lines."""
_SETTING_OF = {"2-1": 3, "2-8": 1, "2-9": 2, "2-10": 3, "2-11": 4, "2-12": 5}
FIGURES: dict[str, Callable[[Request], Drawing]] = {
    **{
        name: functools.partial(uninformative_gradient, name=name, number=number)
        for name, number in _SETTING_OF.items()
    },
    "2-2": lipschitz_methods,
    "2-3": functools.partial(ten_images, name="2-3", by="penalty", loss="exp"),
    "2-4": gradient_direction,
    "2-5": functools.partial(ten_images, name="2-5", by="loss", penalty="maxgp"),
    "2-19": images_and_a_law,
    "3-1": counterexample,
    **{
        name: functools.partial(
            classification, name=name, networks=networks, dataset=dataset, sweeps=[table]
        )
        for name, networks, dataset, table in _TABLES
    },
    "3-7": critic_only,
    "3-7b": functools.partial(translation, name="3-7b", sweeps=["table_3_8"]),
    "3-8": critical_betas,
    **{
        name: functools.partial(
            classification, name=name, networks=[network], dataset=dataset, sweeps=sweeps, by=by
        )
        for name, network, dataset, sweeps, by in _VARIANTS
    },
    "3-17": functools.partial(
        translation, name="3-17", sweeps=["figure_3_17"], by=["optimizer.n", "optimizer.m"]
    ),
    "divergences": divergences,
    "games": games,
    "lipschitz_estimates": lipschitz_estimates,
}
"""By name, of the thesis or of a study. The thesis does not say the setting of 2-1: that of 2-10 is
drawn."""
