"""Optimizers that torch lacks, and learning-rate schedules (`gan_lab.optim.schedules`)."""

from gan_lab.optim.adam_spatial import AdamSpatial
from gan_lab.optim.adashift import AdaShift
from gan_lab.optim.game_adam import ExtraAdam, OptimisticAdam

__all__ = ["AdaShift", "AdamSpatial", "ExtraAdam", "OptimisticAdam"]
