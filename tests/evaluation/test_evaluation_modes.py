"""Modes of points and of stacked digits: from a run to its scores, and what is no mixture."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch

from gan_lab.classifier.calibration import log_probabilities
from gan_lab.data import MNIST, StackedMNIST, load
from gan_lab.scoring.extractors import StackedDigits
from gan_lab.scoring.features import Extractor, Features, StackedExtractor
from helpers.data_builders import make_mnist
from helpers.evaluation_runs import classifier, preset, script, silent
from helpers.gan_runs import is_refusal, record, train, weights

NAMES = [f"{name}_mixture_40" for name in ("modes", "good", "modekl", "modejsd")]
POINTS = (
    "dataset=ring",
    "penalty=spectral",
    "architecture=mlp",
    "architecture.width=8",
    "max_generator_steps=2",
    "n_critic=1",
    "batch_size=16",
    "generator_batch_size=16",
)
MODES = ("evaluation=modes", "evaluation.samples=40", "evaluation.samples_in_training=20")


@pytest.fixture(scope="module")
def unscored(tmp_path_factory, cache):
    """A run by the default evaluation, which is of images, with what it printed."""
    folder = tmp_path_factory.mktemp("points")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        run = train(folder / "run", *POINTS, f"data_cache={cache}", small=False)
    return run, printed.getvalue()


@pytest.fixture(scope="module")
def scored(tmp_path_factory, cache):
    """The same run, scored and drawn after every step."""
    often = ("evaluate_every=1", "sample_every=1", f"data_cache={cache}")
    return train(tmp_path_factory.mktemp("points") / "run", *POINTS, *MODES, *often, small=False)


def test_a_run_of_points_is_scored_by_its_modes(scored):
    """In training and after it; samples are the generator's own floats, not rounded to bytes."""
    kept = record(scored)
    assert list(kept["scores"]) == NAMES
    assert sum(kept["scores"][NAMES[0]]["histogram"]) == 40 * kept["scores"][NAMES[1]]["value"]
    assert [step for step, _ in kept["history"]["modes_mixture_20"]] == [1, 2]
    architecture = {"name": "nearest centre of the mixture", "within": 3.0}
    for entry in kept["scores"].values():
        assert entry["extractor"]["architecture"] == architecture
        assert entry["extractor"]["weights_sha256"] is None


def test_scores_and_pictures_of_points_change_nothing(unscored, scored):
    """Spectral normalisation moves its vectors with every pass in training mode: contours of the
    critic in that mode would change the run."""
    assert len(list((scored / "samples").iterdir())) == 2
    assert weights(scored) == weights(unscored[0])


def test_a_run_of_points_is_scored_by_its_modes_afterwards(unscored, cache, capsys):
    """The default evaluation is of images: training without scores says which there are."""
    run, printed = unscored
    assert "; evaluation=modes counts the modes" in printed
    assert record(run)["scores"] == {}
    asked = (f"run_dir={run}", f"data_cache={cache}")
    is_refusal(script(capsys, "evaluate", *asked), "use evaluation=modes for a mixture")
    assert script(capsys, "evaluate", *asked, *MODES).code == 0
    assert list(record(run)["scores"]) == NAMES


class FirstPixels(Extractor):
    """Logits of a digit: ten pixels of its image's first row."""

    def __init__(self):
        super().__init__("digits", 2, 10, {"architecture": "made", "weights_sha256": "0" * 64})
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images):
        assert images.shape[1:] == (1, 4, 12)
        pixels = images[:, 0, 0].float()
        return Features(pixels[:, :2], pixels[:, :10] / 16)


def test_a_triple_is_the_digits_of_the_channels():
    """The joint probability of (a, b, c) is the product of the channels', by loops."""
    images = torch.randint(
        0, 256, (5, 3, 4, 12), generator=torch.Generator().manual_seed(3), dtype=torch.uint8
    )
    features, logits = StackedExtractor(
        FirstPixels(), {"architecture": "made", "weights_sha256": "0" * 64}
    )(images)
    assert features.tolist() == images[:, :, 0, :2].flatten(1).tolist()
    joint = logits.softmax(1)
    for image, row in zip(images, joint, strict=True):
        single = (image[:, 0, :10].float() / 16).softmax(1)
        for a, b, c in np.ndindex(10, 10, 10):
            expected = single[0, a] * single[1, b] * single[2, c]
            assert row[100 * a + 10 * b + c].item() == pytest.approx(expected.item(), rel=1e-4)
        assert f"{row.argmax().item():03d}" == "".join(map(str, single.argmax(1).tolist()))


def test_stacked_digits_are_told_by_a_classifier_of_single_ones(tmp_path):
    """The triple of a stack is what that classifier says of each channel by itself."""
    make_mnist(tmp_path, train=20)
    recipe = preset("classifier=fast", "classifier.epochs=8", "classifier.batch_size=20")
    source, cache = {"root": str(tmp_path), "download": False}, tmp_path / "cache"
    single, stacked = MNIST(**source), StackedMNIST(**source, num_train=50, num_test=10)
    made = StackedDigits(recipe, single).make(
        load(stacked, None), cache, torch.device("cpu"), silent()
    )

    known = classifier(load(single, None), recipe, cache / "classifiers")
    stacks = torch.from_numpy(load(stacked, None).splits["train"].values)
    with torch.no_grad():
        told = made.eval()(stacks).logits.argmax(1)
        digits = [
            log_probabilities(known.network, channel, known.mean, known.std).argmax(1)
            for channel in stacks[:, :, None].unbind(1)
        ]
    assert told.tolist() == (100 * digits[0] + 10 * digits[1] + digits[2]).tolist()
    assert len(set(told.tolist())) > 1
    assert made.description["weights_sha256"] == known.record["weights_sha256"]
