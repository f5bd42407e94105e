"""How a GAN is trained: the LightningModule, its EMA, and the place that builds it from a
config."""

from gan_lab.errors import Diverged
from gan_lab.training.ema import ExponentialMovingAverage
from gan_lab.training.gan import GAN, TrainingSettings

__all__ = ["GAN", "Diverged", "ExponentialMovingAverage", "TrainingSettings"]
