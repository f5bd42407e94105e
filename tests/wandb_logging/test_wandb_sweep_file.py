"""conf/wandb_sweep.yaml: every command that an agent would make of it composes, and is a run that
can train."""

from __future__ import annotations

import itertools

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from gan_lab import config
from helpers.gan_runs import CONF, compose

SWEEP = yaml.safe_load((CONF / "wandb_sweep.yaml").read_text())


def commands():
    """Of the whole grid, by the functions of W&B's agent."""
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
        yield line


COMMANDS = list(commands())


def test_the_grid():
    assert SWEEP["method"] == "grid"
    assert len({tuple(line) for line in COMMANDS}) == len(COMMANDS) == 12


@pytest.mark.parametrize("line", COMMANDS, ids=[" ".join(line[5:]) for line in COMMANDS])
def test_every_command_trains(line):
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
