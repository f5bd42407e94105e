"""MaxGP in a training loop of your own: points on a circle, a few seconds on a CPU, nothing but
torch around it."""

import argparse
import math

import torch
from torch import Tensor, nn

from gan_lab.losses import exponential
from gan_lab.penalties import MaxGradientPenalty

LATENT, BATCH = 8, 128


def network(inputs: int, outputs: int) -> nn.Module:
    """Two hidden layers of 64."""
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, outputs)
    )


def circle(count: int) -> Tensor:
    """Points at radius 1, (count, 2)."""
    angle = 2 * math.pi * torch.rand(count)
    return torch.stack([angle.cos(), angle.sin()], 1)


def main() -> None:
    """Train, and say how far the samples are from the circle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    steps = parser.parse_args().steps
    torch.manual_seed(0)
    torch.set_num_threads(1)  # such small networks are slower on several

    generator, critic = network(LATENT, 2), network(2, 1)
    loss = exponential()  # phi(t) = e^t, varphi(t) = e^-t, psi(t) = -t
    penalty = MaxGradientPenalty(weight=1.0)  # λ max ‖∇f‖² over points between real and fake
    critic_optimizer = torch.optim.Adam(critic.parameters(), 1e-3, betas=(0.0, 0.9))
    generator_optimizer = torch.optim.Adam(generator.parameters(), 1e-3, betas=(0.0, 0.9))

    def score(points: Tensor) -> Tensor:
        """f, (n, 2) -> (n,): what the penalty differentiates."""
        return loss.score(critic(points))

    for _ in range(steps):
        real, fake = circle(BATCH), generator(torch.randn(BATCH, LATENT)).detach()
        objective = loss.critic(critic(real), critic(fake)) + penalty(score, real, fake)
        critic_optimizer.zero_grad()
        objective.backward()
        critic_optimizer.step()

        generator_optimizer.zero_grad()
        loss.generator(critic(generator(torch.randn(BATCH, LATENT)))).backward()
        generator_optimizer.step()

    samples = generator(torch.randn(1000, LATENT))
    distance = (samples.norm(dim=1) - 1).abs().mean().item()
    print(f"k = {penalty.last_norm.item():.3f}, mean distance from the circle {distance:.3f}")


if __name__ == "__main__":
    main()
