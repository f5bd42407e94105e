"""Two penalties at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lab.checks import renamed_argument
from gan_lab.errors import UserError
from gan_lab.penalties.base import Penalty, Score
from gan_lab.penalties.regions import Noise


class PenaltySum(Penalty):
    """The sum of two penalties: their terms add up, and both may constrain the critic's parameters.

    What is random is drawn for the first, then for the second. Both see the same critic; each pays
    for its own passes. A sum may be a part of a sum.

    Args:
        first: a penalty with its own weight.
        second: likewise. It wraps what the first made of the critic.

    Raises:
        UserError: for a part that is no penalty.

    Examples:
        A linear critic whose gradient has length 5: 0.1 · 5² + 10 · (5 - 1)².

        >>> import torch
        >>> from gan_lab.penalties import GradientPenalty, MaxGradientPenalty, PenaltySum
        >>> penalty = PenaltySum(MaxGradientPenalty(0.1), GradientPenalty(10.0))
        >>> penalty(lambda x: x @ torch.tensor([3.0, 4.0]), torch.ones(4, 2), torch.zeros(4, 2))
        tensor(162.5000)
    """

    def __init__(self, first: Penalty, second: Penalty) -> None:
        super().__init__()
        for name, part in (("first", first), ("second", second)):
            if not isinstance(part, Penalty):
                raise UserError(
                    f"{name}={part}: use a penalty, as penalty@penalty.{name}=gp on the command "
                    "line"
                )
        self.first = first
        self.second = second
        self._noises_of_first: int | None = None  # known from the first draw on

    @property
    def measures_norm(self) -> bool:  # type: ignore[override]
        """Whether one of the two penalties measures gradient norms."""
        return self.first.measures_norm or self.second.measures_norm

    def wrap(self, critic: nn.Module) -> nn.Module:
        """The critic as both make it."""
        return self.second.wrap(self.first.wrap(critic))

    def wrap_generator(self, generator: nn.Module) -> nn.Module:
        """The generator as both make it."""
        return self.second.wrap_generator(self.first.wrap_generator(generator))

    @renamed_argument(old="generator", new="rng")
    def draw(self, real: Tensor, rng: torch.Generator | None = None) -> Noise:
        """The noise of the first, then that of the second."""
        noise = self.first.draw(real, rng)
        self._noises_of_first = len(noise)
        return (*noise, *self.second.draw(real, rng))

    def forward(
        self,
        critic_score: Score,
        real: Tensor,
        fake: Tensor,
        rng: torch.Generator | None = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """The sum, 0-d; see Penalty.forward."""
        noise = self.draw(real, rng) if noise is None else noise
        assert self._noises_of_first is not None, "noise is what `draw` returned"
        parts = noise[: self._noises_of_first], noise[self._noises_of_first :]
        value = self.first(critic_score, real, fake, noise=parts[0])
        value = value + self.second(critic_score, real, fake, noise=parts[1])

        # one that measures nothing has NaN, which fmax passes over
        self.last_norm = torch.fmax(self.first.last_norm, self.second.last_norm)
        return value

    def after_step(self, critic: nn.Module) -> None:
        """Both, one after the other."""
        self.first.after_step(critic)
        self.second.after_step(critic)
