"""Training the data set's own classifier: the recipe's parts by hand, what is kept of it, and when
it is trained."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.nn.functional import cross_entropy

from gan_lab.classifier import store as module
from gan_lab.classifier import training
from gan_lab.classifier.calibration import expected_calibration_error, log_probabilities
from gan_lab.classifier.networks import ResNetClassifier
from gan_lab.classifier.recipe import ClassifierRecipe, OneCycle, Steps
from gan_lab.classifier.training import _augment
from gan_lab.data import LoadedData, Split
from gan_lab.errors import UserError
from gan_lab.files import sha256_of
from gan_lab.types import DataSpec
from helpers.evaluation_runs import classifier, preset, script

QUICK = ClassifierRecipe(
    ResNetClassifier(2),
    OneCycle(0.25),
    epochs=3,
    batch_size=16,
    lr=0.05,
    crop=1,
    precision="32-true",
)


def data(count=70, classes=3, channels=2, seed=0, content=None):
    """Images whose brightness tells the class, with different statistics of train and test."""
    rng = np.random.default_rng(seed)
    splits = {}
    for name, low in (("train", 0), ("test", 60)):
        labels = rng.integers(classes, size=count)
        noise = rng.integers(low, 100, size=(count, channels, 8, 8))
        values = (
            noise + 40 * labels[:, None, None, None] + np.arange(channels)[:, None, None] * 30
        ).clip(0, 255)
        splits[name] = Split(values.astype(np.uint8), labels.astype(np.int64))
    spec = DataSpec("made", "images", (channels, 8, 8), classes, tuple(map(str, range(classes))))
    return LoadedData(spec, splits, content or f"{seed}{count}{classes}".ljust(64, "0"))


def files(folder):
    return sorted(
        path.name for path in folder.iterdir() if path.suffix in (".safetensors", ".json", ".ckpt")
    )


def weights(folder):
    [path] = folder.glob("*.safetensors")
    return path


@pytest.fixture
def trainings(monkeypatch):
    """Counts how often a classifier is trained."""
    done = []
    original = module.fit

    def counted(*arguments):
        done.append(1)
        return original(*arguments)

    monkeypatch.setattr(module, "fit", counted)
    return done


# Schedules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("progress", "factor"), [(0, 0), (0.1, 0.5), (0.2, 1), (0.6, 0.5), (0.9, 0.125), (1, 0)]
)
def test_one_cycle(progress, factor):
    assert OneCycle(0.2)(progress) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("progress", "factor"),
    [(0, 1), (0.4999, 1), (0.5, 0.1), (0.7499, 0.1), (0.75, 0.01), (1, 0.01)],
)
def test_steps(progress, factor):
    assert Steps((0.5, 0.75), 10)(progress) == pytest.approx(factor)


@pytest.mark.parametrize("warmup", [0, 1, -0.5])
def test_a_warmup_that_cannot_be_is_refused(warmup):
    with pytest.raises(UserError, match=r"warmup="):
        OneCycle(warmup)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("divisor", 0, "divisor=0: use a number of at least 1"),
        ("divisor", "no", "divisor=no: use a number of at least 1"),
        ("divisor", True, "divisor=True: use a number of at least 1"),
        ("divisor", math.inf, "divisor=inf: use a number of at least 1"),
        ("at", "no", "at=no: use a list of numbers"),
        ("at", None, "at=None: use a list of numbers"),
        ("at", 0.5, "at=0.5: use a list of numbers"),
        ("at", [0.5, 1.5], "at[1]=1.5: use a number between 0 and 1"),
        ("at", ["half"], "at[0]=half: use a number between 0 and 1"),
    ],
)
def test_steps_that_cannot_be_are_refused(field, value, words):
    with pytest.raises(UserError) as refused:
        Steps(**{field: value})
    assert str(refused.value) == words


def test_the_published_recipe():
    """DenseNet-BC 40/40/0.5, 300 epochs of 64, Nesterov 0.9, 0.1 ÷ 10 at 150 and 225, 1e-4, crops
    of 4 and flips."""
    recipe = preset("classifier=densenet", "dataset=cifar10")
    assert (recipe.network.depth, recipe.network.growth, recipe.network.compression) == (
        40,
        40,
        0.5,
    )
    assert (recipe.epochs, recipe.batch_size, recipe.lr) == (300, 64, 0.1)
    assert (recipe.momentum, recipe.weight_decay) == (0.9, 1e-4)
    assert (recipe.crop, recipe.flip, recipe.precision) == (4, True, "32-true")
    steps = 781
    rates = {
        epoch: 0.1 * recipe.schedule((epoch * steps + 0.5) / (300 * steps))
        for epoch in (0, 149, 150, 224, 225, 299)
    }
    assert rates == pytest.approx({0: 0.1, 149: 0.1, 150: 0.01, 224: 0.01, 225: 0.001, 299: 0.001})
    last_of_149 = (149 * steps + steps - 0.5) / (300 * steps)
    assert recipe.schedule(last_of_149) == 1


def test_digits_are_not_mirrored():
    assert not preset("classifier=fast", "dataset=digits").flip
    assert not preset("classifier=densenet", "dataset=mnist").flip


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", 0), ("epochs", 1.5), ("batch_size", 0), ("crop", -1), ("lr", -0.1), ("lr", math.nan),
     ("momentum", math.inf), ("weight_decay", -1), ("precision", "16-mixed"), ("seed", -1)],
)  # fmt: skip
def test_a_recipe_that_cannot_be_is_refused(field, value):
    with pytest.raises(UserError, match=f"{field}={value}"):
        replace(QUICK, **{field: value})


# Augmentation -------------------------------------------------------------------------------------


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_no_crop_and_no_flip_changes_nothing():
    x = torch.randn(5, 3, 6, 4)
    assert torch.equal(_augment(x, replace(QUICK, crop=0, flip=False), rng()), x)


@pytest.mark.parametrize(("height", "width"), [(5, 5), (7, 9)])
@pytest.mark.parametrize("crop", [1, 3])
def test_a_crop_is_a_window_of_the_padded_image(crop, height, width):
    """Every one of the (2 c + 1)² windows occurs, each image has its own, about equally often."""
    x = torch.rand(2000, 2, height, width) + 1
    found = _augment(x, replace(QUICK, crop=crop, flip=False), rng())
    padded = F.pad(x, [crop] * 4, mode="reflect")
    hits = torch.zeros(2 * crop + 1, 2 * crop + 1)
    matched = torch.zeros(len(x), dtype=torch.bool)
    for top in range(2 * crop + 1):
        for left in range(2 * crop + 1):
            same = (
                (padded[:, :, top : top + height, left : left + width] == found).flatten(1).all(1)
            )
            hits[top, left] = same.sum()
            matched |= same
    assert matched.all()
    expected = len(x) / (2 * crop + 1) ** 2
    assert (hits - expected).abs().max() < 6 * math.sqrt(expected)


def test_flips_mirror_about_half_left_to_right():
    x = torch.rand(2000, 2, 4, 5)
    found = _augment(x, replace(QUICK, crop=0, flip=True), rng())
    kept = (found == x).flatten(1).all(1)
    mirrored = (found == x.flip(3)).flatten(1).all(1)
    assert (kept ^ mirrored).all()
    assert abs(int(mirrored.sum()) - 1000) < 6 * math.sqrt(500)


def test_both_together_and_by_the_seed():
    x = torch.rand(50, 1, 4, 4) + 1
    recipe = replace(QUICK, crop=1, flip=True)
    found = _augment(x, recipe, rng(1))
    assert torch.equal(found, _augment(x, recipe, rng(1)))
    assert not torch.equal(found, _augment(x, recipe, rng(2)))
    padded = F.pad(x, [1] * 4, mode="reflect")
    for image, source in zip(found, padded, strict=True):
        windows = [source[:, i : i + 4, j : j + 4] for i in range(3) for j in range(3)]
        assert any(torch.equal(image, w) or torch.equal(image, w.flip(2)) for w in windows)


# Calibration --------------------------------------------------------------------------------------


def log_p(*confidences):
    """Two classes, class 0 with each of these probabilities."""
    p = torch.tensor(confidences, dtype=torch.float64)
    return torch.stack([p, 1 - p], 1).log()


def test_expected_calibration_error_by_hand():
    """Five bins: (0.6, 0.8] holds 0.7, 0.75, both right and too unsure; (0.8, 1] three, two right,
    too sure."""
    found = expected_calibration_error(
        log_p(0.7, 0.75, 0.9, 0.95, 0.99), torch.tensor([0, 0, 0, 0, 1]), bins=5
    )
    low = abs(1 - (0.7 + 0.75) / 2)
    high = abs(2 / 3 - (0.9 + 0.95 + 0.99) / 3)
    assert found.item() == pytest.approx(2 / 5 * low + 3 / 5 * high)


def test_the_confidence_is_that_of_the_predicted_class():
    """P(class 0) = 0.1 is confidence 0.9 in class 1."""
    assert expected_calibration_error(log_p(0.1), torch.tensor([1])).item() == pytest.approx(0.1)
    assert expected_calibration_error(log_p(0.1), torch.tensor([0])).item() == pytest.approx(0.9)


def test_a_calibrated_and_a_sure_classifier():
    half = expected_calibration_error(log_p(*[0.75] * 4), torch.tensor([0, 0, 0, 1]))
    assert half.item() == pytest.approx(0, abs=1e-12)
    sure = torch.tensor([[0.0, -math.inf]] * 3, dtype=torch.float64)
    assert expected_calibration_error(sure, torch.tensor([0, 0, 1])).item() == pytest.approx(1 / 3)


# Training -----------------------------------------------------------------------------------------


def test_it_is_trained_as_the_recipe_says(tmp_path, monkeypatch):
    """One epoch again, step by step: batches, rates, Nesterov momentum and decay by their
    formulas."""
    given = data(count=70)
    recipe = replace(QUICK, epochs=2, crop=0, flip=False, momentum=0.9, weight_decay=0.01)
    made = []
    original = ResNetClassifier.network

    def watched(self, spec):
        network = original(self, spec)
        made.append(
            (network, {name: value.clone() for name, value in network.state_dict().items()})
        )
        return network

    monkeypatch.setattr(ResNetClassifier, "network", watched)
    orders = []
    original_order = torch.randperm

    def order(*arguments, **options):
        orders.append(original_order(*arguments, **options))
        return orders[-1]

    monkeypatch.setattr(torch, "randperm", order)
    trained = classifier(given, recipe, tmp_path)
    monkeypatch.undo()
    initial = made[-1][1]
    network = ResNetClassifier(2).network(given.spec)
    network.load_state_dict(initial)
    network.fit_statistics(torch.zeros(2, 2, 8, 8))
    for name, value in network.named_buffers():
        if name.endswith("kernel"):  # fitted before training, fixed in it
            value.copy_(trained.network.state_dict()[name])
    pixels = given.splits["train"].values.astype(np.float64)
    mean, std = pixels.mean((0, 2, 3)), pixels.std((0, 2, 3))
    x = torch.from_numpy((pixels - mean[:, None, None]) / std[:, None, None]).float()
    y = torch.from_numpy(given.splits["train"].labels)
    velocity = {name: torch.zeros_like(value) for name, value in network.named_parameters()}
    orders = [order for order in orders if len(order) == 70][-2:]  # the last two: the epochs'
    assert not torch.equal(*orders)
    step = 0
    for epoch in orders:
        assert sorted(epoch.tolist()) == list(range(70))
        for rows in epoch[:64].split(16):  # the last 6 of 70 are dropped
            progress = (step + 0.5) / 8
            rate = 0.05 * min(progress / 0.25, (1 - progress) / 0.75)
            step += 1
            network.zero_grad()
            cross_entropy(network(x[rows]), y[rows]).backward()
            with torch.no_grad():
                for name, value in network.named_parameters():
                    gradient = value.grad + 0.01 * value
                    velocity[name] = 0.9 * velocity[name] + gradient
                    value -= rate * (gradient + 0.9 * velocity[name])
    for name, value in network.state_dict().items():
        torch.testing.assert_close(trained.network.state_dict()[name], value, rtol=1e-3, atol=1e-5)


def test_inputs_are_standardised_by_the_training_set(tmp_path):
    given = data()
    trained = classifier(given, replace(QUICK, epochs=1), tmp_path)
    pixels = given.splits["train"].values.astype(np.float64)
    np.testing.assert_allclose(trained.mean, pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(trained.std, pixels.std((0, 2, 3)), rtol=1e-6)


def test_a_blank_channel_is_left_as_it_is(tmp_path):
    given = data()
    for split in given.splits.values():
        split.values[:, 1] = 7
    trained = classifier(given, replace(QUICK, epochs=1), tmp_path)
    assert trained.mean[1] == 7
    assert trained.std[1] == 1
    assert all(value.isfinite().all() for value in trained.network.state_dict().values())


def test_what_is_recorded_is_what_the_network_does(tmp_path):
    """On every split, in fp32, with the training set's pixel statistics: by hand."""
    given = data()
    trained = classifier(given, QUICK, tmp_path)
    record = trained.record
    assert not any(part.training for part in trained.network.modules())
    assert not any(parameter.requires_grad for parameter in trained.network.parameters())
    for split, kept in given.splits.items():
        x = (torch.from_numpy(kept.values).float() - trained.mean[:, None, None]) / trained.std[
            :, None, None
        ]
        with torch.no_grad():
            p = trained.network(x).double().softmax(1)
        labels = torch.from_numpy(kept.labels)
        assert record["accuracy"][split] == (p.argmax(1) == labels).double().mean().item()
        nll = -p[torch.arange(len(p)), labels].log().mean()
        entropy = -(p * p.log()).sum(1).mean()
        noted = record["calibration"][split]
        assert noted["negative_log_likelihood"] == pytest.approx(nll.item(), rel=1e-5)
        assert noted["mean_entropy"] == pytest.approx(entropy.item(), rel=1e-5)
        expected = expected_calibration_error(p.log(), labels)
        assert noted["expected_calibration_error"] == pytest.approx(expected.item(), rel=1e-4)
        if split == "train":
            np.testing.assert_allclose(record["train_marginal"], p.mean(0), rtol=1e-5)
    assert record["architecture"]["name"] == "ResNetClassifier"
    assert record["weights_sha256"] == sha256_of(weights(tmp_path))
    assert record["data"]["content_hash"] == given.content_hash


