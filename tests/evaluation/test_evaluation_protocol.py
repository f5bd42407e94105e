"""A protocol against doing it by hand: all samples in one array, cut where splits and chunks
end."""

from __future__ import annotations

import math
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from gan_lab.errors import UserError
from gan_lab.metrics import PrecisionRecallDensityCoverage
from gan_lab.metrics.feature_sets import FeatureSets
from gan_lab.reading.declared_scores import DeclaredScore, declared_scores, facts_in
from gan_lab.records import ScoreName
from gan_lab.records.versions import FIELD_DEFAULTS
from gan_lab.scoring import meters
from gan_lab.scoring import protocol as protocols
from gan_lab.scoring.features import ClassifierExtractor, Extractor, Features
from gan_lab.scoring.meters import Samples, Setting, meters_of, metric_class
from gan_lab.scoring.protocol import SCORES, Protocol, needs_features, score_text
from gan_lab.scoring.score import measure_reference, score_samples
from helpers.evaluation_runs import (
    am_score,
    composed,
    frechet,
    inception_score,
    kernel_distance,
    mode_score,
    softmax,
)
from helpers.registry import CONF

PIXELS, CLASSES = 12, 5


class Linear(Extractor):
    """features: the pixels / 64; logits: linear in them, exact in float32 in whatever batches.

    `passes`: the sizes of the batches it saw.
    """

    def __init__(self):
        super().__init__(
            "made", PIXELS, CLASSES, {"architecture": "linear", "weights_sha256": "0" * 64}
        )
        rng = torch.Generator().manual_seed(5)
        self.weight = nn.Parameter(torch.randint(-8, 9, (CLASSES, PIXELS), generator=rng) / 8)
        self.passes = []

    def forward(self, images):
        assert images.dtype == torch.uint8
        assert not self.training
        self.passes.append(len(images))
        features = images.float().flatten(1) / 64
        return Features(features, features @ self.weight.T)


def pictures(count, seed, low=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(low, 256, (count, 3, 2, 2), generator=rng, dtype=torch.uint8)


def protocol(scores, samples, splits=1, chunks=1, batch_size=7, **fields):
    return Protocol(None, scores, samples, samples, splits, chunks, batch_size, **fields)


class Drawn:
    """Batches of one array; the last is filled up with others, which must not count. `asked`: which
    were drawn."""

    def __init__(self, images, batch_size):
        self.images, self.batch_size, self.asked = images, batch_size, []

    def __call__(self, batch):
        self.asked.append(batch)
        found = self.images[batch * self.batch_size : (batch + 1) * self.batch_size]
        return Samples(
            torch.cat([found, torch.zeros_like(self.images)[: self.batch_size - len(found)]])
        )


def by_hand(extractor, images):
    with torch.no_grad():
        features = images.float().flatten(1) / 64
        return features.double().numpy(), (features @ extractor.weight.T).double().numpy()


def parts(values, count):
    """Sample i belongs to part floor(i · count / n)."""
    index = [i * count // len(values) for i in range(len(values))]
    return [
        values[[i for i, part in enumerate(index) if part == wanted]] for wanted in range(count)
    ]


@pytest.fixture(scope="module")
def extractor():
    return Linear().eval()


@pytest.fixture(scope="module")
def real():
    return {"train": pictures(90, 1, low=60), "test": pictures(40, 2)}


@pytest.fixture(scope="module")
def references(extractor, real):
    return {
        split: measure_reference(images.split(11), extractor, keep_features=True)
        for split, images in real.items()
    }


class Projection(Extractor):
    """features: 16 random directions of the pixels."""

    def __init__(self, pixels):
        super().__init__(
            "made", 16, CLASSES, {"architecture": "random", "weights_sha256": "0" * 64}
        )
        rng = torch.Generator().manual_seed(6)
        self.weight = nn.Parameter(torch.randn(pixels, 16, generator=rng))

    def forward(self, images):
        features = (images.float() / 255).flatten(1) @ self.weight
        return Features(features, features[:, :CLASSES])


@pytest.mark.parametrize("exchanged", [False, True])
def test_a_generator_that_repeats_one_real_image_has_no_recall(exchanged, digits):
    """By the whole path from images to scores; with generated and real images exchanged recall
    would be 1."""
    real = torch.from_numpy(digits.splits["train"].values[:300])
    fake = real[:1].expand(200, -1, -1, -1)
    if exchanged:
        real, fake = fake, real[:200]
    extractor = Projection(real[0].numel()).eval()
    reference = measure_reference(real.split(64), extractor, keep_features=True)
    asked = protocol(["prdc"], 200, batch_size=64)
    drawn = Drawn(fake, 64)
    found = score_samples(
        drawn, Setting(extractor, {"train": reference}, reference.marginal, asked, 200)
    )
    precision, recall, coverage = (
        found[f"{score}_made_200_train"]["value"] for score in ("precision", "recall", "coverage")
    )
    assert (precision, recall) == ((0, 1) if exchanged else (1, 0))
    assert coverage < 0.1


# Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("is", "inception", 500_000, 10), "is_inception_500k_10x"),
        (("fid", "inception", 500_000, 10, "train"), "fid_inception_500k_10x_train"),
        (("fid", "inception", 50_000, 1, "train"), "fid_inception_50k_train"),
        (("am", "classifier", 50_000), "am_classifier_50k"),
        (("fid", "classifier", 10_000, 1, "test"), "fid_classifier_10k_test"),
        (("is", "classifier", 360, 10), "is_classifier_360_10x"),
        (("is", "classifier", 1500, 10), "is_classifier_1500_10x"),
    ],
)
def test_names(arguments, name):
    assert str(ScoreName(*arguments)) == name
    old = {"extractor": {"name": arguments[1]}}
    assert ScoreName.of_entry(name, old) == ScoreName(*arguments)


