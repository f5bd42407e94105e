"""A config.yaml of somebody else ends in a config or in one line: in bounded time, as plain
containers, from a file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from gan_lab import config
from gan_lab.errors import UserError
from gan_lab.reading import plain_yaml
from gan_lab.records.versions import VERSION
from helpers.gan_runs import CONF, ROOT, command, is_refusal

OLD = ROOT / "tests/fixtures/old_runs"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 20)
)
DAMAGED = {
    "a bomb of anchors": (BOMB, "anchors"),
    "an anchor of itself": ("a: &a [*a]\n", "anchors"),
    "merged keys": ("a: &a {b: 1}\nc: {<<: *a}\n", "anchors"),
    "deep lists": ("a: " + "[" * 40_000 + "]" * 40_000, "nested too deeply"),
    "deep mappings": ("a: " + "{a: " * 20_000, "nested too deeply"),
    "deep blocks": ("".join(" " * i + "a:\n" for i in range(400)), "nested too deeply"),
    "a Path": ("data_cache: !!python/object/apply:pathlib.PosixPath [x]\n", "constructor"),
    "a tag of YAML": ("seed: !!set {1: null}\n", "constructor"),
    "a long number": (f"seed: 0x{'f' * 90_000}\n", "too large"),
    "a longer number": (f"seed: {'9' * 90_000}\n", "digits"),
    "a number to base 60": ("seed: 1" + ":1" * 40_000 + "\n", "too large"),
    "a key twice": ("seed: 1\nseed: 2\n", "a key twice"),
    "a key that is no name": ("{1: 2}\n", "no name"),
    "a key that is a list": ("? [a]\n: 1\n", "cannot be read"),
    "two documents": ("a: 1\n---\na: 1\n", "cannot be read"),
    "no text": ("a: \x00\n", "cannot be read"),
    "much": ("a: [" + "1," * 50_000 + "]\n", "at most 100,000"),
    "nothing": ("", "it has no "),
    "a list": ("[1]", "it has no "),
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """A run whose config.yaml will be altered."""
    return Path(shutil.copytree(OLD / "interrupted", tmp_path / "run"))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_text_is_one_line(kind, run, capsys):
    text, words = DAMAGED[kind]
    (run / "config.yaml").write_text(text)
    is_refusal(command(capsys, f"resume={run}"), "config.yaml", words)


def test_the_bounds(tmp_path):
    path = tmp_path / "x.yaml"
    for whole, more in (("[" * 30 + "]" * 30, "[" * 31 + "]" * 31), ("x" * 100_000, "x" * 100_001)):
        path.write_text(whole)
        plain_yaml.read(path)
        path.write_text(more)
        with pytest.raises(UserError, match=r"nested too deeply|at most 100,000"):
            plain_yaml.read(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": "abc"}, 'seed is "abc", and must be a whole number'),
        ({"batch_size": -1}, "batch_size is -1, and must be between"),
        ({"trainer": [1]}, "trainer is a list of 1, and must be a mapping"),
        ({"dataset": {"num_classes": "ten"}}, 'dataset.num_classes is "ten"'),
        ({"supervision": {"num_classes": "ten"}}, 'supervision.num_classes is "ten"'),
        ({"loss": {"traits": "x"}}, 'loss.traits is "x"'),
    ],
)
@pytest.mark.parametrize(
    "program",
    ["train.py resume={}", "scripts/sample.py run_dir={}", "scripts/evaluate.py run_dir={}"],
)
def test_a_field_of_another_shape_is_said_by_name(program, change, words, run, capsys):
    content = plain_yaml.read(run / "config.yaml")
    for field, value in change.items():
        content[field] = content.get(field, {}) | value if isinstance(value, dict) else value
    (run / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(content)))
    path, argument = program.format(run).split()
    is_refusal(
        command(capsys, argument, program=path), f"{run / 'config.yaml'} is damaged: {words}"
    )


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "program",
    ["train.py resume={}", "scripts/sample.py run_dir={}", "scripts/evaluate.py run_dir={}"],
)
def test_a_pipe_a_folder_and_a_very_large_file(program, run, capsys):
    path, argument = program.format(run).split()
    for make in (
        os.mkfifo,
        os.mkdir,
        lambda place: Path(place).touch() or os.truncate(place, 2**40),
    ):
        place = run / "config.yaml"
        place.rmdir() if place.is_dir() else place.unlink()
        make(str(place))
        is_refusal(command(capsys, argument, program=path), f"{run}")


@pytest.mark.timeout(20)
def test_an_endless_device(tmp_path):
    (tmp_path / "config.yaml").symlink_to("/dev/zero")
    with pytest.raises(UserError, match="no regular file"):
        plain_yaml.read(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    "path", [*OLD.glob("*/config.yaml"), *CONF.glob("*/*.yaml")], ids=lambda path: str(path)[-30:]
)
def test_what_is_whole_is_read_as_omegaconf_reads_it(path):
    assert plain_yaml.read(path) == OmegaConf.to_container(OmegaConf.load(path))


def test_numbers_and_words_are_read_as_omegaconf_reads_them(tmp_path):
    values = [
        "1e-3",
        "1E5",
        "-2.5e+10",
        "1.",
        ".5",
        "1_000",
        "0x1f",
        "2026-01-01",
        "null",
        "~",
        "on",
        "true",
        ".inf",
        "1e",
        "a b",
    ]
    (tmp_path / "x.yaml").write_text("".join(f"k{i}: {value}\n" for i, value in enumerate(values)))
    assert plain_yaml.read(tmp_path / "x.yaml") == OmegaConf.to_container(
        OmegaConf.load(tmp_path / "x.yaml")
    )


def test_what_is_written_is_read_again(tmp_path):
    values = {
        "a": [
            1,
            1.0,
            1e-5,
            1e300,
            float("inf"),
            "1e-5",
            "2026-01-01",
            "null",
            None,
            True,
            "on",
            "ü\n",
            "",
        ],
        "b": {},
    }
    (tmp_path / "x.yaml").write_text(config.config_text({"x": values, "y": values}))
    assert plain_yaml.read(tmp_path / "x.yaml") == {"version": VERSION, "x": values, "y": values}
