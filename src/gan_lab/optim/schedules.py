"""Learning-rate factors.

`schedule(step, max_generator_steps)` multiplies the optimizer's lr in generator step `step` = 0, 1,
..., max_generator_steps - 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from gan_lab import checks


@dataclass(frozen=True)
class Constant:
    """1 in every step.

    Examples:
        >>> from gan_lab.optim.schedules import Constant
        >>> Constant()(step=999, max_generator_steps=1000)
        1.0
    """

    def __call__(self, step: int, max_generator_steps: int) -> float:
        return 1.0


@dataclass(frozen=True)
class Linear:
    """1 - step / max_generator_steps: 1 in the first step, 0 after the last (thesis 2.C).

    Examples:
        >>> from gan_lab.optim.schedules import Linear
        >>> Linear()(step=250, max_generator_steps=1000)
        0.75
    """

    def __call__(self, step: int, max_generator_steps: int) -> float:
        return max(0.0, 1.0 - step / max_generator_steps)


@dataclass(frozen=True)
class Staircase:
    """factor^floor(step / every): chapter 4 halves every 100,000 generator steps [code].

    Args:
        factor: in (0, 1].
        every: in generator steps, >= 1.

    Raises:
        UserError: for numbers outside these ranges.

    Examples:
        >>> from gan_lab.optim.schedules import Staircase
        >>> Staircase(factor=0.5, every=100_000)(step=250_000, max_generator_steps=1_000_000)
        0.25
    """

    factor: float = 0.5
    every: int = 100_000

    def __post_init__(self) -> None:
        checks.number("factor", self.factor, above=0, at_most=1)
        checks.whole("every", self.every, at_least=1)

    def __call__(self, step: int, max_generator_steps: int) -> float:
        return self.factor ** (step // self.every)