def test_the_seed_decides(tmp_path):
    given = data()
    bytes_of = {}
    for name, recipe in {"a": QUICK, "b": QUICK, "c": replace(QUICK, seed=1)}.items():
        torch.manual_seed(len(bytes_of))  # the state it finds must not matter
        classifier(given, recipe, tmp_path / name)
        bytes_of[name] = weights(tmp_path / name).read_bytes()
    assert bytes_of["a"] == bytes_of["b"]
    assert bytes_of["a"] != bytes_of["c"]


class Stop(Exception):
    """What these tests end a training with."""


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_training_that_was_stopped_goes_on_exactly(epoch, tmp_path, monkeypatch):
    given = data()
    straight = classifier(given, QUICK, tmp_path / "straight")
    monkeypatch.setattr(training, "_SECONDS_BETWEEN_CHECKPOINTS", 0)
    original, saved = training._save, []

    def stop(path, network, optimizer, progressed):
        original(path, network, optimizer, progressed)
        saved.append(progressed["epochs"])
        if progressed["epochs"] == epoch:
            raise Stop

    monkeypatch.setattr(training, "_save", stop)
    with pytest.raises(Stop):
        classifier(given, QUICK, tmp_path / "stopped")
    assert saved == list(range(1, epoch + 1))
    monkeypatch.setattr(training, "_save", original)
    steps = []
    sgd = torch.optim.SGD.step
    monkeypatch.setattr(
        torch.optim.SGD, "step", lambda self, *a: (steps.append(1), sgd(self, *a))[1]
    )
    resumed = classifier(given, QUICK, tmp_path / "stopped")
    assert len(steps) == (3 - epoch) * 4 + 1  # one of a copy, against which the saved state is held
    assert weights(tmp_path / "stopped").read_bytes() == weights(tmp_path / "straight").read_bytes()
    assert resumed.record["accuracy"] == straight.record["accuracy"]
    assert [name for name in files(tmp_path / "stopped") if name.endswith(".ckpt")] == []


