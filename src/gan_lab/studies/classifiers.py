"""The classifiers of chapter 3, and their training by any optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab import checks
from gan_lab.classifier.densenet import DenseNetBC
from gan_lab.classifier.networks import Classifier, image_shape, standardise
from gan_lab.classifier.training import pixel_statistics
from gan_lab.data import LoadedData
from gan_lab.data.resident import ResidentData, ResidentLoader, check_batch_size
from gan_lab.errors import UserError
from gan_lab.optim.base import moves
from gan_lab.studies.contract import Study
from gan_lab.studies.critics import OptimizerFactory
from gan_lab.training.randomness import fold
from gan_lab.types import DataSpec

HIDDEN = 256  # units of a hidden layer (3.5.2)
PIXELS = 255.0  # the fully connected networks see pixels as numbers from 0 to 1
TEST_BATCH = 500

# Networks -----------------------------------------------------------------------------------------


def logistic(spec: DataSpec) -> nn.Sequential:
    """Logistic regression: weights ~ N(0, 0.01²), biases 0 (author's program)."""
    linear = nn.Linear(spec.size, spec.num_classes)
    nn.init.normal_(linear.weight, std=0.01)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.Flatten(), linear)


def mlp(spec: DataSpec) -> nn.Sequential:
    """Two hidden layers of 256 ReLUs, weights ~ N(0, 2 / fan_in), biases 0 (He et al. 2015)."""
    network = _two_hidden_layers(spec, nn.ReLU)
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return network


def mlp_linear(spec: DataSpec) -> nn.Sequential:
    """Two hidden layers of 256 units without an activation, every weight and bias ~ N(0, 1), as in
    the author's program: a product of three matrices."""
    network = _two_hidden_layers(spec, nn.Identity)
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    return network


def _two_hidden_layers(spec: DataSpec, activation: Callable[[], nn.Module]) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(spec.size, HIDDEN), activation()),
        *(nn.Linear(HIDDEN, HIDDEN), activation()),
        nn.Linear(HIDDEN, spec.num_classes),
    )