def test_an_entry_says_its_extractor_where_its_name_would_be_read_otherwise():
    name = ScoreName("fid", "my_net", 10_000, reference="train")
    entry = {"extractor": {"name": "my_net"}, **name.fields}
    assert ScoreName.of_entry(str(name), entry) == name


@pytest.mark.parametrize("without", ["parts", "reference", "n_samples", "name"])
def test_an_entry_without_all_fields_is_read_by_its_name(without):
    """As one of somebody else's record."""
    name = ScoreName("fid", "inception", 10_000, reference="train")
    entry = {**name.fields, "extractor": {"name": "inception"}}
    (entry["extractor"] if without == "name" else entry).pop(without)
    assert ScoreName.of_entry(str(name), entry) == name


def test_a_value_of_a_study_is_no_score_of_samples():
    assert ScoreName.of_entry("theta_adam_beta1_0_9", {"value": 0.1}) is None


CHAPTERS = {
    "thesis": {"is_inception_500k_10x", "fid_inception_500k_10x_train", "fid_inception_500k_10x_test"},
    "inception": {"is_inception_50k_10x", "fid_inception_50k_train", "fid_inception_50k_test"},
    "classifier": {
        "is_classifier_10k_10x", "am_classifier_10k", "fid_classifier_10k_train", "fid_classifier_10k_test",
        "entropy_classifier_10k", "msssim_classifier_10k",
    },
    "efficientnet": {f"{score}_efficientnet_10k_{split}" for score in ("fid", "kid")
                     for split in ("train", "test")},
}  # fmt: skip


@pytest.mark.parametrize("option", CHAPTERS)
def test_an_option_means_the_published_protocol(option):
    name = "inception" if option == "thesis" else option
    weights = ["evaluation.extractor.weights=none"] if name == "inception" else []
    node = composed("train", f"evaluation={option}", *weights).evaluation
    names = set()
    for score in node.scores:
        if score in ("is", "mode"):
            names.add(str(ScoreName(score, name, node.samples, node.splits)))
        elif score in ("am", "entropy", "msssim"):
            names.add(str(ScoreName(score, name, node.samples)))
        else:
            names |= {
                str(ScoreName(score, name, node.samples, node.chunks, split))
                for split in ("train", "test")
            }
    assert names == CHAPTERS[option]