@pytest.mark.parametrize("is_said", [True, False], ids=["said", "by an older checkpoint not"])
def test_it_goes_on_in_the_precision_that_it_began_in(is_said, tmp_path, monkeypatch):
    """On a machine that auto takes for another one."""
    given, recipe = data(), replace(QUICK, precision="auto")
    monkeypatch.setattr(training, "_SECONDS_BETWEEN_CHECKPOINTS", 0)
    monkeypatch.setattr(training, "resolved", lambda asked, device: "bf16-mixed")
    original = training._save

    def stop(path, network, optimizer, progressed):
        if not is_said:
            del progressed["precision"]
        original(path, network, optimizer, progressed)
        raise Stop

    monkeypatch.setattr(training, "_save", stop)
    with pytest.raises(Stop):
        classifier(given, recipe, tmp_path)
    monkeypatch.setattr(training, "_save", original)
    monkeypatch.setattr(training, "resolved", lambda asked, device: "32-true")
    resumed = classifier(given, recipe, tmp_path)
    assert resumed.record["precision"] == ("bf16-mixed" if is_said else "32-true")


def test_a_damaged_checkpoint_is_begun_anew(tmp_path, monkeypatch):
    given = data()
    classifier(given, QUICK, tmp_path / "straight")
    monkeypatch.setattr(training, "_SECONDS_BETWEEN_CHECKPOINTS", 0)
    original = training._save

    def stop(path, *rest):
        original(path, *rest)
        path.write_bytes(path.read_bytes()[:-100])
        raise Stop

    monkeypatch.setattr(training, "_save", stop)
    with pytest.raises(Stop):
        classifier(given, QUICK, tmp_path / "stopped")
    monkeypatch.undo()
    classifier(given, QUICK, tmp_path / "stopped")
    assert weights(tmp_path / "stopped").read_bytes() == weights(tmp_path / "straight").read_bytes()


