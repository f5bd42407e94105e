"""Every command of a page composes, and its program's checks take it; nothing is run."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from gan_lab import config
from helpers.gan_runs import compose

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SCHEMAS = {
    "classifier": config.ClassifierConfig,
    "sample": config.SampleConfig,
    "collect": config.CollectConfig,
    "table": config.TableConfig,
    "tables": config.TablesConfig,
    "curves": config.CurvesConfig,
    "figures": config.FiguresConfig,
    "report": config.ReportConfig,
    "wandb_dashboard": config.WandbDashboardConfig,
}
CHECKS: dict[str, Callable[[DictConfig], object]] = {
    "train": config.check,
    "study": config.check_study,
    "evaluate": config.check_evaluation,
} | {program: partial(config.check_fields, schema=schema) for program, schema in SCHEMAS.items()}
ALL_KNOWN = {"--help", "-sc", "--cfg"}  # of Hydra, which says what it says of itself


def commands() -> Iterator[tuple[str, list[str]]]:
    """The program and the arguments of each line of code on a page."""
    for page in PAGES:
        for line in page.read_text().replace("\\\n", " ").splitlines():
            if "CHECKOUT" in line or "$(" in line:  # with a class of one's own; within another one
                continue
            words = (
                shlex.split(line, comments=True)
                if line.lstrip().startswith(("python ", "torchrun ", "gan-lab "))
                else []
            )
            programs = [
                place
                for place, word in enumerate(words)
                if word == "train.py" or word.startswith("scripts/")
            ]
            if programs:
                yield Path(words[programs[0]]).stem, words[programs[0] + 1 :]
            elif words[:1] == ["gan-lab"]:
                yield words[1].replace("-", "_"), words[2:]


def of_each(arguments: list[str]) -> list[str]:
    """Of a sweep its first cell."""
    overrides = OverridesParser.create().parse_overrides(arguments)
    return [
        f"{override.get_key_element()}={next(iter(override.sweep_string_iterator()))}"
        if override.is_sweep_override()
        else str(override.input_line)
        for override in overrides
    ]


COMMANDS = sorted(
    {
        (program, tuple(word for word in arguments if word not in ("-m", "--multirun")))
        for program, arguments in commands()
        if program in CHECKS and not ALL_KNOWN & set(arguments)
    }
)


def test_pages_have_commands_of_every_program():
    assert {program for program, _ in COMMANDS} >= CHECKS.keys() - {"tables"}


@pytest.mark.parametrize(
    ("program", "arguments"), COMMANDS, ids=[f"{one} {' '.join(rest)}" for one, rest in COMMANDS]
)
def test_a_command_of_a_page_is_taken(program, arguments):
    CHECKS[program](compose(*of_each(list(arguments)), program=program))


@pytest.mark.parametrize(
    ("target", "remedy"), [("bundle", "add DATA=FOLDER"), ("unbundle", "add ARCHIVE=FOLDER")]
)
def test_a_target_that_needs_a_folder_asks_for_it(target, remedy):
    made = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert made.returncode != 0
    assert remedy in made.stderr
