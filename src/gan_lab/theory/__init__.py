"""What the theory says, computed: exact optimal critics, transport, divergences, games, and
optimizers as recurrences."""

from gan_lab.theory.games import (
    BilinearGame,
    DiracGAN,
    Game,
    GeneratorSlopes,
    LocalNash,
    NoNashGame,
    Trajectory,
    bilinear_eigenvalues,
    generator_slopes,
    local_nash,
    trajectory,
    update_matrix,
)
from gan_lab.theory.known_critics import CriticScores, MinFunnels, TransportCost
from gan_lab.theory.lipschitz import LipschitzEstimate, lipschitz_estimate

__all__ = [
    "BilinearGame",
    "CriticScores",
    "DiracGAN",
    "Game",
    "GeneratorSlopes",
    "LipschitzEstimate",
    "LocalNash",
    "MinFunnels",
    "NoNashGame",
    "Trajectory",
    "TransportCost",
    "bilinear_eigenvalues",
    "generator_slopes",
    "lipschitz_estimate",
    "local_nash",
    "trajectory",
    "update_matrix",
]
