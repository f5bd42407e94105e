"""One of several gloo processes trains every case a few steps, and scores samples.

`python -m helpers.parallel_worker RANK WORLD RENDEZVOUS OUT` writes with torch.save what
`everything` returns. `everything(0, 1)` is what one process makes of it.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from helpers import gloo
from helpers.composing import keep_composed

STEPS = 5
RESNET = ("architecture=resnet", "architecture.channels=8")
DCGAN = (
    *(
        "architecture=dcgan",
        "architecture.generator_channels=4",
        "architecture.critic_channels=4",
        "penalty=none",
    ),
    *("architecture.noise=0", "architecture.dropout=0"),
)
FOUND_CLASSES = ("supervision.labelled_fraction=0.3", "supervision.reference_distribution=uniform")
CASES: dict[str, tuple[str, ...]] = {
    "wasserstein + gp": (*RESNET, "loss=wasserstein", "penalty=gp"),
    "exp + maxgp": (*RESNET, "loss=exp", "penalty=maxgp"),
    "exp + maxgp, S_max": (*RESNET, "loss=exp", "penalty=maxgp", "penalty.memory=6"),
    "dragan": (*RESNET, "loss=nonsaturating", "penalty=dragan"),
    "relativistic + r1_r2 and gp": (
        *(*RESNET, "loss=relativistic", "penalty=sum"),
        *("penalty@penalty.first=gp", "penalty@penalty.second=r1_r2"),
    ),
    "relativistic, average": (
        *(*RESNET, "loss=relativistic", "loss.form=average"),
        *("penalty=none", "optimizer=extra_adam"),
    ),
    "sagan by class": (
        *("architecture=sagan", "architecture.channels=8", "architecture.projection=true"),
        *("architecture.conditional_batch_norm=true", "labels=predefined", "loss=hinge"),
        *("penalty=spectral", "penalty.generator=true"),
    ),
    "progressive, within a fade": (
        *("architecture=progressive", "architecture.channels=8", "architecture.phase_steps=3"),
        *("architecture.minibatch_deviation=true", "loss=hinge", "penalty=none"),
    ),
    "fisher": (*RESNET, "loss=fisher", "loss.rho=0.1", "penalty=none"),
    "spectral": (*RESNET, "loss=hinge", "penalty=spectral"),
    "spectral, exact": (*RESNET, "loss=hinge", "penalty=spectral", "penalty.exact=true"),
    "am_gan on resnet": (*RESNET, "loss=am_gan", "labels=dynamic", "penalty=maxgp"),
    "am_gan on dcgan": (*DCGAN, "loss=am_gan", "labels=dynamic"),
    "ac_gan_plus, predefined": (*DCGAN, "loss=ac_gan_plus", "labels=predefined"),
    "am_gan, partly labelled": (*DCGAN, "loss=am_gan", "labels=dynamic", *FOUND_CLASSES),
    "ac_gan_plus, partly labelled": (
        *DCGAN,
        "loss=ac_gan_plus",
        "labels=dynamic",
        "supervision.labelled_fraction=0.3",
    ),
    "cat_gan, partly labelled": (*DCGAN, "loss=cat_gan", "supervision.labelled_fraction=0.3"),
}
COMMON = (
    "dataset=digits",
    "n_critic=2",
    "batch_size=16",
    "generator_batch_size=24",
    "seed=3",
    "optimizer.lr=1e-3",
)


def made(overrides: tuple[str, ...]) -> tuple[Any, Any, Any]:
    """Config, data and module, as they are before there are several processes."""
    from gan_lab import build, config
    from gan_lab.data import Digits, load
    from helpers.gan_runs import compose

    cfg = compose(*COMMON, *overrides, "evaluation=off")
    config.check(cfg)
    data = load(Digits(), Path(cfg.data_cache))
    fed = build.training_data(cfg, data)
    return cfg, fed, build.gan(cfg, fed.spec, data)


def train(
    cfg: Any, fed: Any, gan: Any, rank: int, world: int, steps: int, dtype: torch.dtype
) -> dict[str, Any]:
    """`steps` generator steps without Lightning's Trainer, of which the step itself needs two
    things."""
    from gan_lab.data.resident import ResidentData, ResidentLoader
    from gan_lab.training.diagnostics import CriticOutputs, Stationarity, fixed_batch

    gan.to(dtype)

    def backward(loss: torch.Tensor, optimizer: object, **where: Any) -> None:
        loss.backward(**where)

    gan.trainer = SimpleNamespace(  # type: ignore[assignment]
        optimizers=gan.configure_optimizers(), strategy=SimpleNamespace(backward=backward)
    )
    gan.train()
    loader = ResidentLoader(
        ResidentData.place(fed, "cpu"),
        cfg.batch_size,
        cfg.n_critic,
        cfg.seed,
        steps,
        rank=rank,
        world_size=world,
    )
    metrics, own = [], []
    penalise = gan.penalty.forward

    def spy(*arguments: Any, **named: Any) -> torch.Tensor:
        value = penalise(*arguments, **named)
        own.append(value.item())
        return value

    gan.penalty.forward = spy
    with default_dtype(dtype):  # of z
        for step, (real, labels) in enumerate(loader):
            gan.training_step((real.to(dtype), labels), step)
            metrics.append({name: float(value) for name, value in gan.metrics.items()})
    measured = {}
    with default_dtype(dtype):
        batch = fixed_batch(gan, ResidentData.place(fed, "cpu"), 24)
        batch = dataclasses.replace(batch, real=batch.real.to(dtype))
        for diagnostic in (Stationarity(), *([CriticOutputs()] if gan.loss.has_score else [])):
            found = diagnostic.measure(gan, batch)
            measured |= {name: value.item() for name, value in found.items()}
    return {
        "state": {name: value.clone() for name, value in gan.state_dict().items()},
        "diagnostics": measured,
        "gradient": torch.cat([p.grad.flatten() for p in gan.parameters() if p.grad is not None]),
        "metrics": metrics,
        "own penalties": own,  # this process's, critic step by critic step
    }


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    yield
    torch.set_default_dtype(before)


def everything(rank: int, world: int, rendezvous: str = "") -> dict[str, Any]:
    """What `train` returns of every case, as "steps"; of `sharded_cases` the "scores" of every case,
    and "dropout", the state and the masks of two steps for each kind of labels."""
    from helpers import sharded_cases as sharded

    started = {name: made(overrides) for name, overrides in CASES.items()}
    steps = {}
    with gloo.joined(rank, world, rendezvous):
        for name, (cfg, fed, gan) in started.items():
            same = copy.deepcopy(gan)
            steps[name] = train(cfg, fed, gan, rank, world, STEPS, torch.float64)
            steps[f"{name}, one step in float32"] = train(
                cfg, fed, same, rank, world, 1, torch.float32
            )
        dropout = {labels: sharded.trained(labels, rank, world) for labels in sharded.LABELS}
        return {"steps": steps, "scores": sharded.scored(), "dropout": dropout}


def main(rank: int, world: int, rendezvous: str, out: Path) -> None:
    keep_composed(pytest.MonkeyPatch())
    torch.save(everything(rank, world, rendezvous), out)


if __name__ == "__main__":
    main(*gloo.arguments())
