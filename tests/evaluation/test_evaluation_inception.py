"""Our Inception extractor against torch-fidelity's and torchmetrics' on one random weights file.

What is common to all (the resize, the network, the sums) cannot hide here: the weights are random,
the code is theirs.
"""

from __future__ import annotations

import hashlib
import os
import pickle

import numpy as np
import pytest
import torch
import torch_fidelity
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.metric_isc import isc_features_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3

from gan_lab.errors import UserError
from gan_lab.inference import undisturbed
from gan_lab.metrics import FrechetDistance, InceptionScore
from gan_lab.scoring.features import InceptionExtractor, check_weights
from gan_lab.scoring.meters import Samples, Setting
from gan_lab.scoring.protocol import Protocol
from gan_lab.scoring.score import measure_reference, score_samples
from helpers.evaluation_runs import frechet, inception_score
from helpers.inception_weights import images

COUNT = 6
EPS = np.finfo(np.float64).eps


class Fixed(torch.utils.data.Dataset):
    """Images as torch-fidelity takes them."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return self.values[index]


@pytest.fixture(scope="module")
def extractor(inception_file):
    return InceptionExtractor(*inception_file)


@pytest.fixture(scope="module")
def sides():
    """(generated, real): of different colours, so that FID is far from 0."""
    return images(COUNT, seed=1), images(COUNT, seed=2, spread=120.0)


@pytest.fixture(scope="module")
def passed(extractor, sides):
    """The features and logits of both sides."""
    with undisturbed(extractor):
        return [extractor(side) for side in sides]


def null_space_bound(a, b) -> float:
    """How far a FID of d × d covariances of n < d samples may be off.

    Both have d - n + 1 eigenvalues 0, and so has their product. Computed, those are perturbations
    of up to about d ε ‖Σ_a‖ ‖Σ_b‖; FID adds their square roots, twice. The float32 means of
    torch-fidelity add their rounding.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    d = a.shape[1]
    norms = [np.linalg.norm(x - x.mean(0), 2) ** 2 / (len(x) - 1) for x in (a, b)]
    shift = np.linalg.norm(a.mean(0) - b.mean(0))
    rounding = (
        2
        * shift
        * np.finfo(np.float32).eps
        * (np.linalg.norm(a.mean(0)) + np.linalg.norm(b.mean(0)))
    )
    return float(2 * d * np.sqrt(d * EPS * norms[0] * norms[1]) + rounding)


# The network --------------------------------------------------------------------------------------


def test_features_and_logits_are_torch_fidelitys_in_one_pass(extractor, inception_file, sides):
    few = sides[0][:4]
    theirs = FeatureExtractorInceptionV3(
        "theirs", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(inception_file[0])
    )
    passes = []
    hook = extractor.network.Conv2d_1a_3x3.register_forward_hook(lambda *_: passes.append(1))
    with undisturbed(extractor):
        features, logits = extractor(few)
        their_features, their_logits = theirs(few)
    hook.remove()
    assert len(passes) == 1
    assert (features.shape, logits.shape) == ((4, 2048), (4, 1008))
    assert features.dtype == logits.dtype == torch.float32
    assert torch.equal(features, their_features)
    assert torch.equal(logits, their_logits)


def test_features_are_torchmetrics_without_antialias(inception_file, sides, passed):
    path = str(inception_file[0])
    theirs = NoTrainInceptionV3(
        "theirs", ["2048"], feature_extractor_weights_path=path, antialias=False
    )
    with torch.no_grad():
        features = theirs(sides[1][:4])
    torch.testing.assert_close(passed[1].features[:4], features, rtol=1e-5, atol=1e-5)


def test_logits_are_without_the_bias(extractor, passed):
    """The softmax of the published programs is that of W h, without b, which is large here."""
    weight, bias = extractor.network.fc.weight.double(), extractor.network.fc.bias.double()
    features, logits = passed[0]
    expected = features.double() @ weight.T
    scale = features.double().norm(dim=1, keepdim=True) * weight.norm(dim=1)
    assert ((logits.double() - expected).abs() <= 2048 * np.finfo(np.float32).eps * scale).all()
    assert (logits.double() - expected - bias).abs().max() > 1


