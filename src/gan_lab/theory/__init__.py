"""What the theory says, computed: exact optimal critics, transport, divergences, games, and
optimizers as recurrences."""

from gan_lab.theory.games import (
    BilinearGame,
    DiracGAN,
    GameTrajectory,
    GeneratorSlopes,
    LocalNash,
    NoNashGame,
    bilinear_eigenvalues,
    game_trajectory,
    generator_slopes,
    local_nash,
    update_matrix,
)
from gan_lab.theory.known_critics import CriticScores, MinFunnels, TransportCost
from gan_lab.theory.lipschitz import LipschitzEstimate, lipschitz_estimate

__all__ = [
    "BilinearGame",
    "CriticScores",
    "DiracGAN",
    "GameTrajectory",
    "GeneratorSlopes",
    "LipschitzEstimate",
    "LocalNash",
    "MinFunnels",
    "NoNashGame",
    "TransportCost",
    "bilinear_eigenvalues",
    "game_trajectory",
    "generator_slopes",
    "lipschitz_estimate",
    "local_nash",
    "update_matrix",
]
