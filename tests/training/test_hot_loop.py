"""A training step never reads a value back from the device: no .item(), no branch on a tensor, no
copy to the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch.utils._python_dispatch import TorchDispatchMode

from gan_lab import build, config
from gan_lab.data import load
from gan_lab.data.module import ResidentDataModule
from gan_lab.runs.start import quiet_lightning
from helpers.gan_runs import fitting
from helpers.registry import CONF, node, options

READS_A_VALUE = {"aten::_local_scalar_dense", "aten::is_nonzero", "aten::item", "aten::equal"}
# torch's NAdam reads its own step counter, which torch keeps on the host; ours keep theirs on the
# device.
OURS = [
    option
    for option in options("optimizer")
    if node("optimizer", option)["_target_"].startswith("gan_lab.")
]
CHOICES = [(group, option) for group in ("loss", "penalty", "labels") for option in options(group)]
CHOICES += [("optimizer", option) for option in OURS]


class Recorder(TorchDispatchMode):
    """Names of the operators that run, and whether a tensor was copied to another device."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.moved = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func._schema.name)
        self.moved |= (kwargs or {}).get("device") not in (None, torch.device("cpu"))
        return func(*args, **(kwargs or {}))


class Watch(pl.Callback):
    """Record what the step itself does, without what callbacks read at log steps."""

    def __init__(self) -> None:
        self.recorder = Recorder()

    def on_train_batch_start(self, *_: Any) -> None:
        self.recorder.__enter__()

    def on_train_batch_end(self, *_: Any) -> None:
        self.recorder.__exit__(None, None, None)


def watched_fit(overrides: list[str], folder: Path) -> Recorder:
    quiet_lightning()
    config.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(
            "train",
            [*overrides, "architecture=mlp", "architecture.width=16", "max_generator_steps=3"],
        )
    data = load(build.make("dataset", cfg.dataset), None)
    watch = Watch()
    trainer = build.trainer(cfg, [watch], [], str(folder))
    trainer.fit(
        build.gan(cfg, data.spec),
        ResidentDataModule(data, cfg.batch_size, cfg.n_critic, cfg.seed, stop=3),
    )
    return watch.recorder


@pytest.mark.parametrize(("group", "option"), CHOICES)
def test_a_step_reads_nothing_back(group: str, option: str, tmp_path: Path) -> None:
    extra = ["penalty.memory=4"] if option == "maxgp" else []
    recorder = watched_fit(
        [f"{group}={option}", *fitting(group, option), "log_every=1", *extra], tmp_path
    )
    assert {"aten::mm", "aten::addmm"} & recorder.names, (
        "the recorder saw no network: it does not watch the step"
    )
    assert not recorder.names & READS_A_VALUE
    assert not recorder.moved


def test_the_recorder_sees_a_value_that_is_read() -> None:
    with Recorder() as recorder:
        torch.ones(()).item()
    assert recorder.names & READS_A_VALUE