def test_one_channel_is_replicated(extractor):
    grey = images(2, seed=3)[:, :1]
    with undisturbed(extractor):
        one, three = extractor(grey), extractor(grey.repeat(1, 3, 1, 1))
    assert torch.equal(one.features, three.features)
    assert torch.equal(one.logits, three.logits)


def test_the_identity_says_architecture_and_hash(extractor, inception_file):
    assert extractor.description["name"] == extractor.name == "inception"
    assert extractor.description["weights_sha256"] == inception_file[1]
    assert "2015-12-05" in extractor.description["architecture"]
    assert (extractor.num_features, extractor.num_classes) == (2048, 1008)
    assert not extractor.network.training
    assert not any(parameter.requires_grad for parameter in extractor.parameters())


# End to end ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def theirs(inception_file, sides):
    """What torch-fidelity makes of the same images."""
    return torch_fidelity.calculate_metrics(
        input1=Fixed(sides[0]), input2=Fixed(sides[1]), fid=True, isc=True, isc_splits=3, samples_shuffle=False,
        feature_extractor_weights_path=str(inception_file[0]), cuda=False, cache=False, verbose=False,
        num_workers=0, batch_size=COUNT, save_cpu_ram=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def entries(extractor, sides, passed):
    """What our protocol makes of the same images, from features that were passed through before."""

    class Again(torch.nn.Module):
        """The extractor, whose passes were recorded: a pass costs a fifth of a second."""

        name, num_features, num_classes, description = (
            "inception",
            2048,
            1008,
            extractor.description,
        )
        features_only = False

        def __init__(self):
            super().__init__()
            self.parameter = torch.nn.Parameter(torch.zeros(1))

        def forward(self, index):
            return passed[int(index[0] >= COUNT)].__class__(
                torch.cat([p.features for p in passed])[index],
                torch.cat([p.logits for p in passed])[index],
            )

    replay = Again()
    protocol = Protocol(None, ("is", "fid"), COUNT, COUNT, splits=3, chunks=1, batch_size=5)
    real = measure_reference(torch.arange(COUNT, 2 * COUNT).split(5), replay, keep_features=False)
    fake = torch.arange(COUNT).split(5)
    return score_samples(
        lambda b: Samples(fake[b]), Setting(replay, {"train": real}, real.marginal, protocol, COUNT)
    )


def test_inception_score_is_torch_fidelitys(entries, theirs, passed):
    """Also in its random order, which is numpy's RandomState(2020)."""
    entry = entries["is_inception_6_3x"]
    assert entry["value"] == pytest.approx(theirs["inception_score_mean"], rel=1e-5)
    assert entry["std"] == pytest.approx(theirs["inception_score_std"], rel=1e-4)
    assert entry["value"] > 1.5, "a score near 1 would agree whatever was computed"
    logits = passed[0].logits
    by_hand = [inception_score(part) for part in logits.split(2)]
    assert entry["value"] == pytest.approx(np.mean(by_hand), rel=1e-12)
    assert entry["std"] == pytest.approx(np.std(by_hand), rel=1e-9)
    order = np.random.RandomState(2020).permutation(COUNT)
    score = InceptionScore(1008, 3)
    score.update(logits[order], torch.arange(COUNT) * 3 // COUNT)
    shuffled = isc_features_to_metric(logits, 3, True, 2020)
    assert score.compute().value.item() == pytest.approx(
        shuffled["inception_score_mean"], rel=1e-12
    )
    assert score.compute().std.item() == pytest.approx(shuffled["inception_score_std"], rel=1e-9)


def test_fid_is_torch_fidelitys_and_the_exact_one(entries, theirs, passed):
    value = entries["fid_inception_6_train"]["value"]
    fake, real = (side.features for side in passed)
    bound = null_space_bound(fake, real)
    exact = frechet(fake, real)
    assert bound < 0.01 * exact, "else the comparison says nothing"
    assert abs(value - exact) <= bound
    assert abs(value - theirs["frechet_inception_distance"]) <= 2 * bound


@pytest.mark.slow
def test_fid_is_torchmetrics(passed):
    """On the same features: its network is held to ours above."""

    class Identity(torch.nn.Module):
        num_features = 2048

        def forward(self, x):
            return x

    fake, real = (side.features for side in passed)
    theirs = FrechetInceptionDistance(Identity()).set_dtype(torch.float64)
    ours = FrechetDistance(2048)
    for features, is_real in ((fake, False), (real, True)):
        theirs.update(features, real=is_real)
        ours.update(features, real=is_real)
    assert abs(ours.compute().item() - theirs.compute().item()) <= 2 * null_space_bound(fake, real)


@pytest.mark.slow
def test_more_images_end_to_end(extractor, inception_file):
    fake, real = images(40, seed=4, side=32), images(50, seed=5, side=32, spread=120.0)
    path = str(inception_file[0])
    protocol = Protocol(None, ("is", "fid"), 40, 40, splits=4, chunks=1, batch_size=13)
    reference = measure_reference(real.split(13), extractor, keep_features=False)
    batches = fake.split(13)
    ours = score_samples(
        lambda b: Samples(batches[b]),
        Setting(extractor, {"train": reference}, reference.marginal, protocol, 40),
    )
    with torch.no_grad():
        features = [
            torch.cat([extractor(part).features for part in side.split(13)])
            for side in (fake, real)
        ]
    bound = null_space_bound(*features)
    value = ours["fid_inception_40_train"]["value"]
    assert bound < 0.01 * value
    assert abs(value - frechet(*features)) <= bound
    metric = FrechetInceptionDistance(2048, feature_extractor_weights_path=path, antialias=False)
    for part in fake.split(20):
        metric.update(part, real=False)
    for part in real.split(20):
        metric.update(part, real=True)
    # it returns float32
    assert abs(metric.compute().item() - value) <= 2 * bound + 1e-5 * value
    theirs = torch_fidelity.calculate_metrics(
        input1=Fixed(fake), input2=Fixed(real), fid=True, isc=True, isc_splits=4, samples_shuffle=False,
        feature_extractor_weights_path=path, cuda=False, cache=False, verbose=False, num_workers=0, batch_size=20,
    )  # fmt: skip
    assert abs(theirs["frechet_inception_distance"] - value) <= 2 * bound + 1e-5 * value
    assert theirs["inception_score_mean"] == pytest.approx(
        ours["is_inception_40_4x"]["value"], rel=1e-5
    )


# The file -----------------------------------------------------------------------------------------


def sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_missing_file_is_refused_with_a_way_out(tmp_path):
    with pytest.raises(UserError, match="evaluation=classifier") as refused:
        check_weights(tmp_path / "weights.pth", "0" * 64)
    assert "weights.pth" in str(refused.value)
    assert "weights-inception-2015-12-05-6726825d.pth" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_another_hash_is_refused(inception_file):
    path, digest = inception_file
    check_weights(path, digest)
    with pytest.raises(UserError, match=digest[:8]) as refused:
        InceptionExtractor(path)
    assert "6726825d0af5f729" in str(refused.value)
    assert "\n" not in str(refused.value)


class Harmful:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def write_garbage(path):
    path.write_bytes(b"no weights" * 100)


def write_nothing(path):
    path.write_bytes(b"")


def write_other_network(path):
    torch.save({"weight": torch.zeros(3)}, path)


def write_list(path):
    torch.save([torch.zeros(3)], path)


def write_harmful(path):
    path.write_bytes(pickle.dumps(Harmful(path.with_name("harm"))))


@pytest.mark.parametrize(
    "make",
    [write_garbage, write_nothing, write_other_network, write_list, write_harmful],
    ids=lambda f: f.__name__,
)
def test_a_file_that_is_no_such_network_is_refused_in_one_line(make, tmp_path):
    """With its own hash in the config, as of a file that was converted wrongly."""
    path = tmp_path / "weights.pth"
    make(path)
    with pytest.raises(UserError) as refused:
        InceptionExtractor(path, sha256(path))
    assert "weights.pth" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not path.with_name("harm").exists()
