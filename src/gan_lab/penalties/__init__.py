"""What keeps the critic Lipschitz: gradient penalties, and constraints on its parameters.

The classes are the targets of conf/penalty; anything with the methods of `Penalty` can be trained.
"""

from gan_lab.penalties.base import Penalty, gradient_norms, gradients
from gan_lab.penalties.constraints import NoPenalty, SpectralNorm, WeightClipping
from gan_lab.penalties.gradient import GradientPenalty
from gan_lab.penalties.maxgp import MaxGradientPenalty
from gan_lab.penalties.total import PenaltySum

__all__ = [
    "GradientPenalty",
    "MaxGradientPenalty",
    "NoPenalty",
    "Penalty",
    "PenaltySum",
    "SpectralNorm",
    "WeightClipping",
    "gradient_norms",
    "gradients",
]
