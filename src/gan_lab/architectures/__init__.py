"""Generators and critics.

An architecture is a frozen dataclass of its own fields with

    latent_dim: int                                     z has shape (n, latent_dim)
    generator(spec: DataSpec, conditions: int = 0)      (n, latent_dim + conditions) -> samples
    critic(spec: DataSpec, outputs: int)                samples (n, *spec.shape) -> (n, outputs)

and, where its critic has one logit for each class and judges a sample by that of its own,

    projection: bool                                    true: see gan_lab.losses.ProjectedLoss

whose methods return modules. Networks that change with the generator step inherit from `Growing`.
The facts of the data come with the call, so one architecture serves every data set that it accepts.
"""

from gan_lab.architectures.dcgan import DCGAN
from gan_lab.architectures.dirac import Dirac
from gan_lab.architectures.layers import (
    BatchNorm2d,
    ConditionalBatchNorm2d,
    frozen_statistics,
    normalises_by_batch,
)
from gan_lab.architectures.mlp import MLP
from gan_lab.architectures.progressive import Growing, Progressive
from gan_lab.architectures.resnet import ResNet
from gan_lab.architectures.sagan import SAGAN
from gan_lab.architectures.weight_norm import initialise_from_data

__all__ = [
    "DCGAN",
    "MLP",
    "SAGAN",
    "BatchNorm2d",
    "ConditionalBatchNorm2d",
    "Dirac",
    "Growing",
    "Progressive",
    "ResNet",
    "frozen_statistics",
    "initialise_from_data",
    "normalises_by_batch",
]
