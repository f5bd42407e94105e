"""What `scripts/study.py` asks of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Result:
    """What a study has found.

    Args:
        scores: {name: value}; tables are made of them. A value may be NaN where it is not defined.
        drawn: {name: number, text, or nested lists or an array of these}: what its figure is drawn
            from. It is stored in the record, so it is small: some thousand numbers.
    """

    scores: Mapping[str, float]
    drawn: Mapping[str, Any] = field(default_factory=dict)


class Study:
    """A study with one seed: a number of steps, each of which can be the last before a kill, and
    then a result. One that is computed at once has no steps.

    Its constructor takes the parts that its option in conf/study chooses, in this order and by
    these names: loss, penalty, optimizer (parameters -> optimizer), architecture, dataset. Its
    fields follow, by name.

    Attributes:
        steps: how many there are.
        device: where it computes, set before `begin`.
        cache: the folder for what is computed of data sets, set before `begin`.

    Examples:
        >>> from gan_lab.studies import Result, Study
        >>> class Sum(Study):
        ...     steps = 3
        ...     def begin(self, seed):
        ...         self.sum = seed
        ...     def step(self, number):
        ...         self.sum += number
        ...         return {"sum": self.sum}
        ...     def result(self):
        ...         return Result({"sum": self.sum})
        >>> study = Sum()
        >>> study.begin(seed=10)
        >>> [study.step(number)["sum"] for number in range(1, 4)], study.result().scores
        ([11, 13, 16], {'sum': 16})
    """

    steps: int = 0
    device: torch.device = torch.device("cpu")
    cache: Path = Path("data/cache")

    def begin(self, seed: int) -> None:
        """Make what is random, before the first step; also before `load_state_dict`."""

    def step(self, number: int) -> Mapping[str, float]:
        """Take one step.

        Args:
            number: 1, 2, ..., `steps`. What is random in a step depends on the seed and on this
                number alone, so that a resumed study goes on as if it had not been killed.

        Returns:
            What metrics.jsonl may show of it: numbers, or tensors of one.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """All that steps change, in plain containers and tensors."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a `state_dict` of the same study."""

    def result(self) -> Result:
        """Compute what was found, after the last step."""
        raise NotImplementedError
