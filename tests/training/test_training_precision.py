"""trainer.precision=auto: the faster of the two on this device, and from then on as if it had been typed."""

from __future__ import annotations

import json

import pytest
import torch
import yaml
from gan_runs import CHANNELS, SMALL, train

from gan_lab.training import precision

CPU = torch.device("cpu")
RUN = (CHANNELS, *SMALL, "max_generator_steps=2")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [((4.0, 1.0), "bf16-mixed"), ((1.2, 1.0), "bf16-mixed"), ((1.1, 1.0), "32-true"), ((1.0, 2.0), "32-true")],
)
def test_bf16_where_it_is_worth_its_casts(seconds, expected, monkeypatch):
    by_dtype = dict(zip((torch.float32, torch.bfloat16), seconds, strict=True))
    monkeypatch.setattr(precision, "_seconds", lambda device, dtype: by_dtype[dtype])
    assert precision.resolved("auto", CPU) == expected
    assert precision.resolved("32-true", CPU) == "32-true"
    assert precision.resolved("bf16-mixed", CPU) == "bf16-mixed"


def test_convolutions_are_timed_in_both():
    assert all(0 < precision._seconds(CPU, dtype) < 60 for dtype in (torch.float32, torch.bfloat16))


@pytest.mark.parametrize("fastest", ["bf16-mixed", "32-true"])
def test_what_it_came_to_is_the_runs_precision_for_ever(fastest, tmp_path, monkeypatch):
    """In config.yaml, identity and record; a machine that is faster in the other one goes on with this one."""
    monkeypatch.setattr(precision, "resolved", lambda asked, device: fastest if asked == "auto" else asked)
    typed = train(tmp_path / "typed", *RUN, f"trainer.precision={fastest}")
    auto = train(tmp_path / "auto", *RUN, "trainer.precision=auto")
    assert yaml.safe_load((auto / "config.yaml").read_text())["trainer"]["precision"] == fastest
    records = [json.loads((run / "record.json").read_text()) for run in (typed, auto)]
    assert records[1]["precision"] == fastest
    assert records[0]["config_hash"] == records[1]["config_hash"]

    other = {"bf16-mixed": "32-true", "32-true": "bf16-mixed"}[fastest]
    monkeypatch.setattr(precision, "resolved", lambda asked, device: other if asked == "auto" else asked)
    before = (auto / "record.json").read_bytes()
    train(auto, *RUN, "trainer.precision=auto", "existing_run=resume")  # finished before: passed over
    assert (auto / "record.json").read_bytes() == before
