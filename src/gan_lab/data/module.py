"""A loaded data set as Lightning takes it."""

from __future__ import annotations

import lightning

from gan_lab.data.resident import ResidentData, ResidentLoader, check_batch_size
from gan_lab.data.source import LoadedData


class ResidentDataModule(lightning.LightningDataModule):
    """Feeds generator steps start .. stop - 1 of a data set that lies on the trainer's device.

    The fit ends after stop - start batches with `Trainer(max_epochs=1,
    use_distributed_sampler=False)`.

    Args:
        data: its training split is used.
        batch_size: of a critic step, global: a multiple of the number of devices.
        n_critic: critic steps in a generator step.
        seed: of the order of the samples.
        stop: the number of generator steps at the end.
        start: that at the beginning; it may be set until the fit begins (resume).

    Raises:
        UserError: where batch_size is more than the training samples.

    Examples:
        >>> from gan_lab.data import Digits, load
        >>> from gan_lab.data.module import ResidentDataModule
        >>> data = load(Digits(), cache_dir=None)
        >>> module = ResidentDataModule(data, batch_size=64, n_critic=5, seed=0, stop=1500)
        >>> trainer.fit(gan, datamodule=module)  # doctest: +SKIP
    """

    def __init__(
        self, data: LoadedData, batch_size: int, n_critic: int, seed: int, stop: int, start: int = 0
    ) -> None:
        super().__init__()
        check_batch_size(batch_size, len(data.splits["train"]), data.spec.name)
        self.data = data
        self.batch_size = batch_size
        self.n_critic = n_critic
        self.seed = seed
        self.start, self.stop = start, stop

    def train_dataloader(self) -> ResidentLoader:
        """The loader of this process: its device, its slice of every batch."""
        assert self.trainer is not None, "the data module belongs to a trainer"
        return ResidentLoader(
            ResidentData.place(self.data, self.trainer.strategy.root_device),
            batch_size=self.batch_size,
            n_critic=self.n_critic,
            seed=self.seed,
            start=self.start,
            stop=self.stop,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
        )
