"""gan_lab.load_generator: the samples of scripts/sample.py as tensors; the run and random states
stay as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gan_lab
from gan_lab.errors import UserError
from helpers.evaluation_runs import script
from helpers.gan_runs import train

TINY = (
    "architecture=resnet",
    "architecture.channels=4",
    "penalty=none",
    "n_critic=1",
    "evaluation=off",
)
RUNS = {
    "plain": ("loss=hinge", "max_generator_steps=2"),
    "drawn": ("loss=am_gan", "labels=predefined", "max_generator_steps=2"),
    "seen": ("loss=am_gan", "labels=dynamic", "max_generator_steps=2"),
    "points": (
        "architecture=mlp",
        "architecture.width=8",
        "dataset=gaussians",
        "max_generator_steps=2",
    ),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("loaded")
    images = {
        name: train(folder / name, *TINY, *typed)
        for name, typed in RUNS.items()
        if name != "points"
    }
    return images | {"points": train(folder / "points", "evaluation=off", *RUNS["points"])}


def test_the_samples_are_those_of_the_program(runs, tmp_path, capsys):
    script(capsys, "sample", f"run_dir={runs['plain']}", "n=5", "seed=3", f"images={tmp_path / 'one'}",
           f"out={tmp_path / 'grid.png'}")  # fmt: skip
    files = sorted((tmp_path / "one").iterdir())
    written = np.stack([np.asarray(Image.open(path)) for path in files])
    images = gan_lab.load_generator(runs["plain"], device="cpu").images(5, seed=3)
    assert images.dtype == torch.uint8
    assert np.array_equal(images.squeeze(1).numpy(), written)


def test_samples_are_bounded_repeat_by_seed_and_carry_no_gradient(runs):
    generator = gan_lab.load_generator(runs["plain"])
    samples = generator.sample(6, seed=1)
    assert samples.shape == (6, *generator.spec.shape)
    assert samples.dtype == torch.float32
    assert samples.abs().max() <= 1
    assert not samples.requires_grad
    assert torch.equal(samples, generator.sample(6, seed=1))
    assert not torch.equal(samples, generator.sample(6, seed=2))


def test_the_caller_s_random_numbers_and_the_run_stay_as_they_were(runs):
    before = {path: path.read_bytes() for path in runs["drawn"].rglob("*") if path.is_file()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    gan_lab.load_generator(runs["drawn"]).sample(4)
    assert torch.equal(torch.rand(3), expected)
    assert before == {
        path: path.read_bytes() for path in runs["drawn"].rglob("*") if path.is_file()
    }


def test_one_class(runs):
    generator = gan_lab.load_generator(runs["drawn"])
    assert generator.sample(3, label=7).shape == (3, *generator.spec.shape)
    for label in (-1, 10):
        with pytest.raises(UserError, match=f"label={label}: .* no such class"):
            generator.sample(3, label=label)


def test_no_samples_are_refused(runs):
    generator = gan_lab.load_generator(runs["drawn"])
    for draw, words in (
        (lambda: generator.sample(0), "n=0"),
        (lambda: generator.images(-1), "n=-1"),
        (lambda: generator.lines(rows=0), "rows=0"),
        (lambda: generator.lines(steps=1), "steps=1"),
    ):
        with pytest.raises(UserError, match=words):
            draw()


def test_one_class_by_the_critic(runs):
    generator = gan_lab.load_generator(runs["seen"])
    drawn = [len(generator.sample(2, label=label)) for label in range(10)]
    assert max(drawn) == 2


def test_a_class_of_samples_without_classes_is_refused(runs):
    with pytest.raises(UserError, match="no such class"):
        gan_lab.load_generator(runs["plain"]).sample(3, label=1)


def test_points_have_samples_but_no_images(runs):
    generator = gan_lab.load_generator(runs["points"])
    assert generator.sample(4).shape == (4, 2)
    with pytest.raises(UserError, match="points, not images"):
        generator.images(4)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="no run directory"):
        gan_lab.load_generator(tmp_path)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="load_genrator"):
        _ = gan_lab.load_genrator
