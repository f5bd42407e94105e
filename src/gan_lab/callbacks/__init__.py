"""What happens around training: metrics, pictures, checkpoints, progress, interruption."""

from gan_lab.callbacks.capture import Capture
from gan_lab.callbacks.checkpoint import Checkpoint, check_fits, list_checkpoints, load_newest
from gan_lab.callbacks.evaluate import Evaluate
from gan_lab.callbacks.interrupt import StopOnSignal
from gan_lab.callbacks.metrics import MetricsFile, ReadMetrics
from gan_lab.callbacks.progress import ProgressBar
from gan_lab.callbacks.samples import SampleGrid, save_grid
from gan_lab.callbacks.wandb import WandbLogger, WandbRun

__all__ = [
    "Capture",
    "Checkpoint",
    "Evaluate",
    "MetricsFile",
    "ProgressBar",
    "ReadMetrics",
    "SampleGrid",
    "StopOnSignal",
    "WandbLogger",
    "WandbRun",
    "check_fits",
    "list_checkpoints",
    "load_newest",
    "save_grid",
]
