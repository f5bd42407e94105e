"""Where metrics go: Lightning's loggers of this project."""

from gan_lab.loggers.metrics_file import MetricsFile
from gan_lab.loggers.wandb import WandbLogger

__all__ = ["MetricsFile", "WandbLogger"]