def test_a_checkpoint_of_another_optimizer_is_refused(tmp_path, monkeypatch):
    """torch loads it, and its next step would write past the end of the shorter tensor."""
    given = data()
    monkeypatch.setattr(training, "_SECONDS_BETWEEN_CHECKPOINTS", 0)
    original = training._save

    def stop(path, network, optimizer, *rest):
        for state in optimizer.state.values():
            state["momentum_buffer"] = state["momentum_buffer"].flatten()[:1]
        original(path, network, optimizer, *rest)
        raise Stop

    monkeypatch.setattr(training, "_save", stop)
    with pytest.raises(Stop):
        classifier(given, QUICK, tmp_path)
    monkeypatch.undo()
    with pytest.raises(
        UserError, match=r"is not of this classifier \(an optimizer's state is .*: remove it"
    ):
        classifier(given, QUICK, tmp_path)


def test_a_checkpoint_of_a_precision_that_there_is_not_is_refused(tmp_path, monkeypatch):
    """It would go on in fp32, and the record would name the other."""
    monkeypatch.setattr(training, "_SECONDS_BETWEEN_CHECKPOINTS", 0)
    original = training._save

    def stop(path, network, optimizer, progressed):
        original(path, network, optimizer, {**progressed, "precision": "8-mixed"})
        raise Stop

    monkeypatch.setattr(training, "_save", stop)
    with pytest.raises(Stop):
        classifier(data(), QUICK, tmp_path)
    monkeypatch.undo()
    with pytest.raises(
        UserError, match=r"is not of this classifier \(precision is '8-mixed'\): remove it"
    ):
        classifier(data(), QUICK, tmp_path)


