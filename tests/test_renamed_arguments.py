"""Arguments by the names that they had before."""

from __future__ import annotations

import pytest
import torch

from gan_lab.checks import renamed_argument
from gan_lab.losses import exponential
from gan_lab.losses.targets import Predefined
from gan_lab.metrics.kernel import kernel_distance
from gan_lab.penalties import GradientPenalty

POINTS = torch.arange(12.0).reshape(6, 2)


def score(points: torch.Tensor) -> torch.Tensor:
    return points.square().sum(1)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def distance(**named) -> torch.Tensor:
    return kernel_distance(POINTS, POINTS.flip(0), 2, 3, **named).value


def observed(**named) -> torch.Tensor:
    penalty = GradientPenalty()
    penalty.observe(score, POINTS, POINTS.flip(0), **named)
    return penalty.last_norm


CALLS = {
    "a penalty": lambda **named: GradientPenalty()(score, POINTS, POINTS.flip(0), **named),
    "its noise": lambda **named: GradientPenalty().draw(POINTS, **named)[0],
    "its look": observed,
    "targets": lambda **named: Predefined(4).draw(POINTS, **named)[0],
    "a distance": distance,
}


@pytest.mark.parametrize("call", CALLS)
def test_a_torch_generator_is_also_taken_by_its_old_name(call):
    expected = CALLS[call](rng=rng())
    with pytest.warns(DeprecationWarning, match="generator is called rng now"):
        assert torch.equal(CALLS[call](generator=rng()), expected)
    with pytest.raises(TypeError, match="generator is the old name of rng"):
        CALLS[call](generator=rng(), rng=rng())


def test_psi_is_also_taken_by_its_old_name():
    with pytest.warns(DeprecationWarning, match="generator is called generator_objective now"):
        assert exponential(generator="quadratic") == exponential(generator_objective="quadratic")


def test_the_warning_names_the_line_of_the_caller():
    call = renamed_argument(old="before", new="now")(lambda now: now)
    with pytest.warns(DeprecationWarning, match="before is called now now") as caught:
        assert call(before=1) == 1
    assert caught[0].filename == __file__
