"""Figures 3-2 to 3-6 with the settings of Tables 3-5, 3-6 and 3-9: optimizers on classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gan_lab import checks
from gan_lab.data import LoadedData
from gan_lab.errors import UserError
from gan_lab.studies.classifiers import NETWORKS, BlockMeans, ClassifierStudy
from gan_lab.studies.contract import Result
from gan_lab.studies.critics import OptimizerFactory


class Classification(ClassifierStudy):
    """Train a classifier by one optimizer, and test it after every epoch.

    Args:
        optimizer: of the classifier.
        dataset: labelled images with a test split (Tiny-ImageNet: its val).
        network: logistic; mlp, two hidden layers of 256 ReLUs; mlp_linear, the same without an
            activation and with all parameters from N(0, 1), as in the author's program; resnet18;
            densenet.
        batch_size: images in a step.
        epochs: passes over the training images.
        lr_drops: epochs after which the learning rate is a tenth of what it was, rising.

    Source:
        Thesis 3.5.2 to 3.5.4 and 3.F.1.
    """

    def __init__(
        self,
        optimizer: OptimizerFactory,
        dataset: LoadedData,
        *,
        network: str,
        batch_size: int,
        epochs: int,
        lr_drops: Sequence[int],
    ) -> None:
        checks.choice("network", network, NETWORKS)
        super().__init__(optimizer, dataset, network, batch_size, epochs)
        self.lr_drops = _checked_drops(lr_drops, epochs)
        self.epochs = epochs

    def begin(self, seed: int) -> None:
        """The classifier, and what its tests find."""
        super().begin(seed)
        self.by_epoch = BlockMeans(["train_loss"], self.steps, blocks=self.epochs)
        self.test_accuracy: list[float] = []

    def step(self, number: int) -> Mapping[str, Any]:
        """One step of the optimizer; a test after the last one of an epoch."""
        epochs_before = (number - 1) // self.epoch_steps
        factor = 0.1 ** sum(epochs_before >= drop for drop in self.lr_drops)
        values = {"train_loss": self.training.step(number, factor)}
        for means in (self.curve, self.by_epoch):
            means.add(number, values)
        if number % self.epoch_steps == 0:
            self.test_accuracy.append(self.training.test_accuracy())

        # before the first test there is no accuracy to show
        tested = {"test_accuracy": self.test_accuracy[-1]} if self.test_accuracy else {}
        return {**values, "epoch": number / self.epoch_steps, **tested}

    def state_dict(self) -> dict[str, Any]:
        """The state of the training, and the curves so far."""
        own = {"by_epoch": self.by_epoch.sums, "test_accuracy": self.test_accuracy}
        return super().state_dict() | own

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a `state_dict`."""
        super().load_state_dict(state)
        self.by_epoch.sums = state["by_epoch"]
        self.test_accuracy = list(state["test_accuracy"])

    def result(self) -> Result:
        """The mean loss over the last epoch's batches, the test accuracies, and both curves."""
        by_epoch = self.by_epoch.means()["train_loss"]
        return Result(
            scores={
                "train_loss": by_epoch[-1],
                "test_accuracy": self.test_accuracy[-1],
                "best_test_accuracy": max(self.test_accuracy),
            },
            drawn={
                "steps": self.curve.ends(),
                "train_loss": self.curve.means()["train_loss"],
                "epoch_steps": self.by_epoch.ends(),
                "epoch_train_loss": by_epoch,
                "test_accuracy": self.test_accuracy,
            },
        )


def _checked_drops(lr_drops: Sequence[int], epochs: int) -> tuple[int, ...]:
    """Rising epochs before the last. Raises UserError for others."""
    if isinstance(lr_drops, str) or not isinstance(lr_drops, Sequence):
        raise UserError(f"lr_drops={lr_drops}: use a list of epochs, as [25,37], or []")
    drops = tuple(checks.whole("lr_drops", drop, at_least=1) for drop in lr_drops)
    if list(drops) != sorted(set(drops)) or any(drop >= epochs for drop in drops):
        raise UserError(
            f"lr_drops={list(drops)}: use rising epochs below epochs={epochs}, or [] for none"
        )
    return drops
