"""`python scripts/benchmark.py step`: seconds of gan_lab's training step against a bare PyTorch loop.

Both train the same networks on the same data with exp + maxgp and Adam in one process, in alternating rounds; the bare
loop is written as one would without a framework, with no logging, no checks and no resume. The ratio is what gan_lab
costs. fp32, the machine's default number of threads.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from hydra import compose, initialize_config_dir
from rich.console import Console
from torch import Tensor

from gan_lab import config
from gan_lab.architectures import frozen_statistics
from gan_lab.callbacks import MetricsFile, ProgressBar, ReadMetrics, StopOnSignal
from gan_lab.data import load
from gan_lab.data.module import ResidentDataModule
from gan_lab.run import quiet_lightning
from gan_lab.training import build

CONF = Path(__file__).resolve().parent.parent / "conf"


def main() -> None:
    """Parse, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["step"])
    parser.add_argument("--channels", type=int, nargs="*", default=[32, 128], help="network widths; 32: digits' own")
    parser.add_argument("--steps", type=int, default=None, help="generator steps a round (default: about 4 s)")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    quiet_lightning()
    config.register()
    for channels in arguments.channels:
        steps = arguments.steps or (60 if channels < 64 else 12)
        measure(channels, steps, arguments.rounds)


def measure(channels: int, steps: int, rounds: int) -> None:
    """Time alternating rounds on digits at a network width and print medians and the ratio."""
    overrides = [f"architecture.channels={channels}", "max_generator_steps=1000000", "schedule=constant"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", overrides)
    data = load(build.make("dataset", cfg.dataset), Path(cfg.data_cache))
    bare = BareLoop(build.gan(cfg, data.spec), cfg)
    values = torch.from_numpy(data.splits["train"].values)
    bare.run(values, 2)
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(bare.run(values, steps))
        ours.append(fit(cfg, data, steps))
    ratios = [mine / its for mine, its in zip(ours, theirs, strict=True)]
    print(
        f"channels {channels}: gan_lab {statistics.median(ours) * 1e3:.2f} ms, bare loop "
        f"{statistics.median(theirs) * 1e3:.2f} ms a generator step; ratio {statistics.median(ratios):.3f} "
        f"(rounds: {', '.join(f'{ratio:.3f}' for ratio in ratios)})"
    )


class Stopwatch(pl.Callback):
    """Seconds a step between the end of the second batch and the end of the last."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *arguments: Any) -> None:
        """Take the time."""
        _wait()
        now = time.perf_counter()
        batch_idx = arguments[2]
        if batch_idx == 1:
            self.began = now
        elif batch_idx > 1:
            self.seconds = (now - self.began) / (batch_idx - 1)


def fit(cfg: Any, data: Any, steps: int) -> float:
    """Seconds per generator step of gan_lab under its Trainer, with the callbacks that act every step."""
    with tempfile.TemporaryDirectory() as folder:
        reader = ReadMetrics()
        console = Console(quiet=True)
        watch = Stopwatch()
        callbacks = [reader, ProgressBar(reader, 1, cfg.max_generator_steps, console), StopOnSignal(), watch]
        trainer = build.trainer(cfg, callbacks, [MetricsFile(folder)], folder)
        gan = build.gan(cfg, data.spec)
        trainer.fit(gan, ResidentDataModule(data, cfg.batch_size, cfg.n_critic, cfg.seed, stop=steps + 2))
    return watch.seconds


class BareLoop:
    """The same networks, objective, penalty and optimizer, without gan_lab."""

    def __init__(self, gan: Any, cfg: Any) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.generator, self.critic, self.average = (
            module.to(self.device) for module in (gan.generator, gan.critic, gan.ema.average)
        )
        self.cfg = cfg
        settings = {key: value for key, value in config.plain_config(cfg.optimizer).items() if key != "_target_"}
        self.d_optimizer = torch.optim.Adam(self.critic.parameters(), **settings)
        self.g_optimizer = torch.optim.Adam(self.generator.parameters(), **settings)

    def run(self, values: Tensor, steps: int) -> float:
        """Train and return seconds per generator step."""
        values = values.to(self.device)
        batch, latent = self.cfg.batch_size, self.cfg.architecture.latent_dim
        _wait()
        began = time.perf_counter()
        for _ in range(steps):
            for _ in range(self.cfg.n_critic):
                index = torch.randint(len(values), (batch,), device=self.device)
                real = (values[index].float() - 127.5) / 128
                with torch.no_grad(), frozen_statistics(self.generator):
                    fake = self.generator(torch.randn(batch, latent, device=self.device))
                self.d_optimizer.zero_grad()
                scores_real, scores_fake = self.critic(torch.cat([real, fake])).chunk(2)
                loss = scores_fake.exp().mean() + (-scores_real).exp().mean() + self.penalty(real, fake)
                loss.backward()
                self.d_optimizer.step()
            self.g_optimizer.zero_grad()
            for parameter in self.critic.parameters():
                parameter.requires_grad_(False)
            noise = torch.randn(self.cfg.generator_batch_size, latent, device=self.device)
            (-self.critic(self.generator(noise)).mean()).backward()
            for parameter in self.critic.parameters():
                parameter.requires_grad_(True)
            self.g_optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 0.01)
        _wait()
        return (time.perf_counter() - began) / steps

    def penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        """MaxGP (2-17), its double-backward graph for the arg-max sample only, as gan_lab does it."""
        u = torch.rand(len(real), *[1] * (real.ndim - 1), device=self.device)
        points = (u * real + (1 - u) * fake).requires_grad_()
        (gradient,) = torch.autograd.grad(self.critic(points).sum(), points)
        worst = gradient.flatten(1).norm(dim=1).argmax()
        point = points.detach()[worst : worst + 1] if self.device.type == "cpu" else points.detach()[worst[None]]
        point.requires_grad_()
        (gradient,) = torch.autograd.grad(self.critic(point).sum(), point, create_graph=True)
        return self.cfg.penalty.weight * gradient.norm() ** 2


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
