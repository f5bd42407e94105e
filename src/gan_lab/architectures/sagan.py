"""The self-attention GAN: the ResNet with an attention block in both networks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab import checks
from gan_lab.architectures.layers import ConditionalBatchNorm2d, glorot_uniform, square_image
from gan_lab.architectures.resnet import ResNetCritic, ResNetGenerator, UpBlock
from gan_lab.errors import UserError
from gan_lab.types import DataSpec


@dataclass(frozen=True)
class SAGAN:
    """The networks of `ResNet`, each with one attention block, whose gate γ begins at 0.

    So it begins as the ResNet with the same weights. The published setting has spectral norm in
    both networks, `penalty=spectral penalty.generator=true`, and with labels both conditional
    fields; `experiment=sagan` has it.

    Args:
        channels: the width of all layers.
        latent_dim: the length of z.
        attention_side: a network attends over its maps of this side: of those that it has, the
            largest up to it, or its smallest.
        conditional_batch_norm: the generator's batch norm has a gain and a bias for each class, and
            z alone enters its first layer; for labels=predefined.
        projection: the critic has one logit for each class, ψ(φ(x)) + v_y · φ(x), and a sample is
            judged by that of its class; for labels=predefined and a loss of phi, varphi and psi.

    Raises:
        UserError: for a size that is no whole number >= 1 and a flag that is none; from `generator`
            and `critic` for samples that are no square images with a side of 8, 16, 32, ..., and
            from `generator` for conditional batch norm without classes.

    Source:
        Zhang et al. 2019 (arXiv:1805.08318); the projection: Miyato and Koyama 2018
        (arXiv:1802.05637).

    Examples:
        Four 1×1 convolutions between 128 and 16 channels, and γ, beside the ResNet's 1,204,483:

        >>> from gan_lab.architectures import SAGAN
        >>> from gan_lab.types import DataSpec
        >>> cifar = DataSpec("cifar10", "images", (3, 32, 32), 10, tuple("0123456789"))
        >>> generator = SAGAN().generator(cifar)
        >>> sum(parameter.numel() for parameter in generator.parameters()) - 1204483
        8193
    """

    channels: int = 128
    latent_dim: int = 128
    attention_side: int = 16
    conditional_batch_norm: bool = False
    projection: bool = False

    def __post_init__(self) -> None:
        for name in ("channels", "latent_dim", "attention_side"):
            checks.whole(name, getattr(self, name), at_least=1)
        for name in ("conditional_batch_norm", "projection"):
            checks.flag(name, getattr(self, name))

    def generator(self, spec: DataSpec, conditions: int = 0) -> nn.Module:
        """A network (n, latent_dim + conditions) -> images (n, *spec.shape) in [-1, 1]."""
        image_channels, side = square_image(spec, "sagan")
        if self.conditional_batch_norm and not conditions:
            raise UserError(
                "conditional_batch_norm=true: the generator is given no class, as "
                "labels=predefined draws them; set architecture.conditional_batch_norm=false"
            )
        classes = conditions if self.conditional_batch_norm else 0
        return AttentiveGenerator(
            self.latent_dim + conditions - classes,
            self.channels,
            image_channels,
            side,
            self.attention_side,
            classes,
        )

    def critic(self, spec: DataSpec, outputs: int) -> nn.Module:
        """A network from images (n, *spec.shape) -> (n, outputs), unbounded."""
        image_channels, side = square_image(spec, "sagan")
        return AttentiveCritic(
            image_channels,
            side,
            self.channels,
            outputs,
            self.attention_side,
            projects=self.projection,
        )


class Attention(nn.Module):
    """y = x + γ · v(a), where every position of a map looks at all of them.

        β_ij = softmax over j of f(x_i) · g(x_j)        a_i = Σ_j β_ij h(x_j)

    f, g, h are 1×1 convolutions to C/8 channels and v is one back to C, without biases; γ is one
    number that begins at 0. A network adds no position to x: shuffled pixels give a shuffled y.

    Shapes: (n, C, H, W) stays.

    Args:
        channels: C.

    Source:
        Zhang et al. 2019 (arXiv:1805.08318), section 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(1, channels // 8)
        self.query = glorot_uniform(nn.Conv2d(channels, narrow, 1, bias=False))
        self.key = glorot_uniform(nn.Conv2d(channels, narrow, 1, bias=False))
        self.value = glorot_uniform(nn.Conv2d(channels, narrow, 1, bias=False))
        self.output = glorot_uniform(nn.Conv2d(narrow, channels, 1, bias=False))
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        # over positions: (n, positions, C/8) each
        query = self.query(x).flatten(2).transpose(1, 2)
        key, value = self.key(x).flatten(2), self.value(x).flatten(2)

        # softmax written out of matrix products: it can be differentiated twice
        shares = (query @ key).softmax(2)
        attended = value @ shares.transpose(1, 2)
        return x + self.gamma * self.output(attended.unflatten(2, x.shape[2:]))


class AttentiveGenerator(ResNetGenerator):
    """ResNetGenerator with attention after a block.

    Shapes: (n, inputs + classes) -> (n, image_channels, side, side), in [-1, 1].

    Args:
        inputs: the length of what the first layer sees.
        channels: of all layers.
        image_channels: of the image.
        side: of the image.
        attention_side: the largest side to attend over.
        classes: how many numbers of the input are the code of a class, which goes to batch norm; 0:
            batch norm has no classes.
    """

    def __init__(
        self,
        inputs: int,
        channels: int,
        image_channels: int,
        side: int,
        attention_side: int,
        classes: int,
    ) -> None:
        super().__init__(inputs, channels, image_channels, side)
        self.inputs = inputs

        # after so many blocks, 4, 8, 16, ... pixels; made last, so that the rest is ResNet's
        sides = [4 * 2**blocks for blocks in range(len(self.blocks) + 1)]
        self.attended_after = _nearest(sides, attention_side)
        self.attention = Attention(channels)

        # gains and biases by class in place of common ones
        if classes:
            for block in self.blocks:
                assert isinstance(block, UpBlock)
                block.norm1 = ConditionalBatchNorm2d(channels, classes)
                block.norm2 = ConditionalBatchNorm2d(channels, classes)

    def forward(self, z: Tensor) -> Tensor:
        z, code = z[:, : self.inputs], z[:, self.inputs :]
        x = self.linear(z).unflatten(1, (self.channels, 4, 4))
        for blocks, block in enumerate(self.blocks):
            if blocks == self.attended_after:
                x = self.attention(x)
            x = block(x, code) if code.shape[1] else block(x)
        if self.attended_after == len(self.blocks):
            x = self.attention(x)
        return torch.tanh(self.output(F.relu_(self.norm(x))))


class AttentiveCritic(ResNetCritic):
    """ResNetCritic with attention after a block.

    Shapes: (n, image_channels, side, side) -> (n, outputs).

    Args:
        image_channels: of the image.
        side: of the image.
        channels: of all layers.
        outputs: the number of logits.
        attention_side: the largest side to attend over.
        projects: logit y is ψ(φ(x)) + v_y · φ(x), φ the mean over the last map.
    """

    def __init__(
        self,
        image_channels: int,
        side: int,
        channels: int,
        outputs: int,
        attention_side: int,
        *,
        projects: bool,
    ) -> None:
        super().__init__(image_channels, side, channels, 1 if projects else outputs)

        # the side after each block; the last two keep it
        downs = len(self.blocks) - 2
        sides = [side // 2**blocks for blocks in range(1, downs + 1)]
        self.attended_after = 1 + _nearest(sides, attention_side)
        self.attention = Attention(channels)
        self.embedding = (
            glorot_uniform(nn.Linear(channels, outputs, bias=False)) if projects else None
        )

    def forward(self, x: Tensor) -> Tensor:
        for blocks, block in enumerate(self.blocks):
            if blocks == self.attended_after:
                x = self.attention(x)
            x = block(x)
        features = F.relu(x).mean((2, 3))
        logits: Tensor = self.output(features)
        return logits if self.embedding is None else logits + self.embedding(features)


def _nearest(sides: list[int], wanted: int) -> int:
    """Where in a list of sides the largest up to `wanted` stands, or the smallest of all."""
    fitting = [side for side in sides if side <= wanted] or [min(sides)]
    return sides.index(max(fitting))
