"""Games beside the eigenvalues of their updates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_lab.errors import UserError
from gan_lab.studies.games import GAMES, Games, _growth
from gan_lab.theory.games import METHODS

FIELDS = {"step_size": 0.1, "consensus": 1.0, "distance": 0.01, "max_steps": 400}


def played(game: str, method: str, **fields):
    study = Games(game=game, method=method, **(FIELDS | fields))
    study.begin(seed=0)
    return study.result()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("game", GAMES)
def test_a_game_spirals_as_its_eigenvalues_say(game, method):
    """Within what a swing of the distance leaves in a line through 200 steps: little where the
    field has no damping, and the distance hardly swings."""
    scores = played(game, method).scores
    within = 5e-5 if game in ("bilinear", "dirac") else 1e-3
    assert scores["growth"] == pytest.approx(scores["spectral_radius"], abs=within)
    assert scores["stationarity"] < 1e-20


def test_growth_is_that_of_a_spiral_with_a_swing():
    steps = np.arange(401)
    assert _growth(0.99**steps) == pytest.approx(0.99, rel=1e-12)
    assert _growth(0.99**steps * (1.2 + np.sin(steps))) == pytest.approx(0.99, abs=1e-3)
    assert np.isnan(_growth(np.zeros(4)))


def test_every_update_comes_to_a_point_that_is_no_nash_equilibrium():
    """The generator's curvature there is 1 - σ = -0.5: it gains by a move of its own."""
    result = played("no_nash", "simultaneous")
    assert result.scores["spectral_radius"] < 1
    assert result.scores["curvature_u"] == pytest.approx(-0.5)
    assert result.drawn["local_nash"] == "saddle"

    known = GAMES["no_nash"]
    u, v = known.split()
    moved = torch.full_like(u, 0.1)
    gain = known.game.value(u, v) - known.game.value(moved, v)
    assert float(gain) == pytest.approx(0.5 * 0.1**2 / 2)


def test_an_update_that_there_is_not_is_refused():
    with pytest.raises(UserError, match="method=adam: choose one of simultaneous"):
        Games(game="dirac", method="adam", **FIELDS)


def test_a_game_that_leaves_float64_is_refused_before_anything_is_written():
    with pytest.raises(UserError, match=r"^at step 6 of 400 .* use a smaller step_size"):
        Games(game="bilinear", method="simultaneous", **FIELDS | {"step_size": 1e30}).begin(seed=0)
