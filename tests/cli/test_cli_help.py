"""--help, --cfg job and shell completion: what a person sees before anything runs, without
torch."""

from __future__ import annotations

import pytest
import yaml

from helpers.gan_runs import CONF, ROOT, without_torch
from helpers.registry import options

GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name != "hydra")


@pytest.fixture(scope="module")
def help_text(tmp_path_factory):
    place = tmp_path_factory.mktemp("help")
    ended = without_torch("--help", cwd=place)
    assert ended.code == 0, ended.err
    assert list(place.iterdir()) == []
    return ended.out


@pytest.mark.parametrize("group", GROUPS)
def test_help_names_every_option_of_every_group(group, help_text):
    line = next(line for line in help_text.splitlines() if line.strip().startswith(f"{group}:"))
    assert {name.strip() for name in line.split(":", 1)[1].split(",")} >= set(options(group))


def test_help_has_three_commands_to_copy_and_every_field(help_text):
    commands = [
        line for line in help_text.splitlines() if line.strip().startswith("python train.py ")
    ]
    assert len(commands) >= 3
    root = yaml.safe_load((CONF / "train.yaml").read_text())
    for field in set(root) - {"defaults", "hydra"}:
        assert f"{field}:" in help_text
    assert "python train.py -sc install=bash" in help_text


def test_cfg_job_composes_without_importing_torch(tmp_path):
    ended = without_torch(
        "--cfg", "job", "--resolve", "loss=wasserstein", "n_critic=2", cwd=tmp_path
    )
    assert ended.code == 0, ended.err
    composed = yaml.safe_load(ended.out)
    assert composed["n_critic"] == 2
    assert "wasserstein" in composed["loss"]["_target_"]
    assert "hydra" not in composed
    assert list(tmp_path.iterdir()) == []


def test_completion_offers_the_options(tmp_path, monkeypatch):
    monkeypatch.setenv("COMP_LINE", "python train.py loss=")
    ended = without_torch("-sc", "query=bash", cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert {f"loss={option}" for option in options("loss")} <= set(ended.out.split())


def test_train_py_is_short():
    assert len((ROOT / "train.py").read_text().splitlines()) <= 40
