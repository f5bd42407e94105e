"""Generators and critics. An architecture is a frozen dataclass of its own fields with

latent_dim: int                                  the generator's input is z of shape (n, latent_dim)
generator(spec: DataSpec) -> nn.Module           z -> samples (n, *spec.shape)
critic(spec: DataSpec, outputs: int) -> nn.Module    samples -> (n, outputs)

The facts of the data come with the call, so one architecture serves every data set that it accepts.
"""

from gan_lab.architectures.layers import BatchNorm2d, frozen_statistics
from gan_lab.architectures.mlp import MLP
from gan_lab.architectures.resnet import ResNet

__all__ = ["MLP", "BatchNorm2d", "ResNet", "frozen_statistics"]