def test_off_is_empty():
    assert not composed("train", "evaluation=off").evaluation


@pytest.mark.parametrize(
    ("entry", "text"),
    [((7.6812, 0.0312), "7.681 ± 0.031"), ((3.0, None), "3"), (("inf", None), "inf")],
)
def test_text(entry, text):
    assert score_text({"value": entry[0], "std": entry[1]}) == text


# Every score, by hand -----------------------------------------------------------------------------

# samples, splits, chunks, batch size: batches that reach over the ends of splits and chunks, a last
# partial batch, parts of unequal size, a batch over several chunks, one batch for all, one sample
# at a time.
CUTS = [
    (60, 4, 3, 7),
    (61, 4, 3, 7),
    (59, 7, 5, 13),
    (60, 10, 10, 20),
    (45, 1, 1, 45),
    (40, 3, 2, 100),
    (25, 2, 4, 1),
]


@pytest.mark.parametrize(("samples", "splits", "chunks", "batch_size"), CUTS)
def test_scores_are_those_of_the_concatenated_samples(
    samples, splits, chunks, batch_size, extractor, real, references
):
    images = pictures(samples, 3)
    drawn = Drawn(images, batch_size)
    extractor.passes.clear()
    asked = protocol(("is", "am", "mode", "fid"), samples, splits, chunks, batch_size)
    marginal = references["train"].marginal
    found = score_samples(drawn, Setting(extractor, references, marginal, asked, samples))
    assert drawn.asked == list(range(math.ceil(samples / batch_size)))
    assert sum(extractor.passes) == samples
    assert max(extractor.passes) <= batch_size

    features, logits = by_hand(extractor, images)
    train = softmax(by_hand(extractor, real["train"])[1]).mean(0)
    expected = {
        "is": [inception_score(part) for part in parts(logits, splits)],
        "am": [am_score(part, train) for part in parts(logits, splits)],
        "mode": [mode_score(part, train) for part in parts(logits, splits)],
    }
    names = set()
    for score, values in expected.items():
        name = str(ScoreName(score, "made", samples, 1 if score == "am" else splits))
        names.add(name)
        value = (
            am_score(logits, train) if score == "am" else np.mean(values)
        )  # AM Score is of all samples at once
        assert found[name]["value"] == pytest.approx(value, rel=1e-9)
        if splits == 1:
            assert found[name]["std"] is None
        else:
            assert found[name]["std"] == pytest.approx(np.std(values), rel=1e-6)
    for split in real:
        reference, _ = by_hand(extractor, real[split])
        values = [frechet(part, reference) for part in parts(features, chunks)]
        name = str(ScoreName("fid", "made", samples, chunks, split))
        names.add(name)
        assert found[name]["value"] == pytest.approx(np.mean(values), rel=1e-6)
        if chunks == 1:
            assert found[name]["std"] is None
        else:
            assert found[name]["std"] == pytest.approx(np.std(values), rel=1e-5)
        assert found[name]["reference"] == split
    assert set(found) == names
    assert all(str(ScoreName.of_entry("", entry)) == name for name, entry in found.items())
    for entry in found.values():
        assert (entry["n_samples"], entry["splits"], entry["chunks"]) == (samples, splits, chunks)
        assert entry["extractor"] == {
            "name": "made",
            "architecture": "linear",
            "weights_sha256": "0" * 64,
        }


def test_is_is_the_product_of_its_recorded_terms(extractor, references):
    """(4-26), for one split: log IS = H(mean C) - E H(C(x)); AM = KL + E H(C(x))."""
    images = pictures(30, 4)
    asked = protocol(("is", "am"), 30)
    found = score_samples(
        Drawn(images, 7), Setting(extractor, references, references["train"].marginal, asked, 30)
    )
    entry = found["is_made_30"]
    assert math.log(entry["value"]) == pytest.approx(
        entry["marginal_entropy"] - entry["conditional_entropy"]
    )
    entry = found["am_made_30"]
    assert entry["value"] == pytest.approx(
        entry["marginal_divergence"] + entry["conditional_entropy"]
    )


