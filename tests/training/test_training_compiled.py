"""trainer.compile: the same iteration through compiled networks, up to rounding.

The backend aot_eager traces as the one that users get does, and needs no compiler; a slow test goes
through that one.
"""

from __future__ import annotations

import lightning.pytorch as pl
import pytest
import torch

from gan_lab import build
from gan_lab.data import load
from gan_lab.data.module import ResidentDataModule
from gan_lab.errors import UserError
from gan_lab.runs.start import quiet_lightning
from gan_lab.training import GAN, passes
from helpers.gan_runs import CHANNELS, SMALL, command, compose, fitting, is_refusal, metrics, train
from helpers.registry import options

STEPS = 2
BASE = ["optimizer=sgd", "optimizer.lr=0.01", "n_critic=2", "batch_size=8"]
BASE += ["generator_batch_size=8", f"max_generator_steps={STEPS}", "evaluation=off"]
MLP = ["architecture=mlp", "architecture.width=16"]
CASES = {
    **{f"penalty={name}": [*MLP, f"penalty={name}"] for name in options("penalty")},
    "label loss": [*MLP, "loss=am_gan", "labels=dynamic"],
    "stateful loss": [*MLP, *fitting("loss", "fisher")],
    "memory": [*MLP, "penalty.memory=4"],
    "resnet": ["architecture.channels=8"],
    "bf16-mixed": [*MLP, "trainer.precision=bf16-mixed"],
}


QUICK = {"penalty=maxgp", "label loss"}


class Compiled(pl.Callback):
    """Compiled passes, and how often each was asked."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        made = passes.compiled(pl_module.generator, pl_module.critic, backend="aot_eager")
        names = ("generator", "critic", "constant_critic")
        pl_module.use_passes(passes.Passes(*(self.counted(n, getattr(made, n)) for n in names)))

    def counted(self, name: str, through: passes.Pass) -> passes.Pass:
        def call(x: torch.Tensor) -> torch.Tensor:
            self.calls[name] = self.calls.get(name, 0) + 1
            return through(x)

        return call


def trained(overrides: list[str], folder, *watching: pl.Callback) -> GAN:
    quiet_lightning()
    config = compose(*BASE, *overrides)
    data = load(build.make("dataset", config.dataset), None)
    gan = build.gan(config, data.spec)
    feed = ResidentDataModule(data, config.batch_size, config.n_critic, config.seed, stop=STEPS)
    build.trainer(config, list(watching), [], str(folder)).fit(gan, feed)
    return gan


@pytest.mark.parametrize(
    "case",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CASES],
)
def test_compiled_passes_train_what_the_networks_train(case, tmp_path):
    torch._dynamo.reset()
    compiled = Compiled()
    eager, fast = trained(CASES[case], tmp_path), trained(CASES[case], tmp_path, compiled)
    assert compiled.calls["generator"] >= 3 * STEPS  # two batches for the critic, one of its own
    assert compiled.calls["critic"] >= 2 * STEPS
    assert compiled.calls["constant_critic"] >= STEPS
    tolerance = 2e-2 if case == "bf16-mixed" else 1e-5
    for (name, ours), theirs in zip(
        fast.state_dict().items(), eager.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance, msg=name)


def test_the_pass_without_a_graph_has_constant_parameters():
    critic = torch.nn.Linear(3, 1)
    constant = passes.compiled(critic, critic, backend="eager").constant_critic
    samples = torch.ones(2, 3, requires_grad=True)
    constant(samples).sum().backward()
    assert critic.weight.grad is None
    torch.testing.assert_close(samples.grad, critic.weight.detach().expand(2, 3))


def test_without_a_compiler_it_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CXX", "no_such_compiler")
    ended = command(capsys, *SMALL, "trainer.compile=true", f"run_dir={tmp_path / 'run'}")
    is_refusal(ended, "no C++ compiler no_such_compiler", "trainer.compile=false")
    assert not (tmp_path / "run").exists()

    short = (CHANNELS, *SMALL, "max_generator_steps=1")
    assert command(capsys, *short, "trainer.compile=false", f"run_dir={tmp_path / 'run'}").code == 0


def test_a_gpu_is_refused():
    with pytest.raises(UserError, match="it is for a CPU, and this run trains on cuda"):
        passes.check_compiler(torch.device("cuda"))


def test_several_devices_are_refused(capsys, tmp_path):
    where = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    ended = command(capsys, *where, "+trainer.compile=true", f"run_dir={tmp_path / 'run'}")
    is_refusal(ended, "it is for one device", "trainer.compile=false")


@pytest.mark.slow
def test_a_run_with_compiled_networks(tmp_path):
    """Adam turns rounding into whole steps where a gradient is almost zero: sgd does not."""
    short = (CHANNELS, *SMALL, "max_generator_steps=3", "log_every=1", "optimizer=sgd")
    short += ("optimizer.lr=0.01",)
    eager = metrics(train(tmp_path / "eager", *short))
    fast = metrics(train(tmp_path / "fast", *short, "trainer.compile=true"))
    assert [line["critic_loss"] for line in fast] == pytest.approx(
        [line["critic_loss"] for line in eager], rel=1e-4
    )
