"""Every option of the registry trains: discovered from conf/, never listed."""

from __future__ import annotations

import math

import pytest
import torch

from gan_lab.data.resident import to_uint8
from helpers.gan_runs import (
    N_CRITIC,
    checkpoint,
    fitting,
    metrics,
    record,
    steps_of,
    train,
    traits,
    weights,
)
from helpers.registry import options

TRAINED = [("loss", name, fitting("loss", name)) for name in options("loss")]
TRAINED += [("penalty", name, ["loss=wasserstein"]) for name in options("penalty")]
DIAGNOSED = ("penalty.memory=4", "max_generator_steps=5", "log_every=3", "n_critic=1")


def is_finished(run_dir, steps: int, has_norm: bool = True) -> None:
    kept = record(run_dir)
    assert (kept["status"], kept["reason"]) == ("finished", None)
    assert (kept["generator_steps"], kept["critic_steps"]) == (steps, N_CRITIC * steps)
    for line in metrics(run_dir):
        k = line.pop("gradient_norm")
        assert k > 0 if has_norm else k == "nan"  # k is shown whatever the penalty
        assert all(math.isfinite(value) for value in line.values())


@pytest.mark.parametrize(
    ("group", "option", "other"), TRAINED, ids=[f"{g}={o}" for g, o, _ in TRAINED]
)
def test_every_loss_and_every_penalty_trains_ten_steps_on_digits(group, option, other, tmp_path):
    run_dir = train(
        tmp_path / "run", f"{group}={option}", *other, "max_generator_steps=10", "log_every=5"
    )
    is_finished(run_dir, 10, traits(group, option).get("score", True))
    assert record(run_dir)["choices"][group] == option


@pytest.mark.parametrize("option", options("optimizer"))
def test_every_optimizer_moves_both_networks(option, tmp_path):
    run_dir = train(
        tmp_path / "run",
        f"optimizer={option}",
        "max_generator_steps=4",
        "checkpoint_every=2",
        "schedule=constant",
    )
    is_finished(run_dir, 4)
    before, after = checkpoint(run_dir, 2)["module"], checkpoint(run_dir, 4)["module"]
    for network in ("generator.", "critic."):
        moved = [
            not torch.equal(before[key], after[key])
            for key in after
            if key.startswith(network + "output.weight")
        ]
        assert moved
        assert all(moved)


@pytest.mark.parametrize("option", options("schedule"))
def test_every_schedule_sets_both_rates(option, tmp_path):
    run_dir = train(tmp_path / "run", f"schedule={option}", "max_generator_steps=4", "log_every=1", "optimizer.lr=0.01",
                    *(["schedule.every=2"] if option == "staircase" else []))  # fmt: skip
    by_hand = {
        "constant": [1, 1, 1, 1],
        "linear": [1, 0.75, 0.5, 0.25],
        "staircase": [1, 1, 0.5, 0.5],
    }
    assert option in by_hand, "write the factors of the new schedule here"
    for name in ("learning_rate", "critic_learning_rate"):
        assert [line[name] for line in metrics(run_dir)] == pytest.approx(
            [0.01 * f for f in by_hand[option]]
        )


@pytest.mark.parametrize("dataset", ["digits", "gaussians"])
def test_mlp_trains(dataset, tmp_path):
    run_dir = train(tmp_path / "run", "architecture=mlp", "architecture.width=16", f"dataset={dataset}",
                    "max_generator_steps=3")  # fmt: skip
    is_finished(run_dir, 3)
    assert steps_of(run_dir, "samples", ".png") == [3]


@pytest.mark.parametrize("option", options("loss"))
def test_bf16_keeps_weights_and_losses_in_float32(option, tmp_path):
    run_dir = train(tmp_path / "run", f"loss={option}", *fitting("loss", option), "max_generator_steps=2",
                    "trainer.precision=bf16-mixed")  # fmt: skip
    is_finished(run_dir, 2, traits("loss", option).get("score", True))
    state = checkpoint(run_dir, 2)["module"]
    assert {value.dtype for value in state.values() if value.is_floating_point()} <= {
        torch.float32,
        torch.float64,
    }
    assert record(run_dir)["precision"] == "bf16-mixed"


@pytest.mark.parametrize("option", options("logger"))
def test_every_logger(option, tmp_path):
    run_dir = train(tmp_path / "run", f"logger={option}", "max_generator_steps=3", "log_every=2")
    is_finished_status = record(run_dir)["status"]
    assert is_finished_status == "finished"
    assert (run_dir / "metrics.jsonl").exists() == (option != "none")
    if option != "none":
        assert [line["generator_step"] for line in metrics(run_dir)] == [2, 3]
    assert bool(list(run_dir.rglob("events.out.tfevents.*"))) == (option in ("tensorboard", "many"))
    assert bool(list(run_dir.rglob("*.wandb"))) == (option in ("wandb", "many"))


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory):
    return train(tmp_path_factory.mktemp("plain") / "run", *DIAGNOSED)


