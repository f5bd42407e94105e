"""The base of all metrics: double precision, states that survive an error, checked arguments."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from gan_lab.errors import UserError
from gan_lab.metrics.exact import exactly
from gan_lab.metrics.setting import Reference, ScoreSetting
from gan_lab.reading.declared_scores import ScoreFacts


class Score(Metric):
    """A torchmetrics.Metric whose states keep their precision.

    `.half()`, `.to(float16)` and the like only move them. Updates replace states and never write
    into them, so tensors made in inference mode serve. An error in `compute` leaves the states as
    they were. A metric that scores runs declares `facts` in its body, and is made by `of_setting`.

    Attributes:
        strays: how many numbers out of range have arrived on an accelerator. Looking at them there
            would stall it, so `compute` raises for them, while those on the CPU raise at once.
    """

    facts: ClassVar[ScoreFacts | None] = None

    full_state_update = False
    is_differentiable = False
    strays: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("strays", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    @classmethod
    def of_setting(cls, setting: ScoreSetting, reference: Reference | None = None) -> Self:
        """The metric that scores a run.

        Args:
            setting: the facts of the evaluation.
            reference: the split of the real data that a score of features compares with.
        """
        raise NotImplementedError(f"{cls.__name__} is no score of runs")

    @classmethod
    def check_setting(cls, setting: ScoreSetting) -> None:
        """Called before a sample is drawn: raises UserError where `compute` could not score."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """`update`, and what `compute` says of this batch alone, in this process."""
        self.update(*args, **kwargs)
        states = {name: getattr(self, name) for name in self._defaults}
        count, self._to_sync = self._update_count, False

        # this batch alone, in empty states; a list is replaced, since reset would empty it itself
        try:
            for name, value in states.items():
                setattr(self, name, [] if isinstance(value, list) else value)
            self.reset()
            self.update(*args, **kwargs)
            return self.compute()

        # all batches again
        finally:
            for name, value in states.items():
                setattr(self, name, value)
            self._update_count, self._computed, self._to_sync = count, None, self.sync_on_compute

    def _place(self, numbers: Tensor, size: int, name: str, n: int) -> Tensor:
        """Check integers and bring them to this metric's device.

        Args:
            numbers: of any integer type, (n,), in [0, size).
            size: the bound.
            name: of the argument, for the message.
            n: how many there must be.

        Returns:
            int64 (n,).

        Raises:
            UserError: for another shape, dtype or range; of numbers on an accelerator the range is
                checked in `compute`.
        """
        if numbers.shape != (n,) or numbers.is_floating_point() or numbers.dtype == torch.bool:
            raise UserError(
                f"{name} is {numbers.dtype} of shape {tuple(numbers.shape)} for {n} samples: "
                f"give int64 of shape ({n},)"
            )

        # out of range: raised at once where that costs nothing, else counted
        numbers = numbers.to(torch.int64)
        stray = (numbers < 0) | (numbers >= size)
        if numbers.device.type == "cpu" and bool(stray.any()):
            raise UserError(
                f"{name} holds numbers outside 0..{size - 1}: give each sample one in that range"
            )
        self.strays = self.strays + stray.sum().to(self.strays.device)
        return numbers.to(self.strays.device).clamp(0, size - 1)

    def _wrap_update(self, update: Callable[..., None]) -> Callable[..., None]:
        return super()._wrap_update(exactly(update))

    def _wrap_compute(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        """torchmetrics calls this once, to wrap `compute` in its cache and its synchronisation."""

        # inside: after synchronisation, so that strays of all processes count
        @exactly
        def checked(*args: Any, **kwargs: Any) -> Any:
            if self.strays.any():
                raise UserError(
                    f"{int(self.strays)} labels, splits or indices were out of range: "
                    "reset, and update with valid ones"
                )
            return compute(*args, **kwargs)

        cached = super()._wrap_compute(functools.wraps(compute)(checked))

        # outside: one process may have had no sample; if none had, compute says so itself
        no_update = r"[\s\S]*was called before the ``update`` method"

        @functools.wraps(compute)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=no_update)
                try:
                    return cached(*args, **kwargs)

                # torchmetrics would leave the sums of all processes in this one
                except BaseException:
                    if self._is_synced:
                        self.unsync()
                    raise

        return wrapped

    def _apply(
        self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ""
    ) -> nn.Module:
        # `fn` casts and moves: what it casts is only moved
        def move(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        return super()._apply(move, exclude_state)
