"""Two-player games beside what the eigenvalues of an update say of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gan_lab import checks
from gan_lab.studies.contract import Result, Study
from gan_lab.theory import (
    BilinearGame,
    DiracGAN,
    NoNashGame,
    game_trajectory,
    local_nash,
    update_matrix,
)
from gan_lab.training.randomness import fold

Array = NDArray[np.float64]
Game = BilinearGame | DiracGAN | NoNashGame

POINTS = 500  # of a trajectory, at most, for the figure


@dataclass(frozen=True)
class Played:
    """A game, where it stands still, and which numbers of (u, v) its figure shows.

    Args:
        game: see `gan_lab.theory.games`.
        equilibrium: (u, v) with F = 0.
        shown: two indices into (u, v).
    """

    game: Game
    equilibrium: Array
    shown: tuple[int, int]

    def split(self) -> tuple[torch.Tensor, torch.Tensor]:
        """u and v of the equilibrium."""
        u, v = np.split(self.equilibrium, [self.game.sizes[0]])
        return torch.from_numpy(u), torch.from_numpy(v)


_NO_NASH = NoNashGame(sigma=1.5)
_STATIONARY = np.concatenate([part.numpy() for part in _NO_NASH.stationary_point()])
GAMES: dict[str, Played] = {
    "bilinear": Played(BilinearGame([[1.0]]), np.zeros(2), (0, 1)),
    "dirac": Played(DiracGAN(), np.zeros(2), (0, 1)),
    "dirac_penalised": Played(DiracGAN(penalty=0.5), np.zeros(2), (0, 1)),
    "no_nash": Played(_NO_NASH, _STATIONARY, (0, 2)),
}


class Games(Study):
    """Play one game by one update from near its stationary point, and compare how fast it comes or
    leaves with the largest eigenvalue of the update there. Then ask whether that point is a local
    Nash equilibrium.

    Args:
        game: bilinear (u v), dirac (Dirac-GAN, logistic), dirac_penalised (with γ = 0.5), or
            no_nash (after Farnia and Ozdaglar: a Wasserstein GAN without a Nash equilibrium).
        method: simultaneous, alternating, extragradient, optimistic or consensus.
        step_size: s.
        consensus: γ of consensus.
        distance: of the start from the stationary point; small, so that a game that is not linear
            is nearly so.
        max_steps: of the game.

    Source:
        Mescheder et al. 2017, 2018 (arXiv:1705.10461, 1801.04406); Daskalakis et al. 2018
        (arXiv:1711.00141); Farnia and Ozdaglar 2020 (arXiv:2002.09124).
    """

    def __init__(
        self,
        *,
        game: str,
        method: str,
        step_size: float,
        consensus: float,
        distance: float,
        max_steps: int,
    ) -> None:
        self.played = GAMES[checks.choice("game", game, GAMES)]
        self.method, self.step_size, self.consensus = method, step_size, consensus
        self.distance = checks.number("distance", distance, above=0)
        self.max_steps = checks.whole("max_steps", max_steps, at_least=2)

        # the update's own words for a method or a number that it does not take
        self.matrix = update_matrix(
            self.played.game,
            method,
            step_size,
            at=self.played.equilibrium,
            consensus=consensus,
        )

    def begin(self, seed: int) -> None:
        """The direction in which the start lies from the stationary point, and the way from there,
        which is refused where it leaves float64."""
        towards = np.random.default_rng(fold(seed, "start")).normal(
            size=sum(self.played.game.sizes)
        )
        start = self.played.equilibrium + self.distance * towards / np.linalg.norm(towards)
        self.path = game_trajectory(
            self.played.game,
            self.method,
            start,
            self.step_size,
            self.max_steps,
            consensus=self.consensus,
        )

    def result(self) -> Result:
        """The observed and the predicted growth, the curvatures, and the way."""
        # how the distance to the stationary point grows on the way
        way = np.concatenate([self.path.u, self.path.v], axis=1)
        growth = _growth(np.linalg.norm(way - self.played.equilibrium, axis=1))

        # what the eigenvalues say, and whether either player would leave alone
        radius = float(np.abs(np.linalg.eigvals(self.matrix)).max())
        found = local_nash(self.played.game.value, *self.played.split())
        shown = list(self.played.shown)

        # long ways are drawn by every n-th of their points
        return Result(
            scores={
                "growth": growth,
                "spectral_radius": radius,
                "growth_error": abs(growth - radius),
                "stationarity": found.stationarity,
                "curvature_u": found.smallest_eigenvalue_u,
                "curvature_v": found.smallest_eigenvalue_v,
            },
            drawn={
                "way": way[:: -(-len(way) // POINTS), shown],
                "stationary": self.played.equilibrium[shown],
                "local_nash": found.kind,
            },
        )


def _growth(distances: Array) -> float:
    """The factor a step of the second half, where what dies out first is gone: e to the slope of
    the least-squares line through the logarithms, in which a distance that swings evens out."""
    half = len(distances) // 2
    later = distances[half:]
    if later.min() == 0:
        return float("nan")
    return float(np.exp(np.polyfit(np.arange(len(later)), np.log(later), 1)[0]))