# The cache ----------------------------------------------------------------------------------------


def test_it_is_trained_once(tmp_path, trainings):
    given = data()
    first = classifier(given, QUICK, tmp_path)
    second = classifier(given, QUICK, tmp_path)
    assert len(trainings) == 1
    assert first.record == second.record
    for name, value in first.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name])
    assert torch.equal(first.mean, second.mean)
    assert torch.equal(first.std, second.std)


def test_what_a_killed_training_left_is_cleared(tmp_path):
    for _ in range(2):  # by one that trains, and by one that finds it trained
        left = tmp_path / ".x.ckpt.0123456789ab.tmp"
        left.write_bytes(b"half of it")
        classifier(data(), QUICK, tmp_path)
        assert not left.exists()


@pytest.mark.parametrize(
    "other",
    [{"epochs": 1}, {"lr": 0.01}, {"crop": 0}, {"flip": False}, {"seed": 3}, {"network": ResNetClassifier(1)},
     {"schedule": OneCycle(0.5)}, {"schedule": Steps()}, {"weight_decay": 0.0}, {"batch_size": 8}, {"momentum": 0.0}],
    ids=str,
)  # fmt: skip
def test_another_recipe_is_another_classifier(other):
    given = data()
    assert module._key(given, QUICK) != module._key(given, replace(QUICK, **other))
    assert module._key(given, QUICK) == module._key(given, replace(QUICK))


