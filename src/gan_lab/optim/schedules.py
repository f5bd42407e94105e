"""Learning-rate factors: `schedule(step, max_generator_steps)` multiplies the optimizer's lr in generator step
`step` = 0, 1, ..., max_generator_steps - 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from gan_lab.errors import UserError


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
    """factor^floor(step / every), with `every` in generator steps: chapter 4 halves every 100,000 [code].

    Errors: UserError unless 0 < factor <= 1 and every >= 1.
    """

    factor: float = 0.5
    every: int = 100_000

    def __post_init__(self) -> None:
        if not 0 < self.factor <= 1:
            raise UserError(f"schedule.factor={self.factor}: use a number in (0, 1]")
        if not isinstance(self.every, int) or self.every < 1:
            raise UserError(f"schedule.every={self.every}: use a whole number of generator steps, at least 1")

    def __call__(self, step: int, max_generator_steps: int) -> float:
        return self.factor ** (step // self.every)