@pytest.mark.parametrize("chunks", [1, 2])
def test_kid_and_prdc(chunks, extractor, real, references):
    """With subsets as large as both sides, KID has one value whatever is drawn."""
    samples, size = 40 * chunks, 40
    images = pictures(samples, 5)
    one = {"test": references["test"]}
    asked = protocol(("kid", "prdc"), samples, chunks=chunks, kid_subset_size=size)
    found = score_samples(
        Drawn(images, 7), Setting(extractor, one, references["train"].marginal, asked, samples)
    )
    reference, _ = by_hand(extractor, real["test"])
    cut = parts(by_hand(extractor, images)[0], chunks)
    values = [kernel_distance(reference, part) for part in cut]
    kid = found[str(ScoreName("kid", "made", samples, chunks, "test"))]
    assert kid["value"] == pytest.approx(np.mean(values), rel=1e-8)
    assert kid["std_over_subsets"] == pytest.approx(0, abs=1e-12)
    expected = []
    for part in cut:
        metric = PrecisionRecallDensityCoverage()
        metric.update(torch.from_numpy(reference).float(), real=True)
        metric.update(torch.from_numpy(part).float())
        expected.append(metric.compute()._asdict())
    for term in ("precision", "recall", "density", "coverage"):
        entry = found[str(ScoreName(term, "made", samples, chunks, "test"))]
        assert entry["value"] == pytest.approx(np.mean([float(value[term]) for value in expected]))
    assert len(found) == 5


def test_a_reference_is_that_of_the_concatenated_images(extractor, real):
    features, logits = by_hand(extractor, real["test"])
    kept = measure_reference(real["test"].split(9), extractor, keep_features=True)
    lean = measure_reference(real["test"].split(40), extractor, keep_features=False)
    assert lean.features is None
    assert torch.equal(kept.features.double(), torch.from_numpy(features))
    for found in (kept, lean):
        assert found.moments.n == 40
        np.testing.assert_allclose(found.moments.mean, features.mean(0), rtol=1e-12)
        np.testing.assert_allclose(
            found.moments.covariance, np.cov(features.T), rtol=1e-9, atol=1e-12
        )
        np.testing.assert_allclose(found.marginal, softmax(logits).mean(0), rtol=1e-9)


def test_kid_alone_asks_for_features():
    assert needs_features(["is", "kid"])
    assert needs_features(["prdc"])
    assert not needs_features(["is", "am", "mode", "fid"])


def test_am_compares_with_the_training_marginal_it_is_given(extractor, references):
    images = pictures(30, 4)
    uniform = torch.full((CLASSES,), 1 / CLASSES, dtype=torch.float64)
    found = score_samples(
        Drawn(images, 7), Setting(extractor, references, uniform, protocol(("am",), 30), 30)
    )
    assert found["am_made_30"]["value"] == pytest.approx(
        am_score(by_hand(extractor, images)[1], uniform), rel=1e-9
    )


# Ranking ------------------------------------------------------------------------------------------


