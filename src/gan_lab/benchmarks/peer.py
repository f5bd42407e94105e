"""A WGAN-GP step as public PyTorch frameworks write it, on plain layers, in a process as they have.

gan_lab's step is measured against it. It has three critic passes; a generator pass with its graph
in every critic step; weight gradients of the critic in the generator's step; u drawn on the host; a
value read back in every step; upsampling, pooling and convolutions one after the other; contiguous
fp32 tensors; torch's Adam as it comes.

gan_lab prepares its own process for training (`gan_lab.training.host`), which public frameworks do
not: beside it the peer would be an eighth too fast. So it has a process of its own, `Apart`.
"""

from __future__ import annotations

import functools
import json
import subprocess  # nosec B404 # this very module, below
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.benchmarks.measuring import seconds_of


class _Up(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2))
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.shortcut = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.interpolate(F.relu(self.norms[0](x)), scale_factor=2))
        h = self.conv2(F.relu(self.norms[1](h)))
        return h + self.shortcut(F.interpolate(x, scale_factor=2))


class _Down(nn.Module):
    def __init__(self, inputs: int, outputs: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = F.avg_pool2d(self.conv2(F.relu(self.conv1(x if self.first else F.relu(x)))), 2)
        if self.first:
            return h + self.shortcut(F.avg_pool2d(x, 2))
        return h + F.avg_pool2d(self.shortcut(x), 2)


class _Flat(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class _Generator(nn.Module):
    def __init__(self, latent: int, channels: int, image_channels: int, side: int) -> None:
        super().__init__()
        self.channels = channels
        self.linear = nn.Linear(latent, channels * 16)
        self.blocks = nn.Sequential(*(_Up(channels) for _ in range((side // 4).bit_length() - 1)))
        self.norm = nn.BatchNorm2d(channels)
        self.output = nn.Conv2d(channels, image_channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.blocks(self.linear(z).view(-1, self.channels, 4, 4))
        return torch.tanh(self.output(F.relu(self.norm(x))))


class _Critic(nn.Module):
    def __init__(self, image_channels: int, side: int, channels: int) -> None:
        super().__init__()
        downs = max(1, (side // 8).bit_length() - 1)
        later = (_Down(channels, channels, first=False) for _ in range(downs - 1))
        self.blocks = nn.Sequential(
            _Down(image_channels, channels, first=True), *later, _Flat(channels), _Flat(channels)
        )
        self.output = nn.Linear(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(F.relu(self.blocks(x)).mean((2, 3)))


class Peer:
    """The step, on real samples (batch_size, C, S, S).

    Args:
        shape: of an image, (C, S, S).
        channels: width of both networks, as in gan_lab's resnet.
        latent_dim: of z.
        n_critic: critic steps to a generator step.
        batch_size: of a critic batch.
        generator_batch_size: of a generator batch.
        device: where it trains.
        real: draws a batch of real samples on the device.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: int,
        latent_dim: int,
        n_critic: int,
        batch_size: int,
        generator_batch_size: int,
        device: torch.device,
        real: Callable[[], Tensor],
    ) -> None:
        self.generator = _Generator(latent_dim, channels, shape[0], shape[1]).to(device)
        self.critic = _Critic(shape[0], shape[1], channels).to(device)

        # as it comes: neither fused nor capturable
        adam = functools.partial(torch.optim.Adam, lr=2e-4, betas=(0.0, 0.9))
        self.critic_optimizer = adam(self.critic.parameters())
        self.generator_optimizer = adam(self.generator.parameters())

        self.latent_dim, self.n_critic, self.device, self.real = latent_dim, n_critic, device, real
        self.batch_size, self.generator_batch_size = batch_size, generator_batch_size
        self.losses = (0.0, 0.0)

    def step(self) -> None:
        """Train one generator step."""
        for _ in range(self.n_critic):
            critic_loss = self._critic_step()

        # with gradients of the critic's weights, which nobody needs
        self.generator_optimizer.zero_grad()
        size = self.generator_batch_size, self.latent_dim
        fake = self.generator(torch.randn(*size, device=self.device))
        loss = -self.critic(fake).mean()
        loss.backward()
        self.generator_optimizer.step()
        self.losses = critic_loss, loss.item()

    def _critic_step(self) -> float:
        # the generator's graph is built, and then cut off
        real = self.real()
        self.critic_optimizer.zero_grad()
        noise = torch.randn(self.batch_size, self.latent_dim, device=self.device)
        fake = self.generator(noise).detach()

        # WGAN-GP's penalty, weight 10, target 1
        u = torch.rand(len(real), 1, 1, 1).to(self.device)
        points = (u * real + (1 - u) * fake).requires_grad_()
        scores = self.critic(points)
        (gradient,) = torch.autograd.grad(
            scores, points, torch.ones_like(scores), create_graph=True
        )
        penalty = (gradient.flatten(1).norm(dim=1) - 1).square().mean()

        # two more passes through the critic, and a value read back
        loss = self.critic(fake).mean() - self.critic(real).mean() + 10 * penalty
        loss.backward()
        self.critic_optimizer.step()
        return loss.item()


class Apart(AbstractContextManager["Apart"]):
    """A peer in a process of its own, which works only while it is asked to.

    Its real samples are noise: no part of a step looks at them.

    Args:
        shape: of an image, (C, S, S).
        sizes: `Peer`'s arguments that are numbers, by their names.
        device: where it trains.
        threads: of torch.
    """

    def __init__(
        self, shape: Sequence[int], sizes: Mapping[str, int], device: torch.device, threads: int
    ) -> None:
        what = json.dumps([list(shape), dict(sizes), str(device), threads])
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )  # nosec B603

    def seconds(self, steps: int) -> float:
        """Measure the mean seconds of a generator step, over `steps` steps.

        Raises:
            RuntimeError: the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{steps}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        if not (answer := self._process.stdout.readline()):
            raise RuntimeError("the peer's process ended early: look above for its error")
        return float(answer)

    def __exit__(self, *arguments: object) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def _serve(shape: Sequence[int], sizes: Mapping[str, int], device: str, threads: int) -> None:
    """Read numbers of steps on stdin; answer each with the mean seconds of a step, on stdout."""
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True  # many frameworks do, and it is faster
    real = torch.rand(sizes["batch_size"], *shape, device=device) * 2 - 1
    peer = Peer(tuple(shape), device=torch.device(device), real=lambda: real, **sizes)
    for steps in sys.stdin:
        print(seconds_of(peer.step, int(steps)), flush=True)


if __name__ == "__main__":
    _serve(*json.loads(sys.argv[1]))
