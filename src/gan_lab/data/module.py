"""A loaded data set as Lightning takes it."""

from __future__ import annotations

import lightning

from gan_lab.data.resident import ResidentData, ResidentLoader, check_batch_size
from gan_lab.data.source import LoadedData


class ResidentDataModule(lightning.LightningDataModule):
    """Feeds generator steps start .. stop - 1 of `data`, resident on the trainer's device.

    batch_size is global and must be a multiple of the number of devices; seed, n_critic, start and
    stop as in `gan_lab.data.resident.ResidentLoader`. The fit ends after stop - start batches with
    `Trainer(max_epochs=1, use_distributed_sampler=False)`. `start` may be set until the fit begins
    (resume). Raises UserError when batch_size is more than the training samples.
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