def test_other_data_are_another_classifier():
    assert module._key(data(), QUICK) != module._key(data(content="f" * 64), QUICK)


def truncate(folder):
    path = weights(folder)
    path.write_bytes(path.read_bytes()[:-10])


def flip_a_byte(folder):
    path = weights(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def remove_weights(folder):
    weights(folder).unlink()


def remove_record(folder):
    [path] = folder.glob("*.json")
    path.unlink()


def truncate_record(folder):
    [path] = folder.glob("*.json")
    path.write_text(path.read_text()[:100])


@pytest.mark.parametrize(
    "damage",
    [truncate, flip_a_byte, remove_weights, remove_record, truncate_record],
    ids=lambda f: f.__name__,
)
def test_what_is_damaged_is_trained_again(damage, tmp_path, trainings):
    given = data()
    first = classifier(given, QUICK, tmp_path)
    before = weights(tmp_path).read_bytes()
    damage(tmp_path)
    second = classifier(given, QUICK, tmp_path)
    assert len(trainings) == 2
    assert weights(tmp_path).read_bytes() == before
    assert second.record["weights_sha256"] == first.record["weights_sha256"]
    [description] = tmp_path.glob("*.json")
    assert json.loads(description.read_text()) == second.record


# Refusals -----------------------------------------------------------------------------------------


def test_data_without_labels_are_refused_with_words(tmp_path, trainings):
    with pytest.raises(UserError, match="no labels") as refused:
        classifier(data(classes=1), QUICK, tmp_path / "folder")
    for word in ("made", "evaluation=efficientnet", "evaluation=inception", "off"):
        assert word in str(refused.value)
    assert trainings == []
    assert not (tmp_path / "folder").exists()


def test_a_training_that_diverges_says_so(tmp_path):
    with pytest.raises(UserError, match=r"classifier\.lr"):
        classifier(data(), replace(QUICK, lr=1e30, epochs=2), tmp_path)
    assert list(tmp_path.glob("*.safetensors")) == []


# The digits ---------------------------------------------------------------------------------------


@pytest.mark.timeout(1500)  # its fixture trains, on any number of threads
def test_the_fast_preset_knows_the_digits(digits, trained_classifier):
    """At least 97% of the test split, counted here."""
    kept = digits.splits["test"]
    trained = trained_classifier
    images = torch.from_numpy(kept.values)
    predicted = log_probabilities(trained.network, images, trained.mean, trained.std).argmax(1)
    accuracy = (predicted == torch.from_numpy(kept.labels)).double().mean().item()
    assert accuracy >= 0.97
    assert trained.record["accuracy"]["test"] == accuracy
    marginal = trained.record["train_marginal"]
    shares = np.bincount(digits.splits["train"].labels) / len(digits.splits["train"])
    np.testing.assert_allclose(sum(marginal), 1, rtol=1e-6)
    np.testing.assert_allclose(marginal, shares, atol=0.02)


@pytest.mark.timeout(1500)  # its fixture trains, on any number of threads
def test_the_script_finds_it_and_shows_its_record(trained_classifier, capsys):
    ended = script(capsys, "classifier", "dataset=digits")
    assert ended.code == 0, ended
    assert "training the classifier" not in ended.out
    assert trained_classifier.record["weights_sha256"] in ended.out
    assert f"{trained_classifier.record['accuracy']['test']:.4f}" in ended.out
    for word in ("expected_calibration_error", "ResNetClassifier"):
        assert word in ended.out