def test_digits_noise_and_one_image_are_ranked(digits, digits_classifier):
    trained = digits_classifier
    identity = {"architecture": "x", "weights_sha256": "y"}
    extractor = ClassifierExtractor(trained.network, trained.mean, trained.std, identity)
    splits = {name: torch.from_numpy(split.values) for name, split in digits.splits.items()}
    references = {
        name: measure_reference(images.split(100), extractor, keep_features=False)
        for name, images in splits.items()
    }
    test = splits["test"]
    rng = torch.Generator().manual_seed(0)
    shuffled = test[torch.randperm(len(test), generator=rng)]
    samples = {
        "copy": shuffled,
        "noise": torch.randint(256, test.shape, dtype=torch.uint8, generator=rng),
        "one": test[:1].expand_as(test),
    }
    asked = protocol(("is", "am", "fid"), len(test), splits=3, batch_size=100)
    marginal = references["train"].marginal
    found = {
        name: score_samples(
            Drawn(images.contiguous(), 100),
            Setting(extractor, references, marginal, asked, len(test)),
        )
        for name, images in samples.items()
    }

    def values(score, split=None, parts=1):
        wanted = str(ScoreName(score, "classifier", len(test), parts, split))
        return {name: row[wanted]["value"] for name, row in found.items()}

    inception, am = values("is", parts=3), values("am")
    fid_test, fid_train = values("fid", "test"), values("fid", "train")
    assert 9 < inception["copy"] <= 10
    assert inception["copy"] > inception["noise"] > 1
    assert inception["one"] == pytest.approx(1, abs=1e-6)
    assert am["copy"] < 0.2
    assert am["copy"] < am["noise"]
    assert am["copy"] < am["one"]
    assert fid_test["copy"] < 1e-6 * fid_test["noise"]
    for bad in ("noise", "one"):
        assert 10 * fid_train["copy"] < fid_train[bad]
        assert 10 * fid_test["copy"] < fid_test[bad]


# MS-SSIM within classes ---------------------------------------------------------------------------


class Pictured(Drawn):
    """As `Drawn`, of samples that have classes; those of the samples that must not count are out of
    range."""

    def __init__(self, images, batch_size, classes):
        super().__init__(images, batch_size)
        self.classes = classes

    def __call__(self, batch):
        images, _ = super().__call__(batch)
        found = self.classes[batch * self.batch_size : (batch + 1) * self.batch_size]
        return Samples(images, torch.cat([found, torch.full((len(images) - len(found),), 99)]))


class Classifier(Linear):
    """`Linear` under the name of a classifier of the data."""

    def __init__(self):
        super().__init__()
        self.name = "classifier"


def ms_ssim(a, b, variant):
    """Of 2x2 images (C, 2, 2): one window of equal weights, then one pixel, whose cs is 1; weights
    scaled to sum 1."""
    a, b = a.double().flatten(1).numpy(), b.double().flatten(1).numpy()
    covariance = (a * b).mean(1) - a.mean(1) * b.mean(1)
    covariance = abs(covariance) if variant == "abs" else covariance
    structure = np.mean((2 * covariance + 7.65**2) / (a.var(1) + b.var(1) + 7.65**2))
    luminance = np.mean(
        (2 * a.mean(1) * b.mean(1) + 2.55**2) / (a.mean(1) ** 2 + b.mean(1) ** 2 + 2.55**2)
    )
    return max(structure, 0) ** (0.0448 / 0.3304) * luminance ** (0.2856 / 0.3304)


def within(images, classes, num_classes, pairs, variant="abs"):
    """The mean over disjoint pairs of the first 2 · pairs images of every class."""
    means = []
    for k in range(num_classes):
        kept = images[classes == k][: 2 * pairs]
        means.append(
            np.mean([ms_ssim(kept[i], kept[i + 1], variant) for i in range(0, len(kept), 2)])
        )
    return means


SIMILAR = pictures(90, 8, low=100)
CLASSES_OF_THEIR_OWN = torch.arange(90) % 3


def similarity(extractor, references, asked, own_classes, drawn=None):
    drawn = drawn or Pictured(SIMILAR, asked.batch_size, CLASSES_OF_THEIR_OWN)
    marginal = references["train"].marginal
    return score_samples(
        drawn, Setting(extractor, references, marginal, asked, asked.samples, own_classes)
    )


