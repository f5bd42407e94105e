"""Learning-rate factors: `schedule(step, max_generator_steps)` multiplies the optimizer's lr in
generator step `step` = 0, 1, ..., max_generator_steps - 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from gan_lab import checks


@dataclass(frozen=True)
class Constant:
    """1 in every step."""

    def __call__(self, step: int, max_generator_steps: int) -> float:
        return 1.0


@dataclass(frozen=True)
class Linear:
    """1 - step / max_generator_steps: 1 in the first step, 0 after the last (thesis 2.C)."""

    def __call__(self, step: int, max_generator_steps: int) -> float:
        return max(0.0, 1.0 - step / max_generator_steps)


@dataclass(frozen=True)
class Staircase:
    """factor^floor(step / every), with `every` in generator steps: chapter 4 halves every 100,000
    [code].

    Errors: UserError unless 0 < factor <= 1 and every >= 1.
    """

    factor: float = 0.5
    every: int = 100_000

    def __post_init__(self) -> None:
        checks.number("factor", self.factor, above=0, at_most=1)
        checks.whole("every", self.every, at_least=1)

    def __call__(self, step: int, max_generator_steps: int) -> float:
        return self.factor ** (step // self.every)
