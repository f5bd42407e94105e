"""Several processes by Lightning: it starts them and joins them; the training step itself averages gradients."""

from __future__ import annotations

from lightning.pytorch.strategies import DDPStrategy


class SharedStep(DDPStrategy):
    """DistributedDataParallel's processes without its wrapper: `parallel.average_gradients` is called in every step.

    The wrapper would average after each backward pass of a module that has several of them with different losses, and
    does not see the second-order passes of penalties as its own.
    """

    def configure_ddp(self) -> None:
        """Leave the module as it is."""