@pytest.mark.parametrize(
    ("classes", "variant"), [("auto", "abs"), ("own", "abs"), ("auto", "signed")]
)
@pytest.mark.parametrize("chunks", [1, 4])
def test_msssim_within_the_samples_own_classes(classes, variant, chunks, extractor, references):
    """By any extractor, which is not asked; a class follows its sample through batches and
    chunks."""
    fields = {"msssim_images": 8, "msssim_classes": classes, "msssim_variant": variant}
    found = similarity(extractor, references, protocol(("msssim",), 89, chunks=chunks, **fields), 3)
    [(name, entry)] = found.items()
    assert name == f"msssim_{variant}_2level_4pairs_own_89"
    expected = within(SIMILAR, CLASSES_OF_THEIR_OWN, 3, 4, variant)
    assert entry["per_class"] == pytest.approx(expected, rel=1e-9)
    assert entry["value"] == pytest.approx(max(expected), rel=1e-9)
    assert (entry["pairs"], entry["pairs_per_class"], entry["classes"]) == (4, [4, 4, 4], "own")
    assert entry["extractor"]["name"] == "own"


@pytest.mark.parametrize(
    ("classes", "own_classes"), [("classifier", 3), ("auto", None), ("classifier", None)]
)
def test_msssim_within_the_classes_of_the_classifier(classes, own_classes, references):
    """Its name says so, even where samples have classes of their own."""
    extractor = Classifier().eval()
    asked = protocol(("msssim",), 90, msssim_images=4, msssim_classes=classes)
    [(name, entry)] = similarity(extractor, references, asked, own_classes).items()
    assert name == "msssim_abs_2level_2pairs_classifier_90"
    seen = torch.from_numpy(by_hand(extractor, SIMILAR)[1]).argmax(1)
    counts = torch.bincount(seen, minlength=CLASSES).tolist()
    full = [k for k in range(CLASSES) if counts[k] >= 4]
    assert len(full) > 1
    for k in full:
        assert entry["per_class"][k] == pytest.approx(
            within(SIMILAR[seen == k], seen[seen == k] - k, 1, 2)[0], rel=1e-9
        )
    assert entry["classes"] == "classifier"
    assert entry["extractor"]["weights_sha256"] == "0" * 64
    assert entry["pairs_per_class"] == [min(2, n * (n - 1) // 2) for n in counts]


def test_a_class_with_fewer_pairs_is_told(extractor, references):
    """30 images of each class asked for 25 pairs have them; 6 images have 15."""
    classes = torch.cat(
        [torch.arange(60) % 2, torch.full((6,), 2), torch.zeros(24, dtype=torch.int64)]
    )
    asked = protocol(("msssim",), 90, msssim_images=50)
    [(name, entry)] = similarity(
        extractor, references, asked, 3, Pictured(SIMILAR, 7, classes)
    ).items()
    assert name == "msssim_abs_2level_25pairs_own_90"
    assert entry["pairs_per_class"] == [25, 25, 15]
    assert score_text(entry).endswith(" (fewer pairs in 1 of 3 classes)")


def test_classes_that_samples_do_not_have_are_refused_before_one_is_drawn(extractor, references):
    drawn = Drawn(SIMILAR, 7)
    for made, classes, words in (
        (
            Classifier().eval(),
            "own",
            ["evaluation.msssim_classes=own", "set evaluation.msssim_classes=classifier"],
        ),
        (extractor, "auto", ["the made extractor has other classes", "use evaluation=classifier"]),
        (
            extractor,
            "classifier",
            ["the made extractor has other classes", "use evaluation=classifier"],
        ),
    ):
        asked = protocol(("msssim",), 90, msssim_classes=classes)
        with pytest.raises(UserError) as refused:
            similarity(made, references, asked, None, drawn)
        for word in words:
            assert word in str(refused.value)
        with pytest.raises(UserError):
            meters_of(Setting(made, references, references["train"].marginal, asked, 90))
    assert drawn.asked == []


def test_the_default_has_200_pairs_of_the_published_variant():
    for option in ("classifier", "thesis_am"):
        node = composed("train", f"evaluation={option}").evaluation
        fields = {name: node[name] for name in node if name.startswith("msssim_")}
        asked = Protocol(None, samples=node.samples, **fields)
        assert asked == Protocol(None, samples=node.samples), "the YAML and the class agree"
        assert asked.similarity(10, (3, 32, 32)).protocol == "msssim_abs_5level_200pairs"
        assert asked.msssim_classes == "auto"


def test_what_older_runs_had():
    """Runs of before the two fields: signed, by the classifier."""
    before = {
        name: since.before
        for name, since in FIELD_DEFAULTS.items()
        if name.startswith("evaluation.msssim")
    }
    assert before == {
        "evaluation.msssim_variant": "signed",
        "evaluation.msssim_classes": "classifier",
    }


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"scores": ("is", "fidd")}, ["scores", "fidd", "prdc"]),
        ({"scores": ()}, ["scores", "evaluation=off"]),
        ({"samples": 15}, ["evaluation.samples=15", "evaluation.splits=10"]),
        (
            {"samples_in_training": 19},
            ["evaluation.samples_in_training=19", "evaluation.splits=10"],
        ),
        ({"samples": 100, "chunks": 60}, ["evaluation.samples=100", "evaluation.chunks=60"]),
        ({"splits": 0}, ["splits=0"]),
        ({"chunks": 2.0}, ["chunks=2.0"]),
        ({"batch_size": True}, ["batch_size=True"]),
        ({"samples": -1}, ["samples=-1"]),
        ({"kid_subset_size": 0}, ["kid_subset_size=0"]),
        ({"msssim_images": 0}, ["msssim_images=0"]),
        ({"msssim_images": 1}, ["msssim_images=1", "2"]),
        ({"msssim_pairs": "some"}, ["msssim_pairs=some", "rounds, disjoint, all"]),
        ({"msssim_variant": "absolute"}, ["msssim_variant=absolute", "abs, signed"]),
        ({"msssim_classes": "critic"}, ["msssim_classes=critic", "auto, own, classifier"]),
    ],
    ids=str,
)
def test_a_protocol_that_cannot_be_is_refused(fields, words):
    with pytest.raises(UserError) as refused:
        Protocol(**{"extractor": None, **fields})
    for word in words:
        assert word in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_advice_is_accepted():
    with pytest.raises(UserError, match=r"set evaluation\.splits=7$"):
        Protocol(None, samples=15, samples_in_training=15)
    Protocol(None, samples=15, samples_in_training=15, splits=7)


