"""conf/wandb_sweep.yaml: every command that an agent would make of it composes, and is a run that
can train."""

from __future__ import annotations

import functools
import itertools

import pytest
import yaml

from gan_lab import config
from helpers.gan_runs import CONF, compose

SWEEP = yaml.safe_load((CONF / "wandb_sweep.yaml").read_text())


@functools.cache
def commands() -> list[list[str]]:
    """Of the whole grid, by the functions of W&B's agent."""
    # not at the top: importing this package takes seconds, and every run of the tests reads this
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    lines = []
    choices = {
        name: about["values"] if "values" in about else [about["value"]]
        for name, about in SWEEP["parameters"].items()
    }
    for values in itertools.product(*choices.values()):
        job = {
            "args": {name: {"value": value} for name, value in zip(choices, values, strict=True)}
        }
        macros = create_sweep_command_args(job)
        macros |= {
            "env": ["/usr/bin/env"],
            "interpreter": ["python"],
            "program": [SWEEP["program"]],
        }
        line = []
        for word in create_sweep_command(list(SWEEP["command"])):
            line += macros[word[2:-1]] if word.startswith("${") else [word]
        lines.append(line)
    return lines


def test_the_grid():
    assert SWEEP["method"] == "grid"
    assert len({tuple(line) for line in commands()}) == len(commands()) == 12


@pytest.mark.parametrize("number", range(12))
def test_every_command_trains(number):
    line = commands()[number]
    assert line[:3] == ["/usr/bin/env", "python", "train.py"]
    composed = compose(*line[3:])
    config.check(composed)
    assert composed.logger.wandb.offline is False
    assert composed.logger.wandb.project == SWEEP["project"]


def test_what_it_aims_at_is_a_score_of_the_default_protocol():
    composed = compose()
    name = SWEEP["metric"]["name"].removeprefix("final/")
    score, extractor, samples, split = name.split("_")
    assert score in composed.evaluation.scores
    assert (extractor, split) == ("classifier", "test")
    assert samples == f"{composed.evaluation.samples // 1000}k"