@pytest.mark.parametrize("option", [name for name in options("diagnostics") if name != "none"])
def test_every_diagnostic_leaves_the_bytes_of_a_run_without(option, plain_run, tmp_path):
    """They stand in metrics.jsonl beside the metrics, and in the record."""
    asked = (f"diagnostics={option}", "diagnostics.every=2", "diagnostics.samples=8")
    run_dir = train(tmp_path / "run", *DIAGNOSED, *asked)
    assert weights(run_dir) == weights(plain_run)

    # every number of the plain run, and those of the diagnostic at steps 2, 4 and 5
    curves = record(run_dir)["diagnostics"]
    beside = {line["generator_step"]: line for line in metrics(run_dir)}
    for line in metrics(plain_run):
        assert line.items() <= beside[line["generator_step"]].items()
    for name, points in curves.items():
        assert [step for step, _ in points] == [2, 4, 5]
        assert all(beside[step][name] == value for step, value in points)
    assert curves
    assert record(plain_run)["diagnostics"] == {}
    assert record(run_dir)["config_hash"] == record(plain_run)["config_hash"]


@pytest.mark.parametrize(("penalty", "is_measured"), [("none", False), ("maxgp", True)])
def test_k_of_a_row_is_of_its_own_step(penalty, is_measured, tmp_path):
    """Step 3 has a row for its diagnostics alone; there nobody measures k for penalty=none."""
    diagnosed = ("diagnostics=critic_outputs", "diagnostics.every=3", "log_every=2")
    run_dir = train(tmp_path / "run", f"penalty={penalty}", *diagnosed, "max_generator_steps=4")
    k = {line["generator_step"]: line["gradient_norm"] for line in metrics(run_dir)}
    assert list(k) == [2, 3, 4]
    assert (k[3] != "nan") is is_measured
    assert k[2] > 0
    assert k[4] > 0


def test_sixty_generator_steps(tmp_path, monkeypatch):
    """60 asked: 60 done and 300 critic steps, counted at the optimizers; checkpoints, grids and
    metrics where asked."""
    counted = {}
    for_each = torch.optim.Adam.step

    def step(self, *arguments, **named):
        size = sum(p.numel() for group in self.param_groups for p in group["params"])
        counted[size] = counted.get(size, 0) + 1
        return for_each(self, *arguments, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    run_dir = train(tmp_path / "run", "max_generator_steps=60", "checkpoint_every=8", "keep_checkpoints=100",
                    "sample_every=25", "log_every=7", "n_critic=5")  # fmt: skip
    kept = record(run_dir)
    assert counted == {kept["parameters"]["generator"]: 60, kept["parameters"]["critic"]: 300}
    assert (kept["generator_steps"], kept["critic_steps"], kept["images_seen"]) == (
        60,
        300,
        300 * 16,
    )
    assert steps_of(run_dir, "checkpoints", ".ckpt") == [8, 16, 24, 32, 40, 48, 56, 60]
    assert all(
        path.with_name(path.name + ".sha256").exists()
        for path in (run_dir / "checkpoints").glob("*.ckpt")
    )
    assert steps_of(run_dir, "samples", ".png") == [25, 50, 60]
    assert [line["generator_step"] for line in metrics(run_dir)] == [
        7,
        14,
        21,
        28,
        35,
        42,
        49,
        56,
        60,
    ]
    for done in (8, 60):
        state = checkpoint(run_dir, done)
        assert (state["generator_steps"], state["critic_steps"]) == (done, 5 * done)


def test_keep_checkpoints_keeps_the_newest_with_their_checksums(tmp_path):
    run_dir = train(
        tmp_path / "run", "max_generator_steps=11", "checkpoint_every=2", "keep_checkpoints=2"
    )
    assert sorted(path.name for path in (run_dir / "checkpoints").iterdir()) == [
        "step_10.ckpt", "step_10.ckpt.sha256", "step_11.ckpt", "step_11.ckpt.sha256",
    ]  # fmt: skip


def test_training_writes_nothing_outside_its_run_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(tmp_path / "run", "max_generator_steps=2", "logger=many")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    hidden = list((tmp_path / "run").rglob(".*.tmp"))
    assert not hidden


def test_the_exported_files_rebuild_the_generator_and_its_grid(tmp_path):
    """generator.safetensors and generator.json are enough: rebuild, draw the fixed noise, compare
    with the PNG."""
    import json

    import numpy as np
    from hydra.utils import instantiate
    from PIL import Image
    from safetensors.torch import load_file

    from gan_lab.training.randomness import generator_for
    from gan_lab.types import DataSpec

    run_dir = train(tmp_path / "run", "max_generator_steps=3", "ema_decay=0.5")
    told = json.loads((run_dir / "generator.json").read_text())
    fields = told["architecture"]
    data = told["data"]
    spec = DataSpec(data["name"], data["kind"], tuple(data["shape"]), 1, ("any",))
    generator = instantiate(fields).generator(spec).eval()
    generator.load_state_dict(load_file(run_dir / "generator.safetensors"))
    z = torch.randn(64, told["latent"]["dim"], generator=generator_for(0, "samples"))
    with torch.no_grad():
        pixels = to_uint8(generator(z)).numpy()
    grid = np.asarray(Image.open(run_dir / "samples/step_3.png"))
    side, scale = 8, 6  # digits, enlarged to 48 pixels
    for i in range(64):
        row, column = (2 + (side * scale + 2) * k for k in divmod(i, 8))
        tile = grid[
            row : row + side * scale : scale, column : column + side * scale : scale, 0
        ].astype(int)
        assert np.abs(tile - pixels[i, 0]).max() <= 1  # rounding at half a grey level
