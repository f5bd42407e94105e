"""Figure 2-6: the critic's mean outputs over the training of a GAN."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gan_lab.reporting.collection import Record, setting
from gan_lab.reporting.comparable import check_same_config, check_same_field, check_seeds
from gan_lab.reporting.figures.drawing import (
    PALETTE,
    Drawing,
    filled,
    new_figure,
    plain_axes,
    step_axis,
)
from gan_lab.reporting.figures.request import NothingRecorded, Request
from gan_lab.reporting.tables.statistics import estimate
from gan_lab.reporting.tables.text import interval, weight_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = ("output_real", "output_fake")  # of diagnostics=critic_outputs
DRIFT = ("offset", "slope", "spread", "gap")  # the numbers of a Drift
FREE_OFFSET = "wasserstein"  # the member of (2-11) whose optimum is free up to a constant


@dataclass(frozen=True)
class Drift:
    """What the critic's outputs did in the last half of a run.

    With o = (E f(x) + E f(g(z))) / 2, which moves by c where f becomes f + c, and which the
    objective of a WGAN does not see:

    Args:
        offset: the mean of o.
        slope: of the straight line through o, a thousand generator steps, its sign left out.
        spread: the standard deviation of o.
        gap: the mean of E f(x) - E f(g(z)), the critic's own scale.

    Examples:
        o goes from 1 to 2 in 100 steps, and the two outputs are 4 apart.

        >>> from gan_lab.reporting.figures.critic_outputs import Drift
        >>> steps = [0, 100, 200, 300]
        >>> real, fake = [9.0, 9.0, 3.0, 4.0], [0.0, 0.0, -1.0, 0.0]
        >>> Drift.of(steps, real, fake)
        Drift(offset=1.5, slope=10.0, spread=0.5, gap=4.0)
    """

    offset: float
    slope: float
    spread: float
    gap: float

    @classmethod
    def of(cls, steps: Sequence[int], real: Sequence[float], fake: Sequence[float]) -> Drift:
        """Measure it.

        Args:
            steps: at which the outputs were looked at, at least four.
            real: E f(x) at these.
            fake: E f(g(z)).
        """
        half = len(steps) // 2
        at = np.array(steps[half:], dtype=np.float64)
        high, low = (np.array(part[half:], dtype=np.float64) for part in (real, fake))
        offset = (high + low) / 2
        slope = float(np.polyfit(at, offset, 1)[0])
        return cls(
            offset=float(offset.mean()),
            slope=round(abs(slope) * 1000, 12),
            spread=float(offset.std()),
            gap=float((high - low).mean()),
        )


@dataclass(frozen=True)
class Outputs:
    """The curves of a run."""

    record: Record
    steps: list[int]
    real: list[float]
    fake: list[float]

    @classmethod
    def of(cls, record: Record) -> Outputs:
        """What a record holds; a number that is not finite is a text there."""
        real, fake = (record["diagnostics"][name] for name in NAMES)
        return cls(
            record,
            [int(step) for step, _ in real],
            [float(value) for _, value in real],
            [float(value) for _, value in fake],
        )


def critic_stability(request: Request) -> Drawing:
    """Draw Figure 2-6: a panel for each loss, a colour for each seed.

    Raises:
        NothingRecorded: no run has the diagnostic.
        UserError: the runs differ in more than loss and seed.
    """
    runs = [record for record in request.found if has_outputs(record)]
    if not runs:
        raise NothingRecorded(
            "figure 2-6: no run with diagnostics=critic_outputs is recorded: run python train.py "
            "experiment=critic_stability, and collect its records"
        )
    check_same_config(runs, ("config.loss", "config.seed"))
    check_same_field(runs, "dataset.content_hash")

    # the loss with the free offset first, the others beside it on one scale
    losses = sorted(
        {str(setting(run, "loss")) for run in runs}, key=lambda x: (x != FREE_OFFSET, x)
    )

    figure = new_figure(5.4 * len(losses), 4.4)
    panels = figure.subplots(1, len(losses), squeeze=False, sharex=True, sharey=True)[0]
    numbers: list[dict[str, Any]] = []
    for axes, loss in zip(panels, losses, strict=True):
        mine = [run for run in runs if setting(run, "loss") == loss]
        check_seeds(f"figure 2-6, {loss}", mine)
        mine.sort(key=lambda record: int(record["seed"]))
        numbers += _draw_loss(axes, loss, [Outputs.of(record) for record in mine])

    # each text once
    panels[0].set_ylabel("critic's mean output")
    panels[0].legend(fontsize=8)

    # what all runs have alike stands in the title
    first = runs[0]
    weight, steps = (
        setting(first, f"config.{n}") for n in ("penalty.weight", "max_generator_steps")
    )
    method = f"{setting(first, 'penalty')}, λ = {weight_text(weight)}"
    about = f"{first['dataset']['name']}, {method}, {steps:,} steps"
    figure.suptitle(f"Figure 2-6: E f on real (solid) and generated samples (dashed); {about}")
    return Drawing(figure, numbers, [str(first["dataset"]["name"])])


def has_outputs(record: Record) -> bool:
    """Whether a run has enough of both curves."""
    curves = record.get("diagnostics") or {}
    return all(len(curves.get(name, ())) >= 4 for name in NAMES)


def _draw_loss(axes: Axes, loss: str, runs: Sequence[Outputs]) -> list[dict[str, Any]]:
    """Draw the runs of a loss, with their drift above; the rows of the CSV."""
    numbers: list[dict[str, Any]] = []
    finished: list[Drift] = []
    for colour, run in zip(itertools.cycle(PALETTE), runs, strict=False):
        seed = run.record["seed"]
        axes.plot(run.steps, run.real, color=colour, label=f"seed {seed}", linewidth=1.2)
        axes.plot(run.steps, run.fake, color=colour, linestyle="--", linewidth=1)

        # every point, then the summary of the run
        of_run = {"loss": loss, "seed": seed, "run_id": run.record["run_id"]}
        for name, values in zip(NAMES, (run.real, run.fake), strict=True):
            points = zip(run.steps, values, strict=True)
            numbers += [of_run | {"curve": name, "step": step, "value": v} for step, v in points]
        if run.record["status"] != "finished":
            continue

        # how far a finished run drifted
        drift = Drift.of(run.steps, run.real, run.fake)
        finished.append(drift)
        last = run.steps[-1]
        numbers += [
            of_run | {"curve": name, "step": last, "value": getattr(drift, name)} for name in DRIFT
        ]

    # the numbers beside the picture
    kind = "WGAN" if loss == FREE_OFFSET else "LGAN"
    axes.set_title(filled(_heading(f"{kind}, {loss}", runs, finished), 75), fontsize=9)
    axes.axhline(0, color="0.6", linewidth=0.6, zorder=0)
    step_axis(axes)
    plain_axes(axes)
    return numbers


def _heading(what: str, runs: Sequence[Outputs], finished: Sequence[Drift]) -> list[str]:
    """The loss, how many of its runs diverged, and the mean drift of the others."""
    lost = sum(run.record["status"] != "finished" for run in runs)
    lines = [f"{what}: {lost} of {len(runs)} runs did not finish" if lost else what]
    if finished:
        offset, slope, spread, gap = (
            interval(estimate([getattr(drift, name) for drift in finished])) for name in DRIFT
        )
        lines.append(f"of the last half: offset {offset}, its spread {spread}")
        lines.append(f"slope {slope} in 1,000 steps, real above generated by {gap}")
    return lines


FIGURES: dict[str, Callable[[Request], Drawing]] = {"2-6": critic_stability}
