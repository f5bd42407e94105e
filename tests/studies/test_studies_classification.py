"""Figures 3-2 to 3-6: classifiers trained by any optimizer."""

import functools
import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gan_lab.data import Digits, Gaussians, load
from gan_lab.errors import UserError
from gan_lab.optim import AdaShift
from gan_lab.studies.classification import Classification
from gan_lab.studies.classifiers import NETWORKS, BlockMeans, PreActivationBlock
from gan_lab.training.randomness import fold
from gan_lab.types import DataSpec

FIELDS = {"network": "mlp", "batch_size": 128, "epochs": 3, "lr_drops": [1]}
SGD = functools.partial(torch.optim.SGD, lr=0.5)
CIFAR10 = DataSpec("cifar10", "images", (3, 32, 32), 10, tuple("0123456789"))


@pytest.fixture(scope="module")
def digits(data_cache):
    return load(Digits(), data_cache)


def begun(digits, optimizer=SGD, **fields):
    study = Classification(optimizer, digits, **{**FIELDS, **fields})
    study.begin(seed=0)
    return study


def run(study, first=1):
    for number in range(first, study.steps + 1):
        study.step(number)
    return study.result()


def test_training_is_that_of_a_loop_by_hand(digits):
    """Logistic regression with plain SGD: p = softmax(W x + b), dL/dlogits = (p - onehot) / n, the
    rate a tenth after the first epoch; pixels are numbers from 0 to 1."""
    study = begun(digits, network="logistic")
    torch.manual_seed(fold(0, "initial weights"))
    start = NETWORKS["logistic"](digits.spec)[1]
    W, b = start.weight.detach().double(), start.bias.detach().double()
    train = digits.splits["train"]
    images = torch.tensor(train.values).flatten(1).double() / 255
    labels = torch.tensor(train.labels)
    losses = []
    for number in range(1, study.steps + 1):
        rows = study.training.batches.indices(number - 1)[0]
        x, onehot = images[rows], F.one_hot(labels[rows], 10).double()
        p = (x @ W.T + b).softmax(1)
        losses.append(-(onehot * p.log()).sum(1).mean())
        rate = 0.5 if number <= study.epoch_steps else 0.05
        W, b = W - rate * (p - onehot).T @ x / 128, b - rate * (p - onehot).mean(0)
        assert float(study.step(number)["train_loss"]) == pytest.approx(float(losses[-1]), 1e-4)
    trained = study.training.network[1]
    torch.testing.assert_close(trained.weight.detach().double(), W, rtol=1e-3, atol=1e-5)

    # the scores, from the same parameters
    test = digits.splits["test"]
    logits = torch.tensor(test.values).flatten(1).double() / 255 @ W.T + b
    accuracy = (logits.argmax(1) == torch.tensor(test.labels)).double().mean()
    result = study.result()
    assert result.scores["test_accuracy"] == pytest.approx(float(accuracy), abs=1 / len(test))
    assert result.scores["best_test_accuracy"] == max(result.drawn["test_accuracy"])
    last = torch.stack(losses[-study.epoch_steps :]).mean()
    assert result.scores["train_loss"] == pytest.approx(float(last), rel=1e-4)
    assert len(result.drawn["test_accuracy"]) == 3


@pytest.mark.thorough
@pytest.mark.parametrize("network", ["mlp", "resnet18"])
def test_a_resumed_study_ends_as_one_that_was_not_stopped(digits, network):
    """With AdaShift, whose queue is state, and a network with batch normalisation."""
    adashift = functools.partial(AdaShift, lr=1e-2, n=3)
    fields = {"network": network, "epochs": 2, "batch_size": 479, "lr_drops": [1]}
    whole = begun(digits, adashift, **fields)
    file = io.BytesIO()
    for number in range(1, whole.steps + 1):
        whole.step(number)
        if number == 4:
            torch.save(whole.state_dict(), file)
    file.seek(0)
    resumed = begun(digits, adashift, **fields)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert run(resumed, first=5) == whole.result()


def test_parameters_of_the_networks():
    """logistic: 3072·10 + 10. Both MLPs: 3072·256 + 256 + 256·256 + 256 + 256·10 + 10. ResNet-18
    at half of the usual widths: counted layer by layer below."""
    counts = {
        name: sum(parameter.numel() for parameter in NETWORKS[name](CIFAR10).parameters())
        for name in NETWORKS
    }
    assert counts["logistic"] == 30_730
    assert counts["mlp"] == counts["mlp_linear"] == 855_050
    expected, last = 3 * 32 * 9, 32
    for width in (32, 64, 128, 256):
        expected += 9 * (last * width + 3 * width * width)  # four conv3
        expected += 2 * (last + 3 * width)  # four BN
        expected += 0 if last == width else last * width  # a conv1 beside the first block
        last = width
    assert counts["resnet18"] == expected + 2 * 256 + 256 * 10 + 10
    assert counts["densenet"] == 769_162  # DenseNet-BC (L=100, k=12): 0.8M in the paper


def test_a_block_adds_two_convolutions_to_its_input():
    torch.manual_seed(0)
    block = PreActivationBlock(4, 4, stride=1).eval()
    x = torch.randn(2, 4, 5, 5)
    scale = (1 + 1e-5) ** -0.5  # BN at its initial statistics
    h = F.conv2d(F.relu(x * scale), block.conv1.weight, padding=1)
    expected = x + F.conv2d(F.relu(h * scale), block.conv2.weight, padding=1)
    torch.testing.assert_close(block(x), expected)
    assert PreActivationBlock(4, 8, stride=2)(x).shape == (2, 8, 3, 3)


@pytest.mark.thorough
def test_convolutional_networks_see_standardised_images(digits):
    study = begun(digits, network="resnet18")
    seen = []
    study.training.network.trunk.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    study.training.logits(study.training.train.values)
    assert float(seen[0].mean()) == pytest.approx(0, abs=1e-4)
    assert float(seen[0].std()) == pytest.approx(1, abs=1e-3)


def test_means_over_blocks_of_steps():
    """7 steps in 3 blocks: 1 to 3, 4 and 5, 6 and 7."""
    means = BlockMeans(["number"], steps=7, blocks=3)
    for number in range(1, 8):
        means.add(number, {"number": torch.tensor(float(number))})
    assert means.ends() == [3, 5, 7]
    assert means.means() == {"number": [2.0, 4.5, 6.5]}


def test_the_networks_are_tested_in_eval_mode_and_train_on(digits):
    study = begun(digits, network="resnet18")
    norms = [part for part in study.training.network.modules() if isinstance(part, nn.BatchNorm2d)]
    before = norms[0].running_mean.clone()
    study.training.test_accuracy()
    assert torch.equal(norms[0].running_mean, before)
    assert norms[0].training


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("network", "vgg"), ("batch_size", 0), ("batch_size", 5000), ("epochs", 0),
        ("lr_drops", [3]), ("lr_drops", [2, 1]), ("lr_drops", [0]), ("lr_drops", 1),
    ],
)  # fmt: skip
def test_a_bad_field_is_refused_by_its_name(digits, field, value):
    with pytest.raises(UserError, match=field):
        begun(digits, **{field: value})


def test_points_are_refused(data_cache):
    with pytest.raises(UserError, match="choose another data set"):
        begun(load(Gaussians(), data_cache))