@pytest.mark.parametrize(
    ("splits", "samples", "words"),
    [
        (("train",), 30, ["evaluation.kid_subset_size=41", "a chunk of the samples", "30"]),
        (("train", "test"), 60, ["evaluation.kid_subset_size=41", "test", "40"]),
    ],
)
def test_kid_of_too_few_is_refused_before_a_sample_is_drawn(
    splits, samples, words, extractor, references
):
    asked = protocol(("kid",), 100, kid_subset_size=41)
    marginal = references["train"].marginal
    kept = {split: references[split] for split in splits}
    drawn = Drawn(pictures(samples, 3), 7)
    for check in (
        lambda: meters_of(Setting(extractor, kept, marginal, asked, samples)),
        lambda: score_samples(drawn, Setting(extractor, kept, marginal, asked, samples)),
    ):
        with pytest.raises(UserError) as refused:
            check()
        for word in words:
            assert word in str(refused.value)
    assert drawn.asked == []
    meters_of(Setting(extractor, {"train": references["train"]}, marginal, asked, 60))


def test_the_names_of_scores_that_other_programs_rely_on():
    assert set(SCORES) >= {"is", "am", "mode", "fid", "kid", "prdc", "entropy", "msssim"}


@pytest.mark.parametrize("score", SCORES)
def test_what_is_read_of_a_metric_without_importing_it_is_what_it_says(score):
    kind = metric_class(score)
    assert kind.facts == declared_scores()[score].facts
    assert kind.facts.name == score
    assert kind.facts.reads in ("logits", "features", "images")
    references = {"features": ("moments", "features"), "logits": (None, "marginal")}
    assert kind.facts.reference in references.get(kind.facts.reads, (None,))
    if kind.facts.reference == "features":
        assert issubclass(kind, FeatureSets), (
            f"{kind.__name__} keeps the features of both sides: inherit from "
            "gan_lab.metrics.feature_sets.FeatureSets, which brings them together over processes"
        )


