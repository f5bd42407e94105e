"""How a GAN is trained: the LightningModule, its EMA, its state, and its samples."""

from gan_lab.errors import Diverged
from gan_lab.training.ema import ExponentialMovingAverage
from gan_lab.training.gan import GAN, TrainingSettings

__all__ = ["GAN", "Diverged", "ExponentialMovingAverage", "TrainingSettings"]