class PreActivationBlock(nn.Module):
    """BN, ReLU, conv3, BN, ReLU, conv3, beside the identity; where the shape changes, beside a
    conv1 of the activated input.

    Shapes: (n, in, H, W) -> (n, out, ceil(H / stride), ceil(W / stride)).

    Source:
        He et al. 2016 (arXiv:1603.05027).
    """

    def __init__(self, channels: int, wider: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(wider)
        self.conv1 = nn.Conv2d(channels, wider, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(wider, wider, 3, padding=1, bias=False)
        same = channels == wider and stride == 1
        self.shortcut = None if same else nn.Conv2d(channels, wider, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.norm1(x))
        beside = x if self.shortcut is None else self.shortcut(h)
        residual: Tensor = self.conv2(F.relu(self.norm2(self.conv1(h))))
        return beside + residual


def resnet18(spec: DataSpec) -> Classifier:
    """ResNet-18 with pre-activation for small images: conv3, four stages of two blocks with 32, 64,
    128 and 256 channels (author's program), BN, ReLU, mean, linear."""
    channels, _, _ = image_shape(spec)
    widths = (32, 64, 128, 256)
    layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)]
    last = widths[0]
    for width in widths:
        layers += [
            PreActivationBlock(last, width, stride=1 if width == widths[0] else 2),
            PreActivationBlock(width, width, stride=1),
        ]
        last = width
    network = Classifier(
        nn.Sequential(*layers, nn.BatchNorm2d(last), nn.ReLU()), last, spec.num_classes
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    nn.init.zeros_(network.output.bias)
    return network


def densenet(spec: DataSpec) -> Classifier:
    """DenseNet-BC with 100 layers and growth rate 12."""
    return DenseNetBC(depth=100, growth=12).network(spec)


NETWORKS: dict[str, Callable[[DataSpec], nn.Module]] = {
    "logistic": logistic,
    "mlp": mlp,
    "mlp_linear": mlp_linear,
    "resnet18": resnet18,
    "densenet": densenet,
}
"""Initial weights come from torch's global generator."""

_STANDARDISED = {"resnet18", "densenet"}

# Training -----------------------------------------------------------------------------------------


class ClassifierTraining:
    """Minimise the cross-entropy on the training split, without augmentation or weight decay.

    Fully connected networks see pixels as numbers from 0 to 1, convolutional ones standardised by
    the training set's mean and standard deviation of each channel. The batch of a step is a
    function of the seed and of the step; the last partial batch of an epoch is dropped.

    Args:
        network: one of NETWORKS.
        dataset: labelled images with a test split.
        optimizer: of the network's parameters.
        batch_size: images in a step.
        seed: of the initial weights and of the batches.
        device: where to train.
    """

    def __init__(
        self,
        network: str,
        dataset: LoadedData,
        optimizer: OptimizerFactory,
        *,
        batch_size: int,
        seed: int,
        device: torch.device,
    ) -> None:
        # the data, and how the network sees it
        self.train, self.test = (
            ResidentData.place(dataset, device, split) for split in ("train", test_split(dataset))
        )

        channels = dataset.spec.shape[0]
        self.mean, self.std = (
            pixel_statistics(self.train.values)
            if network in _STANDARDISED
            else (torch.zeros(channels, device=device), torch.full((channels,), PIXELS).to(device))
        )

        self.batches = ResidentLoader(self.train, batch_size, n_critic=1, seed=seed, stop=0)

        # what is trained, and by what; convolutions in channels-last order take 0.87 of the time
        torch.manual_seed(fold(seed, "initial weights"))
        made = NETWORKS[network](dataset.spec)
        self.network = made.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = optimizer(self.network.parameters())
        self.rates = [group["lr"] for group in self.optimizer.param_groups]

    def step(self, number: int, factor: float = 1.0) -> Tensor:
        """One step of the optimizer; the last gradients are left in the parameters.

        Args:
            number: of the step, from 1.
            factor: of the learning rate.

        Returns:
            The mean cross-entropy of the batch before the step, 0-d; by an optimizer that looks
            ahead, where it looks.
        """
        indices = self.batches.indices(number - 1).view(-1)
        images, labels = self.train.values[indices], self.train.labels[indices]
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = factor * rate

        for move in moves(self.optimizer):
            loss = F.cross_entropy(self.logits(images), labels)
            self.optimizer.zero_grad()
            loss.backward()
            move()
        return loss.detach()

    def logits(self, images: Tensor) -> Tensor:
        """uint8 images (n, C, H, W) -> (n, K)."""
        logits: Tensor = self.network(standardise(images, self.mean, self.std))
        return logits

    def test_accuracy(self) -> float:
        """The accuracy on the test split."""
        return self.accuracy(self.test)

    def accuracy(self, data: ResidentData) -> float:
        """The share of images whose class is found, with the network in eval mode."""
        self.network.eval()
        with torch.no_grad():
            batches = zip(data.values.split(TEST_BATCH), data.labels.split(TEST_BATCH), strict=True)
            right = [(self.logits(images).argmax(1) == labels).sum() for images, labels in batches]
        self.network.train()
        return float(torch.stack(right).sum()) / len(data)

    def state_dict(self) -> dict[str, Any]:
        """All that a step changes."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])


def steps_of_epoch(dataset: LoadedData, batch_size: int) -> int:
    """Check that classifiers can be trained and tested on a data set.

    Args:
        dataset: labelled images with a test split.
        batch_size: images in a step.

    Returns:
        The number of whole batches in an epoch.

    Raises:
        UserError: for another data set, and a batch that is larger than it.
    """
    image_shape(dataset.spec)
    checks.whole("batch_size", batch_size, at_least=1)
    test_split(dataset)
    if dataset.spec.num_classes < 2:
        raise UserError(f"dataset: {dataset.spec.name} has no classes: choose another data set")
    samples = len(dataset.splits["train"])
    check_batch_size(batch_size, samples, dataset.spec.name)
    return samples // batch_size


def test_split(dataset: LoadedData) -> str:
    """The split to test on. Tiny-ImageNet has val alone: its test images have no public labels."""
    for split in ("test", "val"):
        if split in dataset.splits:
            return split
    raise UserError(f"dataset: {dataset.spec.name} has no test split: choose another data set")


# Curves -------------------------------------------------------------------------------------------


class BlockMeans:
    """Means of numbers over equal blocks of steps, for curves.

    Args:
        names: of the numbers.
        steps: of the whole training.
        blocks: how many, at most.
    """

    def __init__(self, names: Sequence[str], steps: int, blocks: int = 200) -> None:
        self.names, self.steps = tuple(names), steps
        self.blocks = min(blocks, steps)
        self.sums = torch.zeros(len(names), self.blocks, dtype=torch.float64)

    def add(self, number: int, values: Mapping[str, Tensor]) -> None:
        """Take in 0-d values of a step, 1 to `steps`, without waiting for their device."""
        first = values[self.names[0]]
        self.sums = self.sums.to(first.device)
        self.sums[:, (number - 1) * self.blocks // self.steps] += torch.stack(
            [values[name].double() for name in self.names]
        )

    def ends(self) -> list[int]:
        """The last step of each block."""
        return [-(-block * self.steps // self.blocks) for block in range(1, self.blocks + 1)]

    def means(self) -> dict[str, list[float]]:
        """Of each block, by name."""
        ends = torch.tensor([0, *self.ends()])
        means = self.sums.cpu() / ends.diff()
        return dict(zip(self.names, means.tolist(), strict=True))


# Studies ------------------------------------------------------------------------------------------


class ClassifierStudy(Study):
    """A Study that trains one of NETWORKS; a subclass says what it looks at.

    Args:
        optimizer: of the classifier.
        dataset: labelled images with a test split.
        network: one of NETWORKS.
        batch_size: images in a step.
        epochs: passes over the training images.

    Attributes:
        epoch_steps: steps of an epoch.
        training: from `begin` on.
        curve: the training loss so far, likewise.

    Raises:
        UserError: for a data set that no classifier can be trained on, and numbers out of range.
    """

    def __init__(
        self,
        optimizer: OptimizerFactory,
        dataset: LoadedData,
        network: str,
        batch_size: int,
        epochs: int,
    ) -> None:
        self.epoch_steps = steps_of_epoch(dataset, batch_size)
        self.steps = self.epoch_steps * checks.whole("epochs", epochs, at_least=1)
        self.optimizer, self.dataset = optimizer, dataset
        self.network, self.batch_size = network, batch_size

    def begin(self, seed: int) -> None:
        """The classifier, its weights from the seed."""
        self.training = ClassifierTraining(
            self.network,
            self.dataset,
            self.optimizer,
            batch_size=self.batch_size,
            seed=seed,
            device=self.device,
        )
        self.curve = BlockMeans(["train_loss"], self.steps)

    def state_dict(self) -> dict[str, Any]:
        """The state of the training, and the curve so far."""
        return {"training": self.training.state_dict(), "curve": self.curve.sums}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a `state_dict`."""
        self.training.load_state_dict(state["training"])
        self.curve.sums = state["curve"]