class Watched:
    """A setting that remembers what was read of it."""

    def __init__(self, setting):
        self.setting, self.read = setting, []

    def __getattr__(self, name):
        self.read.append(name)
        return getattr(self.setting, name)


@pytest.mark.parametrize("score", [score for score in SCORES if score != "msssim"])
def test_a_score_reads_the_training_marginal_where_it_says_so(score, extractor, references):
    """Others can be made without one, as beside a file of moments."""
    reference = references["train"]
    asked = protocol((score,), 30)
    setting = Watched(Setting(extractor, {"train": reference}, reference.marginal, asked, 30))
    kind = metric_class(score)
    kind.of_setting(setting, reference)
    assert ("train_marginal" in setting.read) == (kind.facts.reference == "marginal")


def test_scores_are_known_without_torch():
    code = (
        "import sys; from gan_lab.reading.declared_scores import declared_scores; "
        "assert 'fid' in declared_scores(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)


def score_by_a_file(folder, code, monkeypatch, extractor, references, images):
    """The entries of a score "mine" whose metric is one file: found, made, fed and named."""
    (folder / "metric_of_one_file.py").write_text(code)
    ((name, facts),) = facts_in(folder / "metric_of_one_file.py")
    every = {**declared_scores(), "mine": DeclaredScore(facts, "metric_of_one_file", name)}
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "metric_of_one_file", raising=False)
    for module in (meters, protocols):
        monkeypatch.setattr(module, "declared_scores", lambda: every)
    monkeypatch.setattr(protocols, "SCORES", tuple(every))

    asked, marginal = protocol(("mine",), len(images)), references["train"].marginal
    return score_samples(
        Drawn(images, 7), Setting(extractor, references, marginal, asked, len(images))
    )


def test_a_metric_is_one_file(tmp_path, monkeypatch, extractor, references):
    """Nothing but a class and its facts. The example of docs/extending.md: the distance of the
    features' mean from that of real ones."""
    page = (CONF.parent / "docs" / "extending.md").read_text()
    (code,) = re.findall(r"```python\n(# src/gan_lab/metrics/mine\.py\n.*?)```", page, re.DOTALL)
    images = pictures(30, 4)
    found = score_by_a_file(tmp_path, code, monkeypatch, extractor, references, images)
    features = by_hand(extractor, images)[0]
    for split, reference in references.items():
        expected = np.linalg.norm(features.mean(0) - reference.moments.mean.numpy())
        assert found[f"mine_made_30_{split}"]["value"] == pytest.approx(expected, rel=1e-12, abs=0)


BRIGHTNESS = """
from typing import NamedTuple

import torch
from torch import Tensor

from gan_lab.metrics.base import Score
from gan_lab.reading.declared_scores import ScoreFacts


class Value(NamedTuple):
    value: Tensor


class Brightness(Score):
    facts = ScoreFacts("mine", reads="images", higher_is_better=True, stable=False)

    def __init__(self):
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    @classmethod
    def of_setting(cls, setting, reference=None):
        return cls()

    def update(self, images):
        self.total = self.total + images.sum()
        self.count = self.count + images.numel()

    def compute(self):
        return Value(self.total.double() / self.count)
"""


def test_a_metric_may_read_images(tmp_path, monkeypatch, extractor, references):
    """Their mean; not MS-SSIM, which reads them, too."""
    images = pictures(30, 4)
    found = score_by_a_file(tmp_path, BRIGHTNESS, monkeypatch, extractor, references, images)
    assert found.keys() == {"mine_made_30"}
    expected = images.double().mean().item()
    assert found["mine_made_30"]["value"] == pytest.approx(expected, rel=1e-12, abs=0)

    # an extractor without classes serves as well, but not MS-SSIM
    protocols.check_scores_of_features(("mine", "fid"), "efficientnet")
    with pytest.raises(UserError, match="msssim need class probabilities"):
        protocols.check_scores_of_features(("mine", "msssim"), "efficientnet")
