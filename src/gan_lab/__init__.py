"""gan_lab: compare GAN objectives, Lipschitz penalties and optimizers.

The parts (`losses`, `penalties`, `optim`, `architectures`, `data`, `metrics`) work on their own in
any PyTorch program; `training` and `callbacks` join them under Lightning, `config` under Hydra.
Importing this package imports no torch.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_lab.runs.sampler import SavedGenerator, load_generator

__all__ = ["SavedGenerator", "__version__", "load_generator"]

try:
    __version__ = version("gan_lab")
except PackageNotFoundError:  # a copy of the source that was never installed
    __version__ = "0+unknown"

_LATE = {"SavedGenerator", "load_generator"}  # of gan_lab.runs.sampler, which imports torch


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first asked for."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gan_lab.runs import sampler

    return getattr(sampler, name)
