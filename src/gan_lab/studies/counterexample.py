"""Figures 3-1 and 3-8: optimizers on losses that Adam answers in the wrong direction."""

from __future__ import annotations

import re

import numpy as np

from gan_lab import checks
from gan_lab.studies.contract import Result, Study
from gan_lab.theory import (
    StochasticProblem,
    counterexample_curves,
    critical_grid,
    figure_3_1_optimizers,
)

POINTS = 200  # of each curve of the figure


class Counterexample(Study):
    """θ of several optimizers on one sequence of the stochastic problem, whose best θ is as low as
    it can be.

    Args:
        C: the large gradient.
        delta: δ, the mean of the gradients.
        max_steps: after the warm-up.
        warm_up: steps in which only the moments move (author's program: 10,000).

    Source:
        Thesis (3-7) and Figure 3-1.
    """

    def __init__(self, *, C: float, delta: float, max_steps: int, warm_up: int) -> None:
        self.problem = StochasticProblem(C, delta)
        self.max_steps = checks.whole("max_steps", max_steps, at_least=POINTS)
        self.warm_up = checks.whole("warm_up", warm_up)

    def begin(self, seed: int) -> None:
        """Keep the seed of the gradients."""
        self.seed = seed

    def result(self) -> Result:
        """θ after the last step, and the curves of 3-1a and 3-1b."""
        # both panels on one sequence of gradients
        first, second = figure_3_1_optimizers("a"), figure_3_1_optimizers("b")
        curves = counterexample_curves(
            {**first, **second},
            problem=self.problem,
            steps=self.max_steps,
            seed=self.seed,
            warm_up=self.warm_up,
            points=POINTS,
        )

        # the end of every curve is a score; the figure needs the way there
        return Result(
            scores={_score(name): float(curve.theta[-1]) for name, curve in curves.items()},
            drawn={
                "a": list(first),
                "b": list(second),
                "curves": {
                    name: {"steps": curve.steps, "theta": curve.theta}
                    for name, curve in curves.items()
                },
            },
        )


def _score(optimizer: str) -> str:
    """The optimizer's name in letters, digits and underscores: theta_adam_beta1_0_9."""
    words = re.findall(r"[a-z0-9]+", optimizer.lower().replace("β", "beta"))
    return "_".join(["theta", *words])


class CriticalBetas(Study):
    """Where over β1 and β2 Adam goes in the right direction, and how large C may be.

    Args:
        C: the large gradient, and the period of the sequential problem.
        delta: δ of the stochastic problem.
        max_steps: of the simulations.
        copies: sequences of gradients that the stochastic one is a mean of.
        points: values of β1, and of β2, from 0 to `largest`.
        largest: below 1.

    Source:
        Thesis 3.C and Figure 3-8.
    """

    def __init__(
        self,
        *,
        C: int,
        delta: float,
        max_steps: int,
        copies: int,
        points: int,
        largest: float,
    ) -> None:
        self.C, self.delta = C, delta
        self.max_steps = checks.whole("max_steps", max_steps, at_least=1)
        self.copies = checks.whole("copies", copies, at_least=2)
        checks.whole("points", points, at_least=2)
        self.betas = np.linspace(0.0, checks.number("largest", largest, above=0, below=1), points)

    def begin(self, seed: int) -> None:
        """Keep the seed of the gradients."""
        self.seed = seed

    def result(self) -> Result:
        """The shares of the grid on which θ goes down, as it should, and the four panels."""
        grid = critical_grid(
            self.betas,
            self.betas,
            C=self.C,
            delta=self.delta,
            steps=self.max_steps,
            copies=self.copies,
            seed=self.seed,
        )

        # θ should fall: a share of 1 is an optimizer that is right everywhere
        return Result(
            scores={
                "sequential_right": float((grid.sequential_theta < 0).mean()),
                "stochastic_right": float((grid.stochastic_theta < 0).mean()),
            },
            drawn={
                "betas": self.betas,
                "sequential_theta": grid.sequential_theta,
                "critical_period": grid.critical_period,
                "stochastic_theta": grid.stochastic_theta,
                "critical_C": grid.critical_C,
            },
        )
