"""Pictures of points: contours of the critic in the plane, a curve on the line."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from PIL import Image

from gan_lab.data.pictures import save_points


@pytest.fixture
def drawn(monkeypatch):
    """The contours and curves that are drawn: (name, x, y, values)."""
    calls = []

    def watch(name):
        real = getattr(Axes, name)

        def call(self, *args, **kwargs):
            calls.append((name, *args))
            return real(self, *args, **kwargs)

        monkeypatch.setattr(Axes, name, call)

    for name in ("contourf", "plot"):
        watch(name)
    return calls


def test_contours_are_those_of_the_critic_over_a_window_around_the_real_points(drawn, tmp_path):
    """f(x, y) = x + 10 y on [-1.5, 1.5] x [-1.5, 1.5]: a quarter more than the real extent."""
    real = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])
    samples = torch.tensor([[0.0, 0.0], [5.0, 0.0]])
    save_points(samples, real, tmp_path / "a.png", lambda p: p[:, 0] + 10 * p[:, 1])
    ((name, x, y, values),) = drawn
    assert name == "contourf"
    for ticks in (x, y):
        assert (ticks[0].item(), ticks[-1].item()) == (-1.5, 1.5)
    np.testing.assert_allclose(values, x[None, :] + 10 * y[:, None], rtol=1e-6)
    assert Image.open(tmp_path / "a.png").size[0] > 300


def test_on_the_line_the_critic_is_a_curve(drawn, tmp_path):
    save_points(torch.ones(3, 1), torch.zeros(4, 1), tmp_path / "a.png", lambda p: 2 * p[:, 0])
    ((name, x, y),) = drawn
    assert name == "plot"
    np.testing.assert_allclose(y, 2 * x, rtol=1e-6)
    assert (x[0].item(), x[-1].item()) == (-2, 2)


@pytest.mark.parametrize(
    ("dimension", "critic"),
    [(3, lambda p: p[:, 0]), (2, None), (2, lambda p: p[:, 0] / 0)],
    ids=["more dimensions", "no critic", "a critic that is not finite"],
)
def test_without_a_critic_that_can_be_drawn_there_are_the_points(
    dimension, critic, drawn, tmp_path
):
    points = torch.randn(9, dimension, generator=torch.Generator().manual_seed(0))
    save_points(points, points, tmp_path / "a.png", critic)
    assert drawn == []
    assert (tmp_path / "a.png").exists()


def test_a_critic_that_is_constant_is_drawn_without_a_warning(tmp_path, recwarn):
    points = torch.eye(2)
    save_points(points, points, tmp_path / "a.png", lambda p: torch.ones(len(p)))
    assert [str(warning.message) for warning in recwarn] == []
