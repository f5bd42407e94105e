"""Label models and partly labelled data that do not fit: one line that names the field, before
anything is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.gan_runs import DCGAN, SMALL, command, is_refusal, record

AM_GAN = ("loss=am_gan", "labels=dynamic", "penalty=none")
SHORT = (*SMALL, "n_critic=1", "max_generator_steps=2", "batch_size=4", *DCGAN)


def image_folder(root: Path, *classes: str) -> str:
    """Eight images of each class, in train and test."""
    for split in ("train", "test"):
        for name in classes:
            (root / split / name).mkdir(parents=True)
            for i in range(8):
                pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i}.png")
    return f"dataset.root={root}"


def test_the_line_is_as_long_as_it_needs_to_be_and_has_no_torch_in_it(place, capsys):
    ended = command(capsys, "experiment=am_gan", "penalty=maxgp", "run_dir=here")
    is_refusal(ended, "architecture and penalty do not fit")
    assert "Traceback" not in ended.out + ended.err


# What takes a look at the parts or the data -------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("loss=gan_star", "penalty=none", "loss.classifier_weight=0"),
            ("classifier_weight=0", "above 0"),
        ),
        (
            ("loss=ac_gan", "labels=dynamic", "penalty=none", "loss.original=often"),
            ("original=often", "true or false"),
        ),
        ((*AM_GAN, "architecture.noise=-1"), ("architecture.noise=-1",)),
        ((*AM_GAN, "architecture.dropout=1"), ("architecture.dropout=1",)),
        (
            (*AM_GAN, "architecture.extra_layer=maybe"),
            ("architecture.extra_layer=maybe", "true or false"),
        ),
        ((*AM_GAN, "penalty=spectral"), ("penalty",)),
        (
            (*AM_GAN, "supervision.num_classes=5"),
            ("supervision.num_classes=5", "10 classes", "supervision.labelled_fraction=0"),
        ),
        (
            (*AM_GAN, "supervision.num_classes=5", "supervision.labelled_fraction=0.1"),
            ("supervision.num_classes=5", "10 classes", "supervision.labelled_fraction=0"),
        ),
        (
            (
                *AM_GAN,
                "supervision.num_classes=5",
                "supervision.labelled_fraction=0",
                "supervision.reference_distribution=data",
            ),
            (
                "supervision.reference_distribution=data",
                "supervision.reference_distribution=uniform",
            ),
        ),
        ((*AM_GAN, "batch_size=2000"), ("batch_size=2000", "1438")),
    ],
    ids=str,
)
def test_is_refused_before_training(arguments, words, place, capsys):
    is_refusal(command(capsys, *SHORT, *arguments, "run_dir=here"), *words)
    assert not (place / "here").exists()


def test_a_whole_number_of_classes_may_be_written_with_a_point(place, capsys):
    """5.0 passes for a whole number: it is one, or it is refused in one line."""
    ended = command(
        capsys,
        *SHORT,
        *AM_GAN,
        "supervision.labelled_fraction=0",
        "supervision.num_classes=5.0",
        "run_dir=here",
    )
    if ended.code:
        is_refusal(ended, "supervision.num_classes=5.0")
        assert not (place / "here").exists()
    else:
        assert record(place / "here")["dataset"]["num_classes"] == 5


@pytest.mark.parametrize("loss", ["am_gan", "cat_gan"])
def test_label_losses_on_data_of_one_class(loss, place, capsys):
    """No labels: refused with K as the remedy, which works."""
    choice = (f"loss={loss}", *(("labels=dynamic",) if loss == "am_gan" else ()), "penalty=none")
    data = ("dataset=image_folder", image_folder(place / "images", "all"))
    ended = command(capsys, *SHORT, *data, *choice, "run_dir=here")
    is_refusal(ended, "at least 2 classes", "supervision.num_classes=K")
    assert not (place / "here").exists()
    assert (
        command(capsys, *SHORT, *data, *choice, "supervision.num_classes=3", "run_dir=here").code
        == 0
    )
    kept = record(place / "here")["dataset"]
    assert (kept["labelled"], kept["num_classes"], kept["label_histogram"]["train"]) == (0, 3, [8])


def test_a_reference_of_the_data_needs_all_classes(place, capsys):
    """K set by hand on data without labels: there are no shares to take."""
    data = (
        "dataset=image_folder",
        image_folder(place / "images", "all"),
        "supervision.num_classes=3",
    )
    ended = command(
        capsys, *SHORT, *data, *AM_GAN, "supervision.reference_distribution=data", "run_dir=here"
    )
    is_refusal(
        ended,
        "supervision.reference_distribution=data",
        "supervision.reference_distribution=uniform",
    )
    assert not (place / "here").exists()


def test_a_scalar_loss_needs_no_classes_and_says_what_has_no_effect(place, capsys):
    data = ("dataset=image_folder", image_folder(place / "images", "all"))
    assert command(capsys, *SHORT, *data, "loss=gan", "penalty=none", "run_dir=one").code == 0
    ended = command(
        capsys,
        *SHORT,
        "loss=gan",
        "penalty=none",
        "supervision.labelled_fraction=0.1",
        "run_dir=two",
    )
    assert ended.code == 0
    assert (
        "warning: this loss reads no labels: supervision.labelled_fraction has no effect"
        in ended.out
    )


@pytest.mark.parametrize(
    "changed",
    [
        "labels=predefined",
        "supervision.labelled_fraction=0.5",
        "dataset.labelled_fraction=0.5",
        "loss.learned_fake_logit=true",
    ],
)
def test_a_resume_keeps_the_labels(changed, place, capsys):
    assert command(capsys, *SHORT, *AM_GAN, "run_dir=here").code == 0
    is_refusal(
        command(capsys, "resume=here", changed, "max_generator_steps=4"), changed.split("=")[0]
    )
    assert record(place / "here")["generator_steps"] == 2
