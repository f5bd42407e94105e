"""Figures 2-3, 2-5 and 2-19: the optimal critic's gradient between ten images and noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab import checks
from gan_lab.data import LoadedData
from gan_lab.data.resident import ResidentData
from gan_lab.errors import UserError
from gan_lab.losses import ScalarLoss
from gan_lab.penalties import Penalty
from gan_lab.studies.contract import Result
from gan_lab.studies.critics import OptimizerFactory
from gan_lab.studies.oracle import Laws, OracleStudy
from gan_lab.training.randomness import generator_for

SHOWN = (0.25, 0.5, 0.75, 1.0)
"""Steps along the gradient that the figure shows, as shares of the way to the real that it comes
nearest to."""


class DenseMLP(nn.Module):
    """Each layer sees the input and the output of every layer before it.

    Args:
        inputs: values of a sample.
        depth: hidden layers.
        width: units that each adds.

    Source:
        Author's program.
    """

    def __init__(self, inputs: int, depth: int, width: int) -> None:
        super().__init__()
        sizes = [inputs + width * layer for layer in range(depth)]
        self.hidden = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.out = nn.Linear(inputs + width * depth, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, *sample) -> (n, 1)."""
        features = x.flatten(1)
        for layer in self.hidden:
            features = torch.cat([features, torch.relu(layer(features))], dim=1)
        out: Tensor = self.out(features)
        return out


class TenImages(OracleStudy):
    """P_r is one training image of each of ten classes, P_g as many images of noise: the gradient
    at each noise should point to an image.

    Args:
        loss: one of (2-11).
        penalty: maxgp, λ 1 (author's program), or gp to compare.
        optimizer: Adam, 1e-4 (author's program).
        dataset: where the images are from.
        indices: of the training set, as the thesis's of CIFAR-10; None: the first of each of the
            first ten classes.
        noise: uniform on [-1, 1], or normal (Figure 2-19 draws new noise in each step; here it is
            as fixed as the images, so that the optimum is known).
        depth: hidden layers of the critic.
        width: units of each.
        max_steps: of the optimizer.
        batch_size: fakes and reals of a step, drawn with replacement.

    Source:
        Thesis 2.6.2, 2.6.3 and 2.C.
    """

    def __init__(
        self,
        loss: ScalarLoss,
        penalty: Penalty,
        optimizer: OptimizerFactory,
        dataset: LoadedData,
        *,
        indices: list[int] | None,
        noise: str,
        depth: int,
        width: int,
        max_steps: int,
        batch_size: int,
    ) -> None:
        super().__init__(loss, penalty, optimizer, max_steps, batch_size)

        if dataset.spec.kind != "images":
            raise UserError(f"dataset: {dataset.spec.name} holds {dataset.spec.kind}, no images")
        train = ResidentData.place(dataset, "cpu")
        self.images = train.gather(torch.tensor(_chosen(train, indices)))[0]

        # the critic and its noise
        self.noise = checks.choice("noise", noise, ("uniform", "normal"))
        self.depth = checks.whole("depth", depth, at_least=1)
        self.width = checks.whole("width", width, at_least=1)

    def laws(self, seed: int) -> Laws:
        """The images, and noise from the seed."""
        rng = generator_for(seed, "noise")
        normal = torch.randn(self.images.shape, generator=rng)
        uniform = 2 * torch.rand(self.images.shape, generator=rng) - 1
        return Laws(normal if self.noise == "normal" else uniform, self.images)

    def network(self, sample: torch.Size) -> nn.Module:
        """A critic for flattened images."""
        return DenseMLP(sample.numel(), self.depth, self.width)

    def result(self) -> Result:
        """The scores, and how near to an image a walk along the gradient comes."""
        gradient = self.training.gradient(self.fake).cpu()
        fake, real = self.fake.cpu(), self.real.cpu()
        walks = _walks(fake, real, gradient)
        distances = walks["distances"]
        scores = self.scores(gradient) | {"left_over": float(distances.mean())}

        # a picture is drawn from bytes: a tenth of what numbers would take
        rows = [[fake[i], walks["unit"][i], *walks["on_the_way"][i]] for i in range(len(fake))]
        drawn: Mapping[str, Any] = {
            "rows": [[_bytes(image) for image in row] for row in rows],
            "nearest": walks["nearest"].tolist(),
            "partners": self.optimum.partners.tolist(),
            "real": [_bytes(image) for image in real],
            "shape": list(real.shape[1:]),
        }
        return Result(scores, drawn)


def _chosen(train: ResidentData, indices: list[int] | None) -> list[int]:
    """The training images of P_r. Raises UserError for an index that there is not."""
    if indices is None:
        classes = train.labels.unique().tolist()[:10]
        return [int((train.labels == label).nonzero()[0]) for label in classes]
    for index in indices:
        if not 0 <= index < len(train):
            raise UserError(f"indices={index}: the training set has {len(train)} images, from 0 on")
    return indices


def _walks(fake: Tensor, real: Tensor, gradient: Tensor) -> dict[str, Tensor]:
    """Go from each fake along its gradient, to where an image is nearest.

    Returns:
        nearest: that image of each fake, (n,). distances: what is left of the way to it, as a share
        of the whole way, (n,). unit: the gradient, its largest value 1. on_the_way: the images at
        SHOWN.
    """
    unit = gradient.flatten(1) / gradient.flatten(1).norm(dim=1, keepdim=True).clamp_min(1e-12)
    towards = real.flatten(1)[None] - fake.flatten(1)[:, None]
    along = (towards * unit[:, None]).sum(dim=2).clamp_min(0)
    left = (towards - along[:, :, None] * unit[:, None]).norm(dim=2) / towards.norm(dim=2)
    distances, nearest = left.min(dim=1)
    lengths = along.gather(1, nearest[:, None])
    on_the_way = [(fake.flatten(1) + share * lengths * unit).view(fake.shape) for share in SHOWN]
    peak = unit.abs().max(dim=1, keepdim=True).values.clamp_min(1e-12)
    return {
        "nearest": nearest,
        "distances": distances,
        "unit": (unit / peak).view(fake.shape),
        "on_the_way": torch.stack(on_the_way, dim=1),
    }


def _bytes(image: Tensor) -> str:
    """An image in [-1, 1] as the hex digits of its bytes, channels first."""
    return bytes(
        ((image.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).flatten().tolist()
    ).hex()
