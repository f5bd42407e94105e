"""trainer.precision=auto: the faster of the two on this device, and from then on as if it had been
typed."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
import yaml

from gan_lab import records
from gan_lab.errors import UserError
from gan_lab.runs import start
from gan_lab.training import precision
from helpers.gan_runs import CHANNELS, SMALL, resume, train

CPU = torch.device("cpu")
RUN = (CHANNELS, *SMALL, "max_generator_steps=2")


@pytest.fixture(autouse=True)
def _measured_anew():
    """A test makes its own machine, and leaves it to nobody."""
    precision._gain.cache_clear()
    yield
    precision._gain.cache_clear()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ((4.0, 1.0), "bf16-mixed"),
        ((1.2, 1.0), "bf16-mixed"),
        ((1.1, 1.0), "32-true"),
        ((1.0, 2.0), "32-true"),
    ],
)
def test_bf16_where_it_is_worth_its_casts(seconds, expected, monkeypatch):
    by_dtype = dict(zip((torch.float32, torch.bfloat16), seconds, strict=True))
    monkeypatch.setattr(precision, "_seconds", lambda device, dtype: by_dtype[dtype])
    assert precision.resolved("auto", CPU) == expected
    assert precision.resolved("32-true", CPU) == "32-true"
    assert precision.resolved("bf16-mixed", CPU) == "bf16-mixed"


def test_a_machine_that_became_busy_does_not_change_it(monkeypatch):
    """In one process a training is the same however often it is begun."""
    for gain in (2.0, 1.0):
        monkeypatch.setattr(
            precision,
            "_seconds",
            lambda _, dtype, gain=gain: gain if dtype is torch.float32 else 1.0,
        )
        assert precision.resolved("auto", CPU) == "bf16-mixed"


def test_a_moment_in_which_the_machine_is_busy_does_not_change_it(monkeypatch):
    """Both are measured in turns: a load that comes and goes meets both."""
    clock = iter(range(1000))
    seconds = {torch.float32: 2.0, torch.bfloat16: 1.0}
    monkeypatch.setattr(  # the machine is busy in the first half: everything takes ten times as long
        precision, "_seconds", lambda _, dtype: seconds[dtype] * (10 if next(clock) < 8 else 1)
    )
    assert precision.resolved("auto", CPU) == "bf16-mixed"


def test_convolutions_are_timed_in_both():
    assert all(0 < precision._seconds(CPU, dtype) < 60 for dtype in (torch.float32, torch.bfloat16))


@pytest.mark.parametrize("fastest", ["bf16-mixed", "32-true"])
def test_what_it_came_to_is_the_runs_precision_for_ever(fastest, tmp_path, monkeypatch):
    """In config.yaml, identity and record; a machine that is faster in the other one goes on with
    this one."""
    monkeypatch.setattr(
        precision, "resolved", lambda asked, device: fastest if asked == "auto" else asked
    )
    typed = train(tmp_path / "typed", *RUN, f"trainer.precision={fastest}")
    auto = train(tmp_path / "auto", *RUN, "trainer.precision=auto")
    assert yaml.safe_load((auto / "config.yaml").read_text())["trainer"]["precision"] == fastest
    typed_record, record = (json.loads((run / "record.json").read_text()) for run in (typed, auto))
    assert record["precision"] == fastest
    assert record["config_hash"] == typed_record["config_hash"]

    other = {"bf16-mixed": "32-true", "32-true": "bf16-mixed"}[fastest]
    monkeypatch.setattr(
        precision, "resolved", lambda asked, device: other if asked == "auto" else asked
    )
    before = (auto / "record.json").read_bytes()
    train(
        auto, *RUN, "trainer.precision=auto", "existing_run=resume"
    )  # finished before: passed over
    assert (auto / "record.json").read_bytes() == before


def several(started_by=None, by_others=False):
    """What Lightning says of a run of two processes."""
    environment = SimpleNamespace(creates_processes_externally=by_others)
    strategy = SimpleNamespace(
        root_device=CPU, started_by=started_by, cluster_environment=environment
    )
    return SimpleNamespace(world_size=2, strategy=strategy)


def test_all_processes_of_a_run_have_the_first_ones(tmp_path, monkeypatch):
    monkeypatch.delenv("GAN_LAB_PRECISION", raising=False)
    config = SimpleNamespace(existing_run="refuse")
    monkeypatch.setattr(precision, "resolved", lambda asked, device: "bf16-mixed")
    assert start._precision(config, tmp_path, several()) == "bf16-mixed"
    monkeypatch.setattr(precision, "resolved", lambda asked, device: "32-true")
    assert start._precision(config, tmp_path, several(started_by=1)) == "bf16-mixed"
    assert start._precision(config, tmp_path, several()) == "32-true"  # a run of its own


def test_processes_that_others_start_are_told_their_precision(tmp_path):
    config = SimpleNamespace(existing_run="refuse")
    with pytest.raises(UserError, match=r"set trainer\.precision=bf16-mixed or 32-true"):
        start._precision(config, tmp_path, several(by_others=True))


@pytest.mark.parametrize(
    ("products", "convolutions", "matrix_products"),
    [("none", False, False), ("convolutions", True, False), ("all", True, True)],
)
def test_what_cuda_may_round(products, convolutions, matrix_products):
    """torch's own switches; its defaults are those of "convolutions"."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    assert before == (True, False)
    try:
        precision.allow_tf32(products)
        assert (cudnn.allow_tf32, matmul.allow_tf32) == (convolutions, matrix_products)
    finally:
        cudnn.allow_tf32, matmul.allow_tf32 = before


def test_rounding_is_part_of_what_a_run_is_unless_it_is_torchs_own():
    """A run of before the field had torch's defaults; another choice makes another cell and does
    not resume it."""
    config = {"trainer": {"_target_": "lightning.pytorch.Trainer", "precision": "32-true"}}
    asked = {
        name: {"trainer": config["trainer"] | {"tf32": name}}
        for name in ("convolutions", "all", "none")
    }
    assert records.config_hash(asked["convolutions"]) == records.config_hash(config)
    assert len({records.config_hash(one) for one in asked.values()}) == 3


def test_rounding_is_checked_and_kept(tmp_path):
    with pytest.raises(
        UserError, match=r"trainer\.tf32=some: choose one of convolutions, all, none"
    ):
        train(tmp_path / "typo", *RUN, "trainer.tf32=some")
    run = train(tmp_path / "run", *RUN, "trainer.tf32=none")
    assert yaml.safe_load((run / "config.yaml").read_text())["trainer"]["tf32"] == "none"
    with pytest.raises(UserError, match=r"^add trainer\.tf32=none: a resumed run keeps its tf32"):
        resume(run, "trainer.tf32=all", "max_generator_steps=3")
    resume(run, "trainer.capture=off", "max_generator_steps=3")
