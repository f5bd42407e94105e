"""AdaShift beside the one of kozistr's pytorch-optimizer, which it was not written from."""

from __future__ import annotations

import pytest
import torch

from gan_lab.optim import AdaShift
from helpers.optim_reference import gradients, parameters, rates, run, set_gradients, starts

REDUCE = {"max": torch.max, "mean": torch.mean, "none": None}


@pytest.fixture(scope="module")
def peer():
    """Theirs, of version 4.1.0 or newer (pyproject.toml): older ones gave NaN."""
    return pytest.importorskip("pytorch_optimizer").AdaShift


@pytest.mark.thorough
@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize("beta1", [0.0, 0.9])
@pytest.mark.parametrize("spatial", REDUCE)
@pytest.mark.parametrize("n", [1, 3, 10])
def test_equals_the_one_of_pytorch_optimizer(peer, n, spatial, beta1, foreach):
    """A step is at most 4 lr <= 0.4. Theirs has 1 - 0.999^k as a difference, with a relative error
    of 1.1e-16 / 1e-3 at k = 1 and half of that in the root; and it adds to and takes from a running
    mean, 2 STEPS roundings of 1.1e-16. In 45 steps: 45 · 0.4 · (5.5e-14 + 1e-14) = 1.2e-12."""
    ours, theirs = parameters(starts()), parameters(starts())
    fields = {"lr": 0.1, "betas": (beta1, 0.999), "eps": 1e-10, "foreach": foreach}
    run(AdaShift(ours, n=n, spatial=spatial, **fields), gradients(), rates())
    run(peer(theirs, keep_num=n, reduce_func=REDUCE[spatial], **fields), gradients(), rates())
    for one, other, start in zip(ours, theirs, starts(), strict=True):
        assert float((one.detach() - torch.tensor(start)).abs().max()) > 1e-3  # it has moved
        torch.testing.assert_close(one, other, rtol=0, atol=2e-12)


def test_a_parameter_without_a_gradient_is_where_the_two_differ(peer):
    """Gradients 1, none, 1, 1 with n = 1, β1 = 0, β2 = 0.5: v has taken in one square at the third
    step, 0.5, and two at the fourth, 0.75. Ours counts the parameter's own gradients, so it divides
    by 1 - 0.5 and 1 - 0.5², each time to 1. Theirs counts the steps of the group: by 1 - 0.5² and
    1 - 0.5³, to 2/3 and 6/7. Both begin to move at the second gradient."""
    moves = {}
    for kind, count in ((AdaShift, "n"), (peer, "keep_num")):
        there, sometimes = parameters([0.0, 0.0])
        optimizer = kind([there, sometimes], lr=1.0, betas=(0.0, 0.5), eps=0.0, **{count: 1})
        path = []
        for value in (1.0, None, 1.0, 1.0):
            set_gradients([there, sometimes], [1.0, value])
            optimizer.step()
            path.append(float(sometimes))
        moves[kind] = path
        assert float(there) == -3.0
    assert moves[AdaShift] == [0.0, 0.0, -1.0, -2.0]
    first, second = (2 / 3) ** -0.5, (6 / 7) ** -0.5
    assert moves[peer] == pytest.approx([0.0, 0.0, -first, -first - second], rel=1e-12)
