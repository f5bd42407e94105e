"""What happens around training: metrics, pictures, checkpoints, progress, interruption."""

from gan_lab.callbacks.capture import Capture, Compile
from gan_lab.callbacks.checkpoint import Checkpoint, check_fits, list_checkpoints, load_newest
from gan_lab.callbacks.diagnose import Diagnose
from gan_lab.callbacks.evaluate import Evaluate
from gan_lab.callbacks.interrupt import StopOnSignal
from gan_lab.callbacks.metrics import ReadMetrics
from gan_lab.callbacks.progress import ProgressBar
from gan_lab.callbacks.samples import SampleGrid
from gan_lab.callbacks.wandb_run import WandbRun

__all__ = [
    "Capture",
    "Checkpoint",
    "Compile",
    "Diagnose",
    "Evaluate",
    "ProgressBar",
    "ReadMetrics",
    "SampleGrid",
    "StopOnSignal",
    "WandbRun",
    "check_fits",
    "list_checkpoints",
    "load_newest",
]
